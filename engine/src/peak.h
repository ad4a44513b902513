// The machine's limit: multiply-adds with nothing to wait for.
#pragma once

#include <time.h>

#include "simd.h"

namespace gatework::GATEWORK_PATH {

template <class T>
inline double measure_peak(double seconds) {
  using V = Vec<T>;
  constexpr int sets = V::registers == 32 ? 24 : 12, round = 1000;
  V acc[sets];
#pragma GCC unroll 32
  for (int i = 0; i < sets; ++i) acc[i] = V::set1(T(i));
  const V a = V::set1(T(0.999)), b = V::set1(T(0.001));
  const auto now = [] {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  double best = 0;
  for (const double end = now() + seconds; now() < end;) {
    const double start = now();
    for (int r = 0; r < 20 * round; ++r) {
#pragma GCC unroll 32
      for (int i = 0; i < sets; ++i) acc[i] = fma(acc[i], a, b);
    }
    const double rate = 2.0 * V::N * sets * 20 * round / (now() - start) / 1e9;
    if (rate > best) best = rate;
  }
  V total = acc[0];
  for (int i = 1; i < sets; ++i) total = total + acc[i];
  T sink[V::N];
  total.store(sink);
  __asm__ volatile("" : : "r"(sink) : "memory");  // the result is wanted
  return best;
}

inline double peak(bool f64, double seconds) {
  return f64 ? measure_peak<double>(seconds) : measure_peak<float>(seconds);
}

}  // namespace gatework::GATEWORK_PATH
