// A few steps straight from torch's weights: below about 8 rows packing them takes longer than the steps.
#pragma once

#include "forward.h"

namespace gatework::GATEWORK_PATH {

// out[i] = w[i] . a for N rows of w, K apart, the first `rows` of them real; the sums meet in registers.
template <class T>
GW_ONCE Vec<T> dots(const T* w, Index rows, const T* a, Index K) {
  using V = Vec<T>;
  constexpr int N = V::N;
  V acc[N];
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) acc[i] = V::zero();
  const auto add = [&](Index k, int n) __attribute__((always_inline)) {
    const V x = n == N ? V::load(a + k) : V::load(a + k, n);
    for (Index i = 0; i < rows; ++i) {
      const V y = n == N ? V::load(w + i * K + k) : V::load(w + i * K + k, n);
      acc[i] = fma(x, y, acc[i]);
    }
  };
  Index k = 0;
  if (rows == N) {
    for (; k + N <= K; k += N) {
      const V x = V::load(a + k);
#pragma GCC unroll 16
      for (int i = 0; i < N; ++i) acc[i] = fma(x, V::load(w + i * K + k), acc[i]);
    }
  } else {
    for (; k + N <= K; k += N) add(k, N);
  }
  if (k < K) add(k, static_cast<int>(K - k));
  transpose<T>(acc);
  V total = acc[0];
#pragma GCC unroll 16
  for (int i = 1; i < N; ++i) total = total + acc[i];
  return total;
}

template <class Cell, class T>
constexpr Index small_scratch(Index H, Index R) {
  const Index planes = Cell::x_planes + (takes_rows<Cell> ? Cell::gates : 0);
  return 2 * padded<T>(R) + (Cell::cells * 2 + 1 + planes) * padded<T>(H);
}

// Like forward_job in inference, one sequence after the other.  job.packed_x, packed_h, packed_r are
// torch's w_ih, w_hh, w_hr; job.bias_x and bias_h as always.
template <class Cell, class T>
void small_job(const Job<T>& job) {
  using V = Vec<T>;
  constexpr Index N = V::N;
  Cutter<T> cut{job.scratch};
  T* zeros = cut.take(job.R);
  T* scaled = cut.take(job.scale.data ? job.R : 0);
  T* c = cut.take(Cell::cells * job.Hp);
  T* out = cut.take(job.Hp);
  T* inputs = cut.take(Cell::x_planes * job.Hp);
  T* sums = cut.take(takes_rows<Cell> ? Cell::gates * job.Hp : 0);
  Buffer<T> products;
  products.shape(Cell::gates);
  clear(zeros, job.R);
  for (Index slot = 0; slot < job.shard.slots; ++slot) {
    const Index b = job.shard.sequence[slot], L = job.shard.length[slot];
    const T* h = job.h0 ? job.h0 + b * job.R : zeros;
    clear(c, Cell::cells * job.Hp);
    if (job.c0) take_cells<Cell>(c, job.c0 + b * Cell::cells * job.H, job.H, job.Hp);
    for (Index s = 0; s < L; ++s) {
      const T* x = row_of<T>(job, job.x, slot, s);
      T* y = row_of<T>(job, job.y, slot, s);
      if (is_reset(job, slot, s)) {
        h = zeros;
        clear(c, Cell::cells * job.Hp);
      }
      const T *h_row[1] = {h}, *beside[1] = {h}, *c_row[1] = {c}, *zone_h[1] = {}, *zone_c[1] = {};
      T *gates_row[1] = {inputs}, *c_out[1] = {c}, *out_row[1] = {out};
      if (job.scale.data) {
        scale_row(scaled, h, row_of<T>(job, job.scale, slot, s), job.R);
        h_row[0] = scaled;
        if (job.decay) beside[0] = scaled;
      }
      Step<T> step;
      step.H = job.H, step.Hp = step.pitch = step.out_width = job.Hp, step.R = job.R, step.params = job.params;
      step.h_before = h_row, step.h_beside = beside, step.c_before = c_row, step.c = c_out;
      step.gates = gates_row, step.out = out_row;
      if (job.zone_h.data) zone_h[0] = row_of<T>(job, job.zone_h, slot, s), step.zone_h = zone_h;
      if (job.zone_c.data) zone_c[0] = row_of<T>(job, job.zone_c, slot, s), step.zone_c = zone_c;
      for (Index u0 = 0; u0 < job.Hp; u0 += N) {
        const Index units = within(job.H - u0, N);
        for (int p = 0; p < Cell::x_planes; ++p) {
          const V sum = dots<T>(job.packed_x + (Cell::x_gate[p] * job.H + u0) * job.I, units, x, job.I);
          (sum + V::load(job.bias_x + p * job.Hp + u0)).store(inputs + p * job.Hp + u0);
        }
        for (int g = 0; g < Cell::gates; ++g) {
          const V sum = dots<T>(job.packed_h + (Cell::h_gate[g] * job.H + u0) * job.R, units, h_row[0], job.R);
          (sum + V::load(job.bias_h + g * job.Hp + u0))
              .store(takes_rows<Cell> ? sums + g * job.Hp + u0 : products.data + g * N);
        }
        if constexpr (!takes_rows<Cell>) step_cells<Cell, T>(step, products, 0, 1, u0, 1);
      }
      if constexpr (takes_rows<Cell>) {
        T* sums_row[1] = {sums};
        step.sums = sums_row;
        step_rows<Cell, T>(step, {0, 1});
      }
      if (job.P) {
        for (Index p0 = 0; p0 < job.P; p0 += N) {
          const Index n = within(job.P - p0, N);
          dots<T>(job.packed_r + p0 * job.H, n, out, job.H).store(y + p0, static_cast<int>(n));
        }
      } else {
        copy(y, out, job.H);
      }
      h = y;
    }
    copy(job.hn + b * job.R, h, job.R);
    give_cells<Cell>(job.cn + b * Cell::cells * job.H, c, job.H, job.Hp);
    for (Index t = L; !job.offsets && t < job.T_steps; ++t)
      clear(static_cast<T*>(job.y.data) + b * job.y.batch_stride + t * job.y.time_stride, job.R);
  }
}

}  // namespace gatework::GATEWORK_PATH
