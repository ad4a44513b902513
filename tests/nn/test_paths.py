"""The layers on every path of this machine, each in a process of its own: the path is chosen at import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gatework.engine_module import engine

SCRIPT = Path(__file__).parent / "every_path.py"


def run(path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={**os.environ, "GATEWORK_ISA": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("path", engine.info()["paths"])
def test_layers_are_the_reference_on_every_path(path: str) -> None:
    done = run(path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [path], f"{path} was asked for, {done.stdout.strip()} ran"


def test_a_path_that_is_not_there_is_an_error() -> None:
    done = run("avx1024")
    assert done.returncode != 0
    assert "avx1024" in done.stderr
