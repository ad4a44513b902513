"""Forecast scores, summed window by window so that memory does not grow with the test part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# What each score is, in the order of the tables.
METRICS = {
    "MAE": "mean absolute error of `mean`, in the target's unit",
    "RMSE": "root mean squared error of `mean`, in the target's unit",
    "MASE": "MAE over the MAE of the seasonal naive forecast inside the training part",
    "sMAPE": "mean of 200 |y - mean| / (|y| + |mean|), percent",
    "WQL": "weighted quantile loss: 2 × sum of pinball losses / sum of |y|, mean over the levels",
    "scaled_MSE": "mean squared error on data standardised by the training part",
    "scaled_MAE": "mean absolute error on data standardised by the training part",
}


class ForecastScores:
    """Running sums of errors per horizon step and target; ``table`` turns them into scores.

    Args:
        horizon, targets: h and the K names.
        levels: Q quantile levels in rising order.
    """

    def __init__(self, horizon: int, targets: Sequence[str], levels: Sequence[float]) -> None:
        self.targets, self.levels = list(targets), list(levels)
        shape = (horizon, len(self.targets))
        self._sums = {
            name: np.zeros(shape)
            for name in (
                "n",
                "abs",
                "sq",
                "mase",
                "mase_n",
                "smape",
                "y",
                "scaled_abs",
                "scaled_sq",
            )
        }
        self._pinball = np.zeros((*shape, len(self.levels)))
        # Symmetric pairs of levels, widest first: (0.05, 0.95) is the 90 % interval.
        self.intervals = [
            (a, len(self.levels) - 1 - a)
            for a in range(len(self.levels) // 2)
            if abs(self.levels[a] + self.levels[-1 - a] - 1) < 1e-9
        ]
        self._covered = np.zeros((*shape, len(self.intervals)))
        self._width = np.zeros((*shape, len(self.intervals)))

    def add(
        self,
        mean: Array,
        quantiles: Array,
        truth: Array,
        scale: Array,
        naive_error: Array,
    ) -> None:
        """Count W more windows.

        Args:
            mean: ``(W, h, K)`` point forecasts, in the target's unit.
            quantiles: ``(W, h, K, Q)``.
            truth: ``(W, h, K)``; NaN is missing and not counted.
            scale: ``(W, K)`` the training part's standard deviation of each series.
            naive_error: ``(W, K)`` the training part's seasonal naive MAE; NaN or 0 leaves MASE out.
        """
        seen = ~np.isnan(truth)
        y = np.where(seen, truth, 0.0)

        def put(name: str, values: Array) -> None:
            self._sums[name] += np.where(seen, values, 0.0).sum(axis=0)

        error = np.abs(y - mean)
        put("n", np.ones_like(error))
        put("abs", error)
        put("sq", error**2)
        put("y", np.abs(y))
        size = np.abs(y) + np.abs(mean)
        # 0 of 0 is right; a NaN forecast is not, so it is divided and stays NaN.
        put("smape", np.divide(200 * error, size, out=np.zeros_like(error), where=size != 0))
        put("scaled_abs", error / scale[:, None])
        put("scaled_sq", (error / scale[:, None]) ** 2)
        usable = np.broadcast_to((naive_error > 0)[:, None], error.shape)  # NaN > 0 is false
        safe = np.where(naive_error > 0, naive_error, 1.0)[:, None]
        put("mase", np.where(usable, error / safe, 0.0))
        put("mase_n", usable.astype(float))
        for q, level in enumerate(self.levels):
            e = y - quantiles[..., q]
            self._pinball[..., q] += np.where(
                seen, np.maximum(level * e, (level - 1) * e), 0.0
            ).sum(0)
        for j, (a, b) in enumerate(self.intervals):
            low, high = quantiles[..., a], quantiles[..., b]
            self._covered[..., j] += (seen & (low <= y) & (y <= high)).sum(axis=0)
            self._width[..., j] += np.where(seen, high - low, 0.0).sum(axis=0)

    def table(self) -> dict[str, Any]:
        """Scores as plain values: ``overall``, ``targets`` by name, ``horizon`` by target and step.

        The overall MAE, RMSE and the like of several targets are means over the targets; a target that
        was never observed is left out.
        """
        per_target = {t: self._scores(slice(None), k) for k, t in enumerate(self.targets)}
        counted = [s for s in per_target.values() if s["n"]]
        overall = {
            key: _mean_of([s[key] for s in counted])
            for key in (*METRICS, *self.interval_names)
            if counted
        }
        overall["n"] = int(self._sums["n"].sum())
        steps = range(len(self._sums["n"]))
        by_step = {
            t: {
                key: [self._scores(j, k)[key] for j in steps]
                for key in ("MAE", "RMSE", "WQL", *self.interval_names)
            }
            for k, t in enumerate(self.targets)
        }
        return {"overall": overall, "targets": per_target, "horizon": by_step}

    @property
    def interval_names(self) -> list[str]:
        """``coverage_90`` and so on, widest first."""
        return [f"coverage_{self._percent(a, b)}" for a, b in self.intervals]

    def _percent(self, a: int, b: int) -> str:
        return f"{100 * (self.levels[b] - self.levels[a]):.4g}"

    def _scores(self, step: int | slice, k: int) -> dict[str, Any]:
        s = {name: float(v[step, k].sum()) for name, v in self._sums.items()}
        n = s["n"]
        if not n:
            return dict.fromkeys((*METRICS, *self.interval_names), None) | {"n": 0}
        out: dict[str, Any] = {
            "MAE": s["abs"] / n,
            "RMSE": (s["sq"] / n) ** 0.5,
            "MASE": s["mase"] / s["mase_n"] if s["mase_n"] else None,
            "sMAPE": s["smape"] / n,
            "WQL": self._wql(step, k, s["y"]),
            "scaled_MSE": s["scaled_sq"] / n,
            "scaled_MAE": s["scaled_abs"] / n,
        }
        for j, (a, b) in enumerate(self.intervals):
            name = self._percent(a, b)
            out[f"coverage_{name}"] = float(self._covered[step, k, j].sum()) / n
            out[f"width_{name}"] = float(self._width[step, k, j].sum()) / n
        return out | {"n": int(n)}

    def _wql(self, step: int | slice, k: int, total: float) -> float | None:
        loss = self._pinball[step, k].reshape(-1, len(self.levels)).sum(axis=0)
        return float(2 * loss.mean() / total) if total else None


def _mean_of(values: list[float | None]) -> float | None:
    present = [v for v in values if v is not None]
    return sum(present) / len(present) if present else None
