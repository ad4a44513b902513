#include "gatework/stream.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

#include "dispatch.h"
#include "memory.h"

namespace gatework {
namespace {

// float to IEEE half, ties to even, infinities and NaN kept, too small: subnormal or 0.
std::uint16_t to_half(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x), sign = bits >> 16 & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7c00u | (magnitude > 0x7f800000u) << 9);
  if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // rounds to infinity
  if (magnitude < 0x38800000u) {  // subnormal: let the addition round
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
  }
  const std::uint32_t odd = magnitude >> 13 & 1u;
  return static_cast<std::uint16_t>(sign | ((magnitude + 0xc8000fffu + odd) >> 13));
}

void* aligned(std::size_t bytes) {
  void* p = std::aligned_alloc(line, (std::max<std::size_t>(bytes, 1) + line - 1) / line * line);
  if (!p) throw std::bad_alloc();
  return p;
}

}  // namespace

// What is packed of one layer.
struct Stream::Packed {
  void *panels = nullptr, *bias_x = nullptr, *bias_h = nullptr, *packed_r = nullptr, *params = nullptr;
  void *zone_h = nullptr, *zone_c = nullptr;
  ~Packed() {
    for (void* p : {panels, bias_x, bias_h, packed_r, params, zone_h, zone_c}) std::free(p);
  }

  template <class T>
  StreamLayer<T> layer(const Layer& sizes) const {
    StreamLayer<T> s;
    s.I = sizes.I, s.H = sizes.H, s.P = sizes.P;
    s.bias_x = static_cast<const T*>(bias_x);
    s.bias_h = static_cast<const T*>(bias_h);
    s.panels = panels;
    s.packed_r = static_cast<const T*>(packed_r);
    s.params = static_cast<const T*>(params);
    s.zone_h = static_cast<const T*>(zone_h);
    s.zone_c = static_cast<const T*>(zone_c);
    return s;
  }

  template <class T>
  void fill(Cell cell, bool half, const Layer& l) {
    const CellKernels<T>& k = kernels_of<T>(cell);
    const Index Hp = padded<T>(l.H), size = k.stream_size(l.I, l.H, l.P);
    panels = aligned(static_cast<std::size_t>(size) * sizeof(T));
    k.pack_stream(l.weights, l.I, l.H, l.P, static_cast<T*>(panels));
    bias_x = aligned(static_cast<std::size_t>(k.x_planes * Hp) * sizeof(T));
    bias_h = aligned(static_cast<std::size_t>(k.gates * Hp) * sizeof(T));
    k.pack_bias(l.weights, l.H, static_cast<T*>(bias_x), static_cast<T*>(bias_h));
    params = aligned(static_cast<std::size_t>(k.params * Hp) * sizeof(T));
    k.pack_params(l.weights, l.H, static_cast<T*>(params));
    const auto row_of = [Hp](double share) -> void* {
      if (share == 0) return nullptr;
      T* row = static_cast<T*>(aligned(static_cast<std::size_t>(Hp) * sizeof(T)));
      std::fill_n(row, Hp, static_cast<T>(share));
      return row;
    };
    zone_h = row_of(l.zone_h);
    zone_c = row_of(l.zone_c);
    if (l.P) {
      packed_r = aligned(static_cast<std::size_t>(k.packed_size(Packing::projection, l.I, l.H, l.P)) * sizeof(T));
      k.pack(Packing::projection, l.weights, l.I, l.H, l.P, static_cast<T*>(packed_r), 0, 1);
    }
    if constexpr (sizeof(T) == 4) {
      if (!half) return;
      auto* narrow = static_cast<std::uint16_t*>(aligned(static_cast<std::size_t>(size) * 2));
      std::transform(static_cast<float*>(panels), static_cast<float*>(panels) + size, narrow, to_half);
      std::free(panels);
      panels = narrow;
    }
  }
};

Stream::Stream(Cell cell, bool f64, bool half, const std::vector<Layer>& layers, bool residual)
    : cell_(cell), f64_(f64), half_(half), residual_(residual && layers.size() > 1), layers_(layers) {
  if (layers.empty()) throw std::invalid_argument("there must be at least one layer");
  if (half && f64) throw std::invalid_argument("half-precision weights go with float32 only");
  Forward probe;
  for (std::size_t z = 0; z < layers.size(); ++z) {
    const Layer& l = layers[z];
    probe.cell = cell;
    probe.sizes = {1, 0, 0, l.I, l.H, l.P};
    probe.weights[0] = l.weights;
    double there = 0;  // only whether there is a zone is asked
    probe.zone_h.data = l.zone_h != 0 ? &there : nullptr;
    probe.zone_c.data = l.zone_c != 0 ? &there : nullptr;
    if (!(l.zone_h >= 0 && l.zone_h <= 1 && l.zone_c >= 0 && l.zone_c <= 1))
      throw std::invalid_argument("a share that stays lies between 0 and 1");
    if (const char* why = fault(probe)) throw std::invalid_argument(why);
    if (z && (l.H != layers[0].H || l.P != layers[0].P))
      throw std::invalid_argument("all layers must have the same sizes");
    if (z && l.I != probe.sizes.R())
      throw std::invalid_argument("a layer's inputs are not the outputs of the layer below");
    packed_.push_back(std::make_unique<Packed>());
    f64 ? packed_.back()->fill<double>(cell, half, l) : packed_.back()->fill<float>(cell, half, l);
    layers_[z].weights = {};
  }
}

Stream::~Stream() = default;
Stream::Stream(Stream&&) noexcept = default;

template <class T>
Status Stream::run(std::int64_t B, const T* x, T* h, T* c, T* out) const {
  const CellKernels<T>& k = kernels_of<T>(cell_);
  thread_local std::vector<T> scratch;
  const Index H = layers_[0].H, R = layers_[0].P ? layers_[0].P : H;
  const Index own = k.stream_scratch(B, H) + line, need = own + (residual_ ? B * R : 0);
  try {
    if (static_cast<Index>(scratch.size()) < need) scratch.resize(static_cast<std::size_t>(need));
  } catch (const std::bad_alloc&) {
    return Status::no_memory;
  }
  const auto step = half_ ? k.stream_step_half : k.stream_step;
  for (std::size_t z = 0; z < layers_.size(); ++z) {
    StreamLayer<T> s = packed_[z]->layer<T>(layers_[z]);
    s.x = x;
    s.h = h + static_cast<Index>(z) * B * R;
    s.c = c ? c + static_cast<Index>(z) * B * k.cell_planes * H : nullptr;
    s.scratch = scratch.data();
    step(s, B);
    if (residual_ && z) {
      T* sum = scratch.data() + own;  // may be x: each number is read before it is written
      for (Index i = 0; i < B * R; ++i) sum[i] = s.h[i] + x[i];
      x = sum;
    } else {
      x = s.h;
    }
  }
  if (out) std::memcpy(out, x, static_cast<std::size_t>(B * R) * sizeof(T));
  return Status::ok;
}

Status Stream::step(std::int64_t B, const void* x, void* h, void* c, void* out) const {
  if (B <= 0) return B < 0 ? Status::bad_argument : Status::ok;
  if (!h || (traits(cell_).cells && !c) || (layers_[0].I && !x)) return Status::bad_argument;
  if (f64_)
    return run(B, static_cast<const double*>(x), static_cast<double*>(h), static_cast<double*>(c),
               static_cast<double*>(out));
  return run(B, static_cast<const float*>(x), static_cast<float*>(h), static_cast<float*>(c),
             static_cast<float*>(out));
}

template <class T>
Status Stream::run_sequence(std::int64_t B, std::int64_t steps, const T* x, T* h, T* c, T* y) const {
  const CellKernels<T>& k = kernels_of<T>(cell_);
  const Index H = layers_[0].H, R = layers_[0].P ? layers_[0].P : H;
  const auto forward = half_ ? k.stream_sequence_half : k.stream_sequence;
  try {
    const gatework::Memory<T> scratch(k.sequence_scratch(B, steps, H));
    const Index n = B * steps * R;
    const gatework::Memory<T> below(residual_ ? n : 0);
    for (std::size_t z = 0; z < layers_.size(); ++z) {
      const Packed& m = *packed_[z];
      const Index at = static_cast<Index>(z) * B;
      StreamLayer<T> s = m.layer<T>(layers_[z]);
      s.x = x;
      s.h = h + at * R;
      s.c = c ? c + at * k.cell_planes * H : nullptr;
      s.scratch = scratch.get();
      const bool skips = residual_ && z;
      if (skips) std::memcpy(below.get(), x, static_cast<std::size_t>(n) * sizeof(T));
      forward(s, B, steps, y);
      for (Index i = 0; skips && i < n; ++i) y[i] += below.get()[i];
      x = y;
    }
  } catch (const std::bad_alloc&) {
    return Status::no_memory;
  }
  return Status::ok;
}

Status Stream::forward(std::int64_t B, std::int64_t steps, const void* x, void* h, void* c, void* y) const {
  if (B < 0 || steps < 0) return Status::bad_argument;
  if (B == 0 || steps == 0) return Status::ok;
  if (!h || !y || (traits(cell_).cells && !c) || (layers_[0].I && !x)) return Status::bad_argument;
  if (f64_)
    return run_sequence(B, steps, static_cast<const double*>(x), static_cast<double*>(h),
                        static_cast<double*>(c), static_cast<double*>(y));
  return run_sequence(B, steps, static_cast<const float*>(x), static_cast<float*>(h), static_cast<float*>(c),
                      static_cast<float*>(y));
}

}  // namespace gatework
