"""Alarms as a person reads them: rows above a threshold that belong together become one event.

An alarm begins at a row whose score is above its threshold and goes on while scores stay above ``hysteresis``
times theirs; alarms with at most ``gap`` rows between them are one event.  What is said of a row depends on it
and on the rows before it alone, and is the same in blocks of any size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.errors import ConfigError
from gatework.runtime.threshold_base import number, numbers, truth, whole

Array = npt.NDArray[Any]

NAMED = 5  # channels of an event, those that contributed most
LARGEST_ROW = 2**62


@dataclass(frozen=True)
class AlarmEvent:
    """Rows that are one alarm; while it is open more of them may come."""

    start_row: int
    end_row: int  # the last row of an alarm, included
    peak_row: int
    peak_score: float
    threshold: float  # at the peak
    start_time: int | None  # µs
    end_time: int | None
    channels: tuple[
        tuple[str, float], ...
    ]  # what contributed most, with its share, falling; at most five
    open: bool


@dataclass
class _Running:
    """An event that has not ended, or a candidate that has too few rows yet."""

    start_row: int
    start_time: int | None
    end_row: int
    end_time: int | None
    peak_row: int
    peak_score: float
    threshold: float
    rows: int
    sums: Array  # (C,) float64 of the contributions


class AlarmGrouper:
    """Turns scores and thresholds into alarms and events.

    Args:
        channels: names of the C channels whose contributions are given.
        hysteresis: share of the threshold below which an alarm ends; 1 for none.
        gap: rows without an alarm that may lie inside an event.
        min_rows: an event of fewer alarm rows is none; a row is no alarm before there are as many.

    Raises:
        ConfigError: a number out of its range.
    """

    def __init__(
        self, channels: Sequence[str], *, hysteresis: float = 0.7, gap: int = 5, min_rows: int = 1
    ) -> None:
        if not 0 < hysteresis <= 1:
            raise ConfigError(f"hysteresis must be above 0 and at most 1; got {hysteresis!r}.")
        if not 0 <= gap <= 2**31:
            raise ConfigError(f"gap must be a number of rows, 0 or more; got {gap!r}.")
        if not 1 <= min_rows <= 2**31:
            raise ConfigError(f"min_rows must be 1 or more; got {min_rows!r}.")
        self.channels = tuple(channels)
        self.hysteresis = hysteresis
        self.gap = gap
        self.min_rows = min_rows
        self._event: _Running | None = None
        self._on = False  # the last row was in an alarm
        self._next = 0  # the row that would come next

    @property
    def open_event(self) -> AlarmEvent | None:
        """The event that has not ended, if there is one."""
        return self._told(True)

    def push(
        self,
        row: int,
        score: float,
        threshold: float,
        quiet: bool = False,
        shares: Array | None = None,
        time: int | None = None,
    ) -> tuple[bool, list[AlarmEvent]]:
        """One row: whether it is in an alarm, and the events that began, changed or ended with it."""
        if self._event is None and not self._on and row >= self._next and not score > threshold:
            self._next = row + 1  # as most rows are: nothing was there and nothing begins
            return False, []
        if self._event is None and row >= self._next and (quiet or not score > threshold):
            self._on, self._next = False, row + 1  # nearly every row, and no array for it
            return False, []
        alarm, events = self.extend(
            row,
            np.array([score], np.float64),
            np.array([threshold], np.float64),
            np.array([quiet]),
            None if shares is None else np.asarray(shares)[None],
            None if time is None else np.array([time], np.int64),
        )
        return bool(alarm[0]), events

    def extend(
        self,
        first_row: int,
        scores: Array,
        thresholds: Array,
        quiet: Array,
        shares: Array | None = None,
        times: Array | None = None,
    ) -> tuple[Array, list[AlarmEvent]]:
        """Alarms ``(n,)`` bool of a block, and each event that began, changed or ended in it, once.

        Args:
            first_row: number of the first row; rows may be left out, never go back.
            scores: ``(n,)``; NaN is no alarm.
            thresholds: ``(n,)``.
            quiet: ``(n,)`` bool, where there is no alarm whatever the score (warming up).
            shares: ``(n, C)`` what each channel contributed to a row's score; what is not above 0 counts as 0.
            times: ``(n,)`` int64 µs.

        Raises:
            ValueError: shapes that do not fit, or rows that go back.
        """
        scores, thresholds = np.asarray(scores, np.float64), np.asarray(thresholds, np.float64)
        n = len(scores)
        self._check(first_row, n, thresholds, quiet, shares, times)
        if n == 0:
            return np.zeros(0, bool), []
        if first_row > self._next:
            self._on = False
        on = self._rows(scores, thresholds, ~np.asarray(quiet, bool))
        around = np.zeros(n + 2, bool)
        around[1:-1] = on
        edges = np.flatnonzero(around[1:] != around[:-1])
        events: list[AlarmEvent] = []
        alarm = on.copy()
        changed = False
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            self._close(first_row + begin - 1, events)
            late = self.min_rows - 1 - (self._event.rows if self._event else 0)
            alarm[begin : min(begin + max(late, 0), end)] = False
            self._take(first_row, begin, end, scores, thresholds, shares, times)
            changed = True
        before = len(events)
        self._close(first_row + n - 1, events)
        if changed and len(events) == before and (told := self.open_event):
            events.append(told)
        self._on, self._next = bool(on[-1]), first_row + n
        return alarm, events

    def flush(self) -> AlarmEvent | None:
        """Ends the input or one of its series: the event that was open, ended now."""
        told = self._told(False)
        self._event, self._on = None, False
        return told

    def _rows(self, scores: Array, thresholds: Array, heard: Array) -> Array:
        """``(n,)`` whether a row is in an alarm: above, or held since one that was."""
        above = (scores > thresholds) & heard
        held = (scores > self.hysteresis * thresholds) & heard
        # a row that only holds is what the last row was that begins or ends
        told = np.maximum.accumulate(np.where(above | ~held, np.arange(len(above)), -1))
        return np.where(told >= 0, above[told], self._on)

    def _close(self, row: int, events: list[AlarmEvent]) -> None:
        """Ends the event when the rows up to ``row`` leave no doubt."""
        if self._event is not None and row - self._event.end_row > self.gap:
            if told := self._told(False):
                events.append(told)
            self._event = None

    def _take(
        self,
        first_row: int,
        begin: int,
        end: int,
        scores: Array,
        thresholds: Array,
        shares: Array | None,
        times: Array | None,
    ) -> None:
        """Adds the rows from ``begin`` to ``end`` of a block to the event."""
        peak = begin + int(np.argmax(scores[begin:end]))
        if self._event is None:
            self._event = _Running(
                start_row=first_row + begin,
                start_time=None if times is None else int(times[begin]),
                end_row=first_row + begin,
                end_time=None,
                peak_row=-1,
                peak_score=-np.inf,
                threshold=0.0,
                rows=0,
                sums=np.zeros(len(self.channels)),
            )
        event = self._event
        event.end_row = first_row + end - 1
        event.end_time = None if times is None else int(times[end - 1])
        event.rows += end - begin
        if scores[peak] > event.peak_score:
            event.peak_row, event.peak_score = first_row + peak, float(scores[peak])
            event.threshold = float(thresholds[peak])
        if shares is not None:
            part = np.asarray(shares[begin:end], np.float64)
            part = np.where(np.isfinite(part) & (part > 0), part, 0.0)
            # one row after the other, so that the cut into blocks does not change the last bit
            event.sums = np.concatenate([event.sums[None], part]).cumsum(axis=0)[-1]

    def _told(self, is_open: bool) -> AlarmEvent | None:
        event = self._event
        if event is None or event.rows < self.min_rows:
            return None
        order = np.argsort(-event.sums, kind="stable")[:NAMED].tolist()
        total = float(event.sums.sum())
        return AlarmEvent(
            start_row=event.start_row,
            end_row=event.end_row,
            peak_row=event.peak_row,
            peak_score=event.peak_score,
            threshold=event.threshold,
            start_time=event.start_time,
            end_time=event.end_time,
            channels=tuple(
                (self.channels[c], float(event.sums[c]) / total) for c in order if event.sums[c] > 0
            ),
            open=is_open,
        )

    def _check(
        self,
        first_row: int,
        n: int,
        thresholds: Array,
        quiet: Array,
        shares: Array | None,
        times: Array | None,
    ) -> None:
        if first_row < self._next:
            raise ValueError(f"rows must not go back: {first_row} came after {self._next - 1}")
        for name, array in (("thresholds", thresholds), ("quiet", quiet), ("times", times)):
            if array is not None and np.shape(array) != (n,):
                raise ValueError(f"{name} must be ({n},) as the scores; got {np.shape(array)}")
        if shares is not None and np.shape(shares) != (n, len(self.channels)):
            raise ValueError(f"shares must be ({n}, {len(self.channels)}); got {np.shape(shares)}")

    def snapshot(self) -> dict[str, Any]:
        """All that changes in a stream, as plain JSON; :meth:`restore` goes on from it exactly."""
        event = self._event
        kept = None if event is None else {**asdict(event), "sums": event.sums.tolist()}
        return {"next": self._next, "on": self._on, "event": kept}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`snapshot` of a grouper of the same channels gave.

        Raises:
            ValueError: it cannot come from there; the grouper is as before.
        """
        if not isinstance(state, Mapping):
            raise ValueError("the state of alarms must be an object")
        following, on = whole(state, "next", 0, LARGEST_ROW), truth(state, "on")
        kept, event = state.get("event"), None
        if isinstance(kept, Mapping):
            event = self._read(kept, following)
        elif kept is not None or on:
            raise ValueError(
                "'event' of alarms must be an object or null, and is needed in an alarm"
            )
        self._next, self._on, self._event = following, on, event

    def _read(self, kept: Mapping[str, Any], following: int) -> _Running:
        end = whole(kept, "end_row", 0, following - 1)
        start = whole(kept, "start_row", 0, end)
        sums = numbers(kept, "sums", len(self.channels), 0.0)
        if len(sums) != len(self.channels):
            raise ValueError(f"'sums' of alarms must be {len(self.channels)} numbers")
        return _Running(
            start_row=start,
            start_time=_time(kept, "start_time"),
            end_row=end,
            end_time=_time(kept, "end_time"),
            peak_row=whole(kept, "peak_row", start, end),
            peak_score=number(kept, "peak_score"),
            threshold=number(kept, "threshold"),
            rows=whole(kept, "rows", 1, end - start + 1),
            sums=np.array(sums, np.float64),
        )


def _time(kept: Mapping[str, Any], key: str) -> int | None:
    found = kept.get(key)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int) or abs(found) >= 2**63:
        raise ValueError(f"{key!r} of alarms must be whole microseconds; got {found!r:.80}")
    return found
