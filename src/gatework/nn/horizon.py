"""The forecasting network: segments in, one recurrent network, a whole horizon out in parallel.

    window ─ normalise ─┬─ segments ─ linear ─ recurrent ─┐ last state
                        │                                 ├─ one step per output segment ─ quantiles
                        │   positions, columns, known ────┘                                    │
                        └─ linear highway ─────────────────────────────────────────────────────┴─ + ─ mean

After SegRNN (Lin et al. 2023, arXiv 2308.11200, section 3): the window is cut into segments of w steps,
so that the recurrence has L/w steps instead of L; every column passes through the same network; and the
horizon is decoded in parallel, each output segment by one recurrent step from the encoder's last state.
New here: quantiles that cannot cross, missing values as an input, covariates and static features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gatework.data.windows import WindowBatch
from gatework.nn.feedforward import FeedForward
from gatework.nn.layer import RecurrentLayer
from gatework.nn.making import make
from gatework.nn.missing import carry_forward, last_observed
from gatework.nn.quantiles import QuantileHead, expectation_weights
from gatework.runtime.horizon_spec import HorizonSpec, embedding_sizes


class HorizonForecast(NamedTuple):
    """What the network says of B windows, in the scale of its input."""

    mean: Tensor  # (B, h, K), of the distribution that the quantiles describe
    quantiles: Tensor  # (B, h, K, Q), rising along Q


class CategoryEmbedding(nn.Module):
    """Numbers of several categorical columns as one vector: ``(..., C)`` to ``(..., size)``.

    Column with V values: min(16, ceil(sqrt(V))) dimensions.  Missing and unknown start at zero, so that a
    category never seen in training says nothing instead of something random.
    """

    def __init__(self, cardinalities: Sequence[int]) -> None:
        super().__init__()
        sizes = embedding_sizes(tuple(cardinalities))
        self.size = sum(sizes)
        self.tables = nn.ModuleList(
            nn.Embedding(v, d) for v, d in zip(cardinalities, sizes, strict=True)
        )
        for table in self.tables:
            assert isinstance(table, nn.Embedding)
            nn.init.normal_(table.weight, std=0.5)
            nn.init.zeros_(table.weight[:2])

    def forward(self, numbers: Tensor) -> Tensor:
        if not self.tables:
            return numbers.new_zeros((*numbers.shape[:-1], 0), dtype=torch.float32)
        return torch.cat([t(numbers[..., i]) for i, t in enumerate(self.tables)], dim=-1)


def _recurrent(spec: HorizonSpec, steps: int) -> RecurrentLayer | FeedForward:
    """The layers between segments and state."""
    H, Z = spec.hidden_size, spec.num_layers
    dropout = spec.dropout if Z > 1 else 0.0
    if spec.cell == "feedforward":
        return FeedForward(H, H, Z, steps=steps, dropout=dropout)
    layers: RecurrentLayer = make(
        spec.cell,
        H,
        H,
        Z,
        dropout=dropout,
        recurrent_dropout=spec.recurrent_dropout,
        zoneout=spec.zoneout,
        weight_drop=spec.weight_drop,
    )
    return layers


class HorizonNetwork(nn.Module):
    """Forecast of all steps of the horizon from one window; see the module's text.

    ``forward`` takes a :class:`~gatework.data.windows.WindowBatch` and returns a
    :class:`HorizonForecast`.  Columns are folded into the batch: BK = B*K sequences of n = ceil(L/w)
    segments; a window that is no multiple of w is padded at its old end with its first value.
    """

    mean_weights: Tensor

    def __init__(self, spec: HorizonSpec) -> None:
        super().__init__()
        self.spec = spec
        w, H = spec.segment, spec.hidden_size
        self.in_segments, self.out_segments = spec.in_segments, spec.out_segments
        self.embed_past = CategoryEmbedding(spec.past_categories)
        self.embed_known = CategoryEmbedding(spec.known_categories)
        self.embed_static = CategoryEmbedding(spec.static_categories)
        past, known, static = spec.past_size, spec.known_size, spec.static_size
        self.segment = nn.Linear(w * (3 if spec.mask_y else 1), H)
        self.covariates = nn.Linear(w * (past + known), H, bias=False) if past + known else None
        self.future = nn.Linear(w * known, H, bias=False) if known else None
        self.static = nn.Linear(static, H, bias=False) if static else None
        # From the window to the horizon, and from the known future to its step, in a straight line: what is
        # linear need not be learned by the recurrence (as the autoregressive part of LSTNet, Lai et al.
        # 2018).  Both start at zero.
        self.highway = nn.Linear(spec.context, spec.horizon)
        nn.init.zeros_(self.highway.weight)
        nn.init.zeros_(self.highway.bias)
        self.known_highway = nn.Linear(2 * known, spec.targets, bias=False) if known else None
        if self.known_highway is not None:
            nn.init.zeros_(self.known_highway.weight)
        self.recurrent = _recurrent(spec, self.in_segments)
        self.position = nn.Parameter(torch.randn(self.out_segments, H // 2))
        self.column = nn.Parameter(torch.randn(spec.targets, H - H // 2))
        self.dropout = nn.Dropout(spec.dropout)
        self.quantiles = QuantileHead(H, w, spec.levels)
        self.register_buffer("mean_weights", expectation_weights(spec.levels), persistent=False)

    def forward(self, batch: WindowBatch) -> HorizonForecast:
        """Forecast of the batch: mean ``(B, h, K)`` and quantiles ``(B, h, K, Q)``."""
        spec = self.spec
        B, _, K = batch.y.shape
        window, location, scale = self._normalise(batch.y)
        y, *holes = self._without_holes(window)
        known = self._with_holes(batch.known, spec.mask_known)
        known = torch.cat([known, self.embed_known(batch.known_categories)], dim=-1)
        tokens = self._tokens(y, holes, known, batch)
        _, state = self.recurrent(tokens.flatten(0, 1))  # (B*K, n, H)
        h = self.dropout(self._decode(state, known, batch, B, K))  # (B, K, m, H)
        quantiles = self.quantiles(h).flatten(2, 3)[:, :, : spec.horizon].transpose(1, 2)
        quantiles = quantiles + self._highways(y, known).unsqueeze(-1)
        quantiles = quantiles * scale.unsqueeze(-1) + location.unsqueeze(-1)
        return HorizonForecast(quantiles @ self.mean_weights, quantiles)

    def _highways(self, y: Tensor, known: Tensor) -> Tensor:
        """``(B, h, K)``: the part of the forecast that is linear in the window and in the known future."""
        out: Tensor = self.highway(y.transpose(1, 2)).transpose(1, 2)
        if self.known_highway is not None:
            ahead, now = (
                known[:, self.spec.context :],
                known[:, self.spec.context - 1 : self.spec.context],
            )
            out = out + self.known_highway(torch.cat([ahead, now.expand_as(ahead)], dim=-1))
        return out

    def _normalise(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Window as the network sees it, and the ``(B, 1, K)`` to undo that."""
        one = y.new_ones(1, 1, 1)
        if self.spec.normalize == "none":
            return y, torch.zeros_like(one), one
        if self.spec.normalize == "last":
            location = last_observed(y).unsqueeze(1)
            return y - location, location, one
        location = torch.nanmean(y, dim=1, keepdim=True).nan_to_num()
        variance = torch.nanmean((y - location).square(), dim=1, keepdim=True).nan_to_num()
        # A flat window keeps the training part's scale times a tenth: its noise is not blown up.
        scale = (variance + 0.01).sqrt()
        return (y - location) / scale, location, scale

    def _without_holes(self, y: Tensor) -> tuple[Tensor, ...]:
        """The window with its holes filled, and what the network is told about them."""
        if self.spec.mask_y:
            return carry_forward(y)
        # Trained without holes: what is missing now is carried forward, and the task says so.
        return carry_forward(y)[:1] if torch.isnan(y).any() else (y,)

    def _tokens(
        self, y: Tensor, holes: Sequence[Tensor], known: Tensor, batch: WindowBatch
    ) -> Tensor:
        """Segment vectors ``(B, K, n, H)``."""
        segments = [self._segments(part.transpose(1, 2)) for part in (y, *holes)]
        tokens: Tensor = self.segment(torch.cat(segments, dim=-1))
        if self.covariates is not None:
            past = self._with_holes(batch.past, self.spec.mask_past)
            past = torch.cat([past, self.embed_past(batch.past_categories)], dim=-1)
            both = torch.cat([past, known[:, : self.spec.context]], dim=-1)
            folded = self._segments(both.transpose(1, 2)).transpose(1, 2).flatten(2)
            tokens = tokens + self.covariates(folded).unsqueeze(1)
        return torch.relu(tokens)

    def _with_holes(self, x: Tensor, mask: bool) -> Tensor:
        """Covariates with missing values told as value, mask and time since; else as they are."""
        if mask:
            return torch.cat(carry_forward(x), dim=-1)
        # Trained without holes: what is missing now keeps its last value, as in the targets.
        return carry_forward(x)[0] if torch.isnan(x).any() else x

    def _segments(self, x: Tensor) -> Tensor:
        """``(B, C, L)`` to ``(B, C, n, w)``, padded at the old end with the first value."""
        missing = self.in_segments * self.spec.segment - x.shape[-1]
        if missing:
            x = torch.cat([x[..., :1].expand(*x.shape[:-1], missing), x], dim=-1)
        return x.reshape(*x.shape[:-1], self.in_segments, self.spec.segment)

    def _decode(
        self,
        state: Tensor | tuple[Tensor, ...],
        known: Tensor,
        batch: WindowBatch,
        B: int,
        K: int,
    ) -> Tensor:
        """One recurrent step per output segment from the encoder's last state: ``(B, K, m, H)``."""
        spec, m, H = self.spec, self.out_segments, self.spec.hidden_size
        query = torch.cat(
            [self.position.expand(K, m, -1), self.column.unsqueeze(1).expand(K, m, -1)], dim=-1
        ).unsqueeze(0)
        if self.future is not None:
            ahead = known[:, spec.context :]
            missing = m * spec.segment - spec.horizon
            if missing:
                ahead = torch.cat([ahead, ahead[:, -1:].expand(-1, missing, -1)], dim=1)
            query = query + self.future(ahead.reshape(B, 1, m, -1))
        if self.static is not None:
            features = torch.cat([batch.static, self.embed_static(batch.static_categories)], dim=-1)
            query = query + self.static(features)[:, None, None]
        # Queries (B or 1, K, m, H); states (Z, B*K, H) with the columns unfolded again.
        if isinstance(state, tuple):
            unfolded = tuple(s.reshape(-1, B, K, H) for s in state)
            assert isinstance(self.recurrent, RecurrentLayer)
            return self.recurrent.fan_out(query, unfolded)
        return self.recurrent.fan_out(query, state.view(-1, B, K, H))
