"""How well a score puts what is looked for first: areas below the ROC and the precision-recall curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.train.bootstrap import Groups, cell_intervals, numbered

Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
MOST_POINTS = 200
_MOST_CELLS = 10**7
_EDGES = 300  # scores of what is looked for at which the areas of resamples are cut


def ranking_scores(score: Array, positive: BoolArray) -> tuple[dict[str, Any], dict[str, Any]]:
    """``roc_auc`` and ``average_precision``; and the curves ``roc`` and ``pr``."""
    areas = {
        "roc_auc": roc_auc(score, positive),
        "average_precision": average_precision(score, positive),
    }
    return areas, {"roc": roc_curve(score, positive), "pr": pr_curve(score, positive)}


def _counts(score: Array, positive: BoolArray) -> tuple[Array, Array, float, float]:
    """True and false positives at every distinct threshold, falling, and their totals."""
    order = np.argsort(-score, kind="stable")
    s, y = score[order], positive[order].astype(float)
    last = np.append(np.flatnonzero(np.diff(s)), len(s) - 1)
    tp = np.cumsum(y)[last]
    return tp, last + 1 - tp, float(y.sum()), float(len(y) - y.sum())


def roc_auc(score: Array, positive: BoolArray) -> float | None:
    """Area below the ROC curve; None where one of both kinds is missing."""
    if not len(score):
        return None
    tp, fp, P, N = _counts(score, positive)
    if not P or not N:
        return None
    return float(np.trapezoid(np.append(0, tp) / P, np.append(0, fp) / N))


def average_precision(score: Array, positive: BoolArray) -> float | None:
    """Precision at each threshold, weighted by the recall that it adds; None without a positive.

    As scikit-learn defines it: no area is drawn between thresholds.

    >>> average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]))  # (1 + 2/3) / 2
    0.8333333333333333
    """
    if not len(score):
        return None
    tp, fp, P, _ = _counts(score, positive)
    if not P:
        return None
    return float((np.diff(tp, prepend=0) / P * tp / (tp + fp)).sum())


def roc_curve(score: Array, positive: BoolArray) -> list[list[float]]:
    """At most 200 points ``[false positive rate, true positive rate]``; none where either is undefined."""
    if not positive.any() or positive.all():
        return []
    tp, fp, P, N = _counts(score, positive)
    return _thinned(np.append(0, fp) / N, np.append(0, tp) / P)


def pr_curve(score: Array, positive: BoolArray) -> list[list[float]]:
    """At most 200 points ``[recall, precision]``; none without a positive."""
    if not positive.any():
        return []
    tp, fp, P, _ = _counts(score, positive)
    return _thinned(tp / P, tp / (tp + fp))


def ranking_intervals(
    score: Array, positive: BoolArray, *, groups: Groups = None, seed: int = 0
) -> dict[str, list[float]]:
    """Intervals of both areas, of scores cut into cells at and between those of what is looked for.

    With up to 300 different ones of these nothing is lost; with more, neighbours count as equal.
    """
    if not positive.any() or positive.all():
        return {}
    G = 1 if groups is None else numbered(groups)[1]
    edges, most = np.unique(score[positive]), max(2, min(_EDGES, _MOST_CELLS // (4 * G)))
    if len(edges) > most:
        edges = edges[np.linspace(0, len(edges) - 1, most).astype(int)]
    place = np.searchsorted(edges, score) + np.searchsorted(edges, score, side="right")
    C = 2 * len(edges) + 1  # odd ones at an edge, even ones between

    def statistics(n: Array) -> dict[str, Array]:
        falling = n.reshape(len(n), 2, C)[:, :, ::-1]
        fp, tp = np.moveaxis(falling.cumsum(2), 1, 0)
        P, N = tp[:, -1:], fp[:, -1:]
        with np.errstate(invalid="ignore", divide="ignore"):  # a resample may lack one of both
            precision = np.where(tp > 0, tp / (tp + fp), 0)
            recall = tp / P
            rate = np.concatenate([np.zeros((len(n), 1)), fp / N], axis=1)
            whole = np.concatenate([np.zeros((len(n), 1)), recall], axis=1)
            return {
                "roc_auc": np.trapezoid(whole, rate, axis=1),
                "average_precision": (np.diff(whole, axis=1) * precision).sum(1),
            }

    return cell_intervals(positive * C + place, 2 * C, statistics, groups=groups, seed=seed)


def _thinned(x: Array, y: Array) -> list[list[float]]:
    """Points that lie about evenly along x and y."""
    if len(x) > MOST_POINTS:
        way = np.cumsum(np.abs(np.diff(x, prepend=x[0])) + np.abs(np.diff(y, prepend=y[0])))
        pick = np.searchsorted(way, np.linspace(0, way[-1], MOST_POINTS - 1))
        pick = np.unique(np.append(np.minimum(pick, len(x) - 1), len(x) - 1))
        x, y = x[pick], y[pick]
    return [[round(float(a), 5), round(float(b), 5)] for a, b in zip(x, y, strict=True)]
