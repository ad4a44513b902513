"""Quantiles never cross, whatever the weights; levels that make no sense are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.nn.quantiles import QuantileHead, check_levels

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    size=st.sampled_from([0.0, 1e-6, 1.0, 1e3, 1e6, 1e15]),
    levels=st.sets(st.floats(0.01, 0.45), max_size=3).map(lambda s: s | {1 - q for q in s}),
)
def test_quantiles_never_cross(seed: int, size: float, levels: set[float]) -> None:
    torch.manual_seed(seed)
    head = QuantileHead(4, steps=3, levels=sorted(levels | {0.5}))
    for p in head.parameters():
        p.data.normal_().mul_(size)
    q = head(torch.randn(5, 4))
    assert q.shape == (5, 3, len(levels | {0.5}))
    assert torch.isfinite(q).all()
    assert (q.diff(dim=-1) >= 0).all()


def test_quantiles_of_ordinary_weights_are_apart() -> None:
    torch.manual_seed(0)
    q = QuantileHead(8, 4, LEVELS)(torch.randn(100, 8))
    assert (q.diff(dim=-1) > 0).all()


def test_head_is_the_equation() -> None:
    torch.manual_seed(0)
    head = QuantileHead(4, 2, LEVELS).double()
    x = torch.randn(3, 4, dtype=torch.float64)
    a = head.linear(x).detach().numpy().reshape(3, 2, 7)
    expected = np.empty_like(a)
    softplus = np.log1p(np.exp(a))
    expected[..., 3] = a[..., 3]
    for k in (4, 5, 6):
        expected[..., k] = expected[..., k - 1] + softplus[..., k]
    for k in (2, 1, 0):
        expected[..., k] = expected[..., k + 1] - softplus[..., k]
    eps = np.finfo(np.float64).eps
    np.testing.assert_allclose(head(x).detach().numpy(), expected, rtol=32 * eps, atol=32 * eps)


def test_every_level_can_be_learned_alone() -> None:
    """No output is cut off from the weights: each level has a gradient of its own."""
    torch.manual_seed(0)
    head = QuantileHead(4, 1, LEVELS).double()
    x = torch.randn(1, 4, dtype=torch.float64)
    rows = [torch.autograd.grad(head(x)[0, 0, q], head.linear.bias)[0] for q in range(len(LEVELS))]
    assert int(torch.linalg.matrix_rank(torch.stack(rows))) == len(LEVELS)


def test_a_nan_is_not_hidden() -> None:
    assert torch.isnan(QuantileHead(2, 1, (0.1, 0.5, 0.9))(torch.full((1, 2), torch.nan))).all()


@pytest.mark.parametrize(
    ("levels", "rule"),
    [
        ((0.0, 0.5), "between 0 and 1"),
        ((0.5, 1.0), "between 0 and 1"),
        ((-0.1, 0.5), "between 0 and 1"),
        ((0.5, float("nan")), "between 0 and 1"),
        ((0.9, 0.5), "increase"),
        ((0.5, 0.5), "increase"),
        ((0.1, 0.9), r"contain 0\.5"),
        ((), r"contain 0\.5"),
        ((0.5, 0.9), "symmetric"),
        ((0.05, 0.5, 0.9), "symmetric"),
    ],
)
def test_levels_that_break_a_rule(levels: tuple[float, ...], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        check_levels(levels)
    with pytest.raises(ValueError, match=rule):
        QuantileHead(4, 1, levels)


def test_levels_that_keep_them() -> None:
    assert check_levels([0.5]) == (0.5,)
    assert check_levels([0.1, 0.5, 0.9]) == (0.1, 0.5, 0.9)
