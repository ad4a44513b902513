"""The horizon as rows: a table extended past its last observation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from gatework.data.series import SeriesTable
from gatework.errors import DataError

IntArray = npt.NDArray[np.int64]


def extend(
    table: SeriesTable, *, context: int, horizon: int, holes_known: bool = False
) -> tuple[SeriesTable, IntArray, list[str]]:
    """``(longer, origins, short)``: each series with ``horizon`` rows to forecast.

    Without known-future covariates the horizon follows the last row.  With them it follows the last row
    that has a target, and the rows after that one must tell the covariates of the whole horizon.

    Returns:
        longer: the table with rows of NaN targets appended to its series; series with fewer than
            ``context`` rows are gone.
        origins: ``(S,)`` first row of the horizon of each series, in ``longer``.
        short: names of the series that are gone.

    ``holes_known``: the model was told about holes in known covariates, so the horizon may have some.

    Raises:
        DataError: no series is long enough, or rows with the covariates of the horizon are absent.
    """
    needs_known = bool(table.schema.known)
    chosen, rows, origins, short = [], [], [], []
    total = 0
    for s, name in enumerate(table.names):
        first, end = int(table.offsets[s]), int(table.offsets[s + 1])
        stop = end
        if needs_known:
            seen = np.flatnonzero(~np.isnan(table.targets[first:end]).all(axis=1))
            stop = first + int(seen[-1]) + 1 if len(seen) else first
            if end - stop < horizon and stop - first >= context:
                raise DataError(
                    f"{table.source}: {_which(table, name)}the future of {', '.join(table.schema.known)} is "
                    f"needed: {horizon} rows must follow the last observed target, with their values and "
                    f"empty targets; there are {end - stop}."
                )
            empty = np.isnan(table.known[stop : stop + horizon])
            if empty.any() and not holes_known and stop - first >= context:
                step, which = np.argwhere(empty)[0]
                column = [c for c in table.schema.known if c not in table.schema.categorical][which]
                raise DataError(
                    f"{table.source}: {_which(table, name)}known-future covariate {column!r} has no value at "
                    f"step {step + 1} of the horizon, and the model was fitted without holes in it. Give "
                    "its value."
                )
        if stop - first < context:
            short.append(str(name))
            continue
        chosen.append(s)
        rows.append(np.concatenate([np.arange(first, stop), stop + np.arange(horizon)]))
        origins.append(total + stop - first)
        total += len(rows[-1])
    if not chosen:
        longest = int(np.diff(table.offsets).max())
        raise DataError(
            f"{table.source}: {longest} rows are fewer than the model's context of {context}; give at least "
            f"the last {context} rows{' of a series' if len(table.names) > 1 else ''}."
        )
    return _take_rows(table, chosen, rows, horizon), np.array(origins, dtype=np.int64), short


def _take_rows(
    table: SeriesTable, chosen: list[int], rows: list[IntArray], horizon: int
) -> SeriesTable:
    """A table of these rows per series; a row past its series' end is empty."""
    index = np.concatenate(rows)
    inside = np.concatenate([r < table.offsets[s + 1] for s, r in zip(chosen, rows, strict=True)])
    source = np.where(inside, index, 0)

    def take(values: npt.NDArray[Any], empty: float | None) -> npt.NDArray[Any]:
        out = values[source]
        out[~inside] = empty
        return out

    positions = np.concatenate(
        [
            table.positions[table.offsets[s]] + (r - table.offsets[s])
            for s, r in zip(chosen, rows, strict=True)
        ]
    )
    targets = take(table.targets, np.nan)
    # Rows of the horizon may hold a stray target (of another column): the future is not known.
    lengths = np.array([len(r) for r in rows])
    ends = lengths.cumsum()
    for end in ends:
        targets[end - horizon : end] = np.nan
    return replace(
        table,
        names=[table.names[s] for s in chosen],
        offsets=np.concatenate([[0], ends]).astype(np.int64),
        positions=positions.astype(np.int64),
        targets=targets,
        past=take(table.past, np.nan),
        known=take(table.known, np.nan),
        past_categories=take(table.past_categories, None),
        known_categories=take(table.known_categories, None),
        static=table.static[chosen],
        static_categories=table.static_categories[chosen],
        stamps=None if table.stamps is None else _stamps(table, chosen, rows),
    )


def _stamps(table: SeriesTable, chosen: list[int], rows: list[IntArray]) -> pl.Series:
    """Original times, continued by the median step past the end of an irregular series."""
    assert table.stamps is not None
    parts = []
    for s, r in zip(chosen, rows, strict=True):
        end = int(table.offsets[s + 1])
        parts.append(table.stamps.gather(r[r < end]))
        ahead = len(r) - len(parts[-1])
        if ahead:
            grid = table.frequency.times(np.arange(ahead + 1))
            parts.append((parts[-1][-1] + (grid - grid[0])[1:]).cast(table.stamps.dtype))
    return pl.concat(parts)


def _which(table: SeriesTable, name: object) -> str:
    return f"series {name!r}: " if table.schema.series is not None else ""
