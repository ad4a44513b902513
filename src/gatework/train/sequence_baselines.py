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

from gatework.train.bags import single
from gatework.train.linear_baseline import Linear
from gatework.train.neighbour import MOST_SERIES, Neighbour
from gatework.train.per_word import PerWord
from gatework.train.sampling import sample

Array = npt.NDArray[Any]


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
    if per_step and kind in ("words", "text"):
        fitted["per word"] = PerWord.fit(tokens, targets, K)
        return Baselines(fitted, notes)
    if not len(known) or (classes and (targets[known] == targets[known[0]]).all()):
        return Baselines(fitted, [*notes, "no further baselines: the examples are all alike"])
    try:
        fitted["linear model"] = Linear.fit(
            kind, values, tokens, offsets, targets, K, known, per_step, rng
        )
    except ImportError:
        notes.append("no linear baseline: it needs scikit-learn, pip install 'gatework[baselines]'")
    if not per_step and values.shape[1] and np.median(np.diff(offsets)) > 1:
        some = sample(known, targets if classes else None, MOST_SERIES, rng)
        fitted["nearest neighbour"] = Neighbour.fit(values, offsets, targets, K, some)
    return Baselines(fitted, notes)


class Constant:
    """The shares of the classes, or the mean, whatever the sequence."""

    def __init__(self, answer: Array, per_step: bool) -> None:
        self.answer, self.per_step = single(answer), per_step

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
