"""Calendar features: which there are, where they point, and that the data do not decide."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import polars as pl
import pytest

from gatework.data.calendar import calendar_features
from gatework.data.frequency import Frequency

MOMENTS = pl.Series([datetime(2024, 1, 1, 6, 30), datetime(2024, 7, 6, 18, 0)])


@pytest.mark.parametrize(
    ("code", "cycles"),
    [("1s", ["minute", "hour", "weekday"]), ("1m", ["minute", "hour", "weekday"]),
     ("15m", ["hour", "weekday"]), ("1h", ["hour", "weekday"]), ("1d", ["weekday", "yearday"]),
     ("1b", ["weekday", "yearday"]), ("1w", ["yearday"]), ("2w", ["yearday"]), ("1mo", ["month"]),
     ("3mo", ["month"]), ("12mo", []), ("1i", [])],
)  # fmt: skip
def test_cycles_fit_the_frequency(code: str, cycles: list[str]) -> None:
    times = MOMENTS if code != "1i" else pl.Series([1, 2])
    values, names = calendar_features(times, Frequency.parse(code))
    assert names == [f"{c}_{wave}" for c in cycles for wave in ("sin", "cos")]
    assert values.shape == (2, len(names))
    assert values.dtype == np.float32
    assert (np.abs(values) <= 1).all()
    for k in range(0, len(names), 2):
        np.testing.assert_allclose((values[:, k : k + 2] ** 2).sum(1), 1, atol=1e-6)


def turn(values: np.ndarray, names: list[str], cycle: str) -> np.ndarray:
    k = names.index(f"{cycle}_sin")
    return np.arctan2(values[:, k], values[:, k + 1]) / (2 * np.pi) % 1


def test_hands_point_where_the_clock_does() -> None:
    values, names = calendar_features(MOMENTS, Frequency.parse("1h"), yearly=True)
    np.testing.assert_allclose(turn(values, names, "hour"), [6.5 / 24, 18 / 24], atol=1e-6)
    np.testing.assert_allclose(turn(values, names, "weekday") % 1, [0, 5 / 7], atol=1e-6)
    expected = [6.5 / 24 / 366, (187 + 0.75) / 366]
    np.testing.assert_allclose(turn(values, names, "yearday"), expected, atol=1e-6)
    months = pl.Series([date(2024, 1, 1), date(2024, 7, 1)])
    values, names = calendar_features(months, Frequency.parse("MS"))
    np.testing.assert_allclose(turn(values, names, "month"), [0, 0.5], atol=1e-6)


def test_zoned_times_use_local_clocks() -> None:
    utc = pl.Series([datetime(2024, 7, 1, 22)]).dt.replace_time_zone("UTC")
    berlin = utc.dt.convert_time_zone("Europe/Berlin")  # midnight of the second
    values, names = calendar_features(berlin, Frequency.parse("1h"))
    np.testing.assert_allclose(turn(values, names, "hour") % 1, [0], atol=1e-6)
    np.testing.assert_allclose(turn(values, names, "weekday"), [1 / 7], atol=1e-6)


def test_dates_and_datetimes_agree() -> None:
    dates = pl.date_range(date(2023, 12, 25), date(2024, 3, 5), "1d", eager=True)
    daily = Frequency.parse("1d")
    ours = calendar_features(dates, daily)[0]
    np.testing.assert_array_equal(ours, calendar_features(dates.cast(pl.Datetime("ms")), daily)[0])


def test_no_rows() -> None:
    values, names = calendar_features(MOMENTS.head(0), Frequency.parse("1h"))
    assert values.shape == (0, len(names)) == (0, 4)
