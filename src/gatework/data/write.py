"""Files out: a frame or bytes appear under a path whole, or not at all."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl

from gatework.errors import ConfigError, OutputError

WRITE_ENDINGS = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".ndjson")


def write_table(frame: pl.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write a frame as .csv .tsv .parquet .json (array of records) or .jsonl, whole or not at all.

    The file appears under its name only when complete; until then a previous one stays as it was.
    Raises ConfigError for an unknown ending, OutputError when it cannot be written (folder missing,
    no permission, disk full).
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in WRITE_ENDINGS:
        raise ConfigError(
            f"{path}: cannot write a table of kind {ending or 'without an ending'!r}. "
            f"Name a file that ends in one of {', '.join(WRITE_ENDINGS)}."
        )
    buffer = io.BytesIO()
    if ending == ".parquet":
        frame.write_parquet(buffer)
    elif ending in (".csv", ".tsv"):
        _plain_times(frame).write_csv(buffer, separator="\t" if ending == ".tsv" else ",")
    else:
        plain = _plain_times(frame).with_columns(pl.selectors.float().fill_nan(None))
        if ending == ".json":
            plain.write_json(buffer)
        else:
            plain.write_ndjson(buffer)
    write_atomically(path, buffer.getvalue())


def _plain_times(frame: pl.DataFrame) -> pl.DataFrame:
    """Frame with timestamps as text, without fractions of a second where there are none."""
    texts = []
    for column, dtype in frame.schema.items():
        if isinstance(dtype, pl.Datetime):
            whole = (frame[column].dt.nanosecond().drop_nulls() == 0).all()
            zone = "%:z" if dtype.time_zone else ""
            texts.append(
                pl.col(column).dt.to_string(f"%Y-%m-%d %H:%M:%S{'' if whole else '%.6f'}{zone}")
            )
    return frame.with_columns(texts) if texts else frame


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
