"""Timestamps: a column of dates, texts or numbers becomes one polars series of times.

A format is found on the whole column, never guessed row by row, and kept in the schema, so that a
later table is read in the same way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import polars as pl

from gatework.data.table import Table
from gatework.errors import DataError

TimeKind = Literal["datetime", "date", "integer", "none"]

_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y",
          "%d.%m.%y")  # fmt: skip
_EITHER = (("%d/%m/%Y", "%m/%d/%Y"), ("%d-%m-%Y", "%m-%d-%Y"), ("%d/%m/%y", "%m/%d/%y"))
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S%.f", "T%H:%M", "T%H:%M:%S%.f", " %I:%M %p",
           " %I:%M:%S %p", ", %H:%M", ", %H:%M:%S")  # fmt: skip
_ZONES = ("", "%#z", " %#z")
_COMPACT = ("%Y%m%d", "%Y%m%d%H%M", "%Y%m%d%H%M%S")
_FORMATS = (
    *(date + clock + (zone if clock else "") for date in _DATES for clock in _CLOCKS
      for zone in _ZONES if clock or not zone),
    *_COMPACT,
    "%Y-%m", "%Y/%m", "%m/%Y", "%b %Y",
)  # fmt: skip
_NO_DAY = ("%Y-%m", "%Y/%m", "%m/%Y", "%b %Y")
_AMBIGUOUS = tuple(
    (first + clock, second + clock) for first, second in _EITHER for clock in _CLOCKS
)
_ISO = re.compile(r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?)?")

EPOCH_NAMES = {"timestamp", "time", "unix", "epoch", "ts", "unixtime", "unix_time", "datetime",
               "date", "ds", "timestamp_ms", "time_ms"}  # fmt: skip
STEP_NAMES = {"time", "t", "step", "steps", "index", "timestamp", "ds", "date", "epoch", "unix",
              "year", "time_step", "timestep", "tick"}  # fmt: skip
_EPOCHS = {  # magnitudes of the years 1973 to 2286, in each unit
    "epoch_s": (1e8, 1e10, 1_000_000),
    "epoch_ms": (1e11, 1e13, 1000),
    "epoch_us": (1e14, 1e16, 1),
    "epoch_ns": (1e17, 1e19, 0.001),
}


@dataclass(frozen=True)
class Times:
    """Times of a table's rows, and how they were read."""

    values: pl.Series
    """(N,) Datetime, Date or Int64, without nulls."""
    kind: TimeKind
    format: str | None
    note: str = ""


def looks_like_time(table: Table, column: str, time_format: str | None = None) -> bool:
    """Whether nearly all of a sample of the column are timestamps (names are not looked at)."""
    values = table.frame[column]
    if values.dtype == pl.Date or isinstance(values.dtype, pl.Datetime):
        return True
    if values.dtype != pl.String:
        return False
    sample = _sample(values)
    if not len(sample):
        return False
    formats = [time_format] if time_format else _candidates(sample)
    return any(_share(sample, f) >= 0.9 for f in formats)


def looks_like_steps(table: Table, column: str) -> bool:
    """Whether an integer column counts steps or seconds, by its name."""
    dtype = table.frame.schema[column]
    return dtype.is_integer() and column.lower() in STEP_NAMES | EPOCH_NAMES


def read_times(
    table: Table, column: str, time_format: str | None = None, *, expected: str | None = None
) -> Times:
    """Times of a column of dates, texts, epoch numbers or step numbers.

    time_format: strptime's, such as "%d/%m/%Y %H:%M"; found when None.
    expected: the format of an earlier table, tried before others are.
    Raises DataError naming the row and the value for a missing or unreadable timestamp, for times
    with and without a zone in one column, and for day and month that cannot be told apart.
    """
    values = table.frame[column]
    if values.null_count() == len(values):
        raise DataError(f"{table.name}, column {column!r}: every timestamp is missing.")
    if values.null_count():
        missing = values.is_null().arg_true()
        more = f" ({len(missing)} such rows)" if len(missing) > 1 else ""
        raise DataError(
            f"{table.where(missing[0], column)}: the timestamp is missing{more}. "
            "Fill it in or remove the row."
        )
    if isinstance(values.dtype, pl.Datetime):
        return Times(values, "datetime", None)
    if values.dtype == pl.Date:
        return Times(values, "date", None)
    if values.dtype.is_numeric():
        return _from_numbers(table, column, values, time_format)
    if values.dtype != pl.String:
        raise DataError(
            f"{table.name}, column {column!r}: holds {values.dtype}, not times. "
            "Convert it to timestamps, dates or whole numbers."
        )
    values = values.str.strip_chars()
    if time_format is None and expected and _share(_sample(values), expected) > 0.5:
        time_format = expected
    return _from_texts(table, column, values, time_format)


def _from_numbers(table: Table, column: str, values: pl.Series, time_format: str | None) -> Times:
    if values.dtype.is_float():
        whole = values.cast(pl.Int64, strict=False)
        low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
        if not ((values % 1) == 0).all() and _epoch(column, low, high, time_format) is None:
            row = int(((values % 1) != 0).arg_true()[0])
            raise DataError(
                f"{table.where(row, column)}: {values[row]!r} is no whole number. A numeric time "
                "column counts steps or seconds; name another column, or time='none' for row order."
            )
    else:
        whole = values.cast(pl.Int64, strict=False)
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    unit = _epoch(column, low, high, time_format)
    if unit:
        scale = _EPOCHS[unit][2]
        micros = (whole // 1000) if unit == "epoch_ns" else (values * scale).cast(pl.Int64)
        words = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
        note = f"{column} was read as {words[unit[6:]]} since 1970 (UTC)"
        return Times(micros.cast(pl.Datetime("us")), "datetime", unit, note)
    named_date = column.lower() in EPOCH_NAMES | {"day", "date"}
    if time_format == "%Y%m%d" or (named_date and low >= 19000101 and high <= 21001231):
        dates = whole.cast(pl.String).str.to_date("%Y%m%d", strict=False)
        if not dates.null_count():
            return Times(dates, "date", "%Y%m%d", f"{column} was read as year, month, day")
    return Times(whole.alias(column), "integer", None)


def _epoch(column: str, low: float, high: float, time_format: str | None) -> str | None:
    if time_format in _EPOCHS:
        return time_format
    if column.lower() not in EPOCH_NAMES:
        return None
    return next((u for u, (a, b, _) in _EPOCHS.items() if a <= low and high < b), None)


def _from_texts(table: Table, column: str, values: pl.Series, time_format: str | None) -> Times:
    if time_format:
        found = _parse(values, time_format)
    else:
        found, time_format = _detect(table, column, values)
    bad = found.is_null().arg_true()
    if len(bad):
        _refuse_mixed_zones(table, column, values)
        more = f" ({len(bad)} such rows)" if len(bad) > 1 else ""
        advice = f"Correct it; the others read as {time_format!r}."
        if len(bad) == len(values):
            advice = (
                f"It does not fit {time_format!r}. Name another format with time_format= "
                "(--time-format), such as '%d.%m.%Y %H:%M', or another column."
            )
        raise DataError(
            f"{table.where(bad[0], column)}: {values[bad[0]]!r} is no timestamp that can be read"
            f"{more}. {advice}"
        )
    zoned = values.str.contains(r"(Z|[+-]\d{2}:?\d{2})$") & values.str.contains(":")
    note = ""
    if zoned.any() and isinstance(found.dtype, pl.Datetime) and found.dtype.time_zone:
        offsets = values.str.extract(r"(Z|[+-]\d{2}:?\d{2})$").unique(maintain_order=True)
        if len(offsets) > 1:
            note = (
                f"{column} has {len(offsets)} offsets from UTC "
                f"({', '.join(offsets.head(4).to_list())}); times are taken in UTC"
            )
    only_days = not re.search(r"%[HIMSf]|iso", time_format or "")
    if only_days and isinstance(found.dtype, pl.Datetime):
        found = found.cast(pl.Date)
    return Times(found.alias(column), "date" if only_days else "datetime", time_format, note)


def _refuse_mixed_zones(table: Table, column: str, values: pl.Series) -> None:
    zoned = values.str.contains(r":.*(Z|[+-]\d{2}:?\d{2})$")
    if zoned.any() and not zoned.all():
        odd = (zoned if zoned.sum() <= len(zoned) / 2 else ~zoned).arg_true()[0]
        what = "has an offset from UTC" if zoned[odd] else "has no offset from UTC"
        raise DataError(
            f"{table.where(odd, column)}: {values[odd]!r} {what}, others are different. "
            "Write all timestamps with an offset, or none."
        )


def _sample(values: pl.Series) -> pl.Series:
    """A few hundred texts from the whole column, first ones included."""
    texts = values.drop_nulls()
    step = max(1, len(texts) // 200)
    return pl.concat([texts.head(100), texts.gather_every(step)]).str.strip_chars()


def _candidates(sample: pl.Series) -> list[str]:
    """Formats worth trying, judged by the shape of the first text."""
    first = sample[0]
    if len(first) < 6 or len(first) > 40 or not any(c.isdigit() for c in first):
        return []
    formats = list(_FORMATS) + [f for pair in _AMBIGUOUS for f in pair]
    return sorted({f for f in formats if _fits(first, f)} | {"iso"}, key=[*formats, "iso"].index)


def _fits(text: str, time_format: str) -> bool:
    """Cheap check that a text has the shape of a format (chrono is lax about widths)."""
    pattern = re.escape(time_format).replace("%\\#z", "%z").replace("%\\.f", "%f")
    for code, shape in {
        "%Y": r"\d{4}", "%y": r"\d{2}", "%m": r"\d{1,2}", "%d": r"\d{1,2}", "%H": r"\d{1,2}",
        "%I": r"\d{1,2}", "%M": r"\d{2}", "%S": r"\d{2}", "%f": r"(?:\.\d+)?",
        "%p": "[AaPp][Mm]", "%b": "[A-Za-z]{3,9}", "%z": r"(?:Z|[+-]\d{2}:?(?:\d{2})?)",
    }.items():  # fmt: skip
        pattern = pattern.replace(code, shape)
    return re.fullmatch(pattern, text) is not None


def _parse(values: pl.Series, time_format: str) -> pl.Series:
    """Times with null for what does not fit the format."""
    if time_format == "iso":
        return _parse_iso(values)
    if time_format in _NO_DAY:
        return ("01 " + values).str.to_date("%d " + time_format, strict=False)
    if time_format in _COMPACT[1:]:
        # chrono wants separators after a greedy %Y%m%d...: give it some.
        digits = values.str.replace(r"^(\d{8})(\d{2})(\d{2})(\d{2})?$", "$1 $2:$3:${4}")
        digits = digits.str.replace(r":$", ":00")
        return digits.str.to_datetime("%Y%m%d %H:%M:%S", strict=False)
    try:
        if re.search(r"%[HIMSsfTXcR+]", time_format):
            zoned = bool(re.search(r"%(#|:)?z", time_format))
            return values.str.to_datetime(
                time_format, strict=False, time_unit="us", time_zone="UTC" if zoned else None
            )
        return values.str.to_date(time_format, strict=False)
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"time_format {time_format!r} cannot be used: {str(error).splitlines()[0]}. "
            "Write it as in strptime, such as '%d.%m.%Y %H:%M'."
        ) from None


def _parse_iso(values: pl.Series) -> pl.Series:
    """ISO 8601 of varying length: days only, minutes, seconds, fractions."""
    text = values.str.replace(r"^(\d{4}-\d{2}-\d{2})[T ]", "$1 ")
    zoned = text.str.contains(r":.*(Z|[+-]\d{2}:?\d{2})$")
    text = text.str.replace(r"^(\d{4}-\d{2}-\d{2})$", "$1 00:00:00")
    text = text.str.replace(r"^(\S+ \d{2}:\d{2})(Z|[+-].*)?$", "$1:00${2}")
    if zoned.all():
        return text.str.to_datetime(
            "%Y-%m-%d %H:%M:%S%.f%#z", strict=False, time_unit="us", time_zone="UTC"
        )
    return text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")


def _share(values: pl.Series, time_format: str) -> float:
    found = _parse(values, time_format)
    return 1.0 - found.null_count() / max(1, len(found))


def _detect(table: Table, column: str, values: pl.Series) -> tuple[pl.Series, str]:
    """Times and format that reads the most of the column; DataError when two readings differ."""
    sample = _sample(values)
    shares = {f: _share(sample, f) for f in _candidates(sample)}
    best = sorted(shares, key=lambda f: -shares[f])  # stable: the order of _FORMATS decides ties
    best = [f for f in best if shares[f] > 0.5]
    if not best:
        row, value = 0, values[0]
        raise DataError(
            f"{table.where(row, column)}: {value!r} is no timestamp that can be read. Name the "
            "format with time_format= (--time-format), such as '%d.%m.%Y %H:%M', or another column."
        )
    # The sample decides which formats are tried, the whole column which one is taken.
    parsed: dict[str, pl.Series] = {}
    for time_format in best[:3]:
        parsed[time_format] = _parse(values, time_format)
        if not parsed[time_format].null_count():
            break
    chosen = min(parsed, key=lambda f: parsed[f].null_count())
    missing = parsed[chosen].null_count()
    twin = {**dict(_AMBIGUOUS), **{b: a for a, b in _AMBIGUOUS}}.get(chosen)
    if twin:
        other = _parse(values, twin)
        if other.null_count() == missing and not other.equals(parsed[chosen]):
            first, second = sorted((chosen, twin), key=lambda f: f.index("%d"))
            raise DataError(
                f"{table.where(0, column)}: {values[0]!r} can be read day first or month first. "
                f"Give time_format={first!r} (--time-format '{first}') or "
                f"time_format={second!r}."
            )
        if other.null_count() < missing:
            return other, twin
    if missing and any(_ISO.match(v) for v in sample.to_list()):
        iso = _parse_iso(values)
        if iso.null_count() < missing:
            _refuse_mixed_zones(table, column, values)
            return iso, "iso"
    return parsed[chosen], chosen
