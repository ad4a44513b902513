"""What a detector answers, and what is kept of it: columns, sessions, model folders, states of streams."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from gatework.errors import ConfigError, DataError, ModelFileError, NotFittedError
from gatework.model_files import ModelFolder, read_model, write_model
from gatework.tasks import detect_objective
from gatework.tasks.detect import AnomalyDetector

sys.path.insert(0, str(Path(__file__).parent))
from detect_histories import ROWS, SMALL, readings, session


@pytest.fixture(scope="module", autouse=True)
def _short_epochs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detect_objective, "MIN_EPOCH_STEPS", 12)
        patch.setattr(AnomalyDetector, "_report", lambda self: None)  # megabytes that no test reads
        yield


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    """Of two channels in time order; not to be changed."""
    return AnomalyDetector(**SMALL, adapt=30.0).fit(readings(odd=range(370, 375)))


@pytest.fixture(scope="module")
def saved(detector: AnomalyDetector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "model"
    detector.save(path)
    return path


# ---- answers ------------------------------------------------------------------------------------------

COLUMNS = [
    "score",
    "threshold",
    "alarm",
    "warming",
    "channel",
    "share",
    "value",
    "expected",
    "low",
    "high",
]


def test_an_answer_has_a_row_for_each_and_says_why(detector: AnomalyDetector) -> None:
    later = readings(200, seed=7, odd=range(120, 124))
    answer = detector.predict(later)
    assert answer.columns == ["time", *COLUMNS, "channels"]
    assert answer["time"].equals(later["time"])
    row = answer.row(120, named=True)
    assert row["value"] == later[row["channel"]][120]
    assert row["low"] <= row["expected"] <= row["high"] < row["value"]
    assert row["channels"].startswith(f"{row['channel']} {row['share']:.0%}")
    assert detector.predict(later, rows=50).equals(answer[:50])
    np.testing.assert_array_equal(detector.score(later), answer["score"])
    with pytest.raises(NotFittedError):
        AnomalyDetector().predict(later)


def test_series_in_any_order_are_told_in_the_order_of_the_data() -> None:
    parts = [readings(seed=k).with_columns(host=pl.lit(n)) for k, n in enumerate("bac")]
    words = pl.Series("mode", ["day", "night", None] * ROWS)
    whole = pl.concat(parts).with_columns(words)
    mixed = whole[np.random.default_rng(0).permutation(len(whole))]
    with pytest.raises(DataError, match="the time is before"):
        AnomalyDetector(**SMALL).fit(mixed, series="host")
    model = AnomalyDetector(**SMALL).fit(mixed, series="host", mend=True)
    assert model.metrics_["split"]["how"] == "in time order, at the same moments for all series"
    with pytest.raises(DataError, match="the time is before"):
        model.predict(mixed)
    answer = model.predict(mixed, mend=True)
    told = ["word", "expected_word", "probability", "channels"]
    assert answer.columns == ["series", "time", *COLUMNS, *told]
    assert answer["series"].to_list() == mixed["host"].to_list()
    assert answer["time"].equals(mixed["time"])
    for name, part in whole.group_by("host"):
        alone = model.predict(part)
        own = answer.filter(pl.col("series") == name[0]).sort("time")
        np.testing.assert_allclose(own["score"], alone["score"], rtol=1e-6)
        assert own["warming"].sum() == 20
    word = answer.filter(pl.col("channel") == "mode")
    assert word["value"].null_count() == len(word)
    assert set(word["word"].drop_nulls()) <= {"day", "night"}
    np.testing.assert_array_equal(model.score(mixed, mend=True), answer["score"])


# ---- sessions -----------------------------------------------------------------------------------------


def test_sessions_are_judged_as_a_whole() -> None:
    odd = [k % 15 == 14 for k in range(240)]
    items = [session(k, bad) for k, bad in enumerate(odd)]
    model = AnomalyDetector(**{**SMALL, "max_epochs": 4}, learning_rate=0.02)
    model.fit(items, labels=["bad" if bad else "normal" for bad in odd], train_on="normal")
    facts = model.metrics_
    assert (facts["unit"], facts["kind"], facts["method"]) == ("session", "events", "forecast")
    assert facts["evaluation"]["main"] == "average_precision"
    later = [session(0), session(1, odd=True), session(2), ["open"]]
    answer = model.predict(later)
    assert answer.columns == [
        "session", "score", "threshold", "alarm", "at", "event", "expected", "probability",
    ]  # fmt: skip
    assert answer["score"].arg_max() == 1
    assert answer["event"].to_list() == [
        [*items_, "<end>"][at] for items_, at in zip(later, answer["at"], strict=True)
    ]
    assert answer["at"][1] < 2  # "close" at first, or "crash", which was never seen
    assert (answer["at"][3], answer["event"][3]) == (1, "<end>")  # it stops too soon
    evaluation = model.evaluate(later[:3], labels=["normal", "bad", "normal"])
    assert evaluation["average_precision"] == 1
    stream = model.stream()
    told = [stream.push(event).score for event in [*later[1], "<end>"]]
    assert told[-1] == pytest.approx(float(answer["score"][1]), rel=2e-3)
    assert told == sorted(told)
    with pytest.raises(ConfigError, match="sessions are told event by event"):
        AnomalyDetector(**SMALL, method="reconstruct").fit(items)


# ---- trained on ---------------------------------------------------------------------------------------


def test_a_saved_detector_is_trained_on_with_its_encoding(
    detector: AnomalyDetector, saved: Path, tmp_path: Path
) -> None:
    newer = readings(seed=9).with_columns(pl.col("heat") + 50)
    model = AnomalyDetector(**SMALL, adapt=30.0).fit(newer, continue_from=saved)
    assert model.encoder_.to_json() == detector.encoder_.to_json()
    for name, weight in model.network_.state_dict().items():
        assert not torch.equal(weight, detector.network_.state_dict()[name]), name
    assert torch.equal(
        AnomalyDetector.load(saved).network_.state_dict()["keep"],
        detector.network_.state_dict()["keep"],
    )
    before, after = (float(np.median(m.score(newer))) for m in (detector, model))
    assert after < before  # 70 is what it is used to now
    with pytest.raises(ConfigError, match="has other sizes or settings"):
        AnomalyDetector(**{**SMALL, "hidden_size": 9}).fit(newer, continue_from=saved)
    with pytest.raises(DataError, match="lacks the column 'heat'"):
        AnomalyDetector(**SMALL).fit(newer.drop("heat"), continue_from=saved)


# ---- saved --------------------------------------------------------------------------------------------


def _preprocessing(
    change: Callable[[dict[str, Any]], None],
) -> Callable[[ModelFolder], ModelFolder]:
    def damage(folder: ModelFolder) -> ModelFolder:
        change(folder.preprocessing)
        return folder

    return damage


def _tensor(
    name: str, change: Callable[[torch.Tensor], torch.Tensor]
) -> Callable[[ModelFolder], ModelFolder]:
    def damage(folder: ModelFolder) -> ModelFolder:
        tensors = {**folder.tensors, name: change(folder.tensors[name]).contiguous()}
        return dataclasses.replace(folder, tensors=tensors)

    return damage


DAMAGED: dict[str, Callable[[ModelFolder], ModelFolder]] = {
    "no damage": lambda folder: folder,
    "encoder": _preprocessing(lambda p: p["encoder"]["channels"].pop()),
    "cycles": _preprocessing(lambda p: p["encoder"]["cycles"].append("day")),
    "scale": _preprocessing(lambda p: p["encoder"]["channels"][0].update(scale=0.0)),
    "joining": _preprocessing(lambda p: p["joining"].update(odd=1)),
    "level tails": _preprocessing(lambda p: p["joining"].update(level=100.0)),
    "row tail": _preprocessing(lambda p: p["row_tail"][0].reverse()),
    "threshold": _preprocessing(lambda p: p["threshold"].update(kind="odd")),
    "no warmup": _preprocessing(lambda p: p.pop("warmup")),
    "baselines": _preprocessing(lambda p: p.update(baselines=3)),
    "tails": _tensor("tails", lambda t: t[:1]),
    "a head": _tensor("network.numbers.linear.weight", lambda t: t[:5]),
    "a number": _tensor("tails", lambda t: t * float("nan")),
    "spec": lambda folder: dataclasses.replace(folder, network={**folder.network, "channels": 3}),
    "method": lambda folder: dataclasses.replace(folder, network={**folder.network, "method": "odd"}),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_model_whose_parts_do_not_fit_is_refused(name: str, saved: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "model", DAMAGED[name](read_model(saved)))
    if name == "no damage":
        assert AnomalyDetector.load(tmp_path / "model").stream().push([0.5, 20.0]).score >= 0
        return
    with pytest.raises(ModelFileError, match="damaged"):
        AnomalyDetector.load(tmp_path / "model")


# ---- streams ------------------------------------------------------------------------------------------


def lines_of(data: pl.DataFrame) -> list[str]:
    return data.write_csv(include_header=False).splitlines()


def test_a_stream_tells_of_dead_and_drifted_channels(detector: AnomalyDetector) -> None:
    later = readings(600, seed=3)
    row = pl.int_range(pl.len())
    assert said_of(detector, later) == ""
    dead = later.with_columns(load=pl.when(row < 100).then("load").otherwise(0.25))
    drifted = later.with_columns(
        heat=pl.when(row < 100).then("heat").otherwise(pl.col("heat") * 40)
    )
    for data, text in ((dead, "load has stood still for"), (drifted, "heat has drifted: for long")):
        told = said_of(detector, *data.iter_slices(50))
        assert told.count(text) == 1, told
        assert len(told.splitlines()) == 1
    assert "load moves again" in said_of(detector, dead, later)


def said_of(detector: AnomalyDetector, *parts: pl.DataFrame) -> str:
    """What a stream says of tables one after the other, a minute from row to row."""
    stream, said = detector.stream(), []
    parser = stream.reader(None)
    times = readings(sum(map(len, parts)))["time"]
    first = 0
    for part in parts:
        moved = part.with_columns(times[first : first + len(part)])
        parsed = parser.parse(lines_of(moved))
        assert len(parsed.good) == len(part)
        said += stream.advance(parsed.rows).notices
        first += len(part)
    return "\n".join(said)


def test_a_state_goes_with_one_model_alone(detector: AnomalyDetector, saved: Path) -> None:
    stream = detector.stream()
    rows = list(readings(60, seed=3).drop("label").iter_rows(named=True))
    for row in rows[:40]:
        stream.push(row)
    kept = stream.to_bytes()
    same = AnomalyDetector.load(saved).stream()
    same.restore(kept)
    assert [same.push(r).score for r in rows[40:]] == [stream.push(r).score for r in rows[40:]]
    other = AnomalyDetector(**SMALL, adapt=30.0, seed=5).fit(readings(odd=range(370, 375))).stream()
    with pytest.raises(DataError, match="of another model"):
        other.restore(kept)
    for broken in (b"", kept[:100], kept[:-9], b"\xff" * 99):
        with pytest.raises(DataError, match="damaged"):
            same.restore(broken)
    assert same.rows == 60  # a refused state changes nothing


def test_a_second_fit_sets_the_simple_detectors_anew() -> None:
    rng = np.random.default_rng(0)
    calm, wild = {"x": rng.normal(0, 1, 400)}, {"x": np.cumsum(rng.normal(0, 9, 400))}
    twice = AnomalyDetector(hidden_size=4, max_epochs=1).fit(calm)
    before = twice.cutoffs_
    assert twice.fit(wild).cutoffs_ != before
    once = AnomalyDetector(hidden_size=4, max_epochs=1).fit(wild)
    assert twice.cutoffs_ == once.cutoffs_
    assert twice.metrics_["evaluation"]["baselines"] == once.metrics_["evaluation"]["baselines"]
