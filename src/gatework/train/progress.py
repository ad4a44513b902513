"""What training tells while it runs: a bar on a terminal, a line a stage elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from gatework.train.loop import EpochRecord


class Progress(Protocol):
    """Told of every step and epoch; ``message`` and ``stage`` also outside a training."""

    def stage(self, text: str) -> None:
        """A stage begins: reading, training, judging."""

    def message(self, text: str) -> None:
        """Something the user should know."""

    def start(self, epochs: int, steps: int) -> None:
        """Training begins: at most ``epochs`` epochs of ``steps`` batches."""

    def step(self, loss: float) -> None:
        """One batch done."""

    def epoch(self, record: EpochRecord) -> None:
        """One epoch done and validated."""

    def stop(self) -> None:
        """Training ended, however."""


class Quiet:
    """Says nothing."""

    def stage(self, text: str) -> None:
        pass

    def message(self, text: str) -> None:
        pass

    def start(self, epochs: int, steps: int) -> None:
        pass

    def step(self, loss: float) -> None:
        pass

    def epoch(self, record: EpochRecord) -> None:
        pass

    def stop(self) -> None:
        pass


class Lines(Quiet):
    """One quiet line a stage, on standard error: for logs, pipes and notebooks."""

    def __init__(self) -> None:
        self._epochs, self._steps, self._started = 0, 0, 0.0
        self._best: EpochRecord | None = None

    def stage(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    message = stage

    def start(self, epochs: int, steps: int) -> None:
        self._started, self._best = time.perf_counter(), None
        self._steps = steps

    def epoch(self, record: EpochRecord) -> None:
        self._epochs = record.epoch
        if record.best:
            self._best = record

    def stop(self) -> None:
        if self._best is None:
            return
        seconds = time.perf_counter() - self._started
        epochs = f"{self._epochs} epoch{'s' if self._epochs != 1 else ''}"
        print(
            f"trained {epochs} of {self._steps} steps in {seconds:.1f} s; best epoch {self._best.epoch}: "
            f"validation {self._best.validation:.4f}",
            file=sys.stderr,
            flush=True,
        )


class Bar(Quiet):
    """A rich progress bar on standard error: epoch, loss, validation score, speed, time left."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._progress: Any = None

    def stage(self, text: str) -> None:
        self._console.print(text, markup=False)

    message = stage

    def start(self, epochs: int, steps: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._progress.start()
        self._epochs, self._steps, self._done = epochs, steps, 0
        self._loss: float | None = None
        self._best: EpochRecord | None = None
        self._task = self._progress.add_task("epoch 1", total=epochs * steps, facts="")
        self._clock = time.perf_counter()

    def step(self, loss: float) -> None:
        self._done += 1
        # The mean of about the last hundred steps: one batch alone jumps too much to read.
        self._loss = loss if self._loss is None else 0.98 * self._loss + 0.02 * loss
        if self._done % 10 == 0:
            speed = self._done / (time.perf_counter() - self._clock)
            best = f"  best {self._best.validation:.4f}" if self._best else ""
            facts = f"loss {self._loss:.4f}{best}  {speed:.0f} steps/s"
            self._progress.update(self._task, completed=self._done, facts=facts)

    def epoch(self, record: EpochRecord) -> None:
        if record.best:
            self._best = record
        # After --resume the epochs done before count as done.
        self._done = record.epoch * self._steps
        mark = "  best so far" if record.best else ""
        self._console.print(
            f"epoch {record.epoch:>3}/{self._epochs}  loss {record.train_loss:.4f}  validation "
            f"{record.validation:.4f}  {record.seconds:.1f} s{mark}"
        )
        self._progress.update(
            self._task, completed=self._done, description=f"epoch {record.epoch + 1}"
        )

    def stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def make_progress(quiet: bool) -> Progress:
    """The right one for where standard error goes."""
    if quiet:
        return Quiet()
    return Bar() if sys.stderr.isatty() else Lines()
