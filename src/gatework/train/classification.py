"""How good probabilities of classes are: scores, a row for each class, confusion, reliability, ROC and PR."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.train.bootstrap import Groups, cell_intervals, numbered
from gatework.train.ranking import ranking_intervals, ranking_scores

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BINS = 15
MOST_CONFUSED = 300  # classes of a confusion matrix that is worth its 90,000 numbers
_MOST_CELLS = 10**7


def classification_scores(
    p: Array,
    truth: IntArray,
    classes: Sequence[str],
    *,
    groups: Groups = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Scores: ``overall``, ``intervals``, ``classes``, ``confusion``, ``reliability``; of two ``roc``, ``pr``.

    Args:
        p: ``(N, K)`` probabilities.
        truth: ``(N,)`` class numbers.
        classes: K names; of two the second one is what is looked for.
        groups: of the items, for the intervals.

    Raises:
        ValueError: shapes that do not fit, classes out of range, or probabilities that are no numbers.

    >>> found = classification_scores(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0]), ["a", "b"])
    >>> found["overall"]["accuracy"], found["confusion"]
    (0.5, [[1, 1], [0, 0]])
    """
    p, truth, K = np.asarray(p, float), np.asarray(truth), len(classes)
    _check(p, truth, K)
    chosen = p.argmax(-1)
    right, actual, said = class_counts(truth, chosen, K)
    told: dict[str, Any] = {
        name: float(value) for name, value in class_means(right, actual, said).items()
    }
    own = p[np.arange(len(truth)), truth]
    told["log_loss"] = float(np.abs(np.log(np.clip(own, 1e-12, 1))).mean()) if len(own) else None
    told["ece"] = expected_calibration_error(p, truth)
    found: dict[str, Any] = {
        "overall": told,
        "intervals": class_intervals(truth, chosen, K, groups=groups, seed=seed),
        "classes": by_class(right, actual, said, classes),
        "reliability": reliability(p, truth),
    }
    if K <= MOST_CONFUSED:
        found["confusion"] = confusion(truth, chosen, K).tolist()
    if K == 2:
        overall, curves = ranking_scores(p[:, 1], truth == 1)
        told |= overall
        found |= curves
        found["intervals"] |= ranking_intervals(p[:, 1], truth == 1, groups=groups, seed=seed)
    return found


def _check(p: Array, truth: npt.NDArray[Any], K: int) -> None:
    if p.shape != (len(truth), K):
        raise ValueError(f"probabilities {p.shape} of {len(truth)} items and {K} classes")
    if len(truth) and not (truth.min() >= 0 and truth.max() < K):
        raise ValueError(f"classes from {truth.min()} to {truth.max()}, where there are {K}")
    if not np.isfinite(p).all():
        raise ValueError(f"{int((~np.isfinite(p)).any(1).sum())} items have probabilities of NaN")


def confusion(truth: IntArray, chosen: IntArray, K: int) -> IntArray:
    """``(K, K)`` how often which class, the row, was called which, the column."""
    return np.bincount(truth * K + chosen, minlength=K * K).reshape(K, K)


def class_counts(truth: IntArray, chosen: IntArray, K: int) -> tuple[Array, Array, Array]:
    """``(K,)`` each: how often a class was said rightly, was there, and was said."""
    hit = truth[truth == chosen]
    right, actual, said = (np.bincount(x, minlength=K).astype(float) for x in (hit, truth, chosen))
    return right, actual, said


def class_means(right: Array, actual: Array, said: Array) -> dict[str, Array]:
    """Accuracy, balanced accuracy and macro F1 ``(...)`` of the counts ``(..., K)`` of classes.

    Classes without an example do not count in balanced accuracy; in macro F1 those do that occur or were said.
    """
    there, either = actual > 0, actual + said > 0
    recall = right / np.maximum(actual, 1)
    f1 = 2 * right / np.maximum(actual + said, 1)
    return {
        "accuracy": right.sum(-1) / np.maximum(actual.sum(-1), 1),
        "balanced_accuracy": recall.sum(-1) / np.maximum(there.sum(-1), 1),
        "macro_f1": f1.sum(-1) / np.maximum(either.sum(-1), 1),
    }


def class_intervals(
    truth: IntArray, chosen: IntArray, K: int, *, groups: Groups = None, seed: int = 0
) -> dict[str, list[float]]:
    """Intervals of :func:`class_means`; of very many classes of the accuracy alone."""
    cells, place = np.unique(truth * K + chosen, return_inverse=True)
    C, G = len(cells), 1 if groups is None else numbered(groups)[1]
    if C * max(3 * K, G) > _MOST_CELLS:
        return cell_intervals(
            (truth == chosen).astype(np.int64),
            2,
            lambda n: {"accuracy": n[:, 1] / n.sum(1)},
            groups=groups,
            seed=seed,
        )
    to_classes = np.zeros((C, 3, K))  # what an item of each cell adds to right, actual and said
    row, actual, said = np.arange(C), cells // K, cells % K
    to_classes[row, 0, actual] = actual == said
    to_classes[row, 1, actual] = 1
    to_classes[row, 2, said] = 1
    flat = to_classes.reshape(C, 3 * K)

    def statistics(n: Array) -> dict[str, Array]:
        sums = (n @ flat).reshape(-1, 3, K)
        return class_means(sums[:, 0], sums[:, 1], sums[:, 2])

    return cell_intervals(place, C, statistics, groups=groups, seed=seed)


def by_class(
    right: Array, actual: Array, said: Array, classes: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Precision, recall, F1 and number of examples of each class; None where nothing was said or there."""
    return {
        name: {
            "precision": float(r / s) if s else None,
            "recall": float(r / a) if a else None,
            "f1": float(2 * r / (a + s)) if a + s else None,
            "support": int(a),
        }
        for name, r, a, s in zip(classes, right, actual, said, strict=True)
    }


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
    place = np.clip((sure * bins).astype(int), 0, bins - 1)
    count, confidence, accuracy = (
        np.bincount(place, w, minlength=bins) for w in (np.ones(len(sure)), sure, right)
    )
    return [
        {
            "confidence": float(confidence[b] / count[b]),
            "accuracy": float(accuracy[b] / count[b]),
            "count": int(count[b]),
        }
        for b in np.flatnonzero(count)
    ]
