"""Lines of a live source as rows: what does not fit is told by line and left out."""

from __future__ import annotations

import contextlib
import csv
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gatework.data.observations import FloatArray, IntArray
from gatework.data.observe_events import END
from gatework.data.row_encoder import Channel, RowEncoder
from gatework.data.stamp import read_stamp
from gatework.data.text_table import NULL_WORDS, SEPARATORS
from gatework.errors import DataError

GLITCH = 1e6  # standard deviations beyond which a number is a fault of its source, not a reading
_NULLS = frozenset(NULL_WORDS)


@dataclass
class ParsedRows:
    """Rows that are fit to be scored."""

    values: FloatArray  # (n, C) raw
    tokens: IntArray  # (n, D)
    times: IntArray | None = None
    series: list[str] | None = None
    sessions: list[list[int]] | None = None  # of events: tokens of each line


@dataclass
class ParsedBlock:
    """What a block of lines came to."""

    rows: ParsedRows
    good: IntArray  # (n,) which lines became rows
    bad: list[tuple[int, str, str]] = field(
        default_factory=list
    )  # line of the block, kind, message


class RowParser(ABC):
    """Lines in, rows out; remembers what it must of the lines before."""

    single = False  # a session comes event by event

    @abstractmethod
    def parse(self, lines: Sequence[bytes | str]) -> ParsedBlock:
        """Rows of a block of lines."""

    def state(self) -> dict[str, Any] | None:
        """What the next lines depend on, as plain JSON; None where that is nothing."""
        return None

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Go on as the parser that gave ``state``; begin anew without one."""
        return


def make_parser(encoder: RowEncoder, header: str | None) -> RowParser:
    """The parser for the kind of data that a model was fitted on."""
    kind = encoder.layout["kind"]
    if kind == "metrics":
        return TableParser(encoder, header)
    if kind == "events":
        return EventParser(encoder)
    from gatework.tasks.detect_log_parse import LogParser

    parser: RowParser = LogParser(encoder)
    return parser


class TableParser(RowParser):
    """Rows of a text table, with its header or in the order of the training table's columns."""

    def __init__(self, encoder: RowEncoder, header: str | None) -> None:
        layout = self._layout = encoder.layout
        self._encoder = encoder
        self._separator = _separator(header) if header else ""  # found in the first line
        columns = _split(header, self._separator) if header else list(layout["columns"])
        self._unnamed = header is None
        columns = [c.strip().lstrip("\ufeff") for c in columns]
        needed = [*layout["channels"], *layout["categories"]]
        needed += [layout["series"]] if layout["series"] else []
        needed += [layout["time"]["time"]] if layout["time"] else []
        missing = [c for c in needed if c not in columns]
        if missing:
            raise DataError(
                f"the header lacks {', '.join(map(repr, missing))}, which the model was fitted with."
            )
        self._place(columns)
        self._last: dict[str, int] = {}
        self._bound = np.array([_bound(c) for c in encoder.channels[: len(self._channels)]])

    @staticmethod
    def is_header(line: str, encoder: RowEncoder) -> bool:
        """Whether a line names the columns."""
        names = [c.strip().lstrip("\ufeff") for c in _split(line, _separator(line))]
        needed = [*encoder.layout["channels"], *encoder.layout["categories"]]
        return any(c in names for c in needed)

    def parse(self, lines: Sequence[bytes | str]) -> ParsedBlock:
        bad: list[tuple[int, str, str]] = []
        good: list[int] = []
        numbers: list[list[float]] = []
        tokens: list[list[int]] = []
        times: list[int] = []
        series: list[str] = []
        if self._unnamed and lines:
            self._look_at(lines[0])
        separator, width = self._separator, self._width
        channels, simple = self._channels, len(self._channels) == width and not self._categories
        for i, line in enumerate(lines):
            try:
                text = line.decode("utf-8") if isinstance(line, bytes) else line
            except UnicodeDecodeError as error:
                bad.append((i, "encoding", f"is not UTF-8 text (byte {error.start})"))
                continue
            text = text.rstrip("\r\n")
            cells = text.split(separator) if '"' not in text else _split(text, separator)
            if len(cells) != width:
                if text.strip():
                    bad.append(
                        (
                            i,
                            "columns",
                            f"has {len(cells)} field{'s' * (len(cells) != 1)}, {width} are needed",
                        )
                    )
                continue
            try:
                row = [float(x) for x in cells] if simple else [float(cells[c]) for c in channels]
            except ValueError:
                found = self._numbers(cells, bad, i)
                if found is None:
                    continue
                row = found
            name = ""
            if self._series is not None:
                name = cells[self._series].strip()
            if self._time is not None:
                time = self._stamp(cells[self._time].strip(), bad, i)
                if time is None:
                    continue
                if time < self._last.get(name, time):
                    bad.append(
                        (i, "order", f"{cells[self._time]!r} is before the time of the row above")
                    )
                    continue
                times.append(time)
            numbers.append(row)
            good.append(i)
            series.append(name)
            if self._categories:
                tokens.append(
                    [
                        self._encoder.token(d, w if (w := cells[c].strip()) not in _NULLS else None)
                        for d, c in enumerate(self._categories)
                    ]
                )
            if self._time is not None:
                self._last[name] = times[-1]
        return self._block(numbers, tokens, times, series, good, bad)

    def _look_at(self, line: bytes | str) -> None:
        """Separator of a table without a header, and whether its rows leave out the labels."""
        self._unnamed = False
        text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
        self._separator = _separator(text)
        label = self._layout["label"]
        if label in self.columns and len(_split(text, self._separator)) == self._width - 1:
            columns = [c for c in self.columns if c != label]
            self._place(columns)

    def _place(self, columns: list[str]) -> None:
        """Where in a line each part is."""
        layout, place = self._layout, {c: i for i, c in enumerate(columns)}
        self.columns, self._width = columns, len(columns)
        self._channels = [place[c] for c in layout["channels"]]
        self._categories = [place[c] for c in layout["categories"]]
        self._series = place[layout["series"]] if layout["series"] else None
        self._time = place[layout["time"]["time"]] if layout["time"] else None

    def _block(
        self,
        numbers: list[list[float]],
        tokens: list[list[int]],
        times: list[int],
        series: list[str],
        good: list[int],
        bad: list[tuple[int, str, str]],
    ) -> ParsedBlock:
        n, C = len(good), len(self._channels)
        values = np.array(numbers, float).reshape(n, C)
        kept = np.ones(n, bool)
        infinite = ~np.isfinite(values) & ~np.isnan(values)
        wild = infinite | (np.abs(np.nan_to_num(values)) > self._bound)
        if wild.any():
            for r, c in zip(*np.nonzero(wild), strict=True):
                if kept[r]:
                    kept[r] = False
                    name = self._layout["channels"][c]
                    message = (
                        f"column {name!r}: {values[r, c]:.6g} is far beyond anything in training"
                    )
                    bad.append((good[r], "range", message))
        if C and not self._categories:
            hollow = kept & np.isnan(values).all(1)
            for r in np.flatnonzero(hollow).tolist():
                bad.append((good[r], "missing", "has no value at all"))
            kept &= ~hollow
        words = np.array(tokens, np.int64).reshape(n, len(self._categories))
        index = np.flatnonzero(kept)
        rows = ParsedRows(
            values[index],
            words[index],
            np.array(times, np.int64)[index] if self._time is not None else None,
            [series[i] for i in index] if self._series is not None else None,
        )
        return ParsedBlock(rows, np.array(good, np.int64)[index], sorted(bad))

    def _numbers(
        self, cells: list[str], bad: list[tuple[int, str, str]], i: int
    ) -> list[float] | None:
        row = []
        for c, place in enumerate(self._channels):
            text = cells[place].strip()
            try:
                row.append(np.nan if text in _NULLS else float(text))
            except ValueError:
                name = self._layout["channels"][c]
                bad.append((i, "number", f"column {name!r}: {text[:40]!r} is not a number"))
                return None
        return row

    def _stamp(self, text: str, bad: list[tuple[int, str, str]], i: int) -> int | None:
        value: Any = text
        if self._layout["time"]["time_kind"] == "integer" or text.isdigit():
            with contextlib.suppress(ValueError):
                value = int(text)
        try:
            return read_stamp(value, self._encoder.schema).key
        except DataError:
            bad.append((i, "time", f"{text[:40]!r} is not a time as in training"))
            return None


class EventParser(RowParser):
    """A session a line, its events with blanks between them; or one event at a time."""

    def __init__(self, encoder: RowEncoder) -> None:
        self._index = encoder.index[0]
        self._end = encoder.token(0, END)

    def parse(self, lines: Sequence[bytes | str]) -> ParsedBlock:
        sessions: list[list[int]] = []
        good: list[int] = []
        bad: list[tuple[int, str, str]] = []
        index, end = self._index, self._end
        for i, line in enumerate(lines):
            try:
                text = line.decode("utf-8") if isinstance(line, bytes) else line
            except UnicodeDecodeError as error:
                bad.append((i, "encoding", f"is not UTF-8 text (byte {error.start})"))
                continue
            if "\t" in text:
                text = text.split("\t", 1)[1]
            events = text.split()
            if not events:
                if not text.strip("\r\n"):
                    continue
                bad.append((i, "missing", "holds no event"))
                continue
            own = [index.get(e, 1) for e in events]
            if not self.single:
                own.append(end)
            sessions.append(own)
            good.append(i)
        rows = ParsedRows(np.zeros((0, 0)), np.zeros((0, 1), np.int64), sessions=sessions)
        return ParsedBlock(rows, np.array(good, np.int64), bad)


def _bound(channel: Channel) -> float:
    """The size from which on a number is a fault of its source."""
    c = channel
    if c.kind == "counter":
        return 1e18
    if c.kind == "constant":
        return GLITCH * max(abs(c.location), 1.0)
    if (
        c.kind == "log"
    ):  # twelve deviations on that scale: of one that spans e, 160,000 times the usual
        return float(c.unit * np.sinh(min(40.0, abs(c.location) + 12 * max(c.scale, 0.5))))
    return abs(c.location) + GLITCH * max(c.scale, 1e-3)


def _separator(line: str) -> str:
    return max(SEPARATORS, key=line.count)


def _split(line: str, separator: str) -> list[str]:
    return next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])
