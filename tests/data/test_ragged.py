"""Sequences of any length end to end: gathered batches, the file behind many of them, batches of a size."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gatework.data.encoders.base import Encoded
from gatework.data.ragged import Ragged, encode_all, token_batches
from gatework.errors import DataError

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def encoded(length: int, seed: int = 0, F: int = 3, C: int = 2) -> Encoded:
    rng = np.random.default_rng((seed, length))
    values = rng.standard_normal((length, F)).astype(np.float32)
    return Encoded(values, rng.integers(1, 9, (length, C)).astype(np.int32))


def some(*lengths: int) -> list[Encoded]:
    return [encoded(n, i) for i, n in enumerate(lengths)]


def test_a_batch_is_each_item_and_zeros_behind_it() -> None:
    items = some(5, 1, 9, 3)
    ragged = Ragged.of(iter(items))
    assert (len(ragged), ragged.lengths.tolist()) == (4, [5, 1, 9, 3])
    for item, again in zip(items, (ragged[i] for i in range(4)), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(item, again, strict=True))
    numbers = np.array([2, 0, 2, 1])
    batch = ragged.batch(numbers)
    assert batch.values.shape == (4, 9, 3)
    assert (batch.values.dtype, batch.tokens.dtype) == (torch.float32, torch.int64)
    assert batch.lengths.tolist() == [9, 5, 9, 1]
    assert batch.numbers.tolist() == numbers.tolist()
    assert len(batch.targets) == 0
    for row, i in enumerate(numbers):
        n = len(items[i])
        assert np.array_equal(batch.values[row, :n], items[i].values)
        assert np.array_equal(batch.tokens[row, :n], items[i].tokens)
        assert not batch.values[row, n:].any()
        assert not batch.tokens[row, n:].any()
    batch.values.fill_(7)  # a copy, not the store
    assert np.array_equal(ragged[2].values, items[2].values)


def test_targets_of_sequences_and_of_steps() -> None:
    ragged = Ragged.of(some(2, 3, 1))
    numbers = np.array([1, 2])
    assert ragged.batch(numbers, torch.tensor([7, 8, 9])).targets.tolist() == [8, 9]
    assert ragged.batch(numbers, torch.arange(6)).targets.tolist() == [[2, 3, 4], [5, -1, -1]]
    real = ragged.batch(numbers, torch.arange(6).float()).targets
    assert real[0].tolist() == [2, 3, 4]
    assert real[1].isnan().tolist() == [False, True, True]


def test_of_sequences_of_one_step_it_must_be_said_whose_targets_they_are() -> None:
    ragged, numbers = Ragged.of(some(1, 1)), np.array([1, 0])
    assert ragged.batch(numbers, torch.tensor([4, 5])).targets.tolist() == [5, 4]
    assert ragged.batch(numbers, torch.tensor([4, 5]), per_step=True).targets.tolist() == [[5], [4]]


@pytest.mark.parametrize("memory_bytes", [0, 100, 500])
@pytest.mark.parametrize("C", [0, 2])
def test_in_a_file_it_is_the_same(memory_bytes: int, C: int) -> None:
    items = [encoded(n, i, C=C) for i, n in enumerate([7, 1, 30, 2, 11])]
    here, there = Ragged.of(items), Ragged.of(items, memory_bytes)
    assert isinstance(there.values, np.memmap)
    assert not isinstance(here.values, np.memmap)
    numbers = np.array([4, 2, 0])
    one, other = here.batch(numbers), there.batch(numbers)
    for name in ("values", "tokens", "lengths", "numbers"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
        assert getattr(one, name).dtype == getattr(other, name).dtype
    with pytest.raises(ValueError, match="read-only"):
        there.values[0] = 1


def test_numbers_of_another_type_are_converted_in_a_file_too() -> None:
    item = encoded(4)
    other = Encoded(item.values.astype(np.float64), item.tokens.astype(np.int64))
    for memory_bytes in (0, 10_000):
        ragged = Ragged.of([other, other], memory_bytes)
        assert (ragged.values.dtype, ragged.tokens.dtype) == (np.float32, np.int32)
        assert np.array_equal(ragged[1].values, item.values)
        assert np.array_equal(ragged[1].tokens, item.tokens)


def test_memory_is_bounded_whatever_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatework.data.ragged._PIECE_BYTES", 2**20)
    piece = np.ones((2**16, 1), np.float32)  # 256 KiB

    def stream() -> Iterator[Encoded]:
        for _ in range(64):
            yield Encoded(piece.copy(), np.zeros((len(piece), 0), np.int32))

    tracemalloc.start()
    ragged = Ragged.of(stream(), memory_bytes=2**20)
    ragged.batch(np.array([3, 60]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ragged.values.nbytes == 16 * 2**20
    assert peak < 4 * 2**20


def test_nothing_is_nothing() -> None:
    for memory_bytes in (0, 100):
        ragged = Ragged.of([], memory_bytes)
        assert (len(ragged), ragged.lengths.tolist()) == (0, [])
    assert list(token_batches(np.zeros(0, np.int64), np.zeros(0, np.int64), 10)) == []
    generator = torch.Generator().manual_seed(0)
    assert list(token_batches(np.array([3]), np.zeros(0, np.int64), 10, generator)) == []


@given(LENGTHS, st.integers(1, 100), st.booleans())
def test_every_sequence_once_within_the_bound(lengths: list[int], tokens: int, mixed: bool) -> None:
    generator = torch.Generator().manual_seed(1) if mixed else None
    numbers = np.arange(len(lengths))[:: -1 if mixed else 1]
    sizes = np.array(lengths)
    batches = list(token_batches(sizes, numbers, tokens, generator))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * int(sizes[batch].max())
        assert padded <= tokens or len(batch) == 1


def test_a_long_sequence_is_alone() -> None:
    batches = list(token_batches(np.array([2, 100, 3, 4]), np.arange(4), 12))
    assert [b.tolist() for b in batches] == [[0, 2, 3], [1]]


def test_only_some_numbers_are_dealt() -> None:
    lengths, numbers = np.arange(1, 21), np.array([3, 17, 5])
    batches = list(token_batches(lengths, numbers, 24, torch.Generator().manual_seed(0)))
    assert sorted(np.concatenate(batches).tolist()) == [3, 5, 17]


def test_the_order_is_the_generators_alone() -> None:
    lengths = np.random.default_rng(0).integers(1, 50, 500)

    def order(seed: int) -> list[list[int]]:
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(torch.seed() % 1000)
        return [b.tolist() for b in token_batches(lengths, np.arange(500), 200, generator)]

    assert order(3) == order(3)
    assert order(3) != order(4)
    firsts = [lengths[b].max() for b in order(3)]
    assert firsts != sorted(firsts)  # not from short to long


def test_padding_is_little() -> None:
    lengths = np.random.default_rng(0).integers(1, 200, 5000)
    generator = torch.Generator().manual_seed(0)
    padded = sum(
        len(b) * lengths[b].max() for b in token_batches(lengths, np.arange(5000), 2000, generator)
    )
    assert padded < 1.15 * lengths.sum()


def refused(i: int, fact: str) -> DataError:
    return DataError(f"item {i}: {fact}")


def test_an_item_that_does_not_fit_is_named() -> None:
    def encode(item: int) -> Encoded:
        if item == 2:
            raise ValueError("is odd.")
        return encoded(item)

    assert encode_all([4, 5], encode, refused).lengths.tolist() == [4, 5]
    with pytest.raises(DataError, match=r"^item 1: is odd\.$"):
        encode_all([4, 2, 5], encode, refused)


def test_an_error_that_names_the_item_goes_through() -> None:
    def encode(item: int) -> Encoded:
        raise DataError("a.wav: is empty.")

    with pytest.raises(DataError, match=r"^a\.wav: is empty\.$"):
        encode_all([1], encode, refused)
