"""Quantiles calibrated on data that the weights were not fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def quantile_offsets(
    quantiles: npt.NDArray[Any], truth: npt.NDArray[Any], levels: Sequence[float]
) -> Array:
    """``(h, K, Q)``: what to add to each quantile so that it covers its share of ``truth``.

    For each horizon step, target and level τ: the empirical τ-quantile of ``truth - quantile`` over the
    W windows, at the rank ``ceil(τ (n + 1))`` above the median and ``floor(τ (n + 1))`` below it, so that
    with exchangeable windows a level covers at least (at most) its share (conformalised quantile
    regression: Romano, Patterson & Candès 2019, here level by level).

    Args:
        quantiles: ``(W, h, K, Q)``.
        truth: ``(W, h, K)``; NaN is missing.
        levels: Q levels in rising order.
    """
    h, K, Q = quantiles.shape[1:]
    offsets = np.zeros((h, K, Q))
    for q, level in enumerate(levels):
        error = np.sort(truth - quantiles[..., q], axis=0)  # NaN last
        count = (~np.isnan(error)).sum(axis=0)
        rank = np.ceil(level * (count + 1)) if level >= 0.5 else np.floor(level * (count + 1))
        rank = np.clip(rank.astype(np.int64) - 1, 0, np.maximum(count - 1, 0))
        chosen = np.take_along_axis(error, rank[None], axis=0)[0]
        offsets[..., q] = np.where(count > 0, chosen, 0.0)
    return offsets


def apply_offsets(
    quantiles: npt.NDArray[Any], offsets: npt.NDArray[Any], median: int
) -> npt.NDArray[Any]:
    """Calibrated quantiles in rising order.

    The median stays where the network put it: calibration widens or narrows the interval about it.
    Where the shifted levels would cross, the outer one is set to its inner neighbour's value.
    """
    shifted = quantiles + offsets
    shifted[..., median] = quantiles[..., median]
    above = np.maximum.accumulate(shifted[..., median:], axis=-1)
    below = np.minimum.accumulate(shifted[..., median::-1], axis=-1)[..., ::-1]
    return np.concatenate([below[..., :-1], above], axis=-1)
