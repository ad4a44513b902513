"""How rare a residual or a row's surprise is, from what held-out rows had: empirical, with Pareto tails.

.. code-block:: text

    P(X > x) = (k + 1) / (n + 1)                        k of n held-out values are at least x, up to the level u
             = P(X > u) (1 + ξ (x - u) / σ)^(-1/ξ)      beyond it (Pickands 1975; Coles 2001, section 4.2)

Both sides of a number's residual have a tail of their own; of a category only the upper one tells.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from gatework.runtime.gpd import fit_gpd, log_survival

Array = npt.NDArray[np.float64]
TAIL = 0.98  # share of the held-out values below the level from which the tail is a Pareto one
LEAST = 20  # values in a tail
REACH, KNOTS = 14.5, 193  # asinh(10^6), and the knots of a table up to there on both sides
MOST = 1e5  # nats: no probability any more, but an order among what is far out
LN10 = float(np.log(10.0))


def survival(held: Array) -> Callable[[Array], Array]:
    """``x -> -ln P(X >= x)`` from held-out values; 0 where there are too few to tell."""
    held = np.sort(held[~np.isnan(held)])
    n = len(held)
    if n < 20:
        return lambda x: np.zeros_like(x)
    # A shape and a scale cannot be told from two values: of few, the tail begins sooner.
    k = max(round((1 - TAIL) * n), min(LEAST, n // 5))
    level = float(held[n - 1 - k])
    excess = held[held > level] - level
    xi, sigma = fit_gpd(excess)
    xi = max(xi, 0.0)  # a largest value would make all that is beyond it alike
    # A bounded channel ends at once: a hair beyond is not 36 nats.
    spread = level - float(held[n // 2])
    sigma = max(sigma, 1e-3 * max(abs(level), 1e-3), 0.1 * spread)
    at_level = -np.log((len(excess) + 1) / (n + 1))

    def told(x: Array) -> Array:
        above = n - np.searchsorted(held, x, "left")
        body = np.minimum(-np.log((above + 1) / (n + 1)), at_level)
        beyond = at_level - log_survival(np.maximum(x - level, 0.0), xi, sigma)
        return np.asarray(np.minimum(np.where(x > level, beyond, body), MOST))

    return told


class Tails:
    """Surprise ``-ln p`` of residuals, a table for each of X columns.

    The first ``two_sided`` columns count both sides: ``p = 2 min(P(R >= r), P(R <= r))``.
    """

    def __init__(self, table: npt.NDArray[np.float32]) -> None:
        self.table = np.ascontiguousarray(table, np.float32)  # (X, KNOTS)
        X = len(table)
        self._flat = self.table.astype(np.float64).ravel()
        self._base = np.arange(X) * KNOTS
        self._inverse = (KNOTS - 1) / (2 * REACH)

    @classmethod
    def fit(cls, residuals: Array, two_sided: int) -> Self:
        """Tables of held-out residuals ``(N, X)``, NaN where nothing was measured."""
        grid = np.sinh(np.linspace(-REACH, REACH, KNOTS))
        table = np.zeros((residuals.shape[1], KNOTS))
        for x in range(residuals.shape[1]):
            up = survival(residuals[:, x])(grid)
            if x < two_sided:
                down = survival(-residuals[:, x])(-grid)
                up = np.maximum(np.maximum(up, down) - np.log(2.0), 0.0)
            table[x] = up
        return cls(table.astype(np.float32))

    def __call__(self, residuals: Array) -> Array:
        """``(..., X)`` surprises in nats; 0 where a residual is NaN."""
        u = (np.arcsinh(residuals) + REACH) * self._inverse
        u = np.minimum(np.maximum(u, 0.0), KNOTS - 1.000001)
        missing = u != u
        if missing.any():
            u[missing] = 0.0
        whole = u.astype(np.int64)
        u -= whole
        whole += self._base
        low = self._flat.take(whole)
        whole += 1
        out = low + u * (self._flat.take(whole) - low)
        if missing.any():
            out[missing] = 0.0
        return out


class RowTail:
    """Score ``-log10 P(S >= s)`` of a row's surprise s, from those of held-out rows."""

    def __init__(self, knots: Array, scores: Array) -> None:
        self.knots, self.scores = np.asarray(knots, float), np.asarray(scores, float)
        if (
            len(self.knots) < 2
            or (np.diff(self.knots) <= 0).any()
            or (np.diff(self.scores) < 0).any()
        ):
            raise ValueError("a row tail needs rising knots")
        self._slope = (self.scores[-1] - self.scores[-2]) / (self.knots[-1] - self.knots[-2])
        rise = np.append(np.diff(self.scores) / np.diff(self.knots), self._slope)
        lines: list[list[float]] = [self.knots.tolist(), self.scores.tolist(), rise.tolist()]
        self._lines = lines

    @classmethod
    def fit(cls, held: Array) -> Self:
        """Of the surprises ``(N,)`` of held-out rows."""
        held = held[~np.isnan(held)]
        told = survival(held)
        if len(held) < 20:  # nothing to go by: one nat is one nat
            return cls(np.array([0.0, 1e3]), np.array([0.0, 1e3 / LN10]))
        body = np.quantile(held, np.linspace(0, 1, 129))
        top = max(float(body[-1]), 1e-6)
        knots = np.unique(np.concatenate([[0.0], body, top * np.geomspace(1.01, 1e3, 64)]))
        knots = knots[np.concatenate([[True], np.diff(knots) > 1e-9])]
        return cls(knots, np.maximum.accumulate(told(knots)) / LN10)

    def one(self, s: float) -> float:
        """The score of one row, quicker than that of an array of one."""
        knots, scores, rise = self._lines
        if s <= knots[0]:
            return scores[0]
        k = bisect_right(knots, s) - 1
        return scores[k] + (s - knots[k]) * rise[k]

    def __call__(self, s: Any) -> Any:
        """Scores, of an array or of one number; beyond the last knot they go on in a straight line."""
        found = np.interp(s, self.knots, self.scores)
        return found + np.maximum(s - self.knots[-1], 0.0) * self._slope
