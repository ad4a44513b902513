"""Gatework at the libraries' hidden size, layers, batch and passes: the comparison of speed."""

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
            # An epoch is at least 100 steps: with batches of 256 windows that is three passes.
            "max_epochs": max(1, equal.passes // 3),
        }
