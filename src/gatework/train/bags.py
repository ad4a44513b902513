"""A sequence as a bag of values, in which the order counts for next to nothing: what a linear model sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from gatework.train.statistics import blocks, statistics

Array = npt.NDArray[Any]
MOST_COLUMNS = 100_000
MOST_WEIGHTS = 4_000_000  # of all columns and classes: 16 MB of a saved model


class Bag:
    """Statistics of numbers beside counts of tokens; of texts tf-idf of the words.

    Numbers: see :func:`statistics`, scaled by the training part; of single steps the values themselves.
    Tokens: the share of steps that has each.  Words: ``count * (log((1 + B) / (1 + seen)) + 1)``, each sequence
    of length 1 (Salton & Buckley 1988); ``seen`` is how many of B sequences have the word.  Tokens that are
    rare beyond ``most`` columns, or that training did not hold, count for nothing.
    """

    def __init__(
        self, words: bool, per_step: bool, arrays: Mapping[str, Array], kept: Sequence[Array]
    ) -> None:
        self.words, self.per_step = words, per_step
        self.mean, self.deviation, self.idf = (
            single(arrays[name]) if name in arrays else np.zeros(0)
            for name in ("mean", "deviation", "idf")
        )
        self.kept = [np.asarray(k).astype(np.int64) for k in kept]  # tokens that have a column
        self.size = len(self.mean) + sum(len(k) for k in self.kept)

    @classmethod
    def fit(
        cls,
        kind: str,
        values: Array,
        tokens: Array,
        offsets: Array,
        per_step: bool,
        most: int = MOST_COLUMNS,
    ) -> Self:
        """Of training sequences; ``most`` tokens of each column have a column."""
        words = kind in ("text", "words")
        B, kept, arrays = len(offsets) - 1, [], {}
        for c in range(1 if words else tokens.shape[1]):
            ids, seen = np.unique(_pairs(tokens[:, c], offsets)[1], return_counts=True)
            pick = np.sort(np.argsort(-seen, kind="stable")[:most])
            kept.append(ids[pick])
            if words:
                arrays["idf"] = np.log((1 + B) / (1 + seen[pick])) + 1
        if not words and values.shape[1]:
            numbers = values if per_step else statistics(values, offsets)
            deviation = numbers.std(0, dtype=np.float64)
            arrays["mean"] = numbers.mean(0, dtype=np.float64)
            arrays["deviation"] = np.where(deviation > 1e-9, deviation, 1.0)
        return cls(words, per_step, arrays, kept)

    def matrix(self, values: Array, tokens: Array, offsets: Array) -> Any:
        """A row for each sequence or step: an array, with tokens a sparse matrix."""
        numbers = self._numbers(values, offsets)
        if not self.kept:
            return numbers
        from scipy.sparse import csr_matrix, hstack

        parts = [csr_matrix(numbers)] if numbers.shape[1] else []
        for c, kept in enumerate(self.kept):
            rows, columns, shares = self._shares(c, tokens, offsets)
            shape = (len(numbers), len(kept))
            parts.append(csr_matrix((shares, (rows, columns)), shape=shape))
        return hstack(parts, format="csr")

    def times(self, weight: Array, values: Array, tokens: Array, offsets: Array) -> Array:
        """The matrix times ``weight (size, K)``, without the matrix."""
        rows = int(offsets[-1]) if self.per_step else len(offsets) - 1
        out = np.zeros((rows, weight.shape[1]))
        for first, v, t, o in blocks(values, tokens, offsets):
            start = int(offsets[first]) if self.per_step else first
            part = self._numbers(v, o) @ weight[: len(self.mean)]
            begin = len(self.mean)
            for c, kept in enumerate(self.kept):
                own, columns, shares = self._shares(c, t, o)
                _add(part, own, shares, weight[begin : begin + len(kept)], columns)
                begin += len(kept)
            out[start : start + len(part)] = part
        return out

    def _numbers(self, values: Array, offsets: Array) -> Array:
        rows = len(values) if self.per_step else len(offsets) - 1
        if not len(self.mean):
            return np.zeros((rows, 0))
        numbers = values if self.per_step else statistics(values, offsets)
        scaled: Array = (numbers - self.mean) / self.deviation
        return scaled

    def _shares(self, c: int, tokens: Array, offsets: Array) -> tuple[Array, Array, Array]:
        """Row, column and value of what token column ``c`` gives; rows rise."""
        kept = self.kept[c]
        own = tokens[:, c]
        if self.per_step:
            rows, ids, counts = np.arange(len(own)), own, np.ones(len(own))
        else:
            rows, ids, counts = _pairs(own, offsets)
        columns = np.searchsorted(kept, ids)
        known = kept[np.minimum(columns, len(kept) - 1)] == ids if len(kept) else ids < 0
        rows, columns, counts = rows[known], columns[known], counts[known]
        if not self.words:
            return rows, columns, counts if self.per_step else counts / np.diff(offsets)[rows]
        shares = counts * self.idf[columns]
        norm = np.sqrt(np.bincount(rows, shares**2, minlength=len(offsets) - 1))
        return rows, columns, shares / norm[rows]

    def to_json(self) -> dict[str, Any]:
        return {"words": self.words, "per_step": self.per_step, "columns": len(self.kept)}

    def tensors(self) -> dict[str, Array]:
        own = {"mean": self.mean, "deviation": self.deviation, "idf": self.idf}
        return {name: array for name, array in own.items() if len(array)} | {
            f"kept{c}": kept for c, kept in enumerate(self.kept)
        }

    @classmethod
    def from_parts(cls, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        kept = [arrays[f"kept{c}"] for c in range(int(facts["columns"]))]
        found = cls(bool(facts["words"]), bool(facts["per_step"]), arrays, kept)
        columns = len(found.kept[0]) if found.words else 0
        if len(found.mean) != len(found.deviation) or len(found.idf) != columns:
            raise ValueError("means, deviations and frequencies are not of one length")
        return found


def single(array: Any) -> Array:
    """In double precision what single precision keeps of it: a saved baseline answers the very same."""
    return np.asarray(array, np.float32).astype(np.float64)


def _pairs(column: Array, offsets: Array) -> tuple[Array, Array, Array]:
    """Sequence, token and how often it occurs there, of every pair that does, in order."""
    lengths = np.diff(offsets)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    V = int(column.max(initial=0)) + 1
    pairs, counts = np.unique(rows * V + column, return_counts=True)
    return pairs // V, pairs % V, counts.astype(float)


def _add(out: Array, rows: Array, shares: Array, weight: Array, columns: Array) -> None:
    """``out[rows] += shares * weight[columns]`` of rows that rise."""
    if len(rows):
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        out[rows[starts]] += np.add.reduceat(shares[:, None] * weight[columns], starts, axis=0)
