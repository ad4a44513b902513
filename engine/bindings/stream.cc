// Streams over NumPy arrays, read and written in place through the buffer protocol.
#include "stream.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>

#include "network.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

// I, H, P; w_ih, w_hh, b_ih, b_hh, w_hr, params; the shares of h' and c' that stay
using LayerArrays = std::tuple<Py_ssize_t, Py_ssize_t, Py_ssize_t, nb::object, nb::object, nb::object, nb::object,
                               nb::object, nb::object, double, double>;

std::shared_ptr<gatework::Stream> make_stream(int cell, bool f64, bool half, const std::vector<LayerArrays>& given,
                                              bool residual) {
  std::vector<Array> held;
  std::vector<gatework::Stream::Layer> layers;
  if (cell < 0 || cell >= gatework::cell_count) throw nb::value_error("unknown cell");
  const gatework::Traits of = gatework::traits(static_cast<gatework::Cell>(cell));
  const Py_ssize_t G = of.gates, X = of.inputs;
  for (const auto& [I, H, P, w_ih, w_hh, b_ih, b_hh, w_hr, params, zone_h, zone_c] : given) {
    const auto array = [&](const nb::object& o, const char* name, std::vector<Py_ssize_t> shape) -> const void* {
      if (o.is_none()) return nullptr;
      held.emplace_back(o, name, real(f64), false, std::move(shape));
      return held.back().data();
    };
    gatework::Stream::Layer layer;
    layer.I = I, layer.H = H, layer.P = P;
    layer.weights = {array(w_ih, "weight_ih", {X * H, I}), array(w_hh, "weight_hh", {G * H, P ? P : H}),
                     array(b_ih, "bias_ih", {X * H}),      array(b_hh, "bias_hh", {G * H}),
                     array(w_hr, "weight_hr", {P, H}),     array(params, "weight_p", {of.params, H})};
    layer.zone_h = zone_h, layer.zone_c = zone_c;
    layers.push_back(layer);
  }
  try {
    return std::make_shared<gatework::Stream>(static_cast<gatework::Cell>(cell), f64, half, layers, residual);
  } catch (const std::invalid_argument& error) {
    throw nb::value_error(error.what());
  }
}

// State and output bound once, so that a step looks at nothing but x.
class Cursor {
 public:
  Cursor(const Network& network, nb::object h, nb::object c, nb::object out, Py_ssize_t B)
      : network_(network), out_object_(out), B_(B) {
    const ElementType& type = real(network.stream->f64());
    h_ = Array(h, "h", type, true, {network.Z(), B, network.R()});
    if (!c.is_none()) c_ = Array(c, "c", type, true, {network.Z(), B, network.C()});
    out_ = Array(out, "out", type, true, {B, network.R()});
  }

  nb::object push(nb::handle x) {
    const Array x_(x, "x", real(network_.stream->f64()), false, {B_, network_.I()});
    check(network_.stream->step(B_, x_.data(), h_.data(), c_.data(), out_.data()));
    return out_object_;
  }

 private:
  Network network_;
  nb::object out_object_;
  Py_ssize_t B_;
  Array h_, c_, out_;
};

}  // namespace

void bind_stream(nb::module_& m) {
  nb::class_<Network>(m, "Stream")
      .def("__init__",
           [](Network* self, int cell, bool f64, bool half, const std::vector<LayerArrays>& layers, bool residual) {
             new (self) Network{make_stream(cell, f64, half, layers, residual)};
           },
           "cell"_a, "f64"_a, "half"_a, "layers"_a, "residual"_a = false)
      .def("step", &Network::step, "x"_a, "h"_a, "c"_a.none(), "out"_a.none(), "batch_size"_a)
      .def("forward", &Network::forward, "x"_a, "h"_a, "c"_a.none(), "y"_a, "batch_size"_a, "steps"_a)
      .def("cursor",
           [](const Network& self, nb::object h, nb::object c, nb::object out, Py_ssize_t B) {
             return new Cursor(self, std::move(h), std::move(c), std::move(out), B);
           },
           "h"_a, "c"_a.none(), "out"_a, "batch_size"_a);
  nb::class_<Cursor>(m, "Cursor").def("push", &Cursor::push);
}
