"""Calibration: what it promises on exchangeable windows, and that it never makes quantiles cross."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.train.conformal import (
    KINDS,
    MIN_HALF,
    MIN_SPREAD,
    Calibration,
    residual_quantiles,
    window_spread,
)

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
MEDIAN = 2
EPS = float(np.finfo(np.float32).eps)


def slow_rank(errors: list[float], level: float) -> float:
    """One offset from its definition."""
    errors = sorted(e for e in errors if not math.isnan(e))
    if not errors:
        return 0.0
    exact = level * (len(errors) + 1)
    rank = math.ceil(exact) if level >= 0.5 else math.floor(exact)
    return errors[min(max(rank, 1), len(errors)) - 1]


def ones(W: int, K: int = 1) -> np.ndarray:
    return np.ones((W, K))


# ------------------------------------------------------------------ ranks


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), W=st.integers(1, 40), missing=st.sampled_from([0.0, 0.4, 1.0]))
def test_residual_quantiles_are_the_definition(seed: int, W: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    residual = rng.normal(size=(W, 2, 3, len(LEVELS)))
    residual[rng.random((W, 2, 3)) < missing] = np.nan
    found = residual_quantiles(residual, LEVELS)
    assert found.shape == (2, 3, len(LEVELS))
    for j in range(2):
        for k in range(3):
            for q, level in enumerate(LEVELS):
                assert found[j, k, q] == slow_rank(residual[:, j, k, q].tolist(), level)


@pytest.mark.parametrize("n", [19, 20, 37])
def test_levels_cover_at_least_their_share_in_small_samples(n: int) -> None:
    rng = np.random.default_rng(1)
    trials = 20_000
    truth = rng.normal(size=(n + 1, trials, 1))
    offsets = residual_quantiles(np.repeat(truth[:n, ..., None], 2, axis=-1), (0.05, 0.95))
    slack = 4 * math.sqrt(0.05 * 0.95 / trials)
    assert (truth[n] <= offsets[..., 1]).mean() >= 0.95 - slack
    assert (truth[n] <= offsets[..., 0]).mean() <= 0.05 + slack


def test_spread_is_the_deviation_of_what_was_seen() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=(4, 9, 2))
    y[0, 3:, 0], y[1, :, 1], y[2] = np.nan, np.nan, 7.0
    found = window_spread(y)
    for w in range(4):
        for k in range(2):
            seen = y[w, :, k][~np.isnan(y[w, :, k])]
            expected = (np.std(seen) if len(seen) else 1.0) + MIN_SPREAD
            assert found[w, k] == pytest.approx(expected)


# ------------------------------------------------------------------ fitting


@pytest.mark.parametrize("bias", [0.0, 3.0, -3.0])
@pytest.mark.parametrize("size", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("in_time", [True, False])
def test_coverage_on_exchangeable_windows(bias: float, size: float, in_time: bool) -> None:
    """However wrong the quantiles were, after calibration each level covers its share."""
    rng = np.random.default_rng(0)
    W, h = 1998, 30
    centre = rng.normal(0, 5, (2 * W, h, 1))
    truth = centre + rng.gumbel(size=centre.shape)
    guess = centre[..., None] + bias + size * np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    fitted = Calibration.fit(guess[:W], truth[:W], ones(W), LEVELS, in_time=in_time)
    out = fitted.apply(guess[W:], ones(W))
    np.testing.assert_array_equal(out[..., MEDIAN], guess[W:, ..., MEDIAN])
    used = W // 2 if in_time else W
    for q in (0, 4):
        level = LEVELS[q]
        # Both the windows fitted to and those judged vary.
        slack = 4 * math.sqrt(level * (1 - level) / h * (1 / used + 1 / W))
        if bias == 0:  # else the median, which stays, may be in the way
            assert (truth[W:] <= out[..., q]).mean() == pytest.approx(level, abs=slack)
        moved = (
            guess[W:, ..., q]
            + Calibration.fit(guess[:W], truth[:W], ones(W), LEVELS, in_time=False).offsets[..., q]
        )
        assert (truth[W:] <= moved).mean() == pytest.approx(level, abs=slack)


def heavy(seed: int, known: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calm and rough windows; ``known``: the quantiles tell them apart, else only the spread does."""
    rng = np.random.default_rng(seed)
    W = 4 * MIN_HALF
    rough = rng.choice([0.1, 3.0], (W, 1))
    truth = rng.normal(size=(W, 6, 1)) * rough[:, None]
    normal = np.array([-1.645, -0.674, 0.0, 0.674, 1.645])
    size = rough[:, None, :, None] if known else np.ones((W, 1, 1, 1))
    quantiles = np.broadcast_to(normal * size, (W, 6, 1, 5)).copy()
    return quantiles, truth, ones(W) if known else rough


def test_the_kind_is_chosen_that_knows_the_error() -> None:
    for known, kind in ((True, "shift"), (False, "spread")):
        quantiles, truth, spread = heavy(0, known)
        fitted = Calibration.fit(quantiles, truth, spread, LEVELS, in_time=True)
        assert fitted.kind == kind
        assert fitted.kind in KINDS
        quantiles, truth, spread = heavy(1, known)
        out = fitted.apply(quantiles, spread)
        inside = (out[..., 0] <= truth) & (truth <= out[..., -1])
        for size in np.unique(spread):  # and holds in calm and in rough times
            share = float(inside[spread[:, 0] == size].mean())
            assert share == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize(("W", "in_time"), [(2 * MIN_HALF - 2, True), (4 * MIN_HALF, False)])
def test_too_few_windows_or_none_in_order_are_shifted_by_all_of_them(W: int, in_time: bool) -> None:
    quantiles, truth, spread = (v[:W] for v in heavy(0, False))
    fitted = Calibration.fit(quantiles, truth, spread, LEVELS, in_time=in_time)
    assert fitted.kind == "shift"
    expected = residual_quantiles(truth[..., None] - quantiles, LEVELS)
    np.testing.assert_allclose(fitted.offsets, expected, rtol=2 * EPS)


def test_each_step_and_target_has_its_own_offsets() -> None:
    truth = np.zeros((50, 2, 2))
    truth[:, 1, 0] = 4.0
    fitted = Calibration.fit(np.zeros((50, 2, 2, 1)), truth, ones(50, 2), (0.5,), in_time=False)
    assert fitted.offsets[..., 0].tolist() == [[0, 0], [4, 0]]


def test_missing_truth_does_not_count() -> None:
    quantiles, truth, spread = heavy(0, True)
    holed = truth.copy()
    holed[::3] = np.nan
    seen = np.arange(len(truth)) % 3 != 0
    a = Calibration.fit(quantiles, holed, spread, LEVELS, in_time=False)
    b = Calibration.fit(quantiles[seen], truth[seen], spread[seen], LEVELS, in_time=False)
    np.testing.assert_array_equal(a.offsets, b.offsets)


# ------------------------------------------------------------------ applying


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    size=st.sampled_from([0.1, 1.0, 100.0]),
    kind=st.sampled_from(KINDS),
    median=st.integers(0, 4),
)
def test_calibrated_quantiles_never_cross_and_the_median_stays(
    seed: int, size: float, kind: str, median: int
) -> None:
    rng = np.random.default_rng(seed)
    quantiles = np.sort(rng.normal(size=(6, 2, 3, 5)), axis=-1).astype(np.float32)
    offsets = (rng.normal(size=(2, 3, 5)) * size).astype(np.float32)
    spread = rng.uniform(0.05, 3, (6, 3))
    before: tuple[Any, ...] = quantiles.copy(), offsets.copy(), spread.copy()
    out = Calibration(kind, offsets, median).apply(quantiles, spread)
    assert out.shape == quantiles.shape
    assert (np.diff(out, axis=-1) >= 0).all()
    np.testing.assert_array_equal(out[..., median], quantiles[..., median])
    for value, old in zip((quantiles, offsets, spread), before, strict=True):
        np.testing.assert_array_equal(value, old)


def test_offsets_that_cross_nothing_are_applied_as_they_are() -> None:
    quantiles = np.array([[[[1.0, 2.0, 3.0]]]])
    offsets = np.array([[[-0.5, 9.0, 0.25]]])
    spread = np.array([[2.0]])
    assert Calibration("shift", offsets, 1).apply(quantiles, spread).tolist() == [
        [[[0.5, 2.0, 3.25]]]
    ]
    assert Calibration("spread", offsets, 1).apply(quantiles, spread).tolist() == [
        [[[1.0, 2.0, 2.5]]]
    ]
    same = Calibration("shift", np.zeros((1, 1, 3)), 1).apply(quantiles, spread)
    np.testing.assert_array_equal(same, quantiles)
