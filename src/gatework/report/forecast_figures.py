"""The figures of a forecast report, as plotly specifications, each with its words.

Colours are names of the page's style sheet.  No text from the data enters a specification: plotly reads
a little HTML in its texts, and a column may be called anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gatework.report.facts import MODEL, Example, Facts, Trained, real, whole
from gatework.report.words import count, is_moment, level, moment, number
from gatework.report.words import epochs as epochs_text

DASHES = ("dash", "dot-line", "dashdot")
MAX_BANDS = 3
NAMES = (MODEL, "naive", "seasonal naive", "drift")


@dataclass(frozen=True)
class Figure:
    """A plotly specification, what it shows in words, and a caption."""

    spec: dict[str, Any]
    label: str
    caption: str


def styles(facts: Facts) -> dict[str, tuple[str, str]]:
    """Forecast name → (dash, colour name)."""
    found = {MODEL: ("solid", "--model")}
    for i, name in enumerate(facts.baselines):
        found[name] = (DASHES[i % len(DASHES)], f"--baseline-{i % 4 + 1}")
    return found


def fan(example: Example) -> Figure:
    """One forecast: quantile bands and mean over what was measured, with the time before."""
    before, after = _places(example)
    bands = list(example.bands().items())[:MAX_BANDS]
    data: list[dict[str, Any]] = []
    for i, (_, (low, high)) in enumerate(bands):
        edge = {"x": after, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        data.append({**edge, "y": low})
        shade = f"var(--band-{MAX_BANDS - len(bands) + i + 1})"
        data.append({**edge, "y": high, "fill": "tonexty", "fillcolor": shade})
    measured = example.context + example.truth
    # A lone value between two missing ones has no line.
    mode = "lines+markers" if None in measured else "lines"
    data.append(
        {
            "x": before + after,
            "y": measured,
            "mode": mode,
            "line": {"color": "var(--truth)", "width": 1.6},
            "marker": {"color": "var(--truth)", "size": 3},
            "cliponaxis": False,
            "hovertemplate": "measured %{y:.4~g}<extra></extra>",
        }
    )
    hover = "forecast %{y:.4~g}"
    extra: list[list[float | None]] = []
    if bands:
        _, (low, high) = bands[0]
        extra = [[a, b] for a, b in zip(low, high, strict=True)]
        hover += f"<br>{level(bands[0][0])} band %{{customdata[0]:.4~g}} to %{{customdata[1]:.4~g}}"
    data.append(
        {
            "x": after,
            "y": example.mean,
            "mode": "lines" if len(after) > 1 else "markers",
            "line": {"color": "var(--model)", "width": 2.2},
            "marker": {"color": "var(--model)", "size": 7},
            "customdata": extra,
            "hovertemplate": hover + "<extra></extra>",
        }
    )
    layout: dict[str, Any] = {"xaxis": {"nticks": 5}, "yaxis": {"nticks": 6}}
    if before and len(after) > 1:
        layout["xaxis"]["range"] = [before[0], after[-1]]
    if before:
        now = {"color": "var(--soft)", "width": 1, "dash": "dot"}
        line = {"type": "line", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "line": now}
        layout["shapes"] = [{**line, "x0": after[0], "x1": after[0]}]
    said = _fan_words(example)
    return Figure(
        {"data": data, "layout": layout},
        f"Forecast of {example.target} from {moment(example.times[0])} to {moment(example.times[-1])}. {said}",
        said,
    )


def _places(example: Example) -> tuple[list[Any], list[Any]]:
    """Places on the time axis: dates, numbers, or steps from the first forecast step."""
    stamps = example.context_times + example.times
    if all(map(is_moment, stamps)):
        return example.context_times, example.times
    try:
        numbers = [float(s) for s in stamps]
    except ValueError:
        numbers = [float(i - len(example.context_times) + 1) for i in range(len(stamps))]
    if any(real(n) is None for n in numbers):
        numbers = [float(i) for i in range(len(stamps))]
    return numbers[: len(example.context_times)], numbers[len(example.context_times) :]


def _fan_words(example: Example) -> str:
    seen = [
        (i, y, m)
        for i, (y, m) in enumerate(zip(example.truth, example.mean, strict=True))
        if y is not None and m is not None
    ]
    if not seen:
        return "Nothing was measured in this window."
    said = f"Mean error {number(sum(abs(y - m) for _, y, m in seen) / len(seen), 3)}"
    bands = example.bands()
    if not bands:
        return said + "."
    wide = next(iter(bands))
    low, high = bands[wide]
    inside = sum(
        1
        for i, y, _ in seen
        if (a := low[i]) is not None and (b := high[i]) is not None and a <= y <= b
    )
    return f"{said}; {inside} of {count(len(seen), 'value')} inside the {level(wide)} band."


def horizon(facts: Facts, target: str) -> Figure | None:
    """MAE by horizon step of the model and the baselines."""
    errors = facts.by_step(target)
    own = errors.get(MODEL)
    if own is None or len(own) < 2:
        return None
    look = styles(facts)
    # The model last, so that it lies on top.
    data = [
        {
            **_line(errors[n], *look[n], n == MODEL),
            # Only names of our own: any other is text from a file.
            "hovertemplate": f"{n if n in NAMES else ''} %{{y:.4~g}}<extra></extra>",
        }
        for n in reversed(errors)
    ]
    others = [n for n in errors if n != MODEL]
    said = (
        f"One step ahead the model's mean error is {number(own[0], 3)}, "
        f"{len(own)} steps ahead {number(own[-1], 3)}."
    )
    if others:
        wins = sum(
            1
            for i, v in enumerate(own)
            if v is not None
            and all(i >= len(errors[n]) or (o := errors[n][i]) is None or v < o for n in others)
        )
        said += f" It is below every naive forecast at {wins} of {len(own)} steps."
    return Figure(
        {"data": data, "layout": _by_step("mean absolute error", {"rangemode": "tozero"})},
        f"Mean absolute error on {target} by horizon step. {said}",
        said,
    )


def calibration(facts: Facts, target: str) -> Figure | None:
    """Share of the truth inside each band by horizon step, beside the share wanted."""
    steps = facts.model.horizon.get(target, {})
    data, shapes, said = [], [], []
    for i, wanted in enumerate(facts.intervals[:MAX_BANDS]):
        reached = steps.get(f"coverage_{wanted:g}", [])
        known = [v for v in reached if v is not None]
        if len(known) < 2:
            continue
        colour = ("--model", "--baseline-2", "--baseline-3")[i]
        line = _line(reached, "solid", colour, False)
        data.append(
            {**line, "hovertemplate": f"{level(wanted)} band reached %{{y:.1%}}<extra></extra>"}
        )
        mark = {"color": f"var({colour})", "width": 1.4, "dash": "dash"}
        shapes.append(
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": wanted / 100, "y1": wanted / 100,
             "line": mark}
        )  # fmt: skip
        said.append(
            f"the {level(wanted)} band holds between {100 * min(known):.0f} and {100 * max(known):.0f} %"
        )
    if not data:
        return None
    layout = _by_step("share inside the band", {"tickformat": ".0%", "range": [0, 1.02]})
    words = "Over the steps, " + ", ".join(said) + " of the measured values."
    return Figure(
        {"data": data, "layout": {**layout, "shapes": shapes}},
        f"Coverage of the bands on {target} by horizon step, beside the coverage wanted. {words}",
        words,
    )


def training(facts: Trained) -> Figure | None:
    """Training loss and validation score by epoch, the best epoch marked."""
    epochs = [whole(r.get("epoch")) or i + 1 for i, r in enumerate(facts.history)]
    losses = [real(r.get("train_loss")) for r in facts.history]
    scores = [real(r.get("validation")) for r in facts.history]
    if not any(v is not None for v in scores):
        return None
    mode = "lines+markers" if len(epochs) <= 40 else "lines"
    data: list[dict[str, Any]] = [
        {
            "x": epochs, "y": values, "mode": mode, "marker": {"size": 5, "color": f"var({colour})"},
            "line": {"color": f"var({colour})", "width": width, "dash": dash},
            "hovertemplate": f"{name} %{{y:.4~g}}<extra></extra>",
        }
        for name, values, colour, dash, width in (
            ("training loss", losses, "--baseline-4", "dash", 1.8),
            ("validation", scores, "--model", "solid", 2.4),
        )
    ]  # fmt: skip
    best = whole(facts.training.get("best_epoch"))
    said = f"{epochs_text(len(epochs))} of training."
    if best in epochs:
        score = scores[epochs.index(best)]
        ring = {"size": 13, "symbol": "circle-open", "color": "var(--good)", "line": {"width": 2.5}}
        data.append(
            {"x": [best], "y": [score], "mode": "markers", "marker": ring, "hoverinfo": "skip"}
        )
        said = (
            f"Validation was best after epoch {best} of {len(epochs)}, at {number(score)}; "
            "its weights are the ones kept."
        )
    axis = {"title": {"text": "epoch"}, "nticks": 12, "tickformat": "d"}
    if len(epochs) < 12:
        axis |= {"dtick": 1}
    layout = {"xaxis": axis, "yaxis": {"title": {"text": "loss"}}}
    return Figure({"data": data, "layout": layout}, f"Course of the training. {said}", said)


def _by_step(title: str, axis: dict[str, Any]) -> dict[str, Any]:
    return {
        "xaxis": {"title": {"text": "steps ahead"}, "nticks": 13, "tickformat": "d"},
        "yaxis": {"title": {"text": title}, **axis},
    }


def _line(values: list[float | None], dash: str, colour: str, strong: bool) -> dict[str, Any]:
    return {
        "x": list(range(1, len(values) + 1)),
        "y": values,
        "mode": "lines",
        "line": {
            "color": f"var({colour})",
            "width": 3 if strong else 1.9,
            "dash": "dot" if dash == "dot-line" else dash,
        },
        "hovertemplate": "%{y:.4~g}<extra></extra>",
    }
