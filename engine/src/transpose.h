// Blocks of N x N turned over in registers, N lanes of a vector.
#pragma once

#include <utility>

#include "tile.h"

namespace gatework::GATEWORK_PATH {

// One butterfly: of two rows `distance` apart, lanes whose bit `distance` says so change places.
template <int distance, class R, int... lane>
GW_INLINE void exchange(R& a, R& b, std::integer_sequence<int, lane...>) {
  constexpr int N = sizeof...(lane);
  const R low = __builtin_shufflevector(a, b, ((lane & distance) ? N + lane - distance : lane)...);
  b = __builtin_shufflevector(a, b, ((lane & distance) ? N + lane : lane + distance)...);
  a = low;
}

template <int distance, class R, int N>
GW_INLINE void stage(R (&rows)[N]) {
  if constexpr (distance < N) {
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) {
      if (!(i & distance)) exchange<distance>(rows[i], rows[i + distance], std::make_integer_sequence<int, N>());
    }
    stage<2 * distance, R, N>(rows);
  }
}

// rows[i][j] -> rows[j][i]
template <class T>
GW_INLINE void transpose(Vec<T> (&rows)[Vec<T>::N]) {
  constexpr int N = Vec<T>::N;
  typedef T Row __attribute__((vector_size(N * sizeof(T))));
  Row r[N];
  static_assert(sizeof(r) == sizeof(rows));
  __builtin_memcpy(r, rows, sizeof(r));
  stage<1, Row, N>(r);
  __builtin_memcpy(rows, r, sizeof(r));
}

}  // namespace gatework::GATEWORK_PATH
