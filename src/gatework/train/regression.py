"""How good numbers are: errors, the score of the PHM challenge, how often an interval holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.train.bootstrap import intervals

Array = npt.NDArray[np.float64]
MOST_POINTS = 1000


def regression_scores(
    said: Array,
    truth: Array,
    outer: Array | None = None,
    level: float = 0.9,
    *,
    groups: Sequence[Any] | npt.NDArray[Any] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """``overall``, ``intervals`` and ``scatter``.

    Args:
        said, truth: ``(N,)``.
        outer: ``(N, 2)`` quantiles between which ``level`` of the truth should lie.
        groups: what is resampled together, such as the steps of a sequence.

    >>> regression_scores(np.array([1.0, 2.0]), np.array([1.0, 4.0]))["overall"]["mae"]
    1.0
    """
    error = said - truth
    overall: dict[str, Any] = {
        "rmse": float(np.sqrt(np.mean(error**2))) if len(error) else None,
        "mae": float(np.abs(error).mean()) if len(error) else None,
        "r2": _r2(error, truth),
        "phm_score": phm_score(error),
    }
    if outer is not None and len(error):
        inside = (outer[:, 0] <= truth) & (truth <= outer[:, 1])
        overall[f"coverage_{round(100 * level)}"] = float(inside.mean())

    def statistics(w: Array) -> dict[str, Array]:
        total = np.maximum(w.sum(1), 1e-12)
        return {
            "rmse": np.sqrt(w @ error**2 / total),
            "mae": w @ np.abs(error) / total,
        }

    pick = np.unique(np.linspace(0, len(error) - 1, min(len(error), MOST_POINTS)).astype(int))
    low = outer[:, 0] if outer is not None else np.full(len(error), np.nan)
    high = outer[:, 1] if outer is not None else np.full(len(error), np.nan)
    points = np.stack([truth, said, low, high], axis=1)[pick] if len(error) else np.zeros((0, 4))
    return {
        "overall": overall,
        "intervals": intervals(len(error), statistics, groups=_list(groups), seed=seed),
        "scatter": [[None if np.isnan(v) else float(f"{v:.6g}") for v in row] for row in points],
    }


def phm_score(error: Array) -> float:
    """Sum of ``exp(-d / 13) - 1`` of early answers (d < 0) and ``exp(d / 10) - 1`` of late ones.

    Saxena et al. 2008 (PHM08), section V: to foretell a failure too late costs more than too early.

    >>> round(phm_score(np.array([-13.0, 10.0])), 4)
    3.4366
    """
    d = np.clip(np.asarray(error, float), -1000.0, 1000.0)
    return float(np.sum(np.expm1(np.where(d < 0, -d / 13, d / 10)))) if len(d) else 0.0


def _r2(error: Array, truth: Array) -> float | None:
    spread = float(((truth - truth.mean()) ** 2).sum()) if len(truth) else 0.0
    return 1 - float((error**2).sum()) / spread if spread > 0 else None


def _list(groups: Any) -> list[Any] | None:
    return None if groups is None else list(groups)
