"""Temperatures against the one that made the data, a fine grid, and where there is little to go by."""

from __future__ import annotations

import numpy as np
import pytest

from gatework.train.temperature import HIGHEST, LOWEST, calibrate


def softmax(z: np.ndarray) -> np.ndarray:
    p = np.exp(z - z.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def drawn(N: int, K: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and classes drawn with their probabilities: the right temperature is 1."""
    rng = np.random.default_rng(seed)
    z = 2 * rng.normal(size=(N, K))
    return z, (softmax(z).cumsum(1) < rng.random((N, 1))).sum(1).clip(max=K - 1)


def log_loss(z: np.ndarray, y: np.ndarray, T: float) -> float:
    return float(-np.log(softmax(z / T)[np.arange(len(y)), y]).mean())


@pytest.mark.parametrize("wanted", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("K", [2, 10])
def test_the_temperature_that_made_the_data(wanted: float, K: int) -> None:
    z, y = drawn(20_000, K)
    found = calibrate(wanted * z, y)
    assert found.temperature == pytest.approx(wanted, rel=0.05)
    assert found.ece_after < 0.015
    if wanted != 1:
        assert found.ece_before > 5 * found.ece_after
    assert found.log_loss == pytest.approx(log_loss(wanted * z, y, found.temperature))


def test_the_best_of_a_fine_grid() -> None:
    z, y = drawn(500, 4)
    grid = np.exp(np.linspace(np.log(LOWEST), np.log(HIGHEST), 2000))
    best = min(log_loss(3 * z, y, T) for T in grid)
    assert calibrate(3 * z, y).log_loss == pytest.approx(best, abs=1e-4)


def test_few_answers_that_are_all_right_do_not_make_it_sure_without_end() -> None:
    z, y = np.eye(3)[[0, 1, 2, 0, 1]] * 4.0, np.array([0, 1, 2, 0, 1])
    few = calibrate(z, y).temperature
    many = calibrate(np.tile(z, (100, 1)), np.tile(y, 100)).temperature
    assert LOWEST * 2 < many < few
    assert softmax(z / few).max() < 0.95


def test_what_tells_nothing_is_cooled_to_the_end() -> None:
    z, y = drawn(3000, 3)
    found = calibrate(10 * z, np.random.default_rng(1).integers(0, 3, 3000))
    assert found.temperature > 0.9 * HIGHEST
    assert calibrate(10 * z, y).temperature < 11


def test_steps_without_a_label_do_not_count() -> None:
    z, y = drawn(2000, 3)
    some = np.where(np.arange(2000) % 3 == 0, -1, y)
    assert calibrate(z, some) == calibrate(z[some >= 0], y[some >= 0])
    none = calibrate(z, np.full(2000, -1))
    assert none.temperature == 1
    assert np.isnan(none.log_loss)


def test_large_logits_do_not_overflow() -> None:
    z, y = drawn(300, 3)
    found = calibrate(1e4 * z, y)
    assert found.temperature > 0.9 * HIGHEST
    assert np.isfinite(found.log_loss)
    assert np.isfinite(calibrate(z + 1e6, y).log_loss)
