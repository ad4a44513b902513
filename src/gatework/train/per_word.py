"""The label that each word had most often: a tagger without any context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from gatework.train.bags import single

Array = npt.NDArray[Any]
SMOOTHING = 0.1  # of one occurrence, spread as the labels of all words are
UNKNOWN = 1  # the number of words that occur once in training; of unseen ones too


class PerWord:
    """Shares of the labels of each word, smoothed towards those of all words.

    Pairs of a word and a label, in order, and how often each occurred.  A word that training did not hold
    gets the labels of those that occurred once, which are unknown words too.
    """

    def __init__(self, words: Array, labels: Array, counts: Array, share: Array) -> None:
        self.words, self.labels = (np.asarray(a).astype(np.int64) for a in (words, labels))
        self.counts, self.share = single(counts), single(share)

    @classmethod
    def fit(cls, tokens: Array, targets: Array, K: int) -> Self:
        """Of words ``tokens[:, 0]`` with labels ``targets``, -1 where there is none."""
        known = targets >= 0
        words, labels = tokens[known, 0].astype(np.int64), targets[known]
        pairs, counts = np.unique(words * K + labels, return_counts=True)
        share = np.bincount(labels, minlength=K) / max(len(labels), 1)
        return cls(pairs // K, pairs % K, counts, share)

    def answers(self, values: Array, tokens: Array, offsets: Array) -> Array:
        """``(N, K)`` probabilities."""
        own, where = np.unique(tokens[:, 0], return_inverse=True)
        own = np.where(np.isin(own, self.words), own, UNKNOWN)
        first = np.searchsorted(self.words, own)
        count = np.searchsorted(self.words, own, side="right") - first
        row = np.repeat(np.arange(len(own)), count)
        pair = np.arange(len(row)) + np.repeat(first - (np.cumsum(count) - count), count)
        table = np.repeat(SMOOTHING * self.share[None], len(own), axis=0)
        table[row, self.labels[pair]] += self.counts[pair]
        table /= np.maximum(table.sum(1, keepdims=True), 1e-300)
        found: Array = table[where]
        return found

    def to_json(self) -> dict[str, Any]:
        return {}

    def tensors(self) -> dict[str, Array]:
        return {
            "words": self.words,
            "labels": self.labels,
            "counts": self.counts,
            "share": self.share,
        }

    @classmethod
    def from_parts(cls, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        found = cls(*(arrays[name] for name in ("words", "labels", "counts", "share")))
        if not len(found.words) == len(found.labels) == len(found.counts):
            raise ValueError("words, labels and counts are not of one length")
        if len(found.labels) and not 0 <= found.labels.min() <= found.labels.max() < len(
            found.share
        ):
            raise ValueError(f"labels of other classes than {len(found.share)}")
        return found
