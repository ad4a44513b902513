"""How good scores and alarms are, with labels and without.

    vus_pr, vus_roc         volumes under the surfaces: no threshold, near misses count (``vus.py``)
    average_precision, auc  of single rows, no threshold
    precision, recall, f1   of single rows, with the detector's own alarms
    best_f1                 of single rows, at the threshold that the labels themselves choose
    range_...               of ranges, with its own alarms, found in one piece (``range_metrics.py``)
    adjusted_f1             best_f1 with every row of a range counted as found where one is: inflated
    random_adjusted_f1      the same of scores drawn at random: what the adjustment alone gives
    nab                     NAB's score of its own alarms, labelled ranges as windows (``nab.py``)
    events, events_found    labelled ranges, and those with an alarm
    delay_rows              median rows from a range's first to its first alarm, of those found

What is undefined (precision without an alarm, recall without an anomaly) is left out.

Sources: point adjustment Xu et al. 2018, "Unsupervised anomaly detection via variational auto-encoder",
section 4.2; that a random score does well by it Kim et al. 2022, "Towards a rigorous evaluation of
time-series anomaly detection", section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.errors import DataError
from gatework.train.nab import NabFile, nab_score, probation
from gatework.train.range_metrics import range_scores, ranges
from gatework.train.ranking import average_precision, roc_auc
from gatework.train.vus import vus

Array = npt.NDArray[Any]
DRAWS = 5
DAY = 86_400.0
QUANTILES = {"score_median": 0.5, "score_p90": 0.9, "score_p99": 0.99, "score_p999": 0.999}


def labelled_scores(
    score: Array,
    labels: Array,
    alarm: Array,
    offsets: Array,
    *,
    seconds: float | None = None,
    seed: int = 0,
    independent: bool = False,
    window: int | None = None,
) -> dict[str, float]:
    """Scores by name, as drawn above.

    Args:
        score: ``(N,)``, the more the odder.
        labels, alarm: ``(N,)`` bool.
        offsets: ``(S + 1,)`` where each series begins.
        seconds: median time from row to row, for what counts per day and the delay in seconds.
        independent: rows or sessions without order: what speaks of ranges is left out.
        window: widest buffer of the volumes; the median length of the labelled ranges where None.

    Raises:
        DataError: a score is NaN, or there are not as many labels or alarms as scores.
    """
    score, alarm = _checked(score, alarm)
    labels = np.asarray(labels, bool)
    if len(labels) != len(score):
        raise DataError(
            f"labelled_scores: {len(labels)} labels, but {len(score)} scores. Give one label a row."
        )
    found: dict[str, float | None] = {}
    if not independent:
        found["vus_pr"], found["vus_roc"] = vus(score, labels, offsets, window=window)
    found["average_precision"] = average_precision(score, labels)
    found["auc"] = roc_auc(score, labels)
    found |= _points(score, labels, alarm)
    if not independent:
        found |= _of_ranges(score, labels, alarm, offsets, seconds, seed)
    found |= _counted(alarm, offsets, seconds, independent)
    return {name: float(value) for name, value in found.items() if value is not None}


def unlabelled_scores(
    score: Array,
    alarm: Array,
    offsets: Array,
    *,
    seconds: float | None = None,
    independent: bool = False,
) -> dict[str, float]:
    """What can be said without labels: rows, alarms, alarms a day, and how the scores lie.

    >>> unlabelled_scores(np.arange(5.0), np.arange(5) > 3, np.array([0, 5]))["alarm_share"]
    0.2
    """
    score, alarm = _checked(score, alarm)
    found = {"rows": float(len(score)), **_counted(alarm, offsets, seconds, independent)}
    if len(score):
        found |= {name: float(np.quantile(score, q)) for name, q in QUANTILES.items()}
        found["score_max"] = float(score.max())
    return found


def best_f1(score: Array, labels: Array) -> float | None:
    """F1 of rows at the best of all thresholds; None without a labelled row.

    >>> best_f1(np.array([3.0, 2, 1, 0]), np.array([True, False, True, False]))
    0.8
    """
    return _best(score, labels.astype(float), ~labels)


def adjusted_f1(score: Array, labels: Array, offsets: Array) -> float | None:
    """``best_f1`` after point adjustment; None without a labelled row.

    >>> adjusted_f1(np.array([0.0, 9, 0, 0]), np.array([True, True, True, False]), np.array([0, 4]))
    1.0
    """
    spans = ranges(labels, offsets)
    if not len(spans):
        return None
    edges = np.stack([spans[:, 0], spans[:, 1] + 1], axis=1).ravel()
    highest = np.maximum.reduceat(np.append(score, -np.inf), edges)[::2]  # finds the whole range
    outside = score[~labels]
    gain = np.append(spans[:, 1] - spans[:, 0] + 1.0, np.zeros(len(outside)))
    return _best(np.append(highest, outside), gain, np.arange(len(gain)) >= len(spans))


def verdict(overall: Mapping[str, Any], baselines: Mapping[str, Any], main: str) -> str:
    """Whether the detector beats every baseline, and by how much, in one sentence.

    Args:
        overall: its scores by name.
        baselines: those of each baseline by name, alone or under ``overall``.
        main: the score that decides.

    >>> verdict({"vus_pr": 0.5, "events": 40}, {"differences": {"vus_pr": 0.4}}, "vus_pr")
    'The detector beats every baseline: VUS-PR 0.500 against 0.400 of the best of them (differences).'
    """
    names = {"vus_pr": "VUS-PR", "vus_roc": "VUS-ROC", "auc": "ROC area", "f1": "F1"}
    title, own = names.get(main, main.replace("_", " ")), overall.get(main)
    if main == "alarm_share":
        share = "" if own is None else f" It alarms at {100 * own:.3g} % of the rows."
        return f"Without labels nothing tells which alarms are right.{share}"
    if own is None:
        return "The detector was not judged: there is no labelled anomaly, or nothing else."
    told = {name: row.get("overall", row).get(main) for name, row in baselines.items()}
    rivals = {name: float(value) for name, value in told.items() if value is not None}
    few = overall.get("events")
    said = f"The detector's {title} is {own:.3f}; there is no baseline to compare it with."
    if rivals:
        best = max(rivals, key=lambda name: rivals[name])
        lost = sorted((n for n in rivals if not own > rivals[n]), key=lambda n: -rivals[n])
        against = f"{title} {own:.3f} against {rivals[best]:.3f}"
        said = f"The detector beats every baseline: {against} of the best of them ({best})."
        if lost:
            said = f"The detector does NOT beat {', '.join(lost)}: {against}."
    if few is not None and few < 10:
        anomalies = "anomaly" if few == 1 else "anomalies"
        said = f"On {few:.0f} labelled {anomalies} only, too few to rely on: {said}"
    return said


def _points(score: Array, labels: Array, alarm: Array) -> dict[str, float | None]:
    hit, told, real = float((labels & alarm).sum()), float(alarm.sum()), float(labels.sum())
    return {
        "precision": hit / told if told else None,
        "recall": hit / real if real else None,
        "f1": 2 * hit / (told + real) if told + real else None,
        "best_f1": best_f1(score, labels),
    }


def _of_ranges(
    score: Array, labels: Array, alarm: Array, offsets: Array, seconds: float | None, seed: int
) -> dict[str, float | None]:
    overlap = range_scores(labels, alarm, offsets)
    rng, spans = np.random.default_rng(seed), ranges(labels, offsets)
    found: dict[str, float | None] = {
        "range_precision": overlap.precision,
        "range_recall": overlap.recall,
        "range_f1": overlap.f1,
        "adjusted_f1": adjusted_f1(score, labels, offsets),
        "nab": _nab(alarm, spans, offsets),
        "events": float(len(spans)),
    }
    if not len(spans):
        return found
    random = [adjusted_f1(rng.random(len(labels)), labels, offsets) for _ in range(DRAWS)]
    found["random_adjusted_f1"] = float(np.mean([r for r in random if r is not None]))
    rows = np.append(np.flatnonzero(alarm), len(alarm))
    first = rows[np.searchsorted(rows, spans[:, 0])]
    delay = (first - spans[:, 0])[first <= spans[:, 1]]
    found["events_found"] = float(len(delay))
    if len(delay):
        rows_late = float(np.median(delay))
        found["delay_rows"] = rows_late
        found["delay_seconds"] = None if seconds is None else rows_late * seconds
    return found


def _counted(
    alarm: Array, offsets: Array, seconds: float | None, independent: bool
) -> dict[str, float]:
    found = {"alarms": float(alarm.sum()), "alarm_share": float(alarm.mean()) if len(alarm) else 0}
    if not independent:
        found["alarm_ranges"] = float(len(ranges(alarm, offsets)))
        if seconds and len(alarm):
            found["alarms_per_day"] = found["alarm_ranges"] / (len(alarm) * seconds / DAY)
    return found


def _best(score: Array, gain: Array, false: Array) -> float | None:
    """Best F1 where each entry found at a threshold gains some true rows, or is a false one."""
    real = gain.sum()
    if not real:
        return None
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    hit, wrong = np.cumsum(gain[order])[last], np.cumsum(false[order])[last]
    return float((2 * hit / (hit + wrong + real)).max())


def _nab(alarm: Array, spans: Array, offsets: Array) -> float | None:
    """NAB's score of alarms, ranges as windows; None where none lies behind the first rows of its series."""
    files, seen = [], False
    for first, end in pairwise(offsets):
        low, high = np.searchsorted(spans[:, 0], [first, end])
        own = spans[low:high] - first
        seen |= bool((own[:, 1] >= probation(end - first)).any())
        files.append(NabFile(alarm[first:end].astype(float), [(int(a), int(b)) for a, b in own]))
    return nab_score(files, threshold=0.5).score if seen else None


def _checked(score: Array, alarm: Array) -> tuple[Array, Array]:
    """Float64 without NaN or infinity, and bool, of the same length."""
    score, alarm = np.asarray(score, np.float64), np.asarray(alarm, bool)
    if score.shape != alarm.shape or score.ndim != 1:
        raise DataError(
            f"scores of shape {score.shape} and alarms of shape {alarm.shape}: give one of each a row."
        )
    if np.isnan(score).any():
        row = int(np.isnan(score).argmax())
        raise DataError(f"the score of row {row} is NaN: it can be compared with no other.")
    return np.clip(score, -1e300, 1e300), alarm
