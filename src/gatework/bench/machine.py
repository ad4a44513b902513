"""The machine and the engine's path on it; no torch is imported."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from gatework.errors import MissingDependencyError

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def processor() -> str:
    """The processor's name, as its system spells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for row in info.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = row.partition(":")
            if key.strip() in ("model name", "Model"):
                return value.strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def caches(folder: Path = _CACHES) -> str:
    """Sizes of the caches of the first core, such as "L1d 32K, L2 1024K, L3 32768K"; or "unknown"."""
    found = []
    for index in sorted(folder.glob("index*")):
        try:
            level, kind, size = (
                (index / name).read_text().strip() for name in ("level", "type", "size")
            )
        except OSError:
            continue
        if kind != "Instruction":
            found.append(f"L{level}{'d' if kind == 'Data' else ''} {size}")
    return ", ".join(found) or "unknown"


def engine() -> dict[str, Any]:
    """The compiled engine: the path that runs, those that could, and the compiler.

    Raises:
        ConfigError: the environment variable GATEWORK_ISA names a path that this machine has not.
    """
    try:
        from gatework.engine_module import engine as compiled
    except MissingDependencyError as error:
        return {"engine": f"missing: {error}"}
    facts: dict[str, Any] = compiled.info()
    return {
        "engine": f"{facts['path']}: {facts['description']}",
        "paths": ", ".join(facts["paths"]),
        "compiler": facts["compiler"],
    }


def machine() -> dict[str, Any]:
    """Processor, cores, caches and system."""
    return {
        "processor": processor(),
        "cores": cores(),
        "caches": caches(),
        "system": f"{platform.system()} {platform.machine()}",
    }
