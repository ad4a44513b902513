"""The page of gates: from what ``gatework.insight`` found to one HTML text."""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import Any

from gatework.report import inspect_figures as draw
from gatework.report.page import Html, Page, choice, join, legend, pairs, paragraph, table, tag
from gatework.report.words import count, listing, number, percent, steps

SORTS = {
    "half-life": "how long they remember",
    "saturation": "how often they keep everything",
    "mean": "mean output",
    "similarity": "likeness: units that move alike together",
    "number": "their number",
}


def render(facts: dict[str, Any]) -> str:
    """The page as one HTML text that works offline.

    Args:
        facts: as ``gatework.insight.forecast.inspect_forecaster`` returns them.

    Raises:
        MissingDependencyError: plotly is not installed.
    """
    page = Page("Inside the model")
    _headline(page, facts)
    _gates(page, facts)
    _memory(page, facts)
    _saturation(page, facts)
    _flow(page, facts)
    _attribution(page, facts)
    _model(page, facts)
    about = [PurePath(facts["source"]).name, f"page by Gatework {facts['gatework_version']}"]
    return page.render(
        tag("h1", "Inside the model"),
        paragraph(f"{facts['cell']['title']}: {facts['cell']['summary']}."),
        paragraph(" · ".join(about), class_="meta"),
    )


def _headline(page: Page, facts: dict[str, Any]) -> None:
    first = facts["layers"][0]
    has_reach = first["half_life"] is not None
    said = (
        " ".join(draw.reach_words(facts, layer) for layer in facts["layers"])
        if has_reach
        else "This cell has no gate that holds on to anything: its memory is written anew at every step."
    )
    each = steps(facts["segment"], facts["frequency"]).partition(" (")[0]
    window = f"{count(facts['steps'], 'step')} of {each}"
    own = next(x["share"] for x in facts["flow"] if x["name"] == "this model" and x["state"] == "h")
    entries = [
        ("the model reads a window in", window),
        ("units in a layer", f"{first['units']:,}"),
        (
            "gradient left at the window's start"
            + (", all layers together" if len(facts["layers"]) > 1 else ""),
            draw.share_text(own[-1]) if own[-1] else "none",
        ),
    ]
    keys = tag(
        "dl",
        *(tag("div", tag("dt", k), tag("dd", v, class_="value")) for k, v in entries),
        class_="keys",
    )
    page.section(
        "headline",
        "In short",
        tag("div", paragraph(said, class_="said"), class_="verdict unjudged"),
        keys,
        paragraph(
            "A recurrent network reads its input step by step and keeps notes in a memory: a number "
            "for each unit. " + _valves(facts)
        ),
        _step_note(facts),
    )


def _valves(facts: dict[str, Any]) -> str:
    if not _has_gates(facts):
        return "This cell has no gates: it is the simplest there is. Below its memory is laid open."
    return (
        "Gates are valves between 0 (shut) and 1 (open), set anew at every step by the network itself, that "
        f"decide what is {_decided(facts)}. Below they are laid open."
    )


def _has_gates(facts: dict[str, Any]) -> bool:
    return any(plane["gate"] for plane in facts["shown"][0]["layers"][0].values())


def _decided(facts: dict[str, Any]) -> str:
    """What the gates that there are decide."""
    gates = [n for n, p in facts["shown"][0]["layers"][0].items() if p["gate"]]
    kept = facts["layers"][0]["kept"]
    does = [
        ("kept", kept not in (None, "1")),
        ("written", bool({"i", "z"} & set(gates)) or facts["cell"]["name"] == "cifg"),
        ("said", "o" in gates),
    ]
    return listing([word for word, so in does if so])


def _step_note(facts: dict[str, Any]) -> Html:
    if facts["segment"] == 1:
        return paragraph("One step of the network is one row of the table.")
    return paragraph(
        f"One step of this network is not a row but a segment of "
        f"{steps(facts['segment'], facts['frequency'])}, "
        f"read at once: a window of {steps(facts['context'], facts['frequency'])} is "
        f"{count(facts['steps'], 'step')}. Axes show the table's own time."
    )


def _gates(page: Page, facts: dict[str, Any]) -> None:
    sorts = [tag("option", SORTS.get(s, s), value=s) for s in facts["layers"][0]["orders"]]
    select = tag("select", *sorts, data_sort="units", autocomplete="off")
    blocks = []
    several = len(facts["layers"]) > 1
    for shown in facts["shown"]:
        for number_, _ in enumerate(facts["layers"]):
            figure, height = draw.gate_maps(shown, number_, facts)
            name = _name(shown, facts) + (f", layer {number_ + 1}" if several else "")
            drawn = page.figure(figure.spec, figure.label, height_px=height)
            blocks.append((name, drawn))
    planes = draw.ordered(facts["shown"][0]["layers"][0])
    kinds = [facts["shown"][0]["layers"][0][p]["gate"] for p in planes]
    page.section(
        "gates",
        "Gates and memory over time",
        paragraph(
            "Each row of a picture is one unit, each column one step; time runs to the right, under "
            "the input "
            "that was being read. Look for columns: moments at which many units do the same. And for rows: "
            "units that hold still are memory, units that flicker follow the input."
        ),
        tag(
            "ul",
            tag("li", Html('<span class="ramp gate"></span>'), "a gate: shut to open")
            if any(kinds)
            else "",
            tag(
                "li",
                Html('<span class="ramp signed"></span>'),
                "memory and output: negative, zero, positive",
            ),
            class_="legend",
        ),
        tag("dl", *(_meaning(p, facts) for p in planes), class_="facts"),
        tag("div", tag("label", "sort units by ", select, class_="choose"), class_="controls"),
        # where there is nothing to choose, the one window is named all the same
        paragraph(f"Drawn: {blocks[0][0]}.", class_="soft") if len(blocks) == 1 else "",
        choice("window", blocks, group="gates"),
        link="Gates over time",
    )


def _meaning(plane: str, facts: dict[str, Any]) -> Html:
    words = draw.meaning(plane, facts["cell"]["name"], facts["layers"][0]["kept"])
    return tag("div", tag("dt", draw.PLANES.get(plane, (plane, ""))[0]), tag("dd", words))


def _name(shown: dict[str, Any], facts: dict[str, Any]) -> str:
    parts = [shown["series"], shown["target"] if len(facts["targets"]) > 1 else None]
    moment = f"{shown['times'][0][:16]} to {shown['times'][-1][:16]}"
    return ", ".join([p for p in parts if p] + [moment])


def _memory(page: Page, facts: dict[str, Any]) -> None:
    first = facts["layers"][0]
    if first["half_life"] is None:
        page.section(
            "memory",
            "How far the memory reaches",
            paragraph(
                "There is no figure here: this cell has no gate that keeps anything, so no "
                "half-life follows "
                "from one. How far it remembers shows in the gradient below."
            ),
            link="Memory",
        )
        return
    if first["kept"] == "1":
        how = (
            "This cell has no gate that forgets: what a unit holds is multiplied by 1 at every step, so no "
            "half-life ends it. Only what is added to it later changes it."
        )
    else:
        how = _half_lives(first["kept"])
    blocks = []
    for layer in facts["layers"]:
        if all(v is None or v >= 1e9 for v in layer["half_life"]):  # no bar to draw
            shown = paragraph(draw.reach_words(facts, layer), class_="said")
        else:
            figure = draw.reach(facts, layer)
            shown = page.figure(figure.spec, figure.label, figure.caption)
        blocks.append((f"layer {layer['number']}", shown))
    page.section(
        "memory",
        "How far the memory reaches",
        paragraph(how),
        choice("layer", blocks, group="memory"),
        paragraph(
            f"Averaged over {count(facts['sampled'], 'window')} spread over the table.",
            class_="soft",
        ),
        link="Memory",
    )


KEPT = {
    "1-z": "share that the update gate z leaves, 1 - z,",
    "f/(i+f)": "share of the forget gate in both gates, f / (i + f),",
    "1-i/n": "share that its gates leave, 1 - i / n with n the sum of all that was written,",
}


def _half_lives(kept: str) -> str:
    keeps = draw.title(kept) if kept in draw.PLANES else KEPT.get(kept, "share that its gates keep")
    return (
        f"The {keeps} multiplies what a unit holds at every step. If it stands at 0.9, a tenth fades each "
        "step and half is gone after 6.6: that is the unit's half-life. The dashed line is the whole window; "
        "a unit above it carries news from its start to its end. Each step writes new things too, so a short "
        "half-life is not a fault: the task may need no more."
    )


def _saturation(page: Page, facts: dict[str, Any]) -> None:
    if not facts["layers"][0]["saturation"]:
        return
    names = draw.ordered(facts["layers"][0]["saturation"])
    blocks = []
    for layer in facts["layers"]:
        figure = draw.saturation(layer)
        blocks.append(
            (f"layer {layer['number']}", page.figure(figure.spec, figure.label, figure.caption))
        )
    page.section(
        "saturation",
        "Gates wide open and shut",
        paragraph(
            "A dot is one gate of one unit. Near the upper left it is open nearly always, near the "
            "lower right "
            "shut nearly always, near the lower left it hovers in between and does a little of "
            "both. On the "
            "diagonal edge from upper left to lower right it acts like a switch."
            + _forgetless(facts["layers"][0]["kept"])
        ),
        legend([(draw.title(n), "dot", draw.COLOURS[i % 4]) for i, n in enumerate(names)]),
        choice("layer", blocks, group="saturation"),
        link="Open and shut",
    )


def _forgetless(kept: str | None) -> str:
    """Where in the picture of gates a unit lies that never forgets."""
    if kept in ("f", "z"):
        return (
            f" For the {draw.title(kept)}, which keeps, upper left means a unit that never forgets."
        )
    if kept == "1-z":
        return (
            " For the update gate z, which replaces, lower right means a unit that never forgets."
        )
    return ""


def _flow(page: Page, facts: dict[str, Any]) -> None:
    figure = draw.flow(facts)
    entries = []
    for line in facts["flow"]:
        dash, colour, _ = draw.flow_style(line)
        entries.append((draw.flow_name(line), {"dot": "dot-line"}.get(dash, dash), colour))
    page.section(
        "flow",
        "How far back learning reaches",
        paragraph(
            "A network learns from its mistakes by asking each earlier step how much it had to do "
            "with them: the "
            "gradient. Where a line has fallen to a thousandth, that far back the network can hardly learn "
            "anything. In a plain network the gradient is multiplied by the same weights at every "
            "step and dies "
            "away: the vanishing gradient. "
            + (
                "A gate that keeps lets it pass, which is what it was invented for."
                if facts["layers"][0]["kept"]
                else "Gates that keep were invented against it; this cell has none."
            )
        ),
        legend(entries),
        page.figure(figure.spec, figure.label, figure.caption),
        paragraph(_fair(facts), class_="soft"),
        *(paragraph(note, class_="soft") for note in facts["notes"]),
        link="Gradients",
    )


def _fair(facts: dict[str, Any]) -> str:
    said = f"Mean over {count(facts['sampled'], 'window')}; each line starts at 1, the window's last step."
    if any(x["name"] == "plain RNN, trained" for x in facts["flow"]):
        passes = count(facts["trained_epochs"], "pass").replace("passs", "passes")
        said += (
            " The plain RNN has as many units and the same settings, and was trained on this table for "
            f"{passes}, as many as this model."
        )
    return said


def _attribution(page: Page, facts: dict[str, Any]) -> None:
    blocks = []
    for shown in facts["shown"]:
        for which, found in enumerate(shown["attribution"]):
            figure = draw.attribution(shown, which, facts)
            ahead = steps(found["step"], facts["frequency"])
            blocks.append(
                (
                    f"{_name(shown, facts)}: {ahead} ahead",
                    page.figure(figure.spec, figure.label, figure.caption),
                )
            )
    page.section(
        "attribution",
        "Which past values a forecast comes from",
        paragraph(
            "A bar says by how much the value measured then moves the forecast, up (blue) or down "
            "(orange), from "
            "what would be forecast of a flat line. Integrated gradients: the effect is followed "
            "all the way from "
            "the flat line to the real window."
        ),
        choice("forecast", blocks, group="attribution"),
        link="What it looks at",
    )


def _model(page: Page, facts: dict[str, Any]) -> None:
    page.section("model", "The model", *model_parts(facts["model"]))


def model_parts(model: dict[str, Any]) -> list[Html]:
    """Layers, sizes, forget biases and norms of weights."""
    parts = []
    for layer in model["layers"]:
        biases = [
            f"{number(b['mean'], 3)} ({number(b['least'], 3)} to {number(b['largest'], 3)}), alone "
            f"it keeps "
            f"{percent(_sigmoid(b['mean']), 0)} a step"
            for b in layer["forget_bias"]
        ]
        parts += [
            tag("h3", f"{layer['title']} ({layer['name'] or 'the model itself'})"),
            pairs(
                [
                    ("inputs", f"{layer['input_size']:,}"),
                    ("units", f"{layer['hidden_size']:,}"),
                    ("layers", f"{layer['num_layers']:,}"),
                    ("weights", f"{layer['parameters']:,} of {model['parameters']:,}"),
                    ("bias of the forget gate, mean (range)", "; ".join(biases) or None),
                ]
            ),
            table(
                "size of the weights, as the root of the sum of their squares",
                ["weight", "norm"],
                [[name, number(norm)] for name, norm in layer["norms"].items()],
            ),
        ]
    return [join(parts)]


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))
