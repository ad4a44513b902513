"""How weights begin: orthogonal blocks, chrono biases, open gates, for every cell of the table."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gatework.cells import CELLS
from gatework.errors import ConfigError
from gatework.nn import LSTM, SLSTM, initialise, make
from gatework.nn.initialise import keeping_gates

H = 8
RECURRENT = [name for name in CELLS if name != "feedforward"]
KEEPING = [name for name in RECURRENT if keeping_gates(CELLS[name])]
every_cell = pytest.mark.parametrize("cell", RECURRENT)


def layer_of(cell: str, **options: Any) -> Any:
    torch.manual_seed(0)
    return make(cell, 3, H, 2, bidirectional=True, **options)


def blocks(layer: Any, kind: str, gates: str) -> list[dict[str, Tensor]]:
    """Of every layer and direction the rows of each gate."""
    own = [p.detach() for n, p in layer.named_parameters() if n.startswith(kind)]
    behind = [f"bias_{gate}" for gate in gates]
    rows = layer._cell.parameters
    if kind == "bias_ih" and set(behind) <= set(rows):  # those of normalised sums
        own = [p.detach() for n, p in layer.named_parameters() if n.startswith("weight_p")]
        own = [p[[rows.index(name) for name in behind]].flatten() for p in own]
    return [dict(zip(gates, p.split(H), strict=True)) for p in own]


@every_cell
def test_every_gates_matrix_is_orthogonal(cell: str) -> None:
    row, layer = CELLS[cell], layer_of(cell)
    before = {n: p.clone() for n, p in layer.named_parameters()}
    assert initialise(layer) is layer
    found = blocks(layer, "weight_hh", row.h_gates) if row.h_gates else []
    assert len(found) == (4 if row.h_gates else 0)
    for W in (w for one in found for w in one.values()):
        torch.testing.assert_close(W @ W.T, torch.eye(H), atol=1e-5, rtol=0)
        assert torch.equal(W, torch.eye(H)) == (cell == "rnn_relu")
    for name, p in layer.named_parameters():
        changed = not torch.equal(p, before[name])
        rectified = cell == "rnn_relu" and name.startswith("bias")
        gates = "weight_gates" in name and bool(row.h_gates)
        assert changed == ("weight_hh" in name or rectified or gates), name


@pytest.mark.parametrize("cell", KEEPING)
def test_chrono_biases_keep_for_the_lag(cell: str) -> None:
    """A gate that keeps keeps 1 - 1/T a step: its half-life in steps is of the order of u."""
    row, layer = CELLS[cell], initialise(layer_of(cell), chrono=100.0, orthogonal=False)
    signs = keeping_gates(row)
    for one in blocks(layer, "bias_ih", row.x_gates):
        for gate, sign in signs.items():
            u = (sign * one[gate]).exp()
            assert bool(((u >= 1 - 1e-5) & (u <= 99 + 1e-3)).all())
            assert float(u.max() - u.min()) > 1.0  # drawn of each unit
        if "i" in signs and "f" in signs:
            assert torch.equal(one["i"], -one["f"])
    for one in blocks(layer, "bias_hh", row.h_gates) if row.h_gates else []:
        assert not any(one[gate].any() for gate in signs)


@pytest.mark.parametrize("cell", KEEPING)
def test_an_open_gate_does_keep(cell: str) -> None:
    """The sign is right: with large biases what the state holds stays, step after step."""
    if cell in ("no_input_gate", "lstm1997"):
        return  # one keeps but goes on writing, the other never forgets
    layer = make(cell, 3, H, bias=True)
    initialise(layer, chrono=1e6, orthogonal=False)
    with torch.no_grad():
        for name, p in layer.named_parameters():
            if name.startswith("weight") and not name.startswith("weight_p"):
                p.mul_(0.1)
    x, state = torch.randn(1, 3), None
    _, state = layer.step(x, state)
    place = 1 if len(CELLS[cell].states) > 1 and cell != "gru_d" else 0
    kept = [state] if isinstance(state, Tensor) else list(state)
    value = torch.full_like(kept[place], 0.5)
    if len(kept) == 1:
        kept = [value]
    elif cell == "slstm":
        kept[1:4] = [value, torch.ones_like(value), torch.zeros_like(value)]
    else:
        kept[place] = value
    if cell == "gru_d":
        with torch.no_grad():
            layer.weight_decay_l0.zero_()
    after = layer.step(x, tuple(kept) if len(kept) > 1 else kept[0])[1]
    after = after if isinstance(after, Tensor) else after[place]
    assert float((after - value).detach().abs().median()) < 1e-2


@pytest.mark.parametrize("cell", KEEPING)
def test_forget_bias(cell: str) -> None:
    row, layer = CELLS[cell], layer_of(cell)
    signs = keeping_gates(row)
    gate = next((g for g in "fz" if g in signs), None)
    if gate is None:
        with pytest.raises(ConfigError, match="`forget_bias` was given, LSTM1997"):
            initialise(layer, forget_bias=1.0)
        return
    before = blocks(layer, "bias_ih", row.x_gates)
    initialise(layer, forget_bias=2.0)
    for one, old in zip(blocks(layer, "bias_ih", row.x_gates), before, strict=True):
        assert one[gate].tolist() == [2.0 * signs[gate]] * H
        assert all(torch.equal(one[g], old[g]) for g in row.x_gates if g != gate)


def test_torchs_layers_heads_and_projections() -> None:
    theirs = initialise(nn.LSTM(3, H, bidirectional=True), chrono=50)
    _, f, _, _ = theirs.bias_ih_l0_reverse.detach().chunk(4)
    assert bool((f >= 0).all())
    assert float(f.max()) <= math.log(49) + 1e-5
    projected = initialise(LSTM(3, H, proj_size=2))
    for W in projected.weight_hh_l0.detach().split(H):
        torch.testing.assert_close(W.T @ W, torch.eye(2), atol=1e-5, rtol=0)
    heads = initialise(SLSTM(3, H, num_heads=2))
    for W in heads.weight_hh_l0.detach().split(H // 2):
        torch.testing.assert_close(W @ W.T, torch.eye(H // 2), atol=1e-5, rtol=0)


def test_the_seed_repeats_it() -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        found.append(initialise(layer_of("lstm"), chrono=10).state_dict())
    assert all(torch.equal(a, b) for a, b in zip(*(f.values() for f in found), strict=True))


def test_what_is_refused() -> None:
    with pytest.raises(ConfigError, match="`layer` must be a recurrent layer"):
        initialise(nn.Sequential(nn.LSTM(3, 4)))
    with pytest.raises(ConfigError, match="both set the forget gates"):
        initialise(nn.LSTM(3, 4), chrono=10, forget_bias=1.0)
    with pytest.raises(ConfigError, match="must be finite and more than 2; got 2"):
        initialise(nn.LSTM(3, 4), chrono=2)
    with pytest.raises(ConfigError, match=r"`chrono` was given, RNN \(rnn\) has no gate"):
        initialise(make("rnn", 3, 4), chrono=10)
    with pytest.raises(ConfigError, match=r"`chrono` was given, LSTM \(lstm\) has no biases"):
        initialise(make("lstm", 3, 4, bias=False), chrono=10)
