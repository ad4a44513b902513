"""Memory stays flat over ten thousand training steps of batches that differ in size."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

from gatework.nn import LSTM


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_ten_thousand_training_steps_keep_memory_flat() -> None:
    torch.manual_seed(0)
    layer = LSTM(12, 40, num_layers=2, bidirectional=True, batch_first=True)
    optimizer = torch.optim.Adam(layer.parameters())
    at_2000 = 0.0
    for step in range(10_000):
        B, T = 1 + step % 7, 3 + step % 11
        lengths = torch.randint(0, T + 1, (B,))
        y, (h, _) = layer(torch.randn(B, T, 12), lengths=lengths)
        optimizer.zero_grad()
        (y.square().mean() + h.square().mean()).backward()
        optimizer.step()
        if step == 2_000:
            at_2000 = resident_mb()
    grown = resident_mb() - at_2000
    print(f"resident memory grew by {grown:.1f} MB from step 2,000 to step 10,000")
    assert grown < 2  # 262 bytes kept at each step would be 2 MB
