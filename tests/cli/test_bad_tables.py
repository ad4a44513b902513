"""Tables that cannot be used: one message that says what, where and what to do; nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Refuse = Callable[..., str]
Write = Callable[..., Path]
Rows = list[list[str]]


def changed(rows: Rows, row: int, column: int, value: str) -> Rows:
    return [
        [value if (k, c) == (row, column) else cell for c, cell in enumerate(line)]
        for k, line in enumerate(rows)
    ]


def rows_of(path: Path) -> Rows:
    return [line.split(",") for line in path.read_text().splitlines()[1:]]


# ---- fit ----------------------------------------------------------------------------------------------


def test_file_missing(refused_fit: Refuse, table: Path) -> None:
    refused_fit(
        table.with_name("god.csv"),
        says=["god.csv: there is no such file", "Did you mean 'good.csv'"],
    )


def test_folder_of_the_file_missing(refused_fit: Refuse, tmp_path: Path) -> None:
    refused_fit(tmp_path / "no" / "good.csv", says=["no such file", "does not exist either"])


def test_folder_given_for_a_file(refused_fit: Refuse, tmp_path: Path, table: Path) -> None:
    refused_fit(tmp_path, says=["is a folder, not a table", "good.csv"])


@pytest.mark.parametrize("content", [b"", b" \n\n"])
def test_file_empty(refused_fit: Refuse, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "empty.csv").write_bytes(content)
    refused_fit(tmp_path / "empty.csv", says=["empty.csv: the file is empty"])


def test_header_without_rows(refused_fit: Refuse, write: Write) -> None:
    refused_fit(write("head.csv", []), says=["head.csv", "header (time, load) but no rows"])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("noise.csv", bytes(range(256)) * 8, "is binary data, not a text table"),
        ("zip.csv", b"PK\x03\x04" + bytes(60), "is a zip or Excel file"),
        (
            "letter.txt",
            b"Dear Sir,\nthis is a letter\nand no table.\n",
            "letter.txt, row 1 (line 2)",
        ),
        ("photo.png", b"\x89PNG\r\n", "unknown kind of file '.png'"),
        ("broken.parquet", b"PAR1 and then nothing", "is no readable Parquet file"),
        ("broken.json", b'[{"time": "2024-01-01", ', "is not valid JSON"),
        ("broken.csv.gz", b"\x1f\x8b\x08 and then nothing", "is no readable gzip file"),
    ],
)
def test_not_a_table(
    refused_fit: Refuse, tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    refused_fit(tmp_path / name, says=[name, says])


def test_wrong_encoding(refused_fit: Refuse, tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes(b"time,load\n2024-01-01,1\n2024-01-02,M\xfcnchen\n")
    refused_fit(
        tmp_path / "latin.csv",
        says=["latin.csv, line 3", "not UTF-8", "München", "Save the file as"],
    )


def test_no_time_column(refused_fit: Refuse, table: Path, write: Write) -> None:
    rows = [[v, v] for _, v in rows_of(table)]
    refused_fit(
        write("n.csv", rows, "load,temp"),
        says=["n.csv: no column holds timestamps", "--time", "'load', 'temp'"],
    )


def test_unparsable_timestamp(refused_fit: Refuse, table: Path, write: Write) -> None:
    rows = changed(rows_of(table), 49, 0, "2024-13-99 00:00:00")
    refused_fit(
        write("t.csv", rows),
        says=["t.csv, row 50 (line 51), column 'time': '2024-13-99 00:00:00'", "Correct it"],
    )


def test_missing_timestamp(refused_fit: Refuse, table: Path, write: Write) -> None:
    refused_fit(
        write("t.csv", changed(rows_of(table), 49, 0, "")),
        says=["t.csv, row 50 (line 51), column 'time': the timestamp is missing"],
    )


def test_target_that_is_no_number(refused_fit: Refuse, table: Path, write: Write) -> None:
    refused_fit(
        write("x.csv", changed(rows_of(table), 49, 1, "n.v.")),
        says=[
            "x.csv, row 50 (line 51), column 'load': 'n.v.' is not a number",
            "leave the cell empty",
        ],
    )


def test_constant_target(refused_fit: Refuse, table: Path, write: Write) -> None:
    refused_fit(
        write("c.csv", [[t, "5"] for t, _ in rows_of(table)]),
        says=["c.csv, column 'load': the target is 5 in every row", "Name another target"],
    )


def test_target_that_is_constant_while_it_trains(
    refused_fit: Refuse, table: Path, write: Write
) -> None:
    rows = [[t, v if k > 180 else "5"] for k, (t, v) in enumerate(rows_of(table))]
    refused_fit(
        write("c.csv", rows), says=["c.csv", "'load' is constant", "in the training part", "split"]
    )


@pytest.mark.parametrize("role", ["--target", "--past", "--known", "--static"])
def test_column_without_a_value(refused_fit: Refuse, table: Path, write: Write, role: str) -> None:
    data = write("m.csv", [[*r, ""] for r in rows_of(table)], "time,load,temp")
    others = [] if role == "--target" else ["--target", "load"]
    refused_fit(
        data, *others, role, "temp", says=["column 'temp': every value is missing", "Leave"]
    )


def test_only_column_without_a_value(refused_fit: Refuse, table: Path, write: Write) -> None:
    refused_fit(
        write("m.csv", [[t, ""] for t, _ in rows_of(table)]),
        says=["m.csv: no numeric column", "Of column 'load' every value is missing"],
    )


def test_too_few_rows(refused_fit: Refuse, table: Path, write: Write) -> None:
    refused_fit(
        write("few.csv", rows_of(table)[:10]),
        says=["few.csv: 10 rows are too few", "context=12 and horizon=4 need at least 24"],
    )


def test_context_larger_than_the_table(refused_fit: Refuse, table: Path) -> None:
    refused_fit(table, "--context", 1000, says=["200 rows are too few", "need at least 1012"])


def test_duplicate_timestamps(refused_fit: Refuse, table: Path, write: Write) -> None:
    rows = rows_of(table)
    refused_fit(
        write("d.csv", [*rows[:100], rows[99], *rows[100:]]),
        says=["d.csv, row 101 (line 102), column 'time'", "2024-01-05 03:00 is there already in row 100",
              "--mend"],
    )  # fmt: skip


def test_unsorted_rows(refused_fit: Refuse, table: Path, write: Write) -> None:
    rows = rows_of(table)
    rows[50], rows[51] = rows[51], rows[50]
    refused_fit(write("u.csv", rows), says=["row 52 (line 53)", "comes after", "--mend"])


@pytest.mark.parametrize("value", ["inf", "-inf", "1e999"])
def test_infinite_value(refused_fit: Refuse, table: Path, write: Write, value: str) -> None:
    refused_fit(
        write("i.csv", changed(rows_of(table), 49, 1, value)),
        says=["i.csv, row 50 (line 51), column 'load': the value is infinite", "Correct it"],
    )


def test_ragged_row(refused_fit: Refuse, table: Path, write: Write) -> None:
    rows = rows_of(table)
    rows[9].append("7")
    refused_fit(
        write("r.csv", rows), says=["row 10 (line 11): has 3 fields where the header has 2"]
    )


def test_repeated_column_name(refused_fit: Refuse, table: Path, write: Write) -> None:
    rows = [[*r, "1"] for r in rows_of(table)]
    refused_fit(write("r.csv", rows, "time,load,load"), says=["'load' occurs twice"])


# ---- predict and evaluate -----------------------------------------------------------------------------


def test_predict_with_missing_columns(
    refused: Refuse, model: Path, table: Path, write: Write
) -> None:
    data = write("p.csv", rows_of(table), "time,Lod")
    refused(
        "predict", model, data,
        says=["p.csv: lacks column 'load' (target)", "fitted with", "Did you mean 'Lod'"],
    )  # fmt: skip


def test_predict_with_extra_columns(
    refused: Refuse, run: Callable[..., Any], model: Path, table: Path, write: Write
) -> None:
    data = write("p.csv", [[*r, "1"] for r in rows_of(table)], "time,load,temp")
    for verb in ("predict", "evaluate"):
        refused(verb, model, data, says=["p.csv: has column 'temp'", "--ignore-extra"])
        assert run(verb, model, data, "--ignore-extra").code == 0


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_predict_with_another_frequency(
    refused: Refuse, run: Callable[..., Any], model: Path, write: Write, verb: str
) -> None:
    rows = [
        [f"2024-02-{1 + k // 96:02} {k // 4 % 24:02}:{k % 4 * 15:02}", str(k)] for k in range(200)
    ]
    data = write("q.csv", rows)
    refused(
        verb, model, data,
        says=["another frequency", "15 minutes", "steps of 1 hour", "--resample 1h"],
    )  # fmt: skip
    assert run(verb, model, data, "--resample", "1h").code == 0
    refused(verb, model, data, "--resample", "2h", says=["1 hour", "resample='1h'"])


def test_predict_with_too_few_rows(refused: Refuse, model: Path, table: Path, write: Write) -> None:
    data = write("few.csv", rows_of(table)[:11])
    refused("predict", model, data, says=["11 rows", "context of 12", "at least the last 12"])
    refused("evaluate", model, data, says=["11 rows", "12 + 4 = 16"])


def test_predict_with_an_infinite_value(
    refused: Refuse, model: Path, table: Path, write: Write
) -> None:
    data = write("i.csv", changed(rows_of(table), 199, 1, "inf"))
    refused("predict", model, data, says=["i.csv, row 200 (line 201)", "infinite"])


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_an_existing_result_stays_when_the_table_is_bad(
    refused: Refuse, model: Path, tmp_path: Path, verb: str
) -> None:
    result = tmp_path / "result.json"
    result.write_text("of last week")
    refused(
        verb, model, tmp_path / "none.csv", "-o", result, says=["none.csv: there is no such file"]
    )


def test_predict_without_the_future_of_a_known_covariate(
    refused: Refuse, run: Callable[..., Any], table: Path, tmp_path: Path, write: Write
) -> None:
    from_hour = [[t, v, t[11:13]] for t, v in rows_of(table)]
    data = write("k.csv", from_hour, "time,load,hour")
    options = [
        "--hidden-size",
        "8",
        "--max-epochs",
        "1",
        "--context",
        "12",
        "--horizon",
        "4",
        "--threads",
        "1",
        "--quiet",
    ]
    fit = ("fit", "forecast", data, "--target", "load", "--known", "hour", *options)
    assert run(*fit, "-o", tmp_path / "known").code == 0
    refused(
        "predict", tmp_path / "known", data,
        says=["the future of hour is needed: 4 rows must follow", "there are 0"],
    )  # fmt: skip
