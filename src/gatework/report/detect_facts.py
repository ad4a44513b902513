"""The content of a detector's ``metrics.json``, read with mistrust.

As in ``facts.py``: every key may be missing, None or of another kind, and what cannot be used is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatework.report.detect_examples import Alarm, Course, Histogram, Line, Session
from gatework.report.facts import items, mapping, real, text, texts, whole

KINDS = ("metrics", "events", "log")
METHODS = ("forecast", "reconstruct", "variational")
PARTS = {"test": "the test part", "validation": "the validation part", "data": "the data given"}
# What stands for the main score where it is not told.
MAINS = ("vus_pr", "average_precision")


@dataclass
class DetectFacts:
    """What the report tells, cleaned."""

    title: str | None
    source: str | None
    kind: str  # metrics, events, log
    method: str | None  # forecast, reconstruct, variational
    by_session: bool  # a session gets a score, not a row
    version: str | None
    settings: dict[str, Any]
    training: dict[str, Any]
    history: list[dict[str, Any]]
    channels: list[str]
    categories: list[str]
    described: list[str]
    notes: list[str]
    how: str | None  # the split was made
    split: dict[str, dict[str, Any]]
    threshold: dict[str, Any]
    reliability: list[tuple[float, float]]  # (expected, seen), rising
    held_out: int | None  # rows that the scores were calibrated on
    cost: dict[str, Any]
    on: str  # the part that the model was judged on
    rows: int
    series: int | None
    labelled: bool
    main: str  # name of the score that counts
    verdict: str | None
    model: dict[str, float | None]
    baselines: dict[str, dict[str, float | None]]
    course: Course | None
    alarms: list[Alarm]
    lines: list[Line]
    sessions: list[Session]
    histogram: Histogram | None

    @classmethod
    def read(cls, metrics: object) -> DetectFacts:
        """From the content of ``metrics.json``."""
        found = mapping(metrics)
        evaluation, examples = mapping(found.get("evaluation")), mapping(found.get("examples"))
        calibration = mapping(found.get("calibration"))
        training, split = mapping(found.get("training")), mapping(found.get("split"))
        model = _overall(evaluation.get("model"))
        told, kind = evaluation.get("labelled"), text(found.get("kind"))
        labelled = told if isinstance(told, bool) else any(k in model for k in MAINS)
        unit = text(found.get("unit")) or text(evaluation.get("unit"))
        return cls(
            title=text(found.get("title")),
            source=text(found.get("source")),
            kind=kind if kind in KINDS else "metrics",
            method=text(found.get("method")),
            by_session=unit == "session",
            version=text(found.get("gatework_version")),
            settings=mapping(found.get("settings")),
            training=training,
            history=[mapping(r) for r in items(training.get("history")) if mapping(r)],
            channels=texts(found.get("channels")),
            categories=texts(found.get("categories")),
            described=texts(found.get("described")),
            notes=texts(found.get("notes")),
            how=text(split.get("how")),
            split={k: mapping(v) for k, v in split.items() if isinstance(v, Mapping)},
            threshold=mapping(found.get("threshold")),
            reliability=_reliability(calibration.get("reliability")),
            held_out=whole(calibration.get("rows")),
            cost=mapping(found.get("cost")),
            on=text(evaluation.get("on")) or "test",
            rows=max(0, whole(evaluation.get("rows")) or 0),
            series=whole(evaluation.get("series")),
            labelled=labelled,
            main=text(evaluation.get("main")) or next((m for m in MAINS if m in model), MAINS[0]),
            verdict=text(evaluation.get("verdict")),
            model=model,
            baselines={k: _overall(v) for k, v in mapping(evaluation.get("baselines")).items()},
            course=Course.read(examples.get("series")),
            alarms=[a for a in map(Alarm.read, items(examples.get("events"))) if a is not None],
            lines=[x for x in map(Line.read, items(examples.get("lines"))) if x is not None],
            sessions=[s for s in map(Session.read, items(examples.get("sessions"))) if s is not None],
            histogram=Histogram.read(examples.get("histogram")),
        )  # fmt: skip

    @property
    def rivals(self) -> dict[str, dict[str, float | None]]:
        """The model first, then the baselines."""
        return {"model": self.model, **self.baselines}

    @property
    def score(self) -> float | None:
        """The model's main score."""
        return self.model.get(self.main)

    @property
    def judged(self) -> bool:
        """Whether the model was scored against labels."""
        return self.labelled and self.rows > 0 and self.score is not None

    @property
    def level(self) -> float | None:
        """The score from which a row is an alarm."""
        return real(self.threshold.get("value"))

    @property
    def unit(self) -> str:
        """What gets a score: ``row``, ``line``, ``event`` or ``session``."""
        if self.by_session:
            return "session"
        return {"log": "line", "events": "event"}.get(self.kind, "row")

    def strongest(self, score: str | None = None) -> tuple[str, float] | None:
        """The best baseline by a score of which more is better: its name and score."""
        wanted = score or self.main
        found = {n: v for n, o in self.baselines.items() if (v := o.get(wanted)) is not None}
        if not found:
            return None
        name = max(found, key=lambda n: found[n])
        return name, found[name]


def _overall(value: object) -> dict[str, float | None]:
    """Scores of the model or a baseline, those that are numbers."""
    scores = mapping(mapping(value).get("overall"))
    return {k: found for k, v in scores.items() if (found := real(v)) is not None}


def _reliability(value: object) -> list[tuple[float, float]]:
    found = []
    for point in map(mapping, items(value)):
        expected, seen = real(point.get("expected")), real(point.get("seen"))
        if expected is not None and seen is not None and 0 < expected <= 1 and 0 <= seen <= 1:
            found.append((expected, seen))
    return sorted(found)
