"""Layer normalisation: the equations by hand, what it is for, its biases, threads over its rows."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gatework.cells import CELLS
from gatework.engine_module import engine
from gatework.nn import LayerNormGRU, LayerNormLSTM, initialise, make

CELLS_HERE = ("layernorm", "layernorm_gru")
every_cell = pytest.mark.parametrize("cell", CELLS_HERE)
B, T, I, H = 5, 6, 3, 18  # noqa: E741
LENGTHS = [6, 0, 3, 1, 5]
Array = np.ndarray[Any, np.dtype[np.float64]]


def layer_of(cell: str, hidden: int = H, **options: Any) -> Any:
    torch.manual_seed(0)
    layer = make(cell, I, hidden, **options)
    for name, p in layer.named_parameters():
        if name.startswith("weight_p") and options.get("bias", True):
            torch.nn.init.normal_(p)
    return layer.double()


def some(*shape: int, seed: int = 1) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=g, dtype=torch.float64)


def sigmoid(v: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-v)))


def normal(v: Array) -> Array:
    return np.asarray((v - v.mean()) / np.sqrt(((v - v.mean()) ** 2).mean() + 1e-5))


def lstm_by_hand(w: dict[str, Array], x: Array) -> Array:
    """One sequence by equations 20 to 22; the paper's two biases of the sums are one."""
    p = dict(zip(CELLS["layernorm"].parameters, w["weight_p_l0"], strict=True))
    h = c = np.zeros(len(p["gain_c"]))
    found = []
    for x_t in x:
        n_x = np.split(normal(w["weight_ih_l0"] @ x_t), 4)
        n_h = np.split(normal(w["weight_hh_l0"] @ h), 4)
        i, f, g, o = (
            p[f"gain_x_{k}"] * a + p[f"gain_h_{k}"] * b + p[f"bias_{k}"]
            for k, a, b in zip("ifgo", n_x, n_h, strict=True)
        )
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(p["gain_c"] * normal(c) + p["bias_c"])
        found.append(h)
    return np.stack(found)


def gru_by_hand(w: dict[str, Array], x: Array) -> Array:
    """One sequence by the supplementary material's equations, z the share of the old."""
    p = dict(zip(CELLS["layernorm_gru"].parameters, w["weight_p_l0"], strict=True))
    H = len(p["bias_r"])
    h = np.zeros(H)
    found = []
    for x_t in x:
        a, b = w["weight_ih_l0"] @ x_t, w["weight_hh_l0"] @ h
        (r_x, z_x), (r_h, z_h) = np.split(normal(a[: 2 * H]), 2), np.split(normal(b[: 2 * H]), 2)
        r = sigmoid(p["gain_x_r"] * r_x + p["gain_h_r"] * r_h + p["bias_r"])
        z = sigmoid(p["gain_x_z"] * z_x + p["gain_h_z"] * z_h + p["bias_z"])
        from_h = p["gain_h_n"] * normal(b[2 * H :]) + p["bias_h_n"]
        n = np.tanh(p["gain_x_n"] * normal(a[2 * H :]) + p["bias_n"] + r * from_h)
        h = (1 - z) * n + z * h
        found.append(h)
    return np.stack(found)


@every_cell
@pytest.mark.parametrize("hidden", [1, 2, 7, 8, 9, 16, 33])
def test_its_equations(cell: str, hidden: int) -> None:
    layer, x = layer_of(cell, hidden), some(B, T, I)
    by_hand = lstm_by_hand if cell == "layernorm" else gru_by_hand
    weights = {n: p.detach().numpy() for n, p in layer.named_parameters()}
    y, _ = layer(x)  # keeps what backward needs
    with torch.no_grad():
        alone = torch.cat(
            [layer(x[b : b + 1])[0] for b in range(B)]
        )  # few rows: weights as they are
        many = layer(x)[0]  # nothing kept
    for b in range(B):
        wanted = by_hand(weights, x[b].numpy())
        for found in (y, alone, many):
            np.testing.assert_allclose(found[b].detach(), wanted, atol=1e-12)


@every_cell
def test_finite_differences(cell: str) -> None:
    layer, x = layer_of(cell, 3, num_layers=2, bidirectional=True), some(3, 4, I)
    resets = torch.tensor([[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 1]], dtype=torch.bool)
    names = [n for n, _ in layer.named_parameters()]
    state = [some(*s).requires_grad_() for s in layer._state_shapes(3)]

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        first = rest[: len(state)]
        weights = dict(zip(names, rest[len(state) :], strict=True))
        hx = first if len(first) > 1 else first[0]
        options = {"lengths": [4, 0, 2], "resets": resets}
        y, last = torch.func.functional_call(layer, weights, (x, hx), options)
        return (y, *(last if isinstance(last, tuple) else (last,)))

    assert torch.autograd.gradcheck(
        run, (x.requires_grad_(), *state, *layer.parameters()), fast_mode=True
    )


@every_cell
def test_a_row_without_variance_is_finite(cell: str) -> None:
    """One unit, and zeros for inputs: all that is left is the biases, and gradients are numbers."""
    layer = layer_of(cell, 1)
    x = torch.zeros(2, T, I, dtype=torch.float64, requires_grad=True)
    y, _ = layer(x)
    (y * y).sum().backward()
    assert torch.isfinite(y).all()
    assert all(torch.isfinite(p.grad).all() for p in (x, *layer.parameters()))


@every_cell
def test_what_inputs_were_scaled_by_is_forgotten(cell: str) -> None:
    layer, x = layer_of(cell), some(B, T, I) * 1e3
    torch.testing.assert_close(layer(x)[0], layer(7 * x)[0], atol=1e-6, rtol=0)
    plain = make("lstm", I, H).double()
    assert (plain(x / 1e3)[0] - plain(7 * x / 1e3)[0]).abs().max() > 0.1


@every_cell
def test_large_values_cancel_nothing(cell: str) -> None:
    """The variance is taken around the mean: float32 sums around 1e3 keep their digits."""
    layer = layer_of(cell)
    with torch.no_grad():
        layer.weight_ih_l0[:, 0] = 1.0  # the same for all units: it moves the mean alone
    x = some(B, T, I)
    x[..., 0] = 1e3
    wanted = layer(x)[0]
    found = copy.deepcopy(layer).float()(x.float())[0]
    torch.testing.assert_close(found.double(), wanted, atol=2e-3, rtol=0)


def test_how_it_begins() -> None:
    lstm: Any = LayerNormLSTM(I, H)
    gru: Any = LayerNormGRU(I, H, bidirectional=True)
    p = dict(zip(CELLS["layernorm"].parameters, lstm.weight_p_l0.tolist(), strict=True))
    for name, row in p.items():
        assert row == [1.0 if name.startswith("gain") or name == "bias_f" else 0.0] * H
    assert gru.weight_p_l0_reverse.tolist() == [[1.0] * H] * 6 + [[0.0] * H] * 4
    lstm = LayerNormLSTM(I, H, forget_bias=3.0)
    assert lstm.weight_p_l0[9].tolist() == [3.0] * H
    chrono = initialise(lstm, chrono=100).weight_p_l0.detach()
    assert torch.equal(chrono[8], -chrono[9])
    assert float(chrono[9].max()) > 1
    with pytest.raises(
        ValueError, match="LayerNormGRU: `forget_bias` was given, this layer has no forget"
    ):
        LayerNormGRU(I, H, forget_bias=1.0)
    with pytest.raises(TypeError, match=r"'proj_size'\. This cell has no projection"):
        LayerNormLSTM(I, H, proj_size=2)


@every_cell
def test_without_biases_they_stay_away(cell: str) -> None:
    layer, x = layer_of(cell, bias=False, num_layers=2, bidirectional=True), some(B, T, I)
    gains = list(layer.gains)
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    layer(x)[0].square().sum().backward()
    optimizer.step()
    for name, p in layer.named_parameters():
        if name.startswith("weight_p"):
            others = [k for k in range(len(p)) if k not in gains]
            assert not p[others].any()
            assert (p[gains] != 1).any(dim=1).all()
    with torch.no_grad():
        torch.testing.assert_close(layer(x)[0], layer(x, lengths=[T] * B)[0])
        before = layer(x)[0]
        layer.weight_p_l0[others] = 1.0
        assert torch.equal(layer(x)[0], before)
    with pytest.raises(RuntimeError, match=r"weight_p_l0 has biases, this LayerNorm.* bias=False"):
        layer.load_state_dict(layer_of(cell, num_layers=2, bidirectional=True).state_dict())
    assert not layer.weight_p_l0[others].any()
    with pytest.raises(ValueError, match=r"has no biases|has no forget gate"):
        make(cell, I, H, bias=False, forget_bias=1.0)


@every_cell
@pytest.mark.parametrize(("rows", "hidden", "steps"), [(3, 256, 60), (40, 96, 30)])
def test_threads_share_rows(cell: str, rows: int, hidden: int, steps: int) -> None:
    """A team that splits units and then rows, and shards: the same outputs, gradients but for rounding."""
    layer, x = layer_of(cell, hidden, zoneout=(0.1, 0.0)).eval(), some(rows, steps, I)
    own, found, before = list(layer.parameters()), [], torch.get_num_threads()
    for count in (1, 2, 2):
        torch.set_num_threads(count)
        try:
            y, _ = layer(x)
            found.append((y, *torch.autograd.grad((y * some(*y.shape)).sum(), own)))
        finally:
            torch.set_num_threads(before)
    assert torch.equal(found[0][0], found[1][0])
    for one, two, again in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-9 * float(one.detach().abs().max()))
        assert torch.equal(two, again)  # the same number of threads: the same bits


SCRIPT = """
import sys
import torch
from gatework.engine_module import engine
from gatework.nn import make, reference
torch.manual_seed(0)
torch.set_num_threads(1)
print(engine.info()["path"])
for cell in ("layernorm", "layernorm_gru"):
    for dtype in (torch.float64, torch.float32):
        for H in (1, 3, 8, 15, 17, 33, 65):
            layer = make(cell, 4, H, dtype=dtype)
            torch.nn.init.normal_(layer.weight_p_l0)
            x, n = torch.randn(7, 5, 4, dtype=dtype), torch.tensor([5, 0, 2, 5, 1, 3, 4])
            y, _ = layer(x, lengths=n)
            weights = layer._six(layer._weights("")[0])
            state = tuple(x.new_zeros(7, H) for _ in layer._cell.states)
            wanted, _ = reference.layer(cell, x, state, weights, lengths=n)
            pull = torch.randn_like(y)
            own = list(layer.parameters())
            pairs = zip((y, *torch.autograd.grad((y * pull).sum(), own)),
                        (wanted, *torch.autograd.grad((wanted * pull).sum(), own)))
            for found, want in pairs:
                size = max(1.0, float(want.detach().abs().max()))
                error = float((found - want).detach().abs().max()) / size
                assert error <= 4e4 * torch.finfo(dtype).eps / 2, (cell, dtype, H, error)
"""


@pytest.mark.parametrize("path", engine.info()["paths"])
def test_every_path(path: str, tmp_path: Path) -> None:
    script = tmp_path / "paths.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "GATEWORK_ISA": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [path]
