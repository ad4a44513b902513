// minGRU and minLSTM (Feng et al. 2024, "Were RNNs All We Needed?", sections 3.1 and 3.2): no gate sees h', so all
// products are made for all steps at once and what remains in time is a scan of one product and one sum a unit.
//
//   minGRU    z = s(x_z)   h = (1 - z) h' + z x_n
//   minLSTM   f = s(x_f)   i = s(x_i)   h = (f h' + i x_g) / (f + i)
#pragma once

#include "cell.h"

namespace gatework::GATEWORK_PATH {

struct MinGru {
  static constexpr int gates = 0, x_planes = 2, planes = 2, saved = 2, cells = 0, params = 0, bias_h = -1;
  static constexpr bool reads_h = true, zones = false, projects = false;
  static constexpr int x_gate[2] = {0, 1}, h_gate[1] = {0};  // z n

  template <class T>
  static GW_INLINE Vec<T> forward(const Vec<T>*, Vec<T>* plane, Vec<T>*, Vec<T> h_before, const Vec<T>*) {
    plane[0] = sigmoid(plane[0]);
    return fma(plane[0], plane[1] - h_before, h_before);
  }

  template <class T>
  static GW_INLINE Vec<T> backward(Vec<T> dh, Vec<T>* plane, const Vec<T>*, const Vec<T>*, Vec<T>*, Vec<T> h_before,
                                   Vec<T>, const Vec<T>*, Vec<T>*) {
    const Vec<T> keep = Vec<T>::set1(T(1)) - plane[0], n = plane[1], dn = dh * plane[0];
    plane[0] = dn * (n - h_before) * keep;
    plane[1] = dn;
    return dh * keep;
  }
};

struct MinLstm {
  static constexpr int gates = 0, x_planes = 3, planes = 3, saved = 3, cells = 0, params = 0, bias_h = -1;
  static constexpr bool reads_h = true, zones = false, projects = false;
  static constexpr int x_gate[3] = {0, 1, 2}, h_gate[1] = {0};  // i f g

  // Share of i in i + f.  Both may be 0: then nothing is written.
  template <class T>
  static GW_INLINE Vec<T> share(Vec<T> i, Vec<T> f) {
    return i / max(i + f, Vec<T>::set1(T(sizeof(T) == 4 ? __FLT_MIN__ : __DBL_MIN__)));
  }

  template <class T>
  static GW_INLINE Vec<T> forward(const Vec<T>*, Vec<T>* plane, Vec<T>*, Vec<T> h_before, const Vec<T>*) {
    plane[0] = sigmoid(plane[0]);
    plane[1] = sigmoid(plane[1]);
    return fma(share<T>(plane[0], plane[1]), plane[2] - h_before, h_before);
  }

  template <class T>
  static GW_INLINE Vec<T> backward(Vec<T> dh, Vec<T>* plane, const Vec<T>*, const Vec<T>*, Vec<T>*, Vec<T> h_before,
                                   Vec<T>, const Vec<T>*, Vec<T>*) {
    const Vec<T> one = Vec<T>::set1(T(1)), i = plane[0], f = plane[1], g = plane[2];
    const Vec<T> in = share<T>(i, f), keep = one - in, d = dh * (g - h_before) * in * keep;
    plane[0] = d * (one - i);
    plane[1] = Vec<T>::zero() - d * (one - f);
    plane[2] = dh * in;
    return dh * keep;
  }
};

}  // namespace gatework::GATEWORK_PATH
