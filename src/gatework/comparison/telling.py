"""What a comparison tells while it runs: a line a run, and on a terminal a bar within it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol

from gatework.comparison.measure import PeakMemory
from gatework.train.progress import Bar, Progress, Quiet

if TYPE_CHECKING:
    from gatework.train.loop import EpochRecord


class Teller(Protocol):
    """Told of every run."""

    def line(self, text: str) -> None:
        """A run is done, or something else is to be known."""

    def of_run(self) -> Progress:
        """What the training of the next run is told."""


class Silent:
    """Says nothing."""

    def line(self, text: str) -> None:
        pass

    def of_run(self) -> Progress:
        return Quiet()


class Lines(Silent):
    """A line a run, on standard error."""

    def line(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class Bars(Lines):
    """The same on a terminal, with a bar while a run trains."""

    def of_run(self) -> Progress:
        return _BriefBar()


class _BriefBar(Bar):
    """The bar of a training without a line for each epoch."""

    def epoch(self, record: EpochRecord) -> None:
        if record.best:
            self._best = record
        self._done = record.epoch * self._steps
        self._progress.update(
            self._task, completed=self._done, description=f"epoch {record.epoch + 1}"
        )


class Watched(Quiet):
    """Passes on what a training tells, and takes its peak memory and processor time when it ends."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self._memory = PeakMemory()
        self.peak_mib: float | None = None
        self.cpu_share: float | None = None
        self._clocks = (0.0, 0.0)

    def start(self, epochs: int, steps: int) -> None:
        self._clocks = (time.process_time(), time.perf_counter())
        self._inner.start(epochs, steps)

    def step(self, loss: float) -> None:
        self._inner.step(loss)

    def epoch(self, record: EpochRecord) -> None:
        self._inner.epoch(record)

    def stop(self) -> None:
        busy, passed = time.process_time() - self._clocks[0], time.perf_counter() - self._clocks[1]
        self.cpu_share = busy / passed if passed else None
        self.peak_mib = self._memory.mib()
        self._inner.stop()


def make_teller(quiet: bool) -> Teller:
    """The right one for where standard error goes."""
    if quiet:
        return Silent()
    return Bars() if sys.stderr.isatty() else Lines()
