"""What a file is, by its name and its first lines."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gatework.data.sources.roles import Roles
from gatework.data.sources.text import read_text_file, split_lines

MEDIA = ("audio", "images", "video", "strokes")
_IDX = re.compile(r"idx\d-ubyte", re.IGNORECASE)


def first_lines(path: Path, characters: int = 65536) -> str:
    """The beginning of a text file, whole lines where it has some."""
    text = read_text_file(path)
    if len(text) <= characters:
        return text
    end = text.rfind("\n", 0, characters)
    return text[: end + 1] if end > 0 else text[:characters]


def is_idx(name: str) -> bool:
    """Whether a file's name is that of an IDX array.

    >>> is_idx("train-images-idx3-ubyte"), is_idx("train.csv")
    (True, False)
    """
    return _IDX.search(name) is not None


def has_strokes(path: Path, roles: Roles) -> bool:
    """Whether a file of JSON lines holds pen strokes: the first has a field of that name."""
    if "strokes" in (roles.kind, (roles.layout or {}).get("kind")):
        return True
    line = next((x for x in split_lines(read_text_file(path)) if x.strip()), "")
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        return False
    return isinstance(record, dict) and "strokes" in record
