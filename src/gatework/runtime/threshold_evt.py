"""Thresholds from what lies beyond a high level: extreme value theory on a stream (SPOT).

Siffer, Fouque, Termier & Largouët (2017), *Anomaly detection in streams with extreme value theory*, KDD.  With
N peaks beyond the level t among n rows, their excess fitted by a generalised Pareto distribution, a score of

    z = t + sigma / xi ((q n / N)^(-xi) - 1)

is exceeded with the probability q (equation 1 there).  Three things differ here, so that it holds on a stream
without end:

- Peaks are the last 2,000, and a peak that leaves takes its share of the rows with it.
- What is above z is an alarm and not learned from.  That alone cuts off the tail that the next fit sees: z
  falls, more is cut off, and after 2,000,000 rows alarms were 8 times as many as wished.  So an alarm adds a
  peak drawn from the fitted tail beyond z where it may be of ordinary rows: little above z, the first of
  successive ones, and of all no more than 1.5 times the risk.  After an alarm nothing is learned before a score
  is below t.  So a stream full of anomalies hardly moves z.
- There are enough peaks: at least 20, at least 2 % of the rows and at least four times the risk.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from gatework.runtime.gpd import excess_at, fit_gpd
from gatework.runtime.threshold_base import (
    ALLOWED,
    FAR,
    LARGEST,
    MOST_ALLOWED,
    UNIT_TAIL,
    Array,
    Threshold,
    number,
    numbers,
    one_in,
    truth,
    whole,
)

PEAKS = 2_000
PEAK_SHARE = 0.02
FEWEST_PEAKS = 20
GROWTH = 0.05  # of the peaks, before they are fitted again
GOLDEN = 0.6180339887498949  # steps of it fill an interval evenly, however many are taken

Self = TypeVar("Self", bound="EvtThreshold")


class EvtThreshold(Threshold):
    """The score that ordinary rows exceed with the probability ``risk``."""

    kind = "evt"

    def __init__(self, risk: float, level: float, *, adapt: bool = True) -> None:
        super().__init__(adapt=adapt)
        self.risk = risk
        self.level = level
        self.peaks: deque[float] = deque(maxlen=PEAKS)
        self._n = 0.0  # rows that the peaks stand for, up to the last peak
        self._rows = 0  # rows since then
        self._xi, self._sigma = 0.0, UNIT_TAIL
        self._z = level
        self._fresh = 0  # peaks since the last fit
        self._fitted_n = 0.0  # rows at the last fit
        self._above = False  # since an alarm no row was below the level
        self._cost = math.ceil(1 / (ALLOWED * risk))  # rows that make up for an alarm
        self._credit = self._cost  # rows that no alarm was taken for an ordinary one in
        self._owed = 0  # peaks to be drawn in their place
        self._drawn = 0

    @classmethod
    def fitted(cls: type[Self], scores: Array, risk: float, *, adapt: bool, depth: int) -> Self:
        """The threshold of held-out ``scores`` ``(n,)``, finite, n > 0."""
        made = cls(risk, peak_level(scores, risk), adapt=adapt)
        made._begin(scores)
        return made

    def _begin(self, scores: Array) -> None:
        beyond = scores[scores > self.level] - self.level
        self.peaks.extend(beyond[-PEAKS:].tolist())
        self._n = len(scores) * len(self.peaks) / max(len(beyond), 1) or float(len(scores))
        self._fit()

    @property
    def value(self) -> float:
        return self._z

    @property
    def text(self) -> str:
        return (
            f"Alarm above a score of {self._z:.3g}, which {one_in(self.risk)} ordinary rows should exceed by "
            f"the tail of the {len(self.peaks):,} highest scores (extreme values, SPOT)."
        )

    def _learn(self, scores: list[float]) -> list[float]:
        level, z, out = self.level, self._z, []
        rows, due, above = 0, self._due(), self._above  # rows since the last peak or alarm here
        for score in scores:
            out.append(z)
            if score > z:
                if not above:
                    above = True
                    self._count(rows)
                    rows = 0
                    self._alarm(score - z)
                    due = self._due()
                continue
            if score > level:
                if above:  # of the same anomaly
                    continue
                self._count(rows + 1)
                rows = 0
                self._add(score - level)
                if self._fresh >= GROWTH * len(self.peaks):
                    self._fit()
                    z = self._z
                due = self._due()
            elif score == score:
                above = False
                rows += 1
                if rows >= due:
                    self._count(rows)
                    self._fit()
                    rows, z, due = 0, self._z, self._due()
        self._count(rows)
        self._above = above
        return out

    def _due(self) -> int:
        """Rows from here after which z is worked out anew without a peak: a quarter more than at the last."""
        return max(math.ceil(1.25 * self._fitted_n - self._n), 1) - self._rows

    def _count(self, rows: int) -> None:
        # whole numbers, so that the cut into blocks does not change the last bit
        self._rows += rows
        self._credit = min(self._credit + rows, MOST_ALLOWED * self._cost)

    def _alarm(self, beyond: float) -> None:
        scale = self._sigma + self._xi * (self._z - self.level)
        if self._credit >= self._cost and beyond <= FAR * scale:
            self._credit -= self._cost
            self._owed += 1

    def _add(self, excess: float) -> None:
        self._n += self._rows
        self._rows = 0
        if len(self.peaks) == PEAKS:
            self._n -= self._n / PEAKS
        self.peaks.append(excess)
        self._fresh += 1

    def _fit(self) -> None:
        self._n += self._rows
        self._rows = 0
        if self.adapt:
            self._draw()
        peaks = np.array(self.peaks)
        if len(peaks):
            self._xi, self._sigma = fit_gpd(peaks)
        share = max(self.risk * self._n / max(len(peaks), 1), 1e-15)
        z = self.level + (excess_at(share, self._xi, self._sigma) if share < 1 else 0.0)
        self._z = min(z, 1e9)
        self._fresh, self._fitted_n = 0, self._n

    def _draw(self) -> None:
        """Peaks from the fitted tail beyond z, for the ordinary rows there that are not learned from."""
        beyond = self._sigma + self._xi * (
            self._z - self.level
        )  # the scale of what is left beyond z
        for _ in range(self._owed if beyond > 0 else 0):
            self._n += 1
            self._drawn = (self._drawn + 1) % 1_000_000
            survival = 1 - (self._drawn * GOLDEN) % 1
            self._add(self._z - self.level + excess_at(max(survival, 0.01), self._xi, beyond))
        self._owed = 0

    def _settings(self) -> dict[str, Any]:
        return {"risk": self.risk, "level": self.level}

    def _state(self) -> dict[str, Any]:
        return {
            "peaks": list(self.peaks),
            "n": self._n,
            "xi": self._xi,
            "sigma": self._sigma,
            "z": self._z,
            "fresh": self._fresh,
            "fitted_n": self._fitted_n,
            "above": self._above,
            "rows": self._rows,
            "credit": self._credit,
            "owed": self._owed,
            "drawn": self._drawn,
        }

    def _set(self, state: Mapping[str, Any]) -> None:
        self.peaks = deque(numbers(state, "peaks", PEAKS, 0.0), maxlen=PEAKS)
        self._n = number(state, "n", 0, LARGEST)
        self._xi, self._sigma = number(state, "xi", -1, 1), number(state, "sigma", 0, 1e9)
        self._z = number(state, "z", self.level, 1e9)
        self._fresh = whole(state, "fresh", 0, PEAKS)
        self._fitted_n = number(state, "fitted_n", 0, LARGEST)
        self._above = truth(state, "above")
        self._rows = whole(state, "rows", 0, LARGEST)
        self._credit = whole(state, "credit", 0, MOST_ALLOWED * self._cost)
        self._owed = whole(state, "owed", 0, 1_000_000)
        self._drawn = whole(state, "drawn", 0, 1_000_000)

    @classmethod
    def from_json(cls, data: Mapping[str, Any], adapt: bool) -> EvtThreshold:
        return cls(number(data, "risk", 1e-12, 0.5), number(data, "level"), adapt=adapt)


def peak_level(scores: Array, risk: float) -> float:
    """The level beyond which ``scores`` ``(n,)`` are peaks."""
    share = max(PEAK_SHARE, 4 * risk, FEWEST_PEAKS / len(scores))
    return float(np.quantile(scores, 1 - min(share, 0.5)))
