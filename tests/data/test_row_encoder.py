"""Rows as a network sees them: channels of each kind, gaps, calendar, words; in batch and row by row."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gatework.data.observations import Observations
from gatework.data.row_encoder import GAP, Carry, RowEncoder

Array = npt.NDArray[Any]
N, TRAIN = 600, 450
DAY = 86_400_000_000


def observed(values: dict[str, Array], times: Array | None = None, words: dict[str, Any] | None = None,
             offsets: list[int] | None = None) -> Observations:  # fmt: skip
    words = words or {}
    rows = len(next(iter([*values.values(), *words.values()])))
    known = [sorted({w for w in own if w is not None}) for own in words.values()]
    codes = [[k.index(w) if w is not None else -1 for w in own]
             for own, k in zip(words.values(), known, strict=True)]  # fmt: skip
    offsets = offsets or [0, rows]
    return Observations(
        kind="metrics",
        channels=tuple(values),
        categories=tuple(words),
        values=np.column_stack(list(values.values())) if values else np.zeros((rows, 0)),
        codes=np.array(codes, np.int64).reshape(-1, rows).T,
        words=tuple(map(tuple, known)),
        offsets=np.array(offsets),
        names=tuple(map(str, range(len(offsets) - 1))),
        source="data",
        times=times,
        layout={"kind": "metrics", "clock": times is not None},
    )


def fitted(found: Observations, **options: Any) -> RowEncoder:
    train = np.arange(len(found)) < TRAIN
    return RowEncoder.fit(found, train, np.ones(len(found), bool), **options)


def numbers(seed: int = 0) -> dict[str, Array]:
    """One channel of each kind."""
    rng = np.random.default_rng(seed)
    plain = rng.normal(50, 4, N)
    plain[rng.random(N) < 0.1] = np.nan
    fixed = np.full(N, 7.0)
    fixed[500] = 7.5
    sent = np.cumsum(rng.integers(1, 9, N)).astype(float)
    sent[300:] -= sent[300] - 3  # set back once
    return {"plain": plain, "fixed": fixed, "tail": np.exp(rng.normal(0, 3, N)), "sent": sent}


def each_row(encoder: RowEncoder, found: Observations) -> tuple[Array, Array]:
    """Row by row, each series from its beginning."""
    z, changed = [], []
    for a, b in zip(found.offsets[:-1].tolist(), found.offsets[1:].tolist(), strict=True):
        carry = Carry(len(encoder.channels))
        for i in range(a, b):
            time = None if found.times is None else int(found.times[i])
            row = encoder.row(found.values[i], time, carry)
            z.append(row[0])
            changed.append(row[1])
    return np.array(z), np.array(changed)


# ---- kinds of channels --------------------------------------------------------------------------------


def test_each_channel_is_read_as_what_it_is() -> None:
    found = observed(numbers())
    encoder = fitted(found)
    assert [c.kind for c in encoder.channels] == ["plain", "constant", "log", "counter"]
    assert encoder.live == ("plain", "tail", "sent")
    assert encoder.fixed == ("fixed",)
    assert encoder.names == ("plain", "tail", "sent", "fixed")
    rows = encoder.encode(found)
    z, tail, sent = rows.values, found.values[:, 2], found.values[:, 3]
    assert np.nanmean(z[:TRAIN], 0) == pytest.approx(0, abs=0.02)
    assert np.nanstd(z[:TRAIN], 0) == pytest.approx(1, abs=0.05)
    assert np.array_equal(np.isnan(z[:, 0]), np.isnan(found.values[:, 0]))
    assert rows.changed[:, 0].nonzero()[0].tolist() == [500]
    for k, x in (
        (1, np.arcsinh(tail / encoder.channels[2].unit)),
        (2, np.diff(sent, prepend=np.nan)),
    ):
        c = encoder.channels[encoder.place(k)]
        x = np.where(x < 0, np.nan, x) if k == 2 else x
        np.testing.assert_allclose(z[:, k], (x - c.location) / c.scale, rtol=1e-4, atol=1e-5)
    assert np.isnan(z[:, 2]).nonzero()[0].tolist() == [0, 300]  # nothing before, set back
    assert encoder.scale is None
    told = encoder.describe()
    assert told == [
        "read on a logarithmic scale: tail",
        "read as counters, by their rise: sent",
        "constant in the training part: any other value is odd: fixed",
    ]


def test_the_test_part_tells_nothing() -> None:
    data = numbers()
    other = {k: np.where(np.arange(N) < TRAIN, x, 1e6) for k, x in data.items()}
    assert fitted(observed(data)).to_json() == fitted(observed(other)).to_json()
    early = {k: np.where(np.arange(N) < 9, 1e6, x) for k, x in data.items()}
    assert fitted(observed(data)).to_json() != fitted(observed(early)).to_json()


def test_what_merely_rises_is_no_counter() -> None:
    rng = np.random.default_rng(0)
    t = np.arange(N)
    walk = {"noise": t + rng.normal(0, 2, N), "jump": np.where(t < 200, t % 2, 100.0 + t % 2)}
    assert [c.kind for c in fitted(observed(walk)).channels] == ["plain", "plain"]
    even = fitted(observed({"clock": t * 10.0, "x": rng.normal(size=N)}))
    assert even.channels[0].kind == "counter"  # always the same rise
    z = even.encode(observed({"clock": t * 10.0, "x": rng.normal(size=N)})).values[1:, 0]
    assert np.isfinite(z).all()


def test_where_nothing_ever_moved_a_twentieth_is_a_step() -> None:
    encoder = fitted(observed({"a": np.full(N, 100.0), "b": np.zeros(N)}))
    assert [(c.kind, c.scale) for c in encoder.channels] == [("plain", 5.0), ("plain", 1.0)]
    encoder = fitted(observed({"a": np.full(N, 100.0)}, words={"w": ["x", "y"] * (N // 2)}))
    assert encoder.channels[0].kind == "constant"


def test_a_channel_that_was_never_measured() -> None:
    nothing = np.where(np.arange(N) < TRAIN, np.nan, 3.0)
    encoder = fitted(observed({"late": nothing, "x": numbers()["plain"]}))
    assert encoder.channels[0].rows == 0
    assert encoder.encode(observed({"late": nothing, "x": nothing})).values[-1, 0] == 3


def test_the_longest_standstill_is_known() -> None:
    x = np.random.default_rng(0).normal(size=N)
    x[100:140] = x[100]
    x[500:] = 0.0  # not in training
    assert fitted(observed({"x": x})).channels[0].longest == 40


# ---- back to the units of the data --------------------------------------------------------------------


def test_raw_undoes_numbers() -> None:
    found = observed(numbers())
    encoder = fitted(found)
    z = encoder.encode(found).values.astype(float)
    raw = encoder.raw(z)
    rises = np.diff(found.values[:, 3], prepend=np.nan)
    wanted = np.column_stack(
        [found.values[:, 0], found.values[:, 2], np.where(rises < 0, np.nan, rises)]
    )
    np.testing.assert_allclose(raw, wanted, rtol=1e-4, atol=1e-4)
    assert not np.allclose(
        raw[1:], found.values[1:, [0, 2, 3]], equal_nan=True
    )  # of a counter its rise
    for k in range(3):
        assert encoder.raw_of(k, z[50, k]) == pytest.approx(
            float(raw[50, k]), rel=1e-9, nan_ok=True
        )
    told = encoder.rises(found.values[1:], found.values[0])
    np.testing.assert_array_equal(told[:, 3], rises[1:])
    np.testing.assert_array_equal(told[:, :3], found.values[1:, :3])
    assert np.isfinite(encoder.raw(np.full((1, 3), 1e9))).all()


# ---- time ---------------------------------------------------------------------------------------------


def minutes(rows: int = N, each: float = 1) -> Array:
    return np.asarray(np.arange(rows) * round(each * 60_000_000) + 1_700_000_000_000_000)


def test_gaps_are_a_channel_where_they_vary() -> None:
    x = np.random.default_rng(0).normal(size=N)
    assert not fitted(observed({"x": x}, minutes())).gap
    rng = np.random.default_rng(1)
    times = 1_700_000_000_000_000 + np.cumsum(rng.exponential(1e7, N)).astype(np.int64)
    found = observed({"x": x}, times, offsets=[0, 250, N])
    encoder = fitted(found)
    assert encoder.gap
    assert encoder.live == ("x", GAP)
    assert encoder.channels[1].kind == "log"
    z = encoder.encode(found).values
    assert np.isnan(z[:, 1]).nonzero()[0].tolist() == [0, 250]
    seconds = encoder.raw(z.astype(float))[1:250, 1]
    np.testing.assert_allclose(seconds, np.diff(times[:250]) / 1e6, rtol=1e-4, atol=1e-5)
    a, b = each_row(encoder, found), encoder.encode(found)
    np.testing.assert_array_equal(a[0], b.values)


def test_a_clock_that_is_set_back_gives_no_gap() -> None:
    rng = np.random.default_rng(1)
    times = 1_700_000_000_000_000 + np.cumsum(rng.exponential(1e7, N)).astype(np.int64)
    encoder = fitted(observed({"x": rng.normal(size=N)}, times))
    carry = Carry(2)
    values = np.zeros((3, 1))
    z, _ = encoder.push(values, np.array([10, 30, 20]) * 1_000_000, carry)
    assert np.isnan(z[:, 1]).tolist() == [True, False, True]
    z, _ = encoder.push(values[:1], np.array([19_000_000]), carry)
    assert np.isnan(z[0, 1])


@pytest.mark.parametrize(
    ("each", "calendar", "cycles"),
    [
        (1, None, ()),  # ten hours
        (10, None, ("day",)),  # four days
        (60, None, ("day", "week")),  # 25 days
        (60, False, ()),
        (3, None, ()),  # 30 hours are not two days,
        (3, True, ("day",)),  # but one
        (24 * 60, None, ("week",)),  # a row a day
    ],
)
def test_the_calendar_is_told_where_two_cycles_are_there(
    each: float, calendar: bool | None, cycles: tuple[str, ...]
) -> None:
    x = np.random.default_rng(0).normal(size=N)
    found = observed({"x": x}, minutes(each=each))
    encoder = fitted(found, calendar=calendar)
    assert encoder.cycles == cycles
    told = encoder.encode(found).calendar
    assert told.shape == (N, 2 * len(cycles))
    for i in (0, 17, N - 1):
        assert found.times is not None
        np.testing.assert_allclose(encoder.calendar_row(int(found.times[i])), told[i], atol=1e-6)


def test_the_week_begins_on_monday_and_the_day_at_midnight() -> None:
    found = observed({"x": np.random.default_rng(0).normal(size=N)}, minutes(each=60))
    encoder = fitted(found)
    monday = 4 * DAY  # 1970-01-05
    np.testing.assert_allclose(encoder.calendar_row(monday), [0, 1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(encoder.calendar_row(monday + DAY // 4)[:2], [1, 0], atol=1e-6)
    same = encoder.calendar(np.array([monday, monday + 70 * DAY, monday + DAY]), 3)
    np.testing.assert_allclose(same[0], same[1], atol=1e-6)
    assert abs(same[0] - same[2]).max() > 0.1


# ---- words --------------------------------------------------------------------------------------------


def test_words_have_numbers_and_those_never_seen_one() -> None:
    words = ["on", "off", None] * (N // 3)
    words[TRAIN + 5] = "new"
    found = observed({"x": np.random.default_rng(0).normal(size=N)}, words={"state": words})
    encoder = fitted(found)
    assert encoder.words == (("off", "on"),)
    assert encoder.cardinalities == (4,)
    told = encoder.encode(found).tokens[:, 0].tolist()
    assert told[:3] == [3, 2, 0]
    assert told[TRAIN + 5] == 1
    assert [encoder.token(0, w) for w in ("on", "off", None, "new", "other")] == [3, 2, 0, 1, 1]
    assert [encoder.word(0, k) for k in range(4)] == [None, None, "off", "on"]


def test_the_rarest_of_many_words_are_read_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatework.data.row_encoder.MOST_WORDS", 2)
    words = (["a"] * 3 + ["b"] * 2 + ["c"]) * (N // 6)
    encoder = fitted(observed({}, words={"w": words}))
    assert encoder.words == (("a", "b"),)
    assert encoder.token(0, "c") == 1


# ---- kept, and row by row -----------------------------------------------------------------------------


def test_rows_and_blocks_are_the_table() -> None:
    found = observed(numbers(), minutes(), offsets=[0, 200, N])
    encoder = fitted(found)
    rows = encoder.encode(found)
    z, changed = each_row(encoder, found)
    np.testing.assert_array_equal(z, rows.values)
    np.testing.assert_array_equal(changed, rows.changed)
    carry, parts, kept = Carry(4), [], found.values.copy()
    for a, b in ((200, 201), (201, 333), (333, N)):
        parts.append(encoder.push(found.values[a:b], None, carry)[0])
    np.testing.assert_array_equal(np.concatenate(parts), rows.values[200:])
    np.testing.assert_array_equal(found.values, kept)  # untouched
    plain = fitted(observed({"x": found.values[:, 0]}))
    assert plain.scale is not None
    z = (found.values[:, :1] - plain.scale[0]) * plain.scale[1]
    told = plain.encode(observed({"x": found.values[:, 0]})).values
    np.testing.assert_array_equal(told, z.astype(np.float32))


def test_an_encoder_goes_through_json() -> None:
    words = ["on", "off", None] * (N // 3)
    found = observed(numbers(), minutes(each=60), words={"state": words})
    encoder = fitted(found)
    again = RowEncoder.from_json(json.loads(json.dumps(encoder.to_json())))
    for a, b in zip(again.encode(found), encoder.encode(found), strict=True):
        np.testing.assert_array_equal(a, b)
    assert again.to_json() == encoder.to_json()
    assert again.names == encoder.names


@pytest.mark.parametrize(
    "damage",
    [
        {"channels": [{"name": "x", "kind": "plain", "location": 0.0, "scale": 0.0}]},
        {"channels": [{"name": "x", "kind": "plain", "location": float("nan"), "scale": 1.0}]},
        {"channels": [{"name": "x", "kind": "odd", "location": 0.0, "scale": 1.0}]},
        {"channels": [{"name": "x"}]},
        {"channels": None},
        {"cycles": ["month"]},
        {"words": 3},
    ],
)
def test_a_damaged_encoder_is_refused(damage: dict[str, Any]) -> None:
    data = fitted(observed(numbers())).to_json()
    with pytest.raises((ValueError, KeyError, TypeError)):
        RowEncoder.from_json(data | damage)
    for name in data:
        with pytest.raises(KeyError):
            RowEncoder.from_json({k: v for k, v in data.items() if k != name})
