"""Handwritten digits of 8 x 8 pixels, read one pixel at a time."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from network import Network
from task import Batch, Classes, Rng, Settings, Task
from torch import Tensor

HELD_OUT = 497


@cache
def images() -> tuple[np.ndarray, np.ndarray]:
    """Pixels (1797, 64) from 0 to 1 and digits (1797,), as scikit-learn bundles them."""
    from sklearn.datasets import load_digits

    pixels, digits = load_digits(return_X_y=True)
    return (pixels / 16).astype(np.float32), digits


class Digits(Task):
    """Row after row, the last 497 images held out."""

    name = "digits"
    title = "Sequential digits"
    source = "Le, Jaitly & Hinton 2015, section 4.2, on the smaller images of scikit-learn"
    criterion = "90 % of the 497 held-out images right (ours)"
    settings = Settings(hidden=64, check_every=1300)
    value_is = "share of the held-out images right"
    enough = 0.9
    answer = Classes(0.5)

    def sizes(self, lag: int) -> tuple[int, int]:
        return 1, 10

    def memory(self, lag: int) -> int:
        return 64

    def order(self) -> np.ndarray:
        return np.arange(64)

    def batch(self, rng: Rng, B: int, lag: int) -> Batch:
        return self.of(rng.integers(0, len(images()[0]) - HELD_OUT, B))

    def of(self, which: np.ndarray) -> Batch:
        """The images with these numbers."""
        pixels, digits = images()
        x = torch.from_numpy(pixels[which][:, self.order(), None])
        return Batch(x, torch.from_numpy(digits[which]))

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return self.answer.loss(out, batch)

    def right(self, out: Tensor, batch: Batch) -> Tensor:
        return (out.argmax(-1) == batch.target) & out.isfinite().all(-1)

    def solved(self, network: Network, rng: Rng, lag: int) -> bool:
        return self.measure(network, rng, lag) >= self.enough

    def measure(self, network: Network, rng: Rng, lag: int) -> float:
        count = len(images()[0])
        held_out = self.of(np.arange(count - HELD_OUT, count))
        return float(self.right_of(network, held_out).float().mean())


class PermutedDigits(Digits):
    """The pixels in one random order, the same for every image and run."""

    name = "digits-permuted"
    title = "Permuted digits"

    def order(self) -> np.ndarray:
        return np.random.default_rng(0).permutation(64)
