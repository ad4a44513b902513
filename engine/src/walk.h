// Where a job's rows are: pointers for the active slots of a step.
#pragma once

#include "kernels.h"
#include "tile.h"

namespace gatework::GATEWORK_PATH {

template <class T>
GW_INLINE Index time_of(const Job<T>& job, Index slot, Index step) {
  return job.reverse ? job.shard.length[slot] - 1 - step : step;
}

template <class T>
GW_INLINE T* row_of(const Job<T>& job, const Rows& rows, Index slot, Index step) {
  const Index t = time_of(job, slot, step);
  return static_cast<T*>(rows.data) + job.shard.sequence[slot] * rows.batch_stride +
         (job.offsets ? job.offsets[t] : t) * rows.time_stride;
}

template <class T>
GW_INLINE bool is_reset(const Job<T>& job, Index slot, Index step) {
  return job.resets &&
         job.resets[job.shard.sequence[slot] * job.T_steps + time_of(job, slot, step)] != 0;
}

// Row of `saved` for a slot at a step.
template <class T>
GW_INLINE Index saved_row(const Job<T>& job, Index slot, Index step) {
  return job.shard.first[step] + job.shard.order[slot];
}

// What rank of team owns of n things: first..last.
struct Share {
  Index first, last;
};
template <class T>
GW_INLINE Share share_of(const Job<T>& job, Index n) {
  return {n * job.rank / job.team, n * (job.rank + 1) / job.team};
}

template <class T>
GW_INLINE void sync(const Job<T>& job) {
  if (job.team > 1) job.sync(job.barrier);
}

// Scratch is handed out in whole cache lines, in the same order when it is measured and when it is used.
template <class T>
struct Cutter {
  T* at;
  Index used = 0;
  template <class U = T>
  U* take(Index n) {
    const Index elements = padded<T>((n * static_cast<Index>(sizeof(U)) + sizeof(T) - 1) / sizeof(T));
    U* p = at ? reinterpret_cast<U*>(at + used) : nullptr;
    used += elements;
    return p;
  }
};

// Steps of a chunk that begins at `step` and has at least `rows` rows, as far as there are.
template <class T>
GW_INLINE Index chunk_end(const Job<T>& job, Index step, Index rows) {
  Index n = 0;
  while (step < job.shard.steps && n < rows) n += job.shard.active[step++];
  return step;
}

// A vector of a row that may end within it.
template <class T>
GW_INLINE Vec<T> load_within(const T* p, int real) {
  return real >= Vec<T>::N ? Vec<T>::load(p) : Vec<T>::load(p, real);
}

template <class T>
GW_INLINE void copy(T* to, const T* from, Index n) {
  for (Index i = 0; i < n; ++i) to[i] = from[i];
}
template <class T>
GW_INLINE void clear(T* to, Index n) {
  for (Index i = 0; i < n; ++i) to[i] = T(0);
}

}  // namespace gatework::GATEWORK_PATH
