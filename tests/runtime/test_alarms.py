"""Alarms and events: against a plain loop, in blocks of any cut, and damaged states refused."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.errors import ConfigError
from gatework.runtime.alarms import AlarmEvent, AlarmGrouper


def plain(
    scores: np.ndarray,
    thresholds: np.ndarray,
    quiet: np.ndarray,
    *,
    hysteresis: float,
    gap: int,
    min_rows: int,
) -> tuple[list[bool], list[list[int]]]:
    """Whether each row is in an alarm, and the rows of each event."""
    on, alarm = False, []
    events: list[list[int]] = []
    for row, (score, threshold) in enumerate(zip(scores, thresholds, strict=True)):
        if not quiet[row] and score > threshold:
            on = True
        elif quiet[row] or not score > hysteresis * threshold:
            on = False
        if on:
            if not events or row - events[-1][-1] - 1 > gap:
                events.append([])
            events[-1].append(row)
        alarm.append(on and len(events[-1]) >= min_rows)
    return alarm, [rows for rows in events if len(rows) >= min_rows]


def a_stream(seed: int, n: int = 120, C: int = 7) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.exponential(2, n)
    scores[rng.uniform(size=n) < 0.05] = np.nan
    return {
        "scores": scores,
        "thresholds": rng.uniform(2, 4, n),
        "quiet": rng.uniform(size=n) < 0.1,
        "shares": rng.normal(0.3, 1, (n, C)),
        "times": rng.integers(0, 10**15, n),
    }


def cut(stream: dict[str, np.ndarray], begin: int, end: int) -> dict[str, np.ndarray]:
    return {name: array[begin:end] for name, array in stream.items()}


NAMES = [f"c{i}" for i in range(7)]


@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 10_000),
    cuts=st.lists(st.integers(0, 120), max_size=20),
    hysteresis=st.sampled_from([0.3, 0.7, 1.0]),
    gap=st.integers(0, 6),
    min_rows=st.integers(1, 4),
)
def test_blocks_of_any_cut_give_what_a_plain_loop_gives(
    seed: int, cuts: list[int], hysteresis: float, gap: int, min_rows: int
) -> None:
    stream = a_stream(seed)
    options = {"hysteresis": hysteresis, "gap": gap, "min_rows": min_rows}
    alarm, events = plain(
        stream["scores"],
        stream["thresholds"],
        stream["quiet"],
        hysteresis=hysteresis,
        gap=gap,
        min_rows=min_rows,
    )
    grouper, alone = AlarmGrouper(NAMES, **options), AlarmGrouper(NAMES, **options)  # type: ignore[arg-type]
    found, ended = [], []
    edges = [0, *sorted(cuts), 120]
    for begin, end in itertools.pairwise(edges):
        part = cut(stream, begin, end)
        got, told = grouper.extend(begin, **part)
        found += got.tolist()
        assert len({e.start_row for e in told}) == len(told)
        assert [e for e in told if e.open] == told[len(told) - any(e.open for e in told) :]
        assert not any(e.open for e in told) or told[-1] == grouper.open_event
        ended += [e for e in told if not e.open]
        again = AlarmGrouper(NAMES, **options)  # type: ignore[arg-type]
        again.restore(json.loads(json.dumps(grouper.snapshot())))
        assert again.snapshot() == grouper.snapshot()
        grouper = again
    last = grouper.flush()
    ended += [last] if last else []
    assert found == alarm
    assert [(e.start_row, e.end_row) for e in ended] == [(r[0], r[-1]) for r in events]
    for event, rows in zip(ended, events, strict=True):
        peak = rows[int(np.argmax(stream["scores"][rows]))]
        assert (event.peak_row, event.peak_score) == (peak, stream["scores"][peak])
        assert event.threshold == stream["thresholds"][peak]
        assert event.start_time == stream["times"][rows[0]]
        assert event.end_time == stream["times"][rows[-1]]
        sums = np.maximum(stream["shares"][rows], 0).sum(axis=0)
        order = np.argsort(-sums)[:5]
        assert [name for name, _ in event.channels] == [NAMES[c] for c in order if sums[c] > 0]
        # as many additions as rows and channels
        tolerance = 4 * (len(rows) + 7) * np.finfo(float).eps
        wanted = [sums[c] / sums.sum() for c in order if sums[c] > 0]
        assert [share for _, share in event.channels] == pytest.approx(wanted, rel=tolerance)
        assert sum(share for _, share in event.channels) <= 1 + tolerance
    # row by row the same, to the bit
    pushed = []
    for row in range(120):
        got_row, told = alone.push(
            row,
            stream["scores"][row],
            stream["thresholds"][row],
            bool(stream["quiet"][row]),
            stream["shares"][row],
            int(stream["times"][row]),
        )
        assert got_row == alarm[row]
        pushed += [e for e in told if not e.open]
    last = alone.flush()
    assert pushed + ([last] if last else []) == ended


def group(scores: Sequence[float], **options: Any) -> tuple[list[int], list[AlarmEvent]]:
    n = len(scores)
    grouper = AlarmGrouper([], **options)
    alarm, events = grouper.extend(0, np.array(scores, float), np.full(n, 10.0), np.zeros(n, bool))
    return alarm.astype(int).tolist(), events


def test_an_alarm_is_held_and_joined() -> None:
    scores = [0, 11, 8, 8, 6, 0, 12, 0, 0, 0, 20, 0, 0, 0]
    alarm, events = group(scores, gap=2)
    assert alarm == [0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]
    assert [(e.start_row, e.end_row, e.open) for e in events] == [(1, 6, False), (10, 10, False)]
    assert group(scores, gap=2, hysteresis=1.0)[0] == [0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]
    assert [(e.start_row, e.end_row, e.open) for e in group(scores, gap=3)[1]] == [(1, 10, True)]
    # a score of just the threshold, or just what holds it, is none
    assert group([10.0, 11.0, 7.0])[0] == [0, 1, 0]


def test_short_alarms_are_none_and_no_row_is_told_too_early() -> None:
    alarm, events = group([11, 0, 0, 11, 11, 11, 0], gap=0, min_rows=2)
    assert alarm == [0, 0, 0, 0, 1, 1, 0]
    assert [(e.start_row, e.end_row) for e in events] == [(3, 5)]


def test_an_event_is_told_again_only_when_it_changed() -> None:
    grouper = AlarmGrouper(["a"], gap=3)
    one = (np.array([5.0]), np.array([1.0]), np.array([False]))
    calm = (np.array([0.0]), np.array([1.0]), np.array([False]))
    told = [grouper.extend(row, *(one if row < 2 else calm))[1] for row in range(7)]
    assert [[(e.end_row, e.open) for e in events] for events in told] == [
        [(0, True)],
        [(1, True)],
        [],
        [],
        [],
        [(1, False)],
        [],
    ]
    assert grouper.open_event is None
    assert grouper.flush() is None


def test_rows_left_out_end_an_alarm() -> None:
    grouper = AlarmGrouper([], gap=2)
    row = (np.array([8.0]), np.array([10.0]), np.array([False]))
    assert grouper.push(0, 11.0, 10.0)[0]
    assert grouper.push(1, 8.0, 10.0)[0]
    alarm, events = grouper.extend(50, *row)  # only holds, and nothing to be held
    assert not alarm[0]
    assert [(e.end_row, e.open) for e in events] == [(1, False)]


def test_an_endless_alarm_takes_no_more_memory() -> None:
    grouper = AlarmGrouper(NAMES)
    sizes = set()
    for block in range(20):
        n = 1_000
        grouper.extend(
            block * n, np.full(n, 9.0), np.ones(n), np.zeros(n, bool), np.ones((n, 7)), np.arange(n)
        )
        sizes.add(len(json.dumps(grouper.snapshot())) // 100)
    assert len(sizes) == 1
    event = grouper.open_event
    assert event is not None
    assert (event.start_row, event.end_row) == (0, 19_999)
    assert [name for name, _ in event.channels] == NAMES[:5]
    assert [share for _, share in event.channels] == pytest.approx([1 / 7] * 5)


def test_wrong_use_is_named() -> None:
    with pytest.raises(ConfigError, match=r"hysteresis must be above 0 and at most 1; got 1\.5"):
        AlarmGrouper([], hysteresis=1.5)
    with pytest.raises(ConfigError, match="gap must be"):
        AlarmGrouper([], gap=-1)
    with pytest.raises(ConfigError, match="min_rows must be"):
        AlarmGrouper([], min_rows=0)
    grouper = AlarmGrouper(["a", "b"])
    grouper.push(4, 0.0, 1.0)
    with pytest.raises(ValueError, match="rows must not go back: 4 came after 4"):
        grouper.push(4, 0.0, 1.0)
    three, calm = np.ones(3), np.zeros(3, bool)
    with pytest.raises(ValueError, match=r"thresholds must be \(3,\)"):
        grouper.extend(5, three, np.ones(2), calm)
    with pytest.raises(ValueError, match=r"shares must be \(3, 2\)"):
        grouper.extend(5, three, three, calm, np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"times must be \(3,\)"):
        grouper.extend(5, three, three, calm, None, np.arange(4))


def test_a_damaged_state_is_refused_and_nothing_changes() -> None:
    grouper = AlarmGrouper(["a", "b"])
    grouper.extend(0, np.full(3, 5.0), np.ones(3), np.zeros(3, bool), np.ones((3, 2)), np.arange(3))
    good = grouper.snapshot()
    event = good["event"]
    bad: list[Any] = [
        None,
        [],
        {},
        {**good, "next": -1},
        {**good, "on": 1},
        {**good, "event": None},
    ]
    bad += [
        {**good, "event": {k: v for k, v in event.items() if k != key}}
        for key in ("rows", "sums", "end_row")
    ]
    changes = [
        ("end_row", 3),
        ("start_row", 3),
        ("sums", [1.0]),
        ("sums", [1.0, float("nan")]),
        ("rows", 4),
        ("peak_row", 7),
        ("peak_score", "x"),
        ("start_time", 1.5),
        ("end_time", True),
        ("sums", [1.0, -1.0]),
    ]
    bad += [{**good, "event": {**event, key: value}} for key, value in changes]
    for state in bad:
        with pytest.raises(ValueError, match=r"alarms|threshold"):
            grouper.restore(state)
        assert grouper.snapshot() == good
    with pytest.raises(ValueError, match="'sums' of"):
        AlarmGrouper(["a"]).restore(good)
    told = grouper.open_event
    assert told is not None
    assert grouper.flush() == replace(told, open=False)
