// Compiled once per path, with that path's flags: all that is fast, in one namespace.
//
// Nothing of the standard library is instantiated here: an inline function compiled with these flags could
// be the copy that the linker keeps for the rest of the program.
#include "kernels.h"

#include "backward.h"
#include "cells/gru.h"
#include "cells/layer_norm.h"
#include "cells/lstm.h"
#include "cells/minimal.h"
#include "cells/rnn.h"
#include "cells/slstm.h"
#include "draw.h"
#include "forward.h"
#include "peak.h"
#include "planes.h"
#include "small.h"
#include "step.h"

namespace gatework::GATEWORK_PATH {
namespace {

constexpr int only_gate[1] = {0};

// Panels part/parts of n.
struct Part {
  Index first, last;
  Part(Index n, int part, int parts) : first(n * part / parts), last(n * (part + 1) / parts) {}
};

template <class Cell, class T>
Index packed_size(Packing what, Index I, Index H, Index P) {
  const Index R = P ? P : H, Hp = padded<T>(H), Pp = padded<T>(P);
  switch (what) {
    case Packing::input: return Cell::x_planes * Hp * I;
    case Packing::hidden: return Cell::gates * Hp * R;
    case Packing::projection: return Pp * H;
    case Packing::input_back: return Cell::x_planes * Hp * padded<T>(I);
    case Packing::hidden_back: return Cell::gates * Hp * padded<T>(R);
    case Packing::projection_back: return Pp * Hp;
  }
  return 0;
}

template <class Cell, class T>
void pack(Packing what, const Weights& weights, Index I, Index H, Index P, T* out, int part, int parts) {
  const Index R = P ? P : H, Hp = padded<T>(H), Pp = padded<T>(P);
  const T* w_ih = static_cast<const T*>(weights.w_ih);
  const T* w_hh = static_cast<const T*>(weights.w_hh);
  const T* w_hr = static_cast<const T*>(weights.w_hr);
  switch (what) {
    case Packing::input: {
      const Part p(panels_of<T>(Cell::x_planes * Hp), part, parts);
      return pack_planes<T>(w_ih, Cell::x_gate, Cell::x_planes, H, I, out, p.first, p.last);
    }
    case Packing::hidden: {
      if constexpr (takes_rows<Cell>) {
        const Part p(panels_of<T>(Cell::gates * Hp), part, parts);
        return pack_planes<T>(w_hh, Cell::h_gate, Cell::gates, H, R, out, p.first, p.last);
      } else {
        const Part p(step_panels<Cell, T>(H), part, parts);
        return pack_step<Cell, T>(w_hh, H, R, out, p.first, p.last);
      }
    }
    case Packing::projection: {
      const Part p(panels_of<T>(Pp), part, parts);
      return pack_planes<T>(w_hr, only_gate, 1, P, H, out, p.first, p.last);
    }
    case Packing::input_back: {
      const Part p(panels_of<T>(I), part, parts);
      return pack_transposed<T>(w_ih, Cell::x_gate, Cell::x_planes, H, I, I, out, p.first, p.last);
    }
    case Packing::hidden_back: {
      const Part p(panels_of<T>(padded<T>(R)), part, parts);
      return pack_transposed<T>(w_hh, Cell::h_gate, Cell::gates, H, R, padded<T>(R), out, p.first, p.last);
    }
    case Packing::projection_back: {
      const Part p(panels_of<T>(Hp), part, parts);
      return pack_transposed<T>(w_hr, only_gate, 1, P, H, Hp, out, p.first, p.last);
    }
  }
}

// Both biases of a gate are one, but for the gate, or in a cell that takes rows the gates, whose product with h is
// used alone.
template <class Cell, class T>
void pack_bias(const Weights& weights, Index H, T* bias_x, T* bias_h) {
  const Index Hp = padded<T>(H);
  const T* b_ih = static_cast<const T*>(weights.b_ih);
  const T* b_hh = static_cast<const T*>(weights.b_hh);
  clear(bias_x, Cell::x_planes * Hp);
  clear(bias_h, Cell::gates * Hp);
  if (!b_ih || (Cell::gates && !b_hh)) return;
  for (int p = 0; p < Cell::x_planes; ++p) {
    const int gate = Cell::x_gate[p];
    bool apart = takes_rows<Cell>;
    if constexpr (Cell::bias_h >= 0) apart = Cell::h_gate[Cell::bias_h] == gate;
    for (Index u = 0; u < H; ++u)
      bias_x[p * Hp + u] = apart || !Cell::gates ? b_ih[gate * H + u] : b_ih[gate * H + u] + b_hh[gate * H + u];
  }
  for (int g = 0; takes_rows<Cell> && g < Cell::gates; ++g) copy(bias_h + g * Hp, b_hh + Cell::h_gate[g] * H, H);
  if constexpr (Cell::bias_h >= 0)
    copy(bias_h + Cell::bias_h * Hp, b_hh + Cell::h_gate[Cell::bias_h] * H, H);
}

template <class Cell, class T>
void pack_params(const Weights& weights, Index H, T* out) {
  const T* from = static_cast<const T*>(weights.params);
  for (int k = 0; k < Cell::params; ++k) {
    clear(out + k * padded<T>(H), H);
    if (from) copy(out + k * padded<T>(H), from + k * H, H);
    clear(out + k * padded<T>(H) + H, padded<T>(H) - H);
  }
}

template <class Cell, class T>
void unpack_params(const T* const* sums, int count, Index H, T* out) {
  for (int k = 0; k < Cell::params; ++k) {
    copy(out + k * H, sums[0] + k * padded<T>(H), H);
    for (int i = 1; i < count; ++i) {
      for (Index u = 0; u < H; ++u) out[k * H + u] += sums[i][k * padded<T>(H) + u];
    }
  }
}

template <class Cell, class T>
Index gradient_size(Packing what, Index I, Index H, Index P) {
  const Index Hp = padded<T>(H);
  switch (what) {
    case Packing::input: return outer_size<T>(Cell::x_planes * Hp, I);
    case Packing::hidden: return outer_size<T>(Cell::gates * Hp, P ? P : H);
    case Packing::projection: return P ? outer_size<T>(padded<T>(P), H) : 0;
    default: return 0;
  }
}

template <class Cell, class T>
void unpack(Packing what, const T* const* tiles, int count, Index I, Index H, Index P, T* out, int part,
            int parts) {
  const Index R = P ? P : H;
  if (what == Packing::input) {
    const Part p(panels_of<T>(Cell::x_planes * padded<T>(H)), part, parts);
    unpack_outer<T>(tiles, count, Cell::x_gate, Cell::x_planes, H, I, out, p.first, p.last);
  } else if (what == Packing::hidden) {
    const Part p(panels_of<T>(Cell::gates * padded<T>(H)), part, parts);
    unpack_outer<T>(tiles, count, Cell::h_gate, Cell::gates, H, R, out, p.first, p.last);
  } else {
    const Part p(panels_of<T>(padded<T>(P)), part, parts);
    unpack_outer<T>(tiles, count, only_gate, 1, P, H, out, p.first, p.last);
  }
}

template <class Cell, class T>
void unpack_bias(const T* const* sums, int count, Index H, bool of_x, T* out) {
  const int planes = of_x ? Cell::x_planes : Cell::gates;
  for (int p = 0; p < planes; ++p) {
    T* to = out + (of_x ? Cell::x_gate[p] : Cell::h_gate[p]) * H;
    copy(to, sums[0] + p * padded<T>(H), H);
    for (int i = 1; i < count; ++i) {
      for (Index u = 0; u < H; ++u) to[u] += sums[i][p * padded<T>(H) + u];
    }
  }
}

template <class Cell, class T>
Index forward_scratch(const Job<T>& job) {
  return ForwardScratch<Cell, T>(job, nullptr).used;
}

template <class Cell, class T>
Index backward_scratch(const Job<T>& job) {
  return BackwardScratch<Cell, T>(job, nullptr).used;
}

template <class Cell, class T>
Index size_of_stream(Index I, Index H, Index P) {
  return stream_size<Cell, T>(I, H, P ? P : H);
}

template <class Cell, class T>
void pack_for_stream(const Weights& w, Index I, Index H, Index P, T* out) {
  pack_stream<Cell, T>(static_cast<const T*>(w.w_ih), static_cast<const T*>(w.w_hh), I, H, P ? P : H, out);
}

// A block of rows at a time: pointers, h before the projection and c in whole vectors.
constexpr Index stream_rows = 64;

template <class Cell, class T>
Index stream_scratch(Index B, Index H) {
  const Index products = takes_rows<Cell> ? Cell::x_planes + Cell::gates : 0;
  return (1 + Cell::cells + products) * (B < stream_rows ? B : stream_rows) * padded<T>(H);
}

template <class Cell, class T, class W>
void step_of_stream(const StreamLayer<T>& s, Index B) {
  const Index R = s.P ? s.P : s.H, Hp = padded<T>(s.H);
  const T *x[stream_rows], *h_before[stream_rows], *zone_h[stream_rows], *zone_c[stream_rows];
  T *h[stream_rows], *c[stream_rows], *out[stream_rows];
  for (Index b0 = 0; b0 < B; b0 += stream_rows) {
    const Index n = B - b0 < stream_rows ? B - b0 : stream_rows;
    for (Index i = 0; i < n; ++i) {
      x[i] = s.x + (b0 + i) * s.I;
      h_before[i] = h[i] = s.h + (b0 + i) * R;
      out[i] = s.scratch + i * Hp;
      c[i] = s.scratch + (n + i * Cell::cells) * Hp;
      take_cells<Cell>(c[i], s.c + (b0 + i) * Cell::cells * s.H, s.H, Hp);
      zone_h[i] = s.zone_h, zone_c[i] = s.zone_c;
    }
    const StreamStep<T> step{s.I, s.H, Hp, R, s.bias_x, s.bias_h, s.params, s.zone_h ? zone_h : nullptr,
                             s.zone_c ? zone_c : nullptr, x, h_before, c, out};
    if constexpr (takes_rows<Cell>) {
      stream_step_rows<Cell, T, W>(step, static_cast<const W*>(s.panels), n,
                                   s.scratch + n * (1 + Cell::cells) * Hp);
    } else {
      stream_step<Cell, T, W>(step, static_cast<const W*>(s.panels), n);
    }
    if (s.P)
      product<T>(out, n, s.H, s.packed_r, nullptr, padded<T>(s.P), s.P, h, 0, panels_of<T>(padded<T>(s.P)));
    for (Index i = 0; i < n; ++i) {
      if (!s.P) copy(h[i], out[i], s.H);
      give_cells<Cell>(s.c + (b0 + i) * Cell::cells * s.H, c[i], s.H, Hp);
    }
  }
}

template <class Cell, class T>
Index sequence_scratch(Index B, Index steps, Index H) {
  return SequenceScratch<Cell, T>(B, steps, padded<T>(H), nullptr).used;
}

template <class Cell, class T, class W>
constexpr void (*sequence_of_stream())(const StreamLayer<T>&, Index, Index, T*) {
  if constexpr (takes_rows<Cell>) {
    return stream_sequence_rows<Cell, T, W>;
  } else {
    return stream_sequence<Cell, T, W>;
  }
}

template <class Cell, class T>
constexpr void (*half_sequence())(const StreamLayer<T>&, Index, Index, T*) {
  if constexpr (sizeof(T) == 4) {
    return sequence_of_stream<Cell, T, std::uint16_t>();
  } else {
    return nullptr;
  }
}

template <class Cell, class T>
constexpr void (*half_step())(const StreamLayer<T>&, Index) {
  if constexpr (sizeof(T) == 4) {
    return step_of_stream<Cell, T, std::uint16_t>;
  } else {
    return nullptr;
  }
}

template <class Cell, class T>
constexpr CellKernels<T> cell_kernels() {
  return {packed_size<Cell, T>, forward_scratch<Cell, T>, backward_scratch<Cell, T>,
          gradient_size<Cell, T>, pack<Cell, T>, pack_bias<Cell, T>, pack_params<Cell, T>,
          forward_job<Cell, T>, backward_job<Cell, T>, small_job<Cell, T>, small_scratch<Cell, T>,
          unpack<Cell, T>, unpack_bias<Cell, T>, unpack_params<Cell, T>,
          size_of_stream<Cell, T>, stream_scratch<Cell, T>, pack_for_stream<Cell, T>, step_of_stream<Cell, T, T>,
          half_step<Cell, T>(), sequence_scratch<Cell, T>, sequence_of_stream<Cell, T, T>(), half_sequence<Cell, T>(),
          Cell::saved, Cell::cells, Cell::x_planes, Cell::gates, Cell::planes, Cell::params, Cell::zones, Cell::projects};
}

// In the order of `Cell` (engine.h).
template <class... Cells>
struct List {
  template <class T>
  static constexpr void fill(CellKernels<T> (&out)[cell_count]) {
    static_assert(sizeof...(Cells) == cell_count);
    int i = 0;
    ((out[i++] = cell_kernels<Cells, T>()), ...);
  }
};

using All = List<Lstm, Gru, Rnn<false>, Rnn<true>, LstmOf<peepholes>, LstmOf<no_input_gate | coupled | peepholes>,
                 LstmOf<no_forget_gate | peepholes>, LstmOf<no_input_gate | peepholes>,
                 LstmOf<no_output_gate | peepholes>, LstmOf<no_input_activation | peepholes>,
                 LstmOf<no_output_activation | peepholes>, Slstm, MinLstm, MinGru,
                 LayerNormLstm, LayerNormGru>;

constexpr Kernels make_table() {
  Kernels k{};
  All::fill(k.f32);
  All::fill(k.f64);
  k.peak = peak;
  k.draw_f32 = draw<float>;
  k.draw_f64 = draw<double>;
  k.planes_forward_f32 = planes_forward<float>;
  k.planes_forward_f64 = planes_forward<double>;
  k.planes_backward_f32 = planes_backward<float>;
  k.planes_backward_f64 = planes_backward<double>;
  return k;
}
constexpr Kernels table = make_table();

}  // namespace

const Kernels& kernels() { return table; }

}  // namespace gatework::GATEWORK_PATH
