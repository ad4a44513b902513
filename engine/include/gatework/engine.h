// Gatework's engine: recurrent layers over ragged batches, on the processor.
//
// Pointers in, status out; knows neither Python nor torch.  One alphabet: B sequences, T steps, I inputs,
// H hidden units, P units after the projection (0: none), R = P or H the width of the state h, D directions, C
// values a unit beside h, G and X the gates that h and x enter, K vectors of H beside the matrices.
// Nothing here owns what a pointer leads to; every array must outlive the call.  Outputs may not overlap
// inputs.  No alignment is asked for.  All calls may run at the same time from several threads.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gatework {

enum class Cell : int {
  lstm = 0,
  gru,
  rnn_tanh,
  rnn_relu,
  peephole,
  cifg,
  no_forget_gate,
  no_input_gate,
  no_output_gate,
  no_input_activation,
  no_output_activation,
  slstm,
  min_lstm,
  min_gru,
  layer_norm_lstm,
  layer_norm_gru,
};
inline constexpr int cell_count = 16;

// What must be known of a cell to give it its arrays.
struct Traits {
  int gates = 0, inputs = 0, cells = 0, params = 0;  // G X C K
  bool projects = false, zones = false;              // whether a projection, zoneout of c go with it
};
Traits traits(Cell cell);

enum class Status : int { ok = 0, bad_argument, no_memory };

// Where the features of sequence b at time t lie: data + b*batch_stride + row(t)*time_stride elements, with
// row(t) = t, or Sequences::offsets[t] in the packed layout.  Features are contiguous.
struct Rows {
  void* data = nullptr;
  std::int64_t batch_stride = 0;
  std::int64_t time_stride = 0;
};

// One direction, torch's layout and gate order: w_ih (X*H, I), w_hh (G*H, R), biases (X*H), (G*H) or both null,
// w_hr (P, H) or null, params (K, H) or null: zeros.  Gates i f g o for the LSTM, those it has; r z n for the GRU (reset after the
// product); what G = 0 leaves without elements is null.
struct Weights {
  const void* w_ih = nullptr;
  const void* w_hh = nullptr;
  const void* b_ih = nullptr;
  const void* b_hh = nullptr;
  const void* w_hr = nullptr;
  const void* params = nullptr;
};

// Gradients of Weights, overwritten; null: not wanted.
struct Gradients {
  void* w_ih = nullptr;
  void* w_hh = nullptr;
  void* b_ih = nullptr;
  void* b_hh = nullptr;
  void* w_hr = nullptr;
  void* params = nullptr;
};

struct Sizes {
  std::int64_t D = 1, B = 0, T = 0, I = 0, H = 0, P = 0;
  std::int64_t R() const { return P ? P : H; }
};

// A layer's forward pass.
struct Forward {
  Cell cell = Cell::lstm;
  bool f64 = false;
  int threads = 1;
  Sizes sizes;
  Rows x;                                  // I features
  Rows y;                                  // D*R features; padding is set to 0
  const std::int64_t* lengths = nullptr;   // (B), 0..T, null: all T; descending in the packed layout
  const std::int64_t* offsets = nullptr;   // (T): the packed layout, as PackedSequence has it
  const std::uint8_t* resets = nullptr;    // (B, T): 1 clears h and c before that step
  const void* h0 = nullptr;                // (D, B, R), null: zeros
  const void* c0 = nullptr;                // (D, B, C*H), null: zeros
  void* hn = nullptr;                      // (D, B, R)
  void* cn = nullptr;                      // (D, B, C*H), where C > 0
  Rows scale;                              // D*R features that h' is multiplied by before its products; no data: 1
  bool decay = false;                      // by `scale` h' is multiplied everywhere, not in the products alone
  Rows zone_h, zone_c;                     // D*H features: the share of h', c' that stays; no data: none
  Weights weights[2];
  void* saved = nullptr;                   // saved_size() elements for backward, null: nothing is kept
};

// Its gradients, from the same arrays and what forward kept in `saved` (read only: may run twice).
struct Backward : Forward {
  Rows dy;
  const void* dhn = nullptr;   // as hn, null: zeros
  const void* dcn = nullptr;   // as cn, null: zeros
  void* dh0 = nullptr;         // null: not wanted, as all below
  void* dc0 = nullptr;
  Rows dx;                     // padding is set to 0
  Rows dscale;                 // D*R features, not wanted without data; padding is set to 0
  Gradients gradients[2];
};

// Elements (not bytes) that a training forward pass keeps for `rows` steps of sequences.
std::int64_t saved_size(Cell cell, bool f64, std::int64_t D, std::int64_t rows, std::int64_t H);

Status forward(const Forward& problem);
Status backward(const Backward& problem);

// Multiply-adds of one core with nothing to wait for, in GFLOP/s, measured for `seconds`.
double peak(bool f64, double seconds);

// A mask: n numbers (float or double) that are 1 with probability `share`, else 0, by the seed alone.
void draw(bool f64, void* out, std::int64_t n, double share, std::uint64_t seed);

// Memory for `saved`, or anything else that comes and goes at every call: at least `bytes` on a cache line, not
// cleared, from blocks that are kept and used again.  Throws std::bad_alloc; `capacity` goes back with it.
void* take_memory(std::size_t bytes, std::size_t& capacity);
void give_memory(void* block, std::size_t capacity) noexcept;

// Frees the memory that is kept for the next call, and says how many bytes it was.
std::size_t drop_memory() noexcept;

// What is said of a problem that is refused; null when it is sound.
const char* fault(const Forward& problem);

}  // namespace gatework
