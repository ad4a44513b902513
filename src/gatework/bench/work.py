"""What is computed: a recurrent layer's sizes, the arithmetic in it, and its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["step", "inference", "training"]
Cell = Literal["lstm", "gru", "rnn"]
Lengths = Literal["full", "ragged", "packed"]

GATES: dict[str, int] = {"lstm": 4, "gru": 3, "rnn": 1}


@dataclass(frozen=True)
class Work:
    """One piece of work, in the project's letters.

    ``step``: one observation of a stream.  ``inference``: whole sequences, nothing kept.  ``training``:
    forward and backward, the gradients of the input and of every weight.  ``lengths``: ``full``, every
    sequence has T steps; ``ragged``, 25 to 100 % of T, padded batches in and out; ``packed``, the same
    as a ``PackedSequence`` in and out.

    >>> Work("training", B=32, T=50, I=128, H=128).flop
    1258291200
    """

    kind: Kind
    cell: Cell = "lstm"
    B: int = 1
    T: int = 1
    I: int = 1  # noqa: E741 - the alphabet's letter
    H: int = 1
    P: int = 0
    Z: int = 1
    D: int = 1
    lengths: Lengths = "full"
    batch_first: bool = False

    @property
    def R(self) -> int:  # noqa: N802 - the alphabet's letter
        """Features of one direction's output."""
        return self.P or self.H

    @property
    def name(self) -> str:
        """Words that tell this work from every other."""
        words = [self.kind, ("bi" if self.D == 2 else "") + self.cell]
        words += [self.lengths] if self.lengths != "full" else []
        letters = "BTIH" if self.kind != "step" else "IH" if self.B == 1 else "BIH"
        words += [f"{letter}={getattr(self, letter)}" for letter in letters]
        words += [f"P={self.P}"] if self.P else []
        words += [f"layers={self.Z}"] if self.Z > 1 else []
        words += ["batch-first"] if self.batch_first else []
        return " ".join(words)

    @property
    def all_lengths(self) -> Tensor:
        """``(B,)`` steps of each sequence; ragged ones in no order, the longest T."""
        if self.lengths == "full":
            return torch.full((self.B,), self.T)
        even = torch.linspace(self.T, self.T / 4, self.B).round().long()
        return even[torch.randperm(self.B, generator=torch.Generator().manual_seed(1))]

    @property
    def steps(self) -> int:
        """Steps of sequences, padding not counted."""
        return int(self.all_lengths.sum())

    @property
    def flop(self) -> int:
        """Multiplications and additions in the matrix products; three times as many with backward."""
        step = 0
        for layer in range(self.Z):
            width = self.I if layer == 0 else self.D * self.R
            step += 2 * GATES[self.cell] * self.H * (width + self.R) + 2 * self.H * self.P
        return step * self.D * self.steps * (3 if self.kind == "training" else 1)

    @property
    def summed(self) -> int:
        """The most terms that one pre-activation sums."""
        return self.R + max(self.I, self.D * self.R if self.Z > 1 else 0)


@dataclass(frozen=True)
class Inputs:
    """What every contestant is given: the same numbers."""

    x: Tensor  # (T, B, I); NaN-free, padding 0
    lengths: Tensor  # (B,) int64
    w: Tensor  # (T, B, D*R): the gradient that arrives at the output, 0 at padding


def make_inputs(work: Work) -> Inputs:
    """Inputs of ``work``, the same in every run."""
    generator = torch.Generator().manual_seed(0)
    lengths = work.all_lengths
    inside = (torch.arange(work.T)[:, None] < lengths)[..., None]
    x = torch.randn(work.T, work.B, work.I, generator=generator)
    w = torch.randn(work.T, work.B, work.D * work.R, generator=generator)
    return Inputs(x * inside, lengths, w * inside)
