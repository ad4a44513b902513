"""How good labels of steps are: each by itself, and as the spans that B-, I- and their relatives mark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.train.bootstrap import Groups, intervals
from gatework.train.classification import by_class, class_counts, class_means, confusion
from gatework.train.ranking import ranking_intervals, ranking_scores
from gatework.train.spans import Scheme, are_spans

__all__ = ["are_spans", "tagging_scores"]

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
MOST_LABELS = 60  # of a confusion matrix that a page can show


def tagging_scores(
    p: Array,
    chosen: IntArray,
    truth: IntArray,
    offsets: IntArray,
    classes: Sequence[str],
    *,
    groups: Groups = None,
    seed: int = 0,
) -> dict[str, Any]:
    """``overall``, ``intervals``, ``classes``, of spans ``spans``, of two labels ``roc`` and ``pr``.

    Args:
        p: ``(N, k)`` probabilities of the steps of all sequences, end to end.
        chosen, truth: ``(N,)`` class numbers; truth -1 does not count.
        offsets: ``(B + 1,)`` where each sequence begins.
        classes: K names; those from k on are in the truth alone, where no answer is right.
        groups: of the sequences, for the intervals.

    Raises:
        ValueError: shapes that do not fit, labels out of range, or probabilities that are no numbers.
    """
    k, K, B = p.shape[1], len(classes), len(offsets) - 1
    _check(p, chosen, truth, offsets, K)
    sequence = np.repeat(np.arange(B), np.diff(offsets))
    known = truth >= 0
    t, c = truth[known], chosen[known]
    right = np.bincount(sequence[known][t == c], minlength=B)
    count = np.bincount(sequence[known], minlength=B)
    counts = class_counts(t, c, K)
    overall: dict[str, Any] = {
        "token_accuracy": float(right.sum() / max(count.sum(), 1)),
        "sequence_accuracy": _mean((right == count)[count > 0]),
        "macro_f1": float(class_means(*counts)["macro_f1"]),
    }
    found: dict[str, Any] = {"overall": overall, "classes": by_class(*counts, classes)}
    columns = [right, count]
    if are_spans(classes[:k]):
        table, found["spans"] = _span_scores(chosen, truth, sequence, offsets, classes)
        overall |= _f1(table.sum(0))
        columns += list(table.T)
    found["intervals"] = intervals(np.stack(columns, axis=1), _statistics, groups=groups, seed=seed)
    if k == 2:
        score, positive = p[known, 1], t == 1
        areas, curves = ranking_scores(score, positive)
        overall |= areas
        found |= curves
        own = sequence if groups is None else np.asarray(groups)[sequence]
        found["intervals"] |= ranking_intervals(score, positive, groups=own[known], seed=seed)
    if K <= MOST_LABELS:
        found["confusion"] = confusion(t, c, K).tolist()
    return found


def _check(p: Array, chosen: IntArray, truth: IntArray, offsets: IntArray, K: int) -> None:
    N = int(offsets[-1])
    if not len(p) == len(chosen) == len(truth) == N:
        raise ValueError(
            f"{len(p)} probabilities, {len(chosen)} answers, {len(truth)} labels of {N}"
        )
    if N and not (truth.max() < K and chosen.min() >= 0 and chosen.max() < K):
        raise ValueError(f"labels from {chosen.min()} to {max(truth.max(), chosen.max())} of {K}")
    if not np.isfinite(p).all():
        raise ValueError(f"{int((~np.isfinite(p)).any(1).sum())} steps have probabilities of NaN")


def _statistics(sums: Array) -> dict[str, Array]:
    """Of sums of right steps, labelled steps and, where there are spans, spans right, said and there."""
    found = {"token_accuracy": sums[:, 0] / np.maximum(sums[:, 1], 1)}
    if sums.shape[1] > 2:
        found["span_f1"] = 2 * sums[:, 2] / np.maximum(sums[:, 3] + sums[:, 4], 1)
    return found


def _span_scores(
    chosen: IntArray,
    truth: IntArray,
    sequence: IntArray,
    offsets: IntArray,
    classes: Sequence[str],
) -> tuple[Array, dict[str, dict[str, Any]]]:
    """``(B, 3)`` spans that are right, said and there of each sequence, and scores by type."""
    scheme, B = Scheme(classes), len(offsets) - 1
    there = scheme.spans(truth, offsets)
    said = scheme.spans(np.where(truth >= 0, chosen, -1), offsets)
    hit = said.within(there, len(truth))
    table, by_type = np.zeros((B, 3)), np.zeros((len(scheme.types), 3))
    for column, (first, kind) in enumerate(
        [(said.first[hit], said.kind[hit]), (said.first, said.kind), (there.first, there.kind)]
    ):
        table[:, column] = np.bincount(sequence[first], minlength=B)
        by_type[:, column] = np.bincount(kind, minlength=len(scheme.types))
    rows = {}
    for name, counts in zip(scheme.types, by_type, strict=True):
        if counts.any():
            rows[name] = {k.removeprefix("span_"): v for k, v in _f1(counts).items()}
            rows[name]["support"] = int(counts[2])
    return table, rows


def _f1(counts: Array) -> dict[str, Any]:
    """Precision, recall and F1 of spans right, said and there; 0 where there is none, as conlleval has it."""
    right, said, there = (float(c) for c in counts)
    return {
        "span_precision": right / said if said else 0.0,
        "span_recall": right / there if there else 0.0,
        "span_f1": 2 * right / (said + there) if said + there else 0.0,
    }


def _mean(values: npt.NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None
