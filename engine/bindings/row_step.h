// gatework._engine.RowModel and RowStep.
#pragma once

#include <nanobind/nanobind.h>

void bind_row_step(nanobind::module_& m);
