"""Files and folders are the old ones or the new ones, whatever goes wrong in between."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatework.errors import OutputError
from gatework.files import (
    _exchange,
    check_can_create,
    check_writable,
    replace_folder,
    write_atomically,
)

OLD, NEW = b"old content", b"new content" * 1000


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden files too."""
    return sorted(os.listdir(folder))


def failing(error: BaseException) -> Callable[..., Any]:
    def fail(*args: Any, **options: Any) -> Any:
        raise error

    return fail


def disk_full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# ------------------------------------------------------------------ one file


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    for content in (NEW, b"", OLD):
        write_atomically(path, content)
        assert path.read_bytes() == content
        assert names(tmp_path) == ["out.csv"]


def test_a_new_file_gets_the_usual_permissions_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    path = tmp_path / "out"
    mask = os.umask(0o027)
    try:
        write_atomically(path, OLD)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    write_atomically(path, NEW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(OLD)
    (tmp_path / "link").symlink_to("real")
    write_atomically(tmp_path / "link", NEW)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == NEW


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(pipe, OLD)
        assert os.read(reader, 100) == OLD
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("where", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("error", [disk_full(), KeyboardInterrupt()], ids=["full", "ctrl-c"])
def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    existing: bool,
    error: BaseException,
) -> None:
    path = tmp_path / "out.csv"
    if existing:
        path.write_bytes(OLD)
    monkeypatch.setattr(os, where, failing(error))
    expected = OutputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as raised:
        write_atomically(path, NEW)
    if expected is OutputError:
        assert str(path) in str(raised.value)
        assert "space" in str(raised.value).lower()
    assert names(tmp_path) == (["out.csv"] if existing else [])
    if existing:
        assert path.read_bytes() == OLD


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(OLD)
    for write in (lambda p: write_atomically(p, NEW), check_writable):
        with pytest.raises(OutputError, match="is a folder"):
            write(tmp_path)
        with pytest.raises(OutputError, match=r"absent' does not exist"):
            write(tmp_path / "absent" / "out")
        with pytest.raises(OutputError, match="cannot be written"):
            write(tmp_path / "file" / "out")
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == OLD


def test_a_file_that_may_not_be_written_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    path.write_bytes(OLD)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anything
    with pytest.raises(OutputError, match=r"permission denied.*where you may write"):
        write_atomically(path, NEW)
    with pytest.raises(OutputError, match="permission denied"):
        check_writable(path)
    assert path.read_bytes() == OLD


def test_checking_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "out")
    assert names(tmp_path) == []
    (tmp_path / "out").write_bytes(OLD)
    check_writable(tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == OLD
    assert names(tmp_path) == ["out"]


# ------------------------------------------------------------------ a folder


def test_a_folder_is_made_and_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "model"
    with replace_folder(path) as folder:
        assert not path.exists()
        assert folder.parent == path.parent
        (folder / "a").write_bytes(OLD)
    assert names(path) == ["a"]
    with replace_folder(path) as folder:
        assert names(folder) == []
        (folder / "b").write_bytes(NEW)
        assert names(path) == ["a"]
    assert names(path) == ["b"]
    assert (path / "b").read_bytes() == NEW
    assert names(path.parent) == ["model"]


def test_a_new_folder_gets_the_usual_permissions(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        with replace_folder(tmp_path / "model"):
            pass
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o750


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize(
    "error",
    [disk_full(), KeyboardInterrupt(), ValueError("mistake")],
    ids=["full", "ctrl-c", "bug"],
)
def test_a_block_that_fails_leaves_what_was_there(
    tmp_path: Path, existing: bool, error: BaseException
) -> None:
    path = tmp_path / "model"
    if existing:
        path.mkdir()
        (path / "a").write_bytes(OLD)

    def fill() -> None:
        with replace_folder(path) as folder:
            (folder / "a").write_bytes(NEW)
            raise error

    with pytest.raises(OutputError if isinstance(error, OSError) else type(error)) as raised:
        fill()
    if isinstance(error, OSError):
        assert "the disk is full" in str(raised.value)
        assert "What was there before is unchanged" in str(raised.value)
    check_old(tmp_path, existing)


def check_old(folder: Path, existing: bool) -> None:
    assert names(folder) == (["model"] if existing else [])
    if existing:
        assert names(folder / "model") == ["a"]
        assert (folder / "model" / "a").read_bytes() == OLD


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("when", ["before", "behind"])
@pytest.mark.parametrize("error", [disk_full(), KeyboardInterrupt()], ids=["full", "ctrl-c"])
def test_a_rename_that_fails_loses_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    existing: bool,
    after: int,
    when: str,
    error: BaseException,
) -> None:
    """Each rename in turn: refused, or done and then interrupted; no exchange of names to be had."""
    monkeypatch.setattr("gatework.files._exchange", lambda *_: False)
    path = tmp_path / "model"
    if existing:
        path.mkdir()
        (path / "a").write_bytes(OLD)
    rename, calls = os.rename, 0

    def interrupted(source: Any, target: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == after + 1 and when == "before":
            raise error
        rename(source, target)
        if calls == after + 1:
            raise error

    monkeypatch.setattr(os, "rename", interrupted)

    def fill() -> None:
        with replace_folder(path) as folder:
            (folder / "a").write_bytes(NEW)

    failed = False
    try:
        fill()
    except (OutputError, KeyboardInterrupt):
        failed = True
    assert failed == (after < (2 if existing else 1))
    # Old or new, whole, and nothing beside it.
    if path.exists() or existing:
        assert names(tmp_path) == ["model"]
        assert names(path) == ["a"]
        assert (path / "a").read_bytes() in (OLD, NEW)
    else:
        assert names(tmp_path) == []
    if not failed:
        assert (path / "a").read_bytes() == NEW
    elif when == "before":
        check_old(tmp_path, existing)


def test_an_old_folder_is_exchanged_where_the_system_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No moment without a model at its place: neither folder is ever renamed to a third name."""
    for name in ("model", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "model" / "a").write_bytes(OLD)
    if not _exchange(tmp_path / "model", tmp_path / "other"):
        pytest.skip("this system or file system cannot exchange two names")
    assert (names(tmp_path / "model"), names(tmp_path / "other")) == ([], ["a"])
    (tmp_path / "model").rmdir()
    monkeypatch.setattr(os, "rename", failing(AssertionError("renamed")))
    with replace_folder(tmp_path / "other") as folder:
        (folder / "b").write_bytes(NEW)
    assert names(tmp_path) == ["other"]
    assert names(tmp_path / "other") == ["b"]


def test_an_exchange_with_nothing_is_refused_and_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert not _exchange(tmp_path / "a", tmp_path / "absent")
    assert names(tmp_path) == ["a"]


def test_a_folder_behind_a_link_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with replace_folder(tmp_path / "link") as folder:
        (folder / "b").write_bytes(NEW)
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path / "real") == ["b"]
    assert names(tmp_path) == ["link", "real"]


def test_a_sync_that_fails_leaves_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a").write_bytes(OLD)
    monkeypatch.setattr(os, "fsync", failing(disk_full()))

    def fill() -> None:
        with replace_folder(tmp_path / "model") as folder:
            (folder / "b").write_bytes(NEW)

    with pytest.raises(OutputError, match="the disk is full"):
        fill()
    check_old(tmp_path, True)


def test_folders_that_cannot_be_made_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(OLD)

    def fill() -> None:
        with replace_folder(tmp_path / "file" / "model"):
            pytest.fail("the block must not begin")

    with pytest.raises(OutputError, match="cannot write"):
        fill()
    with pytest.raises(OutputError, match="cannot write"):
        check_can_create(tmp_path / "file" / "model")
    check_can_create(tmp_path / "deep" / "model")
    assert names(tmp_path) == ["file"]


# ------------------------------------------------------------------ a real limit

LIMITED = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write past the limit fails instead of killing
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
from gatework.errors import OutputError
from gatework.files import replace_folder, write_atomically
path = Path(sys.argv[1])
content = b"x" * int(sys.argv[2])
try:
    if path.name == "model":
        with replace_folder(path) as folder:
            (folder / "small").write_bytes(b"small")
            (folder / "a").write_bytes(content)
    else:
        write_atomically(path, content)
except OutputError as error:
    print(error)
    sys.exit(2)
"""


@pytest.mark.skipif(not hasattr(shutil, "disk_usage") or os.name != "posix", reason="POSIX limits")
@pytest.mark.parametrize("name", ["out.csv", "model"])
def test_a_real_write_past_a_limit(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "model":
        path.mkdir()
    file = path / "a" if name == "model" else path
    file.write_bytes(OLD)

    def write(size: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-B", "-c", LIMITED, str(path), str(size)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    refused = write(100_000)
    assert refused.returncode == 2, refused.stderr
    assert str(path) in refused.stdout
    assert "large" in refused.stdout
    assert refused.stderr == ""
    assert names(tmp_path) == [name]
    assert file.read_bytes() == OLD
    assert write(4000).returncode == 0  # and the same below the limit
    assert file.read_bytes() == b"x" * 4000
    assert names(tmp_path) == [name]
