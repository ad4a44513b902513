"""A log as observations: templates, numbers, times and sessions of its lines."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gatework.data import log_read, log_templates
from gatework.data.log_channels import LogChannels, parameter_name
from gatework.data.log_lines import LineReader
from gatework.data.log_rows import SET_BACK, LogRows
from gatework.data.log_templates import LogTemplates
from gatework.data.observe_log import read_log_lines
from gatework.data.row_encoder import UNSEEN, RowEncoder
from gatework.errors import ConfigError, DataError, ModelFileError

ODD_WORDS = """
1 -2 +3 4.5 1,234 10.0.0.1:80 0x1F deadbeef12 12:30:45.123 /usr/bin/x http://a.b/c?d=1 é5 5é 1e5 <*>
1_000 x-1 blk_-123 fe80::1 aa:bb:cc:dd:ee:ff 123e4567-e89b-12d3-a456-426614174000 (7ms) １２ inf nan /a
"""


def log(rows: int = 300) -> list[str]:
    rng = np.random.default_rng(0)
    lines = []
    for i in range(rows):
        stamp = f"2024-03-01 08:{i // 60:02d}:{i % 60:02d}"
        if i % 3:
            lines.append(f"{stamp} job a{i // 30} took {rng.gamma(9):.1f} ms, seq={i}")
        else:
            lines.append(f"{stamp} job a{i // 30} started on host{'AB'[i % 2]}")
    return lines


def test_a_line_is_its_template_and_its_numbers() -> None:
    found = read_log_lines(log(), rows=10**6)
    assert found.channels == ("took # ms",)  # seq only rises
    assert any("seq=#" in note for note in found.notes)
    assert found.codes.shape == (300, 1)
    assert found.categories == ("template",)
    assert found.words[0][found.codes[1, 0]].startswith("job a<*> took <*> ms")
    assert np.isnan(found.values[0, 0])
    assert found.values[1, 0] > 0
    assert found.times is not None
    assert found.stamps is not None
    assert str(found.stamps[61]) == "2024-03-01 08:01:01"
    assert found.layout["clock"]
    assert found.seconds() == 1.0


def test_file_packed_file_and_list_are_alike(tmp_path: Path) -> None:
    lines = log()
    text = "\n\n".join(lines).encode() + b"\n"
    (tmp_path / "app.log").write_bytes(text)
    (tmp_path / "app.log.gz").write_bytes(gzip.compress(text))
    listed = read_log_lines(lines, rows=10**6)
    for name in ("app.log", "app.log.gz"):
        found = read_log_lines(tmp_path / name, rows=10**6)
        assert np.array_equal(found.values, listed.values, equal_nan=True)
        assert found.layout == listed.layout
        assert found.lines is not None
        assert found.lines[17] == 35
        assert found.place(17) == f"{tmp_path / name}, line 35"
        assert found.texts is not None
        assert found.texts(17) == lines[17]
    assert listed.place(17) == "line 18"


def test_templates_and_channels_are_learned_from_the_first_part_alone() -> None:
    lines = log(300)
    late = [f"2024-03-01 09:00:{i % 60:02d} cache {i} dropped" for i in range(120)]
    found = read_log_lines(lines + late, rows=10**6)
    assert not any("dropped" in w for w in found.words[0])
    assert {found.words[0][c] for c in found.codes[300:, 0]} == {UNSEEN}
    every = read_log_lines(lines + late, rows=10**6, fit_share=1.0)
    assert any("dropped" in w for w in every.words[0])
    counted = read_log_lines(lines + late, rows=10**6, fit_share=300)
    assert counted.words == found.words


def test_an_unseen_template_is_no_word_of_training() -> None:
    lines = [*log(100), *["2024-03-01 09:00:00 disk failed"] * 100]
    found = read_log_lines(lines, rows=10**6, fit_share=100)
    everything = np.ones(len(found), bool)
    encoder = RowEncoder.fit(found, everything, everything)
    assert UNSEEN not in encoder.words[0]
    assert (encoder.encode(found).tokens[100:, 0] == 1).all()


def test_layout_reads_later_lines_in_the_same_way() -> None:
    first = read_log_lines(log(), rows=10**6)
    layout = json.loads(json.dumps(first.layout))
    again = read_log_lines(log(), rows=10**6, layout=layout)
    assert np.array_equal(again.values, first.values, equal_nan=True)
    assert again.words == first.words
    assert (again.codes == first.codes).all()
    new = read_log_lines(["2024-03-02 10:00:00 kernel panic"], rows=9, layout=layout)
    assert new.words[0][new.codes[0, 0]] == UNSEEN
    with pytest.raises(ConfigError, match=r"session='x': the model was fitted with None"):
        read_log_lines(log(), rows=9, layout=layout, session="x")
    damages: list[dict[str, Any]] = [
        {"parameters": [[99, 0]]},
        {"parameters": []},
        {"templates": {}},
    ]
    for damage in damages:
        with pytest.raises(ModelFileError, match="Train the model again"):
            read_log_lines(log(), rows=9, layout=layout | damage)


def test_sessions_are_series_in_the_order_in_which_they_begin() -> None:
    lines = [*log(90), "2024-03-01 08:30:00 nothing of a job"]
    found = read_log_lines(lines, rows=10**6, session=r"job (\w+)")
    assert found.names == ("a0", "a1", "a2", "")
    assert found.lengths.tolist() == [30, 30, 30, 1]
    assert found.layout["series"]
    assert not found.sessions
    mixed = read_log_lines(lines[::3] + lines[1::3], rows=10**6, session=r"job (\w+)")
    assert mixed.texts is not None
    assert mixed.lines is not None
    for row in (0, 25, 60):
        assert mixed.texts(row) == (lines[::3] + lines[1::3])[mixed.lines[row] - 1]
        assert mixed.place(row) == f"line {mixed.lines[row]}"
    with pytest.raises(DataError, match="fits none of the first"):
        read_log_lines(lines, rows=10**6, session=r"thread (\d+)")


def test_what_is_no_log_is_told() -> None:
    with pytest.raises(DataError, match="holds no lines"):
        read_log_lines(["", "  "], rows=10)
    with pytest.raises(DataError, match="a log is a file or a list of lines, not dict"):
        read_log_lines({"a": [1]}, rows=10)
    with pytest.raises(DataError, match="a log has no labels"):
        read_log_lines(log(), rows=10, need_labels=True)
    with pytest.raises(DataError, match="there is no such file"):
        read_log_lines("nowhere.log", rows=10)


def rows() -> LogRows:
    lines = ["2024-03-01 08:00:00 tick 1"] * 3
    return LogRows(LineReader.fit(lines), LogTemplates.fit(["tick 1"]))


def ticks(*seconds: int) -> list[str]:
    return [f"2024-03-01 08:{s // 60:02d}:{s % 60:02d} tick {s}" for s in seconds]


def seconds_of(read: Any) -> list[int]:
    return [round(t / 1e6) % 3600 for t in read.times]


def test_late_lines_take_the_latest_time_until_the_clock_is_set_back() -> None:
    reading = rows()
    assert seconds_of(reading.read(ticks(10, 20, 12, 21))) == [10, 20, 20, 21]
    assert seconds_of(reading.read(ticks(15, 22))) == [21, 22]
    assert reading.late == 2
    back = reading.read(ticks(*range(5, 5 + SET_BACK + 3)))
    found = seconds_of(back)
    assert reading.set_back == 0
    assert found[0] == 22
    assert found[-1] == 5 + SET_BACK + 2
    reading = rows()
    reading.read(ticks(1000))
    found = seconds_of(reading.read(ticks(*range(SET_BACK + 3))))
    assert found == [1000] * (SET_BACK - 1) + list(range(SET_BACK - 1, SET_BACK + 3))
    assert reading.set_back == 1


def test_lines_before_the_first_time_are_left_out() -> None:
    reading = rows()
    first = reading.read(["service 1.2 starting", "", "tick 0"])
    assert len(first.lines) == 0
    second = reading.read(["tick 0", *ticks(5), "  at line 3", ""])
    assert second.lines.tolist() == [1, 2]
    assert seconds_of(second) == [5, 5]
    assert reading.early == 3


def test_rows_do_not_depend_on_the_blocks_nor_on_a_restart() -> None:
    lines = [*ticks(10, 9, 30, 5), "disk failed", *ticks(4, 31)]
    whole = rows().read(lines)
    reading, times = rows(), []
    for line in lines:
        times += reading.read([line]).times.tolist()  # type: ignore[union-attr]
        state = json.loads(json.dumps(reading.state()))
        reading = rows()
        reading.restore(state)
    assert whole.times is not None
    assert times == whole.times.tolist()
    assert whole.templates.tolist() == [0, 0, 0, 0, -1, 0, 0]
    assert reading.late == 4
    with pytest.raises((KeyError, TypeError, ValueError)):
        reading.restore({"latest": [["", "soon", 0]]})


def test_few_lines_are_matched_as_many_are() -> None:
    words = [*re.findall(r"\S+", ODD_WORDS), "\u2003"]
    lines = [" ".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, i + 4)]
    lines += ["".join(words[i : i + 2]) for i in range(len(words))] + ["\ud800 5", "x" * 3000]
    templates = LogTemplates.fit(["a 1", "b 2"])
    ids, parameters = templates.match_many(lines)
    assert len(lines) > log_templates._FEW
    for line, own, many in zip(lines, ids, parameters, strict=True):
        assert templates.match(line) == (own, many)
    offsets, numbers = log_read.parameter_numbers(parameters)
    assert len(numbers) > log_read._FEW
    for i, many in enumerate(parameters):
        few = log_read.parameter_numbers([many])[1]
        assert np.array_equal(few, numbers[offsets[i] : offsets[i + 1]], equal_nan=True)


@pytest.mark.parametrize(
    ("template", "k", "name"),
    [
        ("Received block <*> of size <*> from <*>", 1, "size #"),
        ("query took <*> ms, rows=<*>", 0, "took # ms"),
        ("query took <*> ms, rows=<*>", 1, "rows=#"),
        ("answered <*> in <*> ms, <*> bytes", 1, "answered … in # ms"),
        ("answered <*> in <*> ms, <*> bytes", 2, "# bytes"),
        ("<*> <*>", 1, "#"),
        ("cpu[<*>]: <*>%", 0, "cpu[#"),
    ],
)
def test_a_number_is_named_by_the_words_beside_it(template: str, k: int, name: str) -> None:
    assert parameter_name(template, k) == name


def channels_of(*columns: Any) -> LogChannels:
    table = np.column_stack([np.asarray(c, float) for c in columns])
    N, K = table.shape
    template = "x " + " ".join(f"{name}=<*>" for name in ("aa", "bb", "cc")[:K])
    return LogChannels.fit(np.zeros(N, np.int64), np.full(N, K), table.ravel(), [template])


def test_numbers_that_tell_nothing_are_no_channels() -> None:
    rng = np.random.default_rng(1)
    usual, n = rng.gamma(9, size=400), np.arange(400)
    assert channels_of(usual).names == ("aa=#",)
    assert channels_of(usual, n).names == ("aa=#",)  # rises
    assert channels_of(usual, rng.integers(10**12, size=400)).names == ("aa=#",)  # identifies
    holes = np.where(rng.random(400) < 0.2, np.nan, usual)
    assert channels_of(usual, holes).names == ("aa=#",)  # a number in 80 %
    few = np.where(rng.random(400) < 0.05, np.nan, usual)
    assert channels_of(usual, few, np.full(400, 7)).names == ("aa=#", "bb=#", "cc=#")
    assert channels_of(usual[:49]).names == ()
    assert channels_of(np.sin(n / 60) + usual / 9).names == ("aa=#",)  # up and down again


def test_parts_of_names_and_versions_are_no_channels() -> None:
    rng = np.random.default_rng(0)
    template = "host<*> runs v<*> on node-<*> of <*>-<*>: took=<*>ms [<*>] <*>%"
    N = 300
    found = LogChannels.fit(
        np.zeros(N, np.int64), np.full(N, 8), rng.gamma(9, size=8 * N), [template]
    )
    assert [k for _, k in sorted(found.places)] == [5, 6, 7]


def test_same_names_are_told_apart_and_the_most_frequent_are_taken() -> None:
    rng = np.random.default_rng(0)
    templates = [f"part{i} took <*> ms" for i in range(40)]
    ids = np.repeat(np.arange(40), np.arange(60, 100))
    counts, numbers = np.ones(len(ids), np.int64), rng.gamma(9, size=len(ids))
    found = LogChannels.fit(ids, counts, numbers, templates)
    assert len(found.names) == len(set(found.names)) == 32
    assert found.names[0] == "took # ms (part39 took … ms)"
    assert any("8 rarer numbers" in note for note in found.notes)
    assert found.values(ids, counts, numbers).shape == (len(ids), 32)
    unseen = found.values(np.array([-1, 39]), np.array([2, 1]), np.array([5.0, 6.0, 7.0]))
    assert np.isnan(unseen[0]).all()
    assert unseen[1, 0] == 7.0
