"""Extreme values of what a score is above the last ones (DSPOT): for scores whose usual height wanders.

Siffer, Fouque, Termier & Largouët (2017), KDD, section 4.4; peaks as in ``threshold_evt.py``.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from gatework.runtime.threshold_base import Array, number, numbers, one_in, whole
from gatework.runtime.threshold_evt import GROWTH, EvtThreshold, peak_level

LARGEST_DEPTH = 10_000

Self = TypeVar("Self", bound="DriftThreshold")


class DriftThreshold(EvtThreshold):
    """The same on a score minus the mean of the last ``depth`` scores without an alarm."""

    kind = "dspot"

    def __init__(self, risk: float, level: float, *, adapt: bool = True) -> None:
        super().__init__(risk, level, adapt=adapt)
        self.last: deque[float] = deque()
        self._sum = 0.0
        self._turn = 0  # scores since the sum was made anew

    @classmethod
    def fitted(cls: type[Self], scores: Array, risk: float, *, adapt: bool, depth: int) -> Self:
        depth = max(min(depth, len(scores) // 2), 1)
        sums = np.concatenate([[0.0], np.cumsum(scores)])
        means = (sums[depth:-1] - sums[: -depth - 1]) / depth
        above = scores[depth:] - means if len(means) else scores - scores.mean()
        made = cls(risk, peak_level(above, risk), adapt=adapt)
        made._begin(above)
        made.last.extend(scores[-depth:].tolist())
        made._sum = math.fsum(made.last)
        return made

    @property
    def value(self) -> float:
        return self._sum / len(self.last) + self._z

    @property
    def text(self) -> str:
        return (
            f"Alarm above {self._z:.3g} more than the mean score of the last {len(self.last):,} rows without "
            f"an alarm, which {one_in(self.risk)} ordinary rows should exceed (extreme values with drift, "
            "DSPOT)."
        )

    def _learn(self, scores: list[float]) -> list[float]:
        level, z, out = self.level, self._z, []
        last, depth, total = self.last, len(self.last), self._sum
        rows, due, above = 0, self._due(), self._above
        for score in scores:
            mean = total / depth
            out.append(mean + z)
            if score > mean + z:
                if not above:
                    above = True
                    self._count(rows)
                    rows = 0
                    self._alarm(score - mean - z)
                    due = self._due()
                continue
            if score != score or (above and score - mean > level):
                continue
            above = False
            total += score - last.popleft()
            last.append(score)
            self._turn += 1
            if self._turn >= depth:  # what rounding leaves does not add up
                total, self._turn = math.fsum(last), 0
            rows += 1
            if score - mean > level:
                self._count(rows)
                rows = 0
                self._add(score - mean - level)
                if self._fresh >= GROWTH * len(self.peaks):
                    self._fit()
                    z = self._z
                due = self._due()
            elif rows >= due:
                self._count(rows)
                self._fit()
                rows, z, due = 0, self._z, self._due()
        self._count(rows)
        self._above, self._sum = above, total
        return out

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "last": list(self.last), "sum": self._sum, "turn": self._turn}

    def _set(self, state: Mapping[str, Any]) -> None:
        super()._set(state)
        self.last = deque(numbers(state, "last", LARGEST_DEPTH))
        if not self.last:
            raise ValueError("'last' of a threshold must hold a number")
        self._sum = number(state, "sum")
        self._turn = whole(state, "turn", 0, LARGEST_DEPTH)
