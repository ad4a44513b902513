"""Series out of a long table: a row is a step, and a column tells the sequences apart."""

from __future__ import annotations

from typing import Any

import polars as pl

from gatework.data.sequences import SequenceSet
from gatework.data.sources.blocks import Blocks
from gatework.data.sources.channels import find_channels
from gatework.data.sources.columns import (
    TIME_ROWS,
    find_label,
    find_series,
    find_time,
    group_column,
)
from gatework.data.sources.labels import column_labels, given_labels
from gatework.data.sources.roles import Roles
from gatework.data.sources.slices import Lazy, SeriesItems, Values, cut
from gatework.data.table import Table
from gatework.data.timestamps import read_times
from gatework.errors import DataError

_TIMES = {"datetime": "times of day", "date": "dates", "integer": "whole numbers"}


def read_long(table: Table, roles: Roles) -> SequenceSet:
    """Sequences of a long table, in the order in which they begin.

    Raises:
        DataError: no column tells them apart; a value that is no number, infinite, or a timestamp out of
            order, each with its row; a label or a group that varies within a sequence where it must not.
    """
    group = group_column(table, roles)
    named = {c for c in (group, *roles.features, *roles.categorical) if c}
    label = find_label(table, roles, {*named, *(c for c in (roles.series, roles.time) if c)})
    named |= {label} if label else set()
    time = find_time(table, roles, named | {str(roles.role("series"))})
    series = _series(table, roles, named | {str(time)})
    taken = {c for c in (label, group, series, time) if c}
    features, categorical, notes = find_channels(table, roles, taken)
    if not features and not categorical:
        raise DataError(
            f"{table.name}: no column is left to learn from beside {', '.join(map(repr, sorted(taken)))}."
        )
    blocks = Blocks.of(table, series)
    times, timing = _times(blocks, time, roles)
    items = SeriesItems(
        blocks.numbers(features), blocks.categories(categorical), times, blocks.offsets
    )
    keys = blocks.keys
    per_step, labels = _labels(blocks, label, roles)
    if roles.labels is not None:
        labels = given_labels(roles.labels, items.lengths.tolist(), roles, table.name)
        per_step = bool(labels) and hasattr(labels[0], "__len__") and not isinstance(labels[0], str)
    said = f"kind: series, told apart by column {series!r}"
    said = said if series else "kind: series; no column tells several apart, so the table is one"
    parts = [f"time column: {time}"] if time else []
    if label:
        step = ", one for each step" if per_step else ""
        parts.append(f"{'target' if roles.task == 'regress' else 'label'} column: {label}{step}")
    return SequenceSet(
        kind="series",
        items=items,
        names=Lazy(
            len(keys), lambda i: f"{table.name}, series {keys[i]!r}" if series else table.name
        ),
        source=table.name,
        labels=labels,
        groups=_groups(blocks, group) if group else None,
        keys=keys,
        features=tuple(features),
        categorical=tuple(categorical),
        layout={
            "kind": "series",
            "form": "long",
            "label": label or (roles.layout or {}).get("label"),
            "series": series,
            "time": time or (TIME_ROWS if roles.role("time") == TIME_ROWS else None),
            "features": features,
            "categorical": categorical,
            "group": group,
            "per_step": per_step,
            **timing,
        },
        notes=(said, *parts, *notes),
    )


def _series(table: Table, roles: Roles, taken: set[str]) -> str | None:
    """The column that tells sequences apart; None where the table is one, whose steps have labels."""
    layout = roles.layout or {}
    if layout.get("form") == "long" and layout.get("series") is None and not roles.series:
        return None
    series = find_series(table, roles, taken)
    if series is None and roles.task == "classify":
        raise DataError(
            f"{table.name}: no column tells the sequences apart. Name it with series= (--series); or say "
            "how to read the table: kind='wide' (--kind wide) where a row is a whole sequence, kind='rows' "
            "where it is a record on its own, text= (--text) where a column holds texts."
        )
    return series


def _groups(blocks: Blocks, column: str) -> list[str]:
    advice = "Correct it, or name another group column."
    found = blocks.one_each(column, "group", blocks.texts(column), advice)
    if found.null_count():
        row = blocks.row(int(blocks.offsets[found.is_null().arg_true()[0]]))
        raise DataError(f"{blocks.table.where(row, column)}: the group is missing. Fill it in.")
    return found.to_list()


def _times(blocks: Blocks, time: str | None, roles: Roles) -> tuple[Values | None, dict[str, Any]]:
    """Seconds, or steps where they are counted, and what the layout keeps of how they were read."""
    if time is None:
        return None, {}
    table, layout = blocks.table, roles.layout or {}
    given, known = roles.time_format, layout.get("time_format")
    if given is None and str(known).startswith("epoch") and table.frame[time].dtype.is_numeric():
        given = known
    times = read_times(table, time, given, expected=known)
    if layout.get("time_kind", times.kind) != times.kind:
        raise DataError(
            f"{table.name}, column {time!r}: holds {_TIMES[times.kind]}, and the model was trained with "
            f"{_TIMES[layout['time_kind']]}."
        )
    seconds = seconds_of(times.values)
    blocks.check_order(time, times.values, blocks.arranged(seconds))
    return blocks.arranged(seconds), {"time_kind": times.kind, "time_format": times.format}


def seconds_of(times: pl.Series) -> Values:
    """``(N,)`` seconds since 1970 of times or dates; whole numbers as they are."""
    if times.dtype.is_integer():
        return times.to_numpy().astype(float)
    micros = times.cast(pl.Datetime("us", getattr(times.dtype, "time_zone", None)))
    seconds: Values = micros.to_physical().to_numpy() / 1e6
    return seconds


def _labels(blocks: Blocks, label: str | None, roles: Roles) -> tuple[bool, list[Any] | None]:
    """Whether labels are one for each step, and the labels."""
    kept = (roles.layout or {}).get("per_step")
    per_step = roles.task == "tag" if kept is None else bool(kept)
    if label is None:
        return per_step, None
    values = blocks.arranged(column_labels(blocks.table, label, roles.task))
    if roles.task == "regress":
        numbers = pl.Series(values).fill_nan(None)
        if kept is None:
            per_step = blocks.series is None or len(blocks.varying(numbers)) > 0
        if not per_step:
            advice = "Correct it, or name another column."
            one = blocks.one_each(label, "target", numbers, advice)
            return False, one.fill_null(float("nan")).to_list()
    if per_step:
        return True, cut(values, blocks.offsets)
    advice = (
        "Correct it, name another series column, or use the task tag for a label for each step."
    )
    return False, blocks.one_each(label, "label", blocks.texts(label), advice).to_list()
