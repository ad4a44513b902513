"""UNIPEN files: components of coordinates, and segments that name some of them and give their label.

After Guyon et al. 1994, "UNIPEN project of on-line data exchange and recognizer benchmarks".  A component is
what follows ``.PEN_DOWN`` or ``.PEN_UP``; a delineation such as ``0,2-4`` or ``1:10-3:5`` counts components,
of both sorts, from 0, with a point in them behind the colon.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from gatework.data.sequences import Ink
from gatework.errors import ConfigError, DataError, nearest

if TYPE_CHECKING:
    from gatework.data.sources.strokes import Found

_PLACE = re.compile(r"(\d+)(?::(\d+))?")
MAX_INCLUDES = 100


class _Component(NamedTuple):
    down: bool
    points: npt.NDArray[np.float64]  # (n, 2), y downwards


class _Segment(NamedTuple):
    where: str
    level: str
    delineation: str
    quality: str
    label: str | None
    writer: str | None


def read_unipen(
    path: Path, text: str, *, whole: bool = False, level: str | None = None
) -> Iterable[Found | DataError]:
    """Labelled segments of one level, each an ink; or, ``whole`` or without any, all components as one.

    level: such as ``WORD``; by default ``CHARACTER``, or else what most labelled segments are of.

    Raises:
        DataError: a coordinate or a delineation cannot be read.
        ConfigError: no segment is of the level.
    """
    from gatework.data.sources.strokes import Found

    parser = _Parser(path)
    parser.read(path, text)
    components, segments = parser.finish()
    labelled = [s for s in segments if s.label is not None]
    if whole or not labelled:
        downs = tuple(c.points for c in components if c.down and len(c.points))
        fields = {"writer": parser.writer} if parser.writer else {}
        yield Found(str(path), Ink(downs), dict(fields))
        return
    counts = Counter(s.level for s in labelled)
    chosen = (level or "").upper()
    if level and chosen != "LABEL" and chosen not in counts:
        raise ConfigError(
            f"{path}: no labelled segment is of the level {level!r}. {nearest(chosen, counts)}"
        )
    if chosen not in counts:
        chosen = "CHARACTER" if "CHARACTER" in counts else counts.most_common(1)[0][0]
    for segment in labelled:
        if segment.level != chosen or segment.quality == "BAD":
            continue
        fields = {"label": segment.label or ""} | (
            {"writer": segment.writer} if segment.writer else {}
        )
        try:
            yield Found(segment.where, Ink(_cut(segment.delineation, components)), dict(fields))
        except ValueError as fact:
            yield DataError(f"{segment.where}: {fact}.")


class _Parser:
    """Keywords begin a line with a dot; numbers until the next one belong to it."""

    def __init__(self, root: Path) -> None:
        self._root = root.parent
        self._components: list[_Component] = []
        self._segments: list[_Segment] = []
        self._columns: tuple[int, int] = (0, 1)
        self._width = 2
        self._numbers: list[float] | None = None
        self._down = False
        self._includes = 0
        self.writer: str | None = None

    def read(self, path: Path, text: str) -> None:
        for number, line in enumerate(text.splitlines(), start=1):
            where = f"{path}, line {number}"
            if not line.startswith("."):
                self._add(line, where)
                continue
            keyword, _, rest = line.partition(" ")
            keyword, _, tabbed = keyword.partition("\t")
            rest = f"{tabbed} {rest}".strip()
            if keyword in (".PEN_DOWN", ".PEN_UP"):
                self._close()
                self._numbers, self._down = [], keyword == ".PEN_DOWN"
                self._add(rest, where)
            elif keyword == ".COORD":
                names = rest.upper().split()
                if "X" not in names or "Y" not in names:
                    raise DataError(f"{where}: .COORD names no X and Y.")
                self._close()
                self._columns, self._width = (names.index("X"), names.index("Y")), len(names)
            elif keyword in (".DT", ".PEN_UP_TIME"):
                self._close()
            elif keyword == ".WRITER_ID":
                self.writer = rest or None
            elif keyword == ".SEGMENT":
                self._segments.append(_segment(rest, where, self.writer))
            elif keyword == ".INCLUDE":
                self._close()
                self._include(rest, where)
            elif self._numbers is not None:
                self._close()

    def finish(self) -> tuple[list[_Component], list[_Segment]]:
        self._close()
        return self._components, self._segments

    def _add(self, text: str, where: str) -> None:
        if self._numbers is None or not text.strip():
            return
        try:
            self._numbers += [float(word) for word in text.split()]
        except ValueError:
            word = next(w for w in text.split() if not _is_number(w))
            raise DataError(f"{where}: {word!r} is not a number.") from None
        self._where = where

    def _close(self) -> None:
        if self._numbers is None:
            return
        if len(self._numbers) % self._width:
            raise DataError(
                f"{self._where}: {len(self._numbers)} numbers do not make points of {self._width}, which "
                ".COORD tells."
            )
        points = np.array(self._numbers, float).reshape(-1, self._width)[:, self._columns]
        if not np.isfinite(points).all():
            raise DataError(f"{self._where}: a coordinate is not finite.")
        self._components.append(_Component(self._down, points * np.array([1.0, -1.0])))
        self._numbers = None

    def _include(self, name: str, where: str) -> None:
        from gatework.data.sources.strokes import read_text

        self._includes += 1
        name = name.strip('"')
        if Path(name).is_absolute() or ".." in Path(name).parts or self._includes > MAX_INCLUDES:
            raise DataError(f"{where}: .INCLUDE of {name!r}, which leaves the folder, is not read.")
        tried = [
            self._root / name,
            *(p / "include" / name for p in (self._root, *self._root.parents[:4])),
        ]
        for path in tried:
            if path.is_file():
                self.read(path, read_text(path))
                return
        raise DataError(
            f"{where}: .INCLUDE of {name!r}, which is not there. Put it beside the file."
        )


def _segment(text: str, where: str, writer: str | None) -> _Segment:
    """``LEVEL delineation quality "label"``; the last two may be missing."""
    begin = text.find('"')
    head = text if begin < 0 else text[:begin]
    label = None if begin < 0 else text[begin + 1 :].rstrip().removesuffix('"').replace('\\"', '"')
    words = head.split()
    words += [""] * (2 - len(words))
    quality = words[2].upper() if len(words) > 2 else ""
    if label is None and len(words) > 3:
        label = words[3]
    return _Segment(where, words[0].upper(), words[1], quality, label, writer)


def _cut(delineation: str, components: list[_Component]) -> tuple[npt.NDArray[np.float64], ...]:
    """The pen-down strokes that a delineation names.

    Raises ValueError, the bare fact.
    """
    strokes = []
    for part in delineation.split(","):
        ends = part.split("-")
        places = [_PLACE.fullmatch(e.strip()) for e in ends]
        if len(ends) > 2 or None in places:
            raise ValueError(f"the delineation {delineation!r} cannot be read")
        first, last = places[0], places[-1]
        assert first is not None
        assert last is not None
        a, b = int(first[1]), int(last[1])
        if b >= len(components) or a > b:
            raise ValueError(
                f"the delineation {delineation!r} names component {max(a, b)}, and there are {len(components)}"
            )
        for k in range(a, b + 1):
            begin = int(first[2]) if k == a and first[2] else 0
            end = int(last[2]) + 1 if k == b and last[2] else None
            points = components[k].points[begin:end]
            if components[k].down and len(points):
                strokes.append(points)
    return tuple(strokes)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
