"""darts' `BlockRNNModel` (LSTM, reversible instance norm), the whole table as one series."""

from __future__ import annotations

import numpy as np
from contract import Equal, Forecasts, Training
from darts import TimeSeries
from darts.models import BlockRNNModel
from etth1 import SPLIT, Problem

from contestants.lightning import Clock, count_parameters, quiet


class Contestant:
    def __init__(self, problem: Problem, equal: Equal) -> None:
        self.problem = problem
        self.rows = problem.rows.astype(np.float32)
        self.passes = equal.passes
        self.clock = Clock()
        self.settings = {
            "model": "LSTM",
            "hidden_dim": equal.hidden_size,
            "n_rnn_layers": equal.layers,
            "batch_size": equal.batch_windows,
            "n_epochs": equal.passes,
            "use_reversible_instance_norm": True,
        }
        self.model = BlockRNNModel(
            problem.task.context,
            problem.task.horizon,
            **self.settings,
            random_state=equal.seed,
            pl_trainer_kwargs=quiet(self.clock),
        )
        self.one = TimeSeries.from_values(problem.first_context.astype(np.float32))

    def fit(self) -> Training:
        self.model.fit(TimeSeries.from_values(self.rows[: SPLIT[0]]), verbose=False)
        return Training(
            self.passes, self.clock.seconds, count_parameters(self.model.model), self.settings
        )

    def forecasts(self) -> Forecasts:
        horizon = self.problem.task.horizon
        before = self.problem.test_start - self.problem.task.context
        rows = self.rows[before:]
        # One batched call: darts takes its fast path when it need not retrain.
        series = self.model.historical_forecasts(
            TimeSeries.from_values(rows),
            start=self.problem.task.context,
            start_format="position",
            forecast_horizon=horizon,
            stride=1,
            retrain=False,
            last_points_only=False,
            verbose=False,
        )
        starts = np.array([forecast.time_index[0] for forecast in series])
        mean = np.stack([forecast.values(copy=False) for forecast in series])
        return Forecasts(mean, rows[starts[:, None] + np.arange(horizon)])

    def predict_once(self) -> TimeSeries:
        return self.model.predict(self.problem.task.horizon, series=self.one, verbose=False)

    def as_array(self, forecast: TimeSeries) -> np.ndarray:
        return forecast.values()
