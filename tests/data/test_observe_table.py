"""Which column of a table plays which part: found where it is plain, said aloud, refused in words that help."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from gatework.data import observe_table
from gatework.data.observe_table import read_metrics
from gatework.data.table import Table, read_table
from gatework.errors import ConfigError, DataError

N = 30


def table(**changed: Any) -> dict[str, Any]:
    """Two numbers, a word and a time; a change of None leaves a column out."""
    start = datetime(2024, 1, 1)
    data: dict[str, Any] = {
        "at": [start + timedelta(minutes=i) for i in range(N)],
        "cpu": [float(i % 7) for i in range(N)],
        "heat": [20 + i % 3 for i in range(N)],
        "state": [("on", "off")[i % 2] for i in range(N)],
    }
    return {k: v for k, v in (data | changed).items() if v is not None}


def read(data: Any, **options: Any) -> Any:
    return read_metrics(data, **{"rows": 10_000, **options})


# ---- found --------------------------------------------------------------------------------------------


def test_parts_are_found_and_said() -> None:
    labels = [int(i == 7) for i in range(N)]
    notes = [f"note {i} is long" for i in range(N)]
    found = read(table(Anomaly=labels, note=notes))
    assert (found.channels, found.categories) == (("cpu", "heat"), ("state",))
    assert found.words == (("off", "on"),)
    assert found.codes[:3, 0].tolist() == [1, 0, 1]
    assert found.labels.nonzero()[0].tolist() == [7]
    assert found.seconds() == 60
    assert found.times[1] - found.times[0] == 60_000_000
    assert found.notes == (
        "time column: at",
        "label column: Anomaly (used to judge, not to learn)",
        "not used: note",
        "taken as categories: state",
    )
    assert found.place(2) == "data, row 2 (counting from 0)"
    assert json.loads(json.dumps(found.layout)) == found.layout


def test_without_a_time_rows_are_in_their_order() -> None:
    found = read(table(at=None))
    assert found.times is None
    assert found.seconds() is None
    assert "no time column: the rows are taken in their order" in found.notes
    named = read(table(), time="none")
    assert named.times is None
    assert "at" not in named.channels


def test_steps_are_a_time_when_they_rise() -> None:
    found = read({"step": list(range(N)), "cpu": table()["cpu"]})
    assert found.times.tolist() == list(range(N))
    assert found.seconds() is None  # no clock
    assert found.channels == ("cpu",)
    turned = read({"step": list(range(N))[::-1], "cpu": table()["cpu"]})
    assert turned.channels == ("step", "cpu")


def test_roles_by_name() -> None:
    found = read(table(), features="cpu", categorical=["heat"])
    assert (found.channels, found.categories) == (("cpu",), ("heat",))
    assert "not used: state" in found.notes
    found = read(table(), categorical="heat")
    assert (found.channels, found.categories) == (("cpu",), ("heat", "state"))
    assert found.words[0] == ("20", "21", "22")


def test_a_label_of_many_values_is_no_label() -> None:
    found = read(table(label=[i % 9 for i in range(N)]))
    assert found.labels is None
    assert "label" in found.channels


def test_labels_say_normal_in_many_words() -> None:
    for words in (("normal", "attack"), ("False", "True"), ("OK", "odd"), (0, 1), (False, True)):
        found = read(table(kind=[words[i % 2] for i in range(N)]), label="kind")
        assert found.labels.tolist() == [bool(i % 2) for i in range(N)], words
    found = read(table(kind=["calm", "storm"] * 15), label="kind", normal="Calm")
    assert found.labels.mean() == 0.5


def test_series_are_put_one_after_the_other_in_time_order() -> None:
    data = table(host=[("b", "a", "c")[i % 3] for i in range(N)], label=[i % 2 for i in range(N)])
    found = read(data, series="host")
    assert found.names == ("a", "b", "c")
    assert found.offsets.tolist() == [0, 10, 20, 30]
    assert found.order[:3].tolist() == [1, 4, 7]
    assert found.values[:3, 0].tolist() == [data["cpu"][i] for i in (1, 4, 7)]
    assert found.labels[:3].tolist() == [True, False, True]
    assert found.place(0) == "data, row 1 (counting from 0)"
    assert found.stamps[0] == data["at"][1]
    assert "series column: host (3 series)" in found.notes
    one = found.take([2, 0])
    assert one.names == ("c", "a")
    assert one.order[:2].tolist() == [2, 5]
    assert one.offsets.tolist() == [0, 10, 20]
    assert one.values[10:, 0].tolist() == found.values[:10, 0].tolist()


def test_missing_numbers_and_words() -> None:
    cpu = [None if i == 3 else float(i) for i in range(N)]
    state = [None if i == 4 else "on" for i in range(N)]
    found = read(table(cpu=cpu, state=state))
    assert np.isnan(found.values[:, 0]).nonzero()[0].tolist() == [3]
    assert found.codes[:, 0].tolist() == [-1 if i == 4 else 0 for i in range(N)]


# ---- out of order -------------------------------------------------------------------------------------


def test_rows_out_of_order_are_sorted_on_demand() -> None:
    data = table()
    order = [0, 1, 2, 5, 4, 3, *range(6, N)]
    mixed = {k: [v[i] for i in order] for k, v in data.items()}
    with pytest.raises(DataError, match="the time is before") as refused:
        read(mixed)
    assert str(refused.value) == (
        "data, row 4 (counting from 0), column 'at': the time is before that of the row above (2 such rows). "
        "Sort the rows, have it done with mend=True (--mend), or name what tells several series apart with "
        "series= (--series)."
    )
    with pytest.raises(
        DataError, match=r"Sort the rows, or have it done with mend=True \(--mend\)\."
    ):
        read({**mixed, "host": ["a"] * N}, series="host")
    found = read(mixed, mend=True)
    assert found.times.tolist() == read(data).times.tolist()
    assert found.order.tolist() == order
    assert found.values[:, 0].tolist() == data["cpu"]
    assert "2 rows were out of order and have been sorted" in found.notes


def test_series_may_be_interleaved_and_equal_times_stay() -> None:
    data = table()
    twice = {k: [x for x in v for _ in range(2)] for k, v in data.items()}
    twice["host"] = ["b", "a"] * N
    found = read(twice, series="host", mend=True)
    assert found.order.tolist() == [*range(1, 2 * N, 2), *range(0, 2 * N, 2)]
    assert not any("out of order" in n for n in found.notes)
    assert read(twice).names == ("a", "b")  # found, as no host has a time twice
    del twice["host"]
    assert read(twice).order is None  # equal times are in order


# ---- refused ------------------------------------------------------------------------------------------

NEVER = [None] * N
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], type[Exception], str]] = {
    "unknown label": ({}, {"label": "lable"}, ConfigError, "label names column 'lable', which is not there"),
    "unknown time": ({}, {"time": "att"}, ConfigError, "time names column 'att'.*Did you mean 'at'"),
    "unknown feature": ({}, {"features": ["cpus"]}, ConfigError, "features names column 'cpus'.*'cpu'"),
    "twice": ({}, {"label": "cpu", "features": ["cpu"]}, ConfigError, "named both as label and as features"),
    "no number": ({"heat": ["warm"] * N}, {"features": ["heat"]}, DataError, "'warm'"),
    "nothing": ({"heat": NEVER}, {"features": ["heat"]}, DataError, "column 'heat': has no value at all"),
    "no word": ({"heat": NEVER}, {"categorical": ["heat"]}, DataError, "'heat': has no value at all"),
    "two times": ({"till": table()["at"]}, {}, DataError, "2 columns could be the time: 'at', 'till'"),
    "label missing": ({"label": [None, *[0, 1] * 14, 0]}, {}, DataError, "row 0 .*column 'label': the"),
    "all odd": ({"kind": ["bad", "worse"] * 15}, {"label": "kind"}, DataError, "'bad', 'worse'.*normal="),
    "not that": ({"label": [0, 1] * 15}, {"normal": "fine"}, DataError, "no label says that a row is normal"),
    "no series": ({"host": [None, *"a" * 29]}, {"series": "host"}, DataError, "row 0 .*column 'host': the"),
    "no channel": ({"cpu": None, "heat": None, "state": None, "id": [f"x{i}" for i in range(N)]}, {}, DataError,
                   "no column holds numbers or categories"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused(name: str) -> None:
    changed, options, kind, message = REFUSED[name]
    with pytest.raises(kind, match=re.compile(message, re.DOTALL)):
        read(table(**changed), **options)


def test_a_column_without_values_is_left_out_unless_named() -> None:
    found = read(table(heat=NEVER))
    assert found.channels == ("cpu",)
    assert "not used: heat" in found.notes


# ---- of a model that is there already -----------------------------------------------------------------


def test_columns_play_the_parts_of_the_training() -> None:
    layout = read(table(label=[0, 1] * 15)).layout
    turned = dict(reversed(table(more=list(range(N))).items()))
    again = read(turned, layout=layout)
    assert again.channels == ("cpu", "heat")
    assert again.labels is None
    assert again.notes == ()
    with pytest.raises(
        DataError, match=r"lacks the columns 'cpu', 'heat' that the model was fitted"
    ):
        read(table(cpu=None, heat=None), layout=layout)
    with pytest.raises(DataError, match="has no labels to judge by"):
        read(table(), layout=layout, need_labels=True)
    assert read(table(label=[0, 1] * 15), layout=layout, need_labels=True).labels.sum() == 15


# ---- large files --------------------------------------------------------------------------------------


def test_no_more_than_the_first_rows() -> None:
    assert len(read(table(), rows=12)) == 12
    assert len(read(table(), rows=N)) == N


@pytest.mark.parametrize(
    "name", ["data.csv", "data.tsv", "data.csv.gz", "data.parquet", "data.json"]
)
def test_large_files_are_cut_before_they_are_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, frame = tmp_path / name, pl.DataFrame(table(at=None))
    write: dict[str, Callable[[], object]] = {
        "data.csv": lambda: frame.write_csv(path),
        "data.tsv": lambda: frame.write_csv(path, separator="\t"),
        "data.csv.gz": lambda: path.write_bytes(gzip.compress(frame.write_csv().encode())),
        "data.parquet": lambda: frame.write_parquet(path),
        "data.json": lambda: frame.write_json(path),
    }
    write[name]()
    plain = read(path, rows=9)
    monkeypatch.setattr(observe_table, "MANY_BYTES", 8)
    read_whole = []

    def reading(data: Any) -> Table:
        read_whole.append(data)
        return read_table(data)

    monkeypatch.setattr(observe_table, "read_table", reading)
    found = read(path, rows=9)
    assert len(found) == 9
    assert np.array_equal(found.values, plain.values)
    assert np.array_equal(found.codes, plain.codes)
    assert found.source == plain.source == str(path)
    assert found.place(2) == plain.place(2)
    assert (path in read_whole) == (name == "data.json")  # cut first, but for what has no lines
