"""What a stream says beside its alarms: channels that died, channels that drifted away."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatework.data.observations import FloatArray, IntArray
from gatework.data.row_encoder import RowEncoder
from gatework.tasks.detect_core import SeriesState

STILL = (
    3.0  # times the longest standstill of the training part, after which a channel is called dead
)
LEAST = 50  # rows
DRIFTED = 4.0  # times the usual surprise


class Notices:
    """Told once for each channel and occasion; memory of a few numbers for each channel of a series."""

    def __init__(self, encoder: RowEncoder, adapt: float) -> None:
        raw = len(encoder.layout.get("channels", []))
        self._channels = encoder.channels[:raw]
        log = encoder.layout["kind"] == "log"  # a number is of some lines alone
        never = np.iinfo(np.int64).max
        self._most = np.array(
            [
                never
                if log or c.kind == "constant" or not c.rows
                else int(max(STILL * c.longest, LEAST))
                for c in self._channels
            ],
            np.int64,
        )
        self._adapt = adapt
        self._names = encoder.live
        self._still: dict[str, IntArray] = {}
        self._last: dict[str, FloatArray] = {}
        self._dead: dict[str, set[int]] = {}
        self._drifted: dict[str, set[int]] = {}
        self._told: list[str] = []

    def take(self) -> list[str]:
        """What is new since the last call."""
        told, self._told = self._told, []
        return told

    def forget(self, series: str) -> None:
        """A series that is no longer kept."""
        for kept in (self._still, self._last, self._dead, self._drifted):
            kept.pop(series, None)

    def rows(self, series: str, values: FloatArray, state: SeriesState) -> None:
        """Look at raw rows ``(n, C)`` before they are scored."""
        if not len(self._channels):
            return
        values = values[:, : len(self._channels)]
        if series not in self._still:
            self._still[series] = np.zeros(values.shape[1], np.int64)
            self._last[series] = np.full(values.shape[1], np.nan)
            self._dead[series], self._drifted[series] = set(), set()
        still, last, n = self._still[series], self._last[series], len(values)
        # missing counts as standing still; what was missing and comes back has moved
        still += n
        if n == 1:
            row = values[0]
            moved = row != last
            moved &= row == row
            still[moved] = 0
        else:
            before = np.concatenate([last[None], values[:-1]])
            each = (values != before) & (values == values)
            moved = each.any(0)
            still[moved] = each[::-1].argmax(0)[moved]  # rows since the last move
        last[...] = values[-1]
        if self._dead[series] or np.count_nonzero(still > self._most):
            self._dead_ones(series, moved)
        self._drifting(series, state)

    def _dead_ones(self, series: str, moved: Any) -> None:
        dead = self._dead[series]
        for c in list(dead):
            if moved[c]:
                dead.discard(c)
                self._say(series, f"{self._channels[c].name} moves again")
        over = np.flatnonzero(self._still[series] > self._most)
        for c in over.tolist():
            if c not in dead:
                dead.add(c)
                channel = self._channels[c]
                self._say(
                    series,
                    f"{channel.name} has stood still for {int(self._still[series][c])} rows (at most "
                    f"{channel.longest} in training): it may be dead",
                )

    def _drifting(self, series: str, state: SeriesState) -> None:
        if not self._adapt or state.rows < self._adapt:
            return
        usual, known = state.score.usual, self._drifted[series]
        over = usual[: len(self._names)] > DRIFTED
        if not known and not np.count_nonzero(over):
            return
        for k in np.flatnonzero(over).tolist():
            if k not in known:
                known.add(k)
                self._say(
                    series,
                    f"{self._names[k]} has drifted: for long it has been {usual[k]:.1f} times as surprising as "
                    "in training. Train on newer data with --continue",
                )
        for k in [k for k in known if usual[k] < DRIFTED / 2]:
            known.discard(k)

    def _say(self, series: str, text: str) -> None:
        self._told.append(f"{series}: {text}" if series else text)

    def to_json(self) -> dict[str, Any]:
        """What :meth:`restore` goes on from."""
        return {
            name: {
                "still": self._still[name].tolist(),
                "last": [None if x != x else x for x in self._last[name].tolist()],
                "dead": sorted(self._dead[name]),
                "drifted": sorted(self._drifted[name]),
            }
            for name in self._still
        }

    def restore(self, data: dict[str, Any]) -> None:
        """Go on from :meth:`to_json`; ValueError when it is of other channels."""
        for name, own in data.items():
            if len(own["still"]) != len(self._channels) or len(own["last"]) != len(self._channels):
                raise ValueError("notices are of other channels")
            self._still[name] = np.array(own["still"], np.int64)
            self._last[name] = np.array([np.nan if x is None else x for x in own["last"]], float)
            self._dead[name], self._drifted[name] = set(own["dead"]), set(own["drifted"])
