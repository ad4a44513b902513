"""A few forecasts over the truth, as plain values for the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.data.windows import Windows
from gatework.tasks.forecast_data import ForecastData

Array = npt.NDArray[np.float64]
MAX_EXAMPLES, MAX_EXAMPLE_TARGETS = 6, 4


def examples(
    prepared: ForecastData,
    forecasts: Callable[[Windows], tuple[Array, Array]],
    levels: Sequence[float],
) -> list[dict[str, Any]]:
    """A few test (else validation) forecasts over the truth, as plain values, for the report."""
    windows = prepared.test if len(prepared.test) else prepared.validation
    # Non-overlapping where there are enough, from the first to the last.
    windows = windows.every(MAX_EXAMPLES)
    mean, quantiles = forecasts(windows)
    table, origins = prepared.table, windows.starts.numpy() + windows.context
    shown = min(windows.context, 3 * windows.horizon)
    examples = []
    for w, origin in enumerate(origins):
        before = np.arange(origin - shown, origin)
        after = np.arange(origin, origin + windows.horizon)
        for k, target in enumerate(table.schema.targets[:MAX_EXAMPLE_TARGETS]):
            examples.append(
                {
                    "series": str(table.names[int(windows.series[w])])
                    if table.schema.series is not None
                    else None,
                    "target": target,
                    "context_times": [str(t) for t in table.times(before)],
                    "context": _plain(table.targets[before, k]),
                    "times": [str(t) for t in table.times(after)],
                    "truth": _plain(table.targets[after, k]),
                    "mean": _plain(mean[w, :, k]),
                    "quantiles": {
                        f"{level:g}": _plain(quantiles[w, :, k, q])
                        for q, level in enumerate(levels)
                    },
                }
            )
    return examples


def _plain(values: Array) -> list[float | None]:
    """Numbers as JSON has them: missing is null, six digits are enough to draw."""
    return [None if np.isnan(v) else float(f"{v:.6g}") for v in values]
