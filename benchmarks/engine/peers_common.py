"""What the peers share: one series, a clock in the training loop, and what is asked of each."""

from __future__ import annotations

import logging
import time
import warnings
from typing import Any, Protocol

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

HISTORY, HORIZON = 96, 24


class Peer(Protocol):
    """A library's recurrent model, built and trained for one epoch, with the same weights every time."""

    name: str
    settings: dict[str, Any]

    @property
    def module(self) -> torch.nn.Module:
        """The network that is to be accelerated."""

    def train(self) -> float:
        """One more epoch through the library's own ``fit``; seconds inside its training loop."""

    def predict(self) -> np.ndarray:
        """``(HORIZON,)`` through the library's own ``predict``."""


class Clock(Callback):
    """Seconds between the start and the end of Lightning's training loop."""

    seconds = 0.0

    def __deepcopy__(self, memo: dict[int, Any]) -> Clock:
        """The same clock: NeuralForecast trains a copy of what it was given."""
        return self

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started = time.perf_counter()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seconds = time.perf_counter() - self._started


def quiet(clock: Clock) -> dict[str, Any]:
    """Trainer arguments: CPU, nothing shown, nothing written."""
    warnings.filterwarnings("ignore")
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return {
        "accelerator": "cpu",
        "callbacks": [clock],
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
    }


def series(rows: int = 3000) -> np.ndarray:
    """A daily and a weekly cycle with noise, float32."""
    t = np.arange(rows)
    noise = np.random.default_rng(0).normal(0, 0.2, rows)
    cycles = np.sin(2 * np.pi * t / 24) + 0.5 * np.sin(2 * np.pi * t / 168)
    return (cycles + noise).astype(np.float32)
