// Sizes around every vector and tile: each value stands in a case with each kind of cell, the rest is drawn.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "arrays.h"

namespace gatework::test {

struct Kind {
  Cell cell;
  bool projected;
};
inline constexpr Kind kinds[] = {
    {Cell::lstm, false},           {Cell::gru, false},           {Cell::rnn_tanh, false},
    {Cell::rnn_relu, false},       {Cell::lstm, true},           {Cell::peephole, false},
    {Cell::cifg, false},           {Cell::no_forget_gate, false}, {Cell::no_input_gate, false},
    {Cell::no_output_gate, false}, {Cell::no_input_activation, false},
    {Cell::no_output_activation, false}, {Cell::slstm, false},   {Cell::min_lstm, false},
    {Cell::min_gru, false},        {Cell::layer_norm_lstm, false}, {Cell::layer_norm_gru, false}};
inline constexpr int first_variant = 5, kind_count = sizeof kinds / sizeof *kinds;
static_assert(kind_count == cell_count + 1);  // a new cell is tested

template <class T>
constexpr double epsilon = std::numeric_limits<T>::epsilon();

// N - 1, N, N + 1 for vectors of 2, 4, 8 and 16 numbers and panels of up to 4 of them.
inline const std::vector<Index> widths = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65};
// The same for tiles of 3, 4, 6 and 8 rows.
inline const std::vector<Index> heights = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 17};

inline Index pick(const std::vector<Index>& from, Random& random) {
  return from[static_cast<std::size_t>(random.below(static_cast<Index>(from.size())))];
}

// A case of this hidden size; all else is drawn.
inline Shape any_shape(Kind kind, Index H, Random& random) {
  Shape s;
  s.cell = kind.cell;
  s.D = 1 + random.below(2);
  s.B = pick(heights, random);
  s.T = pick({1, 2, 3, 9}, random);
  s.I = pick(widths, random);
  s.H = kind.projected && H == 1 ? 2 : H;
  while (kind.projected && (s.P < 1 || s.P >= s.H)) s.P = pick(widths, random);
  s.order = static_cast<Order>(random.below(3));
  s.lengths = random.below(2) ? Lengths::ragged : static_cast<Lengths>(random.below(4));
  s.resets = s.order != Order::packed && random.below(2);
  s.states = random.below(4) > 0;
  s.biases = random.below(4) > 0;
  s.gap = random.below(3);
  s.shift = random.below(3);
  s.params = random.below(4) > 0;
  return s;
}

// The same with what changes h' and c' from step to step, as far as the cell has it.
inline Shape modified(Shape s, Random& random) {
  const auto rate = [&] { return static_cast<Rate>(random.below(3)); };
  s.scale = rate();
  s.decay = random.below(2);
  if (s.P == 0) s.zone_h = rate();
  if (s.P == 0 && traits(s.cell).zones) s.zone_c = rate();
  return s;
}

// Cases large enough to be dealt out: sequences to threads, and (few sequences, many units) units to a team.
inline Shape shared_shape(Kind kind, bool team, int threads, Random& random) {
  Shape s = any_shape(kind, 33, random);
  s.threads = threads;
  s.D = threads == 3 ? 1 : s.D;
  s.I = team ? 65 : 31;
  s.H = team ? pick({64, 65, 79}, random) : 33;
  s.P = kind.projected ? 17 : 0;
  s.B = team ? pick({1, 3, 5}, random) : 7 * threads * static_cast<int>(s.D) + random.below(5);
  // several times the work below which one thread does it all (engine.cc)
  const Index each = 2 * s.H * (s.x_gates() * s.I + s.gates() * s.R()) * s.B;
  s.T = 1 + 4000000 / each;
  return s;
}

inline void check_outputs(const char* file, int line, const std::string& what, const Outputs& got,
                          const Outputs& want, double tolerance) {
  check_all_near(file, line, what + " y", got.y, want.y, tolerance);
  check_all_near(file, line, what + " hn", got.hn, want.hn, tolerance);
  check_all_near(file, line, what + " cn", got.cn, want.cn, tolerance);
}

inline bool same(const Outputs& a, const Outputs& b) { return a.y == b.y && a.hn == b.hn && a.cn == b.cn; }

}  // namespace gatework::test

#define CHECK_OUTPUTS(what, got, want, tolerance) \
  ::gatework::test::check_outputs(__FILE__, __LINE__, what, got, want, tolerance)
