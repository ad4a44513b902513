"""Counting: a^n b^n and a^n b^n c^n, learned from short strings, tested on longer ones."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from network import Network
from task import Batch, Bits, Rng, Settings, Task, one_hot
from torch import Tensor

TRAINED, FARTHEST = 10, 1000  # n in training: 1 to 10; where the search for the reach ends


class AnBn(Task):
    """After each symbol of S a^n b^n, say which may come next: a, b, or the end T."""

    name = "anbn"
    title = "a^n b^n"
    source = "Gers & Schmidhuber 2001"
    lag_is = "the n up to which every string must be accepted; n = 1 to 10 in training"
    criterion = (
        "each string of n = 1 to the lag accepted: every output on its side of a half, always"
    )
    lags = (10, 50, 100, 1000)
    settings = Settings(learning_rate=1e-2)
    at_end = False
    value_is = "n up to which every string is accepted"
    letters: ClassVar[int] = 2
    answer = Bits()

    def sizes(self, lag: int) -> tuple[int, int]:
        return self.letters + 1, self.letters + 1

    def memory(self, lag: int) -> int:
        return 2 * TRAINED

    def batch(self, rng: Rng, B: int, lag: int) -> Batch:
        return self.strings(rng.integers(1, TRAINED, B, endpoint=True))

    def strings(self, n: np.ndarray) -> Batch:
        """The string of each n: inputs S a b (c), outputs a b (c) T."""
        L = self.letters
        lengths = 1 + L * n
        at = np.arange(int(lengths.max()))[None, :] - 1  # -1 at S
        letter = np.minimum(at // n[:, None], L - 1)
        follows = np.minimum((at + 1) // n[:, None], L)  # L is T
        bits = np.eye(L + 1, dtype=np.float32)[follows]
        bits[..., 1] = np.maximum(bits[..., 1], (letter == 0) & (at >= 0))  # a or b after any a
        bits[..., 0] = np.maximum(bits[..., 0], letter == 0)
        where = np.arange(at.shape[1]) < lengths[:, None]
        x = one_hot(np.where(at < 0, 0, letter + 1), L + 1)
        return Batch(x, *(torch.from_numpy(part) for part in (bits, lengths, where)))

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return self.answer.loss(out, batch)

    def right(self, out: Tensor, batch: Batch) -> Tensor:
        return self.answer.right(out, batch)

    def reach(self, network: Network, farthest: int) -> int:
        """The n up to which every string is accepted, at most ``farthest``."""
        done, size = 0, TRAINED
        while done < farthest:
            n = np.arange(done + 1, min(done + size, farthest) + 1)
            accepted = self.right_of(network, self.strings(n)).numpy()
            if not accepted.all():
                return done + int((~accepted).argmax())
            done, size = int(n[-1]), 50
        return done

    def solved(self, network: Network, rng: Rng, lag: int) -> bool:
        return self.reach(network, lag) == lag

    def measure(self, network: Network, rng: Rng, lag: int) -> float:
        return float(self.reach(network, FARTHEST))


class AnBnCn(AnBn):
    """The same with c, which no stack can check."""

    name = "anbncn"
    title = "a^n b^n c^n"
    lags = (10, 20, 50, 100)
    letters = 3

    def memory(self, lag: int) -> int:
        return 3 * TRAINED
