"""Losses of classes: smoothed, weighted, focal, mixed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_WEIGHT = 20.0


def class_loss(
    logits: Tensor,
    target: Tensor,
    *,
    weights: Tensor | None = None,
    smoothing: float = 0.0,
    focal: float = 0.0,
) -> Tensor:
    """``(N,)`` loss of each answer; 0 where the target is -1.

    .. code-block:: text

        loss = - w_y (1 - p_y)^focal Σ_k q_k log p_k        q = (1 - s) one-hot(y) + s / K

    Args:
        logits: ``(N, K)``.
        target: ``(N,)`` class numbers, -1 for none.
        weights: ``(K,)`` of the classes.

    Focal loss after Lin et al. 2017 (arXiv 1708.02002), equation 4; smoothing after Szegedy et al. 2016
    (arXiv 1512.00567), section 7.

    >>> class_loss(torch.zeros(2, 4), torch.tensor([1, -1]))
    tensor([1.3863, 0.0000])
    """
    known = target >= 0
    y = target.clamp_min(0)
    if not focal and weights is None:
        loss = F.cross_entropy(logits, y, reduction="none", label_smoothing=smoothing)
        return torch.where(known, loss, 0.0)
    log_p = logits.log_softmax(-1)
    own = log_p.gather(1, y.unsqueeze(1)).squeeze(1)
    loss = -((1 - smoothing) * own + smoothing * log_p.mean(-1))
    if focal:
        # Above 0, where the slope of a power below 1 is infinite.
        loss = loss * (-torch.expm1(own)).clamp_min(1e-12) ** focal
    if weights is not None:
        loss = loss * weights[y]
    return torch.where(known, loss, 0.0)


def balanced_weights(target: Tensor, classes: int) -> Tensor:
    """``(K,)`` with the mean 1 over examples: classes weigh the same in sum, but an example at most 20.

    >>> balanced_weights(torch.tensor([0, 0, 0, 1]), 2)
    tensor([0.6667, 2.0000])
    """
    counts = torch.bincount(target[target >= 0], minlength=classes).double()
    free = counts > 0  # classes below the bound, which share what those at it leave
    weights = torch.ones_like(counts)
    over = free
    while over.any():
        left = counts.sum() - (weights * counts)[(counts > 0) & ~free].sum()
        weights[free] = left / free.sum() / counts[free]
        over = weights > MOST_WEIGHT
        weights[over] = MOST_WEIGHT
        free = free & ~over
    return weights.float()
