"""A threshold that sets the highest of the last scores apart from the rest, without a distribution.

Hundman, Constantinou, Laporte, Colwell & Soderstrom (2018), *Detecting spacecraft anomalies using LSTMs and
nonparametric dynamic thresholding*, KDD, section 3.2: of the levels eps = mean(e) + z std(e) of the last
scores e the one is taken for which, without what is above it, mean and deviation fall most,

    (Δmean / mean + Δstd / std) / (rows above eps + (ranges above eps)²),

and (section 3.3) what is above it counts only when it exceeds the next largest score by the share p: it must
be above max(e below eps) / (1 - p).  There a window is judged by its own level; here, on a stream, a row by the
level of the rows before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gatework.runtime.threshold_base import LARGEST, UNIT_TAIL, Array, Threshold, number, numbers
from gatework.runtime.threshold_rate import count_ranges

WINDOW = 2_100
EVERY = 70
DEVIATIONS = np.arange(2.5, 12.25, 0.5)
PRUNING = 0.13


class DynamicThreshold(Threshold):
    """The level that sets the highest of the last 2,100 scores apart, worked out anew every 70 rows."""

    kind = "dynamic"

    def __init__(self, *, adapt: bool = True, pruning: float = PRUNING) -> None:
        super().__init__(adapt=adapt)
        self.pruning = pruning
        self._window = np.zeros(0)
        self._new: list[float] = []
        self._value = 0.0

    @classmethod
    def fitted(cls, scores: Array, *, adapt: bool, pruning: float = PRUNING) -> DynamicThreshold:
        """The threshold of held-out ``scores`` ``(n,)``, finite, n > 0."""
        made = cls(adapt=adapt, pruning=pruning)
        made._window = scores[-WINDOW:].copy()
        made._value = dynamic_level(made._window, pruning)
        return made

    @property
    def value(self) -> float:
        return self._value

    @property
    def text(self) -> str:
        return (
            f"Alarm above a score of {self._value:.3g}, which sets the highest of the last {WINDOW:,} scores "
            f"apart from the rest; worked out anew every {EVERY} rows, with no risk that one could state "
            "(dynamic)."
        )

    def _learn(self, scores: list[float]) -> list[float]:
        value, new, out = self._value, self._new, []
        for score in scores:
            out.append(value)
            if not abs(score) < LARGEST:
                continue
            new.append(score)
            if len(new) == EVERY:
                self._window = np.concatenate([self._window, new])[-WINDOW:]
                new.clear()
                value = self._value = dynamic_level(self._window, self.pruning)
        return out

    def _settings(self) -> dict[str, Any]:
        return {"pruning": self.pruning}

    def _state(self) -> dict[str, Any]:
        return {"window": self._window.tolist(), "new": list(self._new), "value": self._value}

    def _set(self, state: Mapping[str, Any]) -> None:
        self._window = np.array(numbers(state, "window", WINDOW))
        if not len(self._window):
            raise ValueError("'window' of a threshold must hold a number")
        self._new = numbers(state, "new", EVERY - 1)
        self._value = number(state, "value")

    @classmethod
    def from_json(cls, data: Mapping[str, Any], adapt: bool) -> DynamicThreshold:
        return cls(adapt=adapt, pruning=number(data, "pruning", 0, 0.99))


def dynamic_level(scores: Array, pruning: float = PRUNING) -> float:
    """The level that sets the highest of ``scores`` ``(n,)`` apart; 12 deviations up where none does.

    >>> round(dynamic_level(np.array([1.0, 1.1] * 50 + [9.0])), 3)
    3.1
    """
    mean, deviation = float(scores.mean()), float(scores.std())
    if not deviation > 1e-9 * max(abs(mean), 1e-9):
        return float(scores.max()) / (1 - pruning) or UNIT_TAIL
    levels = mean + DEVIATIONS * deviation
    ordered = np.sort(scores)
    kept = np.searchsorted(ordered, levels, "right")  # scores that are not above
    above = len(scores) - kept
    # sums around the mean, so that nothing is lost to rounding
    around = ordered - mean
    sums, squares = np.cumsum(around)[kept - 1], np.cumsum(around**2)[kept - 1]
    rest = sums / kept
    spread = np.sqrt(np.maximum(squares / kept - rest**2, 0))
    fall = -rest / max(mean, 1e-9) + (deviation - spread) / deviation
    gain = np.where(above > 0, fall / (above + count_ranges(scores, levels) ** 2.0 + 1e-300), -1.0)
    best = int(np.argmax(gain)) if above[0] else len(levels) - 1
    return float(max(levels[best], ordered[kept[best] - 1] / (1 - pruning)))
