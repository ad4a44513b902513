"""What a detector's ``metrics.json`` shows of the data: a stretch with its scores, alarms, lines, sessions."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

from gatework.report.facts import items, mapping, real, reals, text, texts, whole
from gatework.report.words import is_moment

Numbers = list[float | None]
MAX_CHANNELS = 6


@dataclass
class Channel:
    """One channel of a stretch beside what was expected of it; lists of one length."""

    name: str
    values: Numbers
    low: Numbers
    median: Numbers
    high: Numbers

    @classmethod
    def read(cls, value: object, rows: int) -> Channel | None:
        """From one of ``channels``; None where there is nothing to draw."""
        found = mapping(value)
        values = _fitted(found.get("values"), rows)
        if not any(v is not None for v in values):
            return None
        parts = (_fitted(found.get(k), rows) for k in ("low", "median", "high"))
        return cls(text(found.get("name")) or "channel", values, *parts)


@dataclass
class Course:
    """A stretch of one series: scores, threshold, alarms, labels and channels, a value for each row shown."""

    series: str | None
    times: list[str]  # of every row; empty where there are none
    rows: list[int]
    score: Numbers
    threshold: Numbers
    alarm: list[bool]
    label: list[bool] | None
    channels: list[Channel]

    @classmethod
    def read(cls, value: object) -> Course | None:
        """From ``examples.series``; None where there is nothing to draw."""
        found = mapping(value)
        score = reals(found.get("score"))
        if not any(v is not None for v in score):
            return None
        many = len(score)
        rows, times = [whole(v) for v in items(found.get("rows"))], texts(found.get("times"))
        placed = [r for r in rows if r is not None]
        usable = len(placed) == many and all(a < b for a, b in pairwise(placed))
        label = items(found.get("label"))
        channels = [Channel.read(c, many) for c in items(found.get("channels"))]
        return cls(
            text(found.get("series")),
            times if len(times) == many and all(map(is_moment, times)) else [],
            placed if usable else list(range(many)),
            score,
            _fitted(found.get("threshold"), many),
            _flags(found.get("alarm"), many),
            _flags(label, many) if any(v is not None for v in label) else None,
            [c for c in channels if c is not None][:MAX_CHANNELS],
        )

    @property
    def places(self) -> list[Any]:
        """Where the rows stand on the axis: times, or numbers of rows."""
        return self.times or self.rows


def spans(flags: list[bool]) -> list[tuple[int, int]]:
    """First and last place of each run of True.

    >>> spans([False, True, True, False, True])
    [(1, 2), (4, 4)]
    """
    found, first = [], 0
    for flag, run in groupby(flags):
        long = len(list(run))
        if flag:
            found.append((first, first + long - 1))
        first += long
    return found


@dataclass
class Involved:
    """One channel of an alarm: its part in the score, its value beside what was expected."""

    name: str
    share: float | None
    value: float | str | None
    low: float | None
    median: float | None
    high: float | None
    instead: str | None = None  # the likeliest word, of a category


@dataclass
class Alarm:
    """An alarm event."""

    series: str | None
    start: int | None
    end: int | None
    start_time: str | None
    end_time: str | None
    rows: int | None
    peak_score: float
    labelled: bool | None
    channels: list[Involved]  # most involved first

    @classmethod
    def read(cls, value: object) -> Alarm | None:
        """From one of ``examples.events``; None without a score."""
        found = mapping(value)
        peak = real(found.get("peak_score"))
        if peak is None:
            return None
        channels = [_involved(c) for c in items(found.get("channels")) if mapping(c)]
        channels.sort(key=lambda c: -(c.share or 0.0))
        return cls(
            text(found.get("series")),
            whole(found.get("start")),
            whole(found.get("end")),
            text(found.get("start_time")),
            text(found.get("end_time")),
            whole(found.get("rows")),
            peak,
            flag(found.get("labelled")),
            channels,
        )


def _involved(value: object) -> Involved:
    found = mapping(value)
    came = real(found.get("value"))
    low, median, high = (real(found.get(k)) for k in ("low", "median", "high"))
    name = text(found.get("name")) or "channel"
    said = came if came is not None else text(found.get("value"))
    instead = None if median is not None else text(found.get("median"))
    return Involved(name, real(found.get("share")), said, low, median, high, instead)


@dataclass
class Line:
    """A surprising line of a log, or event, with what was before and after it."""

    number: int | None
    score: float | None
    alarm: bool
    text: str
    template: str | None
    unseen: bool  # its template is not among those that were learned
    expected: list[tuple[str, float]]  # the likeliest templates, most likely first
    before: list[str]
    after: list[str]
    channels: list[Involved] = field(default_factory=list)  # numbers in it that were odd

    @classmethod
    def read(cls, value: object) -> Line | None:
        """From one of ``examples.lines``; None without its text."""
        found = mapping(value)
        own = text(found.get("text"))
        if own is None:
            return None
        expected = []
        for pair in map(items, items(found.get("expected"))):
            if len(pair) == 2 and (p := real(pair[1])) is not None and text(pair[0]) is not None:
                expected.append((str(pair[0]), p))
        number = whole(found.get("line"))
        return cls(
            number if number is not None else whole(found.get("row")),
            real(found.get("score")),
            flag(found.get("alarm")) is True,
            own,
            text(found.get("template")),
            flag(found.get("unseen")) is True,
            sorted(expected, key=lambda pair: -pair[1]),
            texts(found.get("before")),
            texts(found.get("after")),
            [_involved(c) for c in items(found.get("channels")) if mapping(c)],
        )


@dataclass
class Session:
    """A session: its events, each with how surprising it was."""

    name: str | None
    score: float | None
    alarm: bool
    label: bool | None
    at: int | None  # the most surprising event
    events: list[tuple[str, float | None]]

    @classmethod
    def read(cls, value: object) -> Session | None:
        """From one of ``examples.sessions``; None without events."""
        found = mapping(value)
        events = [
            (text(e.get("event")) or "?", real(e.get("surprise")))
            for e in map(mapping, items(found.get("events")))
        ]
        if not events:
            return None
        at = whole(found.get("at"))
        return cls(
            text(found.get("name")),
            real(found.get("score")),
            flag(found.get("alarm")) is True,
            flag(found.get("label")),
            at if at is not None and 0 <= at < len(events) else None,
            events,
        )


@dataclass
class Histogram:
    """How often scores of each size came."""

    edges: list[float]
    counts: list[float]
    anomalous: list[float] | None  # those of them that are labelled

    @classmethod
    def read(cls, value: object) -> Histogram | None:
        """From ``examples.histogram``; None where it cannot be drawn."""
        found = mapping(value)
        edges = [v for v in reals(found.get("edges")) if v is not None]
        counts = [max(0.0, v or 0.0) for v in reals(found.get("counts"))]
        if len(edges) != len(counts) + 1 or len(counts) < 2 or not sum(counts):
            return None
        if any(a >= b for a, b in pairwise(edges)):
            return None
        labelled = [max(0.0, v or 0.0) for v in reals(found.get("anomalous"))]
        return cls(edges, counts, labelled if len(labelled) == len(counts) else None)


def flag(value: object) -> bool | None:
    """True or False, also where it is written as 1 or 0; else None."""
    if isinstance(value, bool):
        return value
    found = real(value)
    return found != 0 if found is not None else None


def _flags(value: object, rows: int) -> list[bool]:
    found = [flag(v) is True for v in items(value)[:rows]]
    return found + [False] * (rows - len(found))


def _fitted(value: object, rows: int) -> Numbers:
    found = reals(value)[:rows]
    return found + [None] * (rows - len(found))
