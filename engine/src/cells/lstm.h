// Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers, Schmidhuber & Cummins 2000).
//
//   i = s(x_i + h_i)   f = s(x_f + h_f)   g = tanh(x_g + h_g)   o = s(x_o + h_o)
//   c = f c' + i g     h = o tanh(c)
//
// What the drivers need of a cell:
//   gates        products with h, in the order of `h_gate` (torch's number of each)
//   x_planes     products with x, in the order of `x_gate`
//   planes       values kept a unit for backward and turned into gradients there: the planes of x come
//                first, those of h last (they overlap)
//   saved        how many planes forward must keep (0: the output is enough)
//   has_cell     a cell state beside h;   reads_h: h' itself enters the pointwise part
//   bias_h       the gate whose bias of h must stay apart from that of x, or -1
#pragma once

#include "../math.h"

namespace gatework::GATEWORK_PATH {

struct Lstm {
  static constexpr int gates = 4, x_planes = 4, planes = 4, saved = 4, bias_h = -1;
  static constexpr bool has_cell = true, reads_h = false;
  static constexpr int x_gate[4] = {0, 1, 2, 3}, h_gate[4] = {0, 1, 2, 3};

  // h; product: with h, a gate each; plane: in from x, out what backward needs; c: in c', out c
  template <class T>
  static GW_INLINE Vec<T> forward(const Vec<T>* product, Vec<T>* plane, Vec<T>& c, Vec<T>) {
    const Vec<T> i = sigmoid(product[0] + plane[0]), f = sigmoid(product[1] + plane[1]);
    const Vec<T> g = tanh(product[2] + plane[2]), o = sigmoid(product[3] + plane[3]);
    c = fma(f, c, i * g);
    plane[0] = i;
    plane[1] = f;
    plane[2] = g;
    plane[3] = o;
    return o * tanh(c);
  }

  // plane: in what forward kept, out the gradient of each sum; dc: in of c, out of c'; returns the part of
  // the gradient of h' that does not go through the products (none here)
  template <class T>
  static GW_INLINE Vec<T> backward(Vec<T> dh, Vec<T>* plane, Vec<T> c, Vec<T> c_before, Vec<T>& dc,
                                   Vec<T>, Vec<T>) {
    const Vec<T> one = Vec<T>::set1(T(1));
    const Vec<T> i = plane[0], f = plane[1], g = plane[2], o = plane[3], t = tanh(c);
    const Vec<T> d = fma(dh * o, fnma(t, t, one), dc);
    plane[0] = d * g * (i * (one - i));
    plane[1] = d * c_before * (f * (one - f));
    plane[2] = d * i * fnma(g, g, one);
    plane[3] = dh * t * (o * (one - o));
    dc = d * f;
    return Vec<T>::zero();
  }

  // m = o tanh(c), what a projection is applied to
  template <class T>
  static GW_INLINE Vec<T> output(const Vec<T>* plane, Vec<T> c) {
    return plane[3] * tanh(c);
  }
};

}  // namespace gatework::GATEWORK_PATH
