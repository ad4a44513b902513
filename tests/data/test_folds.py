"""Parts of the data: shares kept, classes everywhere, groups in one part each."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatework.data.folds import folds, parts
from gatework.errors import DataError

SHARES = st.sampled_from(
    [(0.8, 0.1, 0.1), (0.9, 0.0, 0.1), (0.5, 0.5), (1.0, 0.0, 0.0), (0.34, 0.33, 0.33)]
)
CLASSES = st.lists(st.integers(0, 4), min_size=1, max_size=120)


def sizes(dealt: list[np.ndarray]) -> list[int]:
    return [len(p) for p in dealt]


@given(st.integers(0, 300), SHARES, st.integers(0, 5))
def test_every_number_once_in_rising_order_and_the_shares_kept(
    count: int, shares: tuple[float, ...], seed: int
) -> None:
    dealt = parts(count, shares, seed=seed)
    assert sorted(np.concatenate(dealt).tolist()) == list(range(count))
    for part, share in zip(dealt, shares, strict=True):
        assert (np.diff(part) > 0).all()
        assert abs(len(part) - share * count) < 1
        assert share > 0 or not len(part)


@given(CLASSES, SHARES, st.integers(0, 5))
def test_classes_keep_their_shares(strata: list[int], shares: tuple[float, ...], seed: int) -> None:
    dealt = parts(len(strata), shares, strata=strata, seed=seed)
    assert sorted(np.concatenate(dealt).tolist()) == list(range(len(strata)))
    for kind, n in Counter(strata).items():
        found = [sum(strata[i] == kind for i in p) for p in dealt]
        assert found[0] >= 1  # what training does not hold cannot be judged
        for have, share in zip(found, shares, strict=True):
            assert have >= np.floor(share * n + 1e-9) - (found[0] == 1)
            assert share > 0 or not have


def test_many_classes_of_few_examples_all_train() -> None:
    strata = [f"class {i}" for i in range(40)]
    train, validation, test = parts(40, (0.8, 0.1, 0.1), strata=strata)
    assert (len(train), len(validation), len(test)) == (40, 0, 0)
    strata = [f"class {i % 40}" for i in range(120)]
    dealt = parts(120, (0.8, 0.1, 0.1), strata=strata)
    assert sizes(dealt) == [96, 12, 12]
    assert len({strata[i] for i in dealt[0]}) == 40


def test_the_parts_as_a_whole_keep_their_shares_beside_the_classes() -> None:
    strata = [k for k in range(30) for _ in range(7)]
    dealt = parts(210, (0.8, 0.1, 0.1), strata=strata)
    assert sizes(dealt) == [168, 21, 21]


def test_the_seed_decides_and_nothing_else() -> None:
    strata = [i % 3 for i in range(100)]

    def dealt(seed: int) -> list[list[int]]:
        return [p.tolist() for p in parts(100, (0.8, 0.2), strata=strata, seed=seed)]

    assert dealt(1) == dealt(1)
    assert dealt(1) != dealt(2)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abcdefghij")), min_size=1, max_size=100),
    st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.5), (0.8, 0.0, 0.2)]),
    st.booleans(),
)
def test_a_group_is_in_one_part_and_no_part_is_empty(
    rows: list[tuple[int, str]], shares: tuple[float, ...], stratified: bool
) -> None:
    strata = [k for k, _ in rows] if stratified else None
    groups = [g for _, g in rows]
    wanted = sum(s > 0 for s in shares)
    if len(set(groups)) < wanted:
        with pytest.raises(DataError, match=f"the group column has .* and {wanted} parts"):
            parts(len(rows), shares, strata=strata, groups=groups)
        return
    dealt = parts(len(rows), shares, strata=strata, groups=groups)
    assert sorted(np.concatenate(dealt).tolist()) == list(range(len(rows)))
    held = [{groups[i] for i in part} for part in dealt]
    assert sum(map(len, held)) == len(set(groups))
    assert [bool(h) for h in held] == [s > 0 for s in shares]


def test_groups_come_near_to_shares_and_classes() -> None:
    rng = np.random.default_rng(0)
    groups = [f"speaker {i}" for i in rng.integers(0, 60, 1200)]
    strata = rng.integers(0, 4, 1200).tolist()
    dealt = parts(1200, (0.8, 0.1, 0.1), strata=strata, groups=groups)
    for part, share in zip(dealt, (0.8, 0.1, 0.1), strict=True):
        assert abs(len(part) / 1200 - share) < 0.03
        for kind in range(4):
            own = sum(strata[i] == kind for i in part) / strata.count(kind)
            assert abs(own - share) < 0.06


def test_a_class_of_a_single_group_trains() -> None:
    groups = [f"g{i // 5}" for i in range(100)]
    strata = ["rare" if i < 5 else "common" for i in range(100)]
    for seed in range(20):
        train = parts(100, (0.8, 0.1, 0.1), strata=strata, groups=groups, seed=seed)[0]
        assert 0 in train


@given(CLASSES, st.integers(2, 6))
def test_folds_are_even_in_each_class(strata: list[int], K: int) -> None:
    place = folds(len(strata), K, strata=strata)
    assert ((place >= 0) & (place < K)).all()
    total = np.bincount(place, minlength=K)
    assert total.max() - total.min() <= 1
    for kind in set(strata):
        own = np.bincount(place[np.array(strata) == kind], minlength=K)
        assert own.max() - own.min() <= 2


def test_folds_of_groups() -> None:
    groups = [f"g{i % 7}" for i in range(70)]
    place = folds(70, 5, groups=groups)
    assert set(place) == set(range(5))
    assert len(set(zip(groups, place, strict=True))) == 7
    with pytest.raises(DataError, match=r"has 7 groups, and 8 parts need one each"):
        folds(70, 8, groups=groups)
    with pytest.raises(DataError, match=r"has 1 group, and 2 parts.*Name a column with more"):
        folds(3, 2, groups=["a"] * 3)
