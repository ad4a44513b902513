"""Sequences drawn as what they are: curves, words, pen strokes, a player for sound, images, frames.

Everything is inline SVG or a ``data:`` address, so a page needs nothing else.  Numbers are read with
mistrust, as in ``facts.py``: a picture that cannot be drawn is empty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

from gatework.report.facts import items, real, reals, text, texts
from gatework.report.page import Html, escape, join, tag
from gatework.report.sequence_media import images, sound
from gatework.report.words import count, number

MAX_CHANNELS, MAX_WORDS, MAX_RUNS = 4, 240, 300
WIDTH, LANE = 400, 64  # of a curve, in the units of its picture
# Attribution is drawn in at most this many strips: a screen shows no more.
STRIPS = 100


def picture(example: dict[str, Any]) -> Html:
    """The sequence of one of ``examples``; empty where there is nothing to draw."""
    kind = text(example.get("kind"))
    if kind in ("text", "words"):
        return words(example)
    if kind == "strokes":
        return strokes(example.get("strokes"), _name(example))
    if kind == "audio":
        return sound(example, _name(example))
    if kind == "images":
        return images([example.get("png")], _name(example))
    if kind == "video":
        return images(items(example.get("png")), _name(example))
    return curves(example)


def _name(example: dict[str, Any]) -> str:
    return text(example.get("name")) or "sequence"


# ---- curves -----------------------------------------------------------------------------------------


def curves(example: dict[str, Any]) -> Html:
    """Each channel as a curve in a lane of its own, over the heat of its attribution."""
    lanes = [v for v in map(reals, items(example.get("values"))) if any(x is not None for x in v)]
    lanes = lanes[:MAX_CHANNELS]
    if not lanes:
        return Html()
    names = texts(example.get("channels"))
    heat = _heat(reals(example.get("attribution")), LANE * len(lanes))
    drawn, said = [heat], []
    for i, values in enumerate(lanes):
        known = [v for v in values if v is not None]
        low, high = min(known), max(known)
        drawn.append(_curve(values, low, high, LANE * i))
        name = names[i] if i < len(names) else f"channel {i + 1}"
        said.append((name, f"{number(low, 3)} to {number(high, 3)}"))
    label = "; ".join(f"{name} from {span}" for name, span in said)
    svg = _svg(
        join(drawn), f"0 0 {WIDTH} {LANE * len(lanes)}", f"Curve: {label}", "curve", stretch=True
    )
    told = [
        tag("li", tag("span", name), " ", tag("span", span, class_="soft")) for name, span in said
    ]
    return join([svg, _labels(example, len(lanes[0])), tag("ul", *told, class_="lanes")])


def _labels(example: dict[str, Any], steps: int) -> Html:
    """Under a curve that was tagged: what is right and what was said, a strip each."""
    strips = [items(example.get(k)) for k in ("truths", "predictions")]
    if not all(len(strip) == steps for strip in strips):
        return Html()
    colours: dict[str, int] = {}
    rows = []
    for words, strip in zip(("true", "said"), strips, strict=True):
        parts, first = [], 0
        for label, run in groupby(map(text, strip)):
            long = len(list(run))
            place = f"steps {first + 1} to {first + long}" if long > 1 else f"step {first + 1}"
            first += long
            hue = None if label is None else f"hue-{colours.setdefault(label, len(colours)) % 6}"
            shown = label or ""
            parts.append(
                tag("i", shown, class_=hue, style=f"flex-grow:{long}", title=f"{shown}: {place}")
            )
        if len(parts) > MAX_RUNS:
            return Html()
        rows.append(tag("div", tag("small", words), tag("span", *parts), class_="strips"))
    return join(rows)


def _curve(values: Sequence[float | None], low: float, high: float, top: int) -> Html:
    """One channel; what is missing leaves a gap, and a lone value is a dot."""
    across = WIDTH / max(len(values) - 1, 1)
    tall = (LANE - 12) / (high - low) if high > low else 0.0
    path, pen_down = [], False
    for i, value in enumerate(values):
        if value is None:
            pen_down = False
            continue
        y = top + LANE - 6 - (value - low) * tall if tall else top + LANE / 2
        alone = not pen_down and (i + 1 == len(values) or values[i + 1] is None)
        path.append(f"{'L' if pen_down else 'M'}{i * across:.1f} {y:.1f}{'h.1' if alone else ''}")
        pen_down = True
    return Html(f'<path class="trace" d="{"".join(path)}"/>')


def _heat(attribution: list[float | None], height: int) -> Html:
    """Strips behind a curve: the stronger the colour, the more the step spoke for or against."""
    if not attribution:
        return Html()
    strips = min(STRIPS, len(attribution))
    edges = [round(i * len(attribution) / strips) for i in range(strips + 1)]
    means = [sum(v or 0.0 for v in attribution[a:b]) / (b - a) for a, b in pairwise(edges)]
    most = max(map(abs, means))
    across = WIDTH / len(attribution)
    shown = [
        f'<rect class="{"for" if mean > 0 else "against"}" x="{a * across:.1f}" y="0" '
        f'width="{(b - a) * across:.1f}" height="{height}" fill-opacity="{0.5 * abs(mean) / most:.2f}"/>'
        for mean, (a, b) in zip(means, pairwise(edges), strict=True)
        if most and abs(mean) >= 0.02 * most
    ]
    return Html("".join(shown))


# ---- words ------------------------------------------------------------------------------------------


def words(example: dict[str, Any]) -> Html:
    """The words, shaded by attribution; when tagged, each with its label, wrong ones with both."""
    found = [str(w) for w in items(example.get("words"))]
    if not found:
        return Html()
    heat = reals(example.get("attribution"))
    truths, told = items(example.get("truths")), items(example.get("predictions"))
    first = _first_shown(found, truths, told)
    last = min(len(found), first + MAX_WORDS)
    most = max((abs(v) for v in heat if v is not None), default=0.0)
    shown: list[object] = ["… "] if first else []
    for i in range(first, last):
        weight = heat[i] if i < len(heat) else None
        word = _shaded(found[i], weight / most if weight and most else 0.0)
        if told:
            truth = text(truths[i]) if i < len(truths) else None
            word = _labelled(word, truth, text(told[i]) if i < len(told) else None)
        shown += [word, " "]
    if last < len(found):
        shown.append(tag("span", f"… {count(len(found) - last, 'more word')}", class_="soft"))
    return tag("p", *shown, class_="tagged" if told else "words", dir="auto")


def _first_shown(found: list[str], truths: list[Any], told: list[Any]) -> int:
    """Where to begin so that the first wrong label of a long text is seen."""
    if len(found) <= MAX_WORDS:
        return 0
    wrong = [
        i for i, (a, b) in enumerate(zip(truths, told, strict=False)) if a is not None and a != b
    ]
    return max(0, min(wrong[0] - 20, len(found) - MAX_WORDS)) if wrong else 0  # fmt: skip


def _shaded(word: str, weight: float) -> Html:
    if abs(weight) < 0.02:
        return escape(word)
    side = "for" if weight > 0 else "against"
    return tag("mark", word, class_=side, style=f"--heat: {50 * min(1.0, abs(weight)):.0f}%")


def _labelled(word: Html, truth: str | None, told: str | None) -> Html:
    """A word over its label; a wrong label over the right one."""
    if truth is None:  # a word without a label is context only
        return tag("span", word, tag("small", "\u00a0"))
    if truth == told:
        return tag("span", word, tag("small", truth))
    return tag(
        "span",
        word,
        tag("small", told or "none", class_="missed"),
        tag("small", "not " if told is None else "is ", truth),
        class_="wrong",
    )


# ---- pen strokes ------------------------------------------------------------------------------------


def strokes(value: object, name: str = "strokes") -> Html:
    """The strokes of a pen, each from its dot."""
    drawn = []
    for stroke in items(value):
        points = [(x, y) for p in items(stroke) if None not in (x := _at(p, 0), y := _at(p, 1))]
        if points:
            drawn.append([(float(x), float(y)) for x, y in points])  # type: ignore[arg-type]
    if not drawn:
        return Html()
    across = [x for s in drawn for x, _ in s]
    down = [y for s in drawn for _, y in s]
    left, top = min(across), min(down)
    size = max(max(across) - left, max(down) - top) or 1.0
    if not math.isfinite(size):
        return Html()
    scale = 100 / size
    parts = []
    for stroke in drawn:
        points = [((x - left) * scale, (y - top) * scale) for x, y in stroke]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        parts.append(
            f'<path class="pen" d="M{path}"/>'
            f'<circle class="start" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="3"/>'
        )
    wide, tall = (max(across) - left) * scale, (max(down) - top) * scale
    box = f"-8 -8 {wide + 16:.1f} {tall + 16:.1f}"
    return _svg(Html("".join(parts)), box, f"{count(len(drawn), 'pen stroke')} of {name}", "ink")


def _at(point: object, place: int) -> float | None:
    found = items(point)
    return real(found[place]) if len(found) > place else None


def _svg(content: Html, box: str, label: str, class_: str, stretch: bool = False) -> Html:
    return tag(
        "svg",
        content,
        viewBox=box,
        class_=class_,
        role="img",
        aria_label=label,
        preserveAspectRatio="none" if stretch else None,
    )
