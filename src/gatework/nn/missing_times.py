"""For how long each variable has not been seen, and what it was then: all steps at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Seen(NamedTuple):
    """What was last seen: of each sequence ``(B, I)``, or up to each of its steps ``(B, T, I)``."""

    last: Tensor  # the value; 0 where there was none
    since: Tensor  # the time since then, or since time began


def seen_until(
    x: Tensor, observed: Tensor, gaps: Tensor, resets: Tensor | None, before: Seen
) -> tuple[Seen, Tensor]:
    """What was seen up to each step, itself among them, and δ, the time since each was seen before it.

    δ(t) = gap(t) + (0 if seen at t-1, else δ(t-1)) of Che et al. 2018 (GRU-D, arXiv 1606.01865, section 2)
    is, with S(t) the sum of gaps, S(t) - S(last seen before t): two running maxima in the place of a loop.

    Args:
        x: ``(B, T, I)``; read where observed.
        observed: ``(B, T, I)`` bool.
        gaps: ``(B, T)`` time since the step before, 0 where time begins.  Summed in float64, so that long
            sequences lose nothing.
        resets: ``(B, T)`` bool: all that was seen is forgotten just before that step, whose gap is 0.
        before: ``(B, I)``, what was seen before the first step.

    Returns:
        ``(seen, delta)``, ``(B, T, I)`` each.

    >>> x = torch.tensor([[[4.0], [0.0], [0.0], [7.0]]])
    >>> nothing = Seen(torch.zeros(1, 1), torch.zeros(1, 1))
    >>> gaps = torch.tensor([[0.0, 1.0, 3.0, 1.0]])
    >>> seen, delta = seen_until(x, x > 0, gaps, None, nothing)
    >>> seen.last.flatten().tolist(), delta.flatten().tolist()
    ([4.0, 4.0, 4.0, 7.0], [0.0, 1.0, 4.0, 5.0])
    """
    B, T, I = x.shape  # noqa: E741
    if T == 0:
        return Seen(x, x), x
    steps = torch.arange(T, device=x.device).view(1, T, 1)
    last = torch.where(observed, steps, -1).cummax(dim=1).values
    total = gaps.to(torch.float64).cumsum(1).unsqueeze(-1)
    # where nothing was seen: time since the beginning, or since the last reset
    value, origin = before.last.unsqueeze(1), -before.since.to(torch.float64).unsqueeze(1)
    if resets is not None:
        start = torch.where(resets, steps.squeeze(-1), -1).cummax(dim=1).values.unsqueeze(-1)
        last = torch.where(last >= start, last, -1)
        value = torch.where(start >= 0, 0.0, value)
        origin = torch.where(start >= 0, total.gather(1, start.clamp(min=0)), origin)
    found = last >= 0
    place = last.clamp(min=0)
    value = torch.where(found, x.gather(1, place), value)
    then = torch.where(found, total.expand(B, T, I).gather(1, place), origin)
    since = total - then
    delta = torch.cat([before.since.unsqueeze(1).to(torch.float64), since[:, :-1]], dim=1)
    delta = delta + gaps.to(torch.float64).unsqueeze(-1)
    if resets is not None:
        delta = delta.masked_fill(resets.unsqueeze(-1), 0.0)
    return Seen(value, since.to(x.dtype)), delta.to(x.dtype)
