"""Lines of a log as rows, block by block: the same in a file, in a list and in a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gatework.data.log_lines import NO_TIME, LineReader
from gatework.data.log_read import parameter_numbers
from gatework.data.log_templates import LogTemplates
from gatework.data.observations import FloatArray, IntArray

SET_BACK = 50
"""Lines in a row behind the latest time, after which the clock is taken to have been set back."""
MOST_KEYS = 10_000
"""Sessions whose latest time is remembered; the one not heard of for longest is forgotten."""


class LineRows(NamedTuple):
    """n lines that are rows."""

    lines: IntArray
    """(n,) which lines of the block they are."""
    times: IntArray | None
    """(n,) microseconds since 1970, never before those of the line above; None in a log without times."""
    templates: IntArray
    """(n,) numbers of templates, -1 unseen."""
    counts: IntArray
    """(n,) how many parameters each line has."""
    numbers: FloatArray
    """(M,) all of them, one line's after the other's; NaN for what is no number."""
    keys: list[str] | None
    """(n,) sessions, "" of lines without; None when none were asked for."""


class LogRows:
    """Reads lines in their order; remembers what the next ones depend on.

    Programs write lines a little out of order, and clocks are set: a line whose time is before the latest of
    its session is read as of the latest, and counted.  When SET_BACK lines in a row are, theirs is the time.
    """

    def __init__(self, reader: LineReader, templates: LogTemplates) -> None:
        self.reader, self.templates = reader, templates
        self.late = self.early = self.set_back = 0
        """Lines so far before the latest time, before the first time, and how often the clock was set back."""
        self._latest: dict[str, tuple[int, int]] = {}  # session -> latest time, lines behind it

    @property
    def timed(self) -> bool:
        """Whether the lines have times."""
        return self.reader.time_format is not None

    def read(self, lines: Sequence[bytes | str]) -> LineRows:
        """Rows of a block; blank lines and those before the first time are none."""
        index = [i for i, line in enumerate(lines) if line.strip()]
        some = lines if len(index) == len(lines) else [lines[i] for i in index]
        times, messages, found = self.reader.read_many(some)
        first = 0
        if self.timed and len(times) and times[0] == NO_TIME:
            first = int(np.argmax(times != NO_TIME)) if (times != NO_TIME).any() else len(times)
            self.early += first
        times, messages = times[first:], messages[first:]
        keys = None
        if self.reader.session is not None:
            keys = ["" if k is None else k for k in found[first:]]
        ids, parameters = self.templates.match_many(messages)
        offsets, numbers = parameter_numbers(parameters)
        return LineRows(
            np.array(index[first:], np.int64),
            self._in_order(times, keys) if self.timed else None,
            ids,
            np.diff(offsets),
            numbers,
            keys,
        )

    def state(self) -> dict[str, Any]:
        """Plain JSON from which :meth:`restore` goes on."""
        return {
            "reader": self.reader.state(),
            "latest": [[key, time, behind] for key, (time, behind) in self._latest.items()],
            "counts": [self.late, self.early, self.set_back],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on as the one that gave ``state``; KeyError, ValueError or TypeError when it is none."""
        latest = {str(key): (int(time), int(behind)) for key, time, behind in state["latest"]}
        late, early, set_back = map(int, state["counts"])
        self.reader.restore(state["reader"])
        self._latest, self.late, self.early, self.set_back = latest, late, early, set_back

    def _in_order(self, times: IntArray, keys: list[str] | None) -> IntArray:
        if not len(times):
            return times
        if keys is None:
            latest, behind = self._latest.get("", (int(times[0]), 0))
            if not behind and times[0] >= latest and (times[1:] >= times[:-1]).all():
                self._latest[""] = int(times[-1]), 0
                return times
        known, out = self._latest, times.tolist()
        for i, time in enumerate(out):
            key = "" if keys is None else keys[i]
            latest, behind = known.pop(key, (time, 0))
            if time >= latest:
                known[key] = time, 0
            elif behind + 1 < SET_BACK:
                self.late += 1
                known[key] = latest, behind + 1
                out[i] = latest
            else:
                self.set_back += 1
                known[key] = time, 0
        while len(known) > MOST_KEYS:
            del known[next(iter(known))]
        return np.array(out, np.int64)
