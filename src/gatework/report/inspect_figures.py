"""The figures of an inspection, as plotly specifications, each with what it shows in words.

No text from the data enters a specification; colours are names of the page's style sheet.
"""

from __future__ import annotations

import math
import statistics
from typing import Any

from gatework.cells import CELLS
from gatework.report.forecast_figures import Figure
from gatework.report.words import count, is_moment, listing, number, percent, steps

# letter of a plane -> (what it is called, what it does)
PLANES = {
    "f": ("forget gate f", "how much of its memory a unit keeps: open keeps everything, shut wipes it"),
    "i": ("input gate i", "how much of what is new is written into the memory"),
    "o": ("output gate o", "how much of the memory is let out, to the forecast and to the next step"),
    "g": ("candidate g", "what would be written, as far as the input gate lets it: up or down"),
    "z": ("update gate z", "how much of its memory a unit keeps: open keeps all, shut takes the new value"),
    "r": ("reset gate r", "how much of the memory is used to make the new value"),
    "n": ("candidate n", "the new value that would replace the memory: up or down"),
    "c": ("cell state c", "the memory itself, a number a unit, positive or negative"),
    "h": ("output h", "what the unit says at this step, seen by the forecast and by the next step"),
}  # fmt: skip
ORDER = "fzirognch"
COLOURS = ("--model", "--baseline-1", "--baseline-2", "--baseline-3")
_INPUT_PX, _GAP_PX = 130, 34


def ordered(names: Any) -> list[str]:
    """Planes in the order they are shown: what keeps first, states last."""
    return sorted(names, key=lambda n: (ORDER.find(n) if n in ORDER else len(ORDER), n))


def meaning(plane: str, cell: str, kept: str | None) -> str:
    """What a plane does in this cell, for a reader."""
    row = CELLS.get(cell)
    gates = row.planes if row is not None else ()
    if kept == f"1-{plane}":  # such as the z of some cells
        return "how much of the new value is taken: shut keeps all, open takes the new value"
    if plane == "f" and kept == "f/(i+f)":
        return "what it is beside the input gate counts: of its memory a unit keeps f / (i + f)"
    if plane == "i" and kept == "f/(i+f)":
        return "what it is beside the forget gate counts: of the new value a unit takes i / (i + f)"
    if plane == "f" and kept == "1-i/n":
        return "how much of its memory a unit keeps, before what it holds is divided by a sum of its gates"
    if plane == "f" and gates and "i" not in gates and cell == "cifg":
        return "how much of its memory a unit keeps, and by what it shuts the candidate is written: 1 - f"
    if plane == "g" and gates and "i" not in gates:
        if cell == "cifg":
            return "what would be written, as far as the forget gate is shut: up or down"
        if "f" in gates:
            return "what is written, all of it: up or down"
        return "the new value: up or down"
    if plane == "h" and row is not None and not row.has_c:
        return (
            "the memory itself and what the unit says of it, seen by the forecast and the next step"
        )
    return PLANES.get(plane, ("", "a quantity of this cell; its documentation says which"))[1]


def title(name: str) -> str:
    """A plane's name for a reader; of one that is not known, letters and digits alone."""
    return PLANES.get(name, ("".join(c for c in name if c.isalnum()), ""))[0]


def gate_maps(shown: dict[str, Any], layer: int, facts: dict[str, Any]) -> tuple[Figure, int]:
    """Input above, gates and states below it as heat maps over the same time; and its height."""
    planes = shown["layers"][layer]
    names = ordered(planes)
    units = facts["layers"][layer]["units"]
    each = min(200, max(76, 2 * units))
    total = _INPUT_PX + len(names) * (each + _GAP_PX) + 60
    times, values = _times(shown["times"] + shown["future_times"]), shown["input"]
    context = len(values)
    data: list[dict[str, Any]] = [
        _line(times[:context], values, "--truth", "input %{y:.4~g}"),
        _line(times[context:], shown["forecast"], "--model", "forecast %{y:.4~g}", dash="dot"),
    ]
    edges = [times[i] for i in shown["first_rows"]] + [times[context]]
    layout: dict[str, Any] = {
        "xaxis": {"anchor": f"y{len(names) + 1}", "nticks": 7, "range": [times[0], times[-1]]},
        "margin": {"l": 12, "r": 12, "t": 26, "b": 8},
        "hovermode": "closest",
        "annotations": [_heading("what goes in, and the forecast", 1.0)],
        "yaxis": {"domain": [1 - _INPUT_PX / total, 1], "nticks": 4},
    }
    top = 1 - (_INPUT_PX + _GAP_PX) / total
    for place, name in enumerate(names, start=2):
        gate = planes[name]["gate"]
        data.append(
            {
                "type": "heatmap", "x": edges, "z": planes[name]["values"], "yaxis": f"y{place}",
                "showscale": False, **_scale(gate, planes[name]["values"]),
                "hovertemplate": "%{y}, from %{x}: "
                + ("%{z} % open" if gate else "%{z:.3~g}") + f"<extra>{title(name)}</extra>",
            }
        )  # fmt: skip
        layout[f"yaxis{place}"] = {
            "domain": [max(0.0, top - each / total), top], "autorange": "reversed", "ticks": "",
            "showticklabels": False,
            "showgrid": False, "anchor": "x",
        }  # fmt: skip
        layout["annotations"].append(_heading(title(name), top))
        top -= (each + _GAP_PX) / total
    spec = {
        "data": data,
        "layout": layout,
        "sort": {"group": "units", "orders": facts["layers"][layer]["orders"]},
    }
    label = (
        f"The input, and below it {', '.join(title(n) for n in names)} of {units} units over "
        f"{facts['steps']} steps, as heat maps."
    )
    return Figure(spec, label, ""), total


def _scale(gate: bool, values: list[list[float | None]]) -> dict[str, Any]:
    if gate:
        return {"zmin": 0, "zmax": 100, "colorscale": [[0, "var(--card)"], [1, "var(--model)"]]}
    largest = max((abs(v) for row in values for v in row if v is not None), default=1.0) or 1.0
    ramp = [[0, "var(--baseline-1)"], [0.5, "var(--card)"], [1, "var(--model)"]]
    return {"zmin": -largest, "zmax": largest, "colorscale": ramp}


def _heading(words: str, top: float) -> dict[str, Any]:
    return {
        "text": words, "xref": "paper", "yref": "paper", "x": 0, "y": top, "xanchor": "left",
        "yanchor": "bottom", "showarrow": False, "font": {"color": "var(--ink)", "size": 13},
    }  # fmt: skip


def reach(facts: dict[str, Any], layer: dict[str, Any]) -> Figure:
    """Half-lives of all units, from the longest to the shortest."""
    lives = sorted((v for v in layer["half_life"] if v is not None and v < 1e9), reverse=True)
    window = facts["steps"]
    highest = max(window * 10, 10)
    shown = [min(max(v, 0.01), highest) for v in lives]
    said = reach_words(facts, layer)
    forever = len(layer["half_life"]) - len(lives)
    if forever:
        said += f" Without a bar: {count(forever, 'unit')} that never forget{'s' if forever == 1 else ''}."
    values = [*shown, window]
    axis: dict[str, Any] = {
        "title": {"text": "half-life in steps"},
        "nticks": 6,
        "rangemode": "tozero",
    }
    if max(values) > 100 * min(values):
        powers = [10.0**n for n in range(-2, 10)]
        ticks = [
            d * p for p in powers for d in (1, 2, 5) if min(values) / 5 <= d * p <= 5 * max(values)
        ]
        axis = {
            "title": {"text": "half-life in steps (log)"}, "type": "log", "tickvals": ticks,
            "ticktext": [f"{v:g}" for v in ticks],
            "range": [math.log10(min(values) / 1.5), math.log10(max(values) * 1.5)],
        }  # fmt: skip
    data = [
        {
            "type": "bar", "x": list(range(1, len(shown) + 1)), "y": shown,
            "marker": {"color": "var(--model)"},
            "customdata": [f"half is gone after {number(v, 2)} steps" for v in lives],
            "hovertemplate": "unit in place %{x}: %{customdata}<extra></extra>",
        }
    ]  # fmt: skip
    line = {"color": "var(--soft)", "width": 1.4, "dash": "dash"}
    layout = {
        "xaxis": {"title": {"text": "units, the longest memory first"}, "nticks": 9},
        "yaxis": axis,
        "hovermode": "closest",
        "shapes": [
            {
                "type": "line",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "y0": window,
                "y1": window,
                "line": line,
            }
        ],
    }
    return Figure({"data": data, "layout": layout}, f"Half-life of each unit. {said}", said)


def reach_words(facts: dict[str, Any], layer: dict[str, Any]) -> str:
    """What the half-lives say, in two sentences."""
    lives = [v if v is not None else 1e9 for v in layer["half_life"]]
    middle, longest, window = statistics.median(lives), max(lives), facts["steps"]
    head = f"In layer {layer['number']}: " if len(facts["layers"]) > 1 else ""
    if min(lives) >= 1e9:
        return f"{head}No unit ever forgets: what was written stays until something is added to it."
    if middle >= 1e9:
        never = sum(v >= 1e9 for v in lives)
        return (
            f"{head}{never} of {len(lives)} units forget nothing; of the others the shortest-lived loses "
            f"half of what it holds within {span(facts, min(lives))}."
        )
    said = f"{head}Half of the units forget half of what they hold within {span(facts, middle)}"
    said += (
        "; the longest-lived unit forgets nothing."
        if longest >= 1e9
        else f"; the longest-lived unit holds on for about {span(facts, longest)}."
    )
    whole = sum(v >= window for v in lives)
    if whole:
        said += f" {whole} of {len(lives)} units still hold more than half of it after the whole window."
    return said


def span(facts: dict[str, Any], value: float) -> str:
    """Steps of the recurrence, and the time they are in the table."""
    said = f"{number(value, 2)} step{'' if number(value, 2) == '1' else 's'}"
    rows = round(value * facts["segment"])
    if facts["segment"] > 1 or facts["frequency"] != "1 step":
        said += f" ({steps(rows, facts['frequency']).partition(' (')[0]})" if rows else ""
    return said


def saturation(layer: dict[str, Any]) -> Figure:
    """Of each unit and gate the share of steps nearly shut against that nearly open."""
    data, said = [], []
    names = ordered(layer["saturation"])
    for i, name in enumerate(names):
        left, right = layer["saturation"][name]
        data.append(
            {
                "x": left, "y": right, "mode": "markers",
                "marker": {"color": f"var({COLOURS[i % 4]})", "size": 7, "opacity": 0.7},
                "hovertemplate": f"{title(name)}: shut at %{{x:.0%}}, open at %{{y:.0%}} of the steps"
                "<extra></extra>",
            }
        )  # fmt: skip
        shut, wide = statistics.fmean(left), statistics.fmean(right)
        said.append(
            f"the {title(name)} is nearly open at {percent(wide, 0)} and nearly shut at {percent(shut, 0)}"
        )
    words = "Over all units, " + "; ".join(said) + " of the steps."
    if all(v < 0.05 for sides in layer["saturation"].values() for side in sides for v in side):
        words = (
            "No gate is ever nearly shut or nearly open for long: all hover in between, and every unit "
            f"{_does(names, layer['kept'])} a little of everything at each step. {words}"
        )
    axis = {"tickformat": ".0%", "range": [-0.03, 1.03]}
    layout = {
        "xaxis": {"title": {"text": "share of steps nearly shut (below 0.1)"}, **axis, "nticks": 6},
        "yaxis": {"title": {"text": "share of steps nearly open (above 0.9)"}, **axis, "nticks": 6},
        "hovermode": "closest",
    }
    return Figure({"data": data, "layout": layout}, f"Saturated gates. {words}", words)


def _does(gates: list[str], kept: str | None) -> str:
    """What these gates let a unit do: keeps, writes, says, as far as the cell has gates for it."""
    words = [
        "keeps" if kept not in (None, "1") else "",
        "writes" if "i" in gates or kept in ("z", "1-z") else "",
        "says" if "o" in gates else "",
    ]
    return listing([w for w in words if w], 3) or "takes"


FLOW_STYLES = {  # dash, colour and width of a line by the output h
    "this model": ("solid", "--model", 3.0),
    "the same, untrained": ("dash", "--model", 1.6),
    "plain RNN, trained": ("solid", "--baseline-1", 2.4),
    "plain RNN, untrained": ("dash", "--baseline-1", 1.6),
}


def flow_style(line: dict[str, Any]) -> tuple[str, str, float]:
    """Dash, colour and width; whatever else a cell holds is dotted in the colour of its output."""
    dash, colour, width = FLOW_STYLES.get(line["name"], ("dash", "--baseline-2", 1.6))
    return (dash, colour, width) if line["state"] == "h" else ("dot", colour, 2.0)


def flow(facts: dict[str, Any]) -> Figure:
    """Share of the gradient that is left k steps back."""
    data = []
    for line in facts["flow"]:
        dash, colour, width = flow_style(line)
        shares = [v if v else None for v in line["share"]]
        data.append(
            {
                "x": list(range(len(shares))), "y": shares, "mode": "lines",
                "line": {"color": f"var({colour})", "dash": dash, "width": width},
                "hovertemplate": f"{flow_name(line)}: %{{y:.3~g}}<extra></extra>",
            }
        )  # fmt: skip
    said = flow_words(facts)
    layout = {
        "xaxis": {"title": {"text": "steps back"}, "nticks": 12, "tickformat": "d"},
        "yaxis": {
            "title": {"text": "share of the gradient left"},
            "type": "log",
            "exponentformat": "power",
        },
    }
    return Figure({"data": data, "layout": layout}, f"Gradient flow. {said}", said)


def flow_name(line: dict[str, Any]) -> str:
    """What a line is called in the legend."""
    if line["state"] == "h":
        return str(line["name"])
    state = "the cell state" if line["state"] == "c" else f"its state {line['state']}"
    return f"{line['name']}, by {state}"


def flow_words(facts: dict[str, Any]) -> str:
    """How much is left at the far end, of this model and of the others."""
    lines = {x["name"]: x["share"] for x in facts["flow"] if x["state"] == "h"}
    back = facts["steps"] - 1
    if back < 1:
        return "The window is one step: there is nothing to go back to."
    said = []
    for name, shares in lines.items():
        left = shares[-1]
        said.append(f"{name}: {'nothing that a float can hold' if not left else share_text(left)}")
    return (
        f"Left of the gradient {back} step{'' if back == 1 else 's'} back{_all_layers(facts)}: "
        + "; ".join(said)
        + "."
    )


def _all_layers(facts: dict[str, Any]) -> str:
    several = len(facts["layers"])
    return f", all {several} layers together" if several > 1 else ""


def share_text(share: float) -> str:
    """``23 %``, ``0.2 %``, or ``1 part in 30,000``."""
    if share < 0.001:
        return f"1 part in {float(f'{1 / share:.2g}'):,.0f}"
    return percent(share, 0 if share >= 0.095 else 1)


def attribution(shown: dict[str, Any], which: int, facts: dict[str, Any]) -> Figure:
    """What each past row adds to a forecast, as bars under the time."""
    found = shown["attribution"][which]
    times = _times(shown["times"])
    colours = ["var(--baseline-1)" if (v or 0) < 0 else "var(--model)" for v in found["values"]]
    data = [
        {
            "type": "bar", "x": times, "y": found["values"],
            "marker": {"color": colours, "line": {"width": 0}},
            "hovertemplate": "%{y:+.3~g}<extra></extra>",
        }
    ]  # fmt: skip
    said = attribution_words(found, facts)
    layout = {
        "bargap": 0,
        "xaxis": {"nticks": 7},
        "yaxis": {"title": {"text": "moves the forecast by"}, "nticks": 6, "zeroline": True},
    }
    return Figure({"data": data, "layout": layout}, f"Attributions. {said}", said)


def attribution_words(found: dict[str, Any], facts: dict[str, Any]) -> str:
    """Since when half of the influence dates, and how well the parts add up."""
    sizes = [abs(v or 0) for v in found["values"]]
    total = sum(sizes)
    if not total:
        return "No past value moves this forecast."
    reached, rows = 0.0, 0
    for size in reversed(sizes):
        reached, rows = reached + size, rows + 1
        if 2 * reached >= total:
            break
    said = (
        f"Half of all influence comes from the last {steps(rows, facts['frequency'])} of "
        f"{steps(len(sizes), facts['frequency'])}. "
    )
    return said + (
        f"Together the bars move this forecast by {number(found['change'], 3)} from that of a flat line at the "
        f"window's mean; they add up to it but for {number(abs(found['residual'] or 0), 2)}."
    )


def _times(stamps: list[str]) -> list[Any]:
    """Dates, or counts where an axis cannot place what the table has."""
    return list(stamps) if all(map(is_moment, stamps)) else list(range(len(stamps)))


def _line(x: Any, y: Any, colour: str, hover: str, dash: str = "solid") -> dict[str, Any]:
    return {
        "x": x, "y": y, "mode": "lines", "line": {"color": f"var({colour})", "width": 1.6, "dash": dash},
        "hovertemplate": hover + "<extra></extra>",
    }  # fmt: skip
