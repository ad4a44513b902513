"""Tables with a whole sequence in each row, as a list in a cell: of JSON lines and Parquet."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from gatework.data.sequences import SequenceSet
from gatework.data.sources.blocks import shared_texts
from gatework.data.sources.columns import find_label, group_column, need_column
from gatework.data.sources.labels import column_labels, given_labels
from gatework.data.sources.records import row_groups, row_names
from gatework.data.sources.roles import Roles
from gatework.data.sources.slices import IntArray, SeriesItems, Values, cut
from gatework.data.table import Table
from gatework.errors import DataError


def list_columns(table: Table) -> list[str]:
    """Columns that hold lists of numbers, or lists of steps with lists of channels.

    >>> from gatework.data.table import read_table
    >>> list_columns(read_table({"load": [[1.0, 2.0], [3.0]], "label": ["a", "b"]}))
    ['load']
    """
    return [c for c, dtype in table.frame.schema.items() if _depth(dtype)]


def _depth(dtype: pl.DataType) -> int:
    """1 of a list of numbers, 2 of a list of lists of them, else 0."""
    depth = 0
    inner: Any = dtype
    while isinstance(inner, pl.List | pl.Array) and depth < 3:
        inner, depth = inner.inner, depth + 1
    return depth if depth < 3 and inner.is_numeric() else 0


def read_lists(table: Table, roles: Roles) -> SequenceSet:
    """A sequence a row: each column of lists is a channel, or several where a step is a list.

    Raises:
        DataError: channels of different length or number in a row, and infinite values, with the row.
    """
    group = group_column(table, roles)
    layout = roles.layout or {}
    kept = layout.get("lists") or list(roles.features)
    label = find_label(table, roles, {*kept, *(c for c in (group,) if c)})
    columns = kept or [c for c in list_columns(table) if c not in (label, group)]
    for column in columns:
        need_column(table, column, "features= (--features)", fixed=not roles.features)
        if column not in list_columns(table):
            raise DataError(
                f"{table.name}, column {column!r}: holds {table.frame.schema[column]}, not a list of "
                "numbers in each row."
            )
    if not columns:
        raise DataError(f"{table.name}: no column beside the label holds lists of numbers.")
    offsets = _offsets(table, columns[0])
    parts, features = [], []
    for column in columns:
        values = _flat(table, column, offsets)
        parts.append(values)
        wide = values.shape[1] > 1
        features += [f"{column}_{k}" for k in range(values.shape[1])] if wide else [column]
    flat = np.concatenate(parts, axis=1)
    bad = np.argwhere(np.isinf(flat))
    if len(bad):
        row = int(np.searchsorted(offsets, bad[0][0], side="right")) - 1
        raise DataError(
            f"{table.row_label(row)}: a value of {features[bad[0][1]]!r} is infinite. Correct it."
        )
    items = SeriesItems(flat, None, None, offsets)
    labels, per_step = _labels(table, label, roles, offsets)
    return SequenceSet(
        kind="series",
        items=items,
        names=row_names(table),
        source=table.name,
        labels=labels,
        groups=row_groups(table, group),
        features=tuple(features),
        layout={"kind": "series", "form": "lists", "label": label or layout.get("label"), "group": group,
                "lists": columns, "per_step": per_step},
        notes=(f"kind: series, a list a row, {len(items):,} of them",),
    )  # fmt: skip


def _offsets(table: Table, column: str) -> IntArray:
    lengths = table.frame[column].cast(pl.List(_inner(table, column))).list.len().fill_null(0)
    return np.concatenate([[0], np.cumsum(lengths.to_numpy().astype(np.int64))])


def _inner(table: Table, column: str) -> Any:
    return table.frame.schema[column].inner  # type: ignore[attr-defined]


def _flat(table: Table, column: str, offsets: IntArray) -> Values:
    """``(N, F)`` values of one column; DataError where its lists differ from the others."""
    own = _offsets(table, column)
    odd = np.flatnonzero(np.diff(own) != np.diff(offsets))
    if len(odd):
        row = int(odd[0])
        raise DataError(
            f"{table.where(row, column)}: has {np.diff(own)[row]} steps, and the first column of lists has "
            f"{np.diff(offsets)[row]}. Every channel of a sequence needs the same steps."
        )
    steps = (
        table.frame[column]
        .cast(pl.List(_inner(table, column)))
        .explode(empty_as_null=False, keep_nulls=False)
    )
    if steps.dtype.is_numeric():
        return steps.cast(pl.Float64).to_numpy()[:, None]
    steps = steps.cast(pl.List(pl.Float64))
    widths = steps.list.len().fill_null(0).to_numpy()
    wrong = np.flatnonzero(widths != (widths[0] if len(widths) else 0))
    if len(wrong):
        row = int(np.searchsorted(offsets, wrong[0], side="right")) - 1
        raise DataError(
            f"{table.where(row, column)}: step {wrong[0] - offsets[row] + 1} has {widths[wrong[0]]} channels, "
            f"those before have {widths[0]}. Every step needs the same channels."
        )
    values: Values = steps.explode(empty_as_null=False, keep_nulls=False).to_numpy()
    return values.reshape(len(steps), -1)


def _labels(
    table: Table, label: str | None, roles: Roles, offsets: IntArray
) -> tuple[list[Any] | None, bool]:
    if roles.labels is not None:
        given = given_labels(roles.labels, np.diff(offsets).tolist(), roles, table.name)
        return given, bool(given) and isinstance(given[0], np.ndarray)
    if label is None:
        return None, roles.task == "tag"
    values = table.frame[label]
    if not isinstance(values.dtype, pl.List):
        labels: list[Any] = column_labels(table, label, roles.task).tolist()
        return labels, False
    own = np.concatenate(
        [[0], np.cumsum(values.list.len().fill_null(0).to_numpy().astype(np.int64))]
    )
    odd = np.flatnonzero(np.diff(own) != np.diff(offsets))
    if len(odd):
        row = int(odd[0])
        raise DataError(
            f"{table.where(row, label)}: has {np.diff(own)[row]} labels for {np.diff(offsets)[row]} steps. "
            "Give one for each."
        )
    flat = values.explode(empty_as_null=False, keep_nulls=False)
    if roles.task == "regress":
        return cut(flat.cast(pl.Float64).fill_null(float("nan")).to_numpy(), offsets), True
    texts = Table(flat.alias(label).to_frame(), table.name).texts(label)
    return cut(shared_texts(texts), offsets), True
