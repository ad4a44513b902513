// Forward through time: the products with x in bulk, then step by step the products with h and the cell.
#pragma once

#include "cells/cell.h"
#include "pack.h"
#include "rows.h"
#include "walk.h"

namespace gatework::GATEWORK_PATH {

// out[row][column] = a[row] . panels[column] (+ bias[column]), for the panels first..last of `columns`, of
// which `real` are stored.
template <class T, class W>
GW_ONCE void product(const T* const* a, Index rows, Index K, const W* packed, const T* bias, Index columns,
                    Index real, T* const* out, Index first, Index last) {
  Buffer<T> buffer;
  for (Index p = first; p < last; ++p) {
    const Index column = p * panel_width<T>();
    const int nv = vectors_at<T>(column, columns);
    const Index n = within(real - column, nv * Vec<T>::N);
    const bool whole = n == nv * Vec<T>::N;
    const W* panel = packed + column * K;
    const T* b = bias ? bias + column : nullptr;
    if (!whole) buffer.shape(nv);
    for_row_tiles(rows_of<T>(nv), 0, rows, [&](Index row, int m) {
      if (whole) {
        T* to[most_rows];
        for (int i = 0; i < m; ++i) to[i] = out[row + i] + column;
        tile_of<T, W>(m, nv)(a + row, panel, K, b, to);
      } else {
        tile_of<T, W>(m, nv)(a + row, panel, K, b, buffer.rows);
        for (int i = 0; i < m; ++i) copy(out[row + i] + column, buffer.rows[i], n);
      }
    });
  }
}

// The active slots of one step.
template <class T>
struct Step {
  Index H = 0, Hp = 0, R = 0;
  Index pitch = 0;                      // from plane to plane in `gates`
  const T* params = nullptr;            // planes of Hp
  const T* const* h_before = nullptr;   // (slots) rows of R, what is multiplied
  const T* const* h_beside = nullptr;   // (slots) rows of R, what the cell reads: `h_before`, but for dropout
  const T* const* c_before = nullptr;   // (slots) planes of Hp
  const T* const* zone_h = nullptr;     // (slots) rows of H; null: nothing stays
  const T* const* zone_c = nullptr;
  T* const* gates = nullptr;            // (slots) in: products with x; kept: what backward needs
  T* const* sums = nullptr;             // (slots) products with h, planes of Hp; of cells that take rows
  T* const* c = nullptr;                // (slots) planes of Hp
  T* const* out = nullptr;              // (slots) rows of H, or of Hp where they are scratch
  Index out_width = 0;
  bool keep = false;
};

// What is carried beside h: the caller's rows of C*H to planes of Hp, and back.
template <class Cell, class T>
GW_INLINE void take_cells(T* to, const T* from, Index H, Index Hp) {
  for (int k = 0; k < Cell::cells; ++k) {
    copy(to + k * Hp, from + k * H, H);
    clear(to + k * Hp + H, Hp - H);
  }
}
template <class Cell, class T>
GW_INLINE void give_cells(T* to, const T* from, Index H, Index Hp) {
  for (int k = 0; k < Cell::cells; ++k) copy(to + k * H, from + k * Hp, H);
}

// The cell, for m slots from `row` on and U unit vectors from unit u0 on; products[slot][unit vector][gate].
template <class Cell, class T>
GW_ONCE void step_cells(const Step<T>& s, const Buffer<T>& products, Index row, int m, Index u0, int U) {
  using V = Vec<T>;
  constexpr int N = V::N, G = Cell::gates;
  for (int i = 0; i < m; ++i) {
    for (int v = 0; v < U; ++v) {
      const Index u = u0 + v * N;
      const int real = static_cast<int>(within(s.out_width - u, N)), there = static_cast<int>(within(s.H - u, N));
      const T* from = products.rows[i] + v * G * N;
      T* gates = s.gates[row + i] + u;
      V product[some(G)], plane[plane_count<Cell>], c[some(Cell::cells)], param[some(Cell::params)];
      V before = V::zero();
#pragma GCC unroll 4
      for (int g = 0; g < G; ++g) product[g] = V::load(from + g * N);
#pragma GCC unroll 4
      for (int p = 0; p < Cell::x_planes; ++p) plane[p] = V::load(gates + p * s.pitch);
#pragma GCC unroll 4
      for (int k = 0; k < Cell::cells; ++k) c[k] = V::load(s.c_before[row + i] + k * s.Hp + u);
#pragma GCC unroll 4
      for (int k = 0; k < Cell::params; ++k) param[k] = V::load(s.params + k * s.Hp + u);
      if (Cell::reads_h || s.zone_h) before = load_within(s.h_beside[row + i] + u, there);
      const V c_before = c[0];
      V h = Cell::template forward<T>(product, plane, c, before, param);
      if constexpr (Cell::zones) {
        if (s.zone_c) {
          const V stays = load_within(s.zone_c[row + i] + u, there);
          c[0] = fma(stays, c_before, fnma(stays, c[0], c[0]));
        }
      }
      if (s.zone_h) {
        const V stays = load_within(s.zone_h[row + i] + u, there);
        h = fma(stays, before, fnma(stays, h, h));
      }
      if (s.keep && Cell::saved) {
#pragma GCC unroll 8
        for (int p = 0; p < Cell::saved; ++p) plane[p].store(gates + p * s.pitch);
      }
#pragma GCC unroll 4
      for (int k = 0; k < Cell::cells; ++k) c[k].store(s.c[row + i] + k * s.Hp + u);
      T* out = s.out[row + i] + u;
      if (real == N) {
        h.store(out);
      } else if (real > 0) {
        h.store(out, real);
      }
    }
  }
}

// One step of n slots: the products with h panel by panel, and the cell while they are near.
template <class Cell, class T>
inline void step_all(const Step<T>& s, const T* packed, const T* bias_h, Index n, Share share) {
  constexpr int N = Vec<T>::N, G = Cell::gates;
  constexpr Index W = max_unit_vectors<Cell>() * N;
  Buffer<T> products;
  T bias[4 * N];
  for (Index p = share.first; p < share.last; ++p) {
    const Index u0 = p * W;
    const int U = static_cast<int>(within(s.Hp - u0, W) / N), nv = U * G;
    const T* panel = packed + u0 * G * s.R;
    products.shape(nv);
    if constexpr (Cell::bias_h >= 0) {
      static_assert(max_unit_vectors<Cell>() == 1);
      for (int g = 0; g < G; ++g) Vec<T>::load(bias_h + g * s.Hp + u0).store(bias + g * N);
    }
    for_row_tiles(rows_of<T>(larger(nv, 1)), 0, n, [&](Index row, int m) {
      if constexpr (G > 0)
        tile_of<T>(m, nv)(s.h_before + row, panel, s.R, Cell::bias_h >= 0 ? bias : nullptr, products.rows);
      step_cells<Cell, T>(s, products, row, m, u0, U);
    });
  }
}

// The same of a cell that takes rows: first all products, each member some of their columns, then each some slots.
template <class Cell, class T>
inline void step_all_rows(const Job<T>& job, const Step<T>& s, Index n, Share columns) {
  constexpr int G = Cell::gates;
  product<T>(s.h_before, n, s.R, job.packed_h, job.bias_h, G * s.Hp, G * s.Hp, s.sums, columns.first, columns.last);
  sync(job);
  step_rows<Cell, T>(s, share_of(job, n));
}

// A row of zeros serves as h and as what is carried beside it.
template <class Cell, class T>
GW_INLINE Index zeros_size(const Job<T>& job) {
  const Index cells = Cell::cells * job.Hp;
  return cells > job.R ? cells : job.R;
}

// Scratch of a forward job; pointers are null when it is only measured.
template <class Cell, class T>
struct ForwardScratch {
  T *zeros = nullptr, *c_first = nullptr, *c_now = nullptr, *before_projection = nullptr, *inputs = nullptr;
  T *h_scaled = nullptr, *sums = nullptr;
  const T **h_before = nullptr, **h_beside = nullptr, **c_before = nullptr, **x = nullptr;
  const T **zone_h = nullptr, **zone_c = nullptr;
  T **c = nullptr, **out = nullptr, **y = nullptr, **inputs_rows = nullptr, **sums_rows = nullptr;
  Index chunk_rows = 0, used = 0;

  ForwardScratch(const Job<T>& job, T* memory) {
    const Shard& s = job.shard;
    const bool keeps_gates = job.gates && Cell::saved;
    const Index pitch = Cell::x_planes * job.Hp, widest = s.steps ? s.active[0] : 0;
    // about 256 KB of products with x stay in the L2 cache; 96 rows pay for reading the weights
    Index rows = (Index(1) << 18) / (pitch * static_cast<Index>(sizeof(T)));
    chunk_rows = rows < 96 ? 96 : rows;
    Index most = 0;  // rows of the largest chunk
    for (Index step = 0; step < s.steps;) {
      Index n = 0;
      while (step < s.steps && n < chunk_rows) n += s.active[step++];
      if (n > most) most = n;
    }
    Cutter<T> cut{memory};
    zeros = cut.take(zeros_size<Cell>(job));
    c_first = cut.take(s.slots * Cell::cells * job.Hp);
    c_now = cut.take(job.cells ? 0 : s.slots * Cell::cells * job.Hp);
    h_scaled = cut.take(job.scale.data ? widest * padded<T>(job.R) : 0);
    before_projection = cut.take(job.P ? widest * job.Hp : 0);
    inputs = cut.take(keeps_gates ? 0 : most * pitch);
    sums = cut.take(takes_rows<Cell> && !keeps_gates ? widest * Cell::gates * job.Hp : 0);
    // pointers: each member of a team has its own
    for (int member = 0; member < job.team; ++member) {
      const T** own_h = cut.template take<const T*>(widest);
      const T** own_beside = cut.template take<const T*>(job.scale.data ? widest : 0);
      const T** own_c = cut.template take<const T*>(widest);
      const T** own_zone_h = cut.template take<const T*>(job.zone_h.data ? widest : 0);
      const T** own_zone_c = cut.template take<const T*>(job.zone_c.data ? widest : 0);
      const T** own_x = cut.template take<const T*>(most);
      T** own_rows = cut.template take<T*>(most);
      T** own_now = cut.template take<T*>(widest);
      T** own_out = cut.template take<T*>(widest);
      T** own_y = cut.template take<T*>(widest);
      T** own_sums = cut.template take<T*>(takes_rows<Cell> ? widest : 0);
      if (member == job.rank) {
        h_before = own_h, c_before = own_c, x = own_x, inputs_rows = own_rows;
        h_beside = job.scale.data ? own_beside : own_h;
        if (job.zone_h.data) zone_h = own_zone_h;
        if (job.zone_c.data) zone_c = own_zone_c;
        c = own_now, out = own_out, y = own_y, sums_rows = own_sums;
      }
    }
    used = cut.used;
  }
};

// c0, or zeros, of all slots.
template <class Cell, class T>
inline void first_cells(const Job<T>& job, T* c_first) {
  constexpr Index C = Cell::cells;
  clear(c_first, job.shard.slots * C * job.Hp);
  for (Index j = 0; C && job.c0 && j < job.shard.slots; ++j)
    take_cells<Cell>(c_first + j * C * job.Hp, job.c0 + job.shard.sequence[j] * C * job.H, job.H, job.Hp);
}

// to = h * scale, a row
template <class T>
GW_INLINE void scale_row(T* to, const T* h, const T* scale, Index R) {
  for (Index i = 0; i < R; ++i) to[i] = h[i] * scale[i];
}

// h' of this member's slots multiplied by their scale; all members then multiply the weights by it.
template <class Cell, class T>
inline void scale_step(const Job<T>& job, const ForwardScratch<Cell, T>& f, Index step, Index slots) {
  const Index Rp = padded<T>(job.R);
  const Share own = share_of(job, slots);
  for (Index j = own.first; j < own.last; ++j)
    scale_row(f.h_scaled + j * Rp, f.h_before[j], row_of<T>(job, job.scale, j, step), job.R);
  for (Index j = 0; j < slots; ++j) {
    T* scaled = f.h_scaled + j * Rp;
    f.h_beside[j] = job.decay ? scaled : f.h_before[j];
    f.h_before[j] = scaled;
  }
  sync(job);
}

template <class Cell, class T>
inline void forward_states(const Job<T>& job, const ForwardScratch<Cell, T>& f) {
  const Shard& s = job.shard;
  for (Index j = 0; j < s.slots; ++j) {
    const Index b = s.sequence[j], L = s.length[j];
    const T* h = L ? row_of<T>(job, job.y, j, L - 1) : job.h0 ? job.h0 + b * job.R : f.zeros;
    copy(job.hn + b * job.R, h, job.R);
    if constexpr (Cell::cells > 0) {
      constexpr Index C = Cell::cells;
      const T* c = !L          ? f.c_first + j * C * job.Hp
                   : job.cells ? job.cells + saved_row(job, j, L - 1) * C * job.Hp
                               : f.c_now + j * C * job.Hp;
      give_cells<Cell>(job.cn + b * C * job.H, c, job.H, job.Hp);
    }
    if (!job.offsets) {  // padding
      Rows rows = job.y;
      for (Index t = L; t < job.T_steps; ++t)
        clear(static_cast<T*>(rows.data) + b * rows.batch_stride + t * rows.time_stride, job.R);
    }
  }
}

template <class Cell, class T>
void forward_job(const Job<T>& job) {
  const Shard& shard = job.shard;
  ForwardScratch<Cell, T> f(job, job.scratch);
  const bool keeps_gates = job.gates && Cell::saved;
  constexpr Index C = Cell::cells;
  const Index pitch = (keeps_gates ? Cell::saved : Cell::x_planes) * job.Hp;
  const Index columns = Cell::x_planes * job.Hp, of_x = keeps_gates ? place_of_x<Cell>() * job.Hp : 0;
  if (job.rank == 0) {
    clear(f.zeros, zeros_size<Cell>(job));
    first_cells<Cell>(job, f.c_first);
  }
  sync(job);
  const Share input_panels = share_of(job, panels_of<T>(columns));
  const Share unit_panels = share_of(
      job, takes_rows<Cell> ? panels_of<T>(Cell::gates * job.Hp) : step_panels<Cell, T>(job.H));
  const Share output_panels = share_of(job, panels_of<T>(padded<T>(job.P)));
  Step<T> step;
  step.H = job.H, step.Hp = step.pitch = job.Hp, step.R = job.R, step.params = job.params;
  step.h_before = f.h_before, step.h_beside = f.h_beside, step.c_before = f.c_before, step.c = f.c;
  step.zone_h = f.zone_h, step.zone_c = f.zone_c;
  step.out = job.P ? f.out : f.y, step.out_width = job.P ? job.Hp : job.H, step.keep = keeps_gates;
  for (Index begin = 0; begin < shard.steps;) {
    const Index end = chunk_end(job, begin, f.chunk_rows);
    Index rows = 0;
    for (Index s = begin; s < end; ++s) {
      for (Index j = 0; j < shard.active[s]; ++j, ++rows) {
        f.x[rows] = row_of<T>(job, job.x, j, s);
        f.inputs_rows[rows] =
            of_x + (keeps_gates ? job.gates + saved_row(job, j, s) * pitch : f.inputs + rows * pitch);
      }
    }
    product<T>(f.x, rows, job.I, job.packed_x, job.bias_x, columns, columns, f.inputs_rows, input_panels.first,
               input_panels.last);
    sync(job);
    rows = 0;
    for (Index s = begin; s < end; ++s) {
      const Index n = shard.active[s];
      for (Index j = 0; j < n; ++j) {
        const Index b = shard.sequence[j];
        const bool fresh = is_reset(job, j, s);
        f.y[j] = row_of<T>(job, job.y, j, s);
        f.h_before[j] = fresh    ? f.zeros
                        : s > 0  ? row_of<T>(job, job.y, j, s - 1)
                        : job.h0 ? job.h0 + b * job.R
                                 : f.zeros;
        if constexpr (C > 0) {
          f.c[j] = job.cells ? job.cells + saved_row(job, j, s) * C * job.Hp : f.c_now + j * C * job.Hp;
          f.c_before[j] = fresh       ? f.zeros
                          : s == 0    ? f.c_first + j * C * job.Hp
                          : job.cells ? job.cells + saved_row(job, j, s - 1) * C * job.Hp
                                      : f.c[j];
        }
        if (f.zone_h) f.zone_h[j] = row_of<T>(job, job.zone_h, j, s);
        if (f.zone_c) f.zone_c[j] = row_of<T>(job, job.zone_c, j, s);
        if (job.P) f.out[j] = f.before_projection + j * job.Hp;
        if constexpr (takes_rows<Cell>)
          f.sums_rows[j] = keeps_gates ? f.inputs_rows[rows + j] + columns : f.sums + j * Cell::gates * job.Hp;
      }
      if (job.scale.data) scale_step<Cell, T>(job, f, s, n);
      step.gates = f.inputs_rows + rows;
      if constexpr (takes_rows<Cell>) {
        step.sums = f.sums_rows;
        step_all_rows<Cell, T>(job, step, n, unit_panels);
      } else {
        step_all<Cell, T>(step, job.packed_h, job.bias_h, n, unit_panels);
      }
      sync(job);
      if (job.P) {
        product<T>(f.out, n, job.H, job.packed_r, nullptr, padded<T>(job.P), job.P, f.y,
                   output_panels.first, output_panels.last);
        sync(job);
      }
      rows += n;
    }
    begin = end;
  }
  if (job.rank == 0) forward_states<Cell, T>(job, f);
}

}  // namespace gatework::GATEWORK_PATH
