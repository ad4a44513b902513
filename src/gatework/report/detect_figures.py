"""The figures of a detector's report, as plotly specifications, each with its words.

As in ``forecast_figures.py``, no text from the data enters a specification: the names of the
channels are HTML of the page, laid over the figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gatework.report.detect_examples import Channel, Course, spans
from gatework.report.detect_facts import DetectFacts
from gatework.report.detect_words import counted, points, rarity
from gatework.report.forecast_figures import Figure
from gatework.report.words import count, percent

# Pixels: of the lane of the scores, of a channel's, of the heading above each, of the two strips, of the axis.
SCORE_PX, CHANNEL_PX, HEADING_PX, STRIP_PX, AXIS_PX = 150, 96, 30, 8, 46
MAX_SPANS = 400  # runs of rows that are shaded; nearer ones could not be told apart
CLIPPED = 6  # the lane of the scores ends at this many times the threshold
ALARM, LABEL = "--bad", "--baseline-1"


@dataclass(frozen=True)
class Stack:
    """The lanes of a stretch, one over the other on one axis of time."""

    figure: Figure
    height_px: int
    headings: list[tuple[str, int]]  # words, pixels from the top


def stack(course: Course) -> Stack:
    """Scores with threshold and alarms, and below them each channel over what was expected of it."""
    marks = course.label is not None
    above = HEADING_PX + STRIP_PX * (2 if marks else 1) + 4
    inner = SCORE_PX + len(course.channels) * (HEADING_PX + CHANNEL_PX)
    height = above + inner + AXIS_PX
    x = course.places
    top = _top(course)
    layout: dict[str, Any] = {
        "margin": {"l": 52, "r": 12, "t": above, "b": AXIS_PX},
        "xaxis": {"nticks": 8, "anchor": f"y{len(course.channels) + 1}" if course.channels else "y",
                  "automargin": False, "range": [x[0], x[-1]]},
        "yaxis": {**_lane(inner, 0, SCORE_PX), "range": [0, 1.06 * top]},
        "shapes": _shapes(course, inner),
    }  # fmt: skip
    data = _score_traces(course, x)
    headings = [("Score", 0)]
    begin = SCORE_PX
    for place, channel in enumerate(course.channels, start=2):
        headings.append((channel.name, above + begin))
        begin += HEADING_PX
        layout[f"yaxis{place}"] = {**_lane(inner, begin, CHANNEL_PX), "nticks": 4}
        data += _channel_traces(channel, x, f"y{place}")
        begin += CHANNEL_PX
    said = _words(course, top)
    figure = Figure({"data": data, "layout": layout}, f"Course of the scores. {said}", said)
    return Stack(figure, height, headings)


def _lane(inner: int, begin: int, high: int) -> dict[str, Any]:
    """A y axis whose lane lies ``begin`` pixels below the top."""
    domain = [max(0.0, 1 - (begin + high) / inner), 1 - begin / inner]
    return {"domain": domain, "nticks": 5, "automargin": False}


def _top(course: Course) -> float:
    most = max(v for v in course.score if v is not None)
    level = max((v for v in course.threshold if v is not None), default=0.0)
    return max(min(most, CLIPPED * level) if level > 0 else most, 1.2 * level, 1.0)


def _score_traces(course: Course, x: list[Any]) -> list[dict[str, Any]]:
    line = {"x": x, "mode": "lines", "cliponaxis": True}
    hit = [
        i
        for i, (a, v) in enumerate(zip(course.alarm, course.score, strict=True))
        if a and v is not None
    ]
    found: list[dict[str, Any]] = [
        {**line, "y": course.threshold, "line": {"color": "var(--soft)", "width": 1.4, "dash": "dash"},
         "hovertemplate": "threshold %{y:.2f}<extra></extra>"},
        {**line, "y": course.score, "line": {"color": "var(--model)", "width": 1.5},
         "hovertemplate": "score %{y:.2f}<extra></extra>"},
    ]  # fmt: skip
    if hit:
        found.append(
            {"x": [x[i] for i in hit], "y": [course.score[i] for i in hit], "mode": "markers",
             "marker": {"color": f"var({ALARM})", "size": 5}, "hovertemplate": "alarm<extra></extra>"}
        )  # fmt: skip
    return found


def _channel_traces(channel: Channel, x: list[Any], axis: str) -> list[dict[str, Any]]:
    base = {"x": x, "mode": "lines", "yaxis": axis}
    edge = {**base, "line": {"width": 0}, "hoverinfo": "skip"}
    found: list[dict[str, Any]] = []
    hover = "came %{y:.4~g}"
    extra: list[list[float | None]] = []
    if any(v is not None for v in channel.low) and any(v is not None for v in channel.high):
        found += [
            {**edge, "y": channel.low},
            {**edge, "y": channel.high, "fill": "tonexty", "fillcolor": "var(--band-3)"},
        ]
        hover += ", expected %{customdata[0]:.4~g} to %{customdata[1]:.4~g}"
        extra = [[a, b] for a, b in zip(channel.low, channel.high, strict=True)]
    if any(v is not None for v in channel.median):
        found.append(
            {**base, "y": channel.median, "line": {"color": "var(--model)", "width": 1.2},
             "hoverinfo": "skip"}
        )  # fmt: skip
    mode = "lines+markers" if _lonely(channel.values) else "lines"
    found.append(
        {**base, "y": channel.values, "mode": mode, "customdata": extra,
         "marker": {"color": "var(--truth)", "size": 3}, "line": {"color": "var(--truth)", "width": 1.3},
         "hovertemplate": f"{hover}<extra></extra>"}
    )  # fmt: skip
    return found


def _lonely(values: list[float | None]) -> bool:
    """Whether a value stands between two missing ones, where it has no line."""
    there = [False, *(v is not None for v in values), False]
    return any(b and not a and not c for a, b, c in zip(there, there[1:], there[2:], strict=False))


def _shapes(course: Course, inner: int) -> list[dict[str, Any]]:
    """Alarms and labelled stretches: a shade over all lanes, and a strip of each on top."""
    found = []
    x, thick = course.places, STRIP_PX / inner
    rows = [(course.alarm, ALARM)] + ([(course.label, LABEL)] if course.label is not None else [])
    for strip, (flags, colour) in enumerate(rows):
        low = 1 + 3 / inner + (len(rows) - 1 - strip) * thick
        for first, last in joined(spans(flags), len(x)):
            base = {"type": "rect", "xref": "x", "yref": "paper", "x0": x[first], "x1": x[last],
                    "fillcolor": f"var({colour})", "line": {"color": f"var({colour})", "width": 1}}  # fmt: skip
            found.append({**base, "y0": 0, "y1": 1, "opacity": 0.17, "layer": "below"})
            found.append({**base, "y0": low, "y1": low + 0.8 * thick})
    return found


def joined(found: list[tuple[int, int]], rows: int) -> list[tuple[int, int]]:
    """Runs, those made one that no eye could tell apart: a few hundred at most.

    >>> joined([(1, 2), (3, 3), (900, 950)], 1000)
    [(1, 3), (900, 950)]
    """
    near, merged = rows / MAX_SPANS, list[tuple[int, int]]()
    for first, last in found:
        if merged and first - merged[-1][1] < near:
            merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return merged


def _words(course: Course, top: float) -> str:
    alarms = spans(course.alarm)
    said = f"{count(len(alarms), 'alarm')}"
    if course.label is not None:
        truths = spans(course.label)
        hit = sum(any(course.alarm[a : b + 1]) for a, b in truths)
        said += (
            f"; {hit} of {counted(len(truths), 'labelled stretch', 'labelled stretches')} with one"
        )
    most = max(v for v in course.score if v is not None)
    said += f". Largest score {points(most)}"
    return said + (
        f"; scores above {points(1.06 * top)} are cut off at the top." if most > 1.06 * top else "."
    )


def histogram(facts: DetectFacts) -> Figure | None:
    """How often scores of each size came, on a logarithmic axis, with the threshold."""
    found = facts.histogram
    if found is None:
        return None
    middles = [(a + b) / 2 for a, b in zip(found.edges, found.edges[1:], strict=False)]
    bars: dict[str, Any] = {
        "type": "bar", "x": middles,
        "width": [b - a for a, b in zip(found.edges, found.edges[1:], strict=False)],
        "customdata": [[a, b] for a, b in zip(found.edges, found.edges[1:], strict=False)],
    }  # fmt: skip
    at = "score %{customdata[0]:.2f} to %{customdata[1]:.2f}"
    data = [
        {**bars, "y": found.counts, "marker": {"color": "var(--model)"},
         "hovertemplate": f"{at}: %{{y:,}}<extra></extra>"}
    ]  # fmt: skip
    if found.anomalous is not None:
        data.append(
            {**bars, "y": found.anomalous, "marker": {"color": f"var({LABEL})"},
             "hovertemplate": "labelled: %{y:,}<extra></extra>"}
        )  # fmt: skip
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": "score"}},
        "yaxis": {
            "title": {"text": f"{facts.unit}s"},
            "type": "log",
            "dtick": 1,
            "tickformat": ",d",
        },
        "barmode": "overlay",
    }
    said = f"{count(sum(found.counts), facts.unit)}; the axis upwards grows tenfold at each mark."
    if facts.level is not None and facts.level <= 2 * found.edges[-1]:
        layout["shapes"] = [
            {"type": "line", "xref": "x", "yref": "paper", "x0": facts.level, "x1": facts.level,
             "y0": 0, "y1": 1, "line": {"color": f"var({ALARM})", "width": 1.6, "dash": "dash"}}
        ]  # fmt: skip
        said += f" The dashed line is the threshold: {rarity(facts.level, facts.unit)}."
    return Figure({"data": data, "layout": layout}, f"Histogram of the scores. {said}", said)


def reliability(facts: DetectFacts) -> Figure | None:
    """The share of held-out rows below each tail probability, beside what it promises."""
    points = [(e, s) for e, s in facts.reliability if s > 0]
    if len(points) < 2:
        return None
    low = min(min(e, s) for e, s in points)
    data = [
        {"x": [low, 1], "y": [low, 1], "mode": "lines", "hoverinfo": "skip",
         "line": {"color": "var(--soft)", "width": 1.4, "dash": "dash"}},
        {"x": [e for e, _ in points], "y": [s for _, s in points], "mode": "lines+markers",
         "line": {"color": "var(--model)", "width": 2.2}, "marker": {"color": "var(--model)", "size": 8},
         "cliponaxis": False, "hovertemplate": "promised %{x:.3~%}, seen %{y:.3~%}<extra></extra>"},
    ]  # fmt: skip
    axis = {"type": "log", "dtick": 1, "tickformat": ".3~%"}
    layout = {
        "xaxis": {**axis, "title": {"text": f"share of {facts.unit}s promised"}},
        "yaxis": {**axis, "title": {"text": "seen"}},
        "hovermode": "closest",
    }
    rare, seen = points[0]
    said = (
        f"Of the {facts.unit}s held out, {percent(seen, 2)} were as unusual as {percent(rare, 2)} should be. "
        "Below the dashed line there are fewer alarms than promised, above it more."
    )
    return Figure({"data": data, "layout": layout}, f"Reliability of the scores. {said}", said)
