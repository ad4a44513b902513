"""A head whose quantiles cannot cross: what ``gatework.nn.quantiles`` does, on NumPy arrays."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class QuantileHead:
    """Quantiles in rising order, by construction: q[m] = a[m], q[m±k] = q[m±(k-1)] ± softplus(a[m±k]).

    Args:
        weight: ``(steps*Q, H)`` of the linear layer that gives ``a``, the Q levels of a step side by side.
        bias: ``(steps*Q,)``.
        half: levels below the median, as many as above it: Q = 2 * half + 1.
    """

    def __init__(self, weight: Array, bias: Array, half: int) -> None:
        # Rows in the order in which they are used, steps side by side: medians, distances upwards from the
        # median, distances downwards from it.
        order = [half, *range(half + 1, 2 * half + 1), *range(half - 1, -1, -1)]
        H = weight.shape[1]
        rows = weight.reshape(-1, 2 * half + 1, H)[:, order].swapaxes(0, 1).reshape(-1, H)
        self._weight = np.ascontiguousarray(rows.T)
        self._bias = np.ascontiguousarray(bias.reshape(-1, 2 * half + 1)[:, order].T).ravel()
        self._half = half

    def __call__(self, x: Array) -> Array:
        """``(R, H)`` to ``(R, steps, Q)``."""
        half, R = self._half, len(x)
        a = x @ self._weight
        a += self._bias
        a = a.reshape(R, 2 * half + 1, -1)
        middle, distance = a[:, 0], a[:, 1:]
        out = np.empty((R, a.shape[2], 2 * half + 1), a.dtype)
        out[..., half] = middle
        if half:
            # softplus, without overflow
            distance = np.log1p(np.exp(-np.abs(distance))) + np.maximum(distance, 0)
            distance = distance.reshape(R, 2, half, -1).cumsum(axis=2).swapaxes(2, 3)
            np.add(middle[..., None], distance[:, 0], out=out[..., half + 1 :])
            np.subtract(middle[..., None], distance[:, 1], out=out[..., half - 1 :: -1])
        return out


def expectation_weights(levels: Sequence[float]) -> Array:
    """``(Q,)`` float32 weights w with ``mean ≈ sum of w q``; see ``gatework.nn.quantiles``.

    >>> [round(float(w), 3) for w in expectation_weights((0.1, 0.5, 0.9))]
    [0.3, 0.4, 0.3]
    """
    edges = np.array([0.0, *((a + b) / 2 for a, b in itertools.pairwise(levels)), 1.0], np.float32)
    return np.diff(edges)
