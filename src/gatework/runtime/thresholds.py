"""Thresholds for scores in the order in which they come: six ways to say what is odd enough for an alarm.

evt        extreme values of the held-out scores (SPOT): a risk a row     threshold_evt.py
dspot      the same on what a score is above the last ones                threshold_drift.py
conformal  rank among the last ordinary scores: a risk a row              threshold_conformal.py
rate       alarms a day                                                   threshold_rate.py
dynamic    what sets the highest of the last scores apart                 threshold_dynamic.py
fixed      a number                                                       threshold_base.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gatework.errors import ConfigError, nearest
from gatework.runtime.threshold_base import Array, FixedThreshold, Threshold, truth
from gatework.runtime.threshold_conformal import LARGEST_MEMORY, ConformalThreshold
from gatework.runtime.threshold_drift import LARGEST_DEPTH, DriftThreshold
from gatework.runtime.threshold_dynamic import DynamicThreshold
from gatework.runtime.threshold_evt import EvtThreshold
from gatework.runtime.threshold_rate import DAY, RateThreshold

__all__ = ["KINDS", "Threshold", "make_threshold", "threshold_from_json"]

CLASSES: tuple[type[Threshold], ...] = (
    EvtThreshold,
    DriftThreshold,
    ConformalThreshold,
    RateThreshold,
    DynamicThreshold,
    FixedThreshold,
)
KINDS = tuple(made.kind for made in CLASSES)


def make_threshold(
    kind: str,
    held_out: Array,
    *,
    risk: float,
    alarms_per_day: float | None = None,
    seconds: float | None = None,
    depth: int = 100,
    memory: int = 10_000,
    adapt: bool = True,
    value: float | None = None,
) -> Threshold:
    """The threshold of a kind, fitted to the scores of held-out rows.

    Args:
        kind: one of :data:`KINDS`.
        held_out: ``(n,)`` scores of rows that no network learned from, in their order; what is not finite is
            left out.
        risk: share of ordinary rows that may be above it, up to 0.25; of use to evt, dspot and conformal.
        alarms_per_day: what rate aims at.
        seconds: from one row to the next; for rate.
        depth: rows of dspot's moving mean.
        memory: scores that conformal remembers.
        adapt: whether it learns from the stream.
        value: what fixed is.

    Raises:
        ConfigError: an unknown kind, a number out of its range, or one that the kind needs and was not given.
    """
    if kind not in KINDS:
        raise ConfigError(f"threshold={kind!r} is unknown. {nearest(str(kind), KINDS)}")
    if kind == "fixed":
        if value is None or not np.isfinite(value):
            raise ConfigError(f"threshold='fixed' needs a number as its value; got {value!r}.")
        return FixedThreshold(value)
    scores = np.asarray(held_out, np.float64).ravel()
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        raise ConfigError(
            f"threshold={kind!r} is fitted to the scores of held-out rows, and there are none. Hold more rows "
            "out."
        )
    if kind == "rate":
        wish, step = _rate(alarms_per_day, seconds)
        return RateThreshold.fitted(scores, wish, step, adapt=adapt)
    if kind == "dynamic":
        return DynamicThreshold.fitted(scores, adapt=adapt)
    if not 1e-12 <= risk <= 0.25:
        raise ConfigError(f"risk must be above 0 and at most 0.25; got {risk!r}. Try 0.0001.")
    if kind == "conformal":
        if not 1 <= memory <= LARGEST_MEMORY:
            raise ConfigError(f"memory must be from 1 to {LARGEST_MEMORY:,}; got {memory!r}.")
        return ConformalThreshold.fitted(scores, risk, memory, adapt=adapt)
    if not 1 <= depth <= LARGEST_DEPTH:
        raise ConfigError(f"depth must be from 1 to {LARGEST_DEPTH:,} rows; got {depth!r}.")
    made = DriftThreshold if kind == "dspot" else EvtThreshold
    return made.fitted(scores, risk, adapt=adapt, depth=depth)


def _rate(alarms_per_day: float | None, seconds: float | None) -> tuple[float, float]:
    if alarms_per_day is None or not 0 < alarms_per_day < float("inf"):
        raise ConfigError(
            f"threshold='rate' needs alarms_per_day, a number above 0; got {alarms_per_day!r}."
        )
    if seconds is None or not 0 < seconds < float("inf"):
        raise ConfigError(
            "threshold='rate' needs to know how far rows are apart: name the column of their time, or choose "
            "threshold='evt' with a risk a row."
        )
    if alarms_per_day * seconds > DAY / 2:
        raise ConfigError(
            f"alarms_per_day={alarms_per_day:g} is more than every other row: with a row every {seconds:g} s "
            f"there are {DAY / seconds:g} a day. Ask for fewer."
        )
    return alarms_per_day, seconds


def threshold_from_json(data: Any) -> Threshold:
    """The threshold that ``data`` was made from by ``to_json``.

    Raises:
        ValueError: ``data`` cannot be from there.
    """
    if not isinstance(data, Mapping):
        raise ValueError("a threshold must be an object")
    for made in CLASSES:
        if made.kind == data.get("kind"):
            threshold = made.from_json(data, truth(data, "adapt"))
            threshold.restore(data.get("state", {}))
            return threshold
    raise ValueError(
        f"a threshold's kind must be one of {', '.join(KINDS)}; got {data.get('kind')!r:.80}"
    )
