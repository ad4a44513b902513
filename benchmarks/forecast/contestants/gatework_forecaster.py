"""Gatework's public `Forecaster`, with settings that a user can type, chosen on validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from contract import Equal, Forecasts, Training
from etth1 import SPLIT, Problem

from gatework import Forecaster
from gatework.tasks.forecast_config import batch_size

# What differs from the defaults, by task; chosen by the validation part's score alone.
SETTINGS: dict[str, dict[str, Any]] = {"M-720-96": {"segment": 48}}


class Contestant:
    max_epochs = 12

    def __init__(self, problem: Problem, equal: Equal) -> None:
        self.problem = problem
        self.frame = pl.read_csv(problem.path, try_parse_dates=True)[: sum(SPLIT)]
        self.settings = self.choose(problem, equal)
        self.model = Forecaster(
            horizon=problem.task.horizon,
            context=problem.task.context,
            seed=equal.seed,
            **self.settings,
        )
        before = problem.test_start - problem.task.context
        self.one = self.frame[before : problem.test_start]

    def choose(self, problem: Problem, equal: Equal) -> dict[str, Any]:
        """Settings of this run."""
        return {"max_epochs": self.max_epochs} | SETTINGS.get(problem.task.name, {})

    def fit(self) -> Training:
        self.model.fit(self.frame, target=list(self.problem.task.columns), time="date", split=SPLIT)
        training = self.model.training_
        # An epoch of few batches goes over the windows more than once: count the windows themselves.
        windows = self.model.metrics_["split"]["train"]["windows"]
        seen = training.steps_per_second * sum(r.seconds for r in training.history)
        batch = batch_size(self.model.config, windows)
        seconds = sum(r.seconds for r in training.history)
        return Training(seen * batch / windows, seconds, self.model.parameters, self.settings)

    def forecasts(self) -> Forecasts:
        before = self.problem.test_start - self.problem.task.context
        windows = self.model.backtest(self.frame[before:])
        inside = (windows.quantiles[..., 0] <= windows.truth) & (
            windows.truth <= windows.quantiles[..., -1]
        )
        return Forecasts(
            self.standardised(windows.mean),
            self.standardised(windows.truth),
            float(inside.mean()),  # levels 0.05 to 0.95, the default
        )

    def predict_once(self) -> pl.DataFrame:
        return self.model.predict(self.one)

    def as_array(self, forecast: pl.DataFrame) -> np.ndarray:
        columns = [
            forecast.filter(pl.col("target") == name)["mean"].to_numpy()
            for name in self.problem.task.columns
        ]
        return self.standardised(np.stack(columns, axis=1))

    def standardised(self, values: np.ndarray) -> np.ndarray:
        """Values in the file's units on the scale that the score is stated in."""
        return (values - self.problem.center) / self.problem.scale
