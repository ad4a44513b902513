"""Time grids: found from timestamps, counted, and turned back into timestamps."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.data.durations import duration_text
from gatework.data.frequency import Frequency
from gatework.errors import ConfigError, DataError

START = datetime(2024, 1, 7, 0, 30)


def stamps(start: datetime, step: str, count: int, zone: str | None = None) -> pl.Series:
    number, unit = int(step.rstrip("smhdwqyo")), step.lstrip("0123456789")
    end = pl.Series([start]).dt.offset_by(f"{number * count}{unit}")[0]
    return pl.datetime_range(start, end, step, time_zone=zone, eager=True).head(count)


def days(start: date, step: str, count: int) -> pl.Series:
    return stamps(datetime(start.year, start.month, start.day), step, count).cast(pl.Date)


WEEKDAYS = days(date(2024, 1, 1), "1d", 60).filter(
    days(date(2024, 1, 1), "1d", 60).dt.weekday() < 6
)

# times, words, code, seasons
CASES = {
    "hours at half past": (stamps(START, "1h", 50), "1 hour", "1h", [24, 168]),
    "quarters of an hour": (stamps(START, "15m", 50), "15 minutes", "15m", [96, 672]),
    "minutes": (stamps(START, "1m", 50), "1 minute", "1m", [60, 1440, 10080]),
    "seconds": (stamps(START, "1s", 50), "1 second", "1s", [60, 3600, 86400]),
    "ten milliseconds": (stamps(START, "10ms", 50), "10 milliseconds", "10ms",
                         [6000, 360000, 8640000]),
    "days": (days(date(2024, 1, 1), "1d", 50), "1 day", "1d", [7, 365]),
    "days at 06:15": (stamps(datetime(2024, 1, 1, 6, 15), "1d", 50), "1 day", "1d", [7, 365]),
    "weeks on Sundays": (days(date(2024, 1, 7), "1w", 50), "1 week", "1w", [52]),
    "month starts": (days(date(2024, 1, 1), "1mo", 50), "1 month", "1mo", [12]),
    "the 15th": (days(date(2024, 1, 15), "1mo", 50), "1 month", "1mo", [12]),
    "month ends": (days(date(2024, 1, 1), "1mo", 50).dt.month_end(), "1 month", "1mo", [12]),
    "the 30th, or the last of February": (
        pl.Series([date(2024, 1, 30), date(2024, 2, 29), date(2024, 3, 30), date(2024, 4, 30)]),
        "1 month", "1mo", [12]),
    "quarter ends": (days(date(2024, 1, 1), "1q", 20).dt.offset_by("2mo").dt.month_end(),
                     "3 months", "3mo", [4]),
    "years": (days(date(1990, 7, 1), "1y", 20), "1 year", "12mo", []),
    "business days": (WEEKDAYS, "1 business day", "1b", [5]),
    "business days with holidays": (WEEKDAYS.filter(np.arange(len(WEEKDAYS)) % 17 != 9),
                                    "1 business day", "1b", [5]),
    "Berlin hours over both changes": (stamps(datetime(2024, 1, 1), "1h", 8000, "Europe/Berlin"),
                                       "1 hour", "1h", [24, 168]),
    "Berlin days": (stamps(datetime(2024, 1, 1), "1d", 400, "Europe/Berlin"), "1 day", "1d",
                    [7, 365]),
    "New York months": (stamps(datetime(2024, 1, 1), "1mo", 24, "America/New_York"),
                        "1 month", "1mo", [12]),
    "integers": (pl.Series(range(3, 30)), "1 step", "1i", []),
    "integers by five": (pl.Series(range(2, 80, 5)), "5 steps", "5i", []),
    "nanosecond stamps": (stamps(START, "1h", 50).cast(pl.Datetime("ns")), "1 hour", "1h",
                          [24, 168]),
    "millisecond stamps": (stamps(START, "1h", 50).cast(pl.Datetime("ms")), "1 hour", "1h",
                           [24, 168]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_inferred_frequencies(case: str) -> None:
    times, text, code, seasons = CASES[case]
    found = Frequency.infer(times)
    assert (found.text, found.code, found.seasons, found.regular) == (text, code, seasons, True)
    positions = found.positions(times)
    assert positions.dtype == np.float64
    np.testing.assert_array_equal(positions, np.rint(positions))
    steps = np.diff(positions)
    assert (steps >= 1).all()
    assert "holidays" in case or (steps == 1).all()
    back = found.times(positions.astype(np.int64))
    assert back.dtype == times.dtype
    assert back.to_list() == times.to_list()
    assert Frequency.parse(code) == found
    again = Frequency.from_json(json.loads(json.dumps(found.to_json())))
    assert again == found
    assert again.times(positions).to_list() == times.to_list()


def test_half_of_the_rows_may_be_missing() -> None:
    generator = np.random.default_rng(0)
    times = stamps(START, "1h", 400).filter(generator.random(400) < 0.6)
    found = Frequency.infer(times)
    assert (found.text, found.regular) == ("1 hour", True)
    one_in_three = pl.Series([START + timedelta(hours=int(h)) for h in (0, 2, 4, 7, 9, 12, 14, 16)])
    assert Frequency.infer(one_in_three).text == "1 hour"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        ([0, 611, 1195, 1810, 2388, 3005, 3600], "10 minutes"),  # jitter
        ([0, 70, 71, 900, 905, 7000, 7100, 20_000], "2 minutes"),  # events
    ],
)
def test_irregular_times_have_a_median(seconds: list[int], text: str) -> None:
    found = Frequency.infer(pl.Series([START + timedelta(seconds=s) for s in seconds]))
    assert not found.regular
    if text == "10 minutes":
        assert found.text == text


def test_jitter_below_a_hundredth_of_a_step_is_none() -> None:
    generator = np.random.default_rng(1)
    jitter = generator.integers(-3000, 3000, 100)
    times = pl.Series([START + timedelta(seconds=60 * k, microseconds=int(j))
                       for k, j in enumerate(jitter)])  # fmt: skip
    found = Frequency.infer(times)
    assert (found.text, found.regular) == ("1 minute", True)
    np.testing.assert_allclose(np.diff(found.positions(times)), 1, atol=2e-4)


def test_a_single_time_has_no_frequency() -> None:
    with pytest.raises(DataError, match=r"single timestamp.*resample='1h'"):
        Frequency.infer(pl.Series([START]))


@pytest.mark.parametrize(
    ("text", "words"),
    [("1h", "1 hour"), ("H", "1 hour"), ("60min", "1 hour"), ("60T", "1 hour"), ("m", "1 minute"),
     ("M", "1 month"), ("MS", "1 month"), ("ME", "1 month"), ("1mo", "1 month"),
     ("3 months", "3 months"), ("Q", "3 months"), ("QS-JAN", "3 months"), ("YE", "1 year"),
     ("D", "1 day"), ("7d", "1 week"), ("W", "1 week"), ("W-SUN", "1 week"),
     ("B", "1 business day"), ("1 business day", "1 business day"), ("30s", "30 seconds"),
     ("100ms", "100 milliseconds"), ("5", "5 steps"), ("5i", "5 steps"), ("36h", "36 hours"),
     ("48h", "2 days"), (" 15 minutes ", "15 minutes"), ("daily", "1 day")],
)  # fmt: skip
def test_spellings(text: str, words: str) -> None:
    found = Frequency.parse(text)
    assert found.text == words
    assert Frequency.parse(found.code) == found


@pytest.mark.parametrize("text", ["", "x", "0h", "-1h", "1.5h", "h1", "1 fortnight", "W-XXX "])
def test_misspellings(text: str) -> None:
    if text.startswith("W"):  # an unknown anchor falls back on Monday
        assert Frequency.parse(text).text == "1 week"
        return
    with pytest.raises(ConfigError, match=r"is no frequency.*'15m'"):
        Frequency.parse(text)


def test_week_anchors() -> None:
    sundays = days(date(2024, 1, 7), "1w", 3)
    on_grid = Frequency.parse("W-SUN", like=sundays).positions(sundays)
    np.testing.assert_array_equal(on_grid, np.rint(on_grid))
    off_grid = Frequency.parse("W-MON", like=sundays).positions(sundays)
    np.testing.assert_allclose(off_grid % 1, 6 / 7)


def test_equality_sees_steps_and_not_phases() -> None:
    hour = Frequency.infer(CASES["hours at half past"][0])
    assert hour == Frequency.parse("1h")
    assert hour != Frequency.parse("30m")
    assert Frequency.parse("D") != Frequency.parse("B")
    assert Frequency.parse("MS") == Frequency.parse("ME")
    assert Frequency.parse("24h") == Frequency.parse("1d")
    assert hash(hour) == hash(Frequency.parse("1h"))


def test_fractions_between_grid_points() -> None:
    months = Frequency.parse("MS")
    middle = pl.Series([datetime(2024, 4, 1), datetime(2024, 4, 16), datetime(2024, 5, 1)])
    assert np.diff(months.positions(middle)).tolist() == [0.5, 0.5]
    business = Frequency.parse("B")
    week = days(date(2024, 1, 4), "1d", 5)  # Thursday to Monday
    np.testing.assert_allclose(np.diff(business.positions(week)), [1, 1 / 3, 1 / 3, 1 / 3])


NOVEMBER = [(10, 30), (10, 31), *((11, d) for d in range(1, 10))]


def test_a_skipped_midnight_moves_an_hour() -> None:
    # In 2018 Brazil's summer time began at midnight of 4 November.
    hours = [1 if (month, day) == (11, 4) else 0 for month, day in NOVEMBER]
    naive = [datetime(2018, m, d, h) for (m, d), h in zip(NOVEMBER, hours, strict=True)]
    times = pl.Series(naive).dt.replace_time_zone("America/Sao_Paulo")
    found = Frequency.infer(times)
    assert (found.text, found.regular) == ("1 day", True)
    assert found.times(np.rint(found.positions(times))).to_list() == times.to_list()


def test_aligned_to_another_phase() -> None:
    hour = Frequency.parse("1h")
    times = CASES["hours at half past"][0]
    assert hour.positions(times)[0] % 1 == 0.5
    moved = hour.aligned_to(times)
    assert moved == hour
    assert moved.positions(times)[0] % 1 == 0
    assert moved.times(moved.positions(times)).to_list() == times.to_list()
    month = Frequency.parse("MS").aligned_to(CASES["the 15th"][0])
    assert month.positions(CASES["the 15th"][0])[0] % 1 == 0


def test_wrong_types_are_refused() -> None:
    with pytest.raises(DataError, match="have no frequency"):
        Frequency.parse("1h").typed_like(pl.Series(["a"]))
    with pytest.raises(ConfigError, match="no frequency"):
        Frequency("fixed", 0)
    with pytest.raises(ConfigError, match="cannot be read"):
        Frequency.from_json({"kind": "fixed", "speed": 1})


def test_durations_in_words() -> None:
    assert duration_text(1) == "1 microsecond"
    assert duration_text(5_400_000_000) == "1.5 hours"
    assert duration_text(3 * 86_400_000_000) == "3 days"


ZONES = st.sampled_from([None, "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])


@settings(max_examples=60, deadline=None)
@given(
    code=st.sampled_from(
        ["1s", "7s", "1m", "15m", "1h", "6h", "1d", "3d", "1w", "1mo", "3mo", "12mo", "1b"]
    ),
    origin=st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1)),
    zone=ZONES,
    count=st.integers(1, 40),
)
def test_positions_undo_times(code: str, origin: datetime, zone: str | None, count: int) -> None:
    like = pl.Series([origin.replace(minute=0, second=0, microsecond=0, hour=12)])
    like = like.dt.replace_time_zone(zone) if zone else like
    frequency = Frequency.parse(code, like).aligned_to(like)
    first = int(np.rint(frequency.positions(like))[0])
    positions = np.arange(first, first + count)
    times = frequency.times(positions)
    assert times.dtype == like.dtype
    assert times.is_sorted()
    np.testing.assert_array_equal(frequency.positions(times), positions)
    if count > 12:
        found = Frequency.infer(times)
        assert found == frequency
        assert found.times(found.positions(times)).to_list() == times.to_list()
