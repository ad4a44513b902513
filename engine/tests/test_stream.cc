// Streams: step after step against the reference, weights of half precision, two threads on one stream.
#include "gatework/stream.h"

#include <cmath>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "cases.h"

using namespace gatework;
using namespace gatework::test;

namespace {

// The nearest number with 11 bits of mantissa and at least 2^-24 between neighbours; ties to the even one.
double nearest_half(double x) {
  if (!std::isfinite(x) || x == 0) return x;
  const double unit = std::ldexp(1.0, std::max(std::ilogb(x), -14) - 10);
  const double rounded = std::nearbyint(x / unit) * unit;
  return std::abs(rounded) > 65504 ? std::copysign(INFINITY, x) : rounded;
}

// A stack of layers as the reference runs it: layer after layer, each over the whole sequence.
struct Stack {
  std::vector<Given> layers;
  bool residual = false;

  Stack(Shape s, Index Z, std::uint64_t seed, bool skips = false) : residual(skips) {
    s.D = 1, s.lengths = Lengths::none, s.order = Order::batch_first, s.resets = false, s.states = true;
    // zoneout's means, in half of the cases
    if (s.P == 0 && seed % 2) s.zone_h = Rate::constant;
    if (s.P == 0 && seed % 2 && traits(s.cell).zones) s.zone_c = Rate::constant;
    for (Index z = 0; z < Z; ++z) {
      layers.push_back(draw(s, seed + static_cast<std::uint64_t>(z)));
      Given& layer = layers.back();
      std::fill(layer.zone_h.begin(), layer.zone_h.end(), 0.25 * static_cast<double>(z + 1));
      std::fill(layer.zone_c.begin(), layer.zone_c.end(), 0.125);
      s.I = s.R();
    }
  }
  void halve() {
    for (Given& layer : layers) {
      for (int i : {int{in_w}, in_w + 1}) {
        for (double& w : layer.in[static_cast<std::size_t>(i)]) w = nearest_half(w);
      }
    }
  }
  // Outputs of every layer.
  std::vector<Outputs> run() {
    std::vector<Outputs> all;
    for (Given& layer : layers) {
      if (!all.empty()) layer.in[in_x] = all.back().y;
      all.push_back(reference(layer));
      if (residual && all.size() > 1) {
        Numbers& y = all.back().y;
        for (std::size_t i = 0; i < y.size(); ++i) y[i] += layer.in[in_x][i];
      }
    }
    return all;
  }
};

template <class T>
class Streamed {
 public:
  Streamed(const Stack& stack, bool half)
      : s(stack.layers[0].shape),
        Z(static_cast<Index>(stack.layers.size())),
        stack_(stack),
        stream(make(half)) {}

  // All steps: y (B, T, R) and the states of all layers after it.  Whether every step went well.
  bool run(Numbers& y, Numbers& h, Numbers& c) const {
    bool right = true;
    const Index R = s.R();
    Numbers h0, c0;
    for (const Given& layer : stack_.layers) {
      h0.insert(h0.end(), layer.in[in_h0].begin(), layer.in[in_h0].end());
      c0.insert(c0.end(), layer.in[in_c0].begin(), layer.in[in_c0].end());
    }
    Array<T> hs(s.shift, h0), cs(s.shift, c0), x(s.B * s.I, s.shift), out(s.B * R, s.shift);
    y.assign(static_cast<std::size_t>(s.B * s.T * R), 0);
    for (Index t = 0; t < s.T; ++t) {
      for (Index b = 0; b < s.B; ++b) {
        for (Index i = 0; i < s.I; ++i)
          x.data()[b * s.I + i] =
              static_cast<T>(stack_.layers[0].in[in_x][static_cast<std::size_t>((b * s.T + t) * s.I + i)]);
      }
      out.poison();
      const bool no_out = t % 3 == 1 && !stack_.residual;  // else h of the top layer is not what it hands on
      T* const to = no_out ? nullptr : out.data();
      right = stream.step(s.B, x.data(), hs.data(), cs.data_or_null(), to) == Status::ok && right;
      const T* top = no_out ? hs.data() + (Z - 1) * s.B * R : out.data();
      for (Index b = 0; b < s.B; ++b) {
        for (Index i = 0; i < R; ++i) y[static_cast<std::size_t>((b * s.T + t) * R + i)] = top[b * R + i];
      }
    }
    h = hs.numbers();
    c = cs.numbers();
    return right;
  }

  // The same by one call.
  bool run_whole(Numbers& y, Numbers& h, Numbers& c) const {
    Numbers h0, c0;
    for (const Given& layer : stack_.layers) {
      h0.insert(h0.end(), layer.in[in_h0].begin(), layer.in[in_h0].end());
      c0.insert(c0.end(), layer.in[in_c0].begin(), layer.in[in_c0].end());
    }
    Array<T> hs(s.shift, h0), cs(s.shift, c0), x(s.shift, stack_.layers[0].in[in_x]);
    Array<T> out(s.B * s.T * s.R(), s.shift);
    out.poison();
    const Status status = stream.forward(s.B, s.T, x.data_or_null(), hs.data(), cs.data_or_null(), out.data());
    y = out.numbers();
    h = hs.numbers();
    c = cs.numbers();
    return status == Status::ok;
  }

  const Shape s;
  const Index Z;

 private:
  Stream make(bool half) const {
    std::vector<std::unique_ptr<Array<T>>> arrays;  // gone before the first step: the weights are copied
    std::vector<Stream::Layer> layers;
    for (const Given& layer : stack_.layers) {
      const auto of = [&](std::size_t k) -> const void* {
        arrays.push_back(std::make_unique<Array<T>>(s.shift, layer.in[in_w + k]));
        return arrays.back()->data_or_null();
      };
      const Shape& l = layer.shape;
      layers.push_back({l.I, l.H, l.P, {of(0), of(1), of(2), of(3), of(4), of(5)},
                        layer.zone_h.empty() ? 0 : layer.zone_h[0], layer.zone_c.empty() ? 0 : layer.zone_c[0]});
    }
    return Stream(s.cell, sizeof(T) == 8, half, layers, stack_.residual);
  }

  const Stack& stack_;
  Stream stream;
};

template <class T>
void check_stream(Shape s, Index Z, bool half, std::uint64_t seed, bool residual = false) {
  Stack stack(s, Z, seed, residual);
  const Streamed<T> streamed(stack, half);
  Numbers y, h, c;
  CHECK(streamed.run(y, h, c));
  if (half) stack.halve();
  const std::vector<Outputs> want = stack.run();
  Numbers hn, cn;
  for (const Outputs& layer : want) {
    hn.insert(hn.end(), layer.hn.begin(), layer.hn.end());
    cn.insert(cn.end(), layer.cn.begin(), layer.cn.end());
  }
  const double tolerance = static_cast<double>(Z) * test::tolerance(s, epsilon<T>);
  const std::string what =
      (half ? "half " : sizeof(T) == 8 ? "f64 " : "f32 ") + s.text() + " Z=" + std::to_string(Z);
  CHECK_ALL_NEAR(what + " y", y, want.back().y, tolerance);
  CHECK_ALL_NEAR(what + " h", h, hn, tolerance);
  CHECK_ALL_NEAR(what + " c", c, cn, tolerance);
  CHECK(streamed.run_whole(y, h, c));
  CHECK_ALL_NEAR(what + " whole y", y, want.back().y, tolerance);
  CHECK_ALL_NEAR(what + " whole h", h, hn, tolerance);
  CHECK_ALL_NEAR(what + " whole c", c, cn, tolerance);
}

void check_kind(Kind kind, std::uint64_t seed) {
  Random random(seed);
  const Index batches[] = {1, 3, 65, 130, 64, 2};
  for (std::size_t k = 0; k < widths.size(); ++k) {
    Shape s = any_shape(kind, widths[k], random);
    s.B = s.H > 17 ? pick(heights, random) : batches[k % 6];
    s.T = s.B > 17 ? 2 : 4;
    const Index Z = 1 + random.below(3);
    const std::uint64_t drawn = random.bits() % 1000;
    check_stream<float>(s, Z, false, drawn);
    check_stream<double>(s, Z, false, drawn);
    check_stream<float>(s, Z, true, drawn);
  }
}

}  // namespace

TEST(lstm_of_all_sizes) { check_kind(kinds[0], 51); }
TEST(gru_of_all_sizes) { check_kind(kinds[1], 52); }
TEST(rnn_tanh_of_all_sizes) { check_kind(kinds[2], 53); }
TEST(rnn_relu_of_all_sizes) { check_kind(kinds[3], 54); }
TEST(projected_lstm_of_all_sizes) { check_kind(kinds[4], 55); }
TEST(family_of_all_sizes) {
  for (int k = first_variant; k < kind_count; ++k) check_kind(kinds[k], 100 + static_cast<std::uint64_t>(k));
}

TEST(residual_stacks) {
  for (const Kind kind : kinds) {
    Random random(61);
    for (const Index Z : {1, 2, 4}) {
      Shape s = any_shape(kind, 17, random);
      s.B = 3, s.T = 5;
      check_stream<float>(s, Z, false, 1, true);
      check_stream<float>(s, Z, true, 2, true);
      check_stream<double>(s, Z, false, 3, true);
    }
  }
}

TEST(long_sequences) {  // several chunks
  for (const Kind kind : kinds) {
    Random random(58);
    Shape s = any_shape(kind, 100, random);
    s.B = 2, s.T = 300;
    check_stream<float>(s, 2, false, 1);
  }
}

TEST(many_rows_of_wide_layers) {  // blocks of 64 rows
  for (const Kind kind : kinds) {
    Random random(56);
    for (const Index B : {65, 130}) {
      Shape s = any_shape(kind, 33, random);
      s.B = B, s.T = 1, s.I = 5, s.P = kind.projected ? 17 : 0;
      check_stream<float>(s, 2, B == 65, 1);
    }
  }
}

// As one call of `forward` over the whole sequence, in both ways it has.
TEST(steps_are_the_whole_pass) {
  for (const Kind kind : kinds) {
    Random random(57);
    for (const Index T : {2, 9}) {
      Shape s = any_shape(kind, 17, random);
      s.B = 3, s.T = T;
      const Stack stack(s, 1, 1);
      Numbers y, h, c;
      Streamed<double>(stack, false).run(y, h, c);
      Run<double> run(stack.layers[0]);
      CHECK(run.forward(false) == Status::ok);
      CHECK_ALL_NEAR(s.text(), y, run.outputs().y, 64 * epsilon<double>);
      CHECK_ALL_NEAR(s.text(), h, run.outputs().hn, 64 * epsilon<double>);
    }
  }
}

namespace {

// What a weight becomes in half precision: h = max(0, w x) with x = 1 or -1.
std::vector<float> through_half(const std::vector<float>& weights) {
  const auto H = static_cast<Index>(weights.size());
  const std::vector<float> w_hh(weights.size() * weights.size());
  Stream::Layer layer{1, H, 0, {weights.data(), w_hh.data()}};
  const Stream stream(Cell::rnn_relu, false, true, {layer});
  std::vector<float> h(2 * weights.size());
  const float x[2] = {1, -1};
  CHECK(stream.step(2, x, h.data(), nullptr, nullptr) == Status::ok);
  std::vector<float> halves(weights.size());
  for (std::size_t i = 0; i < halves.size(); ++i) {
    const float positive = h[i], negative = h[weights.size() + i];
    halves[i] = std::isnan(positive) ? positive : positive - negative;
  }
  return halves;
}

void check_halves(const std::vector<float>& weights) {
  const std::vector<float> halves = through_half(weights);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (std::isnan(weights[i])) {
      CHECK(std::isnan(halves[i]));
    } else {
      CHECK(halves[i] == nearest_half(static_cast<double>(weights[i])));
    }
  }
}

}  // namespace

TEST(rounding_to_half_precision) {
  std::vector<float> weights = {0, -0.0f, 1, -1, 65504, 65519.99f, 65520, -65520, 1e10f, INFINITY, -INFINITY,
                                NAN, -NAN, 0x1p-14f, 0x1.ffcp-15f, 0x1.ffep-15f, 0x1.fffp-15f, 0x1p-24f,
                                0x1p-25f, 0x1.000002p-25f, 0x1.8p-24f, 0x1p-26f, 0x1p-149f, -0x1p-24f,
                                -0x1p-25f};
  for (int exponent = -26; exponent < 17; ++exponent) {  // ties, a little less, a little more
    for (const float mantissa : {0x1.002p0f, 0x1.006p0f, 0x1.ffep0f, 0x1.ffap0f, 0x1.555p0f}) {
      const float tie = std::ldexp(mantissa, exponent);
      for (const float w : {tie, std::nextafter(tie, 0.0f), std::nextafter(tie, INFINITY), -tie})
        weights.push_back(w);
    }
  }
  while (weights.size() % 256) weights.push_back(1);
  Random random(58);
  for (int k = 0; k < 1024; ++k)
    weights.push_back(static_cast<float>(std::ldexp(random.uniform(), int(random.below(44)) - 27)));
  for (auto first = weights.begin(); first != weights.end(); first += 256) check_halves({first, first + 256});
}

TEST(reference_of_half_precision) {
  CHECK(nearest_half(1 + 0x1p-11) == 1 && nearest_half(1 + 0x1.8p-10) == 1 + 0x1p-9);
  CHECK(nearest_half(65519.99) == 65504 && std::isinf(nearest_half(65520)));
  CHECK(nearest_half(0x1p-25) == 0 && nearest_half(0x1.0001p-25) == 0x1p-24);
  CHECK(nearest_half(0x1.8p-24) == 0x1p-23);
}

TEST(threads_on_one_stream) {
  for (const Kind kind : kinds) {
    Random random(59);
    Shape s = any_shape(kind, 33, random);
    s.B = 3, s.T = 50;
    const Stack stack(s, 2, 1);
    const Streamed<float> streamed(stack, false);
    Numbers want[3], got[3][3];
    streamed.run(want[0], want[1], want[2]);
    const Streamed<float>& shared = streamed;
    std::vector<std::thread> threads;
    for (int k = 0; k < 2; ++k) threads.emplace_back([&, k] { shared.run(got[k][0], got[k][1], got[k][2]); });
    for (std::thread& thread : threads) thread.join();
    for (int k = 0; k < 2; ++k) CHECK(got[k][0] == want[0] && got[k][1] == want[1] && got[k][2] == want[2]);
  }
}

TEST(row_with_a_nan_is_alone) {
  for (const Kind kind : kinds) {
    Random random(60);
    Shape s = any_shape(kind, 17, random);
    s.B = 5, s.T = 3;
    Stack stack(s, 2, 1);
    Numbers clean[3], got[3];
    Streamed<float>(stack, false).run(clean[0], clean[1], clean[2]);
    stack.layers[0].in[in_x][static_cast<std::size_t>(2 * s.T * s.I)] = NAN;
    Streamed<float>(stack, false).run(got[0], got[1], got[2]);
    const std::size_t row = clean[0].size() / 5;
    for (std::size_t i = 0; i < clean[0].size(); ++i) {
      CHECK(i / row == 2 ? std::isnan(got[0][i]) : got[0][i] == clean[0][i]);
    }
  }
}

TEST(stream_is_moved) {
  const std::vector<float> w(4 * 3 * 3, 0.5f);
  Stream first(Cell::lstm, false, false, {{3, 3, 0, {w.data(), w.data()}}});
  const Stream second(std::move(first));
  float x[3] = {1, 2, 3}, h[3] = {}, c[3] = {};
  CHECK(second.step(1, x, h, c, nullptr) == Status::ok && h[0] > 0);
  CHECK(second.cell() == Cell::lstm && !second.f64() && second.layers()[0].H == 3);
  CHECK(second.layers()[0].weights.w_ih == nullptr);
}

TEST(streams_that_are_refused) {
  const std::vector<double> w(1000);
  const Weights good{w.data(), w.data(), nullptr, nullptr, nullptr};
  using Layers = std::vector<Stream::Layer>;
  const auto make = [](Cell cell, bool f64, bool half, const Layers& layers) {
    Stream(cell, f64, half, layers);
  };
  CHECK_THROWS(make(Cell::lstm, true, false, {}), "there must be at least one layer");
  CHECK_THROWS(make(Cell::lstm, true, true, {{2, 3, 0, good}}), "half-precision weights go with float32 only");
  CHECK_THROWS(make(Cell::lstm, true, false, (Layers{{2, 3, 0, good}, {2, 3, 0, good}})),
               "a layer's inputs are not the outputs of the layer below");
  CHECK_THROWS(make(Cell::lstm, true, false, (Layers{{2, 3, 0, good}, {3, 4, 0, good}})),
               "all layers must have the same sizes");
  CHECK_THROWS(make(Cell::lstm, true, false, {{2, 3, 2, good}}), "the projection's weight is absent");
  CHECK_THROWS(make(Cell::gru, true, false, {{2, 3, 2, good}}), "this cell has no projection");
  CHECK_THROWS(make(Cell::gru, true, false, {{2, 3, 0, good, 0, 0.1}}), "zoneout of c goes with cells");
  CHECK_THROWS(make(Cell::gru, true, false, {{2, 3, 0, good, 1.1}}), "a share that stays lies between 0 and 1");
  CHECK_THROWS(make(Cell::gru, true, false, {{2, 3, 0, {}}}), "a weight is absent");
  CHECK_THROWS(make(Cell::gru, true, false, {{2, 0, 0, good}}), "hidden_size is 0");
  CHECK_THROWS(make(static_cast<Cell>(cell_count), true, false, {{2, 3, 0, good}}), "unknown cell");

  const Stream stream(Cell::lstm, true, false, {{2, 3, 0, good}});
  double x[2] = {}, h[3] = {}, c[3] = {};
  CHECK(stream.step(1, x, h, c, nullptr) == Status::ok);
  CHECK(stream.step(0, nullptr, nullptr, nullptr, nullptr) == Status::ok);
  CHECK(stream.step(-1, x, h, c, nullptr) == Status::bad_argument);
  CHECK(stream.step(1, nullptr, h, c, nullptr) == Status::bad_argument);
  CHECK(stream.step(1, x, nullptr, c, nullptr) == Status::bad_argument);
  CHECK(stream.step(1, x, h, nullptr, nullptr) == Status::bad_argument);
}
