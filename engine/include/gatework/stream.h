// A stack of causal layers made ready for streams: weights packed once, one step in microseconds.
#pragma once

#include <memory>
#include <vector>

#include "gatework/engine.h"

namespace gatework {

class Stream {
 public:
  struct Layer {
    std::int64_t I = 0, H = 0, P = 0;
    Weights weights;  // copied
    double zone_h = 0, zone_c = 0;  // shares of h' and c' that stay: zoneout's means
  };

  // `half` (float only): weights are kept as IEEE half precision, all sums stay float.  `residual`: from the second
  // layer on a layer's input is added to its output (not to its state).  Throws std::invalid_argument (sizes that do
  // not fit one another) or std::bad_alloc.
  Stream(Cell cell, bool f64, bool half, const std::vector<Layer>& layers, bool residual = false);
  ~Stream();
  Stream(Stream&&) noexcept;

  // One step of B sequences.  x (B, I); h (Z, B, R) and c (Z, B, C*H; where C > 0) are replaced by the states after
  // the step; out (B, R), may be null: what the top layer hands on.  May run from several threads at once.
  Status step(std::int64_t B, const void* x, void* h, void* c, void* out) const;

  // The same for `steps` steps, 1 or more: x (B, steps, I), y (B, steps, R).
  Status forward(std::int64_t B, std::int64_t steps, const void* x, void* h, void* c, void* y) const;

  Cell cell() const { return cell_; }
  bool f64() const { return f64_; }
  const std::vector<Layer>& layers() const { return layers_; }  // sizes; the weights' addresses are cleared

 private:
  struct Packed;
  template <class T>
  Status run_sequence(std::int64_t B, std::int64_t steps, const T* x, T* h, T* c, T* y) const;
  template <class T>
  Status run(std::int64_t B, const T* x, T* h, T* c, T* out) const;
  Cell cell_;
  bool f64_, half_, residual_;
  std::vector<Layer> layers_;
  std::vector<std::unique_ptr<Packed>> packed_;
};

}  // namespace gatework
