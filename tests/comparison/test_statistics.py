"""The test of differences: its level, its power, and the pieces it is made of."""

from __future__ import annotations

import numpy as np
import pytest

from gatework.comparison.sizes import nearest_size
from gatework.comparison.statistics import Sample, difference, holm, two_sided


def trained(rng: np.random.Generator, hard: np.ndarray, seeds: int, gap: float = 0.0) -> Sample:
    items = hard + gap + rng.normal(0, 0.05, (seeds, 1)) + rng.normal(0, 0.2, (seeds, len(hard)))
    return Sample(list(items.mean(axis=1)), items)


def rate(gap: float, times: int = 400) -> float:
    """Share of comparisons found different, of cells whose seeds and items both differ by chance."""
    rng, found = np.random.default_rng(0), 0
    for _ in range(times):
        hard = np.repeat(rng.normal(5, 1, 30), 10)
        d = difference(trained(rng, hard, 3), trained(rng, hard, 3, gap), np.arange(300) // 10)
        found += d.p is not None and d.p < 0.05
    return found / times


def test_equal_cells_differ_no_oftener_than_the_level_says() -> None:
    assert rate(0.0) <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


def test_a_real_difference_is_found() -> None:
    assert rate(0.4, 100) > 0.9


def test_dependent_items_are_not_counted_as_many() -> None:
    rng = np.random.default_rng(1)
    error = np.repeat(rng.normal(0, 1, 20), 50)  # 20 stretches of 50 alike
    a, b = Sample([5.0], 5 + error[None]), Sample([5.0], np.full((1, 1000), 5.0))
    whole, single = difference(a, b, np.arange(1000) // 50), difference(a, b, np.arange(1000))
    assert whole.error is not None
    assert single.error is not None
    assert whole.error > 5 * single.error


def test_what_cannot_be_tested_is_not() -> None:
    one = Sample([1.0])
    assert difference(one, Sample([2.0])).p is None
    assert difference(Sample([1.0, float("nan")]), Sample([1.0, 2.0])).p is None
    items = np.ones((1, 5))
    assert difference(Sample([1.0], items), Sample([1.0], items), np.zeros(5, int)).p is None
    assert difference(Sample([1.0, 1.1]), Sample([2.0, 2.1])).seeds


def test_students_t_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    for freedom in (1, 2.3, 4, 29, 1e5):
        for t in (0.0, 0.7, 2.5, 8.0):
            assert two_sided(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), abs=1e-9)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.02, 0.03]) == [0.03, 0.04, 0.04]
    assert holm([None, 0.5]) == [None, 0.5]


@pytest.mark.parametrize("wanted", [1, 100, 12_345, 10**6])
def test_the_nearest_size_is_the_nearest(wanted: int) -> None:
    def count(size: int) -> int:
        return 4 * size * size + 9 * size + 3

    best = min(range(1, 2000), key=lambda h: (abs(count(h) - wanted), h))
    assert nearest_size(count, wanted, 128) == best


def test_sizes_that_a_cell_refuses_are_passed_over() -> None:
    def count(size: int) -> int:
        if size % 4:
            raise ValueError("four heads")
        return 10 * size

    assert nearest_size(count, 1010, 128) == 100
