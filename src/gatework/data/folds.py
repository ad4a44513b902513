"""Which sequences train, validate and test: with every class in each part, and no group in two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gatework.errors import DataError

IntArray = npt.NDArray[np.int64]


def parts(
    count: int,
    shares: Sequence[float],
    *,
    strata: Sequence[object] | None = None,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> list[IntArray]:
    """Numbers of the sequences of each part, in rising order.

    Args:
        count: sequences there are.
        shares: of the parts; they sum to 1.
        strata: a class of each sequence: its share is kept in every part, and the first part, which trains,
            has every class.
        groups: all sequences of a group go into one part; whole groups are dealt so that classes and sizes
            come as near to the shares as they can.

    Raises:
        DataError: fewer groups than parts.

    >>> [p.tolist() for p in parts(6, (0.5, 0.5), strata=list("aabbbb"))]
    [[0, 2, 4], [1, 3, 5]]
    """
    place = _place(count, np.asarray(shares, float), strata, groups, seed, first=True)
    return [np.flatnonzero(place == k) for k in range(len(shares))]


def _place(
    count: int,
    portions: npt.NDArray[np.float64],
    strata: Sequence[object] | None,
    groups: Sequence[str] | None,
    seed: int,
    first: bool,
) -> IntArray:
    """``(count,)`` part of each; ``first``: the first one shall have every class."""
    rng = np.random.default_rng(seed)
    _, kinds = np.unique(
        np.asarray([str(s) for s in strata] if strata is not None else ["a"] * count),
        return_inverse=True,
    )
    if groups is None:
        return _deal(kinds, portions, rng, first and portions[0] > 0)
    _, who = np.unique(np.asarray(list(groups), dtype=str), return_inverse=True)
    wanted = int((portions > 0).sum())
    if who.max(initial=-1) + 1 < wanted:
        G = int(who.max(initial=-1)) + 1
        raise DataError(
            f"the group column has {G} group{'s' * (G != 1)}, "
            f"and {wanted} parts need one each at least. Name a column with more groups, give the test "
            "part as data of its own, or leave the groups out."
        )
    place: IntArray = _deal_groups(kinds, who, portions, rng)[who]
    return place


def folds(
    count: int,
    K: int,
    *,
    strata: Sequence[object] | None = None,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> IntArray:
    """``(count,)``: the fold 0 … K - 1 in which each sequence is left out."""
    return _place(count, np.full(K, 1 / K), strata, groups, seed, first=False)


def _deal(
    kinds: IntArray, shares: npt.NDArray[np.float64], rng: np.random.Generator, first: bool
) -> IntArray:
    """Part of each sequence: every kind shuffled and cut; what is left over goes where most is missing."""
    place = np.zeros(len(kinds), np.int64)
    missing = np.zeros(len(shares))
    for kind in range(kinds.max(initial=-1) + 1):
        members = rng.permutation(np.flatnonzero(kinds == kind))
        wanted = shares * len(members)
        counts = np.floor(wanted + 1e-9).astype(int)
        missing += wanted - counts
        if first and not counts[0]:
            counts[0] = 1
            missing[0] -= 1
        for _ in range(len(members) - int(counts.sum())):
            part = int(np.argmax(np.where(shares > 0, missing, -np.inf)))
            counts[part] += 1
            missing[part] -= 1
        place[members] = np.repeat(np.arange(len(shares)), counts)
    return place


def _deal_groups(
    kinds: IntArray, who: IntArray, shares: npt.NDArray[np.float64], rng: np.random.Generator
) -> IntArray:
    """Part of each group: the largest first, each where its classes are missing most."""
    G, K = int(who.max()) + 1, int(kinds.max()) + 1
    table = np.zeros((G, K))
    np.add.at(table, (who, kinds), 1.0)
    total = table.sum(0)
    goal = shares[:, None] * total / np.maximum(total, 1)  # shares of each class
    have = np.zeros((len(shares), K))
    order = rng.permutation(G)
    order = order[np.argsort(-table[order].sum(1), kind="stable")]
    place = np.zeros(G, np.int64)
    used = np.zeros(len(shares), bool)
    for left, g in zip(range(G, 0, -1), order, strict=True):
        part = table[g] / np.maximum(total, 1)
        # How far the parts would be from their goals, with this group in each of them.
        cost = ((have + part - goal) ** 2).sum(1) - ((have - goal) ** 2).sum(1)
        empty = ~used & (shares > 0)
        allowed = empty if left <= int(empty.sum()) else shares > 0
        choice = int(np.argmin(np.where(allowed, cost, np.inf)))
        place[g], used[choice] = choice, True
        have[choice] += part
    return place
