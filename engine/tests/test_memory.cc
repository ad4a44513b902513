// Scratch memory that is used again: what is kept, how much, and by whom.
#include "memory.h"

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "arrays.h"
#include "check.h"

// AddressSanitizer ends the program where more is asked for than there is, unless it is told to return null.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() {
  return "allocator_may_return_null=1";
}
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_options() {
  return "allocator_may_return_null=1";
}

using namespace gatework;

namespace {

struct Block {
  explicit Block(std::size_t bytes) : data(take_block(bytes, capacity)) {}
  void give() { give_block(data, capacity); }
  std::size_t capacity = 0;
  void* data;
};

constexpr std::size_t MB = std::size_t(1) << 20;

}  // namespace

TEST(block_is_aligned_and_as_large_as_asked) {
  for (const std::size_t bytes : {0ul, 1ul, 63ul, 64ul, 65ul, 4096ul, 2 * MB - 1, 2 * MB, 2 * MB + 1}) {
    Block block(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(block.data) % 64 == 0);
    CHECK(block.capacity >= bytes && block.capacity > 0);
    std::memset(block.data, 1, block.capacity);
    block.give();
  }
  drop_blocks();
}

TEST(block_is_used_again) {
  drop_blocks();
  Block first(10000);
  first.give();
  Block second(9000);
  CHECK(second.data == first.data && second.capacity == first.capacity);
  Block third(9000);  // the first is in use
  CHECK(third.data != second.data);
  third.give();
  second.give();
  Block small(100);  // not a block many times as large
  CHECK(small.data != second.data && small.data != third.data);
  small.give();
  CHECK(drop_blocks() == second.capacity + third.capacity + small.capacity);
  CHECK(drop_blocks() == 0);
}

TEST(smallest_that_fits_is_taken) {
  drop_blocks();
  Block large(3000), medium(2000), little(1000);
  large.give();
  medium.give();
  little.give();
  Block block(1500);
  CHECK(block.data == medium.data);
  block.give();
  drop_blocks();
}

TEST(no_more_than_16_blocks_are_kept) {
  drop_blocks();
  std::vector<Block> blocks;
  for (int k = 0; k < 20; ++k) blocks.emplace_back(std::size_t(64));
  for (Block& block : blocks) block.give();
  CHECK(drop_blocks() == 16 * blocks[0].capacity);
}

TEST(no_more_than_256_megabytes_are_kept) {
  drop_blocks();
  Block too_large(300 * MB);
  too_large.give();
  CHECK(drop_blocks() == 0);
  Block first(100 * MB), second(100 * MB), third(100 * MB);
  for (Block* block : {&first, &second, &third}) block->give();
  Block again(100 * MB);  // the oldest had to go
  CHECK(again.data == second.data || again.data == third.data);
  again.give();
  CHECK(drop_blocks() == 200 * MB);
}

TEST(more_than_there_is_throws) {
  std::size_t capacity = 0;
  CHECK_THROWS(take_block(SIZE_MAX, capacity), "bad_alloc");
  CHECK_THROWS(take_block(SIZE_MAX - 100, capacity), "bad_alloc");
  CHECK_THROWS(take_block(std::size_t(1) << 60, capacity), "bad_alloc");
}

TEST(nothing_is_given_back) {
  give_block(nullptr, 0);
  drop_blocks();
}

TEST(threads_never_share_a_block) {
  bool right[4] = {};
  std::vector<std::thread> threads;
  for (int k = 0; k < 4; ++k) {
    threads.emplace_back([&right, k] {
      bool mine = true;
      test::Random random(static_cast<std::uint64_t>(k));
      for (int round = 0; round < 2000; ++round) {
        const Memory<int> a(1 + random.below(300)), b(1 + random.below(300));
        a.get()[0] = k + 10 * round;
        b.get()[0] = -k - 10 * round;
        mine = mine && a.get() != b.get() && a.get()[0] == k + 10 * round && b.get()[0] == -k - 10 * round;
        if (round % 100 == 0) drop_blocks();
      }
      right[k] = mine;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(right[0] && right[1] && right[2] && right[3]);
  drop_blocks();
}

// The hundredth step of a training needs no more than the tenth.
TEST(memory_is_flat) {
  test::Shape s;
  s.D = 2, s.B = 5, s.T = 9, s.I = 7, s.H = 20;
  test::Run<float> run(test::draw(s, 1));
  const auto steps = [&](int n) {
    for (int k = 0; k < n; ++k) CHECK(run.forward(k % 3 > 0) == Status::ok && run.backward() == Status::ok);
    return drop_memory();
  };
  steps(1);
  const std::size_t early = steps(10);
  CHECK(early > 0 && steps(100) == early);
}
