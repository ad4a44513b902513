// sLSTM (Beck et al. 2024, "xLSTM", equations 8 to 17): exponential gates, a normaliser n, a stabiliser m.
//
//   l = log s(x_f + h_f) + m'   m = max(l, x_i + h_i)   i = exp(x_i + h_i - m)   f = exp(l - m)
//   c = f c' + i tanh(x_g + h_g)   n = f n' + i   h = s(x_o + h_o) c / n
//
// Where n' is 0 nothing has been seen: m = x_i + h_i, so that i is 1 and h never 0/0, and l is at most m.
#pragma once

#include "cell.h"

namespace gatework::GATEWORK_PATH {

struct Slstm {
  // kept: i f g o and s(x_f + h_f), which f alone does not tell
  static constexpr int gates = 4, x_planes = 4, planes = 4, saved = 5, cells = 3, params = 0, bias_h = -1;
  static constexpr bool reads_h = false, zones = false, projects = false;
  static constexpr int x_gate[4] = {0, 1, 2, 3}, h_gate[4] = {0, 1, 2, 3};

  template <class T>
  static GW_INLINE Vec<T> forward(const Vec<T>* product, Vec<T>* plane, Vec<T>* c, Vec<T>, const Vec<T>*) {
    using V = Vec<T>;
    const V zero = V::zero(), a = product[0] + plane[0], b = product[1] + plane[1];
    const V g = tanh(product[2] + plane[2]), o = sigmoid(product[3] + plane[3]);
    const V l = log_sigmoid(b) + c[2], m = select_lt(zero, abs(c[1]), max(l, a), a);
    const V i = exp(a - m), f = exp(min(zero, l - m));
    c[0] = fma(f, c[0], i * g);
    c[1] = fma(f, c[1], i);
    c[2] = m;
    plane[0] = i;
    plane[1] = f;
    plane[2] = g;
    plane[3] = o;
    plane[4] = sigmoid(b);
    return o * c[0] / c[1];
  }

  template <class T>
  static GW_INLINE Vec<T> backward(Vec<T> dh, Vec<T>* plane, const Vec<T>* c, const Vec<T>* before, Vec<T>* dc,
                                   Vec<T>, Vec<T>, const Vec<T>*, Vec<T>*) {
    using V = Vec<T>;
    const V one = V::set1(T(1)), zero = V::zero(), i = plane[0], f = plane[1], g = plane[2], o = plane[3];
    const V mean = c[0] / c[1], of_mean = dh * o / c[1];
    const V d = dc[0] + of_mean, dn = fnma(of_mean, mean, dc[1]);
    const V di = fma(d, g, dn) * i;
    V df = fma(d, before[0], dn * before[1]) * f;
    // where l was cut off at m it has no part in f
    df = select_lt(zero, abs(before[1]), df, select_lt(f, one, df, zero));
    const V dm = dc[2] - di - df;
    // of the larger of both
    plane[0] = di + select_lt(i, f, zero, dm);
    const V dl = df + select_lt(i, f, dm, zero);
    plane[1] = dl * (one - plane[4]);
    plane[2] = d * i * fnma(g, g, one);
    plane[3] = dh * mean * (o * (one - o));
    dc[0] = d * f;
    dc[1] = dn * f;
    dc[2] = dl;
    return zero;
  }
};

}  // namespace gatework::GATEWORK_PATH
