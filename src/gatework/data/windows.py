"""Windows cut from tensors: a batch is one gather, with no Python per sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sequences:
    """Encoded table: the rows of all series one after the other, float32, NaN where missing.

    N rows, S series, K targets, P past-only and F known-future numeric covariates.
    """

    y: Tensor  # (N, K) targets, scaled
    past: Tensor  # (N, P)
    known: Tensor  # (N, F) calendar features included
    past_categories: Tensor  # (N, Pc) int64
    known_categories: Tensor  # (N, Fc) int64
    static: Tensor  # (S, Sn)
    static_categories: Tensor  # (S, Sc) int64
    scale: Tensor  # (S, K) what `y` was divided by, float64
    location: Tensor  # (S, K) what was subtracted before, float64
    offsets: IntArray  # (S+1,) rows of each series


@dataclass(frozen=True)
class WindowBatch:
    """B windows of L context steps and h future steps; what a forecasting network sees."""

    y: Tensor  # (B, L, K)
    past: Tensor  # (B, L, P)
    known: Tensor  # (B, L+h, F)
    past_categories: Tensor  # (B, L, Pc)
    known_categories: Tensor  # (B, L+h, Fc)
    static: Tensor  # (B, Sn)
    static_categories: Tensor  # (B, Sc)
    series: Tensor  # (B,) number of the series in its table
    future: Tensor | None = None  # (B, h, K) truth; None when forecasting

    def __len__(self) -> int:
        return self.y.shape[0]


class Windows:
    """Windows of a table, each named by its first row.

    Args:
        sequences: the encoded table.
        context: L, steps a window looks back.
        horizon: h, steps it looks ahead.
        starts: ``(W,)`` first rows; see :func:`window_starts`.
        with_future: batches carry the truth of the horizon.
    """

    def __init__(
        self,
        sequences: Sequences,
        context: int,
        horizon: int,
        starts: IntArray,
        *,
        with_future: bool = True,
    ) -> None:
        self.sequences, self.context, self.horizon = sequences, context, horizon
        self.starts = torch.from_numpy(np.ascontiguousarray(starts, dtype=np.int64))
        series = np.searchsorted(sequences.offsets, starts, side="right") - 1
        self.series = torch.from_numpy(series.astype(np.int64))
        self.with_future = with_future
        self._steps = torch.arange(context + horizon)

    def __len__(self) -> int:
        return len(self.starts)

    def batch(self, which: Tensor | slice) -> WindowBatch:
        """The windows numbered ``which``."""
        s, L = self.sequences, self.context
        series = self.series[which]
        rows = self.starts[which, None] + self._steps
        before = rows[:, :L]
        return WindowBatch(
            y=s.y[before],
            past=_take(s.past, before),
            known=_take(s.known, rows),
            past_categories=_take(s.past_categories, before),
            known_categories=_take(s.known_categories, rows),
            static=s.static[series],
            static_categories=s.static_categories[series],
            series=series,
            future=s.y[rows[:, L:]] if self.with_future else None,
        )

    @property
    def in_time(self) -> bool:
        """Whether the windows are of one series and so stand in time order."""
        return len(self.sequences.offsets) == 2

    def chunks(self, size: int) -> Iterator[slice]:
        """All windows in order, ``size`` at a time."""
        for first in range(0, len(self), size):
            yield slice(first, first + size)

    def past(self, which: Tensor | slice) -> npt.NDArray[np.float32]:
        """``(B, L, K)`` standardised targets of the contexts."""
        rows = self.starts[which, None] + self._steps[: self.context]
        return cast("npt.NDArray[np.float32]", self.sequences.y[rows].numpy())

    def future(self, which: Tensor | slice) -> npt.NDArray[np.float32]:
        """``(B, h, K)`` standardised targets of the horizons."""
        rows = self.starts[which, None] + self._steps[self.context :]
        return cast("npt.NDArray[np.float32]", self.sequences.y[rows].numpy())

    def batches(
        self, batch_size: int, shuffle: torch.Generator | None = None
    ) -> Iterator[WindowBatch]:
        """All windows once, in order or shuffled; the last batch may be smaller."""
        if shuffle is None:
            for part in self.chunks(batch_size):
                yield self.batch(part)
        else:
            order = torch.randperm(len(self), generator=shuffle)
            for which in torch.split(order, batch_size):
                if len(which):  # nothing splits into one empty piece
                    yield self.batch(which)

    def every(self, at_most: int) -> Windows:
        """At most ``at_most`` of the windows, evenly spread in time."""
        if len(self) <= at_most:
            return self
        chosen = np.linspace(0, len(self) - 1, at_most).round().astype(np.int64)
        return Windows(
            self.sequences,
            self.context,
            self.horizon,
            self.starts.numpy()[chosen],
            with_future=self.with_future,
        )


def _take(table: Tensor, rows: Tensor) -> Tensor:
    """``table[rows]`` without the gather when the table has no columns."""
    if table.shape[1] == 0:
        return table.new_empty((*rows.shape, 0))
    return table[rows]


def window_starts(
    first: IntArray,
    end: IntArray,
    series_start: IntArray,
    *,
    context: int,
    horizon: int,
    stride: int = 1,
    reach_back: bool = False,
) -> IntArray:
    """First rows of the windows whose horizon lies in ``first[s]:end[s]``, series after series.

    With ``reach_back`` the context may begin before ``first``, down to the series' start: the validation
    and test parts see the past that a user would have at that moment.

    >>> rows = np.array([0]), np.array([10]), np.array([0])
    >>> window_starts(*rows, context=4, horizon=3)
    array([0, 1, 2, 3])
    """
    chunks = [np.empty(0, np.int64)]
    for a, b, origin in zip(first, end, series_start, strict=True):
        lowest = max(a - context, origin) if reach_back else a
        chunks.append(np.arange(lowest, b - context - horizon + 1, stride, dtype=np.int64))
    return np.concatenate(chunks)


def with_any_observed(
    sequences: Sequences, starts: IntArray, context: int, horizon: int
) -> IntArray:
    """The starts whose context and whose horizon each hold at least one measured target value."""
    observed = (~torch.isnan(sequences.y)).any(dim=1).numpy()
    if observed.all():
        return starts
    count = np.concatenate([[0], observed.cumsum()])
    middle = starts + context
    return starts[(count[middle] > count[starts]) & (count[middle + horizon] > count[middle])]
