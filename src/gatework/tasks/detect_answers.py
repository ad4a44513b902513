"""Scores of whole observations, and the frame that ``predict`` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from gatework.data.observations import BoolArray, FloatArray, IntArray, Observations
from gatework.data.row_encoder import RowEncoder
from gatework.runtime.alarms import AlarmEvent
from gatework.runtime.detect import Told
from gatework.tasks.detect_core import Core, joined_blocks

NAMED = 3  # channels that the text of a row names


@dataclass
class Scored:
    """Scores of N rows, or of S sessions with those of their N events behind them."""

    score: FloatArray  # (N,), of sessions (S,)
    threshold: FloatArray
    alarm: BoolArray
    warming: BoolArray
    surprise: FloatArray  # (N, X)
    told: Told  # (N, ...)
    events: list[tuple[int, AlarmEvent]]  # series, event with its rows counted in the series
    joined: FloatArray | None = None  # of sessions (N,): the surprise of each event


def score_all(core: Core, found: Observations) -> Scored:
    """Each series from its beginning."""
    tokens = core.encoder.tokens(found)
    blocks, events = [], []
    for s, (a, b) in enumerate(zip(found.offsets[:-1], found.offsets[1:], strict=True)):
        if a == b:
            continue
        times = None if found.times is None else found.times[a:b]
        block = core.series(found.values[a:b], tokens[a:b], times)
        events += [(s, e) for e in block.events]
        blocks.append(block)
    whole = joined_blocks(blocks, None)
    return Scored(
        whole.score, whole.threshold, whole.alarm, whole.warming, whole.surprise, whole.told, events
    )


def score_sessions(core: Core, found: Observations) -> Scored:
    """Each session as a whole: its score is that of its most surprising event."""
    rows = core.encoder.encode(found)
    told = core.runtime.sessions(rows.values, rows.tokens, rows.calendar, found.offsets)
    surprise = core.scoring.tails(told.residuals)
    joined = core.scoring.joined(told.residuals, rows.changed)
    most = np.maximum.reduceat(joined, found.offsets[:-1])
    score = np.asarray(core.scoring.score(most))
    threshold = core.threshold.copy().extend(score)
    return Scored(
        score,
        threshold,
        score > threshold,
        np.zeros(len(score), bool),
        surprise,
        told,
        [],
        joined,
    )


def answer_frame(core: Core, found: Observations, scored: Scored, sessions: bool) -> pl.DataFrame:
    """A row per row of the data, in their order, or per session."""
    if sessions:
        return _session_frame(core, found, scored)
    columns: dict[str, Any] = {}
    if found.layout.get("series") or len(found.names) > 1:
        columns["series"] = [
            n for n, k in zip(found.names, found.lengths, strict=True) for _ in range(k)
        ]
    if found.stamps is not None:
        columns["time"] = found.stamps
    if found.lines is not None:
        columns["line"] = found.lines
    columns |= {
        "score": scored.score,
        "threshold": scored.threshold,
        "alarm": scored.alarm,
        "warming": scored.warming,
        **reasons(core, found, scored),
    }
    if found.texts is not None:
        columns["text"] = [found.texts(i) for i in range(len(found))]
    frame = pl.DataFrame(columns)
    if found.order is not None:
        place = np.argsort(found.order, kind="stable")
        frame = frame[place]
    return frame


def reasons(core: Core, found: Observations, scored: Scored) -> dict[str, Any]:
    """Columns that say which channel was odd, what it was, and what was expected."""
    encoder, names = core.encoder, np.array(core.encoder.names, dtype=object)
    C, D, N = len(encoder.live), len(encoder.categories), len(scored.score)
    s = scored.surprise
    total = np.maximum(s.sum(1), 1e-12)
    few = min(NAMED, len(names))
    order = np.argsort(-s, axis=1, kind="stable")[:, :few]
    shares = np.take_along_axis(s, order, 1) / total[:, None]
    first = order[:, 0]
    columns: dict[str, Any] = {
        "channel": names[first].astype(str),
        "share": shares[:, 0],
    }
    if C:
        value, expected, low, high = np.full((4, N), np.nan)
        number = np.flatnonzero(first < C)
        c = first[number]
        source = sources(encoder, found)
        value[number] = source[number, c]
        for out, z in (
            (expected, scored.told.middle),
            (low, scored.told.low),
            (high, scored.told.high),
        ):
            out[number] = encoder.raw(np.asarray(z[number], float))[np.arange(len(number)), c]
        for k in range(len(encoder.fixed)):  # what never moved is expected where it was
            at = encoder.constant(k)
            own = np.flatnonzero(first == C + D + k)
            value[own], expected[own] = found.values[own, at], encoder.channels[at].location
        for name, out in zip(
            ("value", "expected", "low", "high"), (value, expected, low, high), strict=True
        ):
            columns[name] = pl.Series(out, nan_to_null=True)
    if D:
        d = np.clip(first - C, 0, D - 1)
        is_word = (first >= C) & (first < C + D)
        rows = np.arange(N)
        best = scored.told.best[rows, d]
        columns["word"] = [
            _word_of(found, i, int(k)) if w else None
            for i, (k, w) in enumerate(zip(d, is_word, strict=True))
        ]
        columns["expected_word"] = [
            encoder.word(int(k), int(b)) if w else None
            for k, b, w in zip(d, best, is_word, strict=True)
        ]
        own = np.where(is_word, scored.told.own_p[rows, d], np.nan)
        columns["probability"] = pl.Series(own.astype(float), nan_to_null=True)
    texts = names[order]
    columns["channels"] = [
        ", ".join(f"{n} {p:.0%}" for n, p in zip(ns, ps, strict=True) if p >= 0.01)
        for ns, ps in zip(texts.tolist(), shares.tolist(), strict=True)
    ]
    return columns


def sources(encoder: RowEncoder, found: Observations) -> npt.NDArray[np.float64]:
    """``(N, C)`` live channels in the units of what is expected: of a counter its rise."""
    values = encoder.raw(np.asarray(encoder.encode(found).values, float))
    written = encoder.rises(found.values, np.full(found.values.shape[1], np.nan))
    for k in range(len(encoder.live)):
        i = encoder.place(k)
        if i < written.shape[1]:  # as it is written, not as float32 has it
            values[:, k] = np.where(np.isnan(values[:, k]), np.nan, written[:, i])
    return values


def _word_of(found: Observations, row: int, d: int) -> str | None:
    code = int(found.codes[row, d])
    return None if code < 0 else found.words[d][code]


def _session_frame(core: Core, found: Observations, scored: Scored) -> pl.DataFrame:
    at = worst_events(found, scored)
    rows = found.offsets[:-1] + at
    encoder, told = core.encoder, scored.told
    return pl.DataFrame(
        {
            "session": list(found.names),
            "score": scored.score,
            "threshold": scored.threshold,
            "alarm": scored.alarm,
            "at": at,
            "event": [_word_of(found, int(r), 0) for r in rows],
            "expected": [encoder.word(0, int(b)) for b in told.best[rows, 0]],
            "probability": told.own_p[rows, 0].astype(float),
        }
    )


def worst_events(found: Observations, scored: Scored) -> IntArray:
    """``(S,)`` place of each session's most surprising event."""
    assert scored.joined is not None
    return np.array(
        [
            int(scored.joined[a:b].argmax())
            for a, b in zip(found.offsets[:-1], found.offsets[1:], strict=True)
        ],
        np.int64,
    )
