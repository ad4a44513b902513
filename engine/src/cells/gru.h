// Gated recurrent unit (Cho et al. 2014) in torch's and cuDNN's form: the reset gate acts after the product.
//
//   r = s(x_r + h_r)   z = s(x_z + h_z)   n = tanh(x_n + r h_n)   h = (1 - z) n + z h'
//
// Planes: n r z | h_n.  The first three are gradients of what x enters, the last three of what h enters.
#pragma once

#include "cell.h"

namespace gatework::GATEWORK_PATH {

struct Gru {
  static constexpr int gates = 3, x_planes = 3, planes = 4, saved = 4, cells = 0, params = 0, bias_h = 2;
  static constexpr bool reads_h = true, zones = false, projects = false;
  static constexpr int x_gate[3] = {2, 0, 1}, h_gate[3] = {0, 1, 2};

  template <class T>
  static GW_INLINE Vec<T> forward(const Vec<T>* product, Vec<T>* plane, Vec<T>*, Vec<T> h_before, const Vec<T>*) {
    const Vec<T> r = sigmoid(product[0] + plane[1]), z = sigmoid(product[1] + plane[2]);
    const Vec<T> n = tanh(fma(r, product[2], plane[0]));
    plane[0] = n;
    plane[1] = r;
    plane[2] = z;
    plane[3] = product[2];
    return fma(z, h_before - n, n);
  }

  template <class T>
  static GW_INLINE Vec<T> backward(Vec<T> dh, Vec<T>* plane, const Vec<T>*, const Vec<T>*, Vec<T>*, Vec<T> h_before,
                                   Vec<T>, const Vec<T>*, Vec<T>*) {
    const Vec<T> one = Vec<T>::set1(T(1));
    const Vec<T> n = plane[0], r = plane[1], z = plane[2], h_n = plane[3];
    const Vec<T> dn = dh * (one - z) * fnma(n, n, one);
    plane[0] = dn;
    plane[1] = dn * h_n * (r * (one - r));
    plane[2] = dh * (h_before - n) * (z * (one - z));
    plane[3] = dn * r;
    return dh * z;
  }
};

}  // namespace gatework::GATEWORK_PATH
