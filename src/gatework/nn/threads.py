"""The engine works on torch's own threads, where torch has OpenMP threads of GNU's runtime (Linux).

After each of torch's operations its threads spin for some milliseconds, waiting for the next.  Threads of the
engine's own would share the processors with them: on two cores, two threads of the engine between torch's
operations were no faster than one.  On torch's threads nobody waits for anybody.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from gatework.engine_module import engine


def share_torchs() -> bool:
    """Whether the engine now runs on torch's threads; else it keeps its own."""
    library = openmp_of_torch()
    return library is not None and engine.adopt_openmp(library, torchs_spin())


def torchs_spin() -> bool:
    """Whether torch's threads are awake between operations: what OMP_WAIT_POLICY said when it was loaded.

    Gatework sets it to passive unless torch was there before (``gatework/__init__.py``).
    """
    return os.environ.get("OMP_WAIT_POLICY", "").lower() != "passive"


def openmp_of_torch() -> str | None:
    """Path of the OpenMP runtime that torch has loaded; None where it is not GNU's, or not to be told."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    loaded = {line.split(maxsplit=5)[-1] for line in lines if "libgomp" in line}
    folder = Path(torch.__file__).parent
    homes = (folder, folder.with_name("torch.libs"))
    its_own = [lib for lib in loaded if any(home in Path(lib).parents for home in homes)]
    if its_own:
        return its_own[0]
    return loaded.pop() if len(loaded) == 1 else None  # a system's torch uses the system's runtime
