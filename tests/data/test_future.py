"""The horizon as rows: what is kept, what is empty, and what is asked of known covariates."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from gatework.data.future import extend
from gatework.data.schema import resolve_schema
from gatework.data.series import SeriesTable, arrange
from gatework.data.table import read_table
from gatework.errors import DataError

START = datetime(2024, 1, 1)
NAN = float("nan")


def hours(count: int, begin: int = 0) -> list[datetime]:
    return [START + timedelta(hours=begin + h) for h in range(count)]


def laid(columns: dict[str, Any], **parts: Any) -> SeriesTable:
    table = read_table(columns)
    return arrange(table, resolve_schema(table, **parts)[0])


def two(lengths: tuple[int, int] = (6, 4)) -> SeriesTable:
    return laid(
        {
            "t": hours(lengths[0]) + hours(lengths[1], begin=10),
            "id": ["a"] * lengths[0] + ["b"] * lengths[1],
            "y": [float(i) for i in range(sum(lengths))],
            "wind": [float(i) + 0.5 for i in range(sum(lengths))],
            "sky": [f"sky {i}" for i in range(sum(lengths))],
            "area": [1.0] * lengths[0] + [2.0] * lengths[1],
        },
        target="y",
        series="id",
        past=["wind", "sky"],
        static=["area"],
    )


def known_table(targets: list[float | None], horizon_values: list[float | None]) -> SeriesTable:
    values = targets + [None] * len(horizon_values)
    return laid(
        {
            "t": hours(len(values)),
            "y": values,
            "price": [float(i) for i in range(len(targets))] + horizon_values,
            "event": ["x"] * len(values),
        },
        target="y",
        known=["price", "event"],
    )


def test_every_series_goes_on_for_a_horizon() -> None:
    table = two()
    longer, origins, short = extend(table, context=3, horizon=2)
    assert short == []
    assert longer.names == ["a", "b"]
    assert longer.offsets.tolist() == [0, 8, 14]
    assert origins.tolist() == [6, 12]
    expected = [0, 1, 2, 3, 4, 5, NAN, NAN, 6, 7, 8, 9, NAN, NAN]
    np.testing.assert_array_equal(longer.targets[:, 0], expected)
    np.testing.assert_array_equal(longer.past[:, 0], np.array(expected) + 0.5)
    words = [None if np.isnan(v) else f"sky {int(v)}" for v in expected]
    assert longer.past_categories[:, 0].tolist() == words
    assert longer.times().to_list() == hours(8) + hours(6, begin=10)
    assert longer.static.tolist() == [[1.0], [2.0]]
    for s in range(2):
        assert (np.diff(longer.positions[longer.rows(s)]) == 1).all()


def test_the_table_is_left_as_it_was() -> None:
    table = two()
    before = table.targets.copy(), table.offsets.copy(), table.past_categories.copy()
    longer, _, _ = extend(table, context=3, horizon=2)
    longer.targets[:] = 7
    longer.static[:] = 7
    np.testing.assert_array_equal(table.targets, before[0])
    np.testing.assert_array_equal(table.offsets, before[1])
    np.testing.assert_array_equal(table.past_categories, before[2])
    assert table.static.tolist() == [[1.0], [2.0]]


def test_series_shorter_than_the_context_are_named_and_gone() -> None:
    longer, origins, short = extend(two(), context=5, horizon=2)
    assert short == ["b"]
    assert longer.names == ["a"]
    assert longer.offsets.tolist() == [0, 8]
    assert origins.tolist() == [6]
    assert longer.static.tolist() == [[1.0]]
    longer, origins, short = extend(two((4, 6)), context=5, horizon=2)
    assert (short, longer.names, origins.tolist()) == (["a"], ["b"], [6])
    assert longer.targets[:6, 0].tolist() == [4, 5, 6, 7, 8, 9]
    assert longer.static.tolist() == [[2.0]]


def test_no_series_long_enough_is_an_error_that_says_how_many_rows_are_needed() -> None:
    with pytest.raises(
        DataError, match=r"6 rows are fewer than the model's context of 7.*of a series"
    ):
        extend(two(), context=7, horizon=2)


def test_a_last_row_without_a_target_belongs_to_the_past_where_nothing_is_known_ahead() -> None:
    table = laid({"t": hours(4), "y": [1.0, 2.0, 3.0, None]})
    longer, origins, _ = extend(table, context=3, horizon=2)
    assert origins.tolist() == [4]
    np.testing.assert_array_equal(longer.targets[:, 0], [1, 2, 3, NAN, NAN, NAN])


def test_known_covariates_of_the_horizon_come_from_the_rows_that_follow() -> None:
    table = known_table([1.0, 2.0, 3.0], [10.0, 11.0, 12.0])
    longer, origins, _ = extend(table, context=3, horizon=2)
    assert origins.tolist() == [3]
    assert longer.offsets.tolist() == [0, 5]
    np.testing.assert_array_equal(longer.targets[:, 0], [1, 2, 3, NAN, NAN])
    assert longer.known[:, 0].tolist() == [0, 1, 2, 10, 11]
    assert longer.known_categories[:, 0].tolist() == ["x"] * 5
    assert longer.times().to_list() == hours(5)


def test_a_hole_before_the_last_target_is_no_horizon() -> None:
    table = known_table([1.0, None, None, 4.0], [10.0, 11.0])
    longer, origins, _ = extend(table, context=3, horizon=2)
    assert origins.tolist() == [4]
    np.testing.assert_array_equal(longer.targets[:, 0], [1, NAN, NAN, 4, NAN, NAN])


def test_known_covariates_that_do_not_reach_the_horizon_are_an_error() -> None:
    for rows in ([], [10.0]):
        table = known_table([1.0, 2.0, 3.0], list(rows))
        with pytest.raises(DataError) as error:
            extend(table, context=3, horizon=2)
        said = str(error.value)
        assert "price, event" in said
        assert "2 rows must follow the last observed target" in said
        assert f"there are {len(rows)}." in said


def test_a_series_that_lacks_its_horizon_is_named() -> None:
    table = laid(
        {
            "t": hours(5) * 2,
            "id": ["a"] * 5 + ["b"] * 5,
            "y": [1.0, 2.0, 3.0, None, None, 1.0, 2.0, 3.0, 4.0, None],
            "price": [1.0] * 10,
        },
        target="y",
        series="id",
        known=["price"],
    )
    with pytest.raises(DataError, match="series 'b': "):
        extend(table, context=3, horizon=2)
    assert extend(table, context=3, horizon=1)[1].tolist() == [3, 8]


def test_irregular_times_go_on_by_their_median_step() -> None:
    minutes = [0, 9, 21, 30, 43, 50, 62, 69, 80, 91, 101, 109]
    table = laid(
        {"t": [START + timedelta(minutes=m) for m in minutes], "y": [float(m) for m in minutes]}
    )
    assert table.stamps is not None
    longer, origins, _ = extend(table, context=4, horizon=3)
    times = longer.times().to_list()
    assert times[: len(minutes)] == table.times().to_list()
    steps = {b - a for a, b in zip(times[-4:-1], times[-3:], strict=True)}
    assert len(steps) == 1
    assert timedelta(minutes=8) <= steps.pop() <= timedelta(minutes=12)
    assert origins.tolist() == [len(minutes)]


def test_without_a_time_column_positions_go_on() -> None:
    table = laid({"y": [1.0, 2.0, 3.0, 4.0]}, time="none")
    longer, origins, _ = extend(table, context=2, horizon=3)
    assert longer.positions.tolist() == [
        *table.positions.tolist(),
        *(table.positions[-1] + 1 + np.arange(3)),
    ]
    assert origins.tolist() == [4]
