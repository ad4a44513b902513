"""The tail of some numbers: draws with known parameters, and what has no tail to speak of."""

from __future__ import annotations

import numpy as np
import pytest

from gatework.runtime.gpd import XI_RANGE, excess_at, fit_gpd, log_survival


def draws(xi: float, sigma: float, n: int, seed: int) -> np.ndarray:
    u = np.random.default_rng(seed).uniform(size=n)
    return sigma * (-np.log(u) if xi == 0 else (u**-xi - 1) / xi)


@pytest.mark.parametrize("xi", [-0.3, 0.0, 0.2, 0.5])
def test_known_parameters_come_back(xi: float) -> None:
    n, sigma, fits = 2_000, 3.0, 25
    found = np.array([fit_gpd(draws(xi, sigma, n, seed)) for seed in range(fits)])
    # Spread of a shape by the likelihood: (1 + xi) / sqrt(n); of a scale: sigma sqrt(2 (1 + xi) / n).
    shape, scale = (1 + xi) / np.sqrt(n), sigma * np.sqrt(2 * (1 + xi) / n)
    assert np.all(np.abs(found[:, 0] - xi) < 4.5 * shape)
    assert np.all(np.abs(found[:, 1] - sigma) < 4.5 * scale)
    # Means over the fits: 4 of their own spread, and the pull to 0 of ten values in n.
    assert abs(found[:, 0].mean() - xi) < 4 * shape / np.sqrt(fits) + abs(xi) * 20 / n
    assert abs(found[:, 1].mean() - sigma) < 4 * scale / np.sqrt(fits) + sigma * 20 / n


def test_another_shape_is_told_apart() -> None:
    assert fit_gpd(draws(0.5, 1.0, 2_000, 0))[0] > 0.3
    assert fit_gpd(draws(-0.3, 1.0, 2_000, 0))[0] < -0.2


def test_few_values_keep_near_the_exponential() -> None:
    shapes = [fit_gpd(draws(0.0, 1.0, 10, seed))[0] for seed in range(50)]
    assert np.std(shapes) < 0.25  # by the likelihood alone 0.32


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], (0.0, 1.0)),
        ([0.0, -1.0, np.nan, np.inf], (0.0, 1.0)),
        ([2.5], (0.0, 2.5)),
        ([1.0, 2.0, 3.0], (0.0, 2.0)),
        ([4.0] * 1_000, (0.0, 4.0)),
        ([1e-12] * 10, (0.0, 1e-12)),
    ],
)
def test_without_a_tail_it_is_exponential(
    values: list[float], expected: tuple[float, float]
) -> None:
    assert fit_gpd(np.array(values)) == pytest.approx(expected)


@pytest.mark.parametrize(
    "values",
    [
        np.r_[np.full(500, 1.0), 2.0],
        np.r_[np.full(250, 1.0), np.full(250, 2.0)],
        np.repeat([0.1, 0.2, 0.3, 5.0], [400, 50, 5, 1]),
        np.r_[np.full(99, 1e-9), 1e9],
        np.linspace(0.01, 1, 300),
        np.array([1.0, 1.0, 1.0, 1.0, 1.0 + 1e-6]),
        draws(3.0, 1.0, 500, 0),
    ],
    ids=["one more", "two", "ties", "far", "uniform", "nearly alike", "no mean"],
)
def test_any_values_give_a_tail(values: np.ndarray) -> None:
    xi, sigma = fit_gpd(values)
    assert XI_RANGE[0] <= xi <= XI_RANGE[1]
    assert 0 < sigma < np.inf
    xi_10, sigma_10 = fit_gpd(10 * values)
    assert xi_10 == pytest.approx(xi, abs=1e-9)
    assert sigma_10 == pytest.approx(10 * sigma)


def test_survival() -> None:
    x = np.array([-1.0, 0.0, 0.5, 2.0, 4.0, 100.0])
    assert log_survival(x, 0.0, 2.0) == pytest.approx(-np.maximum(x, 0) / 2)
    assert log_survival(x, 0.5, 2.0) == pytest.approx(-2 * np.log1p(np.maximum(x, 0) / 4))
    assert log_survival(x, -0.5, 2.0).tolist()[-2:] == [-np.inf, -np.inf]
    assert log_survival(x, 1e-9, 2.0) == pytest.approx(log_survival(x, 0.0, 2.0), rel=1e-6)
    assert float(log_survival(3.0, 0.0, 2.0)) == -1.5


@pytest.mark.parametrize("xi", [-0.5, -1e-13, 0.0, 1e-9, 0.3, 0.9])
def test_excess_is_the_survival_the_other_way_round(xi: float) -> None:
    for survival in (1.0, 0.5, 1e-3, 1e-9):
        x = excess_at(survival, xi, 0.7)
        assert np.exp(log_survival(x, xi, 0.7)) == pytest.approx(survival, rel=1e-6)
    assert excess_at(1e-3, xi, 0.7) > excess_at(1e-2, xi, 0.7)
