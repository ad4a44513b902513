"""The honest simple detectors beside which a network is judged.

    moving z-score     rows in order: how far from the rows just before
    differences        rows in order: how far from the last row
    seasonal residual  rows in order, where there is a season: how far from the row a season before
    distance           rows without order: how far from the usual values
    isolation forest   how few random splits set a row apart; of sessions, by how often each event occurs
    n-gram             events: how surprising each is after the two before it

Fitted on the training part and kept with the model; they answer from NumPy alone, each row from itself and
earlier ones.  Of sessions there is one score each, the largest of its rows.  scikit-learn is needed to fit
the isolation forest only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from gatework.train.isolation import Isolation
from gatework.train.moving_baselines import Distance, Lagged, MovingZ
from gatework.train.ngram import NGram

Array = npt.NDArray[Any]


class Baseline(Protocol):
    """One of them, fitted."""

    def scores(self, values: Array, tokens: Array, offsets: Array) -> Array:
        """``(N,)`` or, of sessions, ``(S,)``; the more the odder."""

    def to_json(self) -> dict[str, Any]:
        """What is kept beside the arrays."""

    def tensors(self) -> dict[str, Array]:
        """What is kept as float32 or integer arrays."""


class Baselines:
    """All that suit the data; ``scores`` of each by name, ``notes`` on what is missing."""

    def __init__(
        self, fitted: Mapping[str, Baseline], notes: Sequence[str] = (), *, sessions: bool
    ) -> None:
        self._fitted, self.notes, self.sessions = dict(fitted), list(notes), sessions

    def scores(self, values: Array, tokens: Array, offsets: Array) -> dict[str, Array]:
        """``(N,)`` of rows, or ``(S,)`` of sessions, by name; no NaN."""
        offsets = np.asarray(offsets, np.int64)
        found = {n: b.scores(values, tokens, offsets) for n, b in self._fitted.items()}
        if not self.sessions:
            return found
        return {
            n: s if _per_session(self._fitted[n]) else largest(s, offsets) for n, s in found.items()
        }

    def to_json(self) -> dict[str, Any]:
        """What is kept beside the arrays."""
        kept = {n: {"class": type(b).__name__, **b.to_json()} for n, b in self._fitted.items()}
        return {"sessions": self.sessions, "notes": self.notes, "fitted": kept}

    def tensors(self) -> dict[str, Array]:
        """Arrays by ``name/array``."""
        return {f"{n}/{k}": a for n, b in self._fitted.items() for k, a in b.tensors().items()}

    @classmethod
    def from_parts(cls, kept: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """What ``to_json`` and ``tensors`` gave; ValueError or KeyError when it is damaged."""
        classes: dict[str, Any] = {
            c.__name__: c for c in (MovingZ, Lagged, Distance, Isolation, NGram)
        }
        fitted = {}
        for name, facts in kept["fitted"].items():
            own = {
                k.removeprefix(f"{name}/"): a for k, a in arrays.items() if k.startswith(f"{name}/")
            }
            fitted[name] = classes[facts["class"]].from_parts(facts, own)
        return cls(fitted, kept["notes"], sessions=bool(kept["sessions"]))


def fit_detection_baselines(
    values: Array,
    tokens: Array,
    offsets: Array,
    *,
    season: int | None = None,
    independent: bool = False,
    sessions: bool = False,
    seed: int = 0,
) -> Baselines:
    """Baselines of the training part.

    Args:
        values: ``(N, C)`` numeric channels; NaN where missing.
        tokens: ``(N, D)`` categories by number; -1 where unseen.  Of events the first column is the event.
        offsets: ``(S + 1,)`` where each series or session begins.
        season: rows from one period to the next.
        independent: the rows have no order.
        sessions: one score for each of the sequences, not for each row.
    """
    C, D = values.shape[1], tokens.shape[1]
    fitted: dict[str, Baseline] = {}
    notes: list[str] = []
    if C and independent:
        fitted["distance"] = Distance.fit(values)
    if C and not independent:
        fitted["moving z-score"] = MovingZ.fit(values, offsets, season)
        fitted["differences"] = Lagged.fit(values, offsets)
        if season is not None and season > 1:
            fitted["seasonal residual"] = Lagged.fit(values, offsets, season)
    if D and not independent:
        fitted["n-gram"] = NGram.fit(tokens[:, 0], offsets, sessions=sessions)
    rows = len(offsets) - 1 if sessions and not C else len(values)
    if rows < 2:
        return Baselines(
            fitted, [*notes, "no isolation forest: there are too few rows"], sessions=sessions
        )
    try:
        fitted["isolation forest"] = Isolation.fit(
            values, tokens, offsets, ordered=not independent, bags=sessions and not C, seed=seed
        )
    except ImportError:
        notes.append(
            "no isolation forest: it needs scikit-learn, pip install 'gatework[baselines]'"
        )
    return Baselines(fitted, notes, sessions=sessions)


def largest(rows: Array, offsets: Array) -> Array:
    """``(S,)`` the largest of each sequence's rows; 0 of an empty one.

    >>> largest(np.array([1.0, 3, 2]), np.array([0, 2, 2, 3]))
    array([3., 0., 2.])
    """
    lengths = np.diff(offsets)
    out = np.zeros(len(lengths))
    full = lengths > 0
    if full.any():
        out[full] = np.maximum.reduceat(rows, np.asarray(offsets[:-1])[full])
    return out


def _per_session(baseline: Baseline) -> bool:
    return isinstance(baseline, NGram) or (isinstance(baseline, Isolation) and baseline.bags)
