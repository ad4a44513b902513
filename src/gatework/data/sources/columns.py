"""Columns: which of a table's holds the label, the text, the sequence's name or the time."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import polars as pl

from gatework.data.sources.roles import Roles
from gatework.data.table import Table
from gatework.data.timestamps import EPOCH_NAMES, looks_like_steps, looks_like_time
from gatework.errors import ConfigError, DataError, nearest

LABEL_NAMES = ("label", "labels", "class", "target", "y", "category", "tag", "tags", "sentiment",
               "rul", "class_label", "classlabel", "outcome", "is_fraud")  # fmt: skip
TEXT_NAMES = ("text", "review", "sentence", "comment", "message", "body", "content", "document",
              "question", "title", "description", "tweet", "utterance")  # fmt: skip
SERIES_NAMES = ("series", "series_id", "sequence", "sequence_id", "seq", "seq_id", "unique_id",
                "sample", "sample_id", "case", "case_id", "session", "session_id", "recording",
                "unit", "unit_id", "engine", "engine_id", "trip", "trip_id", "user", "user_id",
                "customer", "customer_id", "sentence_id", "sentence", "id")  # fmt: skip
WORD_NAMES = ("word", "words", "token", "tokens", "form")
TIME_ROWS = "none"


def need_column(table: Table, column: str, option: str, *, fixed: bool = False) -> str:
    """The column, which is there; the error names those that are.

    fixed: it was named at the training, not now.
    """
    if column in table.frame.columns:
        return column
    hint = nearest(column, table.frame.columns)
    if fixed:
        raise DataError(
            f"{table.name}: lacks the column {column!r} that the model was trained with "
            f"({option.split('=')[0]}). {hint}"
        )
    raise ConfigError(f"{table.name}: {option} names {column!r}, which is no column. {hint}")


def find_label(table: Table, roles: Roles, taken: Collection[str] = ()) -> str | None:
    """The label column: named, of a name that says so, or None.

    Raises DataError when it is needed and there is none, or there are several.
    """
    columns, label = table.frame.columns, roles.role("label")
    if roles.labels is not None:
        return None
    if label:
        if roles.need_labels or label in columns:
            return need_column(table, label, roles.option("label"), fixed=not roles.label)
        if roles.label:  # it was asked for now
            need_column(table, label, roles.option("label"))
        return None
    if roles.fixed and not roles.need_labels:
        return None
    named = by_name(columns, LABEL_NAMES, taken)
    if any(c.casefold() == "x" for c in columns):  # beside x, y is a coordinate
        named = [c for c in named if c.casefold() != "y"]
    if len(named) > 1:  # "label" says it more plainly than "category"
        named = [c for c in named if c.lower() in LABEL_NAMES[:2]] or named
    if len(named) == 1:
        return named[0]
    free = [c for c in columns if c not in taken]
    if not named and len(free) == 1 and taken:
        return free[0]
    if not roles.need_labels:
        return None
    if named:
        could = " or ".join(map(repr, named))
        raise DataError(
            f"{table.name}: {could} could hold the labels. Name the column with {roles.option('label')}."
        )
    raise DataError(
        f"{table.name}: no column is called label, class or target. Name the one that holds the labels "
        f"with {roles.option('label')}. {nearest('', free)}"
    )


def by_name(columns: Iterable[str], names: Iterable[str], taken: Collection[str]) -> list[str]:
    """Columns of some names, capital letters aside."""
    folded = [n.casefold() for n in names]
    return [c for c in columns if c.casefold() in folded and c not in taken]


def find_text(table: Table, roles: Roles, taken: Collection[str]) -> str | None:
    """The column of texts: named, or the only one that holds sentences; None when there is none."""
    text = roles.role("text")
    if text:
        return need_column(table, text, "text= (--text)", fixed=not roles.text)
    prose = [c for c in table.frame.columns if c not in taken and is_prose(table.frame[c])]
    if len(prose) > 1:
        prose = by_name(prose, TEXT_NAMES, ()) or prose
    if len(prose) > 1:
        raise DataError(
            f"{table.name}: columns {', '.join(map(repr, prose))} hold texts. Name the one to read with "
            "text= (--text)."
        )
    if prose:
        return prose[0]
    free = [c for c in table.frame.columns if c not in taken]
    if len(free) == 1 and table.frame.schema[free[0]] == pl.String:
        return free[0]  # beside the label there is nothing else
    if roles.kind == "text":
        named = by_name(table.frame.columns, TEXT_NAMES, taken)
        free = [c for c in table.frame.columns if c not in taken]
        if len(named or free) == 1:
            return (named or free)[0]
        raise DataError(
            f"{table.name}: which column holds the texts is not plain. Name it with text= (--text). "
            f"{nearest('', free)}"
        )
    return None


def is_prose(values: pl.Series) -> bool:
    """Whether a column holds sentences: three words in the mean, and hardly a text twice.

    >>> is_prose(pl.Series(["a fine day", "rain all week again"])), is_prose(pl.Series(["tcp", "udp"]))
    (True, False)
    """
    if values.dtype != pl.String:
        return False
    step = max(1, len(values) // 2000)
    sample = values.gather_every(step).drop_nulls()
    if not len(sample):
        return False
    words = sample.str.count_matches(r"\S+").mean()
    letters = sample.str.contains(r"\p{L}").mean()
    return bool(
        isinstance(words, float)
        and words >= 3
        and isinstance(letters, float)
        and letters > 0.9
        and sample.n_unique() > 0.5 * len(sample)
    )


def find_series(table: Table, roles: Roles, taken: Collection[str]) -> str | None:
    """The column that tells sequences apart: named, of a name that says so, or the only one in blocks."""
    series = roles.role("series")
    if series:
        return need_column(table, series, "series= (--series)", fixed=not roles.series)
    if table.is_array and "series" in table.frame.columns:
        return "series"
    frame = table.frame
    named = [c for c in by_name(frame.columns, SERIES_NAMES, taken) if _repeats(frame[c], 1.0)]
    if named:
        order = {n: k for k, n in enumerate(SERIES_NAMES)}
        return min(named, key=lambda c: order[c.casefold()])
    able = [c for c in frame.columns if c not in taken and _repeats(frame[c], 0.5)]
    blocks = [c for c in able if _in_blocks(frame[c])]
    return blocks[0] if len(blocks) == 1 else None


def _repeats(values: pl.Series, most: float) -> bool:
    """Whether there are fewer names than that share of the rows."""
    if not (values.dtype == pl.String or values.dtype.is_integer()) or values.null_count():
        return False
    distinct = values.n_unique()
    return distinct < len(values) and distinct <= most * len(values)


def _in_blocks(values: pl.Series) -> bool:
    """Whether equal values stand together, as the rows of one sequence after another do."""
    runs = int((values != values.shift(1)).fill_null(True).sum())
    return runs == values.n_unique() > 2


def group_column(table: Table, roles: Roles) -> str | None:
    """The column of groups: named now, or that of the training where it is there."""
    if roles.group is None:
        kept = (roles.layout or {}).get("group")
        return kept if kept in table.frame.columns else None
    if not isinstance(roles.group, str):
        raise ConfigError(f"{table.name}: {roles.option('group')} must be the name of a column.")
    return need_column(table, roles.group, roles.option("group"))


def find_time(table: Table, roles: Roles, taken: Collection[str]) -> str | None:
    """The time column: named, or the only one that holds timestamps or counts steps; None without."""
    time = roles.role("time")
    if time == TIME_ROWS or (roles.fixed and time is None):
        return None
    if time:
        return need_column(table, time, "time= (--time)", fixed=not roles.time)
    free = [c for c in table.frame.columns if c not in taken]
    stamps = [c for c in free if looks_like_time(table, c, roles.time_format)]
    if not stamps:
        stamps = [c for c in free if looks_like_steps(table, c)]
    if len(stamps) > 1:
        stamps = by_name(stamps, EPOCH_NAMES, ()) or stamps
    if len(stamps) > 1:
        raise DataError(
            f"{table.name}: columns {', '.join(map(repr, stamps))} hold times. Name the one to read with "
            f"time= (--time), or take the rows in their order with time={TIME_ROWS!r}."
        )
    return stamps[0] if stamps else None
