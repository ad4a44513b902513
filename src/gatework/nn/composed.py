"""What layers share that are composed of torch's operations, or of the engine's and torch's: the calls.

They are called and return as :class:`~gatework.nn.LSTM` and :class:`~gatework.nn.GRU` do, and take of
options what stands in their signature.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.fx import Proxy
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from gatework.cells import CELLS, Cell
from gatework.errors import ConfigError
from gatework.nn import checks

State = tuple[Tensor, ...]


class Call(NamedTuple):
    """A forward call, checked; the batch first."""

    x: Tensor  # (B, T, I)
    state: State | None  # None: none was given
    counts: Tensor | None  # (B,) int64 on the CPU
    valid: Tensor | None  # (B, T) bool: not padding
    resets: Tensor | None  # (B, T) bool


class ComposedLayer(nn.Module):
    """A recurrent layer that torch has not and the engine does not compute as a whole; abstract.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: Z, layers on top of each other.
        bias: whether the sums have biases.
        batch_first: input and output are ``(B, T, ·)``.
        dropout: between the layers.
        bidirectional: a second direction, from each sequence's own end.

    Raises:
        ConfigError: a size below 1, a rate outside 0 to 1.
    """

    cell: ClassVar[str]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        sizes = {
            "input_size": input_size,
            "hidden_size": hidden_size,
            "num_layers": num_layers,
        }
        for argument, size in sizes.items():
            if type(size) is not int or size < 1:
                raise ConfigError(
                    f"{name}: `{argument}` must be a whole number of at least 1; got {size!r}."
                )
        if not 0.0 <= dropout < 1.0:
            raise ConfigError(
                f"{name}: `dropout` must be a rate from 0 to below 1; got {dropout!r}."
            )
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional = bidirectional

    @property
    def _cell(self) -> Cell:
        """The layer's row of the table of cells."""
        return CELLS[self.cell]

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: 2 if self.bidirectional else 1]

    def _make_weights(self, kinds: dict[str, tuple[int, ...]], suffix: str, factory: Any) -> None:
        """A parameter for each kind; biases only of a layer that has them."""
        for kind, shape in kinds.items():
            if self.bias or not kind.startswith("bias"):
                weight = nn.Parameter(torch.empty(shape, **factory))
                self.register_parameter(f"{kind}{suffix}", weight)

    def _get(self, kind: str, suffix: str) -> Tensor | None:
        """A weight by its name, None for one that this layer has not."""
        found: Tensor | None = getattr(self, f"{kind}{suffix}", None)
        return found

    def reset_parameters(self) -> None:
        """Uniform within ±1/√H, as torch initialises its layers."""
        limit = 1 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            nn.init.uniform_(p, -limit, limit)

    def extra_repr(self) -> str:
        """Sizes, then what differs from the defaults."""
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
        }
        changed = {o: getattr(self, o) for o, v in defaults.items() if getattr(self, o) != v}
        return text + "".join(f", {o}={v}" for o, v in changed.items())

    # ---- calls

    def _state_shapes(self, B: int) -> tuple[tuple[int, ...], ...]:
        """Shapes of a state, its parts in the table's order."""
        raise NotImplementedError

    def _begin(self, name: str, input: Any, hx: Any, lengths: Any, resets: Any) -> Call:
        """The arguments of ``forward``, checked; what lies in padding is made 0."""
        if not isinstance(input, Tensor) or input.dim() != 3:
            came = tuple(input.shape) if isinstance(input, Tensor) else type(input).__name__
            raise ValueError(
                f"{name}: `input` must be a PackedSequence or a tensor with 3 axes (batch, time, I); "
                f"got {came}. Give one sequence a batch axis."
            )
        cast = autocasts(input)
        like = next(self.parameters())
        checks.check_features(name, input, self.input_size, like, cast)
        x = input if self.batch_first else input.transpose(0, 1)
        state = None if hx is None else self._checked_state(name, hx, x)
        counts = valid = None
        if lengths is not None:
            counts = checks.check_lengths(name, lengths, input, self.batch_first)
            valid = torch.arange(x.shape[1], device=x.device) < counts.to(x.device).unsqueeze(1)
            x = x.masked_fill(~valid.unsqueeze(-1), 0.0)
        if resets is not None:
            resets = checks.check_resets(name, resets, input, self.batch_first)
        return Call(x, state, counts, valid, resets)

    def _packed(
        self, packed: PackedSequence, hx: Any, lengths: Any, resets: Any, **others: Any
    ) -> tuple[Any, Any]:
        """``forward`` of a PackedSequence, by way of the padded batch."""
        checks.check_packed(f"{type(self).__name__}.forward", packed, lengths, resets)
        x, counts = pad_packed_sequence(packed, self.batch_first)
        y, last = self.forward(x, hx, counts, **others)
        return pack_padded_sequence(y, counts, self.batch_first, enforce_sorted=False), last

    def _checked_state(self, name: str, hx: Any, x: Tensor) -> State:
        letters, shapes = self._cell.states, self._state_shapes(x.shape[0])
        if not isinstance(hx, tuple | list) or len(hx) != len(letters):
            came = f"{len(hx)} values" if isinstance(hx, tuple | list) else type(hx).__name__
            raise TypeError(f"{name}: the state must be ({', '.join(letters)}); got {came}.")
        for letter, s, shape in zip(letters, hx, shapes, strict=True):
            if not isinstance(s, Tensor) or s.shape != shape:
                size: object = tuple(s.shape) if isinstance(s, Tensor) else type(s).__name__
                raise ValueError(
                    f"{name}: the state's {letter} must have shape {shape}; got {size}."
                )
            if s.dtype != x.dtype or s.device != x.device:
                raise ValueError(
                    f"{name}: the state's {letter} is {s.dtype} on {s.device}, the input {x.dtype} on "
                    f"{x.device}. Convert it: {letter}.to(input)."
                )
        return tuple(hx)

    def _check_step(self, name: str, x: Any) -> None:
        self._refuse_both_ways(name)
        if not isinstance(x, Tensor) or x.dim() != 2 or x.shape[1] != self.input_size:
            came = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"{name}: `x` must be a tensor (B, I={self.input_size}); got {came}.")

    def _check_fan_out(self, x: Tensor, state: Any) -> None:
        name, letters = f"{type(self).__name__}.fan_out", self._cell.states
        self._refuse_both_ways(name)
        if not isinstance(state, tuple | list) or len(state) != len(letters):
            came = f"{len(state)} values" if isinstance(state, tuple | list) else "a tensor"
            raise TypeError(
                f"{name}: `state` must be ({', '.join(letters)}), as forward returned it; got {came}."
            )
        if x.shape[-1] != self.input_size:
            raise ValueError(
                f"{name}: `x` has {x.shape[-1]} features in its last axis, this layer was built with "
                f"input_size={self.input_size}. Got shape {tuple(x.shape)}."
            )

    def _refuse_both_ways(self, name: str) -> None:
        if self.bidirectional:
            raise ValueError(
                f"{name}: a bidirectional layer needs the whole sequence; build it with "
                "bidirectional=False to stream."
            )


def options_of(layer: type[nn.Module]) -> list[str]:
    """The keywords that a layer's constructor names."""
    parameters = inspect.signature(layer.__init__).parameters.values()
    return [p.name for p in parameters if p.name != "self" and p.kind is not p.VAR_KEYWORD]


def refuse_unknown(layer: nn.Module, unknown: Mapping[str, Any]) -> None:
    """Raise a TypeError that says which options there are, if any is unknown."""
    if unknown:
        raise TypeError(
            f"{type(layer).__name__}: there is no option {next(iter(unknown))!r}. Its options are "
            f"{', '.join(options_of(type(layer)))}."
        )


def autocasts(x: Tensor) -> bool:
    """Whether autocast is on where x is; shapes alone have no such place."""
    return not x.is_meta and torch.is_autocast_enabled(x.device.type)


def is_symbolic(x: Any) -> bool:
    """Whether ``torch.fx`` is recording a graph, and x stands for a tensor in it."""
    return isinstance(x, Proxy)


def leaf(layer: nn.Module, x: Any, **others: Any) -> tuple[Any, Any]:
    """A call of the layer as one node of the graph that ``torch.fx`` records, as of torch's own layers.

    Raises:
        TypeError: the layer is not inside the module that is traced, but that module itself.
    """
    tracer: Any = x.tracer
    if tracer.root is layer:
        name = type(layer).__name__
        raise TypeError(
            f"{name}: symbolic_trace records a layer as one node, which needs a module around it. Trace the "
            f"model that it is part of, or torch.nn.Sequential({name}(...))."
        )
    given = {name: value for name, value in others.items() if value is not None}
    call = tracer.create_proxy("call_module", tracer.path_of_module(layer), (x,), given)
    return cast("tuple[Any, Any]", call)


def without_steps(x: Tensor, shape: tuple[int, ...], weights: Iterable[Tensor | None]) -> Tensor:
    """An empty output of T = 0, whose gradients of x and of the weights are 0."""
    y = x.new_zeros(shape)
    for part in (x, *weights):
        if part is not None:
            y = y + part.sum()
    return y


def turned(x: Tensor, valid: Tensor | None) -> Tensor:
    """Each sequence of x ``(B, T, …)`` from its own end; padding stays where it is.  Its own inverse."""
    if valid is None:
        return x.flip(1)
    B, T = valid.shape
    order = torch.arange(T, device=x.device).expand(B, T)
    back = valid.sum(1, keepdim=True) - 1 - order
    order = torch.where(valid, back, order)
    return x.gather(1, order.view(B, T, *[1] * (x.dim() - 2)).expand(x.shape))


def at_end(x: Tensor, before: Tensor, counts: Tensor | None) -> Tensor:
    """Of x ``(B, T, ·)`` each sequence's last valid step; ``before (B, ·)`` where there is none."""
    B, T, width = x.shape
    if T == 0:
        return before
    if counts is None:
        return x[:, -1]
    counts = counts.to(x.device)
    place = (counts - 1).clamp(min=0).view(B, 1, 1).expand(B, 1, width)
    return torch.where((counts > 0).unsqueeze(1), x.gather(1, place).squeeze(1), before)
