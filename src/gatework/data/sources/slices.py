"""Items and names made when they are asked for, out of a few large arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.data.sequences import Series

IntArray = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]


class Lazy(Sequence[Any]):
    """``count`` things, each made by ``make(i)``.

    >>> Lazy(3, lambda i: f"row {i}")[1:]
    ['row 1', 'row 2']
    """

    def __init__(self, count: int, make: Callable[[int], Any]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self._make(k) for k in range(*i.indices(self._count))]
        i = int(i)
        if not -self._count <= i < self._count:
            raise IndexError(i)
        return self._make(i % self._count)


class SeriesItems(Sequence[Series]):
    """Series that lie one after the other in arrays of N rows: an item is views of them.

    values: (N, F); categories: (N, C) or None; times: (N,) or None; offsets: (B + 1,).
    """

    def __init__(
        self, values: Values, categories: Texts | None, times: Values | None, offsets: IntArray
    ) -> None:
        self.values, self.categories, self.times, self.offsets = values, categories, times, offsets

    @property
    def lengths(self) -> IntArray:
        """``(B,)`` steps of each."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        i = int(i)
        if not -len(self) <= i < len(self):
            raise IndexError(i)
        i %= len(self)
        rows = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        return Series(
            self.values[rows],
            None if self.categories is None else self.categories[rows],
            None if self.times is None else self.times[rows],
        )

    def gathered(self, numbers: IntArray) -> SeriesItems:
        """Some of the items, their rows copied."""
        lengths = self.lengths[numbers]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        rows = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - self.offsets[numbers], lengths)
        return SeriesItems(
            self.values[rows],
            None if self.categories is None else self.categories[rows],
            None if self.times is None else self.times[rows],
            offsets,
        )

    def hollow(self) -> IntArray:
        """Numbers of the items without any value: of length 0, or with every value missing."""
        full = ~np.isnan(self.values).all(axis=1) if self.values.shape[1] else None
        if self.categories is not None and self.categories.shape[1]:
            seen = (self.categories != None).any(axis=1)  # noqa: E711
            full = seen if full is None else full | seen
        if full is None:
            full = np.ones(len(self.values), bool)
        counted = np.concatenate([[0], np.cumsum(full)])
        return np.flatnonzero(np.diff(counted[self.offsets]) == 0)


def laid_out(arrays: Sequence[Values]) -> tuple[Values, IntArray]:
    """``(N, F)`` of arrays ``(T, F)``, and where each begins."""
    offsets = np.concatenate([[0], np.cumsum([len(a) for a in arrays], dtype=np.int64)])
    return np.concatenate(arrays), offsets


def cut(values: Any, offsets: IntArray) -> list[Any]:
    """Views of an array of N, one for each sequence."""
    return [values[a:b] for a, b in pairwise(offsets.tolist())]
