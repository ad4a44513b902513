"""From raw rows to scores, thresholds and alarms: what batch, stream and command share.  NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gatework.data.observations import FloatArray, IntArray
from gatework.data.row_encoder import Carry, RowEncoder
from gatework.runtime.alarms import AlarmEvent, AlarmGrouper
from gatework.runtime.detect import DetectRuntime, RowState, Told
from gatework.runtime.row_step import RowModel, RowStep
from gatework.runtime.scoring import ScoreState, Scoring
from gatework.runtime.thresholds import Threshold

BLOCK = 4096  # rows scored at once
FEW = 6  # rows that are sooner scored one by one


@dataclass
class DetectBlock:
    """n successive rows of one series."""

    score: FloatArray  # (n,) -log10 of the tail probability
    threshold: FloatArray  # (n,)
    alarm: npt.NDArray[np.bool_]  # (n,)
    warming: npt.NDArray[np.bool_]  # (n,) too early in a series to alarm
    surprise: FloatArray  # (n, X) by channel, category and constant, adapted
    told: Told
    events: list[AlarmEvent]


class DetectRow(NamedTuple):
    """One row of a series; what is said of columns holds until the next one."""

    row: int  # from 0
    score: float
    threshold: float
    alarm: bool
    warming: bool
    first: int  # the most surprising column
    total: float  # surprise of all columns
    surprise: FloatArray  # (X,)
    told: Told | None  # of an alarm
    events: list[AlarmEvent]


class SeriesState:
    """All that a stream remembers of one series."""

    __slots__ = ("carry", "grouper", "row", "rows", "score", "step", "threshold", "time")

    def __init__(
        self,
        row: RowState,
        score: ScoreState,
        carry: Carry,
        threshold: Threshold,
        grouper: AlarmGrouper,
    ) -> None:
        self.row, self.score, self.carry = row, score, carry
        self.threshold, self.grouper = threshold, grouper
        self.rows = 0
        self.time: int | None = None
        self.step: RowStep | None = None  # made when a row comes alone

    def snapshot(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Plain JSON and arrays from which :meth:`restore` goes on."""
        arrays = {f"row.{k}": v for k, v in self.row.snapshot().items()}
        arrays |= {f"score.{k}": v for k, v in self.score.snapshot().items()}
        arrays["carry"] = self.carry.raw.copy()
        facts = {
            "rows": self.rows,
            "time": self.time,
            "carry_time": self.carry.time,
            "threshold": self.threshold.snapshot(),
            "grouper": self.grouper.snapshot(),
        }
        return facts, arrays

    def restore(self, facts: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
        """Go on from a snapshot; ValueError, KeyError or TypeError when it does not fit."""
        self.row.restore({k[4:]: v for k, v in arrays.items() if k.startswith("row.")})
        self.score.restore({k[6:]: v for k, v in arrays.items() if k.startswith("score.")})
        if arrays["carry"].shape != self.carry.raw.shape:
            raise ValueError("carry has another shape")
        self.carry.raw = np.array(arrays["carry"], float)
        self.carry.time = facts["carry_time"]
        self.rows, self.time = int(facts["rows"]), facts["time"]
        self.threshold.restore(facts["threshold"])
        self.grouper.restore(facts["grouper"])


@dataclass(frozen=True)
class Core:
    """A fitted detector without its training: never changes."""

    encoder: RowEncoder
    runtime: DetectRuntime
    scoring: Scoring
    threshold: Threshold
    warmup: int
    hysteresis: float
    gap: int

    def state(self) -> SeriesState:
        """Before the first row of a series."""
        names = self.encoder.names
        channels = len(self.encoder.channels)
        return SeriesState(
            self.runtime.state(),
            self.scoring.state(len(names)),
            Carry(channels),
            self.threshold.copy(),
            AlarmGrouper(names, hysteresis=self.hysteresis, gap=self.gap),
        )

    def advance(
        self, state: SeriesState, values: FloatArray, tokens: IntArray, times: IntArray | None
    ) -> DetectBlock:
        """Scores and alarms of n successive rows; ``state`` moves on.

        Args:
            values: ``(n, C)`` raw numbers, NaN where missing.  tokens: ``(n, D)``.
            times: ``(n,)`` microseconds since 1970, or None.
        """
        z, changed = self.encoder.push(values, times, state.carry)
        calendar = self.encoder.calendar(times, len(values))
        told = self.runtime.advance(state.row, z, tokens, calendar)
        found = self.scoring.surprise(told.residuals, changed, state.score, z)
        score = self.scoring.score(found.joined)
        n, first = len(score), state.rows
        state.rows += n
        if times is not None:
            state.time = int(times[-1])
        if first >= self.warmup:
            warming = np.zeros(n, bool)
            threshold = state.threshold.extend(score)
        else:
            warming = np.arange(first, first + n) < self.warmup
            early = int(warming.sum())
            threshold = np.empty(n)
            threshold[:early] = state.threshold.value
            threshold[early:] = state.threshold.extend(score[early:])
        alarm, events = state.grouper.extend(first, score, threshold, warming, found.adapted, times)
        return DetectBlock(score, threshold, alarm, warming, found.adapted, told, events)

    @cached_property
    def _row_models(self) -> dict[bool, RowModel]:
        return {}

    def step(self, state: SeriesState, *, alone: bool = False) -> RowStep | None:
        """A series' compiled step, None where the network has none; ``alone``: of a session's events."""
        if state.step is None and RowModel.fits(self.runtime, self.scoring):
            model = self._row_models.get(alone)
            if model is None:
                fixed, scale = len(self.encoder.fixed), self.encoder.scale
                model = RowModel(self.runtime, self.scoring, fixed, alone=alone, scale=scale)
                self._row_models[alone] = model
            state.step = model.step(state.row, state.score)
        return state.step

    def push(
        self, state: SeriesState, values: FloatArray, tokens: IntArray, time: int | None
    ) -> DetectRow:
        """One row: what :meth:`advance` says of a block of one, sooner.

        Args:
            values: ``(C,)``.  tokens: ``(D,)``.  time: microseconds since 1970, or None.
        """
        step = state.step or self.step(state)
        if step is None:
            times = None if time is None else np.array([time])
            block = self.advance(state, values[None], tokens[None], times)
            surprise = block.surprise[0]
            return DetectRow(
                state.rows - 1, float(block.score[0]), float(block.threshold[0]), bool(block.alarm[0]),
                bool(block.warming[0]), int(surprise.argmax()), float(surprise.sum()), surprise, block.told,
                block.events,
            )  # fmt: skip
        encoder = self.encoder
        numbers: npt.NDArray[Any] = values
        changed = None
        if encoder.scale is None:
            numbers, changed = encoder.row(values, time, state.carry)
        calendar = None
        if encoder.cycles:
            assert time is not None
            calendar = encoder.calendar_row(time)
        joined, first, total = step.push(numbers, tokens, calendar, changed)
        score = self.score(joined)
        row = state.rows
        state.rows = row + 1
        if time is not None:
            state.time = time
        warming = row < self.warmup
        threshold = state.threshold.value if warming else state.threshold.update(score)
        alarm, events = state.grouper.push(row, score, threshold, warming, step.surprise, time)
        told = step.told() if alarm else None
        return DetectRow(
            row, score, threshold, alarm, warming, first, total, step.surprise, told, events
        )

    def few(
        self, state: SeriesState, values: FloatArray, tokens: IntArray, times: IntArray | None
    ) -> DetectBlock:
        """The same as :meth:`advance`, sooner where there are hardly any rows; without residuals."""
        step = state.step or self.step(state)
        n = len(values)
        if step is None or not 0 < n <= FEW:
            return self.advance(state, values, tokens, times)
        values, tokens = np.ascontiguousarray(values), np.ascontiguousarray(tokens)
        rows, surprise, told = [], [], []
        for i in range(n):
            time = None if times is None else int(times[i])
            rows.append(self.push(state, values[i], tokens[i], time))
            surprise.append(step.surprise.copy())
            told.append(step.told())
        return DetectBlock(
            np.array([r.score for r in rows]),
            np.array([r.threshold for r in rows]),
            np.array([r.alarm for r in rows]),
            np.array([r.warming for r in rows]),
            np.array(surprise),
            told[0] if n == 1 else Told(*map(np.concatenate, zip(*told, strict=True))),
            list({e.start_row: e for r in rows for e in r.events}.values()),
        )

    def push_event(self, state: SeriesState, token: int) -> tuple[float, int]:
        """Surprise of a session's next event, and the word that was likeliest."""
        step = state.step or self.step(state, alone=True)
        tokens = np.array([token])
        if step is not None:
            return step.push(None, tokens, None, None)[0], int(step.best[0])
        none = np.zeros((1, 0), np.float32)
        told = self.runtime.advance(state.row, none, tokens[None], none)
        joined = self.scoring.joined(told.residuals, np.zeros((1, 0), bool))
        return float(joined[0]), int(told.best[0, 0])

    def score(self, joined: float) -> float:
        """The score of one joined surprise."""
        assert self.scoring.row_tail is not None
        return self.scoring.row_tail.one(joined)

    def series(self, values: FloatArray, tokens: IntArray, times: IntArray | None) -> DetectBlock:
        """A whole series from its beginning, its last alarm closed."""
        state = self.state()
        blocks = []
        for a in range(0, len(values), BLOCK):
            some = slice(a, a + BLOCK)
            blocks.append(
                self.advance(
                    state, values[some], tokens[some], None if times is None else times[some]
                )
            )
        last = state.grouper.flush()
        return joined_blocks(blocks, last)


def joined_blocks(blocks: list[DetectBlock], last: AlarmEvent | None) -> DetectBlock:
    """Successive blocks as one; of an event that went on, its last state."""
    events: dict[int, AlarmEvent] = {}
    for block in blocks:
        events |= {e.start_row: e for e in block.events}
    if last is not None:
        events[last.start_row] = last
    told = Told(*(np.concatenate(parts) for parts in zip(*(b.told for b in blocks), strict=True)))
    return DetectBlock(
        np.concatenate([b.score for b in blocks]),
        np.concatenate([b.threshold for b in blocks]),
        np.concatenate([b.alarm for b in blocks]),
        np.concatenate([b.warming for b in blocks]),
        np.concatenate([b.surprise for b in blocks]),
        told,
        list(events.values()),
    )
