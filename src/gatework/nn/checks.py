"""What a recurrent layer is given, checked: whose argument, what is allowed, what came, what to do next.

``name`` is everywhere the method that was called: ``"LSTM.forward"``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from gatework.cells import Cell

State = tuple[Tensor, ...]  # (), (h,) or (h, c)


def check_options(
    name: str,
    cell: Cell,
    proj_size: int,
    zoneout: tuple[float, float],
    recurrent_dropout: float,
    weight_drop: float,
    learned_state: bool,
) -> None:
    """Raise which of the options make no sense for a cell."""
    if zoneout[1] and not cell.zones:
        raise ValueError(
            f"{name}: zoneout of c needs one cell state; {cell.title} has "
            f"{', '.join(cell.states[1:]) or 'none'}. Give zoneout=({zoneout[0]}, 0): of h alone."
        )
    if proj_size and any(zoneout):
        raise ValueError(
            f"{name}: zoneout does not go with a projection, proj_size={proj_size}. Leave one of them out."
        )
    if learned_state and len(cell.states) > 2:
        raise ValueError(
            f"{name}: `learned_state` does not go with {cell.title}: its states "
            f"{', '.join(cell.states[1:])} belong together, and values learned for each apart would not. "
            "Leave it out, or pass hx."
        )
    for option, rate in (("recurrent_dropout", recurrent_dropout), ("weight_drop", weight_drop)):
        if rate and not cell.h_gates:
            raise ValueError(
                f"{name}: `{option}` acts on the products with h, and {cell.title} has none. "
                "Use dropout or zoneout instead."
            )


def shape_text(tensor: Tensor, batch_first: bool = True) -> str:
    """The shape with the letters of its axes: ``(B=32, T=100, I=5)``."""
    letters = {2: "TI", 3: "BTI" if batch_first else "TBI"}.get(tensor.dim())
    if letters is None:
        return str(tuple(tensor.shape))
    return "(" + ", ".join(f"{a}={n}" for a, n in zip(letters, tensor.shape, strict=True)) + ")"


def check_input(name: str, x: Tensor, input_size: int, weight: Tensor, cast: bool) -> None:
    """Raise what is wrong with ``input``; ``cast``: autocast will make the dtypes equal."""
    if not isinstance(x, Tensor):
        raise TypeError(
            f"{name}: `input` must be a tensor or a PackedSequence; got {type(x).__name__}. "
            "Convert it first, for instance with torch.as_tensor."
        )
    if x.dim() not in (2, 3):
        raise ValueError(
            f"{name}: `input` must have 2 axes (T, I) or 3 axes (batch, time, I); "
            f"got shape {tuple(x.shape)}."
        )
    check_features(name, x, input_size, weight, cast)


def check_features(
    name: str,
    x: Tensor,
    input_size: int,
    weight: Tensor,
    cast: bool,
) -> None:
    """Raise what is wrong with the layout, the last axis, the dtype or the device of ``input``."""
    check_layout(name, "`input`", x)
    if x.shape[-1] != input_size:
        came = x.shape[-1]
        raise ValueError(
            f"{name}: `input` has {came} features in its last axis, this layer was built with "
            f"input_size={input_size}. Got shape {tuple(x.shape)}. Check the columns you passed, or "
            f"rebuild with input_size={came}."
        )
    if x.dtype != weight.dtype and not cast:
        advice = f"Convert the input, input.to({weight.dtype})"
        if x.dtype.is_complex:
            advice = (
                "Give real and imaginary parts as features, torch.view_as_real(input).flatten(-2), to a "
                f"layer with input_size={2 * input_size}"
            )
        elif x.dtype.is_floating_point:
            advice += f", or the layer, layer.to({x.dtype})"
        raise ValueError(
            f"{name}: `input` is {x.dtype}, this layer's weights are {weight.dtype}. {advice}."
        )
    if x.device != weight.device and weight.is_meta:
        raise ValueError(
            f"{name}: `input` is on {x.device}, this layer's weights are on meta, without values. Make "
            f"room with layer.to_empty(device={str(x.device)!r}), then load or initialise them."
        )
    if x.device != weight.device:
        raise ValueError(
            f"{name}: `input` is on {x.device}, this layer's weights are on {weight.device}. "
            f"Move one of them: input.to({str(weight.device)!r}) or layer.to({str(x.device)!r})."
        )


def check_layout(name: str, argument: str, tensor: Tensor) -> None:
    """Raise for a sparse, mkldnn or nested tensor."""
    if tensor.layout is not torch.strided:
        raise TypeError(
            f"{name}: {argument} must be a dense tensor; got layout {tensor.layout}. Convert it: "
            ".to_dense(), or for a nested one .to_padded_tensor(0.0) with `lengths`."
        )


def check_weights(name: str, names: list[list[str]], weights: list[list[Tensor]]) -> None:
    """Raise for a parameter that is absent."""
    for names_of_one, of_one in zip(names, weights, strict=True):
        for parameter, w in zip(names_of_one, of_one, strict=True):
            if w is None:
                raise ValueError(
                    f"{name}: the parameter {parameter} is None. Give it a tensor, zeros for a bias "
                    "without effect, or build the layer with bias=False, without both biases."
                )


def check_state(
    name: str, hx: Any, shapes: tuple[tuple[int, ...], ...], x: Tensor, cast: bool
) -> State:
    """``hx`` as a tuple ``(h,)``, ``(h, c)`` or ``(h, c, n, m)``, ``()`` for None; raise what is wrong with it.

    Args:
        shapes: that h, and an LSTM's c, must have.
    """
    if hx is None:
        return ()
    letters = "hcnm"[: len(shapes)]
    if len(shapes) > 1:
        if not isinstance(hx, tuple | list) or len(hx) != len(shapes):
            came = f"{len(hx)} values" if isinstance(hx, tuple | list) else type(hx).__name__
            what = "a pair (h, c)" if len(shapes) == 2 else f"a tuple ({', '.join(letters)})"
            raise TypeError(
                f"{name}: `hx` must be {what} of shapes {' and '.join(map(str, shapes))}; got {came}."
            )
        state: State = tuple(hx)
    else:
        if isinstance(hx, tuple | list):
            raise TypeError(
                f"{name}: `hx` must be one tensor h of shape {shapes[0]}; got a "
                f"{type(hx).__name__} of {len(hx)}. Only cells such as the LSTM have more than that."
            )
        state = (hx,)
    for letter, s, shape in zip(letters, state, shapes, strict=True):
        if not isinstance(s, Tensor):
            raise TypeError(f"{name}: `hx` must hold tensors; {letter} is {type(s).__name__}.")
        check_layout(name, f"`hx`: the initial {letter}", s)
        if s.shape != shape:
            axes = "(layers*directions, batch, size)"
            advice = "A state never has the batch first, whatever batch_first is."
            if len(shape) == 2:
                axes = "(layers*directions, size)"
                advice = "The input is one sequence without a batch, and so must the state be."
            raise ValueError(
                f"{name}: `hx`: the initial {letter} must have shape {shape}, "
                f"{axes}; got {tuple(s.shape)} with input {tuple(x.shape)}. {advice}"
            )
        if (s.dtype != x.dtype and not cast) or s.device != x.device:
            raise ValueError(
                f"{name}: `hx`: the initial {letter} is {s.dtype} on {s.device}, the input "
                f"{x.dtype} on {x.device}. Convert it: {letter}.to(input)."
            )
    return state


def check_lengths(name: str, lengths: Any, x: Tensor, batch_first: bool) -> Tensor:
    """``lengths`` as int64 ``(B,)`` on the CPU; raise what is wrong with them."""
    if x.dim() != 3:
        raise ValueError(
            f"{name}: `lengths` needs a batch; got shape {tuple(x.shape)}. Give one sequence "
            "alone without its padding instead: input[:length]."
        )
    try:
        counts = _as_tensor(lengths)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        if isinstance(lengths, list | tuple) and all(type(n) is int for n in lengths):
            T = x.shape[1 if batch_first else 0]
            raise ValueError(
                f"{name}: `lengths` must lie between 0 and T={T}; got {min(lengths)} to {max(lengths)}."
            ) from None
        raise TypeError(
            f"{name}: `lengths` must be integers, a tensor or a list of them; "
            f"got {type(lengths).__name__}."
        ) from None
    kind = counts.dtype
    if (kind.is_floating_point or kind.is_complex or kind == torch.bool) and counts.numel():
        how = "lengths.long()" if isinstance(lengths, Tensor) else "[int(n) for n in lengths]"
        raise TypeError(
            f"{name}: `lengths` must be integers; got {kind}. Convert them: {how}; "
            "of a mask (B, T) take mask.sum(1)."
        )
    B, T = (x.shape[0], x.shape[1]) if batch_first else (x.shape[1], x.shape[0])
    counts = counts.detach().to("cpu", torch.int64)
    if counts.dim() != 1 or counts.shape[0] != B:
        hint = ""
        if counts.dim() == 1 and counts.shape[0] == T:
            hint = (
                f" This layer was built with batch_first={batch_first}, so it takes `input` as "
                f"{shape_text(x, batch_first)}; did you mean batch_first={not batch_first}?"
            )
        raise ValueError(
            f"{name}: `lengths` must hold one number per sequence, shape ({B},); "
            f"got shape {tuple(counts.shape)}.{hint}"
        )
    if torch.compiler.is_compiling():
        return counts  # values are looked at when the graph runs
    if counts.numel() and not torch._C._len_torch_dispatch_stack():
        low, high = (int(v) for v in counts.aminmax())
        if low < 0 or high > T:
            raise ValueError(
                f"{name}: `lengths` must lie between 0 and T={T}; got {low} to {high}."
            )
    return counts


def check_resets(name: str, resets: Any, x: Tensor, batch_first: bool) -> Tensor:
    """``resets`` as bool ``(B, T)``, unbatched ``(T,)``, on the input's device; raise what is wrong."""
    wanted: tuple[int, ...] = (x.shape[0],)
    axes = f"(T={x.shape[0]},), as the input has no batch"
    if x.dim() == 3:
        B, T = (x.shape[0], x.shape[1]) if batch_first else (x.shape[1], x.shape[0])
        wanted, axes = (B, T), f"(B={B}, T={T}), the batch first whatever batch_first is"
    try:
        mask = _as_tensor(resets)
    except (TypeError, ValueError, RuntimeError):
        shape = "(B, T)" if x.dim() == 3 else "(T,)"
        raise TypeError(
            f"{name}: `resets` must be a bool tensor {shape}; got {type(resets).__name__}."
        ) from None
    if mask.dtype not in (torch.bool, torch.uint8):
        raise TypeError(
            f"{name}: `resets` must be bool, True where the state is cleared before a step; "
            f"got {mask.dtype}. Convert it, for instance: resets != 0."
        )
    if mask.shape != wanted:
        raise ValueError(f"{name}: `resets` must have shape {axes}; got {tuple(mask.shape)}.")
    return mask.to(x.device, torch.bool)


def _as_tensor(values: Any) -> Tensor:
    """As torch.as_tensor, whatever the default device."""
    return values if isinstance(values, Tensor) else torch.as_tensor(values, device="cpu")


def check_packed(name: str, packed: PackedSequence, lengths: Any, resets: Any) -> None:
    """Raise what is wrong with a PackedSequence and what came beside it."""
    if lengths is not None:
        raise ValueError(f"{name}: a PackedSequence carries its own lengths; omit `lengths`.")
    if resets is not None:
        raise ValueError(
            f"{name}: `resets` do not go with a PackedSequence. Give the padded tensor with "
            "`lengths` instead: input, lengths = torch.nn.utils.rnn.pad_packed_sequence(packed, "
            "batch_first=True); no time is spent on the padding."
        )
    if packed.data.dim() != 2:
        raise ValueError(
            f"{name}: a PackedSequence's data must have 2 axes (steps, I); "
            f"got {tuple(packed.data.shape)}."
        )


def check_batch_sizes(name: str, packed: PackedSequence) -> None:
    """Raise when a PackedSequence's sizes contradict each other or its data."""
    rows, sizes = packed.data.shape[0], packed.batch_sizes
    falling = sizes.numel() > 0 and not bool((sizes.diff() > 0).any()) and int(sizes[-1]) >= 0
    if not falling or int(sizes.sum()) != rows:
        raise ValueError(
            f"{name}: a PackedSequence's batch_sizes must fall and sum to its {rows} rows, "
            f"none negative; got {sizes.tolist()[:8]}. Make it with pack_padded_sequence or pack_sequence."
        )
