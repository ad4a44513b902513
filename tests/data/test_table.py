"""Reading and writing tables: every kind of source, every way it can be broken."""

from __future__ import annotations

import gzip
import json
import os
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatework.data import write as write_module
from gatework.data.table import Table, check_writable, read_table, write_atomically, write_table
from gatework.errors import ConfigError, DataError, OutputError


def put(folder: Path, content: bytes | str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def columns(table: Table) -> dict[str, list[object]]:
    return table.frame.to_dict(as_series=False)


# ------------------------------------------------------------------ text that reads well


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a,b\n1,2\n3,4\n", {"a": [1, 3], "b": [2, 4]}),
        (b"\xef\xbb\xbfa,b\n1,2", {"a": [1], "b": [2]}),
        (b"a,b\r\n1,2\r\n3,4\r\n", {"a": [1, 3], "b": [2, 4]}),
        (b"a,b\r1,2\r3,4\r", {"a": [1, 3], "b": [2, 4]}),
        ("a,ß\n1,ü\n".encode("utf-16"), {"a": [1], "ß": ["ü"]}),
        (b"\xfe\xff" + "a,b\r\n1,ü\r\n".encode("utf-16-be"), {"a": [1], "b": ["ü"]}),
        (b"a;b\n1,5;x\n2.000,25;y\n", {"a": [1.5, 2000.25], "b": ["x", "y"]}),
        (b"a;b\n1.5;2\n2.25;3\n", {"a": [1.5, 2.25], "b": [2, 3]}),
        (b"a\tb\n1\t2,5\n", {"a": [1], "b": [2.5]}),
        (b"a|b\n1|2\n", {"a": [1], "b": [2]}),
        (b'a,b\n1,"x, y"\n2,"say ""so"""\n', {"a": [1, 2], "b": ["x, y", 'say "so"']}),
        (b"a,b\n1,NA\n2,N/A\n3,nan\n4,null\n5,None\n6,-\n7,\n8,0.5\n",
         {"a": list(range(1, 9)), "b": [None] * 7 + [0.5]}),
        (b"a,b\n 1 , x \n2,y\n", {"a": [1, 2], "b": ["x", "y"]}),
        (b" a , b\n1,2\n", {"a": [1], "b": [2]}),
        (b",b\n0,2\n1,3\n", {"unnamed": [0, 1], "b": [2, 3]}),
        (b"a,b\n1e3,-2\n-.5,+3\n", {"a": [1000.0, -0.5], "b": [-2, 3]}),
        (b"id,b\n007,1\n008,2\n", {"id": ["007", "008"], "b": [1, 2]}),
        (b"a\n1\n\n3\n\n\n", {"a": [1, None, 3]}),
        (b"\n\na,b\n1,2\n\n3,4\n\n", {"a": [1, 3], "b": [2, 4]}),
        (b"0,1,2\n5,6,7\n", {"0": [5], "1": [6], "2": [7]}),
    ],
)  # fmt: skip
def test_text_tables(tmp_path: Path, content: bytes, expected: dict[str, list[object]]) -> None:
    assert columns(read_table(put(tmp_path, content))) == expected


def test_other_endings(tmp_path: Path) -> None:
    expected = {"a": [1, 2], "b": ["x", "y"]}
    text = "a,b\n1,x\n2,y\n"
    records = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    lines = "\n".join(map(json.dumps, records))
    pl.DataFrame(expected).write_parquet(tmp_path / "t.parquet")
    paths = [
        tmp_path / "t.parquet",
        put(tmp_path, gzip.compress(text.encode()), "t.csv.gz"),
        put(tmp_path, text.replace(",", "\t"), "t.TSV"),
        put(tmp_path, text, "t.txt"),
        put(tmp_path, json.dumps(records, indent=1), "t.json"),
        put(tmp_path, lines, "lines.json"),
        put(tmp_path, lines + "\n\n", "t.jsonl"),
        put(tmp_path, lines, "t.ndjson"),
    ]
    for path in paths:
        assert columns(read_table(path)) == expected, path
        assert columns(read_table(str(path))) == expected, path


def test_json_of_columns(tmp_path: Path) -> None:
    table = read_table(put(tmp_path, '{"a": [1, 2], "b": ["x", null]}', "t.json"))
    assert columns(table) == {"a": [1, 2], "b": ["x", None]}
    with pytest.raises(DataError, match="'a' has 1, 'b' has 2"):
        read_table(put(tmp_path, '{"a": [1], "b": [1, 2]}', "t.json"))


def test_json_with_nan_and_late_keys(tmp_path: Path) -> None:
    table = read_table(put(tmp_path, '[{"a": NaN}, {"a": 2.5, "b": 1}]', "t.json"))
    assert columns(table) == {"a": [None, 2.5], "b": [None, 1]}


def test_a_stray_text_in_row_50000_is_kept_and_named(tmp_path: Path) -> None:
    values = [str(k / 2) for k in range(60_000)]
    values[49_999] = "broken"
    table = read_table(
        put(tmp_path, "n,load\n" + "\n".join(f"{k},{v}" for k, v in enumerate(values)))
    )
    assert table.frame.schema["load"] == pl.String
    with pytest.raises(DataError) as error:
        table.numbers("load")
    message = str(error.value)
    for part in (
        "table.csv",
        "row 50000 (line 50001)",
        "'load'",
        "'broken'",
        "leave the cell empty",
    ):
        assert part in message


def test_row_labels_follow_blank_lines_and_line_breaks_in_quotes(tmp_path: Path) -> None:
    table = read_table(put(tmp_path, 'a,b\n1,"x\ny"\n\n2,z\n'))
    assert [table.row_label(k) for k in range(2)] == ["row 1 (line 2)", "row 2 (line 5)"]
    assert read_table({"a": [1]}).row_label(0) == "row 0 (counting from 0)"


# ------------------------------------------------------------------ text that does not


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["empty"]),
        (b"\n \n", ["empty"]),
        (b"a,b\n", ["header (a, b) but no rows"]),
        (b"a,b,a\n1,2,3\n", ["'a' occurs twice (columns 1 and 3)", "Rename"]),
        (b"a,b\n1,2\n3\n", ["row 2 (line 3)", "has 1 field", "header has 2"]),
        (b"a,b\n1,2\n3,4,5\n6,7,8\n", ["row 2 (line 3)", "has 3 fields", "2 such rows", "comma"]),
        (b"a;b\n1;2\n3;4;5\n", ["row 2 (line 3)", "separated by semicolon"]),
        (b'a,b\n1,2\n3,"x\n4,5\n', ["line 3", "quote", "never closed"]),
        (b'h,i\n1,a\n1,5"pipe\n2,b\n3,6"pipe\n', ["line 3", "stands inside a text", "double"]),
        ("a,b\n1,2\n3,Köln\n".encode("latin-1"),
         ["line 3", "not UTF-8", "byte 11 is 0xf6", "'3,Köln'", "iconv -f WINDOWS-1252"]),
        (b"\xff\xfea\0,\0b\0\n\0\x00\xd8", ["UTF-16", "damaged"]),
        (b"PK\x03\x04 sheet", ["zip or Excel file", "Export it as CSV"]),
        (b"PAR1\0\0", ["Parquet file", ".parquet"]),
        (bytes(range(256)), ["binary data"]),
        (b"2016-07-01 00:00:00,5.8\n2016-07-01 01:00:00,5.7\n",
         ["line 1", "looks like values", "names of the columns"]),
    ],
)  # fmt: skip
def test_broken_text(tmp_path: Path, content: bytes, parts: list[str]) -> None:
    path = put(tmp_path, content)
    with pytest.raises(DataError) as error:
        read_table(path)
    assert str(error.value).startswith(str(path))
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("t.parquet", b"PAR1 cut", "no readable Parquet file"),
        ("t.json", b'[{"a": 1}, {"a":', "line 1: is not valid JSON"),
        ("t.json", b"[1, 2]", "record 1: is 1, not an object"),
        ("t.json", b"[]", "no columns"),
        ("t.jsonl", b'{"a": 1}\n{"a": oops}\n', "line 2: is not valid JSON"),
        ("t.jsonl", b'{"a": "\xff"}', "not UTF-8"),
        ("t.csv.gz", b"a,b\n1,2\n", "no readable gzip file"),
    ],
)
def test_broken_files_of_other_kinds(tmp_path: Path, name: str, content: bytes, part: str) -> None:
    with pytest.raises(DataError, match=part) as error:
        read_table(put(tmp_path, content, name))
    assert name in str(error.value)


def test_paths_that_hold_no_table(tmp_path: Path) -> None:
    put(tmp_path, "a\n1\n", "latest.csv")
    with pytest.raises(DataError, match=r"no such file\. Did you mean 'latest\.csv'\?"):
        read_table(tmp_path / "lates.csv")
    with pytest.raises(DataError, match=r"folder .* does not exist either"):
        read_table(tmp_path / "nowhere" / "a.csv")
    with pytest.raises(DataError, match=r"is a folder.*latest\.csv"):
        read_table(tmp_path)
    with pytest.raises(ConfigError, match=r"'\.xlsx'.*Known are \.csv"):
        read_table(put(tmp_path, "a", "t.xlsx"))
    with pytest.raises(ConfigError, match="without an ending"):
        read_table(put(tmp_path, "a", "noending"))


# ------------------------------------------------------------------ frames and arrays


def test_frames_of_other_libraries() -> None:
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    expected = {"a": [1.5, None], "b": ["x", "y"]}
    frame = pl.DataFrame({"a": [1.5, float("nan")], "b": ["x", "y"]})
    for source in (
        frame,
        frame.lazy(),
        pd.DataFrame({"a": [1.5, float("nan")], "b": ["x", "y"]}),
        pa.table({"a": [1.5, None], "b": ["x", "y"]}),
        {"a": [1.5, None], "b": ["x", "y"]},
    ):
        assert columns(read_table(source)) == expected
    assert frame["a"].is_nan().to_list() == [False, True]  # the source stays as it was
    table = read_table(frame)
    assert read_table(table) is table


def test_a_pandas_index_of_times_becomes_a_column() -> None:
    pd = pytest.importorskip("pandas")
    days = pd.date_range("2024-01-01", periods=2, name="day")
    assert read_table(pd.DataFrame({"y": [1, 2]}, index=days)).frame.columns == ["day", "y"]
    assert read_table(pd.DataFrame({"y": [1, 2]}, index=days.rename(None))).frame.columns == [
        "time", "y"]  # fmt: skip
    assert read_table(pd.Series([1, 2], index=days, name="y")).frame.columns == ["day", "y"]
    months = pd.period_range("2024-01", periods=2, freq="M", name="month")
    assert read_table(pd.DataFrame({"y": [1, 2]}, index=months)).frame["month"][1] == datetime(
        2024, 2, 1)  # fmt: skip
    both = pd.MultiIndex.from_product([["a"], days], names=["meter", "day"])
    assert read_table(pd.DataFrame({"y": [1, 2]}, index=both)).frame.columns == [
        "meter",
        "day",
        "y",
    ]
    assert read_table(pd.DataFrame({"y": [1, 2]}).iloc[::-1]).frame.columns == ["y"]


def test_awkward_pandas_columns() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({
        0: pd.Categorical(["x", None]),
        "mixed": pd.Series([1, "two"], dtype=object),
        "whole": pd.array([1, None], dtype="Int64"),
        "flag": [True, False],
    })  # fmt: skip
    table = read_table(frame)
    assert columns(table) == {"0": ["x", None], "mixed": ["1", "two"], "whole": [1, None],
                              "flag": [True, False]}  # fmt: skip
    with pytest.raises(DataError, match=r"row 1 .*'mixed'.*'two' is not a number"):
        table.numbers("mixed")
    with pytest.raises(DataError, match="'a' occurs twice"):
        read_table(pd.DataFrame([[1, 2]], columns=["a", "a"]))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((4,), ["value"]), ((4, 1), ["value"]), ((4, 2), ["value_0", "value_1"]),
     ((3, 4, 1), ["series", "value"]), ((3, 4, 2), ["series", "value_0", "value_1"])],
)  # fmt: skip
def test_arrays(shape: tuple[int, ...], expected: list[str]) -> None:
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    table = read_table(array)
    assert table.frame.columns == expected
    assert table.is_array
    values = table.frame.select(pl.selectors.starts_with("value")).to_numpy()
    np.testing.assert_array_equal(values.ravel(), array.ravel())


@pytest.mark.parametrize(
    ("source", "kind", "part"),
    [
        (np.zeros(()), DataError, "0 dimensions"),
        (np.zeros((1, 1, 1, 1)), DataError, r"Pass shape \(T,\)"),
        (np.zeros(0), DataError, "no rows"),
        (np.array(["a"]), DataError, "no plain numbers"),
        ({"a": [1], "b": [1, 2]}, DataError, "'a' has 1, 'b' has 2"),
        ({"a": 5}, DataError, "column 'a'"),
        ({}, DataError, "no columns"),
        (42, ConfigError, "a int is no table"),
        (None, ConfigError, "NoneType is no table"),
    ],
)
def test_objects_that_are_no_table(source: object, kind: type[Exception], part: str) -> None:
    with pytest.raises(kind, match=part):
        read_table(source, name="mine")


def test_numbers_refuse_what_is_none() -> None:
    table = read_table({"x": [1.0, float("inf")], "d": [datetime(2024, 1, 1)] * 2, "l": [[1], [2]]})
    with pytest.raises(DataError, match=r"row 1 .*'x': the value is infinite"):
        table.numbers("x")
    with pytest.raises(DataError, match="'d': holds Datetime"):
        table.numbers("d")
    with pytest.raises(DataError, match="'l': holds List"):
        table.texts("l")
    assert read_table({"x": [1.0, None, 2.0]}).texts("x").to_list() == ["1", None, "2"]


# ------------------------------------------------------------------ writing


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".json", ".jsonl"])
def test_written_tables_read_back(tmp_path: Path, ending: str) -> None:
    times = [datetime(2024, 1, 1, h) for h in range(3)]
    names = ["a", 'b "c"', None]
    frame = pl.DataFrame({"time": times, "y": [1.5, None, float("nan")], "name": names})
    path = tmp_path / f"out{ending}"
    write_table(frame, path)
    back = read_table(path).frame
    if ending != ".parquet":
        assert back["time"][0] == "2024-01-01 00:00:00"
        back = back.with_columns(pl.col("time").str.to_datetime(time_unit="us"))
    assert back.equals(frame.with_columns(pl.col("y").fill_nan(None)))
    assert os.listdir(tmp_path) == [path.name]
    assert path.stat().st_mode & 0o600 == 0o600


@given(st.lists(st.tuples(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
                          st.text("abc ,;\"'\n\tü", min_size=1).filter(lambda t: t == t.strip())),
                min_size=1, max_size=20))  # fmt: skip
def test_csv_round_trip(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple]) -> None:
    texts = ["t" + r[1] for r in rows]
    frame = pl.DataFrame({"key": range(len(rows)), "x": [r[0] for r in rows], "text": texts})
    frame = frame.cast({"x": pl.Float64})
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    write_table(frame, path)
    back = read_table(path).frame
    assert back.cast({"x": pl.Float64}).equals(frame)


def test_times_keep_zone_and_fraction(tmp_path: Path) -> None:
    stamps = pl.Series("t", [datetime(2024, 7, 1, 0, 0, 0, 500)]).dt.replace_time_zone(
        "Europe/Berlin"
    )
    write_table(pl.DataFrame({"t": stamps}), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "t\n2024-07-01 00:00:00.000500+02:00\n"


def test_refused_writes_leave_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pl.DataFrame({"a": [1]})
    old = put(tmp_path, "old", "out.csv")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(write_module.os, "fsync", full)
        with pytest.raises(OutputError, match=r"out\.csv: cannot be written: no space left"):
            write_table(frame, old)
    assert old.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.csv"]
    with pytest.raises(ConfigError, match=r"'\.xlsx'.*\.csv, \.tsv, \.parquet"):
        write_table(frame, tmp_path / "t.xlsx")
    with pytest.raises(OutputError, match="is a folder"):
        write_atomically(tmp_path, b"")
    for check in (check_writable, lambda p: write_atomically(p, b"x")):
        with pytest.raises(OutputError, match=r"folder .*nowhere.* does not exist"):
            check(tmp_path / "nowhere" / "t.csv")
        with pytest.raises(OutputError):
            check(old / "t.csv")  # a file where a folder is needed
    assert os.listdir(tmp_path) == ["out.csv"]


def test_check_writable_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "t.csv")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_device_is_named() -> None:
    with pytest.raises(OutputError, match="/dev/full: cannot be written: no space left"):
        write_atomically("/dev/full", b"x" * 100_000)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real = put(tmp_path, "old", "real.csv")
    link = tmp_path / "link.csv"
    link.symlink_to(real)
    write_table(pl.DataFrame({"a": [1]}), link)
    assert link.is_symlink()
    assert real.read_text() == "a\n1\n"
