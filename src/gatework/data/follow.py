"""Lines of a pipe or of a growing file, in blocks of what is there; none lost, none read twice.

A block never waits to be full.  With each comes the position after it, from which a later process goes
on: also when the file was renamed, copied or cut short by a log rotation meanwhile (``rotation.py``).
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import BinaryIO

from gatework.data.line_blocks import MAX_LINE, LineBlock, LineSplitter, Position, Split
from gatework.data.rotation import Head, files_between, find_moved
from gatework.errors import DataError

BLOCK = 1 << 18  # bytes read at once
POLL_S = 0.2  # between looks at a file that does not grow
Stop = Callable[[], bool]


def read_pipe(
    descriptor: int, *, line: int = 0, stop: Stop = lambda: False, max_line: int = MAX_LINE
) -> Iterator[LineBlock]:
    """Blocks of a pipe, terminal or redirected file until it ends or ``stop``; ``line`` came before."""
    splitter = LineSplitter(line, max_line)
    first = True
    while True:
        if stop():
            lost = len(splitter.pending)
            if lost:
                notice = f"the input was left in the middle of line {splitter.line + 1:,} ({lost:,} bytes)"
                yield LineBlock([], [], [], Position(splitter.line), [notice])
            return
        if not _ready(descriptor):
            yield LineBlock([], [], [], Position(splitter.line), [])
            continue
        data = os.read(descriptor, BLOCK)
        while data and len(data) < BLOCK and _ready(descriptor, 0.0):
            more = os.read(descriptor, BLOCK - len(data))
            if not more:
                break
            data += more
        if first:
            refuse_packed(data, "the input")
            first = False
        lines, numbers, long = splitter.feed(data) if data else splitter.finish()
        if lines or long:
            yield LineBlock(lines, numbers, long, Position(splitter.line), [])
        if not data:
            return


def follow_file(
    path: str | os.PathLike[str],
    *,
    position: Position | None = None,
    follow: bool = True,
    stop: Stop = lambda: False,
    max_line: int = MAX_LINE,
    poll_s: float = POLL_S,
) -> Generator[LineBlock, None, None]:
    """Blocks of a file from ``position`` on, until ``stop``, or with ``follow=False`` its end.

    A rotated file is read to its end before the new one is begun.  An unfinished last line is waited
    for; it counts as a line at the end of a file that will not grow: ``follow=False``, or rotated.
    Raises DataError for a path that cannot be read at the start, and for packed files.
    """
    reader = _FileReader(Path(path), max_line)
    try:
        yield from reader.blocks(position, follow, stop, poll_s)
    finally:
        reader.file.close()


class _FileReader:
    """The open file, how far it was read, and how it is told from another of the same name."""

    def __init__(self, path: Path, max_line: int) -> None:
        self.path, self._max_line = path, max_line
        self._notices: list[str] = []
        with open_bytes(path) as file:
            refuse_packed(file.read(4), str(path))
        self._use(open_bytes(path), path)

    def blocks(
        self, position: Position | None, follow: bool, stop: Stop, poll_s: float
    ) -> Iterator[LineBlock]:
        """What ``follow_file`` gives."""
        yield from self.begin(position)
        rested = True  # the file may be another since the last look
        while not stop():
            if rested and self.was_replaced():
                yield from self.begin_again()
            data = self.read()
            if data:
                rested = False
                if block := self.block(self.splitter.feed(data)):
                    yield block
                continue
            if not follow:
                if block := self.block(self.splitter.finish()):
                    yield block
                return
            if self.was_moved():
                yield from self.next_file()
                continue
            yield self._block([], [], [])
            rested = True
            time.sleep(poll_s)

    def _use(self, file: BinaryIO, path: Path, offset: int = 0, line: int = 0) -> None:
        """Read on in an open file."""
        self.file = file
        state = os.fstat(file.fileno())
        self.inode, self.changed_ns = state.st_ino, state.st_mtime_ns
        self.start = self.read_to = offset
        self.head = Head.of(file, offset)
        file.seek(max(0, offset - 1))
        unfinished = offset > 0 and file.read(1) != b"\n"
        if unfinished and file.read(1) not in (b"", b"\r", b"\n"):
            self._notices.append(
                f"line {line:,} of {path} has grown since it was read: its first part stands"
            )
        self.splitter = LineSplitter(line, self._max_line, unfinished)
        file.seek(offset)

    def read(self) -> bytes:
        data = self.file.read(BLOCK) or b""
        self.read_to += len(data)
        if data:
            self.changed_ns = os.fstat(self.file.fileno()).st_mtime_ns
        return data

    def position(self) -> Position:
        if not self.head.full and self.read_to > self.head.size:
            self.head = Head.of(self.file, self.read_to)
            self.file.seek(self.read_to)
        offset = self.start + self.splitter.ended
        return Position(self.splitter.line, offset, self.inode, self.changed_ns, self.head)

    def block(self, split: Split) -> LineBlock | None:
        """The block, None when there is nothing in it."""
        return self._block(*split) if split[0] or split[2] or self._notices else None

    def _block(
        self, lines: list[bytes], numbers: list[int], long: list[tuple[int, int]]
    ) -> LineBlock:
        notices, self._notices = self._notices, []
        return LineBlock(lines, numbers, long, self.position(), notices)

    def begin(self, p: Position | None) -> Iterator[LineBlock]:
        """Go to where an earlier process stopped; the rest of a file moved since comes first."""
        if p is None or p.head is None:
            return
        file, known = self.file, p.head.fits(self.file, p.offset)
        if not (known and self.inode == p.inode):
            moved = find_moved(self.path, p.inode, p.changed_ns, p.head, p.offset)
            if moved is not None:
                file.close()
                self._use(open_bytes(moved), moved, p.offset, p.line)
                yield from self.next_file()
                return
        if known:  # perhaps under another inode: written anew by an editor, or copied back
            self._use(file, self.path, p.offset, p.line)
            return
        file.seek(0)
        self._notices.append(
            f"{self.path} is not the file that was read before, and that one is not beside it: lines "
            "written to it since are not read. Reading begins at the start of the new one"
        )

    def was_replaced(self) -> bool:
        """Whether the open file was cut short, or begins with something else than it did."""
        same = self.head.fits(self.file, self.read_to)
        self.file.seek(self.read_to)
        return not same

    def begin_again(self) -> Iterator[LineBlock]:
        """After a cut: the rest from a copy, where there is one; then the file from its start."""
        copy = find_moved(self.path, None, self.changed_ns, self.head, self.read_to)
        old = self.file
        try:
            if copy is not None:
                self.file = open_bytes(copy)
                self.file.seek(self.read_to)
                yield from self._to_end()
                self.file.close()
            else:
                self._notices.append(f"{self.path} was cut short: it is read from its start again")
                if block := self.block(self.splitter.finish()):
                    yield block
            self._use(old, self.path)
        except GeneratorExit:
            old.close()
            raise

    def was_moved(self) -> bool:
        """Whether the path names another file, that was written to: the old one may still be until then."""
        try:
            now = os.stat(self.path)
        except FileNotFoundError:
            return False
        return now.st_ino != self.inode and now.st_size > 0

    def next_file(self) -> Iterator[LineBlock]:
        """Read the open file to its end, then those that came between, then begin the path's."""
        try:
            new: BinaryIO = open(self.path, "rb", buffering=0)  # noqa: SIM115 first, before any rotation
        except OSError:
            return  # gone again: the next look tells
        waiting = [*files_between(self.path, self.file, new), (self.path, new)]
        try:
            yield from self._to_end()
            while waiting:
                self.file.close()
                self._use(waiting[0][1], waiting[0][0])
                del waiting[0]
                if waiting:
                    yield from self._to_end()
        finally:
            for _, file in waiting:
                file.close()

    def _to_end(self) -> Iterator[LineBlock]:
        while data := self.read():
            if block := self.block(self.splitter.feed(data)):
                yield block
        if block := self.block(self.splitter.finish()):
            yield block


def open_bytes(path: Path) -> BinaryIO:
    """The file, unbuffered; DataError in words where it cannot be opened."""
    try:
        return open(path, "rb", buffering=0)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file. Check the path.") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder. Name a file in it.") from None


def refuse_packed(head: bytes, name: str) -> None:
    """Raise DataError for what begins as a packed file or as UTF-16 does."""
    if head[:2] == b"\x1f\x8b":
        raise DataError(
            f"{name}: is packed by gzip. Unpack it on the way: zcat FILE | gatework watch MODEL"
        )
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(
            f"{name}: is written in UTF-16. Turn it on the way: "
            "iconv -f UTF-16 -t UTF-8 FILE | gatework watch MODEL"
        )


def _ready(descriptor: int, wait_s: float = POLL_S) -> bool:
    """Whether something can be read; where the system cannot say, reading waits instead."""
    try:
        return bool(select.select([descriptor], [], [], wait_s)[0])
    except (OSError, ValueError):
        return wait_s > 0
