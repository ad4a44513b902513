"""What a comparison of cells asks of a forecaster: errors by test window, and rows for a stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.data.windows import Windows
from gatework.errors import DataError
from gatework.tasks.backtest import CHUNK, Judge
from gatework.tasks.forecast_data import ForecastData
from gatework.tasks.judged import Judged

Array = npt.NDArray[np.float64]
# Errors of windows that overlap go together, and so do those of the same weather.  Thirty blocks leave a
# t quantile within 5 % of the normal one; longer blocks would be safer still and tell less.
BLOCKS = 30


def judged(
    prepared: ForecastData,
    judge: Judge,
    forecasts: Callable[[Windows], tuple[Array, Array]],
    *,
    baselines: bool,
) -> Judged:
    """Absolute errors of the test windows, so weighted that their mean is the evaluation's MAE.

    Of several targets or series the errors are of standardised data: no unit weighs more than another.
    """
    table, test = prepared.table, prepared.test
    if not len(test):
        raise DataError(
            f"{table.source}: the test part holds no window of context={prepared.context} + horizon="
            f"{test.horizon} steps with measured values, so there is nothing to compare on. Give more rows, "
            "or another split."
        )
    scaled = table.targets.shape[1] > 1 or len(table.names) > 1
    sums: dict[str, list[Array]] = {}
    counts: list[Array] = []
    for first in range(0, len(test), CHUNK):
        part = Windows(
            test.sequences, test.context, test.horizon, test.starts.numpy()[first : first + CHUNK]
        )
        rows = part.starts.numpy()[:, None] + part.context + np.arange(part.horizon)
        truth = table.targets[rows]
        scale = part.sequences.scale.numpy()[part.series.numpy()] if scaled else np.ones(1)
        points = {"": forecasts(part)[0]}
        if baselines:
            points |= judge.points(table, part)
        for name, point in points.items():
            error = np.where(np.isnan(truth), 0.0, np.abs(np.nan_to_num(truth) - point))
            total = error.sum(axis=1) / (scale if scaled else 1.0)
            sums.setdefault(name, []).append(total)
        counts.append((~np.isnan(truth)).sum(axis=1).astype(float))
    seen = np.concatenate(counts).sum(axis=0)  # (K,)
    counted = seen > 0
    weight = len(test) / counted.sum() / seen[counted]
    items = {
        name: (np.concatenate(parts)[:, counted] * weight).sum(axis=1)
        for name, parts in sums.items()
    }
    own = items.pop("")
    name = "scaled MAE" if scaled else "MAE"
    text = "mean absolute error of the forecasts of the test part"
    return Judged(
        name=name,
        text=f"{text}, on standardised data" if scaled else f"{text}, in the target's unit",
        score=float(own.mean()),
        baselines={k: float(v.mean()) for k, v in items.items()},
        item="forecast",
        items=own,
        baseline_items=items,
        blocks=blocks(prepared),
    )


def blocks(prepared: ForecastData) -> npt.NDArray[np.int64]:
    """``(W,)`` number of the stretch of time in which each test forecast begins.

    A stretch is a thirtieth of the test part, and at least two horizons long; forecasts of all series that
    begin in it are one block.
    """
    test, table = prepared.test, prepared.table
    position = table.positions[test.starts.numpy() + test.context]
    since = position - position.min()
    length = max(2 * test.horizon, -(-(int(since.max()) + 1) // BLOCKS))
    return np.asarray(since // length, np.int64)


def observations(prepared: ForecastData, count: int) -> list[tuple[Any, ...]]:
    """The last rows of the longest series as arguments of a stream's ``push``, in order."""
    table, schema = prepared.table, prepared.table.schema
    longest = int(np.argmax(np.diff(table.offsets)))
    rows = np.arange(table.offsets[longest], table.offsets[longest + 1])
    h = prepared.test.horizon if schema.known else 0
    categorical = set(schema.categorical)
    values: dict[str, Any] = {
        c: table.targets[rows, k].tolist() for k, c in enumerate(schema.targets)
    }
    for role in ("past", "known"):
        columns = getattr(schema, role)
        numbers, words = getattr(table, role), getattr(table, f"{role}_categories")
        for k, c in enumerate([c for c in columns if c not in categorical]):
            values[c] = numbers[rows, k].tolist()
        for k, c in enumerate([c for c in columns if c in categorical]):
            values[c] = words[rows, k].tolist()
    fixed: dict[str, Any] = {}
    for k, c in enumerate([c for c in schema.static if c not in categorical]):
        fixed[c] = float(table.static[longest, k])
    for k, c in enumerate([c for c in schema.static if c in categorical]):
        fixed[c] = table.static_categories[longest, k]
    if schema.series is not None:
        fixed[schema.series] = table.names[longest]
    if schema.time is not None:
        values[schema.time] = table.times(rows).to_list()
    named = [
        {c: v[i] for c, v in values.items()} | fixed
        for i in range(max(0, len(rows) - h - count), len(rows))
    ]
    if not h:
        return [(row,) for row in named]
    return [(named[i], named[i + 1 : i + 1 + h]) for i in range(len(named) - h)]


def remarks(prepared: ForecastData, segment: int) -> list[str]:
    """How far the recurrence goes: segments are not steps."""
    length, steps = prepared.context, -(-prepared.context // segment)
    if segment == 1:
        return [f"Each forecast looks back {length:,} steps, read one by one."]
    return [
        f"Each forecast looks back {length:,} steps, read in {steps:,} segment{'s' if steps > 1 else ''} "
        f"of {segment}: a recurrent cell takes {steps:,} step{'s' if steps > 1 else ''} here, not "
        f"{length:,} (segment=1 reads step by step)."
    ]
