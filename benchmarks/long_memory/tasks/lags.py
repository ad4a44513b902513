"""The last symbol is the first one again; between them, symbols without noise that say nothing."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from task import Batch, Classes, Paper, Rng, Settings, Task, one_hot
from torch import Tensor


class NoiseFree(Task):
    """Two sequences, (x, 1, 2, ..., p - 1, x) and (y, 1, 2, ..., p - 1, y): predict every next symbol.

    In our loss the last symbol counts as much as all others together.
    """

    name = "noise-free"
    title = "Noise-free long lag, local regularities"
    source = "Hochreiter & Schmidhuber 1997, section 5.2 (task 2a)"
    lag_is = "p, the steps between the symbol and its second coming"
    criterion = "the last symbol of both sequences predicted with every output's error below 0.25"
    lags = (10, 100)
    settings = Settings(batch=2, learning_rate=1e-2, check_every=10)
    papers = (Paper(100, "5,040 sequences, 18 of 18 runs", "table 2"),)
    at_end = False
    answer = Classes(0.25)

    def sizes(self, lag: int) -> tuple[int, int]:
        return lag + 1, lag + 1

    def batch(self, rng: Rng, B: int, lag: int) -> Batch:
        return self.sequences(rng.integers(0, 2, B), lag)

    def sequences(self, which: np.ndarray, lag: int) -> Batch:
        """The sequences that start with x (0) and with y (1)."""
        symbols = np.tile(np.arange(-1, lag) + 1, (len(which), 1))  # 0 and lag are x and y
        symbols[:, 0] = symbols[:, -1] = np.where(which == 0, 0, lag)
        target = torch.from_numpy(symbols[:, 1:])
        return Batch(one_hot(symbols[:, :-1], lag + 1), target)

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        last = F.cross_entropy(out[:, -1], batch.target[:, -1])
        return last + F.cross_entropy(out[:, :-1].flatten(0, 1), batch.target[:, :-1].flatten())

    def right(self, out: Tensor, batch: Batch) -> Tensor:
        last = Batch(batch.x, batch.target[:, -1])
        return self.answer.right(out[:, -1], last)

    def solved(self, network: torch.nn.Module, rng: Rng, lag: int) -> bool:
        return bool(self.right_of(network, self.sequences(np.array([0, 1]), lag)).all())


class LongLag(Task):
    """(b, x or y, q + k random ones of p symbols, e, the second symbol again): predict the last."""

    name = "long-lag"
    title = "Very long lag, no local regularities"
    source = "Hochreiter & Schmidhuber 1997, section 5.2 (task 2c), p = 50 distracting symbols"
    lag_is = "q, the least number of distracting symbols; k more with P(k) = 0.1 · 0.9^k"
    criterion = "2000 successive fresh sequences with every output's error below 0.25 (their number is ours)"
    lags = (10, 50, 100, 500, 1000)
    papers = (
        Paper(50, "30,000 sequences", "table 3"),
        Paper(1000, "203,000 sequences", "table 3"),
    )
    distracting = 50
    answer = Classes(0.25)

    def sizes(self, lag: int) -> tuple[int, int]:
        return self.distracting + 4, self.distracting + 4

    def batch(self, rng: Rng, B: int, lag: int) -> Batch:
        b, e, x = range(self.distracting, self.distracting + 3)
        lengths = lag + 3 + rng.geometric(0.1, B) - 1
        symbols = rng.integers(0, self.distracting, (B, int(lengths.max())))
        which = x + rng.integers(0, 2, B)
        symbols[:, 0], symbols[:, 1] = b, which
        symbols[np.arange(B), lengths - 1] = e
        x_ = one_hot(symbols, self.distracting + 4)
        return Batch(x_, torch.from_numpy(which), torch.from_numpy(lengths))

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return self.answer.loss(out, batch)

    def right(self, out: Tensor, batch: Batch) -> Tensor:
        return self.answer.right(out, batch)
