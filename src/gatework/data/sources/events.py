"""Event sequences: one a line, names or numbers of events with blanks between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from gatework.data.sequences import SequenceSet
from gatework.data.sources.blocks import shared_texts
from gatework.data.sources.columns import find_label, group_column, need_column
from gatework.data.sources.labels import column_labels, given_labels
from gatework.data.sources.records import row_groups, row_names
from gatework.data.sources.roles import Roles
from gatework.data.sources.slices import IntArray, Lazy, SeriesItems
from gatework.data.sources.text import read_text_file, split_lines
from gatework.data.table import Table
from gatework.data.vocabulary import as_text
from gatework.errors import DataError


def read_event_lines(path: Path, roles: Roles) -> SequenceSet:
    """Sequences of a file; where a line has a tab, what stands before it is the label."""
    roles.refuse_group(str(path), "lines of events have none; write a table with a header")
    lines = pl.Series(split_lines(read_text_file(path)), dtype=pl.String)
    numbers = (lines.str.strip_chars() != "").arg_true().to_list()
    lines = lines.gather(numbers)
    labels: Any = None
    if lines.str.contains("\t", literal=True).all():
        parts = lines.str.splitn("\t", 2).struct.unnest()
        labels, lines = _spelled(parts["field_0"], roles, str(path)), parts["field_1"]
    items = _items(lines)
    names = Lazy(len(items), lambda i: f"{path}, line {numbers[i] + 1}")
    layout = {"kind": "series", "form": "events"}
    return _set(items, labels, None, names, str(path), layout, roles)


def read_event_table(table: Table, roles: Roles) -> SequenceSet:
    """Sequences of a column of a table (``text`` names it) that holds a whole one in each row."""
    group = group_column(table, roles)
    text = roles.role("text")
    label = find_label(table, roles, {c for c in (group, text) if c})
    free = [c for c in table.frame.columns if c not in (label, group)]
    if not text and len(free) != 1:
        raise DataError(
            f"{table.name}: name the column that holds the events of a row with text= (--text), or, where "
            "a row is one event, leave out kind= and name series=."
        )
    text = need_column(table, text or free[0], "text= (--text)", fixed=not roles.text)
    labels = column_labels(table, label, roles.task).tolist() if label else None
    layout = {"kind": "series", "form": "events", "text": text, "group": group,
              "label": label or (roles.layout or {}).get("label")}  # fmt: skip
    items = _items(table.texts(text))
    return _set(
        items, labels, row_groups(table, group), row_names(table), table.name, layout, roles
    )


def events_list(
    items: Sequence[Any], roles: Roles, labels: list[Any] | None, groups: list[str] | None
) -> SequenceSet:
    """Sequences that were passed as a list of lists of events."""
    lists = [
        item.split() if isinstance(item, str) else [as_text(e) for e in item] for item in items
    ]
    flat = np.empty(sum(map(len, lists)), object)
    flat[:] = [e for item in lists for e in item]
    offsets = np.concatenate([[0], np.cumsum([len(item) for item in lists], dtype=np.int64)])
    names = Lazy(len(lists), lambda i: f"data: sequence {i} (counting from 0)")
    layout = {"kind": "series", "form": "events"}
    return _set(_series(flat, offsets), labels, groups, names, "data", layout, roles)


def _spelled(texts: pl.Series, roles: Roles, source: str) -> list[Any]:
    if roles.task != "regress":
        return [None if t in ("", None) else t for t in texts.to_list()]
    table = Table(pl.DataFrame({"label": texts}), source, is_file=True)
    return table.numbers("label").fill_null(float("nan")).to_list()


def _items(texts: pl.Series) -> SeriesItems:
    events = texts.fill_null("").str.extract_all(r"\S+")
    offsets = np.concatenate([[0], np.cumsum(events.list.len().to_numpy().astype(np.int64))])
    flat = events.explode(empty_as_null=False)
    return _series(shared_texts(flat), offsets)


def _series(flat: Any, offsets: IntArray) -> SeriesItems:
    return SeriesItems(np.zeros((len(flat), 0)), flat[:, None], None, offsets)


def _set(
    items: SeriesItems,
    labels: list[Any] | None,
    groups: list[str] | None,
    names: Lazy,
    source: str,
    layout: dict[str, Any],
    roles: Roles,
) -> SequenceSet:
    if roles.labels is not None and labels is None:
        labels = given_labels(roles.labels, items.lengths.tolist(), roles, source)
    return SequenceSet(
        kind="series",
        items=items,
        names=names,
        source=source,
        labels=labels,
        groups=groups,
        categorical=("event",),
        layout={**layout, "per_step": roles.task == "tag"},
        notes=(f"kind: events, a sequence a row, {len(items):,} of them",),
    )
