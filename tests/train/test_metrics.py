"""Scores against loops over plain numbers; and the judge is judged with wrong forecasts."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from gatework.train.metrics import METRICS, ForecastScores

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
W, h, K, Q = 17, 4, 3, len(LEVELS)
TARGETS = ["a", "b", "c"]
EPS = float(np.finfo(np.float64).eps)
TOLERANCE = {"rel": 64 * W * h * EPS, "abs": 64 * W * h * EPS}


def forecasts(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(1, 2, (W, h, K))
    truth[rng.random(truth.shape) < 0.2] = np.nan
    truth[:, 2, 1] = np.nan  # a step that was never observed
    naive_error = rng.uniform(0.5, 2, (W, K))
    naive_error[:4, 0], naive_error[4, 0] = np.nan, 0.0
    return {
        "mean": rng.normal(1, 2, (W, h, K)),
        "quantiles": np.sort(rng.normal(1, 2, (W, h, K, Q)), axis=-1),
        "truth": truth,
        "scale": rng.uniform(0.5, 2, (W, K)),
        "naive_error": naive_error,
    }


def scored(*parts: dict[str, np.ndarray]) -> dict[str, Any]:
    scores = ForecastScores(h, TARGETS, LEVELS)
    for part in parts:
        scores.add(**part)
    return scores.table()


def slow(data: dict[str, np.ndarray], k: int, steps: range) -> dict[str, float]:
    """The scores of one target over some horizon steps, from their definitions."""
    lists: dict[str, list[float]] = {name: [] for name in ("ae", "se", "mase", "smape", "sa", "ss")}
    losses: list[list[float]] = [[] for _ in LEVELS]
    total, inside, width = 0.0, {90: 0, 50: 0}, {90: 0.0, 50: 0.0}
    for w in range(W):
        for j in steps:
            y, f = data["truth"][w, j, k], data["mean"][w, j, k]
            if math.isnan(y):
                continue
            error = abs(y - f)
            lists["ae"].append(error)
            lists["se"].append(error**2)
            lists["smape"].append(200 * error / (abs(y) + abs(f)))
            lists["sa"].append(error / data["scale"][w, k])
            lists["ss"].append((error / data["scale"][w, k]) ** 2)
            if data["naive_error"][w, k] > 0:
                lists["mase"].append(error / data["naive_error"][w, k])
            total += abs(y)
            q = data["quantiles"][w, j, k]
            for i, level in enumerate(LEVELS):
                losses[i].append(max(level * (y - q[i]), (level - 1) * (y - q[i])))
            for percent, (low, high) in {90: (q[0], q[4]), 50: (q[1], q[3])}.items():
                inside[percent] += bool(low <= y <= high)
                width[percent] += high - low
    n = len(lists["ae"])
    return {
        "MAE": sum(lists["ae"]) / n,
        "RMSE": math.sqrt(sum(lists["se"]) / n),
        "MASE": sum(lists["mase"]) / len(lists["mase"]),
        "sMAPE": sum(lists["smape"]) / n,
        "WQL": sum(2 * sum(loss) / total for loss in losses) / Q,
        "scaled_MSE": sum(lists["ss"]) / n,
        "scaled_MAE": sum(lists["sa"]) / n,
        "coverage_90": inside[90] / n,
        "coverage_50": inside[50] / n,
        "width_90": width[90] / n,
        "width_50": width[50] / n,
        "n": n,
    }


def test_scores_of_each_target_are_the_loops() -> None:
    data = forecasts()
    table = scored(data)
    for k, name in enumerate(TARGETS):
        expected = slow(data, k, range(h))
        assert table["targets"][name].keys() == expected.keys()
        for key, value in expected.items():
            assert table["targets"][name][key] == pytest.approx(value, **TOLERANCE), key


def test_scores_of_each_step_are_the_loops() -> None:
    data = forecasts()
    by_step = scored(data)["horizon"]
    for k, name in enumerate(TARGETS):
        assert set(by_step[name]) == {"MAE", "RMSE", "WQL", "coverage_90", "coverage_50"}
        for j in range(h):
            if (j, k) == (2, 1):
                assert all(values[j] is None for values in by_step[name].values())
                continue
            expected = slow(data, k, range(j, j + 1))
            for key, values in by_step[name].items():
                assert values[j] == pytest.approx(expected[key], **TOLERANCE)


def test_overall_is_the_mean_over_the_targets() -> None:
    table = scored(forecasts())
    for key in (*METRICS, "coverage_90", "coverage_50"):
        mean = sum(table["targets"][t][key] for t in TARGETS) / K
        assert table["overall"][key] == pytest.approx(mean, **TOLERANCE)
    assert table["overall"]["n"] == sum(table["targets"][t]["n"] for t in TARGETS)


@pytest.mark.parametrize("cuts", [[1], [5, 6, 16], [0, 17]])
def test_in_chunks_as_at_once(cuts: list[int]) -> None:
    data = forecasts()
    edges = [0, *cuts, W]
    chunks = [{name: values[a:b] for name, values in data.items()} for a, b in pairwise(edges)]
    whole, parts = scored(data), scored(*chunks)
    for k in TARGETS:
        for key, value in whole["targets"][k].items():
            assert parts["targets"][k][key] == pytest.approx(value, **TOLERANCE)


def test_what_was_forecast_for_missing_truth_does_not_count() -> None:
    data = forecasts()
    other = {**data, "mean": data["mean"].copy(), "quantiles": data["quantiles"].copy()}
    other["mean"][np.isnan(data["truth"])] = np.nan
    other["quantiles"][np.isnan(data["truth"])] = 1e9
    assert scored(other) == scored(data)


def test_a_target_that_was_never_observed_is_left_out() -> None:
    data = forecasts()
    data["truth"][:, :, 1] = np.nan
    table = scored(data)
    assert table["targets"]["b"] == dict.fromkeys(table["targets"]["b"], None) | {"n": 0}
    both = (table["targets"]["a"]["MAE"] + table["targets"]["c"]["MAE"]) / 2
    assert table["overall"]["MAE"] == pytest.approx(both, **TOLERANCE)


def test_mase_is_left_out_where_the_naive_error_is_unknown() -> None:
    data = forecasts()
    data["naive_error"][:] = np.nan
    table = scored(data)
    assert table["overall"]["MASE"] is None
    assert table["overall"]["MAE"] > 0


def test_the_table_is_json_and_the_inputs_stay() -> None:
    data = forecasts()
    before = {name: values.copy() for name, values in data.items()}
    table = scored(data)
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    for name, values in data.items():
        np.testing.assert_array_equal(values, before[name])


# ------------------------------------------------------------------ the judge judged


def honest() -> dict[str, np.ndarray]:
    """Forecasts of standard normal noise that are right about it."""
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(400, h, K)) + 5
    spread = np.array([-1.645, -0.674, 0, 0.674, 1.645])
    return {
        "mean": np.full_like(truth, 5.0),
        "quantiles": np.broadcast_to(5 + spread, (*truth.shape, Q)).copy(),
        "truth": truth,
        "scale": np.ones((400, K)),
        "naive_error": np.ones((400, K)),
    }


def test_a_right_forecast_covers_what_it_says() -> None:
    overall = scored(honest())["overall"]
    n = 400 * h * K
    for level in (0.9, 0.5):
        bound = 4 * math.sqrt(level * (1 - level) / n)
        assert overall[f"coverage_{100 * level:.0f}"] == pytest.approx(level, abs=bound)


@pytest.mark.parametrize("error", [0.5, -0.5, 100.0])
def test_a_shifted_mean_has_worse_scores(error: float) -> None:
    right, wrong = honest(), honest()
    wrong["mean"] += error
    a, b = scored(right)["overall"], scored(wrong)["overall"]
    for key in ("MAE", "RMSE", "MASE", "sMAPE", "scaled_MSE", "scaled_MAE"):
        assert b[key] > a[key], key
    assert b["WQL"] == a["WQL"]


@pytest.mark.parametrize(
    "wrong",
    [lambda q: q + 1, lambda q: q - 1, lambda q: 5 + 3 * (q - 5), lambda q: 5 + (q - 5) / 3],
)
def test_wrong_quantiles_have_a_worse_score(wrong: Any) -> None:
    right, other = honest(), honest()
    other["quantiles"] = wrong(other["quantiles"])
    a, b = scored(right)["overall"], scored(other)["overall"]
    assert b["WQL"] > a["WQL"]
    assert abs(b["coverage_90"] - 0.9) > 2 * abs(a["coverage_90"] - 0.9)


def test_two_wrongs_make_no_right() -> None:
    """Errors of opposite sign, and forecasts of the wrong sign, do not cancel."""
    data = honest()
    data["mean"] = data["truth"] + np.where(np.arange(400) % 2, 3, -3)[:, None, None]
    assert scored(data)["overall"]["MAE"] == pytest.approx(3)
    data["truth"], data["mean"] = -data["truth"], data["truth"]
    assert scored(data)["overall"]["sMAPE"] == pytest.approx(200)


def test_a_nan_forecast_is_seen_in_every_score_of_the_mean() -> None:
    data = honest()
    data["mean"][7, 1, 2] = np.nan
    bad = scored(data)["targets"]["c"]
    for key in ("MAE", "RMSE", "MASE", "sMAPE", "scaled_MSE", "scaled_MAE"):
        assert math.isnan(bad[key]), key
    data = honest()
    data["quantiles"][7, 1, 2] = np.nan
    assert math.isnan(scored(data)["targets"]["c"]["WQL"])


def test_a_perfect_forecast_scores_zero_even_of_zero() -> None:
    data = honest()
    data["truth"][:] = data["mean"][:] = data["quantiles"][:] = 0.0
    overall = scored(data)["overall"]
    assert overall["sMAPE"] == overall["MAE"] == 0
    assert overall["WQL"] is None  # no size to weigh by
    assert overall["coverage_90"] == 1
