// The public calls over planes: checked, dealt out to threads, handed to the kernels of the path.
#include "gatework/planes.h"

#include "cpu.h"
#include "kernels.h"
#include "pool.h"

namespace gatework {
namespace {

// Below so many cells (40 us on one core) a second thread that spins gives nothing; one that sleeps takes
// 0.1 ms to wake on a virtual machine.
int parts_of(int threads, Index cells) { return cells < (threads_spin() ? 35'000 : 400'000) ? 1 : threads; }

template <class Problem>
bool has_cells(const Problem& p) {
  return p.B > 0 && p.S > 0 && p.n > 0;
}

template <class Problem>
Status run(const Problem& p, void (*kernel)(const Problem&, int, int)) {
  if (fault(p)) return Status::bad_argument;
  if (!has_cells(p)) return Status::ok;
  const int parts = parts_of(p.threads, p.B * p.S * p.n);
  if (parts == 1) {
    kernel(p, 0, 1);
    return Status::ok;
  }
  auto task = [&](int part) { kernel(p, part, parts); };
  run_tasks(
      parts, [](void* f, int part, int, bool) { (*static_cast<decltype(task)*>(f))(part); }, &task);
  return Status::ok;
}

template <class Problem>
const char* fault_of_sizes(const Problem& p) {
  constexpr Index most = Index(1) << 40;
  if (p.B < 0 || p.S < 0 || p.n < 0) return "a size is negative";
  if (p.n > most || (p.n && p.S > most / p.n)) return "a size is out of range";
  if (p.S && p.n && p.B > most / (p.S * p.n)) return "a size is out of range";
  return p.threads < 1 ? "threads must be at least 1" : nullptr;
}

}  // namespace

const char* fault(const PlanesForward& p) {
  if (const char* why = fault_of_sizes(p)) return why;
  if (has_cells(p) && (!p.x || !p.c || !p.y)) return "an array is absent";
  return nullptr;
}

const char* fault(const PlanesBackward& p) {
  if (const char* why = fault_of_sizes(p)) return why;
  if (has_cells(p) && (!p.gates || !p.c || !p.dc || !p.dx)) return "an array is absent";
  if (p.dpeephole && !p.peephole) return "there are no peepholes to have a gradient";
  return nullptr;
}

Status planes_forward(const PlanesForward& p) {
  const Kernels& k = active_path().kernels();
  return run(p, p.f64 ? k.planes_forward_f64 : k.planes_forward_f32);
}

Status planes_backward(const PlanesBackward& p) {
  const Kernels& k = active_path().kernels();
  return run(p, p.f64 ? k.planes_backward_f64 : k.planes_backward_f32);
}

}  // namespace gatework
