"""``gatework watch`` over a stream that is made up: what is printed, kept, passed over, refused."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gatework.cli.main import main
from gatework.data import follow as follow_module
from gatework.errors import DataError


@dataclass(frozen=True)
class Alarm:
    start_row: int
    end_row: int
    peak_row: int
    peak_score: float
    open: bool
    series: str | None = None
    threshold: float = 10.0
    start_time: int | None = None
    end_time: int | None = None
    channels: tuple[tuple[str, float], ...] = (("load", 0.75), ("heat", 0.25))
    expected: dict[str, Any] = field(default_factory=lambda: {"load": (1.0, 2.0, 3.0)})
    values: dict[str, Any] = field(default_factory=lambda: {"load": 17.5})


@dataclass
class Parsed:
    rows: list[float]
    good: Any
    bad: list[tuple[int, str, str]]


@dataclass
class Block:
    score: Any
    threshold: Any
    alarm: Any
    warming: Any
    events: list[Alarm]
    notices: list[str]


class Parser:
    """One number a line."""

    def __init__(self, columns: str | None) -> None:
        self.columns = columns

    def parse(self, lines: Sequence[bytes]) -> Parsed:
        rows, good, bad = [], [], []
        for i, line in enumerate(lines):
            try:
                rows.append(float(line))
                good.append(i)
            except ValueError:
                bad.append((i, "number", f"{line[:20].decode('utf-8', 'replace')!r} is no number"))
        return Parsed(rows, np.array(good, np.int64), bad)


class Stream:
    """A row's score is its number, an alarm begins above 10 and ends with the first row below."""

    model = "a"

    def __init__(self) -> None:
        self.rows = 0
        self.seen: list[float] = []
        self.headers: list[str | None] = []
        self.start: int | None = None
        self.peak = (0.0, 0)

    def is_header(self, line: str) -> bool:
        return "load" in line

    def reader(self, header: str | None) -> Parser:
        if header is not None and "time" in header:
            raise DataError("the header has 'time', which the model was not fitted with.")
        self.headers.append(header)
        return Parser(header)

    def time_text(self, at: int) -> str:
        return f"at {at}"

    def advance(self, rows: list[float]) -> Block:
        scores = np.array(rows)
        before = self.rows
        events: dict[int, Alarm] = {}
        for score in rows:
            self.seen.append(score)
            if score > 10 and self.start is None:
                self.start, self.peak = self.rows, (score, self.rows)
            if self.start is not None:
                self.peak = max(self.peak, (score, self.rows))
                last = self.rows if score > 10 else self.rows - 1
                events[self.start] = self.alarm(last, score > 10)
                if score <= 10:
                    self.start = None
            self.rows += 1
        warming = np.arange(before, self.rows) < 2
        notices = ["load stands still."] if 7.0 in rows else []
        return Block(
            scores, np.full(len(rows), 10.0), scores > 10, warming, [*events.values()], notices
        )

    def alarm(self, last: int, is_open: bool) -> Alarm:
        assert self.start is not None
        return Alarm(self.start, last, self.peak[1], self.peak[0], is_open)

    def finish(self) -> list[Alarm]:
        return [] if self.start is None else [self.alarm(self.rows - 1, False)]

    def to_bytes(self) -> bytes:
        return json.dumps([self.model, self.rows, self.seen, self.start, self.peak]).encode()

    def restore(self, data: bytes) -> None:
        model, self.rows, self.seen, self.start, peak = json.loads(data)
        self.peak = tuple(peak)
        if model != self.model:
            raise DataError("the state is of another model. Name another file, or remove it.")


class Model:
    name = "detect"

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def stream(self) -> Stream:
        return self._stream


@dataclass
class Outcome:
    code: int
    out: str
    err: str
    stream: Stream

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Watch:
    """The command over a made-up stream, in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capfd = monkeypatch, capfd
        self.stream = Stream()

    def __call__(
        self, *arguments: object, given: bytes | None = None, stream: Stream | None = None
    ) -> Outcome:
        """``given`` is piped into it."""
        self.stream = stream or Stream()
        self.monkeypatch.setattr("gatework.tasks.registry.load", lambda path: Model(self.stream))
        if given is not None:
            out, into = os.pipe()
            writer = threading.Thread(target=lambda: (os.write(into, given), os.close(into)))
            writer.start()
            self.monkeypatch.setattr(sys, "stdin", open(out, encoding="utf-8"))  # noqa: SIM115
        with pytest.raises(SystemExit) as ended:
            main(["watch", "model", *map(str, arguments)])
        if given is not None:
            writer.join()
            sys.stdin.close()
        told = self.capfd.readouterr()
        return Outcome(int(ended.value.code or 0), told.out, told.err, self.stream)

    def until(self, rows: int, *then: Callable[[], None]) -> threading.Thread:
        """A thread that does one thing each time that as many more rows were scored."""

        def wait() -> None:
            time.sleep(0.05)  # until the stream is the next run's
            for n, step in enumerate(then, 1):
                end = time.monotonic() + 10
                while self.stream.rows < rows * n and time.monotonic() < end:
                    time.sleep(0.01)
                step()

        thread = threading.Thread(target=wait)
        thread.start()
        return thread


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Watch:
    monkeypatch.setattr(follow_module, "POLL_S", 0.01)
    return Watch(monkeypatch, capfd)


def kill(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


def add(path: Path, text: str) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def test_alarms_of_standard_input_are_told_for_people(watch: Watch) -> None:
    found = watch(given=b"load\n1\n2\n12\n17.5\n3\n7\n20\n")
    assert found.code == 0
    assert found.lines[0] == (
        "ALARM  rows 2 to 3 (line 4)  peak in row 3, score 17.50, threshold 10.00  "
        "load 75%: 17.5, expected 1 to 3; heat 25%"
    )
    assert found.lines[1:] == [
        "ALARM  row 6 (line 8)  score 20.00, threshold 10.00  load 75%: 17.5, expected 1 to 3; heat 25%",
        "alarm ends  row 6  score 20.00, threshold 10.00  load 75%: 17.5, expected 1 to 3; heat 25%",
    ]
    assert "warming up" in found.err
    assert "note: load stands still." in found.err
    assert "7 rows, 2 alarms." in found.err


def test_alarms_as_json(watch: Watch) -> None:
    found = watch("--json", "--quiet", given=b"1\n12\n3\n20\n")
    assert not found.err
    events = [json.loads(line) for line in found.lines]
    assert [(e["event"], e["start_row"], e["end_row"], e["line"]) for e in events] == [
        ("alarm", 1, 1, 2),
        ("begin", 3, None, 4),
        ("end", 3, 3, None),
    ]
    assert events[0]["channels"][0] == {
        "name": "load", "share": 0.75, "value": 17.5, "low": 1.0, "median": 2.0, "high": 3.0
    }  # fmt: skip
    assert events[0]["channels"][1]["value"] is None


def test_every_row_on_demand(watch: Watch) -> None:
    found = watch("--all", given=b"load\n1\nx\n2\n3.25\n")
    assert found.lines == [
        "2\t1.0000\t10.0000\t0",
        "4\t2.0000\t10.0000\t0",
        "5\t3.2500\t10.0000\t0",
    ]
    found = watch("--all", "--json", given=b"nan\n")
    assert json.loads(found.out) == {
        "line": 1, "score": None, "threshold": 10.0, "alarm": False, "warming": True
    }  # fmt: skip


def test_lines_that_are_no_rows_are_told_and_counted(watch: Watch, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"1\nbad\n\xff\xfe\n" + b"9" * 2_000_000 + b"\n2\n" + b"odd\n" * 40 + b"3\n")
    found = watch(path, "--no-follow")
    assert found.code == 0
    assert found.stream.seen == [1, 2, 3]
    assert f"{path}, line 2: 'bad' is no number. It is passed over." in found.err
    assert f"{path}, line 4: it is 2,000,000 bytes long. It is passed over." in found.err
    assert (
        f"{path}, line 6: 'odd' is no number. It is passed over; later ones are only" in found.err
    )
    assert found.err.count("'odd'") == 1
    assert "43 lines passed over (number: 42, length: 1)" in found.err
    assert watch(path, "--no-follow", "--quiet").err == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_the_next_run_goes_on(
    watch: Watch, tmp_path: Path, number: int, request: pytest.FixtureRequest
) -> None:
    path, state = tmp_path / "app.csv", tmp_path / "state"
    path.write_text("heat,load\n1\n12\n13\nhalf")
    came = signal.getsignal(number)
    # Where the tests run in the background it may be ignored, and watch leaves it so.
    before = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    signal.signal(number, before)
    request.addfinalizer(lambda: signal.signal(number, came))
    stopper = watch.until(3, lambda: kill(number))
    found = watch(path, "--state", state)
    stopper.join()
    assert found.code == 0
    assert found.stream.seen == [1, 12, 13]
    assert found.lines[0].startswith("ALARM  row 1 (line 3)")
    assert "3 rows, 1 alarm, 1 of them not over" in found.err
    assert signal.getsignal(number) is before
    path.rename(tmp_path / "app.csv.1")
    add(tmp_path / "app.csv.1", "15\n2\n")
    path.write_text("load\n4\n")
    again = watch(path, "--state", state, "--no-follow")
    assert again.stream.seen == [1, 12, 13, 2, 4]
    assert again.stream.headers == ["heat,load", "load"]
    assert "line 5: 'half15' is no number" in again.err
    assert [line.split("  ")[0] for line in again.lines] == ["alarm ends"]
    assert watch(path, "--state", state, "--no-follow").stream.seen == [1, 12, 13, 2, 4]


def test_a_file_is_followed_through_a_rotation_and_its_header_is_no_row(
    watch: Watch, tmp_path: Path
) -> None:
    path = tmp_path / "app.csv"
    path.write_text("load\n1\n")

    def rotate() -> None:
        path.rename(tmp_path / "app.csv.1")
        path.write_text("heat,load\n2\n")

    stopper = watch.until(1, rotate, lambda: add(path, "3\n"), kill)
    found = watch(path)
    stopper.join()
    assert found.stream.seen == [1, 2, 3]
    assert "passed over" not in found.err


def test_a_header_that_does_not_fit_is_refused_at_first_and_noted_later(
    watch: Watch, tmp_path: Path
) -> None:
    path = tmp_path / "app.csv"
    path.write_text("time,load\n1\n")
    found = watch(path)
    assert found.code == 2
    assert (
        found.err
        == f"gatework: {path}, line 1: the header has 'time', which the model was not "
        + ("fitted with.\n")
    )
    path.write_text("load\n1\n")

    def rotate() -> None:
        path.rename(tmp_path / "app.csv.1")
        path.write_text("time,load\n2\n")

    stopper = watch.until(1, rotate, kill)
    found = watch(path)
    stopper.join()
    assert found.stream.seen == [1, 2]
    assert "The columns stay as before." in found.err


def test_a_crash_loses_no_line_and_alarms_are_told_again(watch: Watch, tmp_path: Path) -> None:
    path, state = tmp_path / "app.csv", tmp_path / "state"
    watch.monkeypatch.setattr("gatework.cli.watch_loop.SAVE_S", 0.0)
    watch.monkeypatch.setattr(follow_module, "BLOCK", 8)
    path.write_text("1\n12\n3\n4\n-1\n6\n")

    class Falls(Stream):
        def advance(self, rows: list[float]) -> Block:
            if -1 in rows:
                raise RuntimeError("out of order")
            return super().advance(rows)

    found = watch(path, "--state", state, stream=Falls())
    assert found.code == 1
    assert "unexpected RuntimeError: out of order" in found.err
    again = watch(path, "--state", state, "--no-follow")
    assert again.stream.seen == [1, 12, 3, 4, -1, 6]


def test_a_state_of_something_else_is_refused(watch: Watch, tmp_path: Path) -> None:
    path, state = tmp_path / "app.csv", tmp_path / "state"
    path.write_text("1\n")
    assert watch(path, "--no-follow", "--state", state).code == 0
    kept = state.read_bytes()
    other = Stream()
    other.model = "b"
    found = watch(path, "--no-follow", "--state", state, stream=other)
    assert (found.code, found.out) == (2, "")
    assert found.err == (
        f"gatework: {state}: the state is of another model. Name another file, or remove it.\n"
    )
    found = watch("--state", state, given=b"1\n")
    assert found.code == 2
    assert f"{state}: is the state of watching {path.resolve()}, not standard input" in found.err
    for damaged in (kept[:-1], kept[:40], b"text", kept.replace(b'"offset": 2', b'"offset": "x"')):
        state.write_bytes(damaged)
        found = watch(path, "--no-follow", "--state", state)
        assert found.code == 2, damaged
        assert "is no state of gatework watch, or a damaged one" in found.err
        assert state.read_bytes() == damaged


def test_the_state_of_standard_input_counts_its_lines_on(watch: Watch, tmp_path: Path) -> None:
    state = tmp_path / "state"
    watch("--state", state, given=b"load\n1\n20\n")
    found = watch("--state", state, "--json", given=b"4\nx\n30\n")
    assert found.stream.seen == [1, 20, 4, 30]
    assert "standard input, line 5: 'x' is no number" in found.err
    events = [json.loads(line) for line in found.lines]
    assert [(e["event"], e["start_row"], e["line"]) for e in events] == [
        ("end", 1, None),
        ("begin", 3, 6),
    ]


def test_a_state_that_cannot_be_written_is_told_and_watching_goes_on(
    watch: Watch, tmp_path: Path
) -> None:
    path, folder = tmp_path / "app.csv", tmp_path / "folder"
    path.write_text("1\n")
    folder.mkdir()
    watch.monkeypatch.setattr("gatework.cli.watch_loop.SAVE_S", 0.0)

    def remove() -> None:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        add(path, "2\n")

    stopper = watch.until(1, remove, kill)
    found = watch(path, "--state", folder / "state")
    stopper.join()
    assert found.stream.seen == [1, 2]
    assert found.err.count("Watching goes on") == 1
    assert found.code == 2
    assert "cannot be written" in found.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--follow"], "--follow and --no-follow go with a FILE"),
        (["absent.csv"], "absent.csv: there is no such file"),
        (["."], "is a folder"),
        (["--state", "absent/state"], "the folder 'absent' does not exist"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    watch: Watch, tmp_path: Path, arguments: list[str], words: str
) -> None:
    watch.monkeypatch.chdir(tmp_path)
    found = watch(*arguments, given=b"1\n")
    assert (found.code, found.out) == (2, "")
    assert words in found.err
    assert found.err.count("\n") == 1


def test_the_watched_file_is_not_taken_for_the_state(watch: Watch, tmp_path: Path) -> None:
    path = tmp_path / "app.csv"
    path.write_text("1\n")
    found = watch(path, "--state", path)
    assert found.code == 2
    assert "is the file to be watched" in found.err
    assert path.read_text() == "1\n"


def test_only_a_detector_watches(watch: Watch) -> None:
    watch.monkeypatch.setattr(Model, "name", "forecast")
    found = watch(given=b"1\n")
    assert found.code == 2
    assert "only a detector watches" in found.err


def test_empty_input_is_no_error(watch: Watch) -> None:
    found = watch(given=b"")
    assert (found.code, found.out) == (0, "")
    assert "0 rows, 0 alarms." in found.err
