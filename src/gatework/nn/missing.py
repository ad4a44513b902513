"""Missing values inside a window: carried forward, marked, and counted since last seen."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def carry_forward(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``(filled, observed, since)``: what a network is told about a window with holes.

    Args:
        x: ``(B, T, C)``; NaN is missing.

    Returns:
        filled ``(B, T, C)``: the last value seen in the window; 0 before the first one.
        observed ``(B, T, C)``: 1 where a value was measured, else 0.
        since ``(B, T, C)``: ``log(1 + steps since last seen)`` divided by ``log(1 + T)``; steps are
        counted from the window's start while nothing was seen.  In [0, 1].

    After Che et al. 2018 (GRU-D), section 2.2: value, mask and time interval, with the interval on a
    log scale so that it stays of the size of the other inputs.

    >>> filled, observed, since = carry_forward(torch.tensor([[[1.0], [torch.nan], [3.0]]]))
    >>> filled.flatten().tolist(), observed.flatten().tolist()
    ([1.0, 1.0, 3.0], [1.0, 0.0, 1.0])
    """
    T = x.shape[1]
    observed = ~torch.isnan(x)
    steps = torch.arange(1, T + 1, device=x.device).view(1, T, 1)
    # Number (from 1) of the last step that was seen; 0 while there was none.
    last = torch.where(observed, steps, 0).cummax(dim=1).values
    filled = torch.nan_to_num(x).gather(1, (last - 1).clamp_min(0))
    filled = torch.where(last > 0, filled, 0.0)
    since = torch.log1p((steps - last).to(x.dtype)) / math.log1p(T)
    return filled, observed.to(x.dtype), since.to(x.dtype)


def last_observed(x: Tensor) -> Tensor:
    """``(B, C)``: the last value that is not NaN in each column of ``x (B, T, C)``; 0 if there is none.

    >>> last_observed(torch.tensor([[[1.0], [2.0], [torch.nan]]])).tolist()
    [[2.0]]
    """
    observed = ~torch.isnan(x)
    steps = torch.arange(1, x.shape[1] + 1, device=x.device).view(1, -1, 1)
    last = torch.where(observed, steps, 0).amax(dim=1, keepdim=True)
    value = torch.nan_to_num(x).gather(1, (last - 1).clamp_min(0))
    return torch.where(last > 0, value, 0.0).squeeze(1)
