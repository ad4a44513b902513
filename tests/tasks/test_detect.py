"""A detector from history to alarms: methods, thresholds, labels, and history that is not clean."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gatework.errors import ConfigError, DataError
from gatework.tasks import detect_objective
from gatework.tasks.detect import AnomalyDetector

sys.path.insert(0, str(Path(__file__).parent))
from detect_histories import ROWS, SMALL, readings, rows_alone


@pytest.fixture(scope="module", autouse=True)
def _short_epochs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detect_objective, "MIN_EPOCH_STEPS", 12)
        patch.setattr(AnomalyDetector, "_report", lambda self: None)  # megabytes that no test reads
        yield


# ---- methods ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["forecast", "reconstruct", "variational"])
def test_every_method_finds_rows_that_are_far_out(method: Any, tmp_path: Path) -> None:
    model = AnomalyDetector(**SMALL, method=method, window=None if method == "forecast" else 6)
    model.fit(readings())
    assert model.metrics_["method"] == method
    later = readings(200, seed=7, odd=range(120, 124))
    answer = model.predict(later)
    assert answer.height == 200
    assert 120 <= int(answer["score"].arg_max() or 0) <= 126
    assert answer["alarm"][120:126].any()
    assert not answer["alarm"][20:120].any()
    evaluation = model.evaluate(later)
    assert evaluation["events_found"] == 1
    model.save(tmp_path / "model")
    again = AnomalyDetector.load(tmp_path / "model")
    np.testing.assert_array_equal(again.score(later), answer["score"])
    stream = again.stream()
    told = [stream.push(row).score for row in later.drop("label").iter_rows(named=True)]
    np.testing.assert_allclose(told, answer["score"], rtol=2e-3, atol=2e-3)


def test_rows_on_their_own_are_recognised() -> None:
    model = AnomalyDetector(**SMALL).fit(rows_alone())
    facts = model.metrics_
    assert facts["method"] == "reconstruct"
    assert model.network_.spec.window == 1
    assert "drawn at random" in facts["split"]["how"]
    assert "the order of the rows tells nothing: each is taken on its own" in facts["notes"]
    assert model.independent_
    later = rows_alone(200, odd=[60, 150])
    answer = model.predict(later)
    assert not answer["warming"].any()
    order = np.random.default_rng(0).permutation(200)
    turned = model.predict(later[order])
    np.testing.assert_allclose(
        turned["score"], answer["score"].to_numpy()[order], rtol=1e-4, atol=1e-4
    )
    # the user may know better; and what stands in time order is not of this kind
    assert not AnomalyDetector(**SMALL, method="forecast").fit(rows_alone(300)).independent_
    untimed = readings().drop("time", "label")
    assert AnomalyDetector(**SMALL).fit(untimed).metrics_["method"] == "forecast"


# ---- thresholds ---------------------------------------------------------------------------------------

KINDS: dict[str, dict[str, Any]] = {
    "evt": {},
    "dspot": {"threshold": "dspot"},
    "conformal": {"threshold": "conformal", "risk": 0.01},
    "rate": {"alarms_per_day": 2.0},
    "dynamic": {"threshold": "dynamic"},
    "labels": {"threshold": "labels"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_threshold_alarms_what_is_far_out(kind: str, tmp_path: Path) -> None:
    model = AnomalyDetector(**{**SMALL, "max_epochs": 1}, **KINDS[kind])
    model.fit(readings(odd=[310, 311, 312]))  # in the validation part
    told = model.metrics_["threshold"]
    assert told["kind"] == kind
    assert len(told["text"]) > 20
    later = readings(200, seed=7, odd=range(120, 126))
    answer = model.predict(later)
    assert answer["alarm"][120:128].any()
    assert (answer["threshold"] > 0).all()
    assert answer["alarm"].sum() < 40
    alarm, above = answer["alarm"], answer["score"] > answer["threshold"]
    assert (alarm | ~above | answer["warming"]).all()
    model.save(tmp_path / "model")
    again = AnomalyDetector.load(tmp_path / "model").predict(later)
    assert again["threshold"].equals(answer["threshold"])


def test_what_makes_a_threshold_impossible_is_told_before_the_training() -> None:
    calls: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AnomalyDetector, "_build", lambda self, prepared: calls.append(prepared))
        with pytest.raises(DataError, match="threshold='labels' needs anomalous and normal rows"):
            AnomalyDetector(**SMALL, threshold="labels").fit(readings(odd=[10]))
        with pytest.raises(DataError, match="threshold='labels'"):
            AnomalyDetector(**SMALL, threshold="labels").fit(readings().drop("label"))
        with pytest.raises(ConfigError, match="needs a time column"):
            AnomalyDetector(**SMALL, alarms_per_day=2.0).fit(readings().drop("time"))
    with pytest.raises(ConfigError, match="needs alarms_per_day"):
        AnomalyDetector(threshold="rate")
    assert not calls


# ---- labels and dirty history -------------------------------------------------------------------------


def test_rows_labelled_anomalous_are_left_out_of_the_training() -> None:
    odd = [*range(100, 140), *range(320, 330), *range(380, 390)]
    data = readings(odd=odd)
    model = AnomalyDetector(**SMALL).fit(data, train_on="normal")
    assert "50 rows labelled anomalous are left out of the training" in model.metrics_["notes"]
    parts = model.metrics_["split"]
    assert parts["train"]["rows"] == 280 - 40
    assert parts["validation"]["rows"] == 60 - 10
    assert parts["test"]["rows"] == 60
    assert model.encoder_.channels[0].location == pytest.approx(0, abs=0.2)  # not drawn to 6
    assert model.evaluate(readings(150, seed=5, odd=range(90, 95)))["events_found"] == 1
    with pytest.raises(ConfigError, match="needs labels"):
        AnomalyDetector(**SMALL).fit(data.drop("label"), train_on="normal")
    with pytest.raises(ConfigError, match="must be 'all' or 'normal'"):
        AnomalyDetector(**SMALL).fit(data, train_on="good")


def test_what_stood_in_the_history_is_alarmed_again_where_the_risk_is_above_its_share() -> None:
    odd = [
        60,
        61,
        62,
    ]  # 1 % of what scores are told from; the least risk at which it can be an alarm
    model = AnomalyDetector(**SMALL, trim=0.05, risk=0.02).fit(readings(odd=odd).drop("label"))
    answer = model.predict(readings(200, seed=7, odd=range(120, 124)))
    assert answer["alarm"][120:126].any()
    assert answer["alarm"][20:120].sum() <= 5
    assert 120 <= int(answer["score"].arg_max() or 0) <= 126


def test_the_largest_losses_of_a_batch_are_not_learned_from() -> None:
    told = {}
    for trim in (0.0, 0.05):
        model = AnomalyDetector(**SMALL, trim=trim)
        prepared = model.prepare(readings(odd=range(0, ROWS, 40)))
        torch.manual_seed(0)
        model.network_ = model._build(prepared)
        objective = model._objective(prepared)
        batch = next(objective.batches(torch.Generator().manual_seed(0)))
        model.network_.eval()
        losses = objective._losses(model.network_(batch), batch)
        told[trim] = objective.loss(batch).item(), losses.detach()
    losses = told[0.0][1].sort().values
    assert told[0.0][0] == pytest.approx(float(losses.mean()), rel=1e-5)
    kept = losses[: round(0.95 * len(losses))]
    assert told[0.05][0] == pytest.approx(float(kept.mean()), rel=0.02)
    assert told[0.05][0] < 0.9 * told[0.0][0]
