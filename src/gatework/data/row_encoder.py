"""Rows as a network sees them: fitted on the training part, the same in batch and in a stream."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from gatework.data.observations import FloatArray, IntArray, Observations
from gatework.data.schema import Schema

GAP = "time since the last row"
UNSEEN = "<unseen>"  # a word of its own in a log, and never one of training
KINDS = ("plain", "log", "counter", "constant")
MOST_WORDS = 1000  # of a category; rarer ones are read as one that was never seen
LARGEST = 1e30  # standard deviations; float32 ends at 3e38
LONG = 1.5  # steps from row to row; beyond, what a counter rose meanwhile says nothing
CYCLES = {"day": 86_400_000_000, "week": 604_800_000_000}  # microseconds
_MONDAY = 345_600_000_000  # 1970-01-05, from 1970-01-01


@dataclass(frozen=True)
class Channel:
    """How a column of numbers is read: ``z = (f(x) - location) / scale``.

    plain: f(x) = x; log: f(x) = asinh(x / unit), for tails that are far longer than the rest; counter: the
    rise since the last row, missing where it fell; constant: the same value in all of the training part,
    ``location``.
    """

    name: str
    kind: str
    location: float
    scale: float
    unit: float = 1.0
    rows: int = 0  # that were measured in training
    longest: int = 0  # rows in training over which the value stood still


class Carry:
    """What the next row of a series needs of those before it."""

    __slots__ = ("raw", "time")

    def __init__(self, channels: int) -> None:
        self.raw: FloatArray = np.full(channels, np.nan)
        self.time: int | None = None


class Rows(NamedTuple):
    """Encoded rows."""

    values: npt.NDArray[
        np.float32
    ]  # (N, C) of the channels that the network sees, NaN where missing
    changed: npt.NDArray[np.bool_]  # (N, X) of constant channels: another value than in training
    tokens: IntArray  # (N, D)
    calendar: npt.NDArray[np.float32]  # (N, F)


class RowEncoder:
    """From raw numbers, categories and times to what the network sees; never changes after the fit."""

    def __init__(
        self,
        channels: tuple[Channel, ...],
        categories: tuple[str, ...],
        words: tuple[tuple[str, ...], ...],
        cycles: tuple[str, ...],
        gap: bool,
        layout: dict[str, Any],
        step: int = 0,
    ) -> None:
        self.step = step  # microseconds from row to row where they are even; else 0
        self.channels, self.categories, self.words = channels, categories, words
        self.cycles, self.gap, self.layout = cycles, gap, layout
        self.index = [{w: i for i, w in enumerate(own, start=2)} for own in words]
        kinds = np.array([c.kind for c in channels], dtype=object)
        self._live = np.flatnonzero(kinds != "constant")
        self._fixed = np.flatnonzero(kinds == "constant")
        self._logs = np.flatnonzero(kinds == "log")
        self._counters = np.flatnonzero(kinds == "counter")
        self._units = np.array([channels[i].unit for i in self._logs])
        self._constants = np.array([channels[i].location for i in self._fixed])
        self._location = np.array([channels[i].location for i in self._live])
        self._inverse = np.array([1 / channels[i].scale for i in self._live])
        self._plain = not len(self._logs) and not len(self._counters) and not gap
        self._all = len(self._live) == len(channels)
        # Location and inverse scale, where a row is read by them alone; else None.
        simple = self._plain and self._all and bool(channels)
        self.scale = (self._location, self._inverse) if simple else None
        # Names of the channels that the network sees, and of those that did not move in training.
        self.live = tuple(channels[i].name for i in self._live)
        self.fixed = tuple(channels[i].name for i in self._fixed)
        # What can be surprising, in the order of the surprises.
        self.names = (*self.live, *categories, *self.fixed)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Tokens of each category: 0 missing or nothing before, 1 never seen, then the words."""
        return tuple(len(w) + 2 for w in self.words)

    @property
    def calendar_size(self) -> int:
        """F."""
        return 2 * len(self.cycles)

    @classmethod
    def fit(
        cls,
        found: Observations,
        train: npt.NDArray[np.bool_],
        history: npt.NDArray[np.bool_],
        *,
        calendar: bool | None = None,
    ) -> Self:
        """Encoder of the rows that ``train`` ``(N,)`` marks; ``history`` are those up to the test part, whose
        times say which cycles of the calendar are there."""
        starts = np.zeros(len(found), bool)
        starts[found.offsets[:-1][found.lengths > 0]] = True
        gap = _has_gaps(found, starts, train)
        values = found.values
        names = list(found.channels)
        if gap:
            values = np.column_stack([values, _gaps(found, starts)])
            names.append(GAP)
        channels = tuple(
            _channel(name, values[:, c], starts, train, name == GAP) for c, name in enumerate(names)
        )
        if not found.words and all(c.kind == "constant" for c in channels):
            # Nothing ever moved: a twentieth of the value, or 1, is then as far as a usual step.
            channels = tuple(
                replace(c, kind="plain", scale=0.05 * abs(c.location) or 1.0) for c in channels
            )
        words = []
        for d, own in enumerate(found.words):
            codes = found.codes[train, d]
            counts = np.bincount(codes[codes >= 0], minlength=len(own))
            most = np.argsort(-counts, kind="stable")[:MOST_WORDS]
            words.append(tuple(sorted(own[i] for i in most if counts[i] and own[i] != UNSEEN)))
        cycles: tuple[str, ...] = ()
        if found.times is not None and found.layout.get("clock") and calendar is not False:
            times = found.times[history]
            span = int(times.max() - times.min()) if len(times) else 0
            step = (found.seconds() or 0.0) * 1e6
            need = 1 if calendar else 2
            cycles = tuple(
                name
                for name, length in CYCLES.items()
                if span >= need * length and step < length / 2
            )
        seconds = found.seconds()
        step = 0 if gap or seconds is None else round(seconds * 1e6)
        return cls(channels, found.categories, tuple(words), cycles, gap, dict(found.layout), step)

    def encode(self, found: Observations) -> Rows:
        """All rows, each series from its own beginning."""
        starts = np.zeros(len(found), bool)
        starts[found.offsets[:-1][found.lengths > 0]] = True
        values = found.values
        if self.gap:
            values = np.column_stack([values, _gaps(found, starts)])
        before = np.roll(values, 1, axis=0)
        before[starts] = np.nan
        if self.step and len(self._counters):
            assert found.times is not None
            before[np.diff(found.times, prepend=found.times[:1]) > LONG * self.step] = np.nan
        z, changed = self.numbers(values, before)
        return Rows(z, changed, self.tokens(found), self.calendar(found.times, len(found)))

    def tokens(self, found: Observations) -> IntArray:
        """``(N, D)`` numbers of the words."""
        tokens = np.empty(found.codes.shape, np.int64)
        for d, own in enumerate(found.words):
            table = np.array([*(self.index[d].get(w, 1) for w in own), 0], np.int64)
            tokens[:, d] = table[found.codes[:, d]]
        return tokens

    def push(
        self, values: FloatArray, times: IntArray | None, carry: Carry
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Numbers of successive rows ``(n, C)`` of one series; ``carry`` moves on."""
        if self._plain:
            return self.numbers(values, values)
        if self.gap:
            assert times is not None
            first = np.nan if carry.time is None else float(times[0] - carry.time)
            steps = np.concatenate([[first], np.diff(times).astype(float)])
            steps[steps < 0] = np.nan  # the clock was set back
            values = np.column_stack([values, steps / 1e6])
            carry.time = int(times[-1])
        before = np.concatenate([carry.raw[None], values[:-1]])
        carry.raw = values[-1]
        if self.step and times is not None and len(self._counters):
            last = times[0] if carry.time is None else carry.time
            before[np.diff(times, prepend=last) > LONG * self.step] = np.nan
            carry.time = int(times[-1])
        return self.numbers(values, before)

    def row(
        self, values: FloatArray, time: int | None, carry: Carry
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """The same of one row ``(C,)``."""
        times = None if time is None else np.array([time])
        z, changed = self.push(values[None], times, carry)
        return z[0], changed[0]

    def numbers(
        self, values: FloatArray, before: FloatArray
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Standardised live channels and which constants have moved, of raw rows and those before them."""
        fixed = values[..., self._fixed] if not self._all else values[..., :0]
        changed = (
            (np.abs(fixed - self._constants) > 1e-9 * (1 + np.abs(self._constants)))
            if (not self._all)
            else np.zeros(fixed.shape, bool)
        )
        if not self._plain:
            values = values.copy()
            if len(self._logs):
                values[..., self._logs] = np.arcsinh(values[..., self._logs] / self._units)
            if len(self._counters):
                rise = values[..., self._counters] - before[..., self._counters]
                values[..., self._counters] = np.where(rise >= 0, rise, np.nan)
        live = values if self._all else values[..., self._live]
        z = (live - self._location) * self._inverse
        return np.minimum(np.maximum(z, -LARGEST), LARGEST).astype(np.float32), changed

    def raw(self, z: FloatArray) -> FloatArray:
        """Expected values ``(..., C)`` in the units of the data; of a counter its rise."""
        out = np.asarray(z, float) / self._inverse + self._location
        for k, i in enumerate(self._live):
            if self.channels[i].kind == "log":
                out[..., k] = np.sinh(np.clip(out[..., k], -50, 50)) * self.channels[i].unit
        return np.asarray(out)

    def raw_of(self, live: int, z: float) -> float:
        """The same of one number of a live channel."""
        channel = self.channels[self._live[live]]
        out = float(z) / float(self._inverse[live]) + channel.location
        if channel.kind == "log":
            return float(math.sinh(min(max(out, -50.0), 50.0)) * channel.unit)
        return float(out)

    def rises(self, values: FloatArray, before: FloatArray) -> FloatArray:
        """Raw rows ``(n, C)`` with the rise since the row before in the place of a counter's number."""
        if not len(self._counters):
            return values
        values = values.copy()
        known = np.concatenate([before[None, : values.shape[1]], values[:-1]])
        values[:, self._counters] -= known[:, self._counters]
        return values

    def constant(self, fixed: int) -> int:
        """Which of all channels one that did not move is."""
        return int(self._fixed[fixed])

    @cached_property
    def schema(self) -> Schema:
        """How the times of a table are read."""
        return Schema.from_json(self.layout["time"])

    def place(self, live: int) -> int:
        """Which of all channels a live one is."""
        return int(self._live[live])

    def calendar(self, times: IntArray | None, rows: int) -> npt.NDArray[np.float32]:
        """``(N, F)`` sine and cosine of the time of day and of the week."""
        out = np.zeros((rows, self.calendar_size), np.float32)
        if not self.cycles:
            return out
        assert times is not None
        for k, name in enumerate(self.cycles):
            length = CYCLES[name]
            turn = 2 * np.pi * (((times - _MONDAY) % length) / length)
            out[:, 2 * k], out[:, 2 * k + 1] = np.sin(turn), np.cos(turn)
        return out

    def calendar_row(self, time: int) -> npt.NDArray[np.float32]:
        """``(F,)`` of one row."""
        out = []
        for name in self.cycles:
            length = CYCLES[name]
            turn = 2 * math.pi * (((time - _MONDAY) % length) / length)
            out += [math.sin(turn), math.cos(turn)]
        return np.array(out, np.float32)

    def token(self, d: int, word: str | None) -> int:
        """Number of one word."""
        return 0 if word is None else self.index[d].get(word, 1)

    def word(self, d: int, token: int) -> str | None:
        """The word of a number; None of missing ones and those never seen."""
        return self.words[d][token - 2] if token >= 2 else None

    def describe(self) -> list[str]:
        """Sentences for a report."""
        lines = []
        for kind, text in (
            ("log", "read on a logarithmic scale"),
            ("counter", "read as counters, by their rise"),
            ("constant", "constant in the training part: any other value is odd"),
        ):
            names = [c.name for c in self.channels if c.kind == kind]
            if names:
                shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" * (len(names) > 8))
                lines.append(f"{text}: {shown}")
        if self.cycles:
            lines.append(f"the network is told the time of {' and '.join(self.cycles)}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that :meth:`from_json` reads."""
        return {
            "channels": [asdict(c) for c in self.channels],
            "categories": list(self.categories),
            "words": [list(w) for w in self.words],
            "cycles": list(self.cycles),
            "gap": self.gap,
            "step": self.step,
            "layout": self.layout,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The encoder that wrote it.

        Raises:
            ValueError, KeyError, TypeError: it cannot be one.
        """
        channels = tuple(Channel(**c) for c in data["channels"])
        for c in channels:
            numbers = (c.location, c.scale, c.unit)
            if c.kind not in KINDS or not all(np.isfinite(x) for x in numbers) or c.scale <= 0:
                raise ValueError(f"channel {c.name!r} is damaged")
        if any(c not in CYCLES for c in data["cycles"]):
            raise ValueError("unknown cycles")
        return cls(
            channels,
            tuple(map(str, data["categories"])),
            tuple(tuple(map(str, w)) for w in data["words"]),
            tuple(data["cycles"]),
            bool(data["gap"]),
            dict(data["layout"]),
            int(data["step"]),
        )


def _gaps(found: Observations, starts: npt.NDArray[np.bool_]) -> FloatArray:
    """``(N,)`` seconds since the row before; NaN at a series' first and where the clock was set back."""
    assert found.times is not None
    steps = np.diff(found.times, prepend=found.times[:1]) / 1e6
    return np.asarray(np.where(starts | (steps < 0), np.nan, steps))


def _has_gaps(
    found: Observations, starts: npt.NDArray[np.bool_], train: npt.NDArray[np.bool_]
) -> bool:
    """Whether the time between rows says something: it varies in more than a fifth of them."""
    if found.times is None or not found.layout.get("clock"):
        return False
    steps = _gaps(found, starts)[train & ~starts]
    steps = steps[~np.isnan(steps)]
    if len(steps) < 10:
        return False
    usual = np.median(steps)
    return bool((np.abs(steps - usual) > 0.1 * max(usual, 1e-6)).mean() > 0.2)


def _channel(
    name: str, x: FloatArray, starts: npt.NDArray[np.bool_], train: npt.NDArray[np.bool_], gap: bool
) -> Channel:
    y = x[train]
    there = ~np.isnan(y)
    y, rows = y[there], int(there.sum())
    if rows == 0:
        return Channel(name, "plain", 0.0, 1.0)
    longest = _longest(x, starts, train)
    if np.ptp(y) <= 1e-12 * max(1.0, float(np.abs(y).max())):
        return Channel(name, "constant", float(y[0]), 1.0, rows=rows, longest=longest)
    kind, unit = ("log", 1.0) if gap else ("plain", 1.0)
    if not gap:
        rise = np.diff(x, prepend=np.nan)[train & ~starts]
        rise = rise[~np.isnan(rise)]
        if _counts(y, rise):
            kind, y = "counter", rise[rise >= 0]
            if np.ptp(y) <= 0:
                y = np.append(y, y[0] + max(abs(float(y[0])), 1.0))
        elif _kurtosis(y) > 10:
            some = np.abs(y[y != 0])
            unit = float(np.quantile(some, 0.1))
            if _kurtosis(np.arcsinh(y / unit)) < 0.5 * _kurtosis(y):
                kind = "log"
            else:
                unit = 1.0
    if kind == "log":
        y = np.arcsinh(y / unit)
    low, high = np.quantile(y, [0.001, 0.999])
    middle = np.clip(y, low, high)
    scale = float(middle.std()) or float(y.std()) or 1.0
    return Channel(name, kind, float(middle.mean()), scale, unit, rows, longest)


def _counts(y: FloatArray, rise: FloatArray) -> bool:
    """Whether a channel counts upwards: it falls hardly ever, rises often, and far beyond a step."""
    if len(rise) < 50:
        return False
    falls, rises = float((rise < 0).mean()), float((rise > 0).mean())
    return falls < 0.005 and rises > 0.3 and float(rise[rise > 0].sum()) > 20 * float(rise.max())


def _kurtosis(y: FloatArray) -> float:
    low, high = np.quantile(y, [0.001, 0.999])
    y = np.clip(y, low, high)
    d = y - y.mean()
    v = float((d * d).mean())
    return float((d**4).mean()) / (v * v) - 3 if v > 0 else 0.0


def _longest(x: FloatArray, starts: npt.NDArray[np.bool_], train: npt.NDArray[np.bool_]) -> int:
    """The most rows in a row over which the value stood still."""
    moved = (np.diff(x, prepend=np.nan) != 0) | starts | ~train
    places = np.flatnonzero(np.append(moved, True))
    return int(np.diff(places).max()) if len(places) > 1 else len(x)
