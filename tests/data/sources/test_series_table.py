"""Long tables: which column is what, sequences in order of appearance, every fault with its row."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from gatework.data.sources.find import read_sequences
from gatework.errors import ConfigError, DataError

LONG = {
    "unit": ["a", "a", "b", "b", "a", "b"],
    "load": [1.0, 2.0, 10.0, 20.0, None, 30.0],
    "state": ["on", "off", None, "on", "on", "on"],
    "label": ["x", "x", "y", "y", "x", "y"],
}


def long(**changed: Any) -> dict[str, Any]:
    return {**LONG, **changed}


def test_rows_of_a_sequence_are_gathered_in_their_order() -> None:
    found = read_sequences(long(), task="classify")
    assert found.kind == "series"
    assert found.features == ("load",)
    assert found.categorical == ("state",)
    assert found.keys == ["a", "b"]
    assert found.labels == ["x", "y"]
    a, b = found.items
    np.testing.assert_array_equal(a.values[:, 0], [1.0, 2.0, np.nan])
    assert a.categories.tolist() == [["on"], ["off"], ["on"]]
    assert b.categories.tolist() == [[None], ["on"], ["on"]]
    assert found.names[1] == "data, series 'b'"


def test_items_are_views_of_one_array() -> None:
    found = read_sequences(long(), task="classify")
    assert np.shares_memory(found.items[0].values, found.items.values)  # type: ignore[attr-defined]


def test_layout_reads_a_later_table_the_same_way() -> None:
    layout = read_sequences(long(), task="classify").layout
    later = {"state": ["new"], "unit": ["z"], "more": [1], "load": [5.0]}
    found = read_sequences(later, task="classify", layout=layout, need_labels=False)
    assert found.labels is None
    assert found.features == ("load",)
    assert found.items[0].values.tolist() == [[5.0]]
    with_label = read_sequences({**later, "label": ["y"]}, task="classify", layout=layout)
    assert with_label.labels == ["y"]


def test_layout_is_json() -> None:
    import json

    table = long(time=["2024-01-01", "2024-01-02"] * 3, time2=[1] * 6)
    table["time"] = [f"2024-01-0{k}" for k in (1, 2, 1, 2, 3, 3)]
    layout = read_sequences(table, task="classify").layout
    assert json.loads(json.dumps(layout)) == layout


def test_times_become_seconds() -> None:
    table = long(when=[f"2024-01-01 00:00:{s}" for s in ("00", "01", "00", "10", "05", "20")])
    found = read_sequences(table, task="classify")
    assert found.layout["time"] == "when"
    assert np.diff(found.items[0].times).tolist() == [1.0, 4.0]
    assert np.diff(found.items[1].times).tolist() == [10.0, 10.0]
    assert found.features == ("load",)
    assert any("time column: when" in n for n in found.notes)


def test_whole_numbers_are_steps_and_dates_are_days() -> None:
    steps = read_sequences(long(step=[1, 2, 1, 5, 3, 9]), task="classify")
    assert steps.items[1].times.tolist() == [1.0, 5.0, 9.0]
    days = [date(2024, 1, k) for k in (1, 2, 1, 2, 3, 3)]
    dates = read_sequences(pl.DataFrame(long(day=days)), task="classify")
    assert np.diff(dates.items[0].times).tolist() == [86400.0, 86400.0]


def test_time_out_of_order_names_the_row(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("unit,time,x,label\na,2024-01-02,1,u\nb,2024-01-01,1,v\na,2024-01-01,2,u\n")
    with pytest.raises(DataError, match=r"runs.csv, row 3 \(line 4\), column 'time': 2024-01-01 comes after "
                       r"2024-01-02 in series 'a'; the row is out of order. Sort the table"):  # fmt: skip
        read_sequences(path, task="classify", series="unit")
    found = read_sequences(path, task="classify", series="unit", time="none")
    assert found.items[0].times is None
    assert "not used: time" in found.notes[-1] or found.categorical == ("time",)


def test_events_at_the_same_time_are_allowed() -> None:
    found = read_sequences(long(step=[1, 1, 1, 1, 1, 1]), task="classify")
    assert found.items[0].times.tolist() == [1.0, 1.0, 1.0]


def test_time_of_another_kind_than_in_training() -> None:
    layout = read_sequences(long(time=[1, 2, 1, 5, 3, 9]), task="classify").layout
    with pytest.raises(
        DataError, match="holds dates, and the model was trained with whole numbers"
    ):
        read_sequences(
            long(time=[f"2024-01-0{k}" for k in (1, 2, 1, 2, 3, 3)]), task="classify", layout=layout
        )


def test_tagger_has_a_label_for_each_step() -> None:
    found = read_sequences(long(label=["1", "2", None, "2", "3", "3"]), task="tag")
    assert found.per_step
    assert [x.tolist() for x in found.labels or ()] == [["1", "2", "3"], [None, "2", "3"]]


def test_labels_of_numbers_are_spelled_as_text() -> None:
    assert read_sequences(long(label=[0, 0, 1, 1, 0, 1]), task="classify").labels == ["0", "1"]
    assert read_sequences(long(label=[0.0, 0, 1, 1, 0, 1]), task="classify").labels == ["0", "1"]
    flags = [False, False, True, True, False, True]
    assert read_sequences(long(label=flags), task="classify").labels == ["false", "true"]


def test_regression_of_sequences_and_of_steps() -> None:
    one = read_sequences(long(label=[1.5, 1.5, 2.5, 2.5, 1.5, 2.5]), task="regress")
    assert one.labels == [1.5, 2.5]
    steps = read_sequences(long(label=[3.0, 2, 3, 2, None, 1]), task="regress")
    assert steps.per_step
    np.testing.assert_array_equal((steps.labels or [])[0], [3.0, 2.0, np.nan])
    last = long(label=[None, None, None, None, 7.0, 9.0])
    again = read_sequences(last, task="regress", layout=steps.layout)
    np.testing.assert_array_equal((again.labels or [])[0], [np.nan, np.nan, 7.0])


def test_a_label_in_the_first_row_alone_is_that_of_the_sequence() -> None:
    found = read_sequences(long(label=["x", None, "y", None, None, None]), task="classify")
    assert found.labels == ["x", "y"]


def test_label_that_varies() -> None:
    with pytest.raises(DataError, match=r"row 4 .*'label': the label 'z' differs from 'x' earlier in series 'a'"
                       r".*task tag"):  # fmt: skip
        read_sequences(long(label=["x", "x", "y", "y", "z", "y"]), task="classify")


def test_groups() -> None:
    table = long(person=["p", "p", "q", "q", "p", "q"])
    found = read_sequences(table, task="classify", group="person")
    assert found.groups == ["p", "q"]
    assert found.categorical == ("state",)
    with pytest.raises(DataError, match=r"the group 'r' differs from 'p' earlier in series 'a'"):
        read_sequences(long(person=["p", "r", "q", "q", "p", "q"]), task="classify", group="person")
    with pytest.raises(DataError, match="the group is missing"):
        read_sequences(
            long(person=["p", "p", None, None, "p", None]), task="classify", group="person"
        )
    with pytest.raises(ConfigError, match=r"group= \(--group\) names 'nobody', which is no column"):
        read_sequences(table, task="classify", group="nobody")
    del table["person"]
    again = read_sequences(table, task="classify", layout=found.layout)
    assert again.groups is None  # a prediction needs none


def test_named_columns_are_those_that_are_read() -> None:
    table = long(extra=[1, 2, 3, 4, 5, 6])
    found = read_sequences(table, task="classify", features=["extra"], categorical=["load"])
    assert (found.features, found.categorical) == (("extra",), ("load",))
    assert "not used: state" in found.notes
    assert found.items[0].categories.tolist() == [["1"], ["2"], [None]]


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({"series": "unti"}, "series= .*names 'unti', which is no column. Did you mean 'unit'"),
        ({"label": "klass"}, "label= .*names 'klass'"),
        ({"time": "clock"}, "time= .*names 'clock'"),
        ({"features": ["lod"]}, "features= .*names 'lod', which is no column. Did you mean 'load'"),
        (
            {"features": ["label"], "label": "label"},
            "features= .*names 'label', which plays another part",
        ),
        ({"features": ["load"], "categorical": ["load"]}, "'load' is named in features"),
        ({"kind": "sries"}, "kind: 'sries' is no kind of sequences. Did you mean 'series'"),
    ],
)
def test_wrong_names(roles: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        read_sequences(long(), task="classify", **roles)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"load": ["1", "2", "x", "4", "5", "6"]}, r"row 2 .*'load': 'x' is not a number"),
        ({"load": [1, 2, float("inf"), 4, 5, 6]}, r"row 2 .*'load': the value is infinite"),
        (
            {"unit": ["a", None, "b", "b", "a", "b"]},
            r"row 1 .*'unit': the name of the series is missing",
        ),
    ],
)
def test_bad_values_name_their_row(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_sequences(long(**changed), task="classify", series="unit")


def test_sequence_without_any_value() -> None:
    table = {
        "unit": ["a", "a", "b", "b", "c"],
        "x": [1.0, 2.0, None, None, 3.0],
        "label": list("uuvvu"),
    }
    with pytest.raises(DataError, match=r"series 'b': is a sequence of length 0, or every value"):
        read_sequences(table, task="classify", series="unit")
    table["label"] = list("vvuuu")
    found = read_sequences(table, task="classify", series="unit", skip_bad=True)
    assert found.keys == ["a", "c"]
    assert len(found.skipped) == 1
    assert "series 'b'" in found.skipped[0]


def test_no_column_tells_sequences_apart() -> None:
    table = {"x": [1.0, 2.5, 3.5], "label": ["u", "v", "u"]}
    with pytest.raises(
        DataError, match=r"Name it with series= \(--series\); or say.*kind='wide'.*kind='rows'"
    ):
        read_sequences(table, task="classify")


def test_series_column_is_found_by_its_blocks() -> None:
    table = {"bottle": [7, 7, 3, 3, 9, 9], "x": [1.5] * 6, "label": list("uuvvuu")}
    assert read_sequences(table, task="classify").keys == ["7", "3", "9"]


def test_lacking_column_at_prediction() -> None:
    layout = read_sequences(long(), task="classify").layout
    table = long()
    del table["load"]
    with pytest.raises(DataError, match=r"lacks the column 'load' that the model was trained with"):
        read_sequences(table, task="classify", layout=layout)
    table = long()
    del table["unit"]
    with pytest.raises(DataError, match=r"lacks the column 'unit' .*series"):
        read_sequences(table, task="classify", layout=layout)


def test_identifiers_and_row_numbers_are_no_measurements() -> None:
    rows = 12
    table = {
        "unit": ["a", "b", "c"] * 4,
        "index": range(rows),
        "shop_id": [5, 6] * 6,
        "ticket_id": range(100, 100 + rows),
        "x": [0.5] * rows,
        "y": [None] * rows,
        "label": list("uvu") * 4,
    }
    found = read_sequences(pl.DataFrame(table, strict=False), task="classify")
    assert (found.features, found.categorical) == (("x",), ("shop_id",))
    assert "ticket_id (numbers of rows)" in found.notes[-1]
    assert "y (every value is missing)" in found.notes[-1]


def test_labels_beside_a_table_keep_its_own_out() -> None:
    found = read_sequences(long(), labels=["p", "q"], task="classify")
    assert found.labels == ["p", "q"]
    assert found.categorical == ("state",)


def test_many_rows_take_little_time() -> None:
    import time

    N, B = 200_000, 500
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({
        "unit": rng.integers(0, B, N), "x": rng.normal(size=N),
        "shop": rng.choice(["a", "b"], N), "label": rng.choice(["u", "v"], N),
    })  # fmt: skip
    started = time.perf_counter()
    found = read_sequences(frame, task="tag", series="unit")
    assert time.perf_counter() - started < 5  # 0.2 s on a machine of 2 cores
    assert len(found) == B
    assert sum(len(x) for x in found.labels or ()) == N


def test_parquet_and_json_lines(tmp_path: Path) -> None:
    frame = pl.DataFrame(long())
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ndjson(tmp_path / "a.jsonl")
    for name in ("a.parquet", "a.jsonl"):
        assert read_sequences(tmp_path / name, task="classify").labels == ["x", "y"]
