"""What ``gatework watch`` remembers from one run to the next, in one file."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gatework.data.line_blocks import Position
from gatework.errors import DataError
from gatework.files import write_atomically

_MARK = b"gatework watch state 1\n"


@dataclass
class Kept:
    """All but the stream itself."""

    source: str | None
    """The file, as an absolute path; None for standard input."""
    position: Position = field(default_factory=Position)
    header: str | None = None
    """The line that names the columns, where there was one."""
    told: list[tuple[str | None, int]] = field(default_factory=list)
    """Series and first row of each alarm that began and did not end."""
    parser: dict[str, Any] | None = None
    """What the reader of lines remembers of those before."""


def write_state(path: Path, kept: Kept, stream: bytes) -> None:
    """Put all of it under ``path``, whole or not at all; OutputError where that cannot be."""
    facts = {**asdict(kept), "position": kept.position.to_json()}
    facts |= {"bytes": len(stream), "crc": zlib.crc32(stream)}
    write_atomically(path, _MARK + json.dumps(facts).encode() + b"\n" + stream)


def read_state(path: Path, source: str | None) -> tuple[Kept, bytes] | None:
    """What ``write_state`` wrote; None when there is no file, or an empty one.

    Raises DataError for a damaged file, and for one of another source.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    if not data:
        return None
    try:
        mark, rest = data[: len(_MARK)], data[len(_MARK) :]
        line, _, stream = rest.partition(b"\n")
        facts = json.loads(line)
        if mark != _MARK or (len(stream), zlib.crc32(stream)) != (facts["bytes"], facts["crc"]):
            raise ValueError
        kept = Kept(
            facts["source"],
            Position.from_json(facts["position"]),
            facts["header"],
            [(name, int(row)) for name, row in facts["told"]],
            facts["parser"],
        )
    except (ValueError, KeyError, TypeError):
        raise DataError(
            f"{path}: is no state of gatework watch, or a damaged one. Name another file for --state, "
            "or remove it to begin anew."
        ) from None
    if kept.source != source:
        raise DataError(
            f"{path}: is the state of watching {kept.source or 'standard input'}, not "
            f"{source or 'standard input'}. Name another file for --state, or remove it to begin anew."
        )
    return kept, stream
