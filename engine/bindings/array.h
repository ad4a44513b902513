// NumPy arrays, read and written in place through the buffer protocol.
#pragma once

#include <nanobind/nanobind.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

// What an array's elements are; `formats`: the letters that the buffer protocol has for it.
struct ElementType {
  const char *name, *formats, *why;
};
inline constexpr ElementType float32{"float32", "f", ", as the weights are"};
inline constexpr ElementType float64{"float64", "d", ", as the weights are"};
inline constexpr ElementType float64_always{"float64", "d", ""};
inline constexpr ElementType int64{"int64", sizeof(long) == 8 ? "lq" : "q", ""};
inline constexpr ElementType boolean{"bool", "?", ""};
constexpr const ElementType& real(bool f64) { return f64 ? float64 : float32; }

// A C-contiguous array of one type, held as long as this lives.
class Array {
 public:
  Array() = default;
  Array(nanobind::handle object, const char* name, const ElementType& type, bool writable,
        std::vector<Py_ssize_t> shape) {
    const int flags = PyBUF_ND | PyBUF_FORMAT | PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object.ptr(), &view_, flags) != 0) {
      PyErr_Clear();
      throw nanobind::type_error((std::string(name) + " must be a C-contiguous" + (writable ? ", writable" : "") +
                                  " array. Pass numpy.ascontiguousarray(...) of it.").c_str());
    }
    held_ = true;
    const char* format = view_.format ? view_.format : "B";
    if (format[0] == '@' || format[0] == '=' || format[0] == '<') ++format;
    if (!format[0] || !std::strchr(type.formats, format[0]) || format[1] != 0) {
      fail(std::string(name) + " must be " + type.name + type.why + "; its type is '" + format + "'. Pass " + name +
           ".astype(numpy." + type.name + ").");
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
  template <class T>
  T* as() const {
    return static_cast<T*>(data());
  }

 private:
  void release() {
    if (held_) PyBuffer_Release(&view_);
    held_ = false;
  }
  void fail(const std::string& message) {
    release();
    throw nanobind::value_error(message.c_str());
  }
  Py_buffer view_{};
  bool held_ = false;
};
