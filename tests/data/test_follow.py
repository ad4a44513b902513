"""Lines of pipes and growing files: every line once, through rotations, cuts and restarts."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.data.follow import follow_file, read_pipe
from gatework.data.line_blocks import LineBlock, LineSplitter, Position
from gatework.errors import DataError


class Follower:
    """A process that follows a file; ``lines`` is what it has read until nothing new is there."""

    def __init__(self, path: Path, position: Position | None = None, **options: Any) -> None:
        self.blocks = follow_file(path, position=position, poll_s=0.0, **options)
        self.position = position
        self.notices: list[str] = []
        self.numbers: list[int] = []
        self.too_long: list[tuple[int, int]] = []

    def lines(self, blocks: int = 10_000) -> list[bytes]:
        found: list[bytes] = []
        for _, block in zip(range(blocks), self.blocks, strict=False):
            found += block.lines
            self.numbers += block.numbers
            self.too_long += block.too_long
            self.notices += block.notices
            self.position = Position.from_json(block.position.to_json())
            if not (block.lines or block.too_long or block.notices):
                break
        return found

    def restarted(self, path: Path) -> Follower:
        self.blocks.close()
        return Follower(path, self.position)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_bytes(b"one\ntwo\n")
    return path


def add(path: Path, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)


def test_lines_come_as_they_are_written_and_an_unfinished_one_is_waited_for(log: Path) -> None:
    follower = Follower(log)
    assert follower.lines() == [b"one", b"two"]
    assert follower.lines() == []
    add(log, b"thr")
    assert follower.lines() == []
    add(log, b"ee\r\nfour\n")
    assert follower.lines() == [b"three", b"four"]
    assert follower.numbers == [1, 2, 3, 4]
    follower.blocks.close()


def test_the_end_of_a_file_that_is_not_followed_ends_its_last_line(log: Path) -> None:
    add(log, b"\xef\xbb\xbfthree")
    blocks = list(follow_file(log, follow=False))
    assert [line for b in blocks for line in b.lines] == [b"one", b"two", b"\xef\xbb\xbfthree"]
    log.write_bytes(b"\xef\xbb\xbfone\n")  # a byte order mark is no part of the first line
    assert next(follow_file(log, follow=False)).lines == [b"one"]


def test_a_renamed_file_is_read_to_its_end_before_the_new_one(log: Path) -> None:
    follower = Follower(log)
    follower.lines()
    add(log, b"three\nlast")
    log.rename(log.with_name("app.log.1"))
    assert follower.lines() == [b"three"]
    log.touch()
    add(log.with_name("app.log.1"), b" one\n")  # written while the new file is still empty
    assert follower.lines() == [b"last one"]
    add(log, b"1\n2\n")
    assert follower.lines() == [b"1", b"2"]
    assert follower.numbers[-2:] == [1, 2]
    assert not follower.notices
    follower.blocks.close()


def test_a_file_that_was_copied_and_cut_loses_nothing(log: Path) -> None:
    follower = Follower(log)
    follower.lines()
    add(log, b"three\n")
    shutil.copy(log, log.with_name("app.log.1"))
    os.truncate(log, 0)
    assert follower.lines() == [b"three"]
    add(log, b"a much longer line than all that was there before\n")
    assert follower.lines() == [b"a much longer line than all that was there before"]
    assert not follower.notices
    follower.blocks.close()


def test_a_file_that_was_overwritten_is_begun_again_and_says_so(log: Path) -> None:
    follower = Follower(log)
    follower.lines()
    log.write_bytes(b"other\n" * 10)  # longer than what was read: told by its first bytes
    assert follower.lines() == [b"other"] * 10
    assert "was cut short" in follower.notices[0]
    follower.blocks.close()


@pytest.mark.parametrize("how", ["renamed", "copied"])
def test_a_restart_after_rotations_goes_on_where_it_stopped(log: Path, how: str) -> None:
    follower = Follower(log)
    assert follower.lines() == [b"one", b"two"]
    add(log, b"three\n")
    for n, text in enumerate((b"four\n", b"five\n"), 1):
        for k in range(n, 0, -1):
            older, newer = log.with_name(f"app.log.{k}"), log.with_name(f"app.log.{k - 1}")
            source = log if k == 1 else newer
            if source == log and how == "copied":
                shutil.copy(log, older)
                os.truncate(log, 0)
            else:
                source.rename(older)
        add(log, text)
        stamp = 2_000_000_000 + n  # all are written within a tick of some clocks
        os.utime(log, (stamp, stamp))
    again = follower.restarted(log)
    assert again.lines() == [b"three", b"four", b"five"]
    assert not again.notices
    again.blocks.close()


def test_a_restart_tells_when_the_rest_is_gone(log: Path) -> None:
    follower = Follower(log)
    follower.lines()
    add(log, b"three\n")
    log.rename(log.with_name("elsewhere"))
    log.with_name("elsewhere").unlink()
    log.write_bytes(b"new\n")
    again = follower.restarted(log)
    assert again.lines() == [b"new"]
    assert "is not the file that was read before" in again.notices[0]
    again.blocks.close()


def test_a_line_that_was_taken_at_the_end_is_not_read_twice(log: Path) -> None:
    add(log, b"thr")
    follower = Follower(log, follow=False)
    assert follower.lines() == [b"one", b"two", b"thr"]
    add(log, b"ee\nfour\n")
    again = follower.restarted(log)
    assert again.lines() == [b"four"]
    assert again.numbers == [4]
    assert "line 3" in again.notices[0]
    again.blocks.close()


def test_an_overlong_line_is_passed_over_and_told(log: Path) -> None:
    add(log, b"x" * 10_000_000)
    follower = Follower(log)
    assert follower.lines() == [b"one", b"two"]
    for _ in range(60):
        follower.lines(1)
    assert not follower.too_long  # it has no end yet
    again = follower.restarted(log)
    add(log, b"x\nfour\n")
    assert again.lines(100) == [b"four"]
    assert again.too_long == [(3, 10_000_001)]
    assert again.numbers == [4]
    again.blocks.close()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_line_comes_once_whatever_happens_between(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Writes, renames and restarts in any order; the lines read are the lines written."""
    folder = tmp_path_factory.mktemp("rotated")
    path, written, read = folder / "app.log", 0, []
    path.write_bytes(b"line 0\n")
    follower = Follower(path)
    read += follower.lines()  # from here on it is known which file is meant
    clock, rotations = 1_000_000_000, 0  # an hour between steps: some clocks tick too slowly
    os.utime(path, (clock, clock))
    for _ in range(data.draw(st.integers(1, 12))):
        step = data.draw(st.sampled_from(["write", "write", "half", "rename", "read", "restart"]))
        if step in ("write", "half"):
            written += 1
            add(path, f"line {written}".encode())
            if step == "half":
                read += follower.lines()
            add(path, b"\n")
        elif step == "rename":
            rotations += 1
            path.rename(folder / f"app.log.{rotations}")
            written += 1
            path.write_bytes(f"line {written}\n".encode())
        elif step == "read":
            read += follower.lines(data.draw(st.integers(1, 3)))
        else:
            follower = follower.restarted(path)
        clock += 3600
        os.utime(path, (clock, clock))
    for _ in range(20):
        read += follower.lines()
    follower.blocks.close()
    assert read == [f"line {n}".encode() for n in range(written + 1)]


@given(st.lists(st.binary(max_size=12), max_size=20), st.data())
def test_pieces_of_any_size_give_the_same_lines(parts: list[bytes], data: st.DataObject) -> None:
    text = b"\n".join(parts)
    splitter, lines, numbers, long = LineSplitter(max_line=8), [], [], []
    rest = text
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        found = splitter.feed(rest[:size])
        rest = rest[size:]
        assert text[: splitter.ended].count(b"\n") == splitter.line
        for kept, new in zip((lines, numbers, long), found, strict=True):
            kept += new
    for kept, new in zip((lines, numbers, long), splitter.finish(), strict=True):
        kept += new
    whole = text.split(b"\n")
    if whole[-1] == b"":
        whole.pop()
    right = {n: line for n, line in enumerate(whole, 1) if len(line) <= 8}
    assert splitter.ended == len(text)
    assert long == [(n, len(line)) for n, line in enumerate(whole, 1) if len(line) > 8]
    shown = [line.removesuffix(b"\r") for line in right.values()]
    if 1 in right:
        shown[0] = right[1].removeprefix(b"\xef\xbb\xbf").removesuffix(b"\r")
    assert lines == shown
    assert numbers == list(right)


def piped(*pieces: bytes) -> Iterator[LineBlock]:
    """Blocks of a pipe into which a thread writes."""
    out, into = os.pipe()

    def write() -> None:
        for piece in pieces:
            os.write(into, piece)
        os.close(into)

    thread = threading.Thread(target=write)
    thread.start()
    yield from read_pipe(out)
    thread.join()
    os.close(out)


def test_a_pipe_is_read_to_its_end_and_its_last_line_counts() -> None:
    many = b"".join(b"%d\n" % n for n in range(200_000))
    blocks = list(piped(b"a\nb", b"\r\n", many, b"end"))
    lines = [line for b in blocks for line in b.lines]
    assert lines == [b"a", b"b", *(b"%d" % n for n in range(200_000)), b"end"]
    assert [n for b in blocks for n in b.numbers] == list(range(1, len(lines) + 1))
    assert blocks[-1].position.line == len(lines)


def test_a_pipe_that_is_left_says_what_was_begun() -> None:
    out, into = os.pipe()
    os.write(into, b"one\ntw")
    left = iter([False, True])
    blocks = list(read_pipe(out, stop=lambda: next(left)))
    assert blocks[0].lines == [b"one"]
    assert blocks[1].notices == ["the input was left in the middle of line 2 (2 bytes)"]
    os.close(out)
    os.close(into)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\x1f\x8b\x08\x00rest", "packed by gzip"), (b"\xff\xfea\x00\n\x00", "UTF-16")],
)
def test_packed_input_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        next(follow_file(path))
    with pytest.raises(DataError, match=words):
        list(piped(content))


def test_a_path_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        next(follow_file(tmp_path / "absent.log"))
    with pytest.raises(DataError, match="is a folder"):
        next(follow_file(tmp_path))
