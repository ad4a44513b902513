"""Intervals against plain resampling, with groups, and of very many items."""

from __future__ import annotations

import time

import numpy as np
import pytest

from gatework.train.bootstrap import cell_intervals, intervals, numbered


def mean(sums: np.ndarray) -> dict[str, np.ndarray]:
    return {"mean": sums[:, 0] / sums[:, 1]}


def with_ones(x: np.ndarray) -> np.ndarray:
    return np.stack([x, np.ones(len(x))], axis=1)


def test_as_plain_resampling() -> None:
    x = np.random.default_rng(0).exponential(size=80)
    rng = np.random.default_rng(5)
    plain = [x[rng.integers(0, 80, 80)].mean() for _ in range(4000)]
    wanted = np.quantile(plain, (0.05, 0.95))
    found = intervals(with_ones(x), mean, level=0.9, rounds=4000)["mean"]
    assert found == pytest.approx(wanted, abs=0.02)


def test_groups_as_plain_resampling_of_groups() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 12, 90)
    x = rng.normal(size=12)[groups] + 0.1 * rng.normal(size=90)
    who = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    plain = []
    for _ in range(4000):
        rows = np.concatenate([who[g] for g in rng.integers(0, len(who), len(who))])
        plain.append(x[rows].mean())
    wanted = np.quantile(plain, (0.025, 0.975))
    names = [f"speaker {g}" for g in groups]
    found = intervals(with_ones(x), mean, groups=names, rounds=4000)["mean"]
    assert found == pytest.approx(wanted, abs=0.06)
    assert np.diff(found) > 2 * np.diff(intervals(with_ones(x), mean)["mean"])


@pytest.mark.parametrize("groups", [None, np.arange(300) // 5])
def test_cells_as_items(groups: np.ndarray | None) -> None:
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 4, 300)
    items = intervals(np.eye(4)[cells], lambda s: {"share": s[:, 1] / s.sum(1)}, groups=groups)
    found = cell_intervals(cells, 4, lambda n: {"share": n[:, 1] / n.sum(1)}, groups=groups)
    assert found["share"] == pytest.approx(items["share"], abs=0.012)


def test_the_same_seed_gives_the_same() -> None:
    x = with_ones(np.random.default_rng(0).normal(size=50))
    assert intervals(x, mean, seed=1) == intervals(x, mean, seed=1)
    assert intervals(x, mean, seed=1) != intervals(x, mean, seed=2)


@pytest.mark.parametrize("N", [0, 1])
def test_too_few_for_an_interval(N: int) -> None:
    assert intervals(np.ones((N, 2)), mean) == {}
    assert cell_intervals(np.zeros(N, int), 1, lambda n: {"x": n[:, 0]}) == {}


def test_one_group_tells_nothing_of_the_others() -> None:
    assert intervals(np.ones((9, 2)), mean, groups=["a"] * 9) == {}
    assert cell_intervals(np.zeros(9, int), 2, lambda n: {"x": n[:, 0]}, groups=["a"] * 9) == {}


def test_what_is_no_number_in_some_resamples_is_left_out() -> None:
    def odd(n: np.ndarray) -> dict[str, np.ndarray]:
        with np.errstate(invalid="ignore", divide="ignore"):
            return {"odds": n[:, 0] / n[:, 1], "never": 0 / np.zeros(len(n))}

    found = cell_intervals(np.array([0, 0, 1]), 2, odd)
    assert set(found) == {"odds"}
    assert np.isfinite(found["odds"]).all()


def test_groups_are_numbered() -> None:
    who, count = numbered(["b", "a", "b"])
    assert (who.tolist(), count) == ([1, 0, 1], 2)
    assert numbered(np.array([7, 3, 7]))[0].tolist() == [1, 0, 1]
    assert numbered([1, "1"])[1] == 1


def test_many_items_take_seconds() -> None:
    rng = np.random.default_rng(0)
    x = with_ones(rng.normal(size=100_000))
    started = time.process_time()
    low, high = intervals(x, mean)["mean"]
    intervals(x, mean, groups=np.arange(100_000) // 100)
    assert time.process_time() - started < 10  # of the processor; about 1
    assert (high - low) == pytest.approx(2 * 1.96 / 100_000**0.5, rel=0.2)
