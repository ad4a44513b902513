// A ragged batch as the kernels walk it: sequences sorted by length and dealt out to threads.
#pragma once

#include <vector>

#include "kernels.h"

namespace gatework {

struct Layout {
  // `lengths` (B) or null for T each; dealt to `count` shards, 1 <= count.
  Layout(Index B, Index T, const Index* lengths, Index count);
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;

  std::vector<Shard> shards;  // fewer than asked for where there are fewer sequences; at least one
  Index rows = 0;             // sum of lengths

 private:
  std::vector<Index> numbers_;  // what the shards point into
};

}  // namespace gatework
