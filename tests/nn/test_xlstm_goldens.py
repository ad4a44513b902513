"""Our xLSTM cells against numbers that the `xlstm` package wrote: see tests/goldens/README.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gatework.nn import MLSTM, make

FILE = Path(__file__).parents[1] / "goldens" / "xlstm.npz"


def golden(name: str) -> dict[str, Tensor]:
    with np.load(FILE, allow_pickle=False) as found:
        parts = {k.split(".")[1]: found[k] for k in found.files if k.startswith(f"{name}.")}
    return {k: torch.from_numpy(v.astype(np.float64)) for k, v in parts.items()}


def close(found: Tensor, wanted: Tensor) -> None:
    """Some hundred roundings; sums that nearly vanish under the floor of 1 are divided by it, not by them."""
    assert found.shape == wanted.shape
    tolerance = 500 * torch.finfo(torch.float64).eps * max(1.0, float(wanted.abs().max()))
    assert bool(((found - wanted).abs() <= tolerance).all()), (found - wanted).abs().max()


def passing_on(B: int, N: int, T: int, d: int) -> MLSTM:
    """A layer whose input is [q; k; v; i; f]: weights that pass each to its place, an output gate of 1."""
    H = N * d
    layer = MLSTM(3 * H + 2 * N, H, num_heads=N, batch_first=True).double()
    with torch.no_grad():
        for p in layer.parameters():
            p.zero_()
        layer.weight_ih_l0[: 3 * H, : 3 * H] = torch.eye(3 * H)
        layer.bias_ih_l0[3 * H :] = 50.0  # its sigmoid is 1 in float64
        layer.weight_gates_l0[:, 3 * H :] = torch.eye(2 * N)
    return layer


@pytest.mark.parametrize("name", ["mlstm_near", "mlstm_far"])
@torch.no_grad()
def test_mlstm(name: str) -> None:
    g = golden(name)
    B, N, T, d = g["q"].shape
    layer = passing_on(B, N, T, d)
    flat = [g[part].transpose(1, 2).flatten(2) for part in "qkv"]
    x = torch.cat([*flat, g["i"].transpose(1, 2), g["f"].transpose(1, 2)], dim=-1)
    wanted = g["h"].transpose(1, 2).flatten(2)
    y, (_, C, n, m) = layer(x)
    close(y, wanted)
    last = None
    for t in range(T):
        h, last = layer.step(x[:, t], last)
        close(h, wanted[:, t])
    assert last is not None
    for ours in ((C, n, m), last[1:]):  # states as they are kept, the stabiliser among them
        close(ours[0][0], g["C"].transpose(-1, -2))
        close(ours[1][0], g["n"])
        close(ours[2][0], g["m"])


@pytest.mark.parametrize("name", ["slstm_near", "slstm_far"])
@torch.no_grad()
def test_slstm(name: str) -> None:
    g = golden(name)
    (K, _, d), (T, _, H) = g["R"].shape, g["h"].shape
    layer = make("slstm", 4 * H, H, num_heads=K).double()
    weights = {k: torch.zeros_like(v) for k, v in layer.state_dict().items()}
    weights["weight_ih_l0"] = torch.eye(4 * H, dtype=torch.float64)
    weights["weight_hh_l0"] = g["R"].view(K, 4, d, d).transpose(0, 1).reshape(4 * H, d)
    weights["bias_ih_l0"] = g["b"]
    layer.load_state_dict(weights)
    x = g["Wx"].transpose(0, 1)
    y, state = layer(x)
    close(y, g["h"].transpose(0, 1))
    last = None
    for t in range(T):
        h, last = layer.step(x[:, t], last)
        close(h, g["h"][t])
    for ours in (state, last):
        assert ours is not None
        h, c, n, m = (part[0] for part in ours)
        close(h, g["h"][-1])
        raised = (m - g["m"][-1]).exp()  # c and n are kept divided by exp(m), whatever m is
        close(c * raised, g["c"][-1])
        close(n * raised, g["n"][-1])
