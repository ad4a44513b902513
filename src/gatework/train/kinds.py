"""Probabilities for kinds of a class that training does not hold: each known kind left out counts the same.

Where each group lies within one class, such as kinds of attack among attacks, groups are kinds, and new ones
will come.  A network calibrated on whatever is most frequent takes them for what is normal.  Here every kind,
left out by the network that judges it, weighs the same, and each class gets an offset beside the temperature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Array = npt.NDArray[Any]
ROUNDS = 60


def kind_weights(target: Array, groups: Sequence[Any] | None) -> Array | None:
    """``(N,)`` weights with which each class, and within it each group, counts the same; their mean is 1.

    None where there are no groups, or one of them holds two classes: then they are no kinds of a class.

    >>> kind_weights(np.array([0, 0, 0, 1, 1, 1]), ["n", "n", "m", "a", "a", "b"])
    array([0.75, 0.75, 1.5 , 0.75, 0.75, 1.5 ])
    >>> kind_weights(np.array([0, 1]), ["ann", "ann"]) is None
    True
    """
    if groups is None or not len(target):
        return None
    _, who = np.unique(np.asarray([str(g) for g in groups]), return_inverse=True)
    pairs = np.unique(np.stack([who, target], axis=1), axis=0)
    kinds = np.bincount(pairs[:, 1])
    if len(pairs) > who.max() + 1 or len(kinds) < 2 or kinds.max() < 2:
        return None
    size = np.bincount(who)[who]
    weights: Array = 1.0 / (size * kinds[target])
    weights *= len(target) / weights.sum()
    return weights


def fit_offsets(logits: Array, target: Array, weights: Array) -> tuple[float, list[float]]:
    """Temperature T and offsets b, mean 0, of the likeliest ``softmax(logits / T + b)`` under weights.

    Bias-corrected temperature scaling, Alexandari et al. 2020 (arXiv 1901.06852), section 4; the log loss is
    convex in 1 / T and b, and L-BFGS finds its minimum.

    >>> z = np.array([[2.0, 0.0]] * 4 + [[0.0, 2.0]] * 4)
    >>> T, b = fit_offsets(z, np.array([0, 0, 1, 1, 1, 1, 1, 1]), np.ones(8))
    >>> b[1] > b[0]
    True
    """
    z = torch.from_numpy(np.asarray(logits, np.float64))
    y = torch.from_numpy(np.asarray(target, np.int64))
    w = torch.from_numpy(np.asarray(weights, np.float64))
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    offsets = torch.zeros(z.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([scale, offsets], max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(z * scale + offsets, y, reduction="none")
        # A pinch of weight decay: where kinds are told apart without fault nothing runs off.
        total = (loss * w).mean() + 1e-4 * (scale - 1).square() + 1e-4 * offsets.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    with torch.enable_grad():
        optimiser.step(closure)  # type: ignore[no-untyped-call]
    T = 1.0 / max(float(scale.detach()), 0.05)
    found = offsets.detach() - offsets.detach().mean()
    return min(T, 20.0), [float(b) for b in found]
