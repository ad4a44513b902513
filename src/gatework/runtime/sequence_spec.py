"""Sizes of a network that labels sequences: what its torch form, its NumPy form and a model folder share."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gatework.cells import CELLS
from gatework.levels import check_levels

POOLINGS = ("last", "mean", "max", "attention", "mean_max")
SEQUENCE_CELLS = tuple(
    name
    for name, cell in CELLS.items()
    if cell.code is not None or name in ("feedforward", "mlstm")
)
STREAM_CELLS = tuple(
    name for name, cell in CELLS.items() if cell.code is not None or name == "feedforward"
)
LARGEST = 2**20


@dataclass(frozen=True)
class SequenceSpec:
    """Sizes of a :class:`~gatework.nn.sequence.SequenceNetwork`; plain values that a model folder keeps."""

    size: int  # F numbers of a step
    cardinalities: tuple[int, ...]  # of the C token columns
    outputs: int  # K classes, or quantile levels
    per_step: bool = False
    cell: str = "lstm"
    hidden_size: int = 128
    num_layers: int = 1
    causal: bool = False
    pooling: str = "attention"
    embedding_size: int = 0  # of the first token column; of the others found from their cardinality
    filters: tuple[int, ...] = ()  # convolutions over time before the recurrence, channels of each
    widths: tuple[int, ...] = ()  # their kernels, in steps
    strides: tuple[int, ...] = ()  # how many steps each moves on
    frame: tuple[int, ...] = ()  # (channels, height, width) of a video's frame; empty for others
    dropout: float = 0.3
    word_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    zoneout: float = 0.0
    weight_drop: float = 0.0
    members: int = 1
    crf: bool = False
    levels: tuple[float, ...] = ()  # of a regression's quantiles, K of them; empty for classes

    @property
    def embedding_sizes(self) -> tuple[int, ...]:
        """Size of each column's vectors: the first as asked for, others 2 sqrt of their words, 4 to 32."""
        if not self.cardinalities:
            return ()
        others = (min(32, max(4, round(2 * n**0.5))) for n in self.cardinalities[1:])
        return (self.embedding_size, *others)

    @property
    def directions(self) -> int:
        """D."""
        return 1 if self.causal or self.cell == "feedforward" else 2

    @property
    def stride(self) -> int:
        """Steps of the input for one step of the recurrence."""
        total = 1
        for stride in self.strides:
            total *= stride
        return total


def check_sequence_spec(spec: SequenceSpec) -> None:
    """Return when a fit could have made ``spec``.

    Raises:
        ValueError: it could not; nothing should be allocated for it.
    """
    sizes = (spec.outputs, spec.hidden_size, spec.num_layers, spec.members, *spec.cardinalities)
    positive = (*sizes, *spec.filters, *spec.widths, *spec.strides, *spec.frame)
    if any(type(n) is not int or not 1 <= n <= LARGEST for n in positive):
        raise ValueError("a size of the network is not a whole number from 1 to 2^20")
    if type(spec.size) is not int or not 0 <= spec.size <= LARGEST:
        raise ValueError(f"size must be from 0 to 2^20; got {spec.size!r}")
    if not spec.size and not spec.cardinalities:
        raise ValueError("a step has neither numbers nor tokens")
    if spec.cardinalities and not 1 <= spec.embedding_size <= LARGEST:
        raise ValueError(f"embedding_size must be positive; got {spec.embedding_size!r}")
    if spec.cell not in SEQUENCE_CELLS:
        raise ValueError(f"unknown cell {spec.cell!r}")
    if spec.pooling not in POOLINGS:
        raise ValueError(f"unknown pooling {spec.pooling!r}")
    if not len(spec.filters) == len(spec.widths) == len(spec.strides):
        raise ValueError("filters, widths and strides differ in number")
    if spec.per_step and spec.stride != 1:
        raise ValueError("a network with a label for every step cannot move on by several")
    if len(spec.frame) not in (0, 3):
        raise ValueError("frame must be channels, height and width")
    if spec.frame and math.prod(spec.frame) != spec.size:
        raise ValueError(f"a frame of {spec.frame} has not {spec.size} numbers")
    if spec.levels and len(check_levels(spec.levels)) != spec.outputs:
        raise ValueError("levels and outputs differ in number")
    if spec.crf and not spec.per_step:
        raise ValueError("a random field needs a label for every step")
