"""What a network is told beside its weights, checked."""

from __future__ import annotations

from gatework.cells import Cell
from gatework.errors import ConfigError

Zoneout = float | tuple[float, float]


def zone_shares(cell: Cell, zoneout: Zoneout, projects: bool, who: str) -> tuple[float, float]:
    """The shares of h and of c that stay in a step.

    One number is for both, of a cell without a c to keep for h alone.

    Raises:
        ConfigError: no share from 0 to below 1, or one that this cell has no use for.

    >>> from gatework.cells import CELLS
    >>> zone_shares(CELLS["lstm"], 0.1, False, "Recurrent"), zone_shares(CELLS["gru"], 0.1, False, "Recurrent")
    ((0.1, 0.1), (0.1, 0.0))
    """
    pair = tuple(zoneout) if isinstance(zoneout, tuple | list) else (zoneout, zoneout)
    if len(pair) != 2 or not all(_is_share(share) for share in pair):
        raise ConfigError(
            f"{who}: `zoneout` must be a share from 0 to below 1, or a pair for h and c; got {zoneout!r}."
        )
    h, c = (float(share) for share in pair)
    if c and not cell.zones:
        if isinstance(zoneout, tuple | list):
            raise ConfigError(
                f"{who}: zoneout of c needs one cell state; {cell.name!r} has "
                f"{', '.join(cell.states[1:]) or 'none'}. Give zoneout=({h:g}, 0): of h alone."
            )
        c = 0.0
    if (h or c) and projects:
        raise ConfigError(
            f"{who}: zoneout does not go with a projection, weight_hr. Leave one of them out."
        )
    return h, c


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1
