"""How surprising each event is after the two before it, by counts: an n-gram with back-off.

    P_0(e)            = 1 / V
    P_k(e | context)  = (count(context, e) + a P_{k-1}(e | shorter context)) / (count(context) + a)
    surprise          = -log P_3

The context is the two events before; a sequence begins with a mark and, where sequences are sessions, ends
with one, so that one broken off is odd too.  V counts the events, the end mark and one for all that training
did not hold; ``a`` is 1.

Source: MacKay and Peto 1995, "A hierarchical Dirichlet language model", equation 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
ORDER = 3
PRIOR = 1.0
MOST_COUNTS = 1_000_000
MOST_EVENTS = 1_000_000  # so that three of them fit one number


class NGram:
    """Counts of all runs of one to three events, by number of the run.

    ``sessions``: one score per sequence, its largest surprise; else one per row.
    """

    def __init__(self, events: int, keys: list[Array], counts: list[Array], sessions: bool) -> None:
        self.events, self.sessions = events, sessions
        self.base = events + 3  # the events; one not seen; the marks of an end and of a beginning
        self.keys = [np.asarray(k, np.int64) for k in keys]
        self.counts = [np.asarray(n, np.int64) for n in counts]
        self._contexts = [_summed(k // self.base, n) for k, n in zip(keys, counts, strict=True)]

    @classmethod
    def fit(cls, tokens: Array, offsets: Array, *, sessions: bool) -> Self:
        """On events ``(N,)``, at most a million different runs of each length, the frequent ones first."""
        events = min(int(tokens.max(initial=-1)) + 1, MOST_EVENTS)
        empty = [np.zeros(0, np.int64)] * ORDER
        found = cls(events, empty, empty, sessions)
        keys, counts = [], []
        for runs in found._runs(tokens, offsets)[0]:
            key, count = np.unique(runs, return_counts=True)
            if len(key) > MOST_COUNTS:
                pick = np.sort(np.argsort(-count, kind="stable")[:MOST_COUNTS])
                key, count = key[pick], count[pick]
            keys.append(key)
            counts.append(count)
        return cls(events, keys, counts, sessions)

    def scores(self, values: Array, tokens: Array, offsets: Array) -> Array:
        """Surprise in nats of each row ``(N,)``, or the largest of each session ``(S,)``."""
        runs, begins = self._runs(tokens[:, 0], offsets)
        p = np.full(len(runs[0]), 1.0 / (self.events + 2))
        for key, own, all_, run in zip(self.keys, self.counts, self._contexts, runs, strict=True):
            context = _looked_up(*all_, run // self.base)
            p = (_looked_up(key, own, run) + PRIOR * p) / (context + PRIOR)
        surprise = -np.log(p)
        return np.maximum.reduceat(surprise, begins) if self.sessions else surprise

    def _runs(self, tokens: Array, offsets: Array) -> tuple[list[Array], Array]:
        """Runs of 1, 2 and 3 events that end at each event or end mark; and where each sequence begins."""
        offsets, extra = np.asarray(offsets, np.int64), int(self.sessions)
        known = (tokens >= 0) & (tokens < self.events)
        begins = offsets[:-1] + extra * np.arange(len(offsets) - 1)
        last = np.full(len(tokens) + extra * len(begins), self.events + 1)  # marks of an end
        first = np.repeat(begins, np.diff(offsets) + extra)
        row = np.arange(len(last))
        place = row[row - first < np.repeat(np.diff(offsets), np.diff(offsets) + extra)]
        last[place] = np.where(known, tokens, self.events)
        runs, run, start = [last], last, self.events + 2
        for back in range(1, ORDER):
            before = np.where(row - first >= back, np.roll(last, back), start)
            run = run + before * self.base**back
            runs.append(run)
        return runs, begins

    def to_json(self) -> dict[str, Any]:
        """What is kept beside the arrays."""
        return {"events": self.events, "sessions": self.sessions}

    def tensors(self) -> dict[str, Array]:
        """What is kept as arrays."""
        kept = {f"keys{k}": a for k, a in enumerate(self.keys, 1)}
        return kept | {f"counts{k}": a for k, a in enumerate(self.counts, 1)}

    @classmethod
    def from_parts(cls, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """What was kept; ValueError or KeyError when it is damaged."""
        keys, counts = ([arrays[f"{n}{k}"] for k in (1, 2, 3)] for n in ("keys", "counts"))
        events = int(facts["events"])
        for key, count in zip(keys, counts, strict=True):
            if key.shape != count.shape or key.ndim != 1 or (np.diff(key) <= 0).any():
                raise ValueError(f"counts {count.shape} of runs {key.shape} are not in order")
            if (count < 0).any() or not 0 <= events <= MOST_EVENTS:
                raise ValueError(f"a count below 0, or {events} events")
        return cls(events, keys, counts, bool(facts["sessions"]))


def _summed(keys: Array, counts: Array) -> tuple[Array, Array]:
    """Distinct ones of sorted keys, and the sum of the counts of each."""
    begin = np.flatnonzero(np.diff(keys, prepend=-1))
    return keys[begin], np.add.reduceat(counts, begin) if len(begin) else counts


def _looked_up(keys: Array, counts: Array, wanted: Array) -> Array:
    """Count of each wanted key; 0 where there is none."""
    if not len(keys):
        return np.zeros(len(wanted), np.int64)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, counts[place], 0)
