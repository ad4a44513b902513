// One step of a stream: few rows, so that reading the weights is all that takes time.  A panel of units has
// its weights of x and of h side by side: one stream through memory.
#pragma once

#include "forward.h"

namespace gatework::GATEWORK_PATH {

template <class Cell, class T>
constexpr Index stream_size(Index I, Index H, Index R) {
  return padded<T>(H) * (Cell::x_planes * I + Cell::gates * R);
}

// [panel]{[k of x][unit vector][gate][lane], [k of h][unit vector][gate][lane]}
template <class Cell, class T>
inline void pack_stream(const T* w_ih, const T* w_hh, Index I, Index H, Index R, T* out) {
  constexpr Index N = Vec<T>::N, W = max_unit_vectors<Cell>() * N;
  const auto part = [&](const T* w, const int* gate, Index gates, Index K, Index u0, Index vectors) {
    for (Index v = 0; v < vectors; ++v) {
      for (Index g = 0; g < gates; ++g) {
        const Index u = u0 + v * N;
        const Matrix<T> from{w + (gate[g] * H + u) * K, 1, K};
        pack_columns(from, K, within(H - u, N), N, out + (v * gates + g) * N, vectors * gates * N);
      }
    }
    out += K * vectors * gates * N;
  };
  for (Index u0 = 0; u0 < padded<T>(H); u0 += W) {
    const Index vectors = within(padded<T>(H) - u0, W) / N;
    part(w_ih, Cell::x_gate, Cell::x_planes, I, u0, vectors);
    part(w_hh, Cell::h_gate, Cell::gates, R, u0, vectors);
  }
}

template <class T>
struct StreamStep {
  Index I, H, Hp, R;
  const T *bias_x, *bias_h;
  const T* const* x;         // (B) rows of I
  const T* const* h_before;  // (B) rows of R
  T* const* c;               // (B) rows of Hp, in place
  T* const* out;             // (B) rows of Hp
};

// W: float, double, or std::uint16_t for weights of half precision.
template <class Cell, class T, class W>
void stream_step(const StreamStep<T>& s, const W* panel, Index B) {
  constexpr int N = Vec<T>::N, G = Cell::gates, X = Cell::x_planes;
  constexpr Index width = max_unit_vectors<Cell>() * N;
  Buffer<T> inputs, products;
  T* gates[most_rows];
  T bias_x[4 * N], bias_h[4 * N];
  Step<T> step{s.H, N, s.R, s.h_before, const_cast<const T* const*>(s.c), gates, s.c, s.out, s.Hp, false};
  for (Index u0 = 0; u0 < s.Hp; u0 += width) {
    const int U = static_cast<int>(within(s.Hp - u0, width) / N);
    for (int v = 0; v < U; ++v) {
      for (int g = 0; g < X; ++g) copy(bias_x + (v * X + g) * N, s.bias_x + g * s.Hp + u0 + v * N, N);
      for (int g = 0; g < G; ++g) copy(bias_h + (v * G + g) * N, s.bias_h + g * s.Hp + u0 + v * N, N);
    }
    inputs.shape(U * X);
    products.shape(U * G);
    const W* of_h = panel + s.I * U * X * N;
    for_row_tiles(rows_of<T>(U * (G > X ? G : X)), 0, B, [&](Index row, int m) {
      tile_of<T, W>(m, U * X)(s.x + row, panel, s.I, bias_x, inputs.rows);
      tile_of<T, W>(m, U * G)(s.h_before + row, of_h, s.R, bias_h, products.rows);
      // step_cells reads gates[row] + u0 + p*step.Hp: the tile's own row, gate by gate
      for (int i = 0; i < m; ++i) gates[i] = inputs.rows[i] - u0;
      Step<T> own = step;
      own.h_before = s.h_before + row;
      own.c_before = const_cast<const T* const*>(s.c) + row;
      own.c = s.c + row;
      own.out = s.out + row;
      step_cells<Cell, T>(own, products, 0, m, u0, U);
    });
    panel = of_h + s.R * U * G * N;
  }
}

}  // namespace gatework::GATEWORK_PATH
