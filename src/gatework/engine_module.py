"""The compiled engine, ``gatework._engine``; where it cannot be used, one sentence that says why.

>>> from gatework.engine_module import engine
>>> engine.info()["path"] in engine.info()["paths"]
True

Raises, when this module is imported:
    MissingDependencyError: The compiled module is absent, or does not load on this machine.
    ConfigError: The environment variable ``GATEWORK_ISA`` names a path that does not run here.
"""

from __future__ import annotations

import platform
from pathlib import Path

from gatework.errors import ConfigError, MissingDependencyError

__all__ = ["engine"]

_BUILD_IT = (
    "Build it with `pip install .` in Gatework's folder (with an editable install: `scripts/build BIN`, "
    "BIN being the folder of this Python); that takes a C++ compiler, GCC 11 or Clang 14 or newer."
)


def _absent() -> str:
    here = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    others = sorted(p.name for p in Path(__file__).parent.glob("_engine.*") if p.suffix != ".pyi")
    found = f" There is {', '.join(others)}, for another Python or system." if others else ""
    return (
        f"Gatework's compiled engine (gatework._engine) is missing for {here}.{found} {_BUILD_IT}"
    )


try:
    import gatework._engine as engine
except ModuleNotFoundError as error:
    if error.name != "gatework._engine":
        raise
    raise MissingDependencyError(_absent()) from error
except ImportError as error:
    if str(error).startswith("GATEWORK_ISA="):  # the module chooses its path when it loads
        raise ConfigError(str(error)) from error
    raise MissingDependencyError(
        f"Gatework's compiled engine (gatework._engine) does not load: {error}. It was made for another "
        f"system or is damaged. {_BUILD_IT}"
    ) from error
