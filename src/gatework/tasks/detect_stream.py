"""A detector as a stream: rows, events or log lines in, scores and alarms out, in constant memory."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gatework.data.observations import FloatArray, IntArray, Observations
from gatework.data.row_encoder import UNSEEN, RowEncoder
from gatework.data.stamp import read_stamp
from gatework.data.vocabulary import as_text
from gatework.errors import DataError
from gatework.runtime.alarms import AlarmEvent
from gatework.runtime.detect import Told
from gatework.tasks.detect_core import Core, DetectBlock, DetectRow, SeriesState
from gatework.tasks.detect_notices import Notices
from gatework.tasks.detect_parse import ParsedRows, RowParser, TableParser, make_parser

NO_TOKENS = np.empty(0, np.int64)
MOST_SERIES = 10_000  # states kept at once; the one not heard of for longest is forgotten


class Verdict(NamedTuple):
    """What is known after one row, or of a session so far."""

    row: int  # from 0, in its series
    score: float  # -log10 of the tail probability
    threshold: float
    alarm: bool
    warming: bool
    channels: tuple[tuple[str, float], ...]  # the most surprising, with their share
    value: float | str | None  # of the first of them
    expected: float | str | None
    low: float | None
    high: float | None
    series: str | None = None


@dataclass(frozen=True)
class Alarm:
    """An event of a stream: rows that are one alarm."""

    series: str | None
    start_row: int
    end_row: int
    peak_row: int
    peak_score: float
    threshold: float
    start_time: int | None  # microseconds since 1970
    end_time: int | None
    channels: tuple[tuple[str, float], ...]
    expected: dict[str, tuple[float | None, float | str | None, float | None]]  # low, median, high
    values: dict[str, float | str | None]
    open: bool


@dataclass
class StreamBlock:
    """n rows, in the order in which they came; of sessions one entry each."""

    score: FloatArray
    threshold: FloatArray
    alarm: npt.NDArray[np.bool_]
    warming: npt.NDArray[np.bool_]
    events: list[Alarm]
    notices: list[str]


class DetectStream:
    """Push rows, get verdicts; made by :meth:`AnomalyDetector.stream`.

    Memory does not grow with the rows; several series have a state each, at most 10,000 of them.  Scores are
    those of ``predict`` for the same rows, up to rounding.
    """

    def __init__(self, core: Core, name: str, identity: str, sessions: bool = False) -> None:
        self._core, self._name, self._identity = core, name, identity
        self._layout = core.encoder.layout
        self.sessions = sessions
        self.reset()

    def reset(self) -> None:
        """Forget every series."""
        self._states: OrderedDict[str, SeriesState] = OrderedDict()
        self._details: dict[str, tuple[int, dict[str, Any], dict[str, Any]]] = {}
        self._notices = Notices(self._core.encoder, self._core.scoring.joining.adapt)
        self.rows = 0
        self._session_top = 0.0
        if hasattr(self, "_own_parser"):
            self._own_parser.restore(None)

    # ---- one by one ---------------------------------------------------------------------------------

    def push(self, row: Any) -> Verdict:
        """The verdict on one more row: a mapping by column, its numbers, an event, or a log line.

        Raises:
            DataError: a row that does not fit; the state is as before.
        """
        layout = self._layout
        if layout["kind"] == "metrics":
            series, values, tokens, time = self._metrics_row(row)
        else:
            parsed = self._parser().parse([row if isinstance(row, bytes) else str(row)])
            if not len(parsed.good):
                why = parsed.bad[0][2] if parsed.bad else "is blank"
                raise DataError(f"{self._name}.stream, row {self.rows}: {why}.")
            rows = parsed.rows
            if rows.sessions is not None:
                return self._event(rows.sessions[0][0])
            series = rows.series[0] if rows.series is not None else ""
            values, tokens = rows.values[0], rows.tokens[0]
            time = None if rows.times is None else int(rows.times[0])
        state = self._state(series)
        last = state.time if layout["kind"] == "metrics" else None  # a log's parser sees to it
        if time is not None and last is not None and time < last:
            raise DataError(
                f"{self._name}.stream, row {self.rows}: the time is before that of the row above. Push rows in "
                "time order."
            )
        before, raw = state.time, state.carry.raw  # which a push replaces and does not change
        told = self._core.push(state, values, tokens, time)
        self.rows += 1
        if told.alarm and time is not None and self._core.encoder.gap:
            values = _with_gaps(values[None], np.array([time]), before)[0]
        if told.alarm:
            values = self._core.encoder.rises(values[None], raw)[0]
        return self._verdict(series, told, values, tokens)

    def _metrics_row(self, row: Any) -> tuple[str, FloatArray, IntArray, int | None]:
        layout, encoder = self._layout, self._core.encoder
        channels, categories = layout["channels"], layout["categories"]
        series, time = "", None
        if type(row) is not list and isinstance(row, Mapping):
            try:
                numbers = [row[c] for c in channels]
                words = [row[c] for c in categories]
                if layout["series"]:
                    series = as_text(row[layout["series"]]) or ""
            except KeyError as name:
                raise DataError(
                    f"{self._name}.stream, row {self.rows}: lacks {name}. Give every column that the model "
                    "was fitted with, None where a value is missing."
                ) from None
            if layout["time"] and (stamp := row.get(layout["time"]["time"])) is not None:
                time = read_stamp(stamp, encoder.schema).key
        else:
            items = row.tolist() if isinstance(row, np.ndarray) else list(row)
            if len(items) != len(channels) + len(categories):
                raise DataError(
                    f"{self._name}.stream, row {self.rows}: has {len(items)} values, the model was fitted with "
                    f"{len(channels) + len(categories)} columns: {', '.join([*channels, *categories][:8])}."
                )
            numbers, words = items[: len(channels)], items[len(channels) :]
        try:
            values = np.array(numbers, np.float64)
        except (TypeError, ValueError):
            values = self._numbers(numbers)
        tokens = NO_TOKENS
        if words:
            tokens = np.array([encoder.token(d, as_text(w)) for d, w in enumerate(words)], np.int64)
        if time is None and layout["time"]:
            state = self._states.get(series)
            last = None if state is None else state.time
            time = (0 if last is None else last) + (encoder.step or 1)
        return series, values, tokens, time

    def _numbers(self, numbers: Sequence[Any]) -> FloatArray:
        found = np.empty(len(numbers))
        for c, x in enumerate(numbers):
            try:
                found[c] = np.nan if x is None else float(x)
            except (TypeError, ValueError):
                raise DataError(
                    f"{self._name}.stream, row {self.rows}, column {self._layout['channels'][c]!r}: {x!r} "
                    "is not a number. Give None where a value is missing."
                ) from None
        return found

    def _event(self, token: int) -> Verdict:
        """The session so far, after one more event."""
        core, state = self._core, self._state("")
        top, best = core.push_event(state, token)
        self._session_top = max(self._session_top, top)
        score = core.score(self._session_top)
        threshold = state.threshold.value
        row, state.rows = state.rows, state.rows + 1
        self.rows += 1
        encoder = self._core.encoder
        return Verdict(
            row, score, threshold, score > threshold, False, (("event", 1.0),), encoder.word(0, token),
            encoder.word(0, best), None, None,
        )  # fmt: skip

    def _verdict(
        self, series: str, row: DetectRow, values: FloatArray, tokens: IntArray
    ) -> Verdict:
        names, s, first = self._core.encoder.names, row.surprise, row.first
        total = row.total or 1.0
        channels: tuple[tuple[str, float], ...] = ((names[first], float(s[first]) / total),)
        value: float | str | None = None
        expected: float | str | None = None
        low = high = None
        if row.alarm and row.told is not None:
            order = np.argsort(-s, kind="stable")[:3]
            channels = tuple((names[i], float(s[i]) / total) for i in order if s[i] > 0)
            value, (low, expected, high) = self._told(
                first, row.told, 0, tokens[None], values[None]
            )
        return Verdict(
            row.row, row.score, row.threshold, row.alarm, row.warming, channels, value, expected, low,
            high, series or None,
        )  # fmt: skip

    def _told(
        self, column: int, told: Told, i: int, tokens: IntArray, values: FloatArray
    ) -> tuple[Any, tuple[Any, Any, Any]]:
        """Value and expectation (low, median, high) of a column in row i of a block."""
        encoder = self._core.encoder
        C, D = len(encoder.live), len(encoder.categories)
        if column < C:
            raw = [encoder.raw_of(column, z[i, column]) for z in (told.low, told.middle, told.high)]
            index = encoder.place(column)
            value = float(values[i, index]) if index < values.shape[1] else None
            return value, (raw[0], raw[1], raw[2])
        if column < C + D:
            d = column - C
            token = int(tokens[i, d])
            own = UNSEEN if token == 1 else encoder.word(d, token)
            return own, (None, encoder.word(d, int(told.best[i, d])), None)
        index = encoder.constant(column - C - D)
        return float(values[i, index]), (None, encoder.channels[index].location, None)

    # ---- in blocks ----------------------------------------------------------------------------------

    def reader(self, header: str | None = None) -> RowParser:
        """What turns lines into rows for :meth:`advance`; ``header`` names the columns of a table."""
        if self._layout["kind"] == "log":
            return self._parser()  # remembers lines, and goes with the stream's state
        return make_parser(self._core.encoder, header)

    def is_header(self, line: str) -> bool:
        """Whether a line names the columns of a table of measurements."""
        return self._layout["kind"] == "metrics" and TableParser.is_header(line, self._core.encoder)

    def time_text(self, time: int) -> str:
        """A time of an alarm as a person writes it; the number of a step as it is."""
        if (self._layout.get("time") or {}).get("time_kind") == "integer":
            return str(time)
        text = str(datetime(1970, 1, 1) + timedelta(microseconds=time))
        return text.rstrip("0") if "." in text else text

    def advance(self, rows: ParsedRows) -> StreamBlock:
        """Scores of rows that the parser made, and the alarms that began, went on or ended in them."""
        if rows.sessions is not None:
            return self._advance_sessions(rows)
        n = len(rows.values)
        self.rows += n
        if rows.series is None:
            alone, told = self._series_block("", rows, slice(None))
            notices = self._notices.take()
            return StreamBlock(
                alone.score, alone.threshold, alone.alarm, alone.warming, told, notices
            )
        score, threshold = np.empty(n), np.empty(n)
        alarm, warming = np.empty(n, bool), np.empty(n, bool)
        events: list[Alarm] = []
        places: dict[str, list[int]] = {}
        for i, name in enumerate(rows.series):
            places.setdefault(name, []).append(i)
        for name, own in places.items():
            index = np.array(own)
            block, found = self._series_block(name, rows, index)
            score[index], threshold[index] = block.score, block.threshold
            alarm[index], warming[index] = block.alarm, block.warming
            events += found
        return StreamBlock(score, threshold, alarm, warming, events, self._notices.take())

    def _series_block(
        self, name: str, rows: ParsedRows, index: Any
    ) -> tuple[DetectBlock, list[Alarm]]:
        state = self._state(name)
        values, tokens = rows.values[index], rows.tokens[index]
        times = None if rows.times is None else rows.times[index]
        if not len(values):
            block = DetectBlock(
                np.empty(0), np.empty(0), np.empty(0, bool), np.empty(0, bool), np.empty((0, 0)),
                Told(*[np.empty((0, 0))] * 7), [],
            )  # fmt: skip
            return block, []
        self._notices.rows(name, values, state)
        before, raw = state.time, state.carry.raw.copy()
        block = self._core.few(state, values, tokens, times)
        first = state.rows - len(values)
        if block.events and times is not None and self._core.encoder.gap:
            values = _with_gaps(values, times, before)
        if block.events:
            values = self._core.encoder.rises(values, raw)
        return block, [self._alarm(name, e, block, first, values, tokens) for e in block.events]

    def _alarm(
        self, name: str, event: AlarmEvent, block: DetectBlock, first: int, values: Any, tokens: Any
    ) -> Alarm:
        names = self._core.encoder.names
        known = self._details.get(name)
        if known is None or known[0] != event.peak_row:
            i = event.peak_row - first
            expected: dict[str, Any] = {}
            found: dict[str, Any] = {}
            if 0 <= i < len(values):
                for channel, _ in event.channels:
                    found[channel], expected[channel] = self._told(
                        names.index(channel), block.told, i, tokens, values
                    )
            known = (event.peak_row, expected, found)
        if event.open:
            self._details[name] = known
        else:
            self._details.pop(name, None)
        return Alarm(
            name or None, event.start_row, event.end_row, event.peak_row, event.peak_score,
            event.threshold, event.start_time, event.end_time, event.channels, known[1], known[2],
            event.open,
        )  # fmt: skip

    def finish(self) -> list[Alarm]:
        """The alarms that are open, closed: the end of the input."""
        found = []
        for name, state in self._states.items():
            event = state.grouper.flush()
            if event is not None:
                known = self._details.pop(name, (0, {}, {}))
                found.append(
                    Alarm(
                        name or None,
                        event.start_row,
                        event.end_row,
                        event.peak_row,
                        event.peak_score,
                        event.threshold,
                        event.start_time,
                        event.end_time,
                        event.channels,
                        known[1],
                        known[2],
                        False,
                    )
                )
        return found

    def _advance_sessions(self, rows: ParsedRows) -> StreamBlock:
        core, sessions = self._core, rows.sessions
        assert sessions is not None
        lengths = np.array([len(s) for s in sessions], np.int64)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        N = int(offsets[-1])
        tokens = np.fromiter((t for s in sessions for t in s), np.int64, N)[:, None]
        told = core.runtime.sessions(
            np.zeros((N, 0), np.float32), tokens, np.zeros((N, 0), np.float32), offsets
        )
        joined = core.scoring.joined(told.residuals, np.zeros((N, 0), bool))
        score = np.asarray(core.scoring.score(np.maximum.reduceat(joined, offsets[:-1])))
        state = self._state("")
        threshold = state.threshold.extend(score)
        alarm = score > threshold
        first, state.rows = state.rows, state.rows + len(sessions)
        self.rows += len(sessions)
        events = []
        for i in np.flatnonzero(alarm).tolist():
            a, b = int(offsets[i]), int(offsets[i + 1])
            at = a + int(joined[a:b].argmax())
            word = core.encoder.word(0, int(tokens[at, 0]))
            name = f"event {at - a + 1}"
            events.append(
                Alarm(
                    None,
                    first + i,
                    first + i,
                    first + i,
                    float(score[i]),
                    float(threshold[i]),
                    None,
                    None,
                    ((name, 1.0),),
                    {name: (None, core.encoder.word(0, int(told.best[at, 0])), None)},
                    {name: word},
                    False,
                )
            )
        return StreamBlock(score, threshold, alarm, np.zeros(len(score), bool), events, [])

    # ---- kept ---------------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """All that the stream remembers, to go on from after a restart."""
        from safetensors.numpy import save

        facts: list[Any] = []
        arrays: dict[str, npt.NDArray[Any]] = {"rows": np.array([self.rows])}
        for i, (name, state) in enumerate(self._states.items()):
            own, parts = state.snapshot()
            facts.append([name, own])
            arrays |= {f"{i}.{k}": np.ascontiguousarray(v) for k, v in parts.items()}
        told = {
            "model": self._identity,
            "series": facts,
            "session_top": self._session_top,
            "notices": self._notices.to_json(),
            "parser": self._parser().state() if self._layout["kind"] == "log" else None,
        }
        return save(arrays, metadata={"gatework": json.dumps(told)})

    def restore(self, data: bytes) -> None:
        """Go on from :meth:`to_bytes`.

        Raises:
            DataError: it is damaged, or of another model.
        """
        try:
            size = int.from_bytes(data[:8], "little")
            header = json.loads(data[8 : 8 + size])
            told = json.loads(header["__metadata__"]["gatework"])
        except (ValueError, KeyError, TypeError, UnicodeDecodeError):
            raise DataError("the state cannot be read: it is damaged, or no state.") from None
        if told.get("model") != self._identity:
            raise DataError("the state is of another model. Name another file, or remove it.")
        from safetensors import SafetensorError
        from safetensors.numpy import load

        fresh = DetectStream(self._core, self._name, self._identity, self.sessions)
        try:
            arrays = load(data)
            for i, (name, own) in enumerate(told["series"]):
                prefix = f"{i}."
                state = fresh._state(str(name))
                state.restore(
                    own, {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}
                )
            fresh.rows = int(arrays["rows"][0])
            fresh._session_top = float(told["session_top"])
            fresh._notices.restore(told["notices"])
            fresh._own_parser = self._parser()
            if told["parser"] is not None:
                fresh._own_parser.restore(told["parser"])
        except (SafetensorError, ValueError, KeyError, TypeError, IndexError) as error:
            raise DataError(f"the state cannot be read: it is damaged ({error}).") from None
        self.__dict__ = fresh.__dict__

    # ---- inside -------------------------------------------------------------------------------------

    def _state(self, name: str) -> SeriesState:
        state = self._states.get(name)
        if state is None:
            state = self._states[name] = self._core.state()
            if len(self._states) > MOST_SERIES:
                gone, _ = self._states.popitem(last=False)
                self._details.pop(gone, None)
                self._notices.forget(gone)
        elif len(self._states) > 1:
            self._states.move_to_end(name)
        return state

    def _parser(self) -> RowParser:
        if not hasattr(self, "_own_parser"):
            self._own_parser = make_parser(self._core.encoder, None)
            self._own_parser.single = True
        return self._own_parser

    @staticmethod
    def rows_of(found: Observations, encoder: RowEncoder, first: int) -> list[Any]:
        """Rows of observations from ``first`` on, as :meth:`push` takes them."""
        return list(_rows_of(found, encoder, first))


def _with_gaps(values: FloatArray, times: IntArray, before: int | None) -> FloatArray:
    """Raw rows with the seconds since the row before as their last column."""
    steps = np.diff(times, prepend=np.nan if before is None else before) / 1e6
    return np.column_stack([values, np.where(steps < 0, np.nan, steps)])


def _rows_of(found: Observations, encoder: RowEncoder, first: int) -> Iterator[Any]:
    layout = found.layout
    series = np.searchsorted(found.offsets, np.arange(first, len(found)), side="right") - 1
    for i, s in zip(range(first, len(found)), series.tolist(), strict=True):
        if layout["kind"] == "events":
            yield found.words[0][int(found.codes[i, 0])]
        elif layout["kind"] == "log":
            assert found.texts is not None
            yield found.texts(i)
        else:
            row: dict[str, Any] = dict(zip(found.channels, found.values[i].tolist(), strict=True))
            for d, name in enumerate(found.categories):
                code = int(found.codes[i, d])
                row[name] = None if code < 0 else found.words[d][code]
            if layout["series"]:
                row[layout["series"]] = found.names[s]
            yield row
