"""A table on its grid: order, holes, duplicates, irregular times, several series, later tables."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.data.frequency import Frequency
from gatework.data.schema import Schema, resolve_schema
from gatework.data.series import SeriesTable, arrange
from gatework.data.table import Table, read_table
from gatework.errors import ConfigError, DataError

START = datetime(2024, 1, 1)
NAN = float("nan")


def hours(*steps: float) -> list[datetime]:
    return [START + timedelta(hours=h) for h in steps]


def laid(
    columns: dict[str, Any], *, parts: dict[str, Any] | None = None, **options: Any
) -> SeriesTable:
    table = read_table(columns)
    return checked(arrange(table, resolve_schema(table, **(parts or {}))[0], **options))


def checked(series: SeriesTable) -> SeriesTable:
    """The same table, after what holds for every one."""
    count, names = len(series), len(series.names)
    assert series.offsets.dtype == series.positions.dtype == np.int64
    assert series.offsets[0] == 0
    assert series.offsets[-1] == count
    for s in range(names):
        assert (np.diff(series.positions[series.rows(s)]) == 1).all()
    for values in (series.targets, series.past, series.known):
        assert values.dtype == np.float64
        assert len(values) == count
    for values in (series.past_categories, series.known_categories):
        assert values.dtype == object
        assert len(values) == count
    assert len(series.static) == len(series.static_categories) == names
    assert len(series.times()) == count
    assert json.loads(json.dumps(series.profile)) == series.profile
    return series


def refused(columns: dict[str, Any], *, parts: dict[str, Any] | None = None, **options: Any) -> str:
    table = read_table(columns)
    schema, _ = resolve_schema(table, **(parts or {}))
    with pytest.raises(DataError) as error:
        arrange(table, schema, **options)
    assert str(error.value).startswith("data")
    return str(error.value)


# ------------------------------------------------------------------ regular tables


def test_a_regular_table_stays_as_it_is() -> None:
    series = laid({"t": hours(0, 1, 2), "y": [1.0, None, 3.0]})
    np.testing.assert_array_equal(series.targets, [[1], [NAN], [3]])
    assert (series.names, series.frequency.text, series.notes) == ([None], "1 hour", [])
    assert series.times().to_list() == hours(0, 1, 2)
    assert series.times(slice(1, None)).to_list() == hours(1, 2)
    assert series.times(np.array([2, 0])).to_list() == hours(2, 0)
    assert series.future_times(0, 2).to_list() == hours(3, 4)
    facts = {"role": "target", "missing": 1, "min": 1.0, "max": 3.0, "mean": 2.0}
    assert series.profile["columns"] == {"y": facts}
    assert series.profile["span"] == ["2024-01-01 00:00", "2024-01-01 02:00"]
    assert (series.profile["rows"], series.profile["series"]) == (3, 1)


def test_every_role_arrives_in_its_place() -> None:
    columns = {
        "t": hours(0, 1, 2) * 2, "m": ["b"] * 3 + ["a"] * 3, "y": range(6), "z": range(10, 16),
        "wind": range(20, 26), "sky": ["x", None, "y"] * 2, "price": range(30, 36),
        "day": ["w", "f", "w"] * 2, "area": [5] * 3 + [6] * 3, "kind": ["k"] * 3 + [None] * 3,
    }  # fmt: skip
    parts = {"target": "z,y", "past": "sky,wind", "known": "price,day", "static": "kind,area"}
    series = laid(columns, parts=parts)
    assert series.names == ["b", "a"]
    assert series.offsets.tolist() == [0, 3, 6]
    np.testing.assert_array_equal(series.targets, np.stack([np.arange(10, 16), np.arange(6)], 1))
    assert series.past[:, 0].tolist() == list(range(20, 26))
    assert series.past_categories[:, 0].tolist() == ["x", None, "y"] * 2
    assert series.known[:, 0].tolist() == list(range(30, 36))
    assert series.known_categories[:, 0].tolist() == ["w", "f", "w"] * 2
    assert series.static.tolist() == [[5], [6]]
    assert series.static_categories.tolist() == [["k"], [None]]
    assert series.profile["columns"]["day"] == {"role": "known", "missing": 0, "categories": 2}


@pytest.mark.parametrize("ids", [[7, 3], ["7", "3"], [2.5, -1.0], [True, False]])
def test_series_interleave_and_keep_their_names(ids: list[Any]) -> None:
    columns = {"t": np.repeat(hours(0, 1, 2), 2), "m": ids * 3, "y": [1, 10, 2, 20, 3, 30]}
    series = laid(columns, parts={"series": "m"})
    assert series.names == ids
    assert [type(n) for n in series.names] == [type(i) for i in ids]
    assert series.targets[:, 0].tolist() == [1, 2, 3, 10, 20, 30]


def test_series_of_different_length_share_the_grid() -> None:
    columns = {"t": hours(0, 1, 2, 3, 2, 3), "m": ["a"] * 4 + ["b"] * 2, "y": range(6)}
    series = laid(columns)
    first = series.positions[0]
    assert (series.positions - first).tolist() == [0, 1, 2, 3, 2, 3]
    assert series.offsets.tolist() == [0, 4, 6]


def test_series_of_another_phase_are_moved_onto_one_grid() -> None:
    times = [*hours(*(k + 2 / 60 for k in range(6))), *hours(*(k + 7 / 60 for k in range(6)))]
    series = laid({"t": times, "m": ["a"] * 6 + ["b"] * 6, "y": range(12)})
    assert series.offsets.tolist() == [0, 6, 12]
    assert series.targets[:, 0].tolist() == list(range(12))
    assert series.profile["snapped"] == 6


def test_rows_without_times_are_counted() -> None:
    series = laid({"y": [1.0, 2.0, 5.0]}, parts={"time": "none"})
    assert series.positions.tolist() == [0, 1, 2]
    assert series.frequency.kind == "step"
    assert series.future_times(0, 2).to_list() == [3, 4]
    array = read_table(np.arange(12.0).reshape(2, 6, 1))
    series = checked(arrange(array, resolve_schema(array)[0]))
    assert series.names == [0, 1]
    assert series.positions.tolist() == list(range(6)) * 2


def test_future_rows_keep_their_missing_targets() -> None:
    columns = {"t": hours(0, 1, 2, 3), "y": [1.0, 2.0, None, None], "price": [1, 2, 3, 4]}
    series = laid(columns, parts={"target": "y", "known": "price"})
    np.testing.assert_array_equal(series.targets[:, 0], [1, 2, NAN, NAN])
    assert series.known[:, 0].tolist() == [1, 2, 3, 4]


def test_a_table_of_the_future_may_lack_the_targets() -> None:
    table = read_table({"t": hours(0, 1, 2), "y": [1, 2, 3], "price": [1, 2, 3]})
    schema, _ = resolve_schema(table, target="y", known="price")
    future = read_table({"t": hours(3, 4), "price": [4, 5]})
    series = arrange(future, schema, frequency=Frequency.parse("1h"))
    assert np.isnan(series.targets).all()
    assert series.known[:, 0].tolist() == [4, 5]


# ------------------------------------------------------------------ holes


def test_holes_become_missing_rows_and_are_told() -> None:
    columns = {"t": hours(0, 1, 2, 5, 6, 7, 9), "y": range(7), "c": list("abcdefg")}
    series = laid(columns, parts={"target": "y", "past": "c"})
    np.testing.assert_array_equal(series.targets[:, 0], [0, 1, 2, NAN, NAN, 3, 4, 5, NAN, 6])
    assert series.past_categories[:, 0].tolist() == [*"abc", None, None, *"def", None, "g"]
    assert series.notes == [
        "gaps: 2 (3 missing hours, largest 2 after 2024-01-01 02:00): treated as missing values"
    ]
    gaps = {"count": 2, "missing_steps": 3, "largest": 2, "after": "2024-01-01 02:00"}
    assert series.profile["gaps"] == {**gaps, "in_series": None}


def test_gaps_do_not_reach_from_series_to_series() -> None:
    columns = {"t": hours(0, 1, 2, 50, 51, 53), "m": ["a"] * 3 + ["b"] * 3, "y": range(6)}
    series = laid(columns, parts={"series": "m"})
    assert len(series) == 7
    assert "after 2024-01-03 03:00 in series 'b'" in series.notes[0]


def test_a_huge_gap_is_refused_by_name() -> None:
    columns = {"t": [*hours(*range(100)), datetime(2094, 1, 1)], "y": range(101)}
    message = refused(columns)
    for part in ("grid of 1 hour", "101 rows", "nearly all of them missing", "row 100",
                 "2094-01-01", "resample= (--resample)"):  # fmt: skip
        assert part in message


# ------------------------------------------------------------------ order and duplicates


def test_unsorted_rows_are_named_or_sorted() -> None:
    columns = {"t": hours(0, 2, 1, 3), "y": [0, 2, 1, 3]}
    message = refused(columns)
    assert "row 2 (counting from 0), column 't'" in message
    assert "2024-01-01 01:00 comes after 2024-01-01 02:00" in message
    assert "mend=True (--mend)" in message
    series = laid(columns, mend=True)
    assert series.targets[:, 0].tolist() == [0, 1, 2, 3]
    assert series.profile["unsorted_mended"] == 1
    assert "mended: 1 row was out of order and has been sorted" in series.notes


def test_descending_tables_are_unsorted() -> None:
    columns = {"t": hours(*range(5))[::-1], "y": range(5)}
    assert "the rows run from new to old" in refused(columns)
    assert laid(columns, mend=True).targets[:, 0].tolist() == [4, 3, 2, 1, 0]


def test_duplicates_are_named_or_averaged() -> None:
    columns = {"t": hours(*range(30), 29, 29), "y": [*range(30), 2, 8], "c": ["a"] * 31 + ["z"]}
    message = refused(columns, parts={"target": "y", "past": "c"})
    assert "row 30 (counting from 0), column 't'" in message
    assert "2024-01-02 05:00 is there already in row 29" in message
    assert "2 rows repeat a time" in message
    assert "series= (--series)" in message
    series = laid(columns, parts={"target": "y", "past": "c"}, mend=True)
    assert len(series) == 30
    assert series.targets[-1, 0] == (29 + 2 + 8) / 3
    assert series.past_categories[-1, 0] == "z"
    assert series.profile["duplicates_mended"] == 2


def test_a_repeated_autumn_hour_gets_a_hint() -> None:
    start = datetime(2024, 10, 26)
    times = [start + timedelta(hours=h) for h in (*range(27), 26, *range(27, 60))]
    message = refused({"t": times, "y": range(61)})
    assert "2024-10-27 02:00 is there already" in message
    assert "clock change" in message
    zoned = pl.datetime_range(
        start, datetime(2024, 10, 28), "1h", time_zone="Europe/Berlin", eager=True
    )
    assert len(laid({"t": zoned, "y": range(50)})) == 50


def test_files_are_named_with_row_and_line(tmp_path: Any) -> None:
    path = tmp_path / "load.csv"
    path.write_text("date,load\n2024-01-01,1\n2024-01-02,2\n\n2024-01-02,3\n")
    table = read_table(path)
    with pytest.raises(DataError) as error:
        arrange(table, resolve_schema(table)[0])
    assert str(error.value).startswith(
        f"{path}, row 3 (line 5), column 'date': 2024-01-02 is there"
    )
    assert "row 2 (line 3)" in str(error.value)


# ------------------------------------------------------------------ irregular times


def test_irregular_times_are_rows_and_told() -> None:
    times = [START + timedelta(seconds=s) for s in (0, 611, 1195, 1810, 2388, 3005, 3600)]
    series = laid({"t": times, "y": range(7)})
    assert series.targets[:, 0].tolist() == list(range(7))
    assert series.times().to_list() == times
    assert not series.frequency.regular
    assert series.profile["irregular_share"] > 0.5
    note = series.notes[0]
    assert "irregular timestamps" in note
    assert "% of the steps differ from the median 10 minutes (shortest 9.63 minutes" in note
    assert "rows are taken as equally spaced; resample='10m' (--resample 10m)" in note
    ahead = series.future_times(0, 2)
    assert ahead[1] - ahead[0] == timedelta(minutes=10)
    assert abs(ahead[0] - times[-1]) < timedelta(minutes=20)
    again = checked(arrange(read_table({"t": times, "y": range(7)}), series.schema,
                            frequency=series.frequency))  # fmt: skip
    np.testing.assert_array_equal(again.targets, series.targets)


def test_few_times_off_the_grid_are_moved() -> None:
    steps = [float(k) for k in range(200)]
    steps[77] += 0.25
    series = laid({"t": hours(*steps), "y": range(200)})
    assert series.targets[:, 0].tolist() == list(range(200))
    assert series.times().to_list() == hours(*range(200))
    assert series.profile["snapped"] == 1
    assert "1 timestamp lies off the grid of 1 hour and was moved" in series.notes[0]


def test_a_clock_that_jumped_once_stays_regular() -> None:
    late = [float(k) for k in range(100)] + [k + 0.2 for k in range(100, 200)]
    assert len(laid({"t": hours(*late), "y": range(200)})) == 200


def test_resampling_averages_cells() -> None:
    columns = {"t": hours(0.1, 0.6, 1.2, 3.5), "y": [1, 3, 5, 7], "c": ["a", "b", None, "c"]}
    series = laid(columns, parts={"target": "y", "past": "c"}, resample="1h")
    np.testing.assert_array_equal(series.targets[:, 0], [2, 5, NAN, 7])
    assert series.past_categories[:, 0].tolist() == ["b", None, None, "c"]
    assert series.times().to_list() == hours(0, 1, 2, 3)
    assert series.notes[0] == "resampled to 1 hour: 4 rows became 3, numbers averaged"
    with pytest.raises(ConfigError, match=r"'1x' is no frequency"):
        laid(columns, parts={"target": "y"}, resample="1x")
    with pytest.raises(ConfigError, match=r"resample='5'.*such as '1h'"):
        laid(columns, parts={"target": "y"}, resample="5")
    with pytest.raises(ConfigError, match=r"fitted on steps of 2 hours.*'2h'"):
        laid(columns, parts={"target": "y"}, resample="1h", frequency=Frequency.parse("2h"))
    many = {"t": hours(*range(0, 9000, 30)), "y": range(300)}
    assert "coarser" in refused(many, resample="1m")


@pytest.mark.parametrize(
    ("step", "first", "count"),
    [("1mo", date(2024, 1, 1), 4), ("1w", date(2024, 1, 1), 15), ("W-SUN", date(2023, 12, 31), 15)],
)
def test_days_resampled(step: str, first: date, count: int) -> None:
    days = pl.date_range(date(2024, 1, 3), date(2024, 4, 10), "1d", eager=True)
    series = laid({"day": days, "y": range(len(days))}, resample=step)
    assert series.times()[0] == first
    assert len(series) == count


# ------------------------------------------------------------------ static columns


def test_a_static_column_that_varies_is_named() -> None:
    columns = {"t": hours(0, 1, 2) * 2, "m": ["a"] * 3 + ["b"] * 3, "y": range(6)}
    parts = {"target": "y", "series": "m", "static": "k"}
    message = refused({**columns, "k": ["x", "x", "x", "z", None, "w"]}, parts=parts)
    assert "row 5 (counting from 0), column 'k'" in message
    assert "'w' differs from 'z' earlier in series 'b'" in message
    message = refused({**columns, "k": [1, 2, 1, 1, 1, 1]}, parts=parts)
    assert "2.0 differs from 1.0 earlier in series 'a'" in message
    series = laid({**columns, "k": [None, 4, 4, None, None, None]}, parts=parts)
    np.testing.assert_array_equal(series.static[:, 0], [4, NAN])


# ------------------------------------------------------------------ a later table


def fitted() -> tuple[Schema, Frequency]:
    table = read_table({"t": hours(*range(48)), "y": range(48)})
    schema, _ = resolve_schema(table)
    return schema, arrange(table, schema).frequency


@pytest.mark.parametrize("steps", [[0], [5, 6], [0, 7], [3, 4, 5], [0.5, 1.5, 2.5], [0, 1, 9, 10]])
def test_later_tables_of_the_same_frequency(steps: list[float]) -> None:
    schema, frequency = fitted()
    later = read_table({"t": hours(*steps), "y": [1.0] * len(steps)})
    series = checked(arrange(later, schema, frequency=frequency))
    assert series.frequency == frequency
    assert series.times()[0] == hours(steps[0])[0]


@pytest.mark.parametrize(
    ("steps", "shown"),
    [([0, 2, 4, 6], "2 hours"), ([0, 0.25, 0.5, 0.75], "15 minutes"), ([0, 24, 48], "1 day"),
     ([0, 0.5], "30 minutes"), ([0, 0.3, 1.9, 2.2, 4], "irregular")],
)  # fmt: skip
def test_another_frequency_is_refused(steps: list[float], shown: str) -> None:
    schema, frequency = fitted()
    later = read_table({"t": hours(*steps), "y": [1.0] * len(steps)})
    with pytest.raises(DataError) as error:
        arrange(later, schema, frequency=frequency)
    for part in ("another frequency", shown, "fitted on steps of 1 hour", "resample='1h'"):
        assert part in str(error.value)


def test_business_days_and_days_differ() -> None:
    days = pl.date_range(date(2024, 1, 1), date(2024, 3, 1), "1d", eager=True)
    work = days.filter(days.dt.weekday() < 6)
    table = read_table({"day": work, "y": range(len(work))})
    schema, _ = resolve_schema(table)
    frequency = arrange(table, schema).frequency
    assert frequency.text == "1 business day"
    with pytest.raises(DataError, match="another frequency"):
        arrange(read_table({"day": days, "y": range(len(days))}), schema, frequency=frequency)
    few = read_table({"day": work[7:10], "y": [1, 2, 3]})
    assert len(arrange(few, schema, frequency=frequency)) == 3


def test_one_row_shows_no_frequency() -> None:
    message = refused({"t": hours(0), "y": [1.0]})
    assert "single row" in message


# ------------------------------------------------------------------ properties


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(3, 30), min_size=1, max_size=5),
    code=st.sampled_from(["1s", "15m", "1h", "1d", "1w", "1mo", "1b", "5i"]),
    data=st.data(),
)
def test_arranged_tables_hold_every_row(lengths: list[int], code: str, data: st.DataObject) -> None:
    """Shuffled, with holes: every row is found again at its time, and nothing else is there."""
    whole = pl.Series([0]) if code == "5i" else pl.Series([START])
    frequency = Frequency.parse(code, whole).aligned_to(whole)
    first = int(np.ceil(frequency.positions(whole)[0]))
    rows: list[tuple[int, int, float]] = []
    for s, length in enumerate(lengths):
        start = data.draw(st.integers(0, 9))
        hole = data.draw(st.integers(1, length - 2))
        kept = [k for k in range(length) if k != hole or length < 8]
        rows += [(s, start + k, float(1000 * s + k)) for k in kept]
    order = data.draw(st.permutations(range(len(rows))))
    rows = [rows[k] for k in order]
    at = np.array([first + r[1] for r in rows])
    columns = {
        "time": frequency.times(at),
        "m": [f"s{r[0]}" for r in rows],
        "y": [r[2] for r in rows],
    }
    table = read_table(columns)
    schema = Schema(time="time", time_kind="integer" if code == "5i" else "datetime", targets=["y"],
                    series="m", columns=["time", "m", "y"])  # fmt: skip
    series = checked(arrange(table, schema, frequency=frequency, mend=True))
    found = {
        (series.names[s], time): value
        for s in range(len(series.names))
        for time, value in zip(series.times(series.rows(s)), series.targets[series.rows(s), 0],
                               strict=True)
        if not np.isnan(value)
    }  # fmt: skip
    wanted = zip(columns["m"], columns["time"].to_list(), columns["y"], strict=True)
    assert found == {(m, t): y for m, t, y in wanted}


def test_the_source_is_not_touched() -> None:
    frame = pl.DataFrame({"t": hours(0, 2, 1), "y": [1.0, NAN, 3.0]})
    before = frame.clone()
    table: Table = read_table(frame)
    arrange(table, resolve_schema(table)[0], mend=True)
    assert frame.equals(before, null_equal=True)
