"""Which column plays which part: found where it is plain, asked for where it is not."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from gatework.data.schema import Schema, check_columns, read_schema_times, resolve_schema
from gatework.data.table import Table, read_table
from gatework.data.timestamps import read_times
from gatework.errors import ConfigError, DataError, InputError

HOURS = [f"2024-01-01 {h:02}:00" for h in range(6)]
Y = [1.0, 2.0, None, 4.0, 5.0, 6.0]


def table(**columns: Any) -> Table:
    return read_table(columns)


def refused(kind: type[InputError], source: Table, **options: Any) -> str:
    with pytest.raises(kind) as error:
        resolve_schema(source, **options)
    return str(error.value)


# ------------------------------------------------------------------ finding the parts


def test_a_plain_table_needs_no_names() -> None:
    schema, notes = resolve_schema(table(date=HOURS, load=Y))
    assert (schema.time, schema.time_kind, schema.time_format) == (
        "date", "datetime", "%Y-%m-%d %H:%M")  # fmt: skip
    assert (schema.series, schema.targets, schema.used) == (None, ["load"], ["date", "load"])
    assert notes == [
        "time column: date (hourly, 2024-01-01 00:00 to 2024-01-01 05:00)",
        "target column: load",
    ]
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    with pytest.raises(ConfigError, match=r"unknown or missing entries: \['speed'\]"):
        Schema.from_json({**schema.to_json(), "speed": 1})


def test_every_part_by_name() -> None:
    source = table(
        t=HOURS * 2, meter=[7] * 6 + [8] * 6, load=Y * 2, wind=Y * 2, price=Y * 2,
        day_type=["work", "free"] * 6, region=["n"] * 6 + ["s"] * 6, zone=[1] * 6 + [2] * 6,
        spare=Y * 2,
    )  # fmt: skip
    schema, notes = resolve_schema(
        source, target="load", series="meter", past="wind", known="price, day_type",
        static=["region", "zone"], categorical="zone",
    )  # fmt: skip
    assert schema.known == ["price", "day_type"]
    assert schema.categorical == ["day_type", "region", "zone"]
    assert schema.covariates == ["wind", "price", "day_type", "region", "zone"]
    assert schema.ignored == ["spare"]
    assert "taken as categories: day_type, region" in notes
    assert "not used: spare (name them with past= or known= to use them)" in notes


def test_a_name_with_a_comma_is_one_column() -> None:
    schema, _ = resolve_schema(read_table({"t": HOURS, "a,b": Y, "c": Y}), target="a,b")
    assert schema.targets == ["a,b"]
    schema, _ = resolve_schema(table(t=HOURS, a=Y, b=Y, c=Y), target="a, b,a")
    assert schema.targets == ["a", "b"]


@pytest.mark.parametrize("word", ["all", "*"])
def test_all_targets(word: str) -> None:
    columns = {"t": HOURS, "a": Y, "b": Y, "text": ["x"] * 6, "gone": [None] * 6}
    columns |= {"unnamed": range(6)}
    schema, _ = resolve_schema(read_table(columns), target=word)
    assert schema.targets == ["a", "b"]
    assert resolve_schema(table(t=HOURS, a=Y, b=Y), target=word, past="b")[0].targets == ["a"]
    schema, notes = resolve_schema(table(t=HOURS, a=Y, flat=[3] * 6), target=word)
    assert schema.targets == ["a"]
    assert "constant, so no targets: flat" in notes
    assert "is 3 in every row" in refused(DataError, table(t=HOURS, flat=[3] * 6), target=word)


def test_series_are_found_when_only_one_text_column_separates_them() -> None:
    columns = {"t": HOURS * 2, "meter": ["a"] * 6 + ["b"] * 6, "y": Y * 2}
    schema, notes = resolve_schema(read_table(columns))
    assert schema.series == "meter"
    assert "series column: meter (2 series)" in notes
    alone, _ = resolve_schema(read_table({"t": HOURS, "meter": ["a"] * 6, "y": Y}))
    assert alone.series is None
    message = refused(DataError, read_table({**columns, "copy": columns["meter"]}))
    assert "timestamps repeat" in message
    assert "series= (--series)" in message
    assert "'meter' or 'copy'" in message
    columns["meter"] = [7] * 6 + [8] * 6  # integers might be measurements: asked
    assert "'meter'" in refused(DataError, read_table(columns), target="y")
    assert resolve_schema(read_table(columns), series="meter")[0].targets == ["y"]


def test_a_repeated_row_does_not_hide_the_series() -> None:
    hours = [datetime(2024, 1, 1 + h // 24, h % 24) for h in range(100)]
    columns = {"t": [*hours, *hours, hours[5]], "m": ["a"] * 100 + ["b"] * 101, "y": range(201)}
    assert resolve_schema(read_table(columns))[0].series == "m"


def test_series_whose_times_never_coincide() -> None:
    times = [datetime(2024, 1, 1, h, minute) for minute in (2, 7) for h in range(6)]
    columns = {"t": times, "m": ["a"] * 6 + ["b"] * 6, "y": range(12)}
    assert resolve_schema(read_table(columns))[0].series == "m"
    columns["m"] = ["a", "b"] * 6  # the times fall in these, too: rows are out of order
    assert resolve_schema(read_table(columns))[0].series is None


def test_arrays_have_their_order_as_time() -> None:
    schema, notes = resolve_schema(read_table(np.random.default_rng(0).random((3, 5, 1))))
    assert (schema.time, schema.time_kind, schema.series) == (None, "none", "series")
    assert schema.targets == ["value"]
    assert "equally spaced" in notes[0]


# ------------------------------------------------------------------ timestamps


@pytest.mark.parametrize(
    ("texts", "expected", "kind"),
    [
        (["2024-01-31", "2024-02-29"], date(2024, 1, 31), "date"),
        (["2024/01/31", "2024/02/29"], date(2024, 1, 31), "date"),
        (["31.12.2020", "01.01.2021"], date(2020, 12, 31), "date"),
        (["01.02.2020", "02.02.2020"], date(2020, 2, 1), "date"),
        (["12/31/2020", "1/1/2021"], date(2020, 12, 31), "date"),
        (["31/12/2020", "01/01/2021"], date(2020, 12, 31), "date"),
        (["31-12-2020", "01-01-2021"], date(2020, 12, 31), "date"),
        (["20201231", "20210101"], date(2020, 12, 31), "date"),
        (["31 Dec 2020", "01 Jan 2021"], date(2020, 12, 31), "date"),
        (["Dec 31, 2020", "Jan 01, 2021"], date(2020, 12, 31), "date"),
        (["1949-01", "1949-02"], date(1949, 1, 1), "date"),
        (["2020-01-01 12:00", "2020-01-01 13:00"], datetime(2020, 1, 1, 12), "datetime"),
        (["2020-01-01 12:00:05.25", "2020-01-01 13:00:00"],
         datetime(2020, 1, 1, 12, 0, 5, 250_000), "datetime"),
        (["2020-01-01T12:00:05", "2020-01-01T13:00:05"],
         datetime(2020, 1, 1, 12, 0, 5), "datetime"),
        (["31.12.2020 23:15", "01.01.2021 00:15"], datetime(2020, 12, 31, 23, 15), "datetime"),
        (["12/31/2020 11:15 PM", "01/01/2021 12:15 AM"],
         datetime(2020, 12, 31, 23, 15), "datetime"),
        (["202012312315", "202101010015"], datetime(2020, 12, 31, 23, 15), "datetime"),
        (["2020-01-01", "2020-01-01 12:00"], datetime(2020, 1, 1), "datetime"),
        ([" 2020-01-01", "2020-01-02 "], date(2020, 1, 1), "date"),
    ],
)  # fmt: skip
def test_formats_of_timestamps(texts: list[str], expected: date, kind: str) -> None:
    source = table(when=texts, y=[1, 2])
    schema, _ = resolve_schema(source)
    assert (schema.time, schema.time_kind, schema.time_zone) == ("when", kind, None)
    times = read_schema_times(source, schema)
    assert times is not None
    assert times[0] == expected
    assert times.dtype == (pl.Date if kind == "date" else pl.Datetime("us"))


@pytest.mark.parametrize(
    "texts",
    [
        ["2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z"],
        ["2024-07-01 02:00+02:00", "2024-07-01 03:00+02:00"],
        ["2024-07-01T02:00:00.000+0200", "2024-07-01T03:00:00.000+0200"],
    ],
)
def test_offsets_become_utc(texts: list[str]) -> None:
    source = table(t=texts, y=[1, 2])
    schema, _ = resolve_schema(source)
    assert schema.time_zone == "UTC"
    times = read_schema_times(source, schema)
    assert times is not None
    assert times.dt.replace_time_zone(None).to_list() == [
        datetime(2024, 7, 1, 0), datetime(2024, 7, 1, 1)]  # fmt: skip


def test_offsets_that_change_with_the_clocks_are_noted() -> None:
    source = table(t=["2024-10-27 02:00+02:00", "2024-10-27 02:00+01:00"], y=[1, 2])
    _, notes = resolve_schema(source)
    assert notes[0].startswith("time column: t (hourly")
    assert "t has 2 offsets from UTC (+02:00, +01:00); times are taken in UTC" in notes


def test_mixed_zones_are_refused() -> None:
    texts = [f"2024-01-{d:02} 00:00" for d in range(1, 29)]
    texts[20] += "+01:00"
    message = refused(DataError, table(t=texts, y=range(28)), time="t")
    assert "row 20" in message
    assert "'2024-01-21 00:00+01:00' has an offset from UTC, others are different" in message


def test_ambiguous_dates_ask_for_the_format() -> None:
    source = table(t=["01/02/2020", "02/02/2020"], y=[1, 2])
    message = refused(DataError, source)
    assert "'01/02/2020' can be read day first or month first" in message
    assert "--time-format '%d/%m/%Y'" in message
    assert "time_format='%m/%d/%Y'" in message
    schema, _ = resolve_schema(source, time_format="%m/%d/%Y")
    times = read_schema_times(source, schema)
    assert times is not None
    assert times[0] == date(2020, 1, 2)


@pytest.mark.parametrize(
    ("name", "values", "expected", "kind"),
    [
        ("timestamp", [1_577_836_800, 1_577_840_400], datetime(2020, 1, 1), "datetime"),
        ("time", [1_577_836_800_000, 1_577_836_860_000], datetime(2020, 1, 1), "datetime"),
        ("Epoch", [1_577_836_800_000_000, 1_577_836_860_000_000], datetime(2020, 1, 1), "datetime"),
        ("unix", [1_577_836_800_000_000_000, 1_577_836_860_000_000_000],
         datetime(2020, 1, 1), "datetime"),
        ("date", [20200101, 20200102], date(2020, 1, 1), "date"),
        ("t", [1_577_836_800, 1_577_840_400], 1_577_836_800, "integer"),
        ("step", [3, 4], 3, "integer"),
        ("year", [1990, 1991], 1990, "integer"),
    ],
)  # fmt: skip
def test_numbers_as_times(name: str, values: list[int], expected: Any, kind: str) -> None:
    source = read_table({name: values, "y": [1, 2]})
    schema, notes = resolve_schema(source)
    assert (schema.time, schema.time_kind) == (name, kind)
    times = read_schema_times(source, schema)
    assert times is not None
    assert times[0] == expected
    assert any("since 1970" in n or "year, month, day" in n for n in notes) == (kind != "integer")


def test_faulty_timestamps_are_named() -> None:
    texts = [f"2024-01-{d:02}" for d in range(1, 29)]
    bad = [*texts]
    bad[17] = "yesterday"
    message = refused(DataError, table(t=bad, y=range(28)))
    assert "row 17 (counting from 0), column 't': 'yesterday' is no timestamp" in message
    assert "'%Y-%m-%d'" in message
    impossible = [*texts[:27], "2024-02-31"]
    assert "row 27" in refused(DataError, table(t=impossible, y=range(28)))
    missing: list[str | None] = [*texts]
    missing[3] = None
    message = refused(DataError, table(t=missing, y=range(28)))
    assert "row 3" in message
    assert "timestamp is missing" in message
    assert "every timestamp is missing" in refused(
        DataError, table(t=[None] * 28, y=range(28)), time="t")  # fmt: skip
    assert "no timestamp that can be read" in refused(
        DataError, table(t=["a", "b"], y=[1, 2]), time="t"
    )
    assert "no whole number" in refused(DataError, table(t=[0.5, 1.5], y=[1, 2]), time="t")
    assert "It does not fit '%Q'" in refused(
        DataError, table(t=texts, y=range(28)), time_format="%Q", time="t"
    )


def test_without_a_time_column() -> None:
    source = table(a=["x", "y"], y=[1, 2])
    message = refused(DataError, source)
    assert "no column holds timestamps" in message
    assert "time='none'" in message
    schema, notes = resolve_schema(source, time="none")
    assert (schema.time, schema.targets) == (None, ["y"])
    assert "equally spaced" in notes[0]
    two = table(start=HOURS, end=HOURS, y=Y)
    assert "2 columns could be the time: 'start', 'end'" in refused(DataError, two)


# ------------------------------------------------------------------ contradictions and faults


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"target": "laod"}, "names column 'laod', which is not there. Did you mean 'load'?"),
        ({"time": "dat"}, "Did you mean 'date'? Use time='none'"),
        ({"series": "x"}, "series names column 'x'"),
        ({"target": "load", "past": "load"}, "A target already sees its own past"),
        ({"target": "load", "past": "wind", "known": "wind"}, "named both as past and as known"),
        ({"target": "load", "time": "load"}, "named both as target and as time"),
        ({"target": "load", "categorical": "wind"}, "names 'wind', which is no covariate"),
        ({"target": "load", "categorical": "load"}, "which is the target"),
    ],
)  # fmt: skip
def test_contradicting_names(options: dict[str, str], part: str) -> None:
    assert part in refused(ConfigError, table(date=HOURS, load=Y, wind=Y), **options)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ([1, 2, "x", 4, 5, 6], "row 2 (counting from 0), column 'y': 'x' is not a number"),
        (["1", "2", "oops", "4", "5", "6"], "row 2"),
        ([1.0, float("-inf"), 3, 4, 5, 6], "row 1 (counting from 0), column 'y': the value is"),
        ([3.0] * 6, "the target is 3 in every row"),
        ([3.0, None, 3.0, 3.0, None, 3.0], "the target is 3 in every row"),
        ([None] * 6, "every value is missing"),
        ([float("nan")] * 6, "every value is missing"),
    ],
)  # fmt: skip
def test_faulty_targets(values: list[Any], part: str) -> None:
    assert part in refused(DataError, table(t=HOURS, y=values), target="y")


def test_faulty_covariates() -> None:
    assert "'x': every value is missing" in refused(
        DataError, table(t=HOURS, y=Y, x=[None] * 6), target="y", known="x")  # fmt: skip
    mostly = ["1", "2", "3", "4", "5", "six"]
    assert "'six' is not a number" in refused(
        DataError, table(t=HOURS, y=Y, x=mostly), target="y", past="x")  # fmt: skip
    assert "series is missing" in refused(
        DataError, table(t=HOURS, y=Y, m=[None] * 3 + ["a"] * 3), series="m")  # fmt: skip


def test_an_open_choice_of_the_target_lists_the_columns() -> None:
    message = refused(DataError, table(t=HOURS, a=Y, b=Y))
    assert "2 columns could be the target: 'a', 'b'" in message
    assert "target= (--target)" in message
    message = refused(DataError, table(t=HOURS, a=["1,234"] * 6))
    assert "no numeric column is left to forecast. Column 'a' holds text such as '1,234'" in message
    assert "'x' is not a number" in refused(
        DataError, table(t=HOURS, a=["1", "2", "3", "4", "5", "x"])
    )


# ------------------------------------------------------------------ a later table


@pytest.fixture
def schema() -> Schema:
    source = table(date=HOURS, load=Y, wind=Y, spare=Y)
    return resolve_schema(source, target="load", past="wind")[0]


def test_a_later_table_may_differ_in_what_is_not_used(schema: Schema) -> None:
    check_columns(table(wind=Y, date=HOURS, load=[0.0] * 6), schema)
    check_columns(table(wind=Y, date=HOURS), schema, need_targets=False)
    check_columns(table(date=HOURS, load=[None] * 6, wind=Y, new=Y), schema, extra="ignore")
    stamps = [datetime(2024, 1, 1, h) for h in range(6)]
    check_columns(table(date=stamps, load=Y, wind=Y), schema)


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        ({"date": HOURS, "load": Y}, ["lacks column 'wind' (past)"]),
        ({"date": HOURS, "wind": Y, "Load": Y}, ["lacks column 'load' (target)", "'Load'"]),
        ({"date": HOURS, "load": Y, "wind": Y, "wnid": Y},
         ["has column 'wnid'", "did not have", "Did you mean 'wind'?"]),
        ({"date": HOURS, "load": Y, "wind": ["x"] * 6}, ["row 0", "'wind'", "'x' is not a number"]),
        ({"date": range(6), "load": Y, "wind": Y}, ["holds whole numbers", "had times of day"]),
        ({"date": [h + "Z" for h in HOURS], "load": Y, "wind": Y}, ["time zone UTC", "had none"]),
        ({"date": [*HOURS[:5], "soon"], "load": Y, "wind": Y}, ["row 5", "'soon'"]),
    ],
)  # fmt: skip
def test_a_later_table_that_does_not_fit(
    schema: Schema, columns: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(DataError) as error:
        check_columns(read_table(columns), schema)
    for part in parts:
        assert part in str(error.value)


def test_zones_are_converted_to_the_one_of_the_fit() -> None:
    utc = pl.Series(["2024-07-01"] * 2).str.to_datetime(time_zone="UTC")
    berlin = utc.dt.convert_time_zone("Europe/Berlin")
    schema, _ = resolve_schema(read_table({"t": berlin, "y": [1, 2]}), time="t")
    times = read_schema_times(read_table({"t": utc, "y": [1, 2]}), schema)
    assert times is not None
    assert times.equals(berlin.rename("t"))


def test_the_whole_column_is_read_not_a_sample() -> None:
    texts = ["01/01/2020"] * 5000 + ["13/01/2020"]
    times = read_times(table(t=texts), "t")
    assert times.format == "%d/%m/%Y"
