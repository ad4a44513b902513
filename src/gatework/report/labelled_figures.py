"""The figures of a report on labelled sequences, as plotly specifications, each with its words.

As in ``forecast_figures.py``, no text from the data enters a specification.
"""

from __future__ import annotations

import math
from typing import Any

from gatework.report.forecast_figures import Figure
from gatework.report.labelled_facts import LabelledFacts
from gatework.report.words import count, number, percent

BINS = 40
# Bands of more points than this would hide the points.
MAX_BARS = 150


def reliability(facts: LabelledFacts) -> Figure | None:
    """Confidence against the share that was right."""
    bins = [
        (c, a, n)
        for b in facts.reliability
        if (c := b.get("confidence")) is not None
        and (a := b.get("accuracy")) is not None
        and (n := b.get("count") or 0) > 0
    ]
    if not bins:
        return None
    most = max(n for _, _, n in bins)
    data = [
        _diagonal(0, 1),
        {
            "x": [c for c, _, _ in bins],
            "y": [a for _, a, _ in bins],
            "customdata": [n for _, _, n in bins],
            "mode": "lines+markers",
            "line": {"color": "var(--model)", "width": 2.2},
            "marker": {
                "color": "var(--model)",
                "size": [6 + 14 * math.sqrt(n / most) for _, _, n in bins],
            },
            "cliponaxis": False,
            "hovertemplate": "said %{x:.1%}, right %{y:.1%}<br>%{customdata:,} answers<extra></extra>",
        },
    ]
    total = sum(n for _, _, n in bins)
    sure = sum(c * n for c, _, n in bins) / total
    right = sum(a * n for _, a, n in bins) / total
    said = (
        f"On average the answers are {percent(sure)} sure, and {percent(right)} of them are right."
    )
    layout = {
        "xaxis": {**_share("confidence of the answer"), "range": [min(0.5, bins[0][0]) - 0.02, 1.02]},
        "yaxis": {**_share("share that is right"), "range": [-0.02, 1.04]},
        "hovermode": "closest",
    }  # fmt: skip
    return Figure({"data": data, "layout": layout}, f"Reliability of the confidence. {said}", said)


def roc(facts: LabelledFacts) -> Figure | None:
    """True against false positives over all thresholds."""
    if len(facts.roc) < 2:
        return None
    data = [_diagonal(0, 1), _course(facts.roc, "false alarms %{x:.1%}, found %{y:.1%}")]
    area = facts.model.overall.get("roc_auc")
    said = (
        f"Found: the share of {_second(facts)} that is called so; false alarms: the share of the others. "
        "The dashed line is guessing."
    )
    if area is not None:
        said = f"Area below: {number(area, 3)}. {said}"
    layout = {
        "xaxis": {**_share("false alarms"), "range": [-0.02, 1.02]},
        "yaxis": {**_share("found"), "range": [-0.02, 1.02]},
        "hovermode": "closest",
    }
    return Figure({"data": data, "layout": layout}, f"ROC curve. {said}", said)


def precision_recall(facts: LabelledFacts) -> Figure | None:
    """Precision against recall over all thresholds."""
    if len(facts.pr) < 2:
        return None
    data = [_course(facts.pr, "found %{x:.1%}, of those called %{y:.1%} right")]
    mean = facts.model.overall.get("average_precision")
    said = (
        f"Recall: the share of {_second(facts)} that is called so; precision: the share of those called "
        "so that are it."
    )
    if mean is not None:
        said = f"Average precision: {number(mean, 3)}. {said}"
    layout = {
        "xaxis": {**_share("recall"), "range": [-0.02, 1.02]},
        "yaxis": {**_share("precision"), "range": [-0.02, 1.04]},
        "hovermode": "closest",
    }
    return Figure({"data": data, "layout": layout}, f"Precision and recall. {said}", said)


def scatter(facts: LabelledFacts) -> Figure | None:
    """Predicted against true values, each with its band where there are few."""
    points = facts.scatter
    if not points:
        return None
    low, high = min(t for t, _, _, _ in points), max(t for t, _, _, _ in points)
    trace: dict[str, Any] = {
        "x": [t for t, _, _, _ in points],
        "y": [p for _, p, _, _ in points],
        "mode": "markers",
        "type": "scatter",
        "marker": {"color": "var(--model)", "size": 6, "opacity": 0.65},
        "hovertemplate": "true %{x:.4~g}, predicted %{y:.4~g}<extra></extra>",
    }
    banded = [
        (h - p, p - b) for _, p, b, h in points if b is not None and h is not None and b <= p <= h
    ]
    bars = len(banded) == len(points) <= MAX_BARS
    if bars:
        trace["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": [up for up, _ in banded],
            "arrayminus": [down for _, down in banded],
            "color": "var(--soft)",
            "thickness": 0.8,
            "width": 0,
        }
    off = sum(abs(p - t) for t, p, _, _ in points) / len(points)
    said = f"{count(len(points), 'prediction')}; on the dashed line they would be exact. "
    said += f"Mean distance from it: {number(off, 3)}."
    if bars:
        said += " The thin lines are the bands."
    layout = {
        "xaxis": {"title": {"text": "true"}},
        "yaxis": {"title": {"text": "predicted"}},
        "hovermode": "closest",
    }
    return Figure(
        {"data": [_diagonal(low, high), trace], "layout": layout},
        f"Predicted against true values. {said}",
        said,
    )


def errors(facts: LabelledFacts) -> Figure | None:
    """How often errors of each size and sign are made."""
    off = [p - t for t, p, _, _ in facts.scatter]
    if len(off) < 2:
        return None
    low, high = min(off), max(off)
    bins = max(8, min(BINS, round(2 * len(off) ** 0.5)))
    width = (high - low) / bins
    if not math.isfinite(width) or width <= 0:
        return None
    counts = [0] * bins
    for error in off:
        counts[min(bins - 1, int((error - low) / width))] += 1
    over = sum(e > 0 for e in off)
    mean = sum(off) / len(off)
    said = (
        f"Mean error {number(mean, 3)}: {percent(over / len(off), 0)} of the predictions are too high, "
        f"{percent(sum(e < 0 for e in off) / len(off), 0)} too low."
    )
    data = {
        "type": "bar",
        "x": [low + (i + 0.5) * width for i in range(bins)],
        "y": counts,
        "width": [width * 0.94] * bins,
        "marker": {"color": "var(--model)"},
        "hovertemplate": "off by about %{x:.3~g}: %{y:,}<extra></extra>",
    }
    zero = {"type": "line", "xref": "x", "yref": "paper", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "layer": "above",
            "line": {"color": "var(--soft)", "width": 1.2, "dash": "dash"}}  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": "predicted minus true"}},
        "yaxis": {"title": {"text": "predictions"}, "rangemode": "tozero"},
        "hovermode": "closest",
        "shapes": [zero],
    }
    return Figure({"data": [data], "layout": layout}, f"Histogram of the errors. {said}", said)


def _second(facts: LabelledFacts) -> str:
    """The class whose curve is drawn: the second of two."""
    return f"“{facts.classes[1]}”" if len(facts.classes) == 2 else "the second class"


def _diagonal(low: float, high: float) -> dict[str, Any]:
    return {
        "x": [low, high],
        "y": [low, high],
        "mode": "lines",
        "line": {"color": "var(--soft)", "width": 1.4, "dash": "dash"},
        "hoverinfo": "skip",
    }


def _course(points: list[tuple[float, float]], hover: str) -> dict[str, Any]:
    return {
        "x": [x for x, _ in points],
        "y": [y for _, y in points],
        "mode": "lines",
        "line": {"color": "var(--model)", "width": 2.4},
        "cliponaxis": False,
        "hovertemplate": f"{hover}<extra></extra>",
    }


def _share(title: str) -> dict[str, Any]:
    return {"title": {"text": title}, "tickformat": ".0%"}
