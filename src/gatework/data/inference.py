"""Inference: which frequency the times of a series keep to, whatever holes they have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gatework.data.durations import DAY, HOUR, nice_duration

if TYPE_CHECKING:
    from gatework.data.frequency import Frequency

IRREGULAR_SHARE = 0.02  # more steps than this off the grid: the times are irregular
ON_GRID = 0.01  # of a step: how far from the grid still counts as on it


def infer_fixed(base: Frequency, values: np.ndarray) -> Frequency:
    """Fixed or integer step that most differences are multiples of, else the rounded median."""
    differences = np.diff(values)
    sizes, counts = np.unique(differences, return_counts=True)
    mode = int(sizes[np.argmax(counts)])
    # With jitter hardly two differences are equal, and the most frequent one is chance.
    is_frequent = counts.max() >= 0.2 * len(differences)
    median = float(np.median(differences))
    candidates = [mode] if is_frequent or base.kind == "step" else []
    common = int(np.gcd.reduce(sizes))
    # A grid twice to six times finer explains 2, 3, 4, ... steps; finer ones are chance.
    if common >= 1 and mode % common == 0 and 1 < mode // common <= 6:
        candidates.append(common)
    if base.kind == "fixed":
        candidates.append(nice_duration(median))
    for step in candidates:
        # Random times are all on a grid of one second: half of the steps must be single or double.
        dominant = step > 0 and median <= 2.5 * step
        found = replace(base, step=max(step, 1))
        if dominant and off_grid_share(differences / step, found.slack) <= IRREGULAR_SHARE:
            return replace(found, anchor=_phase(values, step))
    step = nice_duration(median) if base.kind == "fixed" else max(1, round(median))
    return replace(base, step=step, anchor=most_common(values % step), regular=False)


def off_grid_share(steps: np.ndarray, slack: float = ON_GRID) -> float:
    """Share of differences, in steps, that are no whole number of at least one."""
    whole = np.rint(steps)
    off = (np.abs(steps - whole) > slack) | (whole < 1)
    return float(off.mean()) if len(off) else 0.0


def _phase(values: np.ndarray, step: int) -> int:
    """Offset of the grid; a few microseconds of jitter must not choose it, zero is preferred."""
    phase = values % step
    near_zero = np.minimum(phase, step - phase) <= ON_GRID * step
    return 0 if near_zero.mean() > 0.5 and (phase != 0).any() else most_common(phase)


def most_common(values: np.ndarray) -> int:
    found, counts = np.unique(values, return_counts=True)
    return int(found[np.argmax(counts)])


def months_of(local: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Month since 1970-01, day of the month from 1, and length of the month in days."""
    days = (local // DAY).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    first = months.astype("datetime64[D]")
    length = ((months + 1).astype("datetime64[D]") - first).astype(np.int64)
    return months.astype(np.int64), (days - first).astype(np.int64) + 1, length


def infer_months(base: Frequency, local: np.ndarray) -> Frequency | None:
    if np.diff(local).min() < 28 * DAY - HOUR:
        return None
    tod = local % DAY
    if (tod != tod[0]).any():
        return None
    months, days, lengths = months_of(local)
    day = int(days.max())
    if (days == lengths).all() and (day == 31 or len(np.unique(days)) > 1):
        day = 0
    elif (days != np.minimum(day, lengths)).any():
        return None
    differences = np.diff(months)
    sizes, counts = np.unique(differences, return_counts=True)
    # Four-weekly stamps can fall on one day of two months; months must differ by whole steps.
    step = int(sizes[np.argmax(counts)])
    if off_grid_share(differences / step) > IRREGULAR_SHARE:
        step = int(np.gcd.reduce(sizes))
    if step < 1:
        return None
    return replace(
        base, kind="month", step=step, day=day, time_of_day=int(tod[0]), wall=True,
        anchor=most_common(months % step),
    )  # fmt: skip


def infer_business_days(base: Frequency, local: np.ndarray) -> Frequency | None:
    tod = local % DAY
    if len(local) < 5 or (tod != tod[0]).any():
        return None
    days = local // DAY
    if ((days + 3) % 7 >= 5).any() or ((days[1:] - days[:-1]) == 1).mean() < 0.5:
        return None
    stamps = days.astype("datetime64[D]")
    steps = np.busday_count(stamps[:-1], stamps[1:])
    crossed = (days[1:] + 3) // 7 > (days[:-1] + 3) // 7
    if not crossed.any() or (steps == 1).mean() < 0.8:
        return None
    return replace(base, kind="business_day", step=1, time_of_day=int(tod[0]), wall=True)
