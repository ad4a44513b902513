"""The sections about the run: its data, its cost, its settings, and what to do with the model."""

from __future__ import annotations

from typing import Any

from gatework.report.facts import Trained, items, real, text
from gatework.report.labelled_facts import LabelledFacts
from gatework.report.labelled_words import DEFINITIONS, INTERVAL, unit
from gatework.report.page import Page, bullets, code, pairs, paragraph, table, tag
from gatework.report.words import column, count, duration, number

PARTS = {"train": "training", "validation": "validation", "test": "test"}
FOR = {
    "train": "The training part fits the weights and everything that is found in the data.",
    "validation": "The validation part chooses the best epoch and calibrates.",
    "test": "The test part only judges.",
}
CROSSED = "Each network was trained without a fold of the sequences, which chose its best epoch. "
CLASSES = {
    "classify": "SequenceClassifier",
    "regress": "SequenceRegressor",
    "tag": "SequenceTagger",
}
# What new sequences of a kind look like on the command line.
NEW = {
    "series": "new.csv",
    "text": "new.csv",
    "words": "new.conllu",
    "strokes": "new.jsonl",
    "audio": "new/",
    "images": "new/",
    "video": "new/",
}
LABELLED = {"new.csv": "test.csv", "new.conllu": "test.conllu", "new.jsonl": "test.jsonl"}


def data(page: Page, facts: LabelledFacts) -> None:
    """What was read, and how it was parted."""
    least, middle, most = (facts.lengths.get(k) for k in ("min", "median", "max"))
    length = None
    if least is not None and most is not None:
        length = (
            f"{count(least)} to {count(most, unit(facts.kind))}"
            if least < most
            else count(most, unit(facts.kind))
        )
        if middle is not None and least < most:
            length += f", half of them up to {number(middle, 5)}"
    page.section(
        "data",
        "Data",
        pairs(
            [
                ("Source", facts.source),
                ("Kind", facts.kind),
                ("Labels" if facts.task == "tag" else "Classes", _counted(len(facts.classes) or None)),
                ("Length of a sequence", length),
                ("Parted", facts.how),
            ]
        ),
        bullets(facts.described),
        paragraph(*_parts(facts)),
        _split(facts),
        tag("h3", "Found while reading") if facts.notes else "",
        bullets(facts.notes),
    )  # fmt: skip


def _parts(facts: LabelledFacts) -> list[str]:
    """What each part was for."""
    told = [f"{words} " for part, words in FOR.items() if part in facts.split]
    return [*told, CROSSED] if told and "validation" not in facts.split else told


def _split(facts: LabelledFacts) -> object:
    rows = [
        [
            PARTS.get(name, name),
            count(real(part.get("sequences"))),
            count(real(part.get("steps"))),
        ]
        for name, part in facts.split.items()
    ]
    if not rows:
        return ""
    return table("The parts", ["Part", "Sequences", f"{unit(facts.kind).title()}s"], rows)


def cost(page: Page, facts: LabelledFacts) -> None:
    """Time, speed and size."""
    found = facts.cost
    stream, one = real(found.get("stream_us")), real(found.get("predict_ms"))
    epochs = len(facts.history) or None
    page.section(
        "cost",
        "Cost",
        pairs(
            [
                ("Training", _time(found.get("fit_seconds"))),
                ("Epochs", None if epochs is None else count(epochs)),
                ("Weights", _counted(found.get("parameters"))),
                ("Sequences a second", _rate(found.get("sequences_per_second"))),
                ("One sequence", None if one is None else f"{number(one, 2)} ms"),
                (
                    f"One {unit(facts.kind)} of a stream",
                    None if stream is None else f"{number(stream, 3)} µs",
                ),
                ("Judging", _time(found.get("judge_seconds"))),
                ("Processor threads", _counted(found.get("threads"))),
                ("Gatework", facts.version),
            ]
        )
        or paragraph("No cost was recorded."),
    )


def settings(page: Page, facts: Trained) -> None:
    """The settings; those not given were found from the data."""
    rows = [[k, _setting(v)] for k, v in facts.settings.items()]
    if rows:
        told = "Settings of this model; “found” was chosen from the data"
        page.section("settings", "Settings", table(told, ["Setting", "Value"], rows, left=[1]))


def _setting(value: Any) -> str:
    if value is None:
        return "found"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(v) for v in items(value)) or "none"
    return str(value)


def _time(value: object) -> str | None:
    return duration(found) if (found := real(value)) is not None else None


def _counted(value: object) -> str | None:
    return count(found) if (found := real(value)) is not None else None


def _rate(value: object) -> str | None:
    return column([found], 3)[0] if (found := real(value)) is not None else None


def use(page: Page, facts: LabelledFacts) -> None:
    """Commands and Python."""
    new = NEW.get(text(facts.kind) or "", "new/")
    labelled = LABELLED.get(new, "test/")
    page.section(
        "use",
        "Use the model",
        paragraph("Predict new sequences, laid out like those it was fitted on (labels are not needed):"),
        code(f"gatework predict model {new} -o labels.csv", "Command: predict"),
        paragraph("Judge it on other sequences with labels, in the way of this report:"),
        code(f"gatework evaluate model {labelled}", "Command: evaluate"),
        paragraph("In Python:"),
        code(snippet(facts, "model"), "Python"),
        paragraph(
            "Here ", tag("code", "model"), " is the folder of the model, which holds this report too."
        ),
    )  # fmt: skip


def snippet(facts: LabelledFacts, folder: str) -> str:
    """Python that loads the model and asks it."""
    name = CLASSES.get(facts.task, CLASSES["classify"])
    new = NEW.get(text(facts.kind) or "", "new/")
    labelled = LABELLED.get(new, "test/")
    answer = {
        "regress": "values = model.predict({new})",
        "tag": "labels = model.predict({new})",
    }.get(facts.task, "labels = model.predict({new})")
    rows = [
        (answer.format(new=repr(new).replace("'", '"')), "a path, a table, or a list of sequences"),
    ]
    if facts.task == "classify":
        rows.append((f'shares = model.predict_proba("{new}")', "the probability of each class"))
    rows.append((f'scores = model.evaluate("{labelled}")', "beside the baselines"))
    if real(facts.cost.get("stream_us")) is not None:
        rows.append(("stream = model.stream()", "stream.push(step): an answer at every step"))
    wide = max(len(command) for command, _ in rows)
    lines = [f"{command:<{wide}}  # {told}" for command, told in rows]
    return "\n".join(
        [f"from gatework import {name}", "", f'model = {name}.load("{folder}")', *lines, ""]
    )


def definitions(page: Page, facts: LabelledFacts) -> None:
    """The scores in plain words."""
    words = {**DEFINITIONS.get(facts.task, {}), "Interval": INTERVAL}
    entries = [tag("div", tag("dt", k), tag("dd", v)) for k, v in words.items()]
    page.section(
        "words", "What the scores mean", tag("dl", *entries, class_="terms"), link="Definitions"
    )
