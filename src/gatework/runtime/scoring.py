"""From residuals to one score a row: surprise by channel, adapted, joined, smoothed, set against held-out rows.

.. code-block:: text

    s[c]  = -ln p of channel c's residual                              Tails
    s[c]  = max(s[c], -ln p of x[c] - slow[c])     slow[c]: moving mean of the standardised x[c], rows before
    a[c]  = s[c] / max(1, m[c])     m[c]: moving mean of min(s[c], 60), of the rows before
    S     = mean of the k largest a[c]                                 k = round(sqrt(number of channels))
    E     = E + (S - E) * 2 / (span + 1)
    score = -log10 P(E >= this, of held-out rows)                      RowTail

A forecast follows what lasts: of a level that stays wrong for hours it is surprised once.  Set against its slow
mean the channel stays odd for as long.

A calibrated channel has s = 1 in the mean.  One that drifted away from its training part is surprising all the
time; dividing by its usual surprise silences it without a new fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gatework.runtime.tails import RowTail, Tails

Array = npt.NDArray[np.float64]
MOST = 60.0  # nats that a single surprise adds to a channel's mean at most
CHUNK = 256
FARTHEST = 50.0  # standard deviations from the mean that a channel's slow mean is told


@dataclass(frozen=True)
class Joining:
    """How channels and rows become one number."""

    top: int  # k
    span: float  # rows of the smoothing; 1: none
    adapt: (
        float  # rows after which half of a channel's usual surprise is forgotten; 0: never adapted
    )
    constant: float  # nats of a constant channel that has another value
    level: float = 0.0  # rows after which a slow mean has half forgotten; 0: there is none


class ScoreState:
    """What the scores of one series remember, in arrays that are its own for good: a row step writes there."""

    __slots__ = ("held", "slow", "usual")

    def __init__(self, columns: int, channels: int = 0) -> None:
        self.usual = np.ones(columns)
        self.slow = np.full(channels, np.nan)  # of the channels, standardised; NaN before the first
        self.held = np.zeros(2)  # the smoothed surprise; rows so far

    @property
    def level(self) -> float:
        """The smoothed surprise of the last row."""
        return float(self.held[0])

    @level.setter
    def level(self, value: float) -> None:
        self.held[0] = value

    @property
    def rows(self) -> int:
        """Rows so far."""
        return int(self.held[1])

    @rows.setter
    def rows(self, value: int) -> None:
        self.held[1] = value

    def snapshot(self) -> dict[str, Any]:
        """What :meth:`restore` goes on from."""
        return {
            "usual": self.usual.copy(),
            "slow": self.slow.copy(),
            "level": np.array([self.level]),
            "rows": np.array([self.rows]),
        }

    def restore(self, found: Mapping[str, Any]) -> None:
        """Go on from a snapshot; ValueError when it is of other columns."""
        if found["usual"].shape != self.usual.shape:
            raise ValueError(f"usual has shape {found['usual'].shape}")
        if found["slow"].shape != self.slow.shape:
            raise ValueError(f"slow has shape {found['slow'].shape}")
        self.usual[...], self.slow[...] = found["usual"], found["slow"]
        self.level, self.rows = float(found["level"][0]), int(found["rows"][0])


class Surprise(NamedTuple):
    """n rows."""

    adapted: Array  # (n, X)
    joined: Array  # (n,) E


class Scoring:
    """Scores of rows from what a network told of them; never changes."""

    def __init__(
        self,
        tails: Tails,
        joining: Joining,
        row_tail: RowTail | None = None,
        level_tails: Tails | None = None,
    ) -> None:
        self.tails, self.joining, self.row_tail = tails, joining, row_tail
        self.level_tails = level_tails  # of C channels, where joining.level is not 0
        self.slowness = 1 - 0.5 ** (1 / joining.level) if joining.level else 0.0
        self.forget = 1 - 0.5 ** (1 / joining.adapt) if joining.adapt else 0.0
        self.weight = 2 / (joining.span + 1)

    def state(self, columns: int) -> ScoreState:
        """Before the first row; ``columns`` with the constant channels."""
        levels = self.level_tails
        return ScoreState(columns, 0 if levels is None else len(levels.table))

    def surprise(
        self,
        residuals: Array,
        changed: npt.NDArray[np.bool_],
        state: ScoreState,
        values: npt.NDArray[np.float32],
    ) -> Surprise:
        """Surprise of n successive rows with the standardised ``values`` ``(n, C)``; ``state`` moves on."""
        s = self.tails(residuals)
        if self.level_tails is not None:
            C = values.shape[1]
            distance = distances(values, state.slow, self.slowness)
            s[:, :C] = np.maximum(s[:, :C], self.level_tails(distance))
        if changed.shape[1]:
            s = np.concatenate([s, changed * self.joining.constant], 1)
        adapted = self._adapted(s, state) if self.forget else s
        found = self._smoothed(self._top(adapted), state)
        state.rows += len(s)
        return Surprise(adapted, found)

    def joined(self, residuals: Array, changed: npt.NDArray[np.bool_]) -> Array:
        """``(n,)`` surprise of rows on their own: neither adapted nor smoothed."""
        s = self.tails(residuals)
        if changed.shape[1]:
            s = np.concatenate([s, changed * self.joining.constant], 1)
        return self._top(s)

    def score(self, joined: Array) -> Array:
        """Scores of joined surprises."""
        assert self.row_tail is not None
        found: Array = self.row_tail(joined)
        return found

    def _top(self, s: Array) -> Array:
        k, X = self.joining.top, s.shape[1]
        if X == 1:
            return s[:, 0]
        if k == 1:
            return np.asarray(s.max(1))
        if k < X:
            s = np.partition(s, X - k, axis=1)[:, X - k :]
        return np.asarray(s.sum(1) / min(k, X))

    def _adapted(self, s: Array, state: ScoreState) -> Array:
        a, usual = self.forget, state.usual
        if len(s) == 1:
            out = s / np.maximum(usual, 1.0)
            state.usual[...] = usual + a * (np.minimum(s[0], MOST) - usual)
            return out
        out = np.empty_like(s)
        for first in range(0, len(s), CHUNK):
            part = s[first : first + CHUNK]
            # usual before row t: (1-a)^t usual + a sum over i < t of (1-a)^(t-1-i) min(s_i, most)
            t = np.arange(len(part) + 1)[:, None]
            kept = (1 - a) ** t
            summed = np.cumsum(np.minimum(part, MOST) / kept[1:], axis=0)
            before = np.concatenate([usual[None], kept[1:] * (usual + a * summed)])
            out[first : first + CHUNK] = part / np.maximum(before[:-1], 1.0)
            usual = before[-1]
        state.usual[...] = usual
        return out

    def _smoothed(self, joined: Array, state: ScoreState) -> Array:
        w = self.weight
        if w == 1.0:
            return joined
        level = state.level if state.rows else 1.0
        if len(joined) == 1:
            state.level = level + (float(joined[0]) - level) * w
            return np.array([state.level])
        out = joined.tolist()
        for i, s in enumerate(out):
            level += (s - level) * w
            out[i] = level
        state.level = level
        return np.array(out)


def distances(values: npt.NDArray[np.float32], slow: Array, b: float) -> Array:
    """``(n, C)`` of each row from the slow mean of those before it, which moves on in place.

    Missing values move nothing, and those beyond 50 count as 50: a glitch does not stay for hours.
    """
    z = np.clip(values, -FARTHEST, FARTHEST).astype(np.float64)
    out = np.empty(z.shape)
    for first in range(0, len(z), CHUNK):
        part = z[first : first + CHUNK]
        missing = np.isnan(part)
        if missing.any() or np.isnan(slow).any():
            for i, row in enumerate(part):
                fresh = np.isnan(slow)
                out[first + i] = row - slow
                slow[...] = np.where(
                    np.isnan(row), slow, np.where(fresh, row, slow + b * (row - slow))
                )
            continue
        kept = (1 - b) ** np.arange(len(part) + 1)[:, None]
        summed = np.cumsum(part / kept[1:], axis=0)
        before = np.concatenate([slow[None], kept[1:] * (slow + b * summed)])
        out[first : first + CHUNK] = part - before[:-1]
        slow[...] = before[-1]
    return out
