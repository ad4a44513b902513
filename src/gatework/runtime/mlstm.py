"""A stack of mLSTM layers that computes on NumPy arrays, one step at a time, without torch.

Beck et al. 2024 (arXiv 2405.04517), equations 19 to 27, stabilised as in appendix A.3; weights are those of
``gatework.nn.MLSTM``.  One alphabet: B batch, T time, I input, H hidden, N heads, d = H/N, Z layers.

The state is a :class:`~gatework.runtime.State`, so that it is copied, compared, reset, and kept as bytes like
any other: ``h (Z, B, H)`` and ``c (Z, B, N*(d*d + d + 1))``, in which lie, one after the other, C
``(N, d, d)``, n ``(N, d)`` and m ``(N,)``.  All zeros is the state before the first step.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gatework.errors import InputError, ModelFileError
from gatework.runtime.files import read_arrays
from gatework.runtime.inputs import (
    input_array,
    lengths_array,
    mask_array,
    plain_array,
    resets_array,
    whole_number,
)
from gatework.runtime.state import State, usable

Array = npt.NDArray[Any]
_NAME = re.compile(r"(weight_ih|weight_gates|bias_ih|bias_gates)_l(0|[1-9]\d{0,3})")
_LARGEST = 80.0  # exp of it and of its negative are ordinary float32 numbers


class _Layer(NamedTuple):
    w: Array  # (4*H + 2*N, I): rows q k v o i f
    b: Array  # (4*H + 2*N,)


class MLSTM:
    """mLSTM of Z layers, from the weights of a ``gatework.nn.MLSTM`` with one direction.

    Made by :meth:`from_state_dict` or :meth:`load`; never changes afterwards.  It computes in the dtype of its
    weights, float32 or float64.

    >>> rng = np.random.default_rng(0)
    >>> network = MLSTM.from_state_dict(
    ...     {
    ...         "weight_ih_l0": rng.normal(size=(4 * 8, 3)),
    ...         "weight_gates_l0": rng.normal(size=(2 * 2, 3)),
    ...     }
    ... )
    >>> network
    MLSTM(input_size=3, hidden_size=8, num_layers=1, num_heads=2, float64)
    >>> y, state = network.forward(np.ones((2, 5, 3)))
    >>> y.shape, state.h.shape, state.c.shape
    ((2, 5, 8), (1, 2, 8), (1, 2, 42))
    >>> stream = network.stream()
    >>> all(np.allclose(stream.push(x), wanted) for x, wanted in zip(np.ones((5, 3)), y[0]))
    True
    """

    def __init__(self, layers: list[_Layer], input_size: int, hidden_size: int, heads: int) -> None:
        self._layers = layers
        self.input_size, self.hidden_size = input_size, hidden_size
        self.output_size, self.num_layers, self.num_heads = hidden_size, len(layers), heads
        self.dtype: np.dtype[Any] = layers[0].w.dtype
        d = hidden_size // heads
        self.cell_size = heads * (d * d + d + 1)

    @classmethod
    def from_state_dict(cls, arrays: Mapping[str, Any], *, prefix: str = "") -> MLSTM:
        """The network with these weights, which are copied.  Sizes are those of the arrays.

        Args:
            arrays: arrays by the names that ``gatework.nn.MLSTM(...).state_dict()`` has.  float64 weights
                compute in float64, float32 and float16 in float32.
            prefix: what stands before those names; other names are left alone.

        Raises:
            InputError: a weight is missing, unknown, or of a shape or dtype that does not fit.
        """
        try:
            return cls(*_read(arrays, prefix))
        except ValueError as fact:
            raise InputError(f"MLSTM.from_state_dict: {fact}") from None

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, prefix: str = "") -> MLSTM:
        """The network whose weights lie in a safetensors file; arguments as :meth:`from_state_dict`.

        Raises:
            ModelFileError: no such file, damaged, or weights that do not fit.
        """
        file = Path(path)
        arrays = read_arrays(file, lambda name: name.startswith(prefix) and "_l" in name)
        try:
            return cls(*_read(arrays, prefix))
        except ValueError as fact:
            raise ModelFileError(f"{file}: {fact}") from None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._layers, self.input_size, self.hidden_size, self.num_heads)

    def __repr__(self) -> str:
        return (
            f"MLSTM(input_size={self.input_size}, hidden_size={self.hidden_size}, "
            f"num_layers={self.num_layers}, num_heads={self.num_heads}, {self.dtype})"
        )

    def zero_state(self, batch_size: int = 1) -> State:
        """The state before the first step."""
        B = whole_number(batch_size, "batch_size", 0, "MLSTM.zero_state")
        shapes = (self.num_layers, B, self.hidden_size), (self.num_layers, B, self.cell_size)
        return State(*(np.zeros(shape, self.dtype) for shape in shapes))

    def step(self, x: npt.ArrayLike, state: State | None = None) -> tuple[Array, State]:
        """Output and state after one more observation; ``state`` is left as it was.

        Args:
            x: ``(B, I)``, or ``(I,)`` for one sequence.
            state: what the last call returned; zeros when absent.

        Returns:
            ``(h, state)``: h ``(B, H)`` or ``(H,)`` of the top layer, and the new state.

        Raises:
            InputError: sizes that do not fit, with the sizes named.
        """
        x = input_array(x, ("I", "BI"), self.input_size, self.dtype, "MLSTM.step")
        batch = np.atleast_2d(x)
        state = self._start(state, len(batch), "MLSTM.step")
        y = self._advance(batch, state)
        return (y[0] if x.ndim == 1 else y), state

    def forward(
        self,
        x: npt.ArrayLike,
        state: State | None = None,
        lengths: npt.ArrayLike | None = None,
        resets: npt.ArrayLike | None = None,
    ) -> tuple[Array, State]:
        """Outputs of every step and the last state, step after step; ``state`` is left as it was.

        Args:
            x: ``(B, T, I)``, or ``(T, I)`` for one sequence.
            state: what comes before; zeros when absent.
            lengths: ``(B,)`` whole numbers from 0 to T; outputs after the end are 0, the state stays.
            resets: ``(B, T)`` bool (B = 1 for one sequence), true where the state is cleared before the step.

        Returns:
            ``(y, state)``: y ``(B, T, H)`` or ``(T, H)`` of the top layer, and the last state.

        Raises:
            InputError: sizes or lengths that do not fit, with the sizes named.
        """
        who = "MLSTM.forward"
        x = input_array(x, ("TI", "BTI"), self.input_size, self.dtype, who)
        batch = x[None] if x.ndim == 2 else x
        B, T = batch.shape[:2]
        state = self._start(state, B, who)
        counts = np.full(B, T) if lengths is None else lengths_array(lengths, B, T, who)
        clear = np.zeros((B, T), bool) if resets is None else resets_array(resets, B, T, who)
        y = np.zeros((B, T, self.hidden_size), self.dtype)
        for t in range(int(counts.max(initial=0))):
            rows = np.flatnonzero(t < counts)
            assert state.c is not None
            now = State(state.h[:, rows], state.c[:, rows])
            now.reset(clear[rows, t])
            y[rows, t] = self._advance(batch[rows, t], now)
            state.h[:, rows], state.c[:, rows] = now.h, now.c
        return (y[0] if x.ndim == 2 else y), state

    def stream(self, batch_size: int | None = None, initial: State | None = None) -> MLSTMStream:
        """A stream over this network, with its own state.

        Args:
            batch_size: how many sequences advance side by side; None for one whose steps have no batch axis.
            initial: the state that it starts from and that ``reset`` returns to; zeros when absent.
        """
        who = "MLSTM.stream"
        if batch_size is not None:
            none = ", or None for one sequence without a batch axis"
            batch_size = whole_number(batch_size, "batch_size", 1, who, none)
        return MLSTMStream(self, batch_size, self._start(initial, batch_size or 1, who))

    def check_state(self, state: State, batch: int, who: str) -> State:
        """``state``, if it is one of this network for ``batch`` sequences; else an InputError."""
        wanted = self.zero_state(batch)
        came = type(state).__name__
        if isinstance(state, State):
            found = [
                plain_array(a, n, who) for n, a in (("h", state.h), ("c", state.c)) if a is not None
            ]
            pairs = [(a.shape, a.dtype) for a in found]
            assert wanted.c is not None
            if pairs == [(wanted.h.shape, self.dtype), (wanted.c.shape, self.dtype)]:
                return State(*(usable(array) for array in found))
            came = ", ".join(f"{n} {a.dtype} {a.shape}" for n, a in zip("hc", found, strict=False))
            came += "" if len(found) == 2 else ", no c"
        raise InputError(
            f"{who}: the state of {self!r} with {batch} sequence{'s' * (batch != 1)} is a State of "
            f"{self.dtype}, h {wanted.h.shape} and c {(*wanted.h.shape[:2], self.cell_size)}; got {came}."
        )

    # ---- inside

    def _start(self, state: State | None, batch: int, who: str) -> State:
        """A state to write into: a checked copy, or zeros."""
        return (
            self.zero_state(batch) if state is None else self.check_state(state, batch, who).copy()
        )

    def _advance(self, x: Array, state: State) -> Array:
        """The top layer's output ``(B, H)``; ``state`` is moved on."""
        H, N = self.hidden_size, self.num_heads
        d, B = H // N, len(x)
        ends = np.cumsum([N * d * d, N * d])
        assert state.c is not None
        for layer, h, c in zip(self._layers, state.h, state.c, strict=True):
            raw = x @ layer.w.T + layer.b
            q, k, v = raw[:, : 3 * H].reshape(B, 3, N, d).swapaxes(0, 1)
            o, i, f = np.split(raw[:, 3 * H :], [H, H + N], axis=1)
            k = k / np.sqrt(self.dtype.type(d))
            C, n, m = (
                part.reshape(B, *shape)
                for part, shape in zip(
                    np.split(c, ends, axis=1), ((N, d, d), (N, d), (N,)), strict=True
                )
            )
            f = -np.logaddexp(0, -f)
            after = np.maximum(f + m, i)
            keep, write = np.exp(f + m - after)[..., None], np.exp(i - after)[..., None]
            n = keep * n + write * k
            C = keep[..., None] * C + (write * v)[..., None] * k[..., None, :]
            floor = np.exp(np.clip(-after, -_LARGEST, _LARGEST))
            read = (C @ q[..., None])[..., 0]
            read /= np.maximum(np.abs((n * q).sum(-1)), floor)[..., None]
            x = np.exp(-np.logaddexp(0, -o)) * read.reshape(B, H)
            h[...] = x
            c[...] = np.concatenate([C.reshape(B, -1), n.reshape(B, -1), after], axis=1)
        return x


class MLSTMStream:
    """Push observations, get outputs; made by :meth:`MLSTM.stream`.  One stream belongs to one thread."""

    def __init__(self, network: MLSTM, batch_size: int | None, initial: State) -> None:
        self._network, self._batch_size, self._initial = network, batch_size, initial
        self._state = initial.copy()

    def push(self, x: npt.ArrayLike) -> Array:
        """Output ``(B, H)`` after one more observation ``(B, I)``; ``(H,)`` and ``(I,)`` without a batch axis.

        Raises:
            InputError: sizes that do not fit, with the sizes named; the state is as it was.
        """
        form = "I" if self._batch_size is None else "BI"
        network = self._network
        x = input_array(
            x, (form,), network.input_size, network.dtype, "Stream.push", self._batch_size
        )
        y = network._advance(np.atleast_2d(x), self._state)
        return y[0] if self._batch_size is None else y

    @property
    def state(self) -> State:
        """A copy of what the stream remembers; assign one to go on from there."""
        return self._state.copy()

    @state.setter
    def state(self, state: State) -> None:
        B = self._batch_size or 1
        self._state = self._network.check_state(state, B, "Stream.state").copy()

    def reset(self, mask: npt.ArrayLike | None = None) -> None:
        """Go back to the initial state: all sequences, or those where ``mask`` ``(B,)`` bool is true."""
        B = self._batch_size or 1
        rows = slice(None) if mask is None else mask_array(mask, B, "Stream.reset")
        assert self._state.c is not None
        assert self._initial.c is not None
        self._state.h[:, rows] = self._initial.h[:, rows]
        self._state.c[:, rows] = self._initial.c[:, rows]


def _read(arrays: Mapping[str, Any], prefix: str) -> tuple[list[_Layer], int, int, int]:
    """Layers and sizes I, H, N; a ValueError with the bare fact where an array does not fit."""
    if not isinstance(arrays, Mapping):
        raise ValueError(f"the weights must map names to arrays; got {type(arrays).__name__}.")
    found: dict[int, dict[str, Array]] = {}
    for full, value in arrays.items():
        if not full.startswith(prefix):
            continue
        match = _NAME.fullmatch(full[len(prefix) :])
        if match is None and full.endswith("_reverse"):
            raise ValueError(
                f"{full!r} belongs to a bidirectional network, which cannot stream. Train with "
                "bidirectional=False, or run it through gatework.nn."
            )
        if match is None:
            raise ValueError(
                f"there is no weight {full!r} in an mLSTM; weight_ih_l0, weight_gates_l0 and their biases "
                "are. Give the prefix of the mLSTM's own names."
            )
        array = plain_array(value, full, "weights")
        if array.dtype.kind != "f":
            raise ValueError(f"{full!r} must hold floating-point numbers; got {array.dtype}.")
        found.setdefault(int(match[2]), {})[match[1]] = array
    if not found:
        raise ValueError(f"no weights of an mLSTM begin with {prefix!r}; got {list(arrays)[:4]}.")
    wide = any(a.dtype == np.float64 for parts in found.values() for a in parts.values())
    dtype = np.float64 if wide else np.float32
    layers, sizes, width = [], (0, 0, 0), 0
    for z in range(max(found) + 1):
        parts = found.get(z, {})
        for kind in ("weight_ih", "weight_gates"):
            if kind not in parts or parts[kind].ndim != 2:
                raise ValueError(f"{prefix}{kind}_l{z}, a matrix, is missing or of another shape.")
        (rows, I), gates = parts["weight_ih"].shape, parts["weight_gates"].shape  # noqa: E741
        H, N = rows // 4, gates[0] // 2
        sizes = sizes if z else (I, H, N)
        whole = H > 0 and N > 0 and rows == 4 * H and gates == (2 * N, I) and H % N == 0
        if not whole or sizes[1:] != (H, N) or (z and width != I):
            raise ValueError(
                f"layer {z}: weight_ih (4*H, I) and weight_gates (2*N, I) do not fit, N a divisor of H and H "
                f"the I of the next layer; got {(rows, I)} and {gates}."
            )
        width = H
        biases = []
        for kind, size in (("bias_ih", 4 * H), ("bias_gates", 2 * N)):
            bias = parts.get(kind, np.zeros(size))
            if bias.shape != (size,):
                raise ValueError(
                    f"{prefix}{kind}_l{z} must have shape ({size},); got {bias.shape}."
                )
            biases.append(bias)
        w = np.concatenate([parts["weight_ih"], parts["weight_gates"]]).astype(dtype)
        layers.append(_Layer(w, np.concatenate(biases).astype(dtype)))
    return layers, *sizes
