"""One step of every cell, written a second time from its paper: the readable loops are tested too.

Nothing here comes from ``gatework.nn.reference``.  Weights are taken apart by hand, a unit's sums are made by
NumPy, and each formula stands as its paper has it.  Gates lie in the order i f g o, those that there are.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from every_cell import PLAIN, Case, given, natural

from gatework.cells import CELLS
from gatework.nn import by_loop

Row = np.ndarray[Any, Any]
Sums = Callable[[str], Row]


def s(x: Row) -> Row:
    return 1 / (1 + np.exp(-x))


tanh = np.tanh


class Step:
    """One sequence's step: sums of a gate by its letter, and the state before."""

    def __init__(self, layer: Any, x: Row, state: list[Row]) -> None:
        own = {n: p.detach().numpy() for n, p in layer.named_parameters()}
        row = layer._cell
        self.state, H = state, layer.hidden_size
        self.x_sums, self.h_sums = (
            dict(zip(gates, found.reshape(len(gates), H), strict=True))
            for gates, found in (
                (row.x_gates, own["weight_ih_l0"] @ x + own["bias_ih_l0"]),
                (
                    row.h_gates,
                    own["weight_hh_l0"] @ state[0] + own["bias_hh_l0"]
                    if row.h_gates
                    else np.empty(0),
                ),
            )
        )
        peeks = [gate for gate in "ifo" if gate in row.x_gates]
        self.p = dict(zip(peeks, own.get("weight_p_l0", np.zeros((len(peeks), H))), strict=True))

    def __call__(self, gate: str) -> Row:
        return self.x_sums[gate] + self.h_sums.get(gate, 0.0)


def rnn(a: Step) -> list[Row]:
    """Elman 1990: the hidden units see the input and a copy of themselves."""
    return [tanh(a("g"))]


def rnn_relu(a: Step) -> list[Row]:
    """Le, Jaitly & Hinton 2015."""
    return [np.maximum(0, a("g"))]


def gru(a: Step) -> list[Row]:
    """Cho et al. 2014, equations 5 to 8; r after the product, as Cho's footnoted variant and cuDNN have it."""
    h = a.state[0]
    r, z = s(a("r")), s(a("z"))
    return [z * h + (1 - z) * tanh(a.x_sums["n"] + r * a.h_sums["n"])]


def lstm(a: Step) -> list[Row]:
    """Gers, Schmidhuber & Cummins 2000, equations 1 to 8."""
    c = s(a("f")) * a.state[1] + s(a("i")) * tanh(a("g"))
    return [s(a("o")) * tanh(c), c]


def lstm1997(a: Step) -> list[Row]:
    """Hochreiter & Schmidhuber 1997, section 4: s_c(t) = s_c(t-1) + y_in g(net_c)."""
    c = a.state[1] + s(a("i") + a.p["i"] * a.state[1]) * tanh(a("g"))
    return [s(a("o") + a.p["o"] * c) * tanh(c), c]


def peephole(a: Step) -> list[Row]:
    """Gers, Schraudolph & Schmidhuber 2002, equations 5 to 9; Greff et al. 2015, section 2.1."""
    before = a.state[1]
    i, f = s(a("i") + a.p["i"] * before), s(a("f") + a.p["f"] * before)
    c = tanh(a("g")) * i + before * f
    return [tanh(c) * s(a("o") + a.p["o"] * c), c]


def cifg(a: Step) -> list[Row]:
    """Greff et al. 2015, section 3: one gate for both; theirs is i with f = 1 - i, ours is f."""
    f = s(a("f") + a.p["f"] * a.state[1])
    c = (1 - f) * tanh(a("g")) + f * a.state[1]
    return [tanh(c) * s(a("o") + a.p["o"] * c), c]


def no_input_gate(a: Step) -> list[Row]:
    """Greff et al. 2015, section 3, NIG: i = 1."""
    c = tanh(a("g")) + a.state[1] * s(a("f") + a.p["f"] * a.state[1])
    return [tanh(c) * s(a("o") + a.p["o"] * c), c]


def no_output_gate(a: Step) -> list[Row]:
    """Greff et al. 2015, section 3, NOG: o = 1."""
    before = a.state[1]
    c = tanh(a("g")) * s(a("i") + a.p["i"] * before) + before * s(a("f") + a.p["f"] * before)
    return [tanh(c), c]


def no_input_activation(a: Step) -> list[Row]:
    """Greff et al. 2015, section 3, NIAF: g(x) = x."""
    before = a.state[1]
    c = a("g") * s(a("i") + a.p["i"] * before) + before * s(a("f") + a.p["f"] * before)
    return [tanh(c) * s(a("o") + a.p["o"] * c), c]


def no_output_activation(a: Step) -> list[Row]:
    """Greff et al. 2015, section 3, NOAF: h(x) = x."""
    before = a.state[1]
    c = tanh(a("g")) * s(a("i") + a.p["i"] * before) + before * s(a("f") + a.p["f"] * before)
    return [c * s(a("o") + a.p["o"] * c), c]


def slstm(a: Step) -> list[Row]:
    """Beck et al. 2024, equations 8 to 17, f = sigmoid; the stabiliser in its plain form (equation 15)."""
    _, c, n, m = a.state
    log_f = np.log(s(a("f")))
    new_m = np.maximum(log_f + m, a("i"))
    i, f = np.exp(a("i") - new_m), np.exp(log_f + m - new_m)
    c, n = f * c + i * tanh(a("g")), f * n + i
    return [s(a("o")) * c / n, c, n, new_m]


def minlstm(a: Step) -> list[Row]:
    """Feng et al. 2024, section 3.2.3: f' = f / (f + i), i' = i / (f + i)."""
    f, i = s(a("f")), s(a("i"))
    return [f / (f + i) * a.state[0] + i / (f + i) * a("g")]


def mingru(a: Step) -> list[Row]:
    """Feng et al. 2024, section 3.1.3."""
    z = s(a("z"))
    return [(1 - z) * a.state[0] + z * a("n")]


FORMULAS: dict[str, Callable[[Step], list[Row]]] = {
    f.__name__: f
    for f in (
        *(rnn, rnn_relu, gru, lstm, lstm1997, peephole, cifg, no_input_gate, no_output_gate),
        *(no_input_activation, no_output_activation, slstm, minlstm, mingru),
    )
}
# Rows whose formula is written a second time elsewhere: the file, beside this one.
ELSEWHERE = {
    "feedforward": "test_horizon.py",
    "mlstm": "test_mlstm.py",
    "gru_d": "test_decay.py",
    "full_gate_recurrence": "test_full_gate.py",
    "layernorm": "test_layer_norm.py",
    "layernorm_gru": "test_layer_norm.py",
}


def test_every_row_has_its_formula() -> None:
    missing = set(CELLS) - set(FORMULAS) - set(ELSEWHERE)
    assert not missing, f"write the formula of {sorted(missing)}, or say in ELSEWHERE what tests it"
    absent = [f for f in ELSEWHERE.values() if not (Path(__file__).parent / f).exists()]
    assert not absent


written = pytest.mark.parametrize("case", [c for c in PLAIN if c.row.name in FORMULAS], ids=str)


@written
@pytest.mark.parametrize("first", ["zeros", "natural"])
def test_one_step_is_the_papers(case: Case, first: str) -> None:
    """By the engine and by the loop, from nothing and from a state that the cell comes to."""
    with_peepholes = case.row.parameters and case.row.name != "peephole"
    for options in ({}, {"peepholes": True}) if with_peepholes else ({},):
        layer = case.make(3, 5, **options)
        x = torch.randn(4, 3, dtype=torch.float64)
        hx = natural(layer, 4)
        if first == "zeros":
            hx = tuple(torch.zeros_like(t) for t in hx)
        with torch.no_grad():
            y, last = layer.step(x, given(case.row, hx))
            weights = layer._weights("")
            slow, _ = by_loop.forward_by_loop(layer, x.unsqueeze(1), hx, None, None, weights)
        found = last if isinstance(last, tuple) else (last,)
        for b in range(4):
            state = [t[0, b].numpy() for t in hx]
            if case.row.name == "slstm" and first == "zeros":
                state[3] = np.full(
                    5, -math.inf
                )  # nothing was seen: the paper's m is undefined there
            wanted = FORMULAS[case.row.name](Step(layer, x[b].numpy(), state))
            tolerance = {"rtol": 1e-13, "atol": 1e-13}  # sums of 8 terms, a few functions
            np.testing.assert_allclose(y[b].numpy(), wanted[0], **tolerance)
            np.testing.assert_allclose(slow[b, 0].numpy(), wanted[0], **tolerance)
            for part, value in zip(found, wanted, strict=True):
                np.testing.assert_allclose(part[0, b].numpy(), value, **tolerance)


@written
def test_another_formula_is_seen(case: Case) -> None:
    """No two cells of the same gates and states give the same: each formula can fail."""
    layer = case.make(3, 5)
    x, state = torch.randn(1, 3, dtype=torch.float64), natural(layer, 1)
    y = layer.step(x, given(case.row, state))[0][0].detach().numpy()
    for other in CELLS.values():
        same_kind = (other.x_gates, other.states) == (case.row.x_gates, case.row.states)
        if other is case.row or other.name not in FORMULAS or not same_kind:
            continue
        if other.name == "peephole" or case.row.name == "peephole":
            continue  # without weight_p it is the LSTM
        found = FORMULAS[other.name](Step(layer, x[0].numpy(), [t[0, 0].numpy() for t in state]))
        assert not np.allclose(found[0], y, atol=1e-6), other.name
