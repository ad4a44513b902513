"""The section of mistakes: what the model was most sure of and wrong about, shown as what it is."""

from __future__ import annotations

from typing import Any

from gatework.report.facts import items, real, reals, text
from gatework.report.labelled_facts import LabelledFacts
from gatework.report.page import Html, Page, join, legend, paragraph, tag
from gatework.report.sequence_pictures import picture
from gatework.report.words import number, percent

HEADINGS = {
    "classify": "Most confident mistakes",
    "regress": "Largest errors",
    "tag": "Most confident mistakes",
}
NONE_KEPT = "No mistakes were kept: there were none, or nothing was judged."


def mistakes(page: Page, facts: LabelledFacts) -> None:
    """The examples, to be narrowed to a true and a predicted class."""
    heading = HEADINGS.get(facts.task, "Mistakes")
    if not facts.examples:
        page.section("mistakes", heading, paragraph(NONE_KEPT), link="Mistakes")
        return
    pairs = [_pairs(e) for e in facts.examples]
    labels = _labels(facts, pairs)
    cards = [
        _card(facts, example, own, labels)
        for example, own in zip(facts.examples, pairs, strict=True)
    ]
    kinds = {text(e.get("kind")) for e in facts.examples}
    wide = " wide" if kinds & {"text", "words", "video"} else ""
    wide = wide or (" close" if kinds <= {"strokes", "images"} else "")
    told = _told(facts)
    if "strokes" in kinds:
        told += " A pen stroke begins at its dot."
    elif "audio" in kinds:
        told += " Above a player is the loudness of each pitch, low ones at the bottom."
    page.section(
        "mistakes",
        heading,
        paragraph(told),
        _legend(facts.examples),
        _filters(pairs, labels),
        tag("div", *cards, class_=f"windows mistakes{wide}"),
        link="Mistakes",
    )  # fmt: skip


def _told(facts: LabelledFacts) -> str:
    if facts.task == "regress":
        return "The predictions furthest from the truth. They may tell what the model lacks, or a wrong label."
    if facts.task == "tag":
        return (
            "Sequences with the surest wrong labels; below is the label given, and what is right."
        )
    return "Wrong, and surest of it. They may tell what the model lacks, or that a label in the data is wrong."


def _pairs(example: dict[str, Any]) -> list[tuple[str, str]]:
    """(true, predicted) labels of an example that differ; of a tagged one there may be several."""
    told, truths = items(example.get("predictions")), items(example.get("truths"))
    found = [
        (str(a), str(b)) for a, b in zip(truths, told, strict=False) if a is not None and a != b
    ]
    truth, predicted = text(example.get("truth")), text(example.get("predicted"))
    if truth is not None and predicted is not None:
        found.append((truth, predicted))
    return list(dict.fromkeys(found))


def _labels(facts: LabelledFacts, pairs: list[list[tuple[str, str]]]) -> dict[str, int]:
    """Labels that occur → their number, in the order of the classes."""
    if facts.task == "regress":
        return {}
    seen = {label for own in pairs for pair in own for label in pair}
    order = [c for c in dict.fromkeys(facts.classes) if c in seen]
    order += sorted(seen - set(order))
    return {label: i for i, label in enumerate(order)}


def _filters(pairs: list[list[tuple[str, str]]], labels: dict[str, int]) -> Html:
    """Choices of the true and of the predicted class; none where there is nothing to choose."""
    if len(pairs) < 2 or len(labels) < 2:
        return Html()
    selects = []
    for side, words in ((0, "True"), (1, "Predicted")):
        there = {pair[side] for own in pairs for pair in own}
        options = [tag("option", "any", value="")]
        options += [tag("option", k, value=i) for k, i in labels.items() if k in there]
        select = tag("select", *options, data_filter=words.lower(), autocomplete="off")
        selects.append(tag("label", words, " ", select, class_="choose"))
    told = tag("span", f"{len(pairs)} shown", class_="soft", id="mistakes-shown", role="status")
    return tag("div", *selects, told, class_="controls")


def _card(
    facts: LabelledFacts,
    example: dict[str, Any],
    own: list[tuple[str, str]],
    labels: dict[str, int],
) -> Html:
    known = [f"{labels[a]}-{labels[b]}" for a, b in own if a in labels and b in labels]
    drawn = picture(example)
    return tag(
        "div",
        tag("h3", text(example.get("name")) or "A sequence"),
        _answer(facts, example),
        drawn or paragraph("Not drawn.", class_="soft"),
        data_pairs=" ".join(known) or None,
        class_="mistake",
    )


def _answer(facts: LabelledFacts, example: dict[str, Any]) -> Html:
    if facts.task == "regress":
        return _miss(example)
    truth, predicted = text(example.get("truth")), text(example.get("predicted"))
    sure = real(example.get("confidence"))
    if predicted is None and truth is None:
        wrong = [
            1
            for a, b in zip(
                items(example.get("truths")), items(example.get("predictions")), strict=False
            )
            if a is not None and a != b
        ]
        said: list[object] = [f"{len(wrong)} wrong of {len(items(example.get('predictions')))}"]
        if sure is not None:
            said.append(f", the surest at {percent(sure, 0)}")
        return tag("p", *said, class_="answer")
    at = f" at {percent(sure, 0)}" if sure is not None else ""
    return tag(
        "p",
        tag("span", predicted if predicted is not None else "no answer", class_="missed"),
        at,
        "; true: ",
        tag("span", truth if truth is not None else "not told", class_="truth"),
        class_="answer",
    )


def _miss(example: dict[str, Any]) -> Html:
    truth, predicted = real(example.get("truth")), real(example.get("predicted"))
    if truth is None or predicted is None:  # one for each step, perhaps
        return Html()
    off = predicted - truth
    side = "too high" if off > 0 else "too low"
    parts: list[object] = [
        tag("span", number(predicted), class_="missed"),
        "; true: ",
        tag("span", number(truth), class_="truth"),
        f" ({number(abs(off), 3)} {side})",
    ]
    low, high = real(example.get("low")), real(example.get("high"))
    if low is not None and high is not None:
        parts.append(f", band {number(low)} to {number(high)}")
    return tag("p", *parts, class_="answer")


def _legend(examples: list[dict[str, Any]]) -> Html:
    """What the colours over curves and words mean, where there are any."""
    shades = [v for e in examples for v in reals(e.get("attribution")) if v]
    if not shades:
        return Html()
    entries = [("spoke for the answer", "band", "--for")]
    if min(shades) < 0:
        entries.append(("spoke against it", "band", "--against"))
    return join([legend(entries)])
