"""Scores of numbers against scikit-learn and by hand; and the judge is judged with wrong answers."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn import metrics

from gatework.train.regression import phm_score, regression_scores


def test_as_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(5, 2, 300)
    said = truth + rng.normal(0, 1, 300)
    own = regression_scores(said, truth)["overall"]
    assert own["rmse"] == pytest.approx(metrics.root_mean_squared_error(truth, said))
    assert own["mae"] == pytest.approx(metrics.mean_absolute_error(truth, said))
    assert own["r2"] == pytest.approx(metrics.r2_score(truth, said))


def test_late_answers_cost_more_than_early_ones() -> None:
    by_hand = math.exp(13 / 13) - 1 + math.exp(10 / 10) - 1 + 0
    assert phm_score(np.array([-13.0, 10.0, 0.0])) == pytest.approx(by_hand)
    assert phm_score(np.array([20.0])) > phm_score(np.array([-20.0])) > 0
    assert math.isfinite(phm_score(np.array([1e9, -1e9])))


def test_how_often_an_interval_holds() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=4000)
    outer = np.tile([-1.645, 1.645], (4000, 1))
    said = np.zeros(4000)
    own = regression_scores(said, truth, outer, 0.95 - 0.05)["overall"]
    assert own["coverage_90"] == pytest.approx(0.9, abs=0.02)
    narrow = regression_scores(said, truth, outer / 10, 0.9)["overall"]
    assert narrow["coverage_90"] < 0.2
    swapped = regression_scores(said, truth, outer[:, ::-1], 0.9)["overall"]
    assert swapped["coverage_90"] == 0
    assert "coverage_90" not in regression_scores(said, truth)["overall"]


def test_intervals_are_of_groups() -> None:
    rng = np.random.default_rng(0)
    said, truth = np.repeat(rng.normal(size=50), 40), np.zeros(2000)
    alone = regression_scores(said, truth)["intervals"]["rmse"]
    together = regression_scores(said, truth, groups=np.repeat(np.arange(50), 40))["intervals"]
    assert np.diff(together["rmse"]) > 4 * np.diff(alone)
    low, high = together["mae"]
    assert low < np.abs(said).mean() < high


def test_points_of_the_scatter() -> None:
    truth = np.arange(5000.0)
    found = regression_scores(truth + 1, truth)["scatter"]
    assert len(found) == 1000
    assert found[0] == [0, 1, None, None]
    assert found[-1] == [4999, 5000, None, None]
    outer = np.array([[0.5, 3.0]])
    assert regression_scores(np.ones(1), np.full(1, 2.0), outer)["scatter"] == [[2, 1, 0.5, 3]]


def test_few_or_equal_numbers() -> None:
    one = regression_scores(np.array([1.0]), np.array([2.0]))
    assert one["overall"]["r2"] is None
    assert one["intervals"] == {}
    none = regression_scores(np.zeros(0), np.zeros(0))
    assert none["overall"]["rmse"] is None
    assert none["scatter"] == []
    json.dumps([one, none], allow_nan=False)


def test_wrong_answers_score_badly() -> None:
    truth = np.arange(100.0)
    assert regression_scores(truth, truth)["overall"]["r2"] == 1
    assert regression_scores(truth[::-1], truth)["overall"]["r2"] == pytest.approx(-3)
    with pytest.raises(ValueError, match="NaN"):
        regression_scores(np.full(100, np.nan), truth)
    with pytest.raises(ValueError, match=r"answers \(99,\) to numbers \(100,\)"):
        regression_scores(truth[1:], truth)
    with pytest.raises(ValueError, match="intervals"):
        regression_scores(truth, truth, np.zeros((3, 2)))
