"""Scores of detectors by hand, against scikit-learn and plain loops; and the sentence that they come to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from gatework.errors import DataError
from gatework.train.detection import (
    adjusted_f1,
    best_f1,
    labelled_scores,
    unlabelled_scores,
    verdict,
)
from gatework.train.nab import NabFile, nab_score
from gatework.train.range_metrics import range_scores, ranges
from gatework.train.vus import vus


def example(seed: int = 0, N: int = 400, digits: int = 5) -> tuple[Any, ...]:
    """Score, labels, alarms and offsets of two series with three ranges each."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(N, bool)
    for first in (60, 100, 160, 190, 260, 350):
        labels[first : first + int(rng.integers(1, 25))] = True
    score = (rng.random(N) + 0.4 * labels).round(digits)
    return score, labels, score > 1, np.array([0, N // 2, N])


def scored(*given: Any, **more: Any) -> dict[str, float]:
    return labelled_scores(*given, **more)


def test_against_other_programs() -> None:
    score, labels, alarm, offsets = example()
    found = scored(score, labels, alarm, offsets)
    assert found["average_precision"] == pytest.approx(average_precision_score(labels, score))
    assert found["auc"] == pytest.approx(roc_auc_score(labels, score))
    assert found["f1"] == pytest.approx(f1_score(labels, alarm))
    assert found["best_f1"] == pytest.approx(max(f1(labels, score >= t) for t in score))
    volumes, spans = vus(score, labels, offsets), range_scores(labels, alarm, offsets)
    assert (found["vus_pr"], found["vus_roc"]) == volumes
    own = tuple(found[f"range_{n}"] for n in ("precision", "recall", "f1"))
    assert own == (spans.precision, spans.recall, spans.f1)


def test_by_hand() -> None:
    labels, alarm = np.zeros((2, 100), bool)
    labels[20:30] = labels[50:54] = labels[80:82] = True
    alarm[[5, 23, 24, 52, 60, 61]] = True
    found = scored(alarm.astype(float), labels, alarm, np.array([0, 100]), seconds=60)
    assert found["precision"] == 3 / 6
    assert found["recall"] == 3 / 16
    assert found["f1"] == pytest.approx(2 * 3 / 22)
    assert (found["events"], found["events_found"]) == (3, 2)
    assert (found["delay_rows"], found["delay_seconds"]) == (2.5, 150)
    assert (found["alarms"], found["alarm_share"], found["alarm_ranges"]) == (6, 0.06, 4)
    assert found["alarms_per_day"] == pytest.approx(4 / (100 * 60 / 86400))
    # after adjustment 14 of 16 rows are found, three alarms are false
    assert found["adjusted_f1"] == pytest.approx(2 * 14 / (14 + 3 + 16))


def f1(labels: Any, alarm: Any) -> float:
    return float(2 * (labels & alarm).sum() / (labels.sum() + alarm.sum()))


def plain_adjusted(score: Any, labels: Any, offsets: Any) -> float:
    """Every threshold, every range, on its own."""
    best = 0.0
    for threshold in np.unique(score):
        alarm = score >= threshold
        for first, last in ranges(labels, offsets):
            alarm[first : last + 1] |= alarm[first : last + 1].any()
        best = max(best, f1(labels, alarm))
    return best


@pytest.mark.parametrize("digits", [5, 1])
def test_adjustment_against_a_plain_loop(digits: int) -> None:
    for seed in range(3):
        score, labels, _, offsets = example(seed, digits=digits)
        expected = plain_adjusted(score, labels, offsets)
        assert adjusted_f1(score, labels, offsets) == pytest.approx(expected)


def test_adjustment_flatters_a_random_score() -> None:
    labels = np.zeros(5000, bool)
    for first in range(200, 5000, 800):
        labels[first : first + 200] = True
    random = np.random.default_rng(3).random(5000)
    found = scored(random, labels, random > 0.999, np.array([0, 5000]), seed=1)
    assert found["best_f1"] < 0.4
    assert found["adjusted_f1"] > 0.9
    assert found["random_adjusted_f1"] == pytest.approx(found["adjusted_f1"], abs=0.06)
    again = scored(random, labels, random > 0.999, np.array([0, 5000]), seed=1)
    assert again == found


def test_nab_of_its_own_alarms() -> None:
    score, labels, alarm, offsets = example()
    files = []
    for first, end in ((0, 200), (200, 400)):
        own = ranges(labels[first:end], np.array([0, end - first]))
        files.append(NabFile(alarm[first:end].astype(float), [(int(a), int(b)) for a, b in own]))
    found = scored(score, labels, alarm, offsets)
    assert found["nab"] == pytest.approx(nab_score(files, threshold=1.0).score)
    early = np.zeros(400, bool)
    early[5:9] = True  # within the rows that NAB does not count
    assert "nab" not in scored(score, early, alarm, np.array([0, 400]))


def test_a_perfect_and_a_silent_detector() -> None:
    labels = np.zeros(200, bool)
    labels[100:120] = True
    perfect = scored(labels.astype(float), labels, labels, np.array([0, 200]))
    ones = "vus_pr vus_roc average_precision auc precision recall f1 best_f1 range_f1 adjusted_f1"
    assert all(perfect[name] == pytest.approx(1) for name in ones.split())
    assert perfect["nab"] == pytest.approx(100)
    assert perfect["delay_rows"] == 0
    silent = scored(np.zeros(200), labels, np.zeros(200, bool), np.array([0, 200]))
    assert "precision" not in silent
    assert "delay_rows" not in silent
    assert silent["recall"] == silent["f1"] == silent["range_f1"] == silent["events_found"] == 0
    assert silent["nab"] == 0
    assert silent["auc"] == 0.5


def test_rows_without_order() -> None:
    score, labels, alarm, offsets = example()
    found = scored(score, labels, alarm, offsets, independent=True)
    names = "average_precision auc precision recall f1 best_f1 alarms alarm_share"
    assert set(found) == set(names.split())
    order = np.random.default_rng(0).permutation(len(score))
    shuffled = scored(score[order], labels[order], alarm[order], offsets, independent=True)
    assert shuffled == pytest.approx(found)


def test_without_anomalies_or_rows() -> None:
    score, offsets = np.arange(20.0), np.array([0, 20])
    normal = scored(score, np.zeros(20, bool), score > 17, offsets, seconds=3600)
    assert normal["precision"] == normal["f1"] == normal["events"] == 0
    assert normal["alarms_per_day"] == pytest.approx(1.2)
    assert not {"vus_pr", "recall", "auc", "best_f1", "adjusted_f1", "nab"} & set(normal)
    nothing = scored(np.zeros(0), np.zeros(0, bool), np.zeros(0, bool), np.array([0]))
    assert nothing == {"events": 0, "alarms": 0, "alarm_share": 0, "alarm_ranges": 0}
    assert unlabelled_scores(np.zeros(0), np.zeros(0, bool), np.array([0]))["rows"] == 0


def test_unlabelled() -> None:
    score, offsets = np.arange(1001.0), np.array([0, 500, 1001])
    alarm = (score >= 499) & (score < 502)
    found = unlabelled_scores(score, alarm, offsets, seconds=60)
    assert (found["rows"], found["alarms"], found["alarm_ranges"]) == (1001, 3, 2)
    assert found["alarms_per_day"] == pytest.approx(2 * 1440 / 1001)
    assert (found["score_median"], found["score_p99"], found["score_max"]) == (500, 990, 1000)
    assert "alarms_per_day" not in unlabelled_scores(score, alarm, offsets)
    assert "alarm_ranges" not in unlabelled_scores(score, alarm, offsets, independent=True)


def test_infinite_scores_are_compared_and_nan_is_refused() -> None:
    score, labels, alarm, offsets = example()
    score[labels.argmax()] = np.inf
    assert scored(score, labels, alarm, offsets)["auc"] > 0.5
    score[7] = np.nan
    with pytest.raises(DataError, match=r"the score of row 7 is NaN"):
        scored(score, labels, alarm, offsets)
    with pytest.raises(DataError, match=r"399 labels, but 400 scores"):
        scored(np.zeros(400), labels[:-1], alarm, offsets)
    with pytest.raises(DataError, match=r"shape \(400,\) and alarms of shape \(399,\)"):
        unlabelled_scores(np.zeros(400), alarm[:-1], offsets)


def test_best_f1_of_one_class() -> None:
    assert best_f1(np.arange(3.0), np.zeros(3, bool)) is None
    assert best_f1(np.arange(3.0), np.ones(3, bool)) == 1.0


def test_verdict() -> None:
    own = {"vus_pr": 0.4, "events": 30.0}
    rivals = {"differences": {"vus_pr": 0.3}, "moving z-score": {"overall": {"vus_pr": 0.35}}}
    said = verdict(own, rivals, "vus_pr")
    assert said == (
        "The detector beats every baseline: VUS-PR 0.400 against 0.350 of the best of them "
        "(moving z-score)."
    )
    rivals["isolation forest"] = {"vus_pr": 0.41}
    rivals["equal"] = {"vus_pr": 0.4}
    said = verdict(own, rivals, "vus_pr")
    assert said == (
        "The detector does NOT beat isolation forest, equal: VUS-PR 0.400 against 0.410."
    )
    few = verdict({**own, "events": 1.0}, {}, "vus_pr")
    assert few.startswith("On 1 labelled anomaly only, too few to rely on: The detector's VUS-PR")
    assert "was not judged" in verdict({"alarms": 3.0}, rivals, "vus_pr")
    assert "0.5 %" in verdict({"alarm_share": 0.005}, rivals, "alarm_share")
