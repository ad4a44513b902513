"""A threshold for as many alarms a day as somebody can look at, and a slow hand that keeps it there.

An alarm is a range of successive rows above the threshold v.  On n held-out rows as many begin as there are
rows above v, less the pairs of neighbours that are both above it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gatework.runtime.threshold_base import UNIT_TAIL, Array, Threshold, number, truth

DAY = 86_400.0
FEWEST_RANGES = 5  # fewer are not counted but worked out from the tail
TAIL_RANGES = 25
MEMORY = 20.0  # alarms that the running rate remembers
STEP = 0.02  # of the threshold, for each alarm too many
BOUND = 2.0  # times what it was on the held-out rows


class RateThreshold(Threshold):
    """The score above which alarms come ``alarms_per_day`` times a day of rows every ``seconds``."""

    kind = "rate"

    def __init__(
        self, alarms_per_day: float, seconds: float, start: float, *, adapt: bool = True
    ) -> None:
        super().__init__(adapt=adapt)
        self.alarms_per_day = alarms_per_day
        self.seconds = seconds
        self.start = start
        self.wish = alarms_per_day * seconds / DAY  # alarms a row
        self._value = start
        self._rate = self.wish
        self._above = False

    @classmethod
    def fitted(
        cls, scores: Array, alarms_per_day: float, seconds: float, *, adapt: bool
    ) -> RateThreshold:
        """The threshold of held-out ``scores`` ``(n,)``, finite, n > 0."""
        start = level_of_ranges(scores, alarms_per_day * seconds / DAY * len(scores))
        return cls(alarms_per_day, seconds, max(start, 1e-6), adapt=adapt)

    @property
    def value(self) -> float:
        return self._value

    @property
    def text(self) -> str:
        often = f"{self.alarms_per_day:.3g} alarm{'s' * (self.alarms_per_day != 1)} a day"
        return f"Alarm above a score of {self._value:.3g}, which gave {often} on held-out rows."

    def _learn(self, scores: list[float]) -> list[float]:
        value, rate, above, wish, out = self._value, self._rate, self._above, self.wish, []
        forget = wish / MEMORY
        pull = STEP * wish
        low, high = self.start / BOUND, self.start * BOUND
        for score in scores:
            out.append(value)
            if score > value:
                if not above:
                    above = True
                    rate += forget
            elif score == score:
                above = False
            else:
                continue
            rate -= rate * forget
            value += value * pull * (rate / wish - 1)
            if value < low:
                value = low
            elif value > high:
                value = high
        self._value, self._rate, self._above = value, rate, above
        return out

    def _settings(self) -> dict[str, Any]:
        return {
            "alarms_per_day": self.alarms_per_day,
            "seconds": self.seconds,
            "start": self.start,
        }

    def _state(self) -> dict[str, Any]:
        return {"value": self._value, "rate": self._rate, "above": self._above}

    def _set(self, state: Mapping[str, Any]) -> None:
        low, high = self.start / BOUND, self.start * BOUND
        self._value = number(state, "value", low, high)
        self._rate = number(state, "rate", 0, 1e9)
        self._above = truth(state, "above")

    @classmethod
    def from_json(cls, data: Mapping[str, Any], adapt: bool) -> RateThreshold:
        wish, seconds = number(data, "alarms_per_day", 1e-9), number(data, "seconds", 1e-9)
        if wish * seconds > DAY / 2:
            raise ValueError("'alarms_per_day' of a threshold is more than every other row")
        return cls(wish, seconds, number(data, "start", 1e-9), adapt=adapt)


def count_ranges(scores: Array, levels: Array) -> Array:
    """How many ranges of successive ``scores`` ``(n,)`` are above each of ``levels`` ``(m,)``.

    >>> count_ranges(np.array([5.0, 5.0, 1.0, 7.0]), np.array([0.0, 4.0, 6.0, 9.0])).tolist()
    [1, 2, 1, 0]
    """
    both = np.sort(np.minimum(scores[1:], scores[:-1]))
    ordered = np.sort(scores)
    above = len(scores) - np.searchsorted(ordered, levels, "right")
    return np.asarray(above - (len(both) - np.searchsorted(both, levels, "right")))


def level_of_ranges(scores: Array, wished: float) -> float:
    """The lowest level that ``wished`` ranges of ``scores`` ``(n,)`` are above, and never more higher up.

    Between two scores it is interpolated.  Fewer than five ranges are not counted: how they grow fewer is
    measured on the highest 25 and goes on exponentially.
    """
    levels = np.unique(scores)[::-1]
    counts = np.maximum.accumulate(count_ranges(scores, levels)).astype(np.float64)
    fewest = min(FEWEST_RANGES, counts[-1])
    if wished < fewest or not fewest:
        scale = _tail(scores, levels, counts)
        lost = math.log(max(fewest, 1.0) / wished)
        return _counted(levels, counts, fewest) + scale * max(lost, 0.0)
    return _counted(levels, counts, wished)


def _counted(levels: Array, counts: Array, wished: float) -> float:
    k = int(np.searchsorted(counts, wished))  # the first level with as many
    if k == len(levels):
        return float(levels[int(np.argmax(counts))])
    if k == 0:
        return float(levels[0])
    part = (wished - counts[k - 1]) / (counts[k] - counts[k - 1])
    return float(levels[k - 1] + part * (levels[k] - levels[k - 1]))


def _tail(scores: Array, levels: Array, counts: Array) -> float:
    """How far the highest 25 ranges rise above their level, on average."""
    level = float(levels[min(int(np.searchsorted(counts, TAIL_RANGES)), len(levels) - 1)])
    above = np.flatnonzero(scores > level)
    if not len(above):  # all alike
        return UNIT_TAIL
    starts = np.flatnonzero(np.diff(above, prepend=-2) > 1)
    return float((np.maximum.reduceat(scores[above], starts) - level).mean())
