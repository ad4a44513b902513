"""The honest simple answers beside which a network for sequences is judged.

    majority class       what is most frequent; the mean of numbers
    per word             of words the label that each had most often
    linear model         logistic or ridge regression on a bag of values: statistics of numbers, counts of words
    nearest neighbour    of series the label of the training series at the least Euclidean distance

They are fitted on the training part as the network sees it, kept with the model, and answer from NumPy alone;
scikit-learn is needed to fit the linear model only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from gatework.train.bags import Bag

Array = npt.NDArray[Any]
MOST_SEQUENCES, MOST_NEIGHBOURS = 50_000, 2000
MOST_NUMBERS, MOST_STEPS = 4096, 128  # of a series as the nearest neighbour compares it


class Baseline(Protocol):
    """One of them, fitted."""

    def answers(self, values: Array, tokens: Array, offsets: Array) -> Array:
        """``(B, K)`` or, of steps, ``(N, K)`` probabilities; of numbers ``(B, 1)`` or ``(N, 1)``."""

    def to_json(self) -> dict[str, Any]:
        """What is kept beside the arrays."""

    def tensors(self) -> dict[str, Array]:
        """What is kept as float32 arrays."""


class Baselines:
    """All that suit a task and a kind of data; ``answers`` of each by name."""

    def __init__(self, fitted: Mapping[str, Baseline], notes: Sequence[str] = ()) -> None:
        self._fitted, self.notes = dict(fitted), list(notes)

    def answers(self, values: Array, tokens: Array, offsets: Array) -> dict[str, Array]:
        """What each says of sequences as the network sees them."""
        return {n: b.answers(values, tokens, offsets) for n, b in self._fitted.items()}

    def to_json(self) -> dict[str, Any]:
        """What is kept beside the arrays."""
        return {n: {"class": type(b).__name__, **b.to_json()} for n, b in self._fitted.items()}

    def tensors(self) -> dict[str, Array]:
        """Arrays by ``name/array``."""
        return {f"{n}/{k}": a for n, b in self._fitted.items() for k, a in b.tensors().items()}

    @classmethod
    def from_parts(cls, kept: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """What ``to_json`` and ``tensors`` gave; ValueError or KeyError when it is damaged."""
        classes: dict[str, Any] = {c.__name__: c for c in (Constant, PerWord, Linear, Neighbour)}
        fitted = {}
        for name, facts in kept.items():
            own = {
                k.removeprefix(f"{name}/"): a for k, a in arrays.items() if k.startswith(f"{name}/")
            }
            fitted[name] = classes[facts["class"]].from_parts(facts, own)
        return cls(fitted)


def fit_baselines(
    task: str,
    kind: str,
    values: Array,
    tokens: Array,
    offsets: Array,
    targets: Array,
    classes: Sequence[str],
    *,
    seed: int = 0,
) -> Baselines:
    """Baselines of the training part.

    Args:
        task: ``classify``, ``regress`` or ``tag``.
        kind: of the sequences.
        values, tokens: ``(N, F)`` and ``(N, C)`` of all steps, end to end.
        offsets: ``(B + 1,)`` where each sequence begins.
        targets: class numbers with -1, or numbers with NaN, of sequences ``(B,)`` or steps ``(N,)``.
        classes: K names; none of numbers.
    """
    per_step = len(targets) == int(offsets[-1]) and (
        task == "tag" or len(targets) != len(offsets) - 1
    )
    K = len(classes)
    notes: list[str] = []
    fitted: dict[str, Baseline] = {}
    fitted["majority class" if classes else "mean"] = Constant.fit(targets, K, per_step)
    rng = np.random.default_rng(seed)
    known = np.flatnonzero(targets >= 0 if classes else ~np.isnan(targets))
    if len(known) > MOST_SEQUENCES:
        known = np.sort(rng.choice(known, MOST_SEQUENCES, replace=False))
    if per_step and kind in ("words", "text"):
        fitted["per word"] = PerWord.fit(tokens, targets, K)
        return Baselines(fitted, notes)
    try:
        linear = Linear.fit(kind, values, tokens, offsets, targets, K, known, per_step)
    except ImportError:
        notes.append("no linear baseline: it needs scikit-learn, pip install 'gatework[baselines]'")
    else:
        fitted["linear model"] = linear
    if not per_step and values.shape[1] and np.median(np.diff(offsets)) > 1:
        some = known
        if len(some) > MOST_NEIGHBOURS:
            some = np.sort(rng.choice(some, MOST_NEIGHBOURS, replace=False))
        fitted["nearest neighbour"] = Neighbour.fit(values, offsets, targets, K, some)
    return Baselines(fitted, notes)


class Constant:
    """The shares of the classes, or the mean, whatever the sequence."""

    def __init__(self, answer: Array, per_step: bool) -> None:
        self.answer, self.per_step = np.asarray(answer, np.float64), per_step

    @classmethod
    def fit(cls, targets: Array, K: int, per_step: bool) -> Self:
        if not K:
            return cls(np.array([np.nanmean(targets)]), per_step)
        counts = np.bincount(targets[targets >= 0], minlength=K).astype(float)
        return cls(counts / max(counts.sum(), 1), per_step)

    def answers(self, values: Array, tokens: Array, offsets: Array) -> Array:
        rows = int(offsets[-1]) if self.per_step else len(offsets) - 1
        return np.repeat(self.answer[None], rows, axis=0)

    def to_json(self) -> dict[str, Any]:
        return {"per_step": self.per_step}

    def tensors(self) -> dict[str, Array]:
        return {"answer": self.answer}

    @classmethod
    def from_parts(cls, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        return cls(arrays["answer"], bool(facts["per_step"]))


class PerWord:
    """The shares of labels that each word had, smoothed towards those of all."""

    def __init__(self, table: Array) -> None:
        self.table = np.asarray(table, np.float64)  # (V, K)

    @classmethod
    def fit(cls, tokens: Array, targets: Array, K: int) -> Self:
        known = targets >= 0
        words, V = tokens[known, 0].astype(np.int64), int(tokens[:, 0].max(initial=0)) + 1
        counts = (
            np.bincount(words * K + targets[known], minlength=V * K).reshape(V, K).astype(float)
        )
        share = counts.sum(0) / max(counts.sum(), 1)
        table = counts + 0.1 * share
        return cls(table / table.sum(1, keepdims=True))

    def answers(self, values: Array, tokens: Array, offsets: Array) -> Array:
        words = tokens[:, 0].astype(np.int64)
        return self.table[np.where(words < len(self.table), words, 1)]

    def to_json(self) -> dict[str, Any]:
        return {}

    def tensors(self) -> dict[str, Array]:
        return {"table": self.table}

    @classmethod
    def from_parts(cls, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        return cls(arrays["table"])


class Linear:
    """Logistic or ridge regression on a bag of values."""

    def __init__(self, bag: Bag, weight: Array, bias: Array, classes: bool) -> None:
        self.bag, self.weight, self.bias = (
            bag,
            np.asarray(weight, np.float64),
            np.asarray(bias, np.float64),
        )
        self.classes = classes

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
    ) -> Self:
        from sklearn.linear_model import LogisticRegression, Ridge

        bag = Bag.fit(kind, values, tokens, offsets, per_step)
        rows, y = bag.matrix(values, tokens, offsets, known), targets[known]
        if not K:
            ridge = Ridge(alpha=1.0).fit(rows, y)
            return cls(bag, ridge.coef_.reshape(1, -1), np.atleast_1d(ridge.intercept_), False)
        import warnings

        from sklearn.exceptions import ConvergenceWarning

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a baseline may stop early
            model = LogisticRegression(C=10.0 if bag.words else 1.0, max_iter=200).fit(rows, y)
        weight, bias = np.zeros((K, bag.size)), np.full(K, -30.0)
        if len(model.classes_) == 2:  # one row of weights, for the second class
            weight[model.classes_[1]], bias[model.classes_] = (
                model.coef_[0],
                [0, model.intercept_[0]],
            )
        else:
            weight[model.classes_], bias[model.classes_] = model.coef_, model.intercept_
        return cls(bag, weight, bias, True)

    def answers(self, values: Array, tokens: Array, offsets: Array) -> Array:
        out = self.bag.times(self.weight.T, values, tokens, offsets) + self.bias
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
        return cls(
            Bag.from_parts(facts, arrays), arrays["weight"], arrays["bias"], bool(facts["classes"])
        )


class Neighbour:
    """What the nearest training series was; all are stretched to one length and scaled alike."""

    def __init__(self, series: Array, targets: Array, steps: int, K: int) -> None:
        self.series, self.targets = np.asarray(series, np.float32), np.asarray(targets, np.float64)
        self.steps, self.K = steps, K

    @classmethod
    def fit(cls, values: Array, offsets: Array, targets: Array, K: int, some: Array) -> Self:
        typical = int(np.median(np.diff(offsets)))
        steps = max(2, min(typical, MOST_STEPS, MOST_NUMBERS // values.shape[1]))
        return cls(_stretched(values, offsets, some, steps), targets[some], steps, K)

    def answers(self, values: Array, tokens: Array, offsets: Array) -> Array:
        B = len(offsets) - 1
        nearest = np.zeros(B, np.int64)
        own = (self.series**2).sum(1)
        for first in range(0, B, 512):
            some = np.arange(first, min(first + 512, B))
            rows = _stretched(values, offsets, some, self.steps)
            nearest[some] = (own - 2 * rows @ self.series.T).argmin(1)
        found = self.targets[nearest]
        return np.eye(self.K)[found.astype(np.int64)] if self.K else found[:, None]

    def to_json(self) -> dict[str, Any]:
        return {"steps": self.steps, "K": self.K}

    def tensors(self) -> dict[str, Array]:
        return {"series": self.series, "targets": self.targets}

    @classmethod
    def from_parts(cls, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        return cls(arrays["series"], arrays["targets"], int(facts["steps"]), int(facts["K"]))


def _stretched(values: Array, offsets: Array, some: Array, steps: int) -> Array:
    """``(n, steps * F)``: sequences read at evenly spaced places, straight lines between steps."""
    lengths = offsets[some + 1] - offsets[some]
    place = np.linspace(0, 1, steps) * (lengths[:, None] - 1)
    low = np.floor(place).astype(np.int64)
    part = (place - low)[..., None].astype(np.float32)
    high = np.minimum(low + 1, lengths[:, None] - 1)
    first = offsets[some][:, None]
    rows: Array = values[first + low] * (1 - part) + values[first + high] * part
    return rows.reshape(len(some), -1)
