"""Lines of a log: when each was written, what it says, and of which session it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gatework.data.log_times import NAMES, WITHOUT_YEAR, LogClock, Match, find_format
from gatework.errors import ConfigError, DataError, ModelFileError

MAX_LINE = 65_536
"""Bytes of a line that are read; the rest is cut off and counted."""
SAMPLE = 2000
"""Lines from which the format of the time is found."""
NO_TIME = int(np.iinfo(np.int64).min)
"""Stands for a time before the first that was read."""
_BEFORE, _AFTER = " \t[(|", " \t])|,;:"  # what is left of the brackets round the time


class LogLine(NamedTuple):
    """One line of a log."""

    time_us: int | None
    """Microseconds since 1970; of the line before where this one has none; None before the first."""
    message: str
    """The line without its time."""
    key: str | None
    """Its session; None where it has none or none were asked for."""


class LineReader:
    """Splits raw lines into time, message and session; the format of the time is found in ``fit``.

    Lines come in order: one without a time takes that of the line before it.
    """

    def __init__(
        self, time_format: str | None, session: str | None = None, year: int | None = None
    ) -> None:
        """time_format: a name of ``log_times.NAMES``, or None for lines without a time.
        session: regular expression; its first group, or all that it matches, names the session.
        year: of the first line, where the format has no year.
        """
        self.time_format = time_format
        self.session = session
        self.invalid = self.cut = self.timeless = 0
        """Lines so far with invalid UTF-8, longer than MAX_LINE, without the time that others have."""
        self._clock = LogClock(time_format, year) if time_format else None
        self._session = _session_pattern(session) if session is not None else None
        self._last: int | None = None

    @classmethod
    def fit(
        cls, lines: Sequence[bytes | str], *, session: str | None = None, year: int | None = None
    ) -> LineReader:
        """A reader for a log that begins with ``lines``; the first SAMPLE of them are looked at.

        Raises ConfigError for a ``session`` that is no regular expression, and DataError for one that
        fits none of the lines.
        """
        reader = cls(None, session, year)
        texts = [t for line in lines[:SAMPLE] if (t := reader._text(line)).strip()]
        if texts and reader._session and not any(map(reader._session.search, texts)):
            raise DataError(
                f"session={session!r} fits none of the first {len(texts):,} lines, such as "
                f"{texts[0][:120]!r}. Correct the expression: its first group, or all that it "
                "matches, names the session of a line."
            )
        return cls(find_format(texts), session, year)

    def read(self, line: bytes | str) -> LogLine:
        """Time, message and session of one line.

        >>> reader = LineReader("iso", session=r"job=(\\w+)")
        >>> reader.read(b"2024-02-29 12:00:00,250 INFO job=a7 done")
        LogLine(time_us=1709208000250000, message='INFO job=a7 done', key='a7')
        """
        text = self._text(line)
        key = None
        if self._session is not None and (found := self._session.search(text)):
            key = found[1] if self._session.groups else found[0]
        if self._clock is not None:
            time = self._clock.find(text)
            if time is None:
                self.timeless += 1
            else:
                self._last = time.time_us
                text = _without(text, time)
        return LogLine(self._last, text, key)

    def read_many(
        self, lines: Sequence[bytes | str]
    ) -> tuple[np.ndarray[Any, np.dtype[np.int64]], list[str], list[str | None]]:
        """Times (N,) int64, NO_TIME before the first; messages and sessions of N lines."""
        read = [self.read(line) for line in lines]
        times = [NO_TIME if r.time_us is None else r.time_us for r in read]
        return np.array(times, dtype=np.int64), [r.message for r in read], [r.key for r in read]

    @property
    def year(self) -> int | None:
        """The year that lines are of now, where the format has none; None where that is open."""
        return self._clock.year if self._clock and self.time_format in WITHOUT_YEAR else None

    def fresh(self, year: int | None = None) -> LineReader:
        """A reader of the same lines that has read none yet."""
        return LineReader(self.time_format, self.session, year)

    def describe(self) -> str:
        """How lines are read, in words."""
        time = (
            f"the time of a line is read as {self.time_format!r}"
            if self.time_format
            else "no time was found in the lines"
        )
        if self.time_format in WITHOUT_YEAR:
            time += "; the year is not written there, and taken to be the latest possible"
        return time + (f"; sessions by {self.session!r}" if self.session is not None else "")

    def to_json(self) -> dict[str, Any]:
        """What ``from_json`` makes the same reader from."""
        return {"version": 1, "time_format": self.time_format, "session": self.session}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> LineReader:
        """The reader of ``to_json``; ModelFileError for what that did not write."""
        try:
            version, name, session = saved["version"], saved["time_format"], saved["session"]
            right = version == 1 and (name is None or name in NAMES)
            right = right and (session is None or isinstance(session, str))
            if right:
                return cls(name, session)
        except (TypeError, KeyError, ConfigError):
            pass
        raise ModelFileError(
            "how the saved model reads log lines is damaged or of another version. Train the model "
            "again."
        )

    def state(self) -> dict[str, Any]:
        """What later lines depend on, for ``restore``."""
        clock = self._clock
        return {
            "last": self._last,
            "clock": None if clock is None else clock.state(),
            "counts": [self.invalid, self.cut, self.timeless],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on as the reader that gave ``state``."""
        self._last = state["last"]
        self.invalid, self.cut, self.timeless = state["counts"]
        if self._clock is not None:
            self._clock.restore(state["clock"])

    def _text(self, line: bytes | str) -> str:
        if len(line) > MAX_LINE:
            self.cut += 1
            line = line[:MAX_LINE]
            if isinstance(line, bytes):
                return line.decode("utf-8", "replace").rstrip("\r\n")
        if isinstance(line, str):
            return line.rstrip("\r\n")
        try:
            return line.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            self.invalid += 1
            return line.decode("utf-8", "replace").rstrip("\r\n")


def _without(text: str, time: Match) -> str:
    before, after = text[: time.start].rstrip(_BEFORE), text[time.end :].lstrip(_AFTER)
    if before[-1:] in ("'", '"') and after[:1] == before[-1]:  # JSON and key="..."
        before, after = before[:-1], after[1:].lstrip(_AFTER)
    return f"{before} {after}" if before else after


def _session_pattern(session: str) -> re.Pattern[str]:
    try:
        return re.compile(session)
    except re.error as error:
        raise ConfigError(
            f"session={session!r} is no regular expression: {error}. Write one such as "
            r"'blk_-?\d+' or 'request=(\w+)'."
        ) from None
