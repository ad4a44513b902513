// A case in memory as a caller lays it out, as hostile as it may be: every array is exactly as long as it must
// be, on the heap (AddressSanitizer sees any access beyond), off its alignment, with NaN between rows, at
// padding of inputs, in what is to be written and in `saved`.
#pragma once

#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#include "check.h"
#include "reference.h"

namespace gatework::test {

template <class T>
class Array {
 public:
  explicit Array(Index n, Index shift = 0) : n_(n) {
    memory_ = std::malloc(static_cast<std::size_t>(n + shift) * sizeof(T) + !(n + shift));
    data_ = static_cast<T*>(memory_) + shift;
    std::memset(memory_, 0xff, static_cast<std::size_t>(n + shift) * sizeof(T));  // as floats: NaN
  }
  Array(Index shift, const Numbers& numbers) : Array(static_cast<Index>(numbers.size()), shift) {
    for (Index i = 0; i < n_; ++i) data_[i] = static_cast<T>(numbers[static_cast<std::size_t>(i)]);
  }
  template <class U>
  explicit Array(const std::vector<U>& values) : Array(static_cast<Index>(values.size())) {
    for (Index i = 0; i < n_; ++i) data_[i] = values[static_cast<std::size_t>(i)];
  }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  ~Array() { std::free(memory_); }

  T* data() const { return data_; }
  T* data_or_null() const { return n_ ? data_ : nullptr; }
  Index size() const { return n_; }
  void poison() { std::memset(data_, 0xff, static_cast<std::size_t>(n_) * sizeof(T)); }
  bool is_poison(Index i) const {
    unsigned char bytes[sizeof(T)];
    std::memset(bytes, 0xff, sizeof bytes);
    return std::memcmp(data_ + i, bytes, sizeof bytes) == 0;
  }
  Numbers numbers() const { return Numbers(data_, data_ + n_); }
  // A look at all bytes, to see whether anything was written.
  std::vector<unsigned char> bytes() const {
    const auto* first = reinterpret_cast<const unsigned char*>(data_);
    return std::vector<unsigned char>(first, first + static_cast<std::size_t>(n_) * sizeof(T));
  }

 private:
  Index n_;
  void* memory_;
  T* data_;
};

// Where rows lie: strides, and the number of elements from the first to the last.
struct Placement {
  Index width = 0, batch = 0, time = 0, size = 0;
  std::vector<Index> offsets;  // (T), packed

  // constant: one row for all steps of a sequence
  Placement(const Given& g, Index width_, bool constant = false) : width(width_) {
    const Shape& s = g.shape;
    const Index pitch = width + s.gap;
    Index last = 0;
    if (constant) {
      batch = pitch;
      size = s.B && s.T ? (s.B - 1) * pitch + width : 0;
      return;
    }
    if (s.order == Order::packed) {
      batch = time = pitch;
      Index rows = 0;
      for (Index t = 0; t < s.T; ++t) {
        offsets.push_back(rows);
        for (const Index length : g.lengths) rows += length > t;
      }
      last = rows - 1;
      size = rows ? last * pitch + width : 0;
      return;
    }
    const bool batch_first = s.order == Order::batch_first;
    time = batch_first ? pitch : s.B * pitch + s.gap;
    batch = batch_first ? s.T * pitch + s.gap : pitch;
    size = s.B && s.T ? (s.B - 1) * batch + (s.T - 1) * time + width : 0;
  }
  Index at(Index b, Index t) const {
    return b * batch + (offsets.empty() ? t : offsets[static_cast<std::size_t>(t)]) * time;
  }
};

template <class T>
class Run {
 public:
  explicit Run(const Given& given)
      : g(given), s(g.shape), of_x(g, s.I), of_y(g, s.D * s.R()),
        of_scale(g, s.D * s.R(), s.scale == Rate::constant), of_zone_h(g, s.D * s.H, s.zone_h == Rate::constant),
        of_zone_c(g, s.D * s.H, s.zone_c == Rate::constant), x(of_x.size, s.shift), y(of_y.size, s.shift),
        dy(of_y.size, s.shift), dx(of_x.size, s.shift), h0(s.shift, g.in[in_h0]), c0(s.shift, g.in[in_c0]),
        hn(s.rows() * s.R(), s.shift), cn(s.rows() * s.cells() * s.H, s.shift), dhn(s.shift, g.gradient.hn),
        dcn(s.shift, g.gradient.cn), dh0(s.rows() * s.R(), s.shift), dc0(s.rows() * s.cells() * s.H, s.shift),
        scale(s.scale == Rate::none ? 0 : of_scale.size, s.shift),
        zone_h(s.zone_h == Rate::none ? 0 : of_zone_h.size, s.shift),
        zone_c(s.zone_c == Rate::none ? 0 : of_zone_c.size, s.shift),
        dscale(s.scale == Rate::none ? 0 : of_y.size, s.shift),
        lengths(g.lengths), offsets(of_x.offsets), resets(g.resets),
        saved(saved_size(s.cell, sizeof(T) == 8, s.D, rows(), s.H), s.shift) {
    for (int i = in_w; i < in_scale; ++i) {
      const Numbers& w = g.in[static_cast<std::size_t>(i)];
      weights.push_back(new Array<T>(s.shift, w));
      gradients.push_back(new Array<T>(static_cast<Index>(w.size()), s.shift));
    }
    place(of_x, x, g.in[in_x]);
    place(of_y, dy, g.gradient.y);
    if (s.scale != Rate::none) place(of_scale, scale, g.in[in_scale]);
    if (s.zone_h != Rate::none) place(of_zone_h, zone_h, g.zone_h);
    if (s.zone_c != Rate::none) place(of_zone_c, zone_c, g.zone_c);
    fill();
  }
  Run(const Run&) = delete;
  ~Run() {
    for (const auto* list : {&weights, &gradients}) {
      for (Array<T>* array : *list) delete array;
    }
  }

  // Outputs are poisoned before; whether inputs and gaps are as they were is checked after.
  Status forward(bool keep) {
    y.poison(), hn.poison(), cn.poison(), saved.poison();
    problem.saved = keep ? saved.data_or_null() : nullptr;
    const auto before = x.bytes();
    const Status status = gatework::forward(problem);
    CHECK(x.bytes() == before);
    CHECK(untouched(of_y, y));
    return status;
  }

  Status backward() {
    dx.poison(), dh0.poison(), dc0.poison(), dscale.poison();
    for (Array<T>* gradient : gradients) gradient->poison();
    const auto before_y = y.bytes(), before_saved = saved.bytes();
    problem.saved = saved.data_or_null();
    const Status status = gatework::backward(problem);
    CHECK(y.bytes() == before_y && saved.bytes() == before_saved);
    if (problem.dx.data) CHECK(untouched(of_x, dx));
    if (problem.dscale.data) CHECK(untouched(of_y, dscale));
    return status;
  }

  Outputs outputs() const { return {gathered(of_y, y), hn.numbers(), cn.numbers()}; }
  Arrays gradient() const {
    Arrays all;
    all[in_x] = gathered(of_x, dx);
    if (s.states) all[in_h0] = dh0.numbers(), all[in_c0] = dc0.numbers();
    for (std::size_t i = in_w; i < in_scale; ++i) all[i] = gradients[i - in_w]->numbers();
    if (s.scale != Rate::none) all[in_scale] = gathered(of_y, dscale);
    return all;
  }

  // Gradients that are wanted, a bit each.
  void want(unsigned mask) {
    const auto asked = [&](int i, const Array<T>& a) { return mask >> i & 1 ? a.data_or_null() : nullptr; };
    problem.dx = {asked(in_x, dx), of_x.batch, of_x.time};
    problem.dh0 = asked(in_h0, dh0);
    problem.dc0 = asked(in_c0, dc0);
    problem.dscale = {asked(in_scale, dscale), of_y.batch, of_y.time};
    for (int d = 0; d < s.D; ++d) {
      const auto of = [&](int k) {
        return asked(in_w + own_weights * d + k, *gradients[static_cast<std::size_t>(own_weights * d + k)]);
      };
      problem.gradients[d] = {of(0), of(1), of(2), of(3), of(4), of(5)};
    }
  }

  const Given g;
  const Shape& s;
  Backward problem;

 private:
  Index rows() const {
    Index rows = 0;
    for (const Index length : g.lengths) rows += length;
    return rows;
  }

  void fill() {
    problem.cell = s.cell;
    problem.f64 = sizeof(T) == 8;
    problem.threads = s.threads;
    problem.sizes = {s.D, s.B, s.T, s.I, s.H, s.P};
    problem.x = {x.data_or_null(), of_x.batch, of_x.time};
    problem.y = {y.data_or_null(), of_y.batch, of_y.time};
    problem.dy = {dy.data_or_null(), of_y.batch, of_y.time};
    const bool packed = s.order == Order::packed;
    if (packed || s.lengths != Lengths::none) problem.lengths = lengths.data();
    if (packed) problem.offsets = offsets.data();
    if (s.resets) problem.resets = resets.data();
    problem.h0 = h0.data_or_null();
    problem.c0 = c0.data_or_null();
    problem.hn = hn.data_or_null();
    problem.cn = cn.data_or_null();
    for (int d = 0; d < s.D; ++d) {
      const auto of = [&](int k) { return weights[static_cast<std::size_t>(own_weights * d + k)]->data_or_null(); };
      problem.weights[d] = {of(0), of(1), of(2), of(3), of(4), of(5)};
    }
    problem.scale = {scale.data_or_null(), of_scale.batch, of_scale.time};
    problem.zone_h = {zone_h.data_or_null(), of_zone_h.batch, of_zone_h.time};
    problem.zone_c = {zone_c.data_or_null(), of_zone_c.batch, of_zone_c.time};
    problem.decay = s.decay && s.scale != Rate::none;
    problem.dhn = dhn.data_or_null();
    problem.dcn = dcn.data_or_null();
    want(~0u);
  }

  // Valid rows of (B, T, width) numbers; NaN stays at padding.
  void place(const Placement& p, Array<T>& to, const Numbers& from) const {
    for (Index b = 0; b < s.B; ++b) {
      for (Index t = 0; t < g.lengths[static_cast<std::size_t>(b)]; ++t) {
        for (Index i = 0; i < p.width; ++i)
          to.data()[p.at(b, t) + i] =
              static_cast<T>(from[static_cast<std::size_t>((b * s.T + t) * p.width + i)]);
      }
    }
  }
  // Back to (B, T, width); the packed layout has no padding, which is then 0.
  Numbers gathered(const Placement& p, const Array<T>& from) const {
    Numbers all(static_cast<std::size_t>(s.B * s.T * p.width));
    for (Index b = 0; b < s.B; ++b) {
      const bool packed = s.order == Order::packed;
      for (Index t = 0; t < (packed ? g.lengths[static_cast<std::size_t>(b)] : s.T); ++t) {
        for (Index i = 0; i < p.width; ++i)
          all[static_cast<std::size_t>((b * s.T + t) * p.width + i)] = from.data()[p.at(b, t) + i];
      }
    }
    return all;
  }
  // Whether what lies between the rows is still poison.
  bool untouched(const Placement& p, const Array<T>& a) const {
    std::vector<bool> row(static_cast<std::size_t>(a.size()));
    for (Index b = 0; b < s.B; ++b) {
      const bool packed = s.order == Order::packed;
      for (Index t = 0; t < (packed ? g.lengths[static_cast<std::size_t>(b)] : s.T); ++t) {
        for (Index i = 0; i < p.width; ++i) row[static_cast<std::size_t>(p.at(b, t) + i)] = true;
      }
    }
    for (Index i = 0; i < a.size(); ++i) {
      if (!row[static_cast<std::size_t>(i)] && !a.is_poison(i)) return false;
    }
    return true;
  }

  Placement of_x, of_y, of_scale, of_zone_h, of_zone_c;
  Array<T> x, y, dy, dx, h0, c0, hn, cn, dhn, dcn, dh0, dc0, scale, zone_h, zone_c, dscale;
  Array<Index> lengths, offsets;
  Array<std::uint8_t> resets;
  Array<T> saved;
  std::vector<Array<T>*> weights, gradients;
};

}  // namespace gatework::test
