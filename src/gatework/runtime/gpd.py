"""What the tail of some numbers looks like: the generalised Pareto distribution of what lies beyond a level.

    P(X > x) = (1 + xi x / sigma)^(-1/xi)        and exp(-x / sigma) where xi = 0

xi < 0: there is a largest value, -sigma/xi; xi = 0: exponential; xi > 0: heavy.  Pickands (1975): the part of
almost any distribution beyond a high level comes close to it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FEWEST = 5  # values below which a shape cannot be told
XI_RANGE = (-0.5, 0.9)  # outside them neither the estimate's spread nor the mean can be trusted
# The shape is 0 ± this before anything was seen: worth about ten values. With 20 values the spread of the
# shape alone would be 0.22, which moves a level of one in 10,000 by half of itself.
XI_PRIOR = 0.3


def fit_gpd(excess: Array) -> tuple[float, float]:
    """``(xi, sigma)`` of the distribution that ``excess`` ``(n,)`` (> 0) came from.

    The likelihood of theta = xi / sigma alone (Grimshaw 1993) has a closed form, because for a given theta the
    best xi is mean(log(1 + theta x)).  It is averaged over a grid of theta instead of maximised (Zhang &
    Stephens 2009, Technometrics 51(3), equations 5 to 8), so that there is always an answer; beyond the
    paper, xi is drawn to 0 as by ten more values.

    Exponential, ``(0, mean)``, where values are fewer than five or all alike; ``(0, 1)`` where there are none.
    What is not a finite number above 0 is left out.

    >>> fit_gpd(np.array([2.0, 2.0, 2.0]))
    (0.0, 2.0)
    """
    x = np.asarray(excess, np.float64).ravel()
    x = np.sort(x[np.isfinite(x) & (x > 0)])
    n = len(x)
    if n == 0:
        return 0.0, 1.0
    mean = float(np.mean(x))
    if n < FEWEST or x[-1] - x[0] <= 1e-9 * x[-1]:
        return 0.0, mean
    x /= mean  # no unit, so that nothing over- or underflows
    m = min(20 + int(math.sqrt(n)), 40)  # 1 ms for 2,000 values
    grid = (np.sqrt(m / (np.arange(1, m + 1) - 0.5)) - 1) / (3 * x[int(n / 4 + 0.5) - 1])
    theta = grid - 1 / x[-1]
    theta[np.abs(theta) < 1e-9] = 1e-9
    xi = _shape(theta, x)
    likelihood = n * (np.log(theta / xi) - xi - 1) - 0.5 * (xi / XI_PRIOR) ** 2
    weight = np.exp(likelihood - likelihood.max())
    best = float(weight @ theta / weight.sum())
    if abs(best) < 1e-9:
        return 0.0, mean
    shape = float(_shape(np.array([best]), x)[0])
    low, high = XI_RANGE
    if not low <= shape <= high:
        shape = min(max(shape, low), high)
        return shape, mean * (1 - shape)  # the mean stays as it was
    return shape, mean * shape / best


def _shape(theta: Array, x: Array) -> Array:
    """The best xi for each theta."""
    inside = np.multiply.outer(theta, x)
    inside += 1
    np.maximum(inside, 1e-300, out=inside)
    return np.asarray(np.log(inside, out=inside).mean(axis=1))


def log_survival(x: Array | float, xi: float, sigma: float) -> Array:
    """log P(X > x), of the shape of ``x``; 0 below 0, minus infinity beyond the largest value.

    >>> log_survival(np.array([0.0, 1.0, 3.0]), -0.5, 1.0).round(3).tolist()
    [-0.0, -1.386, -inf]
    """
    ratio = np.maximum(np.asarray(x, np.float64), 0) / sigma
    if xi == 0:
        return -ratio
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log1p(np.maximum(xi * ratio, -1)) / xi)


def excess_at(survival: float, xi: float, sigma: float) -> float:
    """The x with P(X > x) = ``survival`` (> 0): the other way round than :func:`log_survival`.

    >>> round(excess_at(math.exp(float(log_survival(1.5, 0.2, 0.7))), 0.2, 0.7), 9)
    1.5
    """
    depth = -math.log(survival)
    if abs(xi) * max(depth, 1.0) < 1e-12:
        return sigma * depth
    return sigma * math.expm1(xi * depth) / xi
