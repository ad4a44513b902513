"""Losses that leave missing truth out."""

from __future__ import annotations

import torch
from torch import Tensor


def pinball(q: Tensor, truth: Tensor, levels: Tensor) -> Tensor:
    """Mean pinball loss of quantile forecasts; missing truth does not count.

    .. code-block:: text

        loss = mean over observed values and levels of  max(τ (y - q), (τ - 1)(y - q))

    Args:
        q: ``(..., Q)`` forecast quantiles.
        truth: ``(...)`` what came; NaN is missing.
        levels: ``(Q,)`` τ of each quantile.

    Koenker & Bassett 1978, equation 3.1.  Twice the loss at τ = 0.5 is the absolute error.

    >>> loss = pinball(torch.tensor([[1.0, 2.0]]), torch.tensor([3.0]), torch.tensor([0.1, 0.5]))
    >>> round(loss.item(), 4)
    0.35
    """
    observed = ~torch.isnan(truth)
    error = torch.nan_to_num(truth).unsqueeze(-1) - q
    loss = torch.maximum(levels * error, (levels - 1) * error).mean(-1)
    return torch.where(observed, loss, 0.0).sum() / observed.sum().clamp_min(1)


def absolute(mean: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error over the observed values.

    >>> absolute(torch.tensor([1.0, 5.0]), torch.tensor([3.0, torch.nan])).item()
    2.0
    """
    observed = ~torch.isnan(truth)
    error = (torch.nan_to_num(truth) - mean).abs()
    return torch.where(observed, error, 0.0).sum() / observed.sum().clamp_min(1)


def squared(mean: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error over the observed values.

    >>> squared(torch.tensor([1.0, 5.0]), torch.tensor([3.0, torch.nan])).item()
    4.0
    """
    observed = ~torch.isnan(truth)
    error = (torch.nan_to_num(truth) - mean).square()
    return torch.where(observed, error, 0.0).sum() / observed.sum().clamp_min(1)
