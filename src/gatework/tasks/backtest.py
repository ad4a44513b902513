"""Forecasts judged: rolling-origin backtests beside the naive forecasts, and what the numbers support."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from gatework.data.series import SeriesTable
from gatework.data.vocabulary import as_text
from gatework.data.windows import Windows
from gatework.train.baselines import drift, mean, naive, seasonal_naive
from gatework.train.conformal import Calibration, window_spread
from gatework.train.metrics import METRICS, ForecastScores

Array = npt.NDArray[np.float64]
# Windows forecast and scored at a time: memory stays flat however long the test part is.
CHUNK = 2048
FEW_WINDOWS = 30
SKILL_METRICS = ("MAE", "RMSE", "WQL")


@dataclass(frozen=True)
class Backtest:
    """Forecasts of W windows beside what came, in the targets' units."""

    mean: Array  # (W, h, K)
    quantiles: Array  # (W, h, K, Q)
    truth: Array  # (W, h, K), NaN where nothing was measured
    origins: pl.Series  # (W,) timestamp of each first forecast step
    rows: npt.NDArray[np.int64]  # (W,) row of the arranged table of each first forecast step


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model and of the naive forecasts over the same windows.

    ``model`` and each of ``baselines`` hold ``overall``, ``targets`` and ``horizon`` scores, see
    :meth:`~gatework.train.metrics.ForecastScores.table`.
    """

    windows: int
    season: int
    model: dict[str, Any]
    baselines: dict[str, dict[str, Any]]
    trained_on: int = 0  # windows whose horizon begins in the training part

    @property
    def skill(self) -> dict[str, dict[str, float]]:
        """``1 - model / baseline`` by baseline and score: 0 as good, 1 perfect, below 0 worse.

        Of several targets the mean of their ratios, so that no unit weighs more than another.
        """
        out: dict[str, dict[str, float]] = {}
        for name, scores in self.baselines.items():
            out[name] = {}
            for m in SKILL_METRICS:
                pairs = [
                    (own[m], scores["targets"][t][m]) for t, own in self.model["targets"].items()
                ]
                ratios = [own / base for own, base in pairs if own is not None and base]
                if ratios:
                    out[name][m] = 1 - sum(ratios) / len(ratios)
        return out

    @property
    def verdict(self) -> str:
        """Whether the model beats every naive forecast, in one plain sentence."""
        if not self.windows:
            return "No test windows: the model was not judged."
        verdict = self._judgement
        if self.windows < FEW_WINDOWS:
            forecasts = "forecast" if self.windows == 1 else "forecasts"
            verdict = f"On {self.windows} test {forecasts} only, too few to rely on: {verdict}"
        if self.trained_on:
            verdict += (
                f" But {self.trained_on:,} of the {self.windows:,} forecasts are of rows that the model was "
                "trained on: they say nothing about new data."
            )
        return verdict

    @property
    def _judgement(self) -> str:
        lost = []
        for target, own in self.model["targets"].items():
            for name, scores in self.baselines.items():
                worse = [
                    m
                    for m in ("MAE", "RMSE")
                    if own[m] is not None and not own[m] < scores["targets"][target][m]
                ]
                if worse:
                    lost.append(f"{name} on {target} ({', '.join(worse)})")
        if lost:
            return "The model does NOT beat " + "; ".join(lost) + "."
        skill = self.skill
        lead, hardest = min((scores.get("MAE", 1.0), name) for name, scores in skill.items())
        return (
            f"The model beats every naive forecast; its MAE is {100 * lead:.0f} % below that of the best of "
            f"them ({hardest})."
        )

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "windows": self.windows,
            "season": self.season,
            "model": self.model,
            "baselines": self.baselines,
            "trained_on": self.trained_on,
            "skill": self.skill,
            "verdict": self.verdict,
        }

    def frame(self) -> pl.DataFrame:
        """One row per model and target (and ``all``), one column per score."""
        rows = []
        for name, scores in {"model": self.model, **self.baselines}.items():
            for target, values in {**scores["targets"], "all": scores["overall"]}.items():
                if target == "all" and len(scores["targets"]) == 1:
                    continue
                picked = {m: values.get(m) for m in METRICS}
                coverage = {k: v for k, v in values.items() if k.startswith("coverage_")}
                rows.append({"forecast": name, "target": target, **picked, **coverage})
        return pl.DataFrame(rows)

    def __str__(self) -> str:
        with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True, float_precision=4):
            return f"{self.frame()}\n{self.verdict}"


@dataclass
class Judge:
    """The naive forecasts, given intervals by the same calibration as the model, and the scores' scales.

    Fitted on the training and validation parts, kept in the model folder, so that ``evaluate`` says the
    same in a fresh process.
    """

    season: int
    levels: tuple[float, ...]
    targets: list[str]
    naive_error: dict[str, list[float | None]]  # series -> (K,) seasonal naive MAE in training
    calibrations: dict[str, Calibration]  # of each baseline
    trained_until: str | None = None  # last time of the training part, where there are times

    @classmethod
    def fit(
        cls,
        table: SeriesTable,
        validation: Windows,
        *,
        levels: Sequence[float],
        season: int,
        naive_error: Array,
        series: list[str],
        targets: list[str],
    ) -> Self:
        """Judge whose baselines' intervals are calibrated on the validation windows."""
        errors = {
            str(as_text(name)): [None if np.isnan(e) else float(e) for e in row]
            for name, row in zip(table.names, naive_error, strict=True)
            if str(as_text(name)) in series
        }
        judge = cls(season, tuple(levels), list(targets), errors, {})
        truth, scale, _ = judge._truth(table, validation)
        spread = judge._spread(validation)
        for name, point in judge.points(table, validation).items():
            same = np.repeat((point / scale[:, None])[..., None], len(levels), axis=-1)
            judge.calibrations[name] = Calibration.fit(
                same, truth / scale[:, None], spread, levels, in_time=validation.in_time
            )
        return judge

    def evaluate(
        self,
        table: SeriesTable,
        windows: Windows,
        forecasts: Callable[[Windows], tuple[Array, Array]],
    ) -> Evaluation:
        """Scores of ``forecasts`` and of the baselines over ``windows`` of ``table``."""

        def empty() -> ForecastScores:
            return ForecastScores(windows.horizon, self.targets, self.levels)

        model = empty()
        baselines = {name: empty() for name in self._names()}
        for first in range(0, len(windows), CHUNK):
            part = Windows(
                windows.sequences,
                windows.context,
                windows.horizon,
                windows.starts.numpy()[first : first + CHUNK],
            )
            truth, scale, naive_error = self._truth(table, part)
            spread = self._spread(part)
            model.add(*forecasts(part), truth, scale, naive_error)
            for name, point in self.points(table, part).items():
                same = np.repeat((point / scale[:, None])[..., None], len(self.levels), axis=-1)
                calibrated = self.calibrations[name].apply(same, spread)
                quantiles = calibrated * scale[:, None, :, None]
                baselines[name].add(point, quantiles, truth, scale, naive_error)
        return Evaluation(
            len(windows),
            self.season,
            model.table(),
            {name: scores.table() for name, scores in baselines.items()},
            self._trained_on(table, windows),
        )

    def _trained_on(self, table: SeriesTable, windows: Windows) -> int:
        """Number of windows whose horizon begins in the training part, told by their times."""
        if self.trained_until is None:
            return 0
        times = table.times(windows.starts.numpy() + windows.context)
        return sum(str(t) <= self.trained_until for t in times.to_list())

    def _spread(self, windows: Windows) -> Array:
        """``(W, K)`` deviation of each window's own values, standardised."""
        spreads = [window_spread(windows.past(part)) for part in windows.chunks(CHUNK)]
        return np.concatenate([np.empty((0, len(self.targets))), *spreads])

    def _names(self) -> list[str]:
        return ["naive", *(["seasonal naive"] if self.season > 1 else []), "drift", "mean"]

    def points(self, table: SeriesTable, windows: Windows) -> dict[str, Array]:
        """Baseline name -> ``(W, h, K)`` point forecasts."""
        origins = windows.starts.numpy() + windows.context
        first = table.offsets[:-1][windows.series.numpy()]
        y, h, L = table.targets, windows.horizon, windows.context
        points = {f.__name__: f(y, origins, first, h, L) for f in (naive, drift, mean)}
        if self.season > 1:
            points["seasonal naive"] = seasonal_naive(y, origins, first, h, L, self.season)
        return {name: points[name] for name in self._names()}

    def _truth(self, table: SeriesTable, windows: Windows) -> tuple[Array, Array, Array]:
        """Truth ``(W, h, K)``, scales ``(W, K)`` and naive errors ``(W, K)`` of the windows."""
        rows = windows.starts.numpy()[:, None] + windows.context + np.arange(windows.horizon)
        series = windows.series.numpy()
        errors = np.array(
            [
                [np.nan if e is None else e for e in self._error_of(table, name)]
                for name in table.names
            ]
        ).reshape(len(table.names), len(self.targets))
        return table.targets[rows], windows.sequences.scale.numpy()[series], errors[series]

    def _error_of(self, table: SeriesTable, name: object) -> list[float | None]:
        if table.schema.series is None and self.naive_error:
            return next(iter(self.naive_error.values()))
        return self.naive_error.get(str(as_text(name)), [None] * len(self.targets))

    def to_json(self) -> dict[str, Any]:
        """Everything but the tensors, as plain values."""
        return {
            "season": self.season,
            "levels": list(self.levels),
            "targets": self.targets,
            "naive_error": self.naive_error,
            "trained_until": self.trained_until,
            "calibrations": {name: c.kind for name, c in self.calibrations.items()},
        }

    def tensors(self) -> dict[str, Tensor]:
        """Offsets of the baselines' calibrations, for the model folder."""
        return {
            f"baseline.{name}": torch.from_numpy(c.offsets) for name, c in self.calibrations.items()
        }

    @classmethod
    def from_parts(
        cls, data: dict[str, Any], tensors: dict[str, Tensor], shape: tuple[int, ...]
    ) -> Self:
        """Undo ``to_json`` and ``tensors``; ValueError or KeyError when they do not fit."""
        judge = cls(
            int(data["season"]),
            tuple(data["levels"]),
            list(data["targets"]),
            dict(data["naive_error"]),
            {},
            data["trained_until"],
        )
        for name in judge._names():
            judge.calibrations[name] = Calibration.checked(
                data["calibrations"][name], tensors[f"baseline.{name}"].numpy(), shape, judge.levels
            )
        return judge
