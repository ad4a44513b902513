"""Words out of a table: a word a row, or a list of words in each."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from gatework.data.sequences import SequenceSet, Words
from gatework.data.sources.blocks import Blocks
from gatework.data.sources.columns import (
    WORD_NAMES,
    by_name,
    find_label,
    find_series,
    group_column,
    need_column,
)
from gatework.data.sources.labels import column_labels
from gatework.data.sources.roles import Roles
from gatework.data.sources.slices import Lazy, cut
from gatework.data.table import Table
from gatework.errors import ConfigError, DataError


def is_words(table: Table, roles: Roles) -> bool:
    """Whether a table of a tagger holds words: a column is called so, or holds lists of texts."""
    if roles.task != "tag":
        return False
    return bool(by_name(table.frame.columns, WORD_NAMES, ())) or bool(_lists(table))


def read_words_table(table: Table, roles: Roles) -> SequenceSet:
    """Sentences of a table; ``text`` names the column of words, ``features`` what stands beside them."""
    if roles.task != "tag":
        raise ConfigError(f"{table.name}: words with a label each are for the task tag.")
    lists = _lists(table)
    word = roles.role("text")
    if word:
        need_column(table, word, "text= (--text)", fixed=not roles.text)
    else:
        named = by_name(lists or table.frame.columns, WORD_NAMES, ())
        if len(named or lists) != 1:
            raise DataError(
                f"{table.name}: name the column that holds the words with text= (--text)."
            )
        word = (named or lists)[0]
    group = group_column(table, roles)
    label = find_label(table, roles, {c for c in (word, group) if c})
    beside = [str(c) for c in roles.role("features") or roles.role("categorical")]
    for column in beside:
        need_column(table, column, "features= (--features)", fixed=not roles.features)
    layout = {"kind": "words", "form": "words", "text": word, "group": group, "features": beside,
              "label": label or (roles.layout or {}).get("label"), "per_step": True,
              "columns": 1 + len(beside)}  # fmt: skip
    if word in lists:
        edges, columns, labels, keys = _of_lists(table, [word, *beside], label)
        names = Lazy(len(keys), lambda i: f"{table.name}, {table.row_label(i)}")
        groups = table.texts(group).to_list() if group else None
    else:
        series = find_series(table, roles, {c for c in (word, label, group, *beside) if c})
        blocks = Blocks.of(table, series)
        layout["series"] = series
        columns = [blocks.texts(c).fill_null("").to_list() for c in (word, *beside)]
        labels = None if label is None else blocks.arranged(column_labels(table, label, "tag"))
        edges, keys = blocks.offsets.tolist(), blocks.keys
        names = Lazy(len(keys), lambda i: f"{table.name}, sentence {keys[i]!r}")
        advice = "Correct it, or name another group column."
        groups = (
            blocks.one_each(group, "group", blocks.texts(group), advice).to_list()
            if group
            else None
        )
    return SequenceSet(
        kind="words",
        items=[Words(tuple(tuple(c[a:b]) for c in columns)) for a, b in pairwise(edges)],
        names=names,
        source=table.name,
        labels=None if labels is None else cut(labels, np.array(edges)),
        groups=groups,
        keys=keys,
        categorical=(word, *beside),
        layout=layout,
        notes=(f"kind: words of column {word!r}; {len(keys):,} sentences",),
    )


def _lists(table: Table) -> list[str]:
    """Columns that hold a list of texts in each row."""
    return [c for c, dtype in table.frame.schema.items() if dtype == pl.List(pl.String)]


def _of_lists(
    table: Table, columns: list[str], label: str | None
) -> tuple[list[int], list[list[str]], Any, list[str]]:
    """Edges, columns of words, labels and keys of a table with a sentence a row."""
    lengths = table.frame[columns[0]].list.len().fill_null(0)
    for column in [*columns[1:], *([label] if label else [])]:
        if table.frame.schema[column].base_type() != pl.List:
            raise DataError(
                f"{table.name}, column {column!r}: holds no lists, and {columns[0]!r} does."
            )
        own = table.frame[column].list.len().fill_null(0)
        other = (own != lengths).arg_true()
        if len(other):
            row = int(other[0])
            raise DataError(
                f"{table.where(row, column)}: has {own[row]} entries for "
                f"{lengths[row]} words. Give one for each."
            )
    empty = (lengths == 0).arg_true()
    if len(empty):
        raise DataError(
            f"{table.where(int(empty[0]), columns[0])}: is a sequence of length 0. Remove the row."
        )
    flat = [
        table.frame[c]
        .explode(empty_as_null=False, keep_nulls=False)
        .cast(pl.String)
        .fill_null("")
        .to_list()
        for c in columns
    ]
    labels = None
    if label is not None:
        labels = np.array(
            table.frame[label]
            .explode(empty_as_null=False, keep_nulls=False)
            .cast(pl.String)
            .to_list(),
            object,
        )
    edges = [0, *np.cumsum(lengths.to_numpy()).tolist()]
    return edges, flat, labels, [str(i) for i in range(len(lengths))]
