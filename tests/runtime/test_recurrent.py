"""Recurrent against plain loops in float64: cells, stacks, projections, lengths, pieces, half weights."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.errors import ConfigError, InputError
from gatework.runtime import Recurrent, State

sys.path.insert(0, str(Path(__file__).parent))
from loops import GATES, Array, assert_close, random_weights, run

CELLS = list(GATES)
every_cell = pytest.mark.parametrize("cell", CELLS)
every_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


def inputs(*shape: int, dtype: str = "float32", seed: int = 1) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def a_state(network: Recurrent, B: int) -> State:
    state = network.zero_state(B)
    rng = np.random.default_rng(2)
    state.h[...] = rng.uniform(-1, 1, state.h.shape)
    if state.c is not None:
        state.c[...] = rng.uniform(-1, 1, state.c.shape)
    return state


def check(cell: str, weights: dict[str, Array], x: Array, **options: Any) -> None:
    """``forward`` and a chain of ``step`` from a state are the loop, for output and last state."""
    network = Recurrent.from_state_dict(cell, weights, **options)
    B, T = x.shape[:2]
    first = a_state(network, B)
    y, h, c = run(cell, weights, x, first.h, first.c)
    sums = max(T, 1) * network.num_layers * sum(weights["weight_ih_l0"].shape)
    before = first.copy()
    outputs, state = network.forward(x, first)  # few steps go one by one,
    layerwise, layerwise_state = network.forward(x, first, [T] * B)  # lengths go layer by layer
    assert_close(outputs, y, sums)
    assert_close(layerwise, y, sums)
    assert outputs.dtype == state.h.dtype == network.dtype
    step_state = first
    for t in range(T):
        out, step_state = network.step(x[:, t], step_state)
        assert_close(out, y[:, t], sums)
    for end in (state, layerwise_state, step_state):
        assert_close(end.h, h, sums)
        assert (end.c is None) == (cell != "lstm")
        if end.c is not None:
            assert_close(end.c, c, sums)
    assert first == before  # what was passed in is left alone


# ------------------------------------------------------------------ against the loops


@every_cell
@every_dtype
@pytest.mark.parametrize(
    ("B", "T", "I", "H"),
    [(1, 1, 1, 1), (1, 5, 7, 20), (3, 4, 39, 7), (2, 3, 16, 16), (33, 2, 5, 17), (1, 3, 80, 33)],
)
def test_it_is_the_loop(cell: str, dtype: str, B: int, T: int, I: int, H: int) -> None:  # noqa: E741
    check(cell, random_weights(cell, I, H, dtype=dtype), inputs(B, T, I, dtype=dtype))


@every_cell
@every_dtype
def test_stacks(cell: str, dtype: str) -> None:
    check(cell, random_weights(cell, 5, 18, layers=3, dtype=dtype), inputs(2, 6, 5, dtype=dtype))


@every_cell
def test_without_biases(cell: str) -> None:
    check(cell, random_weights(cell, 5, 18, layers=2, bias=False), inputs(2, 6, 5))


@every_dtype
@pytest.mark.parametrize(("H", "P", "layers"), [(20, 6, 1), (17, 1, 2), (33, 16, 2), (8, 7, 2)])
def test_projection(dtype: str, H: int, P: int, layers: int) -> None:
    weights = random_weights("lstm", 5, H, layers, P, dtype=dtype)
    check("lstm", weights, inputs(3, 6, 5, dtype=dtype))


@every_cell
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_shape(cell: str, data: st.DataObject) -> None:
    B, T, I = (data.draw(st.integers(1, n)) for n in (9, 6, 40))  # noqa: E741
    H, layers = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 3))
    P = data.draw(st.sampled_from([0, 1, H // 2, H - 1])) if cell == "lstm" and H > 1 else 0
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    weights = random_weights(cell, I, H, layers, P, data.draw(st.booleans()), dtype)
    check(cell, weights, inputs(B, T, I, dtype=dtype))


# ------------------------------------------------------------------ half weights


@every_cell
@pytest.mark.parametrize("P", [0, 5])
def test_half_weights_are_weights_rounded_to_float16(cell: str, P: int) -> None:
    P = P if cell == "lstm" else 0
    weights = random_weights(cell, 9, 20, 2, P)
    network = Recurrent.from_state_dict(cell, weights, half=True)
    x = inputs(3, 6, 9)
    found = network.forward(x)[0]
    assert found.dtype == np.float32
    rounded = {k: v.astype(np.float16) if k.startswith("weight") else v for k, v in weights.items()}
    wanted = run(cell, rounded, x)[0]
    assert_close(found, wanted, 6 * 2 * 29)
    assert_close(network.forward(x, lengths=[6] * 3)[0], wanted, 6 * 2 * 29)
    assert_close(found, run(cell, weights, x)[0], 6 * 2, "float16")


def test_half_of_float16_weights_is_exact_and_keeps_them() -> None:
    weights = random_weights("lstm", 9, 20, dtype="float16")
    x = inputs(2, 4, 9)
    network = Recurrent.from_state_dict("lstm", weights, half=True)
    assert network.dtype == np.float32
    assert network.half
    assert_close(network.forward(x)[0], run("lstm", weights, x)[0], 4 * 100)
    full = Recurrent.from_state_dict("lstm", weights)
    assert_close(full.forward(x)[0], run("lstm", weights, x)[0], 4 * 100)


def test_half_is_refused_where_it_cannot_be() -> None:
    with pytest.raises(ConfigError, match=r"these weights are float64. Convert them to float32"):
        Recurrent.from_state_dict("gru", random_weights("gru", 2, 3, dtype="float64"), half=True)
    weights = random_weights("gru", 2, 3)
    weights["weight_hh_l0"][0, 0] = -1e5
    with pytest.raises(ConfigError, match=r"largest number is 65504; a weight here is 100000"):
        Recurrent.from_state_dict("gru", weights, half=True)


# ------------------------------------------------------------------ lengths and pieces


@every_cell
@pytest.mark.parametrize("lengths", [[2, 5, 1, 3], [5, 5, 5, 5], [0, 5, 0, 2], [0, 0, 0, 0]])
def test_lengths_are_each_sequence_alone(cell: str, lengths: list[int]) -> None:
    weights = random_weights(cell, 3, 10, layers=2)
    network = Recurrent.from_state_dict(cell, weights)
    first, x = a_state(network, 4), inputs(4, 5, 3)
    for b, n in enumerate(lengths):
        x[b, n:] = np.nan  # padding must not be read
    y, h, c = run(cell, weights, x, first.h, first.c, np.array(lengths))
    found, state = network.forward(x, first, lengths)
    assert_close(found, y, 5 * 2 * 43)
    assert_close(state.h, h, 5 * 2 * 43)
    if state.c is not None:
        assert_close(state.c, c, 5 * 2 * 43)


@every_cell
@pytest.mark.parametrize("lengths", [None, [6, 2, 0]])
def test_resets_begin_anew(cell: str, lengths: list[int] | None) -> None:
    network = Recurrent.from_state_dict(cell, random_weights(cell, 3, 10, layers=2))
    first, x = a_state(network, 3), inputs(3, 6, 3)
    resets = np.zeros((3, 6), bool)
    resets[0, 3] = resets[1, 0] = resets[1, 1] = resets[2, 5] = True
    found, last = network.forward(x, first, lengths, resets)
    for b in range(3):
        state = State(first.h[:, b : b + 1], None if first.c is None else first.c[:, b : b + 1])
        for t in range(6 if lengths is None else lengths[b]):
            if resets[b, t]:
                state.reset()
            wanted, state = network.step(x[b : b + 1, t], state)
            assert_close(found[b, t], wanted[0].astype(np.float64), 6 * 2 * 13)
        assert_close(last.h[:, b], state.h[:, 0].astype(np.float64), 6 * 2 * 13)


@every_cell
def test_threads_change_nothing_but_rounding(cell: str) -> None:
    network = Recurrent.from_state_dict(cell, random_weights(cell, 9, 40, layers=2))
    for B in (1, 70):
        x = inputs(B, 30, 9)
        one, two = network.forward(x)[0], network.forward(x, threads=2)[0]
        assert_close(two, one.astype(np.float64), 30 * 2 * 49)
        np.testing.assert_array_equal(two, network.forward(x, threads=2)[0])


@every_cell
@every_dtype
def test_a_sequence_in_pieces_is_one_pass(cell: str, dtype: str) -> None:
    network = Recurrent.from_state_dict(cell, random_weights(cell, 3, 20, 2, dtype=dtype))
    x = inputs(2, 9, 3, dtype=dtype)
    whole, last = network.forward(x)
    state, pieces = None, []
    for start, end in ((0, 1), (1, 1), (1, 5), (5, 9)):  # one of them empty
        y, state = network.forward(x[:, start:end], state)
        pieces.append(y)
    assert state is not None
    assert_close(np.concatenate(pieces, axis=1), whole.astype(np.float64), 9 * 2 * 23)
    assert_close(state.h, last.h.astype(np.float64), 9 * 2 * 23)


@every_cell
def test_rows_of_a_batch_do_not_meet(cell: str) -> None:
    network = Recurrent.from_state_dict(cell, random_weights(cell, 3, 20, 2))
    x = inputs(5, 4, 3)
    whole = network.forward(x)[0]
    x[2, 1] = np.nan
    x[3, 2] = np.inf
    spoilt = network.forward(x)[0]
    np.testing.assert_array_equal(spoilt[[0, 1, 4]], whole[[0, 1, 4]])
    np.testing.assert_array_equal(spoilt[2, :1], whole[2, :1])
    assert np.isnan(spoilt[2, 1:]).any()


# ------------------------------------------------------------------ what may be passed


def test_one_sequence_needs_no_batch_axis() -> None:
    network = Recurrent.from_state_dict("lstm", random_weights("lstm", 3, 8))
    x = inputs(4, 3)
    y, state = network.forward(x)
    assert y.shape == (4, 8)
    assert state.h.shape == (1, 1, 8)
    np.testing.assert_array_equal(y, network.forward(x[None])[0][0])
    h, after = network.step(x[0])
    assert h.shape == (8,)
    assert after.h.shape == (1, 1, 8)


def test_nothing_in_nothing_out() -> None:
    network = Recurrent.from_state_dict("lstm", random_weights("lstm", 3, 8))
    assert network.forward(np.empty((0, 4, 3)))[0].shape == (0, 4, 8)
    assert network.step(np.empty((0, 3)))[0].shape == (0, 8)
    first = a_state(network, 2)
    y, state = network.forward(np.empty((2, 0, 3)), first)
    assert y.shape == (2, 0, 8)
    assert state == first


def test_any_real_numbers_are_converted() -> None:
    network = Recurrent.from_state_dict("gru", random_weights("gru", 2, 8))
    x = np.array([[[1, 0], [0, 1]]])
    wanted = network.forward(x.astype(np.float32))[0]
    views = (x.astype(np.float32).repeat(2, axis=1)[:, ::2], np.asfortranarray(x, np.float32))
    for given_x in (x.tolist(), x.astype(bool), x.astype(np.float64), x.astype(">f4"), *views):
        np.testing.assert_array_equal(network.forward(given_x)[0], wanted)
        np.testing.assert_array_equal(network.step(np.asarray(given_x)[:, 0])[0], wanted[:, 0])
    frozen = x.astype(np.float32)
    frozen.flags.writeable = False
    np.testing.assert_array_equal(network.forward(frozen)[0], wanted)
    assert np.isfinite(network.forward(np.array([[np.inf, 3e38]]))[0]).all()  # infinite as it came


def test_the_same_bits_every_time() -> None:
    network = Recurrent.from_state_dict("lstm", random_weights("lstm", 30, 50, 2))
    x = inputs(7, 20, 30)
    np.testing.assert_array_equal(network.forward(x)[0], network.forward(x)[0])


@pytest.mark.parametrize("half", [False, True])
def test_a_network_can_be_copied_and_sent(half: bool) -> None:
    weights = random_weights("lstm", 3, 8, 2, P=4)
    network = Recurrent.from_state_dict("lstm", weights, half=half)
    x = inputs(2, 5, 3)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        np.testing.assert_array_equal(other.forward(x)[0], network.forward(x)[0])
        assert repr(other) == repr(network)


def test_repr_says_what_it_is() -> None:
    network = Recurrent.from_state_dict("lstm", random_weights("lstm", 3, 8, 2, P=4), half=True)
    assert repr(network) == (
        "Recurrent('lstm', input_size=3, hidden_size=8, proj_size=4, num_layers=2, float32, half)"
    )


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 4, 5)), r"`x` has 5 features .* input_size=3. Got shape \(2, 4, 5\)"),
        (np.zeros(3), r"`x` must be \(T, I\) or \(B, T, I\) with I=3; got shape \(3,\)"),
        (np.zeros((1, 2, 3, 3)), r"got shape \(1, 2, 3, 3\)"),
        ([[["a", "b", "c"]]], "must hold real numbers"),
        (np.zeros((2, 4, 3), complex), "must hold real numbers, .*got complex128"),
        ([[1.0, 2.0, 3.0], [1.0]], "no array that NumPy can read"),
        ([[1.0, 2.0, None]], "NaN where nothing was measured; got object"),
    ],
)
def test_bad_inputs_are_said(x: Any, message: str) -> None:
    network = Recurrent.from_state_dict("lstm", random_weights("lstm", 3, 8))
    with pytest.raises(InputError, match=rf"^Recurrent.forward: .*{message}"):
        network.forward(x)


def test_bad_steps_are_said() -> None:
    network = Recurrent.from_state_dict("lstm", random_weights("lstm", 3, 8))
    with pytest.raises(
        InputError, match=r"^Recurrent.step: `x` must be \(I,\) or \(B, I\) with I=3"
    ):
        network.step(np.zeros((1, 1, 3)))


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 2, 3], r"shape \(2,\); got int64 of shape \(3,\)"),
        ([-1, 2], r"between 0 and T=4; got -1 to 2"),
        ([1, 5], r"between 0 and T=4; got 1 to 5"),
        ([1.0, 2.0], r"whole number per sequence.*got float64"),
        ([True, False], r"got bool"),
        ([[1], [1, 2]], r"is no array that NumPy can read"),
        (np.ma.masked_array([1, 2], [False, True]), r"is a masked array.*Pass lengths.filled"),
        (np.array([2**64 - 1, 1], np.uint64), r"got 1 to 18446744073709551615"),
    ],
)
def test_bad_lengths_are_said(lengths: Any, message: str) -> None:
    network = Recurrent.from_state_dict("lstm", random_weights("lstm", 3, 8))
    with pytest.raises(InputError, match=rf"^Recurrent.forward: `lengths` .*{message}"):
        network.forward(np.zeros((2, 4, 3)), lengths=lengths)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[1, 2, 1e39]], r"holds 1e\+39 at \(0, 2\), which this network's float32 cannot hold"),
        ([[np.inf, 2, -1e300]], r"holds -1e\+300 at \(0, 2\)"),
        (
            np.ma.masked_array(np.ones((1, 3)), np.eye(3)[2:] > 0),
            r"is a masked array.*Pass x.filled",
        ),
    ],
)
def test_numbers_that_would_change_are_said(x: Any, message: str) -> None:
    network = Recurrent.from_state_dict("lstm", random_weights("lstm", 3, 8))
    for call in (network.forward, network.step):
        with pytest.raises(InputError, match=rf"^Recurrent.{call.__name__}: `x` {message}"):
            call(x)


@pytest.mark.parametrize("batch_size", [-1, 1.0, True, "3"])
def test_a_zero_state_has_a_whole_number_of_sequences(batch_size: Any) -> None:
    network = Recurrent.from_state_dict("lstm", random_weights("lstm", 3, 8))
    with pytest.raises(InputError, match=r"^Recurrent.zero_state: `batch_size` must be .* least 0"):
        network.zero_state(batch_size)


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    network, x = Recurrent.from_state_dict("gru", random_weights("gru", 3, 8)), inputs(3, 30, 3)
    wanted = network.forward(x, threads=2)[0]
    np.testing.assert_array_equal(network.forward(x, threads=np.int64(2))[0], wanted)  # type: ignore[arg-type]
    assert network.forward(x, threads=2**40)[0].shape == wanted.shape
    assert network.zero_state(np.int64(3)) == network.zero_state(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("resets", [np.zeros((2, 4)), np.zeros((2, 3), bool), [True, False]])
def test_bad_resets_are_said(resets: Any) -> None:
    network = Recurrent.from_state_dict("lstm", random_weights("lstm", 3, 8))
    with pytest.raises(
        InputError, match=r"^Recurrent.forward: `resets` must be bool of shape \(2, 4\)"
    ):
        network.forward(np.zeros((2, 4, 3)), resets=resets)


def test_ragged_resets_are_said() -> None:
    network = Recurrent.from_state_dict("lstm", random_weights("lstm", 3, 8))
    with pytest.raises(InputError, match=r"^Recurrent.forward: `resets` is no array"):
        network.forward(np.zeros((2, 4, 3)), resets=[[True], [True, False]])


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_bad_threads_are_said(threads: Any) -> None:
    network = Recurrent.from_state_dict("lstm", random_weights("lstm", 3, 8))
    with pytest.raises(ConfigError, match=r"^Recurrent.forward: `threads` must be a whole number"):
        network.forward(np.zeros((2, 4, 3)), threads=threads)


@pytest.mark.parametrize(
    ("cell", "state"),
    [
        ("lstm", State(np.zeros((1, 2, 8), "f4"))),
        ("lstm", State(np.zeros((1, 3, 8), "f4"), np.zeros((1, 3, 8), "f4"))),
        ("lstm", State(np.zeros((2, 2, 8), "f4"), np.zeros((2, 2, 8), "f4"))),
        ("lstm", State(np.zeros((1, 2, 8)), np.zeros((1, 2, 8)))),
        ("lstm", State(np.zeros((1, 2, 8), "f4"), np.zeros((1, 2, 9), "f4"))),
        ("gru", State(np.zeros((1, 2, 8), "f4"), np.zeros((1, 2, 8), "f4"))),
    ],
)
def test_a_state_of_another_network_is_refused(cell: str, state: State) -> None:
    network = Recurrent.from_state_dict(cell, random_weights(cell, 3, 8))
    message = r"^Recurrent.forward: the state has h .* with 2 sequences needs h \(1, 2, 8\)"
    with pytest.raises(InputError, match=message):
        network.forward(np.zeros((2, 4, 3)), state)


ways = pytest.mark.parametrize("options", [{}, {"threads": 2}, {"lengths": [9, 9, 9]}])


@ways
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "change",
    [
        lambda a: a[:, [2, 0, 1]],
        lambda a: a[:, ::-1],
        lambda a: a.repeat(2, axis=2)[..., ::2],
        np.asfortranarray,
        lambda a: a.astype(a.dtype.newbyteorder()),
        lambda a: np.broadcast_to(a[:, :1], a.shape),
        lambda a: np.frombuffer(b"." + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
    ],
    ids=["picked", "reversed", "strided", "fortran", "swapped", "broadcast", "unaligned"],
)
def test_a_state_may_be_assigned_arrays_of_any_layout(
    change: Callable[[Array], Array], dtype: str, options: dict[str, Any]
) -> None:
    network = Recurrent.from_state_dict("lstm", random_weights("lstm", 3, 8, 2, dtype=dtype))
    x, good = inputs(3, 9, 3, dtype=dtype), a_state(network, 3)
    assert good.c is not None
    given_state = good.copy()
    given_state.h, given_state.c = h, c = change(good.h), change(good.c)
    good = State(np.array(h, dtype, order="C"), np.array(c, dtype, order="C"))
    for found, wanted in (
        (network.forward(x, given_state, **options), network.forward(x, good, **options)),
        (network.step(x[:, 0], given_state), network.step(x[:, 0], good)),
    ):
        np.testing.assert_array_equal(found[0], wanted[0])
        assert found[1] == wanted[1]
    assert given_state.h is h
    assert given_state.c is c
    np.testing.assert_array_equal(h, good.h)
    np.testing.assert_array_equal(c, good.c)
    assert State.from_bytes(given_state.to_bytes()) == good
    stream = network.stream(3)
    stream.state = given_state
    assert stream.state == good == network.stream(3, given_state).state


@ways
@pytest.mark.parametrize("name", ["h", "c"])
@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda a: a.astype("f8"), r"\(2, 3, 8\) float64"),
        (lambda a: a.astype("f2"), r"\(2, 3, 8\) float16"),
        (lambda a: a.astype(int), r"\(2, 3, 8\) int64"),
        (lambda a: a.tolist(), r"\(2, 3, 8\) float64"),
        (lambda a: a[:, :2], r"\(2, 2, 8\) float32"),
        (lambda a: "none at all", r"\(\) <U11"),
    ],
)
def test_a_state_assigned_what_does_not_fit_is_refused(
    change: Callable[[Array], Any], found: str, name: str, options: dict[str, Any]
) -> None:
    network = Recurrent.from_state_dict("lstm", random_weights("lstm", 3, 8, 2))
    state = network.zero_state(3)
    setattr(state, name, change(getattr(state, name)))
    message = rf"{name} {found}.* needs .*{name} \(2, 3, 8\) float32.* Correct `{name}`\.$"
    with pytest.raises(InputError, match=rf"^Recurrent.forward: the state has .*{message}"):
        network.forward(np.zeros((3, 9, 3)), state, **options)
    with pytest.raises(InputError, match=rf"^Recurrent.step: the state has .*{message}"):
        network.step(np.zeros((3, 3)), state)
    stream = network.stream(3)
    with pytest.raises(InputError, match=rf"^Stream.state: the state has .*{message}"):
        stream.state = state


@pytest.mark.parametrize("c", [[[[1.0], [1.0, 2.0]]], np.ma.masked_array(np.zeros((1, 2, 8)))])
def test_a_state_assigned_no_array_is_refused(c: Any) -> None:
    network = Recurrent.from_state_dict("lstm", random_weights("lstm", 3, 8))
    state = network.zero_state(2)
    state.c = c
    with pytest.raises(InputError, match=r"^Recurrent.forward: `c` is (no array|a masked array)"):
        network.forward(np.zeros((2, 9, 3)), state)
    with pytest.raises(InputError, match=r"^State: `c` is (no array|a masked array)"):
        state.to_bytes()


def test_a_state_must_be_one() -> None:
    network = Recurrent.from_state_dict("gru", random_weights("gru", 3, 8))
    with pytest.raises(InputError, match=r"must be a gatework.runtime.State; got ndarray"):
        network.forward(np.zeros((2, 4, 3)), np.zeros((1, 2, 8)))  # type: ignore[arg-type]
