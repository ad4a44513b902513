// gatework._engine: the only C++ that knows Python.
//
// `forward` and `backward` take addresses, because their caller (gatework.nn) holds tensors of a library this
// file does not know; it has checked shapes, types and devices.  `Stream` takes NumPy arrays and checks them.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "cpu.h"
#include "gatework/engine.h"
#include "planes.h"
#include "pool.h"
#include "row_step.h"
#include "stream.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using gatework::Cell;
using gatework::Rows;
using Address = std::uintptr_t;
using Place = std::tuple<Address, std::int64_t, std::int64_t>;  // address, batch stride, time stride
using Addresses = std::array<Address, 6>;  // w_ih, w_hh, b_ih, b_hh, w_hr, params
using Places = std::array<Place, 3>;      // scale, zone_h, zone_c

template <class T>
T* at(Address a) {
  return reinterpret_cast<T*>(a);
}

Rows rows(const Place& p) { return {at<void>(std::get<0>(p)), std::get<1>(p), std::get<2>(p)}; }

void check(gatework::Status status, const gatework::Forward& problem) {
  if (status == gatework::Status::no_memory) throw std::bad_alloc();
  if (status == gatework::Status::ok) return;
  const char* why = gatework::fault(problem);
  throw nb::value_error(why ? why : "an array is absent");
}

void fill(gatework::Forward& p, int cell, bool f64, int threads, const std::array<std::int64_t, 6>& sizes,
          const Place& x, const Place& y, Address lengths, Address offsets, Address resets,
          const std::vector<Addresses>& weights, Address saved, const Places& modifiers, bool decay) {
  p.cell = static_cast<Cell>(cell);
  p.f64 = f64;
  p.threads = threads;
  p.sizes = {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]};
  p.x = rows(x);
  p.y = rows(y);
  p.lengths = at<const std::int64_t>(lengths);
  p.offsets = at<const std::int64_t>(offsets);
  p.resets = at<const std::uint8_t>(resets);
  if (static_cast<std::int64_t>(weights.size()) != sizes[0] || weights.size() > 2)
    throw nb::value_error("there must be weights for each direction");
  for (std::size_t d = 0; d < weights.size(); ++d) {
    const Addresses& w = weights[d];
    p.weights[d] = {at<void>(w[0]), at<void>(w[1]), at<void>(w[2]), at<void>(w[3]), at<void>(w[4]), at<void>(w[5])};
  }
  p.saved = at<void>(saved);
  p.scale = rows(modifiers[0]);
  p.zone_h = rows(modifiers[1]);
  p.zone_c = rows(modifiers[2]);
  p.decay = decay;
}

void forward(int cell, bool f64, int threads, const std::array<std::int64_t, 6>& sizes, const Place& x,
             const Place& y, Address lengths, Address offsets, Address resets,
             const std::array<Address, 4>& states, const std::vector<Addresses>& weights, Address saved,
             const Places& modifiers, bool decay) {
  gatework::Forward p;
  fill(p, cell, f64, threads, sizes, x, y, lengths, offsets, resets, weights, saved, modifiers, decay);
  p.h0 = at<void>(states[0]);
  p.c0 = at<void>(states[1]);
  p.hn = at<void>(states[2]);
  p.cn = at<void>(states[3]);
  gatework::Status status;
  {
    nb::gil_scoped_release release;
    status = gatework::forward(p);
  }
  check(status, p);
}

void backward(int cell, bool f64, int threads, const std::array<std::int64_t, 6>& sizes, const Place& x,
              const Place& y, Address lengths, Address offsets, Address resets,
              const std::array<Address, 2>& states, const std::vector<Addresses>& weights, Address saved,
              const Places& modifiers, bool decay, const Place& dy, const std::array<Address, 4>& dstates,
              const Place& dx, const std::vector<Addresses>& dweights, const Place& dscale) {
  gatework::Backward p;
  fill(p, cell, f64, threads, sizes, x, y, lengths, offsets, resets, weights, saved, modifiers, decay);
  p.h0 = at<void>(states[0]);
  p.c0 = at<void>(states[1]);
  p.dy = rows(dy);
  p.dhn = at<void>(dstates[0]);
  p.dcn = at<void>(dstates[1]);
  p.dh0 = at<void>(dstates[2]);
  p.dc0 = at<void>(dstates[3]);
  p.dx = rows(dx);
  p.dscale = rows(dscale);
  if (dweights.size() != weights.size()) throw nb::value_error("there must be gradients for each direction");
  for (std::size_t d = 0; d < dweights.size(); ++d) {
    const Addresses& w = dweights[d];
    p.gradients[d] = {at<void>(w[0]), at<void>(w[1]), at<void>(w[2]), at<void>(w[3]), at<void>(w[4]), at<void>(w[5])};
  }
  gatework::Status status;
  {
    nb::gil_scoped_release release;
    status = gatework::backward(p);
  }
  check(status, p);
}

// An uninitialised flat array from the memory that the engine keeps; it goes back when nobody holds the array.
template <class T>
nb::object flat_array(std::size_t n) {
  struct Block {
    void* data;
    std::size_t capacity;
  };
  auto block = std::make_unique<Block>();
  block->data = gatework::take_memory(n * sizeof(T), block->capacity);
  void* data = block->data;
  nb::capsule owner(block.release(), [](void* p) noexcept {
    std::unique_ptr<Block> b(static_cast<Block*>(p));
    gatework::give_memory(b->data, b->capacity);
  });
  return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<1>>(data, {n}, owner));
}

nb::object empty(std::size_t n, bool f64) {
  if (n > (std::size_t(1) << 48)) throw nb::value_error("empty: too many elements");
  return f64 ? flat_array<double>(n) : flat_array<float>(n);
}

nb::dict info() {
  nb::dict facts;
  const gatework::Path& path = gatework::active_path();
  facts["path"] = path.name;
  facts["description"] = path.description;
  nb::list names;
  for (const gatework::Path& p : gatework::paths()) {
    if (p.available()) names.append(p.name);
  }
  facts["paths"] = names;
#if defined(__clang__)
  facts["compiler"] = "clang " __clang_version__;
#else
  facts["compiler"] = "gcc " __VERSION__;
#endif
  return facts;
}

}  // namespace

// glibc returns an array of more than 128 KB to the system as soon as it is freed, and the next one pays for
// fresh pages again, until a program has freed a larger one: then arrays up to that size are kept.  Here, once,
// so that a training loop with arrays of a few MB does not pay (1424 page faults a step, 3 of 51 ms).
void keep_freed_arrays() {
  void* volatile array = std::malloc(std::size_t(30) << 20);  // volatile: a compiler may leave out both calls
  std::free(array);
}

NB_MODULE(_engine, m) {
  keep_freed_arrays();
  gatework::active_path();  // an impossible GATEWORK_ISA is said at import
  m.def("info", &info);
  m.def("saved_size",
        [](int cell, bool f64, std::int64_t D, std::int64_t rows, std::int64_t H, std::int64_t) {
          if (cell < 0 || cell >= gatework::cell_count || D < 0 || rows < 0 || H < 1)
            throw nb::value_error("saved_size: a size is out of range");
          return gatework::saved_size(static_cast<Cell>(cell), f64, D, rows, H);
        });
  m.def("traits", [](int cell) {
    if (cell < 0 || cell >= gatework::cell_count) throw nb::value_error("unknown cell");
    const gatework::Traits t = gatework::traits(static_cast<Cell>(cell));
    nb::dict facts;
    facts["gates"] = t.gates;
    facts["inputs"] = t.inputs;
    facts["cells"] = t.cells;
    facts["params"] = t.params;
    facts["projects"] = t.projects;
    facts["zones"] = t.zones;
    return facts;
  });
  m.def("forward", &forward);
  m.def("backward", &backward);
  m.def("draw", [](Address out, std::int64_t n, bool f64, double share, std::uint64_t seed) {
    if (n < 0 || !(share >= 0 && share <= 1)) throw nb::value_error("draw: n or share is out of range");
    nb::gil_scoped_release release;
    gatework::draw(f64, at<void>(out), n, share, seed);
  });
  m.def("peak", &gatework::peak, nb::call_guard<nb::gil_scoped_release>());
  m.def("adopt_openmp", [](const std::string& library, bool spins) { return gatework::adopt_openmp(library.c_str(), spins); });
  m.def("empty", &empty);
  m.def("drop_memory", &gatework::drop_memory);
  bind_stream(m);
  bind_planes(m);
  bind_row_step(m);
}
