// The LSTM's cell over planes, forward and backward: see gatework/planes.h.
#pragma once

#include "gatework/planes.h"
#include "kernels.h"
#include "math.h"

namespace gatework::GATEWORK_PATH {

// N lanes, or the first `count`.
template <class T, bool whole>
struct Stretch {
  int count;
  GW_INLINE Vec<T> load(const T* p) const {
    if constexpr (whole) return Vec<T>::load(p);
    return Vec<T>::load(p, count);
  }
  GW_INLINE Vec<T> load_or_zero(const T* p, Index at) const { return p ? load(p + at) : Vec<T>::zero(); }
  GW_INLINE void store(Vec<T> v, T* p) const {
    if constexpr (whole) return v.store(p);
    return v.store(p, count);
  }
};

// What one of `parts` threads takes: sequences b0..b1, positions s0..s1.  Positions where a gradient is
// summed over sequences, or where there are enough of them.
struct PlanesShare {
  Index b0, b1, s0, s1;
  PlanesShare(Index B, Index S, bool sums, int part, int parts) : b0(0), b1(B), s0(0), s1(S) {
    if (sums || S >= 8 * parts || B < parts) {
      s0 = S * part / parts, s1 = S * (part + 1) / parts;
    } else {
      b0 = B * part / parts, b1 = B * (part + 1) / parts;
    }
  }
};

// Calls f(lanes, row, s, u) for every vector of channels: u the first of them.
template <class T, class F>
GW_INLINE void each_vector(const PlanesShare& share, Index S, Index n, F f) {
  constexpr Index N = Vec<T>::N;
  for (Index b = share.b0; b < share.b1; ++b) {
    for (Index s = share.s0; s < share.s1; ++s) {
      Index u = 0;
      for (; u + N <= n; u += N) f(Stretch<T, true>{}, b * S + s, s, u);
      if (u < n) f(Stretch<T, false>{static_cast<int>(n - u)}, b * S + s, s, u);
    }
  }
}

template <class T, bool peepholes>
inline void planes_forward_part(const PlanesForward& p, int part, int parts) {
  using V = Vec<T>;
  const Index n = p.n, plane = p.S * n;
  const T *x = static_cast<const T*>(p.x), *h = static_cast<const T*>(p.h), *c0 = static_cast<const T*>(p.c0);
  const T* w = static_cast<const T*>(p.peephole);
  T *gates = static_cast<T*>(p.gates), *c_out = static_cast<T*>(p.c), *y = static_cast<T*>(p.y);
  const PlanesShare share(p.B, p.S, false, part, parts);
  each_vector<T>(share, p.S, n, [=](auto lanes, Index row, Index s, Index u) __attribute__((always_inline)) {
    const Index at = row * n + u, gate = row * 4 * n + u;
    V sum[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      sum[k] = lanes.load(x + gate + k * n);
      if (h) sum[k] = sum[k] + lanes.load(h + gate + k * n);
    }
    V c = lanes.load_or_zero(c0, at);
    if constexpr (peepholes) {
      sum[0] = fma(lanes.load(w + s * n + u), c, sum[0]);
      sum[1] = fma(lanes.load(w + plane + s * n + u), c, sum[1]);
    }
    const V i = sigmoid(sum[0]), f = sigmoid(sum[1]), g = tanh(sum[2]);
    c = fma(f, c, i * g);
    if constexpr (peepholes) sum[3] = fma(lanes.load(w + 2 * plane + s * n + u), c, sum[3]);
    const V o = sigmoid(sum[3]);
    if (gates) {
      lanes.store(i, gates + gate);
      lanes.store(f, gates + gate + n);
      lanes.store(g, gates + gate + 2 * n);
      lanes.store(o, gates + gate + 3 * n);
    }
    lanes.store(c, c_out + at);
    lanes.store(o * tanh(c), y + at);
  });
}

template <class T, bool peepholes>
inline void planes_backward_part(const PlanesBackward& p, int part, int parts) {
  using V = Vec<T>;
  const Index n = p.n, plane = p.S * n;
  const T *gates = static_cast<const T*>(p.gates), *c_in = static_cast<const T*>(p.c);
  const T *c0 = static_cast<const T*>(p.c0), *w = static_cast<const T*>(p.peephole);
  const T *dy = static_cast<const T*>(p.dy), *dh_next = static_cast<const T*>(p.dh);
  T *dc_in = static_cast<T*>(p.dc), *dx = static_cast<T*>(p.dx), *dw = static_cast<T*>(p.dpeephole);
  const PlanesShare share(p.B, p.S, dw != nullptr, part, parts);
  each_vector<T>(share, p.S, n, [=](auto lanes, Index row, Index s, Index u) __attribute__((always_inline)) {
    const Index at = row * n + u, gate = row * 4 * n + u, hole = s * n + u;
    const V one = V::set1(T(1));
    const V i = lanes.load(gates + gate), f = lanes.load(gates + gate + n);
    const V g = lanes.load(gates + gate + 2 * n), o = lanes.load(gates + gate + 3 * n);
    const V c = lanes.load(c_in + at), before = lanes.load_or_zero(c0, at), t = tanh(c);
    const V dh = lanes.load_or_zero(dy, at) + lanes.load_or_zero(dh_next, at);
    const V d_o = dh * t * (o * (one - o));
    V dc = fma(dh * o, fnma(t, t, one), lanes.load(dc_in + at));
    if constexpr (peepholes) dc = fma(d_o, lanes.load(w + 2 * plane + hole), dc);
    const V d_i = dc * g * (i * (one - i)), d_f = dc * before * (f * (one - f));
    lanes.store(d_i, dx + gate);
    lanes.store(d_f, dx + gate + n);
    lanes.store(dc * i * fnma(g, g, one), dx + gate + 2 * n);
    lanes.store(d_o, dx + gate + 3 * n);
    dc = dc * f;
    if constexpr (peepholes) {
      dc = fma(d_i, lanes.load(w + hole), fma(d_f, lanes.load(w + plane + hole), dc));
      if (dw) {
        lanes.store(fma(d_i, before, lanes.load(dw + hole)), dw + hole);
        lanes.store(fma(d_f, before, lanes.load(dw + plane + hole)), dw + plane + hole);
        lanes.store(fma(d_o, c, lanes.load(dw + 2 * plane + hole)), dw + 2 * plane + hole);
      }
    }
    lanes.store(dc, dc_in + at);
  });
}

template <class T>
void planes_forward(const PlanesForward& p, int part, int parts) {
  p.peephole ? planes_forward_part<T, true>(p, part, parts) : planes_forward_part<T, false>(p, part, parts);
}

template <class T>
void planes_backward(const PlanesBackward& p, int part, int parts) {
  p.peephole ? planes_backward_part<T, true>(p, part, parts) : planes_backward_part<T, false>(p, part, parts);
}

}  // namespace gatework::GATEWORK_PATH
