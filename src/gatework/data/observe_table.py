"""A table of measurements as observations: what each column is, found where it is plain and said aloud."""

from __future__ import annotations

import gzip
import itertools
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from gatework.data.frequency import Frequency
from gatework.data.observations import BoolArray, IntArray, Observations
from gatework.data.schema import Schema, find_series, read_schema_times
from gatework.data.table import TEXT_ENDINGS, Table, read_table, to_numbers
from gatework.data.timestamps import looks_like_steps, looks_like_time, read_times
from gatework.errors import ConfigError, DataError, nearest

LABEL_NAMES = ("label", "anomaly", "is_anomaly", "anomalous", "attack", "is_attack", "outlier")
NORMAL_WORDS = ("0", "false", "no", "normal", "benign", "ok", "none", "good", "regular", "-")
MANY_BYTES = 256 << 20  # a text table from here on is cut to its first rows before it is read


def read_head(path: Path, rows: int) -> Table:
    """The first rows of a table's file, however large it is."""
    name = path.name.lower().removesuffix(".gz")
    if not path.is_file() or path.stat().st_size < MANY_BYTES // (8 if name != path.name else 1):
        table = read_table(path)
        return head(table, rows)
    if name.endswith(".parquet"):
        return Table(pl.scan_parquet(path).head(rows).collect(), str(path), is_file=True)
    if not name.endswith(TEXT_ENDINGS):
        return head(read_table(path), rows)
    opened: Any = gzip.open if path.name.lower().endswith(".gz") else open
    with tempfile.TemporaryDirectory() as folder, opened(path, "rb") as source:
        cut = Path(folder) / ("head" + Path(name).suffix)
        with cut.open("wb") as out:
            out.writelines(itertools.islice(source, rows + 1))
        table = read_table(cut)
    return Table(table.frame, str(path), is_file=True, lines=table.lines)


def head(table: Table, rows: int) -> Table:
    """The first rows of a table."""
    if table.frame.height <= rows:
        return table
    lines = None if table.lines is None else table.lines[:rows]
    return Table(table.frame.head(rows), table.name, table.is_file, table.is_array, lines)


def read_metrics(
    data: Any,
    *,
    rows: int,
    time: str | None = None,
    series: str | None = None,
    label: str | None = None,
    normal: str | None = None,
    features: Sequence[str] = (),
    categorical: Sequence[str] = (),
    time_format: str | None = None,
    mend: bool = False,
    layout: dict[str, Any] | None = None,
    need_labels: bool = False,
) -> Observations:
    """Rows of a table, series by series, in time order.

    data: whatever :func:`~gatework.data.table.read_table` takes; of a file the first ``rows``.
    time, series, label: columns; the time is found where one qualifies, a label where its name says so and
        it has two values.  ``time="none"`` takes the rows in their order.
    normal: what a label says of normal rows; 0, false, "normal" and the like when absent.
    features, categorical: columns to read as numbers and as categories; all that are left when empty.
    mend: sort rows that are out of order instead of refusing them.
    layout: ``Observations.layout`` of the training part: columns play the parts that they had there.

    Raises:
        DataError: with the row and what to do; ConfigError for a name that is no column.

    >>> found = read_metrics({"cpu": [1, 2], "host": ["a", "b"]}, rows=10)
    >>> found.channels, found.categories, found.words
    (('cpu',), ('host',), (('a', 'b'),))
    """
    is_path = isinstance(data, str | os.PathLike)
    table = read_head(Path(data), rows) if is_path else head(read_table(data), rows)
    if layout is not None and (label or normal or not layout["label"]):
        if label is not None and label not in table.frame.columns:
            raise ConfigError(
                f"{table.name}: label names column {label!r}, which is not there. "
                f"{nearest(label, table.frame.columns)}"
            )
        taken = {*layout["channels"], *layout["categories"]}
        label = label or layout["label"] or _find_label(table, taken)
        layout = {**layout, "label": label, "normal": normal or layout["normal"]}
    if layout is None:
        layout, notes = _layout(
            table, time, series, label, normal, features, categorical, time_format
        )
    else:
        notes = []
        _check_columns(table, layout, need_labels)
    return _observations(table, layout, notes, mend)


def _layout(
    table: Table,
    time: str | None,
    series: str | None,
    label: str | None,
    normal: str | None,
    features: Sequence[str],
    categorical: Sequence[str],
    time_format: str | None,
) -> tuple[dict[str, Any], list[str]]:
    columns, notes = table.frame.columns, []
    features, categorical = _split(features), _split(categorical)
    named = [("series", series), ("label", label), *(("features", f) for f in features)]
    named += [("categorical", c) for c in categorical]
    named += [("time", time)] if time not in (None, "none") else []
    parts: dict[str, str] = {}
    for role, name in named:
        if name is None:
            continue
        if name not in columns:
            raise ConfigError(
                f"{table.name}: {role} names column {name!r}, which is not there. {nearest(name, columns)}"
            )
        if name in parts:
            raise ConfigError(
                f"{table.name}: column {name!r} is named both as {parts[name]} and as {role}. Keep one."
            )
        parts[name] = role
    time = _find_time(table, time, time_format, parts)
    schema = None
    if time is not None:
        times = read_times(table, time, time_format)
        zone = getattr(times.values.dtype, "time_zone", None)
        schema = Schema(time, times.kind, [], times.format, zone)
        notes.append(f"time column: {time}" + (f" ({times.note})" if times.note else ""))
    else:
        notes.append("no time column: the rows are taken in their order")
    if time is not None and series is None:
        series = find_series(
            table, None, time, times, {*features, *categorical, *([label] if label else [])}
        )
    label = label or _find_label(table, {*parts, *([time] if time else [])})
    if label is not None and label not in parts:
        notes.append(f"label column: {label} (used to judge, not to learn)")
    taken = {c for c in (time, series, label) if c is not None}
    if series is not None:
        notes.append(f"series column: {series} ({table.frame[series].n_unique()} series)")
    free = [c for c in columns if c not in taken | {*features, *categorical}]
    left = [] if features or (categorical and not _numeric(table, free)) else free
    numbers, words = list(features), list(categorical)
    passed: list[str] = []
    for column in [*features, *categorical]:
        if table.frame[column].null_count() == table.frame.height:
            raise DataError(
                f"{table.name}, column {column!r}: has no value at all. Leave it out, or give data with some."
            )
    for column in left:
        kind = _part_of(table, column)
        (numbers if kind == "number" else words if kind == "category" else passed).append(column)
    if features:
        passed = free
    if passed:
        notes.append(f"not used: {', '.join(passed)}")
    if words:
        notes.append(f"taken as categories: {', '.join(words)}")
    if not numbers and not words:
        raise DataError(
            f"{table.name}: no column holds numbers or categories to watch. "
            "Name some with features= (--features) or categorical= (--categorical)."
        )
    layout = {
        "kind": "metrics",
        "channels": numbers,
        "categories": words,
        "time": None if schema is None else schema.to_json(),
        "clock": schema is not None and schema.time_kind != "integer",
        "series": series,
        "label": label,
        "normal": normal,
        "columns": list(columns),
    }
    return layout, notes


def _split(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _numeric(table: Table, columns: Sequence[str]) -> bool:
    return any(table.frame[c].dtype.is_numeric() for c in columns)


def _find_time(
    table: Table, time: str | None, time_format: str | None, parts: dict[str, str]
) -> str | None:
    if time == "none" and "none" not in table.frame.columns:
        return None
    if time is not None:
        return time
    free = [c for c in table.frame.columns if c not in parts]
    found = [c for c in free if looks_like_time(table, c, time_format)]
    if not found:
        found = [c for c in free if looks_like_steps(table, c)]
        found = [c for c in found if table.frame[c].is_sorted() and not parts]
    if len(found) > 1:
        raise DataError(
            f"{table.name}: {len(found)} columns could be the time: {', '.join(map(repr, found))}. Name one "
            "with time= (--time), or time='none' to take the rows in their order."
        )
    return found[0] if found else None


def _find_label(table: Table, taken: set[str]) -> str | None:
    for column in table.frame.columns:
        if column.casefold() in LABEL_NAMES and column not in taken:
            return column if table.frame[column].n_unique() <= 3 else None
    return None


def _part_of(table: Table, column: str) -> str:
    """``number``, ``category``, or ``""`` of a column that tells nothing, such as an identifier."""
    values = table.frame[column]
    if values.dtype.is_nested() or values.null_count() == len(values):
        return ""
    if values.dtype == pl.Boolean or values.dtype == pl.String:
        numbers = None if values.dtype == pl.Boolean else to_numbers(values)
        if numbers is not None and numbers.count() > 0.5 * max(values.count(), 1):
            return "number"  # with words among them, of which the reader will name the first
        distinct = values.n_unique()
        return "category" if distinct <= max(20, 0.5 * len(values)) else ""
    return "number" if values.dtype.is_numeric() else ""


def _check_columns(table: Table, layout: dict[str, Any], need_labels: bool) -> None:
    columns = table.frame.columns
    needed = [*layout["channels"], *layout["categories"]]
    needed += [layout["time"]["time"]] if layout["time"] else []
    needed += [c for c in (layout["series"],) if c]
    missing = [c for c in needed if c not in columns]
    if missing:
        raise DataError(
            f"{table.name}: lacks the column{'s' * (len(missing) > 1)} {', '.join(map(repr, missing))} that "
            f"the model was fitted with. {nearest(missing[0], columns)}"
        )
    if need_labels and layout["label"] not in columns:
        raise DataError(
            f"{table.name}: has no labels to judge by. Name the column that holds them with label= (--label)."
        )


def _observations(
    table: Table, layout: dict[str, Any], notes: list[str], mend: bool
) -> Observations:
    N = table.frame.height
    channels, categories = tuple(layout["channels"]), tuple(layout["categories"])
    values = np.empty((N, len(channels)))
    for c, name in enumerate(channels):
        values[:, c] = table.numbers(name).to_numpy()
    codes = np.empty((N, len(categories)), np.int64)
    words = []
    for d, name in enumerate(categories):
        codes[:, d], own = coded(table.texts(name))
        words.append(own)
    stamps, times = None, None
    if layout["time"]:
        stamps = read_schema_times(table, Schema.from_json(layout["time"]))
        assert stamps is not None
        whole = stamps.dtype.is_integer()
        times = stamps.to_numpy().astype(np.int64) if whole else Frequency.instant_us(stamps)
    labels = None
    label = layout["label"]
    if label is not None and label in table.frame.columns:
        labels = anomalous(table, label, layout["normal"])
    order, offsets, names = _by_series(table, layout["series"])
    order = _in_time(table, times, order, offsets, layout, mend, notes)
    found = Observations(
        kind="metrics",
        channels=channels,
        categories=categories,
        values=values,
        codes=codes,
        words=tuple(words),
        offsets=offsets,
        names=names,
        source=table.name,
        times=None if times is None else np.asarray(times, np.int64),
        stamps=stamps,
        labels=labels,
        where=lambda i: f"{table.name}, {table.row_label(i)}",
        layout=layout,
        notes=tuple(notes),
    )
    if order is None:
        return found
    return found._of(order, offsets, names, None if labels is None else labels[order])


def coded(texts: pl.Series) -> tuple[IntArray, tuple[str, ...]]:
    """``(N,)`` places in the sorted distinct words, -1 where missing, and the words."""
    words = texts.drop_nulls().unique().sort()
    place = {w: i for i, w in enumerate(words.to_list())}
    if not place:
        return np.full(len(texts), -1), ()
    found = texts.replace_strict(place, default=-1, return_dtype=pl.Int64)
    return found.fill_null(-1).to_numpy().astype(np.int64), tuple(place)


def anomalous(table: Table, column: str, normal: str | None) -> BoolArray:
    """``(N,)`` True where the label is not that of normal rows.

    Raises:
        DataError: a missing label, or none of them says normal.
    """
    texts = table.texts(column)
    missing = texts.is_null().arg_true()
    if len(missing):
        raise DataError(
            f"{table.where(missing[0], column)}: the label is missing. Fill it in, or leave the column out."
        )
    wanted = (normal,) if normal is not None else NORMAL_WORDS
    found = ~texts.str.to_lowercase().is_in([w.lower() for w in wanted]).to_numpy()
    if found.all():
        seen = ", ".join(repr(w) for w in texts.unique().sort().head(5).to_list())
        raise DataError(
            f"{table.name}, column {column!r}: no label says that a row is normal (there are {seen}). Name "
            "the one that does with normal= (--normal)."
        )
    return np.asarray(found, bool)


def _by_series(
    table: Table, series: str | None
) -> tuple[IntArray | None, IntArray, tuple[str, ...]]:
    N = table.frame.height
    if series is None:
        return None, np.array([0, N], np.int64), ("",)
    texts = table.texts(series)
    missing = texts.is_null().arg_true()
    if len(missing):
        raise DataError(
            f"{table.where(missing[0], series)}: the name of the series is missing. Fill it in or drop the row."
        )
    code, names = coded(texts)
    order = np.argsort(code, kind="stable")
    counts = np.bincount(code, minlength=len(names))
    return order, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), names


def _in_time(
    table: Table,
    times: IntArray | None,
    order: IntArray | None,
    offsets: IntArray,
    layout: dict[str, Any],
    mend: bool,
    notes: list[str],
) -> IntArray | None:
    """The order of the rows with each series in time order; rows of equal times stay as they are."""
    if times is None:
        return order
    placed = times if order is None else times[order]
    back = np.diff(placed, prepend=placed[:1]) < 0
    back[offsets[:-1][np.diff(offsets) > 0]] = False
    bad = np.flatnonzero(back)
    if not len(bad):
        return order
    column = layout["time"]["time"]
    if not mend:
        row = int(bad[0] if order is None else order[bad[0]])
        more = f" ({len(bad)} such rows)" if len(bad) > 1 else ""
        remedy = "or have it done with mend=True (--mend)"
        if not layout["series"]:
            remedy = (
                f"{remedy[3:]}, or name what tells several series apart with series= (--series)"
            )
        raise DataError(
            f"{table.where(row, column)}: the time is before that of the row above{more}. Sort the rows, "
            f"{remedy}."
        )
    notes.append(f"{len(bad)} rows were out of order and have been sorted")
    series = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    again = np.lexsort((np.arange(len(placed)), placed, series))
    return again if order is None else order[again]
