"""The numbers in the lines of a log as channels: latencies, sizes, counts, by template and place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from gatework.data.log_index import MARK
from gatework.data.observations import FloatArray, IntArray
from gatework.errors import ModelFileError

MOST = 32
"""Channels, those of the most frequent parameters."""
FEWEST = 50
"""Occurrences of a parameter in the training part."""
SHARE = 0.9
"""Of them that are numbers."""
_IDENTIFIER = 1e9  # median from which numbers that hardly repeat are taken for identifiers
_PLACE = "#"
_OTHER = "…"
_BRACKETS = "[](){}<>\"',;:"
_GLUE = tuple("-+~_@")  # between the parts of a name
_STOPS = ",;"  # what stands behind them is something else
_JOINING = frozenset(
    ("a", "the", "of", "in", "from", "to", "by", "at", "for", "with", "and", "on", "is", "was")
)


class LogChannels:
    """Which parameter of which template is a channel; chosen from the training part alone.

    >>> lines = LogChannels(("took # ms",), [(1, 0)], (1, 2))
    >>> lines.values(np.array([1, 0]), np.array([2, 1]), np.array([35.0, 1.0, 7.0]))
    array([[35.],
           [nan]])
    """

    def __init__(
        self, names: Sequence[str], places: Sequence[tuple[int, int]], parameters: Sequence[int]
    ) -> None:
        """names: of the C channels.  places: (template, parameter) of each.
        parameters: how many each template has.
        """
        self.names, self.places = tuple(names), [(int(t), int(k)) for t, k in places]
        self.notes: tuple[str, ...] = ()
        self._first = np.concatenate([[0], np.cumsum(parameters)]).astype(np.int64)
        self._channel = np.full(int(self._first[-1]) + 1, -1)
        for c, (template, k) in enumerate(self.places):
            self._channel[self._first[template] + k] = c

    @classmethod
    def fit(
        cls, ids: IntArray, counts: IntArray, numbers: FloatArray, templates: Sequence[str]
    ) -> Self:
        """Channels of N lines; ``ids`` (N,) their templates, -1 unseen.

        A parameter counts when it occurs often and is nearly always a number that comes back to where it was:
        one that only rises (a sequence number, a process id) says nothing of what is usual, nor does an
        identifier.
        """
        parameters = [t.count(MARK) for t in templates]
        none = cls((), (), parameters)
        slots, _ = none._slots(ids, counts)
        right = slots >= 0
        order = np.argsort(slots[right], kind="stable")
        own, values = slots[right][order], numbers[right][order]
        edges = np.searchsorted(own, np.arange(len(none._channel)))
        sizes = np.diff(edges)
        kept: list[tuple[int, int]] = []
        passed: list[str] = []
        left = 0
        for slot in np.argsort(-sizes, kind="stable").tolist():
            if sizes[slot] < FEWEST:
                break
            some = values[edges[slot] : edges[slot + 1]]
            some = some[~np.isnan(some)]
            if len(some) < SHARE * sizes[slot]:
                continue
            template = int(np.searchsorted(none._first, slot, side="right")) - 1
            place = (template, slot - int(none._first[template]))
            if not is_quantity(templates[template], place[1]):
                continue
            if _drifts(some) or _identifies(some):
                passed.append(parameter_name(templates[place[0]], place[1]))
            elif len(kept) < MOST:
                kept.append(place)
            else:
                left += 1
        found = cls(_names(templates, kept), kept, parameters)
        found.notes = tuple(_notes(found.names, passed, left))
        return found

    def values(self, ids: IntArray, counts: IntArray, numbers: FloatArray) -> FloatArray:
        """(N, C) the channels of N lines, NaN in those of other templates."""
        out = np.full((len(ids), len(self.names)), np.nan)
        if len(self.names):
            slots, rows = self._slots(ids, counts)
            channel = self._channel[slots]  # of slot -1 the last, which is none
            right = channel >= 0
            out[rows[right], channel[right]] = numbers[right]
        return out

    def to_json(self) -> list[list[int]]:
        """Places; the names stand beside them."""
        return [[template, k] for template, k in self.places]

    @classmethod
    def from_json(
        cls, names: Sequence[str], places: Sequence[Any], templates: Sequence[str]
    ) -> Self:
        """The channels of ``to_json``; ModelFileError for what that did not write."""
        parameters = [t.count(MARK) for t in templates]
        try:
            right = len(names) == len(places) and all(
                0 <= k < parameters[t] and t >= 0 for t, k in places
            )
        except (TypeError, ValueError, IndexError):
            right = False
        if not right:
            raise ModelFileError(
                "which numbers of log lines the saved model reads is damaged: a template and a place in it are "
                "expected for each channel. Train the model again."
            )
        return cls(names, places, parameters)

    def _slots(self, ids: IntArray, counts: IntArray) -> tuple[IntArray, IntArray]:
        """``(M,)`` the slot of each parameter, -1 of unseen lines; and its line."""
        rows = np.repeat(np.arange(len(ids)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        own = ids[rows]
        return np.where(own >= 0, self._first[own] + within, -1), rows


def parameter_name(template: str, k: int) -> str:
    """Words by which a person knows the k-th parameter of a template.

    >>> parameter_name("GET <*> took <*> ms, status <*>", 1)
    'took # ms'
    >>> parameter_name("job <*> done rows=<*> in <*>s", 1)
    'rows=#'
    """
    words, at, k = _word_with(template, k)
    pieces = words[at].split(MARK)
    own = _OTHER.join(pieces[: k + 1]) + _PLACE + _OTHER.join(pieces[k + 1 :])
    own = own.strip(_BRACKETS)
    if len(re.sub(r"[^A-Za-z]", "", pieces[k])) >= 2:  # rows=#
        return _short(own)
    first = at
    while first > max(at - 3, 0) and words[first - 1][-1] not in _STOPS:
        first -= 1
        if _tells(words[first]):
            break
    before = words[first:at] if first < at and _tells(words[first]) else []
    after = [w for w in words[at + 1 : at + 2] if _tells(w) and words[at][-1] not in _STOPS]
    text = " ".join([*before, own, *after]).replace(MARK, _OTHER)
    return _short(text.strip(_BRACKETS + " "))


def _tells(word: str) -> bool:
    """Whether a word is one, and no mere "in" or "of"."""
    letters = re.sub(r"[\W\d_]", "", word.replace(MARK, ""))
    return bool(letters) and letters.lower() not in _JOINING


def is_quantity(template: str, k: int) -> bool:
    """Whether the k-th parameter stands by itself, and is no part of a name or a version.

    >>> [is_quantity("host<*> took=<*>ms of <*>-<*>", k) for k in range(4)]
    [False, True, False, False]
    """
    words, at, k = _word_with(template, k)
    pieces = words[at].split(MARK)
    before, after = pieces[k][-1:], pieces[k + 1][:1]
    return not (before.isalnum() or before in _GLUE or after in _GLUE) or words[at] == MARK


def _word_with(template: str, k: int) -> tuple[list[str], int, int]:
    """The words, that with the k-th parameter, and which of its parameters that is."""
    words, at = template.split(), 0
    while (marks := words[at].count(MARK)) <= k:
        k -= marks
        at += 1
    return words, at, k


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + _OTHER


def _names(templates: Sequence[str], places: Sequence[tuple[int, int]]) -> list[str]:
    """Names that differ: where two are alike, with the beginning of their template, then with a number."""
    short = [parameter_name(templates[t], k) for t, k in places]
    names: list[str] = []
    for name, (t, _) in zip(short, places, strict=True):
        if short.count(name) > 1:
            words = templates[t].replace(MARK, _OTHER).split()[:5]
            name = f"{name} ({' '.join(words)[:50]})"
        same = sum(n == name or n.startswith(f"{name}, ") for n in names)
        names.append(f"{name}, {same + 1}" if same else name)
    return names


def _drifts(x: FloatArray) -> bool:
    """Whether the last third lies above or below the first: the share of pairs that rise is near 0 or 1."""
    third = len(x) // 3
    first, last = np.sort(x[:third]), x[-third:]
    below = np.searchsorted(first, last, side="left") + np.searchsorted(first, last, side="right")
    share = float(below.mean()) / (2 * third)
    return not 0.02 < share < 0.98


def _identifies(x: FloatArray) -> bool:
    some = x[:10_000]
    return bool(
        np.median(np.abs(some)) >= _IDENTIFIER
        and (some == np.round(some)).all()
        and len(np.unique(some)) > 0.5 * len(some)
    )


def _notes(names: Sequence[str], passed: Sequence[str], left: int) -> list[str]:
    told = []
    if names:
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        told.append(f"numbers read from the lines: {'; '.join(names[:8])}{more}")
    if passed:
        more = f" and {len(passed) - 5} more" if len(passed) > 5 else ""
        told.append(
            f"numbers not used, which only rise or name something: {'; '.join(passed[:5])}{more}"
        )
    if left:
        told.append(f"{left} rarer numbers are not used; the {MOST} most frequent are")
    return told
