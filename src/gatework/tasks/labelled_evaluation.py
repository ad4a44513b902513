"""Scores of labelled sequences as a value."""

from __future__ import annotations

from gatework.tasks.evaluation import ScoredEvaluation


class LabelledEvaluation(ScoredEvaluation):
    """Scores beside the naive answers; of classes ``model`` also holds intervals and a row for each."""
