"""Confidence intervals by resampling sequences, or whole groups of them, with replacement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
ROUNDS = 1000


def weights(count: int, groups: Sequence[Any] | None, rounds: int, seed: int) -> Array:
    """``(rounds, count)``: how often each item occurs in each resample; items of a group go together."""
    rng = np.random.default_rng(seed)
    if groups is None:
        draws = rng.multinomial(count, np.full(count, 1 / max(count, 1)), size=rounds)
        return draws.astype(float)
    _, who = np.unique(np.asarray([str(g) for g in groups]), return_inverse=True)
    G = int(who.max(initial=-1)) + 1
    drawn = rng.multinomial(G, np.full(G, 1 / G), size=rounds).astype(float)
    return drawn[:, who]


def intervals(
    count: int,
    statistics: Callable[[Array], dict[str, Array]],
    *,
    groups: Sequence[Any] | None = None,
    level: float = 0.95,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Of each statistic its percentile interval ``[low, high]``.

    Args:
        count: N items.
        statistics: from weights ``(R, N)`` to values ``(R,)`` of each statistic, by name.
        groups: of the items; whole groups are drawn.

    Efron & Tibshirani 1993, section 13.3.

    >>> x = np.random.default_rng(1).normal(size=400)
    >>> low, high = intervals(400, lambda w: {"mean": w @ x / w.sum(1)})["mean"]
    >>> 0.15 < high - low < 0.25  # 2 * 1.96 / sqrt(400) = 0.196
    True
    """
    if count < 2:
        return {}
    # A table of weights takes 8 bytes an item and round: in pieces, so that it stays below 64 MiB.
    piece = max(1, min(rounds, 2**23 // count))
    found: dict[str, list[Array]] = {}
    for k, first in enumerate(range(0, rounds, piece)):
        w = weights(count, groups, min(piece, rounds - first), seed + 7919 * k)
        for name, values in statistics(w).items():
            found.setdefault(name, []).append(values)
    tail = (1 - level) / 2
    out = {}
    for name, parts in found.items():
        values = np.concatenate(parts)
        values = values[np.isfinite(values)]
        if len(values):
            out[name] = [float(q) for q in np.quantile(values, (tail, 1 - tail))]
    return out
