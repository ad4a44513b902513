"""Naive forecasts against slow loops, and the season of series whose season is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.train.baselines import drift, find_season, naive, seasonal_naive

EPS = float(np.finfo(np.float64).eps)


# ------------------------------------------------------------------ loops


def slow_naive(column: list[float], origin: int, low: int) -> tuple[float, int]:
    """Value and row of the last observation in ``low … origin - 1``."""
    for row in range(origin - 1, low - 1, -1):
        if not math.isnan(column[row]):
            return column[row], row
    return 0.0, low


def slow_drift(column: list[float], origin: int, low: int, ahead: int) -> float:
    seen = [r for r in range(low, origin) if not math.isnan(column[r])]
    if not seen:
        return 0.0
    if len(seen) == 1:
        return column[seen[0]]
    slope = (column[seen[-1]] - column[seen[0]]) / (seen[-1] - seen[0])
    return column[seen[-1]] + slope * (origin - 1 + ahead - seen[-1])


def slow_season(column: list[float], origin: int, first: int, ahead: int, season: int) -> float:
    """Value of the latest whole season before that was observed, of three; NaN if none."""
    row, tries = origin - 1 + ahead, 0
    while row >= origin:
        row -= season
    while tries < 3 and row >= first:
        if not math.isnan(column[row]):
            return column[row]
        row, tries = row - season, tries + 1
    return math.nan


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, int, int]:
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    lengths = draw(st.lists(st.integers(2, 14), min_size=1, max_size=3))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    y = rng.normal(size=(offsets[-1], 2))
    y[rng.random(y.shape) < draw(st.sampled_from([0.0, 0.3, 0.8]))] = np.nan
    origins, first = [], []
    for s, n in enumerate(lengths):
        for origin in range(1, n + 1):
            origins.append(offsets[s] + origin)
            first.append(offsets[s])
    horizon, context = draw(st.integers(1, 7)), draw(st.integers(1, 9))
    return y, np.array(origins), np.array(first), horizon, context, draw(st.integers(1, 6))


@settings(max_examples=60, deadline=None)
@given(cases())
def test_baselines_are_the_loops(
    case: tuple[np.ndarray, np.ndarray, np.ndarray, int, int, int],
) -> None:
    y, origins, first, horizon, context, season = case
    fast = {
        "naive": naive(y, origins, first, horizon, context),
        "drift": drift(y, origins, first, horizon, context),
        "season": seasonal_naive(y, origins, first, horizon, context, season),
    }
    assert {v.shape for v in fast.values()} == {(len(origins), horizon, 2)}
    for k in range(2):
        column = y[:, k].tolist()
        for w, (origin, start) in enumerate(zip(origins.tolist(), first.tolist(), strict=True)):
            low = max(origin - context, start)
            last = slow_naive(column, origin, low)[0]
            for j in range(horizon):
                assert fast["naive"][w, j, k] == last
                assert fast["drift"][w, j, k] == pytest.approx(
                    slow_drift(column, origin, low, j + 1), rel=64 * EPS, abs=64 * EPS
                )
                before = slow_season(column, origin, start, j + 1, season)
                assert fast["season"][w, j, k] == (last if math.isnan(before) else before)


@pytest.mark.parametrize("baseline", ["naive", "drift", "season"])
def test_no_baseline_sees_its_future_or_another_series(baseline: str) -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=(40, 1))
    origins, first = np.array([30]), np.array([10])

    def forecast(values: np.ndarray) -> np.ndarray:
        if baseline == "season":
            return seasonal_naive(values, origins, first, 8, 6, 4)
        return (naive if baseline == "naive" else drift)(values, origins, first, 8, 6)

    before = forecast(y)
    other = y.copy()
    other[30:] = 1e6
    other[:10] = -1e6
    np.testing.assert_array_equal(forecast(other), before)
    other[29] += 1
    assert (forecast(other) != before).any()


def test_drift_continues_a_line_across_holes() -> None:
    y = np.arange(20.0)[:, None]
    y[[3, 9, 18, 19]] = np.nan
    out = drift(y, np.array([20]), np.array([0]), 5, 20)
    np.testing.assert_allclose(out[0, :, 0], np.arange(20, 25), rtol=16 * EPS)


def test_the_seasonal_naive_is_perfect_on_a_season() -> None:
    y = np.tile([1.0, 5.0, 2.0], 10)[:, None]
    out = seasonal_naive(y, np.array([9, 10]), np.array([0, 0]), 7, 3, 3)
    np.testing.assert_array_equal(out[0, :, 0], y[9:16, 0])
    np.testing.assert_array_equal(out[1, :, 0], y[10:17, 0])


# ------------------------------------------------------------------ seasons

HOURS = [24, 168]


def season_of(y: np.ndarray, candidates: list[int]) -> int:
    y = y[:, None] if y.ndim == 1 else y
    return find_season(y, np.array([0, len(y)]), np.array([len(y)]), candidates)


def wave(period: float, n: int) -> np.ndarray:
    return np.sin(2 * np.pi * np.arange(n) / period)


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


def week(n: int) -> np.ndarray:
    """Days that differ within a week: the working hours of five days of seven."""
    hour, day = np.arange(n) % 24, np.arange(n) // 24 % 7
    return ((hour >= 8) & (hour < 18) & (day < 5)).astype(float)


@pytest.mark.parametrize(
    ("make", "candidates", "expected"),
    [
        (lambda: wave(24, 2000), HOURS, 24),
        (lambda: wave(24, 2000) + 0.3 * noise(2000), HOURS, 24),
        (lambda: wave(24, 2000) + 0.01 * np.arange(2000), HOURS, 24),
        (lambda: np.exp(wave(24, 1000)), HOURS, 24),
        (lambda: wave(7, 800) + 0.3 * noise(800), [7, 365], 7),
        (lambda: wave(12, 240) + 0.1 * noise(240), [12], 12),
        (lambda: week(24 * 7 * 20), HOURS, 168),
        (lambda: wave(37, 800) + 0.02 * noise(800), HOURS, 37),  # not in the calendar
        (lambda: wave(50, 800), [], 50),
    ],
    ids=[
        "daily",
        "noisy",
        "trend",
        "peaked",
        "weekly",
        "monthly",
        "working-week",
        "uncalendared",
        "no-candidates",
    ],
)
def test_the_season_that_is_there_is_found(
    make: Callable[[], np.ndarray], candidates: list[int], expected: int
) -> None:
    assert season_of(make(), candidates) == expected


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["noise", "walk", "trend", "curve", "short"])
def test_no_season_is_found_where_there_is_none(kind: str, seed: int) -> None:
    y = {
        "noise": noise(1000, seed),
        "walk": noise(1000, seed).cumsum(),
        "trend": np.arange(1000.0) + noise(1000, seed),
        "curve": np.linspace(0, 5, 1000) ** 2 + 0.1 * noise(1000, seed),
        "short": noise(20, seed),
    }[kind]
    assert season_of(y, HOURS) == 1


def test_false_seasons_are_rare() -> None:
    """White noise of 1000 rows, a hundred times: the highest of 500 lags is tested, so a few may pass."""
    found = [season_of(noise(1000, seed), HOURS) for seed in range(100, 200)]
    assert sum(season > 1 for season in found) <= 3


@pytest.mark.parametrize(
    "y",
    [np.zeros(100), np.arange(100.0), np.full(100, np.nan), np.zeros(1), np.zeros(3), np.zeros(0)],
    ids=["constant", "line", "missing", "one", "three", "none"],
)
def test_series_that_cannot_have_a_season(y: np.ndarray) -> None:
    assert season_of(y, HOURS) == 1


def test_holes_and_a_column_without_values_do_not_hide_the_season() -> None:
    y = np.stack([wave(24, 1500) + 0.2 * noise(1500), np.full(1500, np.nan)], axis=1)
    y[np.random.default_rng(0).random(1500) < 0.15, 0] = np.nan
    assert season_of(y, HOURS) == 24
    assert season_of(y[:, ::-1], HOURS) == 24


def test_only_the_training_rows_of_the_longest_series_count() -> None:
    y = np.concatenate([wave(24, 800), wave(7, 300)])[:, None]
    y[500:800] = noise(300)[:, None] * 100
    offsets, ends = np.array([0, 800, 1100]), np.array([500, 1100])
    assert find_season(y, offsets, ends, []) == 24


def test_seasons_are_found_whatever_the_size_of_the_numbers() -> None:
    for size in (1e-9, 1e9):
        assert season_of(size * (5 + wave(24, 800) + 0.2 * noise(800)), HOURS) == 24
