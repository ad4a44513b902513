"""Missing values inside a window: what ``gatework.nn.missing`` does, on NumPy arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def carry_forward(x: Array) -> tuple[Array, Array, Array]:
    """``(filled, observed, since)`` of ``x`` ``(B, T, C)``, each of its shape and dtype; NaN is missing.

    filled: the last value seen in the window, 0 before the first one.  observed: 1 where a value was
    measured, else 0.  since: ``log(1 + steps since last seen) / log(1 + T)``, counted from the window's
    start while nothing was seen.

    >>> [part.ravel().tolist() for part in carry_forward(np.array([[[1.0], [np.nan], [3.0]]]))][:2]
    [[1.0, 1.0, 3.0], [1.0, 0.0, 1.0]]
    """
    B, T, C = x.shape
    observed = ~np.isnan(x)
    steps = np.arange(T)[:, None]
    # The last step that was seen; -1 while there was none.
    last = np.maximum.accumulate(np.where(observed, steps, -1), axis=1)
    # Where nothing was seen yet the first step is missing too, and stands as 0.
    filled = np.where(observed, x, 0)[
        np.arange(B)[:, None, None], np.maximum(last, 0), np.arange(C)
    ]
    since = np.log1p((steps - last).astype(x.dtype)) / math.log1p(T)
    return filled.astype(x.dtype, copy=False), observed.astype(x.dtype), since


def last_observed(x: Array) -> Array:
    """``(B, 1, C)``: the last value that is not NaN in each column of ``x`` ``(B, T, C)``; 0 without any.

    >>> last_observed(np.array([[[1.0], [2.0], [np.nan]]])).tolist()
    [[[2.0]]]
    """
    return carry_forward(x)[0][:, -1:]
