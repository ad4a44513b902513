"""Files that are either the old one or the new one, never half of either."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import isfinite
from pathlib import Path
from typing import Any

from gatework.errors import OutputError


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Put bytes under a path, whole or not at all: temporary file beside it, fsync, rename.

    Raises OutputError; what was there before is unchanged and nothing is left behind.
    """
    path = Path(path)
    with _refusals_named(path):
        if path.exists() and not path.is_file() and not path.is_dir():  # a pipe, /dev/stdout
            path.write_bytes(content)
            return
        target = path.resolve()  # through a link, so that the link stays one
        temporary = _temporary_beside(target)
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, _mode_of(target))
            os.replace(temporary, target)
        finally:
            with suppress(OSError):
                os.unlink(temporary)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Return when a file could be written at ``path`` now; leaves nothing behind.

    Raises OutputError, so that hours of training are not lost to a mistyped folder.
    """
    path = Path(path)
    with _refusals_named(path):
        if path.exists() and not path.is_file() and not path.is_dir():
            return
        os.unlink(_temporary_beside(path.resolve()))


def _temporary_beside(target: Path) -> str:
    if target.is_dir():
        raise IsADirectoryError(21, "Is a directory", str(target))
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(13, "Permission denied", str(target))
    handle, temporary = tempfile.mkstemp(".tmp", f".{target.name}.", target.parent)
    os.close(handle)
    return temporary


def _mode_of(target: Path) -> int:
    """Permissions of the file to be replaced, or those that a new file gets (mkstemp: 0600)."""
    if target.exists():
        return target.stat().st_mode & 0o7777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


@contextmanager
def _refusals_named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, IsADirectoryError) or path.is_dir():
            reason, advice = "is a folder", "Name a file in it"
        elif not path.parent.is_dir():
            reason = f"the folder {str(path.parent)!r} does not exist"
            advice = "Create it, or name another"
        else:
            reason = (error.strerror or str(error)).lower()
            advice = "Free some space or choose another place"
            if isinstance(error, PermissionError):
                advice = "Choose a place where you may write"
        raise OutputError(f"{path}: cannot be written: {reason}. {advice}.") from None


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside ``path`` that takes its place when the block ends without an error.

    After an error, Ctrl-C included, the new folder is gone and ``path`` is as it was.
    """
    asked, path = path, path.resolve()  # through a link, so that the link stays one
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        os.chmod(temporary, 0o777 & ~_umask())
    except OSError as error:
        raise cannot_write(asked, error) from None
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync(file)
        _swap(temporary, path)
    except OSError as error:
        raise cannot_write(asked, error) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_can_create(path: Path) -> None:
    """Raise OutputError when nothing can be made at ``path``; leaves nothing behind."""
    parent = path.resolve().parent
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    try:
        os.rmdir(tempfile.mkdtemp(prefix=f".{path.name}.", dir=parent))
    except OSError as error:
        raise cannot_write(path, error) from None


def _swap(new: Path, path: Path) -> None:
    """Rename ``new`` to ``path``; an old folder there takes the name of ``new``, or is gone.

    Where the system can exchange two names at once, no crash comes between; elsewhere the old folder is
    moved aside first and put back on failure.
    """
    if not path.exists():
        os.rename(new, path)
        return
    if _exchange(new, path):
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    try:
        os.rename(path, aside / "old")
        os.rename(new, path)
    except BaseException:  # Ctrl-C too: it may come between the two
        if (aside / "old").exists() and not path.exists():
            os.rename(aside / "old", path)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(a: Path, b: Path) -> bool:
    """Swap two names in one step (Linux); False where that cannot be done, and nothing has happened."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(renameat2(here, os.fsencode(a), here, os.fsencode(b), exchange) == 0)


def cannot_write(path: Path, error: OSError) -> OutputError:
    """The error for a failed write, in words."""
    reasons = {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the disk quota is used up",
        errno.EFBIG: "the file would be larger than allowed here",
        errno.EACCES: "no permission to write there",
        errno.EPERM: "no permission to write there",
        errno.EROFS: "the file system is read-only",
        errno.ENOENT: "its folder does not exist",
        errno.ENOTDIR: "a part of its path is a file, not a folder",
        errno.EISDIR: "it is a folder",
    }
    reason = reasons.get(error.errno or 0, error.strerror or str(error))
    return OutputError(
        f"cannot write {path}: {reason}. What was there before is unchanged. Choose another place with -o."
    )


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def json_numbers(value: Any) -> Any:
    """``value`` with None for every number that JSON cannot hold: a score may overflow.

    >>> json_numbers({"MAE": float("inf"), "by step": [1.0, float("nan")]})
    {'MAE': None, 'by step': [1.0, None]}
    """
    if isinstance(value, dict):
        return {k: json_numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [json_numbers(v) for v in value]
    return None if isinstance(value, float) and not isfinite(value) else value
