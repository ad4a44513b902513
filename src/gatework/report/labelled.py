"""The report of a classifier, regressor or tagger: from ``metrics.json`` to one HTML text."""

from __future__ import annotations

from typing import Any

from gatework.report import forecast_run, labelled_detail, labelled_run, labelled_scores
from gatework.report.labelled_confusion import confusion
from gatework.report.labelled_facts import LabelledFacts
from gatework.report.labelled_mistakes import mistakes
from gatework.report.labelled_verdict import LabelledVerdict
from gatework.report.labelled_words import unit
from gatework.report.page import Page, paragraph, tag
from gatework.report.words import count, listing

TITLES = {"classify": "Classifier", "regress": "Regressor", "tag": "Tagger"}
KINDS = {
    "series": "series",
    "text": "texts",
    "words": "sentences",
    "audio": "sounds",
    "strokes": "pen strokes",
    "images": "images",
    "video": "videos",
}


def render(metrics: dict[str, Any]) -> str:
    """The report as one HTML text that works offline, from nothing but a model's ``metrics.json``.

    Args:
        metrics: the content of ``metrics.json``; any key may be missing, None or odd: what cannot be
            told is left out.

    Raises:
        MissingDependencyError: plotly is not installed.
    """
    facts = LabelledFacts.read(metrics)
    title = facts.title or heading(facts)
    page = Page(title)
    labelled_scores.headline(page, facts, LabelledVerdict.of(facts))
    labelled_scores.scores(page, facts)
    labelled_detail.by_class(page, facts)
    confusion(page, facts)
    labelled_detail.errors(page, facts)
    labelled_detail.certainty(page, facts)
    mistakes(page, facts)
    forecast_run.training(page, facts)
    labelled_run.data(page, facts)
    labelled_run.cost(page, facts)
    labelled_run.settings(page, facts)
    labelled_run.use(page, facts)
    labelled_run.definitions(page, facts)
    made = f"Gatework {facts.version}" if facts.version else "Gatework"
    return page.render(
        tag("h1", title),
        paragraph(task(facts)),
        paragraph(" · ".join(a for a in (facts.source, f"report by {made}") if a), class_="meta"),
    )


def heading(facts: LabelledFacts) -> str:
    """A title for a model that has none: ``Classifier of sounds``."""
    return f"{TITLES.get(facts.task, 'Model')} of {KINDS.get(facts.kind or '', 'sequences')}"


def task(facts: LabelledFacts) -> str:
    """What the model does, in a sentence."""
    of = KINDS.get(facts.kind or "", "sequences")
    if facts.task == "regress":
        said = f"Predicts a number from {of} of any length"
    elif facts.task == "tag":
        said = f"Gives each {unit(facts.kind)} of {of} one of {count(len(facts.classes), 'label')}"
    else:
        many = len(facts.classes)
        said = f"Sorts {of} into {count(many)} class{'' if many == 1 else 'es'}"
        if 1 < many <= 6:
            said += f": {listing(facts.classes)}"
    return said + "."
