"""A detector's row in one compiled call is what NumPy makes of it, on every path and for every option."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gatework.engine_module import engine
from gatework.runtime.detect_spec import DetectSpec
from gatework.runtime.row_step import RowModel
from gatework.runtime.scoring import Joining

sys.path.insert(0, str(Path(__file__).parent))
import row_steps
from row_steps import FULL, LEVEL, check, random_rows, random_runtime, scoring_of

SPEC = DetectSpec("forecast", 5, (6,), hidden_size=16, mask=True)


@pytest.mark.parametrize("path", engine.info()["paths"])
def test_a_row_is_the_same_on_every_path(path: str) -> None:
    done = subprocess.run(
        [sys.executable, str(Path(row_steps.__file__))],
        env={**os.environ, "GATEWORK_ISA": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [path], f"{path} was asked for, {done.stdout.strip()} ran"


def test_a_wrong_number_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatework.runtime.row_step.REACH", 14.4)
    with pytest.raises(AssertionError, match="is off by"):
        check(SPEC, FULL, 0)


def test_a_wrong_slow_mean_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatework.runtime.scoring.FARTHEST", 5.0)
    check(SPEC, FULL, 0)
    with pytest.raises(AssertionError, match="is off by"):
        check(SPEC, LEVEL, 0)


@pytest.mark.parametrize("joining", [FULL, LEVEL])
def test_a_snapshot_goes_on_in_rows(joining: Joining) -> None:
    runtime = random_runtime(SPEC)
    scoring = scoring_of(SPEC, runtime, joining)
    rows = random_rows(SPEC, 30)
    rows[0][:20, 2] = np.nan  # no slow mean yet when the snapshot is taken
    model = RowModel(runtime, scoring, 0)
    row, score = runtime.state(), scoring.state(6)
    step, again = model.step(row, score), None
    for i in range(30):
        if i == 12:
            row2, score2 = runtime.state(), scoring.state(6)
            again = model.step(row2, score2)  # before it is restored: the arrays stay the same
            row2.restore(row.snapshot())
            score2.restore(score.snapshot())
            assert np.isnan(score2.slow).tolist() == [c == 2 for c in range(len(score2.slow))]
        told = step.push(rows[0][i], rows[1][i], rows[2][i], None)
        if again is not None:
            assert again.push(rows[0][i], rows[1][i], rows[2][i], None) == told
            np.testing.assert_array_equal(score2.slow, score.slow)
    assert not np.isnan(score.slow).any()


def test_events_of_a_session_are_neither_adapted_nor_smoothed() -> None:
    spec = DetectSpec("forecast", 0, (9,), hidden_size=16)
    runtime = random_runtime(spec)
    scoring = scoring_of(spec, runtime, FULL)
    z, tokens, calendar = random_rows(spec, 20)
    told = runtime.advance(runtime.state(), z, tokens, calendar)
    wanted = scoring.joined(told.residuals, np.zeros((20, 0), bool))
    step = RowModel(runtime, scoring, 0, alone=True).step(runtime.state(), scoring.state(1))
    found = [step.push(None, t, None, None)[0] for t in tokens]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_only_networks_that_forecast_have_one() -> None:
    runtime = random_runtime(SPEC)
    for joining in (FULL, LEVEL):
        assert RowModel.fits(runtime, scoring_of(SPEC, runtime, joining))
    scoring = scoring_of(SPEC, runtime, FULL)
    runtime.spec = DetectSpec("reconstruct", 5, (6,))
    assert not RowModel.fits(runtime, scoring)


def test_a_copy_is_made_anew() -> None:
    runtime = random_runtime(SPEC)
    scoring = scoring_of(SPEC, runtime, FULL)
    model = RowModel(runtime, scoring, 0)
    step = model.step(runtime.state(), scoring.state(6))
    assert copy.deepcopy(step) is None
    z, tokens, calendar = (a[0] for a in random_rows(SPEC, 1))
    other = pickle.loads(pickle.dumps(model)).step(runtime.state(), scoring.state(6))
    assert other.push(z, tokens, calendar, None) == step.push(z, tokens, calendar, None)


@pytest.mark.parametrize(
    ("place", "wrong", "message"),
    [
        (0, np.zeros(5), "z must be float32"),
        (0, np.zeros(4, np.float32), r"z must have shape \(5\), got \(4\)"),
        (1, np.array([6]), "a token is no word of its category"),
        (1, np.array([-1]), "a token is no word of its category"),
        (1, np.array([1], np.int32), "tokens must be int64"),
    ],
)
def test_rows_that_do_not_fit_change_nothing(place: int, wrong: object, message: str) -> None:
    runtime = random_runtime(SPEC)
    scoring = scoring_of(SPEC, runtime, FULL)
    row, score = runtime.state(), scoring.state(6)
    step = RowModel(runtime, scoring, 0).step(row, score)
    given: list[Any] = [a[0] for a in random_rows(SPEC, 1)]
    given[place] = wrong
    with pytest.raises(ValueError, match=message):
        step.push(given[0], given[1], given[2], None)
    assert score.rows == 0
    assert not row.last.any()
