"""Durations in microseconds: their names, and which of them people use."""

from __future__ import annotations

import numpy as np

SECOND = 1_000_000  # the unit is the microsecond
MINUTE, HOUR, DAY, WEEK = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND, 604_800 * SECOND
MONDAY = 4 * DAY  # 1970-01-01 was a Thursday

UNITS = (
    (WEEK, "w", "week", "weekly"),
    (DAY, "d", "day", "daily"),
    (HOUR, "h", "hour", "hourly"),
    (MINUTE, "m", "minute", "every minute"),
    (SECOND, "s", "second", "every second"),
    (1000, "ms", "millisecond", "every millisecond"),
    (1, "us", "microsecond", "every microsecond"),
)
NICE = sorted(
    [n * u for u in (1, 1000) for n in (1, 2, 5, 10, 20, 50, 100, 200, 250, 500)]
    + [n * u for u in (SECOND, MINUTE) for n in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)]
    + [n * HOUR for n in (1, 2, 3, 4, 6, 8, 12)]
    + [n * DAY for n in (1, 2, 3, 4, 5, 7, 14, 28, 30, 91, 365)]
)


def nice_duration(step: float) -> int:
    """A duration that people use, near ``step``; two significant figures when none is near."""
    best = min(NICE, key=lambda nice: abs(np.log(nice / max(step, 1))))
    if abs(np.log(best / max(step, 1))) < 0.2:
        return best
    size = next((u[0] for u in UNITS if step >= u[0]), 1)
    return max(1, round(step / size)) * size


def duration_text(microseconds: int) -> str:
    """Words for a duration in its largest unit: "1.5 hours", "3 days"."""
    size, _, word, _ = next((u for u in UNITS if microseconds >= u[0]), UNITS[-1])
    count = f"{microseconds / size:.3g}"
    return f"{count} {word}" + ("" if count == "1" else "s")
