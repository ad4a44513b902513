// What RowStep takes from a path beside the kernels of cells: small, so that a change of it compiles in seconds.
#pragma once

#include <cstdint>

namespace gatework {

struct DenseKernels {
  // out (n) = bias + x (K) w (K, n)
  void (*dense)(const float* x, std::int64_t K, const float* w, std::int64_t n, const float* bias, float* out);
  void (*softplus)(float* x, std::int64_t n);  // x = ln(1 + e^x)
  void (*softmax)(float* x, std::int64_t n);   // n > 0
};

}  // namespace gatework
