"""Scores of steps and spans against plain loops; and the judge is judged with wrong answers."""

from __future__ import annotations

import itertools
import json
import time

import numpy as np
import pytest
from sklearn import metrics

from gatework.train.spans import are_spans, spans
from gatework.train.tagging import tagging_scores


def conll(truth: list[str], said: list[str]) -> tuple[int, int, int]:
    """Spans right, there and said of one sentence, found step by step as conlleval goes over a file."""

    def ends(before: str, now: str) -> bool:
        a, _, x = before.partition("-")
        b, _, y = now.partition("-")
        return a != "O" and (a in "ES" or b in "OBS" or x != y)

    def begins(before: str, now: str) -> bool:
        a, _, x = before.partition("-")
        b, _, y = now.partition("-")
        return b != "O" and (b in "BS" or a in "OES" or x != y)

    right = there = found = 0
    both = False  # the same span has begun in both and has been the same so far
    pairs = [("O", "O"), *zip(truth, said, strict=True), ("O", "O")]
    for (t0, s0), (t1, s1) in itertools.pairwise(pairs):
        end_t, end_s = ends(t0, t1), ends(s0, s1)
        if both and end_t and end_s:
            right += 1
            both = False
        elif both and end_t != end_s:
            both = False
        there += begins(t0, t1)
        found += begins(s0, s1)
        if begins(t0, t1) and begins(s0, s1):
            both = t1[2:] == s1[2:]
    return right, there, found


def judged(truth: list[list[str]], said: list[list[str]], classes: list[str] | None = None) -> dict:
    classes = classes or sorted({c for row in truth + said for c in row})
    number = {c: k for k, c in enumerate(classes)}
    t, c = (np.array([number[x] for row in rows for x in row]) for rows in (truth, said))
    offsets = np.cumsum([0, *map(len, truth)])
    return tagging_scores(np.eye(len(classes))[c], c, t, offsets, classes)


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        ("I-A I-A B-A O I-B I-A", [(0, 2, "A"), (2, 3, "A"), (4, 5, "B"), (5, 6, "A")]),  # IOB1
        ("B-A I-A B-A I-B", [(0, 2, "A"), (2, 3, "A"), (3, 4, "B")]),  # IOB2, and a stray I
        ("B-A I-A E-A S-A S-B", [(0, 3, "A"), (3, 4, "A"), (4, 5, "B")]),  # IOBES
        ("B-A L-A U-A I-A", [(0, 2, "A"), (2, 3, "A"), (3, 4, "A")]),  # BILOU
        ("E-A E-A I-A", [(0, 1, "A"), (1, 2, "A"), (2, 3, "A")]),  # ends without beginnings
        ("B-x-y I-x-y B-x", [(0, 2, "x-y"), (2, 3, "x")]),
        ("B I O B B", [(0, 2, "span"), (3, 4, "span"), (4, 5, "span")]),
        ("B M E S B E", [(0, 3, "span"), (3, 4, "span"), (4, 6, "span")]),
        ("O O", []),
    ],
)
def test_spans_of_every_scheme(labels: str, wanted: list[tuple[int, int, str]]) -> None:
    assert spans(labels.split()) == wanted


def test_spans_as_conlleval_counts_them() -> None:
    """Random labels of all schemes, most of them ill-formed, right, half right and wrong."""
    rng = np.random.default_rng(0)
    labels = ["O", *(f"{m}-{t}" for m in "BIES" for t in ("PER", "LOC"))]
    truth, said = [], []
    wanted = np.zeros(3, int)
    for _ in range(400):
        T = int(rng.integers(1, 9))
        row = [labels[k] for k in rng.integers(0, len(labels), T)]
        other = [
            labels[k] if rng.random() < 0.3 else row[i] for i, k in enumerate(rng.integers(0, 9, T))
        ]
        truth.append(row)
        said.append(other)
        wanted += conll(row, other)
    right, there, found = wanted
    assert 0 < right < min(there, found)
    own = judged(truth, said)["overall"]
    assert own["span_precision"] == pytest.approx(right / found)
    assert own["span_recall"] == pytest.approx(right / there)
    assert own["span_f1"] == pytest.approx(2 * right / (found + there))


def test_spans_end_with_their_sentence() -> None:
    found = judged([["O", "B-A"], ["I-A", "O"]], [["O", "B-A"], ["I-A", "O"]])
    assert found["spans"]["A"]["support"] == 2
    assert found["overall"]["span_f1"] == 1


def test_a_table_for_each_type() -> None:
    truth = [["B-A", "I-A", "O", "B-B"], ["B-B", "O"]]
    said = [["B-A", "O", "O", "B-B"], ["B-B", "B-A"]]
    found = judged(truth, said)
    assert found["spans"]["A"] == {"precision": 0, "recall": 0, "f1": 0, "support": 1}
    assert found["spans"]["B"] == {"precision": 1, "recall": 1, "f1": 1, "support": 2}
    assert found["overall"]["span_precision"] == 2 / 4
    assert found["overall"]["token_accuracy"] == 4 / 6
    assert found["overall"]["sequence_accuracy"] == 0
    json.dumps(found, allow_nan=False)


def test_which_labels_are_spans() -> None:
    assert are_spans(["B-x", "I-x", "O"])
    assert are_spans(["I-x", "O"])
    assert are_spans(["B", "I", "O"])
    assert are_spans(["B", "E", "M", "S"])
    assert not are_spans(["S-1", "M-1", "L-1"])  # sizes
    assert not are_spans(["B-x", "other"])
    assert not are_spans(["A", "B", "O"])
    assert not are_spans(["O"])


def test_steps_as_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    classes = ["a", "b", "c"]
    t, c = rng.integers(-1, 3, 90), rng.integers(0, 3, 90)
    offsets = np.array([0, 10, 10, 40, 90])  # one is empty
    found = tagging_scores(rng.random((90, 3)), c, t, offsets, classes)
    known = t >= 0
    own = found["overall"]
    assert own["token_accuracy"] == pytest.approx(metrics.accuracy_score(t[known], c[known]))
    assert own["macro_f1"] == pytest.approx(metrics.f1_score(t[known], c[known], average="macro"))
    assert found["confusion"] == metrics.confusion_matrix(t[known], c[known]).tolist()
    assert "span_f1" not in own
    assert sum(row["support"] for row in found["classes"].values()) == known.sum()


def test_steps_without_a_label_count_neither_way() -> None:
    classes = ["B-A", "I-A", "O"]
    p = np.eye(3)[[0, 1, 0, 2]]
    own = tagging_scores(p, p.argmax(1), np.array([0, 1, -1, 2]), np.array([0, 4]), classes)
    assert own["overall"] | {"span_f1": 1.0, "token_accuracy": 1.0} == own["overall"]
    assert own["overall"]["sequence_accuracy"] == 1


def test_labels_that_training_did_not_hold_cannot_be_right() -> None:
    classes = ["O", "B-A", "B-B"]  # the last in the truth alone
    p = np.eye(2)[[0, 1, 1]]
    own = tagging_scores(p, p.argmax(1), np.array([0, 1, 2]), np.array([0, 3]), classes)
    assert own["overall"]["token_accuracy"] == pytest.approx(2 / 3)
    assert own["overall"]["span_recall"] == 1 / 2
    assert own["spans"]["B"]["support"] == 1
    assert "average_precision" in own["overall"]  # of the two labels that can be said
    strange = tagging_scores(
        p, p.argmax(1), np.array([0, 1, 2]), np.array([0, 3]), ["O", "B-A", "?"]
    )
    assert strange["overall"]["span_recall"] == 1  # what marks no span is outside


def test_rare_steps_are_ranked() -> None:
    rng = np.random.default_rng(0)
    t = (rng.random(5000) < 0.03).astype(int)
    q = 1 / (1 + np.exp(-(rng.normal(size=5000) + 2.5 * t - 4)))
    p = np.stack([1 - q, q], 1)
    found = tagging_scores(p, p.argmax(1), t, np.arange(0, 5001, 50), ["usual", "fraud"])
    own = found["overall"]["average_precision"]
    assert own == pytest.approx(metrics.average_precision_score(t, q))
    low, high = found["intervals"]["average_precision"]
    assert low < own < high
    low, high = found["intervals"]["roc_auc"]
    assert low < metrics.roc_auc_score(t, q) < high


def test_intervals_are_of_sequences() -> None:
    """Steps of a sequence that are all right or all wrong are one item, not fifty."""
    rng = np.random.default_rng(0)
    t = np.zeros(5000, int)
    c = np.repeat(rng.integers(0, 2, 100), 50)
    offsets = np.arange(0, 5001, 50)
    p = np.eye(3)[c]
    alone = tagging_scores(p, c, t, offsets, ["a", "b", "c"])["intervals"]["token_accuracy"]
    assert 0.15 < np.diff(alone)[0] < 0.25  # 2 * 1.96 * 0.5 / sqrt(100) = 0.196
    groups = [f"g{i // 10}" for i in range(100)]
    wide = tagging_scores(p, c, t, offsets, ["a", "b", "c"], groups=groups)["intervals"]
    assert wide["token_accuracy"] != alone


def test_wrong_spans_score_nothing() -> None:
    truth = [["B-A", "I-A", "I-A", "O", "B-B"]]
    for said in ("B-A I-A O O B-A", "O O O O O", "B-B I-B I-B O I-A", "B-A B-A I-A B-B I-B"):
        own = judged(truth, [said.split()])["overall"]
        assert own["span_f1"] == 0, said


def test_what_cannot_be_judged_is_refused() -> None:
    p, c, t, offsets = np.full((3, 2), 0.5), np.zeros(3, int), np.zeros(3, int), np.array([0, 3])
    with pytest.raises(ValueError, match="3 steps have probabilities of NaN"):
        tagging_scores(p * np.nan, c, t, offsets, ["a", "b"])
    with pytest.raises(ValueError, match="labels from 0 to 2 of 2"):
        tagging_scores(p, c, t + 2, offsets, ["a", "b"])
    with pytest.raises(ValueError, match="3 probabilities, 3 answers, 3 labels of 2"):
        tagging_scores(p, c, t, np.array([0, 2]), ["a", "b"])


def test_a_million_steps_take_seconds() -> None:
    rng = np.random.default_rng(0)
    classes = [f"{m}-{t}" for m in "BI" for t in "ABCDE"] + ["O"]
    t = rng.integers(0, 11, 10**6)
    c = np.where(rng.random(10**6) < 0.9, t, rng.integers(0, 11, 10**6))
    p = np.full((10**6, 11), 1 / 11)
    started = time.process_time()
    tagging_scores(p, c, t, np.arange(0, 10**6 + 1, 25), classes)
    assert time.process_time() - started < 20  # of the processor; about 2
