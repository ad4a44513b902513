"""A log file as numbers: times, templates, parameters and sessions of its lines, in bounded memory."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import polars as pl

from gatework.data.log_lines import MAX_LINE, SAMPLE, LineReader
from gatework.data.log_templates import LogTemplates
from gatework.errors import DataError

_CHUNK = 1 << 20  # bytes read at once
_FEW = 64  # texts up to which Python reads numbers faster than polars
Int64s = np.ndarray[Any, np.dtype[np.int64]]
Float64s = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class LogData:
    """N lines of a log; blank ones are left out."""

    times: Int64s | None
    """(N,) microseconds since 1970, of the line before where a line has none; None without times."""
    templates: Int64s
    """(N,) numbers of templates, -1 unseen."""
    offsets: Int64s
    """(N + 1,) where the parameters of each line begin in ``numbers``."""
    numbers: Float64s
    """(M,) parameters of all lines, NaN for what is no number."""
    keys: Int64s | None
    """(N,) index in ``sessions``, -1 where a line is of none; None when none were asked for."""
    sessions: tuple[str, ...]
    """Names of the sessions, in the order in which they began."""
    lines: Int64s
    """(N,) number of each line in the file, the first being 1."""
    reader: LineReader
    log_templates: LogTemplates
    notes: tuple[str, ...]


def read_log(
    path: str | os.PathLike[str],
    *,
    rows: int | None = None,
    session: str | None = None,
    reader: LineReader | None = None,
    templates: LogTemplates | None = None,
    fit_share: float = 1.0,
    max_templates: int = 1000,
    year: int | None = None,
) -> LogData:
    """The first ``rows`` lines of a log, plain or ``.gz``, read in blocks.

    session: regular expression that names the session of a line; see ``LineReader``.
    reader, templates: of a fit; without them they are made from this file, the templates from the
        first ``fit_share`` of its lines.
    Invalid UTF-8 is replaced, a line of more than MAX_LINE bytes is cut; both are counted in ``notes``.
    Raises DataError for a file that is no log: empty, binary, damaged, or UTF-16.
    """
    path = Path(path)
    sample = _sample(path)
    if not sample:
        raise DataError(f"{path}: holds no lines. Give a log with one entry a line.")
    if reader is None:
        reader = LineReader.fit(sample, session=session, year=year)
    year = year if year is not None else reader.year
    if templates is None:
        limit = rows
        if fit_share < 1:
            total = sum(len(numbers) for numbers, _ in line_blocks(path, rows))
            limit = max(1, int(total * fit_share))
        messages = _messages(path, limit, reader.fresh(year))
        templates = LogTemplates.fit(messages, max_templates=max_templates)
    fresh = reader.fresh(year)
    made = _Columns(fresh, templates)
    for numbers, lines in line_blocks(path, rows):
        made.add(numbers, lines)
    return made.data()


def line_blocks(
    path: str | os.PathLike[str], rows: int | None = None
) -> Iterator[tuple[list[int], list[bytes]]]:
    """Blocks of (numbers, lines) of a file, blank lines left out, at most ``rows`` lines in all.

    A line comes with at most MAX_LINE + 1 bytes, so that one without an end does not fill the memory.
    """
    left = rows
    number, rest, long = 0, b"", False
    with _open(Path(path)) as file:
        for chunk in _chunks(file, Path(path)):
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            if long and lines:
                lines[0], long = lines[0][: MAX_LINE + 1], False
            if len(rest) > MAX_LINE:
                rest, long = rest[: MAX_LINE + 1], True
            kept = [(n, line) for n, line in enumerate(lines, number + 1) if line.strip()][:left]
            number += len(lines)
            if kept:
                yield [n for n, _ in kept], [line[: MAX_LINE + 1] for _, line in kept]
            if left is not None:
                left -= len(kept)
                if left <= 0:
                    return
        if rest.strip():
            yield [number + 1], [rest]


def texts_at(path: str | os.PathLike[str], lines: Sequence[int]) -> dict[int, str]:
    """The texts of the lines with these numbers, for showing; the file is read up to the last."""
    wanted = set(lines)
    found: dict[int, str] = {}
    for numbers, block in line_blocks(path):
        if wanted.isdisjoint(numbers):
            continue
        hits = {n: t for n, t in zip(numbers, block, strict=True) if n in wanted}
        found |= {n: t.decode("utf-8", "replace").rstrip("\r") for n, t in hits.items()}
        if len(found) == len(wanted):
            break
    return found


def parameter_numbers(parameters: Sequence[Sequence[str]]) -> tuple[Int64s, Float64s]:
    """Offsets (N + 1,) and numbers (M,) of the parameters of N lines; NaN for what is no number.

    >>> parameter_numbers([("3", "10.0.0.1"), (), ("-1.5",)])
    (array([0, 2, 2, 3]), array([ 3. ,  nan, -1.5]))
    """
    offsets = np.zeros(len(parameters) + 1, dtype=np.int64)
    np.cumsum([len(p) for p in parameters], out=offsets[1:])
    texts = [text for p in parameters for text in p]
    if len(texts) <= _FEW:  # of a line alone, 100 times faster
        return offsets, np.array([_number(t) for t in texts], dtype=np.float64)
    flat = pl.Series(texts, dtype=pl.String)
    numbers = flat.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().copy()
    numbers[~np.isfinite(numbers)] = np.nan
    return offsets, numbers


def _number(text: str) -> float:
    try:
        number = float(text) if text.isascii() and "_" not in text else np.nan
    except ValueError:
        return np.nan
    return number if np.isfinite(number) else np.nan


class _Columns:
    """Collects the columns of a LogData block by block."""

    def __init__(self, reader: LineReader, templates: LogTemplates) -> None:
        self.reader, self.templates = reader, templates
        self.lines: list[Int64s] = []
        self._times: list[Int64s] = []
        self._ids: list[Int64s] = []
        self._counts: list[Int64s] = []
        self._numbers: list[Float64s] = []
        self._keys: list[Int64s] = []
        self._sessions: dict[str, int] = {}

    def add(self, numbers: list[int], lines: list[bytes]) -> None:
        times, messages, keys = self.reader.read_many(lines)
        ids, parameters = self.templates.match_many(messages)
        offsets, values = parameter_numbers(parameters)
        self.lines.append(np.array(numbers, dtype=np.int64))
        self._times.append(times)
        self._ids.append(ids)
        self._counts.append(np.diff(offsets))
        self._numbers.append(values)
        if self.reader.session is not None:
            known = self._sessions
            codes = [-1 if k is None else known.setdefault(k, len(known)) for k in keys]
            self._keys.append(np.array(codes, dtype=np.int64))

    def data(self) -> LogData:
        times = np.concatenate(self._times) if self.reader.time_format else None
        if times is not None:
            before = times == np.iinfo(np.int64).min
            times[before] = times[~before][0] if not before.all() else 0
        counts = np.concatenate(self._counts)
        return LogData(
            times=times,
            templates=np.concatenate(self._ids),
            offsets=np.concatenate([[0], np.cumsum(counts)]),
            numbers=np.concatenate(self._numbers),
            keys=np.concatenate(self._keys) if self._keys else None,
            sessions=tuple(self._sessions),
            lines=np.concatenate(self.lines),
            reader=self.reader,
            log_templates=self.templates,
            notes=(*self._notes(), *self.templates.notes),
        )

    def _notes(self) -> Iterator[str]:
        r = self.reader
        for count, what in (
            (r.invalid, "with invalid UTF-8, which was replaced"),
            (r.cut, f"longer than {MAX_LINE:,} bytes, which were cut"),
            (r.timeless, "without a time, which take that of the line before"),
        ):
            if count:
                yield f"{count:,} line{'s' if count > 1 else ''} {what}"


def _sample(path: Path) -> list[bytes]:
    sample: list[bytes] = []
    for _, lines in line_blocks(path, SAMPLE):
        sample += lines
    return sample


def _messages(path: Path, rows: int | None, reader: LineReader) -> Iterator[str]:
    for _, lines in line_blocks(path, rows):
        yield from reader.read_many(lines)[1]


def _open(path: Path) -> IO[bytes]:
    try:
        if path.suffix == ".gz":
            return cast("IO[bytes]", gzip.open(path, "rb"))
        return open(path, "rb")
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file. Check the path.") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder. Name a log file in it.") from None


def _chunks(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """The file in pieces; refuses what is no text by its first bytes."""
    first = True
    while True:
        try:
            chunk = file.read(_CHUNK)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise DataError(
                f"{path}: is damaged or not gzip: it cannot be unpacked. Fetch it again."
            ) from None
        if first:
            _refuse_binary(chunk, path)
            chunk, first = chunk.removeprefix(b"\xef\xbb\xbf"), False
        if not chunk:
            return
        yield chunk


def _refuse_binary(head: bytes, path: Path) -> None:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(
            f"{path}: is written in UTF-16. Turn it into UTF-8 first: "
            f"iconv -f UTF-16 -t UTF-8 {path} > log.txt"
        )
    if head[:2] == b"\x1f\x8b":
        raise DataError(f"{path}: is packed by gzip. Give it the ending .gz.")
    if head[:4096].count(0) > len(head[:4096]) / 50:
        raise DataError(f"{path}: is binary, not lines of text. Give a log with one entry a line.")
