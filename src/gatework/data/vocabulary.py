"""Categories as numbers, fitted on the training part only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

MISSING, UNKNOWN, FIRST = 0, 1, 2


def as_text(value: Any) -> str | None:
    """A category or series name as the table reader spells it, so that a stream's row means the same.

    >>> [as_text(v) for v in ("a", 3, 3.0, True, None, float("nan"))]
    ['a', '3', '3', 'true', None, None]
    """
    if value is None or value != value:
        return None
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


@dataclass(frozen=True)
class Vocabulary:
    """Words in the order of their numbers; 0 is missing, 1 unknown, the first word is 2.

    >>> v = Vocabulary.fit(["rain", None, "sun", "rain"])
    >>> v.encode(["sun", "snow", None]).tolist(), len(v)
    ([3, 1, 0], 4)
    """

    words: tuple[str, ...]

    @classmethod
    def fit(cls, values: Iterable[str | None]) -> Vocabulary:
        """Vocabulary of the distinct values, sorted so that the order of rows does not matter."""
        return cls(tuple(sorted({str(v) for v in values if v is not None})))

    def encode(self, values: Iterable[str | None]) -> npt.NDArray[np.int64]:
        """Numbers of ``values``; unseen words are UNKNOWN, None is MISSING."""
        return np.fromiter((self._index.get(v, UNKNOWN) for v in values), dtype=np.int64)

    def number(self, value: str | None) -> int:
        """The number of one value, as :meth:`encode` gives it."""
        return self._index.get(value, UNKNOWN)

    @cached_property
    def _index(self) -> dict[str | None, int]:
        return {None: MISSING} | {word: i for i, word in enumerate(self.words, start=FIRST)}

    def __len__(self) -> int:
        return len(self.words) + FIRST
