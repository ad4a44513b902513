"""Layers against the reference on the path that GATEWORK_ISA names; run by test_paths.py in a process.

Prints the path that ran.  Sizes lie around every vector (2 to 16 numbers) and tile width.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch.nn.utils.rnn import pack_padded_sequence

from gatework.engine_module import engine

sys.path.insert(0, str(Path(__file__).parent))
import every_cell
from layers import KINDS, additions, by_reference, close, compare, initial, states

torch.set_num_threads(1)
print(engine.info()["path"])
for kind in KINDS:
    for dtype in (torch.float32, torch.float64):
        for H in (2, 3, 5, 8, 15, 17, 33, 65):
            layer = kind.make(H + 1, H, dtype=dtype)
            x = torch.randn(3, 3, H + 1, dtype=dtype)
            compare(layer, x, initial(layer, 3))
            with torch.no_grad():  # nothing kept: another way through the engine
                close(layer(x)[0], by_reference(layer, x)[0], additions(layer, 3))
        for B in (1, 5, 7, 13, 33):
            layer = kind.make(5, 18, num_layers=2, bidirectional=True, dtype=dtype)
            x = torch.randn(B, 4, 5, dtype=dtype)
            lengths = [(3 * b + 1) % 5 for b in range(B)]
            compare(layer, x, initial(layer, B), lengths)
            compare(layer, x, None, lengths, torch.rand(B, 4) > 0.7)
            counts = [n or 1 for n in lengths]
            packed = pack_padded_sequence(x, counts, True, enforce_sorted=False)
            y, last = layer(packed)
            wanted, wanted_last = by_reference(layer, x, None, counts)
            rows = pack_padded_sequence(wanted, counts, True, enforce_sorted=False).data
            close(y.data, rows, additions(layer, 4))
            for a, b in zip(states(last), wanted_last, strict=True):
                close(a, b, additions(layer, 4))
# The other cells and what changes their state from step to step: masks, mixtures, peepholes.
for case in every_cell.ENGINE:
    if case.name in ("plain", "all"):
        for H in (2, 8, 18, 34) if case.name == "all" else (3, 17, 33):
            for dtype in (torch.float32, torch.float64):
                made = case.make(3, H, dtype)
                x = torch.randn(5, 4, 3, dtype=dtype)
                every_cell.compare(made, x, every_cell.natural(made, 5), [4, 0, 2, 3, 1])
