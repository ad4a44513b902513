"""Files that a log rotation made of one: which is the one that was read, and which came after it."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

_HEAD = 1024  # bytes at the beginning by which a file is known again


@dataclass(frozen=True)
class Head:
    """The first bytes of a file, as a digest: inodes are used again, times of lines seldom."""

    size: int
    digest: str

    @property
    def full(self) -> bool:
        """Whether it holds as many bytes as it ever will."""
        return self.size == _HEAD

    @classmethod
    def of(cls, file: BinaryIO, read_to: int) -> Head:
        """The head of what was read of an open file; moves its place."""
        file.seek(0)
        head = file.read(min(read_to, _HEAD))
        return cls(len(head), hashlib.sha256(head).hexdigest())

    def fits(self, file: BinaryIO, read_to: int) -> bool:
        """Whether an open file begins so and holds ``read_to`` bytes; moves its place."""
        if os.fstat(file.fileno()).st_size < read_to:
            return False
        file.seek(0)
        return hashlib.sha256(file.read(self.size)).hexdigest() == self.digest


def find_moved(
    path: Path, inode: int | None, changed_ns: int, head: Head, read_to: int
) -> Path | None:
    """The file beside ``path`` that is it under another name, or a copy of it as it was read.

    inode: of the file; None looks for a copy alone.
    changed_ns: when the file had last changed as it was read; a copy is no older.
    """
    found: list[tuple[bool, int, Path]] = []
    with os.scandir(path.absolute().parent) as entries:
        for entry in entries:
            same = inode is not None and entry.inode() == inode
            if entry.name == path.name or not (same or entry.name.startswith(path.stem)):
                continue
            try:
                state = entry.stat(follow_symlinks=False)
                copied = read_to > 0 and state.st_mtime_ns >= changed_ns
                if not S_ISREG(state.st_mode) or not (same or copied):
                    continue
                with open(entry.path, "rb") as file:
                    if head.fits(file, read_to):
                        found.append((same, state.st_mtime_ns, Path(entry.path)))
            except OSError:
                continue  # gone again, or not ours to read
    return max(found)[2] if found else None


def files_between(path: Path, old: BinaryIO, new: BinaryIO) -> list[tuple[Path, BinaryIO]]:
    """Files of the rotations between two open ones, opened, the oldest first.

    By name: ``app.log.1`` or ``app.log-20240101`` of ``app.log``, not packed; and by time of change.
    """
    pattern = re.compile(re.escape(path.name) + r"[.-]\d[\dT:_.-]*")
    first, last = (os.fstat(file.fileno()) for file in (old, new))
    between = []
    with os.scandir(path.absolute().parent) as entries:
        for entry in entries:
            if not pattern.fullmatch(entry.name) or not entry.is_file(follow_symlinks=False):
                continue
            file = open(entry.path, "rb", buffering=0)  # noqa: SIM115
            state = os.fstat(file.fileno())  # of what is open, whatever its name is by now
            other = state.st_ino not in (first.st_ino, last.st_ino)
            timely = first.st_mtime_ns < state.st_mtime_ns <= last.st_mtime_ns
            if other and timely and file.read(2) != b"\x1f\x8b":
                between.append((state.st_mtime_ns, Path(entry.path), file))
            else:
                file.close()
    between.sort(key=lambda found: found[0])
    return [(name, file) for _, name, file in between]
