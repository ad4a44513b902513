// The paths that were compiled in, and the one that runs here.
//
// The table itself is cmake/paths.cmake: each line gives the compiler its flags and this file its
// questions.  The processor *and* the operating system are asked: an AVX-512 processor under a system
// that does not save the 512-bit registers is not an AVX-512 machine.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace gatework {

struct Kernels;
struct DenseKernels;

struct Path {
  const char* name;             // as in GATEWORK_ISA
  const char* description;      // for people
  const char* needs;            // what processor and system must offer, by name, separated by blanks
  bool (*available)();          // whether this machine does
  const Kernels& (*kernels)();  // call only where available, as the next
  const DenseKernels& (*dense)();
};

// Those that were compiled in, best first; the last one runs everywhere.  Static lifetime.
std::span<const Path> paths();

// The path that `isa` names; nullptr or "" means the best that is available here.  Throws
// std::runtime_error where the name is unknown, was not compiled in, or cannot run on this machine.
const Path& choose_path(const char* isa);

// choose_path of the environment variable GATEWORK_ISA, asked once and then kept.
const Path& active_path();

// Whether processor and operating system offer `feature` ("avx2", "fma", ...); unknown names: false.
bool machine_has(std::string_view feature);

}  // namespace gatework
