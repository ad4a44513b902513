"""Losses of classes beside their formula, number by number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from gatework.train.label_losses import MOST_WEIGHT, balanced_weights, class_loss

TARGET = torch.tensor([2, 0, -1, 1, 2])
WEIGHTS = torch.tensor([0.5, 2.0, 1.25])


def logits() -> torch.Tensor:
    x = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return 2 * x


def by_hand(
    x: np.ndarray, y: int, weights: np.ndarray | None, smoothing: float, focal: float
) -> float:
    """- w_y (1 - p_y)^focal Σ_k q_k log p_k, with q = (1 - s) one-hot(y) + s / K."""
    if y < 0:
        return 0.0
    p = np.exp(x) / np.exp(x).sum()
    q = np.full(len(x), smoothing / len(x))
    q[y] += 1 - smoothing
    weight = 1.0 if weights is None else weights[y]
    return float(-weight * (1 - p[y]) ** focal * (q * np.log(p)).sum())


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("focal", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_its_formula(smoothing: float, focal: float, weighted: bool) -> None:
    weights = WEIGHTS.double() if weighted else None
    found = class_loss(logits(), TARGET, weights=weights, smoothing=smoothing, focal=focal)
    own = None if weights is None else weights.numpy()
    expected = [
        by_hand(row, y, own, smoothing, focal)
        for row, y in zip(logits().numpy(), TARGET.tolist(), strict=True)
    ]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


def test_plain_it_is_torch_s_cross_entropy() -> None:
    known = TARGET >= 0
    expected = F.cross_entropy(logits()[known], TARGET[known], reduction="none")
    torch.testing.assert_close(class_loss(logits(), TARGET)[known], expected)
    ones = torch.ones(3, dtype=torch.float64)
    torch.testing.assert_close(class_loss(logits(), TARGET, weights=ones)[known], expected)


def test_a_step_without_a_label_gives_no_gradient() -> None:
    for options in ({}, {"weights": WEIGHTS}, {"focal": 2.0, "smoothing": 0.1}):
        kinds: dict[str, Any] = options
        x = logits().float().requires_grad_()
        class_loss(x, TARGET, **kinds).sum().backward()
        assert x.grad is not None
        assert not x.grad[2].any()
        assert x.grad[[0, 1, 3, 4]].any(dim=1).all()


def test_nothing_known_and_nothing_at_all() -> None:
    assert class_loss(logits(), torch.full((5,), -1)).tolist() == [0] * 5
    for weights in (None, WEIGHTS):
        none = class_loss(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), weights=weights)
        assert none.shape == (0,)


@pytest.mark.parametrize("focal", [0.3, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("far", [20.0, 100.0, 1e4])
def test_an_answer_of_all_certainty_has_a_finite_gradient(focal: float, far: float) -> None:
    for target in (0, 1):
        x = torch.tensor([[far, 0.0]], requires_grad=True)
        loss = class_loss(x, torch.tensor([target]), focal=focal, smoothing=0.05)
        loss.sum().backward()
        assert math.isfinite(float(loss.detach()))
        assert x.grad is not None
        assert torch.isfinite(x.grad).all()


@given(st.lists(st.integers(-1, 5), min_size=1, max_size=3000))
def test_weights_have_the_mean_1_and_a_bound(target: list[int]) -> None:
    y = torch.tensor(target)
    known = y[y >= 0]
    weights = balanced_weights(y, 7)
    assert weights.dtype == torch.float32
    assert weights[6] == 1  # of a class that does not occur
    assert (weights <= MOST_WEIGHT).all()
    if len(known):
        assert float(weights[known].double().mean()) == pytest.approx(1, abs=1e-5)
        sums = torch.bincount(known, minlength=7) * weights
        free = (sums > 0) & (weights < MOST_WEIGHT)
        assert torch.allclose(sums[free], sums[free].max())


def test_a_rare_class_weighs_the_most_it_may() -> None:
    target = torch.tensor([0] * 1000 + [1] * 2 + [2] * 30)
    weights = balanced_weights(target, 3)
    assert weights[1] == MOST_WEIGHT
    rest = (1032 - 2 * MOST_WEIGHT) / 2
    assert weights[[0, 2]].tolist() == pytest.approx([rest / 1000, rest / 30])
