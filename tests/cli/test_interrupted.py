"""Runs that are cut short: by Ctrl-C, by kill, by a full disk."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

resource = pytest.importorskip("resource", reason="needs POSIX limits and signals")

Run = Callable[..., Any]
OPTIONS = [
    "--hidden-size",
    "8",
    "--context",
    "12",
    "--horizon",
    "4",
    "--threads",
    "1",
    "--seed",
    "3",
    "--patience",
    "1000",
]


def fit(table: Path, place: Path, *more: object) -> list[str]:
    return ["fit", "forecast", str(table), *OPTIONS, "-o", str(place), *map(str, more)]


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def started(arguments: Sequence[str], checkpoint: Path) -> subprocess.Popen[str]:
    """A fit of its own, once it has written its first checkpoint."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gatework.cli.main", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not checkpoint.is_file():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return process


def history(model: Path) -> list[dict[str, Any]]:
    passes: list[dict[str, Any]] = json.loads((model / "metrics.json").read_text())["training"][
        "history"
    ]
    return passes


def test_ctrl_c_keeps_the_best_and_resume_goes_on(run: Run, table: Path, tmp_path: Path) -> None:
    place = tmp_path / "new"
    process = started(fit(table, place, "--max-epochs", 500), place / "checkpoint.safetensors")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "interrupted: the best weights so far are kept" in err
    assert "Traceback" not in err
    assert "interrupted: run the same command with --resume to train on" in out
    assert files(tmp_path) == ["good.csv", "new"]
    assert "checkpoint.safetensors" in files(place)
    assert run("predict", place, table).code == 0
    done = len(history(place))

    resumed = run(*fit(table, place, "--max-epochs", done + 1, "--resume"))
    assert resumed.code == 0
    assert f"resumed after epoch {done}" in resumed.err
    assert len(history(place)) == done + 1
    assert "checkpoint.safetensors" not in files(place)


def test_kill_leaves_no_half_model_and_resume_gives_the_same_bits(
    run: Run, table: Path, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert run(*fit(table, whole, "--max-epochs", 10)).code == 0
    process = started(fit(table, broken, "--max-epochs", 10), broken / "checkpoint.safetensors")
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert "config.json" not in files(broken)
    refusal = run("predict", broken, table)
    assert refusal.code == 2
    assert "has not ended" in refusal.err
    # As a kill in the middle of writing leaves it:
    (broken / ".checkpoint.safetensors.abcd.tmp").write_bytes(b"half")

    resumed = run(*fit(table, broken, "--max-epochs", 10, "--resume"))
    assert resumed.code == 0, resumed.err
    assert "resumed after epoch" in resumed.err
    assert files(broken) == files(whole)
    bits = [(p / "model.safetensors").read_bytes() for p in (whole, broken)]
    assert bits[0] == bits[1]
    seconds = {"seconds"}
    both = [[{k: v for k, v in r.items() if k not in seconds} for r in history(p)]
            for p in (whole, broken)]  # fmt: skip
    assert both[0] == both[1]


def test_resume_without_a_checkpoint_says_that_it_starts_anew(
    run: Run, table: Path, tmp_path: Path
) -> None:
    outcome = run(*fit(table, tmp_path / "new", "--max-epochs", 1, "--resume"))
    assert outcome.code == 0
    assert "holds no checkpoint; training starts from the beginning" in outcome.err


def pressed(*args: object, **kwargs: object) -> None:
    """Ctrl-C."""
    raise KeyboardInterrupt


def test_resume_with_other_settings_or_data_is_refused(
    run: Run, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "new"
    with monkeypatch.context() as patch:
        patch.setattr("gatework.tasks.forecast.Forecaster._judge", pressed)
        run(*fit(table, place, "--max-epochs", 1))
    kept = content(place)
    assert list(kept) == ["checkpoint.safetensors"]
    other = tmp_path / "other.csv"
    other.write_text(table.read_text().replace(" 05:00:00,", " 05:00:00,1"))
    for arguments in (fit(table, place, "--dropout", 0.1), fit(other, place)):
        outcome = run(*arguments, "--max-epochs", 2, "--resume", "--quiet")
        assert (outcome.code, outcome.out) == (2, "")
        assert "other data or settings" in outcome.err
        assert "without --resume" in outcome.err
        assert content(place) == kept


@pytest.mark.parametrize("checkpoint", [False, True])
def test_ctrl_c_outside_of_training(
    run: Run, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkpoint: bool
) -> None:
    step = "_judge" if checkpoint else "_prepare"
    monkeypatch.setattr(f"gatework.tasks.forecast.Forecaster.{step}", pressed)
    outcome = run(*fit(table, tmp_path / "new", "--max-epochs", 1, "--quiet"))
    assert (outcome.code, outcome.out) == (1, "")
    if checkpoint:
        assert "is kept: run the same command with --resume" in outcome.err
        assert files(tmp_path / "new") == ["checkpoint.safetensors"]
    else:
        assert outcome.err == "gatework: interrupted; nothing was written\n"
        assert files(tmp_path) == ["good.csv"]


# ---- disk full ----------------------------------------------------------------------------------------


def limited(size: int) -> Callable[[], None]:
    """No file may grow beyond ``size`` bytes: the nearest to a full disk that needs no root."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def content(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_disk_full_while_training(spawn: Run, table: Path, model: Path, tmp_path: Path) -> None:
    before = content(model)
    outcome = spawn(*fit(table, model, "--max-epochs", 1, "--quiet"), preexec_fn=limited(4096))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1
    assert "checkpoint.safetensors: cannot be written: file too large" in outcome.err
    assert content(model) == before
    assert files(tmp_path) == ["good.csv", "model"]


def test_disk_full_while_saving(
    run: Run, table: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint still had room; the model has not, and the training is not lost."""
    before = content(model)

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("gatework.model_files.tensors_to_bytes", full)
        outcome = run(*fit(table, model, "--max-epochs", 2, "--quiet"))
    assert (outcome.code, outcome.out) == (2, "")
    assert f"cannot write {model}: the disk is full" in outcome.err
    assert "--resume goes on from it" in outcome.err
    after = content(model)
    assert after.pop("checkpoint.safetensors")
    assert after == before
    assert files(tmp_path) == ["good.csv", "model"]

    resumed = run(*fit(table, model, "--max-epochs", 2, "--resume"))
    assert resumed.code == 0
    assert "resumed after epoch 2" in resumed.err


def test_disk_full_while_predicting(spawn: Run, table: Path, model: Path, tmp_path: Path) -> None:
    result = tmp_path / "forecast.csv"
    result.write_text("of last week")
    outcome = spawn("predict", model, table, "-o", result, preexec_fn=limited(100))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"gatework: {result}: cannot be written: file too large")
    assert outcome.err.count("\n") == 1
    assert result.read_text() == "of last week"
    assert files(tmp_path) == ["forecast.csv", "good.csv", "model"]
