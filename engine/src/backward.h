// Backward through time: step by step the products that carry the gradient of h back, the cell's derivative
// in the same registers, and after every chunk of steps the gradients of weights and inputs in bulk.
#pragma once

#include "forward.h"
#include "outer.h"
#include "step_back.h"

namespace gatework::GATEWORK_PATH {

// Rows of gradients lie a little more than their width apart: at multiples of 4 KB the six rows of a tile would
// compete for one set of the L1 cache.
template <class Cell, class T>
GW_INLINE Index gradient_pitch(const Job<T>& job) {
  return Cell::planes * job.Hp + padded<T>(1);
}

// A row of zeros serves as gradients of a step and as what is carried beside h.
template <class Cell, class T>
GW_INLINE Index zeros_back(const Job<T>& job) {
  const Index Rp = padded<T>(job.R), widest = Rp > job.Hp ? Rp : job.Hp;
  return larger(Cell::planes, some(Cell::cells)) * widest;
}

template <class Cell, class T>
struct BackwardScratch {
  T *zeros = nullptr, *c_first = nullptr, *carry_h = nullptr, *carry_c = nullptr, *dh = nullptr;
  T *gradient[2] = {}, *output = nullptr, *pack_x = nullptr, *pack_h = nullptr, *pack_r = nullptr;
  T *panel = nullptr, *dparams = nullptr;
  const T **after = nullptr, **dy = nullptr, **kept = nullptr, **c = nullptr, **c_before = nullptr;
  const T **h_before = nullptr, **h_beside = nullptr, **h = nullptr, **x = nullptr;
  const T **zone_h = nullptr, **zone_c = nullptr, **scale_after = nullptr;
  T *h_scaled = nullptr, *first = nullptr, **dscale_after = nullptr, **dh_first = nullptr;
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
    zeros = cut.take(zeros_back<Cell>(job));
    c_first = cut.take(s.slots * Cell::cells * job.Hp);
    carry_h = cut.take(s.slots * Rp);
    carry_c = cut.take(s.slots * Cell::cells * job.Hp);
    h_scaled = cut.take(job.scale.data ? most * Rp : 0);
    for (T*& g : gradient) g = cut.take(most * gradient_pitch<Cell, T>(job));
    dh = cut.take(takes_rows<Cell> ? s.slots * Rp : job.P ? most * Rp : 0);
    dparams = cut.take(takes_rows<Cell> ? job.team * Cell::params * job.Hp : 0);
    first = cut.take(s.slots * Rp);
    output = cut.take(job.P ? most * job.Hp : 0);
    pack_x = cut.take(outer_tiles<T>(job.I) * outer_width<T>() * most);
    pack_h = cut.take(outer_tiles<T>(job.R) * outer_width<T>() * most);
    pack_r = cut.take(job.P ? outer_tiles<T>(job.H) * outer_width<T>() * most : 0);
    for (int member = 0; member < job.team; ++member) {
      T* own_panel = cut.take(most * 4 * Vec<T>::N);
      const T** own[12];
      for (int i = 0; i < 12; ++i) own[i] = cut.template take<const T*>(most);
      T** rows[6];
      for (int i = 0; i < 6; ++i) rows[i] = cut.template take<T*>(most);
      std::uint8_t* own_reset = cut.template take<std::uint8_t>(most);
      if (member == job.rank) {
        panel = own_panel;
        after = own[0], dy = own[1], kept = own[2], c = own[3];
        c_before = own[4], h_before = own[5], h = own[6], x = own[7], h_beside = own[8];
        if (job.zone_h.data) zone_h = own[9];
        if (job.zone_c.data) zone_c = own[10];
        if (job.scale.data) scale_after = own[11];
        gradients = rows[0], dh_rows = rows[1], outputs = rows[2], dx = rows[3];
        if (job.dscale.data) dscale_after = rows[4];
        dh_first = rows[5];
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
  constexpr Index C = Cell::cells;
  const Index pitch = gradient_pitch<Cell, T>(job), Rp = padded<T>(job.R);
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
      if constexpr (C > 0) {
        f.c[row] = job.cells + r * C * job.Hp;
        f.c_before[row] = fresh    ? f.zeros
                          : s == 0 ? f.c_first + j * C * job.Hp
                                   : job.cells + saved_row(job, j, s - 1) * C * job.Hp;
      }
      if (f.zone_h) f.zone_h[row] = row_of<T>(job, job.zone_h, j, s);
      if (f.zone_c) f.zone_c[row] = row_of<T>(job, job.zone_c, j, s);
      f.h_beside[row] = f.h_before[row];
      f.gradients[row] = gradient + row * pitch;
      if (job.P) {
        f.dh_rows[row] = f.dh + row * Rp;
        f.outputs[row] = f.output + row * job.Hp;
      }
    }
  }
  if (job.scale.data) {  // a member scales its part of the rows, all read them behind the next sync
    const Share own = share_of(job, row);
    Index i = 0;
    for (Index s = begin; s < end; ++s) {
      for (Index j = 0; j < job.shard.active[s]; ++j, ++i) {
        T* scaled = f.h_scaled + i * Rp;
        if (i >= own.first && i < own.last) scale_row(scaled, f.h_before[i], row_of<T>(job, job.scale, j, s), job.R);
        f.h_before[i] = scaled;
        if (job.decay) f.h_beside[i] = scaled;
      }
    }
    sync(job);
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
  constexpr Index C = Cell::cells;
  const Index Rp = padded<T>(job.R);
  clear(f.zeros, zeros_back<Cell>(job));
  clear(f.carry_c, job.shard.slots * C * job.Hp);
  if (job.dparams) clear(job.dparams, Cell::params * job.Hp);
  for (Index j = 0; j < job.shard.slots; ++j) {
    const Index b = job.shard.sequence[j];
    clear(f.carry_h + j * Rp, Rp);
    if (job.dhn) copy(f.carry_h + j * Rp, job.dhn + b * job.R, job.R);
    if (C && job.dcn) take_cells<Cell>(f.carry_c + j * C * job.Hp, job.dcn + b * C * job.H, job.H, job.Hp);
  }
  first_cells<Cell>(job, f.c_first);
}

// Zeros where no step was.
template <class T>
inline void clear_padding(const Job<T>& job, const Rows& rows, Index width) {
  for (Index j = 0; rows.data && !job.offsets && j < job.shard.slots; ++j) {
    for (Index t = job.shard.length[j]; t < job.T_steps; ++t)
      clear(static_cast<T*>(rows.data) + job.shard.sequence[j] * rows.batch_stride + t * rows.time_stride, width);
  }
}

// Gradients of the initial states and of the scale of the first step, and zeros at padding.
template <class Cell, class T>
inline void end_back(const Job<T>& job, const BackwardScratch<Cell, T>& f, bool carries) {
  constexpr Index C = Cell::cells;
  const Index Rp = padded<T>(job.R), n = job.shard.steps ? job.shard.active[0] : 0;
  if (job.dh0 || job.dscale.data) {
    for (Index j = 0; j < n; ++j) f.dh_first[j] = f.first + j * Rp;
    product<T>(f.after, n, Cell::gates * job.Hp, job.packed_h, nullptr, Rp, job.R, f.dh_first, 0, panels_of<T>(Rp));
    for (Index j = 0; j < job.shard.slots; ++j) {
      const Index b = job.shard.sequence[j];
      T* out = job.dh0 ? job.dh0 + b * job.R : nullptr;
      const T* carry = f.carry_h + j * Rp;
      if (j >= n) {
        if (out) copy(out, carry, job.R);
        continue;
      }
      const T* h0 = job.h0 && !is_reset(job, j, 0) ? job.h0 + b * job.R : f.zeros;
      const T* scale = job.scale.data ? row_of<T>(job, job.scale, j, 0) : nullptr;
      T* dscale = job.dscale.data ? row_of<T>(job, job.dscale, j, 0) : nullptr;
      for (Index i = 0; i < job.R; ++i) {
        const T beside = carries ? carry[i] : T(0), back = f.dh_first[j][i] + (job.decay ? beside : T(0));
        if (dscale) dscale[i] = back * h0[i];
        if (out) out[i] = (scale ? back * scale[i] : back) + (job.decay ? T(0) : beside);
      }
    }
  }
  for (Index j = 0; C && job.dc0 && j < job.shard.slots; ++j)
    give_cells<Cell>(job.dc0 + job.shard.sequence[j] * C * job.H, f.carry_c + j * C * job.Hp, job.H, job.Hp);
  clear_padding(job, job.dx, job.I);
  clear_padding(job, job.dscale, job.R);
}

template <class Cell, class T>
void backward_job(const Job<T>& job) {
  constexpr int h_first = Cell::planes - Cell::gates;
  const Shard& shard = job.shard;
  const BackwardScratch<Cell, T> f(job, job.scratch);
  const Index Rp = padded<T>(job.R), pitch = gradient_pitch<Cell, T>(job);
  if (job.rank == 0) begin_back<Cell, T>(job, f);
  const Index params = Cell::params * job.Hp;
  T* dparams = job.dparams;
  if constexpr (takes_rows<Cell>) {
    for (Index j = 0; shard.steps && j < shard.active[0]; ++j) f.dh_rows[j] = f.dh + j * Rp;
    if (dparams) clear(dparams = f.dparams + job.rank * params, params);
  }
  sync(job);
  const bool carries = Cell::reads_h || job.zone_h.data;
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
      for (Index j = 0; j < carried; ++j) {
        f.after[j] = is_reset(job, j, s + 1) ? f.zeros : later + j * pitch + h_first * job.Hp;
        if (f.scale_after) f.scale_after[j] = row_of<T>(job, job.scale, j, s + 1);
        if (f.dscale_after) f.dscale_after[j] = row_of<T>(job, job.dscale, j, s + 1);
      }
      StepBack<T> step;
      step.H = job.H, step.Hp = job.Hp, step.K = Cell::gates * job.Hp, step.carries = carries, step.decay = job.decay;
      step.params = job.params, step.dparams = dparams, step.after = f.after;
      step.scale_after = f.scale_after, step.dscale_after = f.dscale_after;
      if (f.zone_h) step.zone_h = f.zone_h + row;
      if (f.zone_c) step.zone_c = f.zone_c + row;
      if (job.P) step.dh = f.dh_rows + row, step.output = f.outputs + row;
      if (takes_rows<Cell>) step.dh = f.dh_rows;
      if (job.resets) step.reset = f.reset + row;
      step.dy = f.dy + row, step.kept = f.kept + row, step.c = f.c + row, step.c_before = f.c_before + row;
      step.h_beside = f.h_beside + row, step.h = f.h + row, step.gradient = f.gradients + row;
      step.carry_h = f.carry_h, step.carry_c = f.carry_c;
      hidden_back<Cell, T>(step, job.packed_h, job.R, 0, carried, true, hidden);
      hidden_back<Cell, T>(step, job.packed_h, job.R, carried, n, false, hidden);
      if constexpr (Cell::projects) {
        if (job.P) {
          sync(job);
          projection_back<Cell, T>(step, job.packed_r, Rp, n, units);
        }
      }
      if constexpr (takes_rows<Cell>) {
        sync(job);
        rows_back<Cell, T>(step, share_of(job, n));
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
    end_back<Cell, T>(job, f, carries);
    for (Index i = 0; takes_rows<Cell> && dparams && i < job.team * params; ++i)
      job.dparams[i % params] += f.dparams[i];
  }
}

}  // namespace gatework::GATEWORK_PATH
