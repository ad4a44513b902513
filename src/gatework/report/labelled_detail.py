"""The sections behind the scores: class by class, how sure the answers are, the errors of a regression."""

from __future__ import annotations

from gatework.report import labelled_figures as figures
from gatework.report.facts import whole
from gatework.report.labelled_facts import LabelledFacts
from gatework.report.page import Html, Page, join, paragraph, table, tag
from gatework.report.words import count, level, listing, number, percent

# Of more classes the table begins with the weakest.
MANY_CLASSES = 12


def by_class(page: Page, facts: LabelledFacts) -> None:
    """The tables of spans and of classes."""
    if not facts.judged or not (facts.by_class or facts.spans):
        return
    parts: list[object] = []
    if facts.spans:
        told = "Spans by type, counted whole: first step, last step and type must be right"
        parts.append(_class_table(told, "Type", facts.spans))
    if facts.by_class:
        noun = "Label" if facts.task == "tag" else "Class"
        told = f"Each {noun.lower()} by itself"
        parts.append(_class_table(told, noun, facts.by_class))
        unseen = [n for n, s in facts.by_class.items() if s.get("support") == 0]
        if unseen:
            parts.append(paragraph(f"Not once in what was judged: {listing(unseen, 12)}."))
    heading = "Label by label" if facts.task == "tag" else "Class by class"
    page.section("classes", heading, *parts, link=heading)


def _class_table(caption: str, noun: str, found: dict[str, dict[str, float | None]]) -> Html:
    rows = list(found.items())
    if len(rows) > MANY_CLASSES:
        rows.sort(key=lambda r: (r[1].get("f1") is None, r[1].get("f1") or 0.0))
        caption += "; the weakest first"
    cells = [
        [
            label,
            _bar(scores.get("f1")),
            percent(scores.get("precision")),
            percent(scores.get("recall")),
            count(whole(scores.get("support"))),
        ]
        for label, scores in rows
    ]
    return table(caption, [noun, "F1", "Precision", "Recall", "How many"], cells)


def _bar(share: float | None) -> Html:
    if share is None:
        return Html(percent(None))
    long = max(0.0, min(1.0, share))
    return join(
        [percent(share), tag("span", class_="bar", style=f"--share:{100 * long:.0f}%")],
        " ",
    )


def certainty(page: Page, facts: LabelledFacts) -> None:
    """Reliability of the confidence; for two classes ROC and precision-recall curves."""
    if not facts.judged or facts.task == "regress":
        return
    drawn = [
        (title, figure)
        for title, figure in (
            ("Reliability", figures.reliability(facts)),
            ("ROC curve", figures.roc(facts)),
            ("Precision and recall", figures.precision_recall(facts)),
        )
        if figure is not None
    ]
    if not drawn:
        return
    cards = [
        tag(
            "div",
            tag("h3", title),
            page.figure(figure.spec, figure.label, figure.caption, size="small"),
        )
        for title, figure in drawn
    ]
    page.section(
        "certainty",
        "How sure the answers are",
        paragraph(_calibrated(facts)),
        tag("div", *cards, class_="windows"),
        link="Certainty",
    )


def _calibrated(facts: LabelledFacts) -> str:
    told = (
        "An answer given with a confidence of 90 % should be right nine times of ten. Points below the "
        "dashed line promise too much; points above it too little. The larger the dot, the more answers."
    )
    warmth = facts.calibration.get("temperature")
    if warmth is None:
        return f"{told} The probabilities are the network’s own: they were not calibrated."
    before, after = facts.calibration.get("ece_before"), facts.calibration.get("ece_after")
    on = "the validation part" if "validation" in facts.split else "sequences that were left out"
    told += f" The probabilities were calibrated on {on} (temperature {number(warmth, 3)}"
    if before is not None and after is not None:
        told += f"; calibration error there {percent(before)} before, {percent(after)} after"
    return told + ")."


def errors(page: Page, facts: LabelledFacts) -> None:
    """Regression: predicted against true, the errors, and the bands."""
    if not facts.judged or facts.task != "regress":
        return
    blocks = [
        (title, page.figure(figure.spec, figure.label, figure.caption))
        for title, figure in (
            ("Predicted against true", figures.scatter(facts)),
            ("Errors", figures.errors(facts)),
        )
        if figure is not None
    ]
    if blocks:
        parts = [join([tag("h3", title), block]) for title, block in blocks]
        page.section("errors", "Predicted and true", *parts, link="Errors")
    covered = facts.coverages()
    if not covered:
        return
    rows = []
    for wanted, reached in covered:
        off = 100 * reached - wanted
        sign = "+" if off > 0 else ""
        shift = f"{sign}{off:.1f} points".replace("-", "−")
        rows.append([level(wanted), percent(reached), shift])
    wide, reached = covered[0]
    said = "it can be taken at its word"
    if reached < wide / 100 - 0.03:
        said = f"it is too narrow: read it as a band of about {percent(reached, 0)}"
    elif reached > wide / 100 + 0.03:
        said = "it is wider than it needs to be"
    page.section(
        "certainty",
        "How sure the predictions are",
        paragraph(f"The {level(wide)} band holds {percent(reached)} of the true values: {said}."),
        table("Bands: the share of true values wanted and reached", ["Band", "Reached", "Difference"], rows),
        link="Certainty",
    )  # fmt: skip
