"""How good probabilities of classes are: scores, a row for each class, confusion, reliability, ROC and PR."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.train.bootstrap import intervals

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BINS = 15
MOST_POINTS = 200


def classification_scores(
    p: Array,
    truth: IntArray,
    classes: Sequence[str],
    *,
    groups: Sequence[Any] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Scores: ``overall``, ``intervals``, ``classes``, ``confusion``, ``reliability``; of two ``roc``, ``pr``.

    Args:
        p: ``(N, K)`` probabilities.
        truth: ``(N,)`` class numbers.
        classes: K names; of two the second one is what is looked for.
        groups: of the items, for the intervals.

    >>> found = classification_scores(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0]), ["a", "b"])
    >>> found["overall"]["accuracy"], found["confusion"]
    (0.5, [[1, 1], [0, 0]])
    """
    K, chosen = len(classes), p.argmax(-1)
    confusion = np.bincount(truth * K + chosen, minlength=K * K).reshape(K, K)
    overall = from_confusion(confusion[None].astype(float))
    told: dict[str, Any] = {name: float(v[0]) for name, v in overall.items()}
    own = p[np.arange(len(truth)), truth] if len(truth) else np.zeros(0)
    told["log_loss"] = float(-np.log(np.clip(own, 1e-12, 1)).mean()) if len(own) else None
    told["ece"] = expected_calibration_error(p, truth)
    found: dict[str, Any] = {
        "overall": told,
        "intervals": intervals(len(truth), _resampled(truth, chosen, K), groups=groups, seed=seed),
        "classes": by_class(confusion, classes),
        "confusion": confusion.tolist(),
        "reliability": reliability(p, truth),
    }
    if K == 2:
        told |= {
            "roc_auc": roc_auc(p[:, 1], truth == 1),
            "average_precision": average_precision(p[:, 1], truth == 1),
        }
        found["roc"], found["pr"] = roc_curve(p[:, 1], truth == 1), pr_curve(p[:, 1], truth == 1)
    return found


def from_confusion(confusion: Array) -> dict[str, Array]:
    """Accuracy, balanced accuracy and macro F1 ``(R,)`` of tables ``(R, K, K)``, rows the truth.

    Classes without an example do not count in balanced accuracy; in macro F1 those do that occur or were said.
    """
    right = np.diagonal(confusion, axis1=1, axis2=2)
    actual, said = confusion.sum(2), confusion.sum(1)
    total = np.maximum(confusion.sum((1, 2)), 1)
    there = actual > 0
    recall = np.where(there, right / np.maximum(actual, 1), 0.0)
    either = (actual + said) > 0
    f1 = np.where(either, 2 * right / np.maximum(actual + said, 1), 0.0)
    return {
        "accuracy": right.sum(1) / total,
        "balanced_accuracy": recall.sum(1) / np.maximum(there.sum(1), 1),
        "macro_f1": f1.sum(1) / np.maximum(either.sum(1), 1),
    }


def _resampled(truth: IntArray, chosen: IntArray, K: int) -> Any:
    """Statistics of weights; the table of every resample by one product with the cells that occur."""
    cells, place = np.unique(truth * K + chosen, return_inverse=True)

    def statistics(w: Array) -> dict[str, Array]:
        if len(cells) > 5000:  # of very many classes the accuracy alone
            return {"accuracy": w @ (truth == chosen) / w.sum(1)}
        sums = np.zeros((len(w), len(cells)))
        for c in range(len(cells)):
            sums[:, c] = w[:, place == c].sum(1)
        if K > 100:
            right = cells // K == cells % K
            return {"accuracy": sums[:, right].sum(1) / sums.sum(1)}
        tables = np.zeros((len(w), K * K))
        tables[:, cells] = sums
        return from_confusion(tables.reshape(-1, K, K))

    return statistics


def by_class(confusion: npt.NDArray[Any], classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Precision, recall, F1 and number of examples of each class; None where nothing was said or there."""
    rows = {}
    for k, name in enumerate(classes):
        right, actual, said = confusion[k, k], confusion[k].sum(), confusion[:, k].sum()
        rows[name] = {
            "precision": float(right / said) if said else None,
            "recall": float(right / actual) if actual else None,
            "f1": float(2 * right / (actual + said)) if actual + said else None,
            "support": int(actual),
        }
    return rows


def expected_calibration_error(p: Array, truth: IntArray, bins: int = BINS) -> float:
    """Mean distance of confidence and accuracy over bins of like confidence (Guo et al. 2017, equation 3)."""
    if not len(truth):
        return 0.0
    gaps = [r["count"] * abs(r["confidence"] - r["accuracy"]) for r in reliability(p, truth, bins)]
    return float(sum(gaps) / len(truth))


def reliability(p: Array, truth: IntArray, bins: int = BINS) -> list[dict[str, Any]]:
    """Mean confidence, accuracy and number of the answers in each bin that holds any."""
    if not len(truth):
        return []
    sure, right = p.max(-1), p.argmax(-1) == truth
    place = np.minimum((sure * bins).astype(int), bins - 1)
    found = []
    for b in np.unique(place):
        inside = place == b
        found.append(
            {
                "confidence": float(sure[inside].mean()),
                "accuracy": float(right[inside].mean()),
                "count": int(inside.sum()),
            }
        )
    return found


def _counts(score: Array, positive: npt.NDArray[np.bool_]) -> tuple[Array, Array, float, float]:
    """True and false positives at every distinct threshold, falling, and their totals."""
    order = np.argsort(-score, kind="stable")
    s, y = score[order], positive[order].astype(float)
    last = np.append(np.flatnonzero(np.diff(s)), len(s) - 1)
    tp = np.cumsum(y)[last]
    return tp, last + 1 - tp, float(y.sum()), float(len(y) - y.sum())


def roc_auc(score: Array, positive: npt.NDArray[np.bool_]) -> float | None:
    """Area below the ROC curve; None where one of both kinds is missing."""
    if not len(score):
        return None
    tp, fp, P, N = _counts(score, positive)
    if not P or not N:
        return None
    return float(np.trapezoid(np.append(0, tp) / P, np.append(0, fp) / N))


def average_precision(score: Array, positive: npt.NDArray[np.bool_]) -> float | None:
    """Precision at each threshold, weighted by the recall that it adds; None without a positive."""
    if not len(score):
        return None
    tp, fp, P, _ = _counts(score, positive)
    if not P:
        return None
    return float((np.diff(tp, prepend=0) / P * tp / (tp + fp)).sum())


def roc_curve(score: Array, positive: npt.NDArray[np.bool_]) -> list[list[float]]:
    """At most 200 points ``[false positive rate, true positive rate]``."""
    if not len(score):
        return []
    tp, fp, P, N = _counts(score, positive)
    return _thinned(np.append(0, fp) / max(N, 1), np.append(0, tp) / max(P, 1))


def pr_curve(score: Array, positive: npt.NDArray[np.bool_]) -> list[list[float]]:
    """At most 200 points ``[recall, precision]``."""
    if not len(score):
        return []
    tp, fp, P, _ = _counts(score, positive)
    return _thinned(tp / max(P, 1), tp / (tp + fp))


def _thinned(x: Array, y: Array) -> list[list[float]]:
    """Points that lie about evenly along x and y."""
    if len(x) > MOST_POINTS:
        way = np.cumsum(np.abs(np.diff(x, prepend=x[0])) + np.abs(np.diff(y, prepend=y[0])))
        pick = np.searchsorted(way, np.linspace(0, way[-1], MOST_POINTS - 1))
        pick = np.unique(np.append(np.minimum(pick, len(x) - 1), len(x) - 1))
        x, y = x[pick], y[pick]
    return [[round(float(a), 5), round(float(b), 5)] for a, b in zip(x, y, strict=True)]
