// gatework._engine.Stream, as Python holds it.
#pragma once

#include <memory>
#include <new>

#include "array.h"
#include "gatework/stream.h"

inline void check(gatework::Status status) {
  if (status == gatework::Status::no_memory) throw std::bad_alloc();
  if (status != gatework::Status::ok) throw nanobind::value_error("an array is absent");
}

struct Network {
  std::shared_ptr<gatework::Stream> stream;
  Py_ssize_t I() const { return stream->layers()[0].I; }
  Py_ssize_t H() const { return stream->layers()[0].H; }
  Py_ssize_t R() const { return stream->layers()[0].P ? stream->layers()[0].P : H(); }
  Py_ssize_t C() const { return gatework::traits(stream->cell()).cells * H(); }
  Py_ssize_t Z() const { return static_cast<Py_ssize_t>(stream->layers().size()); }

  void step(nanobind::handle x, nanobind::handle h, nanobind::handle c, nanobind::handle out, Py_ssize_t B) const {
    const ElementType& type = real(stream->f64());
    const Array x_(x, "x", type, false, {B, I()}), h_(h, "h", type, true, {Z(), B, R()});
    Array c_, out_;
    if (!c.is_none()) c_ = Array(c, "c", type, true, {Z(), B, C()});
    if (!out.is_none()) out_ = Array(out, "out", type, true, {B, R()});
    check(stream->step(B, x_.data(), h_.data(), c_.data(), out_.data()));
  }

  void forward(nanobind::handle x, nanobind::handle h, nanobind::handle c, nanobind::handle y, Py_ssize_t B,
               Py_ssize_t T) const {
    const ElementType& type = real(stream->f64());
    const Array x_(x, "x", type, false, {B, T, I()}), h_(h, "h", type, true, {Z(), B, R()});
    const Array y_(y, "y", type, true, {B, T, R()});
    Array c_;
    if (!c.is_none()) c_ = Array(c, "c", type, true, {Z(), B, C()});
    gatework::Status status;
    {
      nanobind::gil_scoped_release release;
      status = stream->forward(B, T, x_.data(), h_.data(), c_.data(), y_.data());
    }
    check(status);
  }
};
