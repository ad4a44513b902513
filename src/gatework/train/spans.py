"""Spans that labels mark with B-, I- and their relatives, counted as conlleval counts them.

    IOB1    I-NP I-NP B-NP     B- only where a span follows another of its type
    IOB2    B-NP I-NP B-NP     B- at every beginning
    IOBES   B-NP E-NP S-NP     E- at the end, S- of one step; also L- and U-, or M- inside

A span begins at B, S or U, at any label after O, after another type or after the end of a span; it ends before
what is not its own, and behind E, L, S or U (Tjong Kim Sang & Buchholz 2000).  Labels may also be the bare
letters B, I and O.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
MARKS = "OBIESLUM"
OUTSIDE = ("O", "_", "-")
BARE = ({"B", "I"}, {"B", "E", "S"})  # what bare letters have at least to be marks
NO_TYPE = "span"


def are_spans(classes: Sequence[str]) -> bool:
    """Whether labels mark spans: B- and I-, or their relatives, and at most O beside them.

    >>> are_spans(["B-NP", "I-NP", "O"]), are_spans(["NOUN", "VERB"]), are_spans(["S-1", "M-1", "L-1"])
    (True, False, False)
    """
    marked = [c for c in classes if c not in OUTSIDE]
    if marked and all(len(c) == 1 and c in MARKS for c in marked):
        return any(least <= set(marked) for least in BARE)
    known = all(len(c) > 2 and c[0] in MARKS[1:] and c[1] == "-" for c in marked)
    return known and any(c[0] in "BI" for c in marked)


class Scheme:
    """Mark and type of each of K labels, by number; -1, a step without a label, is outside.

    Labels that mark nothing are outside too.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        bare = not any(c[1:2] == "-" for c in classes)
        split = [_split(c, bare) for c in classes]
        self.types = sorted({kind for mark, kind in split if mark != "O"})
        number = {kind: k for k, kind in enumerate(self.types)} | {"": -1}
        self._marks = np.array([MARKS.index(mark) for mark, _ in split] + [0])
        self._kinds = np.array([number[kind] for _, kind in split] + [-1])

    def spans(self, labels: IntArray, offsets: IntArray) -> Spans:
        """Those of all sequences, which lie end to end: ``labels (N,)``, ``offsets (B + 1,)``."""
        mark, kind = self._marks[labels], self._kinds[labels]
        before, before_kind = np.roll(mark, 1), np.roll(kind, 1)
        starts = offsets[:-1][np.diff(offsets) > 0]
        before[starts], before_kind[starts] = 0, -1
        inside, ended = mark > 0, _any_of(before, "ESLU")
        begins = inside & (_any_of(mark, "BSU") | (before == 0) | ended | (kind != before_kind))
        first = np.flatnonzero(begins)
        stops = np.append(np.flatnonzero(begins | ~inside), len(labels))
        return Spans(first, stops[np.searchsorted(stops, first, side="right")], kind[first])


class Spans(NamedTuple):
    """S spans: steps from ``first`` to before ``end``, and the number of the type."""

    first: IntArray
    end: IntArray
    kind: IntArray

    def within(self, other: Spans, steps: int) -> npt.NDArray[np.bool_]:
        """``(S,)`` whether ``other`` has the very same span."""
        end, kind = np.full(steps, -1), np.full(steps, -1)
        end[other.first], kind[other.first] = other.end, other.kind
        same: npt.NDArray[np.bool_] = (end[self.first] == self.end) & (
            kind[self.first] == self.kind
        )
        return same


def spans(labels: Sequence[str]) -> list[tuple[int, int, str]]:
    """``(first, end, type)`` of the spans of one sequence.

    >>> spans(["I-NP", "I-NP", "B-NP", "O", "I-VP", "I-NP"])
    [(0, 2, 'NP'), (2, 3, 'NP'), (4, 5, 'VP'), (5, 6, 'NP')]
    """
    classes = sorted(set(labels))
    scheme = Scheme(classes)
    numbers = np.array([classes.index(label) for label in labels], np.int64)
    found = scheme.spans(numbers, np.array([0, len(labels)]))
    rows = zip(found.first.tolist(), found.end.tolist(), found.kind.tolist(), strict=True)
    return [(first, end, scheme.types[kind]) for first, end, kind in rows]


def _split(label: str, bare: bool) -> tuple[str, str]:
    """Mark and type; ``O`` and nothing of what marks no span."""
    if bare and label in MARKS[1:]:
        return label, NO_TYPE
    if len(label) > 2 and label[1] == "-" and label[0] in MARKS[1:]:
        return label[0], label[2:]
    return "O", ""


def _any_of(marks: IntArray, letters: str) -> npt.NDArray[np.bool_]:
    table = np.array([m in letters for m in MARKS])
    found: npt.NDArray[np.bool_] = table[marks]
    return found
