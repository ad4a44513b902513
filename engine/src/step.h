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
  if constexpr (takes_rows<Cell>) {  // planes, all of x and then all of h: no unit is ready before all sums are
    const Index X = Cell::x_planes * padded<T>(H), G = Cell::gates * padded<T>(H);
    pack_planes<T>(w_ih, Cell::x_gate, Cell::x_planes, H, I, out, 0, panels_of<T>(X));
    pack_planes<T>(w_hh, Cell::h_gate, Cell::gates, H, R, out + X * I, 0, panels_of<T>(G));
    return;
  }
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
  const T *bias_x, *bias_h, *params;
  const T *const *zone_h, *const *zone_c;  // (B) rows of Hp, or null
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
  Step<T> step;
  step.H = s.H, step.Hp = step.out_width = s.Hp, step.R = s.R, step.pitch = N, step.params = s.params;
  step.gates = gates;
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
      if constexpr (G > 0) tile_of<T, W>(m, U * G)(s.h_before + row, of_h, s.R, bias_h, products.rows);
      // step_cells reads gates[row] + u0 + p*pitch: the tile's own row, gate by gate
      for (int i = 0; i < m; ++i) gates[i] = inputs.rows[i] - u0;
      Step<T> own = step;
      own.h_before = own.h_beside = s.h_before + row;
      if (s.zone_h) own.zone_h = s.zone_h + row;
      if (s.zone_c) own.zone_c = s.zone_c + row;
      own.c_before = const_cast<const T* const*>(s.c) + row;
      own.c = s.c + row;
      own.out = s.out + row;
      step_cells<Cell, T>(own, products, 0, m, u0, U);
    });
    panel = of_h + s.R * U * G * N;
  }
}

// The same of a cell that takes rows; `memory` for B rows of its products.
template <class Cell, class T, class W>
void stream_step_rows(const StreamStep<T>& s, const W* panels, Index B, T* memory) {
  const Index X = Cell::x_planes * s.Hp, G = Cell::gates * s.Hp;
  T *inputs[most_rows], *sums[most_rows];
  for (Index b = 0; b < B; b += most_rows) {
    const Index n = B - b < most_rows ? B - b : most_rows;
    for (Index i = 0; i < n; ++i) {
      inputs[i] = memory + (b + i) * (X + G);
      sums[i] = inputs[i] + X;
    }
    product<T>(s.x + b, n, s.I, panels, s.bias_x, X, X, inputs, 0, panels_of<T>(X));
    product<T>(s.h_before + b, n, s.R, panels + X * s.I, s.bias_h, G, G, sums, 0, panels_of<T>(G));
    Step<T> step;
    step.H = s.H, step.Hp = step.pitch = step.out_width = s.Hp, step.R = s.R, step.params = s.params;
    step.gates = inputs, step.sums = sums, step.h_before = step.h_beside = s.h_before + b;
    if (s.zone_h) step.zone_h = s.zone_h + b;
    if (s.zone_c) step.zone_c = s.zone_c + b;
    step.c_before = const_cast<const T* const*>(s.c) + b, step.c = s.c + b, step.out = s.out + b;
    step_rows<Cell, T>(step, {0, n});
  }
}

// Steps of B sequences whose products with x are made together: about 256 KB of them stay in the L2 cache.
template <class Cell, class T>
GW_INLINE Index sequence_chunk(Index B, Index steps, Index Hp) {
  const Index rows = (Index(1) << 18) / (Cell::x_planes * Hp * static_cast<Index>(sizeof(T)));
  const Index chunk = (rows < 24 ? 24 : rows) / (B ? B : 1);
  return chunk < 1 ? 1 : chunk < steps ? chunk : steps;
}

template <class Cell, class T>
struct SequenceScratch {
  T *inputs = nullptr, *c = nullptr, *out = nullptr, *sums = nullptr;
  const T **x = nullptr, **h_before = nullptr, **zone_h = nullptr, **zone_c = nullptr;
  T **inputs_rows = nullptr, **gates = nullptr, **c_rows = nullptr, **out_rows = nullptr, **y_rows = nullptr;
  Index chunk, used;

  SequenceScratch(Index B, Index steps, Index Hp, T* memory) : chunk(sequence_chunk<Cell, T>(B, steps, Hp)) {
    Cutter<T> cut{memory};
    const Index rows = chunk * B;
    inputs = cut.take(rows * Cell::x_planes * Hp);
    c = cut.take(B * Cell::cells * Hp);
    out = cut.take(B * Hp);
    sums = cut.take(takes_rows<Cell> ? B * Cell::gates * Hp : 0);
    x = cut.template take<const T*>(rows);
    h_before = cut.template take<const T*>(B);
    zone_h = cut.template take<const T*>(B);
    zone_c = cut.template take<const T*>(B);
    inputs_rows = cut.template take<T*>(rows);
    gates = cut.template take<T*>(B);
    c_rows = cut.template take<T*>(B);
    out_rows = cut.template take<T*>(B);
    y_rows = cut.template take<T*>(B);
    used = cut.used;
  }
};

// One layer over whole sequences, x (B, steps, I) and y (B, steps, R); y may be x where I = R.
template <class Cell, class T, class W>
void stream_sequence(const StreamLayer<T>& s, Index B, Index steps, T* y) {
  constexpr Index N = Vec<T>::N, G = Cell::gates, X = Cell::x_planes, width = max_unit_vectors<Cell>() * N;
  const Index R = s.P ? s.P : s.H, Hp = padded<T>(s.H), pitch = X * Hp;
  SequenceScratch<Cell, T> f(B, steps, Hp, s.scratch);
  for (Index b = 0; b < B; ++b) {
    f.c_rows[b] = f.c + b * Cell::cells * Hp;
    f.out_rows[b] = f.out + b * Hp;
    f.zone_h[b] = s.zone_h, f.zone_c[b] = s.zone_c;
    take_cells<Cell>(f.c_rows[b], s.c + b * Cell::cells * s.H, s.H, Hp);
  }
  T bias[4 * N];
  const auto gather = [&](const T* from, Index gates, Index u0, Index U) {
    for (Index v = 0; v < U; ++v) {
      for (Index g = 0; g < gates; ++g) copy(bias + (v * gates + g) * N, from + g * Hp + u0 + v * N, N);
    }
  };
  Buffer<T> products;
  for (Index begin = 0; begin < steps; begin += f.chunk) {
    const Index end = begin + f.chunk < steps ? begin + f.chunk : steps, rows = (end - begin) * B;
    for (Index t = begin, row = 0; t < end; ++t) {
      for (Index b = 0; b < B; ++b, ++row) f.x[row] = s.x + (b * steps + t) * s.I;
    }
    const W* panel = static_cast<const W*>(s.panels);
    for (Index u0 = 0; u0 < Hp; u0 += width) {
      const Index U = within(Hp - u0, width) / N;
      const int nv = static_cast<int>(U * X);
      gather(s.bias_x, X, u0, U);
      for (Index row = 0; row < rows; ++row) f.inputs_rows[row] = f.inputs + row * pitch + u0 * X;
      for_row_tiles(rows_of<T>(nv), 0, rows, [&](Index row, int m) {
        tile_of<T, W>(m, nv)(f.x + row, panel, s.I, bias, f.inputs_rows + row);
      });
      panel += (s.I * X + R * G) * U * N;
    }
    for (Index t = begin; t < end; ++t) {
      for (Index b = 0; b < B; ++b) {
        f.y_rows[b] = y + (b * steps + t) * R;
        f.h_before[b] = t ? f.y_rows[b] - R : s.h + b * R;
      }
      Step<T> step;
      step.H = s.H, step.Hp = Hp, step.R = R, step.pitch = N, step.params = s.params;
      step.h_before = step.h_beside = f.h_before, step.c_before = const_cast<const T* const*>(f.c_rows);
      step.gates = f.gates, step.c = f.c_rows;
      step.out = s.P ? f.out_rows : f.y_rows, step.out_width = s.P ? Hp : s.H;
      if (s.zone_h) step.zone_h = f.zone_h;
      if (s.zone_c) step.zone_c = f.zone_c;
      panel = static_cast<const W*>(s.panels);
      for (Index u0 = 0; u0 < Hp; u0 += width) {
        const Index U = within(Hp - u0, width) / N;
        const int nv = static_cast<int>(U * G);
        panel += s.I * U * X * N;
        gather(s.bias_h, G, u0, U);
        products.shape(nv);
        // step_cells reads gates[row] + u0 + p*pitch: the panel's own part of the row, gate by gate
        for (Index b = 0; b < B; ++b) f.gates[b] = f.inputs + ((t - begin) * B + b) * pitch + u0 * X - u0;
        for_row_tiles(rows_of<T>(larger(nv, 1)), 0, B, [&](Index row, int m) {
          if constexpr (G > 0) tile_of<T, W>(m, nv)(f.h_before + row, panel, R, bias, products.rows);
          step_cells<Cell, T>(step, products, row, m, u0, static_cast<int>(U));
        });
        panel += R * U * G * N;
      }
      if (s.P)
        product<T>(f.out_rows, B, s.H, s.packed_r, nullptr, padded<T>(s.P), s.P, f.y_rows, 0,
                   panels_of<T>(padded<T>(s.P)));
    }
  }
  for (Index b = 0; b < B; ++b) {
    copy(s.h + b * R, y + (b * steps + steps - 1) * R, R);
    give_cells<Cell>(s.c + b * Cell::cells * s.H, f.c_rows[b], s.H, Hp);
  }
}

// The same of a cell that takes rows, which has no projection.
template <class Cell, class T, class W>
void stream_sequence_rows(const StreamLayer<T>& s, Index B, Index steps, T* y) {
  const Index H = s.H, Hp = padded<T>(H), X = Cell::x_planes * Hp, G = Cell::gates * Hp;
  const W* panels = static_cast<const W*>(s.panels);
  SequenceScratch<Cell, T> f(B, steps, Hp, s.scratch);
  for (Index b = 0; b < B; ++b) {
    f.c_rows[b] = f.c + b * Cell::cells * Hp;
    f.gates[b] = f.sums + b * G;
    f.zone_h[b] = s.zone_h, f.zone_c[b] = s.zone_c;
    take_cells<Cell>(f.c_rows[b], s.c + b * Cell::cells * H, H, Hp);
  }
  Step<T> step;
  step.H = step.R = step.out_width = H, step.Hp = step.pitch = Hp, step.params = s.params;
  step.h_before = step.h_beside = f.h_before, step.c_before = const_cast<const T* const*>(f.c_rows);
  step.sums = f.gates, step.c = f.c_rows, step.out = f.y_rows;
  if (s.zone_h) step.zone_h = f.zone_h;
  if (s.zone_c) step.zone_c = f.zone_c;
  for (Index begin = 0; begin < steps; begin += f.chunk) {
    const Index end = begin + f.chunk < steps ? begin + f.chunk : steps, rows = (end - begin) * B;
    for (Index t = begin, row = 0; t < end; ++t) {
      for (Index b = 0; b < B; ++b, ++row) {
        f.x[row] = s.x + (b * steps + t) * s.I;
        f.inputs_rows[row] = f.inputs + row * X;
      }
    }
    product<T>(f.x, rows, s.I, panels, s.bias_x, X, X, f.inputs_rows, 0, panels_of<T>(X));
    for (Index t = begin; t < end; ++t) {
      for (Index b = 0; b < B; ++b) {
        f.y_rows[b] = y + (b * steps + t) * H;
        f.h_before[b] = t ? f.y_rows[b] - H : s.h + b * H;
      }
      product<T>(f.h_before, B, H, panels + X * s.I, s.bias_h, G, G, f.gates, 0, panels_of<T>(G));
      step.gates = f.inputs_rows + (t - begin) * B;
      step_rows<Cell, T>(step, {0, B});
    }
  }
  for (Index b = 0; b < B; ++b) {
    copy(s.h + b * H, y + (b * steps + steps - 1) * H, H);
    give_cells<Cell>(s.c + b * Cell::cells * H, f.c_rows[b], H, Hp);
  }
}

}  // namespace gatework::GATEWORK_PATH
