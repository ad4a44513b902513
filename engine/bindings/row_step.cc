// A detector's row in one call, over NumPy arrays.
#include "gatework/row_step.h"

#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <stdexcept>

#include "network.h"
#include "row_step.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Sizes = std::tuple<Py_ssize_t, Py_ssize_t, Py_ssize_t, bool, Py_ssize_t, Py_ssize_t>;  // C F K mask below above
using Head = std::tuple<nb::object, nb::object, nb::object>;                  // weight, bias, keep
using Word = std::tuple<Py_ssize_t, Py_ssize_t, nb::object, nb::object, nb::object>;  // words, width, table, weight, bias
using Tails = std::tuple<nb::object, Py_ssize_t, double>;                     // table, knots, reach
using Level = std::tuple<nb::object, double>;                                 // table, slowness; or None
using Scale = std::tuple<nb::object, nb::object>;                             // location, inverse; or None
using Joining = std::tuple<Py_ssize_t, double, double, double>;               // top, forget, share, constant

// Weights of all series, with what keeps them alive.
struct Model {
  gatework::RowModel m;
  std::shared_ptr<gatework::Stream> stream;
  Py_ssize_t Z, R, beside;
  std::vector<Array> held;

  const float* take(const nb::object& o, const char* name, std::vector<Py_ssize_t> shape) {
    held.emplace_back(o, name, float32, false, std::move(shape));
    return held.back().as<float>();
  }
  const double* take_double(const nb::object& o, const char* name, std::vector<Py_ssize_t> shape) {
    held.emplace_back(o, name, float64_always, false, std::move(shape));
    return held.back().as<double>();
  }
};

std::shared_ptr<Model> make_model(const Network& network, const Sizes& sizes, const Head& head,
                                  const std::vector<Word>& words, const Tails& tails, const Level& level,
                                  const Joining& joining, const Scale& scale) {
  auto made = std::make_shared<Model>();
  gatework::RowModel& m = made->m;
  made->stream = network.stream;
  made->Z = network.Z(), made->R = network.R(), made->beside = network.C();
  m.stream = made->stream.get();
  std::tie(m.C, m.F, m.K, m.mask, m.below, m.above) = sizes;
  constexpr Py_ssize_t most = 1 << 24;
  for (const Py_ssize_t n : {m.C, m.F, m.K, m.below, m.above}) {
    if (n < 0 || n > most) throw nb::value_error("a size is out of range");
  }
  const Py_ssize_t H = network.H(), columns = m.C * (1 + m.below + m.above);
  if (m.C) {
    m.weight = made->take(std::get<0>(head), "weight", {H, columns});
    m.bias = made->take(std::get<1>(head), "bias", {columns});
    m.keep = made->take(std::get<2>(head), "keep", {m.C});
  }
  for (const auto& [count, width, table, weight, bias] : words) {
    m.categories.push_back({count, width, made->take(table, "table", {count, width}),
                            made->take(weight, "weight", {H, count}), made->take(bias, "bias", {count})});
  }
  if (!std::get<0>(scale).is_none()) {
    m.location = made->take_double(std::get<0>(scale), "location", {m.C});
    m.inverse = made->take_double(std::get<1>(scale), "inverse", {m.C});
  }
  const Py_ssize_t D = static_cast<Py_ssize_t>(words.size());
  m.knots = std::get<1>(tails), m.reach = std::get<2>(tails);
  m.tails = made->take(std::get<0>(tails), "tails", {m.C + D, m.knots});
  if (!std::get<0>(level).is_none()) {
    m.levels = made->take(std::get<0>(level), "levels", {m.C, m.knots});
    m.slowness = std::get<1>(level);
  }
  std::tie(m.top, m.forget, m.share, m.constant) = joining;
  if (const char* why = gatework::fault(m)) throw nb::value_error(why);
  return made;
}

struct SharedModel {
  std::shared_ptr<Model> model;
};

// The arrays of one series, looked at once, so that a row looks at nothing but itself.
class Step {
 public:
  Step(const std::shared_ptr<Model>& model, nb::handle h, nb::handle c, nb::handle last, nb::handle missing,
       nb::handle tokens, nb::handle usual, nb::handle slow, nb::handle held, nb::handle expected, nb::handle best,
       nb::handle chances, nb::handle surprise)
      : model_(model), step_(model->m) {
    const gatework::RowModel& m = model->m;
    C = m.C, D = static_cast<Py_ssize_t>(m.categories.size()), F = m.F, K = m.K;
    const Py_ssize_t X = C + D + K;
    const auto take = [&](nb::handle o, const char* name, const ElementType& type, std::vector<Py_ssize_t> shape) {
      arrays_.emplace_back(o, name, type, true, std::move(shape));
      return arrays_.back().data();
    };
    state_.h = static_cast<float*>(take(h, "h", float32, {model->Z, 1, model->R}));
    if (model->beside) state_.c = static_cast<float*>(take(c, "c", float32, {model->Z, 1, model->beside}));
    state_.last = static_cast<float*>(take(last, "last", float32, {C}));
    state_.missing = static_cast<std::uint8_t*>(take(missing, "missing", boolean, {C}));
    state_.tokens = static_cast<std::int64_t*>(take(tokens, "tokens", int64, {D}));
    state_.usual = static_cast<double*>(take(usual, "usual", float64_always, {X}));
    if (m.levels) state_.slow = static_cast<double*>(take(slow, "slow", float64_always, {C}));
    state_.held = static_cast<double*>(take(held, "held", float64_always, {2}));
    state_.expected = static_cast<float*>(take(expected, "expected", float32, {3, C}));
    state_.best = static_cast<std::int64_t*>(take(best, "best", int64, {D}));
    state_.chances = static_cast<float*>(take(chances, "chances", float32, {2, D}));
    state_.surprise = static_cast<double*>(take(surprise, "surprise", float64_always, {X}));
  }

  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  nb::tuple push(nb::handle numbers, nb::handle tokens, nb::handle calendar, nb::handle changed) {
    Array numbers_, tokens_, calendar_, changed_;
    const bool raw = model_->m.location;
    if (C) numbers_ = Array(numbers, raw ? "values" : "z", raw ? float64_always : float32, false, {C});
    if (D) tokens_ = Array(tokens, "tokens", int64, false, {D});
    if (F) calendar_ = Array(calendar, "calendar", float32, false, {F});
    if (K && !changed.is_none()) changed_ = Array(changed, "changed", boolean, false, {K});
    gatework::Row row;
    if (raw) {
      row.raw = numbers_.as<double>();
    } else {
      row.z = numbers_.as<float>();
    }
    row.tokens = tokens_.as<std::int64_t>(), row.calendar = calendar_.as<float>();
    row.changed = changed_.as<std::uint8_t>();
    gatework::RowSurprise out;
    const gatework::Status status = step_.step(state_, row, out);
    if (status == gatework::Status::bad_argument) throw nb::value_error("a token is no word of its category");
    check(status);
    return nb::make_tuple(out.joined, out.first, out.total);
  }

 private:
  std::shared_ptr<Model> model_;
  gatework::RowStep step_;
  gatework::RowState state_;
  Py_ssize_t C, D, F, K;
  std::vector<Array> arrays_;
};

}  // namespace

void bind_row_step(nb::module_& m) {
  nb::class_<SharedModel>(m, "RowModel")
      .def("__init__",
           [](SharedModel* self, const Network& network, const Sizes& sizes, const Head& head,
              const std::vector<Word>& words, const Tails& tails, const Level& level,
              const Joining& joining, const Scale& scale) {
             new (self) SharedModel{make_model(network, sizes, head, words, tails, level, joining, scale)};
           },
           "stream"_a, "sizes"_a, "head"_a, "words"_a, "tails"_a, "level"_a, "joining"_a, "scale"_a)
      .def("bind",
           [](const SharedModel& self, nb::handle h, nb::handle c, nb::handle last, nb::handle missing,
              nb::handle tokens, nb::handle usual, nb::handle slow, nb::handle held, nb::handle expected,
              nb::handle best, nb::handle chances, nb::handle surprise) {
             return new Step(self.model, h, c, last, missing, tokens, usual, slow, held, expected, best, chances,
                             surprise);
           },
           "h"_a, "c"_a.none(), "last"_a, "missing"_a, "tokens"_a, "usual"_a, "slow"_a, "held"_a, "expected"_a,
           "best"_a, "chances"_a, "surprise"_a);
  nb::class_<Step>(m, "RowStep")
      .def("push", &Step::push, "numbers"_a.none(), "tokens"_a.none(), "calendar"_a.none(), "changed"_a.none());
}
