"""Sequences of events as rows: a session and its end, labels for all of them or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatework.data.observe_events import END, read_events
from gatework.errors import DataError


def test_sessions_end_with_an_end(tmp_path: Path) -> None:
    path = tmp_path / "events.txt"
    path.write_text("normal\topen read close\nbad\topen\nnormal\topen close\n")
    found = read_events(path, rows=100)
    assert found.offsets.tolist() == [0, 4, 6, 9]
    assert found.labels is not None
    assert found.labels.tolist() == [False, True, False]
    assert [found.words[0][int(found.codes[i, 0])] for i in (3, 5, 8)] == [END] * 3
    assert found.notes == ("3 sessions of 6 events, 3 kinds of them",)
    assert found.place(5) == found.names[1]
    assert len(found.take([0, 2]).labels) == 2  # type: ignore[arg-type]
    assert len(read_events(path, rows=6).names) == 2  # whole sessions
    assert len(read_events(path, rows=1).names) == 1


def test_labels_of_sessions_are_all_or_none() -> None:
    items = [["a", "b"], ["a"]]
    assert read_events(items, rows=9).labels is None
    with pytest.raises(DataError, match="has no labels to judge by"):
        read_events(items, rows=9, need_labels=True)
    with pytest.raises(DataError, match=r"no label says that a session is normal.*'bad'"):
        read_events(items, rows=9, labels=["bad", "bad"])
    found = read_events(items, rows=9, labels=["fine", "bad"], normal="Fine")
    assert found.labels is not None
    assert found.labels.tolist() == [False, True]
