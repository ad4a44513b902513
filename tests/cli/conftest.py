"""Small tables, one fitted model, and the command run in this process or in one of its own."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gatework.cli.main import main

ROWS = 200
SMALL = ["--hidden-size", "8", "--max-epochs", "1", "--context", "12", "--horizon", "4"]
SMALL += ["--threads", "1", "--seed", "3"]


@dataclass
class Outcome:
    """What a run of the command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]
Write = Callable[..., Path]


def cycle(n: int = ROWS, start: str = "2024-01-01", minutes: int = 60) -> list[list[str]]:
    """Rows of time and load: a daily cycle with a little hum, the same every time."""
    first = datetime.fromisoformat(start)
    return [
        [
            str(first + k * timedelta(minutes=minutes)),
            f"{10 + 3 * math.sin(k * math.pi / 12) + 0.3 * math.sin(k * 1.7):.4f}",
        ]
        for k in range(n)
    ]


def write_csv(path: Path, rows: Sequence[Sequence[str]], columns: str = "time,load") -> Path:
    path.write_text("\n".join([columns, *(",".join(r) for r in rows)]) + "\n", encoding="utf-8")
    return path


def tree(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, hidden ones included, with its bytes."""
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    } | {f"{p.relative_to(folder)}/": b"" for p in folder.rglob("*") if p.is_dir()}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """``run("predict", model, table)``: in this process, which has imported torch already."""

    def invoke(*arguments: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Outcome(ended.value.code or 0, captured.out, captured.err)  # type: ignore[arg-type]

    return invoke


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": ""}


@pytest.fixture
def spawn() -> Run:
    """The same in a process of its own."""

    def invoke(*arguments: object, **options: Any) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "gatework.cli.main", *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=environment(),
            timeout=120,
            **options,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return invoke


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A good table: 200 hours of ``time,load``."""
    return write_csv(tmp_path / "good.csv", cycle())


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """``write(name, rows, columns)``: a CSV file in the test's folder."""

    def made(name: str, rows: Sequence[Sequence[str]], columns: str = "time,load") -> Path:
        return write_csv(tmp_path / name, rows, columns)

    return made


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of ``load``, fitted once; not to be written to."""
    folder = tmp_path_factory.mktemp("fitted")
    data = write_csv(folder / "good.csv", cycle())
    with pytest.raises(SystemExit) as ended:
        main(["fit", "forecast", str(data), *SMALL, "-o", str(folder / "model"), "--quiet"])
    assert not ended.value.code
    (folder / "model" / "report.html").unlink(missing_ok=True)  # megabytes that no test reads
    return folder / "model"


@pytest.fixture
def model(fitted: Path, tmp_path: Path) -> Path:
    """The test's own copy of the fitted model."""
    return Path(shutil.copytree(fitted, tmp_path / "model"))


@pytest.fixture
def refused(run: Run, tmp_path: Path, model: Path) -> Callable[..., str]:
    """Run, expect one message of bad input and an unchanged folder; returns the message."""

    def check(*arguments: object, says: Sequence[str] = ()) -> str:
        before = tree(tmp_path)
        outcome = run(*arguments)
        assert outcome.code == 2, outcome
        assert outcome.out == ""
        assert outcome.err.startswith("gatework: ")
        assert outcome.err.count("\n") == 1, outcome.err
        assert "Traceback" not in outcome.err
        assert "fault of Gatework" not in outcome.err
        for phrase in says:
            assert phrase in outcome.err, outcome.err
        assert tree(tmp_path) == before
        return outcome.err

    return check


@pytest.fixture
def refused_fit(refused: Callable[..., str], model: Path) -> Callable[..., str]:
    """The same for a fit over the earlier model ``model``."""

    def check(data: object, *more: object, says: Sequence[str] = ()) -> str:
        return refused("fit", "forecast", data, *SMALL, *more, "-o", model, "--quiet", says=says)

    return check
