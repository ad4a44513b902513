"""Observations: rows of numbers and categories in time order, what a detector learns from and scores.

A table of measurements, a file of event sequences and a log all become this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

DETECT_KINDS = ("metrics", "events", "log")


@dataclass(frozen=True)
class Observations:
    """N rows of S series, each series in time order, the series one after the other."""

    kind: str  # metrics | events | log
    channels: tuple[str, ...]
    categories: tuple[str, ...]
    values: FloatArray  # (N, C), NaN where missing
    codes: IntArray  # (N, D) places in `words`, -1 where missing
    words: tuple[tuple[str, ...], ...]  # D lists
    offsets: IntArray  # (S + 1,)
    names: tuple[str, ...]  # (S,)
    source: str
    times: IntArray | None = None  # (N,) microseconds since 1970, or whole numbers
    stamps: pl.Series | None = None  # (N,) the same as they are shown
    labels: BoolArray | None = None  # (N,) of rows, or (S,) of sessions: True where anomalous
    order: IntArray | None = None  # (N,) row of the source; None: as they are
    where: Callable[[int], str] = str  # row of the source -> words by which a person finds it
    layout: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    texts: Callable[[int], str] | None = None  # row -> the line of a log
    lines: IntArray | None = None  # (N,) its number, the first being 1

    def __len__(self) -> int:
        return len(self.values)

    @property
    def sessions(self) -> bool:
        """Whether a series is judged as a whole."""
        return bool(self.layout.get("sessions", False))

    @property
    def lengths(self) -> IntArray:
        """``(S,)`` rows of each series."""
        return np.diff(self.offsets)

    def place(self, row: int) -> str:
        """Words by which a person finds a row."""
        return self.where(row if self.order is None else int(self.order[row]))

    def seconds(self) -> float | None:
        """The usual time between two rows of a series; None without times of day."""
        if self.times is None or not self.layout.get("clock", False):
            return None
        inside = np.ones(len(self), bool)
        inside[self.offsets[:-1][self.lengths > 0]] = False
        steps = np.diff(self.times, prepend=0)[inside]
        found = float(np.median(steps)) if len(steps) else 0.0
        if not found > 0:
            found = float(steps.mean()) if len(steps) else 0.0
        return found / 1e6 if found > 0 else None

    def take(self, series: Sequence[int] | IntArray) -> Observations:
        """Some of the series, in the order asked for."""
        series = np.asarray(series, np.int64)
        parts = [np.arange(self.offsets[s], self.offsets[s + 1]) for s in series]
        rows = np.concatenate([np.empty(0, np.int64), *parts])
        offsets = np.concatenate([[0], np.cumsum(self.lengths[series])])
        labels = self.labels
        if labels is not None:
            labels = labels[series] if self.sessions else labels[rows]
        return self._of(rows, offsets, tuple(self.names[s] for s in series), labels)

    def _of(
        self, rows: IntArray, offsets: IntArray, names: tuple[str, ...], labels: BoolArray | None
    ) -> Observations:
        texts = self.texts
        return replace(
            self,
            values=self.values[rows],
            codes=self.codes[rows],
            offsets=offsets.astype(np.int64),
            names=names,
            times=None if self.times is None else self.times[rows],
            stamps=None if self.stamps is None else self.stamps.gather(rows),
            labels=labels,
            order=rows if self.order is None else self.order[rows],
            texts=None if texts is None else lambda i: texts(int(rows[i])),
            lines=None if self.lines is None else self.lines[rows],
        )
