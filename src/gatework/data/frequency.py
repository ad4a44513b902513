"""Frequency: the grid on which the time steps of a table lie.

A step is a fixed duration (1 hour), a number of months (anchored to a day of the month or to its
end), a business day, or, where there are no timestamps, a plain integer.  Positions on the grid are
counted from one fixed origin, so that all series of a table, and a later table, share them.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
import polars as pl

from gatework.data.durations import DAY, HOUR, MINUTE, MONDAY, SECOND, UNITS, WEEK, nice_duration
from gatework.data.inference import (
    ON_GRID,
    infer_business_days,
    infer_fixed,
    infer_months,
    months_of,
    most_common,
)
from gatework.errors import ConfigError, DataError

Kind = Literal["fixed", "month", "business_day", "step"]
TimeType = Literal["datetime", "date", "integer"]

_SPELLINGS: dict[str, tuple[Kind, int]] = {}
for _names, _kind, _step in (
    ("us µs μs U microsecond microseconds", "fixed", 1),
    ("ms L milli millisecond milliseconds", "fixed", 1000),
    ("s S sec secs second seconds", "fixed", SECOND),
    ("m T min mins minute minutes", "fixed", MINUTE),
    ("h H hr hrs hour hours hourly", "fixed", HOUR),
    ("d D day days daily", "fixed", DAY),
    ("w W week weeks weekly", "fixed", WEEK),
    ("mo M MS ME BM BMS BME month months monthly", "month", 1),
    ("q Q QS QE quarter quarters quarterly", "month", 3),
    ("y Y A AS YS YE year years yearly annual", "month", 12),
    ("b B C bd bday bdays business_day businessday business_days", "business_day", 1),
    ("i step steps", "step", 1),
):
    _SPELLINGS |= dict.fromkeys(_names.split(), (_kind, _step))  # type: ignore[arg-type]

_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


@dataclass(frozen=True)
class Frequency:
    """One step of a time grid, and where the grid lies.

    Two frequencies are equal when their steps are: an hourly grid at :00 equals one at :30, daily
    stamps with a time of day equal dates.

    >>> hourly = Frequency.parse("1h")
    >>> hourly.text, hourly.seasons, hourly == Frequency.parse("60min")
    ('1 hour', [24, 168], True)
    """

    kind: Kind
    step: int = 1
    """Microseconds (fixed), months, business days, or units of the integer time column."""
    anchor: int = field(default=0, compare=False)
    """Offset of the grid: microseconds since 1970 (fixed), months (month), units (step)."""
    day: int = field(default=1, compare=False)
    """Day of the month; 0 is its last.  A day that a month lacks is its last day."""
    time_of_day: int = field(default=0, compare=False)
    """Microseconds after midnight, for months and business days."""
    wall: bool = field(default=False, compare=False)
    """Steps are counted on local clocks (days and longer), not on the UTC instant."""
    time_type: TimeType = field(default="datetime", compare=False)
    time_zone: str | None = field(default=None, compare=False)
    time_unit: str = field(default="us", compare=False)
    regular: bool = field(default=True, compare=False)
    """False when the step is only the median of irregular times."""

    def __post_init__(self) -> None:
        if self.step < 1 or self.kind not in get_args(Kind):
            raise ConfigError(
                f"Frequency: {self.kind!r} with a step of {self.step} is no frequency. "
                "Expected fixed, month, business_day or step, and a step of at least 1."
            )

    # ------------------------------------------------------------------ making one

    @classmethod
    def parse(cls, text: str, like: pl.Series | None = None) -> Frequency:
        """Frequency that a text names: "1h", "15min", "D", "W-SUN", "MS", "Q", "B", "3 months".

        Spellings of pandas and polars are understood; "m" is a minute and "M" or "mo" a month.
        like: times whose type (date, time zone, unit) the grid takes on.
        Raises ConfigError for anything else.

        >>> Frequency.parse("15min").text
        '15 minutes'
        """
        match = re.fullmatch(r"\s*(\d*)\s*([A-Za-zµμ_ ]*?)(?:-([A-Z]{3}))?\s*", text)
        count, word, suffix = match.groups() if match else ("", "", "")
        word = word.strip().replace(" ", "_") or ("step" if count else "")
        known = _SPELLINGS.get(word) or _SPELLINGS.get(word.lower())
        if not known or (count and int(count) < 1):
            raise ConfigError(
                f"{text!r} is no frequency. Give a number and a unit, such as '30s', '15m', '1h', "
                "'1d', '1w', '1mo' (months), '1q', '1y' or '1b' (business days)."
            )
        kind, unit = known
        step = unit * int(count or 1)
        made = cls(kind, step, wall=kind == "fixed" and step % DAY == 0)
        if word in ("M", "ME", "BM", "BME", "Q", "QE", "A", "Y", "YE"):
            made = replace(made, day=0, anchor=made.step - 1)
        if kind == "fixed" and step % WEEK == 0:
            shift = _WEEKDAYS.index(suffix) if suffix in _WEEKDAYS else 0
            made = replace(made, anchor=(MONDAY + shift * DAY) % step)
        return made if like is None else made.typed_like(like)

    @classmethod
    def infer(cls, time: pl.Series, *, steps: np.ndarray | None = None) -> Frequency:
        """Frequency of one series' sorted, unique times; `regular` tells whether they keep to it.

        time: Datetime, Date or integers, ascending, at least two.
        Holes in the grid are no irregularity.  Raises DataError for fewer than two times.

        >>> from datetime import date
        >>> ends = [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)]
        >>> Frequency.infer(pl.Series(ends)).text
        '1 month'
        """
        if len(time) < 2:
            raise DataError(
                "The frequency of a single timestamp cannot be found. Give more rows, or name the "
                "frequency with resample=, such as resample='1h'."
            )
        base = cls("fixed", 1).typed_like(time)
        if base.time_type == "integer":
            return infer_fixed(replace(base, kind="step"), time.to_numpy().astype(np.int64))
        local = base.wall_us(time)
        for infer in (infer_months, infer_business_days):
            if found := infer(base, local):
                return found
        instant = infer_fixed(base, base.instant_us(time))
        if base.time_zone is None:
            return replace(instant, wall=instant.step % DAY == 0)
        # Local midnights are 23 to 25 hours apart where clocks change: try the clock's own time.
        clock = infer_fixed(replace(base, wall=True), local)
        if clock.regular and (not instant.regular or clock.step % DAY == 0):
            return clock
        return instant

    def typed_like(self, time: pl.Series) -> Frequency:
        """The same grid, giving times of the type of ``time``."""
        dtype = time.dtype
        if isinstance(dtype, pl.Datetime):
            zone = dtype.time_zone
            return replace(self, time_type="datetime", time_zone=zone, time_unit=dtype.time_unit)
        if dtype == pl.Date:
            return replace(self, time_type="date", time_zone=None, time_unit="us")
        if dtype.is_integer():
            return replace(self, time_type="integer", time_zone=None, time_unit="us")
        raise DataError(f"Times of type {dtype} have no frequency; expected dates or integers.")

    def aligned_to(self, time: pl.Series) -> Frequency:
        """The same step, on the grid on which most of ``time`` lie, giving times of their type."""
        typed = self.typed_like(time)
        if typed.kind in ("fixed", "step") and len(time):
            values = typed._values(time)
            return replace(typed, anchor=most_common(values % typed.step))
        if len(time) > 1:
            found = Frequency.infer(time)
            if found == self:
                return found
        if typed.kind in ("month", "business_day") and len(time):
            local = typed.wall_us(time)
            tod = most_common(local % DAY)
            if typed.kind == "business_day":
                return replace(typed, time_of_day=tod)
            months, days, lengths = months_of(local)
            ends = bool((days == lengths).all()) and len(set(days.tolist())) > 1
            anchor = most_common(months % typed.step)
            return replace(
                typed, time_of_day=tod, day=0 if ends else int(days.max()), anchor=anchor
            )
        return typed

    # ------------------------------------------------------------------ positions and times

    def positions(self, time: pl.Series) -> np.ndarray:
        """(N,) float64: steps from the fixed origin, whole on the grid and fractional off it.

        >>> from datetime import datetime
        >>> times = pl.Series([datetime(1970, 1, 1, 5), datetime(1970, 1, 1, 6, 30)])
        >>> Frequency.parse("1h").positions(times).tolist()
        [5.0, 6.5]
        """
        if self.kind in ("fixed", "step"):
            # Whole and rest apart: microseconds since 1970 over a small step lose digits as floats.
            whole, rest = np.divmod(self._values(time) - self.anchor, self.step)
            exact: np.ndarray = whole + rest / self.step
            return exact
        local = self.wall_us(time)
        if self.kind == "business_day":
            # Saturday and Sunday lie a third and two thirds of the way from Friday to Monday.
            shifted = local - self.time_of_day
            days = (shifted // DAY).astype("datetime64[D]")
            count = np.busday_count(np.datetime64("1970-01-01"), days).astype(np.float64)
            weekday = (shifted // DAY + 3) % 7
            count -= np.where(weekday >= 5, 1.0 - (weekday - 4) / 3.0, 0.0)
            count += shifted % DAY / DAY * np.where(weekday >= 4, 1 / 3, 1.0)
            position: np.ndarray = count / self.step
            return position
        months, _, _ = months_of(local)
        floor = (months - self.anchor) // self.step
        floor -= self._month_us(floor) > local
        start, end = self._month_us(floor), self._month_us(floor + 1)
        between: np.ndarray = floor + (local - start) / (end - start)
        return between

    def times(self, positions: np.ndarray) -> pl.Series:
        """Timestamps at whole positions, of the type and time zone of the times inferred from.

        >>> Frequency.parse("1h").times(np.array([5])).to_list()
        [datetime.datetime(1970, 1, 1, 5, 0)]
        """
        at = np.rint(positions).astype(np.int64)
        if self.kind in ("fixed", "step"):
            values = at * self.step + self.anchor
        elif self.kind == "month":
            values = self._month_us(at)
        else:
            first = np.datetime64("1970-01-01")
            days = np.busday_offset(first, at * self.step, roll="forward")
            values = days.astype("datetime64[D]").astype(np.int64) * DAY + self.time_of_day
        if self.time_type == "integer":
            return pl.Series(values)
        stamps = pl.Series(values).cast(pl.Datetime("us"))
        if self.time_type == "date" and not (values % DAY).any():
            return stamps.cast(pl.Date)
        if self.time_zone is not None:
            on_clock = self.kind != "fixed" or self.wall
            stamps = (
                _on_local_clock(stamps, self.time_zone)
                if on_clock
                else stamps.dt.replace_time_zone("UTC").dt.convert_time_zone(self.time_zone)
            )
        if self.time_unit == "us":
            return stamps
        return stamps.dt.cast_time_unit(self.time_unit)  # type: ignore[arg-type]

    @property
    def slack(self) -> float:
        """Share of a step by which a time may miss the grid and still be on it.

        Local days may begin an hour late: there are midnights that a clock change skips.
        """
        return max(ON_GRID, 1.01 * HOUR / self.step) if self.wall and self.time_zone else ON_GRID

    def _values(self, time: pl.Series) -> np.ndarray:
        """What positions are counted in: integers, local microseconds or UTC microseconds."""
        if self.kind == "step":
            return time.to_numpy().astype(np.int64)
        return self.wall_us(time) if self.wall else self.instant_us(time)

    @staticmethod
    def instant_us(time: pl.Series) -> np.ndarray:
        """(N,) int64: microseconds since 1970 in UTC (of clocks without a zone: as if in UTC)."""
        return time.cast(pl.Datetime("us")).cast(pl.Int64).to_numpy().astype(np.int64)

    @staticmethod
    def wall_us(time: pl.Series) -> np.ndarray:
        """(N,) int64: microseconds since 1970 on local clocks."""
        if getattr(time.dtype, "time_zone", None) is None:
            return Frequency.instant_us(time)
        stamps = time if isinstance(time.dtype, pl.Datetime) else time.cast(pl.Datetime("us"))
        local = stamps.dt.replace_time_zone(None).dt.cast_time_unit("us")
        return local.to_physical().to_numpy().astype(np.int64)

    def _month_us(self, positions: np.ndarray) -> np.ndarray:
        """Local microseconds at which the given steps of a monthly grid begin."""
        month = (positions * self.step + self.anchor).astype("datetime64[M]")
        first = month.astype("datetime64[D]").astype(np.int64)
        length = (month + 1).astype("datetime64[D]").astype(np.int64) - first
        day = length if self.day == 0 else np.minimum(self.day, length)
        begins: np.ndarray = (first + day - 1) * DAY + self.time_of_day
        return begins

    # ------------------------------------------------------------------ words

    @property
    def text(self) -> str:
        """Words for one step: "1 hour", "15 minutes", "1 month", "1 business day"."""
        count, unit = self._count_and_unit()
        return f"{count} {unit}" if count == 1 else f"{count} {unit}s"

    @property
    def adverb(self) -> str:
        """Words for the rhythm: "hourly", "every 15 minutes", "monthly"."""
        known = {"1 month": "monthly", "3 months": "quarterly", "1 year": "yearly"}
        known |= {f"1 {word}": adverb for _, _, word, adverb in UNITS}
        return known.get(self.text, f"every {self.text.removeprefix('1 ')}")

    @property
    def code(self) -> str:
        """Shortest spelling that `parse` understands: "1h", "15m", "1mo", "1b"."""
        if self.kind == "fixed":
            size, short, _, _ = next(u for u in UNITS if self.step % u[0] == 0)
            return f"{self.step // size}{short}"
        return f"{self.step}{ {'month': 'mo', 'business_day': 'b', 'step': 'i'}[self.kind] }"

    def steps_text(self, count: int, adjective: str = "") -> str:
        """Words for a number of steps: "37 missing hours", "2 steps of 15 minutes"."""
        size, unit = self._count_and_unit()
        many = f"{count} {adjective} " if adjective else f"{count} "
        plural = "" if count == 1 else "s"
        return f"{many}{unit}{plural}" if size == 1 else f"{many}step{plural} of {self.text}"

    @classmethod
    def nice(cls, microseconds: float) -> Frequency:
        """Fixed frequency of a duration that people use, near the given one."""
        step = nice_duration(microseconds)
        return cls("fixed", step, wall=step % DAY == 0)

    def _count_and_unit(self) -> tuple[int, str]:
        if self.kind == "fixed":
            size, _, word, _ = next(u for u in UNITS if self.step % u[0] == 0)
            return self.step // size, word
        if self.kind == "month" and self.step % 12 == 0:
            return self.step // 12, "year"
        return self.step, self.kind.replace("_", " ")

    @property
    def seasons(self) -> list[int]:
        """Natural season lengths in steps, shortest first: [24, 168] for hours.

        >>> Frequency.parse("15min").seasons, Frequency.parse("MS").seasons
        ([96, 672], [12])
        """
        if self.kind == "month":
            return [12 // self.step] if 12 % self.step == 0 and self.step < 12 else []
        if self.kind == "business_day":
            return [5] if self.step == 1 else []
        if self.kind == "step":
            return []
        if self.step >= DAY:
            year = round(365.25 * DAY / self.step)
            weeks = [7] if self.step == DAY else []
            return weeks + ([365 if self.step == DAY else year] if year >= 4 else [])
        cycles = [DAY, WEEK]
        if self.step < 15 * MINUTE:
            cycles = [HOUR, DAY, WEEK]
        if self.step < MINUTE:
            cycles = [MINUTE, HOUR, DAY]
        return [c // self.step for c in cycles if c % self.step == 0 and c // self.step > 1]

    # ------------------------------------------------------------------ storing

    def to_json(self) -> dict[str, Any]:
        """Plain dict that `from_json` turns back into the same frequency."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Frequency:
        """Frequency of a dict made by `to_json`; ConfigError when it holds something else."""
        try:
            return cls(**data)
        except TypeError as error:
            raise ConfigError(f"Frequency: cannot be read from {data!r}: {error}.") from None


def _on_local_clock(stamps: pl.Series, zone: str) -> pl.Series:
    """Local clock times as instants; one that a clock change skips moves an hour on."""
    named = stamps.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    if named.null_count() == stamps.null_count():
        return named
    later = (stamps + pl.duration(hours=1).pipe(pl.select).to_series()[0]).dt.replace_time_zone(
        zone, ambiguous="earliest", non_existent="null"
    )
    return named.zip_with(named.is_not_null(), later)
