"""Scores of classes against scikit-learn and by hand; and the judge is judged with wrong answers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from gatework.train.classification import classification_scores, expected_calibration_error
from gatework.train.ranking import average_precision, pr_curve, roc_auc, roc_curve

EPS = float(np.finfo(np.float64).eps)


def answers(N: int, K: int, seed: int = 0, skill: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that know something of the classes."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, K, N)
    logits = rng.normal(size=(N, K)) + skill * np.eye(K)[truth]
    p = np.exp(logits)
    return p / p.sum(1, keepdims=True), truth


def names(K: int) -> list[str]:
    return [f"c{k}" for k in range(K)]


@pytest.mark.parametrize("K", [2, 3, 7])
@pytest.mark.parametrize("N", [1, 2, 50, 1000])
def test_as_scikit_learn(N: int, K: int) -> None:
    p, truth = answers(N, K, seed=N + K)
    truth[truth == K - 1] = 0 if K > 2 and N == 50 else K - 1  # a class that does not occur
    found = classification_scores(p, truth, names(K))
    own, chosen = found["overall"], p.argmax(1)
    wanted = {
        "accuracy": metrics.accuracy_score(truth, chosen),
        "macro_f1": metrics.f1_score(truth, chosen, average="macro", zero_division=0),
        "log_loss": metrics.log_loss(truth, p, labels=range(K)),
    }
    there = np.unique(truth)  # scikit-learn warns of classes that were said but are not there
    wanted["balanced_accuracy"] = np.mean([(chosen[truth == k] == k).mean() for k in there])
    if K == 2 and len(there) == 2:
        wanted["roc_auc"] = metrics.roc_auc_score(truth, p[:, 1])
        wanted["average_precision"] = metrics.average_precision_score(truth, p[:, 1])
    for name, value in wanted.items():
        assert own[name] == pytest.approx(value, rel=8 * N * EPS, abs=8 * N * EPS), name
    table = metrics.confusion_matrix(truth, chosen, labels=range(K))
    assert found["confusion"] == table.tolist()
    rows = metrics.precision_recall_fscore_support(
        truth, chosen, labels=range(K), zero_division=np.nan
    )
    for k, name in enumerate(names(K)):
        row = found["classes"][name]
        for score, values in zip(("precision", "recall", "f1", "support"), rows, strict=True):
            assert row[score] == (None if np.isnan(values[k]) else pytest.approx(values[k]))
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("ties", [False, True])
def test_areas_of_two_classes_with_ties(ties: bool) -> None:
    rng = np.random.default_rng(3)
    truth = rng.random(400) < 0.1
    score = rng.normal(size=400) + truth
    score = np.round(score) if ties else score
    assert roc_auc(score, truth) == pytest.approx(metrics.roc_auc_score(truth, score))
    assert average_precision(score, truth) == pytest.approx(
        metrics.average_precision_score(truth, score)
    )
    fpr, tpr, _ = metrics.roc_curve(truth, score, drop_intermediate=False)
    if ties:  # few enough points for all of them
        assert np.allclose(roc_curve(score, truth), np.stack([fpr, tpr], 1), atol=1e-5)


def test_areas_of_one_kind_are_none() -> None:
    score = np.array([0.1, 0.7])
    none, both = np.array([False, False]), np.array([True, True])
    assert roc_auc(score, none) is None
    assert average_precision(score, none) is None
    assert roc_auc(score, both) is None
    assert average_precision(score, both) == 1
    assert pr_curve(score, none) == roc_curve(score, both) == []
    assert roc_auc(score[:0], none[:0]) is None


def test_curves_are_thinned_but_keep_their_shape() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(20_000) < 0.3
    score = rng.normal(size=20_000) + 1.5 * truth
    for curve, start in ((roc_curve(score, truth), 0.0), (pr_curve(score, truth), None)):
        x, y = np.array(curve).T
        assert len(x) <= 200
        assert x[-1] == 1
        assert start is None or (x[0], y[0]) == (0, 0)
    x, y = np.array(roc_curve(score, truth)).T
    assert np.trapezoid(y, x) == pytest.approx(roc_auc(score, truth), abs=2e-3)


def test_calibration_error_by_hand() -> None:
    p = np.array([[0.95, 0.05], [0.95, 0.05], [0.45, 0.55], [0.3, 0.7]])
    truth = np.array([0, 1, 1, 1])
    # Bins of width 1/15: two of 0.95, half of them right; 0.55 and 0.7 alone, both right.
    wanted = (2 * abs(0.95 - 0.5) + abs(0.55 - 1) + abs(0.7 - 1)) / 4
    assert expected_calibration_error(p, truth) == pytest.approx(wanted)
    rows = classification_scores(p, truth, ["a", "b"])["reliability"]
    assert [r["count"] for r in rows] == [1, 1, 2]


def test_what_is_as_sure_as_right_has_no_calibration_error() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), 100_000)
    truth = (p.cumsum(1) < rng.random((len(p), 1))).sum(1)
    assert expected_calibration_error(p, truth) < 0.01
    assert expected_calibration_error(p, (truth + 1) % 4) > 0.2


@pytest.mark.parametrize("K", [2, 5])
def test_intervals_hold_what_new_data_score(K: int) -> None:
    """Of 30 samples about 28 intervals of 95 % hold the score of very many data."""
    p, truth = answers(100_000, K, skill=1.0)
    whole = classification_scores(p, truth, names(K))["overall"]
    inside: dict[str, int] = {}
    for i in range(30):
        part = slice(300 * i, 300 * (i + 1))
        found = classification_scores(p[part], truth[part], names(K), seed=i)["intervals"]
        for name, (low, high) in found.items():
            inside[name] = inside.get(name, 0) + (low <= whole[name] <= high)
    assert set(inside) == {"accuracy", "balanced_accuracy", "macro_f1"} | (
        {"roc_auc", "average_precision"} if K == 2 else set()
    )
    assert min(inside.values()) >= 24, inside


def test_groups_widen_intervals() -> None:
    """Ten copies of each item tell no more than one of each."""
    p, truth = answers(100, 3, skill=1.0)
    p, truth, groups = (np.repeat(a, 10, axis=0) for a in (p, truth, np.arange(100)))
    alone = classification_scores(p, truth, names(3))["intervals"]["accuracy"]
    together = classification_scores(p, truth, names(3), groups=groups)["intervals"]["accuracy"]
    assert np.diff(together) > 2.5 * np.diff(alone)


def test_very_many_classes_leave_the_matrix_out() -> None:
    p, truth = answers(2000, 400, skill=5.0)
    found = classification_scores(p, truth, names(400))
    assert "confusion" not in found
    assert len(found["classes"]) == 400
    low, high = found["intervals"]["accuracy"]
    assert low < found["overall"]["accuracy"] < high


def test_wrong_answers_score_badly() -> None:
    p, truth = answers(500, 2, skill=4.0)
    good = classification_scores(p, truth, names(2))["overall"]
    bad = classification_scores(p[:, ::-1], truth, names(2))["overall"]
    assert good["accuracy"] > 0.9 > 0.1 > bad["accuracy"]
    assert good["roc_auc"] + bad["roc_auc"] == pytest.approx(1)
    assert bad["log_loss"] > 2 > 0.3 > good["log_loss"]
    sure = np.eye(2)[1 - truth]  # probability 0 of the truth costs much, but not infinitely
    assert 20 < classification_scores(sure, truth, names(2))["overall"]["log_loss"] < 30


@pytest.mark.parametrize(
    ("p", "truth", "message"),
    [
        (np.full((2, 2), np.nan), [0, 1], "2 items have probabilities of NaN"),
        (np.full((2, 2), 0.5), [0, 2], "classes from 0 to 2, where there are 2"),
        (np.full((2, 2), 0.5), [0, -1], "classes from -1 to 0, where there are 2"),
        (np.full((2, 3), 0.5), [0, 1], r"probabilities \(2, 3\) of 2 items and 2 classes"),
    ],
)
def test_what_cannot_be_judged_is_refused(p: Any, truth: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classification_scores(p, np.array(truth), ["a", "b"])


def test_nothing_to_judge() -> None:
    found = classification_scores(np.zeros((0, 2)), np.zeros(0, int), ["a", "b"])
    assert found["overall"]["log_loss"] is None
    assert found["intervals"] == {}
    json.dumps(found, allow_nan=False)
