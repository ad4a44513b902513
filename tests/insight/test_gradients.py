"""Gradient flow, integrated gradients, attention maps and descriptions, against loops and closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from gatework.cells import CELLS
from gatework.errors import ConfigError
from gatework.insight import attention_maps, describe, gradient_flow, integrated_gradients
from gatework.nn import make, reference

CAUSAL = [row.name for row in CELLS.values() if row.code is not None]


@pytest.mark.parametrize("cell", CAUSAL)
def test_flow_is_the_gradient_by_each_state(cell: str) -> None:
    layer = make(cell, 3, 5).double()
    x = torch.randn(4, 7, 3, dtype=torch.float64)
    flow = gradient_flow(layer, layer, lambda: layer(x)[0][:, -1].square().sum())
    for k in range(7):
        _, state = layer(x[:, : 7 - k])
        parts = [
            s.detach().requires_grad_() for s in (state if isinstance(state, tuple) else (state,))
        ]
        later = x[:, 7 - k :]
        given = tuple(parts) if len(parts) > 1 else parts[0]
        top = layer(later, given)[0][:, -1] if k else parts[0][-1]
        gradients = torch.autograd.grad(top.square().sum(), parts, allow_unused=True)
        for name, gradient in zip(flow, gradients, strict=True):
            norm = 0.0 if gradient is None else gradient[0].norm(dim=-1).mean()
            torch.testing.assert_close(flow[name][k], torch.as_tensor(norm, dtype=torch.float64))


def test_flow_of_a_known_power() -> None:
    """A linear unit of weight a passes a to the k."""
    rnn = make("rnn_relu", 1, 1).double()
    with torch.no_grad():
        for p in rnn.parameters():
            p.fill_(0.0)
        rnn.weight_hh_l0.fill_(0.5)
        rnn.weight_ih_l0.fill_(1.0)
    x = torch.ones(2, 6, 1, dtype=torch.float64)
    flow = gradient_flow(rnn, rnn, lambda: rnn(x)[0][:, -1].sum())
    torch.testing.assert_close(flow["h"], 0.5 ** torch.arange(6, dtype=torch.float64))
    assert not torch.allclose(flow["h"], 0.6 ** torch.arange(6, dtype=torch.float64))


def test_flow_through_a_stack_inside_a_model() -> None:
    layer, head = make("lstm", 3, 5, 2), nn.Linear(5, 1)
    model = nn.ModuleDict({"layer": layer, "head": head})
    x = torch.randn(4, 9, 3)
    flow = gradient_flow(model, layer, lambda: head(layer(x)[0][:, -1]).sum())
    assert flow["h"].shape == flow["c"].shape == (9,)
    assert bool((flow["c"][1:] > 0).all())
    assert flow["c"][0] == 0  # what is read out is h: the last c has no part in it
    assert not layer._forward_hooks
    assert all(p.grad is None for p in model.parameters())


def test_flow_refuses_what_it_cannot_do() -> None:
    layer, both = make("lstm", 3, 5), make("lstm", 3, 5, bidirectional=True)
    x = torch.randn(2, 4, 3)
    with pytest.raises(ConfigError, match="does not go step by step"):
        gradient_flow(both, both, lambda: both(x)[0].sum())
    with pytest.raises(ConfigError, match="did not call"):
        gradient_flow(layer, layer, lambda: x.sum())
    with pytest.raises(ConfigError, match="one length"):
        gradient_flow(layer, layer, lambda: layer(x, lengths=[4, 2])[0].sum())


@pytest.mark.parametrize("cell", CAUSAL)
def test_attributions_add_up_through_recurrent_layers(cell: str) -> None:
    layer = make(cell, 2, 6, 2).eval()
    x, baseline = 2 * torch.randn(3, 8, 2), torch.randn(3, 8, 2)
    a = integrated_gradients(lambda x: layer(x)[0][:, -1].sum(-1), x, baseline)
    with torch.no_grad():
        change = [layer(v)[0][:, -1].sum(-1) for v in (x, baseline)]
    torch.testing.assert_close(a.values.sum((1, 2)) + a.residual, (change[0] - change[1]).double())
    # where a normalised row's variance nears 0 on the way, h turns too fast for any fixed number of points
    if not any(name.startswith("gain_") for name in CELLS[cell].parameters):
        assert a.relative_residual <= 1e-2
    assert all(p.grad is None for p in layer.parameters())


def test_attributions_of_a_closed_form() -> None:
    """f = x1 x2 from 0: each gets half of the product."""
    x = torch.tensor([[3.0, 4.0], [-1.0, 2.0]], dtype=torch.float64)
    a = integrated_gradients(lambda x: x[:, 0] * x[:, 1], x)
    torch.testing.assert_close(
        a.values, torch.tensor([[6.0, 6.0], [-1.0, -1.0]], dtype=torch.float64)
    )


def test_a_residual_is_told_and_points_are_added() -> None:
    x = torch.tensor([[4.0]], dtype=torch.float64)

    def steep(x: Tensor) -> Tensor:
        return torch.sigmoid(200 * (x[:, 0] - 1.234))

    few = integrated_gradients(steep, x, points=2, tolerance=math.inf)
    many = integrated_gradients(steep, x, points=2)
    assert few.points == 2
    assert few.relative_residual > 0.1
    assert many.points > 2
    assert many.relative_residual <= 0.01


def test_what_is_missing_has_no_attribution() -> None:
    x = torch.tensor([[1.0, float("nan"), 2.0]])
    a = integrated_gradients(lambda x: x.nan_to_num().sum(-1), x, torch.zeros(1, 1))
    assert a.values.tolist() == [[1.0, 0.0, 2.0]]


def test_attribution_of_a_function_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="one number of each row"):
        integrated_gradients(lambda x: x, torch.zeros(2, 3))
    with pytest.raises(ConfigError, match="does not depend"):
        integrated_gradients(lambda x: torch.zeros(len(x)), torch.zeros(2, 3))


def test_attention_is_found_and_a_gru_is_none() -> None:
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    model = nn.ModuleDict({"a": attention, "g": make("gru", 4, 4)})
    x = torch.randn(2, 5, 4)

    def call() -> None:
        model["g"](x)
        attention(x, x, x)
        attention(x, x[:, :3], x[:, :3])

    maps = attention_maps(model, call)
    assert list(maps) == ["a"]
    assert [tuple(m.shape) for m in maps["a"]] == [(2, 5, 5), (2, 5, 3)]


def test_description_of_known_weights() -> None:
    lstm = make("lstm", 3, 4, 2)
    with torch.no_grad():
        for p in lstm.parameters():
            p.fill_(0.0)
        lstm.bias_ih_l1[4:8] = torch.tensor([1.0, 1.0, 1.0, 5.0])
        lstm.bias_hh_l1[4:8] = 0.5
        lstm.bias_ih_l1[:4] = 9.0  # of the input gate: not to be counted
        lstm.weight_ih_l0[0, 0] = -2.0
    found = describe(nn.Sequential(lstm))["layers"][0]
    assert found["forget_bias"][1] == {"mean": 2.5, "least": 1.5, "largest": 5.5}
    assert found["norms"]["weight_ih_l0"] == 2.0
    assert found["name"] == "0"
    assert "forget_bias" in describe(make("gru", 2, 3))["layers"][0]
    assert describe(nn.Linear(2, 3)) == {"parameters": 9, "layers": []}


def test_the_loop_and_the_engine_agree_on_attributions() -> None:
    lstm = make("lstm", 2, 3).double()
    x = torch.randn(1, 5, 2, dtype=torch.float64)
    weights = list(lstm.parameters())
    zeros = torch.zeros(1, 3, dtype=torch.float64)
    ours = integrated_gradients(lambda x: lstm(x)[0][:, -1, 0], x)
    loop = integrated_gradients(
        lambda x: reference.lstm(x, zeros.expand(len(x), 3), zeros.expand(len(x), 3), *weights)[0][
            :, -1, 0
        ],
        x,
    )
    torch.testing.assert_close(ours.values, loop.values)
