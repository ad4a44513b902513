"""Pen strokes as steps along the ink: size, slant, place and speed of the pen taken out."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from gatework.data.augment import augment_ink
from gatework.data.encoders.base import Encoded, Encoder, SequenceBatch, no_tokens
from gatework.data.sequences import Ink, SequenceSet

Array = npt.NDArray[np.float64]

SPACING = 0.1  # of the ink's size, from step to step
MAX_STEPS = 4_000  # of an ink: far more than a line of writing has
MAX_SLANT = 1.0  # to the right for one upwards: 45 degrees
FLAT = 0.2  # an ink is taken to be at least a fifth as high as it is wide


class StrokesEncoder(Encoder):
    """Steps ``[dx, dy, pen up, x, y]``: points at even distances along each stroke.

    The ink is moved to its middle, its slant taken out where ``upright``, and divided by its size, the larger
    of its height and a fifth of its width.  (dx, dy) is the way from the point before in steps, so that its
    length is 1 but where the pen was up.
    """

    kind = "strokes"
    size = 5
    cardinalities = ()

    def __init__(self, spacing: float = SPACING, upright: bool = True) -> None:
        self.spacing, self.upright = spacing, upright

    @classmethod
    def fit(cls, sequences: SequenceSet, settings: Any) -> Self:
        return cls(upright=bool(getattr(settings, "upright", True)))

    def encode(self, item: Any) -> Encoded:
        strokes = _strokes(item)
        points = np.concatenate(strokes)
        lengths = [len(s) for s in strokes]
        if self.upright:
            points = points.copy()
            points[:, 0] += slant(strokes) * points[:, 1]
        low, high = points.min(axis=0), points.max(axis=0)
        wide, tall = (high - low).tolist()
        size = max(tall, FLAT * wide)
        points = (points - (low + high) / 2) / (size if size > 0 else 1.0)
        placed, first = _even(points, np.array(lengths), self.spacing)
        if len(placed) > MAX_STEPS:
            raise ValueError(
                f"is {len(placed):,} steps long, and an ink has {MAX_STEPS:,} at most: it is no writing, or "
                "many lines of it. Split it"
            )
        moves = np.diff(placed, axis=0, prepend=placed[:1]) / self.spacing
        values = np.column_stack([moves, first, placed]).astype(np.float32)
        values[0, 2] = 0.0
        return Encoded(values, no_tokens(len(values)))

    def augment(
        self, batch: SequenceBatch, generator: torch.Generator, strength: float
    ) -> SequenceBatch:
        return augment_ink(batch, generator, strength, spacing=self.spacing)

    def describe(self) -> str:
        upright = ", made upright" if self.upright else ""
        step = f"{self.spacing:.0%} of the height along the pen's way"
        return f"a step is {step}: direction, pen up, place{upright}"

    def to_json(self) -> dict[str, Any]:
        return {"spacing": self.spacing, "upright": self.upright}

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        spacing = float(kept["spacing"])
        if not 0.001 <= spacing <= 1:
            raise ValueError("the spacing is not between 0.001 and 1")
        return cls(spacing, bool(kept["upright"]))


def slant(strokes: list[Array]) -> float:
    """How far upright parts lean to the right for one up: what is added to x for each y downwards.

    The least-squares slope of x on y along the parts that are steeper than 45 degrees, whatever the
    pen's speed; held near 0 where there is little of them.
    """
    moves = np.concatenate([np.diff(s, axis=0) for s in strokes])
    dx, dy = moves[:, 0], moves[:, 1]
    way = np.hypot(dx, dy)
    steep = np.abs(dy) > np.abs(dx)
    weight = steep / np.where(
        way > 0, way, 1.0
    )  # of directions times the way: speed has no part in it
    below = float((weight * dy * dy).sum())
    if not below > 0:
        return 0.0
    trust = min(1.0, 2.0 * float((way * steep).sum()) / float(way.sum()))
    lean = -float((weight * dx * dy).sum()) / below * trust
    return float(np.clip(lean, -MAX_SLANT, MAX_SLANT))


def _even(
    points: Array, lengths: npt.NDArray[np.int64], spacing: float
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Points at even distances along every stroke with both its ends, and which of them begin a stroke.

    All strokes at once: the way along the ink, with a gap of its own before each stroke, is read at places
    that are as even as a whole number of steps makes them.
    """
    ends = np.cumsum(lengths)
    begins = ends - lengths
    way = np.hypot(*np.diff(points, axis=0).T)
    way[begins[1:] - 1] = 0.0  # the pen was up
    along = np.concatenate([[0.0], np.cumsum(way)])
    length = along[ends - 1] - along[begins]
    steps = np.maximum(np.round(length / spacing), np.where(length > 0, 1, 0)).astype(np.int64)
    # Strokes are set one apart from each other, so that no place is between two of them.
    stroke = np.repeat(np.arange(len(lengths)), lengths)
    along = along + stroke
    count = steps + 1
    which = np.repeat(np.arange(len(steps)), count)
    number = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
    place = along[begins][which] + length[which] * number / np.maximum(steps, 1)[which]
    place = np.minimum(place, along[ends - 1][which])
    x = np.interp(place, along, points[:, 0])
    y = np.interp(place, along, points[:, 1])
    return np.column_stack([x, y]), number == 0


def _strokes(item: Any) -> list[Array]:
    """Strokes of an ink, each with a point at least.

    Raises ValueError, the bare fact.
    """
    given = item.strokes if isinstance(item, Ink) else item
    strokes = [np.asarray(s, float) for s in given]
    if any(s.ndim != 2 or s.shape[1] < 2 for s in strokes if s.size):
        raise ValueError("a stroke is no list of points (x, y)")
    strokes = [s[:, :2] for s in strokes if len(s)]
    if not strokes:
        raise ValueError("has no points")
    if not all(np.isfinite(s).all() for s in strokes):
        raise ValueError("a point is not finite")
    return strokes
