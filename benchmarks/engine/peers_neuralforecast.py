"""NeuralForecast's `LSTM`: two layers; direct, its default, or recurrent with a projection."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import torch
from neuralforecast import NeuralForecast
from neuralforecast.models import LSTM
from peers_common import HISTORY, HORIZON, Clock, quiet, series


class Neural:
    def __init__(self, recurrent: bool) -> None:
        self.name = f"NeuralForecast LSTM, {'recurrent' if recurrent else 'direct'}"
        self.settings = {
            "encoder_hidden_size": 128,
            "encoder_n_layers": 2,
            "recurrent": recurrent,
            "windows_batch_size": 128,
            "max_steps": 20,
        }
        self.clock = Clock()
        values = series()
        frame = {"unique_id": 0, "ds": np.arange(len(values)), "y": values}
        self.data = pd.DataFrame(frame)
        model = LSTM(
            h=HORIZON, input_size=HISTORY, **self.settings, random_seed=0, **quiet(self.clock)
        )
        self.library = NeuralForecast(models=[model], freq=1)
        self.train()

    @property
    def module(self) -> torch.nn.Module:
        return self.library.models[0]

    def train(self) -> float:
        self.library.fit(self.data)
        return self.clock.seconds

    def predict(self) -> np.ndarray:
        return self.library.predict()["LSTM"].to_numpy()


PEERS = (partial(Neural, False), partial(Neural, True))
