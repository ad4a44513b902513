"""A head whose quantiles cannot cross."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class QuantileHead(nn.Module):
    """Quantiles in rising order, by construction.

    The network's output for the median is free; every other level adds a positive distance to its inner
    neighbour:

    .. code-block:: text

        q[m]   = a[m]                                   m: the level 0.5
        q[k]   = q[k-1] + softplus(a[k])                k above m
        q[k]   = q[k+1] - softplus(a[k])                k below m

    so ``q`` never crosses, whatever the weights (cf. Gasthaus et al. 2019, section 3; there with splines).

    Args:
        hidden_size: H, size of the last axis of the input.
        steps: outputs a position has, for instance the steps of one segment.
        levels: increasing levels in (0, 1) that contain 0.5.

    >>> head = QuantileHead(8, steps=4, levels=(0.1, 0.5, 0.9))
    >>> q = head(torch.randn(2, 3, 8))
    >>> q.shape, bool((q.diff(dim=-1) > 0).all())
    (torch.Size([2, 3, 4, 3]), True)
    """

    def __init__(self, hidden_size: int, steps: int, levels: Sequence[float]) -> None:
        super().__init__()
        self.levels = check_levels(levels)
        self.steps = steps
        self.median = self.levels.index(0.5)
        self.linear = nn.Linear(hidden_size, steps * len(self.levels))

    def forward(self, x: Tensor) -> Tensor:
        """``(..., H)`` to ``(..., steps, Q)``."""
        a = self.linear(x).unflatten(-1, (self.steps, len(self.levels)))
        m = self.median
        middle = a[..., m : m + 1]
        below = middle - F.softplus(a[..., :m]).flip(-1).cumsum(-1).flip(-1)
        above = middle + F.softplus(a[..., m + 1 :]).cumsum(-1)
        return torch.cat([below, middle, above], dim=-1)


def check_levels(levels: Sequence[float]) -> tuple[float, ...]:
    """``levels`` as a tuple, or a ValueError that says which rule they break."""
    levels = tuple(float(q) for q in levels)
    if any(not 0 < q < 1 for q in levels):
        raise ValueError(f"quantile levels must lie between 0 and 1, both excluded; got {levels}")
    if list(levels) != sorted(set(levels)):
        raise ValueError(f"quantile levels must increase without repeats; got {levels}")
    if 0.5 not in levels:
        raise ValueError(f"quantile levels must contain 0.5, the median; got {levels}")
    return levels
