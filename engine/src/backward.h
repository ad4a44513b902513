// Backward through time: step by step the products that carry the gradient of h back, the cell's derivative
// in the same registers, and after every chunk of steps the gradients of weights and inputs in bulk.
#pragma once

#include "forward.h"
#include "outer.h"

namespace gatework::GATEWORK_PATH {

// The active slots of one step; a slot that ends here has no step after it.
template <class T>
struct StepBack {
  Index H, Hp, K;              // K: planes of h in a row of gradients, padded
  const T* const* after;       // (slots) gradients of the step after, planes of h; zeros behind a reset
  const T* const* dy;          // (slots) rows of R; null: h is a projection and its gradient is in `dh`
  T* const* dh;                // (slots) rows of Rp, projected only
  const T* const* kept;        // (slots) planes
  const T* const* c;           // (slots)
  const T* const* c_before;    // (slots)
  const T* const* h_before;    // (slots)
  const T* const* h;           // (slots)
  T* const* gradient;          // (slots) planes
  T* const* output;            // (slots) rows of Hp: o tanh(c), projected only
  T* carry_h;                  // (slots, Rp) what comes to h' beside the products
  T* carry_c;                  // (slots, Hp)
  const std::uint8_t* reset;   // (slots) nothing goes back from here; null: nowhere
};

// Gradients of the gates of one unit vector; returns what goes to h' beside the products.
template <class Cell, class T>
inline Vec<T> cell_back(const StepBack<T>& s, Vec<T> dh, Index slot, Index u) {
  using V = Vec<T>;
  V plane[Cell::planes], c = V::zero(), before = V::zero(), dc = V::zero(), h_before = V::zero(), h = V::zero();
  const int real = static_cast<int>(within(s.H - u, V::N));
  if constexpr (Cell::saved > 0) {
#pragma GCC unroll 4
    for (int p = 0; p < Cell::saved; ++p) plane[p] = V::load(s.kept[slot] + p * s.Hp + u);
  } else {
    h = real == V::N ? V::load(s.h[slot] + u) : V::load(s.h[slot] + u, real);
  }
  if constexpr (Cell::reads_h)
    h_before = real == V::N ? V::load(s.h_before[slot] + u) : V::load(s.h_before[slot] + u, real);
  if constexpr (Cell::has_cell) {
    c = V::load(s.c[slot] + u);
    before = V::load(s.c_before[slot] + u);
    dc = V::load(s.carry_c + slot * s.Hp + u);
    if constexpr (Cell::saved > 0) {
      if (s.output) Cell::output(plane, c).store(s.output[slot] + u);
    }
  }
  const V on = Cell::backward(dh, plane, c, before, dc, h_before, h);
  const bool reset = s.reset && s.reset[slot];
  if constexpr (Cell::has_cell) (reset ? V::zero() : dc).store(s.carry_c + slot * s.Hp + u);
#pragma GCC unroll 4
  for (int p = 0; p < Cell::planes; ++p) plane[p].store(s.gradient[slot] + p * s.Hp + u);
  // lanes beyond the last unit: 0 times an infinite input is NaN, and NaN times a panel's zeros would be seen
  for (int p = 0; real < V::N && p < Cell::planes; ++p)
    clear(s.gradient[slot] + p * s.Hp + u + real, V::N - real);
  return reset ? V::zero() : on;
}

// dh of slots begin..end, columns of panels first..last: from the step after where there is one, what is
// carried, and dy.  Then the cell's derivative, or, for a projection, dh into memory.
template <class Cell, class T>
inline void hidden_back(const StepBack<T>& s, const T* packed, Index R, Index begin, Index end, bool after,
                        Share share) {
  using V = Vec<T>;
  constexpr int N = V::N;
  const Index Rp = padded<T>(R);
  Buffer<T> products;
  for (Index p = share.first; p < share.last; ++p) {
    const Index column = p * panel_width<T>();
    const int nv = vectors_at<T>(column, Rp);
    products.shape(nv);
    for_row_tiles(rows_of<T>(nv), begin, end, [&](Index row, int m) {
      if (after) tile_of<T>(m, nv)(s.after + row, packed + column * s.K, s.K, nullptr, products.rows);
      for (int i = 0; i < m; ++i) {
        const Index slot = row + i;
        for (int v = 0; v < nv; ++v) {
          const Index u = column + v * N;
          const int real = static_cast<int>(within(R - u, N));
          const T* dy = s.dy[slot] + u;
          T* carry = s.carry_h + slot * Rp + u;
          V dh = real == N ? V::load(dy) : V::load(dy, real);
          if (after) dh = dh + V::load(products.rows[i] + v * N);
          if (!after || Cell::reads_h) dh = dh + V::load(carry);
          if (s.dh) {
            dh.store(s.dh[slot] + u);
          } else {
            const V on = cell_back<Cell, T>(s, dh, slot, u);
            if constexpr (Cell::reads_h) on.store(carry);
          }
        }
      }
    });
  }
}

// The same behind a projection: gradient of o tanh(c) from that of h, then the cell's derivative.
template <class Cell, class T>
inline void projection_back(const StepBack<T>& s, const T* packed, Index Pp, Index slots, Share share) {
  constexpr int N = Vec<T>::N;
  Buffer<T> products;
  for (Index p = share.first; p < share.last; ++p) {
    const Index column = p * panel_width<T>();
    const int nv = vectors_at<T>(column, s.Hp);
    products.shape(nv);
    for_row_tiles(rows_of<T>(nv), 0, slots, [&](Index row, int m) {
      tile_of<T>(m, nv)(s.dh + row, packed + column * Pp, Pp, nullptr, products.rows);
      for (int i = 0; i < m; ++i) {
        for (int v = 0; v < nv; ++v)
          cell_back<Cell, T>(s, Vec<T>::load(products.rows[i] + v * N), row + i, column + v * N);
      }
    });
  }
}

// Rows of gradients lie a little more than their width apart: at multiples of 4 KB the six rows of a tile would
// compete for one set of the L1 cache.
template <class Cell, class T>
GW_INLINE Index gradient_pitch(const Job<T>& job) {
  return Cell::planes * job.Hp + padded<T>(1);
}

template <class Cell, class T>
struct BackwardScratch {
  T *zeros = nullptr, *c_first = nullptr, *carry_h = nullptr, *carry_c = nullptr, *dh = nullptr;
  T *gradient[2] = {}, *output = nullptr, *pack_x = nullptr, *pack_h = nullptr, *pack_r = nullptr;
  T* panel = nullptr;
  const T **after = nullptr, **dy = nullptr, **kept = nullptr, **c = nullptr, **c_before = nullptr;
  const T **h_before = nullptr, **h = nullptr, **x = nullptr;
  T **gradients = nullptr, **dh_rows = nullptr, **outputs = nullptr, **dx = nullptr;
  std::uint8_t* reset = nullptr;
  Index chunk_rows = 0, used = 0;

  BackwardScratch(const Job<T>& job, T* memory) {
    const Shard& s = job.shard;
    const Index Rp = padded<T>(job.R);
    chunk_rows = 256;  // a tile of weight gradients is read and written once a chunk
    Index most = 0;
    for (Index last = s.steps; last > 0;) {
      Index n = 0;
      while (last > 0 && n < chunk_rows) n += s.active[--last];
      if (n > most) most = n;
    }
    Cutter<T> cut{memory};
    const Index widest = Rp > job.Hp ? Rp : job.Hp;
    zeros = cut.take(Cell::planes * widest);
    c_first = cut.take(Cell::has_cell ? s.slots * job.Hp : 0);
    carry_h = cut.take(s.slots * Rp);
    carry_c = cut.take(Cell::has_cell ? s.slots * job.Hp : 0);
    for (T*& g : gradient) g = cut.take(most * gradient_pitch<Cell, T>(job));
    dh = cut.take(job.P ? most * Rp : 0);
    output = cut.take(job.P ? most * job.Hp : 0);
    pack_x = cut.take(outer_tiles<T>(job.I) * outer_width<T>() * most);
    pack_h = cut.take(outer_tiles<T>(job.R) * outer_width<T>() * most);
    pack_r = cut.take(job.P ? outer_tiles<T>(job.H) * outer_width<T>() * most : 0);
    for (int member = 0; member < job.team; ++member) {
      T* own_panel = cut.take(most * 4 * Vec<T>::N);
      const T** own[8];
      for (int i = 0; i < 8; ++i) own[i] = cut.template take<const T*>(most);
      T** rows[4];
      for (int i = 0; i < 4; ++i) rows[i] = cut.template take<T*>(most);
      std::uint8_t* own_reset = cut.template take<std::uint8_t>(most);
      if (member == job.rank) {
        panel = own_panel;
        after = own[0], dy = own[1], kept = own[2], c = own[3];
        c_before = own[4], h_before = own[5], h = own[6], x = own[7];
        gradients = rows[0], dh_rows = rows[1], outputs = rows[2], dx = rows[3];
        reset = own_reset;
      }
    }
    used = cut.used;
  }
};

// Pointers of all rows of the steps begin..end, in the order of the chunk's gradients.
template <class Cell, class T>
inline Index chunk_rows_back(const Job<T>& job, const BackwardScratch<Cell, T>& f, Index begin, Index end,
                             T* gradient) {
  const Index pitch = gradient_pitch<Cell, T>(job);
  Index row = 0;
  for (Index s = begin; s < end; ++s) {
    for (Index j = 0; j < job.shard.active[s]; ++j, ++row) {
      const bool fresh = is_reset(job, j, s);
      const Index b = job.shard.sequence[j], r = saved_row(job, j, s);
      f.reset[row] = fresh;
      f.dy[row] = row_of<T>(job, job.dy, j, s);
      f.h[row] = row_of<T>(job, job.y, j, s);
      f.h_before[row] = fresh    ? f.zeros
                        : s > 0  ? row_of<T>(job, job.y, j, s - 1)
                        : job.h0 ? job.h0 + b * job.R
                                 : f.zeros;
      f.x[row] = row_of<T>(job, job.x, j, s);
      if (job.dx.data) f.dx[row] = row_of<T>(job, job.dx, j, s);
      if constexpr (Cell::saved > 0) f.kept[row] = job.gates + r * Cell::saved * job.Hp;
      if constexpr (Cell::has_cell) {
        f.c[row] = job.cells + r * job.Hp;
        f.c_before[row] = fresh    ? f.zeros
                          : s == 0 ? f.c_first + j * job.Hp
                                   : job.cells + saved_row(job, j, s - 1) * job.Hp;
      }
      f.gradients[row] = gradient + row * pitch;
      if (job.P) {
        f.dh_rows[row] = f.dh + row * padded<T>(job.R);
        f.outputs[row] = f.output + row * job.Hp;
      }
    }
  }
  return row;
}

// Gradients of weights, biases and inputs from a chunk's rows.
template <class Cell, class T>
inline void bulk_back(const Job<T>& job, const BackwardScratch<Cell, T>& f, const T* gradient, Index rows,
                      bool first) {
  constexpr int h_first = Cell::planes - Cell::gates;
  const Index pitch = gradient_pitch<Cell, T>(job), of_x = Cell::x_planes * job.Hp, of_h = Cell::gates * job.Hp;
  const Index tiles_x = job.dw_x ? outer_tiles<T>(job.I) : 0, tiles_h = job.dw_h ? outer_tiles<T>(job.R) : 0;
  if (job.dx.data) {
    const Share p = share_of(job, panels_of<T>(job.I));
    product<T>(f.gradients, rows, of_x, job.packed_x, nullptr, job.I, job.I, f.dx, p.first, p.last);
  }
  Share own = share_of(job, tiles_x);
  pack_outer<T>(f.x, rows, job.I, f.pack_x, own.first, own.last);
  own = share_of(job, tiles_h);
  pack_outer<T>(f.h_before, rows, job.R, f.pack_h, own.first, own.last);
  if (job.dw_r) {
    own = share_of(job, outer_tiles<T>(job.H));
    pack_outer<T>(f.outputs, rows, job.H, f.pack_r, own.first, own.last);
  }
  sync(job);
  const OuterOperand<T> operands[2] = {{f.pack_x, tiles_x, job.dw_x}, {f.pack_h, tiles_h, job.dw_h}};
  if constexpr (h_first == 0) {
    own = share_of(job, tiles_x || tiles_h || job.db_x ? panels_of<T>(of_x) : 0);
    outer_product<T>(gradient, pitch, rows, of_x, operands, 2, job.db_x, f.panel, first, own.first, own.last);
  } else {
    own = share_of(job, panels_of<T>(of_x));
    outer_product<T>(gradient, pitch, rows, of_x, operands, 1, job.db_x, f.panel, first, own.first, own.last);
    own = share_of(job, panels_of<T>(of_h));
    outer_product<T>(gradient + h_first * job.Hp, pitch, rows, of_h, operands + 1, 1, job.db_h, f.panel,
                     first, own.first, own.last);
  }
  if (job.dw_r) {
    const OuterOperand<T> r{f.pack_r, outer_tiles<T>(job.H), job.dw_r};
    own = share_of(job, panels_of<T>(padded<T>(job.P)));
    outer_product<T>(f.dh, padded<T>(job.R), rows, padded<T>(job.P), &r, 1, nullptr, f.panel, first,
                     own.first, own.last);
  }
  sync(job);
}

template <class Cell, class T>
inline void begin_back(const Job<T>& job, const BackwardScratch<Cell, T>& f) {
  const Index Rp = padded<T>(job.R);
  clear(f.zeros, Cell::planes * (Rp > job.Hp ? Rp : job.Hp));
  for (Index j = 0; j < job.shard.slots; ++j) {
    const Index b = job.shard.sequence[j];
    clear(f.carry_h + j * Rp, Rp);
    if (job.dhn) copy(f.carry_h + j * Rp, job.dhn + b * job.R, job.R);
    if constexpr (Cell::has_cell) {
      clear(f.carry_c + j * job.Hp, job.Hp);
      if (job.dcn) copy(f.carry_c + j * job.Hp, job.dcn + b * job.H, job.H);
      clear(f.c_first + j * job.Hp, job.Hp);
      if (job.c0) copy(f.c_first + j * job.Hp, job.c0 + b * job.H, job.H);
    }
  }
}

// Gradients of the initial states, and zeros at padding.
template <class Cell, class T>
inline void end_back(const Job<T>& job, const BackwardScratch<Cell, T>& f) {
  const Index Rp = padded<T>(job.R), n = job.shard.steps ? job.shard.active[0] : 0;
  if (job.dh0) {
    for (Index j = 0; j < n; ++j) f.dx[j] = job.dh0 + job.shard.sequence[j] * job.R;
    product<T>(f.after, n, Cell::gates * job.Hp, job.packed_h, nullptr, Rp, job.R, f.dx, 0, panels_of<T>(Rp));
    for (Index j = 0; j < job.shard.slots; ++j) {
      T* out = job.dh0 + job.shard.sequence[j] * job.R;
      const T* carry = f.carry_h + j * Rp;
      if (j >= n) {
        copy(out, carry, job.R);
      } else if (Cell::reads_h) {
        for (Index i = 0; i < job.R; ++i) out[i] += carry[i];
      }
    }
  }
  if constexpr (Cell::has_cell) {
    for (Index j = 0; job.dc0 && j < job.shard.slots; ++j)
      copy(job.dc0 + job.shard.sequence[j] * job.H, f.carry_c + j * job.Hp, job.H);
  }
  for (Index j = 0; job.dx.data && !job.offsets && j < job.shard.slots; ++j) {
    for (Index t = job.shard.length[j]; t < job.T_steps; ++t)
      clear(static_cast<T*>(job.dx.data) + job.shard.sequence[j] * job.dx.batch_stride + t * job.dx.time_stride,
            job.I);
  }
}

template <class Cell, class T>
void backward_job(const Job<T>& job) {
  constexpr int h_first = Cell::planes - Cell::gates;
  const Shard& shard = job.shard;
  const BackwardScratch<Cell, T> f(job, job.scratch);
  const Index Rp = padded<T>(job.R), pitch = gradient_pitch<Cell, T>(job);
  if (job.rank == 0) begin_back<Cell, T>(job, f);
  sync(job);
  const Share hidden = share_of(job, panels_of<T>(Rp)), units = share_of(job, panels_of<T>(job.Hp));
  int turn = 0;
  const T* later = nullptr;  // gradients of the step after
  for (Index end = shard.steps; end > 0; turn = !turn) {
    Index begin = end, rows = 0;
    while (begin > 0 && rows < f.chunk_rows) rows += shard.active[--begin];
    T* gradient = f.gradient[turn];
    chunk_rows_back<Cell, T>(job, f, begin, end, gradient);
    Index row = rows;
    for (Index s = end; s-- > begin;) {
      const Index n = shard.active[s], carried = shard.active[s + 1];
      row -= n;
      for (Index j = 0; j < carried; ++j)
        f.after[j] = is_reset(job, j, s + 1) ? f.zeros : later + j * pitch + h_first * job.Hp;
      StepBack<T> step{job.H, job.Hp, Cell::gates * job.Hp, f.after, f.dy + row,
                       job.P ? f.dh_rows + row : nullptr, f.kept + row, f.c + row, f.c_before + row,
                       f.h_before + row, f.h + row, f.gradients + row, job.P ? f.outputs + row : nullptr,
                       f.carry_h, f.carry_c, job.resets ? f.reset + row : nullptr};
      hidden_back<Cell, T>(step, job.packed_h, job.R, 0, carried, true, hidden);
      hidden_back<Cell, T>(step, job.packed_h, job.R, carried, n, false, hidden);
      if (job.P) {
        sync(job);
        projection_back<Cell, T>(step, job.packed_r, Rp, n, units);
      }
      sync(job);
      later = gradient + row * pitch;
    }
    bulk_back<Cell, T>(job, f, gradient, rows, end == shard.steps);
    end = begin;
  }
  if (job.rank == 0) {
    for (Index j = 0; shard.steps && j < shard.active[0]; ++j)
      f.after[j] = is_reset(job, j, 0) ? f.zeros : later + j * pitch + h_first * job.Hp;
    end_back<Cell, T>(job, f);
  }
}

}  // namespace gatework::GATEWORK_PATH
