"""A sequence in each row or line: wide tables, records, UCR and .ts files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gatework.data.describe import describe
from gatework.data.sources.find import read_sequences
from gatework.errors import DataError

TS = """# a comment
@problemName Motions
@timeStamps false
@univariate false
@classLabel true walk run
@data
1,2,3:4,5,6:walk
7,?:8,9:run
"""


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


# ---------------------------------------------------------------------------- UCR


def test_ucr_lines_of_unequal_length(tmp_path: Path) -> None:
    path = put(tmp_path, "a_TRAIN.tsv", "1\t0.5\t1.5\tNaN\tNaN\n-1\t0.5\tNaN\t2.5\t3\n")
    found = read_sequences(path, task="classify")
    assert found.labels == ["1", "-1"]
    assert found.items[0].values.tolist() == [[0.5], [1.5]]
    np.testing.assert_array_equal(found.items[1].values[:, 0], [0.5, np.nan, 2.5, 3.0])
    assert found.names[1] == f"{path}, line 2"
    assert found.features == ("value",)


@pytest.mark.parametrize("separator", ["\t", ",", "  "])
def test_ucr_of_any_separator_and_spelling(tmp_path: Path, separator: str) -> None:
    lines = [[" 1.0000000e+00", "0.5", "1"], ["2.0000000e+00", "3", "4"]]
    path = put(tmp_path, "a.txt", "\n".join(separator.join(x) for x in lines) + "\n\n")
    found = read_sequences(path, task="classify")
    assert found.labels == ["1", "2"]
    assert [s.values[:, 0].tolist() for s in found.items] == [[0.5, 1.0], [3.0, 4.0]]


def test_ucr_regression_and_prediction_without_labels(tmp_path: Path) -> None:
    path = put(tmp_path, "a.tsv", "1.5\t1\t2\t3\n2.5\t4\t5\t6\n")
    found = read_sequences(path, task="regress")
    assert found.labels == [1.5, 2.5]
    bare = put(tmp_path, "b.tsv", "7\t8\t9\n")
    again = read_sequences(bare, task="regress", layout=found.layout, need_labels=False)
    assert again.labels is None
    assert again.items[0].values[:, 0].tolist() == [7, 8, 9]


def test_numbers_as_names_of_columns_are_no_series(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", "0,1,2\n5,a b c,7\n")
    with pytest.raises(DataError, match="no column is called label"):
        read_sequences(path, task="classify")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2\t1\tx\t3", "line 2: 'x' is not a number"),
        ("2\t1\tinf\t3", "line 2: value 3 is infinite"),
        ("2\tNaN\tNaN\tNaN", "line 2: is a sequence of length 0"),
    ],
)
def test_bad_ucr(tmp_path: Path, line: str, message: str) -> None:
    path = put(tmp_path, "a.tsv", f"1\t1\t2\t3\n{line}\n")
    with pytest.raises(DataError, match=message):
        read_sequences(path, task="classify")


def test_tagger_needs_labels_of_steps(tmp_path: Path) -> None:
    path = put(tmp_path, "a.tsv", "1\t1\t2\t3\n2\t1\t2\t3\n")
    with pytest.raises(DataError, match="one label"):
        read_sequences(path, task="tag")


# ---------------------------------------------------------------------------- .ts


def test_ts_file(tmp_path: Path) -> None:
    found = read_sequences(put(tmp_path, "a.ts", TS), task="classify")
    assert found.labels == ["walk", "run"]
    assert found.features == ("value_0", "value_1")
    assert found.items[0].values.tolist() == [[1, 4], [2, 5], [3, 6]]
    np.testing.assert_array_equal(found.items[1].values, [[7, 8], [np.nan, 9]])
    assert found.names[1].endswith("a.ts, line 8")


def test_ts_file_of_a_regression_with_times(tmp_path: Path) -> None:
    text = "@timeStamps true\n@targetLabel true\n@data\n(0,1.5),(2,2.5):7.25\n(0,3),(1,4),(5,6):?\n"
    path = put(tmp_path, "a.ts", text)
    found = read_sequences(path, task="regress", need_labels=False)
    assert found.items[1].times.tolist() == [0, 1, 5]
    assert (found.labels or [])[0] == 7.25
    with pytest.raises(DataError, match="line 5: the label is missing"):
        read_sequences(path, task="regress")
    assert len(read_sequences(path, task="regress", skip_bad=True)) == 1


def test_ts_file_without_labels(tmp_path: Path) -> None:
    layout = read_sequences(put(tmp_path, "a.ts", TS), task="classify").layout
    bare = put(tmp_path, "b.ts", "@classLabel false\n@data\n1,2:3,4\n")
    found = read_sequences(bare, task="classify", layout=layout, need_labels=False)
    assert found.labels is None
    assert found.items[0].values.shape == (2, 2)
    with pytest.raises(DataError, match=r"b.ts: has no labels"):
        read_sequences(bare, task="classify", layout=layout)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TS.replace("@data\n", ""), "no line @data"),
        (TS.split("1,2,3")[0], "nothing after @data"),
        (TS.replace("8,9:", ""), "line 8: has 1 channels, the first sequence has 2"),
        (TS.replace("8,9", "8"), "line 8: has channels of 1 and 2 steps"),
        (TS.replace("8,9", "8,nine"), "line 8: 'nine' is not a number"),
        (TS.replace("8,9", "8,inf"), "line 8: a value is infinite"),
        (TS.replace("7,?:8,9", ":"), "line 8: is a sequence of length 0"),
        (TS.replace("run\n", "\n"), "line 8: the label is missing"),
        ("", "the file is empty"),
    ],
)
def test_bad_ts_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_sequences(put(tmp_path, "a.ts", text), task="classify")


# ---------------------------------------------------------------------------- wide tables


def wide(T: int = 8) -> dict[str, list[object]]:
    rows = {f"t{k}": [float(k), 10.0 + k, None if k > 4 else 0.5] for k in range(T)}
    return {"label": ["a", "b", "a"], **rows, "who": ["p", "q", "r"]}


def test_wide_table_is_recognised_by_numbered_columns() -> None:
    found = read_sequences(wide(12), task="classify", group="who")
    assert [len(s.values) for s in found.items] == [12, 12, 5]
    assert found.items[1].values[:, 0].tolist() == [10.0 + k for k in range(12)]  # t2 before t10
    assert found.groups == ["p", "q", "r"]
    assert found.features == ("t",)
    assert describe(found)[1] == "lengths: 5 to 12 steps, median 12, 29 in all"


def test_wide_table_of_several_channels() -> None:
    columns = {
        f"{c}_{k}": [k + offset] * 2 for c, offset in (("x", 0), ("y", 100)) for k in range(9)
    }
    found = read_sequences({"label": ["a", "b"], **columns}, task="classify")
    assert found.features == ("x", "y")
    assert found.items[0].values[3].tolist() == [3, 103]


def test_wide_by_kind_takes_all_numbers_in_their_order() -> None:
    table = {
        "label": ["a", "b"],
        "start": [1, 2],
        "middle": [3, 4],
        "end": [5, 6],
        "note": ["p", "q"],
    }
    found = read_sequences(table, task="classify", kind="wide")
    assert found.items[1].values[:, 0].tolist() == [2, 4, 6]
    assert "not used: note" in found.notes
    later = {"end": [9], "start": [7], "middle": [8]}
    again = read_sequences(later, task="classify", layout=found.layout, need_labels=False)
    assert again.items[0].values[:, 0].tolist() == [7, 8, 9]
    del later["end"]
    with pytest.raises(DataError, match="lacks the column 'end' that the model was trained with"):
        read_sequences(later, task="classify", layout=found.layout, need_labels=False)


def test_wide_table_of_users_who_did_several() -> None:
    columns = {f"t{k}": [float(k)] * 4 for k in range(8)}
    found = read_sequences(
        {"user": list("aabb"), "label": list("xyxy"), **columns}, task="classify"
    )
    assert found.layout["form"] == "wide"
    channels = read_sequences(
        {"user": list("aabb"), "label": list("xxyy"), **columns}, task="classify"
    )
    assert channels.layout["form"] == "long"


def test_wide_row_without_values() -> None:
    table = wide()
    for k in range(8):
        table[f"t{k}"][1] = None
    with pytest.raises(DataError, match=r"row 1 \(counting from 0\): is a sequence of length 0"):
        read_sequences(table, task="classify")


def test_wide_without_numbers() -> None:
    with pytest.raises(DataError, match="no column is left that holds numbers"):
        read_sequences({"label": ["a", "b"], "x": ["p", "q"]}, task="classify", kind="wide")


# ---------------------------------------------------------------------------- records


def test_records_are_sequences_of_one_step() -> None:
    table = {
        "bytes": [10, 20, None],
        "protocol": ["tcp", "udp", "tcp"],
        "label": ["ok", "bad", "ok"],
    }
    found = read_sequences(table, task="classify", kind="rows")
    assert (found.features, found.categorical) == (("bytes",), ("protocol",))
    assert found.items[1].values.tolist() == [[20.0]]
    assert found.items[1].categories.tolist() == [["udp"]]
    assert np.isnan(found.items[2].values).all()
    later = {"protocol": ["icmp"], "bytes": [5]}
    again = read_sequences(later, task="classify", layout=found.layout, need_labels=False)
    assert again.items[0].categories.tolist() == [["icmp"]]


def test_many_records_take_little_time() -> None:
    import time

    N = 300_000
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.normal(size=N), "label": rng.choice(["u", "v"], N)})
    started = time.perf_counter()
    assert len(read_sequences(frame, task="classify", kind="rows")) == N
    assert time.perf_counter() - started < 5
