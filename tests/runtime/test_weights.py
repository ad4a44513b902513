"""Weights out of a state dict or a file: every name, shape and dtype that does not fit is said."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors

from gatework.errors import ConfigError, InputError, ModelFileError
from gatework.runtime import Recurrent

sys.path.insert(0, str(Path(__file__).parent))
from loops import GATES, Array, assert_close, random_weights

every_cell = pytest.mark.parametrize("cell", list(GATES))


def torch_layer(cell: str, *sizes: int, **options: Any) -> torch.nn.RNNBase:
    if cell.startswith("rnn"):
        return torch.nn.RNN(*sizes, nonlinearity=cell.removeprefix("rnn_"), **options)
    return {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](*sizes, **options)


@every_cell
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"dtype": torch.float64}])
def test_torchs_weights_give_torchs_outputs(cell: str, options: dict[str, Any]) -> None:
    layer = torch_layer(cell, 5, 12, 2, batch_first=True, **options)
    network = Recurrent.from_state_dict(cell, layer.state_dict())
    x = torch.randn(3, 7, 5, dtype=options.get("dtype"))
    with torch.no_grad():
        wanted = layer(x)[0].numpy()
    found = network.forward(x)[0]
    assert found.dtype == wanted.dtype
    assert_close(found, wanted.astype(np.float64), 7 * 2 * 17)
    assert (network.input_size, network.hidden_size, network.num_layers) == (5, 12, 2)
    assert (network.output_size, network.proj_size) == (12, 0)
    assert network.cell == cell.removesuffix("_tanh")  # the table's name of it


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_torchs_projection() -> None:
    layer = torch.nn.LSTM(5, 12, 2, batch_first=True, proj_size=4)
    network = Recurrent.from_state_dict("lstm", layer.state_dict())
    x = torch.randn(3, 7, 5)
    with torch.no_grad():
        y, (h, c) = layer(x)
    found, state = network.forward(x)
    assert_close(found, y.numpy().astype(np.float64), 7 * 2 * 17)
    assert state.c is not None
    assert (state.h.shape, state.c.shape) == (h.shape, c.shape)
    assert (network.hidden_size, network.proj_size, network.output_size) == (12, 4, 4)


def test_the_weights_are_copied() -> None:
    weights = random_weights("gru", 3, 5)
    network = Recurrent.from_state_dict("gru", weights)
    x = np.ones((1, 4, 3))
    before = network.forward(x)[0]
    for w in weights.values():
        w[...] = 0
    np.testing.assert_array_equal(network.forward(x)[0], before)


def test_arrays_of_any_layout() -> None:
    weights = random_weights("gru", 3, 5)
    odd = {k: np.asfortranarray(w).astype(">f4") for k, w in weights.items()}
    x = np.ones((1, 4, 3))
    np.testing.assert_array_equal(
        Recurrent.from_state_dict("gru", odd).forward(x)[0],
        Recurrent.from_state_dict("gru", weights).forward(x)[0],
    )


def test_a_prefix_leaves_other_names_alone() -> None:
    weights = {f"net.rnn.{k}": w for k, w in random_weights("gru", 3, 5).items()}
    network = Recurrent.from_state_dict("gru", weights | {"head.w": 0}, prefix="net.rnn.")
    assert network.hidden_size == 5


# ------------------------------------------------------------------ files


@every_cell
def test_a_file_gives_the_same_network(cell: str, tmp_path: Path) -> None:
    weights = random_weights(cell, 3, 5, 2)
    path = tmp_path / "w.safetensors"
    numbers = np.arange(3)
    save_file({f"rnn.{k}": w for k, w in weights.items()} | {"head.ids": numbers}, path)
    x = np.ones((2, 4, 3))
    wanted = Recurrent.from_state_dict(cell, weights).forward(x)[0]
    for place in (path, str(path)):
        found = Recurrent.load(place, cell, prefix="rnn.").forward(x)[0]
        np.testing.assert_array_equal(found, wanted)


def test_a_file_of_half_numbers(tmp_path: Path) -> None:
    weights = random_weights("lstm", 3, 5, dtype="float16")
    save_file(weights, tmp_path / "w.safetensors")
    network = Recurrent.load(tmp_path / "w.safetensors", "lstm", half=True)
    assert network.half
    assert network.dtype == np.float32


def test_files_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"

    def refused(prefix: str = "") -> str:
        with pytest.raises(ModelFileError) as error:
            Recurrent.load(path, "gru", prefix=prefix)
        assert str(error.value).startswith(str(path))
        return str(error.value)

    assert "does not exist; give a .safetensors file" in refused()
    path.mkdir()
    assert "is a folder" in refused()
    (path / "model.safetensors").touch()
    assert f"give {path / 'model.safetensors'}" in refused()
    (path / "model.safetensors").unlink()
    path.rmdir()
    for content in (b"", b"not one", b"\xff" * 100):
        path.write_bytes(content)
        assert "the weights cannot be read" in refused()
    save_tensors({"weight_ih_l0": torch.zeros(3, 1, dtype=torch.bfloat16)}, path)
    assert "has dtype BF16; weights are float16, float32 or float64" in refused()
    save_file({"rnn.weight_hh_l0": np.zeros((6, 2)), "head.w": np.zeros(3)}, path)
    assert "under prefix='rnn.'" in refused()
    assert "no name begins with prefix='gru.'. There are: 'rnn.'" in refused("gru.")
    assert "'rnn.weight_ih_l0' is missing" in refused("rnn.")


# ------------------------------------------------------------------ what does not fit

Change = Callable[[dict[str, Array]], Any]


@pytest.mark.parametrize(
    ("cell", "change", "message"),
    [
        ("lstm", lambda w: w.pop("weight_ih_l1"), "'weight_ih_l1' is missing"),
        ("lstm", lambda w: w.pop("weight_hh_l0"), "'weight_hh_l0' is missing"),
        ("lstm", lambda w: w.pop("bias_hh_l0"), "'bias_ih_l0' is there without 'bias_hh_l0'"),
        ("lstm", lambda w: w.pop("bias_ih_l1"), "'bias_hh_l1' is there without 'bias_ih_l1'"),
        ("lstm", lambda w: [w.pop(k) for k in list(w) if "l0" in k], "layer 0 has no weights"),
        (
            "lstm",
            lambda w: w.update(weight_ih_l0_reverse=w["weight_ih_l0"]),
            "'weight_ih_l0_reverse' belongs to a bidirectional network",
        ),
        (
            "lstm",
            lambda w: w.update(head=np.zeros(3)),
            "'head' is no weight of a recurrent network",
        ),
        (
            "lstm",
            lambda w: w.update(weight_ih_l0=w["weight_ih_l0"].astype(int)),
            "'weight_ih_l0' has dtype int64; weights are float16, float32 or float64",
        ),
        (
            "lstm",
            lambda w: w.update(weight_ih_l0=w["weight_ih_l0"].astype("f8")),
            "different dtypes: float32, float64. Convert them to one",
        ),
        (
            "lstm",
            lambda w: w.update(weight_ih_l0=w["weight_ih_l0"][:-1]),
            r"'weight_ih_l0' has shape \(31, 3\); .* this lstm has H=8 and needs \(32, 3\)",
        ),
        (
            "lstm",
            lambda w: w.update(bias_ih_l1=w["bias_ih_l1"][1:]),
            r"'bias_ih_l1' has shape \(31,\); .* needs \(32,\)",
        ),
        (
            "lstm",
            lambda w: w.update(bias_ih_l1=w["bias_ih_l1"][None]),
            r"'bias_ih_l1' must have 1 axis and no empty one; got shape \(1, 32\)",
        ),
        (
            "lstm",
            lambda w: w.update(weight_hh_l0=np.zeros((0, 0))),
            "must have 2 axes and no empty",
        ),
        (
            "lstm",
            lambda w: w.update(weight_ih_l1=np.zeros((32, 16), "f4")),
            "takes 16 features, the layer below it gives 8. Is it a bidirectional",
        ),
        (
            "lstm",
            lambda w: w.update(random_weights("lstm", 8, 4, 2), weight_hh_l0=w["weight_hh_l0"]),
            r"'weight_ih_l0' has shape \(16, 8\)",
        ),
        (
            "lstm",
            lambda w: w.update(weight_hh_l0=np.zeros((32, 5), "f4")),
            "5 columns for H=8 mean a projection, and 'weight_hr_l0' is missing",
        ),
        (
            "lstm",
            lambda w: w.update(weight_hr_l0=np.zeros((3, 8), "f4")),
            r"'weight_hh_l0' has shape \(32, 8\); the cell 'lstm' needs \(4\*H, P\)",
        ),
        (
            "gru",
            lambda w: w.update(weight_hr_l0=np.zeros((3, 8), "f4")),
            "which only the cell 'lstm'",
        ),
        ("gru", lambda w: w.update(weight_hh_l0=np.zeros((32, 8), "f4")), "are those of 'lstm'"),
        ("lstm", lambda w: w.update(weight_hh_l0=np.zeros((24, 8), "f4")), "are those of 'gru'"),
        (
            "lstm",
            lambda w: w.update(weight_hh_l0=np.zeros((8, 8), "f4")),
            "'rnn' or 'rnn_relu'",
        ),
        ("gru", lambda w: w.update(weight_hh_l0=np.zeros((25, 8), "f4")), r"needs \(3\*H, H\)"),
        ("gru", lambda w: w.clear(), "the names are: none at all"),
        (
            "gru",
            lambda w: w.update(bias_ih_l0=torch.zeros(24, dtype=torch.bfloat16)),
            "'bias_ih_l0' is no array that NumPy can read",
        ),
        (
            "gru",
            lambda w: w.update(bias_ih_l0=torch.zeros(24, requires_grad=True)),
            r"'bias_ih_l0' is no array that NumPy can read: .*state_dict\(\).*detach",
        ),
    ],
)
def test_weights_that_do_not_fit_are_said(cell: str, change: Change, message: str) -> None:
    weights = random_weights(cell, 3, 8, 2)
    change(weights)
    with pytest.raises(InputError, match=rf"^Recurrent.from_state_dict: .*{message}"):
        Recurrent.from_state_dict(cell, weights)


def test_layers_of_different_sizes_are_said() -> None:
    weights = random_weights("gru", 3, 8)
    upper = random_weights("gru", 8, 4)
    weights |= {k.replace("l0", "l1"): w for k, w in upper.items()}
    with pytest.raises(InputError, match="has H=4, P=0, the layer below it has H=8, P=0"):
        Recurrent.from_state_dict("gru", weights)


def test_parameters_are_no_state_dict() -> None:
    with pytest.raises(InputError, match=r"a torch tensor with a gradient. Pass .* state_dict\(\)"):
        Recurrent.from_state_dict("lstm", dict(torch.nn.LSTM(2, 3).named_parameters()))


def test_masked_weights_are_refused() -> None:
    weights = random_weights("gru", 3, 8)
    weights["bias_ih_l0"] = np.ma.masked_array(weights["bias_ih_l0"])
    with pytest.raises(InputError, match="'bias_ih_l0' is a masked array"):
        Recurrent.from_state_dict("gru", weights)


def test_a_module_is_no_state_dict() -> None:
    with pytest.raises(InputError, match=r"must map names to arrays.*got LSTM.*state_dict\(\)"):
        Recurrent.from_state_dict("lstm", torch.nn.LSTM(2, 3))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("LSTM", "no cell 'LSTM'. Did you mean 'lstm'"),
        ("feedforward", "'feedforward' is not one of those that the engine runs"),
        ("transformer", "There are: 'rnn', 'rnn_relu', 'gru', 'lstm'"),
        (None, "no cell None"),
    ],
)
def test_a_cell_that_is_none_is_said(cell: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Recurrent.from_state_dict(cell, {})
    with pytest.raises(ConfigError, match=message):
        Recurrent.load("nowhere", cell)
