// Runs the tests of one program, in the order in which they stand in the file.
//
//   test_pool            all
//   test_pool fork nest  those whose names contain one of these
// Exit code 0: passed; 1: failed, or nothing ran; 77: GATEWORK_ISA names a path that this machine lacks.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string_view>

#include "check.h"
#include "cpu.h"

namespace gatework::test {
namespace {

Test* first = nullptr;
Test** last = &first;
int failures = 0;  // of the test that runs
constexpr int kShown = 8;

}  // namespace

Test::Test(const char* name_, void (*run_)()) : name(name_), run(run_), next(nullptr) {
  *last = this;
  last = &next;
}

void fail(const char* file, int line, const char* what) {
  if (++failures <= kShown) std::fprintf(stderr, "  %s:%d: %s\n", file, line, what);
}

void fail_near(const char* file, int line, const char* what, double got, double want, double tolerance) {
  if (++failures > kShown) return;
  std::fprintf(stderr, "  %s:%d: %s is %.17g, should be %.17g to within %g\n", file, line, what, got, want,
               tolerance);
}

void check_throws(const char* file, int line, void (*statement)(void*), void* context, const char* part) {
  try {
    statement(context);
  } catch (const std::exception& error) {
    if (std::strstr(error.what(), part)) return;
    fail(file, line, error.what());
    return;
  }
  fail(file, line, "nothing was thrown");
}

namespace {

bool runs_here(std::string_view name) {
  for (const Path& path : paths()) {
    if (name == path.name) return path.available();
  }
  return false;
}

bool wanted(const char* name, int argc, char** argv) {
  for (int k = 1; k < argc; ++k) {
    if (std::strstr(name, argv[k])) return true;
  }
  return argc < 2;
}

bool passes(const Test& test) {
  failures = 0;
  try {
    test.run();
  } catch (const std::exception& error) {
    fail(test.name, 0, error.what());
  }
  if (failures > kShown) std::fprintf(stderr, "  and %d more\n", failures - kShown);
  std::printf("%s %s\n", failures ? "FAILED" : "passed", test.name);
  std::fflush(stdout);
  return failures == 0;
}

int run(int argc, char** argv) {
  const char* isa = std::getenv("GATEWORK_ISA");
  const bool forced = isa && *isa;
  if (forced && !runs_here(isa)) {
    std::printf("skipped: this machine has no path %s\n", isa);
    return 77;
  }
  std::printf("path %s\n", active_path().name);
  if (forced && std::string_view(isa) != active_path().name) {
    std::printf("FAILED: another path runs than GATEWORK_ISA=%s asks for\n", isa);
    return EXIT_FAILURE;
  }
  int ran = 0, failed = 0;
  for (const Test* test = first; test; test = test->next) {
    if (!wanted(test->name, argc, argv)) continue;
    ++ran;
    failed += !passes(*test);
  }
  std::printf("%d of %d failed\n", failed, ran);
  return failed || !ran ? EXIT_FAILURE : EXIT_SUCCESS;
}

}  // namespace
}  // namespace gatework::test

int main(int argc, char** argv) { return gatework::test::run(argc, argv); }
