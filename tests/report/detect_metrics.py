"""Contents of ``metrics.json`` of detectors for tests: each kind of data, with labels and without."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta
from typing import Any

KINDS = ("metrics", "events", "log")
ROWS, SEASON = 600, 96
GAP = "seconds since the last line"
CHANNELS = ("cpu load", "requests a second", "temperature", "disk")
LEVEL = 4.12
LABELLED = ((180, 200), (400, 430), (520, 528))  # the last one is missed
FOUND = ((182, 199), (405, 412), (300, 301))  # the last one is a false alarm
TEMPLATES = (
    "order <*> accepted from <*>", "order <*> sent to <*> in <*> ms", "stock of <*> is <*>",
    "order <*> given up after <*> tries",
)  # fmt: skip


def metrics(
    kind: str = "metrics",
    *,
    labelled: bool = True,
    score: float = 0.512,
    events: int = 15,
    by_session: bool | None = None,
) -> dict[str, Any]:
    """The content of a `metrics.json`; ``score`` is the detector's main score."""
    sessions = kind == "events" if by_session is None else by_session
    unit = "session" if sessions else "row"
    part = {"rows": 18_000, "series": 1, "from": "2024-01-01 00:00:00", "to": "2024-02-20 11:45:00"}
    held = {**part, "rows": 4_000, "from": "2024-02-20 12:00:00", "to": "2024-03-03 03:45:00"}
    test = {**part, "rows": 5_760, "from": "2024-03-03 04:00:00", "to": "2024-05-02 03:45:00"}
    return {
        "task": "detect",
        "gatework_version": "0.1.0",
        "settings": {"method": "forecast", "cell": "lstm", "hidden_size": 64, "window": None,
                     "calendar": True, "threshold": "evt"},
        "training": {
            "history": [
                {"epoch": i, "train_loss": 1.4 / i + 0.4, "validation": 0.7 + abs(i - 7) / 15, "seconds": 3.2,
                 "learning_rate": 2e-3, "steps": 40, "best": i <= 7}
                for i in range(1, 10)
            ],
            "best_epoch": 7, "best_score": 0.7, "seconds": 28.8, "stopped": "early", "undone_steps": 0,
            "steps_per_second": 12.5,
        },
        "source": {"metrics": "machines.csv", "events": "sessions.txt", "log": "app.log"}[kind],
        "kind": kind,
        "method": "forecast",
        "unit": unit,
        "channels": {"metrics": list(CHANNELS), "log": [GAP], "events": []}[kind],
        "categories": ["state"] if kind == "metrics" else ["event"],
        "described": ["27,760 rows, one every 15 minutes", "0.4 % of the values are missing"],
        "notes": ["season: 96 rows (1 day), found in the data", "disk counts up: its differences are read"],
        "split": {"how": "in time order", "train": part, "validation": held, "test": test},
        "threshold": {"kind": "evt", "value": LEVEL, "risk": 1e-4, "alarms_per_day": None,
                      "text": "One row in 13,000 of those held out would reach it."},
        "calibration": {"rows": 4_000, "reliability": [
            {"expected": e, "seen": s} for e, s in
            ((0.5, 0.49), (0.1, 0.104), (0.01, 0.0118), (0.001, 0.00125), (0.0001, 0.0))]},
        "evaluation": evaluation(sessions, labelled, score, events),
        "examples": examples(kind, sessions, labelled),
        "cost": {"fit_seconds": 41.0, "judge_seconds": 1.2, "rows_per_second": 48_213.0, "parameters": 21_844,
                 "push_us": 12.4, "threads": 2},
    }  # fmt: skip


def evaluation(sessions: bool, labelled: bool, score: float, events: int) -> dict[str, Any]:
    """Scores of the detector beside those of the baselines."""
    main = "average_precision" if sessions else "vus_pr"
    strengths = {
        "model": score, "moving z-score": 0.231, "differences": 0.187, "seasonal residual": 0.342,
        "isolation forest": 0.405,
    }  # fmt: skip
    if sessions:
        strengths = {"model": score, "n-gram": 0.405}
    make = (ranked if sessions else ordered) if labelled else counted
    scored = {n: {"overall": make(s, events)} for n, s in strengths.items()}
    best = "n-gram" if sessions else "isolation forest"
    title = "average precision" if sessions else "VUS-PR"
    said = f"The detector beats every baseline: {title} {score:.3f} against 0.405 of the best of them ({best})."
    if not labelled:
        said = "Without labels nothing tells which alarms are right."
        main = "alarm_share"
    return {"on": "test", "rows": 5_760, "series": 1, "labelled": labelled, "main": main,
            "unit": "session" if sessions else "row", "model": scored.pop("model"), "baselines": scored,
            "verdict": said}  # fmt: skip


def ranked(s: float, events: int) -> dict[str, float]:
    """Scores of what has no order."""
    return {"average_precision": s, "auc": min(1.0, 0.6 + 0.6 * s), "precision": min(1.0, s + 0.25),
            "recall": s + 0.1, "f1": s + 0.15, "best_f1": s + 0.2, "alarms": 140,
            "alarm_share": 0.0243}  # fmt: skip


def ordered(s: float, events: int) -> dict[str, float]:
    """Scores of series."""
    return ranked(s, events) | {
        "vus_pr": s, "vus_roc": 0.5 + 0.6 * s, "average_precision": s - 0.04, "range_precision": s + 0.2,
        "range_recall": s + 0.05, "range_f1": s + 0.1, "adjusted_f1": min(1.0, s + 0.39),
        "random_adjusted_f1": 0.871, "events": events, "events_found": round(events * min(1.0, s + 0.3)),
        "delay_rows": 3, "delay_seconds": 2700.0, "alarm_ranges": 31, "alarms_per_day": 0.52,
        "nab": 100 * s - 12,
    }  # fmt: skip


def counted(s: float, events: int) -> dict[str, float]:
    """What can be said without labels."""
    return {"rows": 5_760, "alarms": 140, "alarm_share": 0.0243, "alarm_ranges": 31, "alarms_per_day": 0.52,
            "score_median": 0.3, "score_p99": 2.1}  # fmt: skip


def examples(kind: str, sessions: bool, labelled: bool) -> dict[str, Any]:
    """What the report shows of the data."""
    edges = [i / 4 for i in range(41)]
    counts = [round(4000 * 10 ** (-e)) for e in edges[:-1]]
    counts[22:28] = [3, 5, 8, 4, 2, 1]
    return {
        "series": None if sessions else course(kind, labelled),
        "events": [] if sessions else [alarm(i, kind, labelled) for i in range(9)],
        "lines": [line(i) for i in range(3)] if kind == "log" else None,
        "sessions": [session(i, labelled) for i in range(4)] if kind == "events" else None,
        "histogram": {"edges": edges, "counts": counts,
                      "anomalous": [round(c * min(1.0, e / 6)) for c, e in zip(counts, edges, strict=False)]
                      if labelled else None},
    }  # fmt: skip


def within(row: int, stretches: tuple[tuple[int, int], ...]) -> bool:
    """Whether a row lies in one of the stretches."""
    return any(a <= row <= b for a, b in stretches)


def course(kind: str, labelled: bool) -> dict[str, Any]:
    """Some days of a machine that goes wrong three times."""
    draw = random.Random(4)
    begin = datetime(2024, 3, 10)
    score = [
        draw.uniform(4.3, 7.6) if within(t, FOUND) else min(3.9, draw.expovariate(2.0)) for t in range(ROWS)
    ]  # fmt: skip
    shown = []
    for i, name in enumerate(CHANNELS if kind == "metrics" else [GAP]):
        size = (1.0, 240.0, 8.0, 0.002)[i]
        middle = [size * (2 + math.sin(2 * math.pi * (t + 20 * i) / SEASON)) for t in range(ROWS)]
        values: list[float | None] = [m + size * draw.gauss(0, 0.12) for m in middle]
        for t in range(ROWS):
            if i < 2 and within(t, LABELLED[:2]):
                values[t] = middle[t] + 1.6 * size * (1 if i else -1)
        values[240:252] = [None] * 12
        low, high = ([m + sign * size for m in middle] for sign in (-0.3, 0.3))
        shown.append({"name": name, "values": values, "low": low, "median": middle, "high": high})
    return {
        "series": None,
        "times": [(begin + timedelta(minutes=15 * t)).isoformat(sep=" ") for t in range(ROWS)],
        "rows": list(range(1200, 1200 + ROWS)),
        "score": score,
        "threshold": [LEVEL + 0.3 * math.sin(t / 90) for t in range(ROWS)],
        "alarm": [int(within(t, FOUND)) for t in range(ROWS)],
        "label": [int(within(t, LABELLED)) for t in range(ROWS)] if labelled else None,
        "channels": shown,
    }


def alarm(i: int, kind: str, labelled: bool) -> dict[str, Any]:
    """An alarm event."""
    names = list(CHANNELS) if kind == "metrics" else ["event", GAP]
    shares = [0.62, 0.25, 0.09, 0.04][: len(names)]
    channels: list[dict[str, Any]] = [
        {"name": n, "share": s, "value": 71.5 - 9 * k, "low": 40.0, "median": 46.2, "high": 52.5}
        for k, (n, s) in enumerate(zip(names, shares, strict=True))
    ]
    if kind != "metrics":
        channels[0] |= {"value": TEMPLATES[3], "low": None, "median": None, "high": None}
    return {
        "start": 1382 + 40 * i, "end": 1399 + 40 * i, "start_time": f"2024-03-{11 + i} 21:30:00",
        "end_time": f"2024-03-{11 + i + i % 2} 23:45:00", "rows": 18, "peak_row": 1390 + 40 * i,
        "peak_score": 7.6 - 0.4 * i, "labelled": (i != 2) if labelled else None, "channels": channels,
    }  # fmt: skip


def line(i: int) -> dict[str, Any]:
    """A surprising line of a log."""
    order = f"4408{i}17"
    hit = f"payment service 10.20.19.102:5010 closed the line while order {order} was written [{i}]"
    return {
        "row": 2040 + i, "line": 88_120 + i, "score": 6.8 - i, "alarm": i < 2, "text": hit,
        "template": "payment service <*> closed the line while order <*> was written [<*>]",
        "unseen": i == 0,
        "expected": [[TEMPLATES[1], 0.71], [TEMPLATES[0], 0.22], [TEMPLATES[2], 0.041]],
        "before": [f"order {order} accepted from 10.20.19.{k}: 3 articles, paid by card" for k in (4, 7)],
        "after": ["stock of article 11 is 204", f"order {order} given up after 3 tries"],
    }  # fmt: skip


def session(i: int, labelled: bool) -> dict[str, Any]:
    """A session of events, one of them surprising."""
    draw = random.Random(i)
    many = (19, 26, 4, 160)[i]
    events = [
        {"event": f"E{draw.choice((5, 9, 11, 22, 26))}", "surprise": draw.expovariate(1.5)}
        for _ in range(many)
    ]
    at = (2 * many) // 3
    events[at] = {"event": "E28", "surprise": 9.4 - i}
    return {"name": f"session {3000 + i}", "score": 5.2 - 0.9 * i, "alarm": i < 2,
            "label": i != 1 if labelled else None, "at": at, "events": events}  # fmt: skip
