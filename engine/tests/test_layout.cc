// How a ragged batch is sorted and dealt out.
#include "layout.h"

#include <algorithm>
#include <vector>

#include "check.h"
#include "reference.h"

using namespace gatework;
using gatework::test::Random;

namespace {

void check_shard(const Shard& s, const std::vector<Index>& lengths, std::vector<int>& seen,
                 std::vector<int>& placed) {
  CHECK(s.steps == (s.slots ? s.length[0] : 0));
  for (Index slot = 0; slot < s.slots; ++slot) {
    const Index b = s.sequence[slot];
    ++seen[static_cast<std::size_t>(b)];
    ++placed[static_cast<std::size_t>(s.order[slot])];
    CHECK(s.length[slot] == lengths[static_cast<std::size_t>(b)]);
    CHECK(slot == 0 || s.length[slot] <= s.length[slot - 1]);
    CHECK(slot == 0 || s.order[slot] > s.order[slot - 1]);
  }
  for (Index step = 0; step <= s.steps; ++step)
    CHECK(s.active[step] == std::count_if(s.length, s.length + s.slots, [&](Index n) { return n > step; }));
}

void check_layout(const std::vector<Index>& lengths, Index T, bool given, Index count) {
  const Index B = static_cast<Index>(lengths.size());
  const Layout layout(B, T, given ? lengths.data() : nullptr, count);
  CHECK(static_cast<Index>(layout.shards.size()) == std::max<Index>(1, std::min(count, B)));
  std::vector<int> seen(lengths.size()), placed(lengths.size());
  Index fewest = B, most = 0;
  for (const Shard& s : layout.shards) {
    check_shard(s, lengths, seen, placed);
    fewest = std::min(fewest, s.slots);
    most = std::max(most, s.slots);
  }
  CHECK(most - fewest <= 1);
  for (const int times : seen) CHECK(times == 1);
  for (const int times : placed) CHECK(times == 1);
  // rows of `saved`: those of a step follow one another, each has one
  Index rows = 0;
  for (const Index length : lengths) rows += length;
  CHECK(layout.rows == rows);
  std::vector<int> taken(static_cast<std::size_t>(rows));
  for (const Shard& s : layout.shards) {
    for (Index step = 0; step < s.steps; ++step) {
      for (Index slot = 0; slot < s.active[step]; ++slot) {
        const Index row = s.first[step] + s.order[slot];
        CHECK(row >= 0 && row < rows);
        if (row >= 0 && row < rows) ++taken[static_cast<std::size_t>(row)];
      }
    }
  }
  for (const int times : taken) CHECK(times == 1);
}

}  // namespace

TEST(every_sequence_and_every_row_once) {
  Random random(1);
  for (const Index B : {0, 1, 2, 3, 4, 7, 20}) {
    for (const Index T : {0, 1, 2, 9}) {
      for (const Index count : {1, 2, 3, 4, 30}) {
        std::vector<Index> lengths(static_cast<std::size_t>(B), T);
        check_layout(lengths, T, false, count);
        check_layout(lengths, T, true, count);
        for (Index& length : lengths) length = random.below(T + 1);
        check_layout(lengths, T, true, count);
        std::fill(lengths.begin(), lengths.end(), 0);
        check_layout(lengths, T, true, count);
      }
    }
  }
}

TEST(equal_lengths_keep_the_callers_order) {
  const Index lengths[] = {2, 5, 2, 0, 5, 5, 0};
  const Layout layout(7, 6, lengths, 1);
  const Index expected[] = {1, 4, 5, 0, 2, 3, 6};
  CHECK(std::equal(expected, expected + 7, layout.shards[0].sequence));
  CHECK(layout.shards[0].steps == 5 && layout.rows == 19);
}

// Shards have nearly the same number of rows when lengths differ: dealt to and fro.
TEST(shards_are_alike) {
  std::vector<Index> lengths;
  for (Index b = 0; b < 40; ++b) lengths.push_back(5 * b);
  const Layout layout(40, 200, lengths.data(), 4);
  Index fewest = 100000, most = 0;
  for (const Shard& s : layout.shards) {
    Index rows = 0;
    for (Index slot = 0; slot < s.slots; ++slot) rows += s.length[slot];
    fewest = std::min(fewest, rows);
    most = std::max(most, rows);
  }
  CHECK(most - fewest <= 20);
}
