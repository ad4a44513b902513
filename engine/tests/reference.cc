#include "reference.h"

#include <algorithm>
#include <cstdio>

#include "check.h"

namespace gatework::test {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// row . a for row `r` of a matrix with `n` columns
double dot(const Numbers& matrix, Index r, const double* a, Index n) {
  const double* row = matrix.data() + r * n;
  double sum = 0;
  for (Index k = 0; k < n; ++k) sum += row[k] * a[k];
  return sum;
}

// One step of one sequence: h (R) and c (H) become the states after it.
void step(const Shape& s, const Arrays& in, Index d, const double* x, Numbers& h, Numbers& c) {
  const Numbers *w = &in[static_cast<std::size_t>(in_w + 5 * d)], &b_ih = w[2], &b_hh = w[3];
  const auto of_x = [&](Index row) { return dot(w[0], row, x, s.I) + (s.biases ? b_ih[row] : 0); };
  const auto of_h = [&](Index row) { return dot(w[1], row, h.data(), s.R()) + (s.biases ? b_hh[row] : 0); };
  const Index H = s.H;
  Numbers out(H);
  for (Index u = 0; u < H; ++u) {
    switch (s.cell) {
      case Cell::lstm: {
        const double i = sigmoid(of_x(u) + of_h(u)), f = sigmoid(of_x(H + u) + of_h(H + u));
        const double g = std::tanh(of_x(2 * H + u) + of_h(2 * H + u));
        const double o = sigmoid(of_x(3 * H + u) + of_h(3 * H + u));
        c[u] = f * c[u] + i * g;
        out[u] = o * std::tanh(c[u]);
        break;
      }
      case Cell::gru: {
        const double r = sigmoid(of_x(u) + of_h(u)), z = sigmoid(of_x(H + u) + of_h(H + u));
        const double n = std::tanh(of_x(2 * H + u) + r * of_h(2 * H + u));
        out[u] = (1 - z) * n + z * h[u];
        break;
      }
      case Cell::rnn_tanh: out[u] = std::tanh(of_x(u) + of_h(u)); break;
      case Cell::rnn_relu: {
        const double a = of_x(u) + of_h(u);
        out[u] = a <= 0 ? 0 : a;  // NaN stays
        break;
      }
    }
  }
  for (Index p = 0; p < s.R(); ++p) h[p] = s.P ? dot(w[4], p, out.data(), H) : out[p];
}

Numbers part(const Numbers& all, Index index, Index n) {
  return Numbers(all.begin() + index * n, all.begin() + (index + 1) * n);
}

std::vector<Index> draw_lengths(const Shape& s, Random& random) {
  std::vector<Index> lengths(static_cast<std::size_t>(s.B), s.T);
  for (Index& length : lengths) {
    if (s.lengths == Lengths::ragged) length = random.below(s.T + 1);
    if (s.lengths == Lengths::equal) length = s.T - s.T / 3;
    if (s.lengths == Lengths::zero) length = 0;
  }
  if (s.order == Order::packed) std::sort(lengths.rbegin(), lengths.rend());
  return lengths;
}

}  // namespace

std::uint64_t Random::bits() {
  std::uint64_t x = state_ += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

Numbers Random::numbers(Index n, double size) {
  Numbers numbers(static_cast<std::size_t>(n));
  for (double& x : numbers) x = static_cast<float>(size * uniform());
  return numbers;
}

std::string Shape::text() const {
  const char* cells[] = {"lstm", "gru", "rnn_tanh", "rnn_relu"};
  const char* kinds[] = {"none", "full", "ragged", "equal", "zero"};
  const char* orders[] = {"batch first", "time first", "packed"};
  const auto number = [](const char* name, Index n) {
    return std::string(" ") + name + "=" + std::to_string(n);
  };
  return cells[static_cast<int>(cell)] + number("D", D) + number("B", B) + number("T", T) + number("I", I) +
         number("H", H) + number("P", P) + ", lengths " + kinds[static_cast<int>(lengths)] + ", " +
         orders[static_cast<int>(order)] + (resets ? ", resets" : "") + (states ? "" : ", no states") +
         (biases ? "" : ", no biases") + number("gap", gap) + number("shift", shift) +
         number("threads", threads);
}

std::string name_of(int input) {
  const char* names[] = {"x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh", "w_hr"};
  if (input < in_w) return names[input];
  return names[in_w + (input - in_w) % 5] + std::string(input >= in_w + 5 ? " (reverse)" : "");
}

Given draw(const Shape& s, std::uint64_t seed) {
  Random random(seed * 1000003 + 17);
  Given g;
  g.shape = s;
  g.lengths = draw_lengths(s, random);
  g.resets.resize(static_cast<std::size_t>(s.B * s.T));
  for (std::uint8_t& reset : g.resets) reset = s.resets && random.below(4) == 0;
  const double near = 1 / std::sqrt(static_cast<double>(s.I ? s.I : 1));
  const double back = 1 / std::sqrt(static_cast<double>(s.R())), out = 1 / std::sqrt(static_cast<double>(s.H));
  const bool lstm = s.cell == Cell::lstm;
  g.in[in_x] = random.numbers(s.B * s.T * s.I, 1);
  g.in[in_h0] = random.numbers(s.states ? s.rows() * s.R() : 0, 1);
  g.in[in_c0] = random.numbers(s.states && lstm ? s.rows() * s.H : 0, 1);
  for (Index d = 0; d < s.D; ++d) {
    Numbers* w = &g.in[static_cast<std::size_t>(in_w + 5 * d)];
    w[0] = random.numbers(s.gates() * s.H * s.I, near);
    w[1] = random.numbers(s.gates() * s.H * s.R(), back);
    w[2] = random.numbers(s.biases ? s.gates() * s.H : 0, 1);
    w[3] = random.numbers(s.biases ? s.gates() * s.H : 0, 1);
    w[4] = random.numbers(s.P * s.H, out);
  }
  g.gradient = {random.numbers(s.B * s.T * s.D * s.R(), 1), random.numbers(s.rows() * s.R(), 1),
                random.numbers(lstm ? s.rows() * s.H : 0, 1)};
  return g;
}

Outputs reference(const Given& g) {
  const Shape& s = g.shape;
  const Index R = s.R();
  const bool lstm = s.cell == Cell::lstm;
  Outputs out{Numbers(static_cast<std::size_t>(s.B * s.T * s.D * R)), {}, {}};
  for (Index d = 0; d < s.D; ++d) {
    for (Index b = 0; b < s.B; ++b) {
      const Index L = g.lengths[static_cast<std::size_t>(b)], state = d * s.B + b;
      Numbers h = s.states ? part(g.in[in_h0], state, R) : Numbers(static_cast<std::size_t>(R));
      Numbers c = s.states && lstm ? part(g.in[in_c0], state, s.H) : Numbers(static_cast<std::size_t>(s.H));
      for (Index k = 0; k < L; ++k) {
        const Index t = d ? L - 1 - k : k, row = b * s.T + t;
        if (s.resets && g.resets[static_cast<std::size_t>(row)]) {
          std::fill(h.begin(), h.end(), 0.0);
          std::fill(c.begin(), c.end(), 0.0);
        }
        step(s, g.in, d, g.in[in_x].data() + row * s.I, h, c);
        std::copy(h.begin(), h.end(), out.y.begin() + (row * s.D + d) * R);
      }
      out.hn.insert(out.hn.end(), h.begin(), h.end());
      if (lstm) out.cn.insert(out.cn.end(), c.begin(), c.end());
    }
  }
  return out;
}

double loss(const Given& g, const Outputs& out) {
  double sum = 0;
  for (std::size_t i = 0; i < out.y.size(); ++i) sum += g.gradient.y[i] * out.y[i];
  for (std::size_t i = 0; i < out.hn.size(); ++i) sum += g.gradient.hn[i] * out.hn[i];
  for (std::size_t i = 0; i < out.cn.size(); ++i) sum += g.gradient.cn[i] * out.cn[i];
  return sum;
}

double slope(const Given& given, int which, const Numbers& direction) {
  constexpr double size = 1e-5;  // cuts off 1e-10 of a third derivative of 1, rounds by 2e-11 of the loss
  const auto at = [&](double distance) {
    Given moved = given;
    Numbers& numbers = moved.in[static_cast<std::size_t>(which)];
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] += distance * direction[i];
    return loss(moved, reference(moved));
  };
  return (at(size) - at(-size)) / (2 * size);
}

double tolerance(const Shape& s, double epsilon) {
  return epsilon * static_cast<double>((16 + s.I + s.R()) * std::min<Index>(std::max<Index>(s.T, 1), 10));
}

bool all_near(const Numbers& got, const Numbers& want, double tolerance, std::string* where) {
  if (got.size() != want.size()) {
    if (where) *where = std::to_string(got.size()) + " numbers, should be " + std::to_string(want.size());
    return false;
  }
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(got[i] - want[i]);
    if (got[i] == want[i] || (std::isfinite(error) && error <= tolerance * (1 + std::abs(want[i])))) continue;
    char text[120];
    std::snprintf(text, sizeof text, "[%zu] of %zu is %.17g, should be %.17g to within %g", i, got.size(),
                  got[i], want[i], tolerance);
    if (where) *where = text;
    return false;
  }
  return true;
}

void check_all_near(const char* file, int line, const std::string& what, const Numbers& got,
                    const Numbers& want, double tolerance) {
  std::string where;
  if (!all_near(got, want, tolerance, &where)) fail(file, line, (what + where).c_str());
}

}  // namespace gatework::test
