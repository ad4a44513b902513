// 128-bit vectors of arm64: NEON (Advanced SIMD).  The interface is avx512.h's.
#pragma once

#include <arm_neon.h>

#include <cstdint>

#define GW_INLINE inline __attribute__((always_inline))

namespace gatework::GATEWORK_PATH {

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using T = float;
  static constexpr int N = 4;
  static constexpr int registers = 32;
  static constexpr float shifter = 0x1.8p23f;
  static constexpr bool has_lookup = false;
  float32x4_t v;

  static GW_INLINE Vec zero() { return {vdupq_n_f32(0.0f)}; }
  static GW_INLINE Vec set1(float x) { return {vdupq_n_f32(x)}; }
  static GW_INLINE Vec load(const float* p) { return {vld1q_f32(p)}; }
  static GW_INLINE Vec load(const float* p, int n) {
    if (n >= N) return load(p);
    float32x4_t v = vdupq_n_f32(0.0f);
    if (n > 0) v = vld1q_lane_f32(p, v, 0);
    if (n > 1) v = vld1q_lane_f32(p + 1, v, 1);
    if (n > 2) v = vld1q_lane_f32(p + 2, v, 2);
    return {v};
  }
  static GW_INLINE Vec load_half(const std::uint16_t* p) {
    return {vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)))};
  }
  GW_INLINE void store(float* p) const { vst1q_f32(p, v); }
  GW_INLINE void store(float* p, int n) const {
    if (n >= N) return store(p);
    if (n > 0) vst1q_lane_f32(p, v, 0);
    if (n > 1) vst1q_lane_f32(p + 1, v, 1);
    if (n > 2) vst1q_lane_f32(p + 2, v, 2);
  }
  GW_INLINE float sum() const { return vaddvq_f32(v); }
};

GW_INLINE Vec<float> operator+(Vec<float> a, Vec<float> b) { return {vaddq_f32(a.v, b.v)}; }
GW_INLINE Vec<float> operator-(Vec<float> a, Vec<float> b) { return {vsubq_f32(a.v, b.v)}; }
GW_INLINE Vec<float> operator*(Vec<float> a, Vec<float> b) { return {vmulq_f32(a.v, b.v)}; }
GW_INLINE Vec<float> operator/(Vec<float> a, Vec<float> b) { return {vdivq_f32(a.v, b.v)}; }
GW_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return {vfmaq_f32(c.v, a.v, b.v)};
}
GW_INLINE Vec<float> fnma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return {vfmsq_f32(c.v, a.v, b.v)};
}
GW_INLINE Vec<float> min(Vec<float> a, Vec<float> b) {  // vminq would return NaN for either NaN
  return {vbslq_f32(vcltq_f32(a.v, b.v), a.v, b.v)};
}
GW_INLINE Vec<float> max(Vec<float> a, Vec<float> b) {
  return {vbslq_f32(vcgtq_f32(a.v, b.v), a.v, b.v)};
}
GW_INLINE Vec<float> power2(Vec<float> y) {
  const uint32x4_t n = vshlq_n_u32(vreinterpretq_u32_f32(y.v), 23);
  return {vreinterpretq_f32_u32(vaddq_u32(n, vdupq_n_u32(127u << 23)))};
}
GW_INLINE Vec<float> abs(Vec<float> a) { return {vabsq_f32(a.v)}; }
GW_INLINE Vec<float> copysign(Vec<float> a, Vec<float> s) {
  return {vbslq_f32(vdupq_n_u32(0x80000000u), s.v, a.v)};
}
GW_INLINE Vec<float> select_lt(Vec<float> a, Vec<float> b, Vec<float> x, Vec<float> y) {
  return {vbslq_f32(vcltq_f32(a.v, b.v), x.v, y.v)};
}

template <>
struct Vec<double> {
  using T = double;
  static constexpr int N = 2;
  static constexpr int registers = 32;
  static constexpr double shifter = 0x1.8p52;
  static constexpr bool has_lookup = false;
  float64x2_t v;

  static GW_INLINE Vec zero() { return {vdupq_n_f64(0.0)}; }
  static GW_INLINE Vec set1(double x) { return {vdupq_n_f64(x)}; }
  static GW_INLINE Vec load(const double* p) { return {vld1q_f64(p)}; }
  static GW_INLINE Vec load(const double* p, int n) {
    if (n >= N) return load(p);
    return {n > 0 ? vld1q_lane_f64(p, vdupq_n_f64(0.0), 0) : vdupq_n_f64(0.0)};
  }
  GW_INLINE void store(double* p) const { vst1q_f64(p, v); }
  GW_INLINE void store(double* p, int n) const {
    if (n >= N) return store(p);
    if (n > 0) vst1q_lane_f64(p, v, 0);
  }
  GW_INLINE double sum() const { return vaddvq_f64(v); }
};

GW_INLINE Vec<double> operator+(Vec<double> a, Vec<double> b) { return {vaddq_f64(a.v, b.v)}; }
GW_INLINE Vec<double> operator-(Vec<double> a, Vec<double> b) { return {vsubq_f64(a.v, b.v)}; }
GW_INLINE Vec<double> operator*(Vec<double> a, Vec<double> b) { return {vmulq_f64(a.v, b.v)}; }
GW_INLINE Vec<double> operator/(Vec<double> a, Vec<double> b) { return {vdivq_f64(a.v, b.v)}; }
GW_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return {vfmaq_f64(c.v, a.v, b.v)};
}
GW_INLINE Vec<double> fnma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return {vfmsq_f64(c.v, a.v, b.v)};
}
GW_INLINE Vec<double> min(Vec<double> a, Vec<double> b) {
  return {vbslq_f64(vcltq_f64(a.v, b.v), a.v, b.v)};
}
GW_INLINE Vec<double> max(Vec<double> a, Vec<double> b) {
  return {vbslq_f64(vcgtq_f64(a.v, b.v), a.v, b.v)};
}
GW_INLINE Vec<double> power2(Vec<double> y) {
  const uint64x2_t n = vshlq_n_u64(vreinterpretq_u64_f64(y.v), 52);
  return {vreinterpretq_f64_u64(vaddq_u64(n, vdupq_n_u64(1023ull << 52)))};
}
GW_INLINE Vec<double> abs(Vec<double> a) { return {vabsq_f64(a.v)}; }
GW_INLINE Vec<double> copysign(Vec<double> a, Vec<double> s) {
  return {vbslq_f64(vdupq_n_u64(0x8000000000000000u), s.v, a.v)};
}
GW_INLINE Vec<double> select_lt(Vec<double> a, Vec<double> b, Vec<double> x, Vec<double> y) {
  return {vbslq_f64(vcltq_f64(a.v, b.v), x.v, y.v)};
}

}  // namespace gatework::GATEWORK_PATH
