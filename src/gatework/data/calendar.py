"""Calendar features: what the timestamps alone tell about a step, known for the future too."""

from __future__ import annotations

import numpy as np
import polars as pl

from gatework.data.durations import DAY, HOUR, MINUTE, WEEK
from gatework.data.frequency import Frequency


def calendar_features(
    times: pl.Series, frequency: Frequency, *, yearly: bool | None = None
) -> tuple[np.ndarray, list[str]]:
    """(T, F) float32 in [-1, 1]: sine and cosine of each cycle the frequency can see, and names.

    times: (T,) timestamps without nulls, on local clocks where they carry a time zone.
    yearly: add the day of the year; None adds it where a step is a day or longer.  Say True for
    finer steps when the data span years.

    Which features there are depends on the arguments alone and never on the times, so that
    training, a short table at prediction and a stream get the same.  Below five minutes the
    minute; below a day the hour (with its minutes) and the weekday; for days the weekday and the
    day of the year; for weeks the day of the year; for months the month; for years and integer
    steps none.

    >>> from datetime import datetime
    >>> noon = pl.Series([datetime(2024, 1, 1, 12), datetime(2024, 1, 1, 18)])
    >>> values, names = calendar_features(noon, Frequency.parse("1h"))
    >>> names
    ['hour_sin', 'hour_cos', 'weekday_sin', 'weekday_cos']
    >>> np.abs(values[:, :2]).round(3).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    turns: dict[str, np.ndarray] = {}
    if frequency.kind != "step" and frequency.time_type != "integer":
        turns = _turns(times, frequency, yearly)
    names = [f"{name}_{wave}" for name in turns for wave in ("sin", "cos")]
    values = np.empty((len(times), len(names)), dtype=np.float32)
    for k, turn in enumerate(turns.values()):
        values[:, 2 * k] = np.sin(2 * np.pi * turn)
        values[:, 2 * k + 1] = np.cos(2 * np.pi * turn)
    return values, names


def _turns(times: pl.Series, frequency: Frequency, yearly: bool | None) -> dict[str, np.ndarray]:
    """How far round each cycle every time is, from 0 to 1."""
    local = Frequency.wall_us(times)
    month_like = frequency.kind == "month"
    step = DAY if frequency.kind == "business_day" else frequency.step
    turns: dict[str, np.ndarray] = {}
    if month_like:
        if frequency.step < 12:
            turns["month"] = (times.dt.month().to_numpy() - 1) / 12
        return turns
    if step < 5 * MINUTE:
        turns["minute"] = local % HOUR / HOUR
    if step < DAY:
        turns["hour"] = local % DAY / DAY
    if step % WEEK and step < WEEK:
        turns["weekday"] = (local // DAY + 3) % 7 / 7
    if yearly or (yearly is None and step >= DAY):
        length = times.dt.is_leap_year().to_numpy() + 365.0
        turns["yearday"] = (times.dt.ordinal_day().to_numpy() - 1 + local % DAY / DAY) / length
    return turns
