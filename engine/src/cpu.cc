#include "cpu.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace gatework {

// Declares what kernels.cc and dense.cc define once per path.
#define GATEWORK_ABSENT_PATH(name, description)
#define GATEWORK_COMPILED_PATH(name, description, needs) \
  namespace name {                                       \
  const Kernels& kernels();                              \
  const DenseKernels& dense_kernels();                   \
  }
#include "paths.inc"
#undef GATEWORK_COMPILED_PATH
#undef GATEWORK_ABSENT_PATH

namespace {

struct Feature {
  const char* name;
  bool present;
};

#if defined(__x86_64__)

// XCR0: which registers the operating system saves when it switches threads.  The instruction is
// written out because the intrinsic wants -mxsave, and this file is compiled without flags.
std::uint64_t saved_registers() {
  std::uint32_t low = 0, high = 0;
  __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
}

std::span<const Feature> features() {
  static const auto table = [] {
    unsigned eax = 0, ebx = 0, ecx1 = 0, edx = 0, ebx7 = 0, ecx = 0;
    if (!__get_cpuid(1, &eax, &ebx, &ecx1, &edx)) ecx1 = 0;
    if (!__get_cpuid_count(7, 0, &eax, &ebx7, &ecx, &edx)) ebx7 = 0;
    constexpr unsigned kXgetbv = 1u << 27;
    constexpr std::uint64_t kYmm = 0x06, kZmm = 0xe6;  // SSE + AVX; and opmask, ZMM0-15, ZMM16-31
    const std::uint64_t saved = (ecx1 & kXgetbv) ? saved_registers() : 0;
    const bool ymm = (saved & kYmm) == kYmm, zmm = (saved & kZmm) == kZmm;
    struct Table {
      Feature rows[7];
    };
    return Table{{{"avx512f", zmm && (ebx7 >> 16 & 1)},
                  {"avx512bw", zmm && (ebx7 >> 30 & 1)},
                  {"avx512dq", zmm && (ebx7 >> 17 & 1)},
                  {"avx512vl", zmm && (ebx7 >> 31 & 1)},
                  {"avx2", ymm && (ebx7 >> 5 & 1)},
                  {"fma", ymm && (ecx1 >> 12 & 1)},
                  {"f16c", ymm && (ecx1 >> 29 & 1)}}};
  }();
  return table.rows;
}

#elif defined(__aarch64__)

std::span<const Feature> features() {
  static const Feature table[] = {{"asimd", true}};  // part of every 64-bit ARM
  return table;
}

#else

std::span<const Feature> features() { return {}; }

#endif

// The words of `needs` that this machine lacks, separated by ", ".
std::string missing(std::string_view needs) {
  std::string out;
  while (!needs.empty()) {
    const std::size_t end = std::min(needs.find(' '), needs.size());
    const std::string_view word = needs.substr(0, end);
    if (!word.empty() && !machine_has(word)) out.append(out.empty() ? "" : ", ").append(word);
    needs.remove_prefix(std::min(end + 1, needs.size()));
  }
  return out;
}

std::string available_names() {
  std::string out;
  for (const Path& path : paths()) {
    if (path.available()) out.append(out.empty() ? "" : ", ").append(path.name);
  }
  return out;
}

[[noreturn]] void refuse(std::string_view isa, const std::string& why) {
  throw std::runtime_error("GATEWORK_ISA=" + std::string(isa) + ": " + why +
                           " Paths that run here: " + available_names() +
                           ". Set GATEWORK_ISA to one of them, or unset it to get the first.");
}

}  // namespace

bool machine_has(std::string_view feature) {
  for (const Feature& row : features()) {
    if (feature == row.name) return row.present;
  }
  return false;
}

std::span<const Path> paths() {
#define GATEWORK_ABSENT_PATH(name, description)
#define GATEWORK_COMPILED_PATH(name, description, needs) \
  Path{#name, description, needs, [] { return missing(needs).empty(); }, &name::kernels, &name::dense_kernels},
  static const Path table[] = {
#include "paths.inc"
  };
#undef GATEWORK_COMPILED_PATH
#undef GATEWORK_ABSENT_PATH
  return table;
}

const Path& choose_path(const char* isa) {
  const std::string_view name = isa ? isa : "";
  for (const Path& path : paths()) {
    if (name.empty() ? path.available() : name == path.name) {
      if (path.available()) return path;
      refuse(name, "this machine's processor or operating system lacks " + missing(path.needs) +
                       ", which the path " + path.name + " needs.");
    }
  }
  if (name.empty()) {
    throw std::runtime_error("Gatework's engine was compiled without any path that runs here.");
  }
#define GATEWORK_COMPILED_PATH(name, description, needs)
#define GATEWORK_ABSENT_PATH(absent, description) \
  if (name == #absent) refuse(name, "this path (" description ") is not part of this build.");
#include "paths.inc"
#undef GATEWORK_ABSENT_PATH
#undef GATEWORK_COMPILED_PATH
  refuse(name, "there is no path of this name.");
}

const Path& active_path() {
  static const Path& path = choose_path(std::getenv("GATEWORK_ISA"));
  return path;
}

}  // namespace gatework
