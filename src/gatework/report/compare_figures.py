"""The figures of a comparison, as plotly specifications, each with its words.

Colours are names of the page's style sheet; names of cells are those of the project's own table.
"""

from __future__ import annotations

from typing import Any

from gatework.report.forecast_figures import Figure
from gatework.report.words import duration, listing, number

COLOURS = ("--model", "--baseline-1", "--baseline-2", "--baseline-3", "--baseline-4")
DASHES = ("solid", "dash", "dot", "dashdot")


def scores(facts: dict[str, Any], rows: list[dict[str, Any]]) -> Figure:
    """A row per cell: a point for each training, a line at their mean; the naive answer as a line."""
    name = facts["score"]["name"]
    cells = [r["cell"] for r in rows]
    points = [(s, r["cell"], seed) for r in rows for seed, s in r["scores"]]
    data: list[dict[str, Any]] = [
        {
            "x": [p[0] for p in points],
            "y": [p[1] for p in points],
            "text": [f"seed {p[2]}" for p in points],
            "mode": "markers",
            "marker": {
                "size": 9, "color": "var(--model)", "opacity": 0.55,
                "line": {"width": 1, "color": "var(--model)"},
            },
            "hovertemplate": f"%{{y}}, %{{text}}: {name} %{{x:.5~g}}<extra></extra>",
        },
        {
            "x": [r["score"] for r in rows],
            "y": cells,
            "mode": "markers",
            "marker": {
                "symbol": "line-ns", "size": 22, "line": {"width": 3, "color": "var(--truth)"},
            },
            "hovertemplate": f"%{{y}}, mean: {name} %{{x:.5~g}}<extra></extra>",
        },
    ]  # fmt: skip
    layout: dict[str, Any] = {
        "hovermode": "closest",
        "xaxis": {"title": {"text": name}, "nticks": 6},
        "yaxis": {
            "type": "category", "categoryorder": "array", "categoryarray": cells[::-1],
            "range": [-0.6, len(cells) - 0.4], "ticks": "",
        },
    }  # fmt: skip
    said = f"Dots: single trainings; bars: their mean. {_range(name, rows)}"
    naive = facts["naive"]
    base = None if naive is None else facts["baselines"].get(naive)
    if base is not None:
        values = [p[0] for p in points]
        width = (max(values) - min(values)) or abs(max(values)) or 1.0
        # Where the naive answer is far off, the line would squeeze the cells into a corner.
        if min(values) - width <= base <= max(values) + width:
            line = {"color": "var(--baseline-1)", "width": 2, "dash": "dash"}
            layout["shapes"] = [
                {"type": "line", "xref": "x", "yref": "paper", "x0": base, "x1": base, "y0": 0, "y1": 1,
                 "line": line}
            ]  # fmt: skip
            data.append(  # so that the axis reaches it
                {"x": [base], "y": [cells[0]], "mode": "markers", "marker": {"opacity": 0}, "hoverinfo": "skip"}
            )  # fmt: skip
            said += f" Dashed: {naive}, {number(base)}."
        else:
            said += f" Not drawn, far off: {naive}, {number(base)}."
    return Figure({"data": data, "layout": layout}, f"{name} of every training. {said}", said)


def _range(name: str, rows: list[dict[str, Any]]) -> str:
    if len(rows) < 2:
        return f"{rows[0]['cell']}: {name} {number(rows[0]['score'])}."
    first, last = rows[0], rows[-1]
    return (
        f"Mean {name} from {number(first['score'])} ({first['cell']}) to {number(last['score'])} "
        f"({last['cell']})."
    )


def cost(facts: dict[str, Any], rows: list[dict[str, Any]]) -> Figure | None:
    """Time of a training against score; None where no time is known."""
    rows = [r for r in rows if r["seconds"]]
    if len(rows) < 2:
        return None
    name = facts["score"]["name"]
    data = [
        {
            "x": [r["seconds"] for r in rows],
            "y": [r["score"] for r in rows],
            "text": [r["cell"] for r in rows],
            "mode": "markers+text",
            "textposition": "top center",
            "textfont": {"color": "var(--ink)"},
            "cliponaxis": False,
            "marker": {"size": 10, "color": "var(--model)"},
            "hovertemplate": f"%{{text}}: {name} %{{y:.5~g}} after %{{x:.3~g}} s<extra></extra>",
        }
    ]
    slowest = max(r["seconds"] for r in rows)
    low, high = min(r["score"] for r in rows), max(r["score"] for r in rows)
    room = 0.25 * (high - low or abs(high) or 1.0)
    layout = {
        "hovermode": "closest",
        # Room for the names on both sides.
        "xaxis": {
            "title": {"text": "training, seconds"},
            "range": [-0.12 * slowest, 1.18 * slowest],
        },
        "yaxis": {"title": {"text": name}, "nticks": 6, "range": [low - room, high + room]},
    }
    layout["xaxis"]["nticks"] = 6  # type: ignore[index]  # mypy takes the values for one kind
    by_time = sorted(rows, key=lambda r: r["seconds"])
    said = (
        f"Time to train against {name}: the quickest is {by_time[0]['cell']} "
        f"({duration(by_time[0]['seconds'])}), the slowest {by_time[-1]['cell']} "
        f"({duration(by_time[-1]['seconds'])})."
    )
    return Figure({"data": data, "layout": layout}, said, said)


def contexts(facts: dict[str, Any]) -> Figure:
    """Score of each cell against how far back it looks."""
    name, groups = facts["score"]["name"], facts["by_context"]
    data, ends = [], []
    for i, cell in enumerate(r["cell"] for r in facts["rows"]):
        found = [
            (g["context"], row["score"])
            for g in groups
            for row in g["rows"]
            if row["cell"] == cell and row["score"] is not None
        ]
        if not found:
            continue
        colour = f"var({COLOURS[i % len(COLOURS)]})"
        dash = DASHES[i // len(COLOURS) % len(DASHES)]
        data.append(
            {
                "x": [f[0] for f in found],
                "y": [f[1] for f in found],
                "name": cell,
                "mode": "lines+markers",
                "line": {"color": colour, "width": 2.2, "dash": dash},
                "marker": {"color": colour, "size": 7},
                "hovertemplate": f"{cell} %{{y:.5~g}}<extra></extra>",
            }
        )
        ends.append(f"{cell} from {number(found[0][1])} to {number(found[-1][1])}")
    lengths = [g["context"] for g in groups]
    layout = {
        "showlegend": True,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "xaxis": {
            "title": {"text": "context, steps"}, "type": "log", "tickmode": "array",
            "tickvals": lengths, "ticktext": [f"{c:,}" for c in lengths],
        },
        "yaxis": {"title": {"text": name}, "nticks": 6},
    }  # fmt: skip
    said = (
        f"{name} against how far back a cell looks, from {lengths[0]:,} to {lengths[-1]:,} steps: "
        f"{listing(ends, 12)}."
    )
    return Figure({"data": data, "layout": layout}, said, said)
