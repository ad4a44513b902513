"""Tables in: any supported source becomes a `Table`, which can name its rows and bad cells.

Text files (CSV and relatives) are read by `text_table`; here are the other formats, frames and
arrays.  Tables go out through `write`.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl

from gatework.data.text_table import NULL_WORDS, read_text, tidy_columns
from gatework.data.write import WRITE_ENDINGS, write_table
from gatework.errors import ConfigError, DataError, nearest
from gatework.files import check_writable, write_atomically

TEXT_ENDINGS = (".csv", ".tsv", ".txt")
READ_ENDINGS = (*TEXT_ENDINGS, ".parquet", ".jsonl", ".ndjson", ".json")


@dataclass(frozen=True)
class Table:
    """A frame that still knows where each of its rows came from.

    Floating-point NaN is null in `frame`: a missing value has one spelling.

    >>> table = read_table({"load": [1.0, None]})
    >>> table.row_label(1), table.frame.height
    ('row 1 (counting from 0)', 2)
    """

    frame: pl.DataFrame
    name: str = "data"
    is_file: bool = False
    is_array: bool = False
    """True for NumPy input: the order of the rows is the time."""
    lines: np.ndarray | None = field(default=None, repr=False, compare=False)
    """Line of a text file on which each row starts, from 1; None where rows are not lines."""

    _numbers: dict[str, pl.Series] = field(default_factory=dict, repr=False, compare=False)
    """Columns already read as numbers: a forecast asks for each three times."""

    def row_label(self, i: int) -> str:
        """Words for row ``i`` (from 0) that a person can find in the source."""
        if not self.is_file:
            return f"row {i} (counting from 0)"
        line = f" (line {self.lines[i]})" if self.lines is not None else ""
        return f"row {i + 1}{line}"

    def where(self, i: int, column: str) -> str:
        """Words for one cell: source, row, column."""
        return f"{self.name}, {self.row_label(i)}, column {column!r}"

    def numbers(self, column: str) -> pl.Series:
        """Column as Float64, missing as null.

        Raises DataError naming the first cell that is not a number, or that is infinite.

        >>> read_table({"a": ["1", "x"]}).numbers("a")
        Traceback (most recent call last):
            ...
        gatework.errors.DataError: data, row 1 (counting from 0), column 'a': 'x' is not a number. \
Correct it, or leave the cell empty if the value is missing.
        """
        if column not in self._numbers:
            self._numbers[column] = self._read_numbers(column)
        return self._numbers[column]

    def _read_numbers(self, column: str) -> pl.Series:
        values = self.frame[column]
        if values.dtype == pl.Float64 and not np.isinf(values.to_numpy()).any():
            return values  # already what is asked for, as `frame` spells missing as null
        numbers = to_numbers(values)
        if numbers is None:
            raise DataError(
                f"{self.name}, column {column!r}: holds {values.dtype}, not numbers. "
                "Convert it to one number a row, or leave the column out."
            )
        bad = (numbers.is_null() & values.is_not_null()).arg_true()
        if len(bad):
            more = f" ({len(bad)} such rows)" if len(bad) > 1 else ""
            raise DataError(
                f"{self.where(bad[0], column)}: {values[bad[0]]!r} is not a number{more}. "
                "Correct it, or leave the cell empty if the value is missing."
            )
        infinite = numbers.is_infinite().fill_null(False).arg_true()
        if len(infinite):
            more = f" ({len(infinite)} such rows)" if len(infinite) > 1 else ""
            raise DataError(
                f"{self.where(infinite[0], column)}: the value is infinite{more}. "
                "Correct it, or leave the cell empty if the value is missing."
            )
        return numbers

    def texts(self, column: str) -> pl.Series:
        """Column as String, missing as null; a whole float is written as an integer ("3")."""
        values = self.frame[column]
        if values.dtype.is_float() and (values.drop_nulls() % 1 == 0).all():
            values = values.cast(pl.Int64, strict=False)
        if values.dtype.is_nested():
            raise DataError(
                f"{self.name}, column {column!r}: holds {values.dtype}, not one value a row. "
                "Leave the column out, or unnest it first."
            )
        return values.cast(pl.String)


def has_nan(values: pl.Series) -> bool:
    """Whether a Float64 column holds a NaN, which is no null.

    By NumPy, which has a null as a NaN too: a polars expression takes a fifth of a millisecond however
    short the column is.
    """
    return int(np.count_nonzero(np.isnan(values.to_numpy()))) > values.null_count()


def to_numbers(values: pl.Series) -> pl.Series | None:
    """Column as Float64 with null for what is no number, or None for a type that cannot be one."""
    dtype = values.dtype
    if dtype == pl.String:
        numbers = values.str.strip_chars().cast(pl.Float64, strict=False)
    elif dtype.is_numeric() or dtype in (pl.Boolean, pl.Null):
        numbers = values.cast(pl.Float64)
    else:
        return None
    return numbers.fill_nan(None)


# ---------------------------------------------------------------------------------- reading


def read_table(source: Any, *, name: str = "data") -> Table:
    """Table of whatever holds one: a path, a frame, an array or a mapping of columns.

    source: path to .csv .tsv .txt (each also .gz), .parquet, .jsonl .ndjson .json; a polars, pandas
    or Arrow frame (all that narwhals knows); an array of shape (T,), (T, K) or (S, T, K), whose
    columns are called ``value`` or ``value_0``, ``value_1``, ... and, for S series, ``series``;
    or a mapping from column names to columns.  A pandas index that carries times or names becomes
    columns.  The source is not changed.
    name: what messages call a source that is no file.

    Raises DataError when it is missing, empty, damaged or no table; ConfigError for a file ending
    or an object that is not known.

    >>> read_table(np.arange(6.0).reshape(3, 2)).frame.columns
    ['value_0', 'value_1']
    """
    if isinstance(source, Table):
        return source
    if isinstance(source, (str, os.PathLike)):
        return _read_file(Path(source))
    is_array = isinstance(source, np.ndarray)
    frame = _from_array(source, name) if is_array else _from_frame(source, name)
    return Table(_checked(frame, name), name, is_array=is_array)


def _checked(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Frame with plain types and NaN as null; DataError without rows or columns."""
    if not frame.width:
        raise DataError(f"{name}: the table has no columns.")
    if not frame.height:
        raise DataError(
            f"{name}: the table has a header ({', '.join(frame.columns[:8])}) but no rows."
        )
    plain = []
    for dtype, column in zip(frame.dtypes, frame.columns, strict=True):
        if dtype.is_float():
            if dtype != pl.Float64 or has_nan(frame[column]):
                plain.append(pl.col(column).cast(pl.Float64).fill_nan(None))
        elif isinstance(dtype, (pl.Categorical, pl.Enum)):
            plain.append(pl.col(column).cast(pl.String))
        elif isinstance(dtype, pl.Decimal):
            plain.append(pl.col(column).cast(pl.Float64))
    return frame.with_columns(plain) if plain else frame


def _ending(path: Path) -> tuple[str, bool]:
    """Lower-case file ending without .gz, and whether .gz was there."""
    packed = path.suffix.lower() == ".gz"
    return Path(path.stem if packed else path.name).suffix.lower(), packed


def _read_file(path: Path) -> Table:
    name = str(path)
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir() if _ending(p)[0] in READ_ENDINGS)
        hint = f" Name one of its files: {', '.join(inside[:5])}." if inside else ""
        raise DataError(f"{name}: is a folder, not a table.{hint}")
    if not path.exists():
        raise DataError(f"{name}: there is no such file. {_neighbours(path)}".rstrip())
    ending, packed = _ending(path)
    if ending not in READ_ENDINGS:
        raise ConfigError(
            f"{name}: unknown kind of file {ending or 'without an ending'!r}. "
            f"Known are {', '.join(READ_ENDINGS)} (text also with .gz)."
        )
    try:
        raw = path.read_bytes()
        if packed:
            raw = gzip.decompress(raw)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{name}: is no readable gzip file ({error}). Pack it again.") from None
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror or error}.") from None
    if not raw.strip():
        raise DataError(f"{name}: the file is empty.")
    lines = None
    if ending in TEXT_ENDINGS:
        frame, lines = read_text(raw, name, separator="\t" if ending == ".tsv" else None)
    elif ending == ".parquet":
        frame = _read_parquet(raw, name)
    else:
        frame = _read_json(raw, name)
    return Table(_checked(frame, name), name, is_file=True, lines=lines)


def _neighbours(path: Path) -> str:
    """Sentence that offers the tables beside a path that does not exist."""
    if not path.parent.is_dir():
        return f"The folder {str(path.parent)!r} does not exist either."
    beside = sorted(p.name for p in path.parent.iterdir() if _ending(p)[0] in READ_ENDINGS)
    return nearest(path.name, beside) if beside else ""


def _read_parquet(raw: bytes, name: str) -> pl.DataFrame:
    try:
        return pl.read_parquet(io.BytesIO(raw))
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{name}: is no readable Parquet file ({reason}). "
            "It may be cut short or of another kind; write it again."
        ) from None


def _read_json(raw: bytes, name: str) -> pl.DataFrame:
    """Frame of an array of records, of JSON lines, or of one object of columns."""
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        if raw.lstrip()[:1] == b"[":
            return pl.read_json(raw, infer_schema_length=None)
        frame = pl.read_ndjson(raw, infer_schema_length=None)
        if frame.height == 1 and all(dtype == pl.List for dtype in frame.dtypes):
            # One object of columns, not of a record.
            return _from_mapping({c.name: c[0] for c in frame}, name)
        return frame
    except (pl.exceptions.PolarsError, OSError):
        # The standard library is slower, but it also reads NaN and says where an error is.
        return _from_records(_parse_json(raw, name), name)


def _parse_json(raw: bytes, name: str) -> list[Any]:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}: is not UTF-8 text (byte {error.start}). Save it as UTF-8."
        ) from None
    if text.lstrip()[:1] == "[":
        try:
            return list(json.loads(text))
        except json.JSONDecodeError as error:
            raise DataError(
                f"{name}, line {error.lineno}: is not valid JSON ({error.msg}, column "
                f"{error.colno}). The file may be cut short; write it again."
            ) from None
    records = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise DataError(
                    f"{name}, line {number}: is not valid JSON ({error.msg}). Expected one object "
                    'a line, such as {"time": "2024-01-01", "load": 3.5}, or an array of them.'
                ) from None
    return records


def _from_records(records: list[Any], name: str) -> pl.DataFrame:
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise DataError(
                f"{name}, record {number}: is {record!r:.40}, not an object. Expected records such "
                'as {"time": "2024-01-01", "load": 3.5}.'
            )
    keys = list(dict.fromkeys(key for record in records for key in record))
    return _from_mapping({key: [record.get(key) for record in records] for key in keys}, name)


def _from_mapping(columns: Mapping[Any, Any], name: str) -> pl.DataFrame:
    """Frame of named columns; a column of mixed types becomes text, so that bad cells get named."""
    built = {}
    for key, values in columns.items():
        try:
            series = pl.Series(str(key), values)
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
            try:
                texts = [None if v is None or v != v else str(v) for v in values]
            except TypeError:
                raise DataError(
                    f"{name}, column {str(key)!r}: is {type(values).__name__}, not a column of "
                    "values. Pass a list, an array or a series."
                ) from None
            series = pl.Series(str(key), texts, dtype=pl.String)
        if series.dtype == pl.Object:
            texts = [None if v is None or v != v else str(v) for v in series.to_list()]
            series = pl.Series(str(key), texts, dtype=pl.String)
        built[str(key)] = series
    lengths = {key: len(series) for key, series in built.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{k!r} has {n}" for k, n in list(lengths.items())[:6])
        raise DataError(f"{name}: the columns are of different length: {shown}.")
    return pl.DataFrame(list(built.values()))


def _from_array(array: np.ndarray, name: str) -> pl.DataFrame:
    if array.dtype.names or array.dtype.kind not in "biuf":
        raise DataError(
            f"{name}: an array of dtype {array.dtype} holds no plain numbers. Pass a float array, "
            "or a frame with named columns."
        )
    if not 1 <= array.ndim <= 3:
        raise DataError(
            f"{name}: an array of {array.ndim} dimensions is no table. Pass shape (T,), (T, K) or "
            f"(S, T, K): series, time steps, columns. Got {array.shape}."
        )
    width = array.shape[-1] if array.ndim > 1 else 1
    names = ["value"] if width == 1 else [f"value_{k}" for k in range(width)]
    flat = array.reshape(-1, width) if width else array.reshape(0, 1)[:, :0]
    columns = [pl.Series(n, np.ascontiguousarray(flat[:, k])) for k, n in enumerate(names)]
    if array.ndim == 3:
        ids = np.repeat(np.arange(array.shape[0]), array.shape[1])
        columns.insert(0, pl.Series("series", ids))
    return pl.DataFrame(columns)


def _from_frame(source: Any, name: str) -> pl.DataFrame:
    if isinstance(source, pl.LazyFrame):
        source = source.collect()
    if isinstance(source, pl.Series):
        source = source.to_frame(source.name or "value")
    if isinstance(source, pl.DataFrame):
        return source
    if isinstance(source, Mapping):
        return _from_mapping(source, name)
    if nw.dependencies.is_pandas_series(source):
        source = source.to_frame(source.name if source.name is not None else "value")
    if nw.dependencies.is_pandas_dataframe(source):
        source = _with_pandas_index(source)
        columns = [str(c) for c in source.columns]
        tidy_columns(columns, name)
        return _from_mapping(
            {c: _pandas_column(source.iloc[:, k]) for k, c in enumerate(columns)}, name
        )
    try:
        narwhal: Any = nw.from_native(source)
        if isinstance(narwhal, nw.LazyFrame):
            narwhal = narwhal.collect()
        frame: pl.DataFrame = narwhal.to_polars()
    except TypeError:
        raise ConfigError(
            f"{name}: a {type(source).__name__} is no table. Pass a path, a polars, pandas or "
            "Arrow frame, a NumPy array, or a mapping from column names to columns."
        ) from None
    except Exception as error:  # a foreign library may raise anything
        raise DataError(f"{name}: cannot be read as a table ({error}).") from None
    return frame


def _with_pandas_index(frame: Any) -> Any:
    """Frame whose index, where it says more than the row number, has become columns."""
    index = frame.index
    kinds = type(index).__name__
    if kinds == "RangeIndex" or (index.nlevels == 1 and index.name is None and kinds == "Index"):
        return frame
    if kinds == "PeriodIndex":
        frame = frame.set_axis(index.to_timestamp().rename(index.name), axis=0)
    if frame.index.nlevels == 1 and frame.index.name is None:
        free = next(n for n in ("time", "index_time", "index_") if n not in frame.columns)
        frame = frame.rename_axis(index=free)
    return frame.reset_index()


def _pandas_column(column: Any) -> Any:
    if str(column.dtype) == "object":
        return column.tolist()
    if str(column.dtype).startswith("period"):
        column = column.dt.to_timestamp()
    if str(column.dtype) == "category":
        column = column.astype(object if column.cat.categories.dtype == object else str)
        return [None if v != v else v for v in column.tolist()]
    return nw.from_native(column, series_only=True).to_polars()


__all__ = [
    "NULL_WORDS",
    "READ_ENDINGS",
    "WRITE_ENDINGS",
    "Table",
    "check_writable",
    "read_table",
    "to_numbers",
    "write_atomically",
    "write_table",
]
