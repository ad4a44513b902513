"""The cells that the engine runs, by name: the rows of the one table that have an engine's number."""

from __future__ import annotations

from importlib.util import find_spec

from gatework.cells import CELLS as TABLE
from gatework.cells import Cell
from gatework.errors import ConfigError, nearest

CELLS: dict[str, Cell] = {name: cell for name, cell in TABLE.items() if cell.code is not None}
# What torch calls a cell, or an older Gatework did.
_OTHER_NAMES = {"rnn_tanh": "rnn"}


def cell_named(name: object) -> Cell:
    """The row of the table, or a ConfigError that offers the names there are.

    >>> cell_named("rnn_tanh").name
    'rnn'
    """
    if isinstance(name, str):
        name = _OTHER_NAMES.get(name, name)
        if name in CELLS:
            return CELLS[name]
        if name in TABLE:
            raise ConfigError(f"Recurrent: {_elsewhere(TABLE[name])}")
    raise ConfigError(f"Recurrent: there is no cell {name!r}. {nearest(str(name), CELLS)}")


def _elsewhere(cell: Cell) -> str:
    """Where a cell that the engine does not run is computed."""
    place = f"gatework.nn.{cell.layer}, with torch"
    if find_spec(f"gatework.runtime.{cell.name}") is not None:
        place = f"gatework.runtime.{cell.name}, on NumPy alone"
    return (
        f"the cell {cell.name!r} is not one of those that the engine runs; it is computed by {place}. "
        "`gatework cells` lists all of them."
    )
