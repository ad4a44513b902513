"""Log lines and files: when, what, of which session."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gatework.data.log_lines import MAX_LINE, NO_TIME, LineReader
from gatework.data.log_read import line_blocks, parameter_numbers, read_log, texts_at
from gatework.data.log_times import NAMES, find_format
from gatework.errors import ConfigError, DataError, ModelFileError

# line, format, its time, what is left of it
LINES: list[tuple[str, str, str, str]] = [
    ("2015-10-18 18:01:47,978 INFO [main] started", "iso", "2015-10-18 18:01:47.978", "INFO [main] started"),
    ("2024-01-02T03:04:05.678901Z 0 [Note] up", "iso", "2024-01-02 03:04:05.678901", "0 [Note] up"),
    ("2024-01-02T03:04:05+01:30 stdout F up", "iso", "2024-01-02 01:34:05", "stdout F up"),
    ("[2024/01/02 03:04:05] up", "iso", "2024-01-02 03:04:05", "up"),
    ('{"ts":"2024-01-02T03:04:05Z","msg":"up"}', "iso", "2024-01-02 03:04:05", '{"ts": "msg":"up"}'),
    ("<165>1 2003-08-24T05:14:15.000003-07:00 host up", "iso", "2003-08-24 12:14:15.000003", "<165>1 host up"),
    ("R02 2005-06-03-15.42.50.363779 RAS", "iso with points", "2005-06-03 15:42:50.363779", "R02 RAS"),
    ('10.0.0.1 - bob [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200', "apache", "2000-10-10 20:55:36",
     '10.0.0.1 - bob "GET / HTTP/1.0" 200'),
    ("[Sun Dec 04 04:47:44 2005] [notice] ok", "ctime", "2005-12-04 04:47:44", "[notice] ok"),
    ("Sun, 04 Dec 2005 04:47:44 +0000 ok", "day month year", "2005-12-04 04:47:44", "ok"),
    ("Jun  4 15:16:01 combo sshd[1]: ok", "syslog", "2001-06-04 15:16:01", "combo sshd[1]: ok"),
    ("<34>Oct 11 22:14:15.25 host su: ok", "syslog", "2001-10-11 22:14:15.25", "<34> host su: ok"),
    ("20171223-22:15:29:606|Step|ok", "compact", "2017-12-23 22:15:29.606", "Step|ok"),
    ("081109 203615 148 INFO dfs ok", "yymmdd hhmmss", "2008-11-09 20:36:15", "148 INFO dfs ok"),
    ("17/06/09 20:10:40 INFO ok", "yy/mm/dd", "2017-06-09 20:10:40", "INFO ok"),
    ("01/31/24 20:10:40 ok", "mm/dd/yy", "2024-01-31 20:10:40", "ok"),
    ("31/01/24 20:10:40 ok", "yy/mm/dd", "2031-01-24 20:10:40", "ok"),
    ("31.01.2024 13:00:01,5 ok", "dd/mm/yyyy", "2024-01-31 13:00:01.5", "ok"),
    ("1/31/2024 13:00:01 ok", "mm/dd/yyyy", "2024-01-31 13:00:01", "ok"),
    ("03-17 16:13:38.811  1702 D Window: ok", "mm-dd", "2001-03-17 16:13:38.811", "1702 D Window: ok"),
    ("[10.30 16:49:06] chrome.exe ok", "mm-dd", "2001-10-30 16:49:06", "chrome.exe ok"),
    ("1117838570 2005.06.03 ok", "epoch", "2005-06-03 22:42:50", "2005.06.03 ok"),
    ("1286536309.586 921 ok", "epoch", "2010-10-08 11:11:49.586", "921 ok"),
    ("t=1286536309586 ok", "epoch ms", "2010-10-08 11:11:49.586", "t= ok"),
    ("1286536309586123 ok", "epoch us", "2010-10-08 11:11:49.586123", "ok"),
    ("1286536309586123456 ok", "epoch ns", "2010-10-08 11:11:49.586123", "ok"),
    ("I0102 03:04:05.678901    1234 main.go:12] hi", "klog", "2001-01-02 03:04:05.678901",
     "1234 main.go:12] hi"),
    ("[   12.345678] usb 1-1: new", "uptime", "1970-01-01 00:00:12.345678", "usb 1-1: new"),
    ("13:00:01.5 ok", "clock", "1970-01-01 13:00:01.5", "ok"),
]  # fmt: skip


def micros(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1)) // timedelta(microseconds=1)


@pytest.mark.parametrize(("line", "name", "time", "message"), LINES, ids=[x[0][:30] for x in LINES])
def test_the_time_of_a_line_is_found_and_taken_out(
    line: str, name: str, time: str, message: str
) -> None:
    reader = LineReader.fit([line], year=2001)
    assert reader.time_format == name
    found = reader.read(line.encode())
    assert found.message == message
    assert found.time_us == micros(time)
    assert LineReader.from_json(json.loads(json.dumps(reader.to_json()))).time_format == name


def test_every_format_has_an_example_here() -> None:
    unambiguous = {name for _, name, _, _ in LINES}
    assert set(NAMES) - unambiguous == {"dd/mm/yy"}


def test_day_and_month_are_told_apart_by_the_sample() -> None:
    days = [f"{d:02}/{m:02}/24 10:00:00 ok" for m, d in ((1, 5), (1, 31), (2, 1), (2, 28))]
    assert find_format(days) == "dd/mm/yy"
    months = [f"{m:02}/{d:02}/2024 10:00:00 ok" for m, d in ((1, 5), (1, 31), (2, 1), (2, 28))]
    assert find_format(months) == "mm/dd/yyyy"


@pytest.mark.parametrize(
    "line",
    [
        "no time at all",
        "version 1.2.3 of 2024",
        "took 12:30",
        "2024-13-01 x",
        "id 99123456789",
        "",
    ],
)
def test_what_is_no_time_is_left_in_the_line(line: str) -> None:
    reader = LineReader.fit([line] * 3)
    assert reader.time_format is None
    assert reader.read(line) == (None, line, None)


def test_a_day_that_there_is_not_is_no_time() -> None:
    reader = LineReader("iso")
    assert reader.read("2023-02-29 10:00:00 x").time_us is None
    assert reader.timeless == 1


def test_a_line_without_a_time_has_that_of_the_line_before() -> None:
    reader = LineReader("iso")
    times, messages, keys = reader.read_many(
        [b"  at first", b"2024-01-01 00:00:01 went wrong", b"Traceback:", b"  line 3"]
    )
    second = micros("2024-01-01 00:00:01")
    assert times.tolist() == [NO_TIME, second, second, second]
    assert messages == ["  at first", "went wrong", "Traceback:", "  line 3"]
    assert keys == [None] * 4
    assert reader.timeless == 3


def test_the_year_goes_on_after_december_and_a_late_line_does_not_turn_it() -> None:
    reader = LineReader("syslog", year=2023)
    lines = ["Dec 31 23:59:59 a", "Jan  1 00:00:01 a", "Dec 31 23:59:58 late", "Feb 29 00:00:00 a"]
    years = [datetime.fromtimestamp((reader.read(x).time_us or 0) / 1e6, UTC).year for x in lines]
    assert years == [2023, 2024, 2023, 2024]
    assert reader.year == 2024
    later = LineReader.from_json(reader.to_json())
    later.restore(json.loads(json.dumps(reader.state())))
    assert later.read("Mar  1 00:00:00 a").time_us == micros("2024-03-01 00:00:00")


def test_a_year_that_is_not_written_is_the_latest_possible() -> None:
    today = datetime.now(UTC)
    for days in (-300, -1, 0, 200):
        day = today + timedelta(days=days)
        if (day.month, day.day) == (2, 29):
            day -= timedelta(days=1)
        found = LineReader("mm-dd").read(f"{day:%m-%d} 00:00:00 x").time_us or 0
        ago = today - datetime.fromtimestamp(found / 1e6, UTC)
        assert timedelta(days=-2) < ago < timedelta(days=368)


def test_a_clock_alone_goes_on_at_midnight() -> None:
    reader = LineReader("clock")
    times = reader.read_many(["23:59:59 a", "00:00:01 a", "00:00:00 a"])[0]
    assert np.diff(times).tolist() == [2_000_000, -1_000_000]


def test_the_session_is_the_first_group_or_the_match() -> None:
    assert LineReader(None, r"blk_-?\d+").read("got blk_-7 now").key == "blk_-7"
    assert LineReader(None, r"job=(\w+)").read("job=a7 done").key == "a7"
    assert LineReader(None, r"job=(\w+)").read("done").key is None


def test_sessions_that_cannot_be_found_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"session='\(' is no regular expression"):
        LineReader.fit(["a"], session="(")
    with pytest.raises(DataError, match="fits none of the first 2 lines, such as 'a'"):
        LineReader.fit(["a", "b"], session="job")


def test_what_cannot_be_read_is_replaced_cut_and_counted() -> None:
    reader = LineReader(None)
    assert reader.read(b"caf\xe9\r\n").message == "caf\ufffd"
    assert len(reader.read(b"x" * 100_000).message) == MAX_LINE
    assert reader.read("x" * 70_000).message == "x" * MAX_LINE
    assert (reader.invalid, reader.cut) == (1, 2)


@pytest.mark.parametrize(
    "saved",
    [{}, {"version": 1, "time_format": "odd", "session": None},
     {"version": 1, "time_format": None, "session": "("}, {"version": 1, "time_format": [], "session": 3}],
)  # fmt: skip
def test_a_damaged_reader_is_refused(saved: Any) -> None:
    with pytest.raises(ModelFileError, match="Train the model"):
        LineReader.from_json(saved)


def write_log(path: Path, n: int = 300) -> Path:
    start = datetime(2024, 1, 1)
    lines = []
    for k in range(n):
        stamp = f"{start + timedelta(seconds=k):%Y-%m-%d %H:%M:%S},{k % 1000:03d}"
        lines.append(f"{stamp} INFO job=j{k % 3} step {k} took {k / 4} ms")
        if k % 50 == 0:
            lines.append("")
    data = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["app.log", "app.log.gz"])
def test_a_log_is_read_as_columns(tmp_path: Path, name: str) -> None:
    path = write_log(tmp_path / name)
    data = read_log(path, session=r"job=(\w+)")
    assert data.log_templates.templates == ("INFO job=j<*> step <*> took <*> ms",)
    assert data.times is not None
    assert np.diff(data.times[:3]).tolist() == [1_001_000, 1_001_000]
    assert data.templates.tolist() == [0] * 300
    assert data.offsets.tolist() == list(range(0, 901, 3))
    assert data.numbers[-3:].tolist() == [2, 299, 74.75]
    assert data.keys is not None
    assert data.keys[:4].tolist() == [0, 1, 2, 0]
    assert data.sessions == ("j0", "j1", "j2")
    assert data.lines[:3].tolist() == [1, 3, 4]  # line 2 is blank
    assert data.notes == ()
    text = texts_at(path, [3, 306])
    assert "step 1 took" in text[3]
    assert "step 299" in text[306]
    short = read_log(path, rows=10)
    assert len(short.lines) == len(short.templates) == 10
    assert short.keys is None


def test_a_later_log_is_read_as_the_first_was(tmp_path: Path) -> None:
    first = read_log(write_log(tmp_path / "a.log"), session=r"job=(\w+)")
    (tmp_path / "b.log").write_text("2024-01-01 10:00:00 INFO job=j9 step 5 took 6 ms\nstopped\n")
    later = read_log(tmp_path / "b.log", reader=first.reader, templates=first.log_templates)
    assert later.templates.tolist() == [0, -1]
    assert later.sessions == ("j9",)
    assert later.notes == ("1 line without a time, which take that of the line before",)


def test_templates_are_learned_from_the_share_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("alpha one\n" * 70 + "beta two three\n" * 30)
    data = read_log(path, fit_share=0.7)
    assert data.log_templates.templates == ("alpha one",)
    assert data.templates.tolist() == [0] * 70 + [-1] * 30
    assert data.times is None


def test_odd_lines_are_cut_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"\xef\xbb\xbfone two\n" + b"x" * 5_000_000 + b"\ncaf\xe9 two\nlast two")
    data = read_log(path)
    assert data.lines.tolist() == [1, 2, 3, 4]
    assert data.notes == (
        "1 line with invalid UTF-8, which was replaced",
        "1 line longer than 65,536 bytes, which were cut",
    )
    assert data.log_templates.match("one two")[0] >= 0
    assert max(len(line) for _, block in line_blocks(path) for line in block) == MAX_LINE + 1


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
def test_blocks_of_any_size_give_the_same_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr("gatework.data.log_read._CHUNK", size)
    monkeypatch.setattr("gatework.data.log_read.MAX_LINE", 5)
    path = tmp_path / "a.log"
    path.write_bytes(b"ab\n\n0123456789\n01234\n012345\r\n  \nend")
    found = [
        (n, x) for numbers, lines in line_blocks(path) for n, x in zip(numbers, lines, strict=True)
    ]
    right = [(1, b"ab"), (3, b"012345"), (4, b"01234"), (5, b"012345"), (7, b"end")]
    assert found == right
    first = [n for numbers, _ in line_blocks(path, 2) for n in numbers]
    assert first == [1, 3]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.log", b"", "holds no lines"),
        ("a.log", b"\n \n", "holds no lines"),
        ("a.log", bytes(range(256)) * 4 + b"\0" * 100, "is binary"),
        ("a.log", "a\n".encode("utf-16"), "UTF-16"),
        ("a.log", gzip.compress(b"a\n"), "the ending .gz"),
        ("a.log.gz", b"a\n", "damaged or not gzip"),
        ("a.log.gz", gzip.compress(b"a\n" * 1000)[:-12], "damaged or not gzip"),
    ],
)
def test_what_is_no_log_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_log(path)


def test_a_path_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read_log(tmp_path / "absent.log")
    with pytest.raises(DataError, match="is a folder"):
        read_log(tmp_path)


def test_parameters_that_are_no_finite_numbers_are_missing() -> None:
    offsets, numbers = parameter_numbers([("1e3", "nan", "inf"), (), ("0x1f", "-2", "")])
    assert offsets.tolist() == [0, 3, 3, 6]
    assert np.isnan(numbers).tolist() == [False, True, True, True, False, True]
    assert parameter_numbers([])[0].tolist() == [0]
