"""Templates of log lines: every line of the fit has one, and what is new is told as unseen."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.data.log_index import MARK, TemplateIndex
from gatework.data.log_templates import MAX_CHARS, LogTemplates, UnseenTable
from gatework.errors import DataError, MissingDependencyError, ModelFileError

SHAPES = (
    "Receiving block blk_{} src: /10.250.{}.{}:50010 dest: /10.250.19.102:50010",
    "PacketResponder {} for block blk_-{} terminating",
    "session opened for user {} by (uid={})",
    "cache at {}.5% after {}ms",
)


def written(n: int = 400) -> list[str]:
    draw = random.Random(3)
    users = ["root", "alice", "bob", "carol"]
    lines = []
    for _ in range(n):
        shape = draw.choice(SHAPES)
        parts = [str(draw.randrange(10 ** draw.randrange(1, 9))) for _ in range(4)]
        if "user" in shape:
            parts[0] = draw.choice(users)
        lines.append(shape.format(*parts))
    return lines


def test_the_shapes_that_lines_were_written_by_are_found() -> None:
    found = LogTemplates.fit(written())
    assert set(found.templates) == {
        "Receiving block blk_<*> src: /<*> dest: /<*>",
        "PacketResponder <*> for block blk_-<*> terminating",
        "session opened for user <*> by (uid=<*>)",
        "cache at <*>% after <*>ms",
    }
    assert list(found.counts) == sorted(found.counts, reverse=True)
    assert sum(found.counts) == 400
    assert not found.notes


def test_parameters_are_what_stands_at_the_marks() -> None:
    found = LogTemplates.fit(written())
    number, parameters = found.match("session opened for user mallory by (uid=0)")
    assert (found.templates[number], parameters) == (
        "session opened for user <*> by (uid=<*>)",
        ("mallory", "0"),
    )
    assert found.match("cache at 99.5% after 7ms")[1] == ("99.5", "7")
    assert found.match("session opened for user db-7x by (uid=12)")[1] == ("db-7x", "12")
    assert found.match("PacketResponder 2 for block blk_-38865 terminating")[1] == ("2", "38865")


@pytest.mark.parametrize(
    ("line", "masked", "values"),
    [
        ("took 12 s", "took <*> s", ["12"]),
        ("x=-3.5e-7, y=+2", "x=<*>, y=<*>", ["-3.5e-7", "+2"]),
        ("range 10-20", "range <*>-<*>", ["10", "20"]),
        ("from 10.0.0.1:443", "from <*>", ["10.0.0.1:443"]),
        ("from fe80::1ff:fe23:4567:890a", "from <*>", ["fe80::1ff:fe23:4567:890a"]),
        ("mac 00:1A:2b:3c:4d:5e up", "mac <*> up", ["00:1A:2b:3c:4d:5e"]),
        ("mac 00:11:22:33:44:55", "mac <*>", ["00:11:22:33:44:55"]),
        ("at 2024-02-29T12:00:00.5Z", "at <*>", ["2024-02-29T12:00:00.5Z"]),
        ("at 12:00:01,250 on", "at <*> on", ["12:00:01,250"]),
        ("id 550e8400-e29b-41d4-a716-446655440000", "id <*>", ["550e8400-e29b-41d4-a716-446655440000"]),
        ("at 0xdeadBEEF", "at <*>", ["0xdeadBEEF"]),
        ("commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "commit <*>",
         ["9fceb02d0ae598e95dc970b74767f19372d61af8"]),
        ("open /var/log/syslog failed", "open <*> failed", ["/var/log/syslog"]),
        ("and/or", "and/or", []),
        ("GET https://example.org/a?b=1 ok", "GET <*> ok", ["https://example.org/a?b=1"]),
        ("eth0 link", "eth<*> link", ["0"]),
        ("a <*> b", "a <*> b", ["<*>"]),
        ("größe 5 µs – läuft", "größe <*> µs – läuft", ["5"]),
        ("no numbers", "no numbers", []),
    ],
)  # fmt: skip
def test_what_is_filled_in_is_masked(line: str, masked: str, values: list[str]) -> None:
    found = LogTemplates([masked])
    assert found.match(line) == (0, tuple(values))
    assert found.parameters == (len(values),)


lines_of = st.lists(
    st.text(alphabet=st.sampled_from("ab 1.:-/x<*>\t\x85é"), max_size=25), min_size=1, max_size=30
)


@settings(deadline=None)
@given(lines_of)
def test_every_line_of_the_fit_has_a_template_and_as_many_parameters_as_it(
    lines: list[str],
) -> None:
    found = LogTemplates.fit(lines)
    ids, parameters = found.match_many(lines)
    assert (ids >= 0).all()
    assert [len(p) for p in parameters] == [found.parameters[i] for i in ids]
    assert found.unseen.total == 0
    again = LogTemplates.from_json(json.loads(json.dumps(found.to_json())))
    assert again.match_many(lines)[0].tolist() == ids.tolist()
    assert again.match_many(lines)[1] == parameters
    for line, number, own in zip(lines, ids.tolist(), parameters, strict=True):
        filled = found.templates[number]
        for value in own:
            filled = filled.replace(MARK, "\0" + value.replace(MARK, "\1"), 1)
        assert filled.replace("\0", "").replace("\1", MARK).split() == line.split()


@given(st.lists(st.lists(st.sampled_from(["a", "b", MARK]), max_size=4), max_size=8, unique_by=tuple),
       st.lists(st.sampled_from(["a", "b", "c", MARK]), max_size=4))  # fmt: skip
def test_the_index_finds_what_a_search_through_all_finds(
    templates: list[list[str]], words: list[str]
) -> None:
    fits = [
        (t.count(MARK), n)
        for n, t in enumerate(templates)
        if len(t) == len(words) and all(x in (MARK, y) for x, y in zip(t, words, strict=True))
    ]
    index = TemplateIndex([" ".join(t) for t in templates])
    number = index.find(" ".join(words))[0]
    if not fits:
        assert number == -1
    else:  # of those with the fewest marks any one fits as well
        assert number in {n for marks, n in fits if marks == min(fits)[0]}


def test_unseen_lines_are_counted_with_an_example() -> None:
    found = LogTemplates.fit(written())
    for n in range(5):
        assert found.match(f"disk sd{n} failed") == (-1, (str(n),))
    found.match("out of memory")
    assert len(found) == 4  # nothing is learned after the fit
    assert found.unseen.total == 6
    first = found.unseen.rows()[0]
    assert (first.text, first.count, first.example) == ("disk sd<*> failed", 5, "disk sd0 failed")
    again = UnseenTable.from_json(json.loads(json.dumps(found.unseen.to_json())))
    assert again.rows() == found.unseen.rows()
    assert again.total == 6


def test_memory_stays_small_whatever_comes() -> None:
    found = LogTemplates.fit(written(50))
    lines = ["".join(random.Random(n).choices("abcdefgh ", k=30)) for n in range(3000)]
    found.match_many(lines)
    assert found.unseen.total >= 2990
    assert len(found.unseen.rows()) == 100
    assert found.match("x" * 100_000)[0] == -1
    assert max(len(r.example) for r in found.unseen.rows()) <= 400
    assert max(len(key) for key in found._index._cache) <= 1000
    long = "value " * 1000
    assert len(LogTemplates.fit([long, long]).templates[0]) <= MAX_CHARS


def test_the_rarest_templates_are_left_out_and_it_is_said() -> None:
    shapes = ["alpha one two", "beta", "gamma delta", "epsilon zeta eta theta"]
    lines = [s for n, s in enumerate(shapes) for _ in range(4 - n)]
    found = LogTemplates.fit(lines, max_templates=2)
    assert found.templates == ("alpha one two", "beta")
    assert "of 4 templates the 2 most frequent are kept" in found.notes[0]
    assert found.match("gamma delta")[0] == -1


def test_learning_ends_at_its_bound_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatework.data.log_templates._MAX_LEARNED", 3)
    found = LogTemplates.fit([f"{'w ' * n}end" for n in range(10)])
    assert len(found) == 3
    assert "the first 3 distinct lines" in found.notes[-1]


def test_text_that_is_no_unicode_does_not_stop_it() -> None:
    found = LogTemplates.fit(["caf\udce9 5 open", "caf\udce9 6 open"])
    assert found.match("caf\udce9 7 open")[0] == 0


def test_a_log_without_lines_is_refused() -> None:
    with pytest.raises(DataError, match="no lines to learn templates from"):
        LogTemplates.fit([])


@pytest.mark.parametrize(
    "saved",
    [
        {},
        {"version": 2, "templates": [], "counts": []},
        {"version": 1, "templates": ["a"], "counts": []},
        {"version": 1, "templates": ["a", "a"], "counts": [1, 2]},
        {"version": 1, "templates": [3], "counts": [1]},
        {"version": 1, "templates": ["a"], "counts": [True]},
        {"version": 1, "templates": None, "counts": [1]},
        [],
    ],
)
def test_damaged_templates_are_refused(saved: Any) -> None:
    with pytest.raises(ModelFileError, match="Train the model again"):
        LogTemplates.from_json(saved)


def test_matching_needs_no_drain3() -> None:
    code = (
        "import sys; sys.modules['drain3'] = None\n"
        "from gatework.data.log_templates import LogTemplates\n"
        "t = LogTemplates(['sent <*> bytes'])\n"
        "assert t.match('sent 5 bytes') == (0, ('5',))\n"
        "try:\n    LogTemplates.fit(['a'])\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(MissingDependencyError.__name__)
    assert "pip install 'gatework[logs]'" in done.stdout
