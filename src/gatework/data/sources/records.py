"""Tables whose row is a record on its own, and what belongs to a row that is a whole sequence."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatework.data.sequences import SequenceSet
from gatework.data.sources.blocks import shared_texts
from gatework.data.sources.channels import find_channels
from gatework.data.sources.columns import find_label, group_column
from gatework.data.sources.labels import column_labels, given_labels
from gatework.data.sources.roles import Roles
from gatework.data.sources.slices import Lazy, SeriesItems
from gatework.data.table import Table
from gatework.errors import DataError


def read_records(table: Table, roles: Roles) -> SequenceSet:
    """A record a row: a sequence of one step, with numbers and categories."""
    group = group_column(table, roles)
    label = find_label(table, roles, {c for c in (group, *roles.features, *roles.categorical) if c})
    features, categorical, notes = find_channels(table, roles, {c for c in (label, group) if c})
    if not features and not categorical:
        raise DataError(f"{table.name}: no column is left to learn from.")
    N = table.frame.height
    values = np.empty((N, len(features)))
    for k, column in enumerate(features):
        values[:, k] = table.numbers(column).to_numpy()
    categories = None
    if categorical:
        categories = np.empty((N, len(categorical)), object)
        for k, column in enumerate(categorical):
            categories[:, k] = shared_texts(table.texts(column))
    return SequenceSet(
        kind="series",
        items=SeriesItems(values, categories, None, np.arange(N + 1)),
        labels=row_labels(table, label, roles),
        groups=row_groups(table, group),
        features=tuple(features),
        categorical=tuple(categorical),
        layout={"kind": "series", "form": "rows", "label": label or (roles.layout or {}).get("label"),
                "group": group, "features": features, "categorical": categorical, "per_step": False},
        notes=(f"kind: records, one a row, {N:,} of them", *notes),
        names=row_names(table),
        source=table.name,
    )  # fmt: skip


def row_names(table: Table) -> Lazy:
    """Words for each row."""
    return Lazy(table.frame.height, lambda i: f"{table.name}, {table.row_label(i)}")


def row_labels(table: Table, label: str | None, roles: Roles) -> list[Any] | None:
    """Labels of a table with a sequence a row."""
    if roles.labels is not None:
        return given_labels(roles.labels, [1] * table.frame.height, roles, table.name)
    if label is None:
        return None
    labels: list[Any] = column_labels(table, label, roles.task).tolist()
    return labels


def row_groups(table: Table, group: str | None) -> list[str] | None:
    """Groups of a table with a sequence a row."""
    if group is None:
        return None
    texts = table.texts(group)
    missing = texts.is_null().arg_true()
    if len(missing):
        raise DataError(f"{table.where(missing[0], group)}: the group is missing. Fill it in.")
    return texts.to_list()
