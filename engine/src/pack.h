// Weights as panels: [panel][k][columns of the panel], so that a tile reads them in one stream.
#pragma once

#include "kernels.h"
#include "tile.h"
#include "transpose.h"

namespace gatework::GATEWORK_PATH {

// Where the weight of (row k of the product, column) is: base + k*k_stride + column*column_stride.
template <class T>
struct Matrix {
  const T* data;
  Index k_stride, column_stride;
};

constexpr Index within(Index n, Index most) { return n < 0 ? 0 : n < most ? n : most; }

// One panel column group of `width` columns out of which `real` exist: out[k*pitch + lane].
template <class T>
GW_ONCE void pack_columns(Matrix<T> w, Index K, Index real, Index width, T* out, Index pitch) {
  if (w.column_stride == 1) {
    for (Index k = 0; k < K; ++k) {
      const T* from = w.data + k * w.k_stride;
      T* to = out + k * pitch;
      for (Index c = 0; c < real; ++c) to[c] = from[c];
      for (Index c = real; c < width; ++c) to[c] = T(0);
    }
    return;
  }
  // k is contiguous: N columns of N at a time, turned over in registers (element by element, packing an
  // LSTM of H = 1024 took 19 ms, a seventh of its inference over 50 steps of 16 sequences)
  using V = Vec<T>;
  constexpr Index N = V::N;
  for (Index c0 = 0; c0 < width; c0 += N) {
    const Index there = within(real - c0, N);
    for (Index k = 0; k < K; k += N) {
      const Index n = within(K - k, N);
      V block[N];
      for (Index c = 0; c < N; ++c) {
        const T* from = w.data + (c0 + c) * w.column_stride + k;
        block[c] = c >= there ? V::zero() : n == N ? V::load(from) : V::load(from, static_cast<int>(n));
      }
      transpose<T>(block);
      for (Index i = 0; i < n; ++i) block[i].store(out + (k + i) * pitch + c0);
    }
  }
}

// Columns in planes of Hp (H real) as `Gates` orders them, K rows of torch's (G*H, K): panels of 4 vectors.
template <class T>
GW_ONCE void pack_planes(const T* w, const int* gate, int planes, Index H, Index K, T* out, Index first,
                        Index last) {
  constexpr Index N = Vec<T>::N;
  const Index Hp = padded<T>(H), columns = planes * Hp;
  for (Index p = first; p < last; ++p) {
    const Index column = p * 4 * N, n = columns - column < 4 * N ? columns - column : 4 * N;
    T* panel = out + column * K;
    for (Index v = 0; v < n; v += N) {
      const Index plane = (column + v) / Hp, u = (column + v) % Hp;
      const Matrix<T> from{w + (gate[plane] * H + u) * K, 1, K};
      pack_columns(from, K, within(H - u, N), N, panel + v, n);
    }
  }
}

// Rows in planes of Hp: the transposed product of backward.  Columns are torch's `columns`, `covered` of them
// with padding, in panels of 4 vectors.
template <class T>
GW_ONCE void pack_transposed(const T* w, const int* gate, int planes, Index H, Index columns, Index covered,
                            T* out, Index first, Index last) {
  constexpr Index N = Vec<T>::N;
  const Index Hp = padded<T>(H), K = planes * Hp;
  for (Index p = first; p < last; ++p) {
    const Index column = p * 4 * N, width = (within(covered - column, 4 * N) + N - 1) / N * N;
    T* panel = out + column * K;
    for (int plane = 0; plane < planes; ++plane) {
      T* to = panel + plane * Hp * width;
      const Matrix<T> from{w + gate[plane] * H * columns + column, columns, 1};
      pack_columns(from, H, within(columns - column, width), width, to, width);
      for (Index i = H * width; i < Hp * width; ++i) to[i] = T(0);
    }
  }
}

// Units of a panel of the step: U vectors of units, all gates of each, so that a tile is 3 or 4 vectors wide.
template <class Cell>
constexpr int max_unit_vectors() {
  return Cell::gates == 1 && Cell::x_planes == 1 ? 4 : 1;
}

template <class Cell, class T>
constexpr Index step_panels(Index H) {
  constexpr Index width = max_unit_vectors<Cell>() * Vec<T>::N;
  return (padded<T>(H) + width - 1) / width;
}

// [panel][k][unit vector][gate][lane], padded units too: what they compute is 0 and stays finite
template <class Cell, class T>
inline void pack_step(const T* w, Index H, Index K, T* out, Index first, Index last) {
  constexpr Index N = Vec<T>::N, G = Cell::gates, W = max_unit_vectors<Cell>() * N;
  for (Index p = first; p < last; ++p) {
    const Index u0 = p * W, vectors = within(padded<T>(H) - u0, W) / N;
    T* panel = out + u0 * G * K;
    for (Index v = 0; v < vectors; ++v) {
      const Index u = u0 + v * N;
      for (Index g = 0; g < G; ++g) {
        const Matrix<T> from{w + (Cell::h_gate[g] * H + u) * K, 1, K};
        pack_columns(from, K, within(H - u, N), N, panel + (v * G + g) * N, vectors * G * N);
      }
    }
  }
}

}  // namespace gatework::GATEWORK_PATH
