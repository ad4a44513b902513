// Each argument that is refused, and what is said of it; nothing is written then.
#include <cstring>
#include <functional>

#include "cases.h"

using namespace gatework;
using namespace gatework::test;

namespace {

struct Fault {
  const char* says;
  std::function<void(Backward&)> spoil;
};

Given sound(Order order) {
  Shape s;
  s.cell = Cell::lstm;
  s.D = 2, s.B = 3, s.T = 4, s.I = 2, s.H = 5, s.P = 2, s.lengths = Lengths::ragged, s.order = order;
  s.resets = order != Order::packed;
  return draw(s, 1);
}

void check_refused(const Fault& fault, Order order) {
  Run<float> run(sound(order));
  CHECK(gatework::fault(run.problem) == nullptr);
  fault.spoil(run.problem);
  const char* said = gatework::fault(run.problem);
  if (!said || std::strcmp(said, fault.says)) test::fail(__FILE__, __LINE__, fault.says);
  // unchanged but for the poison that Run writes before
  CHECK(run.forward(true) == Status::bad_argument);
  CHECK(run.backward() == Status::bad_argument);
  const Numbers hn = run.outputs().hn, dw = run.gradient()[in_w];
  for (const double x : hn) CHECK(std::isnan(x));
  for (const double x : dw) CHECK(std::isnan(x));
}

const Index too_long[] = {5, 4, 3}, negative[] = {3, -1, 2}, ascending[] = {2, 3, 1};

const char* const zoneout_of_c = "zoneout of c goes with cells of the LSTM family only";

const Fault faults[] = {
    {"unknown cell", [](Backward& p) { p.cell = static_cast<Cell>(cell_count); }},
    {"unknown cell", [](Backward& p) { p.cell = static_cast<Cell>(-1); }},
    {"there are 1 or 2 directions", [](Backward& p) { p.sizes.D = 0; }},
    {"there are 1 or 2 directions", [](Backward& p) { p.sizes.D = 3; }},
    {"a size is negative, or hidden_size is 0", [](Backward& p) { p.sizes.B = -1; }},
    {"a size is negative, or hidden_size is 0", [](Backward& p) { p.sizes.T = -1; }},
    {"a size is negative, or hidden_size is 0", [](Backward& p) { p.sizes.I = -1; }},
    {"a size is negative, or hidden_size is 0", [](Backward& p) { p.sizes.H = 0; }},
    {"a size is negative, or hidden_size is 0", [](Backward& p) { p.sizes.P = -1; }},
    {"this cell has no projection", [](Backward& p) { p.cell = Cell::gru; }},
    {"this cell has no projection", [](Backward& p) { p.cell = Cell::peephole; }},
    {"zoneout does not go with a projection", [](Backward& p) { p.zone_h = p.x; }},
    {"zoneout does not go with a projection", [](Backward& p) { p.zone_c = p.x; }},
    {zoneout_of_c, [](Backward& p) { p.cell = Cell::gru, p.sizes.P = 0, p.zone_c = p.x; }},
    {zoneout_of_c, [](Backward& p) { p.cell = Cell::slstm, p.sizes.P = 0, p.zone_c = p.x; }},
    {zoneout_of_c, [](Backward& p) { p.cell = Cell::min_lstm, p.sizes.P = 0, p.zone_c = p.x; }},
    {"the projection must be smaller than hidden_size", [](Backward& p) { p.sizes.P = 5; }},
    {"a size is out of range", [](Backward& p) { p.sizes.H = Index(1) << 21; }},
    {"a size is out of range", [](Backward& p) { p.sizes.I = Index(1) << 25; }},
    {"a size is out of range", [](Backward& p) { p.sizes.T = Index(1) << 62; }},
    {"a size is out of range", [](Backward& p) { p.sizes.I = Index(1) << 24, p.sizes.H = Index(1) << 20; }},
    {"threads must be at least 1", [](Backward& p) { p.threads = 0; }},
    {"a length is negative or longer than T", [](Backward& p) { p.lengths = too_long; }},
    {"a length is negative or longer than T", [](Backward& p) { p.lengths = negative; }},
    {"x is absent", [](Backward& p) { p.x.data = nullptr; }},
    {"y is absent", [](Backward& p) { p.y.data = nullptr; }},
    {"a weight is absent", [](Backward& p) { p.weights[0].w_ih = nullptr; }},
    {"a weight is absent", [](Backward& p) { p.weights[1].w_hh = nullptr; }},
    {"one of two biases is absent", [](Backward& p) { p.weights[1].b_ih = nullptr; }},
    {"one of two biases is absent", [](Backward& p) { p.weights[0].b_hh = nullptr; }},
    {"the projection's weight is absent", [](Backward& p) { p.weights[1].w_hr = nullptr; }},
};

const Fault packed_faults[] = {
    {"the packed layout needs lengths", [](Backward& p) { p.lengths = nullptr; }},
    {"resets do not go with the packed layout",
     [](Backward& p) { p.resets = reinterpret_cast<const std::uint8_t*>(too_long); }},
    {"packed lengths must descend", [](Backward& p) { p.lengths = ascending; }},
};

}  // namespace

TEST(every_fault_has_its_message) {
  for (const Fault& fault : faults) check_refused(fault, Order::batch_first);
  for (const Fault& fault : packed_faults) check_refused(fault, Order::packed);
}

TEST(absent_arrays_are_refused) {
  const auto refused = [](const std::function<void(Backward&)>& spoil, bool in_forward) {
    Run<double> run(sound(Order::batch_first));
    CHECK(run.forward(true) == Status::ok && run.backward() == Status::ok);
    spoil(run.problem);
    CHECK((in_forward ? forward(run.problem) : backward(run.problem)) == Status::bad_argument);
  };
  refused([](Backward& p) { p.hn = nullptr; }, true);
  refused([](Backward& p) { p.cn = nullptr; }, true);
  refused([](Backward& p) { p.saved = nullptr; }, false);
  refused([](Backward& p) { p.saved = nullptr, p.cell = static_cast<Cell>(cell_count); }, false);
  refused([](Backward& p) { p.dy.data = nullptr; }, false);
}

// A gradient of a weight that there is not.
TEST(gradient_of_an_absent_projection_is_refused) {
  Given given = sound(Order::batch_first);
  given.shape.P = 0;
  given = draw(given.shape, 1);
  Run<double> run(given);
  CHECK(run.forward(true) == Status::ok && run.backward() == Status::ok);
  double nowhere[100];
  run.problem.gradients[1].w_hr = nowhere;
  CHECK(backward(run.problem) == Status::bad_argument);
}

TEST(size_of_what_is_saved) {
  for (const Kind kind : kinds) {
    for (const bool f64 : {false, true}) {
      const Index one = saved_size(kind.cell, f64, 1, 1, 33);
      // by the number of the cell: gates, what else backward needs, and the cell states
      const Index kept[] = {5, 4, 0, 0, 5, 4, 4, 4, 4, 5, 5, 8, 3, 2, 14, 10};
      static_assert(sizeof kept / sizeof *kept == cell_count);
      const Index planes = kept[static_cast<int>(kind.cell)];
      CHECK(one == planes * (f64 ? 40 : 48));  // whole cache lines
      CHECK(saved_size(kind.cell, f64, 2, 7, 33) == 14 * one && saved_size(kind.cell, f64, 2, 0, 33) == 0);
    }
  }
}

TEST(peak_is_measured) {
  CHECK(peak(false, 0.01) > 0.01 && peak(true, 0.01) > 0.01);
}
