"""The cells that the engine runs, by name."""

from __future__ import annotations

from typing import NamedTuple

from gatework.errors import ConfigError, nearest


class Cell(NamedTuple):
    """What must be known of a cell to read its weights and to hold its state."""

    name: str
    code: int  # the engine's number
    gates: int  # blocks of H rows in weight_ih: i f g o, r z n, or one
    has_c: bool  # keeps a cell state beside its output; only such a cell can project


CELLS = {
    cell.name: cell
    for cell in (
        Cell("lstm", 0, 4, True),
        Cell("gru", 1, 3, False),
        Cell("rnn_tanh", 2, 1, False),
        Cell("rnn_relu", 3, 1, False),
    )
}


def cell_named(name: object) -> Cell:
    """The cell, or a ConfigError that offers the names there are."""
    if isinstance(name, str) and name in CELLS:
        return CELLS[name]
    if name == "rnn":  # torch keeps the nonlinearity outside the weights
        advice = "'rnn_tanh' is torch's default, 'rnn_relu' its nonlinearity='relu'."
    else:
        advice = nearest(str(name), CELLS)
    raise ConfigError(f"Recurrent: there is no cell {name!r}. {advice}")
