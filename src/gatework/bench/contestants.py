"""The contestants that need nothing but this package and torch; each runs the same weights on the same input.

A contestant has a ``name``, says whether it is ``ours``, ``run()`` does the work once, and ``results()`` are
named tensors to compare.  Layers can also say how many bytes they keep for backward.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import gatework.nn
from gatework.bench.work import Inputs, Work

Output = tuple[Tensor, Any]
Call = Callable[[nn.Module, Any, Inputs], Output]


class Contestant(Protocol):
    """What the clock and the comparison ask of a contestant."""

    name: str
    ours: bool
    rounding: float  # of each weight, beyond float32's own

    def run(self) -> object:
        """Do the work once; this is timed."""

    def results(self) -> dict[str, Tensor]:
        """Do the work once and return what came out."""


def build(namespace: Any, work: Work) -> nn.Module:
    """The layer of ``work`` from ``torch.nn`` or ``gatework.nn``."""
    options: dict[str, Any] = {"num_layers": work.Z, "bidirectional": work.D == 2}
    options["batch_first"] = work.batch_first
    if work.P:
        options["proj_size"] = work.P
    layer: nn.Module = getattr(namespace, work.cell.upper())(work.I, work.H, **options)
    return layer


def twins(work: Work) -> tuple[nn.Module, nn.Module]:
    """Torch's layer and ours with the same weights."""
    torch.manual_seed(0)
    theirs = build(nn, work)
    ours = build(gatework.nn, work)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


# ---- how a layer is called ----------------------------------------------------------------------------


def plain(layer: nn.Module, x: Any, inputs: Inputs) -> Output:
    """Tensor or PackedSequence in, the same out."""
    return cast(Output, layer(x))


def with_lengths(layer: nn.Module, x: Any, inputs: Inputs) -> Output:
    """Gatework's own way with a padded batch."""
    return cast(Output, layer(x, lengths=inputs.lengths))


def through_packed(layer: nn.Module, x: Any, inputs: Inputs) -> Output:
    """Torch's way with a padded batch: pack, run, pad."""
    packed = pack_padded_sequence(x, inputs.lengths, enforce_sorted=False)
    y, state = layer(packed)
    return pad_packed_sequence(y, total_length=x.shape[0])[0], state


def over_padding(layer: nn.Module, x: Any, inputs: Inputs) -> Output:
    """All T steps; the gradient that arrives is 0 at padding.  Backwards it reads the padding first."""
    return cast(Output, layer(x))


# ---- whole sequences ----------------------------------------------------------------------------------


class Layer:
    """Inference or training of a layer over whole sequences."""

    rounding = 0.0

    def __init__(
        self, name: str, ours: bool, layer: nn.Module, call: Call, work: Work, inputs: Inputs
    ) -> None:
        self.name, self.ours = name, ours
        self._layer, self._call, self._work, self._inputs = layer, call, work, inputs
        layer.train(work.kind == "training")
        self._x, self._w = self._prepare()
        self.run = self._train if work.kind == "training" else self._infer

    def _prepare(self) -> tuple[Any, Tensor]:
        x, w = self._inputs.x.clone(), self._inputs.w
        if self._work.batch_first:
            x, w = x.transpose(0, 1).contiguous(), w.transpose(0, 1).contiguous()
        packed: Any = x
        if self._work.lengths == "packed":
            lengths = self._inputs.lengths
            packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
            w = pack_padded_sequence(w, lengths, enforce_sorted=False).data
        if self._work.kind == "training":
            (packed.data if isinstance(packed, PackedSequence) else x).requires_grad_()
        return packed, w

    @property
    def _leaf(self) -> Tensor:
        return self._x.data if isinstance(self._x, PackedSequence) else cast(Tensor, self._x)

    def _forward(self) -> Output:
        return self._call(self._layer, self._x, self._inputs)

    def _infer(self) -> Output:
        return self._forward()

    def _train(self) -> Output:
        self._leaf.grad = None
        for parameter in self._layer.parameters():
            parameter.grad = None
        y, state = self._forward()
        # torch's Tensor.backward has no types
        (y.data if isinstance(y, PackedSequence) else y).backward(self._w)  # type: ignore[no-untyped-call]
        return y, state

    def results(self) -> dict[str, Tensor]:
        """Outputs by direction, last states, and with training every gradient."""
        y, state = self.run()
        y = (y.data if isinstance(y, PackedSequence) else y).detach()
        names = ("y", "y_reverse")[: self._work.D]
        found = dict(zip(names, y.chunk(self._work.D, dim=-1), strict=True))
        states = state if isinstance(state, tuple) else (state,)
        found |= {n: s.detach() for n, s in zip(("h_n", "c_n"), states, strict=False)}
        if self._work.kind == "training":
            found["grad x"] = cast(Tensor, self._leaf.grad)
            for name, parameter in self._layer.named_parameters():
                found[f"grad {name}"] = cast(Tensor, parameter.grad)
        if self._call is over_padding:
            # States are those after the padding; backwards, outputs too, and so what depends on them.
            known = [n for n in found if n not in ("h_n", "c_n")]
            if self._work.D == 2:
                known = [n for n in known if n != "grad x" and not n.endswith("_reverse")]
            inside = torch.arange(self._work.T)[:, None, None] < self._inputs.lengths[:, None]
            found["y"] = found["y"] * inside
            found = {name: found[name] for name in known}
        return found

    def kept_bytes(self) -> int:
        """Bytes that a training forward leaves for backward, besides the input and the weights."""
        known = {self._leaf.untyped_storage().data_ptr()}
        known |= {p.untyped_storage().data_ptr() for p in self._layer.parameters()}
        kept: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            if tensor.layout == torch.strided:
                storage = tensor.untyped_storage()
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            y = self._forward()  # noqa: F841 - alive, so that no storage is used twice
        return sum(size for place, size in kept.items() if place not in known)


# ---- streams ------------------------------------------------------------------------------------------

CHECKED_STEPS = 10


class ModuleStream:
    """One observation after another through a torch module; ``advance(x, state)`` gives output and state."""

    rounding = 0.0

    def __init__(
        self, name: str, ours: bool, advance: Callable[[Tensor, Any], Output], inputs: Inputs
    ) -> None:
        self.name, self.ours, self._advance, self._xs = name, ours, advance, inputs.x
        self._x = inputs.x[0]
        self._state: Any = None

    def run(self) -> Tensor:
        y, self._state = self._advance(self._x, self._state)
        return y

    def results(self) -> dict[str, Tensor]:
        """Outputs of some steps from the zero state."""
        self._state, state, outputs = None, None, []
        for x in self._xs:
            y, state = self._advance(x, state)
            outputs.append(y)
        return {"y": torch.stack(outputs)}


def torch_step(layer: nn.Module) -> Callable[[Tensor, Any], Output]:
    """``torch.nn.LSTM`` and its kin on a sequence of one step."""

    def advance(x: Tensor, state: Any) -> Output:
        y, state = layer(x.unsqueeze(0), state)
        return y[0], state

    return advance


def torch_cell(layer: nn.Module, work: Work) -> Callable[[Tensor, Any], Output]:
    """``torch.nn.LSTMCell`` and its kin with the weights of a one-layer ``layer``."""
    cell = getattr(nn, f"{work.cell.upper()}Cell")(work.I, work.H)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})

    def advance(x: Tensor, state: Any) -> Output:
        state = cell(x, state)
        return state[0] if isinstance(state, tuple) else state, state

    return advance


class RuntimeStream:
    """``gatework.runtime``: NumPy in, NumPy out, buffers used again."""

    ours = True

    def __init__(self, layer: nn.Module, work: Work, inputs: Inputs, half: bool = False) -> None:
        from gatework.runtime import Recurrent

        self.name = "gatework.runtime" + (" half" if half else "")
        self.rounding = 2.0**-11 if half else 0.0
        weights = {k: v.numpy() for k, v in layer.state_dict().items()}
        self._stream = Recurrent.from_state_dict(work.cell, weights, half=half).stream(work.B)
        self._xs = inputs.x.numpy()
        push, x = self._stream.push, self._xs[0]
        self.run = lambda: push(x)

    def results(self) -> dict[str, Tensor]:
        """Outputs of some steps from the zero state."""
        self._stream.reset()
        outputs = [torch.from_numpy(self._stream.push(x).copy()) for x in self._xs]
        return {"y": torch.stack(outputs)}


# ---- who competes -------------------------------------------------------------------------------------


def contestants(work: Work, inputs: Inputs) -> list[Contestant]:
    """Torch's contestants, then ours."""
    theirs, ours = twins(work)
    if work.kind == "step":
        return [
            ModuleStream("torch", False, torch_step(theirs), inputs),
            ModuleStream("torch cell", False, torch_cell(theirs, work), inputs),
            ModuleStream("gatework.nn", True, cast(Any, ours).step, inputs),
            RuntimeStream(ours, work, inputs),
        ]
    if work.lengths == "ragged":
        return [
            Layer("torch packed", False, theirs, through_packed, work, inputs),
            Layer("torch padded", False, theirs, over_padding, work, inputs),
            Layer("gatework.nn", True, ours, with_lengths, work, inputs),
        ]
    return [
        Layer("torch", False, theirs, plain, work, inputs),
        Layer("gatework.nn", True, ours, plain, work, inputs),
    ]


@contextmanager
def torch_mode(work: Work) -> Iterator[None]:
    """Gradients for training, else torch's fastest mode; torch's words about its own slow path unsaid."""
    with warnings.catch_warnings(), torch.inference_mode(work.kind != "training"):
        warnings.filterwarnings("ignore", message="LSTM with projections is not supported")
        yield
