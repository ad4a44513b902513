"""What layers that are not the engine's alone share: T = 0, options, shapes alone, and graphs of torch.fx."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gatework.errors import ConfigError
from gatework.nn import (
    GRUD,
    LSTM,
    MLSTM,
    AttentionLSTM,
    ConvLSTM2d,
    FullGateLSTM,
    initialise,
    make,
)

SEQUENCES: list[Any] = [MLSTM, GRUD, FullGateLSTM, AttentionLSTM]


def layer_of(kind: Any, **options: Any) -> Any:
    torch.manual_seed(0)
    if kind is ConvLSTM2d:
        return ConvLSTM2d(3, 8, 3, **options)
    return kind(3, 8, batch_first=True, **options)


def some(kind: Any, T: int = 5) -> Tensor:
    shape = (2, T, 3, 4, 4) if kind is ConvLSTM2d else (2, T, 3)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


class Numbers(TorchDispatchMode):
    """Counts the numbers of which every operation makes new tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        self.made += sum(t.numel() for t in torch.utils._pytree.tree_leaves(found) if _owns(t))
        return found


def _owns(t: Any) -> bool:
    return isinstance(t, Tensor)


def test_the_backward_pass_of_the_mlstm_grows_with_steps_and_not_with_their_square() -> None:
    layer, made = MLSTM(3, 8, batch_first=True), []
    for T in (1024, 4096):
        y, _ = layer(torch.randn(1, T, 3))
        with Numbers() as count:
            y.sum().backward()
        made.append(count.made)
    assert made[0] > 1024 * 8
    assert made[1] < 4.4 * made[0]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", [MLSTM, GRUD, FullGateLSTM, ConvLSTM2d, LSTM])
def test_no_steps_stay_in_the_graph(kind: Any, bidirectional: bool) -> None:
    layer = layer_of(kind, bidirectional=bidirectional, num_layers=2)
    x = some(kind, T=0).requires_grad_()
    y, state = layer(x)
    assert y.shape[1] == 0
    (y.sum() + state[0].sum()).backward()
    assert x.grad is not None
    assert all(p.grad is None or not p.grad.any() for p in layer.parameters())
    assert layer.weight_hh_l1.grad is not None if kind is FullGateLSTM else True


def test_a_state_passes_where_there_are_no_steps() -> None:
    for kind in (MLSTM, FullGateLSTM, ConvLSTM2d):
        layer = layer_of(kind)
        before = tuple(s.detach() for s in layer(some(kind))[1])
        _, after = layer(some(kind, T=0), before)
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("cell", ["lstm", "gru", "mlstm"])
def test_dtype_and_device_reach_every_part(cell: str) -> None:
    layer = AttentionLSTM(3, 8, cell=cell, score="additive", dtype=torch.float64, batch_first=True)
    assert {p.dtype for p in layer.parameters()} == {torch.float64}
    assert layer(some(AttentionLSTM).double())[0].dtype == torch.float64
    shapes = AttentionLSTM(3, 8, cell=cell, device="meta")
    assert {p.device.type for p in shapes.parameters()} == {"meta"}


@pytest.mark.parametrize("cell", [None, LSTM, 3])
def test_a_cell_that_is_no_name(cell: Any) -> None:
    for build in (lambda: make(cell, 3, 8), lambda: AttentionLSTM(3, 8, cell=cell)):
        with pytest.raises(ConfigError, match="`cell` must be the name of a cell"):
            build()


def test_what_make_has_not() -> None:
    with pytest.raises(ConfigError, match=r"needs to know T.*FeedForward\(3, 8, 1, steps=T\)"):
        make("feedforward", 3, 8)
    with pytest.raises(ConfigError, match="its layers are batch_first"):
        make("lstm", 3, 8, batch_first=False)
    assert make("lstm", 3, 8, batch_first=True).batch_first


@pytest.mark.parametrize("kind", [*SEQUENCES, ConvLSTM2d])
def test_an_unknown_option_is_named_with_those_there_are(kind: Any) -> None:
    wrong = "recurrent" if kind is AttentionLSTM else "zoneout"
    with pytest.raises(TypeError) as told:
        layer_of(kind, **{wrong: 0.1})
    message = str(told.value)
    assert message.startswith(kind.__name__ + ":")
    assert wrong in message
    assert "bidirectional" in message
    assert "unknown" not in message.split("Its")[-1]


def test_a_forget_bias_that_nothing_would_take() -> None:
    with pytest.raises(ConfigError, match="no biases"):
        FullGateLSTM(3, 8, bias=False, forget_bias=5.0)
    with pytest.raises(ConfigError, match="finite"):
        FullGateLSTM(3, 8, forget_bias=math.nan)
    FullGateLSTM(3, 8, bias=False)
    assert bool((FullGateLSTM(3, 8).bias_ih_l0[8:16] == 1).all())


def test_the_gates_of_the_mlstm_are_initialised() -> None:
    layer = initialise(MLSTM(3, 8, num_heads=2, num_layers=2, bidirectional=True), forget_bias=2.0)
    biases = [p for name, p in layer.named_parameters() if name.startswith("bias_gates")]
    assert len(biases) == 4
    for bias in biases:
        assert bias[2:].tolist() == [2.0, 2.0]
        assert not (bias[:2] == -2.0).any()
    layer = initialise(MLSTM(3, 64, num_heads=32), chrono=50)
    bias = layer.bias_gates_l0
    assert torch.equal(bias[:32], -bias[32:])
    assert bool((bias[32:] > 0).all() & (bias[32:].exp() < 49).all())
    with pytest.raises(ConfigError, match="has no biases"):
        initialise(MLSTM(3, 8, bias=False), forget_bias=1.0)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_biases_that_are_no_numbers(value: float) -> None:
    for options in ({"chrono": value}, {"forget_bias": value}):
        with pytest.raises(ConfigError, match="finite"):
            initialise(nn.LSTM(3, 8), **options)


def test_gaps_masks_and_means_of_the_gru_d() -> None:
    layer, x = layer_of(GRUD), some(GRUD)
    _, state = layer(x)
    for gap in (-5.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"GRUD.fan_out: `gap` must be a time"):
            layer.fan_out(x[:, :1], state, gap)
    with pytest.raises(ValueError, match=r"`mask` must be bool, or 1 .* got 0.25"):
        layer(x, mask=torch.full_like(x, 0.25))
    ones = torch.ones_like(x)
    assert torch.equal(layer(x, mask=ones)[0], layer(x, mask=ones.bool())[0])
    ones[1, 2:] = torch.nan  # padding is not read
    layer(x, mask=ones, lengths=[5, 2])
    for means in ("abc", [1.0, 2.0], object()):
        with pytest.raises(ConfigError, match="`means` must be 3 finite numbers"):
            GRUD(3, 8, means=means)


@pytest.mark.parametrize("kind", [*SEQUENCES, ConvLSTM2d])
def test_shapes_alone(kind: Any) -> None:
    layer = layer_of(kind).to("meta")
    y, _ = layer(some(kind).to("meta"))
    assert y.is_meta
    assert y.shape[:3] == (2, 5, 8)


class Around(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Any:
        return self.layer(x)[0].relu()


@pytest.mark.parametrize("kind", [*SEQUENCES, ConvLSTM2d])
def test_a_leaf_of_a_symbolic_graph(kind: Any) -> None:
    model, x = Around(layer_of(kind)), some(kind)
    traced = torch.fx.symbolic_trace(model)
    assert [n.target for n in traced.graph.nodes if n.op == "call_module"] == ["layer"]
    assert torch.equal(traced(x), model(x))
    with pytest.raises(TypeError, match="needs a module around it"):
        torch.fx.symbolic_trace(layer_of(kind))
