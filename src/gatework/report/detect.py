"""The report of an anomaly detector: from ``metrics.json`` to one HTML text."""

from __future__ import annotations

from typing import Any

from gatework.report import detect_alarms, detect_lines, detect_run, detect_scores
from gatework.report.detect_facts import DetectFacts
from gatework.report.detect_verdict import DetectVerdict
from gatework.report.detect_words import METHODS
from gatework.report.forecast_run import training
from gatework.report.labelled_run import settings
from gatework.report.page import Page, paragraph, tag
from gatework.report.words import count, listing

KINDS = {"metrics": "metrics", "events": "events", "log": "a log"}


def render(metrics: dict[str, Any]) -> str:
    """The report as one HTML text that works offline, from nothing but a model's ``metrics.json``.

    Args:
        metrics: the content of ``metrics.json``; any key may be missing, None or odd: what cannot be
            told is left out.

    Raises:
        MissingDependencyError: plotly is not installed.
    """
    facts = DetectFacts.read(metrics)
    title = facts.title or heading(facts)
    page = Page(title)
    detect_scores.headline(page, facts, DetectVerdict.of(facts))
    detect_scores.scores(page, facts)
    detect_alarms.course(page, facts)
    detect_alarms.alarms(page, facts)
    detect_lines.lines(page, facts)
    detect_lines.sessions(page, facts)
    detect_run.threshold(page, facts)
    detect_run.calibration(page, facts)
    training(page, facts)
    detect_run.data(page, facts)
    detect_run.cost(page, facts)
    settings(page, facts)
    detect_run.use(page, facts)
    detect_run.definitions(page, facts)
    made = f"Gatework {facts.version}" if facts.version else "Gatework"
    return page.render(
        tag("h1", title),
        paragraph(task(facts)),
        paragraph(" · ".join(a for a in (facts.source, f"report by {made}") if a), class_="meta"),
    )


def heading(facts: DetectFacts) -> str:
    """A title for a detector that has none: ``Anomaly detector of 3 channels``."""
    if facts.kind == "metrics" and facts.channels:
        few = len(facts.channels) <= 2
        named = listing(facts.channels) if few else count(len(facts.channels), "channel")
        return f"Anomaly detector of {named}"
    return f"Anomaly detector of {'sessions' if facts.by_session else KINDS[facts.kind]}"


def task(facts: DetectFacts) -> str:
    """What the detector does, in a sentence or two."""
    said = f"Gives each {facts.unit} a score of how unusual it is, and raises an alarm where that is too much"
    if 2 < len(facts.channels) <= 6 and facts.kind == "metrics":
        said += f"; the channels are {listing(facts.channels)}"
    if facts.method in METHODS:
        unit = {"log": "line", "events": "event"}.get(facts.kind, "row")
        return f"{said}. Method {facts.method}: {METHODS[facts.method].format(unit=unit)}."
    return f"{said}."
