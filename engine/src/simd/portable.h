// 128-bit vectors in GCC's and Clang's vector extensions, for any processor; plain SSE2 on x86-64, where
// fma rounds twice.  The interface is avx512.h's.
#pragma once

#include <cstdint>

#define GW_INLINE inline __attribute__((always_inline))

namespace gatework::GATEWORK_PATH {

template <class T>
struct Lanes;
template <>
struct Lanes<float> {
  typedef float Real __attribute__((vector_size(16)));
  typedef std::int32_t Bits __attribute__((vector_size(16)));
  typedef std::uint32_t Unsigned __attribute__((vector_size(16)));
  static constexpr int mantissa_bits = 23;
};
template <>
struct Lanes<double> {
  typedef double Real __attribute__((vector_size(16)));
  typedef std::int64_t Bits __attribute__((vector_size(16)));
  typedef std::uint64_t Unsigned __attribute__((vector_size(16)));
  static constexpr int mantissa_bits = 52;
};

// Float and double share everything but load_half, which only Vec<float> offers.
template <class S>
struct Vec {
  using T = S;
  using Real = typename Lanes<T>::Real;
  using Bits = typename Lanes<T>::Bits;
  static constexpr int N = 16 / sizeof(T);
#if defined(__x86_64__) || defined(__i386__)
  static constexpr int registers = 16;
#else
  static constexpr int registers = 32;
#endif
  static constexpr T shifter = T(3ll << (Lanes<T>::mantissa_bits - 1));
  static constexpr bool has_lookup = false;
  Real v;

  static GW_INLINE Vec zero() { return {Real{}}; }
  static GW_INLINE Vec set1(T x) { return {x - Real{}}; }  // x - 0 is x for every x, x + 0 is not
  static GW_INLINE Vec load(const T* p) {
    Real v;
    __builtin_memcpy(&v, p, sizeof v);
    return {v};
  }
  static GW_INLINE Vec load(const T* p, int n) {
    if (n >= N) return load(p);
    Real v{};
    if (n > 0) v[0] = p[0];
    if constexpr (N == 4) {
      if (n > 1) v[1] = p[1];
      if (n > 2) v[2] = p[2];
    }
    return {v};
  }
  static GW_INLINE Vec load_half(const std::uint16_t* p)
    requires(sizeof(T) == 4)
  {
    const Bits half = {p[0], p[1], p[2], p[3]};
    const Bits size = (half & 0x7fff) << 13, rebias = Bits{} + (112 << 23);
    const Real small = Real(size + rebias + (1 << 23)) - Real(rebias + (1 << 23));  // subnormal
    const Bits large = size + rebias + ((size >= (31 << 23)) & rebias);  // infinity, NaN
    return {Real((size < (1 << 23) ? Bits(small) : large) | (half & 0x8000) << 16)};
  }
  GW_INLINE void store(T* p) const { __builtin_memcpy(p, &v, sizeof v); }
  GW_INLINE void store(T* p, int n) const {
    if (n >= N) return store(p);
    if (n > 0) p[0] = v[0];
    if constexpr (N == 4) {
      if (n > 1) p[1] = v[1];
      if (n > 2) p[2] = v[2];
    }
  }
  GW_INLINE T sum() const {
    if constexpr (N == 4) {
      return (v[0] + v[2]) + (v[1] + v[3]);
    } else {
      return v[0] + v[1];
    }
  }
};

template <class T>
GW_INLINE Vec<T> operator+(Vec<T> a, Vec<T> b) { return {a.v + b.v}; }
template <class T>
GW_INLINE Vec<T> operator-(Vec<T> a, Vec<T> b) { return {a.v - b.v}; }
template <class T>
GW_INLINE Vec<T> operator*(Vec<T> a, Vec<T> b) { return {a.v * b.v}; }
template <class T>
GW_INLINE Vec<T> operator/(Vec<T> a, Vec<T> b) { return {a.v / b.v}; }
template <class T>
GW_INLINE Vec<T> fma(Vec<T> a, Vec<T> b, Vec<T> c) { return {a.v * b.v + c.v}; }
template <class T>
GW_INLINE Vec<T> fnma(Vec<T> a, Vec<T> b, Vec<T> c) { return {c.v - a.v * b.v}; }
template <class T>
GW_INLINE Vec<T> min(Vec<T> a, Vec<T> b) { return {a.v < b.v ? a.v : b.v}; }
template <class T>
GW_INLINE Vec<T> max(Vec<T> a, Vec<T> b) { return {a.v > b.v ? a.v : b.v}; }
template <class T>
GW_INLINE Vec<T> abs(Vec<T> a) {
  using V = Vec<T>;
  return {typename V::Real(typename V::Bits(a.v) & ~typename V::Bits(V::set1(T(-0.0)).v))};
}
template <class T>
GW_INLINE Vec<T> copysign(Vec<T> a, Vec<T> s) {
  using V = Vec<T>;
  using Bits = typename V::Bits;
  const Bits sign = Bits(V::set1(T(-0.0)).v);
  return {typename V::Real((Bits(a.v) & ~sign) | (Bits(s.v) & sign))};
}
template <class T>
GW_INLINE Vec<T> select_lt(Vec<T> a, Vec<T> b, Vec<T> x, Vec<T> y) {
  return {a.v < b.v ? x.v : y.v};
}
template <class T>
GW_INLINE Vec<T> power2(Vec<T> y) {
  using V = Vec<T>;
  using Bits = typename Lanes<T>::Unsigned;  // the sum wraps
  return {typename V::Real((Bits(y.v) << Lanes<T>::mantissa_bits) + Bits(V::set1(T(1)).v))};
}

}  // namespace gatework::GATEWORK_PATH
