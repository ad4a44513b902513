// The register tile: M rows times NV vectors of columns, the one place where products are made.
#pragma once

#include "simd.h"

namespace gatework::GATEWORK_PATH {

using Index = std::int64_t;

// Rows of a tile of NV vectors, so that accumulators, one operand of each kind and a spare fit the registers.
// With 32: 24 accumulators hide the latency of any core we know (8 would do on Zen 4); with 16: 12.
template <class T, int NV>
constexpr int max_rows() {
  if (Vec<T>::registers == 32) return NV == 4 ? 6 : 8;
  return NV == 4 ? 3 : NV == 3 ? 4 : NV == 2 ? 6 : 8;
}

// Weights are of the type that is computed with, or (W = std::uint16_t) float kept as IEEE half precision.
template <class T>
GW_INLINE Vec<T> load_weights(const T* p) {
  return Vec<T>::load(p);
}
GW_INLINE Vec<float> load_weights(const std::uint16_t* p) { return Vec<float>::load_half(p); }

// acc[m][v] += row(m)[k] * panel[v]
template <class T, int M, int NV, class W, class Row>
GW_INLINE void multiply_add(Vec<T> (&acc)[M][NV], Row row, const W* panel, Index k) {
  using V = Vec<T>;
  constexpr int N = V::N;
  if constexpr (NV <= M) {
    V w[NV];
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) w[v] = load_weights(panel + v * N);
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const V a = V::set1(row(m, k));
#pragma GCC unroll 8
      for (int v = 0; v < NV; ++v) acc[m][v] = fma(a, w[v], acc[m][v]);
    }
  } else {
    V a[M];
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) a[m] = V::set1(row(m, k));
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) {
      const V w = load_weights(panel + v * N);
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) acc[m][v] = fma(a[m], w, acc[m][v]);
    }
  }
}

// The same for all k; a[m] leads to row m, contiguous in k.
template <class T, int M, int NV, class W>
GW_INLINE void accumulate(Vec<T> (&acc)[M][NV], const T* const* a, const W* panel, Index K) {
  constexpr int N = Vec<T>::N;
  const T* r[M];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) r[m] = a[m];
  const auto row = [&r](int m, Index k) __attribute__((always_inline)) { return r[m][k]; };
  Index k = 0;
  if constexpr (M == 1) {  // two sets: one row alone would wait for its own additions
    Vec<T> other[M][NV];
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) other[0][v] = Vec<T>::zero();
    for (; k + 2 <= K; k += 2) {
      multiply_add<T, M, NV, W>(acc, row, panel + k * NV * N, k);
      multiply_add<T, M, NV, W>(other, row, panel + (k + 1) * NV * N, k + 1);
    }
#pragma GCC unroll 8
    for (int v = 0; v < NV; ++v) acc[0][v] = acc[0][v] + other[0][v];
  } else {
    for (; k + 4 <= K; k += 4) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i)
        multiply_add<T, M, NV, W>(acc, row, panel + (k + i) * NV * N, k + i);
    }
  }
  for (; k < K; ++k) multiply_add<T, M, NV, W>(acc, row, panel + k * NV * N, k);
}

// out[m][0..NV vectors) = a[m] . panel (+ bias), a[m] contiguous in k.
template <class T, int M, int NV, class W>
void tile(const T* const* a, const W* panel, Index K, const T* bias, T* const* out) {
  using V = Vec<T>;
  V acc[M][NV];
#pragma GCC unroll 4
  for (int v = 0; v < NV; ++v) {
    const V b = bias ? V::load(bias + v * V::N) : V::zero();
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) acc[m][v] = b;
  }
  accumulate<T, M, NV, W>(acc, a, panel, K);
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
    T* to = out[m];
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) acc[m][v].store(to + v * V::N);
  }
}

template <class T, class W = T>
using Tile = void (*)(const T* const* a, const W* panel, Index K, const T* bias, T* const* out);

inline constexpr int most_rows = 8;

// The tile of m rows and nv vectors; 1 <= m <= rows_of(nv).
template <class T, class W, int NV, int... M>
constexpr Tile<T, W> pick(int m) {
  constexpr Tile<T, W> table[] = {tile<T, (M < max_rows<T, NV>() ? M : max_rows<T, NV>()), NV, W>...};
  return table[m - 1];
}

template <class T, class W = T>
GW_INLINE Tile<T, W> tile_of(int m, int nv) {
  switch (nv) {
    case 1: return pick<T, W, 1, 1, 2, 3, 4, 5, 6, 7, 8>(m);
    case 2: return pick<T, W, 2, 1, 2, 3, 4, 5, 6, 7, 8>(m);
    case 3: return pick<T, W, 3, 1, 2, 3, 4, 5, 6, 7, 8>(m);
    default: return pick<T, W, 4, 1, 2, 3, 4, 5, 6, 7, 8>(m);
  }
}

template <class T>
GW_INLINE Index rows_of(int nv) {
  constexpr Index rows[] = {max_rows<T, 1>(), max_rows<T, 2>(), max_rows<T, 3>(), max_rows<T, 4>()};
  return rows[nv - 1];
}

// Calls body(row, m) for tiles of at most `most` rows that cover begin..end, of nearly equal size.
template <class Body>
GW_INLINE void for_row_tiles(Index most, Index begin, Index end, const Body& body) {
  const Index n = end - begin;
  if (n <= 0) return;
  const Index count = (n + most - 1) / most, base = n / count, extra = n % count;
  for (Index i = 0, row = begin; i < count; ++i) {
    const Index m = base + (i < extra);
    body(row, static_cast<int>(m));
    row += m;
  }
}

// Results of a tile on their way from the registers to the pointwise part.
template <class T>
struct Buffer {
  alignas(64) T data[most_rows * 4 * Vec<T>::N];
  T* rows[most_rows];
  GW_INLINE void shape(int nv) {
    for (int m = 0; m < most_rows; ++m) rows[m] = data + m * nv * Vec<T>::N;
  }
};

template <class T>
constexpr Index panel_width() {
  return 4 * Vec<T>::N;
}

template <class T>
constexpr Index panels_of(Index columns) {
  return (columns + panel_width<T>() - 1) / panel_width<T>();
}

// Vectors of the panel that begins at `column`; the last one may be narrower than 4.
template <class T>
GW_INLINE int vectors_at(Index column, Index columns) {
  const Index n = columns - column;
  return n >= panel_width<T>() ? 4 : static_cast<int>((n + Vec<T>::N - 1) / Vec<T>::N);
}

}  // namespace gatework::GATEWORK_PATH
