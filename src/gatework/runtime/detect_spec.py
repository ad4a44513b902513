"""Sizes of a detector's network: what its torch form, its NumPy form and a model folder share."""

from __future__ import annotations

from dataclasses import dataclass

from gatework.cells import CELLS
from gatework.levels import check_levels

METHODS = ("forecast", "reconstruct", "variational")
DETECT_CELLS = tuple(name for name, cell in CELLS.items() if cell.code is not None)
LARGEST = 2**20
SOFT, HARD = (
    4.0,
    8.0,
)  # deviations where far values begin to be bent, and the most that the network sees


@dataclass(frozen=True)
class DetectSpec:
    """Sizes of a :class:`~gatework.nn.detect.DetectNetwork`; plain values that a model folder keeps."""

    method: str  # forecast | reconstruct | variational
    channels: int  # C numbers of a row
    cardinalities: tuple[
        int, ...
    ]  # of the D category columns: 0 nothing before, 1 unseen, then words
    calendar: int = 0  # F features of a row's time, known before it comes
    mask: bool = False  # the network is told which numbers are missing
    cell: str = "lstm"
    hidden_size: int = 64
    num_layers: int = 1
    levels: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75, 0.95)
    window: int = 1  # rows that are rebuilt together; of no use to a forecast
    latent_size: int = 8  # numbers that a window is squeezed through
    dropout: float = 0.1
    input_dropout: float = 0.0  # share of the values hidden from a network that rebuilds them
    recurrent_dropout: float = 0.0
    zoneout: float = 0.0
    weight_drop: float = 0.0

    @property
    def forecasts(self) -> bool:
        """Whether a row is foretold from those before it."""
        return self.method == "forecast"

    @property
    def embedding_sizes(self) -> tuple[int, ...]:
        """Numbers that a category becomes: 2 sqrt of the words of its column, from 2 to 32."""
        return tuple(min(32, max(2, round(2 * n**0.5))) for n in self.cardinalities)

    @property
    def row_size(self) -> int:
        """Numbers that the network sees of a row and its time."""
        numbers = self.channels * (2 if self.mask else 1)
        return numbers + sum(self.embedding_sizes) + self.calendar

    @property
    def outer(self) -> tuple[int, int]:
        """Places of the outermost levels, whose distance to the median is the measure of surprise."""
        return 0, len(self.levels) - 1


def check_detect_spec(spec: DetectSpec) -> None:
    """Return when a fit could have made ``spec``.

    Raises:
        ValueError: it could not; nothing should be allocated for it.
    """
    sizes = (spec.hidden_size, spec.num_layers, spec.window, spec.latent_size, *spec.cardinalities)
    if any(type(n) is not int or not 1 <= n <= LARGEST for n in sizes):
        raise ValueError("a size of the network is not a whole number from 1 to 2^20")
    for name, value in (("channels", spec.channels), ("calendar", spec.calendar)):
        if type(value) is not int or not 0 <= value <= LARGEST:
            raise ValueError(f"{name} must be from 0 to 2^20; got {value!r}")
    if not spec.channels and not spec.cardinalities:
        raise ValueError("a row has neither numbers nor categories")
    if spec.method not in METHODS:
        raise ValueError(f"unknown method {spec.method!r}")
    if spec.cell not in DETECT_CELLS:
        raise ValueError(f"unknown cell {spec.cell!r}")
    if len(check_levels(spec.levels)) < 3:
        raise ValueError("levels must be three or more")
