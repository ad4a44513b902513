"""What training tells: a line a stage, nothing when quiet, and a bar that needs no terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

import pytest

from gatework.train.loop import EpochRecord
from gatework.train.progress import Bar, Lines, Progress, Quiet, make_progress


def record(epoch: int, validation: float, best: bool) -> EpochRecord:
    return EpochRecord(epoch, 0.5 / epoch, validation, 1e-3, 0.25, 20, best)


def tell(progress: Progress, validations: tuple[float, ...] = (0.4, 0.3, 0.35)) -> None:
    """A training with everything that can be told about it."""
    progress.stage("reading [data].csv")
    progress.start(5, 20)
    lowest = float("inf")
    for epoch, validation in enumerate(validations, start=1):
        for _ in range(20):
            progress.step(0.5)
        progress.epoch(record(epoch, validation, validation < lowest))
        lowest = min(lowest, validation)
    progress.message("step undone")
    progress.stop()


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    tell(Quiet())
    assert capsys.readouterr() == ("", "")


def test_lines_are_one_a_stage_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    tell(Lines())
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[:2] == ["reading [data].csv", "step undone"]
    said = r"trained 3 epochs of 20 steps in \d+\.\d s; best epoch 2: validation 0\.3000"
    assert re.fullmatch(said, lines[2])
    assert len(lines) == 3


def test_lines_say_nothing_of_a_training_without_a_pass(capsys: pytest.CaptureFixture[str]) -> None:
    tell(Lines(), ())
    assert capsys.readouterr().err.splitlines() == ["reading [data].csv", "step undone"]


def test_lines_forget_the_training_before(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    tell(lines)
    capsys.readouterr()
    tell(lines, (float("nan"),))
    assert "trained" not in capsys.readouterr().err


def test_the_bar_needs_no_terminal_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    tell(Bar())
    out, err = capsys.readouterr()
    assert out == ""
    assert "reading [data].csv" in err
    assert re.search(r"epoch +1/5 +loss 0\.5000 +validation 0\.4000 +0\.2 s +best so far", err)
    assert re.search(r"epoch +3/5 +loss 0\.1667 +validation 0\.3500 +0\.2 s\s", err)
    assert err.count("best so far") == 2
    assert "\x1b" not in err  # no control characters in a log


def test_the_bar_may_be_stopped_at_any_time(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar()
    bar.stop()
    bar.start(2, 3)
    bar.step(float("nan"))
    bar.stop()
    bar.stop()
    tell(bar)  # and used again
    assert "epoch   3/5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("quiet", "terminal", "kind"),
    [(True, True, Quiet), (True, False, Quiet), (False, True, Bar), (False, False, Lines)],
)
def test_the_right_one_for_where_it_goes(
    monkeypatch: pytest.MonkeyPatch, quiet: bool, terminal: bool, kind: Callable[[], Progress]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    assert type(make_progress(quiet)) is kind
