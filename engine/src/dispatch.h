// The kernels of a cell and a type on the path that runs here.
#pragma once

#include "cpu.h"
#include "kernels.h"

namespace gatework {

template <class T>
const CellKernels<T>& kernels_of(Cell cell) {
  const Kernels& k = active_path().kernels();
  if constexpr (sizeof(T) == 4) {
    return k.f32[static_cast<int>(cell)];
  } else {
    return k.f64[static_cast<int>(cell)];
  }
}

}  // namespace gatework
