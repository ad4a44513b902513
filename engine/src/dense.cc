// What a network says of a row after its last layer: a product, and what makes widths and probabilities of it.
//
// Compiled once per path, with that path's flags, as kernels.cc is and for the same reasons.
#include "dense_kernels.h"
#include "math.h"
#include "planes.h"

namespace gatework::GATEWORK_PATH {
namespace {

// out[j] = bias[j] + sum over k of x[k] w[k*n + j], for j from `first` to as many as M vectors and the lanes say.
template <int M, class Lanes>
GW_INLINE void dense_columns(Lanes lanes, const float* x, Index K, const float* w, Index n, const float* bias,
                             float* out, Index first) {
  using V = Vec<float>;
  V acc[M];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) acc[m] = lanes.load(bias + first + m * V::N);
  for (Index k = 0; k < K; ++k) {
    const V a = V::set1(x[k]);
    const float* row = w + k * n + first;
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) acc[m] = fma(a, lanes.load(row + m * V::N), acc[m]);
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) lanes.store(acc[m], out + first + m * V::N);
}

// One row's product with w (K, n), as it lies in memory.
void dense(const float* x, Index K, const float* w, Index n, const float* bias, float* out) {
  constexpr Index N = Vec<float>::N;
  const Stretch<float, true> whole{};
  Index j = 0;
  for (; j + 8 * N <= n; j += 8 * N) dense_columns<8>(whole, x, K, w, n, bias, out, j);
  for (; j + 2 * N <= n; j += 2 * N) dense_columns<2>(whole, x, K, w, n, bias, out, j);
  for (; j + N <= n; j += N) dense_columns<1>(whole, x, K, w, n, bias, out, j);
  if (j < n) dense_columns<1>(Stretch<float, false>{static_cast<int>(n - j)}, x, K, w, n, bias, out, j);
}

// Calls f(lanes, j) for every vector of n numbers.
template <class F>
GW_INLINE void each_stretch(Index n, F f) {
  constexpr Index N = Vec<float>::N;
  Index j = 0;
  for (; j + N <= n; j += N) f(Stretch<float, true>{}, j);
  if (j < n) f(Stretch<float, false>{static_cast<int>(n - j)}, j);
}

// x = ln(1 + e^x)
void softplus(float* x, Index n) {
  using V = Vec<float>;
  each_stretch(n, [=](auto lanes, Index j) __attribute__((always_inline)) {
    lanes.store(V::zero() - log_sigmoid(V::zero() - lanes.load(x + j)), x + j);
  });
}

// x = e^x / sum of e^x
void softmax(float* x, Index n) {
  using V = Vec<float>;
  float most = x[0], sum = 0;
  for (Index j = 1; j < n; ++j) most = x[j] > most ? x[j] : most;
  each_stretch(n, [=](auto lanes, Index j) __attribute__((always_inline)) {
    lanes.store(exp(lanes.load(x + j) - V::set1(most)), x + j);
  });
  for (Index j = 0; j < n; ++j) sum += x[j];
  const V share = V::set1(1 / sum);
  each_stretch(n, [=](auto lanes, Index j) __attribute__((always_inline)) {
    lanes.store(lanes.load(x + j) * share, x + j);
  });
}

constexpr DenseKernels table{dense, softplus, softmax};

}  // namespace

const DenseKernels& dense_kernels() { return table; }

}  // namespace gatework::GATEWORK_PATH
