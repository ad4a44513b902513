"""Formats of the time in a log line, and the one that a sample of lines has.

A format is a regular expression whose first group is the time to whole seconds, with named parts; the
fraction and the zone follow as groups of their own, so that the seconds can be remembered by their text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise

LOOK_AT = 256
"""Characters at the beginning of a line among which the time is looked for."""
SECOND = 1_000_000
_DAY = 86_400
_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10,
    "nov": 11, "dec": 12,
}  # fmt: skip
_CLOCK = r"(?P<H>[01]?\d|2[0-3]):(?P<M>[0-5]\d):(?P<S>[0-5]\d|60)"
_FRACTION = r"(?:[.,](?P<f>\d{1,9}))?"
_ZONE = r"(?:\s?(?P<z>Z|UTC|GMT|[+-]\d{2}:?\d{2})\b)?"
_START, _END = r"(?<![\w.:/-])", r"(?!\w)"
_MON = r"(?P<b>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_WEEKDAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?\s+)?"
_M, _D = r"(?P<m>0?[1-9]|1[0-2])", r"(?P<d>0?[1-9]|[12]\d|3[01])"
_Y, _YY = r"(?P<Y>\d{4})", r"(?P<y>\d{2})"
_MM, _DD = r"(?P<m>0[1-9]|1[0-2])", r"(?P<d>0[1-9]|[12]\d|3[01])"

# Order decides between two that read a sample equally well.
_PATTERNS = {
    "iso": rf"(?<![\w.-])({_Y}(?P<p>[-/.]){_M}(?P=p){_D}[T ,_-]\s?{_CLOCK})(?:[.,:](?P<f>\d{{1,9}}))?{_ZONE}",
    "iso with points": rf"(?<!\d)({_Y}-{_MM}-{_DD}[-_T](?P<H>[01]\d|2[0-3])\.(?P<M>[0-5]\d)\.(?P<S>[0-5]\d))"
    rf"{_FRACTION}{_ZONE}",
    "apache": rf"({_D}/{_MON}/{_Y}:{_CLOCK}){_FRACTION}{_ZONE}",
    "ctime": rf"{_START}({_WEEKDAY}{_MON}\s+{_D}\s+{_CLOCK}(?:\.\d{{1,9}})?\s+{_Y}){_END}",
    "day month year": rf"{_START}({_WEEKDAY}{_D}[ -]{_MON}[ -]{_Y}[ T:]{_CLOCK}){_FRACTION}{_ZONE}",
    "syslog": rf"{_START}({_MON}\s+{_D}\s+{_CLOCK}){_FRACTION}{_END}",
    "compact": rf"(?<!\d)((?P<Y>19\d\d|20\d\d){_MM}{_DD}[-T_ ](?P<H>2[0-3]|[01]?\d):?(?P<M>\d{{1,2}}):?"
    rf"(?P<S>\d{{1,2}}))(?:[:.,](?P<f>\d{{1,9}}))?{_ZONE}",
    "yymmdd hhmmss": rf"^({_YY}{_MM}{_DD} (?P<H>[01]\d|2[0-3])(?P<M>[0-5]\d)(?P<S>[0-5]\d)){_END}",
    "yy/mm/dd": rf"{_START}({_YY}/{_MM}/{_DD} {_CLOCK}){_FRACTION}{_END}",
    "mm/dd/yy": rf"{_START}({_MM}/{_DD}/{_YY} {_CLOCK}){_FRACTION}{_END}",
    "dd/mm/yy": rf"{_START}({_DD}/{_MM}/{_YY} {_CLOCK}){_FRACTION}{_END}",
    "dd/mm/yyyy": rf"{_START}({_D}(?P<p>[-/.]){_M}(?P=p){_Y}[ T,]\s?{_CLOCK}){_FRACTION}{_ZONE}",
    "mm/dd/yyyy": rf"{_START}({_M}(?P<p>[-/.]){_D}(?P=p){_Y}[ T,]\s?{_CLOCK}){_FRACTION}{_ZONE}",
    "mm-dd": rf"{_START}({_MM}[-./]{_DD}[ T_]{_CLOCK}){_FRACTION}{_END}",
    "epoch": r"(?<![\w./-])((?P<e>[12]\d{9}))(?:\.(?P<f>\d{1,9}))?(?![\w:-])",
    "epoch ms": r"(?<![\w./-])((?P<e>[12]\d{9}))(?P<f>\d{3})(?![\w.:-])",
    "epoch us": r"(?<![\w./-])((?P<e>[12]\d{9}))(?P<f>\d{6})(?![\w.:-])",
    "epoch ns": r"(?<![\w./-])((?P<e>[12]\d{9}))(?P<f>\d{9})(?![\w.:-])",
    "klog": rf"^[A-Z]((?P<m>[01]\d){_DD} {_CLOCK}){_FRACTION}{_END}",
    "uptime": r"^(?:<\d+>)?\[ *((?P<e>\d{1,9}))\.(?P<f>\d{6})\]",
    "clock": rf"{_START}({_CLOCK}){_FRACTION}{_END}",
}
NAMES = tuple(_PATTERNS)
"""Every format that can be found."""
WITHOUT_YEAR = ("syslog", "mm-dd", "klog")


@dataclass(frozen=True)
class Match:
    """The time of a line, and where it stands there."""

    time_us: int
    start: int
    end: int


class LogClock:
    """Times of the lines of one log, in microseconds since 1970 (UTC where no zone is written).

    Lines come in order.  Formats without a year: the year of the first line is ``year``, or the latest
    that does not put it in the future; it goes on when December is followed by January.  A clock alone
    counts days from 1970 and goes on when it falls by half a day.
    """

    def __init__(self, name: str, year: int | None = None) -> None:
        self.name = name
        self.year = year
        self._pattern = re.compile(_PATTERNS[name])
        names = self._pattern.groupindex
        self._fraction, self._zone = names.get("f"), names.get("z")
        self._yearless, self._dayless = name in WITHOUT_YEAR, name == "clock"
        self._seconds: dict[tuple[int | None, str], int | None] = {}
        self._month: int | None = None
        self._day, self._last = 0, 0

    def find(self, line: str) -> Match | None:
        """The time of a line; None where it has none."""
        match = self._pattern.search(line, 0, LOOK_AT)
        if match is None:
            return None
        seconds = self._whole(match)
        if seconds is None:
            return None
        time_us = seconds * SECOND
        if self._fraction and (fraction := match[self._fraction]):
            time_us += int(fraction[:6].ljust(6, "0"))
        if self._zone and (zone := match[self._zone]) and zone[0] in "+-":
            offset = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
            time_us -= (offset if zone[0] == "+" else -offset) * SECOND
        return Match(time_us, match.start(), match.end())

    def state(self) -> list[int | None]:
        """What later lines depend on, for ``restore``."""
        return [self.year, self._month, self._day, self._last]

    def restore(self, state: Sequence[int | None]) -> None:
        """Go on as the clock that gave ``state``."""
        self.year, self._month, day, last = state
        self._day, self._last = day or 0, last or 0

    def _whole(self, match: re.Match[str]) -> int | None:
        """Seconds since 1970 of the first group; None for a day that there is not."""
        if self._dayless:
            seconds = _clock(match)
            if seconds < self._last - _DAY // 2:
                self._day += 1
            self._last = seconds
            return self._day * _DAY + seconds
        year = self._year_of(match) if self._yearless else None
        key = (year, match[1])
        if key not in self._seconds:
            if len(self._seconds) >= 10_000:
                self._seconds.clear()
            self._seconds[key] = _seconds(match, year)
        return self._seconds[key]

    def _year_of(self, match: re.Match[str]) -> int:
        parts = match.groupdict()
        month = _month(parts)
        if self.year is None:
            today = datetime.now(UTC).date()
            later = (month, int(parts["d"])) > (today.month, today.day + 1)
            self.year = today.year - later
        if self._month is not None and month < self._month - 6:
            self.year += 1
        elif self._month is not None and month > self._month + 6:
            return self.year - 1  # a late line of December
        self._month = month
        return self.year


def find_format(lines: Sequence[str]) -> str | None:
    """Name of the format that most of the lines have; None when fewer than half have any.

    Of formats that read equally many, the one that stands earlier in the line is taken; of those, the
    one whose times rise the most steadily, so that day and month are told apart where that is possible.

    >>> find_format(["Jun 14 15:16:01 combo sshd[19939]: ok", "Jun 14 15:16:02 combo su: ok"])
    'syslog'
    >>> find_format(["no time here"]) is None
    True
    """
    ranked = []
    for order, name in enumerate(NAMES):
        clock = LogClock(name, year=2000)  # a leap year
        found = [m for line in lines if (m := clock.find(line))]
        if len(found) < max(1, len(lines) / 2):
            continue
        place = sum(m.start for m in found) / len(found)
        times = [m.time_us for m in found]
        falls = sum(b < a for a, b in pairwise(times))
        share = round(len(found) / len(lines), 2)
        ranked.append((-share, round(place), falls, order, name))
    return min(ranked)[-1] if ranked else None


def _seconds(match: re.Match[str], year: int | None) -> int | None:
    parts = match.groupdict()
    if parts.get("e"):
        return int(parts["e"])
    if parts.get("Y"):
        year = int(parts["Y"])
    elif parts.get("y"):
        year = int(parts["y"]) + (2000 if int(parts["y"]) < 70 else 1900)
    assert year is not None  # of every format without one it is given
    try:
        day = date(year, _month(parts), int(parts["d"]))
    except ValueError:
        return None
    return (day.toordinal() - 719_163) * _DAY + _clock(match)


def _month(parts: dict[str, str]) -> int:
    return _MONTHS[parts["b"].lower()] if parts.get("b") else int(parts["m"])


def _clock(match: re.Match[str]) -> int:
    return int(match["H"]) * 3600 + int(match["M"]) * 60 + int(match["S"])
