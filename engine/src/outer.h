// Gradients of weights: sums over rows of outer products, C[m][n] += sum over rows of G[row][m] X[row][n].
//
// C is kept in tiles [panel of m][tile of n][n in the tile][m in the panel] until the last row is in.  The first
// rows overwrite it (`first`), so it need not be cleared: that was a fifth of a training step of one time step.
#pragma once

#include "pack.h"
#include "walk.h"

namespace gatework::GATEWORK_PATH {

template <class T>
constexpr Index outer_width() {  // columns of X a tile takes
  return max_rows<T, 4>();
}

template <class T>
constexpr Index outer_tiles(Index n) {
  return (n + outer_width<T>() - 1) / outer_width<T>();
}

template <class T>
constexpr Index outer_size(Index m, Index n) {
  return panels_of<T>(m) * 4 * Vec<T>::N * outer_tiles<T>(n) * outer_width<T>();
}

// X as tiles: [tile][row][outer_width], the last one filled with zeros; tiles first..last.
template <class T>
GW_ONCE void pack_outer(const T* const* x, Index rows, Index columns, T* out, Index first, Index last) {
  constexpr Index W = outer_width<T>();
  for (Index tile = first; tile < last; ++tile) {
    const Index c0 = tile * W, n = columns - c0 < W ? columns - c0 : W;
    T* to = out + tile * rows * W;
    if (n == W) {
      for (Index r = 0; r < rows; ++r, to += W) {
        const T* from = x[r] + c0;
#pragma GCC unroll 8
        for (Index c = 0; c < W; ++c) to[c] = from[c];
      }
    } else {
      for (Index r = 0; r < rows; ++r, to += W) {
        for (Index c = 0; c < n; ++c) to[c] = x[r][c0 + c];
        for (Index c = n; c < W; ++c) to[c] = T(0);
      }
    }
  }
}

// One panel of G: [row][NV vectors], and its sum over rows added to `sum` when it is given.
template <class T, int NV>
inline void pack_gradient(const T* g, Index pitch, Index rows, T* out, T* sum, bool first) {
  using V = Vec<T>;
  V total[NV];
#pragma GCC unroll 4
  for (int v = 0; v < NV; ++v) total[v] = sum && !first ? V::load(sum + v * V::N) : V::zero();
  for (Index r = 0; r < rows; ++r, g += pitch, out += NV * V::N) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
      const V x = V::load(g + v * V::N);
      x.store(out + v * V::N);
      total[v] = total[v] + x;
    }
  }
  if (sum) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) total[v].store(sum + v * V::N);
  }
}

template <class T, int NV>
inline void outer_tile(const T* x, const T* panel, Index rows, T* C, bool first) {
  using V = Vec<T>;
  constexpr int M = outer_width<T>(), N = V::N;
  V acc[M][NV];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
      acc[m][v] = V::zero();
      __builtin_prefetch(C + (m * NV + v) * N, 1);
    }
  }
  const auto row = [x](int m, Index k) __attribute__((always_inline)) { return x[k * M + m]; };
  Index k = 0;
  for (; k + 4 <= rows; k += 4) {
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) multiply_add<T, M, NV, T>(acc, row, panel + (k + i) * NV * N, k + i);
  }
  for (; k < rows; ++k) multiply_add<T, M, NV, T>(acc, row, panel + k * NV * N, k);
  if (first) {
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) acc[m][v].store(C + (m * NV + v) * N);
    }
    return;
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) {
      T* to = C + (m * NV + v) * N;
      (V::load(to) + acc[m][v]).store(to);
    }
  }
}

// X: one or two packed operands side by side, each with its own C.
template <class T>
struct OuterOperand {
  const T* packed;  // pack_outer's
  Index tiles;
  T* C;
};

// Panels first..last of the m columns of G (row r at g + r*pitch); `panel` is scratch for rows x 4 vectors.
template <class T, int NV>
inline void outer_panel(const T* g, Index pitch, Index rows, const OuterOperand<T>* operands, int count,
                        Index column, T* sum, T* panel, bool first) {
  constexpr Index W = outer_width<T>();
  pack_gradient<T, NV>(g + column, pitch, rows, panel, sum ? sum + column : nullptr, first);
  for (int i = 0; i < count; ++i) {
    const OuterOperand<T>& x = operands[i];
    T* C = x.C + column * x.tiles * W;
    for (Index tile = 0; tile < x.tiles; ++tile, C += W * NV * Vec<T>::N)
      outer_tile<T, NV>(x.packed + tile * rows * W, panel, rows, C, first);
  }
}

template <class T>
GW_ONCE void outer_product(const T* g, Index pitch, Index rows, Index m, const OuterOperand<T>* operands,
                          int count, T* sum, T* panel, bool fresh, Index first, Index last) {
  for (Index p = first; p < last; ++p) {
    const Index column = p * panel_width<T>();
    switch (vectors_at<T>(column, m)) {
      case 1: outer_panel<T, 1>(g, pitch, rows, operands, count, column, sum, panel, fresh); break;
      case 2: outer_panel<T, 2>(g, pitch, rows, operands, count, column, sum, panel, fresh); break;
      case 3: outer_panel<T, 3>(g, pitch, rows, operands, count, column, sum, panel, fresh); break;
      default: outer_panel<T, 4>(g, pitch, rows, operands, count, column, sum, panel, fresh);
    }
  }
}

// Tiles of `count` workers, added, into rows of torch's layout: out[gate[plane]*H + u][n].
template <class T>
GW_ONCE void unpack_outer(const T* const* C, int count, const int* gate, int planes, Index H, Index columns,
                         T* out, Index first, Index last) {
  using V = Vec<T>;
  constexpr Index N = V::N;
  const Index Hp = padded<T>(H), m = planes * Hp, tiled = outer_tiles<T>(columns) * outer_width<T>();
  for (Index p = first; p < last; ++p) {
    const Index column = p * panel_width<T>(), width = vectors_at<T>(column, m) * N;
    for (Index lane = 0; lane < width; lane += N) {
      const Index plane = (column + lane) / Hp, u = (column + lane) % Hp, units = within(H - u, N);
      for (Index n0 = 0; n0 < columns && units; n0 += N) {
        const Index n = within(columns - n0, N);
        V block[N];
        for (Index i = 0; i < N; ++i) {
          block[i] = V::zero();
          for (int k = 0; k < count && i < n; ++k)
            block[i] = block[i] + V::load(C[k] + column * tiled + (n0 + i) * width + lane);
        }
        transpose<T>(block);
        for (Index i = 0; i < units; ++i) {
          T* to = out + (gate[plane] * H + u + i) * columns + n0;
          n == N ? block[i].store(to) : block[i].store(to, static_cast<int>(n));
        }
      }
    }
  }
}

}  // namespace gatework::GATEWORK_PATH
