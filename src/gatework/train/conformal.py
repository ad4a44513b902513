"""Quantiles calibrated on data that the weights were not fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
KINDS = ("shift", "spread")
# Fewer windows in each half cannot tell which kind is better.
MIN_HALF = 100
# Added to a window's deviation: a flat window is not a promise of a flat future.
MIN_SPREAD = 0.05
# Coverage that the kind with the lower loss may be further from its promise than the other.
COVERAGE_SLACK = 0.02


@dataclass(frozen=True)
class Calibration:
    """How to move the quantiles of a forecast so that they cover what they say.

    Two kinds, both split conformal prediction level by level (Romano, Patterson & Candès 2019):

    .. code-block:: text

        shift    q_τ + r_τ          r_τ: the τ-quantile of  y - q_τ              (conformalised quantiles)
        spread   q_½ + s r_τ        r_τ: the τ-quantile of  (y - q_½) / s        (locally weighted residuals)

    with s the deviation of the window's own values.  ``shift`` trusts the network's idea of its error,
    ``spread`` that of the window, which holds better where calm and rough times alternate.  Each step and
    target has its own r.  The median stays where the network put it.

    ``offsets``: ``(h, K, Q)`` r, in standardised units.
    """

    kind: str
    offsets: Array
    median: int

    @classmethod
    def fit(
        cls,
        quantiles: Array,
        truth: Array,
        spread: Array,
        levels: Sequence[float],
        *,
        in_time: bool,
    ) -> Calibration:
        """Calibration of W windows.

        Where the windows stand in time order and are enough, each kind is fitted on their first half and
        judged on the second: by the pinball loss, unless the other kind's widest interval covers what it says
        more truly by over two percentage points.  The one chosen is fitted again on the second half alone,
        since the errors of the recent past say more about the near future than those of long ago.

        Args:
            quantiles: ``(W, h, K, Q)``.
            truth: ``(W, h, K)``; NaN is missing.
            spread: ``(W, K)`` from :func:`window_spread`.
            levels: Q levels in rising order.
            in_time: the windows are of one series, oldest first.
        """
        median = list(levels).index(0.5)

        def fitted(kind: str, part: slice) -> Calibration:
            residual = truth[part][..., None] - quantiles[part]
            if kind == "spread":
                middle = quantiles[part][..., median : median + 1]
                scaled = (truth[part][..., None] - middle) / spread[part][:, None, :, None]
                residual = np.broadcast_to(scaled, residual.shape)
            return Calibration(
                kind, residual_quantiles(residual, levels).astype(np.float32), median
            )

        half = len(truth) // 2
        if not in_time or half < MIN_HALF:
            return fitted("shift", slice(None))
        early, late = slice(0, half), slice(half, None)
        tried = {kind: fitted(kind, early).apply(quantiles[late], spread[late]) for kind in KINDS}
        losses = {kind: _pinball(q, truth[late], levels) for kind, q in tried.items()}
        misses = {kind: _coverage_miss(q, truth[late], levels) for kind, q in tried.items()}
        best, truest = min(KINDS, key=losses.__getitem__), min(KINDS, key=misses.__getitem__)
        close = misses[best] - misses[truest] <= COVERAGE_SLACK
        return fitted(best if close else truest, late)

    @classmethod
    def checked(
        cls, kind: str, offsets: Array, shape: tuple[int, ...], levels: Sequence[float]
    ) -> Self:
        """A calibration read from a model folder; ValueError when it does not fit."""
        if kind not in KINDS or offsets.shape != shape:
            raise ValueError(f"calibration {kind!r} of shape {offsets.shape}, not {shape}")
        return cls(kind, offsets, list(levels).index(0.5))

    def apply(self, quantiles: Array, spread: Array) -> Array:
        """Calibrated quantiles ``(W, h, K, Q)`` in rising order.

        Where the shifted levels would cross, the outer one is set to its inner neighbour's value.
        """
        middle = quantiles[..., self.median : self.median + 1]
        if self.kind == "spread":
            shifted = middle + spread[:, None, :, None] * self.offsets
        else:
            shifted = quantiles + self.offsets
        shifted[..., self.median : self.median + 1] = middle
        above = np.maximum.accumulate(shifted[..., self.median :], axis=-1)
        below = np.minimum.accumulate(shifted[..., self.median :: -1], axis=-1)[..., ::-1]
        return np.concatenate([below[..., :-1], above], axis=-1)


def calibrated(calibration: Calibration | None, quantiles: Array, y: Array) -> Array:
    """``quantiles`` ``(W, h, K, Q)`` of windows ``y`` ``(W, L, K)``, calibrated where the model is."""
    if calibration is None:
        return quantiles
    # Only one kind looks at the window's spread.
    spread = window_spread(y) if calibration.kind == "spread" else np.empty((0, 0))
    return calibration.apply(quantiles, spread)


def window_spread(y: Array) -> Array:
    """``(W, K)``: standard deviation of each window's values, plus a twentieth.

    ``y (W, L, K)`` is standardised; NaN is missing; a window without values counts as spread 1.

    >>> window_spread(np.array([[[1.0], [3.0], [np.nan]]])).round(2).tolist()
    [[1.05]]
    """
    seen = ~np.isnan(y)
    if seen.all():  # the same sums with half the work: a stream does this at each observation
        steps = np.int64(y.shape[1])
        centred = y - (y.sum(axis=1) / steps)[:, None]
        spread: Array = np.sqrt(np.square(centred).sum(axis=1) / steps) + MIN_SPREAD
        return spread
    count = seen.sum(axis=1)
    safe = np.maximum(count, 1)
    mean = np.where(seen, y, 0.0).sum(axis=1) / safe
    variance = np.where(seen, (y - mean[:, None]) ** 2, 0.0).sum(axis=1) / safe
    return np.where(count > 0, np.sqrt(variance), 1.0) + MIN_SPREAD


def residual_quantiles(residual: Array, levels: Sequence[float]) -> Array:
    """``(h, K, Q)``: of level τ, the empirical τ-quantile of ``residual[..., τ]`` over its W windows.

    At the rank ``ceil(τ (n + 1))`` above the median and ``floor(τ (n + 1))`` below it, so that with
    exchangeable windows a level covers at least (at most) its share.  ``residual`` is ``(W, h, K, Q)``, NaN
    where the truth is missing; a step without any truth gets 0.
    """
    offsets = np.zeros(residual.shape[1:])
    for q, level in enumerate(levels):
        error = np.sort(residual[..., q], axis=0)  # NaN last
        count = (~np.isnan(error)).sum(axis=0)
        rank = np.ceil(level * (count + 1)) if level >= 0.5 else np.floor(level * (count + 1))
        rank = np.clip(rank.astype(np.int64) - 1, 0, np.maximum(count - 1, 0))
        chosen = np.take_along_axis(error, rank[None], axis=0)[0]
        offsets[..., q] = np.where(count > 0, chosen, 0.0)
    return offsets


def _coverage_miss(quantiles: Array, truth: Array, levels: Sequence[float]) -> float:
    """How far the widest interval's coverage is from what it says; 0 for the median alone."""
    seen = ~np.isnan(truth)
    inside = (quantiles[..., 0] <= truth) & (truth <= quantiles[..., -1])
    wanted = levels[-1] - levels[0]
    return abs(float(inside[seen].mean()) - wanted) if seen.any() and wanted else 0.0


def _pinball(quantiles: Array, truth: Array, levels: Sequence[float]) -> float:
    error = truth[..., None] - quantiles
    tau = np.asarray(levels)
    return float(np.nanmean(np.maximum(tau * error, (tau - 1) * error)))
