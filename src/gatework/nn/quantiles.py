"""A head whose quantiles cannot cross."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatework.levels import check_levels


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
        with torch.no_grad():  # distances start at softplus(-1), a third of a standard deviation
            self.linear.bias.view(steps, -1).sub_(1.0)[:, self.median].add_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., H)`` to ``(..., steps, Q)``."""
        a = self.linear(x).unflatten(-1, (self.steps, len(self.levels)))
        m = self.median
        middle = a[..., m : m + 1]
        below = middle - F.softplus(a[..., :m]).flip(-1).cumsum(-1).flip(-1)
        above = middle + F.softplus(a[..., m + 1 :]).cumsum(-1)
        return torch.cat([below, middle, above], dim=-1)


def expectation_weights(levels: Sequence[float]) -> Tensor:
    """``(Q,)`` weights w with ``mean ≈ sum of w q``: the mean of the distribution that has these quantiles.

    The mean is the integral of the quantile function over (0, 1); between two levels it is taken as linear,
    beyond the outer ones as constant.  The weights sum to 1, so a shifted distribution has a shifted mean.

    >>> [round(w, 3) for w in expectation_weights((0.1, 0.5, 0.9)).tolist()]
    [0.3, 0.4, 0.3]
    """
    edges = torch.tensor([0.0, *((a + b) / 2 for a, b in itertools.pairwise(levels)), 1.0])
    return edges.diff()
