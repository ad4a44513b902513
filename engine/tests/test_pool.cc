// The pool: every task once, in parallel where it says so, after fork, from two callers, nested.
#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#if !defined(_WIN32)
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "check.h"
#include "pool.h"

using namespace gatework;

namespace {

// run_tasks with a callable.
template <class F>
bool run(int n, const F& f) {
  return run_tasks(
      n,
      [](void* context, int index, int count, bool concurrent) {
        (*static_cast<const F*>(context))(index, count, concurrent);
      },
      const_cast<F*>(&f));
}

// The sum of k + 1 over all tasks, and a failed check where a task ran twice or not at all.
void every_task_runs_once(int n, bool expect_concurrent) {
  std::vector<int> seen(static_cast<std::size_t>(n > 0 ? n : 0));
  const bool concurrent = run(n, [&](int index, int count, bool together) {
    CHECK(count == n);
    CHECK(together == expect_concurrent);
    ++seen[static_cast<std::size_t>(index)];
  });
  CHECK(concurrent == expect_concurrent);
  for (const int times : seen) CHECK(times == 1);
}

#if defined(__SANITIZE_THREAD__)
#define GATEWORK_THREAD_SANITIZER
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define GATEWORK_THREAD_SANITIZER
#endif
#endif

// ThreadSanitizer refuses threads in the child of a fork; emulators crash in it and set the variable.
bool fork_works() {
#if defined(GATEWORK_THREAD_SANITIZER)
  return false;
#else
  return !std::getenv("GATEWORK_NO_FORK");
#endif
}

// In the child of a fork the leak checker would wait for the parent's threads, and say so for each.
int leaks_unchecked = 0;

}  // namespace

extern "C" __attribute__((visibility("default"))) int __lsan_is_turned_off() { return leaks_unchecked; }

TEST(every_task_runs_once_for_any_number) {
  for (const int n : {1, 2, 3, 4, 7, 16, 33}) every_task_runs_once(n, true);
  every_task_runs_once(2, true);  // fewer than there are threads now
}

TEST(no_task_is_no_work) {
  run(0, [](int, int, bool) { CHECK(false); });
  run(-3, [](int, int, bool) { CHECK(false); });
}

TEST(more_than_256_run_one_after_the_other) { every_task_runs_once(257, false); }

TEST(first_task_runs_on_the_caller_and_others_elsewhere) {
  const auto caller = std::this_thread::get_id();
  std::vector<std::thread::id> first(3), second(3);
  run(3, [&](int index, int, bool) { first[static_cast<std::size_t>(index)] = std::this_thread::get_id(); });
  run(3, [&](int index, int, bool) { second[static_cast<std::size_t>(index)] = std::this_thread::get_id(); });
  CHECK(first[0] == caller);
  CHECK(first[1] != caller && first[2] != caller && first[1] != first[2]);
  CHECK(first == second);
}

TEST(many_quick_runs) {
  long total = 0;
  for (int round = 0; round < 20000; ++round) {
    int part[2] = {0, 0};
    run(2, [&](int index, int, bool) { part[index] = round + index; });
    total += part[0] + part[1];
  }
  CHECK(total == 20000L * 19999 + 20000);
}

TEST(sleepers_wake_up) {
  for (int round = 0; round < 50; ++round) {
    std::this_thread::sleep_for(std::chrono::microseconds(300));  // ten times what a worker spins
    every_task_runs_once(3, true);
  }
}

TEST(caller_that_waits_long_is_woken) {
  std::atomic<int> done{0};
  run(2, [&](int index, int, bool) {
    if (index == 1) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ++done;
  });
  CHECK(done == 2);
}

TEST(barrier_keeps_steps_apart) {
  for (const int n : {1, 2, 5}) {
    constexpr int steps = 300;
    Barrier barrier(n);
    std::vector<long> row(static_cast<std::size_t>(n)), next(row);
    for (int k = 0; k < n; ++k) row[static_cast<std::size_t>(k)] = k;
    run(n, [&](int index, int count, bool concurrent) {
      if (!concurrent) return;
      // Rotates the row by one place a step: any thread that ran ahead would copy a wrong number.
      for (int step = 0; step < steps; ++step) {
        const std::size_t from = static_cast<std::size_t>((index + 1) % count);
        next[static_cast<std::size_t>(index)] = row[from];
        barrier.wait();
        row[static_cast<std::size_t>(index)] = next[static_cast<std::size_t>(index)];
        barrier.wait();
      }
    });
    for (int k = 0; k < n; ++k) CHECK(row[static_cast<std::size_t>(k)] == (k + steps) % n);
  }
}

TEST(run_within_a_task_is_sequential) {
  std::atomic<int> inner{0};
  const bool outer = run(2, [&](int, int, bool) {
    const bool concurrent = run(3, [&](int, int, bool together) {
      CHECK(!together);
      ++inner;
    });
    CHECK(!concurrent);
  });
  CHECK(outer);
  CHECK(inner == 6);
}

TEST(two_callers_at_once_lose_nothing) {
  constexpr int rounds = 3000;
  std::atomic<int> ran{0}, together{0};
  const auto caller = [&] {
    for (int round = 0; round < rounds; ++round) {
      together += run(2, [&](int, int, bool) { ++ran; });
    }
  };
  std::thread other(caller);
  caller();
  other.join();
  CHECK(ran == 2 * 2 * rounds);
  CHECK(together > 0);
}

TEST(floating_point_mode_of_the_caller_travels) {
  // 1 + 2^-30 is not a float: rounded upward it is the next one after 1.
  const auto rounds_upward = [] {
    volatile float one = 1.0f, little = 0x1p-30f;
    return one + little > 1.0f;
  };
  bool upward[3] = {false, false, false};
  const auto look = [&](int index, int, bool) { upward[index] = rounds_upward(); };
  std::fesetround(FE_UPWARD);
  run(3, look);
  std::fesetround(FE_TONEAREST);
  for (const bool seen : upward) CHECK(seen);
  run(3, look);
  for (const bool seen : upward) CHECK(!seen);
}

#if !defined(_WIN32)
namespace {

// Whether a child that runs `body` ends with exit code 0 within ten seconds.
template <class F>
bool child_succeeds(const F& body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(10);
    std::_Exit(body() ? 0 : 1);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool three_together() {
  std::atomic<int> ran{0};
  return run(3, [&](int, int, bool) { ++ran; }) && ran == 3;
}

}  // namespace

TEST(child_of_a_fork_has_its_own_threads) {
  if (!fork_works()) return;
  CHECK(three_together());  // so that the parent has threads
  CHECK(child_succeeds(three_together));
  CHECK(child_succeeds([] { return child_succeeds(three_together) && three_together(); }));
  CHECK(three_together());
}

TEST(fork_while_another_thread_uses_the_pool) {
  if (!fork_works()) return;
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop) run(2, [](int, int, bool) {});
  });
  for (int round = 0; round < 20; ++round) CHECK(child_succeeds(three_together));
  stop = true;
  other.join();
}

TEST(process_ends_while_workers_sleep_or_work) {
  if (!fork_works()) return;
  for (const int us : {0, 500}) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(10);
      leaks_unchecked = 1;
      three_together();
      std::thread([] {
        for (;;) run(2, [](int, int, bool) {});
      }).detach();
      usleep(static_cast<useconds_t>(us));
      std::exit(0);  // with destructors and handlers
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
}
#endif
