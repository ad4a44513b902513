"""The scores of classifiers, regressors and taggers as a person says them."""

from __future__ import annotations

from gatework.report.facts import text
from gatework.report.words import NBSP, NONE, column, number, percent

NAMES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "log_loss": "Log loss",
    "ece": "Calibration error",
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "phm_score": "PHM score",
    "token_accuracy": "Token accuracy",
    "sequence_accuracy": "Whole sequences right",
    "span_f1": "Span F1",
    "span_precision": "Span precision",
    "span_recall": "Span recall",
}
SHARES = (
    "accuracy", "balanced_accuracy", "macro_f1", "ece", "token_accuracy", "sequence_accuracy",
    "span_f1", "span_precision", "span_recall", "precision", "recall", "f1",
)  # fmt: skip
# What the label of a step is called for each kind of sequence.
UNITS = {"words": "word", "text": "word", "video": "frame", "audio": "frame"}
DEFINITIONS = {
    "classify": {
        "Accuracy": "The share of sequences whose class was named rightly. Where one class is frequent, "
        "naming it always scores high too: see the majority class.",
        "Balanced accuracy": "The accuracy inside each class, averaged: every class counts alike, however "
        "rare.",
        "Precision, recall, F1": "Precision: of those called by this class, the share that is of it. "
        "Recall: of those of this class, the share that was found. F1 is high only where both are; macro "
        "F1 is its mean over the classes.",
        "Log loss": "Judges the probabilities: sure and wrong costs much. Smaller is better; 0 is perfect.",
        "Calibration error": "How far confidence and truth lie apart: with 5 %, answers given at 90 % are "
        "right about 85 or 95 times of 100. Smaller is better.",
        "ROC AUC": "The chance that a random member of the second class is ranked above one of the first: "
        "50 % is guessing.",
        "Average precision": "The mean precision over all thresholds; guessing reaches the share of the "
        "second class. Say more than the ROC AUC where that class is rare.",
    },
    "regress": {
        "RMSE": "Root mean squared error, in the unit of the target: large misses weigh more. Smaller is "
        "better.",
        "MAE": "Mean absolute error: how far off on average, in the unit of the target. Smaller is better.",
        "R²": "The share of the target's variance that is explained: 1 is perfect, 0 is as good as always "
        "saying the mean, below 0 is worse.",
        "PHM score": "For remaining life: late predictions cost more than early ones, both exponentially. "
        "A sum, so it grows with the number of sequences. Smaller is better.",
        "Inside the 90 % band": "The share of true values inside the band: near 90 % is right; more is "
        "needlessly wide, less too sure of itself.",
    },
    "tag": {
        "Token accuracy": "The share of steps whose label is right.",
        "Whole sequences right": "The share of sequences without a single wrong label.",
        "Span precision, recall, F1": "Counted in whole spans, as conlleval does: a span is right only "
        "with its first step, its last step and its type.",
        "Macro F1": "F1 of each label, averaged: every label counts alike, however rare.",
    },
}  # fmt: skip
INTERVAL = (
    "The range after a score is its 95 % bootstrap interval: the scores that other samples of the same size "
    "would plausibly give."
)


def name(score: str) -> str:
    """The name of a score."""
    if score.startswith("coverage_"):
        return f"Inside the {score.removeprefix('coverage_')}{NBSP}% band"
    return NAMES.get(score, score.replace("_", " "))


def value(score: str, found: float | None) -> str:
    """A score as it is read.

    >>> value("accuracy", 0.9781), value("rmse", 14.02), value("roc_auc", 0.98711)
    ('97.8\\xa0%', '14.02', '0.987')
    """
    if found is None:
        return NONE
    if score in SHARES or score.startswith("coverage_"):
        return percent(found)
    return number(found, 3 if score in ("roc_auc", "average_precision", "r2") else 4)


def values(score: str, found: list[float | None]) -> list[str]:
    """Scores to stand below each other."""
    if score in SHARES or score.startswith("coverage_"):
        return [value(score, v) for v in found]
    return column(found, 3 if score in ("roc_auc", "average_precision", "r2") else 4)


def interval(score: str, ends: tuple[float, float] | None) -> str:
    """The ends of an interval: ``96.1 to 98.3 %``; empty without one."""
    if ends is None:
        return ""
    low, high = value(score, ends[0]), value(score, ends[1])
    if low.endswith(f"{NBSP}%"):
        low = low.removesuffix(f"{NBSP}%")
    return f"{low} to {high}"


def unit(kind: str | None) -> str:
    """What one step of a sequence is called."""
    return UNITS.get(text(kind) or "", "step")
