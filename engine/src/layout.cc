#include "layout.h"

#include <algorithm>
#include <numeric>

namespace gatework {

Layout::Layout(Index B, Index T, const Index* lengths, Index count) {
  count = std::max<Index>(1, std::min(count, B));
  const auto length_of = [&](Index b) { return lengths ? lengths[b] : T; };
  Index steps = 0;
  for (Index b = 0; b < B; ++b) steps = std::max(steps, length_of(b));

  // Places by length, longest first, equal lengths in the caller's order: a counting sort.
  std::vector<Index> sorted(static_cast<std::size_t>(B));
  if (!lengths) {
    std::iota(sorted.begin(), sorted.end(), 0);
  } else {
    std::vector<Index> place(static_cast<std::size_t>(steps) + 2, 0);
    for (Index b = 0; b < B; ++b) ++place[static_cast<std::size_t>(steps - lengths[b] + 1)];
    std::partial_sum(place.begin(), place.end(), place.begin());
    for (Index b = 0; b < B; ++b)
      sorted[static_cast<std::size_t>(place[static_cast<std::size_t>(steps - lengths[b])]++)] = b;
  }

  // sequence, order, length: B each; active: (steps + 1) a shard; first: steps
  numbers_.resize(static_cast<std::size_t>(3 * B + count * (steps + 1) + steps));
  Index* next = numbers_.data();
  Index* first = numbers_.data() + 3 * B + count * (steps + 1);
  Index* active = numbers_.data() + 3 * B;
  shards.resize(static_cast<std::size_t>(count));
  for (Index k = 0; k < count; ++k) {
    Shard& s = shards[static_cast<std::size_t>(k)];
    for (Index place = 0; place < B; ++place) {  // dealt to and fro, so that shards are alike
      const Index turn = place / count, card = place % count;
      s.slots += (turn % 2 ? count - 1 - card : card) == k;
    }
    Index *sequence = next, *order = next + s.slots, *length = next + 2 * s.slots;
    next += 3 * s.slots;
    Index slot = 0;
    for (Index place = 0; place < B; ++place) {
      const Index turn = place / count, card = place % count;
      if ((turn % 2 ? count - 1 - card : card) != k) continue;
      sequence[slot] = sorted[static_cast<std::size_t>(place)];
      order[slot] = place;
      length[slot++] = length_of(sorted[static_cast<std::size_t>(place)]);
    }
    s.sequence = sequence;
    s.order = order;
    s.length = length;
    s.steps = s.slots ? length[0] : 0;
    s.active = active;
    s.first = first;
    for (Index step = 0, n = s.slots; step <= steps; ++step) {
      while (n > 0 && length[n - 1] <= step) --n;
      *active++ = n;
    }
  }
  for (Index step = 0; step < steps; ++step) {
    first[step] = rows;
    for (const Shard& s : shards) rows += s.active[step];
  }
}

}  // namespace gatework
