"""Tables whose row is a whole sequence: a column is a step, of one channel or several."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from gatework.data.sequences import SequenceSet, Series
from gatework.data.sources.channels import channel_kind
from gatework.data.sources.columns import find_label, group_column
from gatework.data.sources.records import row_groups, row_labels, row_names
from gatework.data.sources.roles import Roles
from gatework.data.sources.slices import IntArray, SeriesItems, Values
from gatework.data.table import Table
from gatework.errors import DataError

_NUMBERED = re.compile(r"(.*?)[_.\-\s]*(\d+)")


def numbered_columns(columns: list[str]) -> dict[str, list[str]]:
    """Columns that are the steps of a channel, in their order: of x_0, x_1, x_2 there is ``{"x": [...]}``.

    Empty unless all channels have as many steps, and eight at least.

    >>> numbered_columns(["label", *(f"t{k}" for k in range(8))])["t"][:2]
    ['t0', 't1']
    """
    found: dict[str, list[tuple[int, str]]] = {}
    for column in columns:
        match = _NUMBERED.fullmatch(column)
        if match:
            found.setdefault(match[1], []).append((int(match[2]), column))
    channels = {name: [c for _, c in sorted(steps)] for name, steps in found.items()}
    channels = {name: steps for name, steps in channels.items() if len(steps) >= 8}
    same = len({len(steps) for steps in channels.values()}) == 1
    return channels if same else {}


def read_wide(table: Table, roles: Roles) -> SequenceSet:
    """A sequence a row: its columns are steps, of several channels where their names say so."""
    group = group_column(table, roles)
    label = find_label(table, roles, {c for c in (group,) if c})
    layout = roles.layout or {}
    channels: dict[str, list[str]]
    if layout.get("form") == "wide":
        channels = layout["channels"]
        lacking = [c for steps in channels.values() for c in steps if c not in table.frame.columns]
        if lacking:
            raise DataError(
                f"{table.name}: lacks the column {lacking[0]!r} that the model was trained with."
            )
    else:
        free = [c for c in table.frame.columns if c not in (label, group)]
        free = [c for c in free if not roles.features or c in roles.features]
        numeric = [c for c in free if channel_kind(table, c) == "number"]
        channels = numbered_columns(numeric)
        if len(numeric) > sum(len(steps) for steps in channels.values()):
            channels = {"value": numeric}
        if not numeric:
            raise DataError(f"{table.name}: no column is left that holds numbers.")
    T = max(len(steps) for steps in channels.values())
    grid = np.stack(
        [
            np.stack([table.numbers(c).to_numpy() for c in steps], axis=1)
            for steps in channels.values()
        ],
        axis=2,
    )
    seen = ~np.isnan(grid).all(axis=2)
    lengths = np.where(seen.any(axis=1), T - np.argmax(seen[:, ::-1], axis=1), 0)
    used = {c for steps in channels.values() for c in steps}
    unused = [c for c in table.frame.columns if c not in used | {label, group}]
    notes = [f"kind: series, one a row of {T:,} steps, {len(lengths):,} of them"]
    notes += [f"not used: {', '.join(unused)}"] if unused else []
    return SequenceSet(
        kind="series",
        items=_GridItems(grid, lengths),
        labels=row_labels(table, label, roles),
        groups=row_groups(table, group),
        features=tuple(channels),
        layout={"kind": "series", "form": "wide", "label": label or layout.get("label"), "group": group,
                "channels": channels, "per_step": False},
        notes=tuple(notes),
        names=row_names(table),
        source=table.name,
    )  # fmt: skip


class _GridItems(SeriesItems):
    """Rows of an array ``(N, T, F)``, each up to its length."""

    def __init__(self, grid: Values, lengths: IntArray) -> None:
        flat = grid.reshape(-1, grid.shape[2])
        super().__init__(flat, None, None, np.arange(len(grid) + 1) * grid.shape[1])
        self._lengths = lengths

    @property
    def lengths(self) -> IntArray:
        return self._lengths

    def __getitem__(self, i: Any) -> Any:
        item = super().__getitem__(i)
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        return Series(item.values[: int(self._lengths[i])])
