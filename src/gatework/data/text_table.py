"""Text tables: bytes of a CSV-like file become a frame of numbers and texts.

Every column is read as text and turned into numbers afterwards, so that a stray word in row 90,000
stays in the table, where whoever needs the column can name it, instead of stopping the parser.
"""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import polars as pl

from gatework.errors import DataError

NULL_WORDS = ["", "NA", "N/A", "nan", "NaN", "null", "None", "-"]
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}

_LF, _QUOTE = 10, 34
_COMMA_NUMBER = r"^[+-]?(\d+|\d{1,3}(\.\d{3})+)?(,\d*)?([eE][+-]?\d+)?$"


def read_text(
    raw: bytes, name: str, *, separator: str | None = None
) -> tuple[pl.DataFrame, np.ndarray]:
    """Frame of a text table, and the line (from 1) on which each of its rows starts.

    raw: the file; UTF-8 with or without byte-order mark, or UTF-16 with one.
    separator: what separates the fields; found among ``, ; tab |`` when None.

    Numbers with a decimal comma are understood where the separator is not a comma.  Lines without
    any value are left out.  Raises DataError for binary content, another encoding, repeated column
    names, rows with too many or too few fields, and a quote that is never closed.
    """
    raw = _utf8(raw, name)
    blank = len(raw) - len(raw.lstrip(b"\n"))
    raw = raw[blank:]
    separator = separator or _find_separator(raw)
    layout = _Layout(raw, separator)
    columns = tidy_columns(_header(raw, layout, separator, name), name)
    frame = _parse(raw, columns, separator, name, layout, blank)
    lines = layout.starts[1:] + blank
    if len(lines) != frame.height:  # stray quotes: polars and the count of quotes disagree
        lines = np.arange(frame.height) + 2 + blank
    empty = frame.select(pl.all_horizontal(pl.all().is_null())).to_series().to_numpy()
    if frame.width == 1 and frame.height:
        # A blank line in a one-column file is a missing value, except at the end.
        last = int(np.flatnonzero(~empty)[-1]) + 1 if (~empty).any() else 0
        empty = empty & (np.arange(frame.height) >= last)
    if empty.any():
        frame, lines = frame.filter(~empty), lines[~empty]
    return frame.select(_typed(s, decimal_comma=separator != ",") for s in frame), lines


def tidy_columns(columns: list[str], name: str) -> list[str]:
    """Names without surrounding blanks; an empty one becomes ``unnamed``; DataError on repeats."""
    tidy = [c.strip() or "unnamed" for c in columns]
    for k, column in enumerate(tidy):
        if column in tidy[:k]:
            raise DataError(
                f"{name}: the column name {column!r} occurs twice (columns "
                f"{tidy.index(column) + 1} and {k + 1}). Rename one of them."
            )
    return tidy


def _utf8(raw: bytes, name: str) -> bytes:
    """The same text as UTF-8 with line feeds, without byte-order mark."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return raw.decode("utf-16").replace("\r\n", "\n").lstrip("\ufeff").encode()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}: begins as UTF-16 text but is damaged at byte {error.start}. "
                "Save it again, best as UTF-8."
            ) from None
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    kind = {b"PK\x03\x04": "a zip or Excel file", b"PAR1": "a Parquet file"}.get(raw[:4])
    kind = kind or {b"\x1f\x8b": "a gzip file"}.get(raw[:2])
    if kind or b"\0" in raw[:65536]:
        raise DataError(
            f"{name}: is {kind or 'binary data'}, not a text table. Export it as CSV, or give the "
            "file the ending of what it is (.parquet, .csv.gz, .jsonl)."
        )
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        before = re.split(rb"[\r\n]", raw[max(0, error.start - 12) : error.start])[-1]
        after = re.split(rb"[\r\n]", raw[error.start : error.start + 12])[0]
        guess = (before + after).decode("cp1252", "replace")
        raise DataError(
            f"{name}, line {line}: is not UTF-8 text: byte {error.start} is "
            f"0x{raw[error.start]:02x} (as Windows-1252 it would read "
            f"{guess!r}). Save the file as UTF-8, for example with: "
            "iconv -f WINDOWS-1252 -t UTF-8"
        ) from None
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n")
        if b"\n" not in raw:
            raw = raw.replace(b"\r", b"\n")
    return raw


def _find_separator(raw: bytes) -> str:
    """The separator that splits the first lines most evenly, the comma when none does."""
    lines = raw[:65536].split(b"\n")[:50]
    lines = [re.sub(rb'"[^"]*"', b"", line) for line in lines if line.strip()]
    if len(lines) > 2 and len(raw) > 65536:
        lines.pop()  # it may be cut

    def evenness(separator: str) -> tuple[float, int]:
        counts = [line.count(separator.encode()) for line in lines]
        same = sum(c == counts[0] for c in counts) / len(counts)
        return (same, counts[0]) if counts[0] else (0.0, 0)

    return max(SEPARATORS, key=evenness) if lines else ","


class _Layout:
    """Where the rows of a text table begin and how many fields each has, quotes respected."""

    def __init__(self, raw: bytes, separator: str) -> None:
        data = np.frombuffer(raw, dtype=np.uint8)
        breaks, splits = data == _LF, data == ord(separator)
        self.unclosed: int | None = None
        ends = np.flatnonzero(breaks)
        newlines = ends
        if b'"' in raw:
            quotes = data == _QUOTE
            inside = np.logical_xor.accumulate(quotes)
            if inside[-1]:
                self.unclosed = int(np.flatnonzero(quotes)[-1])
            ends = np.flatnonzero(breaks & ~inside)
            splits &= ~inside
        if not len(ends) or ends[-1] != len(data) - 1:
            ends = np.append(ends, len(data))
        begins = np.concatenate([[0], ends[:-1] + 1])
        self.begins = begins
        self.ends = ends
        self.starts = np.searchsorted(newlines, begins) + 1
        at = np.flatnonzero(splits)
        self.fields = np.searchsorted(at, ends) - np.searchsorted(at, begins) + 1
        self.blank = ends == begins


def _header(raw: bytes, layout: _Layout, separator: str, name: str) -> list[str]:
    text = raw[: int(layout.ends[0])].decode("utf-8")
    cells = next(csv.reader(io.StringIO(text), delimiter=separator, strict=False), [])
    values = [c.strip() for c in cells]
    if values and _looks_like_data(values):
        raise DataError(
            f"{name}, line 1: {text.strip()[:60]!r} looks like values, not like column names. "
            "Put a line with the names of the columns at the top."
        )
    return cells


def _looks_like_data(cells: list[str]) -> bool:
    """Whether every cell of a header is a number or a date; pandas names columns 0, 1, 2, ..."""
    if cells in ([str(k + first) for k in range(len(cells))] for first in (0, 1)):
        return False
    date = re.compile(r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ][\d:.+Z-]+)?$")

    def value(cell: str) -> bool:
        try:
            float(cell)
        except ValueError:
            return bool(date.match(cell))
        return True

    return all(value(c) for c in cells)


def _parse(
    raw: bytes, columns: list[str], separator: str, name: str, layout: _Layout, blank: int
) -> pl.DataFrame:
    unclosed = ""
    if layout.unclosed is not None:
        line = raw.count(b"\n", 0, layout.unclosed) + 1 + blank
        unclosed = f'{name}, line {line}: a quote (") is never closed. Close or remove it.'
    try:
        frame = pl.read_csv(
            raw,
            separator=separator,
            has_header=False,
            infer_schema=False,
            null_values=NULL_WORDS,
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        if unclosed:
            raise DataError(unclosed) from None
        _refuse_ragged(name, columns, separator, layout, blank)
        stray = re.search(rb'[^\s"%s]"+[^\s"%s]' % ((separator.encode(),) * 2), raw)
        if stray:
            line = raw.count(b"\n", 0, stray.start()) + 1 + blank
            raise DataError(
                f'{name}, line {line}: a quote (") stands inside a text. Put the whole text in '
                'quotes and double the inner one, as in "5"" pipe".'
            ) from None
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{name}: cannot be read as a table ({reason}).") from None
    if frame.height != len(layout.fields):
        if unclosed:
            raise DataError(unclosed)
    else:
        _refuse_ragged(name, columns, separator, layout, blank)
    if frame.width != len(columns):
        raise DataError(
            f"{name}: the header names {len(columns)} columns and the rows have {frame.width}."
        )
    frame.columns = columns
    return frame.slice(1)


def _refuse_ragged(
    name: str, columns: list[str], separator: str, layout: _Layout, blank: int
) -> None:
    ragged = np.flatnonzero((layout.fields != len(columns)) & ~layout.blank)
    if not len(ragged):
        return
    row = int(ragged[0])
    more = f" ({len(ragged)} such rows)" if len(ragged) > 1 else ""
    raise DataError(
        f"{name}, row {row} (line {layout.starts[row] + blank}): has {layout.fields[row]} "
        f"{'field' if layout.fields[row] == 1 else 'fields'} "
        f"where the header has {len(columns)}{more}, separated by {SEPARATORS[separator]}. "
        "Correct the line; put quotes around a text that contains the separator."
    )


def _typed(values: pl.Series, *, decimal_comma: bool) -> pl.Series:
    """Column as integers or floats where every value is one, else as the text it is."""
    if values.null_count() == len(values):
        return values.cast(pl.Float64)
    numbers = _numbers(values)
    if numbers is None:
        values = values.str.strip_chars()
        values = values.set(values.is_in(NULL_WORDS), None)
        if values.null_count() == len(values):
            return values.cast(pl.Float64)
        numbers = _numbers(values)
    if numbers is None and decimal_comma and values.str.contains(_COMMA_NUMBER).all():
        plain = values.str.replace_all(".", "", literal=True)
        numbers = _numbers(plain.str.replace(",", ".", literal=True))
    return values if numbers is None else numbers


def _numbers(values: pl.Series) -> pl.Series | None:
    missing = values.null_count()
    # 007 is a name, not seven: leading zeros would be lost.
    for dtype in (pl.Int64, pl.Float64):
        numbers = values.cast(dtype, strict=False)
        if numbers.null_count() == missing:
            padded = dtype == pl.Int64 and values.str.contains(r"^[+-]?0\d").any()
            return None if padded else numbers
    return None
