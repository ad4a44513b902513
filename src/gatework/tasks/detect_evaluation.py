"""Scores of a detector beside the simple ones, as a value."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatework.data.observations import BoolArray, FloatArray, Observations
from gatework.tasks.detect_answers import Scored
from gatework.tasks.evaluation import ScoredEvaluation
from gatework.train.detection import labelled_scores, unlabelled_scores, verdict


class DetectEvaluation(ScoredEvaluation):
    """Scores of a detector beside the simple ones."""

    column = "scores of"
    own = "detector"


def cutoffs_of(scored: Scored, others: dict[str, FloatArray], base: BoolArray) -> dict[str, float]:
    """The level of each simple detector that as many of the rows, or sessions, of ``base`` exceed as the
    detector alarms at."""
    share = max(float(scored.alarm[base].mean()), 1 / max(int(base.sum()), 1))
    return {n: float(np.quantile(s[base], 1 - share)) for n, s in others.items()}


def evaluate_scores(
    found: Observations,
    scored: Scored,
    others: dict[str, FloatArray],
    marked: BoolArray,
    *,
    cutoffs: dict[str, float],
    independent: bool,
    seed: int,
) -> dict[str, Any]:
    """Scores of the marked rows or sessions, of the detector and of the simple detectors ``others``, which
    alarm above their ``cutoffs``."""
    sessions = found.sessions
    if sessions:
        offsets = np.array([0, int(marked.sum())])
    else:
        offsets = np.searchsorted(np.flatnonzero(marked), found.offsets).astype(np.int64)
    loose = sessions or independent
    labels = None if found.labels is None else found.labels[marked]
    labelled = labels is not None and bool(labels.any()) and not bool(labels.all())
    seconds = found.seconds()

    def scores(score: FloatArray, alarm: BoolArray) -> dict[str, Any]:
        plain = unlabelled_scores(
            score[marked], alarm[marked], offsets, seconds=seconds, independent=loose
        )
        if not labelled:
            return {"overall": plain}
        assert labels is not None
        told = labelled_scores(
            score[marked],
            labels,
            alarm[marked],
            offsets,
            seconds=seconds,
            seed=seed,
            independent=loose,
        )
        return {"overall": plain | told}

    model = scores(scored.score, scored.alarm)
    baselines = {n: scores(s, s > cutoffs[n]) for n, s in others.items()}
    main = "alarm_share" if not labelled else "average_precision" if loose else "vus_pr"
    said = verdict(model["overall"], baselines, main)
    if labels is not None and not labelled:
        kind = "anomalous" if not labels.any() else "normal"
        what = "session" if sessions else "row"
        said = (
            f"The part that was judged holds no {kind} {what}, so nothing tells which alarms are right."
            + (said[said.index(" It alarms") :] if " It alarms" in said else "")
        )
    return {
        "rows": int(marked.sum()),
        "series": len(found.names),
        "labelled": labelled,
        "unit": "session" if sessions else "row",
        "model": model,
        "baselines": baselines,
        "verdict": said,
    }
