// 512-bit vectors: AVX-512 F, BW, DQ and VL, with FMA and F16C.
//
// The interface every path offers, and nothing else:
//   T, N, registers      scalar type, lanes, architectural vector registers
//   zero, set1           all lanes 0, all lanes x
//   load(p), store(p)    N lanes, any alignment; load(p, n), store(p, n): the first n lanes, 0 <= n <= N;
//                        the others are 0 and memory beyond p[n-1] is not touched
//   load_half(p)         N lanes of IEEE half precision, widened (float only)
//   + - * /              lane by lane
//   fma(a,b,c)           a*b + c;   fnma(a,b,c)  c - a*b
//   min, max             where either is NaN: the second argument
//   abs, copysign(a, s)  |a|; |a| with the sign bit of s
//   select_lt(a,b,x,y)   a < b ? x : y
//   sum()                of all lanes, always in the same order
//   shifter, power2(y)   2^n for y = n + shifter, n whole: 0 for n = -127, infinity for 128 (-1023, 1024 in
//                        double), nothing sensible beyond
//   has_lookup           whether 32 floats can be looked up in registers.  Then there are, in float,
//     lookup<s>(t, i)    t[k], k the bits s to s+4 of i
//     scale2(a, x)       a * 2^floor(x), for any x
#pragma once

#ifdef __clang__
#include <immintrin.h>
#else  // GCC 12's own header initialises variables with themselves
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

#include <cstdint>

#define GW_INLINE inline __attribute__((always_inline))

namespace gatework::GATEWORK_PATH {

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using T = float;
  static constexpr int N = 16;
  static constexpr int registers = 32;
  static constexpr float shifter = 0x1.8p23f;
  static constexpr bool has_lookup = true;
  __m512 v;

  static GW_INLINE Vec zero() { return {_mm512_setzero_ps()}; }
  static GW_INLINE Vec set1(float x) { return {_mm512_set1_ps(x)}; }
  static GW_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static GW_INLINE Vec load(const float* p, int n) { return {_mm512_maskz_loadu_ps(mask(n), p)}; }
  static GW_INLINE Vec load_half(const std::uint16_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  GW_INLINE void store(float* p) const { _mm512_storeu_ps(p, v); }
  GW_INLINE void store(float* p, int n) const { _mm512_mask_storeu_ps(p, mask(n), v); }
  GW_INLINE float sum() const { return _mm512_reduce_add_ps(v); }

 private:
  static GW_INLINE __mmask16 mask(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
};

GW_INLINE Vec<float> operator+(Vec<float> a, Vec<float> b) { return {_mm512_add_ps(a.v, b.v)}; }
GW_INLINE Vec<float> operator-(Vec<float> a, Vec<float> b) { return {_mm512_sub_ps(a.v, b.v)}; }
GW_INLINE Vec<float> operator*(Vec<float> a, Vec<float> b) { return {_mm512_mul_ps(a.v, b.v)}; }
GW_INLINE Vec<float> operator/(Vec<float> a, Vec<float> b) { return {_mm512_div_ps(a.v, b.v)}; }
GW_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
GW_INLINE Vec<float> fnma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return {_mm512_fnmadd_ps(a.v, b.v, c.v)};
}
GW_INLINE Vec<float> min(Vec<float> a, Vec<float> b) { return {_mm512_min_ps(a.v, b.v)}; }
GW_INLINE Vec<float> max(Vec<float> a, Vec<float> b) { return {_mm512_max_ps(a.v, b.v)}; }
GW_INLINE Vec<float> scale2(Vec<float> a, Vec<float> n) { return {_mm512_scalef_ps(a.v, n.v)}; }
GW_INLINE Vec<float> power2(Vec<float> y) {
  const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(y.v), 23);
  return {_mm512_castsi512_ps(_mm512_add_epi32(n, _mm512_set1_epi32(127 << 23)))};
}
template <int shift>
GW_INLINE Vec<float> lookup(const float (&table)[32], Vec<float> i) {
  const __m512i bits = _mm512_srli_epi32(_mm512_castps_si512(i.v), shift);
  return {_mm512_permutex2var_ps(_mm512_loadu_ps(table), bits, _mm512_loadu_ps(table + 16))};
}
GW_INLINE Vec<float> abs(Vec<float> a) { return {_mm512_abs_ps(a.v)}; }
GW_INLINE Vec<float> copysign(Vec<float> a, Vec<float> s) {
  const __m512i bit = _mm512_set1_epi32(INT32_MIN);  // truth table 0xCA: bit ? s : a
  return {_mm512_castsi512_ps(_mm512_ternarylogic_epi32(bit, _mm512_castps_si512(s.v),
                                                        _mm512_castps_si512(a.v), 0xCA))};
}
GW_INLINE Vec<float> select_lt(Vec<float> a, Vec<float> b, Vec<float> x, Vec<float> y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), y.v, x.v)};
}

template <>
struct Vec<double> {
  using T = double;
  static constexpr int N = 8;
  static constexpr int registers = 32;
  static constexpr double shifter = 0x1.8p52;
  static constexpr bool has_lookup = false;
  __m512d v;

  static GW_INLINE Vec zero() { return {_mm512_setzero_pd()}; }
  static GW_INLINE Vec set1(double x) { return {_mm512_set1_pd(x)}; }
  static GW_INLINE Vec load(const double* p) { return {_mm512_loadu_pd(p)}; }
  static GW_INLINE Vec load(const double* p, int n) { return {_mm512_maskz_loadu_pd(mask(n), p)}; }
  GW_INLINE void store(double* p) const { _mm512_storeu_pd(p, v); }
  GW_INLINE void store(double* p, int n) const { _mm512_mask_storeu_pd(p, mask(n), v); }
  GW_INLINE double sum() const { return _mm512_reduce_add_pd(v); }

 private:
  static GW_INLINE __mmask8 mask(int n) { return static_cast<__mmask8>((1u << n) - 1u); }
};

GW_INLINE Vec<double> operator+(Vec<double> a, Vec<double> b) { return {_mm512_add_pd(a.v, b.v)}; }
GW_INLINE Vec<double> operator-(Vec<double> a, Vec<double> b) { return {_mm512_sub_pd(a.v, b.v)}; }
GW_INLINE Vec<double> operator*(Vec<double> a, Vec<double> b) { return {_mm512_mul_pd(a.v, b.v)}; }
GW_INLINE Vec<double> operator/(Vec<double> a, Vec<double> b) { return {_mm512_div_pd(a.v, b.v)}; }
GW_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return {_mm512_fmadd_pd(a.v, b.v, c.v)};
}
GW_INLINE Vec<double> fnma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return {_mm512_fnmadd_pd(a.v, b.v, c.v)};
}
GW_INLINE Vec<double> min(Vec<double> a, Vec<double> b) { return {_mm512_min_pd(a.v, b.v)}; }
GW_INLINE Vec<double> max(Vec<double> a, Vec<double> b) { return {_mm512_max_pd(a.v, b.v)}; }
GW_INLINE Vec<double> power2(Vec<double> y) {
  const __m512i n = _mm512_slli_epi64(_mm512_castpd_si512(y.v), 52);
  return {_mm512_castsi512_pd(_mm512_add_epi64(n, _mm512_set1_epi64(1023ll << 52)))};
}
GW_INLINE Vec<double> abs(Vec<double> a) { return {_mm512_abs_pd(a.v)}; }
GW_INLINE Vec<double> copysign(Vec<double> a, Vec<double> s) {
  const __m512i bit = _mm512_set1_epi64(INT64_MIN);
  return {_mm512_castsi512_pd(_mm512_ternarylogic_epi64(bit, _mm512_castpd_si512(s.v),
                                                        _mm512_castpd_si512(a.v), 0xCA))};
}
GW_INLINE Vec<double> select_lt(Vec<double> a, Vec<double> b, Vec<double> x, Vec<double> y) {
  return {_mm512_mask_blend_pd(_mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ), y.v, x.v)};
}

}  // namespace gatework::GATEWORK_PATH
