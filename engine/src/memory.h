// Memory that is used again.
//
// A fresh page costs its first touch (1.7 us for 4 KB on the virtual machine this was measured on: 14 of the
// 18 ms of a call with 33 MB of scratch), so blocks are kept: at most 16, 256 MB in all, of the process.
#pragma once

#include <cstddef>
#include <new>

#include "kernels.h"

namespace gatework {

// At least `bytes` on a cache line, not cleared; throws std::bad_alloc.  `capacity` is what it can hold.
void* take_block(std::size_t bytes, std::size_t& capacity);
void give_block(void* block, std::size_t capacity) noexcept;

// Frees the blocks that are kept, and says how many bytes they were.
std::size_t drop_blocks() noexcept;

template <class T>
class Memory {
 public:
  explicit Memory(Index n) : p_(static_cast<T*>(take_block(static_cast<std::size_t>(n) * sizeof(T), capacity_))) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { give_block(p_, capacity_); }
  T* get() const { return p_; }

 private:
  std::size_t capacity_ = 0;
  T* p_;
};

}  // namespace gatework
