"""One timestamp at a time, for streams: what timestamps.py and frequency.py do for a column, in a microsecond.

What most streams bring (datetimes, ISO texts, epoch and step numbers) is read by Python alone.  All else goes
through a column of one row, with the same reading and the same refusals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from gatework.data.durations import DAY, SECOND
from gatework.data.frequency import Frequency
from gatework.data.schema import Schema, read_schema_times
from gatework.data.table import read_table

_EPOCH, _EPOCH_UTC = datetime(1970, 1, 1), datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_UNITS = {"epoch_s": SECOND, "epoch_ms": 1000, "epoch_us": 1}  # microseconds of one
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d"
    r"(?P<clock>[ T]([01]\d|2[0-3]):\d\d(:\d\d(\.\d{1,6})?)?(?P<zone>Z|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)
# Formats by which a text in ISO 8601 means what ISO 8601 says: none is day first, or minute first.
_ISO_FORMATS = {None, "iso"} | {
    f"%Y-%m-%d{clock}{zone}"
    for clock in ("", " %H:%M", " %H:%M:%S", " %H:%M:%S%.f", "T%H:%M", "T%H:%M:%S%.f")
    for zone in ("", "%#z", " %#z")
}
# A larger step number may be a date or an epoch, by the name of its column; a larger epoch has no date.
_PLAIN_STEP, _PLAIN_EPOCH = 10_000_000, 250_000_000_000 * SECOND
_DATETIME, _DATE, _INTEGER = pl.Datetime("us"), pl.Date(), pl.Int64()


@dataclass(frozen=True, slots=True)
class Stamp:
    """A time as a number that can be compared, and as it is shown."""

    key: int
    """Microseconds since 1970 (in UTC where there is a zone), or the step number."""
    value: Any
    """datetime, date or int, as polars gives it."""
    dtype: pl.DataType

    def series(self) -> pl.Series:
        """A column of this time alone."""
        return pl.Series([self.value], dtype=self.dtype)


def read_stamp(value: Any, schema: Schema) -> Stamp:
    """The time of one row, read as the schema's table was.

    Raises:
        DataError: as :func:`~gatework.data.schema.read_schema_times`.

    >>> schema = Schema("time", "datetime", ["load"])
    >>> read_stamp("1970-01-01 00:01", schema).key
    60000000
    """
    stamp = _quick(value, schema)
    if stamp is not None:
        return stamp
    times = read_schema_times(read_table({schema.time: [value]}, name="stream"), schema)
    assert times is not None
    whole = times.dtype.is_integer()
    key = int(times[0]) if whole else int(Frequency.instant_us(times)[0])
    return Stamp(key, times[0], times.dtype)


def grid_position(stamp: Stamp, frequency: Frequency) -> float:
    """``frequency.positions`` of one time."""
    by_clock = frequency.wall and frequency.time_zone is not None
    if frequency.kind not in ("fixed", "step") or by_clock:
        return float(frequency.positions(stamp.series())[0])
    whole, rest = divmod(stamp.key - frequency.anchor, frequency.step)
    return whole + rest / frequency.step


def _quick(value: Any, schema: Schema) -> Stamp | None:
    """The stamp where it is plain what the column reader makes of the value; else None."""
    kind = schema.time_kind
    if type(value) is int:
        return _from_int(value, schema)
    if kind not in ("datetime", "date"):
        return None
    if type(value) is str:
        found = _ISO.fullmatch(value) if schema.time_format in _ISO_FORMATS else None
        if found is None or (found["clock"] is None and kind != "date"):
            return None
        try:
            read = date if found["clock"] is None else datetime
            value = read.fromisoformat(value)
        except ValueError:  # the 30th of February
            return None
    elif getattr(value, "nanosecond", None) == 0:  # of pandas
        value = value.to_pydatetime()
    if type(value) is datetime:
        return _from_datetime(value, schema.time_zone)
    if type(value) is date and schema.time_zone is None:
        days = value.toordinal() - _EPOCH.toordinal()
        return Stamp(days * DAY, value, _DATE)
    return None


def _from_int(value: int, schema: Schema) -> Stamp | None:
    form = schema.time_format
    if schema.time_zone is not None:
        return None
    if form is None and schema.time_kind == "integer" and abs(value) < _PLAIN_STEP:
        return Stamp(value, value, _INTEGER)
    if form in _EPOCH_UNITS and schema.time_kind == "datetime":
        key = value * _EPOCH_UNITS[form]
        if abs(key) < _PLAIN_EPOCH and key >= 0:
            return Stamp(key, _EPOCH + timedelta(microseconds=key), _DATETIME)
    return None


def _from_datetime(value: datetime, zone: str | None) -> Stamp | None:
    if zone is None:
        return Stamp(_us(value - _EPOCH), value, _DATETIME) if value.tzinfo is None else None
    known = _zone(zone)
    if known is None or value.utcoffset() is None:
        return None
    dtype = pl.Datetime("us", zone)
    return Stamp(_us(value - _EPOCH_UTC), value.astimezone(known), dtype)


def _us(since: timedelta) -> int:
    return since.days * DAY + since.seconds * SECOND + since.microseconds


@lru_cache(maxsize=16)
def _zone(name: str) -> ZoneInfo | None:
    """The zone, or None where Python does not know it."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
