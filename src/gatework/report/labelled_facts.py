"""The content of a classifier's, regressor's or tagger's ``metrics.json``, read with mistrust.

As in ``facts.py``: every key may be missing, None or of another kind, and what cannot be used is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gatework.report.facts import items, mapping, real, reals, text, texts, whole

TASKS = ("classify", "regress", "tag")
# Scores of which less is better; of all others more is.
LESS = ("rmse", "mae", "phm_score", "log_loss", "ece")
PARTS = {
    "test": "the test part",
    "validation": "the validation part",
    "cross-validation": "cross-validation",
    "data": "the data given",
}
_MAIN = {"classify": "accuracy", "regress": "rmse", "tag": "token_accuracy"}


@dataclass
class Judged:
    """Scores of the model or of a baseline, with the bootstrap interval of those that have one."""

    overall: dict[str, float | None] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, value: object) -> Judged:
        """From ``evaluation.model`` or one of ``evaluation.baselines``."""
        found = mapping(value)
        intervals: dict[str, tuple[float, float]] = {}
        for score, written in mapping(found.get("intervals")).items():
            ends = [v for v in reals(written) if v is not None]
            if len(ends) == 2 and ends[0] <= ends[1]:
                intervals[score] = (ends[0], ends[1])
        return cls({k: real(v) for k, v in mapping(found.get("overall")).items()}, intervals)


@dataclass
class LabelledFacts:
    """What the report tells, cleaned."""

    task: str
    title: str | None
    source: str | None
    kind: str | None  # series, text, words, audio, strokes, images, video
    version: str | None
    settings: dict[str, Any]
    training: dict[str, Any]
    history: list[dict[str, Any]]
    described: list[str]
    notes: list[str]
    how: str | None  # the split was made
    split: dict[str, dict[str, Any]]
    classes: list[str]
    lengths: dict[str, float | None]
    calibration: dict[str, float | None]
    cost: dict[str, Any]
    on: str  # the part that the model was judged on
    sequences: int
    steps: int | None
    main: str  # name of the score that counts
    verdict: str | None
    model: Judged
    baselines: dict[str, Judged]
    by_class: dict[str, dict[str, float | None]]
    spans: dict[str, dict[str, float | None]]
    confusion: list[list[int]]  # rows are the truth; square, in the order of the classes; or empty
    reliability: list[dict[str, float | None]]
    roc: list[tuple[float, float]]
    pr: list[tuple[float, float]]
    scatter: list[tuple[float, float, float | None, float | None]]  # truth, predicted, low, high
    examples: list[dict[str, Any]]

    @classmethod
    def read(cls, metrics: object) -> LabelledFacts:
        """From the content of ``metrics.json``."""
        found = mapping(metrics)
        evaluation = mapping(found.get("evaluation"))
        # The details of the model stand beside its scores, or beside the model.
        own = {**evaluation, **mapping(evaluation.get("model"))}
        training = mapping(found.get("training"))
        split = mapping(found.get("split"))
        model = Judged.read(own)
        task = text(found.get("task")) or ""
        by_class = _tables(own.get("classes"))
        classes = [str(c) for c in items(found.get("classes"))] or list(by_class)
        return cls(
            task=task if task in TASKS else _task(own, model),
            title=text(found.get("title")),
            source=text(found.get("source")),
            kind=text(found.get("kind")),
            version=text(found.get("gatework_version")),
            settings=mapping(found.get("settings")),
            training=training,
            history=[mapping(r) for r in items(training.get("history")) if mapping(r)],
            described=texts(found.get("described")),
            notes=texts(found.get("notes")),
            how=text(split.get("how")),
            split={k: mapping(v) for k, v in split.items() if isinstance(v, Mapping)},
            classes=classes,
            lengths={k: real(v) for k, v in mapping(found.get("lengths")).items()},
            calibration={k: real(v) for k, v in mapping(found.get("calibration")).items()},
            cost=mapping(found.get("cost")),
            on=text(evaluation.get("on")) or "test",
            sequences=max(0, whole(evaluation.get("sequences")) or 0),
            steps=whole(evaluation.get("steps")),
            main=text(evaluation.get("main")) or _MAIN.get(task, "accuracy"),
            verdict=text(evaluation.get("verdict")),
            model=model,
            baselines={k: Judged.read(v) for k, v in mapping(evaluation.get("baselines")).items()},
            by_class=by_class,
            spans=_tables(own.get("spans")),
            confusion=_square(own.get("confusion"), len(classes)),
            reliability=[
                {k: real(v) for k, v in mapping(b).items()} for b in items(own.get("reliability"))
            ],
            roc=_points(own.get("roc")),
            pr=_points(own.get("pr")),
            scatter=_scatter(own.get("scatter")),
            examples=[mapping(e) for e in items(found.get("examples")) if mapping(e)],
        )

    @property
    def rivals(self) -> dict[str, Judged]:
        """The model first, then the baselines."""
        return {"model": self.model, **self.baselines}

    @property
    def score(self) -> float | None:
        """The model's main score."""
        return self.model.overall.get(self.main)

    @property
    def judged(self) -> bool:
        """Whether the model was scored on anything."""
        return self.sequences > 0 and self.score is not None

    @property
    def less_is_better(self) -> bool:
        """Whether the main score is an error."""
        return self.main in LESS

    def strongest(self) -> tuple[str, float] | None:
        """The best baseline by the main score: its name and score."""
        found = {
            name: score
            for name, rival in self.baselines.items()
            if (score := rival.overall.get(self.main)) is not None
        }
        if not found:
            return None
        pick = min if self.less_is_better else max
        name = pick(found, key=lambda n: found[n])
        return name, found[name]

    def place(self, label: str | None) -> int | None:
        """The number of a class; None for no label and for one that is no class."""
        return self.classes.index(label) if label in self.classes else None

    def coverages(self) -> list[tuple[float, float]]:
        """(percent wanted, share reached) of the quantile bands, widest first."""
        return _coverages(self.model.overall)


def _task(own: dict[str, Any], model: Judged) -> str:
    """The task that the scores speak of, where it is not told."""
    if "token_accuracy" in model.overall or "spans" in own:
        return "tag"
    return "regress" if "rmse" in model.overall or "scatter" in own else "classify"


def _tables(value: object) -> dict[str, dict[str, float | None]]:
    return {
        name: {k: real(v) for k, v in mapping(scores).items()}
        for name, scores in mapping(value).items()
    }


def _square(value: object, classes: int) -> list[list[int]]:
    rows = [[max(0, whole(v) or 0) for v in items(row)] for row in items(value)]
    square = len(rows) == classes and all(len(row) == classes for row in rows)
    return rows if rows and square else []


def _points(value: object) -> list[tuple[float, float]]:
    found = []
    for point in items(value):
        ends = reals(point)
        if len(ends) == 2 and ends[0] is not None and ends[1] is not None:
            found.append((ends[0], ends[1]))
    return found


def _scatter(value: object) -> list[tuple[float, float, float | None, float | None]]:
    found = []
    for point in items(value):
        truth, predicted, low, high = [*reals(point)[:4], None, None, None, None][:4]
        if truth is not None and predicted is not None:
            found.append((truth, predicted, low, high))
    return found


def _coverages(overall: Mapping[str, float | None]) -> list[tuple[float, float]]:
    found = []
    for key, share in overall.items():
        match = re.fullmatch(r"coverage_(\d+(?:\.\d+)?)", key)
        if match and share is not None and 0 < float(match[1]) < 100:
            found.append((float(match[1]), share))
    return sorted(found, reverse=True)
