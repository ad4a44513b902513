"""Whole sequences: few of them on the weights that streams use, more of them layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.cells import Cell
from gatework.engine_module import engine
from gatework.runtime.state import State, joined, moved_on, parted
from gatework.runtime.weights import Layer

Array = npt.NDArray[Any]

# A network has its weights packed for streams, in panels that are best for few rows; the general forward
# pass packs them at each call.  Up to this many sequences the panels that are there already are quicker.
FEW_SEQUENCES = 16


def run_packed(stream: Any, x: Array, state: State) -> tuple[Array, State]:
    """``(B, T, R)`` of the top layer by the engine's ``stream``, and the last state.

    The arrays of ``state`` are used for it.
    """
    B, T = x.shape[:2]
    y = np.empty((B, T, state.h.shape[2]), x.dtype)
    h, beside = joined(state)
    stream.forward(x, h, beside, y, B, T)
    return y, moved_on(state, h, beside)


def run_layers(
    cell: Cell,
    layers: Sequence[Layer],
    x: Array,
    state: State | None,
    lengths: Array | None,
    resets: Array | None,
    threads: int,
    zones: tuple[float, float] = (0.0, 0.0),
    residual: bool = False,
) -> tuple[Array, State]:
    """``(B, T, R)`` of the top layer and the states after each sequence's end.

    Arguments are checked and contiguous: the engine is given addresses.

    Args:
        x: ``(B, T, I)``, B and T at least 1.
        state: what comes before; None for zeros.
        lengths: ``(B,)`` int64 from 0 to T, or None.
        resets: ``(B, T)`` bool, or None.
        zones: the shares of h' and c' that stay.
        residual: from the second layer on a layer's input is added to its output.
    """
    (B, T), Z, H = x.shape[:2], len(layers), layers[0].hidden_size
    assert cell.code is not None
    R, C = layers[0].proj_size or H, len(cell.states) - 1
    h0, c0 = (None, None) if state is None else joined(state)
    hn = np.empty((Z, B, R), x.dtype)
    cn = np.empty((Z, B, C * H), x.dtype) if C else None
    # The same row for every step of every sequence: strides of 0.
    rows = [np.full(H, share, x.dtype) if share else None for share in zones]
    zone_h, zone_c = ((0, 0, 0) if row is None else (address(row), 0, 0) for row in rows)
    for z, layer in enumerate(layers):
        weights = layer.of_dtype(x.dtype)
        y = np.empty((B, T, R), x.dtype)
        engine.forward(
            cell.code,
            x.dtype == np.float64,
            threads,
            (1, B, T, layer.input_size, H, layer.proj_size),
            (address(x), T * x.shape[2], x.shape[2]),
            (address(y), T * R, R),
            0 if lengths is None else address(lengths),
            0,
            0 if resets is None else address(resets),
            (
                0 if h0 is None else address(h0[z]),
                0 if c0 is None else address(c0[z]),
                address(hn[z]),
                0 if cn is None else address(cn[z]),
            ),
            [tuple(0 if w is None else address(w) for w in weights)],
            0,
            ((0, 0, 0), zone_h, zone_c),
            False,
        )
        if residual and z:
            y += x
        x = y
    return x, parted(hn, cn, C)


def address(array: Array) -> int:
    """Where the numbers of a contiguous array begin."""
    place: int = array.__array_interface__["data"][0]
    return place
