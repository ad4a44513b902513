"""The likeliest label sequences of a linear-chain random field, on NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
IntArray = npt.NDArray[np.int64]


def viterbi(
    logits: Array, lengths: IntArray, transitions: Array, first: Array, last: Array
) -> IntArray:
    """``(B, T)`` labels of the highest score; 0 behind a sequence's end.

    .. code-block:: text

        score(y) = s[y_1] + Σ_t x[t, y_t] + Σ_t A[y_(t-1), y_t] + e[y_T]

    Args:
        logits: x ``(B, T, K)``.
        lengths: ``(B,)`` steps of each, at least 1.
        transitions, first, last: A ``(K, K)``, s ``(K,)`` and e ``(K,)``, as
            :class:`gatework.nn.crf.LinearChainCRF` has them.

    Raises:
        ValueError: sizes that do not fit.

    Viterbi 1967.  Of equal scores the label of the lower number, as torch decides on a CPU.

    >>> follow = np.array([[0.0, -9.0], [0.0, 0.0]])  # 1 after 0 hardly ever
    >>> viterbi(np.array([[[1.0, 0.0], [0.0, 0.5]]]), np.array([2]), follow, np.zeros(2), np.zeros(2))
    array([[0, 0]])
    """
    B, T, K = logits.shape
    if transitions.shape != (K, K) or first.shape != (K,) or last.shape != (K,):
        raise ValueError(
            f"transitions {transitions.shape}, first {first.shape}, last {last.shape} of {K} labels"
        )
    if lengths.shape != (B,) or (B and not (lengths.min() >= 1 and lengths.max() <= T)):
        raise ValueError(f"lengths {lengths.shape} are to be {B} numbers from 1 to {T}")
    came = np.zeros((T, B, K), np.int64)
    score = first + logits[:, 0]
    for t in range(1, T):
        through = score[:, :, None] + transitions
        going = (t < lengths)[:, None]
        # Behind an end every label comes from itself, so that the way back passes through.
        came[t] = np.where(going, through.argmax(1), np.arange(K))
        score = np.where(going, through.max(1) + logits[:, t], score)
    path = np.empty((B, T), np.int64)
    path[:, T - 1] = (score + last).argmax(1)
    for t in range(T - 1, 0, -1):
        path[:, t - 1] = came[t, np.arange(B), path[:, t]]
    path[np.arange(T) >= lengths[:, None]] = 0
    return path
