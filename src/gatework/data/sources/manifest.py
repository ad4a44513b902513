"""Manifests: a table with the path of a file in each row, and its label and group beside it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from gatework.data.sequences import SequenceSet
from gatework.data.sources.columns import by_name, find_label, group_column
from gatework.data.sources.labels import column_labels
from gatework.data.sources.media_files import BY_KIND, medium_of, open_files
from gatework.data.sources.roles import Roles
from gatework.data.table import Table, read_table
from gatework.errors import DataError, nearest

NAME = "manifest.csv"
PATH_NAMES = ("path", "file", "filename", "file_name", "filepath", "file_path")


def path_column(table: Table) -> str | None:
    """The column of a table that names files by their endings; None when it is no manifest.

    >>> path_column(read_table({"file": ["a.wav", "b.wav"], "label": ["x", "y"]}))
    'file'
    """
    for column in by_name(table.frame.columns, PATH_NAMES, ()):
        values = table.frame[column]
        if values.dtype == pl.String:
            some = values.drop_nulls().head(100).to_list()
            if some and sum(medium_of(p) is not None for p in some) > len(some) / 2:
                return column
    return None


def read_manifest(
    path: str | Path,
    *,
    task: str,
    need_labels: bool = True,
    kind: str | None = None,
    label: str | None = None,
    group: str | None = None,
    skip_bad: bool = False,
    layout: dict[str, Any] | None = None,
    table: Table | None = None,
    **other: Any,
) -> SequenceSet:
    """A sequence for each row of a table: the file that its column ``path`` names.

    Paths are relative to the folder of the table, and none may leave it.

    Args:
        label, group: columns; the label is found by its name where none is given.
        table: the table, where it has been read already.

    Raises:
        DataError: a column is missing, a path is missing or leaves the folder, files are unreadable or of
            several kinds.
    """
    path = Path(path)
    if table is None:
        table = read_table(path)
    roles = Roles(
        task,
        need_labels=need_labels,
        kind=kind,
        label=label,
        group=group,
        skip_bad=skip_bad,
        layout=layout,
    )
    if task == "tag":
        raise DataError(
            f"{path}: a row of a manifest has one label, and tag needs one for every step."
        )
    column = path_column(table)
    if column is None:
        named = by_name(table.frame.columns, PATH_NAMES, ())
        if not named:
            raise DataError(
                f"{path}: has no column 'path' that names the files. {nearest('path', table.frame.columns)}"
            )
        column = named[0]
    groups = group_column(table, roles)
    target = find_label(table, roles, {c for c in (column, groups) if c})
    paths, rows, bad = _paths(table, column, path.parent, skip_bad)
    medium = BY_KIND[_kind(paths, rows, table, column, kind or roles.role("kind"))]
    if medium.kind == "series":
        return _series(table, paths, rows, roles, (column, groups, target), other)
    where = [f"{table.where(r, column)}: {p}" for r, p in zip(rows, paths, strict=True)]
    opened = open_files(paths, medium, where=where, skip_bad=skip_bad, trained=layout)
    rows = [rows[i] for i in opened.kept]
    given = table.frame[column]
    keys = [str(given[r]) for r in rows]
    labels: Any = None
    if target is not None:
        labels = column_labels(table, target, task)[rows].tolist()
    of = f"; labels: column {target!r}" if target else ""
    of += f"; groups: column {groups!r}" if groups else ""
    names = [f"{k} ({table.name}, {table.row_label(r)})" for k, r in zip(keys, rows, strict=True)]
    return SequenceSet(
        medium.kind,
        opened.items,
        names,
        str(path),
        labels=labels,
        groups=_groups(table, groups, rows),
        keys=keys,
        layout={
            "kind": medium.kind,
            "form": "manifest",
            "label": target or (layout or {}).get("label"),
            "group": groups,
            **opened.layout,
        },
        notes=(f"kind: {medium.kind} in {path}: {len(keys):,} files{of}", *opened.notes),
        skipped=(*bad, *opened.skipped),
    )


def _series(
    table: Table,
    paths: list[Path],
    rows: list[int],
    roles: Roles,
    columns: tuple[str, str | None, str | None],
    other: dict[str, Any],
) -> SequenceSet:
    """Series in a table each, with the labels and groups of the manifest."""
    from gatework.data.sources.series_files import read_series_files

    column, groups, target = columns
    keys = [str(table.frame[column][r]) for r in rows]
    named = {k: other[k] for k in ("time", "features", "categorical", "time_format") if k in other}
    layout = None if roles.layout is None else roles.layout | {"label": None, "group": None}
    asked = roles.but(label=None, group=None, layout=layout, **named)
    labels = None if target is None else column_labels(table, target, roles.task)[rows].tolist()
    found, kept = read_series_files(paths, keys, asked, table.name, labels=labels)
    rows = [rows[k] for k in kept]
    told = {"label": target, "group": groups, "per_step": False} if target else {"group": groups}
    return replace(found, groups=_groups(table, groups, rows), layout=found.layout | told)


def _paths(
    table: Table, column: str, folder: Path, skip_bad: bool
) -> tuple[list[Path], list[int], list[str]]:
    """Files, their rows, and messages of the rows without one."""
    root = Path(os.path.abspath(folder))
    found, rows, bad = [], [], []
    for row, text in enumerate(table.texts(column).to_list()):
        if text is None or not text.strip():
            message = f"{table.where(row, column)}: the path is missing."
        else:
            path = Path(os.path.normpath(root / text.strip().replace("\\", "/")))
            if path.is_relative_to(root):
                found.append(folder / path.relative_to(root))
                rows.append(row)
                continue
            message = (
                f"{table.where(row, column)}: {text!r} leaves the folder of {Path(table.name).name}. Move the "
                "manifest above its files, or correct the path."
            )
        if not skip_bad:
            raise DataError(message)
        bad.append(message)
    if not found:
        raise DataError(bad[0] if bad else f"{table.name}: holds no rows.")
    return found, rows, bad


def _kind(paths: list[Path], rows: list[int], table: Table, column: str, kind: str | None) -> str:
    """The one kind of all files."""
    for path, row in zip(paths, rows, strict=True):
        medium = medium_of(path)
        if medium is None or (kind is not None and medium.kind != kind):
            what = f"is no file of the kind {kind}" if kind else "is of no kind that can be read"
            endings = ", ".join(
                e for m in BY_KIND.values() for e in m.endings if kind in (None, m.kind)
            )
            raise DataError(
                f"{table.where(row, column)}: {path.name!r} {what}. Endings that are read: {endings}."
            )
        kind = medium.kind
    assert kind is not None
    return kind


def _groups(table: Table, column: str | None, rows: list[int]) -> list[str] | None:
    if column is None:
        return None
    texts = table.texts(column).to_numpy()[np.array(rows, np.int64)]
    for text, row in zip(texts, rows, strict=True):
        if text is None:
            raise DataError(f"{table.where(row, column)}: the group is missing. Fill it in.")
    return [str(t) for t in texts]
