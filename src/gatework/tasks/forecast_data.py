"""A table made ready for training: read, cut in time order, encoded, windowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.data.encoding import TableEncoder, constant_in_training
from gatework.data.schema import resolve_schema
from gatework.data.series import SeriesTable, arrange
from gatework.data.split import Split, split_by_time
from gatework.data.table import read_table
from gatework.data.windows import Windows, window_starts, with_any_observed
from gatework.errors import DataError
from gatework.tasks.forecast_config import ForecastConfig, default_context
from gatework.train.baselines import find_season
from gatework.train.progress import Progress

Array = npt.NDArray[np.float64]


@dataclass
class ForecastData:
    """A prepared table: encoded, cut, with the windows of its parts."""

    table: SeriesTable
    encoder: TableEncoder
    split: Split
    train: Windows
    validation: Windows
    test: Windows
    context: int
    season: int
    notes: list[str]
    naive_error: Array  # (S, K) seasonal naive MAE inside the training part


def prepare(config: ForecastConfig, data: Any, progress: Progress, **roles: Any) -> ForecastData:
    """The table read, cut in time order, encoded by what its training part alone tells."""
    split_at, resample, mend = roles.pop("split"), roles.pop("resample"), roles.pop("mend")
    raw = read_table(data)
    schema, notes = resolve_schema(raw, **roles)
    table = arrange(raw, schema, resample=resample, mend=mend)
    for note in [*notes, *table.notes]:
        progress.stage(note)
    horizon = config.horizon
    context = config.context or default_context(
        int(np.diff(table.offsets).max()), table.frequency.seasons, horizon
    )
    split = split_by_time(
        table.offsets,
        table.positions,
        split_at,
        context=context,
        horizon=horizon,
        common_clock=schema.time is not None and schema.time_kind != "integer",
        source=table.source,
    )
    constant_in_training(table, split.train_end)
    season = find_season(table.targets, table.offsets, split.train_end, table.frequency.seasons)
    encoder = TableEncoder.fit(
        table, split.train_end, context=context, use_calendar=config.calendar
    )
    sequences = encoder.encode(table)

    def windows(part: str) -> Windows:
        first, end = split.part(part)
        starts = window_starts(
            first,
            end,
            split.start,
            context=context,
            horizon=horizon,
            reach_back=part != "train",
        )
        return Windows(
            sequences, context, horizon, with_any_observed(sequences, starts, context, horizon)
        )

    parts = {name: windows(name) for name in ("train", "validation", "test")}
    for name in ("train", "validation"):
        if not len(parts[name]):
            raise DataError(
                f"{table.source}: the {name} part holds no window of context={context} + horizon="
                f"{horizon} steps with measured values. Give more rows, a shorter context or horizon, "
                "or another split."
            )
    progress.stage(
        f"season: {season if season > 1 else 'none found'}; context {context}, horizon {horizon}; windows: "
        + ", ".join(f"{name} {len(w):,}" for name, w in parts.items())
    )
    return ForecastData(
        table=table,
        encoder=encoder,
        split=split,
        context=context,
        season=season,
        notes=[*notes, *table.notes],
        naive_error=seasonal_error(table, split, season),
        **parts,
    )


def seasonal_error(table: SeriesTable, split: Split, season: int) -> Array:
    """``(S, K)``: mean of |y(t) - y(t - season)| in each series' training part; NaN when unknown."""
    out = np.full((len(table.names), table.targets.shape[1]), np.nan)
    for s, (first, end) in enumerate(zip(split.start, split.train_end, strict=True)):
        y = table.targets[first:end]
        error = np.abs(y[season:] - y[:-season])
        counted = (~np.isnan(error)).sum(axis=0)
        total = np.nansum(error, axis=0)
        out[s] = np.divide(total, counted, out=np.full(len(total), np.nan), where=counted > 0)
    return out


def split_facts(prepared: ForecastData) -> dict[str, Any]:
    """When each part begins and ends, its rows and windows."""
    facts = {}
    for name in ("train", "validation", "test"):
        first, end = prepared.split.part(name)
        rows = np.concatenate([np.arange(a, b) for a, b in zip(first, end, strict=True)])
        times = prepared.table.times(rows) if len(rows) else None
        facts[name] = {
            "rows": len(rows),
            "windows": len(getattr(prepared, name)),
            "from": str(times.min()) if times is not None else None,
            "to": str(times.max()) if times is not None else None,
        }
    return facts
