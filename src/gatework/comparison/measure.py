"""What a training takes of memory, and a step of a stream of time."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gatework.errors import GateworkError

PUSHES = 200
_PROC = Path("/proc/self")


class PeakMemory:
    """The most resident memory of this process since it was made, beyond what it had then.

    Linux keeps the peak and can be told to forget it (``/proc/self/clear_refs``); elsewhere ``mib`` gives
    None.  What the allocator had kept of earlier work is given back first, so that it is not missed.
    """

    def __init__(self) -> None:
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)  # glibc's
        self._before: int | None = None
        with contextlib.suppress(OSError):
            (_PROC / "clear_refs").write_text("5")
            self._before = _status("VmRSS")

    def mib(self) -> float | None:
        """MiB of 2**20 bytes; None where the system does not tell."""
        if self._before is None:
            return None
        peak = _status("VmHWM")
        return None if peak is None else max(0, peak - self._before) / 1024


def _status(key: str) -> int | None:
    """KiB of one line of the process's status."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (_PROC / "status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
    return None


def push_microseconds(model: Any, observations: list[tuple[Any, ...]]) -> float | None:
    """Median time of one observation in and one answer out of ``model.stream()``, on one thread.

    None where the model has no stream, or none that answers within the observations.
    """
    threads = torch.get_num_threads()
    seconds: list[float] = []
    try:
        torch.set_num_threads(1)
        stream = model.stream()
        for arguments in observations:
            started = time.perf_counter()
            answer = stream.push(*arguments)
            taken = time.perf_counter() - started
            if answer is not None:
                seconds.append(taken)
    except (GateworkError, NotImplementedError):
        return None
    finally:
        torch.set_num_threads(threads)
    return 1e6 * float(np.median(seconds[-PUSHES:])) if seconds else None
