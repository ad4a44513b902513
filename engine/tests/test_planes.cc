// The cell over planes beside a plain loop in double, on the path that GATEWORK_ISA names.
#include "gatework/planes.h"

#include <cmath>
#include <limits>

#include "arrays.h"

namespace gatework::test {
namespace {

struct Case {
  Index B, S, n;
  int threads;
  bool peepholes, states;  // states: c' and the product with h are there, and the gradient of the next h
};

// Numbers in -1.5..1.5 that differ from array to array, exact in float.
Numbers numbers(Index count, unsigned seed) {
  Numbers values;
  std::uint32_t state = seed * 2654435761u + 12345u;
  for (Index i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    values.push_back((static_cast<double>(state >> 16) / 65536 - 0.5) * 3);
  }
  return values;
}

double sigma(double x) { return 1 / (1 + std::exp(-x)); }

struct Wanted {
  Numbers gates, c, y, dc, dx, dw;
};

// Shi et al. 2015, equation 3, and its derivatives, a cell at a time.
Wanted plain(const Case& z, const Numbers& x, const Numbers& h, const Numbers& c0, const Numbers& w,
             const Numbers& dy, const Numbers& dh, const Numbers& dc) {
  Wanted r;
  const auto size = static_cast<std::size_t>(z.B * z.S * z.n), plane = static_cast<std::size_t>(z.S * z.n);
  r.gates.resize(4 * size), r.dx.resize(4 * size), r.dw.resize(3 * plane);
  r.c.resize(size), r.y.resize(size), r.dc.resize(size);
  const auto n = static_cast<std::size_t>(z.n);
  for (std::size_t at = 0; at < size; ++at) {
    const std::size_t gate = at / n * 4 * n + at % n, hole = at % plane;
    double sum[4], p[3] = {0, 0, 0};
    for (std::size_t k = 0; k < 4; ++k) sum[k] = x[gate + k * n] + (z.states ? h[gate + k * n] : 0);
    for (std::size_t k = 0; k < 3 && z.peepholes; ++k) p[k] = w[k * plane + hole];
    const double before = z.states ? c0[at] : 0;
    const double i = sigma(sum[0] + p[0] * before), f = sigma(sum[1] + p[1] * before), g = std::tanh(sum[2]);
    const double c = f * before + i * g, o = sigma(sum[3] + p[2] * c), t = std::tanh(c);
    r.gates[gate] = i, r.gates[gate + n] = f, r.gates[gate + 2 * n] = g, r.gates[gate + 3 * n] = o;
    r.c[at] = c, r.y[at] = o * t;
    const double d = dy[at] + (z.states ? dh[at] : 0), d_o = d * t * o * (1 - o);
    const double d_c = dc[at] + d * o * (1 - t * t) + d_o * p[2];
    const double d_i = d_c * g * i * (1 - i), d_f = d_c * before * f * (1 - f);
    r.dx[gate] = d_i, r.dx[gate + n] = d_f, r.dx[gate + 2 * n] = d_c * i * (1 - g * g), r.dx[gate + 3 * n] = d_o;
    r.dc[at] = d_c * f + d_i * p[0] + d_f * p[1];
    r.dw[hole] += d_i * before, r.dw[plane + hole] += d_f * before, r.dw[2 * plane + hole] += d_o * c;
  }
  return r;
}

template <class T>
void same(const Array<T>& got, const Numbers& want, double tolerance) {
  for (Index i = 0; i < got.size(); ++i)
    CHECK_NEAR(static_cast<double>(got.data()[i]), want[static_cast<std::size_t>(i)], tolerance);
}

template <class T>
void compare(const Case& z) {
  const Index size = z.B * z.S * z.n, plane = z.S * z.n;
  const Numbers x = numbers(4 * size, 1), h = numbers(4 * size, 2), c0 = numbers(size, 3),
                w = numbers(3 * plane, 4), dy = numbers(size, 5), dh = numbers(size, 6), dc = numbers(size, 7);
  const Wanted want = plain(z, x, h, c0, w, dy, dh, dc);
  // 4 ulp for a function, fewer than 32 roundings of numbers below 10 in all; sums over B besides
  const double tolerance = 100 * static_cast<double>(std::numeric_limits<T>::epsilon());
  const Array<T> ax(1, x), ah(1, h), ac0(1, c0), aw(1, w), ady(1, dy), adh(1, dh), start(1, dc);
  Array<T> gates(4 * size, 1), c(size, 1), y(size, 1);
  PlanesForward p;
  p.f64 = sizeof(T) == 8;
  p.threads = z.threads;
  p.B = z.B, p.S = z.S, p.n = z.n;
  p.x = ax.data(), p.gates = gates.data(), p.c = c.data(), p.y = y.data();
  if (z.states) p.h = ah.data(), p.c0 = ac0.data();
  if (z.peepholes) p.peephole = aw.data();
  CHECK(planes_forward(p) == Status::ok);
  same(gates, want.gates, tolerance);
  same(c, want.c, tolerance);
  same(y, want.y, tolerance);

  if (z.states) {  // nothing kept, the cell in place
    const Array<T> again(1, c0), out(size, 1);
    p.gates = nullptr, p.c0 = p.c = again.data(), p.y = out.data();
    CHECK(planes_forward(p) == Status::ok);
    CHECK(again.bytes() == c.bytes() && out.bytes() == y.bytes());
  }

  Array<T> dx(4 * size, 1);
  const Array<T> dw(1, numbers(3 * plane, 8));  // added to
  PlanesBackward b;
  b.f64 = p.f64;
  b.threads = z.threads;
  b.B = z.B, b.S = z.S, b.n = z.n;
  b.gates = gates.data(), b.c = c.data(), b.dy = ady.data(), b.dc = start.data(), b.dx = dx.data();
  if (z.states) b.c0 = ac0.data(), b.dh = adh.data();
  if (z.peepholes) b.peephole = aw.data(), b.dpeephole = dw.data();
  CHECK(planes_backward(b) == Status::ok);
  same(dx, want.dx, tolerance);
  same(start, want.dc, tolerance);
  Numbers sums = numbers(3 * plane, 8);
  for (std::size_t i = 0; i < sums.size() && z.peepholes; ++i) sums[i] += want.dw[i];
  same(dw, sums, tolerance * static_cast<double>(z.B));
}

template <class T>
void sizes_around_a_vector() {
  for (const Index n : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33})
    for (const bool peepholes : {false, true})
      for (const bool states : {false, true}) compare<T>({2, 3, n, 1, peepholes, states});
}

TEST(floats_of_every_size) { sizes_around_a_vector<float>(); }
TEST(doubles_of_every_size) { sizes_around_a_vector<double>(); }

// Enough cells that threads get to work, split over positions and over sequences, into unequal parts.
TEST(threads_share_positions_or_sequences) {
  for (const int threads : {2, 3}) {
    compare<float>({3, 999, 140, threads, true, true});
    compare<float>({5, 1, 83'001, threads, false, true});
    compare<double>({5, 3, 27'003, threads, true, true});
  }
}

TEST(nothing_to_do_is_done) {
  PlanesForward p;
  CHECK(planes_forward(p) == Status::ok);
  p.B = 3, p.n = 4;
  CHECK(planes_forward(p) == Status::ok);
  CHECK(planes_backward({}) == Status::ok);
}

TEST(faults_are_refused) {
  float one[4] = {0, 0, 0, 0};
  PlanesForward p;
  p.B = p.S = p.n = 1;
  p.x = p.c = one, p.y = one;
  CHECK(planes_forward(p) == Status::ok);
  p.threads = 0;
  CHECK(planes_forward(p) == Status::bad_argument && fault(p) != nullptr);
  p.threads = 1, p.y = nullptr;
  CHECK(planes_forward(p) == Status::bad_argument);
  p.y = one, p.B = -1;
  CHECK(planes_forward(p) == Status::bad_argument);
  p.B = p.S = Index(1) << 40;
  CHECK(planes_forward(p) == Status::bad_argument);
  PlanesBackward b;
  b.B = b.S = b.n = 1;
  CHECK(planes_backward(b) == Status::bad_argument);
  b.gates = b.c = one, b.dc = b.dx = b.dpeephole = one;
  CHECK(planes_backward(b) == Status::bad_argument);
}

// The checker is checked: a peephole that is left out is seen.
TEST(a_missing_term_is_seen) {
  const Case z{1, 1, 3, 1, true, true}, without{1, 1, 3, 1, false, true};
  const Numbers x = numbers(12, 1), c = numbers(3, 3), w = numbers(9, 4);
  const Wanted a = plain(z, x, x, c, w, c, c, c), b = plain(without, x, x, c, w, c, c, c);
  CHECK(std::fabs(a.y[0] - b.y[0]) > 1e-3 && std::fabs(a.dc[0] - b.dc[0]) > 1e-3);
}

}  // namespace
}  // namespace gatework::test
