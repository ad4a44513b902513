// Cells that need all sums of a step's row before any of its units, such as those that normalise them: what such a
// cell is given, and the sums over rows that it is made of.  A struct of such a cell says, beside what cells/cell.h
// asks for:
//
//   rows         true
//   x_at         values a unit that are kept before the products with x (the gates); what is kept are the gates, the
//                products with x, those with h, and a plane whose first elements are the row's own numbers
//   planes       gradients of the products with x, then those of the products with h, apart
//
//   forward      of one row; backward   of one row
#pragma once

#include "cells/cell.h"
#include "pack.h"
#include "walk.h"

namespace gatework::GATEWORK_PATH {

template <class T>
struct Step;
template <class T>
struct StepBack;

// One row of a step, forward.
template <class T>
struct Row {
  Index H, Hp;
  const T* params;         // planes of Hp
  const T *x, *h;          // planes: products
  T* gates;                // planes; may be x
  T* numbers;              // what backward needs beside planes; null: nothing is kept, then c may be c_before
  const T *c_before, *before;  // planes of Hp; h' as the cell reads it, R
  const T *zone_h, *zone_c;    // H; null: nothing stays
  T *c, *out;
  Index out_width;
};

// And backward.
template <class T>
struct RowBack {
  Index H, Hp;
  const T* params;
  T* dparams;              // added to; null: not wanted
  const T *gates, *x, *h, *numbers;
  const T *c, *c_before, *before, *zone_h, *zone_c;
  const T* dh;             // Rp
  T *carry_h, *carry_c;    // out: what goes to h' beside the products (null: nothing); in and out: of c
  T *dx, *dh_sums;         // planes
  bool reset;              // nothing goes back from here
};

template <class T>
GW_INLINE T inverse_root(T x) {
  if constexpr (sizeof(T) == 4) return T(1) / __builtin_sqrtf(x);
  else return T(1) / __builtin_sqrt(x);
}

// 1 in the first n lanes, 0 in the others.
template <class T>
GW_INLINE Vec<T> first_lanes(int n) {
  static constexpr T ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  return Vec<T>::load(ones, n);
}

// Mean and 1 / sqrt(variance + 1e-5) of H units of `planes` planes together; the variance around the mean, in a second
// walk, so that nothing cancels.
template <class T>
struct Moments {
  T mean, scale;
};
template <int planes, class T>
GW_ONCE Moments<T> moments(const T* row, Index H, Index Hp) {
  using V = Vec<T>;
  constexpr Index N = V::N;
  const Index whole = H / N * N;
  const int rest = static_cast<int>(H - whole);
  const T count = T(planes * H);
  V sum[planes];
#pragma GCC unroll 4
  for (int p = 0; p < planes; ++p) sum[p] = V::load(row + p * Hp + whole, rest);
  for (Index u = 0; u < whole; u += N) {
#pragma GCC unroll 4
    for (int p = 0; p < planes; ++p) sum[p] = sum[p] + V::load(row + p * Hp + u);
  }
  for (int p = 1; p < planes; ++p) sum[0] = sum[0] + sum[p];
  const T mean = sum[0].sum() / count;
  const V centre = V::set1(mean), there = first_lanes<T>(rest);
#pragma GCC unroll 4
  for (int p = 0; p < planes; ++p) {
    const V d = (V::load(row + p * Hp + whole, rest) - centre) * there;
    sum[p] = d * d;
  }
  for (Index u = 0; u < whole; u += N) {
#pragma GCC unroll 4
    for (int p = 0; p < planes; ++p) {
      const V d = V::load(row + p * Hp + u) - centre;
      sum[p] = fma(d, d, sum[p]);
    }
  }
  for (int p = 1; p < planes; ++p) sum[0] = sum[0] + sum[p];
  return {mean, inverse_root(sum[0].sum() / count + T(1e-5))};
}

// What moments do to values, n(a) = (a - mean) scale, and backward, where dn are the gradients of n:
// da = scale (dn - mean of dn - n * mean of dn n).
template <class T>
struct Normal {
  using V = Vec<T>;
  V mean, scale, first = V::zero(), second = V::zero();

  explicit GW_INLINE Normal(const T* numbers) : mean(V::set1(numbers[0])), scale(V::set1(numbers[1])) {}
  explicit GW_INLINE Normal(Moments<T> m) : mean(V::set1(m.mean)), scale(V::set1(m.scale)) {}
  GW_INLINE V operator()(V a) const { return (a - mean) * scale; }
  GW_INLINE void add(V dn, V n) {
    first = first + dn;
    second = fma(dn, n, second);
  }
  GW_INLINE void close(Index count) {
    first = V::set1(first.sum() / T(count));
    second = V::set1(second.sum() / T(count));
  }
  GW_INLINE V back(V dn, V n) const { return scale * (dn - fma(n, second, first)); }
};

template <class T>
GW_INLINE void keep_moments(T* numbers, Moments<T> m) {
  numbers[0] = m.mean;
  numbers[1] = m.scale;
}

template <class T>
GW_INLINE void add_to(T* sum, Vec<T> x) {
  (Vec<T>::load(sum) + x).store(sum);
}

// h of a vector of units: what stays of h', and into memory.
template <class T>
GW_INLINE void give_output(const Row<T>& r, Vec<T> h, Index u) {
  if (r.zone_h) {
    const int there = static_cast<int>(within(r.H - u, Vec<T>::N));
    const Vec<T> stays = load_within(r.zone_h + u, there);
    h = fma(stays, load_within(r.before + u, there), fnma(stays, h, h));
  }
  const int real = static_cast<int>(within(r.out_width - u, Vec<T>::N));
  real == Vec<T>::N ? h.store(r.out + u) : h.store(r.out + u, real);
}

// Slots first..last of a step whose products are all in memory.
template <class Cell, class T>
GW_ONCE void step_rows(const Step<T>& s, Share share) {
  for (Index i = share.first; i < share.last; ++i) {
    Row<T> r;
    r.H = s.H, r.Hp = s.Hp, r.params = s.params;
    r.x = s.gates[i], r.h = s.sums[i];
    r.gates = s.keep ? s.gates[i] - Cell::x_at * s.Hp : s.gates[i];
    r.numbers = s.keep ? r.gates + (Cell::saved - 1) * s.Hp : nullptr;
    r.c_before = Cell::cells ? s.c_before[i] : nullptr;
    r.before = s.h_beside[i];
    r.zone_h = s.zone_h ? s.zone_h[i] : nullptr, r.zone_c = s.zone_c ? s.zone_c[i] : nullptr;
    r.c = Cell::cells ? s.c[i] : nullptr;
    r.out = s.out[i], r.out_width = s.out_width;
    Cell::template forward<T>(r);
  }
}

// Slots first..last of a step whose dh are all in memory; parameters' gradients are this member's own.
template <class Cell, class T>
GW_ONCE void rows_back(const StepBack<T>& s, Share share) {
  for (Index i = share.first; i < share.last; ++i) {
    const T* kept = s.kept[i];
    RowBack<T> r;
    r.H = s.H, r.Hp = s.Hp, r.params = s.params, r.dparams = s.dparams;
    r.gates = kept, r.x = kept + Cell::x_at * s.Hp, r.h = r.x + Cell::x_planes * s.Hp;
    r.numbers = kept + (Cell::saved - 1) * s.Hp;
    r.c = Cell::cells ? s.c[i] : nullptr, r.c_before = Cell::cells ? s.c_before[i] : nullptr;
    r.before = s.h_beside[i];
    r.zone_h = s.zone_h ? s.zone_h[i] : nullptr, r.zone_c = s.zone_c ? s.zone_c[i] : nullptr;
    r.dh = s.dh[i];
    r.carry_h = s.carries ? s.carry_h + i * padded<T>(s.H) : nullptr;
    r.carry_c = s.carry_c + i * Cell::cells * s.Hp;
    r.dx = s.gradient[i], r.dh_sums = r.dx + Cell::x_planes * s.Hp;
    r.reset = s.reset && s.reset[i];
    Cell::template backward<T>(r);
    for (int p = 0; p < Cell::planes; ++p) clear(s.gradient[i] + p * s.Hp + s.H, s.Hp - s.H);
  }
}

}  // namespace gatework::GATEWORK_PATH
