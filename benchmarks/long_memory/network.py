"""One recurrent layer of any cell in the table, and a linear layer above it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gatework.cells import CELLS
from gatework.nn import make

# How the bias of a gate is drawn, by its letter: +1 where an open gate keeps what is stored, -1 where it
# overwrites it.  The update gate z keeps in torch's GRU and writes in the minimal one.
KEEPS = {"f": 1.0, "i": -1.0}
UPDATE = {"gru": 1.0, "layernorm_gru": 1.0, "mingru": -1.0}


def recurrent_cells() -> list[str]:
    """Names of the table's cells that ``gatework.nn.make`` builds without further arguments."""
    found = []
    for name in CELLS:
        try:
            make(name, 2, 4)
        except (ValueError, TypeError):
            continue  # not recurrent (feedforward), or wants more than sizes
        found.append(name)
    return found


def remember(layer: nn.Module, cell: str, steps: int) -> str:
    """Draw the biases of the gates for memories of up to ``steps`` steps; returns what was done.

    Chrono initialisation (Tallec & Ollivier 2018, arXiv 1804.11188): with u ~ U(1, steps - 1),
    b_f = log u and b_i = -b_f; for one gate that does both, log u with its sign.  The same rule for every cell
    that has such gates.
    """
    row = CELLS[cell]
    bias = getattr(layer, "bias_ih_l0", None)
    signs = KEEPS | ({"z": UPDATE[cell]} if cell in UPDATE else {})
    gates = [(n, signs[g]) for n, g in enumerate(row.x_gates) if g in signs]
    H = getattr(layer, "hidden_size", 0)
    if not gates or bias is None or bias.shape[0] != H * len(row.x_gates):
        return "own"
    u = torch.empty(H).uniform_(1.0, max(steps - 1.0, 1.0 + 1e-3)).log()
    with torch.no_grad():
        for n, sign in gates:
            bias[n * H : (n + 1) * H] = sign * u
        other = getattr(layer, "bias_hh_l0", None)
        if other is not None:
            for n, g in enumerate(row.h_gates):
                if g in signs:
                    other[n * H : (n + 1) * H] = 0.0
    return "chrono"


class Network(nn.Module):
    """``out = W h + b`` over one layer of ``cell``: x (B, T, I) to (B, K) at the end, or (B, T, K)."""

    def __init__(self, cell: str, I: int, H: int, K: int, steps: int) -> None:  # noqa: E741
        super().__init__()
        self.layer = make(cell, I, H)
        self.biases = remember(self.layer, cell, steps)
        self.head = nn.Linear(H, K)

    def forward(
        self, x: Tensor, lengths: Tensor | None = None, state: Any = None, at_end: bool = True
    ) -> tuple[Tensor, Any]:
        """Outputs, and the state after the last step."""
        y, state = self.layer(x, state, lengths=lengths)
        if not at_end:
            return self.head(y), state
        h = state[0] if isinstance(state, tuple) else state
        return self.head(h[-1]), state


def detached(state: Any) -> Any:
    """The same state, its history forgotten."""
    if isinstance(state, Tensor):
        return state.detach()
    return tuple(detached(part) for part in state)
