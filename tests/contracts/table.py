"""One row per task: what the contract suite runs.  A new task joins here or stands in EXCLUDED."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from gatework import (
    AnomalyDetector,
    Forecaster,
    SequenceClassifier,
    SequenceRegressor,
    SequenceTagger,
)


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
    # what one sequence of a stream is, and rows to go on with for long
    one: Callable[[pl.DataFrame], pl.DataFrame] = lambda frame: frame
    endless: Callable[[pl.DataFrame], pl.DataFrame] = lambda frame: frame.drop("time")
    every: int = 37  # rows between two answers that are compared

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


def motions(sequences: int = 40, seed: int = 0) -> pl.DataFrame:
    """Two channels and a category of sequences of 20 to 60 steps: a fast wave, or a slow one, with holes."""
    rng = np.random.default_rng(seed)
    frames = []
    for k in range(sequences):
        T, fast = int(rng.integers(20, 60)), k % 2
        t = np.arange(T)
        x = np.sin(t * (1.0 if fast else 0.3) + rng.uniform(0, 6)) + rng.normal(0, 0.2, T)
        x[rng.random(T) < 0.05] = np.nan
        frames.append(
            pl.DataFrame(
                {
                    "id": [f"s{k:02}"] * T,
                    "x": x,
                    "y": rng.normal(0, 1, T) + 0.5 * fast,
                    "mode": [["a", "b"][int(v)] for v in rng.integers(0, 2, T)],
                    "class": ["fast" if fast else "slow"] * T,
                    "level": [float(fast) + 0.1 * (k % 5)] * T,
                    "state": ["up" if v > 0 else "down" for v in np.nan_to_num(x)],
                },
                nan_to_null=True,
            )
        )
    return pl.concat(frames)


CAUSAL = {"hidden_size": 8, "max_epochs": 3, "folds": 0, "causal": True}
ROLES = {"series": "id", "features": ["x", "y"], "categorical": ["mode"]}


def first(frame: pl.DataFrame) -> pl.DataFrame:
    """The first sequence of a long table."""
    return frame.filter(pl.col("id") == frame["id"][0])


def quantiles(model: Any, frame: pl.DataFrame) -> np.ndarray:
    return model.predict(frame).select(pl.col("^q.*$")).to_numpy()[0]


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
    ),
    Contract(
        task="detect",
        estimator=AnomalyDetector,
        settings={"hidden_size": 8, "max_epochs": 3, "batch_size": 4, "calendar": True},
        data=meters,
        stream_answer=lambda answer: np.array([answer.score, answer.threshold]),
        batch_answer=lambda model, frame: (
            model.predict(frame).select("score", "threshold").to_numpy()[-1]
        ),
    ),
    Contract(
        task="classify",
        estimator=SequenceClassifier,
        settings=CAUSAL | {"convolutions": 2, "subsample": 2},
        data=motions,
        roles=ROLES | {"label": "class"},
        stream_answer=lambda answer: np.array(list(answer.probabilities.values())),
        batch_answer=lambda model, frame: model.predict_proba(frame)[0],
        one=first,
        endless=first,
        every=3,
    ),
    Contract(
        task="regress",
        estimator=SequenceRegressor,
        settings=CAUSAL,
        data=motions,
        roles=ROLES | {"target": "level"},
        stream_answer=lambda answer: np.array(list(answer.quantiles.values())),
        batch_answer=quantiles,
        one=first,
        endless=first,
        every=3,
    ),
    Contract(
        task="tag",
        estimator=SequenceTagger,
        settings=CAUSAL,
        data=motions,
        roles=ROLES | {"label": "state"},
        stream_answer=lambda answer: np.array(list(answer.probabilities.values())),
        batch_answer=lambda model, frame: model.predict_proba(frame)[0][-1],
        one=first,
        endless=first,
        every=3,
    ),
]

# task -> why it does not join
EXCLUDED: dict[str, str] = {}
