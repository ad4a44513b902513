"""Which encoder goes with which kind of sequence; each is imported when it is asked for."""

from __future__ import annotations

import importlib
from typing import Any

from gatework.data.encoders.base import Encoder

_ENCODERS = {
    "series": "gatework.data.encoders.series:SeriesEncoder",
    "text": "gatework.data.encoders.words:TokenEncoder",
    "words": "gatework.data.encoders.words:TokenEncoder",
    "audio": "gatework.data.encoders.audio:AudioEncoder",
    "strokes": "gatework.data.encoders.strokes:StrokesEncoder",
    "images": "gatework.data.encoders.images:ImagesEncoder",
    "video": "gatework.data.encoders.video:VideoEncoder",
}


def encoder_class(kind: str) -> type[Encoder]:
    """The encoder of a kind; ValueError when there is none."""
    if kind not in _ENCODERS:
        raise ValueError(f"there is no encoder for {kind!r}")
    module, _, name = _ENCODERS[kind].partition(":")
    found: Any = getattr(importlib.import_module(module), name)
    return found  # type: ignore[no-any-return]
