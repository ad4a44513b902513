"""Convolutions over time against a plain loop, and whose statistics they normalise with."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gatework.nn.convolution_stack import ConvolutionStack

sys.path.insert(0, str(Path(__file__).parent))
from labelled_networks import convolved, spec_of

LENGTHS = torch.tensor([11, 1, 6, 2])
STRIDES = [(1,), (2,), (4,), (1, 2), (2, 1, 2)]


def stack_of(causal: bool, strides: tuple[int, ...], bad: int = 0) -> ConvolutionStack:
    torch.manual_seed(2)
    stack = ConvolutionStack(spec_of(causal=causal, **convolved(*strides)), 3).double()
    with torch.no_grad():
        for p in stack.norms.parameters():
            p.add_(torch.rand_like(p))
        for norm in stack.norms:
            norm.running_mean.normal_(0, 0.3)
            norm.running_var.uniform_(0.5, 2)
    return stack


def signals(T: int = 11) -> torch.Tensor:
    x = torch.randn(4, T, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return x * (torch.arange(T) < LENGTHS[:, None]).unsqueeze(-1)


def loop(stack: ConvolutionStack, x: np.ndarray, statistics: list[tuple[np.ndarray, np.ndarray]]
         ) -> np.ndarray:  # fmt: skip
    """One sequence ``(T, I)`` through every block, number by number."""
    blocks = zip(stack.layers, stack.norms, stack.strides, statistics, strict=True)
    for layer, norm, stride, (mean, variance) in blocks:
        W = layer.weight.detach().numpy()  # (O, I, width)
        gain, shift = (p.detach().numpy() for p in norm.parameters())
        width = W.shape[2]
        before = width - 1 if stack.causal else (width - 1) // 2
        out = []
        for j in range(0, len(x), stride):
            y = np.zeros(len(W))
            for k in range(width):
                t = j + k - before
                if 0 <= t < len(x):
                    y += W[:, :, k] @ x[t]
            out.append(np.maximum((y - mean) / np.sqrt(variance + 1e-5) * gain + shift, 0))
        x = np.array(out)
    return x


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("strides", STRIDES)
def test_it_is_a_plain_loop(causal: bool, strides: tuple[int, ...]) -> None:
    stack = stack_of(causal, strides).eval()
    kept = [(n.running_mean.numpy(), n.running_var.numpy()) for n in stack.norms]  # type: ignore[union-attr, operator]
    x = signals()
    with torch.no_grad():
        y, lengths = stack(x, LENGTHS)
    total = int(np.prod(strides))
    assert lengths.tolist() == [-(-n // total) for n in LENGTHS.tolist()]
    assert y.shape == (4, -(-11 // total), stack.output_size)
    for row, (n, m) in enumerate(zip(LENGTHS.tolist(), lengths.tolist(), strict=True)):
        expected = loop(stack, x[row, :n].numpy(), kept)
        np.testing.assert_allclose(y[row, :m].numpy(), expected, rtol=1e-10, atol=1e-12)
        assert not y[row, m:].any()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_statistics_are_those_of_valid_steps(causal: bool, stride: int) -> None:
    stack = stack_of(causal, (stride,)).train()
    x = signals()
    plain = [(np.zeros(5), np.ones(5) - 1e-5)]
    gain, shift = (p.detach().clone() for p in stack.norms[0].parameters())
    with torch.no_grad():
        for p, value in zip(stack.norms[0].parameters(), (1.0, 100.0), strict=True):
            p.fill_(value)  # so that the rectifier lets everything through
        rows = np.concatenate(
            [loop(stack, x[row, :n].numpy(), plain) for row, n in enumerate(LENGTHS.tolist())]
        ) - 100  # fmt: skip
        for p, value in zip(stack.norms[0].parameters(), (gain, shift), strict=True):
            p.copy_(value)
        old = [b.clone() for b in stack.norms[0].buffers()]
        y, lengths = stack(x, LENGTHS)
    mean, variance = rows.mean(0), rows.var(0)
    expected = np.maximum(
        (rows - mean) / np.sqrt(variance + 1e-5) * gain.numpy() + shift.numpy(), 0
    )
    found = y[torch.arange(y.shape[1]) < lengths[:, None]].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)
    n = len(rows)
    running = [
        0.9 * old[0].numpy() + 0.1 * mean,
        0.9 * old[1].numpy() + 0.1 * variance * n / (n - 1),
    ]
    for buffer, value in zip(stack.norms[0].buffers(), running, strict=True):
        np.testing.assert_allclose(buffer.numpy(), value, rtol=1e-8)


def test_more_padding_changes_nothing() -> None:
    for training in (False, True):
        one, other = (stack_of(True, (2, 1)).train(training) for _ in range(2))
        with torch.no_grad():
            y, _ = one(signals(), LENGTHS)
            wider, _ = other(torch.cat([signals(), torch.zeros(4, 9, 3)], dim=1), LENGTHS)
        torch.testing.assert_close(wider[:, : y.shape[1]], y)
        for a, b in zip(one.buffers(), other.buffers(), strict=True):
            torch.testing.assert_close(a, b)


def test_a_single_step_is_normalised_with_the_statistics_of_before() -> None:
    stack = stack_of(True, (4,)).train()
    x, lengths = signals()[:1, :3], torch.tensor([3])
    before = [b.clone() for b in stack.buffers()]
    found, _ = stack(x, lengths)
    expected, _ = stack.eval()(x, lengths)
    torch.testing.assert_close(found, expected)
    assert all(torch.equal(a, b) for a, b in zip(before, stack.buffers(), strict=True))


def test_nothing_but_statistics_is_counted() -> None:
    names = set(stack_of(False, (1,)).state_dict())
    assert names == {"layers.0.weight", *(f"norms.0.{n}" for n in NORM)}


NORM = ("weight", "bias", "running_mean", "running_var")
