// The engine's threads: a small pool that sleeps when idle.
#pragma once

namespace gatework {

// Must not throw.  `context` is what the caller of run_tasks gave.  `concurrent`: all tasks of the run
// are under way at the same time, so one may wait for another (Barrier); false: they run one after the
// other.
using Task = void (*)(void* context, int index, int count, bool concurrent);

// Runs task(context, k, n, concurrent) for k in 0..n-1, returns when all are done: `concurrent`.
//
// Task 0 runs on the caller, task k always on the same thread, each with the caller's floating-point
// mode (rounding, flushing of subnormal numbers).  One after the other, on the caller, where n > 256,
// the system refuses threads, or the pool serves somebody else (another thread, or the task from within
// which this is called).  Works after fork: the child starts threads of its own.  Never throws.
bool run_tasks(int n, Task task, void* context);

// From now on tasks run on the threads of an OpenMP runtime that the process has loaded already: GNU's, the shared
// library of this path.  Its threads spin for milliseconds after each piece of work of the program that
// uses it; threads of our own would have to share the processors with them (torch with two threads on two
// cores: ours took twice as long).  Not in a child after fork, nor where its threads run already.  `spins`: they do
// (unless the program set OMP_WAIT_POLICY=passive before it was loaded).  Whether the library was found.
bool adopt_openmp(const char* library, bool spins);

// Whether threads are awake when work comes.
bool threads_spin();

// Where the n tasks of a concurrent run wait for each other, as often as they like.
class Barrier {
 public:
  explicit Barrier(int n);
  Barrier(const Barrier&) = delete;
  Barrier& operator=(const Barrier&) = delete;

  // Returns when all n have called it; what each wrote before is then visible to all.
  void wait();

 private:
  // Calls so far; a round is over when it is a multiple of n.  One number on a cache line of its own: for
  // two threads a round takes 0.15 us, where a count and a flag on two lines took 0.3 (Zen 4).
  alignas(64) unsigned long long calls_ = 0;
  const unsigned long long n_;
  const int patience_;  // looks before the first yield
};

}  // namespace gatework
