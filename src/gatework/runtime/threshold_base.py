"""What every threshold can do: be asked row by row or for a block, learn, be kept as JSON and go on from it."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Scores are -log10 of a tail probability: where there is nothing to measure, tails fall by e in this.
LARGEST = 1e12  # no number of a threshold is larger
UNIT_TAIL = 1 / math.log(10)

# Which alarms may be of ordinary rows; a threshold that learned from none of them would fall for ever:
ALLOWED = 1.5  # as many, times the risk
MOST_ALLOWED = 10  # as many at once
FAR = 4.0  # times the mean excess beyond the threshold: 2 % of an exponential tail are farther


class Threshold(ABC):
    """A level for scores in the order in which they come: a row is an alarm where its score is above it.

    A score is compared with the threshold learned from the scores before it, and learned from afterwards; NaN
    is passed over.  With ``adapt=False`` nothing is learned in the stream.
    """

    kind: ClassVar[str]

    def __init__(self, *, adapt: bool) -> None:
        self.adapt = adapt

    @property
    @abstractmethod
    def value(self) -> float:
        """What the next score will be compared with."""

    @property
    @abstractmethod
    def text(self) -> str:
        """One sentence for a report: what the threshold is, and its risk in words."""

    def update(self, score: float) -> float:
        """The threshold that ``score`` is compared with; learns from it then."""
        return self._learn([float(score)])[0] if self.adapt else self.value

    def extend(self, scores: Array) -> Array:
        """``(n,)`` float64 thresholds of ``scores`` ``(n,)``: equal to as many calls of :meth:`update`."""
        scores = np.asarray(scores, np.float64)
        if scores.ndim != 1:
            raise ValueError(f"scores must be (n,); got the shape {scores.shape}")
        if not self.adapt:
            return np.full(len(scores), self.value)
        return np.array(self._learn(scores.tolist()), np.float64)

    def snapshot(self) -> dict[str, Any]:
        """All that changes in a stream, as plain JSON; ``restore`` goes on from it exactly."""
        return self._state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`snapshot` of the same threshold gave.

        Raises:
            ValueError: it cannot come from there; the threshold is as before.
        """
        if not isinstance(state, Mapping):
            raise ValueError("the state of a threshold must be an object")
        fresh = copy.deepcopy(self)
        fresh._set(state)
        self.__dict__ = fresh.__dict__

    def to_json(self) -> dict[str, Any]:
        """The threshold as plain JSON of at most a few thousand numbers."""
        settings = {"kind": self.kind, "adapt": self.adapt, **self._settings()}
        return {**settings, "state": self._kept()}

    def copy(self) -> Threshold:
        """One of its own, for another stream."""
        return copy.deepcopy(self)

    @classmethod
    @abstractmethod
    def from_json(cls, data: Mapping[str, Any], adapt: bool) -> Threshold:
        """What ``to_json`` of this class was made of, before its state is set."""

    @abstractmethod
    def _learn(self, scores: list[float]) -> list[float]: ...

    @abstractmethod
    def _settings(self) -> dict[str, Any]: ...

    @abstractmethod
    def _state(self) -> dict[str, Any]: ...

    @abstractmethod
    def _set(self, state: Mapping[str, Any]) -> None: ...

    def _kept(self) -> dict[str, Any]:
        """The state as a model keeps it; may be shorter than a stream's."""
        return self._state()


class FixedThreshold(Threshold):
    """A number that was chosen elsewhere, for example on labels."""

    kind = "fixed"

    def __init__(self, value: float) -> None:
        super().__init__(adapt=False)
        self._value = float(value)

    @property
    def value(self) -> float:
        return self._value

    @property
    def text(self) -> str:
        return f"Alarm above a fixed score of {self._value:.3g}."

    def _learn(self, scores: list[float]) -> list[float]:
        return [self._value] * len(scores)

    def _settings(self) -> dict[str, Any]:
        return {"value": self._value}

    def _state(self) -> dict[str, Any]:
        return {}

    def _set(self, state: Mapping[str, Any]) -> None:
        pass

    @classmethod
    def from_json(cls, data: Mapping[str, Any], adapt: bool) -> FixedThreshold:
        return cls(number(data, "value"))


def number(
    data: Mapping[str, Any], key: str, low: float = -math.inf, high: float = math.inf
) -> float:
    """The finite number ``data[key]`` from ``low`` to ``high``; ValueError otherwise."""
    found = data.get(key)
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise ValueError(f"{key!r} of a threshold must be a number; got {found!r:.80}")
    if not (abs(found) <= LARGEST and low <= found <= high):
        raise ValueError(f"{key!r} of a threshold must be from {low:g} to {high:g}; got {found!r}")
    return float(found)


def whole(data: Mapping[str, Any], key: str, low: float, high: float) -> int:
    """The whole number ``data[key]`` from ``low`` to ``high``; ValueError otherwise."""
    found = number(data, key, low, high)
    if found != int(found):
        raise ValueError(f"{key!r} of a threshold must be a whole number; got {found!r}")
    return int(found)


def numbers(data: Mapping[str, Any], key: str, most: int, low: float = -math.inf) -> list[float]:
    """At most ``most`` finite numbers ``data[key]``, each at least ``low``; ValueError otherwise."""
    found = data.get(key)
    if not isinstance(found, list) or len(found) > most:
        raise ValueError(f"{key!r} of a threshold must be a list of at most {most} numbers")
    return [number({key: item}, key, low) for item in found]


def truth(data: Mapping[str, Any], key: str) -> bool:
    """The true or false ``data[key]``; ValueError otherwise."""
    found = data.get(key)
    if not isinstance(found, bool):
        raise ValueError(f"{key!r} of a threshold must be true or false; got {found!r:.80}")
    return found


def one_in(risk: float) -> str:
    """A share in words.

    >>> one_in(1e-4), one_in(0.03)
    ('1 in 10,000', '3 in 100')
    """
    if 1 / risk >= 100 or abs(1 / risk - round(1 / risk)) < 1e-9:
        return f"1 in {round(1 / risk):,}"
    return f"{100 * risk:.3g} in 100"


def exponential_level(scores: Array, survival: float) -> float:
    """The score that a share ``survival`` of rows exceeds if the tail of ``scores`` ``(n,)`` is exponential.

    The tail is measured on the upper tenth, at least ten scores where there are so many.

    >>> round(exponential_level(np.zeros(9), 0.01), 3)
    1.0
    """
    ordered = np.sort(scores)
    n = len(ordered)
    k = min(max(n // 10, 10), n // 2)
    level = float(ordered[n - 1 - k])
    beyond = ordered[ordered > level] - level
    scale = float(beyond.mean()) if len(beyond) else UNIT_TAIL
    # with nothing beyond it the level is the largest score itself: one row in n + 1
    share = len(beyond) / n if len(beyond) else 1 / (n + 1)
    return level + scale * max(math.log(share / survival), 0.0)
