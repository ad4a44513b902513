"""Quantile levels: the rule they keep, for settings and layers alike."""

from __future__ import annotations

from collections.abc import Sequence


def check_levels(levels: Sequence[float]) -> tuple[float, ...]:
    """``levels`` as a tuple, or a ValueError that says which rule they break."""
    levels = tuple(float(q) for q in levels)
    if any(not 0 < q < 1 for q in levels):
        raise ValueError(f"quantile levels must lie between 0 and 1, both excluded; got {levels}")
    if list(levels) != sorted(set(levels)):
        raise ValueError(f"quantile levels must increase without repeats; got {levels}")
    if 0.5 not in levels:
        raise ValueError(f"quantile levels must contain 0.5, the median; got {levels}")
    if any(abs(a + b - 1) > 1e-9 for a, b in zip(levels, reversed(levels), strict=True)):
        # The intervals pair them, and the mean is taken from them: one tail alone would bias it.
        raise ValueError(
            f"quantile levels must be symmetric about 0.5, as 0.1, 0.5, 0.9; got {levels}"
        )
    return levels
