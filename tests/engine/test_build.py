"""What the build makes: the module, the wheel, and kernels that keep their instructions to themselves."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import gatework
from gatework.engine_module import engine

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / str(sysconfig.get_config_var("SOABI"))


def test_installed_version_is_the_package_s() -> None:
    assert importlib.metadata.version("gatework") == gatework.__version__


def test_module_lies_beside_the_python_files() -> None:
    assert engine.__file__ is not None
    assert Path(engine.__file__).parent == Path(gatework.__file__).parent


def test_module_is_newer_than_its_sources() -> None:
    """Tests of an old build prove nothing."""
    if not BUILD.is_dir():
        pytest.skip("the module was not made by scripts/build")
    assert engine.__file__ is not None
    sources = [
        p for kind in ("src", "include", "bindings") for p in (ROOT / "engine" / kind).rglob("*.*")
    ]
    newest = max(sources, key=lambda p: p.stat().st_mtime)
    built = max(p.stat().st_mtime for p in BUILD.glob("_engine.*"))
    assert newest.stat().st_mtime <= built, f"{newest.name} changed since: run scripts/build"


@pytest.mark.parametrize("path", engine.info()["paths"])
def test_kernels_define_no_shared_symbols_of_others(path: str) -> None:
    """In the optimised objects of the module itself; ctest does the same for those of its own build."""
    objects = list(BUILD.glob(f"CMakeFiles/gatework_kernels_{path}.dir/src/*.o"))
    cmake, nm = find("cmake"), shutil.which("nm")
    if not (objects and cmake and nm):
        pytest.skip("needs the objects that scripts/build leaves, cmake and nm")
    checker = ROOT / "engine" / "tests" / "symbols.cmake"
    listed = ";".join(map(str, objects))
    done = subprocess.run(
        [cmake, f"-DNM={nm}", f"-DNAME={path}", f"-DOBJECTS={listed}", "-P", str(checker)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def find(program: str) -> str | None:
    """Beside this Python first, then on the path."""
    return shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)


@pytest.mark.slow
def test_wheel_has_the_module_and_the_data_and_nothing_else(tmp_path: Path) -> None:
    """Builds one from a copy, as a user's ``pip install .`` would, with the tools of this environment."""
    source = tmp_path / "source"
    kept_out = shutil.ignore_patterns(".*", "build", "dist", "__pycache__", "*.so")
    shutil.copytree(ROOT, source, ignore=kept_out)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    # the path that runs here alone: compiling all of them once more takes minutes
    pip += ["-C", f"cmake.define.GATEWORK_ONLY={engine.info()['path']}"]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run([*pip, "-w", str(tmp_path), str(source)], check=True, env=environment)
    (wheel,) = tmp_path.glob("gatework-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    modules = [n for n in names if re.fullmatch(r"gatework/_engine\..*(so|pyd)", n)]
    assert len(modules) == 1
    for wanted in ("_engine.pyi", "py.typed", "report/page.css", "report/page.js", "cli/main.py"):
        assert f"gatework/{wanted}" in names
    assert {n.split("/")[0] for n in names} == {
        "gatework",
        f"gatework-{gatework.__version__}.dist-info",
    }

    # It works where nothing of the checkout is.
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    code = "import gatework._engine as e; print(e.__file__); print(e.info()['path'])"
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-c", code],  # -S: the editable install stays out
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    file, path = done.stdout.split()
    assert file == str(site / modules[0])
    assert path == engine.info()["path"]
