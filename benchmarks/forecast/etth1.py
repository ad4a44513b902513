"""The one input that every contestant shares: ETTh1, its split, its test windows, and the score.

Hourly oil temperature (OT) and six loads of an electricity transformer.  The field's standard use:
the first 14,400 hours, 8,640 to train, 2,880 to validate, 2,880 to test; standardised by the mean
and standard deviation of the training part; every stride-1 window whose horizon lies in the test
part is forecast (the first contexts reach back into validation); MSE and MAE over all windows,
steps and columns.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SPLIT = (8640, 2880, 2880)
COLUMNS = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
SEASON = 24


@dataclass(frozen=True)
class Task:
    """Which columns are forecast from how many hours for how many hours."""

    name: str
    columns: tuple[str, ...]
    context: int
    horizon: int
    known: tuple[float, float]  # MSE of last value and of seasonal naive: the scorer's own check


TASKS = {
    task.name: task
    for task in (
        Task("OT-96-24", ("OT",), 96, 24, (0.0343, 0.0458)),
        Task("OT-96-96", ("OT",), 96, 96, (0.0693, 0.0715)),
        Task("M-96-24", COLUMNS, 96, 24, (1.2220, 0.4244)),
        Task("M-336-24", COLUMNS, 336, 24, (1.2220, 0.4244)),
        Task("M-96-96", COLUMNS, 96, 96, (1.2944, 0.5122)),
        Task("M-720-96", COLUMNS, 720, 96, (1.2944, 0.5122)),
    )
}


@dataclass(frozen=True)
class Problem:
    """A task with its data."""

    task: Task
    path: Path
    raw: np.ndarray  # (14400, K) float64, the file's own units
    center: np.ndarray  # (K,) mean of the training part
    scale: np.ndarray  # (K,) standard deviation of the training part

    @property
    def rows(self) -> np.ndarray:
        """Standardised table, (14400, K) float64."""
        return (self.raw - self.center) / self.scale

    @property
    def test_start(self) -> int:
        """Row of the first test hour: where the first forecast begins."""
        return SPLIT[0] + SPLIT[1]

    @property
    def first_context(self) -> np.ndarray:
        """Standardised rows that the first test forecast sees, (context, K)."""
        return self.rows[self.test_start - self.task.context : self.test_start]

    @property
    def train_windows(self) -> int:
        """Stride-1 windows inside the training part: what one pass over the data means."""
        return SPLIT[0] - self.task.context - self.task.horizon + 1

    def truth(self) -> np.ndarray:
        """What the forecasts are judged against: (W, h, K) standardised, W = 2880 - h + 1."""
        windows = np.lib.stride_tricks.sliding_window_view(
            self.rows[self.test_start :], self.task.horizon, axis=0
        )
        return windows.transpose(0, 2, 1)


def find(data: Path) -> Path | None:
    """Path of ETTh1.csv in `data` or in its folder forecast_etth1, None where it is in neither."""
    for path in (data / "forecast_etth1" / "ETTh1.csv", data / "ETTh1.csv"):
        if path.is_file():
            return path.resolve()
    return None


def load(path: Path, task: Task) -> Problem:
    """The task's columns of the first 14,400 hours, read without the help of any contestant."""
    with path.open(newline="") as file:
        table = [row for row, _ in zip(csv.DictReader(file), range(sum(SPLIT)), strict=False)]
    raw = np.array([[float(row[name]) for name in task.columns] for row in table])
    if raw.shape[0] != sum(SPLIT):
        raise ValueError(f"{path}: {raw.shape[0]} rows, but the split needs {sum(SPLIT)}.")
    train = raw[: SPLIT[0]]
    return Problem(task, path, raw, train.mean(axis=0), train.std(axis=0))


def score(forecast: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """MSE and MAE over all windows, steps and columns; refuses other shapes and holes."""
    if forecast.shape != truth.shape:
        raise ValueError(f"forecast has shape {forecast.shape}, the truth {truth.shape}.")
    error = forecast.astype(np.float64) - truth
    if not np.isfinite(error).all():
        raise ValueError("the forecast holds values that are not finite.")
    return {"mse": float(np.mean(error**2)), "mae": float(np.mean(np.abs(error)))}


def last_value(problem: Problem) -> np.ndarray:
    """Forecast (W, h, K) that repeats the last value before each window."""
    windows = problem.truth().shape[0]
    last = problem.rows[problem.test_start - 1 :][:windows]
    return np.repeat(last[:, None, :], problem.task.horizon, axis=1)


def seasonal_naive(problem: Problem, season: int = SEASON) -> np.ndarray:
    """Forecast (W, h, K) that repeats the last `season` hours before each window."""
    starts = problem.test_start + np.arange(problem.truth().shape[0])[:, None]
    return problem.rows[starts - season + np.arange(problem.task.horizon)[None, :] % season]


def check_scorer(problem: Problem) -> None:
    """Raise where the two baselines do not score what an independent computation gave."""
    truth = problem.truth()
    for name, forecast, known in zip(
        ("last value", "seasonal naive"),
        (last_value(problem), seasonal_naive(problem)),
        problem.task.known,
        strict=True,
    ):
        mse = score(forecast, truth)["mse"]
        if not abs(mse - known) <= 5e-5:  # the known values have four decimals
            raise ValueError(f"{problem.task.name}: {name} scores {mse:.5f}, known is {known}.")
