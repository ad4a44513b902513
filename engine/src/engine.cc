// The public calls: what is asked is checked, dealt out to threads and handed to the kernels of the path.
#include "gatework/engine.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "cpu.h"
#include "dispatch.h"
#include "layout.h"
#include "memory.h"
#include "pool.h"

namespace gatework {
namespace {

template <class F>
bool in_parallel(int n, F& f) {
  return run_tasks(
      n, [](void* p, int i, int count, bool concurrent) { (*static_cast<F*>(p))(i, count, concurrent); }, &f);
}

// Up to so many rows inference reads torch's weights as they are.
constexpr Index small_rows = 6;

// How threads share the work: `shards` groups of sequences in each direction, each by a team that splits units.
struct Plan {
  Index shards = 1;
  int team = 1;
};

Plan plan_of(const Forward& p, Index rows, Index width) {
  Plan plan;
  const Index threads = p.threads / p.sizes.D;
  // Below this much work (40 us on one core) a second thread that spins gives nothing; one that sleeps takes 0.1 ms
  // to wake on a virtual machine, for packing, for the steps, and for the gradients: 0.6 ms.
  const double work = 2.0 * static_cast<double>(rows) * static_cast<double>(width);
  if (threads < 2 || work < (threads_spin() ? 4e6 : 6e7)) return plan;
  const Index each = p.sizes.B / threads;
  if (each >= 16 || (each >= 6 && p.sizes.H < 512)) {
    plan.shards = threads;
  } else if (p.sizes.H >= 64) {
    plan.team = static_cast<int>(threads);
  } else {
    plan.shards = std::min(threads, p.sizes.B);
  }
  return plan;
}

template <class T>
struct Pass {
  const Forward& p;
  const CellKernels<T>& k;
  const Sizes& z;
  Index R, Hp;
  Plan plan;
  Layout layout;

  explicit Pass(const Forward& problem, bool for_backward)
      : p(problem),
        k(kernels_of<T>(problem.cell)),
        z(problem.sizes),
        R(z.R()),
        Hp(padded<T>(z.H)),
        plan(plan_of(p, z.B * z.T, z.H * (k.x_planes * z.I + k.gates * R) * (for_backward ? 2 : 1))),
        layout(z.B, z.T, p.lengths, plan.shards) {}

  Job<T> job(int direction, std::size_t shard) const {
    Job<T> j;
    j.I = z.I, j.H = z.H, j.P = z.P, j.R = R, j.Hp = Hp;
    j.reverse = direction == 1;
    j.shard = layout.shards[shard];
    j.T_steps = z.T;
    j.offsets = p.offsets;
    j.resets = p.resets;
    j.x = p.x;
    j.y = p.y;
    j.y.data = static_cast<T*>(p.y.data) + direction * R;
    const auto own = [&](const Rows& rows, Index width) {
      Rows mine = rows;
      if (rows.data) mine.data = static_cast<T*>(rows.data) + direction * width;
      return mine;
    };
    j.scale = own(p.scale, R);
    j.decay = p.decay;
    j.zone_h = own(p.zone_h, z.H);
    j.zone_c = own(p.zone_c, z.H);
    const Index states = direction * z.B * R, cells = direction * z.B * k.cell_planes * z.H;
    if (p.h0) j.h0 = static_cast<const T*>(p.h0) + states;
    if (p.c0) j.c0 = static_cast<const T*>(p.c0) + cells;
    if (p.hn) j.hn = static_cast<T*>(p.hn) + states;
    if (p.cn) j.cn = static_cast<T*>(p.cn) + cells;
    if (p.saved) {
      const Index planes = (k.saved_planes + k.cell_planes) * Hp;
      T* saved = static_cast<T*>(p.saved) + direction * layout.rows * planes;
      j.gates = saved;
      if (k.cell_planes) j.cells = saved + layout.rows * k.saved_planes * Hp;
    }
    return j;
  }

  int shards() const { return static_cast<int>(layout.shards.size()); }
  int jobs() const { return static_cast<int>(z.D) * shards(); }
  int tasks() const { return jobs() * plan.team; }

  // All of n jobs or tasks, on this thread alone where no more are allowed.
  template <class F>
  void each(int n, F& f) const {
    if (p.threads > 1) {
      in_parallel(n, f);
    } else {
      for (int i = 0; i < n; ++i) f(i, n, false);
    }
  }

  // Runs every member of every job; `run` is forward or backward of the kernels.
  void run(std::vector<Job<T>>& jobs, void (*kernel)(const Job<T>&)) const {
    std::vector<std::unique_ptr<Barrier>> barriers;
    if (plan.team > 1) {
      for (std::size_t i = 0; i < jobs.size(); ++i) barriers.push_back(std::make_unique<Barrier>(plan.team));
    }
    auto task = [&](int i, int, bool concurrent) {
      Job<T> job = jobs[static_cast<std::size_t>(i / plan.team)];
      if (plan.team > 1 && concurrent) {
        job.rank = i % plan.team;
        job.team = plan.team;
        job.sync = [](void* barrier) { static_cast<Barrier*>(barrier)->wait(); };
        job.barrier = barriers[static_cast<std::size_t>(i / plan.team)].get();
      } else if (i % plan.team) {
        return;  // one after the other: the first member does it all
      }
      kernel(job);
    };
    each(tasks(), task);
  }
};

// Weights of all directions, packed by all threads.
template <class T>
struct Packed {
  struct Piece {
    Packing what;
    int direction;
    T* to;
  };

  Packed(const Pass<T>& pass, const std::vector<Packing>& kinds) {
    const Sizes& z = pass.z;
    Index size = 0;
    for (Packing what : kinds) size += padded<T>(pass.k.packed_size(what, z.I, z.H, z.P)) * z.D;
    memory = std::make_unique<Memory<T>>(size);
    T* to = memory->get();
    for (int d = 0; d < z.D; ++d) {
      for (Packing what : kinds) {
        pieces.push_back({what, d, to});
        to += padded<T>(pass.k.packed_size(what, z.I, z.H, z.P));
      }
    }
    auto task = [&](int i, int count, bool) {
      for (const Piece& piece : pieces)
        pass.k.pack(piece.what, pass.p.weights[piece.direction], z.I, z.H, z.P, piece.to, i, count);
    };
    const bool large = size > (1 << 17);
    in_parallel(large ? pass.p.threads : 1, task);
  }

  const T* operator()(Packing what, int direction) const {
    for (const Piece& piece : pieces) {
      if (piece.what == what && piece.direction == direction) return piece.to;
    }
    return nullptr;
  }

  std::unique_ptr<Memory<T>> memory;
  std::vector<Piece> pieces;
};

// Few rows and nothing to keep: no packing, no threads.
template <class T>
void run_small(const Forward& p) {
  const Pass<T> pass(p, false);
  const Index x = pass.k.x_planes * pass.Hp, params = x + pass.k.gates * pass.Hp;
  const Index used = params + pass.k.params * pass.Hp;
  const Memory<T> memory(used + pass.k.small_scratch(p.sizes.H, pass.R));
  for (int d = 0; d < p.sizes.D; ++d) {
    const Weights& w = p.weights[d];
    pass.k.pack_bias(w, p.sizes.H, memory.get(), memory.get() + x);
    pass.k.pack_params(w, p.sizes.H, memory.get() + params);
    for (int s = 0; s < pass.shards(); ++s) {
      Job<T> job = pass.job(d, static_cast<std::size_t>(s));
      job.packed_x = static_cast<const T*>(w.w_ih);
      job.packed_h = static_cast<const T*>(w.w_hh);
      job.packed_r = static_cast<const T*>(w.w_hr);
      job.bias_x = memory.get();
      job.bias_h = memory.get() + x;
      job.params = memory.get() + params;
      job.scratch = memory.get() + used;
      pass.k.small(job);
    }
  }
}

template <class T>
void run_forward(const Forward& p) {
  if (!p.saved && p.sizes.B * p.sizes.T <= small_rows) return run_small<T>(p);
  const Pass<T> pass(p, false);
  const Sizes& z = p.sizes;
  std::vector<Packing> kinds = {Packing::input, Packing::hidden};
  if (z.P) kinds.push_back(Packing::projection);
  const Packed<T> packed(pass, kinds);
  const Index bias = (pass.k.x_planes + pass.k.gates) * pass.Hp, beside = bias + pass.k.params * pass.Hp;
  const Memory<T> biases(z.D * beside);
  std::vector<Job<T>> jobs;
  Index scratch = 0;
  for (int d = 0; d < z.D; ++d) {
    T* bias_x = biases.get() + d * beside;
    pass.k.pack_params(p.weights[d], z.H, bias_x + bias);
    pass.k.pack_bias(p.weights[d], z.H, bias_x, bias_x + pass.k.x_planes * pass.Hp);
    for (int s = 0; s < pass.shards(); ++s) {
      Job<T> job = pass.job(d, static_cast<std::size_t>(s));
      job.packed_x = packed(Packing::input, d);
      job.packed_h = packed(Packing::hidden, d);
      job.packed_r = packed(Packing::projection, d);
      job.bias_x = bias_x;
      job.bias_h = bias_x + pass.k.x_planes * pass.Hp;
      job.params = bias_x + bias;
      job.team = pass.plan.team;
      scratch += pass.k.forward_scratch(job);
      jobs.push_back(job);
    }
  }
  const Memory<T> memory(scratch);
  T* at = memory.get();
  for (Job<T>& job : jobs) {
    job.scratch = at;
    at += pass.k.forward_scratch(job);
    job.team = 1;
  }
  pass.run(jobs, pass.k.forward);
}

template <class T>
void run_backward(const Backward& p) {
  const Pass<T> pass(p, true);
  const CellKernels<T>& k = pass.k;
  const Sizes& z = p.sizes;
  const bool inputs = p.dx.data != nullptr;
  std::vector<Packing> kinds = {Packing::hidden_back};
  if (inputs) kinds.push_back(Packing::input_back);
  if (z.P) kinds.push_back(Packing::projection_back);
  const Packed<T> packed(pass, kinds);

  const Index size_x = k.gradient_size(Packing::input, z.I, z.H, z.P);
  const Index size_h = k.gradient_size(Packing::hidden, z.I, z.H, z.P);
  const Index size_r = k.gradient_size(Packing::projection, z.I, z.H, z.P);
  const Index size_b = k.x_planes * pass.Hp + k.gates * pass.Hp + 2 * line, size_p = k.params * pass.Hp;
  const Index each = padded<T>(size_x) + padded<T>(size_h) + padded<T>(size_r) + padded<T>(size_b) + size_p;
  const Memory<T> params(z.D * size_p);
  for (int d = 0; d < z.D; ++d) k.pack_params(p.weights[d], z.H, params.get() + d * size_p);
  const Memory<T> tiles(each * pass.jobs());
  std::vector<Job<T>> jobs;
  Index scratch = 0;
  // With two directions both add to dx: each has its own, added at the end.
  const Index dx_size = inputs && z.D == 2 ? z.B * z.T * z.I : 0;
  for (int d = 0; d < z.D; ++d) {
    const Gradients& g = p.gradients[d];
    for (int s = 0; s < pass.shards(); ++s) {
      Job<T> job = pass.job(d, static_cast<std::size_t>(s));
      T* own = tiles.get() + each * static_cast<Index>(jobs.size());
      job.dy = p.dy;
      job.dy.data = static_cast<T*>(p.dy.data) + d * pass.R;
      job.dx = p.dx;
      job.dscale = p.dscale;
      if (p.dscale.data) job.dscale.data = static_cast<T*>(p.dscale.data) + d * pass.R;
      job.params = params.get() + d * size_p;
      if (g.params) job.dparams = own + (each - size_p);
      const Index states = d * z.B * pass.R, cells = d * z.B * k.cell_planes * z.H;
      if (p.dhn) job.dhn = static_cast<const T*>(p.dhn) + states;
      if (p.dcn) job.dcn = static_cast<const T*>(p.dcn) + cells;
      if (p.dh0) job.dh0 = static_cast<T*>(p.dh0) + states;
      if (p.dc0) job.dc0 = static_cast<T*>(p.dc0) + cells;
      if (g.w_ih) job.dw_x = own;
      if (g.w_hh) job.dw_h = own + padded<T>(size_x);
      if (g.w_hr) job.dw_r = own + padded<T>(size_x) + padded<T>(size_h);
      if (g.b_ih || g.b_hh) {
        job.db_x = own + padded<T>(size_x) + padded<T>(size_h) + padded<T>(size_r);
        job.db_h = job.db_x + padded<T>(k.x_planes * pass.Hp);
      }
      job.packed_h = packed(Packing::hidden_back, d);
      job.packed_x = packed(Packing::input_back, d);
      job.packed_r = packed(Packing::projection_back, d);
      job.team = pass.plan.team;
      scratch += k.backward_scratch(job);
      jobs.push_back(job);
    }
  }
  const Memory<T> memory(scratch), second(dx_size);
  T* at = memory.get();
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    Job<T>& job = jobs[i];
    job.scratch = at;
    at += k.backward_scratch(job);
    job.team = 1;
    if (dx_size && job.reverse) {
      const Index row = z.I;
      job.dx = p.offsets ? Rows{second.get(), row, row} : Rows{second.get(), z.T * row, row};
    }
  }
  for (std::size_t i = 0; i < jobs.size(); ++i) {  // without a step nothing is written
    if (jobs[i].shard.steps == 0)
      std::memset(tiles.get() + each * static_cast<Index>(i), 0, static_cast<std::size_t>(each) * sizeof(T));
  }
  pass.run(jobs, k.backward);

  // Tiles of all shards, added, into torch's layout; the directions' gradients of x, added.
  const int shards = pass.shards();
  auto finish = [&](int i, int count, bool) {
    for (int d = 0; d < z.D; ++d) {
      std::vector<const T*> x, h, r, bx, bh, params;
      for (int s = 0; s < shards; ++s) {
        const Job<T>& job = jobs[static_cast<std::size_t>(d * shards + s)];
        x.push_back(job.dw_x), h.push_back(job.dw_h), r.push_back(job.dw_r), params.push_back(job.dparams);
        bx.push_back(job.db_x), bh.push_back(k.planes > k.gates ? job.db_h : job.db_x);
      }
      const Gradients& g = p.gradients[d];
      if (g.w_ih) k.unpack(Packing::input, x.data(), shards, z.I, z.H, z.P, static_cast<T*>(g.w_ih), i, count);
      if (g.w_hh) k.unpack(Packing::hidden, h.data(), shards, z.I, z.H, z.P, static_cast<T*>(g.w_hh), i, count);
      if (g.w_hr) k.unpack(Packing::projection, r.data(), shards, z.I, z.H, z.P, static_cast<T*>(g.w_hr), i, count);
      if (i == 0 && g.b_ih) k.unpack_bias(bx.data(), shards, z.H, true, static_cast<T*>(g.b_ih));
      if (i == 0 && g.b_hh) k.unpack_bias(bh.data(), shards, z.H, false, static_cast<T*>(g.b_hh));
      if (i == 0 && g.params) k.unpack_params(params.data(), shards, z.H, static_cast<T*>(g.params));
    }
    if (!dx_size) return;
    const Index first = z.B * i / count, last = z.B * (i + 1) / count;
    for (Index b = first; b < last; ++b) {
      const Index L = p.lengths ? p.lengths[b] : z.T;
      for (Index t = 0; t < L; ++t) {
        const Index row = p.offsets ? p.offsets[t] : t;
        T* to = static_cast<T*>(p.dx.data) + b * p.dx.batch_stride + row * p.dx.time_stride;
        const T* from = second.get() + (p.offsets ? b + row : b * z.T + t) * z.I;
        for (Index c = 0; c < z.I; ++c) to[c] += from[c];
      }
    }
  };
  const bool large = each + dx_size > (1 << 17);
  in_parallel(large ? p.threads : 1, finish);
}

template <class Problem>
Status guarded(const Problem& p, void (*f32)(const Problem&), void (*f64)(const Problem&)) {
  if (fault(p)) return Status::bad_argument;
  try {
    p.f64 ? f64(p) : f32(p);
  } catch (const std::bad_alloc&) {
    return Status::no_memory;
  }
  return Status::ok;
}

}  // namespace

Traits traits(Cell cell) {
  const CellKernels<float>& k = kernels_of<float>(cell);
  return {k.gates, k.x_planes, k.cell_planes, k.params, k.projects, k.zones};
}

std::int64_t saved_size(Cell cell, bool f64, std::int64_t D, std::int64_t rows, std::int64_t H) {
  const auto size = [&](const auto& k, Index Hp) { return D * rows * (k.saved_planes + k.cell_planes) * Hp; };
  return f64 ? size(kernels_of<double>(cell), padded<double>(H)) : size(kernels_of<float>(cell), padded<float>(H));
}

namespace {

// Whether any sequence has a step.
bool has_rows(const Forward& p) {
  const auto steps = [](Index length) { return length > 0; };
  return p.sizes.B && p.sizes.T && (!p.lengths || std::any_of(p.lengths, p.lengths + p.sizes.B, steps));
}

}  // namespace

const char* fault(const Forward& p) {
  const Sizes& z = p.sizes;
  constexpr Index most = Index(1) << 40;
  if (static_cast<int>(p.cell) < 0 || static_cast<int>(p.cell) >= cell_count) return "unknown cell";
  if (z.D != 1 && z.D != 2) return "there are 1 or 2 directions";
  if (z.B < 0 || z.T < 0 || z.I < 0 || z.H < 1 || z.P < 0) return "a size is negative, or hidden_size is 0";
  const Traits of = traits(p.cell);
  if (z.P && !of.projects) return "this cell has no projection";
  if (p.zone_c.data && !of.zones) return "zoneout of c goes with cells of the LSTM family only";
  if (z.P && (p.zone_h.data || p.zone_c.data)) return "zoneout does not go with a projection";
  if (z.P >= z.H && z.P) return "the projection must be smaller than hidden_size";
  if (z.H > (1 << 20) || z.I > (1 << 24)) return "a size is out of range";
  if (z.B && z.T > most / z.B) return "a size is out of range";
  if (z.I && z.H > most / z.I) return "a size is out of range";
  if (p.threads < 1) return "threads must be at least 1";
  if (p.offsets && !p.lengths) return "the packed layout needs lengths";
  if (p.offsets && p.resets) return "resets do not go with the packed layout";
  if (p.lengths) {
    for (Index b = 0; b < z.B; ++b) {
      if (p.lengths[b] < 0 || p.lengths[b] > z.T) return "a length is negative or longer than T";
      if (p.offsets && b && p.lengths[b] > p.lengths[b - 1]) return "packed lengths must descend";
    }
  }
  const bool rows = has_rows(p), padding = z.B && z.T && !p.offsets;
  if (rows && !p.x.data && z.I) return "x is absent";
  if ((rows || padding) && !p.y.data) return "y is absent";
  for (int d = 0; d < z.D; ++d) {
    const Weights& w = p.weights[d];
    if ((!w.w_ih && z.I) || (!w.w_hh && of.gates)) return "a weight is absent";
    if (of.gates && (w.b_ih == nullptr) != (w.b_hh == nullptr)) return "one of two biases is absent";
    if (z.P && !w.w_hr) return "the projection's weight is absent";
  }
  return nullptr;
}

Status forward(const Forward& p) {
  if (fault(p) || (p.sizes.B && (!p.hn || (traits(p.cell).cells && !p.cn)))) return Status::bad_argument;
  return guarded<Forward>(p, run_forward<float>, run_forward<double>);
}

Status backward(const Backward& p) {
  if (fault(p)) return Status::bad_argument;
  if (has_rows(p) && (!p.dy.data || (!p.saved && saved_size(p.cell, p.f64, 1, 1, p.sizes.H))))
    return Status::bad_argument;
  if (!p.sizes.P && (p.gradients[0].w_hr || p.gradients[1].w_hr)) return Status::bad_argument;
  return guarded<Backward>(p, run_backward<float>, run_backward<double>);
}

void* take_memory(std::size_t bytes, std::size_t& capacity) { return take_block(bytes, capacity); }

void give_memory(void* block, std::size_t capacity) noexcept { give_block(block, capacity); }

std::size_t drop_memory() noexcept { return drop_blocks(); }

void draw(bool f64, void* out, std::int64_t n, double share, std::uint64_t seed) {
  const Kernels& k = active_path().kernels();
  f64 ? k.draw_f64(static_cast<double*>(out), n, share, seed) : k.draw_f32(static_cast<float*>(out), n, share, seed);
}

double peak(bool f64, double seconds) { return active_path().kernels().peak(f64, seconds); }

}  // namespace gatework
