// The cell over planes, by addresses: their caller (gatework.nn) has checked shapes, types and devices.
#include "gatework/planes.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>

#include <array>

#include "planes.h"

namespace nb = nanobind;

namespace {

using Address = std::uintptr_t;
using Sizes = std::array<std::int64_t, 3>;  // B, S, n

void* at(Address a) { return reinterpret_cast<void*>(a); }

template <class Problem>
void run(Problem& p, bool f64, int threads, const Sizes& sizes, gatework::Status (*call)(const Problem&)) {
  p.f64 = f64;
  p.threads = threads;
  p.B = sizes[0], p.S = sizes[1], p.n = sizes[2];
  gatework::Status status;
  {
    nb::gil_scoped_release release;
    status = call(p);
  }
  if (status != gatework::Status::ok) throw nb::value_error(gatework::fault(p));
}

void forward(bool f64, int threads, const Sizes& sizes, const std::array<Address, 7>& arrays) {
  gatework::PlanesForward p;
  p.x = at(arrays[0]), p.h = at(arrays[1]), p.c0 = at(arrays[2]), p.peephole = at(arrays[3]);
  p.gates = at(arrays[4]), p.c = at(arrays[5]), p.y = at(arrays[6]);
  run(p, f64, threads, sizes, gatework::planes_forward);
}

void backward(bool f64, int threads, const Sizes& sizes, const std::array<Address, 9>& arrays) {
  gatework::PlanesBackward p;
  p.gates = at(arrays[0]), p.c = at(arrays[1]), p.c0 = at(arrays[2]), p.peephole = at(arrays[3]);
  p.dy = at(arrays[4]), p.dh = at(arrays[5]), p.dc = at(arrays[6]), p.dx = at(arrays[7]);
  p.dpeephole = at(arrays[8]);
  run(p, f64, threads, sizes, gatework::planes_backward);
}

}  // namespace

void bind_planes(nb::module_& m) {
  m.def("planes_forward", &forward);
  m.def("planes_backward", &backward);
}
