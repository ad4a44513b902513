"""Where and when a run was made."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def processor() -> str:
    """Name of the processor and the vector instructions that matter to an LSTM."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    fields: dict[str, str] = {}
    for row in info.read_text().splitlines():
        key, _, value = row.partition(":")
        fields.setdefault(key.strip(), value.strip())
    vectors = [flag for flag in ("avx2", "avx512f") if flag in fields.get("flags", "").split()]
    return " ".join([fields.get("model name", platform.machine()), *vectors])


def commit() -> str:
    """Commit that is checked out, read from git's own files."""
    git = ROOT / ".git"
    try:
        if git.is_file():  # a worktree
            git = (ROOT / git.read_text().partition(":")[2].strip()).resolve()
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head[:12]
        reference = head.removeprefix("ref: ")
        common = git / "commondir"
        base = (git / common.read_text().strip()).resolve() if common.exists() else git
        loose = base / reference
        if loose.exists():
            return loose.read_text()[:12]
        for row in (base / "packed-refs").read_text().splitlines():
            if row.endswith(" " + reference):
                return row[:12]
    except OSError:
        pass
    return "unknown"


def describe(threads: int) -> dict[str, Any]:
    """Machine, threads, Python, commit, date, and how busy the machine was at the start."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "dtype": "float32",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load_at_start": load,
    }
