"""From raw rows to scores, thresholds and alarms: what batch, stream and command share.  NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.data.observations import FloatArray, IntArray
from gatework.data.row_encoder import Carry, RowEncoder
from gatework.runtime.alarms import AlarmEvent, AlarmGrouper
from gatework.runtime.detect import DetectRuntime, RowState, Told
from gatework.runtime.scoring import ScoreState, Scoring
from gatework.runtime.thresholds import Threshold

BLOCK = 4096  # rows scored at once


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


class SeriesState:
    """All that a stream remembers of one series."""

    __slots__ = ("carry", "grouper", "row", "rows", "score", "threshold", "time")

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
        found = self.scoring.surprise(told.residuals, changed, state.score)
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
