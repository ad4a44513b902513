"""A sequence as a bag of values, in which the order counts for next to nothing: what a linear model sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
MOST_WORDS = 1000  # of a categorical channel; of texts the vocabulary bounds them
STATISTICS = 7


class Bag:
    """Statistics of numbers beside counts of tokens; of texts tf-idf of the words.

    Numbers: mean, deviation, least, largest, first and last value and slope of each channel, scaled by the
    training part; of single steps the values themselves.  Tokens: the share of steps that has each.
    Words: ``count * log(B / sequences with the word)``, each sequence of length 1 (Salton & Buckley 1988).
    """

    def __init__(
        self,
        words: bool,
        per_step: bool,
        columns: tuple[int, ...],
        mean: Array,
        deviation: Array,
        idf: Array,
    ) -> None:
        self.words, self.per_step, self.columns = words, per_step, columns
        self.mean, self.deviation, self.idf = mean, deviation, idf
        self.size = len(idf) if words else len(mean) + sum(columns)

    @classmethod
    def fit(cls, kind: str, values: Array, tokens: Array, offsets: Array, per_step: bool) -> Self:
        none = np.zeros(0)
        if kind in ("text", "words"):
            V, B = int(tokens[:, 0].max(initial=0)) + 1, len(offsets) - 1
            _, words, _ = _counts(tokens[:, 0], offsets, V)
            seen = np.bincount(words, minlength=V)
            return cls(True, False, (), none, none, np.log((1 + B) / (1 + seen)) + 1)
        numbers = values if per_step else _statistics(values, offsets)
        mean, deviation = none, none
        if numbers.shape[1]:
            mean, deviation = numbers.mean(0), numbers.std(0)
            deviation = np.where(deviation > 1e-9, deviation, 1.0)
        columns = tuple(
            min(int(tokens[:, c].max(initial=0)) + 1, MOST_WORDS) for c in range(tokens.shape[1])
        )
        return cls(False, per_step, columns, mean, deviation, none)

    def matrix(self, values: Array, tokens: Array, offsets: Array, some: Array) -> Any:
        """Rows of some sequences or steps: an array, of words a sparse matrix."""
        if self.words:
            from scipy.sparse import csr_matrix

            rows, words, shares = self._tf_idf(tokens, offsets)
            whole = csr_matrix((shares, (rows, words)), shape=(len(offsets) - 1, self.size))
            return whole[some]
        return self._dense(values, tokens, offsets)[some]

    def times(self, weight: Array, values: Array, tokens: Array, offsets: Array) -> Array:
        """The matrix of all times ``weight (size, K)``."""
        if not self.words:
            product: Array = self._dense(values, tokens, offsets) @ weight
            return product
        out = np.zeros((len(offsets) - 1, weight.shape[1]))
        rows, words, shares = self._tf_idf(tokens, offsets)
        for first in range(0, len(rows), 2**18):
            part = slice(first, first + 2**18)
            np.add.at(out, rows[part], shares[part, None] * weight[words[part]])
        return out

    def _tf_idf(self, tokens: Array, offsets: Array) -> tuple[Array, Array, Array]:
        rows, words, counts = _counts(tokens[:, 0], offsets, self.size)
        shares = counts * self.idf[words]
        norm = np.sqrt(np.bincount(rows, shares**2, minlength=len(offsets) - 1))
        return rows, words, shares / norm[rows]

    def _dense(self, values: Array, tokens: Array, offsets: Array) -> Array:
        numbers = values if self.per_step else _statistics(values, offsets)
        parts = [(numbers - self.mean) / self.deviation] if len(self.mean) else []
        N = len(numbers)
        for c, V in enumerate(self.columns):
            column = np.minimum(tokens[:, c], V - 1)
            table = np.zeros((N, V))
            if self.per_step:
                table[np.arange(N), column] = 1
            else:
                rows, words, counts = _counts(column, offsets, V)
                table[rows, words] = counts / np.diff(offsets)[rows]
            parts.append(table)
        return np.concatenate(parts, axis=1) if parts else np.zeros((N, 0))

    def to_json(self) -> dict[str, Any]:
        return {"words": self.words, "per_step": self.per_step, "columns": list(self.columns)}

    def tensors(self) -> dict[str, Array]:
        found = {"mean": self.mean, "deviation": self.deviation, "idf": self.idf}
        return {name: array for name, array in found.items() if len(array)}

    @classmethod
    def from_parts(cls, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        kept = [
            np.asarray(arrays[n], np.float64) if n in arrays else np.zeros(0)
            for n in ("mean", "deviation", "idf")
        ]
        columns = tuple(int(c) for c in facts["columns"])
        return cls(bool(facts["words"]), bool(facts["per_step"]), columns, *kept)


def _counts(column: Array, offsets: Array, V: int) -> tuple[Array, Array, Array]:
    """Sequence, token and how often it occurs there, of every pair that does; unseen tokens are unknown."""
    B = len(offsets) - 1
    rows = np.repeat(np.arange(B), np.diff(offsets))
    column = np.where(column < V, column, 1).astype(np.int64)
    pairs, counts = np.unique(rows * V + column, return_counts=True)
    return pairs // V, pairs % V, counts.astype(float)


def _statistics(values: Array, offsets: Array) -> Array:
    """``(B, 7 F)`` statistics of each channel of each sequence."""
    B, F = len(offsets) - 1, values.shape[1]
    if not F:
        return np.zeros((B, 0))
    out = np.empty((B, STATISTICS, F))
    first, last = offsets[:-1], offsets[1:] - 1
    lengths = np.diff(offsets)[:, None].astype(float)
    total = np.add.reduceat(values, first, axis=0, dtype=np.float64)
    out[:, 0] = total / lengths
    squares = np.add.reduceat(np.square(values, dtype=np.float64), first, axis=0) / lengths
    out[:, 1] = np.sqrt(np.maximum(squares - out[:, 0] ** 2, 0))
    out[:, 2] = np.minimum.reduceat(values, first, axis=0)
    out[:, 3] = np.maximum.reduceat(values, first, axis=0)
    out[:, 4], out[:, 5] = values[first], values[last]
    steps = np.arange(len(values)) - np.repeat(first + (lengths[:, 0] - 1) / 2, np.diff(offsets))
    slope = np.add.reduceat(values * steps[:, None], first, axis=0)
    spread = np.add.reduceat(steps**2, first)[:, None]
    out[:, 6] = slope / np.maximum(spread, 1e-12) * lengths
    return out.reshape(B, -1)
