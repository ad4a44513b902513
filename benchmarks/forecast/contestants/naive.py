"""Repeat the last value: the floor that any forecaster has to beat."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from contract import Equal, Forecasts, Training
from etth1 import Problem, last_value


class Baseline:
    """A rule without training: all windows by `rule`, one window by `once`."""

    rule: Callable[[Problem], np.ndarray]

    def __init__(self, problem: Problem, equal: Equal) -> None:
        self.problem = problem
        self.context = problem.first_context

    def fit(self) -> Training:
        return Training(passes=0, seconds=0.0, parameters=0, settings={})

    def forecasts(self) -> Forecasts:
        return Forecasts(type(self).rule(self.problem), self.problem.truth())

    def as_array(self, forecast: np.ndarray) -> np.ndarray:
        return forecast


class Contestant(Baseline):
    rule = staticmethod(last_value)

    def predict_once(self) -> np.ndarray:
        return np.repeat(self.context[-1:], self.problem.task.horizon, axis=0)
