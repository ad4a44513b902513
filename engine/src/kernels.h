// What the driver (compiled without flags) and the kernels (compiled once per path) say to each other.
#pragma once

#include <cstdint>

#include "gatework/engine.h"
#include "gatework/planes.h"

namespace gatework {

using Index = std::int64_t;

// Planes are padded to whole cache lines, whatever the path: `saved` has the same layout on each.
inline constexpr Index line = 64;
template <class T>
constexpr Index padded(Index n) {
  constexpr Index lanes = line / static_cast<Index>(sizeof(T));
  return (n + lanes - 1) / lanes * lanes;
}

// Sequences that one thread (or one team) takes through time: slots, longest first, so that those still
// running at step s are the first active[s].  Row of a slot at step s in `saved`: first[s] + order[slot].
struct Shard {
  Index slots = 0, steps = 0;
  const Index* sequence = nullptr;  // (slots) b
  const Index* order = nullptr;     // (slots) place among all sequences by length
  const Index* length = nullptr;    // (slots)
  const Index* active = nullptr;    // (steps + 1), the last is 0
  const Index* first = nullptr;     // (steps)
};

// One shard in one direction.
template <class T>
struct Job {
  Index I = 0, H = 0, P = 0, R = 0, Hp = 0;
  bool reverse = false;
  Shard shard;
  Index T_steps = 0;
  const Index* offsets = nullptr;
  const std::uint8_t* resets = nullptr;
  Rows x, y;  // y begins at this direction's columns
  const T *h0 = nullptr, *c0 = nullptr;
  T *hn = nullptr, *cn = nullptr;
  T *gates = nullptr, *cells = nullptr;  // this direction's part of `saved`; null: inference
  const T *packed_x = nullptr, *bias_x = nullptr, *packed_h = nullptr, *bias_h = nullptr, *packed_r = nullptr;
  const T* params = nullptr;   // planes of Hp
  Rows scale, zone_h, zone_c;  // begin at this direction's columns; no data: absent
  bool decay = false;
  T* scratch = nullptr;  // of `scratch_size` elements, a cache line's alignment; shared by a team
  int rank = 0, team = 1;
  void (*sync)(void*) = nullptr;  // all of the team arrive before any goes on
  void* barrier = nullptr;

  // Backward only; packed_* are then the weights as backward multiplies them.
  Rows dy, dx, dscale;
  const T *dhn = nullptr, *dcn = nullptr;
  T *dh0 = nullptr, *dc0 = nullptr;
  T *dw_x = nullptr, *dw_h = nullptr, *db_x = nullptr, *db_h = nullptr, *dw_r = nullptr;  // tiles
  T* dparams = nullptr;  // planes of Hp, added to
};

// One layer of a stream, B rows.
template <class T>
struct StreamLayer {
  Index I = 0, H = 0, P = 0;
  const T *bias_x = nullptr, *bias_h = nullptr;
  const void* panels = nullptr;  // T, or half precision
  const T* packed_r = nullptr;
  const T *params = nullptr, *zone_h = nullptr, *zone_c = nullptr;  // planes of Hp, Hp, Hp; zones may be null
  const T* x = nullptr;  // (B, I), or (B, steps, I)
  T *h = nullptr, *c = nullptr;  // (B, R), (B, C*H)
  T* scratch = nullptr;  // stream_scratch() elements
};

enum class Packing : int { input, hidden, projection, input_back, hidden_back, projection_back };

template <class T>
struct CellKernels {
  // elements
  Index (*packed_size)(Packing, Index I, Index H, Index P);
  Index (*forward_scratch)(const Job<T>&);
  Index (*backward_scratch)(const Job<T>&);
  Index (*gradient_size)(Packing, Index I, Index H, Index P);  // tiles of dw_x, dw_h, dw_r (their forward names)
  // panels `part` of `parts`
  void (*pack)(Packing, const Weights&, Index I, Index H, Index P, T* out, int part, int parts);
  void (*pack_bias)(const Weights&, Index H, T* bias_x, T* bias_h);  // x_planes*Hp and gates*Hp
  void (*pack_params)(const Weights&, Index H, T* out);              // params*Hp
  void (*forward)(const Job<T>&);
  void (*backward)(const Job<T>&);
  void (*small)(const Job<T>&);  // forward for inference, packed_* being torch's weights
  Index (*small_scratch)(Index H, Index R);
  // torch's layout from the tiles, adding those of `count` shards
  void (*unpack)(Packing, const T* const* tiles, int count, Index I, Index H, Index P, T* out, int part, int parts);
  void (*unpack_bias)(const T* const* sums, int count, Index H, bool of_x, T* out);
  void (*unpack_params)(const T* const* sums, int count, Index H, T* out);
  Index (*stream_size)(Index I, Index H, Index P);
  Index (*stream_scratch)(Index B, Index H);
  void (*pack_stream)(const Weights&, Index I, Index H, Index P, T* out);
  void (*stream_step)(const StreamLayer<T>&, Index B);
  void (*stream_step_half)(const StreamLayer<T>&, Index B);  // null for double
  Index (*sequence_scratch)(Index B, Index steps, Index H);
  void (*stream_sequence)(const StreamLayer<T>&, Index B, Index steps, T* y);
  void (*stream_sequence_half)(const StreamLayer<T>&, Index B, Index steps, T* y);  // null for double
  int saved_planes, cell_planes, x_planes, gates, planes, params;
  bool zones, projects;
};

struct Kernels {
  CellKernels<float> f32[cell_count];
  CellKernels<double> f64[cell_count];
  double (*peak)(bool f64, double seconds);
  void (*draw_f32)(float* out, Index n, double share, std::uint64_t seed);
  void (*draw_f64)(double* out, Index n, double share, std::uint64_t seed);
  void (*planes_forward_f32)(const PlanesForward&, int part, int parts);
  void (*planes_forward_f64)(const PlanesForward&, int part, int parts);
  void (*planes_backward_f32)(const PlanesBackward&, int part, int parts);
  void (*planes_backward_f64)(const PlanesBackward&, int part, int parts);
};

}  // namespace gatework
