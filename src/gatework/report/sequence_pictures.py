"""Sequences drawn as what they are: curves, words, pen strokes, a player for sound, images, frames.

Everything is inline SVG or a ``data:`` address, so a page needs nothing else.  Numbers are read with
mistrust, as in ``facts.py``: a picture that cannot be drawn is empty.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from gatework.report.facts import items, real, reals, text, texts
from gatework.report.page import Html, escape, join, tag
from gatework.report.words import count, number

MAX_CHANNELS, MAX_WORDS, MAX_FRAMES = 4, 240, 24
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
        return sound(example)
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
    return join([svg, tag("ul", *told, class_="lanes")])


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


# ---- sound, images, video ---------------------------------------------------------------------------


def sound(example: dict[str, Any]) -> Html:
    """A player for the sound, below its log-mel picture: time to the right, pitch upwards."""
    wav, bands = encoded(example.get("wav")), [reals(b) for b in items(example.get("values"))]
    parts = []
    if source := shades(bands):
        steps = max(map(len, bands))
        parts.append(
            tag(
                "img",
                src=source,
                class_="mel",
                alt=f"Loudness of {len(bands)} bands of pitch over {count(steps, 'frame')}",
            )
        )
    if wav:
        parts.append(
            tag(
                "audio",
                controls=True,
                preload="none",
                src=f"data:audio/wav;base64,{wav}",
                aria_label=f"Sound of {_name(example)}",
            )
        )
    return join(parts)


def images(sources: Sequence[object], name: str = "image") -> Html:
    """PNG images side by side: one of an image, a strip of a video."""
    shown = [png for png in map(encoded, sources) if png][:MAX_FRAMES]
    drawn = [
        tag(
            "img",
            src=f"data:image/png;base64,{png}",
            alt=name if len(shown) == 1 else f"{name}, picture {i + 1} of {len(shown)}",
        )
        for i, png in enumerate(shown)
    ]
    if len(drawn) < 2:
        return tag("p", *drawn, class_="image") if drawn else Html()
    return tag(
        "div", *drawn, class_="strip", tabindex="0", role="region", aria_label=f"Frames of {name}"
    )


def encoded(value: object) -> str | None:
    """Base64 text that is sound, else None."""
    if not isinstance(value, str) or not value:
        return None
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return value


def shades(rows: Sequence[Sequence[float | None]]) -> str | None:
    """Rows of numbers, the last on top, as the address of a PNG: the larger, the stronger its blue.

    The picture is one colour of rising opacity, so that it stands on light and on dark paper.
    """
    wide = max(map(len, rows), default=0)
    known = [v for row in rows for v in row if v is not None]
    if not wide or not known:
        return None
    low, high = min(known), max(known)
    if not math.isfinite(high - low):
        return None
    scale = 255 / (high - low) if high > low else 0.0
    lines = [
        bytes([0, *(0 if v is None else round((v - low) * scale) for v in row)]).ljust(
            wide + 1, b"\0"
        )
        for row in reversed(rows)
    ]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(name, content)
        for name, content in (
            (b"IHDR", struct.pack(">IIBBBBB", wide, len(rows), 8, 3, 0, 0, 0)),
            (b"PLTE", bytes((0x3D, 0x86, 0xD6)) * 256),
            (b"tRNS", bytes(range(256))),
            (b"IDAT", zlib.compress(b"".join(lines), 9)),
            (b"IEND", b""),
        )
    )
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def _chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


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
