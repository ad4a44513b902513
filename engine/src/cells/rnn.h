// Plain recurrent network (Elman 1990): h = tanh(x + W h') or max(0, x + W h').
#pragma once

#include "cell.h"

namespace gatework::GATEWORK_PATH {

template <bool relu>
struct Rnn {
  static constexpr int gates = 1, x_planes = 1, planes = 1, saved = 0, cells = 0, params = 0, bias_h = -1;
  static constexpr bool reads_h = false, zones = false, projects = false;
  static constexpr int x_gate[1] = {0}, h_gate[1] = {0};

  template <class T>
  static GW_INLINE Vec<T> forward(const Vec<T>* product, Vec<T>* plane, Vec<T>*, Vec<T>, const Vec<T>*) {
    const Vec<T> a = product[0] + plane[0];
    return relu ? max(Vec<T>::zero(), a) : tanh(a);  // NaN stays: it is the second argument
  }

  template <class T>
  static GW_INLINE Vec<T> backward(Vec<T> dh, Vec<T>* plane, const Vec<T>*, const Vec<T>*, Vec<T>*, Vec<T>, Vec<T> h,
                                   const Vec<T>*, Vec<T>*) {
    const Vec<T> zero = Vec<T>::zero();
    // `h <= 0 ? 0 : dh`, so that a NaN in h lets dh through, as torch does
    const Vec<T> least = Vec<T>::set1(T(sizeof(T) == 4 ? __FLT_DENORM_MIN__ : __DBL_DENORM_MIN__));
    plane[0] = relu ? select_lt(h, least, zero, dh) : dh * fnma(h, h, Vec<T>::set1(T(1)));
    return zero;
  }
};

}  // namespace gatework::GATEWORK_PATH
