"""Adding and multiplying two marked numbers that lie far back."""

from __future__ import annotations

import numpy as np
import torch
from task import Batch, Paper, Regression, Rng, Settings, Task
from torch import Tensor


def marked_pairs(rng: Rng, B: int, lag: int, low: float) -> tuple[Batch, np.ndarray, np.ndarray]:
    """Inputs of both tasks, and the two marked numbers (B,) each.

    x[..., 0] numbers from [low, 1]; x[..., 1] marks: 1 at the two marked steps, -1 at the first and the last
    step, else 0.  Lengths are uniform in [lag, lag + lag / 10]; the first mark lies in the first ten steps,
    the second anywhere else in the first lag / 2 - 1.  Where the first step is marked its mark stays -1 and its
    number counts as 0.
    """
    lengths = rng.integers(lag, lag + lag // 10, B, endpoint=True)
    T = int(lengths.max())
    x = np.zeros((B, T, 2), np.float32)
    x[..., 0] = rng.uniform(low, 1.0, (B, T))
    rows, half = np.arange(B), max(lag // 2 - 1, 2)
    first = rng.integers(0, min(10, lag - 1), B)
    second = (rng.random(B) * (half - (first < half))).astype(int)
    second += second >= first
    x[rows, first, 1] = x[rows, second, 1] = 1.0
    x[rows, 0, 1] = x[rows, lengths - 1, 1] = -1.0
    one, two = (np.where(at == 0, 0.0, x[rows, at, 0]) for at in (first, second))
    batch = Batch(torch.from_numpy(x), torch.empty(0), torch.from_numpy(lengths))
    return batch, one, two


class Adding(Task):
    """The target is 0.5 + (X1 + X2) / 4."""

    name = "adding"
    title = "Adding"
    source = "Hochreiter & Schmidhuber 1997, section 5.4 (experiment 4)"
    lag_is = "T, the least length; at least T/2 steps lie between the second number and the answer"
    criterion = "2000 successive fresh sequences with an error below 0.04"
    lags = (20, 100, 400, 1000)
    settings = Settings()
    papers = (
        Paper(100, "74,000 sequences", "table 7"),
        Paper(1000, "853,000 sequences", "table 7"),
    )
    answer = Regression()

    def sizes(self, lag: int) -> tuple[int, int]:
        return 2, 1

    def batch(self, rng: Rng, B: int, lag: int) -> Batch:
        batch, one, two = marked_pairs(rng, B, lag, -1.0)
        batch.target = torch.from_numpy((0.5 + (one + two) / 4).astype(np.float32))
        return batch

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return self.answer.loss(out, batch)

    def right(self, out: Tensor, batch: Batch) -> Tensor:
        return self.answer.right(out, batch)


class Multiplication(Adding):
    """The target is X1 X2, numbers from [0, 1]."""

    name = "multiplication"
    title = "Multiplication"
    source = "Hochreiter & Schmidhuber 1997, section 5.5 (experiment 5)"
    criterion = "fewer than 13 of 2000 successive fresh sequences with an error of 0.04 or more"
    lags = (20, 100, 400)
    papers = (Paper(100, "1,273,000 sequences (482,000 for fewer than 140)", "table 8"),)
    allowed = 12

    def batch(self, rng: Rng, B: int, lag: int) -> Batch:
        batch, one, two = marked_pairs(rng, B, lag, 0.0)
        batch.target = torch.from_numpy((one * two).astype(np.float32))
        return batch
