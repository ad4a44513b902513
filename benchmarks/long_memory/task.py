"""What every experiment is: a generator, a loss, what counts as right, and when it counts as solved.

Letters: B sequences in a batch, T steps, I inputs, K outputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from network import Network
from torch import Tensor

Rng = np.random.Generator
TESTED = 2000  # successive sequences that must be right (Hochreiter & Schmidhuber 1997, experiments 4 to 6)


@dataclass
class Batch:
    """B sequences and what is to be answered."""

    x: Tensor  # (B, T, I) float32
    target: Tensor  # as the task's loss takes it
    lengths: Tensor | None = None  # (B,) valid steps; None: all T
    where: Tensor | None = (
        None  # (B, T) bool, the steps that are judged; None: the last of each sequence
    )
    legal: Tensor | None = (
        None  # (B, T, K) bool, the symbols that may follow, where a task needs them
    )
    sequences: int = 0  # how many count as seen; 0: B
    fresh: bool = False  # of a stream: its first piece, before which there is no state

    def __post_init__(self) -> None:
        self.sequences = self.sequences or self.x.shape[0]


@dataclass(frozen=True)
class Settings:
    """How a task is trained: chosen once, the same for every cell and lag."""

    hidden: int = 32
    batch: int = 32
    learning_rate: float = 3e-3  # of Adam
    clip: float = 1.0  # largest norm of the gradient
    check_every: int = 1000  # sequences between two tests, while training looks good


@dataclass(frozen=True)
class Paper:
    """What a paper says of one lag."""

    lag: int
    text: str
    where: str


class Task(ABC):
    """One experiment."""

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]  # with the section
    lag_is: ClassVar[str] = ""  # what the lag means; "" where the task has but one setting
    criterion: ClassVar[str]
    lags: ClassVar[tuple[int, ...]] = (0,)
    settings: ClassVar[Settings] = Settings()
    papers: ClassVar[tuple[Paper, ...]] = ()
    at_end: ClassVar[bool] = True  # one answer, at the end of each sequence
    carried: ClassVar[bool] = (
        False  # batches continue one another: the state is carried, not the gradient
    )
    allowed: ClassVar[int] = 0  # wrong ones among TESTED that are still a solution
    value_is: ClassVar[str] = "share right"  # of what `measure` returns

    @abstractmethod
    def sizes(self, lag: int) -> tuple[int, int]:
        """Inputs I and outputs K."""

    @abstractmethod
    def batch(self, rng: Rng, B: int, lag: int) -> Batch:
        """B fresh sequences."""

    @abstractmethod
    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        """What training makes small."""

    @abstractmethod
    def right(self, out: Tensor, batch: Batch) -> Tensor:
        """(B,) bool: which sequences were processed correctly."""

    def memory(self, lag: int) -> int:
        """About how many steps must be bridged: for the biases of the gates."""
        return max(lag, 2)

    def batches(self, rng: Rng, B: int, lag: int) -> Iterator[Batch]:
        """Training data without end."""
        while True:
            yield self.batch(rng, B, lag)

    def solved(self, network: Network, rng: Rng, lag: int) -> bool:
        """Whether at most ``allowed`` of ``TESTED`` fresh sequences are wrong, the weights held still."""
        return self._wrong(network, rng, lag, TESTED, self.allowed) <= self.allowed

    def measure(self, network: Network, rng: Rng, lag: int) -> float:
        """What is reported beside solved or not: the share of 1000 fresh sequences that is right."""
        return 1 - self._wrong(network, rng, lag, 1000, 1000) / 1000

    def _wrong(self, network: Network, rng: Rng, lag: int, tests: int, enough: int) -> int:
        """Wrong ones among ``tests`` fresh sequences; counting stops beyond ``enough``."""
        wrong = done = 0
        while done < tests and wrong <= enough:
            B = min(200, tests - done)
            wrong += B - int(self.right_of(network, self.batch(rng, B, lag)).sum())
            done += B
        return wrong

    def right_of(self, network: Network, batch: Batch) -> Tensor:
        """(B,) which sequences ``network`` processes correctly."""
        with torch.inference_mode():
            out, _ = network(batch.x, batch.lengths, at_end=self.at_end)
            return self.right(out, batch)


def one_hot(symbols: np.ndarray, count: int) -> Tensor:
    """(..., count) float32: 1 at each symbol."""
    return torch.from_numpy(np.eye(count, dtype=np.float32)[symbols])


def within(lengths: np.ndarray, T: int) -> np.ndarray:
    """(B, T) bool: the steps before each sequence's end."""
    return np.arange(T) < lengths[:, None]


@dataclass(frozen=True)
class Regression:
    """One number at the sequence's end: squared error; right when it is off by less than ``error``."""

    error: float = 0.04

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return F.mse_loss(out[..., 0], batch.target)

    def right(self, out: Tensor, batch: Batch) -> Tensor:
        return (out[..., 0] - batch.target).abs() < self.error


@dataclass(frozen=True)
class Classes:
    """One class at the end: cross entropy; right when all K probabilities are off by less than ``error``."""

    error: float

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return F.cross_entropy(out, batch.target)

    def right(self, out: Tensor, batch: Batch) -> Tensor:
        wanted = F.one_hot(batch.target, out.shape[-1])
        return ((out.softmax(-1) - wanted).abs() < self.error).all(-1)


@dataclass(frozen=True)
class Bits:
    """K yes or no at every judged step: cross entropy; right when each is on its side of a half, always."""

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        each = F.binary_cross_entropy_with_logits(out, batch.target, reduction="none").sum(-1)
        return (each * batch.where).sum() / batch.where.sum()

    def right(self, out: Tensor, batch: Batch) -> Tensor:
        good = (torch.where(batch.target > 0.5, out, -out) > 0).all(-1)  # never true of a NaN
        return (good | ~batch.where).all(-1)
