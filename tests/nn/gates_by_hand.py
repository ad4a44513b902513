"""Gates by the equations of each cell, in float64, one step after the other.

As a program: every case on the path that GATEWORK_ISA names, which is printed; run by test_gates.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gatework.engine_module import engine
from gatework.nn import make, reference

sys.path.insert(0, str(Path(__file__).parent))
from layers import additions, close, initial, states


def _planes(mode: str, x: Tensor, h: Tensor, weights: list[Tensor | None]) -> dict[str, Tensor]:
    """Gates of one step, as the docstrings of LSTM and GRU have them."""
    W_ih, W_hh, b_ih, b_hh, _ = weights
    assert W_ih is not None
    assert W_hh is not None
    from_x, from_h = F.linear(x, W_ih, b_ih), F.linear(h, W_hh, b_hh)
    if mode == "LSTM":
        i, f, g, o = (from_x + from_h).chunk(4, -1)
        return {"i": i.sigmoid(), "f": f.sigmoid(), "g": g.tanh(), "o": o.sigmoid()}
    if mode == "GRU":
        (x_r, x_z, x_n), (h_r, h_z, h_n) = from_x.chunk(3, -1), from_h.chunk(3, -1)
        r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
        return {"n": (x_n + r * h_n).tanh(), "r": r, "z": z, "h_n": h_n}
    return {}


def expected(
    layer: Any, x: Tensor, hx: Any = None, lengths: Any = None, resets: Tensor | None = None
) -> list[dict[str, Tensor]]:
    """What ``layer.gates`` should return."""
    x, B = x.double(), len(x)
    D = 2 if layer.bidirectional else 1
    shapes = layer._state_shapes(B)
    first = [s.double() for s in states(hx)] if hx is not None else [x.new_zeros(s) for s in shapes]
    counts = torch.full((B,), x.shape[1]) if lengths is None else torch.as_tensor(lengths)
    found = []
    for z in range(layer.num_layers):
        outputs = []
        for d in range(D):
            weights = [
                None if w is None else w.detach().double()
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
                for w in [getattr(layer, f"{kind}_l{z}{'_reverse' * d}", None)]
            ]
            start = tuple(s[z * D + d] for s in first)
            found.append(_direction(layer.mode, x, start, weights, counts, resets, d == 1))
            outputs.append(found[-1]["h"])
        x = torch.cat(outputs, -1)
    return found


def _direction(
    mode: str,
    x: Tensor,
    start: tuple[Tensor, ...],
    weights: list[Tensor | None],
    counts: Tensor,
    resets: Tensor | None,
    reverse: bool,
) -> dict[str, Tensor]:
    """One sequence at a time, one step at a time."""
    B, T, _ = x.shape
    seen: dict[str, Tensor] = {}
    for b in range(B):
        state = tuple(s[b : b + 1] for s in start)
        times = range(int(counts[b]))
        for t in reversed(times) if reverse else times:
            if resets is not None and resets[b, t]:
                state = tuple(torch.zeros_like(s) for s in state)
            planes = _planes(mode, x[b : b + 1, t], state[0], weights)
            state = reference.step(mode, x[b : b + 1, t], state, weights)
            for name, value in {**planes, **dict(zip("hc", state, strict=False))}.items():
                seen.setdefault(name, x.new_zeros(B, T, value.shape[-1]))[b, t] = value[0]
    return seen


@dataclass
class Case:
    """A layer and what it is given."""

    layer: Any
    x: Tensor
    hx: Any = None
    lengths: list[int] | None = None
    resets: Tensor | None = None

    def check(self) -> None:
        """Every plane of every layer and direction equals the one by hand."""
        seen = self.layer.gates(self.x, self.hx, self.lengths, self.resets)
        wanted = expected(self.layer, self.x, self.hx, self.lengths, self.resets)
        assert len(seen) == len(wanted)
        for found, right in zip(seen, wanted, strict=True):
            assert found.keys() == right.keys()
            for name in found:
                close(found[name], right[name], additions(self.layer, self.x.shape[1]))


def every_case(cell: str) -> Iterator[Case]:
    """Layers, directions, projections, states, ragged lengths and resets, sizes around a cache line."""
    torch.manual_seed(0)
    ragged = [3, 0, 5, 1, 5, 4]
    for dtype in (torch.float32, torch.float64):
        for H in (1, 7, 8, 15, 16, 17, 33):
            yield Case(make(cell, 3, H).to(dtype), torch.randn(2, 4, 3, dtype=dtype))
        x = torch.randn(6, 5, 4, dtype=dtype)
        for options in ({}, {"num_layers": 3}, {"num_layers": 2, "bidirectional": True}):
            layer = make(cell, 4, 9, **options).to(dtype)
            hx = initial(layer, 6)
            yield Case(layer, x, hx)
            yield Case(layer, x, hx, ragged)
            yield Case(layer, x, None, ragged, torch.rand(6, 5) > 0.7)
        if cell == "lstm":
            layer = make(cell, 4, 9, 2, bidirectional=True, proj_size=3).to(dtype)
            yield Case(layer, x, initial(layer, 6), ragged)


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(engine.info()["path"])
    for name in ("lstm", "gru", "rnn", "rnn_relu"):
        for case in every_case(name):
            case.check()
