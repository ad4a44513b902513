// LSTM and GRU with layer normalisation (Ba, Kiros & Hinton 2016, arXiv 1607.06450, equations 20 to 22 and the
// supplementary material's GRU).  n() is (a - mean) / sqrt(variance + 1e-5) over a row, without gain and bias.
//
//   LSTM   a = gx n(W_ih x) + gh n(W_hh h') + b      each n over all 4H
//          c = s(a_f) c' + s(a_i) tanh(a_g)          h = s(a_o) tanh(gc n(c) + bc)
//   GRU    r, z = s(gx n(W_ih x) + gh n(W_hh h') + b)  each n over both gates, 2H
//          n = tanh(gx n(W_in x) + bx + r (gh n(W_hn h') + bh))   h = (1 - z) n + z h'
#pragma once

#include "../rows.h"

namespace gatework::GATEWORK_PATH {

struct LayerNormLstm {
  static constexpr bool rows = true;
  static constexpr int gates = 4, x_planes = 4, planes = 8, x_at = 4, saved = 13, cells = 1, params = 14, bias_h = -1;
  static constexpr bool reads_h = false, zones = true, projects = false;
  static constexpr int x_gate[4] = {0, 1, 2, 3}, h_gate[4] = {0, 1, 2, 3};
  static constexpr int gx = 0, gh = 4, b = 8, gc = 12, bc = 13;  // rows of `params`

  template <class T>
  static GW_INLINE void forward(const Row<T>& r) {
    using V = Vec<T>;
    constexpr Index N = V::N;
    const Index H = r.H, Hp = r.Hp;
    const Moments<T> of_x = moments<4>(r.x, H, Hp), of_h = moments<4>(r.h, H, Hp);
    const Normal<T> x(of_x), h(of_h);
    // the new c, of which a part may stay as it was: in the candidate's place where c may be c'
    T *fresh = r.numbers ? r.c : r.gates + 2 * Hp, *output_gate = r.gates + 3 * Hp;
    for (Index u = 0; u < H; u += N) {
      V a[4];
#pragma GCC unroll 4
      for (int p = 0; p < 4; ++p) {
        const T* param = r.params + p * Hp + u;
        a[p] = fma(V::load(param + gh * Hp), h(V::load(r.h + p * Hp + u)), V::load(param + b * Hp));
        a[p] = fma(V::load(param + gx * Hp), x(V::load(r.x + p * Hp + u)), a[p]);
      }
      const V i = sigmoid(a[0]), f = sigmoid(a[1]), g = tanh(a[2]);
      const V c = fma(f, V::load(r.c_before + u), i * g);
      if (r.numbers) {
        i.store(r.gates + u);
        f.store(r.gates + Hp + u);
        g.store(r.gates + 2 * Hp + u);
      }
      sigmoid(a[3]).store(output_gate + u);
      c.store(fresh + u);
    }
    const Moments<T> of_c = moments<1>(fresh, H, Hp);
    const Normal<T> normal(of_c);
    if (r.numbers) {
      keep_moments(r.numbers, of_x);
      keep_moments(r.numbers + 2, of_h);
      keep_moments(r.numbers + 4, of_c);
    }
    for (Index u = 0; u < H; u += N) {
      V c = V::load(fresh + u);
      const V sum = fma(V::load(r.params + gc * Hp + u), normal(c), V::load(r.params + bc * Hp + u));
      if (r.zone_c) {
        const V stays = load_within(r.zone_c + u, static_cast<int>(within(H - u, N)));
        c = fma(stays, V::load(r.c_before + u), fnma(stays, c, c));
      }
      if (r.zone_c || fresh != r.c) c.store(r.c + u);
      give_output(r, V::load(output_gate + u) * tanh(sum), u);
    }
  }

  template <class T>
  static GW_INLINE void backward(const RowBack<T>& r) {
    using V = Vec<T>;
    constexpr Index N = V::N;
    const Index H = r.H, Hp = r.Hp;
    const V one = V::set1(T(1)), zero = V::zero();
    Normal<T> x(r.numbers), h(r.numbers + 2), normal(r.numbers + 4);
    // through h: of o, and of the normalised c
    T *of_o = r.dh_sums + 3 * Hp, *of_n = r.dx, *n_of_c = r.dx + Hp;
    for (Index u = 0; u < H; u += N) {
      const int real = static_cast<int>(within(H - u, N));
      V dh = load_within(r.dh + u, real), c = V::load(r.c + u);
      V stays = zero;
      if (r.zone_h) {
        stays = dh * load_within(r.zone_h + u, real);
        dh = dh - stays;
      }
      if (r.carry_h) (r.reset ? zero : stays).store(r.carry_h + u);
      if (r.zone_c) {
        const V written = V::load(r.gates + u) * V::load(r.gates + 2 * Hp + u);
        c = fma(V::load(r.gates + Hp + u), V::load(r.c_before + u), written);
      }
      const V o = V::load(r.gates + 3 * Hp + u), gain = V::load(r.params + gc * Hp + u), n = normal(c);
      const V t = tanh(fma(gain, n, V::load(r.params + bc * Hp + u)));
      const V dsum = dh * o * fnma(t, t, one), dn = dsum * gain;
      if (r.dparams) {
        add_to(r.dparams + gc * Hp + u, dsum * n);
        add_to(r.dparams + bc * Hp + u, dsum);
      }
      normal.add(dn, n);
      (dh * t * (o * (one - o))).store(of_o + u);
      dn.store(of_n + u);
      n.store(n_of_c + u);
    }
    normal.close(H);
    // through c: of the four sums a, which are put where the gradients of the products with h will be
    for (Index u = 0; u < H; u += N) {
      const int real = static_cast<int>(within(H - u, N));
      const V i = V::load(r.gates + u), f = V::load(r.gates + Hp + u), g = V::load(r.gates + 2 * Hp + u);
      const V before = V::load(r.c_before + u), later = V::load(r.carry_c + u);
      const V stays = r.zone_c ? later * load_within(r.zone_c + u, real) : zero;
      V d = normal.back(V::load(of_n + u), V::load(n_of_c + u)) + (later - stays);
      if (real < N) d = d * first_lanes<T>(real);
      (r.reset ? zero : fma(d, f, stays)).store(r.carry_c + u);
      const V a[4] = {d * g * (i * (one - i)), d * before * (f * (one - f)), d * i * fnma(g, g, one),
                      V::load(of_o + u)};
#pragma GCC unroll 4
      for (int p = 0; p < 4; ++p) {
        const Index at = p * Hp + u;
        const V n_x = x(V::load(r.x + at)), n_h = h(V::load(r.h + at));
        x.add(a[p] * V::load(r.params + gx * Hp + at), n_x);
        h.add(a[p] * V::load(r.params + gh * Hp + at), n_h);
        a[p].store(r.dh_sums + at);
        if (r.dparams) {
          add_to(r.dparams + gx * Hp + at, a[p] * n_x);
          add_to(r.dparams + gh * Hp + at, a[p] * n_h);
          add_to(r.dparams + b * Hp + at, a[p]);
        }
      }
    }
    x.close(4 * H);
    h.close(4 * H);
    for (Index u = 0; u < H; u += N) {
#pragma GCC unroll 4
      for (int p = 0; p < 4; ++p) {
        const Index at = p * Hp + u;
        const V a = V::load(r.dh_sums + at);
        x.back(a * V::load(r.params + gx * Hp + at), x(V::load(r.x + at))).store(r.dx + at);
        h.back(a * V::load(r.params + gh * Hp + at), h(V::load(r.h + at))).store(r.dh_sums + at);
      }
    }
  }
};

struct LayerNormGru {
  static constexpr bool rows = true;
  static constexpr int gates = 3, x_planes = 3, planes = 6, x_at = 3, saved = 10, cells = 0, params = 10, bias_h = -1;
  static constexpr bool reads_h = true, zones = false, projects = false;
  static constexpr int x_gate[3] = {0, 1, 2}, h_gate[3] = {0, 1, 2};  // r z n
  static constexpr int gx = 0, gh = 3, b = 6, bh = 9;

  template <class T>
  static GW_INLINE void forward(const Row<T>& r) {
    using V = Vec<T>;
    constexpr Index N = V::N;
    const Index H = r.H, Hp = r.Hp;
    const Moments<T> found[4] = {moments<2>(r.x, H, Hp), moments<1>(r.x + 2 * Hp, H, Hp), moments<2>(r.h, H, Hp),
                                 moments<1>(r.h + 2 * Hp, H, Hp)};
    const Normal<T> x(found[0]), x_n(found[1]), h(found[2]), h_n(found[3]);
    for (int k = 0; r.numbers && k < 4; ++k) keep_moments(r.numbers + 2 * k, found[k]);
    for (Index u = 0; u < H; u += N) {
      V a[2];
#pragma GCC unroll 2
      for (int p = 0; p < 2; ++p) {
        const T* param = r.params + p * Hp + u;
        a[p] = fma(V::load(param + gh * Hp), h(V::load(r.h + p * Hp + u)), V::load(param + b * Hp));
        a[p] = sigmoid(fma(V::load(param + gx * Hp), x(V::load(r.x + p * Hp + u)), a[p]));
      }
      const T* param = r.params + 2 * Hp + u;
      const V from_x = fma(V::load(param + gx * Hp), x_n(V::load(r.x + 2 * Hp + u)), V::load(param + b * Hp));
      const V from_h = fma(V::load(param + gh * Hp), h_n(V::load(r.h + 2 * Hp + u)), V::load(r.params + bh * Hp + u));
      const V n = tanh(fma(a[0], from_h, from_x));
      const V before = load_within(r.before + u, static_cast<int>(within(H - u, N)));
      if (r.numbers) {
        a[0].store(r.gates + u);
        a[1].store(r.gates + Hp + u);
        n.store(r.gates + 2 * Hp + u);
      }
      give_output(r, fma(a[1], before - n, n), u);
    }
  }

  template <class T>
  static GW_INLINE void backward(const RowBack<T>& r) {
    using V = Vec<T>;
    constexpr Index N = V::N;
    const Index H = r.H, Hp = r.Hp;
    const V one = V::set1(T(1)), zero = V::zero();
    Normal<T> x(r.numbers), x_n(r.numbers + 2), h(r.numbers + 4), h_n(r.numbers + 6);
    for (Index u = 0; u < H; u += N) {
      const int real = static_cast<int>(within(H - u, N));
      V dh = load_within(r.dh + u, real), stays = zero;
      if (r.zone_h) {
        stays = dh * load_within(r.zone_h + u, real);
        dh = dh - stays;
      }
      const V reset = V::load(r.gates + u), z = V::load(r.gates + Hp + u), n = V::load(r.gates + 2 * Hp + u);
      const T* param = r.params + 2 * Hp + u;
      const V gain_x = V::load(param + gx * Hp), gain_h = V::load(param + gh * Hp);
      const V n_x = x_n(V::load(r.x + 2 * Hp + u)), n_h = h_n(V::load(r.h + 2 * Hp + u));
      const V from_h = fma(gain_h, n_h, V::load(r.params + bh * Hp + u));
      const V dn = dh * (one - z) * fnma(n, n, one), of_h = dn * reset;
      const V a[2] = {dn * from_h * (reset * (one - reset)),
                      dh * (load_within(r.before + u, real) - n) * (z * (one - z))};
      (r.reset ? zero : fma(dh, z, stays)).store(r.carry_h + u);
      x_n.add(dn * gain_x, n_x);
      h_n.add(of_h * gain_h, n_h);
      dn.store(r.dx + 2 * Hp + u);
      of_h.store(r.dh_sums + 2 * Hp + u);
      if (r.dparams) {
        T* sums = r.dparams + 2 * Hp + u;
        add_to(sums + gx * Hp, dn * n_x);
        add_to(sums + gh * Hp, of_h * n_h);
        add_to(sums + b * Hp, dn);
        add_to(r.dparams + bh * Hp + u, of_h);
      }
#pragma GCC unroll 2
      for (int p = 0; p < 2; ++p) {
        const Index at = p * Hp + u;
        const V both_x = x(V::load(r.x + at)), both_h = h(V::load(r.h + at));
        x.add(a[p] * V::load(r.params + gx * Hp + at), both_x);
        h.add(a[p] * V::load(r.params + gh * Hp + at), both_h);
        a[p].store(r.dh_sums + at);
        if (r.dparams) {
          add_to(r.dparams + gx * Hp + at, a[p] * both_x);
          add_to(r.dparams + gh * Hp + at, a[p] * both_h);
          add_to(r.dparams + b * Hp + at, a[p]);
        }
      }
    }
    x.close(2 * H);
    h.close(2 * H);
    x_n.close(H);
    h_n.close(H);
    for (Index u = 0; u < H; u += N) {
#pragma GCC unroll 3
      for (int p = 0; p < 3; ++p) {
        const Index at = p * Hp + u;
        const Normal<T>&of_x = p < 2 ? x : x_n, &of_h = p < 2 ? h : h_n;
        const V a_x = V::load(p < 2 ? r.dh_sums + at : r.dx + at), a_h = V::load(r.dh_sums + at);
        of_x.back(a_x * V::load(r.params + gx * Hp + at), of_x(V::load(r.x + at))).store(r.dx + at);
        of_h.back(a_h * V::load(r.params + gh * Hp + at), of_h(V::load(r.h + at))).store(r.dh_sums + at);
      }
    }
  }
};

}  // namespace gatework::GATEWORK_PATH
