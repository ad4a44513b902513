"""Series as they might have been: scaled, noisy, stretched in time, cut."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gatework.data.encoders.base import SequenceBatch


def augment_series(
    batch: SequenceBatch, generator: torch.Generator, strength: float, *, channels: int
) -> SequenceBatch:
    """The batch with each sequence changed at random; tokens and masks move with their steps.

    .. code-block:: text

        x' = a * x(w(t)) + ε      a ~ N(1, 0.1 strength) a channel, ε ~ N(0, 0.03 strength) a step
                                  w: a smooth path from a random begin to a random end of the sequence

    Args:
        channels: how many of the numbers are measured values, the first ones; others are not scaled.

    With targets of every step the time stays as it is.  After Um et al. 2017 (arXiv 1706.00527), section IV:
    scaling, jittering, time warping and slicing of wearables' data.
    """
    if not strength:
        return batch
    values, tokens = batch.values, batch.tokens
    B, T, F = values.shape
    per_step = batch.targets.dim() > 1 and batch.targets.shape[1] == T
    if not per_step and T > 8:
        path = _paths(batch.lengths, T, generator, strength)
        values, tokens = _follow(values, path), _nearest(tokens, path)
    valid = (torch.arange(T) < batch.lengths[:, None]).unsqueeze(-1)
    if channels:
        own = values[..., :channels]
        scale = 1 + 0.1 * strength * torch.randn(B, 1, channels, generator=generator)
        noise = 0.03 * strength * torch.randn(B, T, channels, generator=generator)
        own = own * scale + noise
        values = own if channels == F else torch.cat([own, values[..., channels:]], dim=-1)
    # Behind an end a path reads the last step again.
    return replace(batch, values=values * valid, tokens=tokens * valid)


def _paths(lengths: Tensor, T: int, generator: torch.Generator, strength: float) -> Tensor:
    """``(B, T)``: the place, from 0 to length - 1, that each step now reads."""
    B = len(lengths)
    steps = torch.arange(T).float() / (lengths[:, None] - 1).clamp_min(
        1
    )  # 0 to 1 within a sequence
    steps = steps.clamp_max(1.0)
    # A slice of at least 1 - 0.2 strength of it, read at a speed that varies smoothly.
    share = 1 - 0.2 * strength * torch.rand(B, 1, generator=generator)
    begin = (1 - share) * torch.rand(B, 1, generator=generator)
    bend = 0.05 * strength * torch.randn(B, 3, 1, generator=generator)
    waves = torch.stack([torch.sin(torch.pi * k * steps) / k for k in (1, 2, 3)], dim=1)
    place = (steps + (bend * waves).sum(1)).clamp(0, 1)
    return (begin + share * place) * (lengths[:, None] - 1)


def _follow(values: Tensor, path: Tensor) -> Tensor:
    """Values read along a path, straight lines between steps."""
    low = path.floor().long()
    part = (path - low).unsqueeze(-1)
    high = (low + 1).clamp_max(values.shape[1] - 1)
    index = low.unsqueeze(-1).expand(-1, -1, values.shape[-1])
    other = high.unsqueeze(-1).expand(-1, -1, values.shape[-1])
    return values.gather(1, index) * (1 - part) + values.gather(1, other) * part


def _nearest(tokens: Tensor, path: Tensor) -> Tensor:
    if not tokens.shape[-1]:
        return tokens
    return tokens.gather(1, path.round().long().unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))
