"""The template of a masked line, found by look-up: one table for each set of positions that are marks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

MARK = "<*>"
"""Stands in a template where its lines differ."""
_MAX_CACHE = 50_000  # masked lines remembered
_MAX_KEY = 1000  # characters of one that is

Plan = tuple[int | tuple[str | int, ...], ...]
"""Where a line's parameters come from: the n-th masked value, or pieces of text and values joined."""
Found = tuple[int, Plan | None]
"""Number of the template (-1: none) and the plan; None where the parameters are the masked values."""


class TemplateIndex:
    """Numbers of templates by masked line; a line fits when each word that is no mark is equal.

    Of several that fit, the one with the fewest marks is taken, then the one that stands first.
    """

    def __init__(self, templates: Sequence[str]) -> None:
        self._words = [tuple(t.split()) for t in templates]
        self._tables = _tables(self._words)
        self._cache: dict[str, Found] = {}

    def find(self, masked: str) -> Found:
        """Number and plan for a masked line."""
        found = self._cache.get(masked)
        if found is None:
            found = self._search(masked.split())
            if len(masked) <= _MAX_KEY:
                if len(self._cache) >= _MAX_CACHE:
                    del self._cache[next(iter(self._cache))]
                self._cache[masked] = found
        return found

    @staticmethod
    def fill(plan: Plan, values: Sequence[str]) -> tuple[str, ...]:
        """Parameters of a line by a plan, from its masked values.

        >>> TemplateIndex.fill((1, ("blk_", 0)), ["7", "8"])
        ('8', 'blk_7')
        """
        return tuple(
            values[part]
            if isinstance(part, int)
            else "".join(p if isinstance(p, str) else values[p] for p in part)
            for part in plan
        )

    def _search(self, words: list[str]) -> Found:
        for literals, numbers in self._tables.get(len(words), ()):
            number = numbers.get(literals(words))
            if number is not None:
                return number, _plan(self._words[number], words)
        return -1, None


Table = tuple[Callable[[Sequence[str]], Any], dict[Any, int]]


def _tables(templates: Sequence[tuple[str, ...]]) -> dict[int, list[Table]]:
    """By number of words: (what takes the fixed words out of a line, fixed words -> template)."""
    groups: dict[int, dict[tuple[int, ...], list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, words in enumerate(templates):
        fixed = tuple(at for at, word in enumerate(words) if word != MARK)
        groups[len(words)][fixed].append(number)
    tables: dict[int, list[Table]] = {}
    for length, by_positions in groups.items():
        tables[length] = []
        for fixed, members in sorted(by_positions.items(), key=lambda g: (-len(g[0]), g[1][0])):
            take = _taker(fixed)
            tables[length].append((take, {take(templates[n]): n for n in reversed(members)}))
    return tables


def _taker(positions: tuple[int, ...]) -> Callable[[Sequence[str]], Any]:
    return itemgetter(*positions) if positions else _nothing


def _nothing(words: Sequence[str]) -> tuple[()]:
    return ()


def _plan(template: Sequence[str], words: Sequence[str]) -> Plan | None:
    parts: list[int | tuple[str | int, ...]] = []
    value = 0
    for fixed, word in zip(template, words, strict=True):
        marks = word.count(MARK)
        if fixed != MARK or word == MARK:
            parts.extend(range(value, value + marks))
        else:  # the whole word is the parameter
            pieces: list[str | int] = []
            for n, text in enumerate(word.split(MARK)):
                if n:
                    pieces.append(value + n - 1)
                if text:
                    pieces.append(text)
            parts.append(tuple(pieces))
        value += marks
    return None if parts == list(range(value)) else tuple(parts)
