#include "memory.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gatework {
namespace {

constexpr std::size_t large_page = std::size_t(1) << 21, most_kept = std::size_t(1) << 28;
constexpr int places = 16;

struct Kept {
  void* data = nullptr;
  std::size_t capacity = 0;
  unsigned long used = 0;  // when, to let go of the oldest
};

// Only tried: who finds it locked (or forked while it was) does without.
std::mutex guard;
Kept kept[places];
std::size_t total = 0;
unsigned long now = 0;

// Asks for large pages behind memory that is about to be filled.
void expect_large([[maybe_unused]] void* data, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  (void)madvise(data, bytes, MADV_HUGEPAGE);
#endif
}

}  // namespace

void* take_block(std::size_t bytes, std::size_t& capacity) {
  if (std::unique_lock lock(guard, std::try_to_lock); lock) {
    Kept* best = nullptr;
    for (Kept& k : kept) {
      if (k.data && k.capacity >= bytes && k.capacity / 4 <= bytes + line && (!best || k.capacity < best->capacity))
        best = &k;
    }
    if (best) {
      void* data = best->data;
      capacity = best->capacity;
      total -= capacity;
      *best = {};
      return data;
    }
  }
  const std::size_t unit = bytes >= large_page ? large_page : static_cast<std::size_t>(line);
  capacity = (std::max<std::size_t>(bytes, 1) + unit - 1) / unit * unit;
  if (capacity < bytes) throw std::bad_alloc();
  void* data = std::aligned_alloc(unit, capacity);
  if (!data) throw std::bad_alloc();
  if (unit == large_page) expect_large(data, capacity);
  return data;
}

void give_block(void* block, std::size_t capacity) noexcept {
  if (!block) return;
  std::unique_lock lock(guard, std::try_to_lock);
  if (!lock || capacity > most_kept) {
    std::free(block);
    return;
  }
  const auto older = [](const Kept& a, const Kept& b) { return a.used < b.used; };  // empty ones first
  while (total + capacity > most_kept) {
    Kept* oldest = nullptr;
    for (Kept& k : kept) {
      if (k.data && (!oldest || older(k, *oldest))) oldest = &k;
    }
    std::free(oldest->data);
    total -= oldest->capacity;
    *oldest = {};
  }
  Kept* place = std::min_element(kept, kept + places, older);
  std::free(place->data);
  total -= place->capacity;
  *place = {block, capacity, ++now};
  total += capacity;
}

std::size_t drop_blocks() noexcept {
  std::unique_lock lock(guard, std::try_to_lock);
  if (!lock) return 0;
  const std::size_t dropped = total;
  for (Kept& k : kept) {
    std::free(k.data);
    k = {};
  }
  total = 0;
  return dropped;
}

}  // namespace gatework
