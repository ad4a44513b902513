// The table of paths and the choice among them.
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "check.h"
#include "cpu.h"

using namespace gatework;

namespace {

const Path* find(std::string_view name) {
  for (const Path& path : paths()) {
    if (name == path.name) return &path;
  }
  return nullptr;
}

}  // namespace

TEST(last_path_runs_everywhere) {
  CHECK(!paths().empty());
  CHECK(std::string_view(paths().back().name) == "portable");
  CHECK(std::string_view(paths().back().needs).empty());
  CHECK(paths().back().available());
}

TEST(architecture_has_its_paths) {
#if defined(__x86_64__)
  CHECK(find("avx2"));
  CHECK(!find("neon"));
#elif defined(__aarch64__)
  CHECK(find("neon"));
  CHECK(find("neon")->available());
  CHECK(!find("avx2"));
#endif
}

TEST(best_available_is_chosen) {
  const Path* best = nullptr;
  for (const Path& path : paths()) {
    if (!best && path.available()) best = &path;
  }
  CHECK(&choose_path(nullptr) == best);
  CHECK(&choose_path("") == best);
}

TEST(each_available_path_can_be_forced) {
  for (const Path& path : paths()) {
    if (!path.available()) continue;
    CHECK(&choose_path(path.name) == &path);
    CHECK(&path.kernels() == &choose_path(path.name).kernels());
  }
}

TEST(tables_of_two_paths_differ) {
  for (const Path& a : paths()) {
    for (const Path& b : paths()) {
      if (&a != &b && a.available() && b.available()) CHECK(&a.kernels() != &b.kernels());
    }
  }
}

TEST(unknown_name_is_an_error_that_lists_what_runs) {
  CHECK_THROWS(choose_path("avx3"), "GATEWORK_ISA=avx3: there is no path of this name.");
  CHECK_THROWS(choose_path("AVX2"), "there is no path of this name.");
  CHECK_THROWS(choose_path("avx3"), "portable. Set GATEWORK_ISA to one of them, or unset it");
}

TEST(path_of_another_architecture_says_so) {
#if defined(__x86_64__)
  CHECK_THROWS(choose_path("neon"), "this path (NEON, 128 bits) is not part of this build.");
#else
  CHECK_THROWS(choose_path("avx2"), "is not part of this build.");
#endif
}

TEST(path_that_the_machine_lacks_is_an_error_that_says_what) {
  for (const Path& path : paths()) {
    if (path.available()) continue;
    CHECK_THROWS(choose_path(path.name), "this machine's processor or operating system lacks ");
  }
}

TEST(unknown_feature_is_absent) {
  CHECK(!machine_has("avx1024"));
  CHECK(!machine_has(""));
}

// Linux lists what processor and system offer together; it is an independent witness.
TEST(features_agree_with_the_system) {
#if defined(__x86_64__) && defined(__linux__)
  std::ifstream file("/proc/cpuinfo");
  std::string row, flags;
  while (flags.empty() && std::getline(file, row)) {
    if (row.rfind("flags", 0) == 0) flags = row.substr(row.find(':') + 1) + " ";
  }
  if (flags.empty()) return;
  for (const Path& path : paths()) {
    std::istringstream words(path.needs);
    for (std::string word; words >> word;) {
      CHECK(machine_has(word) == (flags.find(" " + word + " ") != std::string::npos));
    }
  }
#endif
}
