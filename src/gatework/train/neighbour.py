"""What the nearest training series was: 1-nearest-neighbour with Euclidean distance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
MOST_SERIES, MOST_STEPS = 2000, 128
MOST_NUMBERS = 1024  # of a series: 8 MB of a saved model
_BLOCK = 512


class Neighbour:
    """All series are stretched to one length of at most 128 steps, by straight lines.

    ``scaled``: each channel of each series to mean 0 and deviation 1, where that finds more neighbours of the
    same class (nearer ones of numbers) among the training series, each left out once.  Levels may tell classes
    apart, or only be in the way.
    """

    def __init__(self, series: Array, targets: Array, steps: int, K: int, scaled: bool) -> None:
        self.series, self.targets = np.asarray(series, np.float32), np.asarray(targets, np.float32)
        self.steps, self.K, self.scaled = steps, K, scaled

    @classmethod
    def fit(cls, values: Array, offsets: Array, targets: Array, K: int, some: Array) -> Self:
        """On ``some`` of the sequences."""
        typical = int(np.median(np.diff(offsets)))
        steps = max(2, min(typical, MOST_STEPS, MOST_NUMBERS // values.shape[1]))
        series, own = stretched(values, offsets, some, steps), targets[some]
        scaled = standardised(series)
        better = _left_out(scaled, own, K) < _left_out(series, own, K)
        return cls(_flat(scaled if better else series), own, steps, K, better)

    def answers(self, values: Array, tokens: Array, offsets: Array) -> Array:
        """``(B, K)`` all on the class of the nearest; of numbers ``(B, 1)`` its number."""
        B = len(offsets) - 1
        place = np.zeros(B, np.int64)
        for first in range(0, B, _BLOCK):
            some = np.arange(first, min(first + _BLOCK, B))
            rows = stretched(values, offsets, some, self.steps)
            place[some] = nearest(_flat(standardised(rows) if self.scaled else rows), self.series)
        found = self.targets[place]
        return np.eye(self.K)[found.astype(np.int64)] if self.K else found[:, None].astype(float)

    def to_json(self) -> dict[str, Any]:
        return {"steps": self.steps, "K": self.K, "scaled": self.scaled}

    def tensors(self) -> dict[str, Array]:
        return {"series": self.series, "targets": self.targets}

    @classmethod
    def from_parts(cls, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        steps, K, scaled = int(facts["steps"]), int(facts["K"]), bool(facts["scaled"])
        found = cls(arrays["series"], arrays["targets"], steps, K, scaled)
        series, targets = found.series, found.targets
        if series.ndim != 2 or series.shape[1] % steps or targets.shape != (len(series),):
            raise ValueError(f"series {series.shape} of {steps} steps, {targets.shape} targets")
        if K and not ((targets >= 0) & (targets < K)).all():
            raise ValueError(f"targets of other classes than {K}")
        return found


def stretched(values: Array, offsets: Array, some: Array, steps: int) -> Array:
    """``(n, steps, F)`` float32: sequences read at evenly spaced places, straight lines between steps.

    >>> stretched(np.array([[0.0], [2.0], [4.0]], np.float32), np.array([0, 3]), np.array([0]), 5).ravel()
    array([0., 1., 2., 3., 4.], dtype=float32)
    """
    lengths = offsets[some + 1] - offsets[some]
    place = np.linspace(0, 1, steps) * (lengths[:, None] - 1)
    low = np.floor(place).astype(np.int64)
    part = (place - low)[..., None].astype(np.float32)
    high = np.minimum(low + 1, lengths[:, None] - 1)
    first = offsets[some][:, None]
    rows: Array = values[first + low] * (1 - part) + values[first + high] * part
    return rows.astype(np.float32)


def standardised(series: Array) -> Array:
    """Each channel of each series with mean 0 and deviation 1; a level one is 0."""
    centred = series - series.mean(1, keepdims=True)
    deviation = centred.std(1, keepdims=True)
    scaled: Array = centred / np.where(deviation > 1e-6, deviation, np.inf)
    return scaled


def nearest(rows: Array, series: Array, without: Array | None = None) -> Array:
    """``(n,)`` number of the nearest of ``series`` at each of ``rows``; ``without`` is the one left out."""
    distance = (series**2).sum(1) - 2 * rows @ series.T
    if without is not None:
        distance[np.arange(len(rows)), without] = np.inf
    found: Array = distance.argmin(1)
    return found


def _left_out(series: Array, targets: Array, K: int) -> float:
    """Share of wrong classes, or mean squared error, of the nearest others."""
    if len(series) < 2:
        return 0.0
    flat, own = _flat(series), np.arange(len(series))
    place = np.concatenate(
        [
            nearest(flat[k : k + _BLOCK], flat, own[k : k + _BLOCK])
            for k in range(0, len(own), _BLOCK)
        ]
    )
    error = targets[place] != targets if K else (targets[place] - targets) ** 2
    return float(error.mean())


def _flat(series: Array) -> Array:
    return series.reshape(len(series), -1)
