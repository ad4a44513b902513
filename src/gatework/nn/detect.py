"""The network of a detector: what it expects of every row, as quantiles and probabilities.

One alphabet: B pieces of up to T rows, C numbers, D categories and F calendar features a row, H units,
Q levels, L numbers of a latent vector.

.. code-block:: text

    forecast      row t-1, calendar of t  →  recurrent stack  →  what row t may be
    reconstruct   rows t-W+1 … t  →  recurrent stack  →  L numbers  →  recurrent stack, backwards in time
                  →  what rows t, t-1, … t-W+1 may have been
    variational   the same, with the L numbers drawn from a normal distribution

The first learns what comes next (Malhotra et al. 2015; for events DeepLog, Du et al. 2017), the others what
goes together (EncDec-AD, Malhotra et al. 2016, arXiv 1607.00148, which also decodes in reverse; the variational
one after Kingma & Welling 2014, arXiv 1312.6114).  Whatever the method, a row's numbers are answered by
quantiles and its categories by logits, so that all that follows is the same.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatework.nn.making import make
from gatework.nn.quantiles import QuantileHead
from gatework.runtime.detect_spec import HARD, SOFT, DetectSpec


class RowBatch(NamedTuple):
    """B pieces of up to T rows, standardised."""

    values: Tensor  # (B, T, C) float32, NaN where missing
    tokens: Tensor  # (B, T, D) int64
    calendar: Tensor  # (B, T, F)
    lengths: Tensor  # (B,) rows of each piece


class Told(NamedTuple):
    """What the network expects, row by row of its batch."""

    quantiles: Tensor  # (B, T, C, Q)
    logits: tuple[Tensor, ...]  # D of (B, T, K_d)
    divergence: Tensor  # () of the latent vectors from a standard normal; 0 unless variational


def bent(z: Tensor) -> Tensor:
    """Standardised numbers with far ones drawn near: z up to 4, beyond it growing as a logarithm, at most 8.

    One reading of 10^9 must not fill the memory of the network for the next hundred rows.
    """
    far = z.abs()
    curve = (SOFT + torch.log1p((far - SOFT).clamp_min(0))).clamp_max(HARD)
    return torch.where(far > SOFT, torch.sign(z) * curve, z)


def carried(values: Tensor) -> Tensor:
    """``(B, T, C)``: missing numbers replaced by the last one of their channel, 0 before the first."""
    there = ~torch.isnan(values)
    steps = torch.arange(values.shape[1]).view(1, -1, 1)
    last = torch.where(there, steps, -1).cummax(1).values
    found = values.nan_to_num().gather(1, last.clamp_min(0))
    return torch.where(last >= 0, found, 0.0)


class DetectNetwork(nn.Module):
    """What to expect of rows; ``forward`` takes a :class:`RowBatch` and returns :class:`Told`."""

    def __init__(self, spec: DetectSpec) -> None:
        super().__init__()
        self.spec = spec
        H = spec.hidden_size
        self.tables = nn.ModuleList(
            nn.Embedding(n, size)
            for n, size in zip(spec.cardinalities, spec.embedding_sizes, strict=True)
        )
        self.recurrent = _stack(spec, spec.row_size)
        if not spec.forecasts:
            parts = 2 if spec.method == "variational" else 1
            self.squeeze = nn.Linear(H, parts * spec.latent_size)
            self.decoder = _stack(spec, spec.latent_size + spec.calendar)
        self.dropout = nn.Dropout(spec.dropout)
        self.numbers = QuantileHead(H, spec.channels, spec.levels) if spec.channels else None
        self.words = nn.ModuleList(nn.Linear(H, n) for n in spec.cardinalities)
        # How much of its last value a channel keeps: what goes on as it was need not be learned.
        self.keep = nn.Parameter(torch.zeros(spec.channels)) if spec.forecasts else None

    def forward(self, batch: RowBatch) -> Told:
        """What is expected of every row: of a forecast before it is seen, else from the whole piece."""
        return self._forecast(batch) if self.spec.forecasts else self._rebuild(batch)

    def rows(self, values: Tensor, missing: Tensor, tokens: Tensor, calendar: Tensor) -> Tensor:
        """``(B, T, I)``: what the recurrence sees of rows whose missing numbers are filled in."""
        parts = [values]
        if self.spec.mask:
            parts.append(missing.to(values.dtype))
        parts += [table(tokens[..., d]) for d, table in enumerate(self.tables)]
        return torch.cat([*parts, calendar], dim=-1)

    def _forecast(self, batch: RowBatch) -> Told:
        near = carried(bent(batch.values))
        last = F.pad(near, (0, 0, 1, 0))[:, :-1]
        missing = F.pad(torch.isnan(batch.values), (0, 0, 1, 0), value=True)[:, :-1]
        tokens = F.pad(batch.tokens, (0, 0, 1, 0))[:, :-1]
        x = self.rows(last, missing, tokens, batch.calendar)
        h, _ = self.recurrent(x, lengths=batch.lengths)
        return self._told(h, last)

    def _told(self, h: Tensor, last: Tensor | None = None) -> Told:
        h = self.dropout(h)
        shape = (*h.shape[:-1], 0, len(self.spec.levels))
        quantiles = h.new_zeros(shape) if self.numbers is None else self.numbers(h)
        if last is not None and self.keep is not None:
            quantiles = quantiles + (self.keep * last).unsqueeze(-1)
        return Told(quantiles, tuple(word(h) for word in self.words), h.new_zeros(()))

    def _rebuild(self, batch: RowBatch) -> Told:
        values, tokens = batch.values, batch.tokens
        if self.training and self.spec.input_dropout:
            values = values.masked_fill(
                torch.rand_like(values) < self.spec.input_dropout, torch.nan
            )
            tokens = tokens.masked_fill(torch.rand(tokens.shape) < self.spec.input_dropout, 0)
        x = self.rows(bent(values).nan_to_num(), torch.isnan(values), tokens, batch.calendar)
        last = self.last(x, batch.lengths)
        latent, divergence = self.latent(last)
        T = x.shape[1]
        # Backwards: step k tells of row T-1-k, counted from each piece's own end.
        k = torch.arange(T)
        place = (batch.lengths[:, None] - 1 - k).clamp_min(0)
        calendar = batch.calendar.gather(1, place[..., None].expand(-1, -1, self.spec.calendar))
        steps = torch.cat([latent[:, None].expand(-1, T, -1), calendar], dim=-1)
        h, _ = self.decoder(steps, lengths=batch.lengths)
        h = h.gather(1, place[..., None].expand(-1, -1, h.shape[-1]))  # its own inverse
        told = self._told(h)
        return told._replace(divergence=divergence)

    def last(self, x: Tensor, lengths: Tensor) -> Tensor:
        """``(B, H)``: the recurrence's output at the end of each piece."""
        _, state = self.recurrent(x, lengths=lengths)
        h = state[0] if isinstance(state, tuple) else state
        top: Tensor = h[-1]
        return top

    def latent(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, L)`` and its divergence; of a variational network drawn in training, else the mean."""
        found = self.squeeze(h)
        if self.spec.method != "variational":
            return found, found.new_zeros(())
        mean, log_variance = found.chunk(2, dim=-1)
        log_variance = log_variance.clamp(-10, 10)
        # KL(N(m, s) | N(0, 1)), Kingma & Welling, appendix B
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1).mean()
        if self.training:
            mean = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return mean, divergence


def _stack(spec: DetectSpec, size: int) -> nn.Module:
    options = {
        name: value
        for name in ("recurrent_dropout", "zoneout", "weight_drop")
        if (value := getattr(spec, name))
    }
    dropout = spec.dropout if spec.num_layers > 1 else 0.0
    layers: nn.Module = make(
        spec.cell, size, spec.hidden_size, spec.num_layers, dropout=dropout, **options
    )
    return layers
