"""Rows pushed one by one, rows in blocks and the whole table are told the same."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import polars as pl
import pytest

from gatework.errors import DataError
from gatework.runtime.row_step import RowModel
from gatework.tasks.detect import AnomalyDetector

ROWS = 700
SMALL: dict[str, Any] = {"hidden_size": 8, "max_epochs": 1, "warmup": 5, "adapt": 50.0}


def table(rows: int = ROWS, seed: int = 0) -> dict[str, list[Any]]:
    """Numbers of every kind: plain with holes, long tails, a counter, a constant; and a category."""
    rng = np.random.default_rng(seed)
    t = np.arange(rows)
    wave = np.sin(t / 6) + rng.normal(0, 0.1, rows)
    holes = np.where(rng.random(rows) < 0.1, np.nan, wave + 1)
    fixed = np.full(rows, 3.0)
    fixed[rows - 40] = 4.0
    wave[rows - 30 : rows - 25] += 9
    start = np.datetime64("2024-01-01T00:00:00", "s")
    return {
        "time": [str(start + np.timedelta64(600 * int(i), "s")) for i in t],
        "wave": wave.tolist(),
        "holes": [None if x != x else float(x) for x in holes],
        "tail": np.exp(rng.normal(0, 3, rows)).tolist(),
        "sent": np.cumsum(rng.integers(1, 9, rows)).tolist(),
        "fixed": fixed.tolist(),
        "state": [("on", "off", "idle")[i // 10 % 3] for i in t],
    }


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    return AnomalyDetector(**SMALL).fit(pl.DataFrame(table()))


@pytest.fixture(scope="module")
def plain() -> AnomalyDetector:
    data = table()
    return AnomalyDetector(**SMALL).fit({"wave": data["wave"], "more": data["wave"][::-1]})


def rows_of(data: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)]


def pushed(stream: Any, rows: list[Any]) -> list[Any]:
    return [stream.push(row) for row in rows]


def agree(told: list[Any], answer: pl.DataFrame, first: int = 0) -> None:
    wanted = answer[first : first + len(told)]
    np.testing.assert_allclose([v.score for v in told], wanted["score"], rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(
        [v.threshold for v in told], wanted["threshold"], rtol=2e-3, atol=2e-3
    )
    near = np.abs(wanted["score"] - wanted["threshold"]) < 0.01
    alarms = np.array([v.alarm for v in told])
    assert (alarms == wanted["alarm"].to_numpy())[~near].all()
    for v, name, share in zip(told, wanted["channel"], wanted["share"], strict=True):
        assert v.channels[0][0] == name or abs(v.channels[0][1] - share) < 0.01


def test_pushed_rows_are_the_table(detector: AnomalyDetector) -> None:
    stream = detector.stream()
    data = table()
    assert RowModel.fits(stream._core.runtime, stream._core.scoring)
    assert stream._core.encoder.cycles  # the calendar is told
    assert stream._core.scoring.level_tails is not None
    told = pushed(stream, rows_of(data))
    answer = detector.predict(pl.DataFrame(data))
    agree(told, answer)
    assert any(v.alarm for v in told)
    assert told[-40].channels[0][0] == "fixed"
    assert stream._states[""].step is not None


def test_an_alarm_tells_what_was_expected(detector: AnomalyDetector) -> None:
    data = table()
    told = pushed(detector.stream(), rows_of(data))
    answer = detector.predict(pl.DataFrame(data))
    for v in told:
        row = answer.row(v.row, named=True)
        if v.alarm and v.channels[0][0] == row["channel"] == "wave":
            assert v.value == data["wave"][v.row]
            np.testing.assert_allclose(
                [v.low, v.expected, v.high],
                [float(row[name]) for name in ("low", "expected", "high")],
                rtol=1e-3, atol=1e-3,
            )  # fmt: skip
            return
    raise AssertionError("no alarm of this channel")


def test_rows_and_blocks_take_turns(plain: AnomalyDetector) -> None:
    rows = list(zip(table()["wave"], table()["wave"][::-1], strict=True))
    lines = [",".join(map(repr, row)) for row in rows]
    answer = plain.predict(pl.DataFrame(rows, schema=["wave", "more"], orient="row"))
    stream = plain.stream()
    parser = stream.reader(None)
    agree(pushed(stream, [list(r) for r in rows[:100]]), answer)
    block = stream.advance(parser.parse(lines[100:333]).rows)
    np.testing.assert_allclose(block.score, answer["score"][100:333], rtol=2e-3, atol=2e-3)
    kept = stream.to_bytes()
    agree(pushed(stream, [np.array(r) for r in rows[333:500]]), answer, 333)
    stream.restore(kept)
    assert stream.rows == 333
    agree(pushed(stream, [list(r) for r in rows[333:500]]), answer, 333)
    other = copy.deepcopy(stream)
    agree(pushed(other, [list(r) for r in rows[500:]]), answer, 500)
    agree(pushed(stream, [list(r) for r in rows[500:]]), answer, 500)


@pytest.mark.parametrize("size", [1, 2, 6, 7])
def test_blocks_of_any_size_are_the_table(detector: AnomalyDetector, size: int) -> None:
    frame = pl.DataFrame(table())
    lines = frame.write_csv().splitlines()
    answer = detector.predict(frame)
    stream = detector.stream()
    parser = stream.reader(lines[0])
    found: list[float] = []
    events: dict[int, Any] = {}
    for first in range(1, len(lines), size):
        block = stream.advance(parser.parse(lines[first : first + size]).rows)
        found += block.score.tolist()
        events |= {e.start_row: e for e in block.events}
    np.testing.assert_allclose(found, answer["score"], rtol=2e-3, atol=2e-3)
    whole = detector.stream()
    rows = whole.reader(lines[0]).parse(lines[1:]).rows
    wanted = {e.start_row: e for e in whole.advance(rows).events}
    assert events.keys() == wanted.keys()
    assert wanted
    for start, event in wanted.items():
        assert events[start].peak_row == event.peak_row
        assert events[start].channels[0][0] == event.channels[0][0]
        both = event.values.keys() & events[start].values.keys()
        assert len(both) >= len(event.values) - 1  # the last two may change places by rounding
        assert {n: events[start].values[n] for n in both} == {n: event.values[n] for n in both}


def test_a_network_without_a_compiled_step_is_pushed_as_well(plain: AnomalyDetector) -> None:
    data = table()
    detector = AnomalyDetector(**SMALL, method="reconstruct", window=4).fit({"wave": data["wave"]})
    stream = detector.stream()
    told = pushed(stream, [[x] for x in data["wave"][:200]])
    agree(told, detector.predict({"wave": data["wave"][:200]}))


def test_a_row_that_does_not_fit_changes_nothing(plain: AnomalyDetector) -> None:
    stream, other = plain.stream(), plain.stream()
    rows = [[0.1, 0.2], [0.3, 0.4]]
    stream.push(rows[0])
    for wrong in ([1.0], [1.0, "x"]):
        with pytest.raises(DataError):
            stream.push(wrong)
    assert stream.push(rows[1]) == pushed(other, rows)[1]


def test_events_one_by_one_are_the_session() -> None:
    rng = np.random.default_rng(0)
    sessions = [[str(int(e) % 7) for e in np.cumsum(rng.integers(0, 3, 12))] for _ in range(150)]
    detector = AnomalyDetector(hidden_size=8, max_epochs=1).fit(sessions, kind="events")
    answer = detector.predict(sessions[:1])
    stream = detector.stream()
    told = pushed(stream, sessions[0])
    scores = [v.score for v in told]
    assert scores == sorted(scores)  # the most surprising event so far
    assert scores[-1] <= answer["score"][0] + 1e-3  # the end of the session is an event too
    assert told[3].value == sessions[0][3]
