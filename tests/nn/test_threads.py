"""The engine on torch's threads: found, used, the same results, and its own threads after a fork."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gatework.nn import threads

ON_LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")

SCRIPT = """
import os
import torch
from gatework.nn import LSTM

torch.set_num_threads(2)
layer, x = LSTM(64, 128), torch.randn(30, 40, 64)
with torch.inference_mode():
    torch.randn(500, 500) @ torch.randn(500, 500)  # torch's threads are there
    theirs = len(os.listdir("/proc/self/task"))
    first = layer(x)[0]
    print("threads added:", len(os.listdir("/proc/self/task")) - theirs)
    print("same:", all(torch.equal(layer(x)[0], first) for _ in range(20)))
    if hasattr(os, "fork"):
        child = os.fork()
        if child == 0:
            # compared by NumPy: torch's own threads do not survive a fork
            os._exit(0 if (layer(x)[0].numpy() == first.numpy()).all() else 1)
        print("child:", os.waitpid(child, 0)[1])
"""


@ON_LINUX
def test_the_runtime_is_found_where_torch_loaded_it() -> None:
    library = threads.openmp_of_torch()
    if library is None:
        pytest.skip("this torch does not use GNU's OpenMP runtime")
    assert "libgomp" in library
    assert os.path.exists(library)
    assert threads.share_torchs()


@ON_LINUX
@pytest.mark.skipif(threads.openmp_of_torch() is None, reason="no GNU OpenMP runtime")
def test_no_threads_are_added_and_a_forked_child_has_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        check=False,
    )
    assert done.stdout.splitlines() == ["threads added: 0", "same: True", "child: 0"], done.stderr
