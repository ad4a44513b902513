"""Whether two cells differ: over seeds and over test items, with all comparisons counted.

A cell's score differs from training to training (its seeds) and from test item to test item.  With
``a(s, w)`` the score of seed s on item w, the difference of two cells is ``d = mean_w d(w)``,
``d(w) = mean_s a(s, w) - mean_s b(s, w)``, and its variance is estimated as

.. code-block:: text

    v = v_items + v_a + v_b
    v_items = G / (G - 1) * sum_g (sum_(w in g) (d(w) - d))^2 / W^2        G blocks of dependent items
    v_a     = variance over seeds of mean_w a(s, w), divided by the number of seeds

``d / sqrt(v)`` is compared with Student's t, its degrees of freedom after Welch (1947) and Satterthwaite
(1946).  The items are the same for both cells, so what makes an item hard for everybody cancels in
d(w).  The noise of the seeds is in ``v_items`` too, which makes the test a little stricter than its level.

Of several comparisons the p values are corrected after Holm (1979): the chance of one false difference
among all of them stays below the level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LEVEL = 0.05
MIN_BLOCKS = 5  # of a test part: fewer tell too little of how items differ for any claim


@dataclass(frozen=True)
class Sample:
    """What is known of one contestant: a score for each seed, and each seed's items."""

    scores: Sequence[float]
    items: Array | None = None  # (S, W)
    fixed: bool = False  # a naive answer: training has no part in it


@dataclass(frozen=True)
class Difference:
    """``a`` less ``b``, its standard error, and how sure the sign is."""

    mean: float
    error: float | None = None
    p: float | None = None  # of both sides; None where nothing can be tested
    seeds: bool = False  # whether the spread over seeds is in it
    items: bool = False  # whether the spread over test items is
    share_of_seeds: float | None = None  # of the variance


def difference(a: Sample, b: Sample, blocks: IntArray | None = None) -> Difference:
    """The difference of two contestants on the same items.

    >>> rng = np.random.default_rng(0)
    >>> hard = rng.normal(5, 1, 200)  # of both
    >>> a = hard + 0.3 + rng.normal(0, 0.1, (3, 200))
    >>> b = hard + rng.normal(0, 0.1, (3, 200))
    >>> d = difference(Sample(a.mean(1), a), Sample(b.mean(1), b), np.arange(200))
    >>> round(d.mean, 2), d.p < 0.001
    (0.3, True)
    """
    mean = float(np.mean(a.scores) - np.mean(b.scores))
    variances: list[tuple[float, float]] = []  # (variance, degrees of freedom)
    with_items = False
    if a.items is not None and b.items is not None and blocks is not None:
        each = a.items.mean(axis=0) - b.items.mean(axis=0)
        usable = np.isfinite(each)
        _, group = np.unique(blocks[usable], return_inverse=True)
        G = int(group.max()) + 1 if len(group) else 0
        if G > 1:
            d = each[usable]
            sums = np.bincount(group, d - d.mean())
            variances.append((G / (G - 1) * float(sums @ sums) / len(d) ** 2, G - 1))
            with_items = True
    trained = [s for s in (a, b) if not s.fixed]
    with_seeds = bool(trained) and all(len(s.scores) > 1 for s in trained)
    of_seeds = 0.0
    if with_seeds:
        for s in trained:
            v = float(np.var(s.scores, ddof=1)) / len(s.scores)
            of_seeds += v
            variances.append((v, len(s.scores) - 1))
    if not variances or not math.isfinite(mean):
        return Difference(mean)
    total = sum(v for v, _ in variances)
    if total == 0:
        p = 1.0 if mean == 0 else 0.0
        return Difference(mean, 0.0, p, with_seeds, with_items)
    freedom = total**2 / sum(v**2 / df for v, df in variances)
    p = two_sided(mean / math.sqrt(total), freedom)
    return Difference(mean, math.sqrt(total), p, with_seeds, with_items, of_seeds / total)


def two_sided(t: float, freedom: float) -> float:
    """Chance of a value beyond ``±t`` under Student's distribution.

    With ``t = sqrt(df) tan(x)`` the density is proportional to ``cos(x)^(df - 1)``: two integrals over a
    quarter circle, by Gauss and Legendre.

    >>> [round(two_sided(t, df), 3) for t, df in ((12.706, 1), (4.303, 2), (2.776, 4), (1.96, 1e6))]
    [0.05, 0.05, 0.05, 0.05]
    """
    start = math.atan(abs(t) / math.sqrt(freedom))
    # Beyond 40 over the root of df the power has vanished; the points go where the mass is.
    end = min(math.pi / 2, 40 / math.sqrt(freedom))
    if start >= end:
        return 0.0

    def integral(first: float) -> float:
        nodes, weights = _legendre()
        x = first + (end - first) * (nodes + 1) / 2
        return float(weights @ np.cos(x) ** (freedom - 1)) * (end - first) / 2

    return min(1.0, integral(start) / integral(0.0))


@cache
def _legendre() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(400)
    return nodes, weights


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p values corrected for their number, after Holm (1979); None stays None and is not counted.

    >>> holm([0.01, 0.04, None, 0.03])
    [0.03, 0.06, None, 0.06]
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    out: list[float | None] = [None] * len(p_values)
    worst = 0.0
    for rank, (p, i) in enumerate(known):
        worst = max(worst, min(1.0, (len(known) - rank) * p))
        out[i] = worst
    return out
