"""Isolation forest: fitted by scikit-learn, kept as arrays, scored by NumPy alone.

    score(x) = 2^(-E[h(x)] / c(n))         c(n) = 2 (ln(n - 1) + 0.5772) - 2 (n - 1) / n

h is the number of splits until a tree of n rows has x alone, with c(rows left) added where it stopped
earlier: what takes few random splits to set apart is odd.  Each tree is laid out as a full binary one, in
which a row goes from node k to 2 k + 1 or 2 k + 2; a leaf above the bottom is drawn down to it.

Source: Liu, Ting and Zhou 2008, "Isolation forest", section 2 and equations 1 and 2.  Equal to scikit-learn's
``-score_samples``: a split there compares float32 values with a float64 threshold, here with the next float32
at or below it, which decides alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
MOST_ROWS = 50_000
_BLOCK = 2048


class Forest:
    """T trees of depth L: ``feature`` and ``threshold`` ``(T, 2^L - 1)``, ``path`` ``(T, 2^L)`` of the leaves.

    ``usual`` is c(n), by which the mean path is measured.
    """

    def __init__(self, feature: Array, threshold: Array, path: Array, usual: float) -> None:
        self.feature = np.asarray(feature, np.int32)
        self.threshold = np.asarray(threshold, np.float32)
        self.path, self.usual = np.asarray(path, np.float32), usual
        self.depth = self.path.shape[1].bit_length() - 1

    @classmethod
    def fit(cls, rows: Array, *, seed: int, trees: int = 100) -> Self:
        """On float32 ``(N, F)``, at most 50,000 of them; each tree on 256.

        Raises:
            ImportError: scikit-learn is not installed.
        """
        from sklearn.ensemble import IsolationForest

        rng = np.random.default_rng(seed)
        if len(rows) > MOST_ROWS:
            rows = rows[np.sort(rng.choice(len(rows), MOST_ROWS, replace=False))]
        fitted = IsolationForest(n_estimators=trees, random_state=seed).fit(rows)
        depth = max(e.tree_.max_depth for e in fitted.estimators_)
        grown = [_full(e.tree_, depth) for e in fitted.estimators_]
        feature, threshold, path = (np.stack(part) for part in zip(*grown, strict=True))
        return cls(feature, threshold, path, average_path(int(fitted.max_samples_)))

    def scores(self, rows: Array) -> Array:
        """``(N,)`` between 0 and 1; about 0.5 is usual, near 1 is odd."""
        rows = np.ascontiguousarray(rows, np.float32)
        out = np.empty(len(rows))
        for first in range(0, len(rows), _BLOCK):
            block = rows[first : first + _BLOCK]
            total = self._paths(block.ravel(), np.arange(len(block)) * block.shape[1])
            out[first : first + len(block)] = total / len(self.path)
        scores: Array = 2.0 ** (-out / max(self.usual, 1e-9))
        return scores

    def _paths(self, flat: Array, begin: Array) -> Array:
        """Sum of the trees' paths for rows that begin at places of ``flat``."""
        total = np.zeros(len(begin))
        for feature, threshold, path in zip(self.feature, self.threshold, self.path, strict=True):
            node = np.zeros(len(begin), np.int64)
            for _ in range(self.depth):
                right = flat[begin + feature[node]] > threshold[node]
                node += node
                node += 1
                node += right
            total += path[node - len(path) + 1]
        return total

    def to_json(self) -> dict[str, Any]:
        """What is kept beside the arrays."""
        return {"usual": self.usual}

    def tensors(self) -> dict[str, Array]:
        """What is kept as arrays."""
        return {"feature": self.feature, "threshold": self.threshold, "path": self.path}

    @classmethod
    def from_parts(
        cls, facts: Mapping[str, Any], arrays: Mapping[str, Array], columns: int
    ) -> Self:
        """What was kept; ValueError when it is damaged."""
        found = cls(arrays["feature"], arrays["threshold"], arrays["path"], float(facts["usual"]))
        trees, leaves = found.path.shape
        inner = (trees, leaves - 1)
        if leaves != 1 << found.depth or {found.feature.shape, found.threshold.shape} != {inner}:
            raise ValueError(f"a forest of {trees} trees with {leaves} leaves is not whole")
        if found.feature.size and not 0 <= found.feature.min() <= found.feature.max() < columns:
            raise ValueError(f"a forest splits at other than its {columns} columns")
        return found


def average_path(rows: int) -> float:
    """c(n): the mean path in a random binary tree of n rows.

    >>> average_path(1), average_path(2), round(average_path(256), 3)
    (0.0, 1.0, 10.245)
    """
    if rows <= 2:
        return float(max(rows - 1, 0))
    return 2 * (math.log(rows - 1) + float(np.euler_gamma)) - 2 * (rows - 1) / rows


def _full(tree: Any, depth: int) -> tuple[Array, Array, Array]:
    """Features, thresholds and paths of a tree, laid out as a full one."""
    inner = (1 << depth) - 1
    feature, threshold = np.zeros(inner, np.int32), np.zeros(inner, np.float32)
    path = np.zeros(inner + 1, np.float32)
    todo = [(0, 0, 0)]
    while todo:
        node, place, level = todo.pop()
        left, right = int(tree.children_left[node]), int(tree.children_right[node])
        if left < 0:
            first = ((place + 1) << (depth - level)) - 1 - inner  # of the leaves below
            length = level + average_path(int(tree.n_node_samples[node]))
            path[first : first + (1 << (depth - level))] = length
            continue
        feature[place], threshold[place] = tree.feature[node], _at_or_below(tree.threshold[node])
        todo += [(left, 2 * place + 1, level + 1), (right, 2 * place + 2, level + 1)]
    return feature, threshold, path


def _at_or_below(value: float) -> np.float32:
    near = np.float32(value)
    return near if float(near) <= value else np.nextafter(near, np.float32(-np.inf))
