"""A player for sound, and pictures as ``data:`` addresses: log-mel bands, images, the frames of a video."""

from __future__ import annotations

import base64
import binascii
import math
import struct
import zlib
from collections.abc import Sequence
from typing import Any

from gatework.report.facts import items, reals
from gatework.report.page import Html, join, tag
from gatework.report.words import count

MAX_FRAMES = 24


def sound(example: dict[str, Any], name: str) -> Html:
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
                aria_label=f"Sound of {name}",
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
