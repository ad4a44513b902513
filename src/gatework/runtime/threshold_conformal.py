"""A threshold by rank among the last ordinary scores: right for any distribution, as long as it stays the same.

A score s has the conformal p-value (1 + #{calibration scores >= s}) / (n + 1) (Vovk, Gammerman & Shafer 2005;
for anomalies on a stream Laxhammar & Falkman 2010), and is an alarm where that is at most the risk: where fewer
than k = floor(risk (n + 1)) calibration scores are as high.  So the threshold is the k-th largest.

Were no alarm ever among the calibration scores, each turn of them would lose its highest and the threshold fall
without bound (20 times the risk after 200,000 rows).  So an alarm joins them as well where it may be of
ordinary rows: little above the threshold, the first of successive ones, and of all no more than 1.5 times the
risk.  What is little is measured on a hundred of the highest scores or more, whose median no few alarms move;
what is above it joins in no case, nor does after an alarm what has not come down below those highest scores,
else the rows of an anomaly that stay below the threshold would lift it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from gatework.runtime.threshold_base import (
    ALLOWED,
    FAR,
    LARGEST,
    MOST_ALLOWED,
    Array,
    Threshold,
    exponential_level,
    number,
    numbers,
    one_in,
    truth,
    whole,
)

LARGEST_MEMORY = 1_000_000
LOWEST = -LARGEST
HIGHEST = 100  # scores that the tail is measured on, and twice the threshold's place
RENEWED = 0.05  # share of the scores, before the tail is measured again
KEPT = 1_500  # of the highest scores, that a model keeps as they are


class ConformalThreshold(Threshold):
    """The score whose conformal p-value among the last ``memory`` scores without an alarm is ``risk``."""

    kind = "conformal"

    def __init__(self, risk: float, memory: int, *, adapt: bool = True) -> None:
        super().__init__(adapt=adapt)
        self.risk = risk
        self.memory = memory
        self.window: deque[float] = deque()  # in the order in which they came
        self._top: list[float] = []  # those of the window that are at least _cut, rising
        self._cut = LOWEST
        self._most = 0  # of them, before they are chosen anew
        self._reach = 0.0  # the score up to which an alarm may be of an ordinary row
        self._calm = 0.0  # the score below which an alarm is over
        self._level = 0.0  # the threshold while the scores are too few for the risk
        self._fresh = 0  # scores since then
        self._above = False  # since an alarm no row was calm
        self._cost = math.ceil(1 / (ALLOWED * risk))  # rows that make up for an alarm
        self._credit = self._cost  # rows that no alarm joined in

    @classmethod
    def fitted(cls, scores: Array, risk: float, memory: int, *, adapt: bool) -> ConformalThreshold:
        """The threshold of held-out ``scores`` ``(n,)``, finite, n > 0."""
        # 400 scores above the threshold tell it as well as more of them
        made = cls(risk, min(memory, max(2_000, math.ceil(400 / risk))), adapt=adapt)
        values = scores[-made.memory :]
        # what a model keeps: the highest as they are, the others as one value
        floor = np.partition(values, -KEPT)[-KEPT] if len(values) > KEPT else -math.inf
        below = values[values < floor]
        values = np.where(values < floor, np.median(below), values) if len(below) else values
        made.window.extend(values.tolist())
        made._sort()
        made._measure()
        return made

    @property
    def value(self) -> float:
        rank = self._rank()
        return self._top[-rank] if rank else self._level

    @property
    def text(self) -> str:
        n = len(self.window)
        begin = f"Alarm above a score of {self.value:.3g}"
        if self._rank():
            return (
                f"{begin}, which at most {one_in(self.risk)} of rows like the last {n:,} ordinary ones exceeds "
                "(conformal p-value)."
            )
        return (
            f"{begin}, beyond all of {n:,} ordinary rows: a risk of {one_in(self.risk)} needs at least "
            f"{math.ceil(1 / self.risk - 1e-9) - 1:,}, so an exponential tail stands in for what is missing "
            "(conformal p-value)."
        )

    def _rank(self) -> int:
        """Place of the threshold from the largest score down, from 1; 0 where scores are too few."""
        return math.floor(self.risk * (len(self.window) + 1) + 1e-9)

    def _learn(self, scores: list[float]) -> list[float]:
        window, memory, out = self.window, self.memory, []
        top, cut, value = self._top, self._cut, self.value
        above, credit, cost, most = self._above, self._credit, self._cost, MOST_ALLOWED * self._cost
        fresh, rank = self._fresh, self._rank()
        for score in scores:
            out.append(value)
            if score > value:
                if above or credit < cost or score > self._reach:
                    above = True
                    continue
                above = True
                credit -= cost
            elif score == score:
                if score > self._reach or (above and score > self._calm):
                    continue
                above = False
                if credit < most:
                    credit += 1
            else:
                continue
            window.append(score)
            changed = score >= cut
            if changed:
                insort(top, score)
            if len(window) > memory:
                oldest = window.popleft()
                if oldest >= cut:
                    del top[bisect_left(top, oldest)]
                    changed = True
            else:
                changed = True
            fresh += 1
            if changed:
                rank = self._rank()
                if not max(rank, 1) <= len(top) <= self._most:
                    self._sort()
                    top, cut = self._top, self._cut
                value = top[-rank] if rank else self._level
            if fresh > len(window) * RENEWED:
                self._measure()
                value, fresh = self.value, 0
        self._above, self._credit, self._fresh = above, credit, fresh
        return out

    def _sort(self) -> None:
        """Choose what is kept in order: twice as many as the threshold's place needs."""
        rank = self._rank()
        ordered = np.sort(np.array(self.window))
        place = len(ordered) - 2 * rank - HIGHEST
        self._cut = float(ordered[place]) if place > 0 else LOWEST
        self._top = ordered[ordered >= self._cut].tolist()
        self._most = 2 * len(self._top) + HIGHEST  # ties may make it long

    def _measure(self) -> None:
        """How far the tail reaches, were it exponential."""
        rank = self._rank()
        if not rank:
            values = np.array(self.window)
            self._level = max(exponential_level(values, self.risk), self._top[-1])
        highest = self._top[-(2 * rank + HIGHEST) :]
        scale = (highest[len(highest) // 2] - highest[0]) / math.log(2)
        due = self.risk * (len(self.window) + 1)
        tail = highest[0] + scale * max(math.log(len(highest) / due), 0.0)
        self._reach, self._calm = tail + FAR * scale, highest[0]

    def _settings(self) -> dict[str, Any]:
        return {"risk": self.risk, "memory": self.memory}

    def _state(self) -> dict[str, Any]:
        return {"window": list(self.window), **self._beside()}

    def _beside(self) -> dict[str, Any]:
        return {
            "cut": self._cut,
            "most": self._most,
            "reach": self._reach,
            "calm": self._calm,
            "level": self._level,
            "fresh": self._fresh,
            "above": self._above,
            "credit": self._credit,
        }

    def _kept(self) -> dict[str, Any]:
        values = np.array(self.window)
        floor = float(values.min())
        at = np.flatnonzero(values > floor)
        if len(at) > KEPT:  # a stream went on since the fit
            floor = float(np.partition(values, -KEPT)[-KEPT])
            at = np.flatnonzero(values > floor)
            floor = float(np.median(values[values <= floor]))
        return {
            "rows": len(values),
            "floor": floor,
            "at": at.tolist(),
            "scores": values[at].tolist(),
            **self._beside(),
        }

    def _set(self, state: Mapping[str, Any]) -> None:
        if "window" in state:
            values = numbers(state, "window", self.memory)
        else:
            values = [number(state, "floor")] * whole(state, "rows", 1, self.memory)
            at, scores = numbers(state, "at", KEPT, 0), numbers(state, "scores", KEPT)
            if len(at) != len(scores) or any(i != int(i) or i >= len(values) for i in at):
                raise ValueError("'at' of a threshold must name a row for each of its scores")
            for i, score in zip(at, scores, strict=True):
                values[int(i)] = score
        if not values:
            raise ValueError("'window' of a threshold must hold a number")
        self.window = deque(values)
        self._cut, self._most = number(state, "cut"), whole(state, "most", 0, 3 * LARGEST_MEMORY)
        self._top = sorted(value for value in values if value >= self._cut)
        if len(self._top) < max(self._rank(), 1):
            raise ValueError("'cut' of a threshold must be below what the risk needs")
        self._reach, self._calm = number(state, "reach"), number(state, "calm")
        self._level = number(state, "level")
        self._fresh = whole(state, "fresh", 0, LARGEST_MEMORY)
        self._above = truth(state, "above")
        self._credit = whole(state, "credit", 0, MOST_ALLOWED * self._cost)

    @classmethod
    def from_json(cls, data: Mapping[str, Any], adapt: bool) -> ConformalThreshold:
        memory = whole(data, "memory", 1, LARGEST_MEMORY)
        return cls(number(data, "risk", 1e-12, 0.5), memory, adapt=adapt)
