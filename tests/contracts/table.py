"""One row per task: what the contract suite runs.  A new task joins here or stands in EXCLUDED."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from gatework import Forecaster


@dataclass(frozen=True)
class Contract:
    """A task, small settings, data to fit, and how its answers are compared."""

    task: str
    estimator: type
    settings: dict[str, Any]
    data: Callable[[], pl.DataFrame]
    roles: dict[str, Any] = field(default_factory=dict)
    # rows to push one by one; what a stream answers and what the batch says after the same rows
    rows: Callable[[pl.DataFrame], Iterator[dict[str, Any]]] = lambda frame: frame.iter_rows(
        named=True
    )
    stream_answer: Callable[[Any], np.ndarray] | None = None
    batch_answer: Callable[[Any, pl.DataFrame], np.ndarray] | None = None

    def fit(self, **changes: Any) -> Any:
        return self.estimator(**{**self.settings, **changes}).fit(self.data(), **self.roles)


def meters(rows: int = 400, seed: int = 0) -> pl.DataFrame:
    """Hourly load of one meter with a daily cycle, noise and a few missing values."""
    rng = np.random.default_rng(seed)
    t = np.arange(rows)
    load = 10 + 3 * np.sin(2 * np.pi * t / 24) + rng.normal(0, 0.3, rows)
    load[[20, 21, 150, 300]] = np.nan
    start = np.datetime64("2024-01-01T00:00", "us")
    return pl.DataFrame(
        {"time": start + t * np.timedelta64(3600, "s"), "load": load}, nan_to_null=True
    )


CONTRACTS = [
    Contract(
        task="forecast",
        estimator=Forecaster,
        settings={
            "horizon": 6,
            "context": 24,
            "hidden_size": 8,
            "max_epochs": 3,
            "batch_size": 64,
            "dropout": 0.1,
            "calendar": True,
        },
        data=meters,
        roles={"target": "load"},
        stream_answer=lambda answer: answer.quantiles,
        batch_answer=lambda model, frame: (
            model.predict(frame).select(pl.col("^q.*$")).to_numpy().reshape(6, 1, -1)
        ),
    )
]

# task -> why it does not join
EXCLUDED: dict[str, str] = {}
