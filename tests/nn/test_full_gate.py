"""Full gate recurrence: against its equations, by finite differences, as a stream."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gatework.nn import LSTM, FullGateLSTM

B, T, I, H = 3, 5, 2, 4  # noqa: E741
LENGTHS = [5, 0, 3]
RESETS = torch.tensor([[0, 0, 1, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 1]], dtype=torch.bool)


def layer_of(**options: Any) -> FullGateLSTM:
    torch.manual_seed(0)
    return FullGateLSTM(I, H, **{"batch_first": True, **options}).double()


def some() -> Tensor:
    return torch.randn(B, T, I, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def by_hand(layer: FullGateLSTM, x: np.ndarray) -> np.ndarray:
    """One sequence ``(T, I)`` by the equations, gate by gate, each of the nine matrices by itself."""

    def s(v: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-v))

    w = {n.removesuffix("_l0"): p.detach().numpy() for n, p in layer.named_parameters()}
    W = dict(zip("ifgo", np.split(w["weight_ih"], 4), strict=True))
    U = dict(zip("ifgo", np.split(w["weight_hh"], 4), strict=True))
    b = dict(zip("ifgo", np.split(w["bias_ih"] + w["bias_hh"], 4), strict=True))
    rows = dict(zip("ifo", np.split(w["weight_gates"], 3), strict=True))
    R = {
        (source, to): block
        for to, row in rows.items()
        for source, block in zip("ifo", np.split(row, 3, axis=1), strict=True)
    }
    p = dict(zip("ifo", w.get("weight_p", np.zeros((3, H))), strict=True))
    h = c = np.zeros(H)
    gates = dict.fromkeys("ifo", np.zeros(H))
    found = []
    for x_t in x:
        sums = {gate: W[gate] @ x_t + U[gate] @ h + b[gate] for gate in "ifgo"}
        for to in "ifo":
            sums[to] = sums[to] + sum(R[source, to] @ gates[source] for source in "ifo")
        i, f = s(sums["i"] + p["i"] * c), s(sums["f"] + p["f"] * c)
        c = f * c + i * np.tanh(sums["g"])
        o = s(sums["o"] + p["o"] * c)
        h, gates = o * np.tanh(c), {"i": i, "f": f, "o": o}
        found.append(h)
    return np.stack(found)


@pytest.mark.parametrize("peepholes", [False, True])
def test_its_equations(peepholes: bool) -> None:
    layer, x = layer_of(peepholes=peepholes), some()
    y, state = layer(x)
    for b in range(B):
        np.testing.assert_allclose(y[b].detach(), by_hand(layer, x[b].numpy()), atol=1e-14)
    assert torch.equal(state[0][0], y[:, -1])


def test_without_its_nine_matrices_it_is_the_lstm() -> None:
    layer, lstm = layer_of(num_layers=2), LSTM(I, H, 2, batch_first=True).double()
    own = {n: p for n, p in layer.named_parameters() if "gates" not in n}
    lstm.load_state_dict(own)
    with torch.no_grad():
        for name, p in layer.named_parameters():
            if "gates" in name:
                p.zero_()
    x = some()
    y, (h, c, *_) = layer(x, lengths=LENGTHS, resets=RESETS)
    wanted, last = lstm(x, lengths=LENGTHS, resets=RESETS)
    torch.testing.assert_close(y, wanted)
    torch.testing.assert_close((h, c), last)


def test_finite_differences_lengths_and_resets() -> None:
    layer, x = layer_of(peepholes=True, bidirectional=True, num_layers=2), some()
    shapes = layer._state_shapes(B)
    state = [torch.rand(s, dtype=torch.float64, requires_grad=True) for s in shapes]
    names = [n for n, _ in layer.named_parameters()]

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        weights = dict(zip(names, rest[5:], strict=True))
        options = {"lengths": LENGTHS, "resets": RESETS}
        y, last = torch.func.functional_call(layer, weights, (x, rest[:5]), options)
        return (y, *last)

    inputs = (x.requires_grad_(), *state, *layer.parameters())
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_each_sequence_alone(bidirectional: bool) -> None:
    layer, x = layer_of(num_layers=2, bidirectional=bidirectional), some()
    y, state = layer(x, lengths=LENGTHS, resets=RESETS)
    for b, n in enumerate(LENGTHS):
        assert not y[b, n:].any()
        alone, after = layer(x[b : b + 1, :n], resets=RESETS[b : b + 1, :n])
        torch.testing.assert_close(y[b : b + 1, :n], alone)
        torch.testing.assert_close(tuple(s[:, b : b + 1] for s in state), after)


def test_steps_are_the_sequence_and_fan_out_a_step_for_each() -> None:
    layer, x = layer_of(num_layers=2, peepholes=True), some()
    y, last = layer(x)
    state = None
    for t in range(T):
        h, state = layer.step(x[:, t], state)
        torch.testing.assert_close(h, y[:, t])
    torch.testing.assert_close(state, last)
    many = layer.fan_out(x, state)
    for m in range(T):
        torch.testing.assert_close(many[:, m], layer.step(x[:, m], state)[0])
    with pytest.raises(ValueError, match="a bidirectional layer needs the whole"):
        layer_of(bidirectional=True).fan_out(x, state)
    with pytest.raises(TypeError, match=r"`state` must be \(h, c, i, f, o\)"):
        layer.fan_out(x, state[0])


def test_how_it_begins_and_is_shown() -> None:
    layer = FullGateLSTM(I, H, 2, peepholes=True, forget_bias=2.0)
    b_ih, b_hh = layer.bias_ih_l1.detach(), layer.bias_hh_l1.detach()
    assert b_ih[H : 2 * H].tolist() == [2.0] * H
    assert b_hh[H : 2 * H].tolist() == [0.0] * H
    assert repr(layer) == "FullGateLSTM(2, 4, num_layers=2, peepholes=True)"
