"""What turns the items of one kind into numbers, fitted on the training part alone.

An encoded sequence has, for each of its T steps, F numbers and C token numbers.  One network reads all
kinds: it embeds the tokens, and sees the numbers beside them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gatework.data.sequences import SequenceSet

Values = npt.NDArray[np.float32]
Tokens = npt.NDArray[np.int32]


class Encoded(NamedTuple):
    """One sequence as the network takes it."""

    values: Values  # (T, F)
    tokens: Tokens  # (T, C); 0 is missing or padding, 1 unknown

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class SequenceBatch:
    """B sequences side by side, the longest of T steps; what lies behind a sequence's length is 0."""

    values: Tensor  # (B, T, F) float32
    tokens: Tensor  # (B, T, C) int64
    lengths: Tensor  # (B,) int64, at least 1
    targets: Tensor  # (B,), (B, T) or (B, K): see the task; empty where there are none
    numbers: Tensor  # (B,) int64: which sequences of the part these are

    def __len__(self) -> int:
        return len(self.lengths)


class EncoderStream(ABC):
    """An encoder that is fed piece by piece."""

    @abstractmethod
    def push(self, observation: Any) -> Encoded:
        """The steps that are complete now: none, one or several."""


class Encoder(ABC):
    """From items of one kind to numbers; made by ``fit``, never changed afterwards."""

    kind: ClassVar[str]
    size: int  # F: numbers of a step
    cardinalities: tuple[
        int, ...
    ]  # of each of the C token columns, with the two first numbers counted

    @classmethod
    @abstractmethod
    def fit(cls, sequences: SequenceSet, settings: Any) -> Self:
        """The encoder for these sequences, the training part; ``settings`` is the task's config."""

    @abstractmethod
    def encode(self, item: Any) -> Encoded:
        """One item as numbers.

        Raises:
            ValueError: it does not fit what was fitted; the bare fact, without the item's name.
        """

    def augment(
        self, batch: SequenceBatch, generator: torch.Generator, strength: float
    ) -> SequenceBatch:
        """The batch as it might have been too, for training: by default as it is.

        ``strength`` 1 is what suits the kind, 0 nothing.  Lengths may change, unless targets are per step.
        """
        return batch

    def stream(self) -> EncoderStream:
        """For one sequence that comes piece by piece; ValueError with the reason where that cannot be."""
        raise ValueError(f"{self.kind} can only be read whole")

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Everything fitted, as plain JSON values."""

    @classmethod
    @abstractmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """The encoder that ``to_json`` wrote; ValueError, KeyError or TypeError when it is damaged."""

    @abstractmethod
    def describe(self) -> str:
        """One line: what a step is, such as "80 log-mel bands every 10 ms of 16 kHz sound"."""


def no_tokens(T: int) -> Tokens:
    """Tokens of a kind that has none, ``(T, 0)``."""
    return np.zeros((T, 0), np.int32)


def no_values(T: int) -> Values:
    """Numbers of a kind that has none, ``(T, 0)``."""
    return np.zeros((T, 0), np.float32)
