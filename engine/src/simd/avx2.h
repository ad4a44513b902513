// 256-bit vectors: AVX2 with FMA and F16C.  The interface is avx512.h's.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define GW_INLINE inline __attribute__((always_inline))

namespace gatework::GATEWORK_PATH {

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using T = float;
  static constexpr int N = 8;
  static constexpr int registers = 16;
  static constexpr float shifter = 0x1.8p23f;
  static constexpr bool has_lookup = false;
  __m256 v;

  static GW_INLINE Vec zero() { return {_mm256_setzero_ps()}; }
  static GW_INLINE Vec set1(float x) { return {_mm256_set1_ps(x)}; }
  static GW_INLINE Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static GW_INLINE Vec load(const float* p, int n) { return {_mm256_maskload_ps(p, mask(n))}; }
  static GW_INLINE Vec load_half(const std::uint16_t* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  GW_INLINE void store(float* p) const { _mm256_storeu_ps(p, v); }
  GW_INLINE void store(float* p, int n) const { _mm256_maskstore_ps(p, mask(n), v); }
  GW_INLINE float sum() const {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }

 private:
  static GW_INLINE __m256i mask(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

GW_INLINE Vec<float> operator+(Vec<float> a, Vec<float> b) { return {_mm256_add_ps(a.v, b.v)}; }
GW_INLINE Vec<float> operator-(Vec<float> a, Vec<float> b) { return {_mm256_sub_ps(a.v, b.v)}; }
GW_INLINE Vec<float> operator*(Vec<float> a, Vec<float> b) { return {_mm256_mul_ps(a.v, b.v)}; }
GW_INLINE Vec<float> operator/(Vec<float> a, Vec<float> b) { return {_mm256_div_ps(a.v, b.v)}; }
GW_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return {_mm256_fmadd_ps(a.v, b.v, c.v)};
}
GW_INLINE Vec<float> fnma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return {_mm256_fnmadd_ps(a.v, b.v, c.v)};
}
GW_INLINE Vec<float> min(Vec<float> a, Vec<float> b) { return {_mm256_min_ps(a.v, b.v)}; }
GW_INLINE Vec<float> max(Vec<float> a, Vec<float> b) { return {_mm256_max_ps(a.v, b.v)}; }
GW_INLINE Vec<float> power2(Vec<float> y) {
  const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(y.v), 23);
  return {_mm256_castsi256_ps(_mm256_add_epi32(n, _mm256_set1_epi32(127 << 23)))};
}
GW_INLINE Vec<float> abs(Vec<float> a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
GW_INLINE Vec<float> copysign(Vec<float> a, Vec<float> s) {
  const __m256 bit = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(_mm256_andnot_ps(bit, a.v), _mm256_and_ps(bit, s.v))};
}
GW_INLINE Vec<float> select_lt(Vec<float> a, Vec<float> b, Vec<float> x, Vec<float> y) {
  return {_mm256_blendv_ps(y.v, x.v, _mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ))};
}

template <>
struct Vec<double> {
  using T = double;
  static constexpr int N = 4;
  static constexpr int registers = 16;
  static constexpr double shifter = 0x1.8p52;
  static constexpr bool has_lookup = false;
  __m256d v;

  static GW_INLINE Vec zero() { return {_mm256_setzero_pd()}; }
  static GW_INLINE Vec set1(double x) { return {_mm256_set1_pd(x)}; }
  static GW_INLINE Vec load(const double* p) { return {_mm256_loadu_pd(p)}; }
  static GW_INLINE Vec load(const double* p, int n) { return {_mm256_maskload_pd(p, mask(n))}; }
  GW_INLINE void store(double* p) const { _mm256_storeu_pd(p, v); }
  GW_INLINE void store(double* p, int n) const { _mm256_maskstore_pd(p, mask(n), v); }
  GW_INLINE double sum() const {
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
  }

 private:
  static GW_INLINE __m256i mask(int n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
  }
};

GW_INLINE Vec<double> operator+(Vec<double> a, Vec<double> b) { return {_mm256_add_pd(a.v, b.v)}; }
GW_INLINE Vec<double> operator-(Vec<double> a, Vec<double> b) { return {_mm256_sub_pd(a.v, b.v)}; }
GW_INLINE Vec<double> operator*(Vec<double> a, Vec<double> b) { return {_mm256_mul_pd(a.v, b.v)}; }
GW_INLINE Vec<double> operator/(Vec<double> a, Vec<double> b) { return {_mm256_div_pd(a.v, b.v)}; }
GW_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return {_mm256_fmadd_pd(a.v, b.v, c.v)};
}
GW_INLINE Vec<double> fnma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return {_mm256_fnmadd_pd(a.v, b.v, c.v)};
}
GW_INLINE Vec<double> min(Vec<double> a, Vec<double> b) { return {_mm256_min_pd(a.v, b.v)}; }
GW_INLINE Vec<double> max(Vec<double> a, Vec<double> b) { return {_mm256_max_pd(a.v, b.v)}; }
GW_INLINE Vec<double> power2(Vec<double> y) {
  const __m256i n = _mm256_slli_epi64(_mm256_castpd_si256(y.v), 52);
  return {_mm256_castsi256_pd(_mm256_add_epi64(n, _mm256_set1_epi64x(1023ll << 52)))};
}
GW_INLINE Vec<double> abs(Vec<double> a) { return {_mm256_andnot_pd(_mm256_set1_pd(-0.0), a.v)}; }
GW_INLINE Vec<double> copysign(Vec<double> a, Vec<double> s) {
  const __m256d bit = _mm256_set1_pd(-0.0);
  return {_mm256_or_pd(_mm256_andnot_pd(bit, a.v), _mm256_and_pd(bit, s.v))};
}
GW_INLINE Vec<double> select_lt(Vec<double> a, Vec<double> b, Vec<double> x, Vec<double> y) {
  return {_mm256_blendv_pd(y.v, x.v, _mm256_cmp_pd(a.v, b.v, _CMP_LT_OQ))};
}

}  // namespace gatework::GATEWORK_PATH
