"""Makes xlstm.npz, what the `xlstm` package's plain backends compute: `python tests/goldens/make_xlstm.py`.

Needs that package beside torch (`pip install xlstm`); README.md beside this file says which versions wrote the
file and what is in it.  The random numbers are NumPy's, rounded to float16 so that the file stays small, and
everything is computed in float64.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from xlstm.blocks.mlstm.backends import (
    parallel_stabilized_simple,
    recurrent_step_stabilized_simple,
)
from xlstm.blocks.slstm.src.vanilla import slstm_forward, slstm_pointwise_function_registry

HERE = Path(__file__).parent


def drawn(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> Tensor:
    values = (scale * rng.standard_normal(shape)).astype(np.float16)
    return torch.from_numpy(values.astype(np.float64))


def mlstm(rng: np.random.Generator, gates: float) -> dict[str, Tensor]:
    """All steps at once, and one by one; ``gates`` is how far apart the gates lie."""
    B, N, T, d = 2, 2, 5, 3
    q, k, v = (drawn(rng, B, N, T, d) for _ in "qkv")
    i, f = drawn(rng, B, N, T, 1, scale=gates), drawn(rng, B, N, T, 1, scale=gates)
    h = parallel_stabilized_simple(q, k, v, i, f, eps=0.0)
    state = (torch.zeros(B, N, d, d), torch.zeros(B, N, d, 1), torch.zeros(B, N, 1, 1))
    state = tuple(s.double() for s in state)
    for t in range(T):
        now = [
            s[:, :, t : t + 1].clone() for s in (q, k, v, i, f)
        ]  # it squeezes q, k and v in place
        stepped, state = recurrent_step_stabilized_simple(*state, *now, eps=0.0)
        assert torch.allclose(stepped[:, :, 0], h[:, :, t], rtol=1e-9, atol=1e-12)
    C, n, m = state
    state_parts = {"C": C, "n": n[..., 0], "m": m[..., 0, 0]}
    return {"q": q, "k": k, "v": v, "i": i[..., 0], "f": f[..., 0], "h": h} | state_parts


def slstm(rng: np.random.Generator, gates: float) -> dict[str, Tensor]:
    T, B, K, d = 5, 2, 2, 3
    H = K * d
    wx, r, b = drawn(rng, T, B, 4 * H, scale=gates), drawn(rng, K, 4 * d, d), drawn(rng, 4 * H)
    states, _, _ = slstm_forward(
        wx, torch.zeros(4, B, H).double(), r, b, slstm_pointwise_function_registry["slstm"]
    )
    h, c, n, m = states[:, 1:]
    return {"Wx": wx, "R": r, "b": b, "h": h, "c": c, "n": n, "m": m}


def main() -> None:
    rng = np.random.default_rng(2405_04517)
    found = {}
    for name, make, gates in (
        ("mlstm_near", mlstm, 1.0),
        ("mlstm_far", mlstm, 8.0),
        ("slstm_near", slstm, 1.0),
        ("slstm_far", slstm, 8.0),
    ):
        for part, tensor in make(rng, gates).items():
            given = part in ("q", "k", "v", "i", "f", "Wx", "R", "b")
            found[f"{name}.{part}"] = tensor.numpy().astype(np.float16 if given else np.float64)
    np.savez_compressed(HERE / "xlstm.npz", **found)
    print({name: metadata.version(name) for name in ("xlstm", "torch", "numpy")})


if __name__ == "__main__":
    main()
