"""Timing: telling apart two intervals that differ by one step, and spikes at exact intervals."""

from __future__ import annotations

import numpy as np
import torch
from network import Network
from task import Batch, Bits, Paper, Rng, Settings, Task
from torch import Tensor


class MeasuredSpikes(Task):
    """Spikes T or T - 1 steps apart: at each one after the first, say which it was."""

    name = "spike-delays"
    title = "Measuring delays between spikes"
    source = "Gers & Schmidhuber 2000; Gers, Schraudolph & Schmidhuber 2002"
    lag_is = "T: the delay is T or T - 1"
    criterion = (
        "1000 successive fresh sequences of five spikes with each of the four delays told (ours)"
    )
    lags = (10, 50, 100)
    papers = (Paper(50, "the peephole LSTM learns it", "abstract"),)
    at_end = False
    delays, tested = 4, 1000
    answer = Bits()

    def sizes(self, lag: int) -> tuple[int, int]:
        return 1, 1

    def batch(self, rng: Rng, B: int, lag: int) -> Batch:
        long = rng.integers(0, 2, (B, self.delays))
        at = np.cumsum(np.concatenate([np.zeros((B, 1), int), lag - 1 + long], 1), 1)
        T, rows = self.delays * lag + 1, np.arange(B)[:, None]
        x = np.zeros((B, T), np.float32)
        target, where = np.zeros((B, T, 1), np.float32), np.zeros((B, T), bool)
        x[rows, at] = 1.0
        target[rows, at[:, 1:], 0] = long
        where[rows, at[:, 1:]] = True
        lengths = torch.from_numpy(at[:, -1] + 1)
        x_, target_, where_ = (torch.from_numpy(part) for part in (x[..., None], target, where))
        return Batch(x_, target_, lengths, where_)

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return self.answer.loss(out, batch)

    def right(self, out: Tensor, batch: Batch) -> Tensor:
        return self.answer.right(out, batch)

    def solved(self, network: Network, rng: Rng, lag: int) -> bool:
        return self._wrong(network, rng, lag, self.tested, 0) == 0


class TimedSpikes(MeasuredSpikes):
    """No input: a spike every T steps, from within."""

    name = "timed-spikes"
    title = "Generating timed spikes"
    source = "Gers, Schraudolph & Schmidhuber 2002"
    lag_is = "T: a spike at every T-th step"
    criterion = (
        "every step of 50 intervals on its side of a half, after training on the first four (ours)"
    )
    lags = (10, 20, 50)
    settings = Settings(batch=1, learning_rate=1e-2, check_every=20)
    papers = ()
    value_is = "intervals before the first mistake"
    intervals = 50

    def batch(self, rng: Rng, B: int, lag: int) -> Batch:
        return self.train(B, self.delays, lag)

    def train(self, B: int, intervals: int, lag: int) -> Batch:
        """The one sequence there is, B times."""
        T = intervals * lag
        target = torch.zeros(B, T, 1)
        target[:, lag - 1 :: lag] = 1.0
        where = torch.ones(B, T, dtype=torch.bool)
        return Batch(torch.zeros(B, T, 1), target, None, where)

    def solved(self, network: Network, rng: Rng, lag: int) -> bool:
        return bool(self.right_of(network, self.train(1, self.intervals, lag)).all())

    def measure(self, network: Network, rng: Rng, lag: int) -> float:
        batch = self.train(1, self.intervals, lag)
        with torch.inference_mode():
            out, _ = network(batch.x, at_end=False)
        good = (torch.where(batch.target > 0.5, out, -out) > 0)[0, :, 0]
        return float(self.intervals if good.all() else (~good).int().argmax() // lag)
