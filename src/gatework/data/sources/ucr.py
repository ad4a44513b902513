"""Series of a file without header, as the UCR archive has them: a sequence a line, its label first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gatework.data.sequences import SequenceSet
from gatework.data.sources.labels import given_labels
from gatework.data.sources.roles import Roles
from gatework.data.sources.slices import Lazy, SeriesItems, Values, laid_out
from gatework.data.sources.text import read_text_file, split_lines
from gatework.data.vocabulary import as_text
from gatework.errors import DataError

_HOLES = {"?", "", "na", "null"}


def first_cells(text: str) -> tuple[list[str], str | None]:
    """Cells of the first line of a file without header, and what separates them (None: blanks)."""
    line = text.lstrip("\r\n").split("\n", 1)[0].strip()
    for separator in ("\t", ",", ";"):
        if separator in line:
            return line.split(separator), separator
    return line.split(), None


def is_ucr(text: str) -> bool:
    """Whether a text begins with a line of numbers alone, three at least: a label and its series.

    >>> is_ucr("1\\t0.5\\t0.25\\n"), is_ucr("time,load\\n1,2\\n")
    (True, False)
    """
    cells, separator = first_cells(text)
    counted = [str(k) for k in range(len(cells) + 1)]
    if separator == "," and cells in (counted[:-1], counted[1:]):  # as pandas names columns
        return False
    try:
        return len([float(c) for c in cells]) >= 3
    except ValueError:
        return False


def read_ucr(path: Path, roles: Roles) -> SequenceSet:
    """A sequence a line: first its label, then its values; NaN at the end is the end.

    Raises:
        DataError: a word that is no number or an infinite value, with its line.
    """
    roles.refuse_group(str(path), "a file without header has none")
    text = read_text_file(path)
    _, separator = first_cells(text)
    rows, numbers = [], []
    for number, line in enumerate(split_lines(text), start=1):
        if line.strip():
            rows.append(_cells(line, separator, f"{path}, line {number}"))
            numbers.append(number)
    widths = {len(row) for row in rows}
    width = widths.pop() if len(widths) == 1 else None
    unlabelled = (
        not roles.need_labels
        and roles.form == "ucr"
        and width is not None
        and width + 1 == (roles.layout or {}).get("width")
    )
    values = []
    for row in rows:
        own = row if unlabelled else row[1:]
        seen = np.flatnonzero(~np.isnan(own))
        values.append(own[: seen[-1] + 1 if len(seen) else 0, None])
    flat, offsets = laid_out(values)
    labels: Any = None
    if not unlabelled:
        labels = [float(row[0]) for row in rows]
        if roles.task != "regress":
            labels = [as_text(x) for x in labels]
    if roles.labels is not None:
        labels = given_labels(roles.labels, np.diff(offsets).tolist(), roles, str(path))
    B = len(rows)
    return SequenceSet(
        kind="series",
        items=SeriesItems(flat, None, None, offsets),
        names=Lazy(B, lambda i: f"{path}, line {numbers[i]}"),
        source=str(path),
        labels=labels,
        features=("value",),
        layout={"kind": "series", "form": "ucr", "width": width, "per_step": False},
        notes=(f"kind: series, one a line with its label first, {B:,} of them",),
    )


def _cells(line: str, separator: str | None, where: str) -> Values:
    words = line.split(separator) if separator is None else line.strip("\r\n").split(separator)
    try:
        values = np.array([float(w) for w in words])
    except ValueError:
        values = np.array([_number(w, where) for w in words])
    if np.isinf(values).any():
        raise DataError(
            f"{where}: value {int(np.flatnonzero(np.isinf(values))[0]) + 1} is infinite. Correct it, or write "
            "NaN for a missing one."
        )
    return values


def _number(word: str, where: str) -> float:
    if word.strip().lower() in _HOLES:
        return float("nan")
    try:
        return float(word)
    except ValueError:
        raise DataError(f"{where}: {word.strip()[:40]!r} is not a number.") from None
