"""Probabilities from residuals: tails by channel and of whole rows, from rows that training did not see."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.data.observations import BoolArray
from gatework.runtime.detect import DetectRuntime, Told
from gatework.runtime.scoring import Joining, Scoring, distances
from gatework.runtime.tails import RowTail, Tails
from gatework.tasks.detect_data import DetectData

Array = npt.NDArray[np.float64]
ENOUGH = 500  # held-out rows; with fewer, the last training rows help
BLOCK = 4096


@dataclass
class Held:
    """What held-out rows or sessions say."""

    tails: Tails
    level_tails: Tails | None
    row_tail: RowTail
    scores: Array
    labels: BoolArray | None


def calibrate(runtime: DetectRuntime, data: DetectData, joining: Joining, warmup: int) -> Held:
    """Tails of the held-out rows' residuals, and of their joined surprise, as a stream would have them."""
    found, rows = data.found, data.rows
    residuals = _residuals(runtime, data)
    held = _held_out(data, warmup)
    tails = Tails.fit(residuals[held], len(data.encoder.live))
    level_tails = _level_tails(data, joining) if joining.level else None
    scoring = Scoring(tails, joining, level_tails=level_tails)
    if data.per_session:
        top = scoring.joined(residuals, rows.changed)
        per_session = np.maximum.reduceat(top, found.offsets[:-1])
        kept = held[found.offsets[:-1]]
        joined = per_session[kept]
        labels = None if found.labels is None else found.labels[kept]
    else:
        whole = np.empty(len(found))
        for a, b in zip(found.offsets[:-1], found.offsets[1:], strict=True):
            state = scoring.state(len(data.encoder.names))
            for first in range(a, b, BLOCK):
                some = slice(first, min(first + BLOCK, b))
                whole[some] = scoring.surprise(
                    residuals[some], rows.changed[some], state, rows.values[some]
                ).joined
        joined = whole[held]
        labels = None if found.labels is None else found.labels[held]
    row_tail = RowTail.fit(joined)
    return Held(tails, level_tails, row_tail, np.asarray(row_tail(joined)), labels)


def _level_tails(data: DetectData, joining: Joining) -> Tails:
    """Of how far channels are from their slow means: no network has seen that, so all of the history tells."""
    found, values = data.found, data.rows.values
    out = np.empty(values.shape)
    b = 1 - 0.5 ** (1 / joining.level)
    for first, end in itertools.pairwise(found.offsets.tolist()):
        slow = np.full(values.shape[1], np.nan)
        out[first:end] = distances(values[first:end], slow, b)
    return Tails.fit(out[data.part < 2], values.shape[1])


def _held_out(data: DetectData, warmup: int) -> BoolArray:
    """``(N,)`` rows to calibrate on: those of the validation part, and where these are few, training rows."""
    found = data.found
    held = data.marked(1)
    if int(held.sum()) < ENOUGH:
        train = np.flatnonzero(data.marked(0))
        missing = ENOUGH - int(held.sum())
        if data.per_session:  # whole sessions
            series = np.repeat(np.arange(len(found.names)), found.lengths)
            train = train[series[train] >= series[train[-min(missing, len(train))]]]
        held = held.copy()
        held[train[-missing:] if not data.per_session else train] = True
    if warmup and not data.per_session:
        place = np.arange(len(found)) - np.repeat(found.offsets[:-1], found.lengths)
        later = held & (place >= warmup)
        held = later if later.any() else held
    return held


def _residuals(runtime: DetectRuntime, data: DetectData) -> Array:
    """``(N, C + D)`` of all rows, each series from its beginning."""
    found, rows = data.found, data.rows
    if data.per_session:
        return runtime.sessions(rows.values, rows.tokens, rows.calendar, found.offsets).residuals
    out = np.empty((len(found), len(data.encoder.live) + len(data.encoder.categories)))
    for a, b in zip(found.offsets[:-1], found.offsets[1:], strict=True):
        state = runtime.state()
        for first in range(a, b, BLOCK):
            some = slice(first, min(first + BLOCK, b))
            told: Told = runtime.advance(
                state, rows.values[some], rows.tokens[some], rows.calendar[some]
            )
            out[some] = told.residuals
    return out


def reliability(scores: Array) -> list[dict[str, Any]]:
    """Which share of the held-out rows had a tail probability below some levels."""
    found = []
    for level in (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001):
        if level * len(scores) >= 5:
            found.append({"expected": level, "seen": float((scores >= -np.log10(level)).mean())})
    return found
