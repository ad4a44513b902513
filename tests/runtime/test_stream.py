"""A stream: equals the whole sequence, owns its state, allocates nothing, knows no other stream."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gatework.errors import ConfigError, InputError
from gatework.runtime import Recurrent, State, Stream

sys.path.insert(0, str(Path(__file__).parent))
from loops import GATES, Array, assert_close, random_weights, run

every_cell = pytest.mark.parametrize("cell", list(GATES))


def inputs(*shape: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def make(cell: str = "lstm", I: int = 3, H: int = 20, **options: Any) -> Recurrent:  # noqa: E741
    half = options.pop("half", False)
    return Recurrent.from_state_dict(cell, random_weights(cell, I, H, **options), half=half)


# ------------------------------------------------------------------ streaming is the sequence


@every_cell
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("batch_size", [None, 1, 5])
def test_pushes_are_the_whole_sequence(cell: str, half: bool, batch_size: int | None) -> None:
    P = 6 if cell == "lstm" else 0
    network = make(cell, layers=2, P=P, half=half)
    x = inputs(batch_size or 1, 30, 3)
    whole, last = network.forward(x)
    stream = network.stream(batch_size)
    for t in range(30):
        h = stream.push(x[0, t] if batch_size is None else np.ascontiguousarray(x[:, t]))
        wanted = whole[0, t] if batch_size is None else whole[:, t]
        assert_close(h, wanted.astype(np.float64), 30 * 2 * 23)
    assert_close(stream.state.h, last.h.astype(np.float64), 30 * 2 * 23)


@every_cell
def test_pushes_are_the_loop(cell: str) -> None:
    weights = random_weights(cell, 3, 20, 2)
    x = inputs(2, 10, 3)
    wanted = run(cell, weights, x)[0]
    stream = Recurrent.from_state_dict(cell, weights).stream(2)
    for t in range(10):
        assert_close(stream.push(x[:, t]), wanted[:, t], 10 * 2 * 23)


@every_cell
@pytest.mark.parametrize("batch_size", [None, 3])
def test_extend_is_many_pushes(cell: str, batch_size: int | None) -> None:
    network = make(cell, layers=2)
    x = inputs(40, 3) if batch_size is None else inputs(3, 40, 3)
    whole = network.forward(x)[0].astype(np.float64)
    stream = network.stream(batch_size)
    pieces = [stream.extend(x[..., a:b, :]) for a, b in ((0, 5), (5, 5), (5, 39))]
    assert_close(np.concatenate(pieces, axis=-2), whole[..., :39, :], 40 * 2 * 23)
    assert_close(stream.push(x[..., 39, :]), whole[..., 39, :], 40 * 2 * 23)


def test_an_output_may_be_the_next_input() -> None:
    network = make("lstm", 20, 20)
    first = inputs(20)
    stream, careful = network.stream(), network.stream()
    h, copied = stream.push(first), careful.push(first).copy()
    for _ in range(5):
        h, copied = stream.push(h), careful.push(copied).copy()
        np.testing.assert_array_equal(h, copied)


# ------------------------------------------------------------------ its state


@every_cell
def test_it_goes_on_from_a_stored_state(cell: str) -> None:
    network, x = make(cell), inputs(8, 3)
    stream = network.stream()
    stream.extend(x[:4])
    stored = stream.state.to_bytes()
    wanted = [stream.push(row).copy() for row in x[4:]]
    other = network.stream()
    other.state = State.from_bytes(stored)
    np.testing.assert_array_equal([other.push(row).copy() for row in x[4:]], wanted)
    assert other.state == stream.state


def test_a_state_taken_is_a_copy() -> None:
    stream = make().stream()
    stream.push(inputs(3))
    taken = stream.state
    kept = taken.copy()
    stream.push(inputs(3))
    assert taken == kept
    taken.h[...] = 9
    assert stream.state != taken
    stream.state = taken
    taken.h[...] = 0
    assert (stream.state.h == 9).all()


@every_cell
def test_reset_begins_again_where_it_is_asked(cell: str) -> None:
    network, x = make(cell, layers=2), inputs(3, 4, 3)
    stream, fresh = network.stream(3), network.stream(3)
    stream.extend(x)
    unbroken = stream.extend(x)
    stream.reset()
    assert stream.state == network.zero_state(3)
    stream.extend(x)
    stream.reset(np.array([True, False, True]))
    mixed = stream.extend(x)
    np.testing.assert_array_equal(mixed[[0, 2]], fresh.extend(x)[[0, 2]])
    np.testing.assert_array_equal(mixed[1], unbroken[1])


def test_reset_returns_to_the_initial_state() -> None:
    network = make()
    initial = network.step(inputs(2, 3))[1]
    stream = network.stream(2, initial)
    given = initial.copy()
    initial.h[...] = 0  # the stream has its own
    assert stream.state == given
    stream.push(inputs(2, 3))
    stream.reset([False, True])
    np.testing.assert_array_equal(stream.state.h[:, 1], given.h[:, 1])
    assert stream.state != given
    stream.reset()
    assert stream.state == given


@every_cell
@pytest.mark.parametrize("batch_size", [None, 3])
@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_a_copy_goes_on_by_itself(
    cell: str, batch_size: int | None, copied: Callable[[Stream], Stream]
) -> None:
    network, x = make(cell), inputs(4, batch_size or 1, 3)
    initial = network.step(x[0])[1]
    stream = network.stream(batch_size, initial)
    rows = x[:, 0] if batch_size is None else x
    stream.push(rows[1])
    other = copied(stream)
    before = stream.state
    assert other.state == before
    kept = other.push(rows[2]).copy()
    assert stream.state == before
    np.testing.assert_array_equal(stream.push(rows[2]), kept)
    assert other.state == stream.state
    other.reset()
    assert other.state == initial
    assert repr(other) == repr(stream)


def test_a_batch_size_may_be_numpys() -> None:
    stream = make().stream(np.int64(3))  # type: ignore[arg-type]
    assert stream.push(inputs(3, 3)).shape == (3, 20)


# ------------------------------------------------------------------ its buffers


def test_the_output_is_one_buffer() -> None:
    stream = make().stream()
    first = stream.push(inputs(3))
    kept = first.copy()
    second = stream.push(inputs(3))
    assert second is first
    assert not np.array_equal(first, kept)


@pytest.mark.parametrize("batch_size", [None, 4])
def test_memory_is_flat_over_20_000_steps(batch_size: int | None) -> None:
    stream = make(layers=2, P=6).stream(batch_size)
    x = inputs(3) if batch_size is None else inputs(4, 3)
    for _ in range(100):
        stream.push(x)
    resident = _resident_bytes()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(20_000):
        stream.push(x)
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 2_000
    assert peak - before < 4_000
    assert _resident_bytes() - resident < 4 * 2**20


def _resident_bytes() -> int:
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * 4096 if status.exists() else 0


def test_anything_of_numbers_is_converted() -> None:
    network, x = make(), inputs(3)
    wanted = network.stream().push(x).copy()
    frozen = x.copy()
    frozen.flags.writeable = False
    for given in (
        x.tolist(),
        x.astype(">f4"),
        np.repeat(x, 2)[::2],
        frozen,
        pd.Series(x),
        torch.tensor(x),
    ):
        np.testing.assert_array_equal(network.stream().push(given), wanted)
    np.testing.assert_array_equal(network.stream().push(x.astype(np.float64)), wanted)
    np.testing.assert_array_equal(network.stream(1).push([x.tolist()]), wanted[None])


# ------------------------------------------------------------------ threads


def test_streams_of_one_network_in_two_threads() -> None:
    network = make(layers=2, H=70)
    sequences = [inputs(300, 3, seed=s) for s in range(4)]
    alone = []
    for x in sequences:
        stream = network.stream()
        alone.append(np.array([stream.push(row).copy() for row in x]))
    found: dict[int, Array] = {}
    start = threading.Barrier(len(sequences))

    def work(k: int) -> None:
        stream = network.stream()
        start.wait()
        found[k] = np.array([stream.push(row).copy() for row in sequences[k]])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(sequences))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, wanted in enumerate(alone):
        np.testing.assert_array_equal(found[k], wanted)


def test_whole_sequences_in_two_threads() -> None:
    network = make(layers=2, H=70)
    x = inputs(4, 50, 3)
    wanted = network.forward(x)[0]
    found: list[bool] = []

    def work() -> None:
        found.extend(np.array_equal(network.forward(x)[0], wanted) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 40


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("batch_size", "x", "message"),
    [
        (None, np.zeros(4, "f4"), r"`x` has 4 features .* input_size=3"),
        (None, np.zeros((1, 3), "f4"), r"`x` must be \(I,\) with I=3; got shape \(1, 3\)"),
        (None, 3.0, r"got shape \(\)"),
        (None, "abc", "must hold real numbers"),
        (None, None, "must hold real numbers"),
        (None, np.ma.masked_array(np.ones(3, "f4"), np.arange(3) > 1), "`x` is a masked array"),
        (2, np.ma.masked_array(np.ones((2, 3), "f4")), "`x` is a masked array"),
        (None, [1, 2, 1e39], r"`x` holds 1e\+39 at \(2,\)"),
        (2, np.zeros((2, 4), "f4"), r"`x` has 4 features"),
        (2, np.zeros(3, "f4"), r"`x` must be \(B, I\) with I=3; got shape \(3,\)"),
        (2, np.zeros((3, 3), "f4"), r"`x` holds 3 sequences, this stream .* batch_size=2"),
        (2, np.zeros((1, 3), "f4"), r"`x` holds 1 sequences"),
    ],
)
def test_bad_pushes_are_said_and_change_nothing(
    batch_size: int | None, x: Any, message: str
) -> None:
    stream = make().stream(batch_size)
    stream.push(np.ones((batch_size or 1, 3), "f4")[0 if batch_size is None else slice(None)])
    before = stream.state
    with pytest.raises(InputError, match=rf"^Stream.push: .*{message}"):
        stream.push(x)
    assert stream.state == before


def test_other_errors() -> None:
    network = make()
    stream = network.stream(2)
    with pytest.raises(InputError, match=r"^Stream.extend: `x` must be \(B, T, I\) with I=3"):
        stream.extend(np.zeros((4, 3)))
    with pytest.raises(InputError, match=r"^Stream.extend: `x` holds 3 sequences"):
        stream.extend(np.zeros((3, 4, 3)))
    with pytest.raises(InputError, match=r"^Stream.state: the state has h \(1, 1, 20\)"):
        stream.state = network.zero_state(1)
    with pytest.raises(InputError, match=r"^Stream.reset: `mask` must be bool of shape \(2,\)"):
        stream.reset([1, 0])
    with pytest.raises(InputError, match=r"^Recurrent.stream: the state has"):
        network.stream(3, network.zero_state(2))


@pytest.mark.parametrize("batch_size", [0, -1, 1.0, True, "3"])
def test_a_batch_size_is_a_whole_number(batch_size: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"^Recurrent.stream: `batch_size` must be a whole number"
    ):
        make().stream(batch_size)


def test_repr_says_what_it_is() -> None:
    stream = make().stream(2)
    assert isinstance(stream, Stream)
    assert repr(stream).endswith("num_layers=1, float32).stream(batch_size=2)")
