"""Blocks of lines, where each stood, and the place from which a later process reads on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gatework.data.rotation import Head

MAX_LINE = 1 << 20
"""Bytes of a line; a longer one is passed over."""
Split = tuple[list[bytes], list[int], list[tuple[int, int]]]
"""Lines, their numbers, and (number, bytes) of lines that are too long."""


@dataclass(frozen=True)
class Position:
    """All of a file before ``offset`` was given out, ``line`` lines of it; of a pipe only the lines."""

    line: int = 0
    offset: int = 0
    inode: int | None = None
    changed_ns: int = 0
    """When the file was last written to, as far as it was read."""
    head: Head | None = None

    def to_json(self) -> dict[str, Any]:
        """What ``from_json`` makes the same position from."""
        head = None if self.head is None else [self.head.size, self.head.digest]
        return {
            "line": self.line,
            "offset": self.offset,
            "inode": self.inode,
            "changed_ns": self.changed_ns,
            "head": head,
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Position:
        """The position of ``to_json``."""
        head = None if saved["head"] is None else Head(int(saved["head"][0]), str(saved["head"][1]))
        inode = None if saved["inode"] is None else int(saved["inode"])
        line, offset, changed = (int(saved[k]) for k in ("line", "offset", "changed_ns"))
        return cls(line, offset, inode, changed, head)


@dataclass(frozen=True)
class LineBlock:
    """Lines that were there together, without their ends; empty when a look found nothing new."""

    lines: list[bytes]
    numbers: list[int]
    """Of each line in its file, the first being 1; in a pipe since the first process began."""
    too_long: list[tuple[int, int]]
    """Number and bytes of each line that was passed over."""
    position: Position
    notices: list[str]

    @property
    def begins_file(self) -> bool:
        """Whether the first line is the first of a file."""
        return bool(self.numbers) and self.numbers[0] == 1


class LineSplitter:
    """Bytes become lines; keeps the unfinished last one, at most ``max_line`` bytes of it."""

    def __init__(self, line: int = 0, max_line: int = MAX_LINE, skip: bool = False) -> None:
        """skip: pass over all up to the end of the first line, of which the beginning was read before."""
        self.line = line
        """Number of the last line that ended."""
        self.ended = 0
        """Bytes up to the end of that line."""
        self.pending = b""
        self._max_line, self._skip = max_line, skip
        self._long = 0  # bytes of an overlong line before ``pending``

    def feed(self, data: bytes) -> Split:
        """Lines that end in ``data``, their numbers, and (number, bytes) of those that are too long."""
        if self._skip:
            rest, end, data = data.partition(b"\n")
            self.ended += len(rest) + len(end)
            self._skip = not end
        lines = (self.pending + data).split(b"\n")
        self.pending = lines.pop()
        numbers = list(range(self.line + 1, self.line + len(lines) + 1))
        self.line += len(lines)
        long: list[tuple[int, int]] = []
        if lines:
            self.ended += self._long + sum(map(len, lines)) + len(lines)
            if self._long:
                long.append((numbers[0], self._long + len(lines[0])))
                del numbers[0], lines[0]
                self._long = 0
        if lines and max(map(len, lines)) > self._max_line:
            over = [len(line) > self._max_line for line in lines]
            long += [(n, len(x)) for n, x, o in zip(numbers, lines, over, strict=True) if o]
            numbers = [n for n, o in zip(numbers, over, strict=True) if not o]
            lines = [x for x, o in zip(lines, over, strict=True) if not o]
        if self._long or len(self.pending) > self._max_line:
            self._long += len(self.pending)
            self.pending = b""
        return _clean(lines, numbers), numbers, long

    def finish(self) -> Split:
        """The last line, where it has no end."""
        if not (self.pending or self._long):
            return [], [], []
        found = self.feed(b"\n")
        self.ended -= 1  # there was no such byte
        return found


def _clean(lines: list[bytes], numbers: list[int]) -> list[bytes]:
    if numbers and numbers[0] == 1:
        lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
    return [line.removesuffix(b"\r") for line in lines]
