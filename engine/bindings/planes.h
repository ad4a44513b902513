#pragma once

#include <nanobind/nanobind.h>

void bind_planes(nanobind::module_& m);
