"""One time read alone is what the reader of a column makes of it: same instant, same refusal, same words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatework.data import stamp as stamp_module
from gatework.data.frequency import Frequency
from gatework.data.schema import Schema, read_schema_times
from gatework.data.stamp import grid_position, read_stamp
from gatework.data.table import read_table
from gatework.errors import DataError

BERLIN = ZoneInfo("Europe/Berlin")
SCHEMAS = {
    "datetime": Schema("time", "datetime", ["y"]),
    "iso": Schema("time", "datetime", ["y"], time_format="iso"),
    "minutes": Schema("time", "datetime", ["y"], time_format="%Y-%m-%d %H:%M"),
    "day first": Schema("time", "datetime", ["y"], time_format="%d.%m.%Y %H:%M"),
    "day last": Schema("time", "datetime", ["y"], time_format="%Y-%d-%m %H:%M"),
    "minute first": Schema("time", "datetime", ["y"], time_format="%Y-%m-%d %M:%H"),
    "dates": Schema("time", "date", ["y"], time_format="%Y-%m-%d"),
    "dates without format": Schema("time", "date", ["y"]),
    "day-month dates": Schema("time", "date", ["y"], time_format="%Y-%d-%m"),
    "compact dates": Schema("time", "date", ["y"], time_format="%Y%m%d"),
    "seconds": Schema("time", "datetime", ["y"], time_format="epoch_s"),
    "milliseconds": Schema("time", "datetime", ["y"], time_format="epoch_ms"),
    "nanoseconds": Schema("time", "datetime", ["y"], time_format="epoch_ns"),
    "steps": Schema("time", "integer", ["y"]),
    "UTC": Schema("time", "datetime", ["y"], time_zone="UTC"),
    "Berlin": Schema("time", "datetime", ["y"], time_zone="Europe/Berlin"),
    "zoned": Schema("time", "datetime", ["y"], time_format="%Y-%m-%dT%H:%M:%S%.f%#z", time_zone="UTC"),
}  # fmt: skip
VALUES = [
    "2024-01-02 03:04",
    "2024-01-02T03:04",
    "2024-05-02T03:04:05",
    "2024-01-02 03:04:05.25",
    "2024-01-02 03:04:05.123456",
    "2024-01-02 03:04:05.1234567",
    "1969-12-31 23:59:59.5",
    "2024-01-02",
    "2024-02-30",
    "2024-02-30 00:00",
    "2024-01-02 24:00",
    "2024-13-01 00:00",
    "2024-01-02T03:04:05Z",
    "2024-01-02T03:04:05+02:00",
    "2024-01-02T03:04:05.5-11:30",
    "2024-01-02 03:04 +02:00",
    "02.01.2024 03:04",
    " 2024-01-02 03:04 ",
    "٢٠٢٤-01-02 03:04",
    "yesterday",
    "",
    "20240102",
    date(2024, 1, 2),
    date(1960, 1, 2),
    datetime(2024, 1, 2, 3, 4, 5, 678),
    datetime(1960, 1, 2, 3, 4, 5, 678),
    datetime(2024, 1, 2, 3, 4, tzinfo=UTC),
    datetime(2024, 7, 2, 3, 4, tzinfo=BERLIN),
    datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1),
    datetime(2024, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=2))),
    pd.Timestamp("2024-01-02 03:04"),
    pd.Timestamp("2024-01-02 03:04:05.000000001"),
    pd.NaT,
    np.datetime64("2024-01-02T03:04"),
    1_704_164_640,
    1_704_164_640_000,
    1_704_164_640_000_000_001,
    1_704_164_640.0,
    20_240_102,
    5,
    0,
    -3,
    2.5,
    True,
    10**30,
    float("nan"),
    [1],
]


def outcome(read: Any) -> Any:
    """What was read, or the refusal in words."""
    try:
        return read()
    except Exception as error:
        return type(error), str(error)


def by_column(value: Any, schema: Schema) -> Any:
    times = read_schema_times(read_table({"time": [value]}, name="stream"), schema)
    assert times is not None
    whole = times.dtype.is_integer()
    return int(times[0] if whole else Frequency.instant_us(times)[0]), times[0], str(times[0])


def alone(value: Any, schema: Schema) -> Any:
    found = read_stamp(value, schema)
    assert found.series()[0] == found.value
    return found.key, found.value, str(found.value)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_stamp_is_what_the_column_reader_makes_of_it(name: str) -> None:
    schema = SCHEMAS[name]
    for value in VALUES:
        wanted = outcome(lambda value=value: by_column(value, schema))
        found = outcome(lambda value=value: alone(value, schema))
        if name in ("iso", "seconds", "milliseconds", "nanoseconds") and type(value) is str:
            # A day alone may be told as its midnight.
            wanted, found = wanted[:1], found[:1]
        assert found == wanted, repr(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("datetime", datetime(2024, 1, 2, 3, 4)),
        ("datetime", pd.Timestamp("2024-01-02 03:04")),
        ("minutes", "2024-01-02 03:04"),
        ("iso", "2024-01-02T03:04:05"),
        ("dates", "2024-01-02"),
        ("dates", date(2024, 1, 2)),
        ("seconds", 1_704_164_640),
        ("steps", 5),
        ("Berlin", datetime(2024, 1, 2, 3, 4, tzinfo=UTC)),
        ("zoned", "2024-01-02T03:04:05Z"),
    ],
)
def test_what_streams_bring_needs_no_table(
    name: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamp_module, "read_table", None)
    read_stamp(value, SCHEMAS[name])


def test_a_time_of_another_kind_is_refused() -> None:
    with pytest.raises(DataError, match="whole numbers, the table of the fit had times of day"):
        read_stamp(5, SCHEMAS["datetime"])
    with pytest.raises(DataError, match="no time zone, at the fit they had UTC"):
        read_stamp(datetime(2024, 1, 2), SCHEMAS["UTC"])


@given(
    when=st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)),
    text=st.sampled_from(["7s", "15m", "1h", "6h", "1d", "1w", "1mo", "1q", "1y", "1b"]),
    zone=st.sampled_from([None, "UTC", "Europe/Berlin"]),
    anchor=st.integers(0, 10**12),
)
def test_a_position_is_that_of_the_column(
    when: datetime, text: str, zone: str | None, anchor: int
) -> None:
    like = pl.Series([when]).dt.replace_time_zone("UTC")
    like = like.dt.replace_time_zone(None) if zone is None else like.dt.convert_time_zone(zone)
    schema = Schema("time", "datetime", ["y"], time_zone=zone)
    frequency = Frequency.parse(text, like=like)
    if frequency.kind == "fixed":
        frequency = Frequency(**{**frequency.to_json(), "anchor": anchor})
    found = grid_position(read_stamp(like[0], schema), frequency)
    assert found == frequency.positions(like)[0]


@given(
    step=st.integers(1, 1000), anchor=st.integers(-1000, 1000), value=st.integers(-(10**6), 10**6)
)
def test_a_step_number_has_the_position_of_the_column(step: int, anchor: int, value: int) -> None:
    frequency = Frequency("step", step, anchor=anchor, time_type="integer")
    found = grid_position(read_stamp(value, SCHEMAS["steps"]), frequency)
    assert found == frequency.positions(pl.Series([value]))[0]
