"""The sections about how good a classifier, regressor or tagger is, beside its baselines."""

from __future__ import annotations

from gatework.report.facts import MODEL, real
from gatework.report.labelled_facts import LESS, PARTS, Judged, LabelledFacts
from gatework.report.labelled_verdict import LabelledVerdict
from gatework.report.labelled_words import INTERVAL, SHARES, interval, name, unit, value, values
from gatework.report.page import (
    Html,
    Page,
    best,
    join,
    paragraph,
    table,
    tag,
)
from gatework.report.words import comparison, count, duration, epochs

UNJUDGED = (
    "No sequence was judged, so there is nothing to score. Run gatework evaluate on sequences with "
    "labels."
)
# The second figure on top, by task: the first of these that was found and is not the main score.
SECOND = {
    "classify": ("macro_f1", "balanced_accuracy", "accuracy"),
    "regress": ("mae", "r2", "rmse"),
    "tag": ("span_f1", "sequence_accuracy", "macro_f1", "token_accuracy"),
}
MEANS = {
    "accuracy": "of the sequences get their right class",
    "balanced_accuracy": "mean over the classes of the share found",
    "macro_f1": "mean over the classes of F1",
    "average_precision": "mean precision over all thresholds",
    "roc_auc": "1 is perfect, 0.5 is guessing",
    "rmse": "typical error, large misses weighing more",
    "mae": "mean size of the error",
    "r2": "1 is perfect, 0 is the mean",
    "token_accuracy": "of the labels are right",
    "sequence_accuracy": "of the sequences have no wrong label",
    "span_f1": "whole spans, as conlleval counts",
}


def headline(page: Page, facts: LabelledFacts, verdict: LabelledVerdict) -> None:
    """The verdict and up to four figures."""
    said = [tag("p", verdict.said, class_="said")]
    if verdict.advice.strip():
        said.append(paragraph(verdict.advice.strip()))
    keys = [
        tag("div", tag("dt", k), tag("dd", v, class_="value"), tag("dd", note))
        for k, v, note in _keys(facts)
    ]
    page.section(
        "headline",
        "In short",
        tag("div", *said, class_=f"verdict {verdict.kind}"),
        tag("dl", *keys, class_="keys") if keys else "",
        link="Verdict",
    )


def _keys(facts: LabelledFacts) -> list[tuple[str, str, str]]:
    found = []
    if facts.judged:
        notes = [MEANS.get(facts.main, ""), _interval(facts, facts.model)]
        found.append(
            (name(facts.main), value(facts.main, facts.score), "; ".join(n for n in notes if n))
        )
        rival = facts.strongest()
        if rival is not None:
            notes = [rival[0], _interval(facts, facts.baselines[rival[0]])]
            shown = value(facts.main, rival[1])
            found.append(("Best baseline", shown, "; ".join(n for n in notes if n)))
        for score in SECOND.get(facts.task, ()):
            second = facts.model.overall.get(score)
            if score != facts.main and second is not None:
                found.append((name(score), value(score, second), MEANS.get(score, "")))
                break
    seconds = real(facts.cost.get("fit_seconds"))
    if seconds is not None:
        size = real(facts.cost.get("parameters"))
        notes = [epochs(len(facts.history))] if facts.history else []
        notes += [count(size, "weight")] if size is not None else []
        found.append(("Trained in", duration(seconds), ", ".join(notes)))
    return found


def _interval(facts: LabelledFacts, rival: Judged) -> str:
    ends = interval(facts.main, rival.intervals.get(facts.main))
    return f"95 % interval {ends}" if ends else ""


def scores(page: Page, facts: LabelledFacts) -> None:
    """All scores of the model beside those of the baselines."""
    heading = "Scores beside the baselines"
    if not facts.judged:
        page.section("scores", heading, paragraph(UNJUDGED), link="Scores")
        return
    judged = count(facts.sequences, "sequence")
    if facts.task == "tag" and facts.steps:
        judged += f" with {count(facts.steps, unit(facts.kind))}"
    part = PARTS.get(facts.on, facts.on)
    told = f"{judged} of {part}, which the model has not seen in training"
    if facts.on == "validation":
        told = f"{judged} of the validation part, by which the best epoch was chosen as well"
    elif facts.on == "cross-validation":
        told = f"{judged}, each judged by a model that was fitted without it (cross-validation)"
    page.section(
        "scores",
        heading,
        paragraph(f"{told}. The baselines judge the same sequences."),
        _whiskers(facts),
        _score_table(facts),
        link="Scores",
    )


def _whiskers(facts: LabelledFacts) -> Html:
    """The main score of each as a mark on its interval."""
    shown = {
        label: (score, rival.intervals.get(facts.main))
        for label, rival in facts.rivals.items()
        if (score := rival.overall.get(facts.main)) is not None
    }
    ends: list[float] = [v for score, span in shown.values() for v in (score, *(span or ()))]
    low, high = min(ends), max(ends)
    if facts.main in SHARES:  # not to the edge where the edge means something
        low, high = max(0.0, low - 0.05), min(1.0, high + 0.02)
    wide = (high - low) or 1.0

    def at(score: float) -> float:
        return 2 + 96 * (score - low) / wide

    rows = []
    for label, (score, span) in shown.items():
        marks = []
        if span is not None:
            marks.append(tag("i", style=f"left:{at(span[0]):.1f}%;right:{100 - at(span[1]):.1f}%"))
        marks.append(tag("b", style=f"left:{at(score):.1f}%"))
        rows.append(
            tag(
                "li",
                tag("span", label, class_="own" if label == MODEL else None),
                tag("span", *marks, class_="track", aria_hidden="true"),
                tag("span", value(facts.main, score), class_="number"),
                class_="mine" if label == MODEL else None,
            )
        )
    less = ", less is better" if facts.less_is_better else ""
    return join(
        [
            tag(
                "p",
                f"{name(facts.main)}{less}: the mark is the score, the bar its 95 % interval.",
                class_="soft",
            ),
            tag("ul", *rows, class_="whiskers"),
        ]
    )


def _score_table(facts: LabelledFacts) -> Html:
    columns = [s for s, v in facts.model.overall.items() if v is not None]
    columns.sort(key=lambda s: s != facts.main)
    labels = list(facts.rivals)
    cells: dict[str, list[object]] = {n: [n] for n in labels}
    cells[MODEL] = [tag("span", MODEL, class_="own")]
    for score in columns:
        found = [facts.rivals[n].overall.get(score) for n in labels]
        # How far from ideal: for bands the distance to their name.
        wanted = real(_number(score.removeprefix("coverage_"))) if "coverage_" in score else None
        sign = 1 if score in LESS else -1
        off = [
            None if v is None else abs(v - wanted / 100) if wanted is not None else sign * v
            for v in found
        ]
        least = min((v for v in off if v is not None), default=None)
        for label, shown, distance in zip(labels, values(score, found), off, strict=True):
            cell: object = best(shown) if distance is not None and distance == least else shown
            ends = interval(score, facts.rivals[label].intervals.get(score))
            cells[label].append(
                join([cell, tag("span", ends, class_="ends")]) if ends and shown else cell
            )
    if facts.less_is_better and facts.score is not None:
        for label in labels:
            other = facts.rivals[label].overall.get(facts.main)
            skill = 1 - facts.score / other if other else None
            cells[label].append("" if label == MODEL else comparison(skill))
    heads = [f"{name(s)}{' ↓' if s in LESS else ''}" for s in columns]
    if facts.less_is_better:
        heads.append(f"Model’s {name(facts.main)} is")
    note = " ↓: less is better." if any(s in LESS for s in columns) else ""
    if any(r.intervals for r in facts.rivals.values()):
        note += f" {INTERVAL}"
    return table(f"Scores. Best in bold.{note}", ["", *heads], cells.values())


def _number(written: str) -> float | None:
    try:
        return float(written)
    except ValueError:
        return None
