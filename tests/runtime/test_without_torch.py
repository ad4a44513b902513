"""The runtime in a process of its own: torch blocked, each path of the engine forced, engine missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from gatework.engine_module import engine

sys.path.insert(0, str(Path(__file__).parent))
from loops import GATES, assert_close, random_weights, run

# Whatever is named here cannot be imported.
BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked} or name in {blocked}:
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)

sys.meta_path.insert(0, Blocked())
"""
HEAVY = {"torch", "polars", "narwhals", "pydantic", "typer", "rich", "plotly"}


def python(
    code: str, blocked: set[str], isa: str | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "GATEWORK_ISA"}
    if isa is not None:
        environment["GATEWORK_ISA"] = isa
    return subprocess.run(
        [sys.executable, "-c", BLOCKED.format(blocked=blocked) + code],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )


def test_imports_numpy_and_the_engine_alone() -> None:
    done = python(
        "before = set(sys.modules)\n"
        "import gatework.runtime\n"
        "roots = {m.split('.')[0] for m in set(sys.modules) - before}\n"
        "print(*sorted(roots - set(sys.stdlib_module_names)))\n",
        HEAVY | {"safetensors"},
    )
    assert done.returncode == 0, done.stderr
    # What Cython modules of NumPy register begins with an underscore.
    assert {r for r in done.stdout.split() if r[0] != "_"} == {"gatework", "numpy"}


@pytest.mark.parametrize("path", engine.info()["paths"])
def test_everything_without_torch_on_every_path(path: str, tmp_path: Path) -> None:
    x = np.random.default_rng(3).standard_normal((3, 7, 5)).astype(np.float32)
    lengths = np.array([7, 0, 3])
    np.save(tmp_path / "x.npy", x)
    for cell in GATES:
        save_file(random_weights(cell, 5, 21, 2), tmp_path / f"{cell}.safetensors")
    done = python(
        f"""
import numpy as np
from gatework.runtime import Recurrent, State
from gatework.engine_module import engine
x = np.load("{tmp_path}/x.npy")
for cell in {list(GATES)}:
    network = Recurrent.load(f"{tmp_path}/{{cell}}.safetensors", cell)
    np.save(f"{tmp_path}/{{cell}}.npy", network.forward(x)[0])
    np.save(f"{tmp_path}/{{cell}}-ragged.npy", network.forward(x, lengths={lengths.tolist()})[0])
    stream = network.stream(3)
    outputs = [stream.push(x[:, t]).copy() for t in range(4)]
    stored = stream.state.to_bytes()
    stream = network.stream(3)
    stream.state = State.from_bytes(stored)
    outputs += [stream.push(x[:, t]).copy() for t in range(4, 7)]
    np.save(f"{tmp_path}/{{cell}}-stream.npy", np.stack(outputs, axis=1))
assert "torch" not in sys.modules
print(engine.info()["path"])
""",
        HEAVY,
        isa=path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == path
    for cell in GATES:
        weights = random_weights(cell, 5, 21, 2)
        wanted = run(cell, weights, x)[0]
        assert_close(np.load(tmp_path / f"{cell}.npy"), wanted, 7 * 2 * 26)
        assert_close(np.load(tmp_path / f"{cell}-stream.npy"), wanted, 7 * 2 * 26)
        ragged = run(cell, weights, x, lengths=lengths)[0]
        assert_close(np.load(tmp_path / f"{cell}-ragged.npy"), ragged, 7 * 2 * 26)


def test_a_missing_engine_is_one_sentence() -> None:
    done = python("import gatework.runtime", {"gatework._engine"})
    assert "MissingDependencyError: Gatework's compiled engine" in done.stderr


def test_a_missing_safetensors_is_one_sentence() -> None:
    done = python(
        "from gatework.runtime import Recurrent\nRecurrent.load('w.safetensors', 'lstm')",
        {"safetensors"},
    )
    assert "MissingDependencyError: Reading weights from a file needs safetensors" in done.stderr
