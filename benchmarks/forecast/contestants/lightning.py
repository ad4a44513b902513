"""What darts and NeuralForecast share: both train with PyTorch Lightning."""

from __future__ import annotations

import logging
import time
import warnings
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer


class Clock(Callback):
    """Seconds between the start and the end of Lightning's training loop, and its steps."""

    seconds = 0.0
    steps = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> Clock:
        """The same clock: NeuralForecast trains a copy of what it was given."""
        return self

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started = time.perf_counter()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seconds = time.perf_counter() - self._started
        self.steps = trainer.global_step


def quiet(clock: Clock) -> dict[str, Any]:
    """Trainer arguments: CPU, nothing shown, nothing written, no validation."""
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


def count_parameters(network: torch.nn.Module) -> int:
    """Trained numbers in the network."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
