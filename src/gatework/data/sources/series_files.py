"""Series that lie in a table each: a file is a sequence, its rows are the steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from gatework.data.sequences import SequenceSet
from gatework.data.sources.media_files import ADVICE
from gatework.data.sources.roles import Roles
from gatework.data.sources.series_table import read_long
from gatework.data.table import Table, read_table
from gatework.errors import DataError

FILE, CLASS = "file", "class"


@dataclass(frozen=True)
class _Joined(Table):
    """Rows of several tables, which still name the file that they came from."""

    tables: tuple[Table, ...] = field(default=(), repr=False, compare=False)
    begins: np.ndarray = field(default_factory=lambda: np.zeros(1), repr=False, compare=False)

    def row_label(self, i: int) -> str:
        k = int(np.searchsorted(self.begins, i, side="right")) - 1
        return f"{self.tables[k].name}, {self.tables[k].row_label(i - int(self.begins[k]))}"

    def where(self, i: int, column: str) -> str:
        return f"{self.row_label(i)}, column {column!r}"


def read_series_files(
    paths: Sequence[Path],
    keys: Sequence[str],
    roles: Roles,
    source: str,
    classes: Sequence[str | None] | None = None,
    labels: Sequence[object] | None = None,
) -> tuple[SequenceSet, list[int]]:
    """A series for each file (``.csv``, ``.tsv``, ``.parquet``, ``.npy``), and the numbers of those files.

    The tables must have the same columns.  Without ``classes``, one for each file, or ``labels`` the
    label is a column of theirs.

    Raises:
        DataError: a file cannot be read, or has other columns than the first (unless ``skip_bad``).
    """
    tables: list[Table] = []
    kept, bad = [], []
    for i, path in enumerate(paths):
        try:
            table = _read(path)
            if tables:
                _same_columns(tables[0], table)
        except DataError as error:
            if not roles.skip_bad:
                raise DataError(f"{error} {ADVICE}") from None
            bad.append(str(error))
            continue
        tables.append(table)
        kept.append(i)
    if not tables:
        raise DataError(bad[0] if bad else f"{source}: holds no tables.")
    for name in (FILE, CLASS):
        if name in tables[0].frame.columns:
            raise DataError(
                f"{tables[0].name}: the column {name!r} has the name that is kept for the files themselves. "
                "Rename it."
            )
    frames = []
    for table, i in zip(tables, kept, strict=True):
        own = [pl.lit(keys[i]).alias(FILE)]
        if classes is not None:
            own.append(pl.lit(classes[i], dtype=pl.String).alias(CLASS))
        frames.append(table.frame.with_columns(own))
    heights = [f.height for f in frames]
    joined = _Joined(
        pl.concat(frames, how="vertical_relaxed"),
        source,
        tables=tuple(tables),
        begins=np.concatenate([[0], np.cumsum(heights)[:-1]]),
    )
    given = None if labels is None else [labels[i] for i in kept]
    known = roles.but(series=FILE, labels=given)
    if classes is not None:
        known = known.but(label=CLASS)
    found = read_long(joined, known)
    names = [str(paths[i]) for i in kept]
    notes = (f"kind: series in {source}: {len(kept):,} tables", *found.notes[1:])
    return replace(found, names=names, notes=notes, skipped=(*bad, *found.skipped)), kept


def _read(path: Path) -> Table:
    if path.suffix.lower() != ".npy":
        return read_table(path)
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: is no array that can be read ({error}).") from None
    if array.ndim not in (1, 2) or array.dtype.kind not in "fiub" or not array.size:
        raise DataError(
            f"{path}: holds {array.dtype} of the shape {array.shape}, and a series is numbers (T, F)."
        )
    return replace(read_table(array), name=str(path))


def _same_columns(first: Table, table: Table) -> None:
    wanted, given = first.frame.columns, table.frame.columns
    if wanted == given:
        return
    missing = [c for c in wanted if c not in given]
    new = [c for c in given if c not in wanted]
    if missing or new or len(wanted) != len(given):
        parts = [f"lacks {', '.join(map(repr, missing))}"] if missing else []
        parts += [f"has also {', '.join(map(repr, new))}"] if new else []
        raise DataError(
            f"{table.name}: {' and '.join(parts)}, compared with {Path(first.name).name}: all tables need the "
            "same columns."
        )
    raise DataError(f"{table.name}: its columns stand in another order than in {first.name}.")
