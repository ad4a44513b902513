"""The loop of ``gatework watch``: blocks of lines in, alarms out, state kept between blocks."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gatework.cli.watch_show import PassedOver, alarm_json, alarm_text, rows_text
from gatework.cli.watch_state import Kept, read_state, write_state
from gatework.data.follow import follow_file, read_pipe
from gatework.data.line_blocks import LineBlock
from gatework.errors import DataError, OutputError

SAVE_S = 5.0  # between two writes of the state
_MOST_OPEN = 20_000  # alarms that are remembered as begun
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Watch:
    """One run: reads, scores, prints, and keeps the state.

    stream: a detector's stream, with ``is_header``, ``reader``, ``advance``, ``finish``, ``time_text``,
        ``to_bytes`` and ``restore``.
    """

    def __init__(
        self,
        stream: Any,
        file: Path | None,
        state: Path | None,
        *,
        rows: bool = False,
        json: bool = False,
        quiet: bool = False,
    ) -> None:
        self._stream, self._file, self._state = stream, file, state
        self._rows, self._json = rows, json
        self._source = "standard input" if file is None else str(file)
        self._passed = PassedOver(quiet)
        self._kept = Kept(None if file is None else str(file.resolve()))
        self._parser: Any = None
        self._told: dict[
            tuple[str | None, int], None
        ] = {}  # alarms that have begun, as a set with order
        self._seen = self._alarms = 0
        self._warming: bool | None = None  # None: not known yet
        self._stopped = self._dirty = self._failing = False
        self._saved_at = time.monotonic()

    def run(self, follow: bool = True) -> None:
        """Read until the input ends or a signal comes; what was read is then in the state."""
        self._restore()
        with _signals(self):
            ended = True
            for block in self._blocks(follow):
                self._block(block)
                if self._stopped:
                    ended = False
                    break
            if ended and not self._stopped and self._state is None:
                self._print_alarms(self._stream.finish(), 0, [])
            if self._state is not None:
                self._save(last=True)
        self._close()

    def stop(self) -> None:
        """Let the loop end after the block at hand."""
        self._stopped = True

    # ---- reading ------------------------------------------------------------------------------------

    def _blocks(self, follow: bool) -> Iterator[LineBlock]:
        def stop() -> bool:
            return self._stopped

        position = self._kept.position
        if self._file is not None and self._file.is_file():
            return follow_file(self._file, position=position, follow=follow, stop=stop)
        if self._file is not None:  # a named pipe, a device
            return _read_opened(self._file, position.line, stop)
        return read_pipe(_standard_input(), line=position.line, stop=stop)

    def _block(self, block: LineBlock) -> None:
        for notice in block.notices:
            self._passed.say(f"note: {notice}.")
        for line, size in block.too_long:
            self._passed.add(self._source, line, "length", f"it is {size:,} bytes long")
        lines, numbers = block.lines, block.numbers
        if lines and (self._parser is None or block.begins_file):
            taken = self._begin(lines[0])
            lines, numbers = lines[taken:], numbers[taken:]
        if lines:
            self._score(lines, numbers)
        if block.numbers or block.too_long:
            self._dirty = True
        self._kept.position = block.position
        if self._state is not None and time.monotonic() - self._saved_at >= SAVE_S:
            self._save()

    def _begin(self, first: bytes) -> int:
        """Make the parser for a file that begins with this line; 1 when that line is its header."""
        text = first.decode("utf-8", "replace")
        if self._stream.is_header(text):
            try:
                self._use(text)
            except DataError as error:
                if self._parser is None:
                    raise DataError(f"{self._source}, line 1: {error}") from None
                self._passed.say(
                    f"note: {self._source}, line 1: {error} The columns stay as before."
                )
            return 1
        if self._parser is None:
            self._use(None)
        return 0

    def _use(self, header: str | None) -> None:
        self._parser = self._stream.reader(header)
        self._kept.header = header

    def _score(self, lines: Sequence[bytes], numbers: Sequence[int]) -> None:
        parsed = self._parser.parse(lines)
        for index, kind, message in parsed.bad:
            self._passed.add(self._source, numbers[index], kind, message)
        good = [numbers[i] for i in parsed.good.tolist()]
        if not good:
            return
        first = self._stream.rows
        found = self._stream.advance(parsed.rows)
        self._seen += len(good)
        for notice in found.notices:
            self._passed.say(f"note: {notice}")
        self._tell_warming(found.warming)
        if self._rows:
            sys.stdout.write(rows_text(good, found, self._json))
        self._print_alarms(found.events, first, good)
        if self._rows or found.events:
            sys.stdout.flush()

    # ---- telling ------------------------------------------------------------------------------------

    def _tell_warming(self, warming: Any) -> None:
        if self._warming is None:
            self._warming = bool(warming[0])
            if self._warming:
                self._passed.say("note: warming up: the first rows raise no alarm.")
        if self._warming and not warming[-1]:
            self._warming = False
            self._passed.say("note: warmed up: alarms are raised from here on.")

    def _print_alarms(self, alarms: Sequence[Any], first: int, lines: Sequence[int]) -> None:
        """Alarms that began, ended or both; of one that goes on, nothing.

        first: row of the stream of ``lines[0]``.  Of several series rows are counted in each, so that
        there no line can be named.
        """
        for alarm in alarms:
            key = (alarm.series, alarm.start_row)
            began = key not in self._told
            if not began and alarm.open:
                continue
            what = "begin" if alarm.open else "alarm" if began else "end"
            at = alarm.start_row - first
            line = lines[at] if alarm.series is None and 0 <= at < len(lines) else None
            show = alarm_json if self._json else alarm_text
            sys.stdout.write(show(alarm, what, line, self._stream.time_text) + "\n")
            self._alarms += began
            if alarm.open:
                self._told[key] = None
                if len(self._told) > _MOST_OPEN:  # of series that are heard of no more
                    del self._told[next(iter(self._told))]
            else:
                self._told.pop(key, None)

    def _close(self) -> None:
        sys.stdout.flush()
        alarms = f"{self._alarms:,} alarm{'' if self._alarms == 1 else 's'}"
        told = f"{self._seen:,} row{'' if self._seen == 1 else 's'}, {alarms}"
        if self._told:
            told += f", {len(self._told):,} of them not over"
        passed = self._passed.summary()
        self._passed.say(f"{told}; {passed}." if passed else f"{told}.")

    # ---- the state ----------------------------------------------------------------------------------

    def _restore(self) -> None:
        found = None if self._state is None else read_state(self._state, self._kept.source)
        if found is None:
            return
        self._kept, stream = found
        self._told = dict.fromkeys(self._kept.told)
        try:
            self._stream.restore(stream)
        except DataError as error:
            raise DataError(f"{self._state}: {error}") from None
        if self._kept.header is not None:
            self._use(self._kept.header)
        if self._kept.parser is not None:
            if self._parser is None:
                self._use(None)
            try:
                self._parser.restore(self._kept.parser)
            except (KeyError, ValueError, TypeError):
                raise DataError(
                    f"{self._state}: is a state of another version. Remove it to begin anew."
                ) from None
        self._warming = False if self._stream.rows else None

    def _save(self, last: bool = False) -> None:
        if not (self._dirty or last):
            return
        sys.stdout.flush()  # an alarm is told before it is kept as told
        self._kept.told = list(self._told)
        self._kept.parser = self._parser.state() if hasattr(self._parser, "state") else None
        assert self._state is not None
        try:
            write_state(self._state, self._kept, self._stream.to_bytes())
        except OutputError as error:
            if last:
                raise
            if not self._failing:
                self._passed.say(
                    f"note: {error} Watching goes on; what comes is not kept until then."
                )
            self._failing = True
        else:
            self._failing = self._dirty = False
        self._saved_at = time.monotonic()


def _standard_input() -> int:
    if sys.stdin is None:
        raise DataError("standard input is closed. Pipe lines into the command, or name a file.")
    return sys.stdin.fileno()


def _read_opened(path: Path, line: int, stop: Any) -> Iterator[LineBlock]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield from read_pipe(descriptor, line=line, stop=stop)
    finally:
        os.close(descriptor)


@contextmanager
def _signals(watch: Watch) -> Iterator[None]:
    """The first signal lets the loop end by itself, a second one ends at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}

    def asked(number: int, frame: object) -> None:
        watch.stop()
        for own, handler in before.items():
            signal.signal(own, handler)

    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            before[number] = signal.signal(number, asked)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
