"""Sizes of a forecasting network: what its torch form, its NumPy form and a model folder share."""

from __future__ import annotations

from dataclasses import dataclass

from gatework.cells import CELLS
from gatework.levels import check_levels

NORMALIZERS = ("last", "standard", "none")
HORIZON_CELLS = tuple(name for name, cell in CELLS.items() if cell.forecasts)


@dataclass(frozen=True)
class HorizonSpec:
    """Sizes of a :class:`~gatework.nn.horizon.HorizonNetwork`; plain values that a model folder keeps."""

    context: int  # L
    horizon: int  # h
    targets: int  # K
    levels: tuple[float, ...]
    cell: str = "lstm"
    hidden_size: int = 128
    num_layers: int = 1
    segment: int = 24  # w; 1 encodes step by step
    dropout: float = 0.1
    normalize: str = "last"  # last | standard | none
    past: int = 0  # P numeric past-only covariates
    known: int = 0  # F numeric known-future covariates, calendar included
    past_categories: tuple[int, ...] = ()  # vocabulary sizes
    known_categories: tuple[int, ...] = ()
    static: int = 0
    static_categories: tuple[int, ...] = ()
    mask_y: bool = False  # the network is told which targets are missing
    mask_past: bool = False
    mask_known: bool = False
    recurrent_dropout: float = 0.0
    zoneout: float = 0.0
    weight_drop: float = 0.0

    @property
    def in_segments(self) -> int:
        """n: segments that the window is read in."""
        return -(-self.context // self.segment)

    @property
    def out_segments(self) -> int:
        """m: segments that the horizon is written in."""
        return -(-self.horizon // self.segment)

    @property
    def past_size(self) -> int:
        """Features of a step of the past-only covariates: masks and embeddings counted."""
        return self.past * (3 if self.mask_past else 1) + embedded_size(self.past_categories)

    @property
    def known_size(self) -> int:
        """Features of a step of the known-future covariates: masks and embeddings counted."""
        return self.known * (3 if self.mask_known else 1) + embedded_size(self.known_categories)

    @property
    def static_size(self) -> int:
        """Features of a series, embeddings counted."""
        return self.static + embedded_size(self.static_categories)


def embedding_sizes(cardinalities: tuple[int, ...]) -> list[int]:
    """Dimensions in which columns of so many categories are embedded: min(16, ceil(sqrt(V)))."""
    return [min(16, int(v**0.5 + 0.999)) for v in cardinalities]


def embedded_size(cardinalities: tuple[int, ...]) -> int:
    """Dimensions of all of them."""
    return sum(embedding_sizes(cardinalities))


def check_spec(spec: HorizonSpec) -> None:
    """Raise a ValueError for sizes that no fit makes: a damaged or malicious model folder."""
    bounds = {
        "context": (1, 1_000_000),
        "horizon": (1, 100_000),
        "targets": (1, 100_000),
        "hidden_size": (2, 8192),
        "num_layers": (1, 16),
        "segment": (1, 1_000_000),
        "past": (0, 100_000),
        "known": (0, 100_000),
        "static": (0, 100_000),
    }
    for name, (low, high) in bounds.items():
        value = getattr(spec, name)
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"{name} is {value!r}")
    sizes = (*spec.past_categories, *spec.known_categories, *spec.static_categories)
    if any(type(v) is not int or v < 2 for v in sizes):
        raise ValueError("a vocabulary's size is wrong")
    if type(spec.dropout) not in (int, float) or not 0 <= spec.dropout < 1:
        raise ValueError(f"dropout is {spec.dropout!r}")
    rates = {name: getattr(spec, name) for name in ("recurrent_dropout", "zoneout", "weight_drop")}
    for name, rate in rates.items():
        if type(rate) not in (int, float) or not 0 <= rate < 1:
            raise ValueError(f"{name} is {rate!r}")
    if spec.cell not in HORIZON_CELLS or spec.normalize not in NORMALIZERS:
        raise ValueError(f"cell {spec.cell!r}, normalize {spec.normalize!r}")
    check_rates(spec.cell, **rates)
    check_levels(spec.levels)


def check_rates(
    cell: str, *, recurrent_dropout: float = 0.0, zoneout: float = 0.0, weight_drop: float = 0.0
) -> None:
    """Raise a ValueError for a rate that the cell has no use for.

    >>> check_rates("mingru", weight_drop=0.2)
    Traceback (most recent call last):
        ...
    ValueError: weight_drop acts on the products with h, and cell='mingru' has none. ...
    """
    given = {"recurrent_dropout": recurrent_dropout, "weight_drop": weight_drop}
    used = [name for name, rate in given.items() if rate]
    if cell == "feedforward" and (used or zoneout):
        names = " and ".join([*used, *["zoneout"] * bool(zoneout)])
        raise ValueError(
            f"{names} acts on what is carried from step to step, and cell='feedforward' carries nothing. "
            "Use dropout instead, or a recurrent cell"
        )
    if used and not CELLS[cell].h_gates:
        raise ValueError(
            f"{' and '.join(used)} acts on the products with h, and cell={cell!r} has none. "
            "Use dropout or zoneout instead, or another cell"
        )
