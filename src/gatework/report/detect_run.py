"""The sections about thresholds and the run: calibration, data, cost, and what to do with the detector."""

from __future__ import annotations

from gatework.report import detect_figures as figures
from gatework.report.detect_facts import DetectFacts
from gatework.report.detect_words import DEFINITIONS, LABELLED, METHODS, THRESHOLDS, name, rarity
from gatework.report.facts import real, text
from gatework.report.page import (
    Page,
    bullets,
    code,
    details,
    legend,
    pairs,
    paragraph,
    table,
    tag,
)
from gatework.report.words import column, count, duration, listing, moment, number, percent

PARTS = {"train": "training", "validation": "validation", "test": "test"}
FOR = {
    "train": "The training part fits the weights and everything that is found in the data.",
    "validation": "The validation part chooses the best epoch, turns surprise into scores, and sets the "
    "threshold.",
    "test": "The test part only judges.",
}
NEW = {"metrics": "new.csv", "events": "new.txt", "log": "new.log"}
MAX_NAMED = 24  # channels


def threshold(page: Page, facts: DetectFacts) -> None:
    """The scores, and from which of them a row is an alarm."""
    figure = figures.histogram(facts)
    found = facts.threshold
    if figure is None and facts.level is None:
        return
    kind = text(found.get("kind")) or ""
    level = facts.level
    told = pairs(
        [
            ("Threshold", None if level is None else f"{level:.2f}"),
            ("That is", None if level is None else rarity(level, facts.unit)),
            ("Set by", THRESHOLDS.get(kind, kind) or None),
            ("Risk asked for", _risk(real(found.get("risk")))),
            ("Alarms a day asked for", _counted(found.get("alarms_per_day"))),
        ]
    )
    entries = [(f"{facts.unit}s", "band", "--model")]
    if facts.histogram is not None and facts.histogram.anomalous is not None:
        entries.append(("of them labelled", "band", figures.LABEL))
    if level is not None:
        entries.append(("threshold", "dash", figures.ALARM))
    drawn: list[object] = []
    if figure is not None:
        drawn = [legend(entries), page.figure(figure.spec, figure.label, figure.caption)]
    said = text(found.get("text"))
    page.section(
        "threshold",
        "Scores and threshold",
        paragraph(said) if said else "",
        told,
        *drawn,
        link="Threshold",
    )


def _risk(risk: float | None) -> str | None:
    return None if risk is None else number(risk, 3)


def calibration(page: Page, facts: DetectFacts) -> None:
    """Whether scores come as often as they say."""
    if not facts.reliability:
        return
    figure = figures.reliability(facts)
    rows = [
        [percent(e, _digits(e)), percent(s, _digits(e)), _times(s / e)]
        for e, s in facts.reliability
    ]
    shown = table(
        f"{facts.unit.capitalize()}s at least as unusual",
        ["Promised", "Seen", "Times"],
        rows,
    )
    held = f" on {count(facts.held_out, facts.unit)} held out" if facts.held_out else ""
    page.section(
        "calibration",
        "Is a score what it says?",
        paragraph(
            f"A score of 2 promises that one {facts.unit} in 100 is as unusual, a score of 3 one in 1,000. "
            f"Counted{held}:"
        ),
        page.figure(figure.spec, figure.label, figure.caption) if figure is not None else "",
        details("Show the numbers", shown) if figure is not None else shown,
        link="Calibration",
    )  # fmt: skip


def _digits(share: float) -> int:
    """Decimals of a percentage that leave two digits of it."""
    return next((d for d in range(5) if share >= 0.1 / 10**d), 5)


def _times(ratio: float) -> str:
    return f"{ratio:.2f} ×" if ratio < 10 else f"{ratio:.0f} ×"


def data(page: Page, facts: DetectFacts) -> None:
    """What was read, and how it was parted."""
    many = len(facts.channels)
    page.section(
        "data",
        "Data",
        pairs(
            [
                ("Source", facts.source),
                ("Kind", facts.kind),
                ("Channels", f"{many:,}: {listing(facts.channels, MAX_NAMED)}" if many else None),
                ("Categories", listing(facts.categories, MAX_NAMED) or None),
                ("Parted", facts.how),
            ]
        ),
        bullets(facts.described),
        paragraph(" ".join(words for part, words in FOR.items() if part in facts.split)),
        _split(facts),
        tag("h3", "Found while reading") if facts.notes else "",
        bullets(facts.notes),
    )


def _split(facts: DetectFacts) -> object:
    if not facts.split:
        return ""
    dated = any(text(p.get("from")) for p in facts.split.values())
    many = any((real(p.get("series")) or 0) > 1 for p in facts.split.values())
    unit = "line" if facts.kind == "log" else "event" if facts.kind == "events" else "row"
    heads = ["Part", *(["From", "To"] if dated else []), f"{unit.capitalize()}s"]
    heads += ["Sessions" if facts.by_session else "Series"] if many else []
    rows = []
    for part, found in facts.split.items():
        row: list[object] = [PARTS.get(part, part)]
        if dated:
            row += [tag("span", moment(text(found.get(k))), class_="when") for k in ("from", "to")]
        row.append(count(real(found.get("rows"))))
        row += [count(real(found.get("series")))] if many else []
        rows.append(row)
    return table("The parts", heads, rows, left=[1, 2] if dated else [])


def cost(page: Page, facts: DetectFacts) -> None:
    """Time, speed and size."""
    found = facts.cost
    push, speed = real(found.get("push_us")), real(found.get("rows_per_second"))
    unit = "line" if facts.kind == "log" else "event" if facts.kind == "events" else "row"
    page.section(
        "cost",
        "Cost",
        pairs(
            [
                ("Training", _time(found.get("fit_seconds"))),
                ("Epochs", count(len(facts.history)) if facts.history else None),
                ("Weights", _counted(found.get("parameters"))),
                (f"{unit.capitalize()}s a second", None if speed is None else column([speed], 3)[0]),
                (f"One {unit} of a stream", None if push is None else f"{number(push, 3)} µs"),
                ("Judging", _time(found.get("judge_seconds"))),
                ("Processor threads", _counted(found.get("threads"))),
                ("Gatework", facts.version),
            ]
        )
        or paragraph("No cost was recorded."),
    )  # fmt: skip


def _time(value: object) -> str | None:
    return duration(found) if (found := real(value)) is not None else None


def _counted(value: object) -> str | None:
    found = real(value)
    return None if found is None else count(found) if found == int(found) else number(found, 3)


def use(page: Page, facts: DetectFacts) -> None:
    """Commands and Python."""
    new = NEW[facts.kind]
    page.section(
        "use",
        "Use the detector",
        paragraph(f"Score what is new; each {facts.unit} gets a score, and whether it is an alarm and why:"),
        code(f"gatework predict model {new} -o alarms.csv", "Command: predict"),
        paragraph("Watch it live; alarms are printed as they begin and end:"),
        code(watch(facts, "model"), "Command: watch"),
        paragraph("Judge it on other data, in the way of this report:"),
        code(f"gatework evaluate model {new}", "Command: evaluate"),
        paragraph("In Python:"),
        code(snippet(facts, "model"), "Python"),
        paragraph(
            "Here ", tag("code", "model"), " is the folder of the model, which holds this report too."
        ),
    )  # fmt: skip


def watch(facts: DetectFacts, folder: str) -> str:
    """Commands that watch a file that grows, or standard input."""
    new = NEW[facts.kind]
    return (
        f"gatework watch {folder} {new} --state state.bin\ntail -f {new} | gatework watch {folder}"
    )


def snippet(facts: DetectFacts, folder: str) -> str:
    """Python that loads the detector and asks it."""
    new = NEW[facts.kind]
    one = {"log": "line", "events": "event"}.get(facts.kind, "row")
    rows = [
        (f'scores = model.score("{new}")', f"one for each {facts.unit}"),
        (f'alarms = model.predict("{new}")', "with threshold, alarm, and what it is about"),
        (f'judged = model.evaluate("{new}")', "beside the baselines"),
        ("stream = model.stream()", f"stream.push({one}): an answer at every {one}"),
    ]
    wide = max(len(command) for command, _ in rows)
    lines = [f"{command:<{wide}}  # {told}" for command, told in rows]
    head = ["from gatework import AnomalyDetector", "", f'model = AnomalyDetector.load("{folder}")']
    return "\n".join([*head, *lines, ""])


def definitions(page: Page, facts: DetectFacts) -> None:
    """The words and scores in plain language."""
    unit = facts.unit
    words = dict(DEFINITIONS)
    if not facts.sessions:
        del words["Surprise"]
    said = {k: v.format(unit=unit, units=f"{unit.capitalize()}s") for k, v in words.items()}
    if facts.method in METHODS:
        said["Method"] = f"{facts.method.capitalize()}: {METHODS[facts.method].format(unit=unit)}."
    heads = {"f1": "Precision, recall, F1"}
    for score, meaning in LABELLED.items():
        if facts.judged and facts.model.get(score) is not None:
            said[heads.get(score, name(score))] = meaning.format(unit=unit)
    entries = [tag("div", tag("dt", k), tag("dd", v)) for k, v in said.items()]
    page.section(
        "words", "What the words mean", tag("dl", *entries, class_="terms"), link="Definitions"
    )
