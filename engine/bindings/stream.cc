// Streams over NumPy arrays, read and written in place through the buffer protocol.
#include "stream.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <new>
#include <string>

#include "gatework/stream.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

// A C-contiguous array of one type, held as long as this lives.
class Array {
 public:
  Array() = default;
  Array(nb::handle object, const char* name, bool f64, bool writable, std::vector<Py_ssize_t> shape) {
    const int flags = PyBUF_ND | PyBUF_FORMAT | PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object.ptr(), &view_, flags) != 0) {
      PyErr_Clear();
      throw nb::type_error((std::string(name) + " must be a C-contiguous" + (writable ? ", writable" : "") +
                            " array. Pass numpy.ascontiguousarray(...) of it.").c_str());
    }
    held_ = true;
    const char* format = view_.format ? view_.format : "B";
    if (format[0] == '@' || format[0] == '=' || format[0] == '<') ++format;
    if (format[0] != (f64 ? 'd' : 'f') || format[1] != 0) {
      fail(std::string(name) + " must be " + (f64 ? "float64" : "float32") + ", as the weights are; its type is '" +
           format + "'. Pass " + name + ".astype(numpy." + (f64 ? "float64" : "float32") + ").");
    }
    if (view_.ndim != static_cast<int>(shape.size()) || !std::equal(shape.begin(), shape.end(), view_.shape)) {
      std::string wanted, got;
      for (Py_ssize_t n : shape) wanted += (wanted.empty() ? "" : ", ") + std::to_string(n);
      for (int i = 0; i < view_.ndim; ++i) got += (i ? ", " : "") + std::to_string(view_.shape[i]);
      fail(std::string(name) + " must have shape (" + wanted + "), got (" + got + ").");
    }
  }
  Array(Array&& other) noexcept : view_(other.view_), held_(std::exchange(other.held_, false)) {}
  Array& operator=(Array&& other) noexcept {
    std::swap(view_, other.view_);
    std::swap(held_, other.held_);
    return *this;
  }
  ~Array() { release(); }

  void* data() const { return held_ ? view_.buf : nullptr; }

 private:
  void release() {
    if (held_) PyBuffer_Release(&view_);
    held_ = false;
  }
  void fail(const std::string& message) {
    release();
    throw nb::value_error(message.c_str());
  }
  Py_buffer view_{};
  bool held_ = false;
};

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
      held.emplace_back(o, name, f64, false, std::move(shape));
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

void check(gatework::Status status) {
  if (status == gatework::Status::no_memory) throw std::bad_alloc();
  if (status != gatework::Status::ok) throw nb::value_error("an array is absent");
}

// The network, as Python holds it.
struct Network {
  std::shared_ptr<gatework::Stream> stream;
  Py_ssize_t I() const { return stream->layers()[0].I; }
  Py_ssize_t H() const { return stream->layers()[0].H; }
  Py_ssize_t R() const { return stream->layers()[0].P ? stream->layers()[0].P : H(); }
  Py_ssize_t C() const { return gatework::traits(stream->cell()).cells * H(); }
  Py_ssize_t Z() const { return static_cast<Py_ssize_t>(stream->layers().size()); }

  void step(nb::handle x, nb::handle h, nb::handle c, nb::handle out, Py_ssize_t B) const {
    const bool f64 = stream->f64();
    const Array x_(x, "x", f64, false, {B, I()}), h_(h, "h", f64, true, {Z(), B, R()});
    Array c_, out_;
    if (!c.is_none()) c_ = Array(c, "c", f64, true, {Z(), B, C()});
    if (!out.is_none()) out_ = Array(out, "out", f64, true, {B, R()});
    check(stream->step(B, x_.data(), h_.data(), c_.data(), out_.data()));
  }

  void forward(nb::handle x, nb::handle h, nb::handle c, nb::handle y, Py_ssize_t B, Py_ssize_t T) const {
    const bool f64 = stream->f64();
    const Array x_(x, "x", f64, false, {B, T, I()}), h_(h, "h", f64, true, {Z(), B, R()});
    const Array y_(y, "y", f64, true, {B, T, R()});
    Array c_;
    if (!c.is_none()) c_ = Array(c, "c", f64, true, {Z(), B, C()});
    gatework::Status status;
    {
      nb::gil_scoped_release release;
      status = stream->forward(B, T, x_.data(), h_.data(), c_.data(), y_.data());
    }
    check(status);
  }
};

// State and output bound once, so that a step looks at nothing but x.
class Cursor {
 public:
  Cursor(const Network& network, nb::object h, nb::object c, nb::object out, Py_ssize_t B)
      : network_(network), out_object_(out), B_(B) {
    const bool f64 = network.stream->f64();
    h_ = Array(h, "h", f64, true, {network.Z(), B, network.R()});
    if (!c.is_none()) c_ = Array(c, "c", f64, true, {network.Z(), B, network.C()});
    out_ = Array(out, "out", f64, true, {B, network.R()});
  }

  nb::object push(nb::handle x) {
    const Array x_(x, "x", network_.stream->f64(), false, {B_, network_.I()});
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
