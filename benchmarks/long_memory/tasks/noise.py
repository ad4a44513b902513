"""Noise and signal on the same channel."""

from __future__ import annotations

import torch
from network import Network
from task import Batch, Paper, Regression, Rng, Task, within
from torch import Tensor

SIGNAL = 3  # steps that carry the class (N)


class Noisy(Task):
    """The first three numbers are 1 or -1, by class; then Gaussian noise of variance 0.2."""

    name = "noisy"
    title = "Noise and signal on one channel"
    source = "Hochreiter & Schmidhuber 1997, section 5.3 (task 3a), N = 3"
    lag_is = "T, the least length; the class is to be told after it"
    criterion = "256 fresh sequences on the right side of a half with a mean error below 0.01 (ST2)"
    lags = (10, 100, 1000)
    papers = (
        Paper(100, "39,850 sequences", "table 4"),
        Paper(1000, "452,460 sequences", "table 4"),
    )
    answer = Regression(0.5)

    def sizes(self, lag: int) -> tuple[int, int]:
        return 1, 1

    def batch(self, rng: Rng, B: int, lag: int) -> Batch:
        lengths = rng.integers(lag, lag + lag // 10, B, endpoint=True)
        x = rng.normal(0.0, 0.2**0.5, (B, int(lengths.max()), 1))
        classes = rng.integers(0, 2, B)
        x[:, :SIGNAL, 0] = (2 * classes - 1)[:, None]
        x[~within(lengths, x.shape[1])] = 0.0
        return Batch(torch.tensor(x).float(), torch.tensor(classes).float(), torch.tensor(lengths))

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return self.answer.loss(out, batch)

    def right(self, out: Tensor, batch: Batch) -> Tensor:
        return self.answer.right(out, batch)

    def solved(self, network: Network, rng: Rng, lag: int) -> bool:
        batch = self.batch(rng, 256, lag)
        with torch.inference_mode():
            out, _ = network(batch.x, batch.lengths)
        error = (out[:, 0] - batch.target).abs()
        return bool((error < 0.5).all()) and float(error.mean()) < 0.01
