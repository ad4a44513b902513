"""darts' `RNNModel`: one recurrent layer that forecasts step by step."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from darts import TimeSeries
from darts.models import RNNModel
from peers_common import HISTORY, HORIZON, Clock, quiet, series


class Darts:
    def __init__(self, cell: str) -> None:
        self.name = f"darts RNNModel, {cell}"
        self.settings = {
            "model": cell,
            "hidden_dim": 128,
            "n_rnn_layers": 1,
            "training_length": HISTORY + HORIZON,
            "batch_size": 64,
        }
        self.clock = Clock()
        self.data = TimeSeries.from_values(series())
        arguments = {"random_state": 0, "pl_trainer_kwargs": quiet(self.clock)}
        self.model = RNNModel(HISTORY, n_epochs=1, **self.settings, **arguments)
        self.train()

    @property
    def module(self) -> torch.nn.Module:
        return self.model.model

    def train(self) -> float:
        self.model.fit(self.data, epochs=1, verbose=False)
        return self.clock.seconds

    def predict(self) -> np.ndarray:
        return self.model.predict(HORIZON, verbose=False, show_warnings=False).values()[:, 0]


PEERS = (partial(Darts, "LSTM"), partial(Darts, "GRU"))
