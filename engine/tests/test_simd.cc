// The vectors of one path (compiled once per GATEWORK_PATH): every operation, lane by lane.
#include "simd.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "check.h"

namespace gatework {
namespace {

using namespace GATEWORK_PATH;

template <class T>
bool same(T a, T b) {  // bits, but any NaN is as good as another
  return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof a) == 0;
}

template <class T>
constexpr T kNaN = static_cast<T>(__builtin_nan(""));
template <class T>
constexpr T kInfinity = static_cast<T>(__builtin_inf());

// Each pair of special and plain numbers stands in each lane once.
template <class T, class Operation, class Scalar>
void check_pairs(Operation operation, Scalar scalar) {
  constexpr int N = Vec<T>::N;
  const T numbers[] = {0, T(-0.0),   1, T(-1),        T(1.5),        T(-2.75), T(1e30), T(-1e-30),
                       3, T(7) / 3, 9, kInfinity<T>, -kInfinity<T>, kNaN<T>,  -kNaN<T>};
  constexpr int count = sizeof numbers / sizeof numbers[0];
  for (int first = 0; first < count; ++first) {
    for (int second = 0; second < count; ++second) {
      T a[N], b[N], got[N];
      for (int i = 0; i < N; ++i) {
        a[i] = numbers[(first + i) % count];
        b[i] = numbers[(second + 3 * i) % count];
      }
      operation(Vec<T>::load(a), Vec<T>::load(b)).store(got);
      for (int i = 0; i < N; ++i) CHECK(same<T>(got[i], scalar(a[i], b[i])));
    }
  }
}

template <class T>
void arithmetic() {
  using V = Vec<T>;
  check_pairs<T>([](V a, V b) { return a + b; }, [](T a, T b) { return a + b; });
  check_pairs<T>([](V a, V b) { return a - b; }, [](T a, T b) { return a - b; });
  check_pairs<T>([](V a, V b) { return a * b; }, [](T a, T b) { return a * b; });
  check_pairs<T>([](V a, V b) { return a / b; }, [](T a, T b) { return a / b; });
  check_pairs<T>([](V a, V b) { return min(a, b); }, [](T a, T b) { return a < b ? a : b; });
  check_pairs<T>([](V a, V b) { return max(a, b); }, [](T a, T b) { return a > b ? a : b; });
  check_pairs<T>([](V a, V) { return abs(a); }, [](T a, T) { return std::fabs(a); });
  check_pairs<T>([](V a, V b) { return copysign(a, b); },
                 [](T a, T b) { return std::copysign(a, b); });
  check_pairs<T>([](V a, V b) { return select_lt(a, b, V::set1(5), b); },
                 [](T a, T b) { return a < b ? 5 : b; });
  check_pairs<T>([](V, V) { return V::zero(); }, [](T, T) { return T(0); });
  check_pairs<T>([](V, V) { return V::set1(T(-0.0)); }, [](T, T) { return T(-0.0); });
  // multiples of 1/4, infinity, NaN: one rounding and two agree
}

TEST(arithmetic_of_floats) { arithmetic<float>(); }
TEST(arithmetic_of_doubles) { arithmetic<double>(); }

// Multiples of 1/4, so that one rounding and two agree, infinity and NaN.
template <class T>
void multiply_and_add() {
  using V = Vec<T>;
  constexpr int N = V::N;
  const T numbers[] = {0, 1, T(-2.25), 7, T(31.75), kInfinity<T>, -kInfinity<T>, kNaN<T>};
  for (int k = 0; k < 8 * 8 * 8; ++k) {
    T a[N], b[N], c[N], plus[N], minus[N];
    for (int i = 0; i < N; ++i) {
      a[i] = numbers[(k + i) % 8];
      b[i] = numbers[(k / 8 + 3 * i) % 8];
      c[i] = numbers[(k / 64 + 5 * i) % 8];
    }
    fma(V::load(a), V::load(b), V::load(c)).store(plus);
    fnma(V::load(a), V::load(b), V::load(c)).store(minus);
    for (int i = 0; i < N; ++i) {
      CHECK(same(plus[i], std::fma(a[i], b[i], c[i])) && same(minus[i], std::fma(-a[i], b[i], c[i])));
    }
  }
}

TEST(multiply_and_add_floats) { multiply_and_add<float>(); }
TEST(multiply_and_add_doubles) { multiply_and_add<double>(); }

// Memory whose end is the end of what may be touched.
class Fenced {
 public:
  Fenced() : page_(sysconf(_SC_PAGESIZE)) {
    base_ = static_cast<char*>(
        mmap(nullptr, 3 * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(base_ != MAP_FAILED && mprotect(base_, page_, PROT_NONE) == 0);
    CHECK(mprotect(base_ + 2 * page_, page_, PROT_NONE) == 0);
  }
  Fenced(const Fenced&) = delete;
  ~Fenced() { munmap(base_, 3 * page_); }

  template <class T>
  T* first() const {
    return reinterpret_cast<T*>(base_ + page_);
  }
  template <class T>
  T* end() const {
    return reinterpret_cast<T*>(base_ + 2 * page_);
  }

 private:
  long page_;
  char* base_;
};

// The compiler may not know n.
int hidden(int n) {
  __asm__ volatile("" : "+r"(n));
  return n;
}

// The first n lanes, at both ends of a page, and nothing beyond.
template <class T>
void parts() {
  constexpr int N = Vec<T>::N;
  const Fenced memory;
  T lanes[N];
  for (int i = 0; i < N; ++i) lanes[i] = T(i + 1);
  for (int k = 0; k <= N; ++k) {
    const int n = hidden(k);
    for (T* p : {memory.end<T>() - n, memory.first<T>()}) {
      for (int i = 0; i < n; ++i) p[i] = T(-i - 1);
      T got[N];
      Vec<T>::load(p, n).store(got);
      for (int i = 0; i < N; ++i) CHECK(same(got[i], i < n ? T(-i - 1) : T(0)));
      Vec<T>::load(lanes).store(p, n);
      for (int i = 0; i < n; ++i) CHECK(p[i] == T(i + 1));
    }
    // what lies behind keeps its value
    T* p = memory.first<T>() + 1;
    for (int i = -1; i < N + 1; ++i) p[i] = T(99);
    Vec<T>::load(lanes).store(p, n);
    for (int i = -1; i < N + 1; ++i) CHECK(p[i] == (i >= 0 && i < n ? T(i + 1) : T(99)));
  }
  T* p = memory.end<T>() - N;
  for (int i = 0; i < N; ++i) p[i] = T(i + 1);
  Vec<T>::load(p).store(memory.first<T>() + 1);  // not aligned
  CHECK(std::memcmp(p, memory.first<T>() + 1, N * sizeof(T)) == 0);
  CHECK(Vec<T>::load(p).sum() == T(N * (N + 1) / 2));
}

TEST(parts_of_a_vector_of_floats) { parts<float>(); }
TEST(parts_of_a_vector_of_doubles) { parts<double>(); }

template <class T>
void powers(int least, int largest) {
  constexpr int N = Vec<T>::N;
  for (int n = least - 1; n <= largest + 1; ++n) {
    T got[N];
    power2(Vec<T>::set1(T(n)) + Vec<T>::set1(Vec<T>::shifter)).store(got);
    const T want = n < least ? T(0) : std::ldexp(T(1), n);
    for (int i = 0; i < N; ++i) CHECK(same(got[i], want));
  }
}

TEST(powers_of_two) {
  powers<float>(-126, 127);
  powers<double>(-1022, 1023);
}

// One half-precision number, from its definition.
float widened(std::uint16_t half) {
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  float size = exponent == 0    ? std::ldexp(float(mantissa), -24)
               : exponent == 31 ? mantissa ? kNaN<float> : kInfinity<float>
                                : std::ldexp(float(1024 + mantissa), exponent - 25);
  return half & 0x8000 ? -size : size;
}

TEST(half_precision) {
  constexpr int N = Vec<float>::N;
  const Fenced memory;
  std::uint16_t* half = memory.end<std::uint16_t>() - N;
  for (int start = 0; start < 65536; start += N) {
    float got[N];
    for (int i = 0; i < N; ++i) half[i] = static_cast<std::uint16_t>(start + i);
    Vec<float>::load_half(half).store(got);
    for (int i = 0; i < N; ++i) CHECK(same(got[i], widened(half[i])));
  }
}

template <class V>
void lookups() {
  if constexpr (V::has_lookup) {
    constexpr int N = V::N;
    float table[32];
    for (int k = 0; k < 32; ++k) table[k] = float(100 + k);
    for (std::uint32_t k = 0; k < 100; ++k) {
      std::uint32_t low[N], high[N];
      float index[N], got[N];
      for (std::uint32_t i = 0; i < N; ++i) {
        low[i] = 0xabc00000u + k + 7 * i;
        high[i] = (k + 7 * i) << 20 | 0xfffff;
      }
      std::memcpy(index, low, sizeof index);
      lookup<0>(table, V::load(index)).store(got);
      for (int i = 0; i < N; ++i) CHECK(got[i] == table[low[i] & 31]);
      std::memcpy(index, high, sizeof index);
      lookup<20>(table, V::load(index)).store(got);
      for (int i = 0; i < N; ++i) CHECK(got[i] == table[high[i] >> 20 & 31]);
    }
    for (float x : {-300.0f, -149.0f, -2.5f, -2.0f, 0.0f, 0.9f, 1.0f, 127.5f, 128.0f, 1e30f, kInfinity<float>,
                    -kInfinity<float>, kNaN<float>}) {
      float got[N];
      scale2(V::set1(1.5f), V::set1(x)).store(got);
      for (int i = 0; i < N; ++i) CHECK(same(got[i], 1.5f * std::exp2(std::floor(x))));
    }
  }
}

TEST(lookups_where_there_are_any) { lookups<Vec<float>>(); }

TEST(differences_are_seen) {
  CHECK(!same(0.0f, -0.0f) && !same(1.0f, 2.0f) && !same(kNaN<float>, 1.0f) && same(kNaN<float>, -kNaN<float>));
}

}  // namespace
}  // namespace gatework
