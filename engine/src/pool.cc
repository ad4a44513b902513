#include "pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <new>
#include <thread>
#include <type_traits>

#if !defined(_WIN32)
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace gatework {
namespace {

constexpr int kMostThreads = 256;
constexpr auto kSpin = std::chrono::microseconds(30);  // waking a sleeper costs 5 to 50
constexpr int kBarrierLooks = 20000;                   // about 0.3 to 1 ms

inline void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");  // `yield` does nothing on most cores
#endif
}

// Processors that this process may use.
int processors() {
  static const int count = [] {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }();
  return count;
}

// The control register of the floating-point unit; a thread starts with the default one.
class FloatMode {
 public:
#if defined(__x86_64__)
  static FloatMode here() { return FloatMode{_mm_getcsr()}; }
  void set() const { _mm_setcsr(static_cast<unsigned>(value_)); }
#elif defined(__aarch64__)
  static FloatMode here() {
    std::uint64_t value;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value));
    return FloatMode{value};
  }
  void set() const { __asm__ volatile("msr fpcr, %0" ::"r"(value_)); }
#else
  static FloatMode here() { return FloatMode{0}; }
  void set() const {}
#endif
  FloatMode() = default;

 private:
  explicit FloatMode(std::uint64_t value) : value_(value) {}
  std::uint64_t value_ = 0;
};

// A counter that one thread waits for and any thread advances.
class Gate {
 public:
  unsigned value() const { return value_.load(std::memory_order_relaxed); }

  void advance() {
    value_.fetch_add(1);
    // Both sides write, then read what the other wrote (sequentially consistent): either this thread
    // sees the sleeper, or the sleeper sees the new value.
    if (asleep_.load()) {
      { const std::lock_guard<std::mutex> lock(mutex_); }
      moved_.notify_one();
    }
  }

  void wait_for(unsigned target) {
    const auto arrived = [&] { return value_.load() == target; };
    const auto until = std::chrono::steady_clock::now() + kSpin;
    do {
      for (int look = 0; look < 32; ++look) {
        if (arrived()) return;
        pause();
      }
    } while (std::chrono::steady_clock::now() < until);
    std::unique_lock<std::mutex> lock(mutex_);
    asleep_.store(true);
    moved_.wait(lock, arrived);
    asleep_.store(false);
  }

 private:
  alignas(64) std::atomic<unsigned> value_{0};
  std::atomic<bool> asleep_{false};
  std::mutex mutex_;
  std::condition_variable moved_;
};

// Threads and what they run.  Made once per process and never destroyed: threads may outlive the
// destructors that run at exit, and they sleep or spin on what is in here.
class Pool {
 public:
  explicit Pool(Pool* before_fork) : before_fork_(before_fork) {}

  // Whether all n tasks were run, at the same time; otherwise none was.
  bool run(int n, Task task, void* context) {
    if (busy_.exchange(true, std::memory_order_acquire)) return false;
    const bool enough = grow(n - 1);
    if (enough) {
      job_ = {task, context, n, FloatMode::here()};
      const unsigned all_done = done_.value() + static_cast<unsigned>(n - 1);
      for (int k = 1; k < n; ++k) workers_[k]->start.advance();
      task(context, 0, n, true);
      done_.wait_for(all_done);
    }
    busy_.store(false, std::memory_order_release);
    return enough;
  }

 private:
  struct Job {
    Task task;
    void* context;
    int count;
    FloatMode mode;
  };
  struct Worker {
    Gate start;
  };

  bool grow(int wanted) {
    while (threads_ < wanted) {
      if (!start_thread(threads_ + 1)) return false;
      ++threads_;
    }
    return true;
  }

  bool start_thread(int index) {
    if (!workers_[index]) workers_[index] = new (std::nothrow) Worker;
    if (!workers_[index]) return false;
#if !defined(_WIN32)
    // Signals are for the threads of the program, which Python wakes up for Ctrl-C; faults stay where
    // they happen.
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) sigdelset(&blocked, fault);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
#endif
    bool started = true;
    try {
      std::thread([this, index] { serve(index); }).detach();
    } catch (...) {
      started = false;
    }
#if !defined(_WIN32)
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
#endif
    return started;
  }

  [[noreturn]] void serve(int index) {
#if defined(__linux__)
    pthread_setname_np(pthread_self(), "gatework");
#endif
    Gate& start = workers_[index]->start;
    for (unsigned seen = 1;; ++seen) {
      start.wait_for(seen);
      job_.mode.set();
      job_.task(job_.context, index, job_.count, true);
      done_.advance();
    }
  }

  std::atomic<bool> busy_{false};
  int threads_ = 0;
  Job job_{};
  Gate done_;
  Worker* workers_[kMostThreads] = {};  // by index of the task; the caller is 0
  Pool* const before_fork_;             // the parent's: its threads do not exist here; kept reachable
};

// GNU's OpenMP runtime, by the entry points that compilers call.
struct OpenMp {
  void (*parallel)(void (*)(void*), void*, unsigned, unsigned) = nullptr;
  int (*thread_number)() = nullptr;
  int (*team_size)() = nullptr;
  int (*inside)() = nullptr;
};
OpenMp found;
bool openmp_spins = false;
std::atomic<bool> use_openmp{false};

// One run of tasks as the body of a parallel region.
struct Region {
  Task task;
  void* context;
  int count;
  FloatMode mode;
  bool concurrent;  // written by thread 0
};

void in_region(void* p) {
  Region& region = *static_cast<Region*>(p);
  const int k = found.thread_number();
  const bool all = found.team_size() == region.count;
  if (k == 0) region.concurrent = all;
  if (!all) return;
  const FloatMode before = FloatMode::here();
  region.mode.set();
  region.task(region.context, k, region.count, true);
  before.set();
}

// Whether all n tasks were run at the same time; otherwise none was.
bool run_openmp(int n, Task task, void* context) {
  if (found.inside()) return false;
  Region region{task, context, n, FloatMode::here(), false};
  found.parallel(in_region, &region, static_cast<unsigned>(n), 0);
  return region.concurrent;
}

std::atomic<Pool*> current{nullptr};
Pool* left_by_fork = nullptr;

// The pool of this process; nullptr where there is no memory for one.
Pool* pool() {
  Pool* here = current.load(std::memory_order_acquire);
  if (here) return here;
#if !defined(_WIN32)
  // Run in the child: it starts afresh, with whatever state the parent's threads left behind unused.
  static const bool told = pthread_atfork(nullptr, nullptr, [] {
                             if (Pool* parents = current.exchange(nullptr)) left_by_fork = parents;
                           }) == 0;
  if (!told) return nullptr;
#endif
  Pool* made = new (std::nothrow) Pool(left_by_fork);
  if (!made || current.compare_exchange_strong(here, made)) return made;
  delete made;  // another thread was first
  return here;
}

}  // namespace

bool run_tasks(int n, Task task, void* context) {
  if (n == 1) {
    task(context, 0, 1, true);
    return true;
  }
  if (n > 1 && n <= kMostThreads) {
    if (use_openmp.load(std::memory_order_acquire) && run_openmp(n, task, context)) return true;
    Pool* const threads = pool();
    if (threads && threads->run(n, task, context)) return true;
  }
  for (int k = 0; k < n; ++k) task(context, k, n, false);
  return false;
}

bool threads_spin() { return use_openmp.load(std::memory_order_acquire) && openmp_spins; }

bool adopt_openmp([[maybe_unused]] const char* library, [[maybe_unused]] bool spins) {
#if defined(_WIN32)
  return false;
#else
  void* const handle = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
  if (!handle) return false;
  const auto symbol = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
    return function != nullptr;
  };
  OpenMp runtime;
  if (!symbol(runtime.parallel, "GOMP_parallel") || !symbol(runtime.thread_number, "omp_get_thread_num") ||
      !symbol(runtime.team_size, "omp_get_num_threads") || !symbol(runtime.inside, "omp_in_parallel")) {
    dlclose(handle);
    return false;
  }
  // Its threads do not exist in the child of a fork, and it would wait for them.
  static const bool told = pthread_atfork(nullptr, nullptr, [] { use_openmp.store(false); }) == 0;
  if (!told || use_openmp.load()) return told;
  found = runtime;
  openmp_spins = spins;
  use_openmp.store(true, std::memory_order_release);
  return true;
#endif
}

Barrier::Barrier(int n)
    : n_(static_cast<unsigned>(n)), patience_(n <= processors() ? kBarrierLooks : 0) {}

// The builtins, not std::atomic, so that the header needs no other and kernels may include it.
void Barrier::wait() {
  const unsigned long long mine = __atomic_fetch_add(&calls_, 1, __ATOMIC_ACQ_REL);
  const unsigned long long complete = (mine / n_ + 1) * n_;
  for (int looks = 0; __atomic_load_n(&calls_, __ATOMIC_ACQUIRE) < complete; ++looks) {
    if (looks < patience_) {
      pause();
    } else {
      std::this_thread::yield();
      looks = patience_;
    }
  }
}

}  // namespace gatework
