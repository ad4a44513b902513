"""The sections about the run: its training, its data, its cost, and what to do with the model."""

from __future__ import annotations

from typing import Any

from gatework.report import forecast_figures as figures
from gatework.report.facts import Facts, Trained, items, mapping, real, text, texts, whole
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
from gatework.report.words import column, count, duration, listing, moment, number, percent, steps

_ENDED = {
    "finished": "All epochs that were allowed were run.",
    "early": "Training stopped early: the validation score no longer improved.",
    "interrupted": "Training was interrupted; the best epoch so far was kept.",
    "diverged": "Training was stopped because the loss grew without bound; the best epoch before was kept.",
}
_PARTS = {"train": "training", "validation": "validation", "test": "test"}
PARTS = (
    "The training part fits the weights, the scaling and the vocabularies; the validation part chooses the "
    "best epoch and sets the bands; the test part only judges."
)
DEFINITIONS = {
    "MAE, mean absolute error": "How far the forecast is off on average, in the unit of the target. "
    "An MAE of 2 says: off by 2, give or take. Smaller is better.",
    "RMSE, root mean squared error": "Like the MAE, but large misses weigh more: one miss of 10 counts "
    "more than ten misses of 1. Smaller is better.",
    "MASE, mean absolute scaled error": "The MAE divided by the error that repeating the last season made "
    "inside the training part. It has no unit, so targets of different size can be compared; below 1 is "
    "better than that. Smaller is better.",
    "sMAPE, symmetric percentage error": "The miss as a percentage of the mean size of forecast and "
    "measurement. It exaggerates where values are near zero; read it beside the others. Smaller is better.",
    "WQL, weighted quantile loss": "Judges the bands and the median together: bands that are too narrow "
    "and bands that are needlessly wide both cost. As a share of the target's size. Smaller is better.",
    "In 90 % band (coverage)": "The share of measured values that fell inside the band. For the 90 % band, "
    "near 90 % is right; higher means needlessly wide, lower means too sure of itself.",
    "Skill, smaller or larger error": "How much smaller the model's error is than the naive forecast's: "
    "20 % smaller means four fifths of its error remain.",
    "naive, seasonal naive, drift, mean": "Forecasts anyone can make: the last value again; the value one "
    "season earlier; the straight line through the first and the last value, drawn on; its mean.",
}  # fmt: skip


def training(page: Page, facts: Trained) -> None:
    """The training curve and how it ended."""
    figure = figures.training(facts)
    if figure is None:
        page.section("training", "Training", paragraph("No course of the training was kept."))
        return
    said = [_ENDED.get(text(facts.training.get("stopped")) or "", "")]
    best = whole(facts.training.get("best_epoch"))
    epochs = len(facts.history)
    if facts.training.get("stopped") == "finished" and best == epochs and epochs > 1:
        said.append("The last epoch was the best: more epochs (max_epochs) may still improve it.")
    undone = whole(facts.training.get("undone_steps")) or 0
    if undone:
        said.append(
            f"{count(undone, 'training step')} made the loss explode and {'was' if undone == 1 else 'were'} "
            "undone, with a lower learning rate after."
        )
    else:
        said.append("No training step had to be undone.")
    dropout = real(facts.settings.get("dropout"))
    said.append(
        "The two curves stand for different data"
        + (", and part of the network is switched off at random while training" if dropout else "")
        + ": compare each with itself, not with the other."
    )
    losses = column([real(r.get("train_loss")) for r in facts.history])
    scores = column([real(r.get("validation")) for r in facts.history])
    rows = [
        [
            whole(r.get("epoch")) or i + 1,
            losses[i],
            scores[i],
            number(real(r.get("learning_rate")), 3),
            duration(real(r.get("seconds"))),
        ]
        for i, r in enumerate(facts.history)
    ]
    page.section(
        "training",
        "Training",
        paragraph(" ".join(s for s in said if s)),
        legend(
            [
                ("training loss", "dash", "--baseline-4"),
                ("validation", "solid", "--model"),
                ("best epoch", "dot", "--good"),
            ]
        ),
        page.figure(figure.spec, figure.label, figure.caption),
        details(
            "Show the numbers",
            table(
                "Course of the training",
                ["Pass", "Training loss", "Validation", "Learning rate", "Time"],
                rows,
            ),
        ),
    )


def data(page: Page, facts: Facts) -> None:
    """What the table held."""
    profile = facts.profile
    span = texts(profile.get("span"))
    unused = texts(profile.get("not_used"))
    page.section(
        "data",
        "Data",
        pairs(
            [
                ("Source", facts.source),
                ("Rows", _counted(profile.get("rows"))),
                ("Series", _counted(profile.get("series"))),
                ("From", moment(span[0]) if span else None),
                ("To", moment(span[-1]) if span else None),
                ("One step", facts.frequency),
                ("Season", _season(facts)),
                ("Gaps in time", _gaps(profile.get("gaps"), facts.frequency)),
                ("Irregular timestamps", _share(profile.get("irregular_share"))),
                ("Timestamps moved to the grid", _some(profile.get("snapped"))),
                ("Duplicates merged", _some(profile.get("duplicates_mended"))),
                ("Unsorted rows sorted", _some(profile.get("unsorted_mended"))),
                ("Columns not used", listing(unused, 12) if unused else None),
            ]
        ),
        _columns(facts),
        paragraph(PARTS) if facts.split else "",
        _split(facts),
        tag("h3", "Found while reading") if facts.notes else "",
        bullets(facts.notes),
    )  # fmt: skip


def _columns(facts: Facts) -> object:
    rows = []
    total = real(facts.profile.get("rows"))
    for name, value in mapping(facts.profile.get("columns")).items():
        fact = mapping(value)
        missing = real(fact.get("missing"))
        gone = count(missing)
        if missing and total:
            gone += f" ({percent(missing / total)})"
        numbers: list[object] = [number(real(fact.get(k))) for k in ("min", "mean", "max")]
        kinds = real(fact.get("categories"))
        role = text(fact.get("role")) or ""
        rows.append([name, f"{role}, {kinds:,.0f} categories" if kinds else role, gone, *numbers])
    if not rows:
        return ""
    heads = ["Column", "Role", "Missing", "Smallest", "Mean", "Largest"]
    return table("Columns that the model reads", heads, rows, left=[1])


def _split(facts: Facts) -> object:
    rows = []
    for name, fact in facts.split.items():
        first, last = text(fact.get("from")), text(fact.get("to"))
        rows.append(
            [
                _PARTS.get(name, name),
                tag("span", moment(first), class_="when"),
                tag("span", moment(last), class_="when"),
                count(real(fact.get("rows"))),
                count(real(fact.get("windows"))),
            ]
        )
    if not rows:
        return ""
    return table(
        "The split, in time order: each part lies after the one before",
        ["Part", "From", "To", "Rows", "Forecasts"],
        rows,
        left=[1, 2],
    )


def _season(facts: Facts) -> str | None:
    if facts.season is None:
        return None
    return steps(facts.season, facts.frequency) if facts.season > 1 else "none found"


def _counted(value: object) -> str | None:
    found = real(value)
    return None if found is None else count(found)


def _some(value: object) -> str | None:
    return count(real(value)) if real(value) else None


def _share(value: object) -> str | None:
    return percent(real(value)) if real(value) else None


def _gaps(value: object, frequency: str | None) -> str | None:
    gaps = mapping(value)
    found = whole(gaps.get("count"))
    if found is None:
        return None
    if not found:
        return "none"
    said = count(found, "gap")
    missing, largest = whole(gaps.get("missing_steps")), whole(gaps.get("largest"))
    if missing:
        said += f", {count(missing, 'missing step')}"
    if largest:
        said += f"; the largest {steps(largest, frequency)}"
        if after := text(gaps.get("after")):
            said += f" after {moment(after)}"
        if series := text(gaps.get("in_series")):
            said += f" in {series}"
    return said


def cost(page: Page, facts: Facts) -> None:
    """Time, speed and size, and the settings."""
    found = facts.cost
    epochs = len(facts.history) or None
    latency = real(found.get("predict_ms"))
    speed = real(found.get("windows_per_second"))
    settings = [[k, _setting(v)] for k, v in facts.settings.items()]
    page.section(
        "cost",
        "Cost",
        pairs(
            [
                ("Training", _time(found.get("fit_seconds"))),
                ("Epochs", None if epochs is None else count(epochs)),
                ("Training steps a second", _rate(found.get("steps_per_second"))),
                ("Windows a second", None if speed is None else number(speed, 3)),
                ("Weights", _counted(found.get("parameters"))),
                ("One forecast", None if latency is None else f"{number(latency, 2)} ms"),
                ("Judging the test part", _time(found.get("judge_seconds"))),
                ("Processor threads", _counted(found.get("threads"))),
                ("Gatework", facts.version),
            ]
        )
        or paragraph("No cost was recorded."),
        details(
            "Settings",
            table(
                "Settings of this model; “found” was chosen from the data",
                ["Setting", "Value"],
                settings,
                left=[1],
            ),
        )
        if settings
        else "",
    )


def _time(value: object) -> str | None:
    return duration(found) if (found := real(value)) is not None else None


def _rate(value: object) -> str | None:
    return number(found, 3) if (found := real(value)) is not None else None


def _setting(value: Any) -> str:
    if value is None:
        return "found"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(str(v) for v in items(value)) if isinstance(value, list) else str(value)


def use(page: Page, facts: Facts) -> None:
    """Commands and Python."""
    row = (
        "from gatework import Forecaster\n\n"
        'model = Forecaster.load("model")\n'
        'forecast = model.predict("latest.csv")   # a frame: timestamp, target, mean, quantiles\n'
        'scores = model.evaluate("later.csv")     # beside the naive forecasts\n'
        "stream = model.stream()                  # stream.push(row): a forecast per observation\n"
    )
    ahead = steps(facts.horizon, facts.frequency) if facts.horizon else "horizon"
    page.section(
        "use",
        "Use the model",
        paragraph(
            f"Forecast the {ahead} after the end of a table, which has the columns of the training table:"
        ),
        code("gatework predict model latest.csv -o forecast.csv", "Command: predict"),
        paragraph("Judge it on data that came later, in the way of this report:"),
        code("gatework evaluate model later.csv", "Command: evaluate"),
        paragraph("In Python:"),
        code(row, "Python"),
        paragraph(
            "Here ", tag("code", "model"), " is the folder of the model, which holds this report too."
        ),
    )  # fmt: skip


def definitions(page: Page) -> None:
    """The scores in plain words."""
    entries = [tag("div", tag("dt", k), tag("dd", v)) for k, v in DEFINITIONS.items()]
    page.section(
        "words", "What the scores mean", tag("dl", *entries, class_="terms"), link="Definitions"
    )
