"""Texts that lie in a file each."""

from __future__ import annotations

from pathlib import Path

from gatework.data.sources.text import read_text_file


def check_text(path: Path) -> dict[str, float]:
    """Nothing to tell of a text; it is read whole, as what is no UTF-8 shows only then.

    Raises DataError, which names the file, when it cannot be read.
    """
    read_text_file(path)
    return {}


def read_text(path: Path) -> str:
    """The whole text."""
    return read_text_file(path)
