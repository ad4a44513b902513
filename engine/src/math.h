// exp, sigmoid and tanh of a vector.
//
// Largest error in ulp over all floats and 10^7 doubles (tests/test_math.cc with GATEWORK_SWEEP=1; NEON's, in
// a sample, are AVX2's) | cycles a vector on Zen 4, independent calls one after another, GCC 12.  In brackets:
// with Taylor's polynomials by Horner's rule, vrndscale, and an estimate and a Newton step for the division.
//
//                     AVX-512                AVX2                 128 bits, no FMA
//   float   sigmoid   3.2 | 10.1 (16.0)      3.5 |  7.6 (10.5)    3.6 | 16.0 (26.1)
//           tanh      1.4 | 12.6 (18.9)      2.5 | 10.1 (13.4)    2.6 | 17.4 (27.9)
//           exp       3.0 | 13.4 (11.2)      3.0 |  8.7  (8.3)    3.1 | 17.6 (22.0)
//           LSTM cell       62.6 (103.5)           62.5 (86.0)           107 (169)
//   double  sigmoid   2.3 | 21.1 (23.6)      2.3 | 13.9 (16.2)    2.3 | 27.4 (40.1)
//           tanh      2.6 | 21.1 (26.6)      2.6 | 15.4 (20.1)    2.6 | 28.5 (41.7)
//           exp       2.8 | 20.5 (18.4)      2.8 | 13.3 (13.7)    2.9 | 26.7 (35.5)
#pragma once

#include "math_table.h"
#include "simd.h"

namespace gatework::GATEWORK_PATH {

// Arguments beyond which the result stays: 1/(1+e^-x) is 0 below `zero` and 1 above `one`, tanh is 1 above
// `flat`; (e^x)^2 is 0 below `tiny` and infinity above `huge`.
template <class T>
struct Range;
template <>
struct Range<float> {
  static constexpr float zero = -88.8f, one = 80.0f, flat = 9.03125f, tiny = -52.5f, huge = 44.5f;
};
template <>
struct Range<double> {
  static constexpr double zero = -710.0, one = 700.0, flat = 19.1, tiny = -373.0, huge = 355.5;
};

// NaN stays: it is the second argument.
template <class T>
GW_INLINE Vec<T> clamp(Vec<T> x, T low, T high) {
  return min(Vec<T>::set1(high), max(Vec<T>::set1(low), x));
}

// c[0] + c[1] x + ..., pairs of terms by Horner's rule in x2 = x*x: half the latency of Horner's rule in x,
// which counts as much as the number of products (a core sees about five of these functions ahead)
template <class T, int n>
GW_INLINE Vec<T> polynomial(const T (&c)[n], Vec<T> x, Vec<T> x2) {
  using V = Vec<T>;
  constexpr int last = (n - 1) / 2 * 2;
  V p = V::set1(c[last]);
  if constexpr (last + 1 < n) p = fma(V::set1(c[n - 1]), x, p);
#pragma GCC unroll 16
  for (int k = last - 2; k >= 0; k -= 2) p = fma(p, x2, fma(V::set1(c[k + 1]), x, V::set1(c[k])));
  return p;
}

// x = r - n ln(2): n a multiple of 1/steps, which `shifted` has in its low bits.
template <class T>
struct Reduced {
  Vec<T> shifted, n, r;
};

// ln(2) comes in two parts, and the product with the first is exact.  One part is enough where e^-x counts
// less the larger x is (`near_zero`).
template <int steps, bool near_zero, class T>
GW_INLINE Reduced<T> reduce(Vec<T> x) {
  using V = Vec<T>;
  constexpr bool single = sizeof(T) == 4;
  constexpr T ln2 = T(0x1.62e42fefa39efp-1), high = single ? T(0x1.63p-1) : T(0x1.62e42feep-1),
              low = single ? T(-0x1.bd0106p-13) : T(0x1.a39ef35793c76p-33);
  const V shifter = V::set1(V::shifter / steps);
  const V shifted = fma(x, V::set1(T(-0x1.71547652b82fep0)), shifter), n = shifted - shifter;
  if constexpr (near_zero) return {shifted, n, fma(n, V::set1(ln2), x)};
  return {shifted, n, fma(n, V::set1(low), fma(n, V::set1(high), x))};
}

// Coefficients below: minimax fits in SciPy (linear programming) and mpmath (Remez), rounded from the
// highest down, the rest fitted again after each.

// 1 - e^-r for |r| <= ln(2)/2, with relative error 1.7e-8 and 1.6e-18
GW_INLINE Vec<float> rise(Vec<float> r) {
  constexpr float c[] = {0x1.fffffep-2f, -0x1.5554bp-3f, 0x1.555674p-5f, -0x1.122776p-7f, 0x1.6bec04p-10f};
  const Vec<float> r2 = r * r;
  return fnma(r2, polynomial(c, r, r2), r);
}
GW_INLINE Vec<double> rise(Vec<double> r) {
  constexpr double c[] = {0.5,
                          -0x1.5555555555559p-3,
                          0x1.555555555555cp-5,
                          -0x1.111111110f3fp-7,
                          0x1.6c16c16c11776p-10,
                          -0x1.a01a01b11a5ccp-13,
                          0x1.a01a01c701e72p-16,
                          -0x1.71ddf502590b6p-19,
                          0x1.27e48493eed72p-22,
                          -0x1.af64ebbd6e003p-26,
                          0x1.2012f93bda7fdp-29};
  const Vec<double> r2 = r * r;
  return fnma(r2, polynomial(c, r, r2), r);
}

// 1 + e^-x.  In float, e^-r to within 1e-7 will do, or with a table for 2^(k/32), 5e-8.
template <class T>
GW_INLINE Vec<T> one_plus_exp(Vec<T> x) {
  using V = Vec<T>;
  const V one = V::set1(T(1));
  if constexpr (V::has_lookup) {
    const auto [shifted, n, r] = reduce<32, false>(x);
    const V p = fma(fma(V::set1(0x1.f77f06p-2f), r, V::set1(-0x1.f780ecp-1f)), r, V::set1(power_unit));
    return fma(scale2(lookup<0>(power_table, shifted), n), p, one);
  } else if constexpr (sizeof(T) == 4) {
    constexpr T c[] = {1.0f,           -0x1.fffff6p-1f, 0x1.fffdc6p-2f,
                       -0x1.555a6cp-3f, 0x1.573a6cp-5f,  -0x1.0fa822p-7f};
    const auto [shifted, n, r] = reduce<1, false>(x);
    return fma(power2(shifted), polynomial(c, r, r * r), one);
  } else {
    const auto [shifted, n, r] = reduce<1, false>(x);
    return fma(power2(shifted), one - rise(r), one);
  }
}

// e^x, as the square of e^(x/2): infinity, 0 and the subnormal numbers come by themselves.
template <class T>
GW_INLINE Vec<T> exp(Vec<T> x) {
  using V = Vec<T>;
  const V half = clamp(x * V::set1(T(0.5)), Range<T>::tiny, Range<T>::huge);
  const auto [shifted, n, r] = reduce<1, false>(V::zero() - half);
  const V power = power2(shifted), root = fnma(power, rise(r), power);
  return root * root;
}

// 1 / (1 + e^-x).  A result below the smallest normal number may be 0; it is for x < -88.8 (-710 in double).
// The division takes the time of two products, less than an estimate and a Newton step.
template <class T>
GW_INLINE Vec<T> sigmoid(Vec<T> x) {
  return Vec<T>::set1(T(1)) / one_plus_exp(clamp(x, Range<T>::zero, Range<T>::one));
}

// tanh x = g / (2 - g) with g = 1 - e^-2x, odd.  With a table: one of 32 polynomials.  (x times a rational
// function of x^2, as in Eigen, takes as long and is 5 ulp off.)
template <class T>
GW_INLINE Vec<T> tanh(Vec<T> x) {
  using V = Vec<T>;
  const V a = min(V::set1(Range<T>::flat), abs(x));
  if constexpr (V::has_lookup) {
    const V k = a + V::set1(0.625f), t = a - lookup<20>(tanh_table[0], k);
    V p = lookup<20>(tanh_table[5], k);
#pragma GCC unroll 4
    for (int i = 4; i >= 1; --i) p = fma(p, t, lookup<20>(tanh_table[i], k));
    return copysign(p, x);
  } else {
    const auto [shifted, n, r] = reduce<1, true>(a + a);
    const V power = power2(shifted), g = fma(power, rise(r), V::set1(T(1)) - power);
    return copysign(g / (V::set1(T(2)) - g), x);
  }
}

// log(1 / (1 + e^-x)) = min(x, 0) - log(1 + e), e = e^-|x|; log(1 + e) = 2 atanh(s) with s = e / (2 + e) <= 1/3, by
// its Taylor series, cut off at 2e-8 of the sum (2e-17 in double).
template <class T>
GW_INLINE Vec<T> log_sigmoid(Vec<T> x) {
  using V = Vec<T>;
  const V e = exp(V::zero() - abs(x)), s = e / (e + V::set1(T(2))), s2 = s * s;
  const auto series = [&] {
    if constexpr (sizeof(T) == 4) {
      constexpr T c[] = {T(2), T(2) / 3, T(2) / 5, T(2) / 7, T(2) / 9, T(2) / 11, T(2) / 13, T(2) / 15};
      return polynomial(c, s2, s2 * s2);
    } else {
      constexpr T c[] = {T(2),      T(2) / 3,  T(2) / 5,  T(2) / 7,  T(2) / 9,  T(2) / 11,
                         T(2) / 13, T(2) / 15, T(2) / 17, T(2) / 19, T(2) / 21, T(2) / 23,
                         T(2) / 25, T(2) / 27, T(2) / 29, T(2) / 31, T(2) / 33};
      return polynomial(c, s2, s2 * s2);
    }
  };
  return fnma(s, series(), min(V::zero(), x));
}

}  // namespace gatework::GATEWORK_PATH
