"""Losses against loops over plain numbers, missing truth left out."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gatework.train.losses import absolute, pinball, squared

LEVELS = (0.1, 0.5, 0.9)
EPS = float(np.finfo(np.float64).eps)


def data(seed: int, count: int, missing: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=count)
    truth[rng.random(count) < missing] = np.nan
    return rng.normal(size=count), rng.normal(size=(count, len(LEVELS))), truth


def slow_mean(errors: list[float]) -> float:
    return sum(errors) / len(errors) if errors else 0.0


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 20),
    missing=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_losses_are_the_loops(seed: int, count: int, missing: float) -> None:
    mean, quantiles, truth = data(seed, count, missing)
    seen = [i for i in range(count) if not math.isnan(truth[i])]
    tensors = torch.from_numpy(mean), torch.from_numpy(truth)
    tolerance = {"rel": 8 * count * EPS, "abs": 8 * count * EPS}
    slow = slow_mean([abs(truth[i] - mean[i]) for i in seen])
    assert absolute(*tensors).item() == pytest.approx(slow, **tolerance)
    slow = slow_mean([(truth[i] - mean[i]) ** 2 for i in seen])
    assert squared(*tensors).item() == pytest.approx(slow, **tolerance)
    errors = []
    for i in seen:
        for q, level in enumerate(LEVELS):
            error = truth[i] - quantiles[i, q]
            errors.append(level * error if error >= 0 else (level - 1) * error)
    levels = torch.tensor(LEVELS, dtype=torch.float64)
    fast = pinball(torch.from_numpy(quantiles), torch.from_numpy(truth), levels)
    assert fast.item() == pytest.approx(slow_mean(errors), **tolerance)


def test_twice_the_pinball_loss_of_the_median_is_the_absolute_error() -> None:
    mean, _, truth = (torch.from_numpy(v) for v in data(0, 50, 0.2))
    half = torch.tensor([0.5], dtype=torch.float64)
    torch.testing.assert_close(2 * pinball(mean[:, None], truth, half), absolute(mean, truth))


@pytest.mark.parametrize("level", [0.1, 0.5, 0.8])
def test_the_pinball_loss_is_lowest_at_the_quantile(level: float) -> None:
    truth = torch.arange(1.0, 100.0)  # 1 … 99: the quantile of level p is 100 p
    guesses = torch.arange(0.0, 101.0)
    losses = [
        pinball(torch.full((99, 1), float(g)), truth, torch.tensor([level])).item() for g in guesses
    ]
    assert int(guesses[int(np.argmin(losses))]) == pytest.approx(100 * level, abs=1)


@pytest.mark.parametrize("loss", [absolute, squared])
def test_shape_does_not_matter(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    mean, _, truth = (torch.from_numpy(v) for v in data(1, 24, 0.3))
    torch.testing.assert_close(loss(mean, truth), loss(mean.view(2, 3, 4), truth.view(2, 3, 4)))


@pytest.mark.parametrize("loss", [absolute, squared])
def test_missing_truth_has_no_gradient_and_a_nan_forecast_is_not_hidden(
    loss: Callable[[Tensor, Tensor], Tensor],
) -> None:
    mean = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    loss(mean, torch.tensor([2.0, torch.nan, 1.0])).backward()
    assert mean.grad is not None
    assert torch.isfinite(mean.grad).all()
    assert (mean.grad != 0).tolist() == [True, False, True]
    assert torch.isnan(loss(torch.tensor([torch.nan]), torch.tensor([1.0])))


def test_pinball_missing_truth_has_no_gradient_and_a_nan_forecast_is_not_hidden() -> None:
    q, levels = torch.ones(2, 3, requires_grad=True), torch.tensor(LEVELS)
    pinball(q, torch.tensor([torch.nan, 2.0]), levels).backward()
    assert q.grad is not None
    assert (q.grad[0] == 0).all()
    torch.testing.assert_close(q.grad[1], -levels / 3)
    assert torch.isnan(pinball(torch.full((1, 3), torch.nan), torch.tensor([1.0]), levels))
