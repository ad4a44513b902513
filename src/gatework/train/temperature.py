"""One temperature for a network's logits, so that it is as sure as it is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.train.classification import expected_calibration_error

Array = npt.NDArray[Any]
LOWEST, HIGHEST = 0.05, 20.0
LENT = 0.5  # an example; 1 leaves what is nearly always right too unsure, with 0 thirty right ones do harm
MOST = 50_000  # answers that it is fitted on; one number needs no more


@dataclass(frozen=True)
class Calibrated:
    """What the fit found."""

    temperature: float
    log_loss: float  # at that temperature
    ece_before: float
    ece_after: float

    def to_json(self) -> dict[str, float]:
        """As plain values."""
        return {
            "temperature": self.temperature,
            "ece_before": self.ece_before,
            "ece_after": self.ece_after,
        }


def calibrate(logits: Array, target: Array) -> Calibrated:
    """The temperature T that makes ``softmax(logits / T)`` likeliest.

    Args:
        logits: ``(N, K)``.
        target: ``(N,)`` class numbers; -1 does not count.

    Guo et al. 2017 (arXiv 1706.04599), section 4.2.  The log loss has one minimum in 1 / T, which is found by
    golden section.  After Platt 1999 (section 2.2) all answers together lend half an example's weight to every
    class alike: a few that are all right would else ask for T = 0, for being sure without end.

    >>> rng = np.random.default_rng(0)
    >>> logits = rng.normal(size=(4000, 3))
    >>> p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    >>> y = (p.cumsum(1) < rng.random((4000, 1))).sum(1)
    >>> 2.8 < calibrate(3 * logits, y).temperature < 3.3
    True
    """
    known = np.asarray(target) >= 0
    z, y = np.asarray(logits, float)[known], np.asarray(target)[known]
    if not len(z):
        return Calibrated(1.0, float("nan"), 0.0, 0.0)
    some = slice(None, None, max(1, len(z) // MOST))
    z, y = z[some], y[some]
    z = z - z.max(-1, keepdims=True)
    own, lent = z[np.arange(len(y)), y], LENT / (len(y) + LENT)
    aim = (1 - lent) * own + lent * z.mean(-1)

    def loss(log_t: float, aim: Array = aim) -> float:
        scale = np.exp(-log_t)
        return float(np.mean(np.log(np.exp(scale * z).sum(-1)) - scale * aim))

    low, high = np.log(LOWEST), np.log(HIGHEST)
    ratio = (5**0.5 - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    loss_a, loss_b = loss(a), loss(b)
    for _ in range(25):
        if loss_a <= loss_b:
            high, b, loss_b = b, a, loss_a
            a = high - ratio * (high - low)
            loss_a = loss(a)
        else:
            low, a, loss_a = a, b, loss_b
            b = low + ratio * (high - low)
            loss_b = loss(b)
    best = (low + high) / 2
    temperature = float(np.exp(best))
    return Calibrated(
        temperature,
        loss(best, own),
        expected_calibration_error(_softmax(z), y),
        expected_calibration_error(_softmax(z / temperature), y),
    )


def _softmax(z: Array) -> Array:
    p = np.exp(z - z.max(-1, keepdims=True))
    out: Array = p / p.sum(-1, keepdims=True)
    return out
