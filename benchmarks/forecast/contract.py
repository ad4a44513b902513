"""What a contestant is: the few things that the worker asks of each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from etth1 import Problem


@dataclass(frozen=True)
class Equal:
    """What is the same for the two libraries and for `gatework-equal`."""

    hidden_size: int = 128
    layers: int = 1
    batch_windows: int = 256
    passes: int = 3
    seed: int = 0


@dataclass(frozen=True)
class Training:
    """What `fit` did."""

    passes: float  # over all stride-1 training windows
    seconds: float  # inside the training loop, all passes together
    parameters: int
    settings: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The fields, and seconds per pass (None for what does not train)."""
        return asdict(self) | {"pass_s": self.seconds / self.passes if self.passes else None}


@dataclass(frozen=True)
class Forecasts:
    """Standardised forecasts of all test windows, beside the truth as the library pairs it."""

    mean: np.ndarray  # (W, h, K)
    truth: np.ndarray  # (W, h, K): compared with ours, so that no window is off by one
    coverage_90: float | None = (
        None  # share of the truth inside the 90 % interval, where there is one
    )


class Contest(Protocol):
    """The methods of the class `Contestant` in each file of `contestants/`."""

    def __init__(self, problem: Problem, equal: Equal) -> None: ...

    def fit(self) -> Training:
        """Train on the training part alone (validation may choose when to stop)."""

    def forecasts(self) -> Forecasts:
        """Forecast every test window."""

    def predict_once(self) -> Any:
        """The library's own public predict on `problem.first_context`; this call is timed."""

    def as_array(self, forecast: Any) -> np.ndarray:
        """What `predict_once` gave as (h, K), standardised; not timed."""
