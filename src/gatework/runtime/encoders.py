"""What stands between the segments of a window and those of the horizon: recurrent, or feedforward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gatework.cells import CELLS
from gatework.runtime.horizon_spec import HorizonSpec
from gatework.runtime.recurrent import Recurrent
from gatework.runtime.state import State, joined

Array = npt.NDArray[Any]

# Fewer products and sums than this in a layer's step do not repay the waking of a second thread: they take
# one core about 100 µs.
MANY_PRODUCTS = 5_000_000


class Encoder(Protocol):
    """Reads the segments of R windows, and writes m segments of each from what it remembers."""

    def run(self, tokens: Array, query: Array, threads: int) -> Array:
        """``(R, m, H)`` for tokens ``(R, n, H)`` and queries ``(R, m, H)``, both contiguous."""


class RecurrentEncoder:
    """The last state after all tokens, and one step from it for each query."""

    def __init__(self, spec: HorizonSpec, arrays: Mapping[str, Array]) -> None:
        prefix = "recurrent."
        own = {k: v for k, v in arrays.items() if k.startswith(prefix)}
        self.network = Recurrent.from_state_dict(
            spec.cell, own, prefix=prefix, zoneout=spec.zoneout
        )
        # Of a row through one layer: I = H, so those with h are as many as those with x.
        self._products = own["recurrent.weight_ih_l0"].size * (2 if CELLS[spec.cell].h_gates else 1)

    def run(self, tokens: Array, query: Array, threads: int) -> Array:
        R, m, H = query.shape
        network, few = self.network, threads if R * self._products >= MANY_PRODUCTS else 1
        _, state = network.run(tokens, None, None, None, few, "Horizon")
        # Each query continues from a copy of its window's state.
        if m > 1:
            state = State(*(part.repeat(m, axis=1) for part in state.parts))
        x = query.reshape(R * m, H)
        if threads > 1 and R * m * self._products >= MANY_PRODUCTS:
            y, _ = network.run(x[:, None], state, None, None, threads, "Horizon")
            return y.reshape(R, m, H)
        out = np.empty_like(x)
        network.engine.step(x, *joined(state), out, R * m)
        return out.reshape(R, m, H)


class FeedForwardEncoder:
    """All tokens at once through fully connected layers, and ``relu(W q + h)`` for each query q."""

    def __init__(self, spec: HorizonSpec, arrays: Mapping[str, Array]) -> None:
        names = [f"recurrent.layers.{z}" for z in range(spec.num_layers)]
        self._layers = [(transposed(arrays[f"{n}.weight"]), arrays[f"{n}.bias"]) for n in names]
        self._query = transposed(arrays["recurrent.query.weight"])

    def run(self, tokens: Array, query: Array, threads: int) -> Array:
        h = tokens.reshape(len(tokens), -1)
        for weight, bias in self._layers:
            h = h @ weight
            h += bias
            np.maximum(h, 0, out=h)
        out: Array = query @ self._query
        out += h[:, None]
        return np.maximum(out, 0, out=out)


def make_encoder(spec: HorizonSpec, arrays: Mapping[str, Array]) -> Encoder:
    """The encoder that ``spec.cell`` names."""
    kind = FeedForwardEncoder if spec.cell == "feedforward" else RecurrentEncoder
    return kind(spec, arrays)


def transposed(weight: Array) -> Array:
    """``(I, O)`` of a linear layer's ``(O, I)``, contiguous: rows times it is one product."""
    return np.ascontiguousarray(weight.T)
