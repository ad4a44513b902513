"""Sounds, inks and pictures as they might have been, for training: a whole padded batch at once.

Each function depends on nothing but its arguments: the same generator gives the same batch.  What lies
behind a sequence's length is 0 before and after.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from gatework.data.encoders.base import SequenceBatch

LONGEST = 0.15  # of the frames, or of the bands, that a mask covers at most


def augment_sound(
    batch: SequenceBatch,
    generator: torch.Generator,
    strength: float,
    *,
    nats: float = 2.0,
    gain: bool = False,
) -> SequenceBatch:
    """The batch of standardised log-mel frames, each spoken faster or slower, by another, in noise, with holes.

    .. code-block:: text

        speed     read at 1 ± 0.15 strength of its speed, straight lines between frames
        throat    bands read at 1 ± 0.08 strength of their place, and up to a band off
        noise     log(e^x + e^n), n a floor of each band, in half of the recordings
        gain      up to 6 dB, where scales are the training part's
        masks     two runs of frames and two of bands become 0, the mean

    Args:
        nats: what 1 of the values is in nats.
        gain: whether loudness was left in the values.

    Masks after Park et al. 2019 (arXiv 1904.08779), section 2; the throat after Jaitly and Hinton 2013
    (vocal tract length perturbation).
    """
    x, lengths = batch.values, batch.lengths
    B, T, bands = x.shape
    if not strength or not B:
        return batch

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    per_step = batch.targets.dim() > 1 and batch.targets.shape[1] == T
    if not per_step:
        speed = 1 + 0.15 * min(strength, 2.0) * (2 * uniform(B) - 1)
        x, lengths = _at_speed(x, lengths, speed)
        T = x.shape[1]
    stretch = 1 + 0.08 * min(strength, 4.0) * (2 * uniform(B, 1) - 1)
    shift = strength * (2 * uniform(B, 1) - 1)
    x = _bands_at(x, torch.arange(bands) * stretch + shift)
    floor = (
        -2.5
        + 1.5 * min(strength, 2.0) * uniform(B, 1, 1)
        + 0.3 * torch.randn(B, 1, bands, generator=generator)
    )
    noisy = torch.logaddexp(x * nats, floor * nats) / nats
    x = torch.where(uniform(B, 1, 1) < 0.5 * min(strength, 1.0), noisy, x)
    if gain:
        x = x + strength * (0.7 / nats) * (2 * uniform(B, 1, 1) - 1)
    x = x + 0.1 * strength * torch.randn(x.shape, generator=generator)
    hidden = torch.zeros(x.shape, dtype=torch.bool)
    for _ in range(2):
        size = uniform(B) * (LONGEST * min(strength, 2.0)) * lengths
        hidden |= _runs(T, size, uniform(B) * (lengths - size).clamp_min(0))[:, :, None]
        wide = uniform(B) * (LONGEST * min(strength, 2.0)) * bands
        hidden |= _runs(bands, wide, uniform(B) * (bands - wide).clamp_min(0))[:, None, :]
    hidden |= torch.arange(T)[:, None] >= lengths[:, None, None]
    x = x.masked_fill(hidden, 0.0)
    return replace(batch, values=x, tokens=batch.tokens.new_zeros(B, T, 0), lengths=lengths)


def _at_speed(x: Tensor, lengths: Tensor, speed: Tensor) -> tuple[Tensor, Tensor]:
    """Each sequence read at its speed, and how long it is then."""
    new = (lengths / speed).round().long().clamp_min(1)
    steps = torch.arange(int(new.max()))
    last = (lengths - 1).float()[:, None]
    place = (steps * (last / (new - 1).clamp_min(1)[:, None])).clamp_max(last)
    low = place.floor().long()
    part = (place - low).unsqueeze(-1)
    high = (low + 1).minimum(lengths[:, None] - 1)
    size = x.shape[-1]
    below = x.gather(1, low.unsqueeze(-1).expand(-1, -1, size))
    above = x.gather(1, high.unsqueeze(-1).expand(-1, -1, size))
    read = torch.lerp(below, above, part.expand_as(below))
    return read * (steps < new[:, None]).unsqueeze(-1), new


def _bands_at(x: Tensor, place: Tensor) -> Tensor:
    """Bands read at other places ``(B, bands)``, straight lines between them."""
    place = place.clamp(0, x.shape[-1] - 1)
    low = place.floor().long()
    part = (place - low)[:, None, :]
    high = (low + 1).clamp_max(x.shape[-1] - 1)
    below = x.gather(2, low[:, None, :].expand_as(x))
    above = x.gather(2, high[:, None, :].expand_as(x))
    return torch.lerp(below, above, part.expand_as(x))


def _runs(size: int, length: Tensor, begin: Tensor) -> Tensor:
    """``(B, size)``: True from ``begin`` on, for ``length``, both rounded down."""
    places = torch.arange(size)
    first = begin.long()[:, None]
    found: Tensor = (places >= first) & (places < first + length.long()[:, None])
    return found


def augment_ink(
    batch: SequenceBatch, generator: torch.Generator, strength: float, *, spacing: float
) -> SequenceBatch:
    """The batch of steps ``[dx, dy, pen up, x, y]``, each ink turned, slanted, stretched and shaken.

    .. code-block:: text

        p' = A p + w(t)                 A: turn ± 0.3, slant ± 0.5, height and width ± 25 %; w smooth, ± 0.06
        (dx, dy)' = (p'(t) - p'(t-1)) / spacing

    Args:
        spacing: what 1 of dx and dy is in units of x and y.
    """
    values = batch.values
    B, T, _ = values.shape
    if not strength or not B:
        return batch

    def spread(*shape: int) -> Tensor:
        return (2 * torch.rand(*shape, generator=generator) - 1) * min(strength, 3.0)

    turn, slant = 0.3 * spread(B), 0.5 * spread(B)
    wide, high = 1 + 0.25 * spread(B), 1 + 0.25 * spread(B)
    cos, sin = turn.cos(), turn.sin()
    # Rows of A: a turn of what was slanted and stretched before.
    A = torch.stack(
        [
            torch.stack([cos * wide, cos * slant * high - sin * high], dim=-1),
            torch.stack([sin * wide, sin * slant * high + cos * high], dim=-1),
        ],
        dim=1,
    )
    points = values[..., 3:5]
    shaken = torch.einsum("bij,btj->bti", A, points)
    # A smooth way to go wrong: a few random offsets along the ink, joined.
    knots = 0.06 * strength * torch.randn(B, 2, max(T // 8, 2), generator=generator)
    shaken = shaken + F.interpolate(knots, size=T, mode="linear", align_corners=True).mT
    moves = (shaken - shaken.roll(1, dims=1)) / spacing
    moves[:, 0] = 0.0
    out = torch.cat([moves, values[..., 2:3], shaken, values[..., 5:]], dim=-1)
    valid = torch.arange(T) < batch.lengths[:, None]
    return replace(batch, values=out * valid.unsqueeze(-1))


def augment_pictures(
    batch: SequenceBatch,
    generator: torch.Generator,
    strength: float,
    *,
    shape: tuple[int, int, int],
    by_columns: bool = False,
) -> SequenceBatch:
    """The batch of pictures, each moved up to 2 pixels, turned 10 degrees, sized 10 % and bent a little.

    Args:
        shape: channels, height and width.
        by_columns: a step is a column, not a row.

    Bending is a coarse field of random offsets, enlarged, after Simard et al. 2003 (elastic distortions).
    """
    channels, height, width = shape
    B = len(batch)
    if not strength or not B:
        return batch
    lines = (width, height) if by_columns else (height, width)
    x = batch.values.view(B, *lines, channels).permute(0, 3, 1, 2)
    if by_columns:
        x = x.mT
    grid = _bent(B, height, width, generator, strength)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    if by_columns:
        x = x.mT
    return replace(batch, values=x.permute(0, 2, 3, 1).reshape(batch.values.shape))


def augment_frames(
    batch: SequenceBatch,
    generator: torch.Generator,
    strength: float,
    *,
    shape: tuple[int, int, int],
) -> SequenceBatch:
    """The batch of videos, each moved, turned and sized as pictures are, all its frames alike, and lit anew.

    The speed changes by up to 15 %, unless targets are of every step.
    """
    channels, height, width = shape
    x, lengths = batch.values, batch.lengths
    B, T, size = x.shape
    if not strength or not B:
        return batch
    per_step = batch.targets.dim() > 1 and batch.targets.shape[1] == T
    if not per_step:
        u = 2 * torch.rand(B, generator=generator) - 1
        x, lengths = _at_speed(x, lengths, 1 + 0.15 * min(strength, 2.0) * u)
        T = x.shape[1]
    grid = _bent(B, height, width, generator, strength)
    x = F.grid_sample(
        x.reshape(B, T * channels, height, width),
        grid,
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    ).view(B, T, size)
    u = 2 * torch.rand(2, B, 1, 1, generator=generator) - 1
    x = x * (1 + 0.2 * strength * u[0]) + 0.2 * strength * u[1]
    x = x * (torch.arange(T) < lengths[:, None]).unsqueeze(-1)
    return replace(batch, values=x, tokens=batch.tokens.new_zeros(B, T, 0), lengths=lengths)


def _bent(B: int, height: int, width: int, generator: torch.Generator, strength: float) -> Tensor:
    """``(B, height, width, 2)``: where each pixel is read, from -1 to 1, x first."""
    u = (2 * torch.rand(6, B, generator=generator) - 1) * strength
    turn, wide, high, slant = 0.175 * u[0], 1 + 0.1 * u[1], 1 + 0.1 * u[2], 0.1 * u[3]
    cos, sin = turn.cos(), turn.sin()
    ratio = height / width  # a turn of what is no square, in units of half a side
    theta = torch.stack(
        [
            torch.stack([wide * cos, (slant - sin) * ratio, u[4] * 4 / width], dim=-1),
            torch.stack([sin / ratio, high * cos, u[5] * 4 / height], dim=-1),
        ],
        dim=1,
    )
    grid = F.affine_grid(theta, [B, 1, height, width], align_corners=False)
    # One knot every seven pixels, off by a pixel or so.
    coarse = torch.randn(B, 2, max(height // 7, 2), max(width // 7, 2), generator=generator) * (
        0.8 * strength
    )
    bend = F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)
    return grid + bend.permute(0, 2, 3, 1) * torch.tensor([2 / width, 2 / height])
