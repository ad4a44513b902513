"""Pen strokes of JSON lines, InkML and UNIPEN, right and wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from gatework.data.sources.find import read_sequences
from gatework.data.sources.strokes import is_strokes, read_ink, read_strokes
from gatework.errors import ConfigError, DataError

ROWS: list[dict[str, Any]] = [
    {"label": "1", "donor": "ann", "strokes": [[[0, 0], [0, 5]]]},
    {"label": "7", "donor": "bob", "strokes": [[[0, 0, 9], [4, 0, 9]], [[4, 0], [1, 6]]]},
    {"label": "1", "donor": "bob", "strokes": [{"x": [1, 2], "y": [3, 4]}, []]},
]


def lines(path: Path, rows: list[Any]) -> Path:
    text = "\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def read(path: Path, task: str = "classify", **roles: Any) -> Any:
    return read_sequences(path, task=task, **roles)


# ------------------------------------------------------------------------------------- JSON
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    path = lines(tmp_path / name, ROWS)
    assert is_strokes(path)
    found = read(path, group="donor")
    assert (found.kind, found.labels, found.groups) == (
        "strokes",
        ["1", "7", "1"],
        ["ann", "bob", "bob"],
    )
    assert [s.tolist() for s in found.items[1].strokes] == [[[0, 0], [4, 0]], [[4, 0], [1, 6]]]
    assert [s.tolist() for s in found.items[2].strokes] == [[[1, 3], [2, 4]]]
    assert found.names[2] == f"{path}, line 3"
    later = read(path, need_labels=False, layout=found.layout)
    assert (later.labels, later.groups) == (found.labels, found.groups)
    assert read(path, "regress").labels == [1, 7, 1]
    assert read(path, label="donor").labels == ["ann", "bob", "bob"]


def test_drawings(tmp_path: Path) -> None:
    row = {"word": "cat", "drawing": [[[0, 1, 2], [5, 6, 7]], [[3], [8]]]}
    found = read_strokes(lines(tmp_path / "a.jsonl", [row]), task="classify")
    assert [s.tolist() for s in found.items[0].strokes] == [[[0, 5], [1, 6], [2, 7]], [[3, 8]]]
    assert found.labels == ["cat"]


@pytest.mark.parametrize(
    ("row", "fact"),
    [
        ("{nonsense", "is no JSON"),
        ({"label": "1"}, "has no field 'strokes'"),
        ({"label": "1", "strokes": "abc"}, "is no list of strokes"),
        ({"label": "1", "strokes": [["a"]]}, "a stroke is no list of points"),
        ({"label": "1", "strokes": [[[1], [2]]]}, "a stroke is no list of points"),
        ({"label": "1", "strokes": [[[1, 2], [2]]]}, "a stroke is no list of points"),
        ({"label": "1", "strokes": [{"x": [1]}]}, "a stroke lacks 'y'"),
        ({"label": "1", "strokes": [{"x": [1], "y": [1, 2]}]}, "differ in number"),
        ('{"label": "1", "strokes": [[[1, NaN]]]}', "a point is not finite"),
        ({"label": "1", "strokes": []}, "holds no points"),
        ({"label": "1", "strokes": [[], []]}, "holds no points"),
    ],
)
def test_bad_lines(tmp_path: Path, row: Any, fact: str) -> None:
    path = lines(tmp_path / "a.jsonl", [*ROWS, row])
    with pytest.raises(DataError, match=f"line 4: .*{fact}.*--skip-bad"):
        read(path)
    found = read(path, skip_bad=True)
    assert len(found) == 3
    assert fact in found.skipped[0]


def test_fields_that_are_not_there(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", ROWS)
    with pytest.raises(ConfigError, match=r"'lable', which is no field. Did you mean 'label'"):
        read(path, label="lable")
    with pytest.raises(ConfigError, match=r"'writer', which is no field"):
        read(path, group="writer")
    with pytest.raises(DataError, match=r"not a number"):
        read(path, "regress", label="donor")
    with pytest.raises(DataError, match=r"one label"):
        read_strokes(path, task="tag")
    bare = lines(tmp_path / "b.jsonl", [{"strokes": [[[0, 0]]]}])
    with pytest.raises(DataError, match=r"no field is called label"):
        read(bare)
    assert read(bare, need_labels=False).labels is None
    with pytest.raises(DataError, match=r"label is missing"):
        read(lines(path, [*ROWS, {"label": None, "strokes": [[[0, 0]]]}]))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"no readable gzip"):
        read_strokes(tmp_path / "a.jsonl.gz", task="classify")
    (tmp_path / "a.jsonl").write_bytes(b"")
    with pytest.raises(DataError, match=r"the file is empty"):
        read_strokes(tmp_path / "a.jsonl", task="classify")
    (tmp_path / "a.jsonl").write_bytes(b'{"strokes": "\xff"}')
    with pytest.raises(DataError, match=r"is not UTF-8"):
        read_strokes(tmp_path / "a.jsonl", task="classify")


# ------------------------------------------------------------------------------------ InkML
INK = """<?xml version="1.0"?>
<ink xmlns="http://www.w3.org/2003/InkML">
  <traceFormat><channel name="X"/><channel name="Y"/><channel name="T"/></traceFormat>
  <annotation type="writer">ann</annotation>
  {}
</ink>
"""
TRACES = """<trace id="a">10 0 1, 9 14 2, 8 28 3</trace>
  <trace xml:id="b">130 155 1, 144 159 2</trace>
  <trace id="c">1 2 3</trace>"""
GROUPS = """<traceGroup><annotation type="truth">all</annotation>
  <traceGroup><annotation type="truth">x</annotation><traceView traceDataRef="a"/></traceGroup>
  <traceGroup><annotation type="truth">y</annotation><traceView traceDataRef="#b"/>
    <traceView traceDataRef="c"/></traceGroup></traceGroup>"""


def inkml(folder: Path, inner: str, name: str = "a.inkml") -> Path:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(INK.format(inner))
    return folder / name


def test_inkml_groups(tmp_path: Path) -> None:
    path = inkml(tmp_path, TRACES + GROUPS)
    found = read(path, group="writer")
    assert (found.labels, found.groups) == (["x", "y"], ["ann", "ann"])
    assert [len(i.strokes) for i in found.items] == [1, 2]
    assert found.items[0].strokes[0].tolist() == [[10, 0], [9, 14], [8, 28]]
    assert found.names[1] == f"{path}, trace group 2"


def test_inkml_as_one(tmp_path: Path) -> None:
    path = inkml(tmp_path, TRACES + '<annotation type="truth">q</annotation>')
    assert read_strokes(path, task="classify").labels == ["q"]
    assert len(read_ink(path).strokes) == 3
    classes = tmp_path / "classes"
    for name in ("p/1.inkml", "q/1.inkml"):
        (classes / name).parent.mkdir(parents=True)
        (classes / name).write_text(INK.format(TRACES + GROUPS))
    found = read(classes)
    assert (found.kind, found.labels) == ("strokes", ["p", "q"])
    assert len(found.items[0].strokes) == 3


@pytest.mark.parametrize(
    ("trace", "points"),
    [
        ("1 2,3 4", [[1, 2], [3, 4]]),
        ("10 20, '1'2, 3 4, -1-1", [[10, 20], [11, 22], [14, 26], [13, 25]]),
        ("10 20, '1'1, \"1\"1, 1 1, 0 0", [[10, 20], [11, 21], [13, 23], [16, 26], [19, 29]]),
        ("1 2, * 5, 3 *", [[1, 2], [1, 5], [3, 5]]),
        ("#1A 2, !3 !4", [[26, 2], [3, 4]]),
        (
            "1125 18432,'23'43,'7'-8,3-5",
            [[1125, 18432], [1148, 18475], [1155, 18467], [1158, 18462]],
        ),
        ("1.5e1 -.5", [[15, -0.5]]),
    ],
)
def test_inkml_values(tmp_path: Path, trace: str, points: list[list[float]]) -> None:
    (tmp_path / "a.inkml").write_text(f"<ink><trace>{trace}</trace></ink>")
    assert read_ink(tmp_path / "a.inkml").strokes[0].tolist() == points


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("<ink><trace>1 2</ink>", "is no XML that can be read"),
        ("<svg></svg>", "is no InkML: its outermost element is 'svg'"),
        ('<!DOCTYPE ink [<!ENTITY a "b">]><ink/>', "declares entities"),
        ("<ink><trace>1 2, x 3</trace></ink>", "trace 1: point 2 is 'x 3'"),
        ("<ink><trace>1 2, 3</trace></ink>", "trace 1: point 2 is '3'"),
        (INK.format("<trace>1 2 3 4</trace>"), "has 4 values for 3 channels"),
        ("<ink><traceFormat><channel name='F'/></traceFormat></ink>", "no channels X and Y"),
        ("<ink></ink>", "no pen strokes|no points"),
    ],
)
def test_bad_inkml(tmp_path: Path, text: str, fact: str) -> None:
    (tmp_path / "a.inkml").write_text(text)
    with pytest.raises(ValueError, match=fact):
        read_ink(tmp_path / "a.inkml")


# ----------------------------------------------------------------------------------- UNIPEN
UNIPEN = """.VERSION 1.0
.WRITER_ID ann
.COORD X Y T
.SEGMENT WORD 0-4 ? "on"
.SEGMENT CHARACTER 0 OK "o"
.SEGMENT CHARACTER 2:1-4:0 OK "n\\""
.SEGMENT CHARACTER 2 BAD "z"
.PEN_DOWN
0 0 1
1 5 2
.PEN_UP
1 6 3
.PEN_DOWN
2 1 4 3 2 5
4 3 6
.PEN_UP
4 4 7
.COMMENT between
.PEN_DOWN
5 5 8
6 6 9
"""


def test_unipen(tmp_path: Path) -> None:
    path = tmp_path / "a.unipen"
    path.write_text(UNIPEN)
    found = read(path, group="writer")
    assert found.labels == ["o", 'n"']
    assert found.groups == ["ann", "ann"]
    assert [s.tolist() for s in found.items[0].strokes] == [[[0, 0], [1, -5]]]
    assert [s.tolist() for s in found.items[1].strokes] == [[[3, -2], [4, -3]], [[5, -5]]]
    assert found.names[0] == f"{path}, line 5"
    words = read_strokes(path, task="classify", label="word")
    assert words.labels == ["on"]
    assert len(words.items[0].strokes) == 3
    assert len(read_ink(path).strokes) == 3
    with pytest.raises(ConfigError, match=r"level 'line'"):
        read(path, label="line")


def test_unipen_includes(tmp_path: Path) -> None:
    (tmp_path / "include").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "include" / "ink.dat").write_text(".COORD X Y\n.PEN_DOWN\n1 2\n3 4\n")
    path = tmp_path / "data" / "a.unp"
    path.write_text('.INCLUDE ink.dat\n.SEGMENT CHARACTER 0 OK "a"\n.SEGMENT CHARACTER 0 OK "b"\n')
    assert read(path).labels == ["a", "b"]
    for name, fact in (("../x.dat", "leaves the folder"), ("none.dat", "which is not there")):
        path.write_text(f".INCLUDE {name}\n")
        with pytest.raises(DataError, match=fact):
            read(path)


@pytest.mark.parametrize(
    ("old", "new", "fact"),
    [
        ("1 5 2", "1 five 2", r"line 10: 'five' is not a number"),
        ("1 5 2", "1 5", "numbers do not make points of 3"),
        (".COORD X Y T", ".COORD A B", "names no X and Y"),
        ("CHARACTER 0 OK", "CHARACTER 9 OK", "names component 9, and there are 5"),
        ("CHARACTER 0 OK", "CHARACTER 0-x OK", "delineation '0-x' cannot be read"),
        ("CHARACTER 0 OK", "CHARACTER 1 OK", "holds no points"),
    ],
)
def test_bad_unipen(tmp_path: Path, old: str, new: str, fact: str) -> None:
    path = tmp_path / "a.unipen"
    path.write_text(UNIPEN.replace(old, new, 1))
    with pytest.raises(DataError, match=fact):
        read(path)
