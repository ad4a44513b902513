// gatework._engine.Stream and Cursor.
#pragma once

#include <nanobind/nanobind.h>

void bind_stream(nanobind::module_& m);
