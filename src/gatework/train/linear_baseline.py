"""Logistic or ridge regression on a bag of values: fitted by scikit-learn, answering from NumPy alone."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from gatework.train.bags import MOST_COLUMNS, MOST_WEIGHTS, Bag, single
from gatework.train.sampling import sample
from gatework.train.statistics import taken

Array = npt.NDArray[Any]
MOST_ROWS, FEWEST_ROWS = 50_000, 1000
WORK = 2 * 10**7  # rows times columns times classes: 200 iterations take some 5 s of one core
ITERATIONS = 200
NEVER = -30.0  # logit of a class without an example


class Linear:
    """Weights ``(size, K)`` and bias ``(K,)`` of a bag; of a number K is 1."""

    def __init__(self, bag: Bag, weight: Array, bias: Array, classes: bool) -> None:
        self.bag, self.weight, self.bias, self.classes = bag, single(weight), single(bias), classes

    @classmethod
    def fit(
        cls,
        kind: str,
        values: Array,
        tokens: Array,
        offsets: Array,
        targets: Array,
        K: int,
        known: Array,
        per_step: bool,
        rng: np.random.Generator,
    ) -> Self:
        """On as many of the ``known`` sequences or steps as can be fitted in seconds.

        Raises:
            ImportError: scikit-learn is not installed.
            ValueError: the examples are all of one class.
        """
        from sklearn.linear_model import Ridge

        some = sample(known, targets if K else None, MOST_ROWS, rng)
        part = _part(values, tokens, offsets, some, per_step)
        most = min(MOST_COLUMNS, max(MOST_WEIGHTS // max(K, 1), 1))
        bag = Bag.fit(kind, *part, per_step, most)
        rows, y = bag.matrix(*part), targets[some]
        if not K:
            few = max(FEWEST_ROWS, WORK // max(_width(rows), 1))
            if len(y) > few:
                pick = sample(np.arange(len(y)), None, few, rng)
                rows, y = rows[pick], y[pick]
            ridge = Ridge(alpha=1.0).fit(rows, y)
            return cls(bag, ridge.coef_.reshape(-1, 1), np.atleast_1d(ridge.intercept_), False)
        weight, bias = _logistic(rows, y, K, 10.0 if bag.words else 1.0, rng)
        return cls(bag, weight, bias, True)

    def answers(self, values: Array, tokens: Array, offsets: Array) -> Array:
        """``(B, K)`` or ``(N, K)`` probabilities; ``(B, 1)`` or ``(N, 1)`` numbers."""
        out = self.bag.times(self.weight, values, tokens, offsets) + self.bias
        if not self.classes:
            return out
        p = np.exp(out - out.max(-1, keepdims=True))
        found: Array = p / p.sum(-1, keepdims=True)
        return found

    def to_json(self) -> dict[str, Any]:
        return {"classes": self.classes, **self.bag.to_json()}

    def tensors(self) -> dict[str, Array]:
        return {"weight": self.weight, "bias": self.bias, **self.bag.tensors()}

    @classmethod
    def from_parts(cls, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        found = cls(
            Bag.from_parts(facts, arrays),
            arrays["weight"],
            arrays["bias"],
            bool(facts["classes"]),
        )
        if found.weight.shape != (found.bag.size, len(found.bias)):
            raise ValueError(f"weights {found.weight.shape} of {found.bag.size} columns")
        return found


def _part(
    values: Array, tokens: Array, offsets: Array, some: Array, per_step: bool
) -> tuple[Array, Array, Array]:
    """Some sequences, or some steps as sequences of their own."""
    if not per_step:
        return taken(values, tokens, offsets, some)
    return values[some], tokens[some], np.arange(len(some) + 1)


def _width(rows: Any) -> int:
    """Mean number of values in a row that are stored."""
    return int(rows.nnz // rows.shape[0]) if hasattr(rows, "nnz") else int(rows.shape[1])


def _logistic(
    rows: Any, y: Array, K: int, C: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Weights ``(size, K)`` and bias ``(K,)`` of softmax regression."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    work = max(_width(rows), 1) * (K if K > 2 else 1)
    few = max(FEWEST_ROWS, 5 * K, WORK // work)
    if len(y) > few:
        pick = sample(np.arange(len(y)), y, few, rng)
        rows, y = rows[pick], y[pick]
    iterations = int(np.clip(ITERATIONS * WORK // (work * max(len(y), 1)), 20, ITERATIONS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a baseline may stop early
        model = LogisticRegression(C=C, max_iter=iterations).fit(rows, y)
    weight, bias = np.zeros((rows.shape[1], K)), np.full(K, NEVER)
    if len(model.classes_) == 2:  # one row of weights, for the second class
        weight[:, model.classes_[1]] = model.coef_[0]
        bias[model.classes_] = 0, model.intercept_[0]
    else:
        weight[:, model.classes_], bias[model.classes_] = model.coef_.T, model.intercept_
    return weight, bias
