"""A log as observations: the template of each line is a category, the numbers in it are channels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from gatework.data.log_channels import LogChannels
from gatework.data.log_lines import MAX_LINE, SAMPLE, LineReader
from gatework.data.log_read import line_blocks
from gatework.data.log_rows import LineRows, LogRows
from gatework.data.log_templates import LogTemplates
from gatework.data.observations import FloatArray, IntArray, Observations
from gatework.data.row_encoder import UNSEEN
from gatework.errors import ConfigError, DataError

FIT_SHARE = 0.7
"""Of the lines, from which templates and channels are learned."""
MOST_TEMPLATES = 1000
_SHOWN = 500  # bytes of a line that are kept for showing
_BLOCK = 8192


def read_log_lines(
    data: Any,
    *,
    rows: int,
    session: str | None = None,
    layout: dict[str, Any] | None = None,
    need_labels: bool = False,
    fit_share: float = FIT_SHARE,
) -> Observations:
    """Lines of a log, each with its template and its numbers, in their order.

    data: a file, plain or ``.gz``, or a list of lines; of it the first ``rows``.
    session: regular expression whose first group, or all that it matches, names the series of a line; lines
        that it does not fit are a series too, named "".
    layout: ``Observations.layout`` of the training part: lines are read as they were there, nothing is learned.
    fit_share: share of the lines, or where it is above 1 their number, from which templates and channels are
        learned.

    Raises:
        DataError: no lines, no text; or labels are needed, which a log has none of.
        ConfigError: ``session`` is no regular expression.

    >>> found = read_log_lines(["job 1 done", "job 2 done", "disk full"], rows=10, fit_share=2)
    >>> found.words, found.codes[:, 0].tolist()
    ((('job <*> done', '<unseen>'),), [0, 0, 1])
    """
    lines = _Lines(data, rows)
    if need_labels:
        raise DataError(
            f"{lines.name}: a log has no labels to judge by. Evaluate on a table with a label column, or leave "
            "the labels out."
        )
    if layout is None:
        reading = LogRows(*_learned(lines, session, fit_share))
        channels = None
    else:
        if session is not None and session != layout["session"]:
            raise ConfigError(
                f"session={session!r}: the model was fitted with {layout['session']!r}. Leave it out."
            )
        reading, channels = log_reading(layout)
    parts, numbers, texts = _read(lines, reading)
    if channels is None:
        some = _count(fit_share, len(parts.templates))
        until = int(parts.counts[:some].sum())
        channels = LogChannels.fit(
            parts.templates[:some],
            parts.counts[:some],
            parts.numbers[:until],
            reading.templates.templates,
        )
        layout = {
            "kind": "log",
            "channels": list(channels.names),
            "categories": ["template"],
            "time": None,
            "clock": reading.timed,
            "series": "session" if session is not None else None,
            "label": None,
            "columns": [],
            "session": session,
            "reader": reading.reader.to_json(),
            "templates": reading.templates.to_json(),
            "parameters": channels.to_json(),
        }
    values = channels.values(parts.templates, parts.counts, parts.numbers)
    return _observations(lines.name, reading, channels, parts, values, numbers, texts, layout or {})


def log_reading(layout: dict[str, Any]) -> tuple[LogRows, LogChannels]:
    """Reader and channels of a layout, before the first line.

    Raises:
        ModelFileError: the layout is damaged.
    """
    reader = LineReader.from_json(layout["reader"])
    templates = LogTemplates.from_json(layout["templates"])
    channels = LogChannels.from_json(layout["channels"], layout["parameters"], templates.templates)
    return LogRows(reader, templates), channels


class _Lines:
    """Blocks of a file's or a list's lines, blank ones left out; can be read again."""

    def __init__(self, data: Any, rows: int) -> None:
        self.rows = rows
        self._path = Path(data) if isinstance(data, str | os.PathLike) else None
        self.name = "the lines" if self._path is None else str(self._path)
        self._list: Sequence[Any] = ()
        if self._path is None:
            self._list = _texts(data)

    def __iter__(self) -> Iterator[tuple[list[int], list[bytes]]]:
        if self._path is not None:
            yield from line_blocks(self._path, self.rows)
            return
        rest = islice(((i, t) for i, t in enumerate(self._list, 1) if t.strip()), self.rows)
        while some := list(islice(rest, _BLOCK)):
            yield [i for i, _ in some], [_bytes(t) for _, t in some]


def _texts(data: Any) -> Sequence[Any]:
    items = data.to_list() if isinstance(data, pl.Series) else data
    if not isinstance(items, list | tuple) or not all(isinstance(t, str | bytes) for t in items):
        raise DataError(
            f"a log is a file or a list of lines, not {type(data).__name__}. Give its path, or its lines as a "
            "list of texts."
        )
    return items


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "replace")


class _Shown:
    """The beginnings of the lines, in one piece of memory."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._ends: list[int] = [0]

    def add(self, line: bytes) -> None:
        self._text += line.rstrip(b"\r\n")[:_SHOWN]
        self._ends.append(len(self._text))

    def __call__(self, row: int) -> str:
        a, b = self._ends[row], self._ends[row + 1]
        return self._text[a:b].decode("utf-8", "replace")


def _learned(
    lines: _Lines, session: str | None, fit_share: float
) -> tuple[LineReader, LogTemplates]:
    total = 0
    sample: list[bytes] = []
    for _, block in lines:
        sample += block[: max(SAMPLE - len(sample), 0)]
        total += len(block)
    if not total:
        raise DataError(f"{lines.name}: holds no lines. Give a log with one entry a line.")
    reader = LineReader.fit(sample, session=session)
    messages = _messages(lines, reader.fresh(), _count(fit_share, total))
    return reader, LogTemplates.fit(messages, max_templates=MOST_TEMPLATES)


def _count(fit_share: float, total: int) -> int:
    return max(round(fit_share * total) if fit_share <= 1 else min(int(fit_share), total), 1)


def _messages(lines: _Lines, reader: LineReader, most: int) -> Iterator[str]:
    for _, block in lines:
        yield from reader.read_many(block[:most])[1]
        most -= len(block)
        if most <= 0:
            return


def _read(lines: _Lines, reading: LogRows) -> tuple[LineRows, IntArray, _Shown]:
    """All rows, the number of the line of each, and their texts."""
    blocks, numbers, texts = [], [], _Shown()
    for own, some in lines:
        block = reading.read(some)
        blocks.append(block)
        numbers.append(np.array(own, np.int64)[block.lines])
        for i in block.lines.tolist():
            texts.add(some[i])
    if not any(len(n) for n in numbers):
        raise DataError(f"{lines.name}: holds no lines. Give a log with one entry a line.")
    joined: dict[str, Any] = {
        name: None if getattr(blocks[0], name) is None else [getattr(b, name) for b in blocks]
        for name in LineRows._fields
    }
    keys = joined.pop("keys")
    arrays: dict[str, Any] = {
        k: None if v is None else np.concatenate(v) for k, v in joined.items()
    }
    whole = LineRows(**arrays, keys=None if keys is None else [k for own in keys for k in own])
    return whole, np.concatenate(numbers), texts


def _observations(
    name: str,
    reading: LogRows,
    channels: LogChannels,
    parts: LineRows,
    values: FloatArray,
    numbers: IntArray,
    texts: _Shown,
    layout: dict[str, Any],
) -> Observations:
    words = (*reading.templates.templates, UNSEEN)
    N = len(parts.templates)
    order, offsets, names = _by_session(parts.keys, N)
    prefix = "" if name == "the lines" else f"{name}, "
    found = Observations(
        kind="log",
        channels=channels.names,
        categories=("template",),
        values=values,
        codes=np.where(parts.templates < 0, len(words) - 1, parts.templates)[:, None],
        words=(words,),
        offsets=offsets,
        names=names,
        source=name,
        times=parts.times,
        stamps=None if parts.times is None else pl.Series(parts.times).cast(pl.Datetime("us")),
        where=lambda i: f"{prefix}line {numbers[i]}",
        layout=layout,
        notes=tuple(_notes(reading, channels, parts, names, layout)),
        texts=texts,
        lines=numbers,
    )
    return found if order is None else found._of(order, offsets, names, None)


def _by_session(
    keys: list[str] | None, rows: int
) -> tuple[IntArray | None, IntArray, tuple[str, ...]]:
    if keys is None:
        return None, np.array([0, rows], np.int64), ("",)
    place: dict[str, int] = {}
    codes = np.array([place.setdefault(k, len(place)) for k in keys], np.int64)
    counts = np.bincount(codes, minlength=len(place))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return np.argsort(codes, kind="stable"), offsets, tuple(place)


def _notes(
    reading: LogRows,
    channels: LogChannels,
    parts: LineRows,
    names: tuple[str, ...],
    layout: dict[str, Any],
) -> Iterator[str]:
    reader, N = reading.reader, len(parts.templates)
    yield f"{N:,} lines of {len(reading.templates):,} templates; {reader.describe()}"
    if layout["session"] is not None:
        yield f"sessions: {len(names):,}, each with a memory of its own"
    for count, what in (
        (reader.invalid, "with invalid UTF-8, which was replaced"),
        (reader.cut, f"longer than {MAX_LINE:,} bytes, which were cut"),
        (reading.early, "before the first time, left out"),
        (reader.timeless - reading.early, "without a time, read with that of the line before"),
        (reading.late, "behind the time of a line above, read as of that time"),
        (int((parts.templates < 0).sum()), "of no template"),
    ):
        if count > 0:
            yield f"{count:,} line{'s' if count > 1 else ''} {what}"
    if reading.set_back:
        yield f"the clock was set back {reading.set_back:,} times"
    yield from reading.templates.notes
    yield from channels.notes
