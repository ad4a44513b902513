"""A stack of recurrent layers that computes on NumPy arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.engine_module import engine
from gatework.errors import ConfigError, InputError, ModelFileError
from gatework.runtime.cells import cell_named
from gatework.runtime.files import read_arrays
from gatework.runtime.inputs import (
    check_threads,
    input_array,
    lengths_array,
    plain_array,
    resets_array,
    whole_number,
)
from gatework.runtime.options import Zoneout, zone_shares
from gatework.runtime.sequences import FEW_SEQUENCES, run_layers, run_packed
from gatework.runtime.state import State, joined, moved_on, name_of, usable
from gatework.runtime.stream import Stream
from gatework.runtime.weights import Layer, is_weight, read_initial, read_layers

Array = npt.NDArray[Any]
_LARGEST_HALF = 65504.0  # of a float16


class Recurrent:
    """A stack of Z recurrent layers, from the weights of its ``gatework.nn`` or ``torch.nn`` namesake.

    Made by :meth:`from_state_dict`, :meth:`load`, or a layer's ``runtime()``; never changes afterwards, so
    that any number of streams and threads can use it at once.  It computes in the dtype of its weights,
    float32 or float64.

    ``cell`` is a name of the table in ``gatework.cells`` that the engine runs, among them

    .. code-block:: text

        lstm       i, f, o = σ(W x + b + U h + d)    g = tanh(W x + b + U h + d)
                   c' = f * c + i * g                h' = o * tanh(c'), with a projection V (o * tanh(c'))
        gru        r, z = σ(W x + b + U h + d)       n = tanh(W x + b + r * (U h + d))
                   h' = (1 - z) * n + z * h
        rnn        h' = tanh(W x + b + U h + d)      rnn_relu   h' = max(0, W x + b + U h + d)

    with W, U, V, b, d = ``weight_ih``, ``weight_hh``, ``weight_hr``, ``bias_ih``, ``bias_hh``, each gate with
    its own rows, in torch's order i f g o and r z n.  The equations of the others stand at their layers in
    ``gatework.nn``.

    >>> rng = np.random.default_rng(0)
    >>> weights = {
    ...     "weight_ih_l0": rng.normal(size=(4 * 8, 3)),
    ...     "weight_hh_l0": rng.normal(size=(4 * 8, 8)),
    ... }
    >>> network = Recurrent.from_state_dict("lstm", weights)
    >>> network
    Recurrent('lstm', input_size=3, hidden_size=8, num_layers=1, float64)
    >>> y, state = network.forward(np.zeros((2, 5, 3)))
    >>> y.shape, state.h.shape, state.c.shape
    ((2, 5, 8), (1, 2, 8), (1, 2, 8))
    """

    def __init__(
        self,
        cell: str,
        layers: Sequence[Layer],
        half: bool = False,
        zoneout: Zoneout = 0.0,
        residual: bool = False,
        initial: State | None = None,
    ) -> None:
        self._cell = cell_named(cell)
        first = layers[0]
        self.cell = self._cell.name
        self.zoneout = zone_shares(self._cell, zoneout, bool(first.proj_size), "Recurrent")
        self.residual = bool(residual)
        self.input_size = first.input_size
        self.hidden_size = first.hidden_size
        self.proj_size = first.proj_size
        self.output_size = first.proj_size or first.hidden_size
        self.num_layers = len(layers)
        assert self._cell.code is not None
        f64 = first.w_ih.dtype == np.float64
        self.dtype: np.dtype[Any] = np.dtype(np.float64 if f64 else np.float32)
        self.half = half
        if half:
            _check_half(layers, self.dtype)
            layers = [layer.halved() for layer in layers]
        self._layers = list(layers)  # for whole sequences; the engine packs its own for steps
        packed = [(*layer[:3], *layer.of_dtype(self.dtype), *self.zoneout) for layer in layers]
        try:
            self.engine = engine.Stream(self._cell.code, f64, half, packed, self.residual)
        except ValueError as fact:
            raise InputError(f"Recurrent: {fact}") from None
        self._initial = (
            None if initial is None else self.check_state(initial, 1, "Recurrent").copy()
        )

    @classmethod
    def from_state_dict(
        cls,
        cell: str,
        arrays: Mapping[str, Any],
        *,
        prefix: str = "",
        half: bool = False,
        zoneout: Zoneout = 0.0,
        residual: bool = False,
    ) -> Recurrent:
        """The network with these weights, which are copied.  Sizes are those of the arrays.

        Args:
            cell: a name of the table in ``gatework.cells``; ``rnn_tanh`` is another name for ``rnn``.
            arrays: arrays by the names that ``torch.nn.LSTM(...).state_dict()`` has, or a layer of
                ``gatework.nn``.  float64 weights compute in float64, float32 and float16 in float32.  A
                state that was learned (``initial_h``, ...) is what everything begins with.
            prefix: what stands before those names, such as ``"encoder."``; other names are left alone.
            half: keep the matrices as float16, half the memory to read at each step, and compute in float32.
                Each weight moves by at most 2⁻¹¹ of itself (2⁻²⁵ below 6e-5); biases stay as they are.
            zoneout: the share of h, or the pair of h and c, that it was trained with: here the mean, new and
                old mixed in that share (Krueger et al. 2016, section 3.3).
            residual: from the second layer on a layer's input is added to its output.

        Raises:
            InputError: a weight is missing, unknown, of a shape or dtype that does not fit, or of a
                bidirectional network.
            ConfigError: unknown cell, a zoneout that does not go with it, or ``half`` of weights that are
                float64 or beyond float16's range.
        """
        kind = cell_named(cell)
        try:
            layers = read_layers(kind, arrays, prefix)
            initial = read_initial(kind, arrays, layers, prefix)
        except ValueError as fact:
            raise InputError(f"Recurrent.from_state_dict: {fact}") from None
        return cls(cell, layers, half, zoneout, residual, State(*initial) if initial else None)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        cell: str,
        *,
        prefix: str = "",
        half: bool = False,
        zoneout: Zoneout = 0.0,
        residual: bool = False,
    ) -> Recurrent:
        """The network whose weights lie in a safetensors file; arguments as :meth:`from_state_dict`.

        Only the arrays under ``prefix`` are read.  Needs ``safetensors``, not torch.

        Raises:
            ModelFileError: no such file, damaged, or weights that do not fit.
            ConfigError: as :meth:`from_state_dict`.
        """
        kind, file = cell_named(cell), Path(path)
        arrays = read_arrays(file, lambda name: is_weight(name, prefix))
        try:
            layers = read_layers(kind, arrays, prefix)
            initial = read_initial(kind, arrays, layers, prefix)
        except ValueError as fact:
            raise ModelFileError(f"{file}: {fact}") from None
        return cls(cell, layers, half, zoneout, residual, State(*initial) if initial else None)

    def __reduce__(self) -> tuple[Any, ...]:
        options = (self.half, self.zoneout, self.residual, self._initial)
        return type(self), (self.cell, self._layers, *options)

    def __repr__(self) -> str:
        told = {
            f", proj_size={self.proj_size}": self.proj_size,
            f", num_layers={self.num_layers}, {self.dtype}": True,
            ", half": self.half,
            f", zoneout={self.zoneout}": any(self.zoneout),
            ", residual": self.residual,
            ", learned state": self._initial is not None,
        }
        return (
            f"Recurrent({self.cell!r}, input_size={self.input_size}, hidden_size={self.hidden_size}"
            f"{''.join(text for text, shown in told.items() if shown)})"
        )

    def stream(self, batch_size: int | None = None, initial: State | None = None) -> Stream:
        """A stream over this network: its own state, nothing allocated at a step.

        Args:
            batch_size: how many sequences advance side by side; None for one whose steps have no batch
                axis.
            initial: the state that it starts from and that ``reset`` returns to; when absent zeros, or what
                was learned.
        """
        who = "Recurrent.stream"
        if batch_size is not None:
            none = ", or None for one sequence without a batch axis"
            batch_size = whole_number(batch_size, "batch_size", 1, who, none)
        state = self._start(initial, batch_size or 1, who)
        return Stream(self, batch_size, state)

    def zero_state(self, batch_size: int = 1) -> State:
        """Zeros: h ``(Z, B, R)`` and, of cells that have them, c, n and m ``(Z, B, H)``."""
        B = whole_number(batch_size, "batch_size", 0, "Recurrent.zero_state")
        return State(*(np.zeros(shape, self.dtype) for shape in self._state_shapes(B).values()))

    def initial_state(self, batch_size: int = 1) -> State:
        """The state before the first step: what was learned (``initial_h``, ...), else zeros."""
        if self._initial is None:
            return self.zero_state(batch_size)
        B = whole_number(batch_size, "batch_size", 0, "Recurrent.initial_state")
        return State(*(part.repeat(B, axis=1) for part in self._initial.parts))

    def step(self, x: npt.ArrayLike, state: State | None = None) -> tuple[Array, State]:
        """Output and state after one more observation; ``state`` is left as it was.

        :meth:`stream` does the same without allocating.

        Args:
            x: ``(B, I)``, or ``(I,)`` for one sequence – converted to the network's dtype.
            state: what the last call returned; the initial state when absent.

        Returns:
            ``(h, state)``: h ``(B, R)`` or ``(R,)`` of the top layer, and the new state.

        Raises:
            InputError: sizes that do not fit, with the sizes named.

        >>> network = Recurrent.from_state_dict(
        ...     "rnn_relu", {"weight_ih_l0": [[1.0]], "weight_hh_l0": [[1.0]]}
        ... )
        >>> h, state = network.step([2.0])
        >>> network.step([3.0], state)[0]
        array([5.])
        """
        x = self._input(x, ("I", "BI"), "Recurrent.step")
        batch = np.atleast_2d(x)
        state = self._start(state, len(batch), "Recurrent.step")
        out = np.empty((len(batch), self.output_size), self.dtype)
        if len(batch):
            h, beside = joined(state)
            self.engine.step(batch, h, beside, out, len(batch))
            state = moved_on(state, h, beside)
        return (out[0] if x.ndim == 1 else out), state

    def forward(
        self,
        x: npt.ArrayLike,
        state: State | None = None,
        lengths: npt.ArrayLike | None = None,
        resets: npt.ArrayLike | None = None,
        threads: int = 1,
    ) -> tuple[Array, State]:
        """Outputs of every step and the last state; ``state`` is left as it was.

        A sequence in pieces, each from the state that the piece before returned, gives what one pass gives.

        Args:
            x: ``(B, T, I)``, or ``(T, I)`` for one sequence – converted to the network's dtype.
            state: what comes before; the initial state when absent.
            lengths: ``(B,)`` whole numbers from 0 to T, the valid steps of each sequence, in any order; all T
                when absent.  Nothing is computed on padding: outputs there are 0, and the state returned is
                that of each sequence's last valid step.
            resets: ``(B, T)`` bool (B = 1 for one sequence), true where the state is cleared to zero before
                the step.
            threads: how many may work on it at once.

        Returns:
            ``(y, state)``: y ``(B, T, R)`` or ``(T, R)`` of the top layer, and the last state.

        Raises:
            InputError: sizes or lengths that do not fit, with the sizes named.
        """
        who = "Recurrent.forward"
        x = self._input(x, ("TI", "BTI"), who)
        batch = x[None] if x.ndim == 2 else x
        B, T = batch.shape[:2]
        if state is not None:
            state = self.check_state(state, B, who)
        if lengths is not None:
            lengths = lengths_array(lengths, B, T, who)
        if resets is not None:
            resets = resets_array(resets, B, T, who)
        y, last = self.run(batch, state, lengths, resets, threads, who)
        return (y[0] if x.ndim == 2 else y), last

    def run(
        self,
        x: Array,
        state: State | None,
        lengths: Array | None,
        resets: Array | None,
        threads: int,
        who: str,
    ) -> tuple[Array, State]:
        """:meth:`forward` of arguments that are checked already."""
        threads = check_threads(threads, who)
        B, T = x.shape[:2]
        plain = lengths is None and resets is None and threads == 1
        if B == 0 or T == 0 or (plain and B <= FEW_SEQUENCES):
            state = self.initial_state(B) if state is None else state.copy()
            return run_packed(self.engine, x, state)
        if state is None and self._initial is not None:
            state = self.initial_state(B)
        options = (self.zoneout, self.residual)
        return run_layers(self._cell, self._layers, x, state, lengths, resets, threads, *options)

    def check_state(self, state: State, batch: int, who: str) -> State:
        """``state`` with arrays that the engine can take, which are its own where they already are so.

        A State checks its arrays when it is made, and they can be assigned afterwards.

        Raises:
            InputError: not a state of this network for ``batch`` sequences; h or c is named.
        """
        if not isinstance(state, State):
            raise InputError(
                f"{who}: the state must be a gatework.runtime.State; got {type(state).__name__}. From torch: "
                "State(h.numpy(), c.numpy())."
            )
        shapes = self._state_shapes(batch)
        found = {
            name_of(k): plain_array(part, name_of(k), who) for k, part in enumerate(state.parts)
        }
        wrong = [
            name
            for name in dict.fromkeys((*shapes, *found))
            if (array := found.get(name)) is None
            or array.shape != shapes.get(name)
            or array.dtype.newbyteorder("=") != self.dtype
        ]
        if wrong:
            came = _described({k: (a.shape, a.dtype) for k, a in found.items()})
            needed = _described({k: (shape, self.dtype) for k, shape in shapes.items()})
            raise InputError(
                f"{who}: the state has {came}; {self!r} with {batch} sequence{'s' * (batch != 1)} needs "
                f"{needed}. Correct {' and '.join(f'`{name}`' for name in wrong)}."
            )
        return State(*(usable(array) for array in found.values()))

    def _state_shapes(self, batch: int) -> dict[str, tuple[int, ...]]:
        """Of each part of a state, by the name that messages give it."""
        Z, H = self.num_layers, self.hidden_size
        sizes = [self.output_size, *[H] * (len(self._cell.states) - 1)]
        return {name_of(k): (Z, batch, size) for k, size in enumerate(sizes)}

    def _input(self, x: npt.ArrayLike, forms: tuple[str, ...], who: str) -> Array:
        return input_array(x, forms, self.input_size, self.dtype, who)

    def _start(self, state: State | None, batch: int, who: str) -> State:
        """A state to write into: a checked copy of ``state``, or the initial one."""
        if state is None:
            return self.initial_state(batch)
        return self.check_state(state, batch, who).copy()


def _described(parts: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> str:
    told = [f"{name} {shape} {dtype}" for name, (shape, dtype) in parts.items()]
    return ", ".join(told if "c" in parts else [*told, "no c"])


def _check_half(layers: Sequence[Layer], dtype: np.dtype[Any]) -> None:
    if dtype == np.float64:
        raise ConfigError(
            "Recurrent: half=True keeps weights as float16 and computes in float32; these weights are "
            "float64. Convert them to float32, or leave half=False."
        )
    largest = max(
        (float(np.abs(w).max()) for layer in layers for w in layer.weights if w is not None),
        default=0.0,
    )
    if largest > _LARGEST_HALF:
        raise ConfigError(
            f"Recurrent: half=True keeps weights as float16, whose largest number is {_LARGEST_HALF:.0f}; "
            f"a weight here is {largest:.6g}. Leave half=False."
        )
