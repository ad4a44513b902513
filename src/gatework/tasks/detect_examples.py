"""What the report shows: a series with its bands, scores, the top alarms, surprising lines and sessions."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from gatework.data.observations import BoolArray, IntArray, Observations
from gatework.tasks.detect_answers import Scored, _word_of, sources, worst_events

POINTS, CHANNELS, EVENTS, LINES, SESSIONS, AROUND = 2000, 6, 20, 30, 20, 3
TOLD = 0.01  # of an alarm's surprise
INVOLVED = 0.1  # of a line's surprise, from which a channel is told


def examples(model: Any, found: Observations, scored: Scored, tested: BoolArray) -> dict[str, Any]:
    """All of it as plain JSON; ``tested`` ``(N,)`` are the rows that were judged."""
    if model.session_layout_:
        marked = tested[found.offsets[:-1]]
        return {
            "sessions": _sessions(model, found, scored, marked),
            "histogram": _histogram(scored.score, found.labels, marked),
        }
    made: dict[str, Any] = {"histogram": _histogram(scored.score, found.labels, tested)}
    if found.kind == "log":
        made["lines"] = _lines(model, found, scored, tested)
    made["series"] = _series(model, found, scored, tested)
    made["events"] = _events(model, found, scored, tested)
    return made


def _histogram(score: Any, labels: BoolArray | None, marked: BoolArray) -> dict[str, Any]:
    score = np.minimum(score[marked], 50)
    top = float(score.max()) if len(score) else 1.0
    edges = np.linspace(0, max(top, 1e-6), 41)
    counts, _ = np.histogram(score, edges)
    odd = None
    if labels is not None:
        odd = np.histogram(score[labels[marked]], edges)[0].tolist()
    return {"edges": edges.tolist(), "counts": counts.tolist(), "anomalous": odd}


def _series(model: Any, found: Observations, scored: Scored, tested: BoolArray) -> dict[str, Any]:
    """One series, that with the highest score, at most 2,000 points that keep the peaks."""
    series = np.searchsorted(found.offsets, np.arange(len(found)), side="right") - 1
    places = np.flatnonzero(tested)
    s = int(series[places[scored.score[places].argmax()]])
    rows = places[series[places] == s]
    chosen = rows[_decimated(scored.score[rows])]
    encoder = model.encoder_
    live = encoder.live
    involved = np.argsort(-_involved(scored, rows)[: len(live)], kind="stable")[:CHANNELS]
    values = sources(encoder, found)[chosen]
    channels = []
    bands = [encoder.raw(getattr(scored.told, z)[chosen]) for z in ("low", "middle", "high")]
    for c in involved.tolist():
        channels.append(
            {
                "name": live[c],
                "values": _plain(values[:, c]),
                **{
                    name: _plain(band[:, c])
                    for name, band in zip(("low", "median", "high"), bands, strict=True)
                },
            }
        )
    stamps = None if found.stamps is None else [str(t) for t in found.stamps.gather(chosen)]
    return {
        "series": found.names[s] or None,
        "times": stamps if found.layout.get("clock") else None,
        "rows": (chosen - int(found.offsets[s])).tolist(),
        "score": _plain(scored.score[chosen]),
        "threshold": _plain(scored.threshold[chosen]),
        "alarm": scored.alarm[chosen].astype(int).tolist(),
        "label": None if found.labels is None else found.labels[chosen].astype(int).tolist(),
        "channels": channels,
    }


def _involved(scored: Scored, rows: IntArray) -> Any:
    """``(X,)`` how much each column had to do with the alarms, or with the highest scores."""
    alarmed = rows[scored.alarm[rows]]
    if not len(alarmed):
        alarmed = rows[np.argsort(-scored.score[rows])[:20]]
    return scored.surprise[alarmed].sum(0)


def _decimated(score: Any) -> IntArray:
    """Places of at most 2,000 rows: of every stretch the one with the highest score."""
    n = len(score)
    if n <= POINTS:
        return np.arange(n)
    edges = np.linspace(0, n, POINTS + 1).astype(np.int64)
    return np.array([a + int(score[a:b].argmax()) for a, b in itertools.pairwise(edges.tolist())])


def _plain(x: Any) -> list[float | None]:
    return [None if v != v else float(f"{v:.6g}") for v in np.asarray(x, float).tolist()]


def _events(
    model: Any, found: Observations, scored: Scored, tested: BoolArray
) -> list[dict[str, Any]]:
    told = []
    ranked = sorted(
        ((s, e) for s, e in scored.events if tested[int(found.offsets[s]) + e.peak_row]),
        key=lambda pair: -pair[1].peak_score,
    )
    encoder, names = model.encoder_, model.encoder_.names
    values = None
    for s, e in ranked[:EVENTS]:
        base = int(found.offsets[s])
        peak = base + e.peak_row
        labelled = None
        if found.labels is not None:
            labelled = bool(found.labels[base + e.start_row : base + e.end_row + 1].any())
        if values is None:
            values = sources(encoder, found)
        channels: list[dict[str, Any]] = []
        for name, share in e.channels:
            if share < TOLD and channels:
                continue
            column = names.index(name)
            channels.append(
                {
                    "name": name,
                    "share": float(share),
                    **_told(model, found, scored, values, peak, column),
                }
            )
        stamps = found.stamps
        told.append(
            {
                "series": found.names[s] or None,
                "start": e.start_row,
                "end": e.end_row,
                "start_time": None if stamps is None else str(stamps[base + e.start_row]),
                "end_time": None if stamps is None else str(stamps[base + e.end_row]),
                "rows": e.end_row - e.start_row + 1,
                "peak_row": e.peak_row,
                "peak_score": float(e.peak_score),
                "labelled": labelled,
                "channels": channels,
            }
        )
    return told


def _told(
    model: Any, found: Observations, scored: Scored, values: Any, row: int, column: int
) -> dict[str, Any]:
    encoder = model.encoder_
    C, D = len(encoder.live), len(encoder.categories)
    if column < C:
        low, median, high = (
            float(encoder.raw(getattr(scored.told, z)[row])[column])
            for z in ("low", "middle", "high")
        )
        value = float(values[row, column])
        return {
            "value": None if value != value else value,
            "low": low,
            "median": median,
            "high": high,
        }
    if column < C + D:
        d = column - C
        return {
            "value": _word_of(found, row, d),
            "low": None,
            "median": encoder.word(d, int(scored.told.best[row, d])),
            "high": None,
        }
    index = encoder.constant(column - C - D)
    return {
        "value": float(found.values[row, index]),
        "low": None,
        "median": encoder.channels[index].location,
        "high": None,
    }


def _lines(
    model: Any, found: Observations, scored: Scored, tested: BoolArray
) -> list[dict[str, Any]]:
    rows = np.flatnonzero(tested)
    order = rows[np.argsort(-scored.score[rows], kind="stable")]
    told: list[dict[str, Any]] = []
    seen: set[int] = set()
    texts, numbers = found.texts, found.lines
    encoder = model.encoder_
    values = sources(encoder, found)
    for row in order.tolist():
        if len(told) == LINES:
            break
        if texts is None or any(abs(row - other) <= AROUND for other in seen):
            continue
        seen.add(row)
        series = int(np.searchsorted(found.offsets, row, side="right")) - 1
        a, b = int(found.offsets[series]), int(found.offsets[series + 1])
        template = _word_of(found, row, 0)
        unseen = encoder.token(0, template) == 1
        best = encoder.word(0, int(scored.told.best[row, 0]))
        shares = scored.surprise[row] / max(float(scored.surprise[row].sum()), 1e-9)
        elsewhere = best is not None and best != template and shares[len(encoder.live)] >= INVOLVED
        told.append(
            {
                "row": row,
                "line": row + 1 if numbers is None else int(numbers[row]),
                "score": float(scored.score[row]),
                "alarm": bool(scored.alarm[row]),
                "text": texts(row)[:500],
                "template": None if unseen else template,
                "unseen": unseen,
                "expected": [[best, float(scored.told.best_p[row, 0])]] if elsewhere else [],
                "channels": [
                    {
                        "name": encoder.names[c],
                        "share": float(shares[c]),
                        **_told(model, found, scored, values, row, c),
                    }
                    for c in np.argsort(-shares, kind="stable")[:3].tolist()
                    if shares[c] >= INVOLVED and encoder.names[c] not in encoder.categories
                ],
                "before": [texts(i)[:300] for i in range(max(a, row - AROUND), row)],
                "after": [texts(i)[:300] for i in range(row + 1, min(b, row + 1 + AROUND))],
            }
        )
    return told


def _sessions(
    model: Any, found: Observations, scored: Scored, marked: BoolArray
) -> list[dict[str, Any]]:
    places = np.flatnonzero(marked)
    order = places[np.argsort(-scored.score[places], kind="stable")][:SESSIONS]
    at = worst_events(found, scored)
    assert scored.joined is not None
    told = []
    for s in order.tolist():
        a, b = int(found.offsets[s]), int(found.offsets[s + 1])
        first = max(0, int(at[s]) - 25)
        shown = range(a + first, min(b, a + first + 50))
        told.append(
            {
                "name": found.names[s].rpartition(", ")[2] or found.names[s],
                "score": float(scored.score[s]),
                "alarm": bool(scored.alarm[s]),
                "label": None if found.labels is None else bool(found.labels[s]),
                "at": int(at[s]) - first,
                "events": [
                    {"event": _word_of(found, i, 0), "surprise": float(scored.joined[i])}
                    for i in shown
                ],
            }
        )
    return told
