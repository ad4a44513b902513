"""Series: a table laid on its time grid, one series after the other, without holes.

`arrange` is the last step of reading.  After it nothing needs timestamps to know what lies next to
what: row k + 1 of a series is one step later than row k, and what was not measured is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from gatework.data.frequency import Frequency
from gatework.data.grid import Grid
from gatework.data.rows import Rows, column_facts, pool_numbers, pool_texts, static_values
from gatework.data.schema import Schema, time_text
from gatework.data.table import Table


@dataclass
class SeriesTable:
    """A table on its grid: the rows of one series side by side, in time order, without holes.

    Letters: N rows, S series, K targets, P past-only, F known-future, C categorical columns.
    """

    schema: Schema
    frequency: Frequency
    source: str
    """Name of the table, for messages."""
    names: list[Any]
    """(S,) identifiers in order of appearance, as in the table; [None] without a series column."""
    offsets: np.ndarray
    """(S+1,) int64: rows offsets[s]:offsets[s+1] belong to series s."""
    positions: np.ndarray
    """(N,) int64: position of each row on the frequency's grid; one more from row to row."""
    targets: np.ndarray
    """(N, K) float64, NaN where missing."""
    past: np.ndarray
    """(N, P) float64: numeric covariates known up to now, NaN where missing."""
    known: np.ndarray
    """(N, F) float64: numeric covariates known in the future, NaN where missing."""
    past_categories: np.ndarray
    """(N, Pc) object: str, or None where missing."""
    known_categories: np.ndarray
    """(N, Fc) object: str, or None where missing."""
    static: np.ndarray
    """(S, Sn) float64: one value a series, NaN where missing."""
    static_categories: np.ndarray
    """(S, Sc) object: one str a series, or None where missing."""
    profile: dict[str, Any] = field(default_factory=dict)
    """Facts for a report, all JSON; keys as in `arrange`."""
    notes: list[str] = field(default_factory=list)
    """Sentences for the user: what was found and what was done about it."""
    stamps: pl.Series | None = None
    """(N,) original times where they are irregular, else None: the grid gives them."""

    def __len__(self) -> int:
        return len(self.positions)

    def rows(self, s: int) -> slice:
        """Rows of series ``s``."""
        return slice(int(self.offsets[s]), int(self.offsets[s + 1]))

    def times(self, rows: slice | np.ndarray | None = None) -> pl.Series:
        """Timestamps of some rows (all when None), of the type they had in the table."""
        chosen = np.arange(len(self))[slice(None) if rows is None else rows]
        if self.stamps is not None:
            return self.stamps.gather(chosen)
        return self.frequency.times(self.positions[chosen])

    def future_times(self, s: int, horizon_steps: int) -> pl.Series:
        """Timestamps of the steps that follow the last row of series ``s``."""
        last = self.positions[self.offsets[s + 1] - 1]
        return self.frequency.times(last + 1 + np.arange(horizon_steps))


def arrange(
    table: Table,
    schema: Schema,
    *,
    frequency: Frequency | None = None,
    resample: str | None = None,
    mend: bool = False,
) -> SeriesTable:
    """Lay a table on its time grid.

    frequency: the one that the rows must have (that of a fitted model); found when None.
    resample: put the rows on the grid of this step, such as "1h": numbers are averaged, of
        categories the last is kept, empty cells become missing.
    mend: sort rows that are out of order, and make one row of rows with the same time: the mean of
        numbers, the last of categories.  Without it both raise.

    Holes become rows of NaN.  Irregular times stay as they are, a row a step, and are reported.
    The profile holds ``rows``, ``series``, ``span``, ``frequency``, ``columns`` (of each ``role``,
    ``missing``, ``min``, ``max``, ``mean``), ``gaps`` (``count``, ``missing_steps``, ``largest``,
    ``after``, ``in_series``), ``irregular_share``, ``snapped``, ``duplicates_mended``,
    ``unsorted_mended``, ``not_used``.

    Raises DataError naming the row for unsorted and duplicate rows, for a static column that
    varies, for another frequency and for a grid that would be nearly empty; ConfigError for a
    ``resample`` that is no frequency of this table.

    >>> from gatework.data.schema import resolve_schema
    >>> from gatework.data.table import read_table
    >>> table = read_table({"day": ["2024-01-01", "2024-01-02", "2024-01-04"], "y": [1, 2, 4]})
    >>> series = arrange(table, resolve_schema(table)[0])
    >>> series.targets[:, 0].tolist(), series.notes
    ([1.0, 2.0, nan, 4.0], ['gaps: 1 (1 missing day, after 2024-01-02): treated as missing values'])
    """
    rows = Rows.read(table, schema)
    static, static_categories = static_values(table, schema, rows)
    rows.columns(table, schema)
    profile: dict[str, Any] = {
        "rows": table.frame.height,
        "series": len(rows.names),
        "span": [time_text(rows.stamps.min()), time_text(rows.stamps.max())],
        "frequency": "",
        "columns": column_facts(table, schema),
        "gaps": {"count": 0, "missing_steps": 0, "largest": 0, "after": None, "in_series": None},
        "irregular_share": 0.0,
        "snapped": 0,
        "duplicates_mended": 0,
        "unsorted_mended": 0,
        "not_used": list(schema.ignored),
    }
    notes: list[str] = []
    rows.sort(table, schema, mend, profile, notes)
    grid = Grid(table, schema, rows, profile, notes, mend)
    if resample is not None:
        grid.resample(resample, frequency)
    elif schema.time is None:
        grid.count(frequency)
    elif frequency is not None:
        grid.follow(frequency)
    else:
        grid.find()
    positions, offsets, cell = grid.fill()
    profile["frequency"] = grid.frequency.text
    numbers = pool_numbers(rows.numbers, cell, len(positions))
    texts = pool_texts(rows.texts, cell, len(positions))
    widths = np.cumsum([0, len(schema.targets), *(len(c) for c in rows.numeric)])
    first_known = len(rows.categorical[0])
    return SeriesTable(
        schema=schema,
        frequency=grid.frequency,
        source=table.name,
        names=rows.names,
        offsets=offsets,
        positions=positions,
        targets=np.ascontiguousarray(numbers[:, : widths[1]]),
        past=np.ascontiguousarray(numbers[:, widths[1] : widths[2]]),
        known=np.ascontiguousarray(numbers[:, widths[2] : widths[3]]),
        past_categories=texts[:, :first_known],
        known_categories=texts[:, first_known:],
        static=static,
        static_categories=static_categories,
        profile=profile,
        notes=notes,
        stamps=None if grid.frequency.regular else rows.stamps,
    )
