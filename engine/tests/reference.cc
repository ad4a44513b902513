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

// What the cell of Greff et al. (2015) lacks.
struct Parts {
  bool i = true, f = true, o = true, coupled = false, squash_in = true, squash_out = true;
};

Parts parts_of(Cell cell) {
  Parts p;
  p.i = cell != Cell::no_input_gate && cell != Cell::cifg;
  p.f = cell != Cell::no_forget_gate;
  p.o = cell != Cell::no_output_gate;
  p.coupled = cell == Cell::cifg;
  p.squash_in = cell != Cell::no_input_activation;
  p.squash_out = cell != Cell::no_output_activation;
  return p;
}

// One unit's sums: each gate's products with x and h in the order of torch.
struct Sums {
  const Numbers& of_x;
  const Numbers& of_h;
  const Numbers& params;
  Index H, u;

  double x(Index gate) const { return of_x[static_cast<std::size_t>(gate * H + u)]; }
  double h(Index gate) const { return of_h[static_cast<std::size_t>(gate * H + u)]; }
  double operator()(Index gate) const { return x(gate) + h(gate); }
  double p(Index k) const { return params.empty() ? 0 : params[static_cast<std::size_t>(k * H + u)]; }
};

// The LSTM, with peepholes where there are params; c becomes the new one.
double family(const Parts& has, const Sums& sum, double& c) {
  Index gate = 0, k = 0;
  const double before = c;
  const double i = has.i ? sigmoid(sum(gate++) + sum.p(k++) * before) : 1;
  const double f = has.f ? sigmoid(sum(gate++) + sum.p(k++) * before) : 1;
  const double g = has.squash_in ? std::tanh(sum(gate++)) : sum(gate++);
  c = f * before + (has.coupled ? 1 - f : i) * g;
  const double o = has.o ? sigmoid(sum(gate) + sum.p(k) * c) : 1;
  return o * (has.squash_out ? std::tanh(c) : c);
}

// Beck et al. 2024, equations 8 to 17: c, n and m become the new ones.
double exponential(const Sums& sum, double& c, double& n, double& m) {
  const double log_f = -std::log1p(std::exp(-sum(1))) + m;
  m = n != 0 ? std::max(log_f, sum(0)) : sum(0);
  const double i = std::exp(sum(0) - m), f = std::exp(std::min(0.0, log_f - m));
  c = f * c + i * std::tanh(sum(2));
  n = f * n + i;
  return sigmoid(sum(3)) * c / n;
}

// What the cell computes; h' as it reads it, and c (C, H), which becomes the new one.
double unit(Cell cell, const Sums& sum, double h_before, Numbers& c) {
  const auto state = [&](Index k) -> double& { return c[static_cast<std::size_t>(k * sum.H + sum.u)]; };
  switch (cell) {
    case Cell::gru: {
      const double r = sigmoid(sum(0)), z = sigmoid(sum(1)), n = std::tanh(sum.x(2) + r * sum.h(2));
      return (1 - z) * n + z * h_before;
    }
    case Cell::rnn_tanh: return std::tanh(sum(0));
    case Cell::rnn_relu: return sum(0) <= 0 ? 0 : sum(0);  // NaN stays
    case Cell::slstm: return exponential(sum, state(0), state(1), state(2));
    case Cell::min_gru: {
      const double z = sigmoid(sum.x(0));
      return h_before + z * (sum.x(1) - h_before);  // so written, NaN of an infinite h'
    }
    case Cell::min_lstm: {
      const double i = sigmoid(sum.x(0)), f = sigmoid(sum.x(1));
      return h_before + (i > 0 ? i / (f + i) : 0) * (sum.x(2) - h_before);
    }
    default: return family(parts_of(cell), sum, state(0));
  }
}

// n sums from `first` on, which stand for (a - mean) / sqrt(variance + 1e-5) afterwards.
void normalise(Numbers& sums, Index first, Index n) {
  double mean = 0, variance = 0;
  for (Index k = first; k < first + n; ++k) mean += sums[k] / static_cast<double>(n);
  for (Index k = first; k < first + n; ++k) variance += (sums[k] - mean) * (sums[k] - mean) / static_cast<double>(n);
  for (Index k = first; k < first + n; ++k) sums[k] = (sums[k] - mean) / std::sqrt(variance + 1e-5);
}

// Ba, Kiros & Hinton 2016, equations 20 to 22; c becomes the new one.
Numbers normalised_lstm(Numbers& of_x, Numbers& of_h, const Numbers& params, Index H, Numbers& c) {
  normalise(of_x, 0, 4 * H);
  normalise(of_h, 0, 4 * H);
  Numbers o, out;
  for (Index u = 0; u < H; ++u) {
    const Sums sum{of_x, of_h, params, H, u};
    const auto gate = [&](Index k) { return sum.p(k) * sum.x(k) + sum.p(4 + k) * sum.h(k) + sum.p(8 + k); };
    c[u] = sigmoid(gate(1)) * c[u] + sigmoid(gate(0)) * std::tanh(gate(2));
    o.push_back(sigmoid(gate(3)));
  }
  Numbers n = c;
  normalise(n, 0, H);
  for (Index u = 0; u < H; ++u) {
    const Sums sum{of_x, of_h, params, H, u};
    out.push_back(o[u] * std::tanh(sum.p(12) * n[u] + sum.p(13)));
  }
  return out;
}

// Its supplementary material: both gates together, the candidate by itself.
Numbers normalised_gru(Numbers& of_x, Numbers& of_h, const Numbers& params, Index H, const Numbers& before) {
  for (Numbers* sums : {&of_x, &of_h}) normalise(*sums, 0, 2 * H), normalise(*sums, 2 * H, H);
  Numbers out;
  for (Index u = 0; u < H; ++u) {
    const Sums sum{of_x, of_h, params, H, u};
    const auto of_x_in = [&](Index k) { return sum.p(k) * sum.x(k) + sum.p(6 + k); };
    const double r = sigmoid(of_x_in(0) + sum.p(3) * sum.h(0)), z = sigmoid(of_x_in(1) + sum.p(4) * sum.h(1));
    const double n = std::tanh(of_x_in(2) + r * (sum.p(5) * sum.h(2) + sum.p(9)));
    out.push_back((1 - z) * n + z * before[u]);
  }
  return out;
}

// One step of one sequence: h (R) and c (C, H) become the states after it.
void step(const Given& g, Index d, Index row, Numbers& h, Numbers& c) {
  const Shape& s = g.shape;
  const Numbers* w = &g.in[static_cast<std::size_t>(in_w + own_weights * d)];
  const double* x = g.in[in_x].data() + row * s.I;
  const Index H = s.H, R = s.R(), at = row * s.D + d;
  Numbers entering = h, of_x, of_h;
  for (Index k = 0; s.scale != Rate::none && k < R; ++k) entering[k] *= g.in[in_scale][at * R + k];
  const Numbers beside = s.decay && s.scale != Rate::none ? entering : h, c_before = c;
  for (Index k = 0; k < s.x_gates() * H; ++k) of_x.push_back(dot(w[0], k, x, s.I) + (w[2].empty() ? 0 : w[2][k]));
  for (Index k = 0; k < s.gates() * H; ++k)
    of_h.push_back(dot(w[1], k, entering.data(), R) + (w[3].empty() ? 0 : w[3][k]));
  Numbers out(static_cast<std::size_t>(H));
  if (s.cell == Cell::layer_norm_lstm) {
    out = normalised_lstm(of_x, of_h, w[5], H, c);
  } else if (s.cell == Cell::layer_norm_gru) {
    out = normalised_gru(of_x, of_h, w[5], H, beside);
  }
  for (Index u = 0; u < H && !normalises(s.cell); ++u)
    out[u] = unit(s.cell, {of_x, of_h, w[5], H, u}, s.P ? 0 : beside[u], c);
  for (Index u = 0; s.zone_c != Rate::none && u < H; ++u) {
    const double zone = g.zone_c[at * H + u];
    c[u] = zone * c_before[u] + (1 - zone) * c[u];
  }
  for (Index p = 0; p < R; ++p) h[p] = s.P ? dot(w[4], p, out.data(), H) : out[p];
  for (Index u = 0; s.zone_h != Rate::none && u < H; ++u) {
    const double zone = g.zone_h[at * H + u];
    h[u] = zone * beside[u] + (1 - zone) * h[u];
  }
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
  const char* cells[] = {"lstm",           "gru",           "rnn_tanh",       "rnn_relu",
                         "peephole",       "cifg",          "no_forget_gate", "no_input_gate",
                         "no_output_gate", "no_input_act.", "no_output_act.", "slstm",
                         "min_lstm",       "min_gru",       "layer_norm",     "layer_norm_gru"};
  static_assert(sizeof cells / sizeof *cells == cell_count);
  const char* rates[] = {"", " each", " constant"};
  const char* kinds[] = {"none", "full", "ragged", "equal", "zero"};
  const char* orders[] = {"batch first", "time first", "packed"};
  const auto number = [](const char* name, Index n) {
    return std::string(" ") + name + "=" + std::to_string(n);
  };
  return cells[static_cast<int>(cell)] + number("D", D) + number("B", B) + number("T", T) + number("I", I) +
         number("H", H) + number("P", P) + ", lengths " + kinds[static_cast<int>(lengths)] + ", " +
         orders[static_cast<int>(order)] + (resets ? ", resets" : "") + (states ? "" : ", no states") +
         (biases ? "" : ", no biases") + (params ? "" : ", no params") + (decay ? ", decay" : "") + ", scale" +
         rates[static_cast<int>(scale)] + ", zone_h" + rates[static_cast<int>(zone_h)] + ", zone_c" +
         rates[static_cast<int>(zone_c)] + number("gap", gap) + number("shift", shift) +
         number("threads", threads);
}

std::string name_of(int input) {
  const char* names[] = {"x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh", "w_hr", "params"};
  if (input == in_scale) return "scale";
  if (input < in_w) return names[input];
  return names[in_w + (input - in_w) % own_weights] + std::string(input >= in_w + own_weights ? " (reverse)" : "");
}

namespace {

// (B, T, width) numbers of a modifier: the same for all steps where it is constant.
Numbers draw_rows(const Shape& s, Rate rate, Index width, Random& random, double (*number)(Random&)) {
  Numbers rows;
  for (Index b = 0; rate != Rate::none && b < s.B; ++b) {
    const std::size_t first = rows.size();
    for (Index t = 0; t < s.T; ++t) {
      for (Index k = 0; k < width; ++k) {
        const bool again = rate == Rate::constant && t > 0;
        rows.push_back(again ? rows[first + static_cast<std::size_t>(k)] : number(random));
      }
    }
  }
  return rows;
}

double draw_scale(Random& random) {
  return random.below(3) == 0 ? 0 : static_cast<float>(1 + 0.5 * random.uniform());
}

// None, all, or a share of it.
double draw_zone(Random& random) {
  const Index kind = random.below(4);
  return kind < 2 ? static_cast<double>(kind) : static_cast<float>(0.5 + 0.45 * random.uniform());
}

}  // namespace

Given draw(const Shape& s, std::uint64_t seed) {
  Random random(seed * 1000003 + 17);
  Given g;
  g.shape = s;
  g.lengths = draw_lengths(s, random);
  g.resets.resize(static_cast<std::size_t>(s.B * s.T));
  for (std::uint8_t& reset : g.resets) reset = s.resets && random.below(4) == 0;
  const double near = 1 / std::sqrt(static_cast<double>(s.I ? s.I : 1));
  const double back = 1 / std::sqrt(static_cast<double>(s.R())), out = 1 / std::sqrt(static_cast<double>(s.H));
  const Index C = s.cells();
  g.in[in_x] = random.numbers(s.B * s.T * s.I, 1);
  g.in[in_h0] = random.numbers(s.states ? s.rows() * s.R() : 0, 1);
  g.in[in_c0] = random.numbers(s.states ? s.rows() * C * s.H : 0, 1);
  if (s.cell == Cell::slstm) {  // a normaliser is above 0, or 0 where nothing was seen
    Numbers& c0 = g.in[in_c0];
    for (std::size_t k = 0; k < c0.size(); ++k) {
      if (static_cast<Index>(k) / s.H % C == 1) c0[k] = 1 + 0.5 * c0[k];
    }
  }
  for (Index d = 0; d < s.D; ++d) {
    Numbers* w = &g.in[static_cast<std::size_t>(in_w + own_weights * d)];
    w[0] = random.numbers(s.x_gates() * s.H * s.I, near);
    w[1] = random.numbers(s.gates() * s.H * s.R(), back);
    w[2] = random.numbers(s.biases ? s.x_gates() * s.H : 0, 1);
    w[3] = random.numbers(s.biases ? s.gates() * s.H : 0, 1);
    w[4] = random.numbers(s.P * s.H, out);
    w[5] = random.numbers(s.vectors() * s.H, 1);
  }
  g.gradient = {random.numbers(s.B * s.T * s.D * s.R(), 1), random.numbers(s.rows() * s.R(), 1),
                random.numbers(s.rows() * C * s.H, 1)};
  g.in[in_scale] = draw_rows(s, s.scale, s.D * s.R(), random, draw_scale);
  g.zone_h = draw_rows(s, s.zone_h, s.D * s.H, random, draw_zone);
  g.zone_c = draw_rows(s, s.zone_c, s.D * s.H, random, draw_zone);
  return g;
}

Outputs reference(const Given& g) {
  const Shape& s = g.shape;
  const Index R = s.R(), CH = s.cells() * s.H;
  Outputs out{Numbers(static_cast<std::size_t>(s.B * s.T * s.D * R)), {}, {}};
  for (Index d = 0; d < s.D; ++d) {
    for (Index b = 0; b < s.B; ++b) {
      const Index L = g.lengths[static_cast<std::size_t>(b)], state = d * s.B + b;
      Numbers h = s.states ? part(g.in[in_h0], state, R) : Numbers(static_cast<std::size_t>(R));
      Numbers c = s.states ? part(g.in[in_c0], state, CH) : Numbers(static_cast<std::size_t>(CH));
      for (Index k = 0; k < L; ++k) {
        const Index t = d ? L - 1 - k : k, row = b * s.T + t;
        if (s.resets && g.resets[static_cast<std::size_t>(row)]) {
          std::fill(h.begin(), h.end(), 0.0);
          std::fill(c.begin(), c.end(), 0.0);
        }
        step(g, d, row, h, c);
        std::copy(h.begin(), h.end(), out.y.begin() + (row * s.D + d) * R);
      }
      out.hn.insert(out.hn.end(), h.begin(), h.end());
      out.cn.insert(out.cn.end(), c.begin(), c.end());
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
  const double near = (at(size) - at(-size)) / (2 * size);
  if (!normalises(given.shape.cell)) return near;
  return (4 * near - (at(2 * size) - at(-2 * size)) / (4 * size)) / 3;  // where a row hardly varies, h turns fast
}

bool normalises(Cell cell) { return cell == Cell::layer_norm_lstm || cell == Cell::layer_norm_gru; }

double slope_tolerance(const Shape& s) { return normalises(s.cell) ? 1e-6 : 1e-8; }

double tolerance(const Shape& s, double epsilon) {
  if (normalises(s.cell)) epsilon *= 316;  // what a row without variance is divided by: sqrt(1e-5)
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
