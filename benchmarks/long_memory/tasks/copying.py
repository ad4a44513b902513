"""Ten symbols, a long silence, a sign: say the ten again."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from task import Batch, Rng, Settings, Task, one_hot
from torch import Tensor

KEPT, BLANK, GO = 10, 8, 9


class Copying(Task):
    """Ten of eight symbols, T - 1 blanks, the sign, ten blanks; answers are blank but for the last ten."""

    name = "copying"
    title = "Copying"
    source = "Hochreiter & Schmidhuber 1997; as in Arjovsky, Shah & Bengio 2016"
    lag_is = "T, the steps between the last symbol and the first answer"
    criterion = (
        "200 successive fresh sequences with all ten symbols right (ours; the papers plot losses)"
    )
    lags = (10, 50, 100, 500)
    settings = Settings(hidden=64)
    at_end = False
    value_is = "share of sequences with all ten right"
    tested = 200

    def sizes(self, lag: int) -> tuple[int, int]:
        return 10, 9

    def memory(self, lag: int) -> int:
        return lag + KEPT

    def batch(self, rng: Rng, B: int, lag: int) -> Batch:
        T = lag + 2 * KEPT
        symbols, target = np.full((B, T), BLANK), np.full((B, T), BLANK)
        symbols[:, :KEPT] = target[:, -KEPT:] = rng.integers(0, 8, (B, KEPT))
        symbols[:, KEPT + lag - 1] = GO
        return Batch(one_hot(symbols, 10), torch.from_numpy(target))

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(out.flatten(0, 1), batch.target.flatten())

    def right(self, out: Tensor, batch: Batch) -> Tensor:
        good = (out.argmax(-1) == batch.target) & out.isfinite().all(-1)
        return good[:, -KEPT:].all(-1)

    def solved(self, network: torch.nn.Module, rng: Rng, lag: int) -> bool:
        return self._wrong(network, rng, lag, self.tested, 0) == 0
