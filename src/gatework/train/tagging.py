"""How good labels of steps are: each by itself, and as the spans that B-, I- and their relatives mark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.train.bootstrap import intervals
from gatework.train.classification import (
    average_precision,
    by_class,
    from_confusion,
    pr_curve,
    roc_auc,
    roc_curve,
)

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
    groups: Sequence[Any] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """``overall``, ``intervals``, ``classes``, and of spans ``spans``.

    Args:
        p: ``(N, K)`` probabilities of the steps of all sequences, end to end.
        chosen, truth: ``(N,)`` class numbers; truth -1 does not count.
        offsets: ``(B + 1,)`` where each sequence begins.
    """
    K, B = len(classes), len(offsets) - 1
    known = truth >= 0
    right = (chosen == truth) & known
    sums = (
        np.add.reduceat(np.append(right, False).astype(float), offsets[:-1]) if B else np.zeros(0)
    )
    counts = np.add.reduceat(np.append(known, False).astype(float), offsets[:-1]) if B else sums
    confusion = np.bincount(truth[known] * K + chosen[known], minlength=K * K).reshape(K, K)
    overall: dict[str, Any] = {
        "token_accuracy": float(right.sum() / max(known.sum(), 1)),
        "sequence_accuracy": float((sums == counts)[counts > 0].mean())
        if (counts > 0).any()
        else None,
        "macro_f1": float(from_confusion(confusion[None].astype(float))["macro_f1"][0]),
    }
    found: dict[str, Any] = {"overall": overall, "classes": by_class(confusion, classes)}
    table = None
    if are_spans(classes):
        table, found["spans"] = _span_scores(chosen, truth, offsets, classes)
        overall |= _f1(table.sum(0))
    if K == 2:
        score, positive = p[known, 1], truth[known] == 1
        overall |= {
            "roc_auc": roc_auc(score, positive),
            "average_precision": average_precision(score, positive),
        }
        found["roc"], found["pr"] = roc_curve(score, positive), pr_curve(score, positive)
    if K <= MOST_LABELS:
        found["confusion"] = confusion.tolist()

    def statistics(w: Array) -> dict[str, Array]:
        out = {"token_accuracy": w @ sums / np.maximum(w @ counts, 1)}
        if table is not None:
            correct, said, there = (w @ table).T
            out["span_f1"] = 2 * correct / np.maximum(said + there, 1)
        return out

    found["intervals"] = intervals(B, statistics, groups=groups, seed=seed)
    return found


def are_spans(classes: Sequence[str]) -> bool:
    """Whether labels mark spans: B- and I-, or their relatives, and at most O beside them.

    >>> are_spans(["B-NP", "I-NP", "O"]), are_spans(["NOUN", "VERB"])
    (True, False)
    """
    marked = [c for c in classes if c not in ("O", "_", "-")]
    return bool(marked) and all(len(c) > 2 and c[0] in "BIESLUM" and c[1] == "-" for c in marked)


def spans(labels: Sequence[str]) -> set[tuple[int, int, str]]:
    """Spans ``(first, end, type)`` of one sequence as conlleval counts them.

    A span begins at B, S or U, at any label after another type or after the end of a span, and at I after O; it
    ends before that, and behind E, L, S or U (Tjong Kim Sang & Buchholz 2000; schemes IOB1, IOB2, IOBES).

    >>> sorted(spans(["I-NP", "I-NP", "B-NP", "O", "I-VP", "I-NP"]))
    [(0, 2, 'NP'), (2, 3, 'NP'), (4, 5, 'VP'), (5, 6, 'NP')]
    """
    found: set[tuple[int, int, str]] = set()
    first, kind, before = -1, "", "O"
    for t, label in enumerate([*labels, "O"]):
        mark, _, own = label.partition("-") if label[1:2] == "-" else ("O", "", "")
        ended = before in "ESLU" and before != "O"
        begins = mark != "O" and (mark in "BSU" or before == "O" or ended or own != kind)
        if first >= 0 and (mark == "O" or begins):
            found.add((first, t, kind))
            first = -1
        if begins:
            first, kind = t, own
        before = mark
    return found


def _span_scores(
    chosen: IntArray, truth: IntArray, offsets: IntArray, classes: Sequence[str]
) -> tuple[Array, dict[str, dict[str, Any]]]:
    """``(B, 3)`` spans that are right, said and there of each sequence, and scores by type."""
    names = [*classes, "O"]  # -1, a step without a label, is outside
    table = np.zeros((len(offsets) - 1, 3))
    by_type: dict[str, list[int]] = {}
    for i in range(len(table)):
        rows = slice(offsets[i], offsets[i + 1])
        there = spans([names[k] for k in truth[rows]])
        said = spans(
            [names[k] if t >= 0 else "O" for k, t in zip(chosen[rows], truth[rows], strict=True)]
        )
        both = there & said
        table[i] = len(both), len(said), len(there)
        for which, group in enumerate((both, said, there)):
            for _, _, kind in group:
                by_type.setdefault(kind, [0, 0, 0])[which] += 1
    rows_ = {}
    for kind, counts in sorted(by_type.items()):
        scores = _f1(np.array(counts, float))
        rows_[kind] = {name.removeprefix("span_"): v for name, v in scores.items()}
        rows_[kind]["support"] = counts[2]
    return table, rows_


def _f1(counts: Array) -> dict[str, Any]:
    """Precision, recall and F1 of spans right, said and there."""
    right, said, there = (float(c) for c in counts)
    return {
        "span_precision": right / said if said else 0.0,
        "span_recall": right / there if there else 0.0,
        "span_f1": 2 * right / (said + there) if said + there else 0.0,
    }
