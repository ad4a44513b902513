"""Temporal order: which of X and Y came first, second (and third) among distracting symbols."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from task import Batch, Classes, Paper, Rng, Task, one_hot
from torch import Tensor

SYMBOLS = "abcdEBXY"  # four that distract, start, end (the trigger), two that matter


class TemporalOrder2(Task):
    """Two symbols, four classes: E, distractors with X or Y at two places, B."""

    name = "order-2"
    title = "Temporal order, two symbols"
    source = "Hochreiter & Schmidhuber 1997, section 5.6 (experiment 6a)"
    lag_is = (
        "the least length; the places lie at the same tenths of it as in the paper (length 100)"
    )
    criterion = "2000 successive fresh sequences with every output's error below 0.3"
    lags = (20, 100, 400, 1000)
    papers = (Paper(100, "31,390 sequences", "table 9"),)
    places: ClassVar[tuple[tuple[float, float], ...]] = ((0.1, 0.2), (0.5, 0.6))
    answer = Classes(0.3)

    def sizes(self, lag: int) -> tuple[int, int]:
        return len(SYMBOLS), 2 ** len(self.places)

    def batch(self, rng: Rng, B: int, lag: int) -> Batch:
        lengths = rng.integers(lag, lag + lag // 10, B, endpoint=True)
        symbols = rng.integers(0, 4, (B, int(lengths.max())))
        rows, classes = np.arange(B), np.zeros(B, int)
        for low, high in self.places:
            at = rng.integers(round(low * lag), round(high * lag), B, endpoint=True)
            bit = rng.integers(0, 2, B)
            symbols[rows, at] = SYMBOLS.index("X") + bit
            classes = 2 * classes + bit
        symbols[:, 0] = SYMBOLS.index("E")
        symbols[rows, lengths - 1] = SYMBOLS.index("B")
        x = one_hot(symbols, len(SYMBOLS))
        return Batch(x, torch.from_numpy(classes), torch.from_numpy(lengths))

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return self.answer.loss(out, batch)

    def right(self, out: Tensor, batch: Batch) -> Tensor:
        return self.answer.right(out, batch)


class TemporalOrder3(TemporalOrder2):
    """Three symbols, eight classes."""

    name = "order-3"
    title = "Temporal order, three symbols"
    source = "Hochreiter & Schmidhuber 1997, section 5.6 (experiment 6b)"
    papers = (Paper(100, "571,100 sequences", "table 9"),)
    places = ((0.1, 0.2), (0.33, 0.43), (0.66, 0.76))
