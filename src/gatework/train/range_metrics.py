"""Precision and recall of ranges: alarms that last, against anomalies that last.

    recall of an anomaly R   = alpha [R is met at all] + (1 - alpha) gamma(x) |R and alarms| / |R|
    precision of an alarm P  = gamma(x) |P and anomalies| / |P|

with x the ranges of the other kind that are met, and gamma(x) either 1 or 1 / x, so that an anomaly
found in many pieces counts less.  Both are means over the ranges, so a long one weighs as much as a short one.
The bias over places in a range is flat.

Source: Tatbul, Lee, Zdonik, Alam and Gottschlich 2018, "Precision and recall for time series", equations 1
to 8.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class RangeScores(NamedTuple):
    """``precision`` None without an alarm, ``recall`` None without an anomaly; ``f1`` None without either."""

    precision: float | None
    recall: float | None
    f1: float | None


def ranges(flags: Array, offsets: Array) -> Array:
    """``(R, 2)`` first and last row, both inside, of every run of true rows; none crosses a series.

    >>> ranges(np.array([True, True, True, False, True]), np.array([0, 2, 5]))
    array([[0, 1],
           [2, 2],
           [4, 4]])
    """
    flags = np.asarray(flags, bool)
    if not len(flags):
        return np.zeros((0, 2), np.int64)
    new = np.zeros(len(flags) + 1, bool)
    new[np.asarray(offsets, np.int64)] = True  # a series begins, or all ends
    begins = flags & (new[:-1] | ~np.append(False, flags[:-1]))
    ends = flags & (new[1:] | ~np.append(flags[1:], False))
    return np.stack([np.flatnonzero(begins), np.flatnonzero(ends)], axis=1)


def range_scores(
    labels: Array,
    alarm: Array,
    offsets: Array,
    *,
    alpha: float = 0.0,
    gamma: Literal["one", "reciprocal"] = "reciprocal",
) -> RangeScores:
    """Precision, recall and their harmonic mean of ranges of rows.

    Args:
        labels, alarm: ``(N,)`` bool.
        offsets: ``(S + 1,)`` where each series begins.
        alpha: what meeting an anomaly at all is worth, 0 to 1.
        gamma: ``reciprocal``: divided by the pieces that it was found in; ``one``: not.

    >>> labels = np.array([0, 1, 1, 1, 1, 0, 0, 0], bool)
    >>> alarm = np.array([0, 0, 0, 1, 1, 1, 1, 0], bool)
    >>> range_scores(labels, alarm, np.array([0, 8]))
    RangeScores(precision=0.5, recall=0.5, f1=0.5)
    """
    anomalies, alarms = ranges(labels, offsets), ranges(alarm, offsets)
    recall = _share(anomalies, alarms, np.asarray(alarm, bool), alpha, gamma)
    precision = _share(alarms, anomalies, np.asarray(labels, bool), 0.0, gamma)
    if recall is None and precision is None:
        return RangeScores(None, None, None)
    p, r = precision or 0.0, recall or 0.0
    return RangeScores(precision, recall, 2 * p * r / (p + r) if p + r else 0.0)


def _share(own: Array, others: Array, met: Array, alpha: float, gamma: str) -> float | None:
    """Mean over ``own`` ranges of how far the ``met`` rows cover them."""
    if not len(own):
        return None
    total = np.append(0, np.cumsum(met))
    covered = (total[own[:, 1] + 1] - total[own[:, 0]]) / (own[:, 1] - own[:, 0] + 1)
    pieces = np.searchsorted(others[:, 0], own[:, 1], side="right") - np.searchsorted(
        others[:, 1], own[:, 0], side="left"
    )
    if gamma == "reciprocal":
        covered = covered / np.maximum(pieces, 1)
    return float((alpha * (pieces > 0) + (1 - alpha) * covered).mean())
