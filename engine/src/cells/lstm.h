// Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers, Schmidhuber & Cummins 2000), with and
// without peepholes (Gers & Schmidhuber 2000; Gers, Schraudolph & Schmidhuber 2002), and what Greff et al. (2015,
// "LSTM: A Search Space Odyssey", section 3) take away from it.
//
//   i = s(x_i + h_i + p_i c')   f = s(x_f + h_f + p_f c')   g = tanh(x_g + h_g)
//   c = f c' + i g              o = s(x_o + h_o + p_o c)     h = o tanh(c)
//
// A gate that is absent is 1; coupled, i = 1 - f.  Absent activations are the identity.
#pragma once

#include "cell.h"

namespace gatework::GATEWORK_PATH {

enum LstmPart : unsigned {
  no_input_gate = 1,
  no_forget_gate = 2,
  no_output_gate = 4,
  coupled = 8,  // of no_input_gate: i = 1 - f
  no_input_activation = 16,
  no_output_activation = 32,
  peepholes = 64,
};

template <unsigned parts>
struct LstmOf {
  static constexpr bool has_i = !(parts & no_input_gate), has_f = !(parts & no_forget_gate),
                        has_o = !(parts & no_output_gate), has_p = parts & peepholes;
  static constexpr int gates = 1 + has_i + has_f + has_o, x_planes = gates, planes = gates, saved = gates;
  static constexpr int cells = 1, params = has_p ? has_i + has_f + has_o : 0, bias_h = -1;
  static constexpr bool reads_h = false, zones = true, projects = parts == 0;
  static constexpr int x_gate[4] = {0, 1, 2, 3}, h_gate[4] = {0, 1, 2, 3};
  // places of the gates, and of their peepholes
  static constexpr int f_ = has_i, g_ = has_i + has_f, o_ = g_ + 1, pf_ = has_i, po_ = has_i + has_f;

  template <class T>
  static GW_INLINE Vec<T> input(Vec<T> i, Vec<T> f) {
    return parts & coupled ? Vec<T>::set1(T(1)) - f : i;
  }

  template <class T>
  static GW_INLINE Vec<T> squash(Vec<T> c) {
    if constexpr (parts & no_output_activation) return c;
    else return tanh(c);
  }

  template <class T>
  static GW_INLINE Vec<T> next(Vec<T> i, Vec<T> f, Vec<T> g, Vec<T> c) {
    const Vec<T> in = has_i || (parts & coupled) ? input<T>(i, f) * g : g;
    return has_f ? fma(f, c, in) : c + in;
  }

  template <class T>
  static GW_INLINE Vec<T> forward(const Vec<T>* product, Vec<T>* plane, Vec<T>* c, Vec<T>, const Vec<T>* param) {
    using V = Vec<T>;
    V i = V::zero(), f = V::zero(), g = product[g_] + plane[g_], o = V::set1(T(1));
    if constexpr (has_i) i = sigmoid(has_p ? fma(param[0], c[0], product[0] + plane[0]) : product[0] + plane[0]);
    if constexpr (has_f) {
      const V sum = product[f_] + plane[f_];
      f = sigmoid(has_p ? fma(param[pf_], c[0], sum) : sum);
    }
    if constexpr (!(parts & no_input_activation)) g = tanh(g);
    c[0] = next<T>(i, f, g, c[0]);
    if constexpr (has_o) {
      const V sum = product[o_] + plane[o_];
      o = sigmoid(has_p ? fma(param[po_], c[0], sum) : sum);
    }
    if constexpr (has_i) plane[0] = i;
    if constexpr (has_f) plane[f_] = f;
    plane[g_] = g;
    if constexpr (has_o) plane[o_] = o;
    return has_o ? o * squash<T>(c[0]) : squash<T>(c[0]);
  }

  template <class T>
  static GW_INLINE Vec<T> backward(Vec<T> dh, Vec<T>* plane, const Vec<T>* c, const Vec<T>* c_before, Vec<T>* dc,
                                   Vec<T>, Vec<T>, const Vec<T>* param, Vec<T>* dparam) {
    using V = Vec<T>;
    const V one = V::set1(T(1)), before = c_before[0];
    const V i = has_i ? plane[0] : one, f = has_f ? plane[f_] : one, g = plane[g_], o = has_o ? plane[o_] : one;
    const V t = squash<T>(c[0]), through = has_o ? dh * o : dh;
    V d = parts & no_output_activation ? through + dc[0] : fma(through, fnma(t, t, one), dc[0]);
    if constexpr (has_o) {
      const V of_o = dh * t * (o * (one - o));
      plane[o_] = of_o;
      if constexpr (has_p) {
        d = fma(of_o, param[po_], d);
        dparam[po_] = of_o * c[0];
      }
    }
    V on = has_f ? d * f : d;
    if constexpr (has_i) {
      const V of_i = d * g * (i * (one - i));
      plane[0] = of_i;
      if constexpr (has_p) {
        on = fma(of_i, param[0], on);
        dparam[0] = of_i * before;
      }
    }
    if constexpr (has_f) {
      const V of_f = d * (parts & coupled ? before - g : before) * (f * (one - f));
      plane[f_] = of_f;
      if constexpr (has_p) {
        on = fma(of_f, param[pf_], on);
        dparam[pf_] = of_f * before;
      }
    }
    const V of_g = has_i ? d * i : parts & coupled ? d * (one - f) : d;
    plane[g_] = parts & no_input_activation ? of_g : of_g * fnma(g, g, one);
    dc[0] = on;
    return V::zero();
  }

  template <class T>
  static GW_INLINE Vec<T> state(const Vec<T>* plane, const Vec<T>* c_before) {
    return next<T>(plane[0], plane[has_f ? f_ : 0], plane[g_], c_before[0]);
  }

  // m = o tanh(c), what a projection is applied to
  template <class T>
  static GW_INLINE Vec<T> output(const Vec<T>* plane, const Vec<T>* c) {
    return has_o ? plane[o_] * squash<T>(c[0]) : squash<T>(c[0]);
  }
};

using Lstm = LstmOf<0>;

}  // namespace gatework::GATEWORK_PATH
