"""What every reader of sequences returns: items of any length with what is known of each.

A reader (``gatework.data.sources``) finds sequences in files, frames, folders or lists and makes a
:class:`SequenceSet`; an encoder (``gatework.data.encoders``) turns its items into numbers.

    kind      an item is
    series    a Series: T steps of numbers and categories, with times where there are some
    text      a str
    words     a Words: T words and what stands beside each, for tagging
    audio     a Sound
    strokes   an Ink: pen strokes
    images    an array (height, width) or (height, width, 3) of uint8
    video     an array (frames, height, width, 3) or (frames, height, width) of uint8
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from gatework.errors import DataError

KINDS = ("series", "text", "words", "audio", "strokes", "images", "video")


class Series(NamedTuple):
    """T steps of F numbers and C categories; what is missing is NaN or None."""

    values: npt.NDArray[np.float64]  # (T, F)
    categories: npt.NDArray[np.object_] | None = None  # (T, C) of str or None
    times: npt.NDArray[np.float64] | None = (
        None  # (T,) seconds, or whatever the steps are counted in
    )

    def __len__(self) -> int:  # steps, not fields: what a sequence is long
        return len(self.values)


class Words(NamedTuple):
    """T words, and further columns of text beside them, such as a part of speech."""

    columns: tuple[tuple[str, ...], ...]  # C columns of T texts, the words first

    def __len__(self) -> int:
        return len(self.columns[0])


class Sound(NamedTuple):
    """A recording of one channel."""

    samples: npt.NDArray[np.float32]  # (N,) from -1 to 1
    rate: int  # samples a second

    def __len__(self) -> int:
        return len(self.samples)


class Ink(NamedTuple):
    """Pen strokes: the pen is up between two of them."""

    strokes: tuple[npt.NDArray[np.float64], ...]  # each (n, 2): x to the right, y downwards

    def __len__(self) -> int:
        return sum(len(s) for s in self.strokes)


@dataclass(frozen=True)
class SequenceSet:
    """Sequences as they were read, before any preprocessing.

    ``items`` may read from disk when an item is asked for, and then raises a DataError that names it.
    ``labels`` hold what the task asks for: a class name or None for each item; a number or NaN; or, a label
    for every step, an array of T of them.
    """

    kind: str
    items: Sequence[Any]  # (B,)
    names: Sequence[
        str
    ]  # words with which a person finds an item: "reviews.csv, row 12", "left/3.wav"
    source: str  # what messages call the whole
    labels: Sequence[Any] | None = None
    groups: Sequence[str] | None = None  # of --group: a speaker, a writer, a customer
    keys: Sequence[str] | None = (
        None  # of a series column, or a path relative to its folder: for results
    )
    features: tuple[str, ...] = ()  # series: names of the F numbers
    categorical: tuple[
        str, ...
    ] = ()  # series: names of the C categories; words: names of the columns
    layout: dict[str, Any] = field(default_factory=dict)  # what to read the same way again, as JSON
    notes: tuple[str, ...] = ()  # what a user should know of how it was read
    skipped: tuple[
        str, ...
    ] = ()  # messages of the items that could not be read and were passed over

    def __len__(self) -> int:
        return len(self.items)

    @property
    def per_step(self) -> bool:
        """Whether labels are one for each step."""
        return bool(self.labels) and isinstance(self.labels[0], np.ndarray)  # type: ignore[index]

    def take(self, numbers: Sequence[int] | npt.NDArray[np.int64]) -> Self:
        """The items of these numbers, in that order; nothing is read."""

        def pick(values: Sequence[Any] | None) -> list[Any] | None:
            return None if values is None else [values[i] for i in numbers]

        return replace(
            self,
            items=Picked(self.items, numbers),
            names=[self.names[i] for i in numbers],
            labels=pick(self.labels),
            groups=pick(self.groups),
            keys=pick(self.keys),
        )

    def refuse(self, i: int, fact: str) -> DataError:
        """The error for an item that cannot be used."""
        return DataError(f"{self.names[i]}: {fact.rstrip('.')}.")


class Picked(Sequence[Any]):
    """Some of the items of a sequence, each read when it is asked for."""

    def __init__(
        self, items: Sequence[Any], numbers: Sequence[int] | npt.NDArray[np.int64]
    ) -> None:
        self._items, self._numbers = items, [int(i) for i in numbers]

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return Picked(self._items, self._numbers[i])
        return self._items[self._numbers[i]]
