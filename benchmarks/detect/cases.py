"""A detector with default settings fitted on each set and scored on its test part, simple detectors beside it.

Each function takes the folder of the set and the settings, and gives a line of results.jsonl as far as the fit
decides it: ``overall`` of the detector, ``baselines`` by name, and what the fit cost.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from benchmarks.detect import readers
from benchmarks.detect.sets import EVERYTHING

from gatework import AnomalyDetector
from gatework.errors import DataError
from gatework.tasks.detect_data import observe
from gatework.train.baselines import find_season
from gatework.train.detection import labelled_scores
from gatework.train.detection_baselines import fit_detection_baselines
from gatework.train.nab import PROFILES, NabFile, nab_score, probation

Array = npt.NDArray[Any]
Result = dict[str, Any]
WHOLE = (
    0.85,
    0.15,
    0.0,
)  # the test part lies elsewhere: nothing of the history is kept back for one
DEEPLOG = 553_366  # normal sessions of the test part that DeepLog was published with
QUIET = 100  # rows after which an alarm begins anew


def fitted(data: Any, settings: Mapping[str, Any], **roles: Any) -> tuple[AnomalyDetector, Result]:
    """A detector, and what its fit cost."""
    started = time.perf_counter()
    detector = AnomalyDetector(**settings).fit(data, **roles)
    facts = {
        "fit_seconds": time.perf_counter() - started,
        "epochs": len(detector.training_.history),
        "parameters": detector.parameters,
        "method": detector.metrics_["method"],
        "threshold": detector.metrics_["threshold"]["text"],
        "split": detector.metrics_["split"]["how"],
    }
    return detector, facts


def smd(folder: Path, settings: Mapping[str, Any]) -> Result:
    """Scores of the test rows of the server."""
    data = readers.smd(folder)
    detector, facts = fitted(data.train, settings, split=WHOLE, time="none")
    return facts | _evaluated(detector, data.test, data.test[readers.LABEL].to_numpy() > 0)


def nsl(folder: Path, settings: Mapping[str, Any]) -> Result:
    """Scores of the records of the test file."""
    data = readers.nsl(folder)
    roles: dict[str, Any] = {"time": "none", "label": readers.LABEL, "normal": "normal"}
    detector, facts = fitted(data.train, settings, split=WHOLE, **roles)
    labels = (data.test[readers.LABEL] != "normal").to_numpy()
    return facts | _evaluated(detector, data.test, labels)


def hdfs(folder: Path, settings: Mapping[str, Any]) -> Result:
    """Scores of whole sessions."""
    data = readers.hdfs(folder)
    detector, facts = fitted(data.train, settings, kind="events", split=WHOLE)
    words = np.where(data.abnormal, "abnormal", "normal").tolist()
    found = facts | _evaluated(detector, data.test, data.abnormal, words)
    for overall in (found["overall"], *found["baselines"].values()):
        overall |= _at_shares(overall, data.abnormal)
    return found


def _evaluated(
    detector: AnomalyDetector, data: Any, labels: Array, words: list[str] | None = None
) -> Result:
    evaluation = detector.evaluate(data, words)
    baselines = {name: row["overall"] for name, row in evaluation.baselines.items()}
    overall = evaluation.model["overall"]
    return {
        "overall": overall,
        "baselines": baselines | {EVERYTHING: everything(labels)},
        "rows": len(labels),
    }


def everything(labels: Array) -> dict[str, float]:
    """What an alarm at every row or session scores.

    >>> everything(np.array([True, True, True, False]))["f1"]
    0.8571428571428571
    """
    share = float(labels.mean())
    return {
        "precision": share,
        "recall": 1.0,
        "f1": 2 * share / (1 + share),
        "average_precision": share,
        "auc": 0.5,
        "alarms": float(len(labels)),
        "false_alarm_share": 1.0,
    }


def _at_shares(overall: Mapping[str, float], abnormal: Array) -> dict[str, float]:
    """Alarms at normal sessions, and F1 were there as many of these as in DeepLog's test part."""
    odd, normal = int(abnormal.sum()), int((~abnormal).sum())
    hit = overall.get("recall", 0.0) * odd
    false = (overall["alarms"] - hit) / normal
    return {
        "false_alarm_share": false,
        "f1_deeplog_shares": 2 * hit / (hit + false * DEEPLOG + odd),
    }


def fraud(folder: Path, settings: Mapping[str, Any]) -> Result:
    """Scores of the payments of days 150 to 182; all earlier ones have passed through the detector before."""
    data = readers.fraud(folder)
    first = data.train + data.validation
    split = (float(data.train), float(data.validation), 0.0)
    roles: dict[str, Any] = {"series": "customer", "time": "time"}
    roles |= {"features": ["amount"], "categorical": ["terminal"]}
    detector, facts = fitted(data.frame[:first], settings, split=split, **roles)
    answer = detector.predict(data.frame)
    alarm = answer["alarm"].to_numpy()
    held, tested = slice(data.train, first), slice(first, None)
    share = float(alarm[held].mean())

    def scores(score: Array, alarm: Array) -> dict[str, float]:
        own = score[tested], data.fraud[tested], alarm[tested]
        return labelled_scores(*own, np.array([0, len(own[0])]), independent=True)

    baselines = {EVERYTHING: everything(data.fraud[tested])}
    for name, score in _simple(detector, data.frame, data.train).items():
        baselines[name] = scores(score, score > np.quantile(score[held], 1 - share))
    overall = scores(answer["score"].to_numpy(), alarm)
    return facts | {
        "overall": overall,
        "baselines": baselines,
        "rows": len(data.fraud) - first,
    }


def _simple(detector: AnomalyDetector, frame: pl.DataFrame, train: int) -> dict[str, Array]:
    """``(N,)`` by name: the detector's own simple ones, and those that take each row on its own."""
    found = observe(frame, rows=2**62, layout=detector.encoder_.layout)
    rows = detector.encoder_.encode(found)
    place = np.arange(len(found)) if found.order is None else found.order
    values, tokens = np.asarray(rows.values, float), rows.tokens
    scores = detector.baselines_.scores(values, tokens, found.offsets)
    learnt = place < train
    alone = fit_detection_baselines(
        values[learnt],
        tokens[learnt],
        np.array([0, int(learnt.sum())]),
        independent=True,
        seed=detector.config.seed,
    ).scores(values, tokens, np.array([0, len(found)]))
    scores |= {f"{name}, rows alone": score for name, score in alone.items()}
    placed = {}
    for name, score in scores.items():
        placed[name] = np.empty(len(score))
        placed[name][place] = score
    return placed


def nab(folder: Path, settings: Mapping[str, Any]) -> Result:
    """NAB's score over its files: a detector each, fitted on the rows that count nothing, then a stream."""
    files: dict[str, list[NabFile]] = {}
    facts: list[Result] = []
    refused, detectors = [], 0
    for series in readers.nab(folder):
        count = probation(len(series.frame))
        head = series.frame[:count]
        try:
            detector, cost = fitted(
                head, settings, split=(0.7, 0.3, 0.0), time="timestamp", mend=True
            )
            answer = detector.predict(series.frame, mend=True)
            own = {c: answer[c].to_numpy() for c in ("score", "alarm")}
            facts.append(cost)
            detectors += 1
        except DataError as error:  # nothing to learn from a flat line: it never alarms
            own = dict.fromkeys(("score", "alarm"), np.zeros(len(series.frame)))
            refused.append(f"{series.name}: {error}")
        for name, score in {**own, **_simple_nab(series, count, settings)}.items():
            files.setdefault(name, []).append(NabFile(score.astype(float), series.windows))
    alarms, scored = [_onsets(f) for f in files.pop("alarm")], files.pop("score")
    overall = _profiles(scored)
    overall["nab_own_alarms"] = nab_score(alarms, threshold=0.5).score
    return {
        "overall": overall,
        "baselines": {name: _profiles(own) for name, own in files.items()},
        "rows": sum(len(f.score) for f in scored),
        "fit_seconds": sum(f["fit_seconds"] for f in facts),
        "epochs": statistics.median(f["epochs"] for f in facts) if facts else 0,
        "parameters": max((f["parameters"] for f in facts), default=0),
        "method": ", ".join(sorted({f["method"] for f in facts})),
        "split": "70 % and 30 % of the first rows of each file, which count nothing",
        "refused": refused,
        "fits": detectors,
    }


def _profiles(files: list[NabFile]) -> dict[str, float]:
    """The score by each profile, each with its best threshold for all files together: of the rows at which an
    alarm begins, and by the standard profile of all rows too."""
    found = {p: nab_score([_onsets(f) for f in files], p) for p in PROFILES}
    scores = {f"nab_{p}": s.score for p, s in found.items()}
    scores["nab_all_rows"] = nab_score(files).score
    return scores | {"nab_threshold": min(found["standard"].threshold, 1e300)}


def _onsets(file: NabFile) -> NabFile:
    """The score where it is above those of the 100 rows before, else 0: NAB counts each row above the threshold
    as a detection of its own, a person the alarm that they make together."""
    score = np.asarray(file.score, float)
    before = np.concatenate([np.full(QUIET, -np.inf), score[:-1]])
    highest = np.lib.stride_tricks.sliding_window_view(before, QUIET).max(axis=1)
    return NabFile(np.where(score > highest, score, 0.0), file.windows)


def _simple_nab(
    series: readers.NabSeries, count: int, settings: Mapping[str, Any]
) -> dict[str, Array]:
    """``(N,)`` of the simple detectors, fitted on the same first rows; without a season, differences."""
    values = series.frame["value"].to_numpy().astype(float)[:, None]
    none, head = np.zeros((len(values), 0), np.int64), np.array([0, count])
    times = series.frame["timestamp"].dt.epoch("s").to_numpy()
    step = float(np.median(np.diff(times[:count])))
    lags = [round(s / step) for s in (3600.0, 86400.0, 604800.0)]
    season = find_season(values[:count], head, head[1:], lags)
    simple = fit_detection_baselines(
        values[:count],
        none[:count],
        head,
        season=season if season > 1 else None,
        seed=int(settings.get("seed", 0)),
    ).scores(values, none, np.array([0, len(values)]))
    simple.setdefault("seasonal residual", simple["differences"])
    return simple


CASES: dict[str, Callable[[Path, Mapping[str, Any]], Result]] = {
    "nab": nab,
    "smd": smd,
    "hdfs": hdfs,
    "nsl": nsl,
    "fraud": fraud,
}
