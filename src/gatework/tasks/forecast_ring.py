"""The last rows of one series, kept for the next forecast."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.data.stamp import Stamp
from gatework.runtime.horizon_spec import HorizonSpec

Array = npt.NDArray[np.float64]


class Ring:
    """The last ``context`` encoded rows of one series, oldest first, moved on in place."""

    def __init__(self, spec: HorizonSpec) -> None:
        # Twice the context: a row is written once and the rows move only when the end is reached.
        self.context, self.end, self.filled = spec.context, spec.context, 0
        numbers = {"y": spec.targets, "past": spec.past, "known": spec.known}
        words = {"past": len(spec.past_categories), "known": len(spec.known_categories)}
        # Only what the model has.
        self._columns: dict[str, npt.NDArray[Any]] = {
            **{
                k: np.full((2 * self.context, n), np.nan, np.float32)
                for k, n in numbers.items()
                if n
            },
            **{
                f"{k}_categories": np.zeros((2 * self.context, n), np.int64)
                for k, n in words.items()
                if n
            },
        }
        self.position: int | None = None
        self.stamp: Stamp | None = None
        self.location: Array | None = None
        self.scale: Array | None = None
        self.head: list[Array] = []  # first raw targets of a series that training did not hold

    def append(self, rows: dict[str, npt.NDArray[Any]]) -> None:
        """One more row: of each column that the model has its values."""
        if self.end == 2 * self.context:
            for values in self._columns.values():
                values[: self.context] = values[self.context :]
            self.end = self.context
        for name, values in self._columns.items():
            values[self.end] = rows[name]
        self.end += 1
        self.filled = min(self.filled + 1, self.context)

    def window(self, name: str) -> npt.NDArray[Any] | None:
        """``(1, L, C)``: the last rows of a column, a view; None where the model has none."""
        values = self._columns.get(name)
        return None if values is None else values[None, self.end - self.context : self.end]

    def rescale(self, head: Array, location: Array, scale: Array) -> None:
        """Fix the scale of the targets, and put it on those that were stored without one."""
        self.location, self.scale = location, scale
        self._columns["y"][self.end - len(head) : self.end] = (head - location) / scale
        self.head.clear()
