// A detector's row beside a plain loop in double, on the path that GATEWORK_ISA names.
#include "gatework/row_step.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>

#include "arrays.h"

namespace gatework::test {
namespace {

constexpr Index knots = 193;
constexpr double reach = 14.5;

struct Case {
  Index C, F, K, below, above;
  std::vector<Index> words;
  bool mask;
  Index top;
  double forget, share, slowness = 0;  // 0: no slow means
};

// Numbers in -1.5..1.5 that differ from array to array, exact in float.
Numbers numbers(Index count, unsigned seed, double scale = 1) {
  Numbers values;
  std::uint32_t state = seed * 2654435761u + 12345u;
  for (Index i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    values.push_back(static_cast<double>(static_cast<float>((static_cast<double>(state >> 16) / 65536 - 0.5) * 3 * scale)));
  }
  return values;
}

// Rising on both sides, as the tails of a fit.
Numbers tails(Index columns, double scale = 1) {
  Numbers table;
  for (Index x = 0; x < columns; ++x) {
    for (Index i = 0; i < knots; ++i) {
      const double u = (static_cast<double>(i) - 96) / 12;
      table.push_back(static_cast<double>(static_cast<float>(u * u / (1 + static_cast<double>(x % 3)) * scale)));
    }
  }
  return table;
}

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

// All arrays of a model and of a series, exactly as long as they must be.
struct Detector {
  static constexpr Index H = 5, width = 3;
  Case z;
  Index D, X, I, columns;
  Numbers w_ih, w_hh, weight, bias, keep, location, inverse, table, level_table;
  std::vector<Numbers> tables, word_weights, word_biases;
  Array<float> a_weight, a_bias, a_keep, a_tails, a_levels;
  Array<double> a_location, a_inverse;
  std::vector<std::unique_ptr<Array<float>>> held;
  Stream stream;
  RowModel model;

  explicit Detector(const Case& given, bool scaled = false)
      : z(given),
        D(static_cast<Index>(z.words.size())),
        X(z.C + D + z.K),
        I(z.C * (z.mask ? 2 : 1) + D * width + z.F),
        columns(z.C * (1 + z.below + z.above)),
        w_ih(numbers(H * I, 1)),
        w_hh(numbers(H * H, 2, 0.2)),
        weight(numbers(H * columns, 3)),
        bias(numbers(columns, 4)),
        keep(numbers(z.C, 5)),
        location(numbers(z.C, 90)),
        inverse(numbers(z.C, 91)),
        table(tails(z.C + D)),
        level_table(tails(z.C, 4)),
        a_weight(1, weight),
        a_bias(1, bias),
        a_keep(1, keep),
        a_tails(1, table),
        a_levels(1, level_table),
        a_location(1, location),
        a_inverse(1, inverse),
        stream(make_stream()) {
    model.stream = &stream;
    model.C = z.C, model.F = z.F, model.K = z.K, model.mask = z.mask;
    if (scaled) model.location = a_location.data(), model.inverse = a_inverse.data();
    model.below = z.below, model.above = z.above;
    model.weight = a_weight.data(), model.bias = a_bias.data(), model.keep = a_keep.data();
    for (Index d = 0; d < D; ++d) {
      const Index n = z.words[at(d)];
      const auto seed = static_cast<unsigned>(10 * d);
      tables.push_back(numbers(n * width, 6 + seed));
      word_weights.push_back(numbers(H * n, 7 + seed));
      word_biases.push_back(numbers(n, 8 + seed));
      RowModel::Category c;
      c.words = n, c.width = width;
      c.table = keep_array(tables.back()), c.weight = keep_array(word_weights.back());
      c.bias = keep_array(word_biases.back());
      model.categories.push_back(c);
    }
    model.tails = a_tails.data(), model.knots = knots, model.reach = reach;
    if (z.slowness > 0) model.levels = a_levels.data(), model.slowness = z.slowness;
    model.top = z.top, model.forget = z.forget, model.share = z.share, model.constant = 7.5;
  }

  Stream make_stream() const {
    const Array<float> ih(1, w_ih), hh(1, w_hh);
    Stream::Layer layer;
    layer.I = I, layer.H = H;
    layer.weights.w_ih = ih.data(), layer.weights.w_hh = hh.data();
    return Stream(Cell::rnn_tanh, false, false, {layer});
  }
  const float* keep_array(const Numbers& values) {
    held.push_back(std::make_unique<Array<float>>(1, values));
    return held.back()->data();
  }
};

// The same in double, an equation after the other.
struct Plain {
  const Detector& d;
  Numbers h, last, usual, slow;
  std::vector<bool> missing;
  std::vector<std::int64_t> tokens;
  double level = 1;
  // of the last row
  Numbers low, middle, high, own, best_p, surprise;
  int levels = 0;  // numbers so far that were odder beside their slow mean
  double joined = 0;

  explicit Plain(const Detector& of)
      : d(of),
        h(Detector::H),
        last(at(d.z.C)),
        usual(at(d.X), 1.0),
        slow(at(d.z.C), std::nan("")),
        missing(at(d.z.C), true),
        tokens(at(d.D)) {}

  static double nats(const Numbers& table, Index column, double r) {
    if (std::isnan(r)) return 0;
    double u = (std::asinh(r) + reach) * static_cast<double>(knots - 1) / (2 * reach);
    u = std::min(std::max(u, 0.0), static_cast<double>(knots - 1) - 1e-6);
    const auto k = static_cast<Index>(u);
    const double a = table[at(column * knots + k)], b = table[at(column * knots + k + 1)];
    return a + (u - static_cast<double>(k)) * (b - a);
  }

  void set_against_mean(Index c, double v) {
    double& m = slow[at(c)];
    if (std::isnan(v)) return;
    v = std::min(std::max(v, -50.0), 50.0);
    const double odd = nats(d.level_table, c, v - m);
    levels += odd > surprise[at(c)];
    surprise[at(c)] = std::max(surprise[at(c)], odd);
    m = std::isnan(m) ? v : (1 - d.z.slowness) * m + d.z.slowness * v;
  }

  void row(const Numbers& z, const std::vector<std::int64_t>& words, const Numbers& calendar,
           const std::vector<bool>& changed) {
    const Index C = d.z.C, D = d.D, H = Detector::H, W = Detector::width;
    Numbers x = last;
    for (Index c = 0; d.z.mask && c < C; ++c) x.push_back(missing[at(c)]);
    for (Index k = 0; k < D; ++k)
      for (Index i = 0; i < W; ++i) x.push_back(d.tables[at(k)][at(tokens[at(k)] * W + i)]);
    x.insert(x.end(), calendar.begin(), calendar.end());
    Numbers next(at(H));
    for (Index u = 0; u < H; ++u) {
      double sum = 0;
      for (Index i = 0; i < d.I; ++i) sum += d.w_ih[at(u * d.I + i)] * x[at(i)];
      for (Index i = 0; i < H; ++i) sum += d.w_hh[at(u * H + i)] * h[at(i)];
      next[at(u)] = std::tanh(sum);
    }
    h = next;
    low = middle = high = Numbers(at(C));
    surprise.assign(at(d.X), 0);
    const auto told = [&](const Numbers& w, const Numbers& b, Index n, Index j) {
      double sum = b[at(j)];
      for (Index u = 0; u < H; ++u) sum += h[at(u)] * w[at(u * n + j)];
      return sum;
    };
    for (Index c = 0; c < C; ++c) {
      double m = told(d.weight, d.bias, d.columns, c) + d.keep[at(c)] * last[at(c)], under = 0, over = 0;
      for (Index b = 0; b < d.z.below + d.z.above; ++b)
        (b < d.z.below ? under : over) += std::log1p(std::exp(told(d.weight, d.bias, d.columns, (1 + b) * C + c)));
      low[at(c)] = m - under, middle[at(c)] = m, high[at(c)] = m + over;
      const double v = z[at(c)], side = v - m > 0 ? over : under;
      surprise[at(c)] = nats(d.table, c, (v - m) / (side + 0.01));
      if (d.z.slowness > 0) set_against_mean(c, v);
      if (d.z.mask) missing[at(c)] = std::isnan(v);
      if (std::isnan(v)) continue;
      const double far = std::fabs(v);
      last[at(c)] = far > 4 ? std::copysign(std::min(4 + std::log1p(far - 4), 8.0), v) : v;
    }
    own.clear(), best_p.clear();
    for (Index k = 0; k < D; ++k) {
      const Index n = d.z.words[at(k)];
      Numbers p;
      double total = 0, mass = 0;
      for (Index w = 0; w < n; ++w) total += (p.push_back(std::exp(told(d.word_weights[at(k)], d.word_biases[at(k)], n, w))), p.back());
      for (double& q : p) q /= total;
      own.push_back(p[at(words[at(k)])]);
      best_p.push_back(*std::max_element(p.begin(), p.end()));
      for (const double q : p) mass += q <= own.back() * 1.000001 ? q : 0;
      surprise[at(C + k)] = nats(d.table, C + k, -std::log(std::max(mass, 1e-12)));
    }
    tokens = words;
    for (Index k = 0; k < d.z.K; ++k) surprise[at(C + D + k)] = changed[at(k)] ? 7.5 : 0;
    if (d.z.forget > 0) {
      for (Index i = 0; i < d.X; ++i) {
        const double s = surprise[at(i)];
        surprise[at(i)] = s / std::max(1.0, usual[at(i)]);
        usual[at(i)] += d.z.forget * (std::min(s, 60.0) - usual[at(i)]);
      }
    }
    Numbers order = surprise;
    std::sort(order.begin(), order.end(), std::greater<>());
    const Index top = std::min(d.z.top, d.X);
    joined = 0;
    for (Index i = 0; i < top; ++i) joined += order[at(i)] / static_cast<double>(top);
    if (d.z.share != 1) joined = level += (joined - level) * d.z.share;
  }
};

// A series' arrays as a caller has them.
struct Series {
  Array<float> h, last, expected, chances;
  Array<std::uint8_t> missing;
  Array<std::int64_t> tokens, best;
  Array<double> usual, slow, held, surprise;
  RowState state;

  explicit Series(const Detector& d)
      : h(1, Numbers(Detector::H, 0.0)),
        last(1, Numbers(at(d.z.C), 0.0)),
        expected(3 * d.z.C, 1),
        chances(2 * d.D, 1),
        missing(0, Numbers(at(d.z.C), 1.0)),
        tokens(0, Numbers(at(d.D), 0.0)),
        best(d.D),
        usual(0, Numbers(at(d.X), 1.0)),
        slow(1, Numbers(at(d.z.C), std::nan(""))),
        held(0, Numbers(2, 0.0)),
        surprise(d.X) {
    state.h = h.data(), state.last = last.data(), state.expected = expected.data(), state.chances = chances.data();
    state.missing = missing.data(), state.tokens = tokens.data(), state.best = best.data();
    state.usual = usual.data(), state.slow = slow.data(), state.held = held.data();
    state.surprise = surprise.data();
  }
};

template <class T>
void same(const Array<T>& got, const Numbers& want, double tolerance) {
  CHECK(got.size() == static_cast<Index>(want.size()));
  for (Index i = 0; i < got.size(); ++i) {
    const double w = want[at(i)];
    CHECK_NEAR(static_cast<double>(got.data()[i]), w, tolerance * std::max(1.0, std::fabs(w)));
  }
}

// Those that there are yet, and the others are not.
void same_means(const Array<double>& got, Numbers want, double tolerance) {
  Numbers found(got.data(), got.data() + got.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    CHECK(std::isnan(found.at(i)) == std::isnan(want[i]));
    if (std::isnan(want[i])) want[i] = found[i] = 0;
  }
  same(Array<double>(1, found), want, tolerance);
}

void compare(const Case& z, bool scaled = false) {
  const Detector d(z, scaled);
  CHECK(fault(d.model) == nullptr);
  Plain plain(d);
  const Series s(d);
  RowStep step(d.model);
  // sums of 40 products of numbers below 3, functions to 4 ulp, some steps that feed one another; the residual is a
  // quotient by 0.01 at the least, which its logarithm flattens
  const double tolerance = 2000 * static_cast<double>(std::numeric_limits<float>::epsilon());
  for (unsigned t = 0; t < 12; ++t) {
    Numbers values = numbers(z.C, 20 + t, t % 4 == 3 ? 12 : 1);
    for (Index c = 0; c < z.C; ++c) {
      if ((c + t) % 5 == 4) values[at(c)] = std::nan("");
    }
    std::vector<std::int64_t> words;
    for (Index k = 0; k < d.D; ++k) words.push_back((t * 3 + k) % z.words[at(k)]);
    std::vector<bool> changed;
    for (Index k = 0; k < z.K; ++k) changed.push_back((t + k) % 3 == 1);
    const Numbers calendar = numbers(z.F, 50 + t);
    plain.row(values, words, calendar, changed);
    const Array<float> az(1, values), af(1, calendar);
    Numbers raw = values;
    for (Index c = 0; c < z.C; ++c) raw[at(c)] = values[at(c)] / d.inverse[at(c)] + d.location[at(c)];
    const Array<double> ar(1, raw);
    const Array<std::int64_t> aw(0, Numbers(words.begin(), words.end()));
    const Array<std::uint8_t> ac(0, Numbers(changed.begin(), changed.end()));
    Row row{az.data(), nullptr, aw.data(), af.data(), ac.data()};
    if (scaled) row.z = nullptr, row.raw = ar.data();
    RowSurprise out;
    CHECK(step.step(s.state, row, out) == Status::ok);
    Numbers expected = plain.low;
    expected.insert(expected.end(), plain.middle.begin(), plain.middle.end());
    expected.insert(expected.end(), plain.high.begin(), plain.high.end());
    Numbers chances = plain.best_p;
    chances.insert(chances.end(), plain.own.begin(), plain.own.end());
    same(s.expected, expected, tolerance);
    same(s.chances, chances, tolerance);
    same(s.surprise, plain.surprise, tolerance);
    same(s.usual, plain.usual, tolerance);
    same(s.last, plain.last, tolerance);
    same_means(s.slow, plain.slow, tolerance);
    same(s.h, plain.h, tolerance);
    CHECK_NEAR(out.joined, plain.joined, tolerance * std::max(1.0, plain.joined));
    double total = 0;
    for (const double x : plain.surprise) total += x;
    CHECK_NEAR(out.total, total, tolerance * std::max(1.0, total));
    CHECK(s.surprise.data()[out.first] == *std::max_element(s.surprise.data(), s.surprise.data() + d.X));
    CHECK(s.held.data()[1] == t + 1);
    for (Index c = 0; c < z.C; ++c) CHECK((s.missing.data()[c] != 0) == plain.missing[at(c)]);
    for (Index k = 0; k < d.D; ++k) CHECK(s.tokens.data()[k] == words[at(k)]);
  }
  if (z.slowness > 0) CHECK(plain.levels > 0);
}

TEST(numbers_of_every_size) {
  for (const Index C : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33})
    for (const bool mask : {false, true}) compare({C, 0, 0, 2, 2, {}, mask, 3, 0.01, 0.5});
}
TEST(words_of_every_size) {
  for (const Index n : {2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 64, 129}) compare({0, 0, 0, 0, 0, {n}, false, 1, 0, 1});
}
TEST(all_together) {
  compare({6, 4, 2, 1, 3, {5, 17}, true, 4, 0.1, 0.5});
  compare({6, 2, 1, 3, 1, {9}, false, 100, 0.1, 1});
  compare({1, 4, 0, 1, 1, {}, true, 1, 0, 0.25});
  compare({9, 2, 1, 3, 1, {9}, true, 100, 0.1, 0.5}, true);
}
TEST(slow_means) {
  for (const double slowness : {0.01, 0.5, 1.0})
    for (const bool scaled : {false, true}) compare({9, 2, 1, 3, 1, {9}, true, 3, 0.1, 0.5, slowness}, scaled);
  compare({1, 0, 0, 1, 1, {}, false, 1, 0, 1, 0.1});
  compare({38, 0, 0, 2, 2, {}, true, 100, 0, 1, 0.1});
}

TEST(a_token_that_is_no_word_changes_nothing) {
  const Detector d({2, 0, 0, 1, 1, {4}, false, 1, 0.1, 0.5});
  const Series s(d);
  RowStep step(d.model);
  const float z[2] = {0, 1};
  RowSurprise out;
  const auto before = s.h.bytes();
  for (const std::int64_t token : {-1, 4}) {
    CHECK(step.step(s.state, {z, nullptr, &token, nullptr, nullptr}, out) == Status::bad_argument);
    s.tokens.data()[0] = token;
    const std::int64_t right = 1;
    CHECK(step.step(s.state, {z, nullptr, &right, nullptr, nullptr}, out) == Status::bad_argument);
    s.tokens.data()[0] = 0;
  }
  CHECK(s.h.bytes() == before && s.held.data()[1] == 0);
}

TEST(an_absent_array_is_refused) {
  const Detector d({2, 1, 0, 1, 1, {4}, false, 1, 0.1, 0.5, 0.1});
  const Series s(d);
  RowStep step(d.model);
  const float z[2] = {0, 1}, f = 0;
  const double raw[2] = {0, 1};
  const std::int64_t token = 1;
  RowSurprise out;
  CHECK(step.step(s.state, {nullptr, nullptr, &token, &f, nullptr}, out) == Status::bad_argument);
  CHECK(step.step(s.state, {z, nullptr, nullptr, &f, nullptr}, out) == Status::bad_argument);
  CHECK(step.step(s.state, {z, nullptr, &token, nullptr, nullptr}, out) == Status::bad_argument);
  CHECK(step.step(s.state, {nullptr, raw, &token, &f, nullptr}, out) == Status::bad_argument);  // no location
  RowState lacks = s.state;
  lacks.usual = nullptr;
  CHECK(step.step(lacks, {z, nullptr, &token, &f, nullptr}, out) == Status::bad_argument);
  lacks = s.state, lacks.slow = nullptr;
  CHECK(step.step(lacks, {z, nullptr, &token, &f, nullptr}, out) == Status::bad_argument);
  CHECK(step.step(s.state, {z, nullptr, &token, &f, nullptr}, out) == Status::ok);
}

TEST(a_row_that_is_not_finite_keeps_the_state_finite) {
  const Detector d({3, 0, 0, 1, 1, {}, false, 2, 0.1, 0.5, 0.1});
  const Series s(d);
  RowStep step(d.model);
  const float most = std::numeric_limits<float>::infinity(), z[3] = {most, -most, std::nanf("")};
  RowSurprise out;
  for (int t = 0; t < 3; ++t) CHECK(step.step(s.state, {z, nullptr, nullptr, nullptr, nullptr}, out) == Status::ok);
  CHECK(std::isfinite(out.joined) && std::isfinite(s.h.data()[0]));
  CHECK(s.slow.data()[0] == 50 && s.slow.data()[1] == -50 && std::isnan(s.slow.data()[2]));
  CHECK(s.last.data()[0] == 8.0f && s.last.data()[1] == -8.0f && s.last.data()[2] == 0.0f);
}

TEST(faults_are_told) {
  const Detector d({2, 1, 0, 1, 1, {4}, false, 1, 0.1, 0.5});
  CHECK(fault(d.model) == nullptr);
  const auto refused = [&](auto change) {
    RowModel m = d.model;
    change(m);
    return fault(m) != nullptr;
  };
  CHECK(refused([](RowModel& m) { m.stream = nullptr; }));
  CHECK(refused([](RowModel& m) { m.C = 3; }));
  CHECK(refused([](RowModel& m) { m.F = -1; }));
  CHECK(refused([](RowModel& m) { m.keep = nullptr; }));
  CHECK(refused([](RowModel& m) { m.above = 0; }));
  CHECK(refused([](RowModel& m) { m.inverse = m.location = nullptr, m.location = &m.reach; }));
  CHECK(refused([](RowModel& m) { m.categories[0].words = 0; }));
  CHECK(refused([](RowModel& m) { m.categories[0].table = nullptr; }));
  CHECK(refused([](RowModel& m) { m.knots = 1; }));
  CHECK(refused([](RowModel& m) { m.top = 0; }));
  CHECK(refused([](RowModel& m) { m.share = 0; }));
  CHECK(refused([](RowModel& m) { m.levels = m.tails; }));
  CHECK(refused([](RowModel& m) { m.levels = m.tails, m.slowness = 1.5; }));
  CHECK(refused([](RowModel& m) { m.forget = std::nan(""); }));
  RowModel none = d.model;
  none.tails = nullptr;
  CHECK_THROWS(RowStep{none}, "there must be tails");
}

// The checker is checked: a constant that is left out is seen.
TEST(another_constant_is_seen) {
  const Detector d({2, 0, 1, 1, 1, {}, false, 3, 0, 1});
  Plain with(d), without(d);
  with.row({0, 0}, {}, {}, {true});
  without.row({0, 0}, {}, {}, {false});
  CHECK(std::fabs(with.joined - without.joined) > 1);
}

}  // namespace
}  // namespace gatework::test
