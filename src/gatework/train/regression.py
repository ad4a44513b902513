"""How good numbers are: errors, the score of the PHM challenge, how often an interval holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.train.bootstrap import Groups, intervals

Array = npt.NDArray[np.float64]
MOST_POINTS = 1000


def regression_scores(
    said: Array,
    truth: Array,
    outer: Array | None = None,
    level: float = 0.9,
    *,
    groups: Groups = None,
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
    said, truth = np.asarray(said, float), np.asarray(truth, float)
    _check(said, truth, outer)
    error, N = said - truth, len(truth)
    overall: dict[str, Any] = {
        "rmse": float(np.sqrt(np.mean(error**2))) if N else None,
        "mae": float(np.abs(error).mean()) if N else None,
        "r2": _r2(error, truth),
        "phm_score": phm_score(error),
    }
    if outer is not None and N:
        inside = (outer[:, 0] <= truth) & (truth <= outer[:, 1])
        overall[f"coverage_{round(100 * level)}"] = float(inside.mean())

    def statistics(sums: Array) -> dict[str, Array]:
        count = np.maximum(sums[:, 2], 1)
        return {"rmse": np.sqrt(sums[:, 0] / count), "mae": sums[:, 1] / count}

    sums = np.stack([error**2, np.abs(error), np.ones(N)], axis=1)
    return {
        "overall": overall,
        "intervals": intervals(sums, statistics, groups=groups, seed=seed),
        "scatter": _scatter(truth, said, outer),
    }


def _check(said: Array, truth: Array, outer: Array | None) -> None:
    if said.shape != truth.shape or said.ndim != 1:
        raise ValueError(f"answers {said.shape} to numbers {truth.shape}")
    if outer is not None and outer.shape != (len(said), 2):
        raise ValueError(f"intervals {outer.shape} of {len(said)} numbers")
    if not (np.isfinite(said).all() and np.isfinite(truth).all()):
        raise ValueError("answers or numbers that are NaN or infinite")


def _scatter(truth: Array, said: Array, outer: Array | None) -> list[list[float | None]]:
    """At most 1000 points ``[truth, said, low, high]``, evenly taken; without intervals these are None."""
    pick = np.unique(np.linspace(0, len(truth) - 1, min(len(truth), MOST_POINTS)).astype(int))
    columns = [truth, said] if outer is None else [truth, said, outer[:, 0], outer[:, 1]]
    none = [None] * (4 - len(columns))
    points = np.stack(columns, axis=1)[pick].tolist()
    return [[*(float(f"{v:.6g}") for v in point), *none] for point in points]


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
