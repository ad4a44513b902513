"""Whole sequences: few of them on the weights that streams use, more of them layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.engine_module import engine
from gatework.runtime.cells import Cell
from gatework.runtime.state import State
from gatework.runtime.weights import Layer

Array = npt.NDArray[Any]

# A network has its weights packed for streams, in panels that are best for few rows; the general forward
# pass packs them at each call.  Up to this many sequences the panels that are there already are quicker.
FEW_SEQUENCES = 16


def run_packed(stream: Any, x: Array, state: State) -> Array:
    """``(B, T, R)`` of the top layer by the engine's ``stream``; ``state`` is moved on."""
    B, T = x.shape[:2]
    y = np.empty((B, T, state.h.shape[2]), x.dtype)
    stream.forward(x, state.h, state.c, y, B, T)
    return y


def run_layers(
    cell: Cell,
    layers: Sequence[Layer],
    x: Array,
    state: State | None,
    last: State,
    lengths: Array | None,
    resets: Array | None,
    threads: int,
) -> Array:
    """``(B, T, R)`` of the top layer; ``last`` is filled with the states after each sequence's end.

    Arguments are checked and contiguous: the engine is given addresses.  ``last`` may not be ``state``.

    Args:
        x: ``(B, T, I)``, B and T at least 1.
        state: what comes before; None for zeros.
        lengths: ``(B,)`` int64 from 0 to T, or None.
        resets: ``(B, T)`` bool, or None.
    """
    B, T = x.shape[:2]
    R, H = last.h.shape[2], layers[0].hidden_size
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
                0 if state is None else address(state.h[z]),
                0 if state is None or state.c is None else address(state.c[z]),
                address(last.h[z]),
                0 if last.c is None else address(last.c[z]),
            ),
            [(*(0 if w is None else address(w) for w in weights), 0)],
            0,
            ((0, 0, 0), (0, 0, 0), (0, 0, 0)),
            False,
        )
        x = y
    return x


def address(array: Array) -> int:
    """Where the numbers of a contiguous array begin."""
    place: int = array.__array_interface__["data"][0]
    return place
