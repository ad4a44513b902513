"""Pooling against plain sums over each sequence's own steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gatework.errors import ConfigError
from gatework.nn.pooling import Pooling
from gatework.runtime.sequence_spec import POOLINGS

LENGTHS = torch.tensor([5, 1, 3])


def steps(padding: float = 7.5) -> torch.Tensor:
    y = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    return y.masked_fill((torch.arange(5) >= LENGTHS[:, None]).unsqueeze(-1), padding)


def by_hand(pooling: Pooling, y: np.ndarray) -> np.ndarray:
    """Of one sequence ``(T, size)`` without padding."""
    if pooling.kind == "last":
        return y[-1]
    if pooling.kind == "attention":
        V, b = (p.detach().numpy() for p in pooling.project.parameters())
        w = pooling.score.weight.detach().numpy()[0]
        scores = np.array([w @ np.tanh(V @ row + b) for row in y], float)
        weights = np.exp(scores) / np.exp(scores).sum()
        return sum(a * row for a, row in zip(weights, y, strict=True))
    mean, top = y.mean(0), y.max(0)
    return {"mean": mean, "max": top, "mean_max": np.concatenate([mean, top])}[pooling.kind]


@pytest.mark.parametrize("kind", POOLINGS)
def test_each_kind_is_its_formula_and_padding_does_not_count(kind: str) -> None:
    torch.manual_seed(1)
    pooling = Pooling(kind, 4)
    with torch.no_grad():
        found = pooling(steps(), LENGTHS)
        assert found.shape == (3, pooling.output_size)
        for row, length in enumerate(LENGTHS.tolist()):
            expected = by_hand(pooling, steps()[row, :length].numpy())
            np.testing.assert_allclose(found[row].numpy(), expected, rtol=1e-5, atol=1e-6)
        # Sums of other numbers of zeros may round otherwise.
        torch.testing.assert_close(found, pooling(steps(-1e6), LENGTHS), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", POOLINGS)
def test_no_gradient_reaches_padding(kind: str) -> None:
    y = steps().requires_grad_()
    Pooling(kind, 4)(y, LENGTHS).square().sum().backward()
    assert y.grad is not None
    outside = torch.arange(5) >= LENGTHS[:, None]
    assert not y.grad[outside].any()
    assert torch.isfinite(y.grad).all()
    assert y.grad[:, 0].any()


@pytest.mark.parametrize("beside", [0, 1])
def test_last_takes_a_backward_direction_at_its_own_end(beside: int) -> None:
    size = 4 + beside
    y = torch.arange(3 * 5 * size, dtype=torch.float32).view(3, 5, size)
    found = Pooling("last", size)(y, LENGTHS, backward=2)
    for row, length in enumerate(LENGTHS.tolist()):
        end, begin = y[row, length - 1], y[row, 0]
        assert found[row].tolist() == [*end[:2], *begin[2:4], *end[4:]]


def test_large_scores_do_not_overflow() -> None:
    pooling = Pooling("attention", 4)
    with torch.no_grad():
        pooling.score.weight.mul_(1e4)
        assert torch.isfinite(pooling(steps(), LENGTHS)).all()


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Pooling: there is no kind 'means'.*'mean'"):
        Pooling("means", 3)
