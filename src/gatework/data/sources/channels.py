"""Channels: which of a table's columns are read as numbers, and which as categories."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from gatework.data.sources.columns import LABEL_NAMES, need_column
from gatework.data.sources.roles import Roles
from gatework.data.table import Table, to_numbers
from gatework.errors import ConfigError

ROW_NUMBERS = ("unnamed", "unnamed: 0", "index", "row", "__index_level_0__")


def find_channels(
    table: Table, roles: Roles, taken: Collection[str]
) -> tuple[list[str], list[str], list[str]]:
    """Columns to read as numbers and as categories, and what is said of those that are not read."""
    if roles.fixed and roles.layout is not None and "features" in roles.layout:
        features = [str(c) for c in roles.layout["features"]]
        categorical = [str(c) for c in roles.layout["categorical"]]
        for column in (*features, *categorical):
            need_column(table, column, "features= (--features)", fixed=True)
        return features, categorical, []
    features, categorical = list(roles.features), list(roles.categorical)
    for name, columns in (("features", features), ("categorical", categorical)):
        for column in columns:
            need_column(table, column, f"{name}= (--{name})")
            if column in taken:
                raise ConfigError(
                    f"{table.name}: {name}= (--{name}) names {column!r}, which plays another part."
                )
    both = [c for c in features if c in categorical]
    if both:
        raise ConfigError(
            f"{table.name}: {both[0]!r} is named in features= (--features) and in categorical= "
            "(--categorical). Name it in one."
        )
    if features:
        unused = [c for c in table.frame.columns if c not in {*taken, *features, *categorical}]
        return features, categorical, [f"not used: {', '.join(unused)}"] if unused else []
    notes, unused = [], []
    texts = []
    for column in table.frame.columns:
        if column in taken or column in categorical:
            continue
        if roles.labels is not None and column.lower() in LABEL_NAMES[:2]:
            unused.append(f"{column} (labels are given beside the table)")
            continue
        what = channel_kind(table, column)
        if what == "number":
            features.append(column)
        elif what == "category" and not roles.categorical:
            texts.append(column)
        else:
            unused.append(column if what in ("number", "category") else f"{column} ({what})")
    if texts:
        notes.append(f"taken as categories: {', '.join(texts)}")
    if unused:
        notes.append(f"not used: {', '.join(unused)}")
    return features, [*categorical, *texts], notes


def channel_kind(table: Table, column: str) -> str:
    """ "number", "category", or why a column is neither."""
    values = table.frame[column]
    filled = len(values) - values.null_count()
    if not filled:
        return "every value is missing"
    numbers = to_numbers(values)
    alone = (
        len(values) > 10
        and values.dtype in (pl.String, pl.Int64)
        and values.n_unique() == len(values)
    )
    low = column.lower()
    identifies = low == "id" or low.endswith(("_id", " id")) or column.endswith(("Id", "ID"))
    if low in ROW_NUMBERS or (alone and identifies):
        return "numbers of rows"
    if identifies and values.dtype.is_integer():
        return "category"  # the number of a shop measures nothing
    if numbers is not None and (
        values.dtype != pl.String or len(numbers) - numbers.null_count() > 0.5 * filled
    ):
        return "number"
    if values.dtype != pl.String:
        return f"holds {values.dtype}"
    return "a name in every row" if alone else "category"
