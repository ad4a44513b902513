"""What the training loop minimises for labelled sequences; each task says what its loss is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gatework.data.encoders.base import SequenceBatch
from gatework.data.ragged import token_batches
from gatework.nn.sequence import SequenceMember, SequenceNetwork
from gatework.tasks.labelled_config import LabelledConfig, batch_sequences
from gatework.tasks.labelled_data import LabelledData, Part

IntArray = npt.NDArray[np.int64]
Step = list[SequenceBatch]  # a batch for each member
MIN_EPOCH_STEPS, MAX_EPOCH_STEPS = 20, 1000
EVALUATION_TOKENS = 2**15


class LabelledObjective(ABC):
    """Batches of a length, a loss for each member, and a score on what a member has not seen."""

    def __init__(
        self, network: SequenceNetwork, data: LabelledData, config: LabelledConfig
    ) -> None:
        self.network: nn.Module = network  # as the loop knows it
        self.own, self.data, self.config = network, data, config
        lengths, numbers = data.train.ragged.lengths, np.arange(len(data.train))
        self._seen = [numbers] * len(network.members)
        if data.fold is not None:
            self._seen = [numbers[data.fold != k] for k in range(len(network.members))]
        self.tokens = batch_sequences(config, len(numbers)) * int(max(np.median(lengths), 1))
        batches = sum(1 for _ in token_batches(lengths, self._seen[0], self.tokens))
        self._steps = min(batches, MAX_EPOCH_STEPS)
        self._rounds = -(-MIN_EPOCH_STEPS // self._steps)

    def steps_per_epoch(self) -> int:
        """Number of batches of one epoch."""
        return self._rounds * self._steps

    def batches(self, generator: torch.Generator) -> Iterator[Step]:
        """Training sequences, shuffled anew in each round; each member in an order of its own."""
        steps = [self._member_batches(numbers, generator) for numbers in self._seen]
        for batch in islice(zip(*steps, strict=False), self.steps_per_epoch()):
            yield list(batch)

    def _member_batches(
        self, numbers: IntArray, generator: torch.Generator
    ) -> Iterator[SequenceBatch]:
        train, strength = self.data.train, self.config.augment
        while True:
            for some in token_batches(train.ragged.lengths, numbers, self.tokens, generator):
                batch = train.ragged.batch(some, train.targets, self.data.per_step)
                if strength:
                    batch = self.data.encoder.augment(batch, generator, strength)
                yield batch

    def loss(self, batch: Step) -> Tensor:
        """The members' losses in sum: they share no weight."""
        losses = [
            self.member_loss(member, own)  # type: ignore[arg-type]
            for member, own in zip(self.own.members, batch, strict=True)
        ]
        return torch.stack(losses).sum()

    @abstractmethod
    def member_loss(self, member: SequenceMember, batch: SequenceBatch) -> Tensor:
        """The mean loss of one network for one batch."""

    def validate(self) -> float:
        """Score on the validation part, or of each member on the fold that it has not seen."""
        part, answers = self.held_out()
        return self.score(answers, part)

    def held_out(self) -> tuple[Part, Tensor]:
        """What validates and what the network says of it."""
        return held_out(self.own, self.data)

    @abstractmethod
    def score(self, answers: Tensor, part: Part) -> float:
        """Lower is better."""


def held_out(network: SequenceNetwork, data: LabelledData) -> tuple[Part, Tensor]:
    """A part and answers by networks that were not trained on it."""
    if data.fold is None:
        assert data.validation is not None
        return data.validation, answer(network, data.validation)
    out: Tensor | None = None
    for k, member in enumerate(network.members):
        numbers = np.flatnonzero(data.fold == k)
        own = answer(network, data.train, numbers, member)  # type: ignore[arg-type]
        out = own if out is None else torch.where(torch.isnan(own), out, own)
    assert out is not None
    return data.train, out


@torch.no_grad()
def answer(
    network: SequenceNetwork,
    part: Part,
    numbers: IntArray | None = None,
    member: SequenceMember | None = None,
) -> Tensor:
    """Outputs for a part: ``(B, K)``, or of every step ``(N, K)``; NaN for sequences not asked for."""
    ragged, per_step = part.ragged, network.spec.per_step
    rows = int(ragged.offsets[-1]) if per_step else len(ragged)
    out = torch.full((rows, network.spec.outputs), torch.nan)
    numbers = np.arange(len(ragged)) if numbers is None else numbers
    judge = network if member is None else member
    for some in token_batches(ragged.lengths, numbers, EVALUATION_TOKENS):
        logits = judge(ragged.batch(some))
        if per_step:
            places, valid, _ = ragged.rows(some)
            out[torch.from_numpy(places[valid])] = logits[torch.from_numpy(valid)]
        else:
            out[torch.from_numpy(some)] = logits
    return out
