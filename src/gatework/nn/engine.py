"""One recurrent layer's forward and backward pass by the compiled engine: tensors in, tensors out.

The only file of ``nn`` that knows pointers.  Everything the engine reads is checked here, so that no call,
whoever makes it, reads or writes beside an array; what a user can get wrong is said better, with the
layer's sizes, in ``checks.py``.

One layer has D directions.  ``weights`` is a flat list, for each direction w_ih, w_hh, then b_ih and b_hh
if there are biases, then w_hr if there is a projection: 2 to 5 tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from gatework.engine_module import engine as compiled

# torch's name of a cell -> the engine's number
CELLS = {"LSTM": 0, "GRU": 1, "RNN_TANH": 2, "RNN_RELU": 3}
GATES = (4, 3, 1, 1)
LSTM = CELLS["LSTM"]
DTYPES = (torch.float32, torch.float64)
_LARGE = 1 << 16  # elements
PLAIN = {Tensor, torch.nn.Parameter}  # types whose data the engine may read

Sizes = tuple[int, int, int, int, int, int]  # D, B, T, I, H, P


def sizes_of(
    x: Tensor,
    weights: Sequence[Tensor],
    lengths: Tensor | None,
    offsets: Tensor | None,
    cell: int,
    directions: int,
    batch_first: bool,
) -> Sizes:
    """``(D, B, T, I, H, P)`` of a call; P is 0 without a projection."""
    each = len(weights) // directions
    H = weights[1].shape[0] // GATES[cell]
    P = weights[each - 1].shape[0] if each % 2 else 0
    if offsets is not None:
        assert lengths is not None
        return directions, lengths.shape[0], offsets.shape[0], x.shape[1], H, P
    first, second, I = x.shape  # noqa: E741
    B, T = (first, second) if batch_first else (second, first)
    return directions, B, T, I, H, P


def saved_per_row(cell: int, dtype: torch.dtype, sizes: Sizes) -> int:
    """Elements that backward needs of each step of each sequence."""
    D, _, _, _, H, P = sizes
    return int(compiled.saved_size(cell, dtype is torch.float64, D, 1, H, P))


def forward(
    x: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    weights: Sequence[Tensor],
    lengths: Tensor | None,
    offsets: Tensor | None,
    resets: Tensor | None,
    cell: int,
    directions: int,
    batch_first: bool,
    save: bool,
    exact: bool = True,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """``(y, hn, cn, saved)``; cn only of an LSTM, saved only if asked for.

    Args:
        x: ``(B, T, I)`` or, without ``batch_first``, ``(T, B, I)``; packed ``(N, I)`` with offsets.
        h0: ``(D, B, R)``; zeros when absent.
        c0: ``(D, B, H)``, LSTM only.
        weights: see the top of this file.
        lengths: ``(B,)`` int64 on the CPU, 0 to T.
        offsets: ``(T,)`` int64: where each time step starts in the packed layout.
        resets: ``(B, T)`` bool.
        save: keep what :func:`backward` needs, a flat tensor.
        exact: keep room for the valid steps alone; False: for all of x, a size that is known beforehand.
    """
    x = _readable(x)
    arrays = _Arrays(x, h0, c0, weights, lengths, offsets, resets, cell, directions, batch_first)
    D, B, _, _, H, P = arrays.sizes
    R = P or H
    y = x.new_empty((*x.shape[:-1], D * R))
    hn = x.new_empty((D, B, R))
    cn = x.new_empty((D, B, H)) if cell == LSTM else None
    rows = x.shape[:-1].numel()
    saved = None
    if save:
        kept = _valid_steps(x, lengths) if exact else rows
        saved = _kept_memory(kept * saved_per_row(cell, x.dtype, arrays.sizes), x)
    if rows == 0:
        _pass_on(((h0, hn), (c0, cn)))
        return y, hn, cn, saved
    compiled.forward(
        cell,
        arrays.f64,
        torch.get_num_threads(),
        arrays.sizes,
        _rows(x, batch_first),
        _rows(y, batch_first),
        *arrays.sequences,
        (*arrays.states, hn.data_ptr(), 0 if cn is None else cn.data_ptr()),
        arrays.weights,
        0 if saved is None else saved.data_ptr(),
    )
    return y, hn, cn, saved


def backward(
    dy: Tensor | None,
    dhn: Tensor | None,
    dcn: Tensor | None,
    x: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    weights: Sequence[Tensor],
    lengths: Tensor | None,
    offsets: Tensor | None,
    resets: Tensor | None,
    y: Tensor,
    saved: Tensor | None,
    cell: int,
    directions: int,
    batch_first: bool,
    wanted: Sequence[bool],
) -> list[Tensor | None]:
    """Gradients of x, h0, c0 and each weight: those that are ``wanted``, None for the others.

    Without ``saved`` (a forward pass that was not told of a backward pass) forward is run again.
    """
    gradients: list[Tensor | None] = [
        (x.new_empty(tensor.shape) if want and tensor is not None else None)
        for tensor, want in zip((x, h0, c0, *weights), wanted, strict=True)
    ]
    dx, dh0, dc0, *dweights = gradients
    if y.numel() == 0:
        _pass_on(((dhn, dh0), (dcn, dc0), *((None, dw) for dw in dweights)))
        return gradients
    x, y = _readable(x), _readable(y)
    arrays = _Arrays(x, h0, c0, weights, lengths, offsets, resets, cell, directions, batch_first)
    kept = _valid_steps(x, lengths) * saved_per_row(cell, x.dtype, arrays.sizes)
    if saved is None or saved.numel() < kept:
        y, _, _, saved = forward(
            x, h0, c0, weights, lengths, offsets, resets, cell, directions, batch_first, True
        )
        assert saved is not None
    D, B, _, _, H, P = arrays.sizes
    if y.shape != (*x.shape[:-1], D * (P or H)) or y.dtype is not x.dtype or not y.is_cpu:
        raise ValueError(f"y is not of this forward pass; got {tuple(y.shape)} {y.dtype}")
    dy = x.new_zeros(y.shape) if dy is None else _readable(dy)
    if dy.shape != y.shape or dy.dtype is not x.dtype or not dy.is_cpu:
        raise ValueError(f"dy must be as y, {tuple(y.shape)}; got {tuple(dy.shape)} {dy.dtype}")
    dhn, dcn = _state(dhn, x, (D, B, P or H)), _state(dcn, x, (D, B, H))
    compiled.backward(
        cell,
        arrays.f64,
        torch.get_num_threads(),
        arrays.sizes,
        _rows(x, batch_first),
        _rows(y, batch_first),
        *arrays.sequences,
        arrays.states,
        arrays.weights,
        saved.data_ptr(),
        _rows(dy, batch_first),
        (_pointer(dhn), _pointer(dcn), _pointer(dh0), _pointer(dc0)),
        (0, 0, 0) if dx is None else _rows(dx, batch_first),
        _by_direction([_pointer(dw) for dw in dweights], D),
    )
    return gradients


class _Arrays:
    """What forward and backward read, checked and as the engine takes it; keeps the arrays alive."""

    __slots__ = ("_kept", "f64", "sequences", "sizes", "states", "weights")

    def __init__(
        self,
        x: Tensor,
        h0: Tensor | None,
        c0: Tensor | None,
        weights: Sequence[Tensor],
        lengths: Tensor | None,
        offsets: Tensor | None,
        resets: Tensor | None,
        cell: int,
        directions: int,
        batch_first: bool,
    ) -> None:
        self.sizes = sizes_of(x, weights, lengths, offsets, cell, directions, batch_first)
        D, B, _, _, H, P = self.sizes
        self.f64 = x.dtype is torch.float64
        self._kept: list[Tensor | None] = []
        self.weights = self._checked_weights(weights, x, cell)
        self.states = (0, 0)
        if h0 is not None:
            h0, c0 = _state(h0, x, (D, B, P or H)), _state(c0, x, (D, B, H))
            self._kept += (h0, c0)
            self.states = (_pointer(h0), _pointer(c0))
        self.sequences = (0, 0, 0)
        if lengths is not None or resets is not None:
            lengths = _checked_lengths(lengths, offsets, x, self.sizes)
            resets = _checked_resets(resets, self.sizes)
            offsets = offsets if offsets is None else offsets.contiguous()
            self._kept += (lengths, offsets, resets)
            self.sequences = (_pointer(lengths), _pointer(offsets), _pointer(resets))

    def _checked_weights(
        self, weights: Sequence[Tensor], x: Tensor, cell: int
    ) -> list[tuple[int, ...]]:
        """Pointers of weights whose shapes, dtypes and device fit."""
        D, _, _, I, H, P = self.sizes  # noqa: E741
        dtype, rows, each = x.dtype, GATES[cell] * H, len(weights) // D
        if dtype not in DTYPES or not x.is_cpu or each * D != len(weights) or not 2 <= each <= 5:
            raise ValueError(
                f"the engine takes float32 and float64 on the CPU; got {dtype}, {x.device}"
            )
        shapes = [(rows, I), (rows, P or H), (rows,), (rows,)]
        if P:
            shapes[each - 1 :] = [(P, H)]
        pointers = []
        for w, shape in zip(
            weights, shapes if D == 1 else [*shapes[:each], *shapes[:each]], strict=False
        ):
            if w.shape != shape or w.dtype is not dtype or not w.is_cpu:
                raise ValueError(
                    f"a weight must be {shape} {dtype} on the CPU; "
                    f"got {tuple(w.shape)} {w.dtype} {w.device}"
                )
            # An alias: another thread may set w.data while the engine reads.
            w = w.detach().resolve_neg().contiguous()
            self._kept.append(w)
            pointers.append(w.data_ptr())
        return _by_direction(pointers, D)


def _pass_on(pairs: Iterable[tuple[Tensor | None, Tensor | None]]) -> None:
    """Without steps a state, or its gradient, is what it was before."""
    for before, after in pairs:
        if after is not None:
            after.zero_() if before is None else after.copy_(before)


def _kept_memory(n: int, x: Tensor) -> Tensor:
    """Flat and uninitialised, as x; large ones from memory that is used again at the next call.

    A fresh page costs more than filling it: 0.3 ms of the 13 of a training step (B=32, T=50, H=128).
    """
    if n < _LARGE:
        return x.new_empty(n)
    return torch.from_numpy(compiled.empty(n, x.dtype is torch.float64))


def _valid_steps(x: Tensor, lengths: Tensor | None) -> int:
    return x.shape[:-1].numel() if lengths is None else int(lengths.sum())


def _pointer(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _readable(x: Tensor) -> Tensor:
    """x with its features side by side and no sign pending; rows may lie anywhere."""
    x = x.resolve_neg()
    return x if x.stride(-1) == 1 or x.shape[-1] == 1 else x.contiguous()


def _rows(x: Tensor, batch_first: bool) -> tuple[int, int, int]:
    """Pointer, batch stride, time stride; in the packed layout both are the row's."""
    first, *rest = x.stride()
    if len(rest) == 1:
        return x.data_ptr(), first, first
    return (x.data_ptr(), first, rest[0]) if batch_first else (x.data_ptr(), rest[0], first)


def five_pointers(pointers: list[int]) -> tuple[int, ...]:
    """(w_ih, w_hh, b_ih, b_hh, w_hr) of one direction, 0 for what is not there."""
    each = len(pointers)
    if each == 4:
        return (*pointers, 0)
    if each < 4:
        pointers[2:2] = [0] * (5 - each)
    return tuple(pointers)


def _by_direction(pointers: list[int], directions: int) -> list[tuple[int, ...]]:
    if directions == 1:
        return [five_pointers(pointers)]
    half = len(pointers) // 2
    return [five_pointers(pointers[:half]), five_pointers(pointers[half:])]


def _state(state: Tensor | None, x: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    if state is None:
        return None
    if state.shape != shape or state.dtype is not x.dtype or not state.is_cpu:
        raise ValueError(
            f"a state must be {shape} {x.dtype} on the CPU; "
            f"got {tuple(state.shape)} {state.dtype} {state.device}"
        )
    return state.resolve_neg().contiguous()


def _checked_lengths(
    lengths: Tensor | None, offsets: Tensor | None, x: Tensor, sizes: Sizes
) -> Tensor | None:
    """Lengths that lie within the data; None where every sequence is full."""
    if lengths is None:
        return None
    _, B, T, _, _, _ = sizes
    if lengths.shape != (B,) or lengths.dtype is not torch.int64 or not lengths.is_cpu:
        raise ValueError(f"lengths must be ({B},) int64 on the CPU; got {lengths}")
    if offsets is not None:
        _check_packed(lengths, offsets, x.shape[0], T)
        return lengths.contiguous()
    if B == 0:
        return None
    low, high = (int(v) for v in lengths.aminmax())
    if low < 0 or high > T:
        raise ValueError(f"lengths must lie between 0 and T={T}; got {low} to {high}")
    return None if low == T else lengths.contiguous()


def _check_packed(lengths: Tensor, offsets: Tensor, rows: int, T: int) -> None:
    """Sequences fall in length, and a time step starts after all rows of those before it."""
    if offsets.dtype is torch.int64 and offsets.is_cpu:
        counts = lengths.numpy()
        present = len(counts) - np.searchsorted(counts[::-1], np.arange(T), side="right")
        ends = present.cumsum()
        falls = bool((counts[1:] <= counts[:-1]).all()) and (len(counts) == 0 or counts[0] <= T)
        if falls and bool((offsets.numpy() == ends - present).all()) and ends[-1] == rows:
            return
    raise ValueError(
        f"packed data of {rows} rows does not fit lengths {lengths[:8]} and offsets {offsets[:8]}"
    )


def _checked_resets(resets: Tensor | None, sizes: Sizes) -> Tensor | None:
    if resets is None:
        return None
    _, B, T, _, _, _ = sizes
    if resets.shape != (B, T) or resets.dtype is not torch.bool or not resets.is_cpu:
        raise ValueError(f"resets must be ({B}, {T}) bool on the CPU; got {resets}")
    return resets.contiguous().view(torch.uint8)
