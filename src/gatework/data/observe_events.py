"""Event sequences as observations: a session is a series, its end an event too."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from gatework.data import observe_table
from gatework.data.observations import BoolArray, Observations
from gatework.data.observe_table import NORMAL_WORDS, coded
from gatework.data.sequences import SequenceSet
from gatework.data.sources.find import read_sequences
from gatework.errors import DataError

END = "<end>"  # told by a session that is over: one that stops too soon is odd as well


def read_events(
    data: Any,
    *,
    rows: int,
    labels: Sequence[Any] | None = None,
    normal: str | None = None,
    need_labels: bool = False,
) -> Observations:
    """Sessions of events: a file with one a line, or a list of lists.

    Where every line has a tab, what stands before it is the session's label.

    Raises:
        DataError: nothing there, or labels of which none says normal.

    >>> found = read_events([["open", "read", "close"], ["open"]], rows=10)
    >>> found.offsets.tolist(), found.words
    ([0, 4, 6], (('<end>', 'close', 'open', 'read'),))
    """
    if isinstance(data, str | os.PathLike):
        found = _read_lines(Path(data), rows)
    else:
        items = data.to_list() if isinstance(data, pl.Series) else list(data)
        found = read_sequences(items, task="classify", need_labels=False, kind="events",
                               labels=labels)  # fmt: skip
    sequences, S = found.items, len(found.items)
    lengths = np.array([len(sequences[i].categories) for i in range(S)], np.int64)
    total = np.cumsum(lengths + 1)
    S = max(int(np.searchsorted(total, rows, side="right")), 1)
    lengths = lengths[:S]
    events: list[str] = []
    for i in range(S):
        events += [str(e) for e in sequences[i].categories[:, 0]]
        events.append(END)
    code, words = coded(pl.Series(events, dtype=pl.String))
    offsets = np.concatenate([[0], np.cumsum(lengths + 1)]).astype(np.int64)
    known = found.labels
    flagged = None
    if known is not None and any(x is not None for x in known):
        flagged = session_labels(
            [None if x is None else str(x) for x in known[:S]], normal, found.source
        )
    elif need_labels:
        raise DataError(
            f"{found.source}: has no labels to judge by. Write each line as label, a tab, and the events."
        )
    names = tuple(found.names[i] for i in range(S))
    # a row's session by bisection
    return Observations(
        kind="events",
        channels=(),
        categories=("event",),
        values=np.zeros((len(code), 0)),
        codes=code[:, None],
        words=(words,),
        offsets=offsets,
        names=names,
        source=found.source,
        labels=flagged,
        where=lambda i: names[min(int(np.searchsorted(offsets, i, side="right")) - 1, S - 1)],
        layout={"kind": "events", "sessions": True, "clock": False, "normal": normal},
        notes=(f"{S:,} sessions of {int(lengths.sum()):,} events, {len(words) - 1} kinds of them",),
    )


def _read_lines(path: Path, rows: int) -> SequenceSet:
    """Sessions of a file; of a large one its first lines, which hold all the events that are asked for."""
    if not path.is_file() or path.stat().st_size < observe_table.MANY_BYTES:
        return _sessions_of(path)
    left = rows
    opened: Any = gzip.open if path.name.lower().endswith(".gz") else open
    with tempfile.TemporaryDirectory() as folder, opened(path, "rb") as source:
        cut = Path(folder) / "head.txt"
        with cut.open("wb") as out:
            for line in source:
                out.write(line)
                left -= len(line.split()) + 1
                if left <= 0:
                    break
        found = _sessions_of(cut)
        names = tuple(found.names[i].replace(str(cut), str(path)) for i in range(len(found.items)))
        return replace(found, source=str(path), names=names)


def _sessions_of(path: Path) -> SequenceSet:
    layout = {"kind": "series", "form": "events"}
    return read_sequences(path, task="classify", need_labels=False, kind="events", layout=layout)


def session_labels(labels: Sequence[str | None], normal: str | None, source: str) -> BoolArray:
    """``(S,)`` True where a session is labelled as anything but normal."""
    wanted = {w.lower() for w in ((normal,) if normal is not None else NORMAL_WORDS)}
    if any(x is None for x in labels):
        raise DataError(
            f"{source}: some sessions have a label and others have none. Label all or none."
        )
    found = np.array([str(x).lower() not in wanted for x in labels], bool)
    if found.all():
        seen = ", ".join(repr(x) for x in sorted({str(x) for x in labels})[:5])
        raise DataError(
            f"{source}: no label says that a session is normal (there are {seen}). Name the one that does "
            "with normal= (--normal)."
        )
    return found
