"""Gatework at the libraries' hidden size, layers, batch and passes, one step an hour: speed."""

from __future__ import annotations

from typing import Any

from contract import Equal
from etth1 import Problem

from contestants import gatework_forecaster


class Contestant(gatework_forecaster.Contestant):
    def choose(self, problem: Problem, equal: Equal) -> dict[str, Any]:
        return {
            "hidden_size": equal.hidden_size,
            "num_layers": equal.layers,
            "batch_size": equal.batch_windows,
            "max_epochs": equal.passes,
            "segment": 1,
        }
