"""Cells that torch has not, as its users write them: a module with two ``nn.Linear`` and a loop over time.

The products with x are made before the loop, for all steps at once, as a good user does; masks of dropout and
zoneout are drawn before it too.  Parameters are taken from Gatework's layer, so that both compute the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

State = tuple[Tensor, ...]
CellOf = Callable[[Tensor, Tensor | None, State, Tensor | None], State]


def lstm(x: Tensor, h: Tensor | None, state: State, p: Tensor | None) -> State:
    assert h is not None
    i, f, g, o = (x + h).chunk(4, -1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def peephole(x: Tensor, h: Tensor | None, state: State, p: Tensor | None) -> State:
    assert h is not None
    assert p is not None
    i, f, g, o = (x + h).chunk(4, -1)
    before = state[1]
    c = (f + p[1] * before).sigmoid() * before + (i + p[0] * before).sigmoid() * g.tanh()
    return (o + p[2] * c).sigmoid() * c.tanh(), c


def cifg(x: Tensor, h: Tensor | None, state: State, p: Tensor | None) -> State:
    assert h is not None
    f, g, o = (x + h).chunk(3, -1)
    f = f.sigmoid()
    c = f * state[1] + (1 - f) * g.tanh()
    return o.sigmoid() * c.tanh(), c


def slstm(x: Tensor, h: Tensor | None, state: State, p: Tensor | None) -> State:
    assert h is not None
    i, f, g, o = (x + h).chunk(4, -1)
    _, c, n, m = state
    kept = F.logsigmoid(f) + m
    m = torch.where(n != 0, torch.maximum(kept, i), i)
    i, f = (i - m).exp(), (kept - m).clamp(max=0).exp()
    c, n = f * c + i * g.tanh(), f * n + i
    return o.sigmoid() * c / n, c, n, m


def layernorm(x: Tensor, h: Tensor | None, state: State, p: Tensor | None) -> State:
    assert h is not None
    assert p is not None
    H = p.shape[1]
    sums = F.layer_norm(x, (4 * H,), p[0:4].flatten(), p[8:12].flatten())
    sums = sums + F.layer_norm(h, (4 * H,), p[4:8].flatten())
    i, f, g, o = sums.chunk(4, -1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * F.layer_norm(c, (H,), p[12], p[13]).tanh(), c


def mingru(x: Tensor, h: Tensor | None, state: State, p: Tensor | None) -> State:
    z, n = x.chunk(2, -1)
    z = z.sigmoid()
    return ((1 - z) * state[0] + z * n,)


CELLS: dict[str, CellOf] = {f.__name__: f for f in (lstm, peephole, cifg, layernorm, slstm, mingru)}


class Loop(nn.Module):
    """One layer over ``x (B, T, I)``, batch first, with what Gatework's ``layer`` has."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        row, H = layer._cell, layer.hidden_size
        self.cell, self.states, self.H = CELLS[row.name], len(row.states), H
        self.rate, self.zones = layer.recurrent_dropout, layer.zoneout
        bias = hasattr(layer, "bias_ih_l0")
        self.of_x = nn.Linear(layer.input_size, len(row.x_gates) * H, bias)
        self.of_h = nn.Linear(H, len(row.h_gates) * H, bias) if row.h_gates else None
        peepholes = getattr(layer, "weight_p_l0", None)
        self.p = None if peepholes is None else nn.Parameter(peepholes.detach().clone())
        with torch.no_grad():
            self.of_x.weight.copy_(layer.weight_ih_l0)
            if self.of_h is not None:
                self.of_h.weight.copy_(layer.weight_hh_l0)
            if bias:
                self.of_x.bias.copy_(layer.bias_ih_l0)
            if bias and self.of_h is not None:
                self.of_h.bias.copy_(layer.bias_hh_l0)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs ``(B, T, H)``."""
        B, T, _ = x.shape
        state: State = (x.new_zeros(B, self.H),) * self.states
        of_x = self.of_x(x).unbind(1)
        scale = F.dropout(x.new_ones(B, self.H), self.rate, self.training) if self.rate else None
        zones = [self._zone(x, B, T, rate) for rate in self.zones]
        outputs = []
        for t in range(T):
            h = state[0] if scale is None else state[0] * scale
            new = self.cell(of_x[t], None if self.of_h is None else self.of_h(h), state, self.p)
            state = self._zoned(new, state, zones, t)
            outputs.append(state[0])
        return torch.stack(outputs, 1)

    def _zone(self, x: Tensor, B: int, T: int, rate: float) -> Sequence[Tensor] | None:
        if not rate:
            return None
        mask = x.new_full((T, B, self.H), rate)
        return (mask.bernoulli() if self.training else mask).unbind(0)

    def _zoned(self, new: State, old: State, zones: Sequence[Any], t: int) -> State:
        return tuple(
            n if k > 1 or zones[k] is None else zones[k][t] * s + (1 - zones[k][t]) * n
            for k, (n, s) in enumerate(zip(new, old, strict=True))
        )
