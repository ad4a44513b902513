"""Calibration: what it promises on exchangeable windows, and that it never makes quantiles cross."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.train.conformal import apply_offsets, quantile_offsets

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
MEDIAN = 2


def slow_offset(errors: list[float], level: float) -> float:
    """One offset from its definition."""
    errors = sorted(e for e in errors if not math.isnan(e))
    if not errors:
        return 0.0
    exact = level * (len(errors) + 1)
    rank = math.ceil(exact) if level >= 0.5 else math.floor(exact)
    return errors[min(max(rank, 1), len(errors)) - 1]


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    W=st.integers(1, 40),
    missing=st.sampled_from([0.0, 0.4, 1.0]),
)
def test_offsets_are_the_definition(seed: int, W: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    quantiles = np.sort(rng.normal(size=(W, 2, 3, len(LEVELS))), axis=-1)
    truth = rng.normal(size=(W, 2, 3))
    truth[rng.random(truth.shape) < missing] = np.nan
    offsets = quantile_offsets(quantiles, truth, LEVELS)
    assert offsets.shape == (2, 3, len(LEVELS))
    for j in range(2):
        for k in range(3):
            for q, level in enumerate(LEVELS):
                errors = (truth[:, j, k] - quantiles[:, j, k, q]).tolist()
                assert offsets[j, k, q] == slow_offset(errors, level)


@pytest.mark.parametrize("bias", [0.0, 3.0, -3.0])
@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
def test_coverage_on_exchangeable_windows(bias: float, spread: float) -> None:
    """However wrong the quantiles were, after calibration each level covers its share."""
    rng = np.random.default_rng(0)
    W, h = 999, 60
    centre = rng.normal(0, 5, (2 * W, h, 1))
    truth = centre + rng.gumbel(size=centre.shape)
    guess = centre[..., None] + bias + spread * np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    offsets = quantile_offsets(guess[:W], truth[:W], LEVELS)
    calibrated = guess[W:] + offsets
    for q, level in enumerate(LEVELS):
        below = float((truth[W:] <= calibrated[..., q]).mean())
        # The share below a calibrated level varies with both halves: 2 × variance / (W h).
        assert below == pytest.approx(level, abs=4 * math.sqrt(2 * level * (1 - level) / (W * h)))
    final = apply_offsets(guess[W:], offsets, MEDIAN)
    if bias == 0:  # the median stays; where it is right the intervals are right
        inside = float(((final[..., 0] <= truth[W:]) & (truth[W:] <= final[..., -1])).mean())
        assert inside == pytest.approx(0.9, abs=4 * math.sqrt(2 * 0.9 * 0.1 / (W * h)))


@pytest.mark.parametrize("n", [19, 20, 37])
def test_levels_cover_at_least_their_share_in_small_samples(n: int) -> None:
    rng = np.random.default_rng(1)
    trials = 20_000
    truth = rng.normal(size=(n + 1, trials, 1))
    offsets = quantile_offsets(np.zeros((n, trials, 1, 2)), truth[:n], (0.05, 0.95))
    slack = 4 * math.sqrt(0.05 * 0.95 / trials)
    assert (truth[n] <= offsets[..., 1]).mean() >= 0.95 - slack
    if n >= 19:  # with fewer there is no rank low enough
        assert (truth[n] <= offsets[..., 0]).mean() <= 0.05 + slack


def test_each_step_and_target_has_its_own_offsets() -> None:
    truth = np.zeros((50, 2, 2))
    truth[:, 1, 0] = 4.0
    offsets = quantile_offsets(np.zeros((50, 2, 2, 1)), truth, (0.5,))
    assert offsets[..., 0].tolist() == [[0, 0], [4, 0]]


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.sampled_from([0.1, 1.0, 100.0]))
def test_calibrated_quantiles_never_cross_and_the_median_stays(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    quantiles = np.sort(rng.normal(size=(6, 2, 3, len(LEVELS))), axis=-1).astype(np.float32)
    offsets = rng.normal(size=(2, 3, len(LEVELS))) * size
    before = quantiles.copy(), offsets.copy()
    out = apply_offsets(quantiles, offsets, MEDIAN)
    assert (np.diff(out, axis=-1) >= 0).all()
    np.testing.assert_array_equal(out[..., MEDIAN], quantiles[..., MEDIAN])
    np.testing.assert_array_equal(quantiles, before[0])
    np.testing.assert_array_equal(offsets, before[1])


@pytest.mark.parametrize("median", [0, 1, 2])
def test_the_median_may_be_the_first_or_last_level(median: int) -> None:
    quantiles = np.array([[[[1.0, 2.0, 3.0]]]])
    out = apply_offsets(quantiles, np.array([[[5.0, 5.0, -5.0]]]), median)
    assert out.shape == quantiles.shape
    assert (np.diff(out, axis=-1) >= 0).all()
    assert out[..., median] == quantiles[..., median]


def test_offsets_that_cross_nothing_are_added_as_they_are() -> None:
    quantiles = np.array([[[[1.0, 2.0, 3.0]]]])
    out = apply_offsets(quantiles, np.array([[[-0.5, 9.0, 0.25]]]), 1)
    assert out.tolist() == [[[[0.5, 2.0, 3.25]]]]
    back = apply_offsets(quantiles, np.zeros((1, 1, 3)), 1)
    np.testing.assert_array_equal(back, quantiles)
