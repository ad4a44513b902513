"""InkML: traces, with the names of their channels, and annotations that label them.

The W3C's recommendation of 20 September 2011, sections 3.1 to 3.4: values, first (') and second (")
differences, ``*`` for the value before, hexadecimal numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from gatework.data.sequences import Ink
from gatework.errors import DataError

if TYPE_CHECKING:
    from gatework.data.sources.strokes import Found

_VALUE = re.compile(
    r"""([!'"]?)\s*(-?#[0-9A-Fa-f]+|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[*?TF])"""
)


def read_inkml(path: Path, text: str, *, whole: bool = False) -> Iterable[Found | DataError]:
    """Labelled trace groups of a document, each an ink; or, ``whole`` or without any, all traces as one.

    Raises:
        DataError: it is no InkML, or a trace cannot be read.
    """
    from gatework.data.sources.strokes import Found

    if "<!ENTITY" in text:
        raise DataError(f"{path}: declares entities, and such documents are not read.")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise DataError(f"{path}: is no XML that can be read ({error}).") from None
    if _name(root) != "ink":
        raise DataError(f"{path}: is no InkML: its outermost element is {_name(root)!r}.")
    formats = {
        (f.get("{http://www.w3.org/XML/1998/namespace}id") or f.get("id") or ""): _channels(f)
        for f in root.iter()
        if _name(f) == "traceFormat"
    }
    channels = next(iter(formats.values()), ["X", "Y"])
    if "X" not in channels or "Y" not in channels:
        raise DataError(
            f"{path}: its trace format has no channels X and Y, only {', '.join(channels)}."
        )
    strokes: dict[str, npt.NDArray[np.float64]] = {}
    order: dict[int, str] = {}
    for number, trace in enumerate(t for t in root.iter() if _name(t) == "trace"):
        if trace.get("type") == "penUp":
            continue
        key = (
            trace.get("{http://www.w3.org/XML/1998/namespace}id") or trace.get("id") or f" {number}"
        )
        try:
            strokes[key] = _points(trace.text or "", channels)
        except ValueError as fact:
            raise DataError(f"{path}, trace {number + 1}: {fact}.") from None
        order[id(trace)] = key
    own = _annotations(root)
    if not whole:
        groups = [g for g in root.iter() if _name(g) == "traceGroup" and _annotations(g)]
        inner = [g for g in groups if not any(h is not g and h in groups for h in g.iter())]
        if inner:
            for number, group in enumerate(inner, start=1):
                where = f"{path}, trace group {number}"
                found = _traces_of(group, order, strokes)
                yield Found(where, Ink(tuple(found)), own | _annotations(group))
            return
    yield Found(str(path), Ink(tuple(strokes.values())), own)


def _traces_of(
    group: ElementTree.Element, order: dict[int, str], strokes: dict[str, npt.NDArray[np.float64]]
) -> list[npt.NDArray[np.float64]]:
    """Strokes of a group: traces in it, and traces that it refers to."""
    found = []
    for element in group.iter():
        key = order.get(id(element))
        if key is None and _name(element) == "traceView":
            key = (element.get("traceDataRef") or element.get("traceRef") or "").lstrip("#")
        if key in strokes:
            found.append(strokes[key])
    return found


def _annotations(element: ElementTree.Element) -> dict[str, str]:
    """Annotations of an element itself, by their type; "truth" and "label" are both called label."""
    found: dict[str, str] = {}
    for child in element:
        text = (child.text or "").strip()
        if _name(child) == "annotation" and text:
            kind = child.get("type") or "label"
            found.setdefault("label" if kind == "truth" else kind, text)
    return found


def _channels(format_: ElementTree.Element) -> list[str]:
    return [c.get("name", "") for c in format_.iter() if _name(c) == "channel"]


def _points(text: str, channels: list[str]) -> npt.NDArray[np.float64]:
    """``(n, 2)`` of x and y of a trace.

    Raises ValueError, the bare fact, for what is no trace.
    """
    x, y, C = channels.index("X"), channels.index("Y"), len(channels)
    modes = [""] * C  # of each channel: what a number without a sign before it is
    value, speed = [0.0] * C, [0.0] * C
    found = []
    for number, point in enumerate(text.split(","), start=1):
        if not point.strip():
            continue
        parts = _VALUE.findall(point)
        if _VALUE.sub("", point).strip() or len(parts) < 2:
            raise ValueError(f"point {number} is {point.strip()[:40]!r}")
        if len(parts) > C and len(channels) > 2:
            raise ValueError(f"point {number} has {len(parts)} values for {C} channels")
        for c, (sign, word) in enumerate(parts[:C]):
            if sign:
                modes[c] = "" if sign == "!" else sign
            if word in "*?TF":  # the value goes on, or is no place
                value[c] += speed[c] if modes[c] and word == "*" else 0.0
                continue
            new = float(int(word.replace("#", ""), 16)) if "#" in word else float(word)
            if modes[c] == '"':
                speed[c] += new
                value[c] += speed[c]
            elif modes[c] == "'":
                speed[c] = new
                value[c] += new
            else:
                value[c], speed[c] = new, 0.0
        if not (np.isfinite(value[x]) and np.isfinite(value[y])):
            raise ValueError(f"point {number} is not finite")
        found.append((value[x], value[y]))
    return np.array(found, float).reshape(-1, 2)


def _name(element: ElementTree.Element) -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]
