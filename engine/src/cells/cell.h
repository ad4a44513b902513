// What the drivers need of a cell, a struct of constants and functions:
//
//   gates        products with h, in the order of `h_gate` (torch's number of each); 0: none enters
//   x_planes     products with x, in the order of `x_gate`
//   saved        values a unit that forward keeps for backward (0: the output is enough)
//   planes       gradients a unit: those of what x enters first, those of what h enters last (they may overlap)
//   cells        values a unit that are carried beside h: the cell state
//   params       vectors of H beside the matrices, such as peepholes
//   reads_h      h' itself enters the pointwise part
//   bias_h       the gate whose bias of h must stay apart from that of x, or -1
//
//   forward      h; product: with h, a gate each; plane: in from x, out what backward needs; c: in c', out c
//   backward     plane: in what forward kept, out the gradient of each sum; dc: in of c, out of c'; dparam: out,
//                this row's part; returns the part of the gradient of h' that does not go through the products
//   state        c[0] once more from what forward kept (zoneout's c is another); cells with `zones` only
//   output       what a projection is applied to; cells with `projects` only
//
// A cell with `rows` takes whole rows instead of vectors: see ../rows.h.
#pragma once

#include "../math.h"

namespace gatework::GATEWORK_PATH {

// Arrays of C++ have at least one element.
constexpr int some(int n) { return n > 0 ? n : 1; }
constexpr int larger(int a, int b) { return a > b ? a : b; }

// Whether a cell needs all sums of a row first, and where in what is kept the products with x are then.
template <class Cell>
inline constexpr bool takes_rows = requires { Cell::rows; };
template <class Cell>
constexpr int place_of_x() {
  if constexpr (takes_rows<Cell>) return Cell::x_at;
  else return 0;
}

// Values of a unit on the way through a cell: in from x, out to backward.
template <class Cell>
inline constexpr int plane_count = some(larger(Cell::x_planes, larger(Cell::planes, Cell::saved)));

}  // namespace gatework::GATEWORK_PATH
