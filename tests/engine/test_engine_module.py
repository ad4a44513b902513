"""A missing or broken extension, or an impossible path, is one sentence when the engine is imported."""

from __future__ import annotations

import importlib
import importlib.abc
import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from gatework.errors import ConfigError, MissingDependencyError

NAME = "gatework._engine"


class Refusing(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands for a compiled module whose loading fails with a message."""

    def __init__(self, message: str) -> None:
        self.message = message

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == NAME else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        raise ImportError(self.message, name=NAME)

    def exec_module(self, module: ModuleType) -> None:
        raise AssertionError


def load() -> ModuleType:
    """The helper, run again as in a fresh process."""
    return importlib.import_module("gatework.engine_module")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "gatework.engine_module", raising=False)


def test_the_engine_is_there() -> None:
    assert load().engine is sys.modules[NAME]


def test_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, NAME, None)
    with pytest.raises(MissingDependencyError) as caught:
        load()
    text = str(caught.value)
    assert text.startswith("Gatework's compiled engine (gatework._engine) is missing for Python 3.")
    assert "`pip install .`" in text
    assert "C++ compiler" in text
    assert "\n" not in text


def refuse(monkeypatch: pytest.MonkeyPatch, message: str) -> None:
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Refusing(message), *sys.meta_path])


def test_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "_engine.so: undefined symbol: _ZSt9something")
    with pytest.raises(
        MissingDependencyError, match=r"does not load: .*undefined symbol: _ZSt9some"
    ):
        load()


def test_impossible_path(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "GATEWORK_ISA=avx3: there is no path of this name.")
    with pytest.raises(ConfigError, match=r"^GATEWORK_ISA=avx3: there is no path of this name\.$"):
        load()


def run(isa: str) -> subprocess.CompletedProcess[str]:
    code = "from gatework.engine_module import engine; print(engine.info()['path'])"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "GATEWORK_ISA": isa},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_each_path_can_be_forced() -> None:
    for path in load().engine.info()["paths"]:
        assert run(path).stdout.split() == [path]


def test_a_forced_path_that_does_not_exist_is_an_error() -> None:
    done = run("avx3")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(
        "gatework.errors.ConfigError: GATEWORK_ISA=avx3: there is no path of this name."
    )
    assert f"Paths that run here: {', '.join(load().engine.info()['paths'])}." in last
