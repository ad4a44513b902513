"""One recurrent layer of any cell in the table, and a linear layer above it."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from gatework.cells import CELLS
from gatework.nn import initialise, make
from gatework.nn.initialise import keeping_gates


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

    Chrono initialisation (Tallec & Ollivier 2018, arXiv 1804.11188), the same rule for every cell that has such
    gates.
    """
    if not keeping_gates(CELLS[cell]) or not hasattr(layer, "bias_ih_l0"):
        return "own"
    initialise(layer, chrono=max(steps, 2.001), orthogonal=False)
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
