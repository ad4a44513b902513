"""Lines of a live log as rows: template, numbers, time and session of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gatework.data.observe_log import log_reading
from gatework.data.row_encoder import UNSEEN, RowEncoder
from gatework.tasks.detect_parse import ParsedBlock, ParsedRows, RowParser


class LogParser(RowParser):
    """Reads lines as the training part was read; the same rows as of a file, whatever the blocks.

    Invalid UTF-8 is replaced, and a line that is out of order is read as of the latest time before it: an odd
    line is what is looked for.  Only blank lines, and those before the first time, are no rows.
    """

    def __init__(self, encoder: RowEncoder) -> None:
        self._encoder = encoder
        self._reading, self._channels = log_reading(encoder.layout)
        words = (*self._reading.templates.templates, UNSEEN)  # the last is also -1
        self._tokens = np.array([encoder.token(0, w) for w in words], np.int64)

    def parse(self, lines: Sequence[bytes | str]) -> ParsedBlock:
        read = self._reading.read(lines)
        rows = ParsedRows(
            self._channels.values(read.templates, read.counts, read.numbers),
            self._tokens[read.templates][:, None],
            read.times,
            read.keys,
        )
        bad: list[tuple[int, str, str]] = []
        if len(read.lines) < len(lines):
            good = set(read.lines.tolist())
            bad = [
                (i, "time", "has no time, nor has any line before it")
                for i, line in enumerate(lines)
                if i not in good and line.strip()
            ]
        return ParsedBlock(rows, read.lines, bad)

    def state(self) -> dict[str, Any]:
        """What the next lines depend on, as plain JSON."""
        return self._reading.state()

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Go on as the parser that gave ``state``; begin anew without one.

        Raises:
            KeyError, ValueError, TypeError: it is no such state.
        """
        if state is None:
            self._reading, _ = log_reading(self._encoder.layout)
        else:
            self._reading.restore(state)
