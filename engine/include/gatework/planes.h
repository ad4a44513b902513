// The LSTM's cell over planes: what a convolutional LSTM computes at a step between its convolutions.
//
// B sequences, S positions in space, n channels of the state; channels side by side ("channels last"), so that
// the four gates of a position lie one after the other: gate k of row r = b*S + s at r*4*n + k*n, order i f g o.
// Planes of another layout fit as S = 1 and n = channels times positions (the gates are then whole planes).
// Nothing here owns what a pointer leads to; arrays are contiguous, no alignment is asked for.
#pragma once

#include "gatework/engine.h"

namespace gatework {

// Shi et al. 2015 (arXiv 1506.04214), equation 3, w the peepholes:
//
//   i = s(x_i + h_i + w_i c')   f = s(x_f + h_f + w_f c')   g = tanh(x_g + h_g)
//   c = f c' + i g              o = s(x_o + h_o + w_o c)    y = o tanh(c)
struct PlanesForward {
  bool f64 = false;
  int threads = 1;
  std::int64_t B = 0, S = 0, n = 0;
  const void* x = nullptr;         // (B, S, 4, n) the products with x, bias included
  const void* h = nullptr;         // (B, S, 4, n) the products with h, null: zeros
  const void* c0 = nullptr;        // (B, S, n) c', null: zeros
  const void* peephole = nullptr;  // (3, S, n) for i, f, o, null: none
  void* gates = nullptr;           // (B, S, 4, n) i f g o for backward, may be x; null: not kept
  void* c = nullptr;               // (B, S, n), may be c0
  void* y = nullptr;               // (B, S, n)
};

// Its gradients.  dc comes in as the gradient of c and goes out as that of c'; dpeephole is added to.
struct PlanesBackward {
  bool f64 = false;
  int threads = 1;
  std::int64_t B = 0, S = 0, n = 0;
  const void *gates = nullptr, *c = nullptr;  // as forward left them
  const void* c0 = nullptr;                   // null: zeros
  const void* peephole = nullptr;
  const void* dy = nullptr;   // (B, S, n) gradient of y as an output, null: zeros
  const void* dh = nullptr;   // (B, S, n) that of y as the next step's h, null: zeros
  void* dc = nullptr;         // (B, S, n)
  void* dx = nullptr;         // (B, S, 4, n) gradient of the sums: of x and of h
  void* dpeephole = nullptr;  // (3, S, n), null: not wanted
};

Status planes_forward(const PlanesForward& problem);
Status planes_backward(const PlanesBackward& problem);

// What is said of a problem that is refused; null when it is sound.
const char* fault(const PlanesForward& problem);
const char* fault(const PlanesBackward& problem);

}  // namespace gatework
