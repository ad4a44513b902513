"""Holes in a window against the loop that says what the words mean."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gatework.nn.missing import carry_forward, last_observed

NAN = float("nan")

windows = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 3), st.integers(1, 8), st.integers(0, 3)),
    elements=st.one_of(st.just(NAN), st.floats(-1e6, 1e6)),
)


def slow_carry(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The words of the docstring, one value after the other."""
    filled, observed, since = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    B, T, C = x.shape
    for b in range(B):
        for c in range(C):
            value, steps = 0.0, 0
            for t in range(T):
                if math.isnan(x[b, t, c]):
                    steps += 1
                else:
                    value, steps = x[b, t, c], 0
                    observed[b, t, c] = 1
                filled[b, t, c] = value
                since[b, t, c] = math.log(1 + steps) / math.log(1 + T)
    return filled, observed, since


@settings(max_examples=100, deadline=None)
@given(windows)
def test_carry_forward_is_the_loop(x: np.ndarray) -> None:
    filled, observed, since = (v.numpy() for v in carry_forward(torch.from_numpy(x)))
    expected = slow_carry(x)
    np.testing.assert_array_equal(filled, expected[0])
    np.testing.assert_array_equal(observed, expected[1])
    # log(1 + T) is taken in float32.
    np.testing.assert_allclose(since, expected[2], rtol=4 * np.finfo(np.float32).eps, atol=0)
    assert ((since >= 0) & (since <= 1 + np.finfo(np.float32).eps)).all()


@settings(max_examples=100, deadline=None)
@given(windows)
def test_last_observed_is_the_loop(x: np.ndarray) -> None:
    found = last_observed(torch.from_numpy(x)).numpy()
    assert found.shape == (x.shape[0], x.shape[2])
    for b in range(x.shape[0]):
        for c in range(x.shape[2]):
            column = x[b, :, c][~np.isnan(x[b, :, c])]
            assert found[b, c] == (column[-1] if len(column) else 0)


def test_nothing_of_the_future_is_carried_back() -> None:
    x = torch.tensor([[[NAN], [1.0], [NAN], [5.0]]])
    assert carry_forward(x)[0].flatten().tolist() == [0, 1, 1, 5]
    later = x.clone()
    later[0, 3] = NAN
    for a, b in zip(carry_forward(x), carry_forward(later), strict=True):
        assert torch.equal(a[:, :3], b[:, :3])


def test_inputs_and_types_stay() -> None:
    for dtype in (torch.float32, torch.float64):
        x = torch.tensor([[[NAN], [1.0]]], dtype=dtype)
        before = x.clone()
        assert {v.dtype for v in (*carry_forward(x), last_observed(x))} == {dtype}
        torch.testing.assert_close(x, before, equal_nan=True, rtol=0, atol=0)


def test_gradients_reach_the_value_that_was_carried_and_are_finite() -> None:
    x = torch.tensor([[[2.0], [NAN], [NAN]]], requires_grad=True)
    carry_forward(x)[0].sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [3, 0, 0]
