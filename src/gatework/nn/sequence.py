"""The network that labels sequences of any kind: one answer for the whole, or one for every step.

One alphabet: B sequences of up to T steps, F numbers and C tokens a step, H units, D directions, K outputs.

.. code-block:: text

    numbers (B, T, F) → [frames]  ─┐
    tokens  (B, T, C) → embedding ─┴→ [convolutions over time] → recurrent stack ─┬→ head: (B, T, K)
                                                 └────────────────────────────────┴→ pooling → head: (B, K)

Pooled are the outputs of the recurrence beside those of the convolutions, where there are some (as in
LSTM-FCN, Karim et al. 2018, arXiv 1709.05206).  An ensemble is several such networks, trained at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatework.data.encoders.base import SequenceBatch
from gatework.nn.convolution_stack import ConvolutionStack
from gatework.nn.crf import LinearChainCRF
from gatework.nn.frames import FrameEncoder
from gatework.nn.making import make
from gatework.nn.pooling import Pooling
from gatework.nn.quantiles import QuantileHead
from gatework.runtime.sequence_spec import SequenceSpec


class Mix(NamedTuple):
    """Mixup: each sequence with a share of another one of its batch."""

    partner: Tensor  # (B,) whole numbers
    share: Tensor  # (B,) how much a sequence keeps of itself, at least a half


class SequenceMember(nn.Module):
    """One network; ``forward`` gives logits ``(B, K)``, or ``(B, T, K)`` with a label for every step;
    of a regression quantiles in their place."""

    def __init__(self, spec: SequenceSpec) -> None:
        super().__init__()
        self.spec = spec
        self.tables = nn.ModuleList(
            _table(n, size)
            for n, size in zip(spec.cardinalities, spec.embedding_sizes, strict=True)
        )
        self.frames = FrameEncoder(spec.frame) if spec.frame else None
        size = spec.size if self.frames is None else self.frames.output_size
        size += sum(spec.embedding_sizes)
        self.convolutions = ConvolutionStack(spec, size) if spec.filters else None
        inside = self.convolutions.output_size if self.convolutions is not None else size
        self.recurrent = _recurrent(spec, inside)
        width = spec.hidden_size * spec.directions
        self.input_dropout = nn.Dropout(spec.dropout if spec.cardinalities else 0.0)
        self.dropout = nn.Dropout(spec.dropout)
        if spec.per_step:
            self.pooling = None
        else:
            width += inside if self.convolutions is not None else 0
            self.pooling = Pooling(spec.pooling, width)
            width = self.pooling.output_size
        self.head: nn.Module = (
            QuantileHead(width, 1, spec.levels) if spec.levels else nn.Linear(width, spec.outputs)
        )

    def forward(self, batch: SequenceBatch, mix: Mix | None = None) -> Tensor:
        """Logits of a batch."""
        return self.judge(self.embed(batch), batch.lengths, mix)

    def embed(self, batch: SequenceBatch) -> Tensor:
        """``(B, T, I)``: what the network sees of each step; 0 behind a sequence's end."""
        spec, parts = self.spec, []
        if spec.size:
            values = batch.values
            parts.append(self.frames(values, batch.lengths) if self.frames is not None else values)
        tokens = batch.tokens
        if self.training and spec.word_dropout and spec.cardinalities:
            tokens = self._unknown(tokens)
        parts += [table(tokens[..., c]) for c, table in enumerate(self.tables)]
        x = parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
        dropped: Tensor = self.input_dropout(x)
        return dropped

    def _unknown(self, tokens: Tensor) -> Tensor:
        """Some words unknown, with their affixes or without: new ones must be read by what is left."""
        share = self.spec.word_dropout
        alone = torch.rand(tokens.shape[:2]) < share
        whole = torch.rand(tokens.shape[:2]) < share / 2
        out = tokens.masked_fill(whole.unsqueeze(-1) & (tokens > 0), 1)
        out[..., 0] = out[..., 0].masked_fill(alone & (tokens[..., 0] > 0), 1)
        return out

    def judge(self, x: Tensor, lengths: Tensor, mix: Mix | None = None) -> Tensor:
        """Logits of what :meth:`embed` gave."""
        if mix is not None:
            share = mix.share[:, None, None]
            x = share * x + (1 - share) * x[mix.partner] * _steps(lengths, x.shape[1]).unsqueeze(-1)
        pooled = self.outputs(x, lengths)
        logits: Tensor = self.head(self.dropout(pooled))
        if self.spec.levels:
            logits = logits.squeeze(-2)
        return logits

    def outputs(self, x: Tensor, lengths: Tensor) -> Tensor:
        """What the head sees: ``(B, T, D*H)``, or of whole sequences the pooled vector."""
        inside = x
        if self.convolutions is not None:
            inside, lengths = self.convolutions(x, lengths)
        if isinstance(self.recurrent, StepwiseFeedForward):
            y: Tensor = self.recurrent(inside)
        else:
            y, _ = self.recurrent(inside, lengths=lengths)
        if self.pooling is None:
            return y
        if self.convolutions is not None:
            y = torch.cat([y, inside], dim=-1)
        pooled: Tensor = self.pooling(
            y, lengths, self.spec.hidden_size if self.spec.directions == 2 else 0
        )
        return pooled


class StepwiseFeedForward(nn.Module):
    """Fully connected layers for each step alone, no memory: to compare with."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        sizes = [input_size, *[hidden_size] * num_layers]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, I)`` to ``(B, T, H)``."""
        for i, layer in enumerate(self.layers):
            x = torch.relu(layer(x if i == 0 else F.dropout(x, self.dropout, self.training)))
        return x


class SequenceNetwork(nn.Module):
    """``members`` networks and, for tags that depend on each other, one random field over their mean.

    ``forward`` gives the mean answer: the logarithm of mean probabilities of classes, or mean outputs.
    """

    def __init__(self, spec: SequenceSpec) -> None:
        super().__init__()
        self.spec = spec
        self.members = nn.ModuleList(SequenceMember(spec) for _ in range(spec.members))
        self.crf = LinearChainCRF(spec.outputs) if spec.crf else None

    def forward(self, batch: SequenceBatch) -> Tensor:
        """Logits ``(B, K)`` or ``(B, T, K)``; of a random field those of its nodes."""
        return self.combine([member(batch) for member in self.members])

    def combine(self, logits: Sequence[Tensor]) -> Tensor:
        """One answer of the members'."""
        if len(logits) == 1:
            return logits[0]
        stacked = torch.stack(list(logits))
        if self.crf is not None or self.spec.levels:
            return stacked.mean(0)
        return stacked.log_softmax(-1).logsumexp(0) - torch.log(torch.tensor(float(len(logits))))


def _table(words: int, size: int) -> nn.Embedding:
    """Vectors of a token column, that of 0 nothing."""
    table = nn.Embedding(words, size, padding_idx=0)
    nn.init.normal_(table.weight, std=0.3)
    with torch.no_grad():
        table.weight[0] = 0
    return table


def _recurrent(spec: SequenceSpec, size: int) -> nn.Module:
    dropout = spec.dropout if spec.num_layers > 1 else 0.0
    if spec.cell == "feedforward":
        return StepwiseFeedForward(size, spec.hidden_size, spec.num_layers, dropout)
    options = {
        name: value
        for name in ("recurrent_dropout", "zoneout", "weight_drop")
        if (value := getattr(spec, name))
    }
    layer: nn.Module = make(
        spec.cell,
        size,
        spec.hidden_size,
        spec.num_layers,
        dropout=dropout,
        bidirectional=not spec.causal,
        **options,
    )
    return layer


def _steps(lengths: Tensor, T: int) -> Tensor:
    """``(B, T)`` 1 within a sequence, 0 behind it."""
    return (torch.arange(T) < lengths[:, None]).to(torch.float32)
