"""Numbers that sum up each channel of a sequence, whatever its length; and pieces of many sequences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
MEDIAN_STEPS = 64  # of longer sequences the median of as many, evenly taken
_BLOCK_NUMBERS, _BLOCK_SEQUENCES = 2**21, 4096


def statistics(values: Array, offsets: Array) -> Array:
    """``(B, 8 F + 1)``: mean, deviation, least, largest, first, last, change and median; log of the length.

    Change is the slope of the straight line through a channel times the length.

    Args:
        values: ``(N, F)`` of all steps, end to end.
        offsets: ``(B + 1,)``; each sequence has a step at least.

    >>> statistics(np.array([[1.0], [2.0], [6.0]]), np.array([0, 3])).round(2).tolist()
    [[3.0, 2.16, 1.0, 6.0, 1.0, 6.0, 7.5, 2.0, 1.1]]
    """
    out = np.empty((len(offsets) - 1, 8 * values.shape[1] + 1))
    none = np.zeros((len(values), 0), np.int32)
    for first, v, _, o in blocks(values, none, offsets):
        out[first : first + len(o) - 1] = _of_block(v.astype(np.float64), o)
    return out


def _of_block(values: Array, offsets: Array) -> Array:
    first, last = offsets[:-1], offsets[1:] - 1
    lengths = np.diff(offsets)
    T = lengths[:, None].astype(float)
    mean = np.add.reduceat(values, first, axis=0) / T
    centred = values - np.repeat(mean, lengths, axis=0)
    step = (np.arange(len(values)) - np.repeat(first + (lengths - 1) / 2, lengths))[:, None]
    spread = np.maximum(np.add.reduceat(step**2, first, axis=0), 0.5)  # 0 of a single step
    slope = np.add.reduceat(centred * step, first, axis=0) / spread
    columns = [
        mean,
        np.sqrt(np.add.reduceat(centred**2, first, axis=0) / T),
        np.minimum.reduceat(values, first, axis=0),
        np.maximum.reduceat(values, first, axis=0),
        values[first],
        values[last],
        slope * T,
        _median(values, first, lengths),
        np.log(T),
    ]
    return np.concatenate(columns, axis=1)


def _median(values: Array, first: Array, lengths: Array) -> Array:
    """``(B, F)`` medians of at most 64 steps of each sequence."""
    count = np.minimum(lengths, MEDIAN_STEPS)
    j = np.arange(count.max(initial=1))
    place = np.rint(j * (lengths - 1)[:, None] / np.maximum(count - 1, 1)[:, None]).astype(np.int64)
    inside = j < count[:, None]
    rows = first[:, None] + np.where(inside, place, 0)
    picked = np.sort(np.where(inside[..., None], values[rows], np.inf), axis=1)
    B = np.arange(len(first))
    middle: Array = (picked[B, (count - 1) // 2] + picked[B, count // 2]) / 2
    return middle


def blocks(
    values: Array, tokens: Array, offsets: Array
) -> Iterator[tuple[int, Array, Array, Array]]:
    """Number of the first, values, tokens and offsets of some sequences at a time: all may be a large file."""
    width = max(values.shape[1] + tokens.shape[1], 1)
    first, B = 0, len(offsets) - 1
    while first < B:
        reach = offsets[first] + _BLOCK_NUMBERS // width
        end = int(np.searchsorted(offsets, reach, side="right")) - 1
        end = min(max(end, first + 1), first + _BLOCK_SEQUENCES, B)
        rows = slice(offsets[first], offsets[end])
        yield first, values[rows], tokens[rows], offsets[first : end + 1] - offsets[first]
        first = end


def taken(values: Array, tokens: Array, offsets: Array, some: Array) -> tuple[Array, Array, Array]:
    """Values, tokens and offsets of some sequences."""
    lengths = np.diff(offsets)[some]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    rows = np.arange(ends[-1]) + np.repeat(offsets[some] - ends[:-1], lengths)
    return values[rows], tokens[rows], ends
