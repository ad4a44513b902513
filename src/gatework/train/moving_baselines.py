"""Scores of rows by what came just before, or a season before: one line of thought each.

    moving z-score     |x_t - mean| / deviation, both of the window of rows before t
    differences        |x_t - x_{t-1}| / its mean in training
    seasonal residual  |x_t - x_{t-season}| / its mean in training
    distance           |x_t - median| / (1.4826 median absolute deviation), of training

Each is computed per channel, and the largest channel counts.  A missing value is not judged, and the last one
known stands for what came before.  No row sees a later one.  Wu and Keogh 2021, "Current time series anomaly
detection benchmarks are flawed", section 2.2, is why such one-liners belong beside every detector.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
WINDOW = 100
LEAST_SEASON, MOST_SEASON = 20, 2000  # within which a season is the window
FLOOR = 0.2  # of training's deviation: a level stretch does not make the next small step odd
FAR = 1e4  # deviations; what is farther counts as so far
TINY = 1e-6
LARGEST = 1e30


class Scaled(ABC):
    """Numbers per channel by which its values are measured: a centre and a scale."""

    def __init__(self, centre: list[float], scale: list[float], lag: int = 1) -> None:
        self.centre, self.scale, self.lag = centre, scale, lag

    def scores(self, values: Array, tokens: Array, offsets: Array) -> Array:
        """``(N,)`` the largest channel of each row."""
        largest = np.zeros(len(values))
        for c, (centre, scale) in enumerate(zip(self.centre, self.scale, strict=True)):
            own = self._channel(measured(values[:, c], centre, scale), offsets)
            np.fmax(largest, own, out=largest)  # not NaN
        return largest

    @abstractmethod
    def _channel(self, x: Array, offsets: Array) -> Array:
        """``(N,)`` how odd the rows of a measured channel are."""

    def to_json(self) -> dict[str, Any]:
        """What is kept."""
        return {"centre": self.centre, "scale": self.scale, "lag": self.lag}

    def tensors(self) -> dict[str, Array]:
        """None: all is in the JSON."""
        return {}

    @classmethod
    def from_parts(cls, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """What was kept; ValueError or KeyError when it is damaged."""
        centre, scale = ([float(v) for v in facts[name]] for name in ("centre", "scale"))
        lag = int(facts["lag"])
        if len(centre) != len(scale) or not all(s > 0 for s in scale) or lag < 1:
            raise ValueError(
                f"{len(centre)} centres and {len(scale)} scales, each above 0, of {lag}"
            )
        return cls(centre, scale, lag)


class MovingZ(Scaled):
    """Rows that a window lacks are as in training: mean and deviation are of ``lag`` rows in any case."""

    @classmethod
    def fit(cls, values: Array, offsets: Array, season: int | None) -> Self:
        fits = season is not None and LEAST_SEASON <= season <= MOST_SEASON
        centre, scale = _moments(values)
        return cls(centre, scale, season if season is not None and fits else WINDOW)

    def _channel(self, x: Array, offsets: Array) -> Array:
        first, W = _firsts(offsets), self.lag
        row = np.arange(len(x))
        start = np.maximum(row - W, first)
        x = np.clip(x, -FAR, FAR)
        known = ~np.isnan(x)
        held = np.where(known, x, 0.0)
        n, s1, s2 = (
            np.append(0.0, np.cumsum(part)) for part in (known, held, held * held)
        )  # of all rows before
        mean = (s1[row] - s1[start]) / W
        square = (s2[row] - s2[start] + W - (n[row] - n[start])) / W
        deviation = np.sqrt(np.maximum(square - mean * mean, FLOOR**2))
        z: Array = np.abs(x - mean) / deviation
        return z


class Lagged(Scaled):
    """The step from the row ``lag`` before, over its usual size; the training mean where there is none."""

    @classmethod
    def fit(cls, values: Array, offsets: Array, lag: int = 1) -> Self:
        centre, deviation = _moments(values)
        found = cls(centre, list(deviation), lag)
        for c, (middle, scale) in enumerate(zip(centre, deviation, strict=True)):
            step = found._channel(measured(values[:, c], middle, scale), offsets)
            step = step[~np.isnan(step)]
            usual = float(step.mean()) if len(step) else 0.0
            found.scale[c] = scale * (usual if usual > TINY else TINY)
        return found

    def _channel(self, x: Array, offsets: Array) -> Array:
        first, row = _firsts(offsets), np.arange(len(x))
        last = np.maximum.accumulate(np.where(np.isnan(x), -1, row))
        last = np.where(last >= first, last, -1)  # the last known of the same series
        back = row - self.lag
        place = np.where(back >= first, last[back], -1)
        before = np.where(place >= 0, x[place], 0.0 if self.lag > 1 else x)
        step: Array = np.abs(x - before)
        return step


class Distance(Scaled):
    """How far from the usual values, whatever the order of the rows."""

    @classmethod
    def fit(cls, values: Array) -> Self:
        centre, scale = [], []
        means, deviations = _moments(values)
        for c, (mean, deviation) in enumerate(zip(means, deviations, strict=True)):
            x = values[np.isfinite(values[:, c]), c]
            middle = float(np.median(x)) if len(x) else mean
            spread = 1.4826 * float(np.median(np.abs(x - middle))) if len(x) else 0.0
            centre.append(middle)
            scale.append(spread if spread > TINY * deviation else deviation)
        return cls(centre, scale)

    def _channel(self, x: Array, offsets: Array) -> Array:
        return np.abs(x)


def measured(values: Array, centre: Any, scale: Any) -> Array:
    """Values from the centre in units of scale, within 1e30; NaN where missing."""
    with np.errstate(over="ignore"):
        away: Array = np.clip((values - centre) / scale, -LARGEST, LARGEST)
    return away


def _moments(values: Array) -> tuple[list[float], list[float]]:
    """Mean and deviation of each channel; of a constant one a millionth of its size."""
    centre, scale = [], []
    for c in range(values.shape[1]):
        x = np.clip(values[np.isfinite(values[:, c]), c], -LARGEST, LARGEST)
        mean = float(x.mean()) if len(x) else 0.0
        deviation = float((x - mean).std()) if len(x) else 1.0
        least = TINY * max(abs(mean), 1.0)
        centre.append(mean)
        scale.append(deviation if deviation > 1e-3 * least else least)
    return centre, scale


def _firsts(offsets: Array) -> Array:
    """``(N,)`` the first row of each row's series."""
    offsets = np.asarray(offsets, np.int64)
    firsts: Array = np.repeat(offsets[:-1], np.diff(offsets))
    return firsts
