"""Event sequences: lines, columns, lists, and long tables of categories alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatework.data.sources.find import read_sequences
from gatework.errors import ConfigError, DataError


def test_lines_with_labels(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("fine\t5 5 22\nodd\t9\n\nfine\t5\n")
    found = read_sequences(path, task="classify", kind="events")
    assert found.labels == ["fine", "odd", "fine"]
    assert found.items[0].categories.tolist() == [["5"], ["5"], ["22"]]
    assert found.items[0].values.shape == (3, 0)
    assert found.names[2].endswith("line 4")
    later = tmp_path / "new.txt"
    later.write_text("5 22\n")
    again = read_sequences(later, task="classify", layout=found.layout, need_labels=False)
    assert again.labels is None
    assert again.items[0].categories.tolist() == [["5"], ["22"]]


def test_lines_without_ending_or_labels(tmp_path: Path) -> None:
    path = tmp_path / "hdfs_train"
    path.write_text("5 5 22\n9\n")
    found = read_sequences(path, task="classify", kind="events", labels=["a", "b"])
    assert [len(s.values) for s in found.items] == [3, 1]


def test_regression_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("1.5\ta b\n2\tb\n")
    assert read_sequences(path, task="regress", kind="events").labels == [1.5, 2.0]
    path.write_text("1.5\ta b\nx\tb\n")
    with pytest.raises(DataError, match="'x' is not a number"):
        read_sequences(path, task="regress", kind="events")


def test_table_with_a_sequence_a_row() -> None:
    table = {"clicks": ["home cart pay", "home"], "label": ["buys", "leaves"], "who": ["p", "q"]}
    found = read_sequences(table, task="classify", kind="events", text="clicks", group="who")
    assert found.items[0].categories[:, 0].tolist() == ["home", "cart", "pay"]
    assert (found.labels, found.groups) == (["buys", "leaves"], ["p", "q"])
    again = read_sequences(
        {"clicks": ["pay"]}, task="classify", layout=found.layout, need_labels=False
    )
    assert again.items[0].categories.tolist() == [["pay"]]
    with pytest.raises(DataError, match="name the column that holds the events"):
        read_sequences(table, task="classify", kind="events")


def test_lists_of_events() -> None:
    found = read_sequences([[1, 2, "x"], [3]], labels=["a", "b"], task="classify", kind="events")
    assert found.items[0].categories.tolist() == [["1"], ["2"], ["x"]]
    texts = read_sequences([["a", "b"], ["c"]], labels=["a", "b"], task="classify")
    assert texts.categorical == ("event",)
    tagged = read_sequences([[1, 2], [3]], labels=[["u", "v"], ["u"]], task="tag", kind="events")
    assert tagged.per_step


def test_long_table_of_categories_and_times() -> None:
    table = {
        "session": [1, 1, 2],
        "time": [10, 15, 3],
        "event": ["in", "out", "in"],
        "label": ["u", "u", "v"],
    }
    found = read_sequences(table, task="classify", series="session")
    assert (found.features, found.categorical) == ((), ("event",))
    assert found.items[0].times.tolist() == [10.0, 15.0]


def test_sequence_of_length_0(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("fine\t5\nodd\t \nodd\t7\n")
    with pytest.raises(DataError, match="line 2: is a sequence of length 0"):
        read_sequences(path, task="classify", kind="events")
    found = read_sequences(path, task="classify", kind="events", skip_bad=True)
    assert found.labels == ["fine", "odd"]
    with pytest.raises(DataError, match=r"sequence 1 .*length 0"):
        read_sequences([["a"], []], labels=["a", "b"], task="classify", kind="events")


def test_groups_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("fine\t5\n")
    with pytest.raises(ConfigError, match="lines of events have none"):
        read_sequences(path, task="classify", kind="events", group="who")
