// exp, sigmoid, log sigmoid and tanh of one path (compiled once per GATEWORK_PATH) against the C library in wider types.
//
// GATEWORK_SWEEP=1 in the environment: all floats and 10^7 doubles instead of a sample, some minutes.
#include "math.h"

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "check.h"

namespace gatework {
namespace {

using namespace GATEWORK_PATH;

constexpr double kInfinity = __builtin_inf();
constexpr double kAllowedUlp = 4;
// Where long double is double, the reference itself is up to 1 ulp off.
constexpr double kReferenceUlp = LDBL_MANT_DIG > DBL_MANT_DIG ? 0 : 1;

const bool sweep = std::getenv("GATEWORK_SWEEP") != nullptr;

// A function under test: what it is, in vectors and in a wider type, and where only 0 <= y <= the smallest
// normal number is asked, since a subnormal result may come out as 0.
template <class T>
struct Function {
  const char* name;
  Vec<T> (*vector)(Vec<T>);
  long double (*wide)(long double);
  bool may_flush;
  double limit = kAllowedUlp;
};

// For float, double is wide enough, and quicker.
template <class T, class Wide>
long double sigmoid_of(long double x) {
  return 1 / (1 + std::exp(-static_cast<Wide>(x)));
}
template <class T, class Wide>
long double tanh_of(long double x) {
  return std::tanh(static_cast<Wide>(x));
}
template <class T, class Wide>
long double exp_of(long double x) {
  return std::exp(static_cast<Wide>(x));
}
template <class T, class Wide>
long double log_sigmoid_of(long double x) {
  const Wide e = std::exp(-std::fabs(static_cast<Wide>(x)));
  return (x < 0 ? static_cast<Wide>(x) : Wide(0)) - std::log1p(e);
}

template <class T>
struct Traits;
template <>
struct Traits<float> {
  using Wide = double;
  using Bits = std::uint32_t;
  static constexpr int digits = FLT_MANT_DIG, least_exponent = FLT_MIN_EXP;
  static constexpr float smallest = FLT_MIN, largest = FLT_MAX;
};
template <>
struct Traits<double> {
  using Wide = long double;
  using Bits = std::uint64_t;
  static constexpr int digits = DBL_MANT_DIG, least_exponent = DBL_MIN_EXP;
  static constexpr double smallest = DBL_MIN, largest = DBL_MAX;
};

template <class T>
constexpr Function<T> functions[] = {
    {"exp", [](Vec<T> x) { return exp(x); }, exp_of<T, typename Traits<T>::Wide>, false},
    {"sigmoid", [](Vec<T> x) { return sigmoid(x); }, sigmoid_of<T, typename Traits<T>::Wide>, true},
    {"tanh", [](Vec<T> x) { return tanh(x); }, tanh_of<T, typename Traits<T>::Wide>, false},
    {"log sigmoid below 0", [](Vec<T> x) { return log_sigmoid(Vec<T>::zero() - abs(x)); },
     [](long double x) { return log_sigmoid_of<T, typename Traits<T>::Wide>(-std::fabs(x)); }, false},
    // a sum of e^-x whose own error is 3 ulp, with a division: of a number that is nearly 0
    {"log sigmoid above 0", [](Vec<T> x) { return log_sigmoid(abs(x)); },
     [](long double x) { return log_sigmoid_of<T, typename Traits<T>::Wide>(std::fabs(x)); }, false, 8},
};

// Distance in units of the last digit that T has at `want`; infinity for a NaN on one side.
template <class T>
double ulp(T got, long double want, bool may_flush) {
  if (std::isnan(got) || std::isnan(want)) return std::isnan(got) && std::isnan(want) ? 0 : kInfinity;
  if (static_cast<T>(want) == got) return 0;
  if (std::isinf(got)) return kInfinity;
  if (may_flush && want < Traits<T>::smallest && got >= 0 && got <= Traits<T>::smallest) return 0;
  int exponent = 0;
  std::frexp(want, &exponent);
  if (exponent < Traits<T>::least_exponent || want == 0) exponent = Traits<T>::least_exponent;
  const long double error = std::fabs(static_cast<long double>(got) - want);
  return static_cast<double>(std::ldexp(error, Traits<T>::digits - exponent));
}

template <class T>
struct Worst {
  double ulp = 0;
  T x = 0;

  void add(const Function<T>& f, const T* x_, const T* y, int n) {
    for (int i = 0; i < n; ++i) {
      const double error = gatework::ulp(y[i], f.wide(x_[i]), f.may_flush);
      if (!(error <= ulp)) *this = {error, x_[i]};
    }
  }
};

// The largest error of f over x = next(), until it says no more.
template <class T, class Next>
Worst<T> measure(const Function<T>& f, Next next) {
  constexpr int N = Vec<T>::N;
  Worst<T> worst;
  T x[N], y[N];
  for (bool more = true; more;) {
    int n = 0;
    while (n < N && (more = next(x[n]))) ++n;
    f.vector(Vec<T>::load(x, n)).store(y, n);
    worst.add(f, x, y, n);
  }
  return worst;
}

template <class T>
void report(const Function<T>& f, const char* over, Worst<T> worst) {
  std::printf("  %s of %s, %s: %.3f ulp, at %.17g\n", f.name, sizeof(T) == 4 ? "float" : "double", over,
              worst.ulp, static_cast<double>(worst.x));
}

template <class T>
T from_bits(typename Traits<T>::Bits bits) {
  T x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

template <class T>
typename Traits<T>::Bits to_bits(T x) {
  typename Traits<T>::Bits bits;
  std::memcpy(&bits, &x, sizeof x);
  return bits;
}

// Where something changes: zero, subnormal numbers, the limits of Range, the ends of the intervals of the
// tables, half multiples of ln 2, where the results overflow or no longer change, the largest number.
// (No std::vector: its code, compiled with this path's flags, might serve the whole program.)
template <class T>
struct Breakpoints {
  static constexpr double ln2 = 0.69314718055994530942;
  T x[2000] = {0,        Traits<T>::smallest, Range<T>::zero, Range<T>::one,     Range<T>::flat,
               1,        2 * Range<T>::tiny,  T(36.7),        2 * Range<T>::huge, Traits<T>::largest,
               T(17.3),  T(88.72284),         T(87.33654),    T(709.78271289),    T(708.39641853)};
  int count = 15;

  Breakpoints() {
    for (int k = 0; k < 400; ++k) x[count++] = static_cast<T>((k + 0.5) * ln2 / 32);
    for (int k = 0; k < 1100; ++k) x[count++] = static_cast<T>((k + 0.5) * ln2);
    for (int k = 2; k < 40; ++k) {  // 1.25/2, 1.375/2, ... 1.875*8
      x[count++] = static_cast<T>(std::ldexp(1 + k % 8 / 8.0, k / 8 - 1) - 0.625);
    }
  }
};

// Both signs of the breakpoints and the 40 numbers to each side.
template <class T>
Worst<T> near_breakpoints(const Function<T>& f) {
  const Breakpoints<T> points;
  int i = 0, k = -40, sign = 1;
  return measure(f, [&](T& x) {
    if (i == points.count) return false;
    const T size = points.x[i] < 0 ? -points.x[i] : points.x[i];
    x = sign * from_bits<T>(to_bits(size) + k);
    if (++k > 40) {
      k = -40;
      sign = -sign;
      i += sign > 0;
    }
    return true;
  });
}

Worst<float> over_range(const Function<float>& f) {
  const std::uint64_t stride = sweep ? 1 : 997;
  std::uint64_t bits = 0;
  return measure(f, [&](float& x) {
    x = from_bits<float>(static_cast<std::uint32_t>(bits));
    bits += stride;
    return bits <= (std::uint64_t{1} << 32);
  });
}

// Random doubles: half of any size, half where the function moves.
Worst<double> over_range(const Function<double>& f) {
  const bool quick = LDBL_MANT_DIG <= 64;  // wider ones are made of software
  long count = sweep ? 10'000'000 : quick ? 1'000'000 : 100'000;
  std::uint64_t state = 1;
  const auto random = [&state] {  // xorshift64*, Vigna 2016
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1dull;
  };
  return measure(f, [&](double& x) {
    const std::uint64_t bits = random();
    if (count % 2) {
      x = from_bits<double>(bits);
    } else {
      x = (static_cast<double>(bits >> 11) * 0x1p-53 - 0.5) * (count % 4 ? 12 : 1500);
    }
    return count-- > 0;
  });
}

template <class T>
void all_within_the_limit() {
  for (const Function<T>& f : functions<T>) {
    const double limit = f.limit + (sizeof(T) == 8 ? kReferenceUlp : 0);
    const Worst<T> near = near_breakpoints(f), over = over_range(f);
    report(f, "near its breakpoints", near);
    report(f, sweep ? "all" : "sample", over);
    CHECK(near.ulp <= limit);
    CHECK(over.ulp <= limit);
  }
}

TEST(floats_are_within_their_limits) { all_within_the_limit<float>(); }
TEST(doubles_are_within_their_limits) { all_within_the_limit<double>(); }

// In every lane, so that no lane is special.
template <class T>
T at(Vec<T> (*f)(Vec<T>), T x) {
  constexpr int N = Vec<T>::N;
  T y[N];
  f(Vec<T>::set1(x)).store(y);
  for (int i = 1; i < N; ++i) CHECK(to_bits(y[i]) == to_bits(y[0]));
  return y[0];
}

template <class T>
void special_values() {
  const auto exp_at = [](T x) { return at(functions<T>[0].vector, x); };
  const auto sigmoid_at = [](T x) { return at(functions<T>[1].vector, x); };
  const auto tanh_at = [](T x) { return at(functions<T>[2].vector, x); };
  const auto log_at = [](T x) { return at<T>([](Vec<T> v) { return log_sigmoid(v); }, x); };
  const T infinity = static_cast<T>(kInfinity), nan = static_cast<T>(__builtin_nan(""));
  for (const T x : {nan, -nan, from_bits<T>(to_bits(infinity) + 1)}) {
    CHECK(std::isnan(exp_at(x)) && std::isnan(sigmoid_at(x)) && std::isnan(tanh_at(x)) && std::isnan(log_at(x)));
  }
  for (const T x : {infinity, Traits<T>::largest, T(1e30), T(2000)}) {
    CHECK(exp_at(x) == infinity && exp_at(-x) == 0);
    CHECK(sigmoid_at(x) == 1 && sigmoid_at(-x) == 0);
    CHECK(tanh_at(x) == 1 && tanh_at(-x) == -1);
    CHECK(log_at(x) == 0 && log_at(-x) == -x);
  }
  for (const T x : {T(0), T(-0.0)}) {
    CHECK(exp_at(x) == 1 && sigmoid_at(x) == T(0.5));
    CHECK(to_bits(tanh_at(x)) == to_bits(x));
  }
  for (const T x : {from_bits<T>(1), Traits<T>::smallest / 3, Traits<T>::smallest, T(1e-20)}) {
    CHECK(tanh_at(x) == x && tanh_at(-x) == -x);
    CHECK(exp_at(x) == 1 && sigmoid_at(-x) == T(0.5));
  }
}

TEST(special_values_of_floats) { special_values<float>(); }
TEST(special_values_of_doubles) { special_values<double>(); }

template <class T>
void tanh_is_odd_and_at_most_1() {
  constexpr int N = Vec<T>::N;
  std::uint32_t state = 1;
  for (int k = 0; k < 200'000; ++k) {
    T x[N], y[N], z[N];
    for (T& v : x) v = static_cast<T>((state = state * 1664525u + 1013904223u) * 0x1p-32 * 25);
    const Vec<T> v = Vec<T>::load(x);
    tanh(v).store(y);
    tanh(Vec<T>::zero() - v).store(z);
    for (int i = 0; i < N; ++i) CHECK(y[i] <= 1 && z[i] == -y[i]);
  }
}

TEST(tanh_is_odd_and_at_most_1_in_float) { tanh_is_odd_and_at_most_1<float>(); }
TEST(tanh_is_odd_and_at_most_1_in_double) { tanh_is_odd_and_at_most_1<double>(); }

// The checker is checked: it sees five units of the last digit, a NaN, an infinity, a wrong sign.
TEST(errors_are_seen) {
  CHECK(ulp(1.0f, 1.0L, false) == 0);
  CHECK(ulp(from_bits<float>(to_bits(1.0f) + 5), 1.0L, false) == 5);
  CHECK(ulp(from_bits<double>(to_bits(0.75) - 5), 0.75L, false) == 5);
  CHECK(ulp(from_bits<float>(7), 0.0L, false) == 7);
  CHECK(!(ulp(-1e-30f, 1e-30L, true) <= kAllowedUlp));
  CHECK(!(ulp(from_bits<float>(9), 1e-30L, false) <= kAllowedUlp));
  CHECK(!(ulp(static_cast<float>(__builtin_nan("")), 1.0L, false) <= kAllowedUlp));
  CHECK(!(ulp(1.0f, static_cast<long double>(__builtin_nan("")), false) <= kAllowedUlp));
  CHECK(!(ulp(static_cast<float>(kInfinity), 1e30L, false) <= kAllowedUlp));
  const Function<float> wrong = {"sigmoid, times 1 + 1e-6",
                                 [](Vec<float> x) { return sigmoid(x) * Vec<float>::set1(1.000001f); },
                                 sigmoid_of<float, double>, true};
  CHECK(!(over_range(wrong).ulp <= kAllowedUlp));
  CHECK(!(near_breakpoints(wrong).ulp <= kAllowedUlp));
}

}  // namespace
}  // namespace gatework
