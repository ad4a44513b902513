"""Recurrent networks as plain loops in float64, and random weights for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def random_weights(
    cell: str,
    I: int,  # noqa: E741
    H: int,
    layers: int = 1,
    P: int = 0,
    bias: bool = True,
    dtype: str = "float32",
    seed: int = 0,
) -> dict[str, Array]:
    """A state dict as torch would initialise it: uniform within 1/sqrt(H)."""
    rng = np.random.default_rng(seed)

    def uniform(*shape: int) -> Array:
        return rng.uniform(-(H**-0.5), H**-0.5, shape).astype(dtype)

    found, rows = {}, GATES[cell] * H
    for k in range(layers):
        found[f"weight_ih_l{k}"] = uniform(rows, I if k == 0 else P or H)
        found[f"weight_hh_l{k}"] = uniform(rows, P or H)
        if bias:
            found[f"bias_ih_l{k}"], found[f"bias_hh_l{k}"] = uniform(rows), uniform(rows)
        if P:
            found[f"weight_hr_l{k}"] = uniform(P, H)
    return found


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def cell_step(cell: str, a: Array, b: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """h' and c' from the two products of weights with input (a) and with state (b), biases included."""
    if cell == "lstm":
        i, f, g, o = np.split(a + b, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    if cell == "gru":
        (r_a, z_a, n_a), (r_b, z_b, n_b) = np.split(a, 3), np.split(b, 3)
        z, n = sigmoid(z_a + z_b), np.tanh(n_a + sigmoid(r_a + r_b) * n_b)
        return (1 - z) * n + z * h, c
    return (np.tanh(a + b) if cell == "rnn_tanh" else np.maximum(a + b, 0)), c


def run(
    cell: str,
    weights: dict[str, Array],
    x: Array,
    h0: Array | None = None,
    c0: Array | None = None,
    lengths: Array | None = None,
) -> tuple[Array, Array, Array]:
    """y ``(B, T, R)``, h ``(Z, B, R)`` and c ``(Z, B, H)``, sequence by sequence, step by step."""
    w = {k: v.astype(np.float64) for k, v in weights.items()}
    B, T = x.shape[:2]
    Z = sum(k.startswith("weight_hh") for k in w)
    H, R = len(w["weight_hh_l0"]) // GATES[cell], w["weight_hh_l0"].shape[1]
    h = np.zeros((Z, B, R)) if h0 is None else h0.astype(np.float64)
    c = np.zeros((Z, B, H)) if c0 is None else c0.astype(np.float64)
    y = np.zeros((B, T, R))
    for b in range(B):
        for t in range(T if lengths is None else lengths[b]):
            below = x[b, t].astype(np.float64)
            for k in range(Z):
                from_x = w[f"weight_ih_l{k}"] @ below + w.get(f"bias_ih_l{k}", 0)
                from_h = w[f"weight_hh_l{k}"] @ h[k, b] + w.get(f"bias_hh_l{k}", 0)
                below, c[k, b] = cell_step(cell, from_x, from_h, h[k, b], c[k, b])
                if f"weight_hr_l{k}" in w:
                    below = w[f"weight_hr_l{k}"] @ below
                h[k, b] = below
            y[b, t] = below
    return y, h, c


def assert_close(found: Array, wanted: Array, sums: int, dtype: Any = None) -> None:
    """Equal up to the rounding of ``sums`` accumulated sums in the dtype of ``found``."""
    assert found.shape == wanted.shape
    tolerance = 4 * sums * float(np.finfo(found.dtype if dtype is None else dtype).eps)
    error = np.abs(found - wanted).max(initial=0)
    assert error <= tolerance, f"{error} > {tolerance}"  # a NaN fails
