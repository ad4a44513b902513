// One step backward: the gradient of h from the step after it, and the cell's derivative while it is in registers.
#pragma once

#include "forward.h"

namespace gatework::GATEWORK_PATH {

// The active slots of one step; a slot that ends here has no step after it.
template <class T>
struct StepBack {
  Index H = 0, Hp = 0, K = 0;              // K: planes of h in a row of gradients, padded
  bool carries = false;                    // something goes to h' beside the products
  bool decay = false;
  const T* params = nullptr;               // planes of Hp
  T* dparams = nullptr;                    // the same, added to; null: not wanted
  const T* const* after = nullptr;         // (slots) gradients of the step after, planes of h; zeros behind a reset
  const T* const* scale_after = nullptr;   // (slots) what h was multiplied by there; null: nothing
  T* const* dscale_after = nullptr;        // (slots) null: not wanted
  const T* const* zone_h = nullptr;        // (slots) null: nothing stays
  const T* const* zone_c = nullptr;
  const T* const* dy = nullptr;            // (slots) rows of R; null: h is a projection and its gradient is in `dh`
  T* const* dh = nullptr;                  // (slots) rows of Rp, of projections and of cells that take rows
  const T* const* kept = nullptr;          // (slots) planes
  const T* const* c = nullptr;             // (slots) planes
  const T* const* c_before = nullptr;      // (slots) planes
  const T* const* h_beside = nullptr;      // (slots) h' as the cell reads it
  const T* const* h = nullptr;             // (slots)
  T* const* gradient = nullptr;            // (slots) planes
  T* const* output = nullptr;              // (slots) rows of Hp: o tanh(c), projected only
  T* carry_h = nullptr;                    // (slots, Rp) what comes to h' beside the products
  T* carry_c = nullptr;                    // (slots, planes of Hp)
  const std::uint8_t* reset = nullptr;     // (slots) nothing goes back from here; null: nowhere
};

// Gradients of the gates of one unit vector; returns what goes to h' beside the products.
template <class Cell, class T>
inline Vec<T> cell_back(const StepBack<T>& s, Vec<T> dh, Index slot, Index u) {
  using V = Vec<T>;
  constexpr int C = Cell::cells;
  V plane[plane_count<Cell>], c[some(C)], before[some(C)], dc[some(C)], param[some(Cell::params)];
  V h_before = V::zero(), h = V::zero();
  const int real = static_cast<int>(within(s.H - u, V::N));
  if constexpr (Cell::saved > 0) {
#pragma GCC unroll 8
    for (int p = 0; p < Cell::saved; ++p) plane[p] = V::load(s.kept[slot] + p * s.Hp + u);
  } else {
    h = load_within(s.h[slot] + u, real);
  }
  if constexpr (Cell::reads_h) h_before = load_within(s.h_beside[slot] + u, real);
#pragma GCC unroll 4
  for (int k = 0; k < C; ++k) {
    c[k] = V::load(s.c[slot] + k * s.Hp + u);
    before[k] = V::load(s.c_before[slot] + k * s.Hp + u);
    dc[k] = V::load(s.carry_c + (slot * C + k) * s.Hp + u);
  }
#pragma GCC unroll 4
  for (int k = 0; k < Cell::params; ++k) param[k] = V::load(s.params + k * s.Hp + u);
  V stays_h = V::zero(), stays_c = V::zero();
  if (s.zone_h) {
    const V zone = load_within(s.zone_h[slot] + u, real);
    stays_h = dh * zone;
    dh = dh - stays_h;
    if constexpr (Cell::saved == 0) {
      // The output is a mixture; what the cell gave is taken out of it again (whatever, where all of the old stays).
      // `kept` rounded as forward's, so that a relu's 0 is 0 again.
      const V one = V::set1(T(1)), kept = fma(zone, load_within(s.h_beside[slot] + u, real), V::zero());
      h = select_lt(zone, one, (h - kept) / (one - zone), V::zero());
    }
  }
  if constexpr (Cell::projects) {
    if (s.output) Cell::template output<T>(plane, c).store(s.output[slot] + u);
  }
  if constexpr (Cell::zones) {
    if (s.zone_c) {
      stays_c = dc[0] * load_within(s.zone_c[slot] + u, real);
      dc[0] = dc[0] - stays_c;
      c[0] = Cell::template state<T>(plane, before);
    }
  }
  V dparam[some(Cell::params)];
  const V on = Cell::template backward<T>(dh, plane, c, before, dc, h_before, h, param, dparam) + stays_h;
  if constexpr (Cell::zones) {
    if (s.zone_c) dc[0] = dc[0] + stays_c;
  }
  if constexpr (Cell::params > 0) {
    for (int k = 0; s.dparams && k < Cell::params; ++k) {
      T* sum = s.dparams + k * s.Hp + u;
      (V::load(sum) + dparam[k]).store(sum);
    }
  }
  const bool reset = s.reset && s.reset[slot];
#pragma GCC unroll 4
  for (int k = 0; k < C; ++k) (reset ? V::zero() : dc[k]).store(s.carry_c + (slot * C + k) * s.Hp + u);
#pragma GCC unroll 4
  for (int p = 0; p < Cell::planes; ++p) plane[p].store(s.gradient[slot] + p * s.Hp + u);
  // lanes beyond the last unit: 0 times an infinite input is NaN, and NaN times a panel's zeros would be seen
  for (int p = 0; real < V::N && p < Cell::planes; ++p)
    clear(s.gradient[slot] + p * s.Hp + u + real, V::N - real);
  return reset ? V::zero() : on;
}

// What comes back to h through the step after it: `products` with its gradients, `carry` beside them.  Where that
// step multiplied h by a scale, the scale's gradient is written here.
template <class T>
GW_INLINE Vec<T> through_after(const StepBack<T>& s, Vec<T> products, Vec<T> carry, Index slot, Index u, int real) {
  if (!s.scale_after) return products + carry;
  const Vec<T> back = s.decay ? products + carry : products;
  if (s.dscale_after) {
    T* to = s.dscale_after[slot] + u;
    const Vec<T> of_scale = back * load_within(s.h[slot] + u, real);
    real == Vec<T>::N ? of_scale.store(to) : of_scale.store(to, real);
  }
  const Vec<T> scaled = back * load_within(s.scale_after[slot] + u, real);
  return s.decay ? scaled : scaled + carry;
}

// dh of slots begin..end, columns of panels first..last: from the step after where there is one, what is
// carried, and dy.  Then the cell's derivative, or, for a projection, dh into memory.
template <class Cell, class T>
GW_ONCE void hidden_back(const StepBack<T>& s, const T* packed, Index R, Index begin, Index end, bool after,
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
      if (after && Cell::gates > 0)
        tile_of<T>(m, nv)(s.after + row, packed + column * s.K, s.K, nullptr, products.rows);
      for (int i = 0; i < m; ++i) {
        const Index slot = row + i;
        for (int v = 0; v < nv; ++v) {
          const Index u = column + v * N;
          const int real = static_cast<int>(within(R - u, N));
          T* carry = s.carry_h + slot * Rp + u;
          V dh = load_within(s.dy[slot] + u, real);
          if (after) {
            const V product = Cell::gates > 0 ? V::load(products.rows[i] + v * N) : V::zero();
            dh = dh + through_after(s, product, s.carries ? V::load(carry) : V::zero(), slot, u, real);
          } else {
            dh = dh + V::load(carry);
          }
          if (takes_rows<Cell> || s.dh) {
            dh.store(s.dh[slot] + u);
          } else if constexpr (!takes_rows<Cell>) {
            const V on = cell_back<Cell, T>(s, dh, slot, u);
            if (s.carries) on.store(carry);
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

}  // namespace gatework::GATEWORK_PATH
