"""Hidden sizes that give every cell as many parameters as the reference has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gatework.errors import ConfigError, InputError
from gatework.tasks.registry import task_class

MAX_HIDDEN = 8192
# Some cells take only sizes that divide by something: around the best one, so many are tried.
NEIGHBOURS = 16


def parameters_of(task: str, settings: dict[str, Any], prepared: Any) -> Callable[[str, int], int]:
    """A function that counts the parameters of a cell with a hidden size."""

    def count(cell: str, hidden_size: int) -> int:
        model = task_class(task)(**{**settings, "cell": cell, "hidden_size": hidden_size})
        counted: int = model.count_parameters(prepared)
        return counted

    return count


def nearest_size(count: Callable[[int], int], wanted: int, start: int) -> int:
    """The hidden size whose number of parameters is nearest to ``wanted``.

    Args:
        count: parameters of a hidden size, growing with it; raises for a size that the cell refuses.
        wanted: number of parameters.
        start: a size to begin with, which the cell takes.

    >>> nearest_size(lambda h: 4 * h * h, 10_000, 8)
    50
    """

    def or_none(size: int) -> int | None:
        try:
            return count(size)
        except (InputError, ValueError):
            return None

    def near(size: int, step: int) -> tuple[int, int] | None:
        """The first size from ``size`` on in steps of ``step`` that the cell takes, and its count."""
        for k in range(NEIGHBOURS):
            if 1 <= size + k * step <= MAX_HIDDEN and (n := or_none(size + k * step)) is not None:
                return size + k * step, n
        return None

    low, high = 1, start
    while high < MAX_HIDDEN and (found := near(high, 1)) is not None and found[1] < wanted:
        low, high = found[0], min(2 * high, MAX_HIDDEN)
    while high - low > 1:
        middle = (low + high) // 2
        found = near(middle, 1)
        if found is None or found[1] >= wanted:
            high = middle
        else:
            low = max(middle, min(found[0], high - 1))
    around = [c for c in (near(low, -1), near(low, 1), near(high, -1), near(high, 1)) if c]
    if not around:
        raise ConfigError(f"no hidden_size near {low} fits this cell. Try --budget epochs.")
    return min(around, key=lambda c: (abs(c[1] - wanted), c[0]))[0]
