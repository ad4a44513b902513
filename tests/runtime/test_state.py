"""A state as a value: copied, compared, forgotten, kept as bytes, and damaged bytes refused."""

from __future__ import annotations

import copy
import pickle
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.errors import InputError
from gatework.runtime import State


def a_state(
    dtype: str = "float32", Z: int = 2, B: int = 3, R: int = 4, H: int | None = 5, beside: int = 1
) -> State:
    rng = np.random.default_rng(0)
    others = [rng.normal(size=(Z, B, H)).astype(dtype) for _ in range(beside) if H is not None]
    return State(rng.normal(size=(Z, B, R)).astype(dtype), *others)


every_state = pytest.mark.parametrize(
    "state",
    [
        a_state(),
        a_state("float64"),
        a_state(H=None),
        a_state("float64", 1, 1, 1),
        a_state(B=0),
        a_state(beside=3),
        a_state("float64", beside=2),
    ],
    ids=["float32", "float64", "no c", "one", "none", "h c n m", "h c n"],
)


@every_state
def test_bytes_and_back(state: State) -> None:
    data = state.to_bytes()
    again = State.from_bytes(data)
    assert again == state
    assert again.to_bytes() == data
    assert len(data) == 28 + sum(part.nbytes for part in state.parts)
    assert State.from_bytes(bytearray(data)) == State.from_bytes(memoryview(data)) == state
    again.h[...] = 1  # writable, and its own
    assert State.from_bytes(data) == state


def test_the_format_is_as_documented() -> None:
    state = State(np.array([[[1.0, 2.0]]], "f4"), np.array([[[3.0]]], "f4"))
    header = struct.pack("<4sBBHIIII", b"GWST", 1, 4, 1, 1, 1, 2, 1)
    numbers = struct.pack("<3f", 1, 2, 3)
    checksum = struct.pack("<I", zlib.crc32(header + numbers))
    assert state.to_bytes() == header + checksum + numbers


def test_more_than_c_is_version_2() -> None:
    parts = [np.full((1, 2, 1), k, "f8") for k in range(4)]
    header = struct.pack("<4sBBHIIII", b"GWST", 2, 8, 3, 1, 2, 1, 1)
    numbers = struct.pack("<8d", 0, 0, 1, 1, 2, 2, 3, 3)
    checksum = struct.pack("<I", zlib.crc32(header + numbers))
    assert State(*parts).to_bytes() == header + checksum + numbers
    assert [p.tobytes() for p in State.from_bytes(header + checksum + numbers).parts] == [
        p.tobytes() for p in parts
    ]


def test_more_than_c_is_compared_copied_and_reset() -> None:
    state = a_state(beside=3)
    other = state.copy()
    assert other == state
    other.others[1][0, 0, 0] += 1
    assert other != state
    assert State(*state.parts[:3]) != state
    other.reset([True, False, False])
    for kept, part in zip(state.parts, other.parts, strict=True):
        assert not part[:, 0].any()
        assert np.array_equal(part[:, 1:], kept[:, 1:])
    assert "m=array(" in repr(state)


def test_states_that_do_not_fit_together_are_named() -> None:
    h, c, n, m = a_state(beside=3).parts
    with pytest.raises(InputError, match="`c` is None, and states beside it are given"):
        State(h, None, n)
    with pytest.raises(InputError, match=r"`h` and `n` must have one dtype"):
        State(h, c, n.astype("f8"))
    with pytest.raises(InputError, match=r"`c` and `m` must have one shape; got \(2, 3, 5\) and"):
        State(h, c, n, m[..., :4])


def test_special_numbers_survive() -> None:
    h = np.array([[[np.nan, np.inf, -np.inf, -0.0, 5e-324]]])
    again = State.from_bytes(State(h).to_bytes())
    assert again == State(h)
    assert np.signbit(again.h[0, 0, 3])


@every_state
def test_cut_or_longer_bytes_are_refused(state: State) -> None:
    data = state.to_bytes()
    for n in {*range(29), len(data) // 2, len(data) - 1} - {len(data)}:
        with pytest.raises(InputError, match=r"^State.from_bytes: these \d+ bytes are"):
            State.from_bytes(data[:n])
    with pytest.raises(InputError, match="are damaged"):
        State.from_bytes(data + b"\0")


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 10**6), flip=st.integers(1, 255))
def test_any_changed_byte_is_noticed(place: int, flip: int) -> None:
    data = bytearray(a_state().to_bytes())
    data[place % len(data)] ^= flip
    with pytest.raises(InputError, match=r"are no state|are damaged|has format version"):
        State.from_bytes(data)


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=200))
def test_no_bytes_at_all_do_harm(data: bytes) -> None:
    for made in (data, b"GWST\x01" + data, b"GWST\x01\x04\x01\x00" + data):
        with pytest.raises(InputError, match=r"^State.from_bytes: "):
            State.from_bytes(made)


def test_a_header_that_promises_much_allocates_nothing() -> None:
    header = struct.pack("<4sBBHIIII", b"GWST", 1, 8, 1, *[2**32 - 1] * 4)
    with pytest.raises(InputError, match="are damaged"):
        State.from_bytes(header + struct.pack("<I", zlib.crc32(header)))


def test_a_newer_version_is_refused_by_its_number() -> None:
    data = bytearray(a_state().to_bytes())
    data[4] = 3
    with pytest.raises(InputError, match=r"format version 3, this Gatework reads versions up to 2"):
        State.from_bytes(data)


@pytest.mark.parametrize("data", ["GWST", None, 3, np.zeros(3)])
def test_only_bytes_are_bytes(data: Any) -> None:
    with pytest.raises(InputError, match=rf"must be bytes.*got {type(data).__name__}"):
        State.from_bytes(data)


@every_state
def test_copies_are_equal_and_apart(state: State) -> None:
    for other in (state.copy(), copy.deepcopy(state), pickle.loads(pickle.dumps(state))):
        assert other == state
        if other.h.size:
            other.h[0, 0, 0] += 1
            assert other != state


def test_what_differs_is_not_equal() -> None:
    state = a_state()
    assert state != a_state("float64")
    assert state != a_state(H=None)
    assert state != State(state.h, np.zeros_like(state.c))  # type: ignore[arg-type]
    assert state != State(state.h[:, :2].copy(), state.c[:, :2].copy())  # type: ignore[index]
    assert state != "a state"
    with pytest.raises(TypeError, match="unhashable"):
        hash(state)


def test_reset_forgets_all_or_some() -> None:
    state = a_state()
    before = state.copy()
    assert before.c is not None
    assert state.c is not None
    state.reset(np.array([True, False, True]))
    assert not state.h[:, [0, 2]].any()
    assert not state.c[:, [0, 2]].any()
    np.testing.assert_array_equal(state.h[:, 1], before.h[:, 1])
    np.testing.assert_array_equal(state.c[:, 1], before.c[:, 1])
    state.reset()
    assert not state.h.any()
    assert not state.c.any()


@pytest.mark.parametrize("mask", [[True], [1, 0, 1], [[True, False, True]], True])
def test_a_mask_must_fit(mask: Any) -> None:
    state = a_state()
    with pytest.raises(InputError, match=r"^State.reset: `mask` must be bool of shape \(3,\)"):
        state.reset(mask)
    assert state == a_state()


@pytest.mark.parametrize(
    ("h", "c", "message"),
    [
        (np.zeros((1, 2)), None, r"`h` must be .* 3 axes .* got float64 of shape \(1, 2\)"),
        (np.zeros((1, 2, 3), int), None, r"`h` must be .* got int64"),
        (np.zeros((1, 2, 3)), np.zeros(3), r"`c` must be .* got float64 of shape \(3,\)"),
        (np.zeros((1, 2, 3)), np.zeros((1, 2, 3), "f4"), "must have one dtype"),
        (np.zeros((1, 2, 3)), np.zeros((1, 3, 3)), "as many layers and sequences"),
    ],
)
def test_what_is_no_state_is_refused(h: Any, c: Any, message: str) -> None:
    with pytest.raises(InputError, match=rf"^State: .*{message}"):
        State(h, c)


def test_arrays_are_made_usable_by_the_engine() -> None:
    h = np.arange(24.0).reshape(2, 3, 4)
    frozen = h.copy()
    frozen.flags.writeable = False
    for given_h in (np.asfortranarray(h), h.astype(">f8"), frozen):
        state = State(given_h)
        assert state == State(h)
        assert state.h.flags.carray
        assert state.h.dtype == np.dtype("=f8")
    assert np.shares_memory(State(h).h, h)
