"""Windows against plain slicing; none crosses a series or the end of a part."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.data.windows import (
    Sequences,
    WindowBatch,
    Windows,
    window_starts,
    with_any_observed,
)


def sequences(lengths: list[int], seed: int = 0, missing: float = 0.0) -> Sequences:
    """A table whose every value is different from every other."""
    N, S = sum(lengths), len(lengths)
    rng = np.random.default_rng(seed)

    def numbers(rows: int, columns: int) -> torch.Tensor:
        return torch.from_numpy(rng.normal(size=(rows, columns)).astype(np.float32))

    def words(rows: int, columns: int) -> torch.Tensor:
        return torch.from_numpy(rng.integers(0, 9, (rows, columns)))

    y = numbers(N, 2)
    y[torch.from_numpy(rng.random((N, 2)) < missing)] = torch.nan
    return Sequences(
        y=y,
        past=numbers(N, 1),
        known=numbers(N, 3),
        past_categories=words(N, 1),
        known_categories=words(N, 2),
        static=numbers(S, 1),
        static_categories=words(S, 1),
        scale=torch.ones(S, 2, dtype=torch.float64),
        location=torch.zeros(S, 2, dtype=torch.float64),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )


def same(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


def check_window(table: Sequences, batch: WindowBatch, b: int, start: int, L: int, h: int) -> None:
    """Window ``b`` of the batch is rows ``start … start + L + h`` and its series' static values."""
    s = max(i for i in range(len(table.static)) if table.offsets[i] <= start)
    assert start + L + h <= table.offsets[s + 1]
    assert int(batch.series[b]) == s
    same(batch.y[b], table.y[start : start + L])
    same(batch.past[b], table.past[start : start + L])
    same(batch.known[b], table.known[start : start + L + h])
    same(batch.past_categories[b], table.past_categories[start : start + L])
    same(batch.known_categories[b], table.known_categories[start : start + L + h])
    same(batch.static[b], table.static[s])
    same(batch.static_categories[b], table.static_categories[s])
    if batch.future is not None:
        same(batch.future[b], table.y[start + L : start + L + h])


def slow_starts(
    first: list[int], end: list[int], origin: list[int], L: int, h: int, stride: int, back: bool
) -> list[int]:
    """Every start, tried one by one."""
    out = []
    for a, b, o in zip(first, end, origin, strict=True):
        fitting = [t for t in range(o, b) if t + L + h <= b and t + L >= a and (back or t >= a)]
        out += fitting[::stride]
    return out


@st.composite
def parts(draw: st.DrawFn) -> tuple[list[int], list[int], list[int], list[int]]:
    """Lengths of series, and first row and end of a part of each."""
    lengths = draw(st.lists(st.integers(1, 15), min_size=1, max_size=4))
    origin = np.concatenate([[0], np.cumsum(lengths)])[:-1].tolist()
    first, end = [], []
    for o, n in zip(origin, lengths, strict=True):
        a, b = sorted((draw(st.integers(0, n)), draw(st.integers(0, n))))
        first.append(o + a)
        end.append(o + b)
    return lengths, origin, first, end


@settings(max_examples=150, deadline=None)
@given(
    parts(),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(1, 3),
    st.booleans(),
)
def test_windows_are_the_slices(
    part: tuple[list[int], list[int], list[int], list[int]],
    L: int,
    h: int,
    stride: int,
    back: bool,
) -> None:
    lengths, origin, first, end = part
    starts = window_starts(
        np.array(first),
        np.array(end),
        np.array(origin),
        context=L,
        horizon=h,
        stride=stride,
        reach_back=back,
    )
    assert starts.dtype == np.int64
    assert starts.tolist() == slow_starts(first, end, origin, L, h, stride, back)
    table = sequences(lengths)
    windows = Windows(table, L, h, starts)
    assert len(windows) == len(starts)
    for batch in windows.batches(4):
        assert 1 <= len(batch) <= 4
    whole = windows.batch(slice(None))
    for b, start in enumerate(starts.tolist()):
        check_window(table, whole, b, start, L, h)
        # The horizon lies inside the part, the context inside the series.
        s = int(whole.series[b])
        assert first[s] <= start + L
        assert start + L + h <= end[s]
        assert start >= (origin[s] if back else first[s])


def test_chosen_windows_and_the_last_smaller_batch() -> None:
    table = sequences([30])
    windows = Windows(table, 4, 2, np.arange(25))
    chosen = windows.batch(torch.tensor([7, 3]))
    check_window(table, chosen, 0, 7, 4, 2)
    check_window(table, chosen, 1, 3, 4, 2)
    assert [len(b) for b in windows.batches(10)] == [10, 10, 5]
    assert len(windows.batch(slice(20, 99))) == 5


def test_shuffled_batches_hold_every_window_once_in_an_order_of_the_generator() -> None:
    table = sequences([40, 30])
    starts = window_starts(
        np.array([0, 40]), np.array([40, 70]), np.array([0, 40]), context=5, horizon=3
    )
    windows = Windows(table, 5, 3, starts)
    assert len(windows) == 33 + 23

    def order(seed: int) -> list[float]:
        generator = torch.Generator().manual_seed(seed)
        batches = list(windows.batches(8, generator))
        assert [len(b) for b in batches] == [8] * 7
        return [float(v) for b in batches for v in b.y[:, 0, 0]]

    expected = table.y[starts, 0].tolist()
    assert order(0) == order(0)
    assert order(0) != order(1)
    assert order(0) != expected
    assert sorted(order(0)) == sorted(expected)


def test_shuffling_leaves_the_global_random_state() -> None:
    windows = Windows(sequences([20]), 4, 2, np.arange(10))
    before = torch.get_rng_state()
    list(windows.batches(3, torch.Generator().manual_seed(0)))
    assert torch.equal(torch.get_rng_state(), before)


def test_without_future_there_is_none() -> None:
    assert (
        Windows(sequences([9]), 4, 2, np.arange(3), with_future=False).batch(slice(1)).future
        is None
    )


def test_no_windows_are_no_batches() -> None:
    windows = Windows(sequences([9]), 4, 2, np.arange(0))
    assert len(windows) == 0
    assert list(windows.batches(3)) == []
    assert list(windows.batches(3, torch.Generator())) == []


def test_columns_that_are_not_there_have_the_right_shape() -> None:
    whole = sequences([9, 9])
    empty: dict[str, Any] = {f.name: getattr(whole, f.name) for f in fields(Sequences)}
    for name in ("past", "known", "past_categories", "known_categories", "static"):
        empty[name] = empty[name][:, :0]
    batch = Windows(Sequences(**empty), 4, 2, np.array([0, 11, 3])).batch(slice(None))
    assert batch.past.shape == batch.past_categories.shape == (3, 4, 0)
    assert batch.known.shape == batch.known_categories.shape == (3, 6, 0)
    assert batch.static.shape == (3, 0)
    assert batch.past.dtype == torch.float32
    assert batch.past_categories.dtype == torch.int64


@pytest.mark.parametrize("at_most", [1, 2, 7, 24, 25, 100])
def test_every_takes_an_even_choice(at_most: int) -> None:
    windows = Windows(sequences([30]), 4, 2, np.arange(25))
    chosen = windows.every(at_most).starts.tolist()
    assert len(chosen) == min(at_most, 25)
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= set(range(25))
    if at_most > 1:
        assert (chosen[0], chosen[-1]) == (0, 24)
        gaps = np.diff(chosen)
        assert gaps.max() - gaps.min() <= 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_windows_without_a_measured_value_are_left_out(seed: int, missing: float) -> None:
    table = sequences([12, 9], seed, missing)
    starts, L, h = np.array([0, 1, 3, 5, 12, 14, 16]), 3, 2
    seen = (~torch.isnan(table.y)).any(dim=1)
    expected = [
        t for t in starts.tolist() if seen[t : t + L].any() and seen[t + L : t + L + h].any()
    ]
    assert with_any_observed(table, starts, L, h).tolist() == expected
