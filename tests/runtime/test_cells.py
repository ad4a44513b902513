"""Every row of the table and every option in the runtime, against the readable loops in float64."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from gatework.cells import CELLS as TABLE
from gatework.errors import ConfigError, InputError
from gatework.nn import reference
from gatework.nn.layer import RecurrentLayer
from gatework.nn.layer_norm import LayerNormLayer
from gatework.nn.making import make
from gatework.runtime import Recurrent, State
from gatework.runtime.cells import CELLS

Array = npt.NDArray[Any]
every_cell = pytest.mark.parametrize("cell", CELLS)
B, T, I, H = 3, 9, 5, 12  # noqa: E741


def layer_of(
    cell: str, Z: int = 2, dtype: torch.dtype = torch.float64, **options: Any
) -> RecurrentLayer:
    """A layer with weights that are not near 0, where a wrong one would hardly show."""
    torch.manual_seed(0)
    if set(TABLE[cell].parameters) & set("ifo"):
        options["peepholes"] = True
    if len(TABLE[cell].states) > 2:  # refused there
        options.pop("learned_state", None)
    layer: RecurrentLayer = make(cell, I, H, Z, **options).to(dtype).eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        if isinstance(layer, LayerNormLayer) and not layer.bias:  # its biases are 0 and stay so
            for name in layer._names:
                layer.get_parameter(name).mul_(layer._is_gain(layer.get_parameter(name)))
    return layer


def inputs(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(B, T, I, dtype=dtype, generator=torch.Generator().manual_seed(1))


def by_loops(
    layer: RecurrentLayer, x: Tensor, lengths: list[int] | None = None
) -> tuple[Array, list[Array]]:
    """Outputs and last states of the loop of ``gatework.nn.reference``, layer by layer."""
    states: list[tuple[Tensor, ...]] = []
    rows = CELLS[layer._cell.name].states
    with torch.no_grad():
        for number, weights in enumerate(layer._weights("test")):
            if layer.learned_state:
                first = tuple(getattr(layer, f"initial_{s}")[number].expand(B, -1) for s in rows)
            else:
                first = tuple(x.new_zeros(B, H) for _ in rows)
            zone_h, zone_c = (
                x.new_full((B, T, H), share) if share else None for share in layer.zoneout
            )
            y, after = reference.layer(
                layer._cell.name,
                x,
                first,
                layer._six(weights),
                lengths=None if lengths is None else torch.tensor(lengths),
                zone_h=zone_h,
                zone_c=zone_c,
            )
            x = y + x if number and layer.residual else y
            states.append(after)
    return x.numpy(), [torch.stack(parts).numpy() for parts in zip(*states, strict=True)]


def assert_near(found: Array, wanted: Array, dtype: Any = np.float64) -> None:
    """Equal up to the rounding of T steps of sums of I + H products, through two layers."""
    assert found.shape == wanted.shape
    limit = 8 * T * 2 * (I + H) * float(np.finfo(dtype).eps) * max(1.0, np.abs(wanted).max())
    assert np.abs(found - wanted).max() <= limit  # a NaN fails


def check(layer: RecurrentLayer, network: Recurrent) -> None:
    """Whole sequences, both ways they go, single steps, a stream in pieces: all are the loop."""
    x = inputs()
    wanted, states = by_loops(layer, x)
    xs = x.numpy()
    step_outputs, state = [], None
    for t in range(T):
        out, state = network.step(xs[:, t], state)
        step_outputs.append(out)
    assert state is not None
    stream = network.stream(B)
    pushed = [stream.push(xs[:, t]).copy() for t in range(4)]
    again = network.stream(B)
    again.state = State.from_bytes(stream.state.to_bytes())
    rest = again.extend(xs[:, 4:])
    ways = {
        "packed": network.forward(xs),
        "layers": network.forward(xs, lengths=[T] * B),
        "steps": (np.stack(step_outputs, 1), state),
        "stream": (np.concatenate([np.stack(pushed, 1), rest], 1), again.state),
    }
    for y, last in ways.values():
        assert_near(y, wanted)
        assert len(last.parts) == len(states)
        for part, right in zip(last.parts, states, strict=True):
            assert_near(part, right)
    ragged, _ = by_loops(layer, x, [T, 2, 5])
    assert_near(network.forward(xs, lengths=[T, 2, 5])[0], ragged)
    again.reset()
    assert again.state == network.initial_state(B)
    kept = stream.state
    stream.reset(np.array([False, True, False]))
    for part, before, first in zip(
        stream.state.parts, kept.parts, network.initial_state(B).parts, strict=True
    ):
        assert np.array_equal(part[:, [0, 2]], before[:, [0, 2]])
        assert np.array_equal(part[:, 1], first[:, 1])


@every_cell
def test_a_cell_is_its_loop(cell: str) -> None:
    layer = layer_of(cell)
    check(layer, layer.runtime())


@every_cell
@pytest.mark.parametrize("bias", [True, False])
def test_without_biases_and_in_float32(cell: str, bias: bool) -> None:
    layer = layer_of(cell, bias=bias)
    wanted, _ = by_loops(layer, inputs())
    found, _ = layer.float().runtime().forward(inputs().numpy())
    assert found.dtype == np.float32
    assert_near(found, wanted, np.float32)


@every_cell
def test_every_option_at_once(cell: str) -> None:
    layer = layer_of(cell, Z=3, zoneout=0.3, residual=True, learned_state=True)
    check(layer, layer.runtime())


@every_cell
@pytest.mark.parametrize(
    "options", [{"zoneout": (0.4, 0.0)}, {"residual": True}, {"learned_state": True}], ids=str
)
def test_each_option_makes_a_difference(cell: str, options: dict[str, Any]) -> None:
    if "learned_state" in options and len(TABLE[cell].states) > 2:
        pytest.skip("its states are not learned apart")
    layer = layer_of(cell, Z=3, **options)
    plain = Recurrent.from_state_dict(
        cell, {k: w for k, w in layer.state_dict().items() if "initial" not in k}
    )
    y, _ = layer.runtime().forward(inputs().numpy())
    assert np.abs(plain.forward(inputs().numpy())[0] - y).max() > 1e-3
    assert_near(y, by_loops(layer, inputs())[0])


def test_heads_are_expanded_once() -> None:
    layer = layer_of("slstm", num_heads=3)
    assert layer.state_dict()["weight_hh_l0"].shape == (4 * H, H // 3)
    check(layer, layer.runtime())
    with pytest.raises(InputError, match=r"needs \(4\*H, H\)|are those of"):
        Recurrent.from_state_dict("peephole", layer.state_dict())


@every_cell
def test_half_keeps_what_is_no_matrix(cell: str) -> None:
    layer = layer_of(cell, Z=1, dtype=torch.float32)
    rounded = layer_of(cell, Z=1, dtype=torch.float32)
    with torch.no_grad():
        for name, w in rounded.named_parameters():
            if name.startswith(("weight_ih", "weight_hh")):
                w.copy_(w.half())
    x = inputs().numpy()
    half = layer.runtime(half=True)
    wanted, _ = by_loops(rounded.double(), inputs())
    for found in (half.forward(x)[0], half.forward(x, lengths=[T] * B)[0]):
        assert_near(found, wanted, np.float32)


@every_cell
def test_a_pickle_has_all_options(cell: str) -> None:
    network = layer_of(cell, zoneout=0.2, residual=True, learned_state=True).runtime()
    again = pickle.loads(pickle.dumps(network))
    assert repr(again) == repr(network)
    x = inputs().numpy()
    assert np.array_equal(again.forward(x)[0], network.forward(x)[0])
    assert "zoneout=(0.2," in repr(network)
    last = "residual)" if len(TABLE[cell].states) > 2 else "residual, learned state)"
    assert repr(network).endswith(last)


@every_cell
@pytest.mark.parametrize("few", [1, 40])
def test_no_steps_leave_the_state(cell: str, few: int) -> None:
    network = layer_of(cell, learned_state=True).runtime()
    y, state = network.forward(np.zeros((few, 0, I)))
    assert y.shape == (few, 0, H)
    assert state == network.initial_state(few)
    assert network.step(np.zeros((0, I)))[1] == network.initial_state(0)


def test_rows_without_an_engine_are_said_to_be_elsewhere() -> None:
    for name in TABLE.keys() - CELLS.keys():
        with pytest.raises(
            ConfigError, match=rf"the cell '{name}' is not one .* computed by gatework"
        ):
            Recurrent.from_state_dict(name, {})


def test_a_bidirectional_layer_has_no_runtime() -> None:
    with pytest.raises(ValueError, match=r"GRU.runtime: a bidirectional layer needs the whole"):
        make("gru", 3, 4, bidirectional=True).runtime()


@pytest.mark.parametrize(
    ("cell", "options", "message"),
    [
        ("lstm", {"zoneout": 1.0}, r"`zoneout` must be a share from 0 to below 1.*got 1.0"),
        ("lstm", {"zoneout": (0.1,)}, r"or a pair for h and c; got \(0.1,\)"),
        ("lstm", {"zoneout": True}, "must be a share"),
        ("lstm", {"zoneout": (float("nan"), 0)}, "must be a share"),
        ("gru", {"zoneout": (0.1, 0.1)}, r"'gru' has none. Give zoneout=\(0.1, 0\)"),
        ("slstm", {"zoneout": (0.1, 0.1)}, "'slstm' has c, n, m"),
    ],
)
def test_options_that_make_no_sense(cell: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Recurrent.from_state_dict(cell, layer_of(cell).state_dict(), **options)


def test_zoneout_does_not_go_with_a_projection() -> None:
    weights = torch.nn.LSTM(3, 8, proj_size=2).state_dict()
    with pytest.raises(ConfigError, match="zoneout does not go with a projection"):
        Recurrent.from_state_dict("lstm", weights, zoneout=0.1)


@pytest.mark.parametrize(
    ("cell", "changes", "message"),
    [
        (
            "minlstm",
            {"weight_hh_l0": (36, 12)},
            "'weight_hh_l0' is no weight of the cell 'minlstm'",
        ),
        ("minlstm", {"bias_hh_l1": (36,)}, "which has weight_ih, bias_ih. Name the cell"),
        ("minlstm", {"weight_ih_l0": (37, 5)}, r"'minlstm' needs \(3\*H, I\)"),
        (
            "mingru",
            {"bias_ih_l0": (25,)},
            r"by 'weight_ih_l0' this mingru has H=12 and needs \(24,\)",
        ),
        ("lstm", {"weight_p_l0": (3, 12)}, "'weight_p_l0' is no weight of the cell 'lstm'"),
        ("peephole", {"weight_p_l0": (2, 12)}, r"has H=12 and needs \(3, 12\)"),
        ("slstm", {"weight_hr_l0": (2, 12)}, "which only the cell 'lstm' has; this is 'slstm'"),
        ("gru", {"initial_h": (2, 1, 11)}, r"'initial_h' has shape .* needs \(2, 1, 12\)"),
        ("gru", {"initial_c": (2, 1, 12)}, "'initial_h' is missing"),
        ("lstm", {"initial_h": (2, 1, 12)}, "'initial_c' is missing"),
    ],
)
def test_weights_that_do_not_fit(cell: str, changes: dict[str, Any], message: str) -> None:
    weights = dict(layer_of(cell).state_dict()) | {k: torch.zeros(s) for k, s in changes.items()}
    weights = {k: w.double() for k, w in weights.items()}
    with pytest.raises(InputError, match=message):
        Recurrent.from_state_dict(cell, weights)


def test_a_learned_state_that_is_none_of_the_cell() -> None:
    weights = dict(layer_of("gru", learned_state=True).state_dict())
    weights["initial_c"] = weights["initial_h"]
    with pytest.raises(InputError, match="'initial_c' is no state of 'gru', which has h"):
        Recurrent.from_state_dict("gru", weights)
