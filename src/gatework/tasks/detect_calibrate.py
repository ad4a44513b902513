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
ENOUGH = 500  # held-out events; with fewer, the last training sessions help
FEWEST = 50  # measured values from which a width can be told
ODD, MOST_ODD = 1.3, 0.05  # times the most of the held-out rows, and the share that may be so odd
WIDTH = 0.9  # quantile of the absolute residuals that is their width
BLOCK = 4096


@dataclass
class Held:
    """What history says, and what the rows or sessions of it say that training did not see."""

    tails: Tails
    level_tails: Tails | None
    row_tail: RowTail
    history: Array  # (n,) scores that a threshold is fitted to
    scores: Array  # (m,) of the held-out ones
    labels: BoolArray | None  # (m,)


def calibrate(runtime: DetectRuntime, data: DetectData, joining: Joining, warmup: int) -> Held:
    """Tails of the residuals of history, and of the rows' joined surprise, as a stream would have them."""
    if data.per_session:
        return _sessions(runtime, data, joining)
    found = data.found
    residuals = _residuals(runtime, data)
    told = _widened(residuals, data)
    history, held = data.part < 2, data.marked(1)
    if warmup:
        place = np.arange(len(found)) - np.repeat(found.offsets[:-1], found.lengths)
        later = history & (place >= warmup)
        history = later if later.any() else history
        held &= history
    if not held.any():
        held = history
    scoring, joined = _joined(data, joining, told, history)
    odd = _odd(joined, data.marked(0) & history, held)
    if odd.any():  # what is odd in the history itself does not say what is normal
        history &= ~odd
        scoring, joined = _joined(data, joining, told, history)
    tails, level_tails = scoring.tails, scoring.level_tails
    row_tail = RowTail.fit(joined[history])
    labels = None if found.labels is None else found.labels[held]
    return Held(
        tails,
        level_tails,
        row_tail,
        np.asarray(row_tail(joined[history])),
        np.asarray(row_tail(joined[held])),
        labels,
    )


def _joined(
    data: DetectData, joining: Joining, told: Array, history: BoolArray
) -> tuple[Scoring, Array]:
    """Tails of the rows of ``history``, and the joined surprise ``(N,)`` that all rows have by them."""
    rows = data.rows
    tails = Tails.fit(told[history], len(data.encoder.live))
    level_tails = _level_tails(data, joining, history) if joining.level else None
    scoring = Scoring(tails, joining, level_tails=level_tails)
    joined = np.empty(len(told))
    for a, b in itertools.pairwise(data.found.offsets.tolist()):
        state = scoring.state(len(data.encoder.names))
        for first in range(a, b, BLOCK):
            some = slice(first, min(first + BLOCK, b))
            joined[some] = scoring.surprise(
                told[some], rows.changed[some], state, rows.values[some]
            ).joined
    return scoring, joined


def _odd(joined: Array, train: BoolArray, held: BoolArray) -> BoolArray:
    """``(N,)`` training rows far more surprising than anything held out, a twentieth of them at most."""
    if int(held.sum()) < ENOUGH // 5 or not train.any():
        return np.zeros(len(joined), bool)
    most = max(ODD * float(joined[held].max()), float(np.quantile(joined[train], 1 - MOST_ODD)))
    return np.asarray(train & (joined > most))


def _widened(residuals: Array, data: DetectData) -> Array:
    """Residuals with those of the training part made as wide as those of the validation part.

    A network tells the rows that it learned from better than others.  They come from far more days than the
    validation part, though: as wide as it should be, their tail says more of what a normal row may be.
    """
    train, held = data.marked(0), data.marked(1)
    if int(held.sum()) < FEWEST:
        return residuals
    out = residuals.copy()
    for x in range(out.shape[1]):
        seen, new = (np.abs(out[m, x][~np.isnan(out[m, x])]) for m in (train, held))
        if len(seen) < FEWEST or len(new) < FEWEST:
            continue
        own, wanted = float(np.quantile(seen, WIDTH)), float(np.quantile(new, WIDTH))
        if wanted > own > 0:
            out[train, x] *= wanted / own
    return out


def _sessions(runtime: DetectRuntime, data: DetectData, joining: Joining) -> Held:
    """The same of sessions, from the held-out ones alone: a session is as long as a day of rows is."""
    found, rows = data.found, data.rows
    residuals = _residuals(runtime, data)
    held = data.marked(1)
    if int(held.sum()) < ENOUGH:
        series = np.repeat(np.arange(len(found.names)), found.lengths)
        train = np.flatnonzero(data.marked(0))
        first = train[-min(ENOUGH - int(held.sum()), len(train))]
        held = held.copy()
        held[train[series[train] >= series[first]]] = True
    tails = Tails.fit(residuals[held], len(data.encoder.live))
    top = Scoring(tails, joining).joined(residuals, rows.changed)
    per_session = np.maximum.reduceat(top, found.offsets[:-1])
    kept = held[found.offsets[:-1]]
    row_tail = RowTail.fit(per_session[kept])
    scores = np.asarray(row_tail(per_session[kept]))
    labels = None if found.labels is None else found.labels[kept]
    return Held(tails, None, row_tail, scores, scores, labels)


def _level_tails(data: DetectData, joining: Joining, history: BoolArray) -> Tails:
    """Of how far channels are from their slow means: no network has seen that, so all of the history tells."""
    found, values = data.found, data.rows.values
    out = np.empty(values.shape)
    b = 1 - 0.5 ** (1 / joining.level)
    for first, end in itertools.pairwise(found.offsets.tolist()):
        slow = np.full(values.shape[1], np.nan)
        out[first:end] = distances(values[first:end], slow, b)
    return Tails.fit(out[history], values.shape[1])


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
