"""Gradients by finite differences, and autograd's other promises."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

sys.path.insert(0, str(Path(__file__).parent))
from layers import KINDS, Kind, additions, close, initial, states

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
LENGTHS = torch.tensor([2, 4, 0])
RESETS = torch.tensor([[0, 0, 1, 0], [1, 0, 0, 1], [0, 1, 0, 0]], dtype=torch.bool)


@every_kind
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "both-ways"])
@pytest.mark.parametrize("case", ["full", "no-bias", "lengths", "resets", "packed"])
def test_finite_differences(kind: Kind, bidirectional: bool, case: str) -> None:
    """Of every parameter, the input and the initial state, in float64."""
    options: dict[str, Any] = {"bidirectional": bidirectional, "bias": case != "no-bias"}
    layer = kind.make(2, 3, dtype=torch.float64, **options)
    with torch.no_grad():  # away from the relu's corner, so that differences are gradients
        for p in layer.parameters():
            p.mul_(1.3)
    B = 2 if case == "packed" else 3
    x = torch.randn(B, 4, 2, dtype=torch.float64, requires_grad=True)
    first = [s.requires_grad_() for s in states(initial(layer, B))]
    names = [n for n, _ in layer.named_parameters()]

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        hx: Any = rest[: len(first)]
        hx = hx if layer.mode == "LSTM" else hx[0]
        weights = dict(zip(names, rest[len(first) :], strict=True))
        given: Any = x
        options: dict[str, Any] = {}
        if case == "packed":
            given = pack_padded_sequence(x, [3, 4], True, enforce_sorted=False)
        elif case in ("lengths", "resets"):
            options = {"lengths": LENGTHS}
            options |= {"resets": RESETS} if case == "resets" else {}
        # called inside: functional_call puts the weights where a parametrization would
        y, last = torch.func.functional_call(layer, weights, (given, hx), options)
        return (y.data if isinstance(y, PackedSequence) else y, *states(last))

    assert torch.autograd.gradcheck(run, (x, *first, *layer.parameters()), fast_mode=False)


@every_kind
def test_a_stack_of_layers(kind: Kind) -> None:
    layer = kind.make(2, 3, num_layers=2, bidirectional=True, dtype=torch.float64)
    x = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: layer(x, lengths=[3, 2])[0], (x,))


@every_kind
@pytest.mark.parametrize("only", ["output", "state"])
def test_either_result_alone(kind: Kind, only: str) -> None:
    layer = kind.make(2, 3, dtype=torch.float64)
    x = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    pick = (lambda r: r[0]) if only == "output" else (lambda r: states(r[1])[-1])
    assert torch.autograd.gradcheck(lambda x: pick(layer(x)), (x,))


@every_kind
def test_only_what_is_wanted_gets_a_gradient(kind: Kind) -> None:
    layer = kind.make(3, 4, dtype=torch.float64)
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    layer(x)[0].sum().backward()
    full = {n: p.grad.clone() for n, p in layer.named_parameters()}
    for frozen in full:
        layer.zero_grad()
        layer.requires_grad_(True).get_parameter(frozen).requires_grad_(False)
        layer(x)[0].sum().backward()
        for name, p in layer.named_parameters():
            if name == frozen:
                assert p.grad is None
            else:
                assert torch.equal(p.grad, full[name])
    layer.requires_grad_(False)
    assert not layer(x)[0].requires_grad
    x.requires_grad_()
    layer(x)[0].sum().backward()
    assert x.grad is not None
    h = [s.requires_grad_() for s in states(initial(layer, 2))]
    layer(x.detach(), tuple(h) if layer.mode == "LSTM" else h[0])[0].sum().backward()
    assert all(s.grad is not None for s in h)


@every_kind
def test_a_learned_initial_state(kind: Kind) -> None:
    """One row for the whole batch, expanded: a stride of 0."""
    layer = kind.make(3, 4, dtype=torch.float64)
    rows = [torch.randn(1, 1, s[2], dtype=torch.float64) for s in layer._state_shapes(1)]
    rows = [r.requires_grad_() for r in rows]
    hx = tuple(r.expand(-1, 5, -1) for r in rows)
    layer(torch.randn(5, 3, 3, dtype=torch.float64), hx if len(hx) == 2 else hx[0])[
        0
    ].sum().backward()
    assert all(r.grad is not None and r.grad.shape == r.shape for r in rows)


@every_kind
def test_twice_in_one_graph_and_backward_twice(kind: Kind) -> None:
    layer = kind.make(3, 3, dtype=torch.float64)
    if kind.name == "projected":
        layer = kind.make(1, 3, dtype=torch.float64)
    I = layer.input_size  # noqa: E741
    x = torch.randn(2, 4, I, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: layer(layer(x)[0])[0], (x,))
    loss = layer(x)[0].square().sum()
    loss.backward(retain_graph=True)
    once = [p.grad.clone() for p in layer.parameters()]
    loss.backward()
    for p, g in zip(layer.parameters(), once, strict=True):
        assert torch.equal(p.grad, 2 * g)


@every_kind
@pytest.mark.parametrize("what", ["input", "weight", "output"])
def test_a_change_in_place_before_backward_is_noticed(kind: Kind, what: str) -> None:
    layer = kind.make(3, 4)
    x = torch.randn(2, 5, 3)
    y, _ = layer(x)
    with torch.no_grad():
        {"input": x, "weight": layer.weight_hh_l0, "output": y}[what].add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@every_kind
def test_second_derivatives_are_refused_with_a_way_out(kind: Kind) -> None:
    layer = kind.make(3, 4, dtype=torch.float64)
    x = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad(layer(x)[0].sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"cannot be differentiated again\. Take second deriv"):
        g.sum().backward()
    # The way out that the message names.
    (g,) = torch.autograd.grad(kind.theirs.forward(layer, x)[0].sum(), x, create_graph=True)
    g.square().sum().backward()
    assert x.grad is not None


# ------------------------------------------------------------------ weights from elsewhere


class _Double(nn.Module):
    def forward(self, w: Tensor) -> Tensor:
        return 2 * w


@every_kind
def test_a_parametrized_weight(kind: Kind) -> None:
    layer = kind.make(3, 4, num_layers=2, dtype=torch.float64)
    plain = kind.make(3, 4, num_layers=2, dtype=torch.float64)
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    with torch.no_grad():
        plain.weight_hh_l1.mul_(2)
    parametrize.register_parametrization(layer, "weight_hh_l1", _Double())
    for y in (layer(x)[0], plain(x)[0]):
        y.sum().backward()
    assert torch.equal(layer(x)[0], plain(x)[0])
    with torch.no_grad():
        assert torch.equal(layer(x)[0], plain(x)[0])
    original = layer.parametrizations.weight_hh_l1.original
    close(original.grad, 2 * plain.weight_hh_l1.grad, additions(plain, 5))


@every_kind
def test_weight_norm(kind: Kind) -> None:
    layer = kind.make(3, 4)
    x = torch.randn(2, 5, 3)
    before = layer(x)[0]
    parametrizations.weight_norm(layer, "weight_hh_l0")
    close(layer(x)[0], before, additions(layer, 5))
    layer(x)[0].sum().backward()
    assert layer.parametrizations.weight_hh_l0.original0.grad is not None


@every_kind
def test_weight_drop_by_a_plain_tensor(kind: Kind) -> None:
    """As AWD-LSTM does it: the parameter kept under another name, a dropped copy in its place."""
    layer = kind.make(3, 4)
    x = torch.randn(2, 5, 3)
    before = layer(x)[0]
    raw = layer.weight_hh_l0
    del layer._parameters["weight_hh_l0"]
    layer.register_parameter("weight_hh_l0_raw", raw)
    layer.weight_hh_l0 = raw * 1.0
    y = layer(x)[0]
    assert torch.equal(y, before)
    y.sum().backward()
    assert raw.grad is not None
    layer.weight_hh_l0 = torch.zeros_like(raw)
    with torch.no_grad():
        assert not torch.equal(layer(x)[0], before)


def test_a_weight_that_lies_elsewhere_in_memory() -> None:
    layer = KINDS[0].make(3, 4)
    x = torch.randn(2, 5, 3)
    before = layer(x)[0]
    layer.weight_ih_l0 = nn.Parameter(layer.weight_ih_l0.detach().t().contiguous().t())
    assert not layer.weight_ih_l0.is_contiguous()
    assert torch.equal(layer(x)[0], before)
    with torch.no_grad():
        assert torch.equal(layer(x)[0], before)
    layer(x)[0].sum().backward()
    assert layer.weight_ih_l0.grad.shape == (16, 3)


# ------------------------------------------------------------------ torch.func, forward mode


@every_kind
def test_function_transforms(kind: Kind) -> None:
    layer = kind.make(3, 4, dtype=torch.float64)
    x = torch.randn(3, 5, 3, dtype=torch.float64)
    weights = dict(layer.named_parameters())

    def loss(weights: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(layer, weights, (x,))[0].sum()

    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, x.unsqueeze(1))
    layer(x)[0].sum().backward()
    for name, p in layer.named_parameters():
        close(each[name].sum(0), p.grad, 3 * additions(layer, 5))


@every_kind
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, by torch
def test_forward_mode(kind: Kind) -> None:
    layer = kind.make(2, 3, dtype=torch.float64)
    x = torch.randn(2, 3, 2, dtype=torch.float64)
    _, tangent = torch.func.jvp(lambda x: layer(x)[0], (x,), (torch.ones_like(x),))
    with torch.no_grad(), torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))
        found = torch.autograd.forward_ad.unpack_dual(layer(dual)[0]).tangent
    assert torch.equal(found, tangent)
    assert tangent.any()
