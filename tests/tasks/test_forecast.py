"""Forecasting as a user meets it: tables in, honest scores out."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

from gatework import Forecaster
from gatework.cells import CELLS
from gatework.data.frequency import Frequency
from gatework.errors import ConfigError, DataError, GateworkWarning
from gatework.runtime.horizon_spec import HORIZON_CELLS
from gatework.tasks.forecast_config import batch_size, default_context, default_segment

SMALL: dict[str, Any] = {
    "horizon": 6,
    "context": 24,
    "hidden_size": 16,
    "max_epochs": 4,
    "batch_size": 64,
}


def hours(n: int) -> np.ndarray:
    return np.datetime64("2024-01-01T00:00", "us") + np.arange(n) * np.timedelta64(3600, "s")


def daily_cycle(n: int = 500, seed: int = 0, phase: float = 0.0, scale: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    return scale * (10 + 3 * np.sin(2 * np.pi * t / 24 + phase) + rng.normal(0, 0.2, n))


def one_series(n: int = 500) -> pl.DataFrame:
    return pl.DataFrame({"time": hours(n), "load": daily_cycle(n)})


@pytest.fixture(scope="module")
def model() -> Forecaster:
    return Forecaster(**{**SMALL, "max_epochs": 12}).fit(one_series())


# ---- the answer ---------------------------------------------------------------------------------------


def test_forecast_has_a_row_per_step_and_target_and_quantiles_in_order(model: Forecaster) -> None:
    forecast = model.predict(one_series())
    levels = [f"q{q:g}" for q in model.config.levels]
    assert forecast.columns == ["timestamp", "target", "mean", *levels]
    assert forecast.height == 6
    assert forecast["timestamp"][0] == one_series()["time"][-1] + pd.Timedelta("1h")
    quantiles = forecast.select(levels).to_numpy()
    assert (np.diff(quantiles, axis=1) >= 0).all()


def test_it_learns_a_daily_cycle_and_says_so(model: Forecaster) -> None:
    evaluation = model.metrics_["evaluation"]
    assert evaluation["season"] == 24
    assert evaluation["verdict"].startswith("The model beats every naive forecast")
    assert evaluation["model"]["overall"]["MASE"] < 0.9


def test_it_says_when_a_naive_forecast_is_better(model: Forecaster) -> None:
    # Judged on a walk that has nothing of the cycle it learned.
    walk = 10 + np.random.default_rng(0).normal(size=300).cumsum()
    evaluation = model.evaluate(pl.DataFrame({"time": hours(300), "load": walk}))
    assert evaluation.verdict.startswith("The model does NOT beat naive on load (MAE, RMSE)")
    assert evaluation.skill["naive"]["MAE"] < 0
    assert "does NOT beat" in str(evaluation)


def test_several_targets_are_each_forecast_and_scored() -> None:
    frame = one_series().with_columns(other=pl.Series(daily_cycle(seed=1, phase=1.0, scale=50.0)))
    fitted = Forecaster(**SMALL).fit(frame, target="all")
    forecast = fitted.predict(frame)
    assert forecast["target"].unique(maintain_order=True).to_list() == ["load", "other"]
    by_target = forecast.group_by("target").agg(pl.col("mean").mean())
    means = dict(by_target.iter_rows())
    assert 7 < means["load"] < 13
    assert 350 < means["other"] < 650
    assert set(fitted.metrics_["evaluation"]["model"]["targets"]) == {"load", "other"}


# ---- series -------------------------------------------------------------------------------------------


def many_series() -> pl.DataFrame:
    parts = [
        pl.DataFrame(
            {
                "meter": [name] * n,
                "time": hours(n),
                "load": daily_cycle(n, seed=i, phase=i, scale=10.0**i),
                "kind": ["home" if i else "shop"] * n,
                "area": [float(i)] * n,
            }
        )
        for i, (name, n) in enumerate([("a", 500), ("b", 400), ("c", 450)])
    ]
    return pl.concat(parts)


def test_one_model_forecasts_series_of_different_length_and_size() -> None:
    frame = many_series()
    fitted = Forecaster(**SMALL).fit(frame, series="meter", target="load", static=["kind", "area"])
    forecast = fitted.predict(frame)
    assert forecast["series"].unique(maintain_order=True).to_list() == ["a", "b", "c"]
    means = dict(forecast.group_by("series").agg(pl.col("mean").mean()).iter_rows())
    assert 5 < means["a"] < 15
    assert 50 < means["b"] < 150
    assert 500 < means["c"] < 1500
    ends = dict(forecast.group_by("series").agg(pl.col("timestamp").min()).iter_rows())
    assert ends["a"] > ends["c"] > ends["b"]


def test_a_series_that_training_did_not_hold_is_scaled_by_its_own_start() -> None:
    frame = many_series().select("meter", "time", "load")
    fitted = Forecaster(**SMALL).fit(
        frame.filter(pl.col("meter") != "c"), series="meter", target="load"
    )
    new = frame.filter(pl.col("meter") == "c")
    forecast = fitted.predict(new)
    assert 500 < forecast["mean"].mean() < 1500
    stream = fitted.stream()
    answers = [stream.push(row) for row in new.iter_rows(named=True)]
    assert [a is None for a in answers[:25]] == [True] * 23 + [False] * 2
    levels = [c for c in forecast.columns if c.startswith("q")]
    np.testing.assert_allclose(
        answers[-1].to_frame().select(levels).to_numpy(),
        forecast.select(levels).to_numpy(),
        rtol=1e-3,
    )


def test_a_short_series_is_left_out_and_named(model: Forecaster) -> None:
    frame = many_series().select("meter", "time", "load")
    fitted = Forecaster(**SMALL).fit(frame, series="meter", target="load")
    short = pl.concat(
        [frame.filter(pl.col("meter") == "a"), frame.filter(pl.col("meter") == "b").head(5)]
    )
    with pytest.warns(GateworkWarning, match=r"1 series with fewer rows than the context of 24: b"):
        forecast = fitted.predict(short)
    assert forecast["series"].unique().to_list() == ["a"]
    with pytest.raises(DataError, match=r"5 rows are fewer than the model's context of 24"):
        fitted.predict(short.filter(pl.col("meter") == "b"))


# ---- covariates ---------------------------------------------------------------------------------------


def driven(n: int = 900) -> pl.DataFrame:
    """A load that nothing but a known switch and a category explain."""
    rng = np.random.default_rng(0)
    switch = rng.integers(0, 2, n).astype(float)
    day = rng.choice(["work", "rest"], n)
    load = 5 * switch + 3 * (day == "work") + rng.normal(0, 0.1, n)
    return pl.DataFrame({"time": hours(n), "load": load, "switch": switch, "day": day})


def test_known_future_covariates_are_used() -> None:
    frame = driven()
    settings = {**SMALL, "max_epochs": 15, "batch_size": 32, "segment": 6}
    fitted = Forecaster(**settings).fit(frame, target="load", known=["switch", "day"])
    own = fitted.metrics_["evaluation"]["model"]["overall"]["MAE"]
    blind = Forecaster(**settings).fit(frame.select("time", "load")).metrics_["evaluation"]
    assert own < 0.4 * blind["model"]["overall"]["MAE"]
    # Predict: the horizon's covariates are rows without a target.
    future = pl.DataFrame(
        {
            "time": hours(906)[900:],
            "load": pl.Series([None] * 6, dtype=pl.Float64),
            "switch": [1.0, 0.0, 1.0, 0.0, 1.0, 0.0],
            "day": ["work", "work", "work", "rest", "rest", "rest"],
        }
    )
    forecast = fitted.predict(pl.concat([frame, future]))
    np.testing.assert_allclose(forecast["mean"].to_numpy(), [8, 3, 8, 0, 5, 0], atol=1.5)
    with pytest.raises(DataError, match="6 rows must follow the last observed target"):
        fitted.predict(frame)
    # The stream is given them beside the row.
    stream = fitted.stream()
    rows = list(frame.tail(24).iter_rows(named=True))
    ahead = list(future.iter_rows(named=True))
    answers = [stream.push(row, future=ahead) for row in rows]
    np.testing.assert_allclose(answers[-1].mean.ravel(), forecast["mean"].to_numpy(), atol=1e-4)


def test_past_covariates_are_used() -> None:
    rng = np.random.default_rng(1)
    cause = rng.normal(size=900)
    load = np.concatenate([np.zeros(6), cause[:-6]]) + rng.normal(0, 0.05, 900)
    frame = pl.DataFrame({"time": hours(900), "load": load, "cause": cause})
    settings = {**SMALL, "max_epochs": 25, "batch_size": 32, "segment": 6, "normalize": "none"}
    fitted = Forecaster(**settings).fit(frame, target="load", past="cause")
    scores = fitted.metrics_["evaluation"]
    assert (
        scores["model"]["overall"]["scaled_MSE"]
        < 0.5 * scores["baselines"]["naive"]["overall"]["scaled_MSE"]
    )
    blind = Forecaster(**settings).fit(frame.select("time", "load")).metrics_["evaluation"]
    assert scores["model"]["overall"]["MAE"] < 0.6 * blind["model"]["overall"]["MAE"]


def test_calendar_is_known_in_the_future() -> None:
    fitted = Forecaster(**SMALL, calendar=True).fit(one_series())
    assert fitted.encoder_.calendar_size > 0
    assert fitted.predict(one_series()).height == 6


# ---- missing values -----------------------------------------------------------------------------------


def with_holes(n: int = 600) -> pl.DataFrame:
    load = daily_cycle(n)
    load[np.random.default_rng(3).random(n) < 0.2] = np.nan
    return pl.DataFrame({"time": hours(n), "load": load}, nan_to_null=True)


def test_missing_targets_are_masked_and_not_scored() -> None:
    frame = with_holes()
    fitted = Forecaster(**SMALL).fit(frame)
    assert fitted.network_.spec.mask_y
    scores = fitted.metrics_["evaluation"]["model"]["overall"]
    windows = fitted.metrics_["evaluation"]["windows"]
    assert scores["n"] < 6 * windows
    assert scores["MASE"] < 1
    assert not fitted.predict(frame)["mean"].is_nan().any()


def test_gaps_are_missing_values_in_batch_and_stream() -> None:
    frame = one_series()
    fitted = Forecaster(**SMALL).fit(with_holes())
    holey = frame.filter(~pl.col("time").is_between(frame["time"][480], frame["time"][484]))
    stream = fitted.stream()
    answer = [stream.push(row) for row in holey.iter_rows(named=True)][-1]
    assert answer is not None
    expected = fitted.predict(holey)
    np.testing.assert_allclose(answer.mean.ravel(), expected["mean"].to_numpy(), rtol=1e-4)
    assert answer.timestamps.to_list() == expected["timestamp"].to_list()


# ---- no leakage ---------------------------------------------------------------------------------------


def test_nothing_learned_depends_on_the_test_part() -> None:
    frame = one_series()
    cut = (
        401  # rows of training and validation: 500 - 100, and one more to be sure of the other side
    )
    changed = frame.with_columns(
        load=pl.when(pl.int_range(pl.len()) >= cut).then(pl.col("load") * 7 + 100).otherwise("load")
    )
    first, second = Forecaster(**SMALL).fit(frame), Forecaster(**SMALL).fit(changed)
    assert first.encoder_.to_json() == second.encoder_.to_json()
    for a, b in zip(first.network_.parameters(), second.network_.parameters(), strict=True):
        assert torch.equal(a, b)
    assert first.judge_.calibrations
    assert first.judge_.to_json() == second.judge_.to_json()
    # The check can fail: a change in the training part is seen.
    early = frame.with_columns(
        load=pl.when(pl.int_range(pl.len()) < 5).then(50.0).otherwise("load")
    )
    assert Forecaster(**SMALL).fit(early).encoder_.to_json() != first.encoder_.to_json()


def test_scales_come_from_the_training_part_alone() -> None:
    frame = one_series()
    fitted = Forecaster(**SMALL).fit(frame)
    training = frame["load"].to_numpy()[:350]
    np.testing.assert_allclose(fitted.encoder_.target_mean, [[training.mean()]])
    np.testing.assert_allclose(fitted.encoder_.target_std, [[training.std()]])


# ---- one truth, three ways ----------------------------------------------------------------------------


def test_evaluate_load_and_stream_give_the_same_scores(model: Forecaster, tmp_path: Path) -> None:
    frame = one_series().tail(150)
    ours = model.evaluate(frame).model["overall"]
    loaded = Forecaster.load(model.save(tmp_path / "model"))
    theirs = loaded.evaluate(frame).model["overall"]
    assert ours == pytest.approx(theirs, rel=1e-6)
    stream, errors, inside = model.stream(), [], []
    load = frame["load"].to_numpy()
    for n, row in enumerate(frame.iter_rows(named=True), start=1):
        answer = stream.push(row)
        if answer is not None and n + 6 <= len(load):
            truth = load[n : n + 6]
            errors.append(truth - answer.mean[:, 0])
            inside.append(
                (answer.quantiles[:, 0, 0] <= truth) & (truth <= answer.quantiles[:, 0, -1])
            )
    assert np.abs(errors).mean() == pytest.approx(ours["MAE"], rel=1e-4)
    assert np.square(errors).mean() ** 0.5 == pytest.approx(ours["RMSE"], rel=1e-4)
    assert np.mean(inside) == pytest.approx(ours["coverage_90"], abs=1e-9)


def test_backtest_returns_what_evaluate_scores(model: Forecaster) -> None:
    frame = one_series().tail(100)
    backtest = model.backtest(frame, stride=5)
    evaluation = model.evaluate(frame, stride=5)
    assert len(backtest.mean) == evaluation.windows == 15
    error = np.abs(backtest.mean - backtest.truth).mean()
    assert error == pytest.approx(evaluation.model["overall"]["MAE"])
    assert backtest.origins[0] == frame["time"][24]


def test_the_split_in_rows_is_kept() -> None:
    fitted = Forecaster(**SMALL).fit(one_series(), split=(300, 100, 80))
    windows = {k: v["windows"] for k, v in fitted.metrics_["split"].items()}
    # Training windows lie inside their part; the others' contexts reach back into the part before.
    assert windows == {"train": 300 - 29, "validation": 100 - 5, "test": 80 - 5}


def test_no_test_part_is_no_verdict() -> None:
    fitted = Forecaster(**SMALL).fit(one_series(), split=(0.8, 0.2, 0))
    assert fitted.metrics_["evaluation"]["verdict"] == "No test windows: the model was not judged."


# ---- kinds of tables ----------------------------------------------------------------------------------


def test_pandas_arrow_polars_numpy_and_files_give_the_same_model(
    model: Forecaster, tmp_path: Path
) -> None:
    frame = one_series()
    expected = model.predict(frame)
    frame.write_csv(tmp_path / "t.csv")
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ndjson(tmp_path / "t.jsonl")
    for same in (
        frame.to_pandas(),
        frame.to_arrow(),
        tmp_path / "t.csv",
        str(tmp_path / "t.parquet"),
        tmp_path / "t.jsonl",
    ):
        assert_frame_equal(model.predict(same), expected, check_dtypes=False, rel_tol=1e-4)


def test_an_array_is_a_series_by_steps() -> None:
    fitted = Forecaster(**SMALL).fit(daily_cycle())
    forecast = fitted.predict(daily_cycle())
    assert forecast["timestamp"].to_list() == list(range(500, 506))
    stream = fitted.stream()
    answers = [stream.push(float(v)) for v in daily_cycle()]
    np.testing.assert_allclose(answers[-1].mean.ravel(), forecast["mean"].to_numpy(), rtol=1e-4)


@pytest.mark.parametrize("horizon", [1, 2, 7])
@pytest.mark.parametrize("context", [1, 2, 25])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "feedforward"])
def test_every_size_and_cell_works(horizon: int, context: int, cell: str) -> None:
    settings = {**SMALL, "horizon": horizon, "context": context, "cell": cell, "max_epochs": 1}
    fitted = Forecaster(**settings).fit(daily_cycle(150))
    assert fitted.predict(daily_cycle(150)).height == horizon


# ---- calibration --------------------------------------------------------------------------------------


def test_calibrated_intervals_cover_their_share() -> None:
    rng = np.random.default_rng(5)
    noise = rng.normal(size=16_000)
    fitted = Forecaster(horizon=4, context=8, hidden_size=8, max_epochs=1).fit(noise)
    assert fitted.calibration_ is not None
    overall = fitted.metrics_["evaluation"]["model"]["overall"]
    assert overall["coverage_90"] == pytest.approx(0.9, abs=0.03)
    assert overall["coverage_50"] == pytest.approx(0.5, abs=0.06)
    plain = Forecaster(horizon=4, context=8, hidden_size=8, max_epochs=1, calibrate=False).fit(
        noise
    )
    assert plain.calibration_ is None


# ---- found settings and refusals ----------------------------------------------------------------------


def test_settings_found_from_the_data_fit_small_and_large_tables() -> None:
    fitted = Forecaster(horizon=12, max_epochs=1).fit(daily_cycle(144))
    assert fitted.network_.spec.context <= 36
    assert batch_size(fitted.config, 100) == 16
    assert batch_size(fitted.config, 1_000_000) == 256
    assert default_segment(12, 1) == 1
    assert default_segment(96, 24) == 24
    assert default_context.__doc__


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"horizon": 0}, "horizon: must be at least 1; got 0"),
        ({"horizon": -3}, "horizon"),
        ({"levels": (0.1, 0.9)}, "levels: .*contain 0.5"),
        ({"levels": (0.9, 0.5)}, "levels: .*increase"),
        ({"cell": "lsmt"}, "cell: must be a cell .*; got 'lsmt'. Did you mean 'lstm'"),
        ({"cell": 3}, "cell"),
        ({"zoneout": 1}, "zoneout: must be less than 1.0; got 1"),
        ({"weight_drop": -0.1}, "weight_drop: must be at least 0"),
        ({"cell": "minlstm", "weight_drop": 0.1}, "weight_drop acts on the products with h"),
        (
            {"cell": "feedforward", "zoneout": 0.1, "recurrent_dropout": 0.1},
            "recurrent_dropout and zoneout acts? on what is carried",
        ),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Forecaster(**settings)


def test_too_few_rows_says_how_many_are_needed() -> None:
    with pytest.raises(
        DataError, match=r"50 rows are too few; context=96 and horizon=24 need at least 168"
    ):
        Forecaster(horizon=24, context=96).fit(daily_cycle(50))


def test_evaluate_needs_context_and_horizon(model: Forecaster) -> None:
    with pytest.raises(
        DataError, match=r"20 rows are fewer than context \+ horizon = 24 \+ 6 = 30"
    ):
        model.evaluate(one_series().tail(20))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"load": 1.0}, "the first row of a series needs its time"),
        ({"time": hours(1)[0].item(), "load": "many"}, "'load' is no number: 'many'"),
        ({"time": hours(1)[0].item(), "load": float("inf")}, "'load' is infinite"),
        ({"time": hours(1)[0].item()}, "the row has no 'load'"),
        ({"time": hours(1)[0].item(), "laod": 1.0}, "knows no column 'laod'. Did you mean 'load'"),
    ],
)
def test_a_bad_row_in_a_stream_is_named(
    model: Forecaster, row: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        model.stream().push(row)


def test_a_bad_row_does_not_poison_the_stream(model: Forecaster) -> None:
    frame = one_series()
    stream, clean = model.stream(), model.stream()
    for n, row in enumerate(frame.head(40).iter_rows(named=True)):
        answer, expected = stream.push(row), clean.push(row)
        if n % 7 == 3:
            with pytest.raises(DataError, match="time does not go forward"):
                stream.push(row)
            with pytest.raises(DataError, match="no number"):
                stream.push({**row, "time": frame["time"][n + 1], "load": "x"})
    assert answer is not None
    assert expected is not None
    assert np.array_equal(answer.mean, expected.mean)


def test_a_refused_row_can_be_pushed_again_mended() -> None:
    frame = driven(300)
    fitted = Forecaster(**SMALL).fit(frame, target="load", known=["switch", "day"])
    ahead = [{"switch": 1.0, "day": "work"}] * 6
    stream = fitted.stream()
    rows = list(frame.head(30).iter_rows(named=True))
    for row in rows[:29]:
        stream.push(row, future=ahead)
    with pytest.raises(DataError, match=r"give `future`, 6 rows with switch, day.*got nothing"):
        stream.push(rows[29])
    with pytest.raises(DataError, match="got 2 rows"):
        stream.push(rows[29], future=ahead[:2])
    with pytest.raises(DataError, match="no 'day'"):
        stream.push({k: v for k, v in rows[29].items() if k != "day"}, future=ahead)
    assert stream.push(rows[29], future=ahead) is not None


def test_refused_rows_leave_no_series_behind() -> None:
    fitted = Forecaster(**SMALL).fit(
        many_series().select("meter", "time", "load"), series="meter", target="load"
    )
    stream = fitted.stream()
    for n in range(5):
        with pytest.raises(DataError, match="no number"):
            stream.push({"meter": f"new {n}", "time": hours(1)[0].item(), "load": "?"})
    assert not stream._rings


def test_a_stream_of_irregular_times_equals_predict() -> None:
    rng = np.random.default_rng(0)
    seconds = rng.integers(300, 1200, 400).cumsum()
    start = np.datetime64("2024-01-01T00:00:00", "us")
    frame = pl.DataFrame(
        {"time": start + seconds * np.timedelta64(1, "s"), "load": daily_cycle(400)}
    )
    fitted = Forecaster(**SMALL).fit(frame)
    assert any("irregular" in note for note in fitted.metrics_["notes"])
    stream = fitted.stream()
    answer = [stream.push(row) for row in frame.iter_rows(named=True)][-1]
    assert answer is not None
    expected = fitted.predict(frame)
    np.testing.assert_allclose(answer.mean.ravel(), expected["mean"].to_numpy(), rtol=1e-4)
    assert answer.timestamps.to_list() == expected["timestamp"].to_list()


@pytest.mark.parametrize("cell", HORIZON_CELLS)
def test_a_stream_and_a_saved_model_of_every_cell_equal_predict(cell: str, tmp_path: Path) -> None:
    frame = one_series(300).with_columns(other=pl.col("load").reverse())
    rates = {} if cell == "feedforward" else {"zoneout": 0.1}
    if CELLS[cell].h_gates:
        rates |= {"recurrent_dropout": 0.1, "weight_drop": 0.2}
    settings = {**SMALL, "max_epochs": 1, "cell": cell, "num_layers": 2, **rates}
    fitted = Forecaster(**settings).fit(frame, target="all")
    forecast = fitted.predict(frame)
    again = Forecaster.load(fitted.save(tmp_path / "model"))
    assert_frame_equal(again.predict(frame), forecast)
    stream = again.stream()
    answer = [stream.push(row) for row in frame.iter_rows(named=True)][-1]
    assert answer is not None
    expected = forecast.drop("timestamp", "target").to_numpy()
    found = answer.to_frame().drop("timestamp", "target").to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_what_a_cell_draws_is_repeated_by_the_seed_and_by_resuming(tmp_path: Path) -> None:
    rates = {"recurrent_dropout": 0.2, "zoneout": 0.2, "weight_drop": 0.2, "cell": "peephole"}
    settings = {**SMALL, "hidden_size": 8, **rates}
    frame = one_series(200)

    def weights(epochs: int, **changes: Any) -> list[torch.Tensor]:
        run = {"checkpoint": tmp_path, "resume": True} if changes.pop("resume", False) else {}
        if changes.pop("first", False):
            run = {"checkpoint": tmp_path}
        fitted = Forecaster(**{**settings, "max_epochs": epochs, **changes}).fit(frame, **run)
        return list(fitted.network_.state_dict().values())

    weights(1, first=True)
    resumed, unbroken = weights(2, resume=True), weights(2)
    assert all(map(torch.equal, resumed, unbroken))
    for rate in ("recurrent_dropout", "zoneout", "weight_drop"):
        assert not all(map(torch.equal, weights(2, **{rate: 0.0}), unbroken)), rate


def test_models_saved_before_there_were_more_cells_still_load(
    model: Forecaster, tmp_path: Path
) -> None:
    folder = model.save(tmp_path / "model")
    path = folder / "config.json"
    text = path.read_text()
    for name in ("recurrent_dropout", "zoneout", "weight_drop"):
        text, taken = re.subn(rf'\s*"{name}": 0\.0,?(?=\s*("|\}}))', "", text)
        assert taken == 2, name  # of the settings and of the network
    text = re.sub(r",(\s*\})", r"\1", text)
    path.write_text(text)
    again = Forecaster.load(folder)
    assert_frame_equal(again.predict(one_series()), model.predict(one_series()))


@pytest.mark.parametrize("every", ["1h", "1d", "1mo", "1b"])
@pytest.mark.parametrize("form", ["datetime", "text", "pandas", "UTC", "Europe/Berlin"])
def test_whatever_a_time_is_written_as_it_means_the_same(every: str, form: str) -> None:
    n = 120
    times = Frequency.parse(every, like=pl.Series([datetime(2020, 1, 1)])).times(
        np.arange(480, 480 + n)
    )
    if "/" in form or form == "UTC":
        times = times.dt.replace_time_zone(form)
    frame = pl.DataFrame({"time": times, "load": daily_cycle(n)})
    fitted = Forecaster(**{**SMALL, "max_epochs": 1}).fit(frame)
    stream = fitted.stream()
    for n, row in enumerate(frame.iter_rows(named=True)):
        if form == "text":
            row["time"] = str(row["time"])
        elif form == "pandas":
            row["time"] = pd.Timestamp(row["time"])
        answer = stream.push(row)
        if n % 5 == 2:
            with pytest.raises(DataError, match=re.escape(f"{row['time']} came after")):
                stream.push(row)
    assert answer is not None
    expected = fitted.predict(frame)
    np.testing.assert_allclose(answer.mean.ravel(), expected["mean"].to_numpy(), rtol=1e-4)
    assert answer.timestamps.to_list() == expected["timestamp"].to_list()


def test_a_time_between_two_steps_is_refused_by_a_stream(model: Forecaster) -> None:
    stream = model.stream()
    stream.push({"time": "2024-01-01 00:00", "load": 1.0})
    with pytest.raises(DataError, match="2024-01-01 01:20:00 is not on the model's grid of 1 hour"):
        stream.push({"time": "2024-01-01 01:20", "load": 1.0})
    stream.push({"time": "2024-01-01 01:10", "load": 1.0})
    with pytest.raises(DataError, match="01:09:00 came after 2024-01-01 01:10:00"):
        stream.push({"time": "2024-01-01 01:09", "load": 1.0})


# ---- what others tried --------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [1e-12, 1e-9, 1e9])
def test_the_unit_does_not_matter(unit: float) -> None:
    y = daily_cycle(300)
    plain = Forecaster(**SMALL).fit(y).predict(y)["mean"].to_numpy()
    scaled = Forecaster(**SMALL).fit(y * unit).predict(y * unit)["mean"].to_numpy()
    np.testing.assert_allclose(scaled, plain * unit, rtol=1e-3)


def test_a_small_signal_on_a_large_level_is_learned() -> None:
    fitted = Forecaster(**SMALL).fit(1e9 + 1e-2 * daily_cycle(500))
    assert fitted.metrics_["evaluation"]["model"]["overall"]["MASE"] < 1.5


def test_a_spike_does_not_freeze_training() -> None:
    y = daily_cycle(2000)
    y[500] = 3e3
    fitted = Forecaster(**SMALL, learning_rate=0.01).fit(y)
    assert fitted.training_.undone_steps == 0


def test_a_series_of_which_training_saw_little_is_not_scaled_by_that() -> None:
    late = pl.DataFrame({"meter": "late", "time": hours(500)[347:], "load": daily_cycle(500)[347:]})
    late = late.with_columns(load=pl.when(pl.int_range(pl.len()) < 3).then(10.0).otherwise("load"))
    frame = pl.concat(
        [pl.DataFrame({"meter": "a", "time": hours(500), "load": daily_cycle(500)}), late]
    )
    fitted = Forecaster(**SMALL).fit(frame, series="meter", target="load")
    assert fitted.encoder_.series == ["a"]
    forecast = fitted.predict(frame).filter(pl.col("series") == "late")
    assert (forecast["q0.95"] - forecast["q0.05"]).min() > 0.1


def test_a_failed_fit_leaves_the_earlier_one(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = Forecaster(**SMALL).fit(daily_cycle(300))
    before = fitted.predict(daily_cycle(300))
    monkeypatch.setattr(Forecaster, "_calibrate", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fitted.fit(2 * daily_cycle(300))
    assert_frame_equal(fitted.predict(daily_cycle(300)), before)
    first = Forecaster(**SMALL)
    with pytest.raises(ZeroDivisionError):
        first.fit(daily_cycle(300))
    assert not hasattr(first, "network_")


def test_settings_changed_after_fit_wait_for_the_next_fit(tmp_path: Path) -> None:
    fitted = Forecaster(**SMALL).fit(daily_cycle(300))
    before = fitted.predict(daily_cycle(300))
    fitted.set_params(levels=(0.2, 0.5, 0.8), horizon=12)
    assert_frame_equal(fitted.predict(daily_cycle(300)), before)
    loaded = Forecaster.load(fitted.save(tmp_path / "model"))
    assert loaded.config.horizon == 6
    assert_frame_equal(loaded.predict(daily_cycle(300)), before)


def test_resume_refuses_another_split_and_other_covariates(tmp_path: Path) -> None:
    frame = driven(400).select("time", "load", "switch")
    roles: dict[str, Any] = {"target": "load", "past": "switch", "checkpoint": tmp_path}
    Forecaster(**SMALL).fit(frame, split=(250, 60, 90), **roles)
    more = {**SMALL, "max_epochs": 6}
    with pytest.raises(DataError.__mro__[1], match="other data or settings"):
        Forecaster(**more).fit(frame, split=(250, 100, 50), resume=True, **roles)
    later = frame.with_columns(
        switch=pl.when(pl.int_range(pl.len()) > 300).then(1.0).otherwise("switch")
    )
    with pytest.raises(DataError.__mro__[1], match="other data or settings"):
        Forecaster(**more).fit(later, split=(250, 60, 90), resume=True, **roles)


def test_categories_mean_the_same_in_a_stream() -> None:
    rng = np.random.default_rng(0)
    flag = rng.choice([True, False], 300)
    code = rng.choice([1.0, 2.0, np.nan], 300)
    y = daily_cycle(300) + 2 * flag
    frame = pl.DataFrame({"time": hours(300), "y": y, "flag": flag, "code": code}, nan_to_null=True)
    fitted = Forecaster(**SMALL).fit(
        frame, target="y", past=["flag", "code"], categorical=["flag", "code"]
    )
    stream = fitted.stream()
    answer = [stream.push(row) for row in frame.iter_rows(named=True)][-1]
    assert answer is not None
    expected = fitted.predict(frame)["mean"].to_numpy()
    np.testing.assert_allclose(answer.mean.ravel(), expected, rtol=1e-4)


def test_asymmetric_levels_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"symmetric about 0\.5"):
        Forecaster(levels=(0.5, 0.9))


def test_a_missing_known_future_is_named() -> None:
    frame = driven(300)
    fitted = Forecaster(**SMALL).fit(frame, target="load", known="switch")
    future = frame.tail(6).with_columns(
        pl.Series("time", hours(306)[300:]),
        load=pl.lit(None, pl.Float64),
        switch=pl.lit(None, pl.Float64),
    )
    with pytest.raises(DataError, match="'switch' has no value at step 1 of the horizon"):
        fitted.predict(pl.concat([frame, future]))


def test_time_may_not_go_back_after_a_row_without_time() -> None:
    fitted = Forecaster(**SMALL).fit(one_series(300))
    stream = fitted.stream()
    rows = list(one_series(40).iter_rows(named=True))
    for row in rows[:30]:
        stream.push(row)
    stream.push({"load": 1.0})
    with pytest.raises(DataError, match="time does not go forward"):
        stream.push(rows[10])


def test_few_test_windows_are_said() -> None:
    fitted = Forecaster(**{**SMALL, "max_epochs": 1}).fit(daily_cycle(120), split=(90, 10, 20))
    assert fitted.metrics_["evaluation"]["verdict"].startswith("On 15 test forecasts only")


def test_scores_of_rows_that_were_trained_on_are_said_to_be(model: Forecaster) -> None:
    whole = model.evaluate(one_series())
    assert whole.trained_on == 350 - 24
    assert "326 of the 471 forecasts are of rows that the model was trained on" in whole.verdict
    later = model.evaluate(one_series().tail(150 + 24))
    assert later.trained_on == 0
    assert "trained on" not in later.verdict
