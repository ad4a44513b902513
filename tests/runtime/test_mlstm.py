"""The mLSTM of the runtime against the layer whose weights it has, and as a stream."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gatework.errors import InputError, ModelFileError
from gatework.nn import MLSTM as Layer  # noqa: N811
from gatework.runtime import State
from gatework.runtime.mlstm import MLSTM

B, T, I, H, N = 4, 7, 3, 8, 2  # noqa: E741
LENGTHS = [7, 0, 1, 5]


def pair(dtype: torch.dtype = torch.float64, **options: Any) -> tuple[Layer, MLSTM]:
    torch.manual_seed(0)
    layer = Layer(I, H, 2, num_heads=N, batch_first=True, **options).to(dtype)
    with torch.no_grad():
        for p in layer.parameters():
            p.normal_(0.0, 0.7)
    return layer, MLSTM.from_state_dict(layer.state_dict())


def some_input(T: int = T) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).normal(size=(B, T, I))


def close(found: Any, wanted: Any) -> None:
    wanted = np.asarray(wanted)
    tolerance = 500 * np.finfo(found.dtype).eps * max(1.0, float(np.abs(wanted).max()))
    assert found.shape == wanted.shape
    assert bool((np.abs(found - wanted) <= tolerance).all()), np.abs(found - wanted).max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [True, False])
def test_equal_to_the_layer(dtype: torch.dtype, bias: bool) -> None:
    layer, network = pair(dtype, bias=bias)
    x = some_input()
    resets = np.zeros((B, T), bool)
    resets[0, 3] = resets[3, 1] = resets[1, 2] = True
    with torch.no_grad():
        y, state = layer(torch.tensor(x, dtype=dtype), None, LENGTHS, torch.tensor(resets))
    found, last = network.forward(x, lengths=LENGTHS, resets=resets)
    assert found.dtype == network.dtype == np.dtype(str(dtype).removeprefix("torch."))
    close(found, y)
    close(last.h, state[0])
    C, n, m = np.split(last.c, [N * 16, N * 20], axis=2)
    scale = np.exp(m.reshape(2, B, N))
    after, read = [t.numpy() for t in state[1:3]], np.exp(state[3].numpy())
    close(C.reshape(2, B, N, 4, 4) * scale[..., None, None], after[0] * read[..., None, None])
    close(n.reshape(2, B, N, 4) * scale[..., None], after[1] * read[..., None])
    single, _ = network.forward(x[0])
    close(single, network.forward(x)[0][0])


def test_steps_streams_and_pieces_are_the_sequence() -> None:
    _, network = pair()
    x = some_input()
    y, last = network.forward(x)
    state, stream, alone = None, network.stream(B), network.stream()
    for t in range(T):
        before = None if state is None else state.copy()
        h, after = network.step(x[:, t], state)
        assert before is None or state == before
        state = after
        assert np.array_equal(stream.push(x[:, t]), h)
        close(alone.push(x[0, t]), y[0, t])
        close(h, y[:, t])
    assert state is not None
    close(state.c, last.c)
    first, middle = network.forward(x[:, :3])
    second, end = network.forward(x[:, 3:], middle)
    assert np.array_equal(np.concatenate([first, second], axis=1), y)
    assert end == last


def test_a_state_as_bytes_and_a_network_as_a_pickle() -> None:
    _, network = pair()
    x = some_input()
    stream = network.stream(B)
    for t in range(3):
        stream.push(x[:, t])
    kept = stream.state.to_bytes()
    other = pickle.loads(pickle.dumps(network)).stream(B)
    other.state = State.from_bytes(kept)
    assert np.array_equal(other.push(x[:, 3]), stream.push(x[:, 3]))
    stream.reset(np.array([True, False, False, True]))
    fresh = network.stream(B).push(x[:, 0])
    after = stream.push(x[:, 0])
    assert np.array_equal(after[[0, 3]], fresh[[0, 3]])
    assert not np.array_equal(after[1], fresh[1])
    stream.reset()
    assert stream.state == network.zero_state(B)


def test_gates_of_any_size_compute() -> None:
    """Warnings are errors here: nothing overflows."""
    for size in (-300.0, 300.0):
        for forget in (-200.0, 200.0):
            layer, _ = pair(torch.float32)
            weights = layer.state_dict()
            for z in (0, 1):
                weights[f"bias_gates_l{z}"] = torch.tensor([size] * N + [forget] * N)
            y, state = MLSTM.from_state_dict(weights).forward(some_input())
            assert np.isfinite(y).all()
            assert np.isfinite(state.c).all()


def test_from_a_file_under_a_prefix(tmp_path: Path) -> None:
    layer, network = pair()
    file = tmp_path / "model.safetensors"
    weights = {f"cell.{k}": v for k, v in layer.state_dict().items()}
    save_file({**weights, "head.weight": torch.zeros(2)}, file)
    loaded = MLSTM.load(file, prefix="cell.")
    assert np.array_equal(loaded.forward(some_input())[0], network.forward(some_input())[0])
    with pytest.raises(ModelFileError, match=r"model\.safetensors: no weights of an mLSTM begin"):
        MLSTM.load(file, prefix="other.")


def refused(call: Any, *parts: str) -> None:
    with pytest.raises(InputError) as e:
        call()
    for part in parts:
        assert part in str(e.value), str(e.value)


def test_what_does_not_fit_is_named() -> None:
    layer, network = pair()
    weights = {k: v.numpy() for k, v in layer.state_dict().items()}

    def made(**changed: Any) -> Any:
        given = {k: v for k, v in (weights | changed).items() if v is not None}
        return lambda: MLSTM.from_state_dict(given)

    refused(made(weight_gates_l1=None), "weight_gates_l1", "missing")
    refused(made(weight_ih_l1=np.zeros((32, 5))), "layer 1", "(32, 5)")
    refused(made(weight_gates_l0=np.zeros((6, 3))), "layer 0", "(6, 3)")
    refused(made(bias_ih_l0=np.zeros(3)), "bias_ih_l0", "(32,)", "(3,)")
    refused(made(bias_ih_l0=np.zeros(32, int)), "bias_ih_l0", "int64")
    refused(made(weight_hh_l0=np.zeros((2, 2))), "weight_hh_l0", "prefix")
    refused(made(weight_ih_l0_reverse=np.zeros((2, 2))), "bidirectional")
    refused(lambda: MLSTM.from_state_dict({}), "no weights of an mLSTM")
    x = some_input()
    refused(lambda: network.step(x[:, 0, :2]), "MLSTM.step", "input_size=3")
    refused(lambda: network.forward(x, lengths=[9, 1, 1, 1]), "between 0 and T=7")
    refused(lambda: network.forward(x, network.zero_state(2)), "MLSTM.forward", "(2, 4, 42)")
    refused(lambda: network.forward(x, State(np.zeros((2, 4, 8)))), "no c")
    refused(lambda: network.step(x[:, 0], x), "MLSTM.step", "got ndarray")
    refused(lambda: network.stream(3).push(x[:, 0]), "batch_size=3")
