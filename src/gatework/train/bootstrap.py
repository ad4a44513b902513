"""Confidence intervals by resampling sequences, or whole groups of them, with replacement.

What the scores here are made of adds up over items: right answers, squared errors, cells of a confusion matrix.
So a resample is a row of counts, its sums one product, and items that are alike are drawn together; groups are
added up first.  A thousand resamples of thirty thousand items take a second, of their cells a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Statistics = Callable[[Array], dict[str, Array]]
Groups = Sequence[Any] | npt.NDArray[Any] | None
ROUNDS, FEWEST_ROUNDS = 1000, 200
MOST_DRAWS = (
    10**8
)  # of items that are many, fewer resamples: 200 tell the ends of an interval to a tenth
_PIECE = 2**21  # numbers drawn at a time: a table of 16 MiB


def intervals(
    sums: Array,
    statistics: Statistics,
    *,
    groups: Groups = None,
    level: float = 0.95,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Of each statistic its percentile interval ``[low, high]``; none of fewer than two items or groups.

    Args:
        sums: ``(N, S)`` what each item adds to the S sums that the statistics are made of.
        statistics: from sums ``(R, S)`` of R resamples to values ``(R,)`` of each statistic, by name.
        groups: of the items; whole groups are drawn.

    Efron & Tibshirani 1993, section 13.3.

    >>> x = np.random.default_rng(1).normal(size=400)
    >>> low, high = intervals(np.stack([x, np.ones(400)], 1), lambda s: {"mean": s[:, 0] / s[:, 1]})["mean"]
    >>> 0.15 < high - low < 0.25  # 2 * 1.96 / sqrt(400) = 0.196
    True
    """
    sums = np.asarray(sums, float)
    if groups is not None:
        who, G = numbered(groups)
        sums = np.stack([np.bincount(who, column, minlength=G) for column in sums.T], axis=1)
    N = len(sums)
    if N < 2:
        return {}
    rounds = max(min(rounds, MOST_DRAWS // N), min(rounds, FEWEST_ROUNDS))
    rng = np.random.default_rng(seed)
    found: list[dict[str, Array]] = []
    piece = max(1, _PIECE // N)
    for first in range(0, rounds, piece):
        R = min(piece, rounds - first)
        drawn = rng.integers(0, N, (R, N)) + N * np.arange(R)[:, None]
        times = np.bincount(drawn.ravel(), minlength=R * N).reshape(R, N)
        found.append(statistics(times.astype(float) @ sums))
    return _ends(found, level)


def cell_intervals(
    cells: IntArray,
    count: int,
    statistics: Statistics,
    *,
    groups: Groups = None,
    level: float = 0.95,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> dict[str, list[float]]:
    """As :func:`intervals`, of items that each lie in one of ``count`` cells.

    Args:
        cells: ``(N,)`` from 0.
        statistics: from numbers of items in the cells ``(R, count)`` to values ``(R,)``.

    >>> right = np.repeat([0, 1], [50, 350])
    >>> low, high = cell_intervals(right, 2, lambda n: {"accuracy": n[:, 1] / n.sum(1)})["accuracy"]
    >>> 0.055 < high - low < 0.075  # 2 * 1.96 * sqrt(0.875 * 0.125 / 400) = 0.065
    True
    """
    if groups is not None:
        who, G = numbered(groups)
        table = np.bincount(who * count + cells, minlength=G * count).reshape(G, count)
        return intervals(table.astype(float), statistics, level=level, rounds=rounds, seed=seed)
    N = len(cells)
    if N < 2:
        return {}
    share = np.bincount(cells, minlength=count) / N
    rng = np.random.default_rng(seed)
    found: list[dict[str, Array]] = []
    piece = max(1, _PIECE // count)
    for first in range(0, rounds, piece):
        drawn = rng.multinomial(N, share, size=min(piece, rounds - first))
        found.append(statistics(drawn.astype(float)))
    return _ends(found, level)


def numbered(groups: Sequence[Any] | npt.NDArray[Any]) -> tuple[IntArray, int]:
    """Groups as numbers from 0, and how many there are."""
    names = np.asarray(groups)
    if names.dtype.kind not in "iu":
        names = np.asarray([str(g) for g in groups])
    _, who = np.unique(names, return_inverse=True)
    return who.astype(np.int64), int(who.max(initial=-1)) + 1


def _ends(found: list[dict[str, Array]], level: float) -> dict[str, list[float]]:
    """Both ends of the middle ``level`` of each statistic, where it is a number."""
    tail = (1 - level) / 2
    out = {}
    for name in found[0] if found else ():
        values = np.concatenate([part[name] for part in found])
        values = values[np.isfinite(values)]
        if len(values):
            out[name] = [float(q) for q in np.quantile(values, (tail, 1 - tail))]
    return out
