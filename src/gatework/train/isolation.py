"""An isolation forest on rows of numbers and categories, or on sessions as bags of events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from gatework.train.forest import Forest
from gatework.train.moving_baselines import Distance, measured

Array = npt.NDArray[Any]
MOST_CODES = 256


class Isolation:
    """The forest, and what makes columns of numbers for it.

    A row's columns are its values, scaled, with the median where one is missing; where the rows have an order,
    their differences to the last row; and of each category how frequent it was in training.  A bag's are how
    often each of the 256 most frequent events occurs, how often any other, and the length.
    """

    def __init__(
        self,
        forest: Forest,
        centre: list[float],
        scale: list[float],
        codes: list[Array],
        *,
        ordered: bool,
        bags: bool,
    ) -> None:
        self.forest, self.centre, self.scale = forest, centre, scale
        self.codes = [np.asarray(c, np.float32) for c in codes]
        self.ordered, self.bags = ordered, bags

    @classmethod
    def fit(
        cls, values: Array, tokens: Array, offsets: Array, *, ordered: bool, bags: bool, seed: int
    ) -> Self:
        """On at most 50,000 rows.

        Raises:
            ImportError: scikit-learn is not installed.
        """
        usual = Distance.fit(values)
        codes = [_codes(tokens[:, d], bags) for d in range(1 if bags else tokens.shape[1])]
        empty = Forest(np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((0, 1)), 1.0)
        found = cls(empty, usual.centre, usual.scale, codes, ordered=ordered, bags=bags)
        found.forest = Forest.fit(found.columns(values, tokens, offsets), seed=seed)
        return found

    def scores(self, values: Array, tokens: Array, offsets: Array) -> Array:
        """``(N,)`` of rows or ``(S,)`` of bags."""
        return self.forest.scores(self.columns(values, tokens, offsets))

    def columns(self, values: Array, tokens: Array, offsets: Array) -> Array:
        """``(N, F)`` or ``(S, F)`` float32 that the forest splits."""
        if self.bags:
            return self._bags(tokens[:, 0], offsets)
        x = np.nan_to_num(measured(values, np.array(self.centre), np.array(self.scale)), nan=0.0)
        parts = [x]
        if self.ordered and x.shape[1]:
            step = np.diff(x, axis=0, prepend=x[:1])
            step[np.asarray(offsets[:-1])[np.diff(offsets) > 0]] = 0
            parts.append(step)
        for d, share in enumerate(self.codes):
            token = tokens[:, d]
            known = (token >= 0) & (token < len(share))
            parts.append(
                np.where(known, np.append(share, 0)[np.where(known, token, -1)], 0)[:, None]
            )
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _bags(self, tokens: Array, offsets: Array) -> Array:
        code, S = self.codes[0], len(offsets) - 1
        width = int(code.max(initial=-1)) + 3
        known = (tokens >= 0) & (tokens < len(code))
        column = np.where(known, np.append(code, -1)[np.where(known, tokens, -1)], -1)
        column = np.where(column < 0, width - 2, column).astype(np.int64)
        session = np.repeat(np.arange(S), np.diff(offsets))
        counts = np.bincount(session * width + column, minlength=S * width).reshape(S, width)
        counts[:, -1] = np.diff(offsets)
        return counts.astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """What is kept beside the arrays."""
        kept = {"centre": self.centre, "scale": self.scale, "codes": len(self.codes)}
        return {**kept, "ordered": self.ordered, "bags": self.bags, **self.forest.to_json()}

    def tensors(self) -> dict[str, Array]:
        """What is kept as arrays."""
        return {f"code{d}": c for d, c in enumerate(self.codes)} | self.forest.tensors()

    @classmethod
    def from_parts(cls, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """What was kept; ValueError or KeyError when it is damaged."""
        usual = Distance.from_parts({**facts, "lag": 1}, {})
        codes = [np.asarray(arrays[f"code{d}"]) for d in range(int(facts["codes"]))]
        ordered, bags = bool(facts["ordered"]), bool(facts["bags"])
        width = len(usual.centre) * (2 if ordered else 1) + len(codes)
        if bags:
            width = int(codes[0].max(initial=-1)) + 3
        forest = Forest.from_parts(facts, arrays, width)
        return cls(forest, usual.centre, usual.scale, codes, ordered=ordered, bags=bags)


def _codes(tokens: Array, bags: bool) -> Array:
    """Of each category its share of the rows; for bags its column, or -1 of a rare one."""
    counts = np.bincount(tokens[tokens >= 0])
    if not bags:
        shares: Array = counts / max(len(tokens), 1)
        return shares
    column = np.full(len(counts), -1.0)
    frequent = np.argsort(-counts, kind="stable")[:MOST_CODES]
    column[np.sort(frequent)] = np.arange(len(frequent))
    return column
