"""One recurrent layer's forward and backward pass by the compiled engine: tensors in, tensors out.

The only file of ``nn`` that knows pointers.  Everything the engine reads is checked here, so that no call,
whoever makes it, reads or writes beside an array; what a user can get wrong is said better, with the
layer's sizes, in ``checks.py``.

One layer has D directions.  ``weights`` is a flat list, for each direction those of w_ih, w_hh, b_ih,
b_hh, w_hr and params that the layer has, in this order; :data:`SLOTS` says which they are by their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gatework.cells import CELLS, Cell
from gatework.engine_module import engine as compiled

# By the engine's number of a cell.
BY_CODE: tuple[Cell, ...] = tuple(
    sorted((c for c in CELLS.values() if c.code is not None), key=lambda c: c.code or 0)
)
DTYPES = (torch.float32, torch.float64)
_LARGE = 1 << 16  # elements
PLAIN = {Tensor, torch.nn.Parameter}  # types whose data the engine may read

Sizes = tuple[int, int, int, int, int, int]  # D, B, T, I, H, P
_NOWHERE = (0, 0, 0)


class Modifiers(NamedTuple):
    """What changes h' and c' on their way from step to step; rows as x has them, or constant in time.

    Each ``(*x.shape[:-1], width)``; beside packed data also ``(B, T, width)`` with stride 0 in time.
    """

    scale: Tensor | None = None  # (D*R) h' is multiplied by it before its products
    zone_h: Tensor | None = None  # (D*H) the share of h' that stays
    zone_c: Tensor | None = None  # (D*H) the share of c' that stays
    decay: bool = False  # by scale h' is multiplied everywhere, not in the products alone


NOTHING = Modifiers()


def _slots() -> dict[tuple[int, int], tuple[int, ...]]:
    """Of a cell's number and a number of weights: which of w_ih, w_hh, b_ih, b_hh, w_hr, params they are."""
    found: dict[tuple[int, int], tuple[int, ...]] = {}
    for code, cell in enumerate(BY_CODE):
        plain = ((0,), (0, 2)) if not cell.h_gates else ((0, 1), (0, 1, 2, 3))
        for slots in plain:
            found[code, len(slots)] = slots
            if cell.projects:
                found[code, len(slots) + 1] = (*slots, 4)
            if cell.parameters:
                found[code, len(slots) + 1] = (*slots, 5)
    return found


SLOTS = _slots()


def shapes_of(cell: int, I: int, H: int, P: int) -> tuple[tuple[int, ...], ...]:  # noqa: E741
    """Of w_ih, w_hh, b_ih, b_hh, w_hr, params."""
    row = BY_CODE[cell]
    X, G, K = len(row.x_gates) * H, len(row.h_gates) * H, len(row.parameters)
    return (X, I), (G, P or H), (X,), (G,), (P, H), (K, H)


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
    H = weights[0].shape[0] // len(BY_CODE[cell].x_gates)
    slots = SLOTS.get((cell, each), ())
    P = weights[slots.index(4)].shape[0] if 4 in slots else 0
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
    modifiers: Modifiers,
    save: bool,
    exact: bool = True,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """``(y, hn, cn, saved)``; cn only of cells that have one, saved only if asked for.

    Args:
        x: ``(B, T, I)`` or, without ``batch_first``, ``(T, B, I)``; packed ``(N, I)`` with offsets.
        h0: ``(D, B, R)``; zeros when absent.
        c0: ``(D, B, C*H)``, of cells with C values beside h.
        weights: see the top of this file.
        lengths: ``(B,)`` int64 on the CPU, 0 to T.
        offsets: ``(T,)`` int64: where each time step starts in the packed layout.
        resets: ``(B, T)`` bool.
        save: keep what :func:`backward` needs, a flat tensor.
        exact: keep room for the valid steps alone; False: for all of x, a size that is known beforehand.
    """
    x = _readable(x)
    arrays = _Arrays(
        x, h0, c0, weights, lengths, offsets, resets, cell, directions, batch_first, modifiers
    )
    D, B, _, _, H, P = arrays.sizes
    R, C = P or H, len(BY_CODE[cell].states) - 1
    y = x.new_empty((*x.shape[:-1], D * R))
    hn = x.new_empty((D, B, R))
    cn = x.new_empty((D, B, C * H)) if C else None
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
        arrays.modifiers,
        modifiers.decay,
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
    modifiers: Modifiers,
    wanted: Sequence[bool],
) -> list[Tensor | None]:
    """Gradients of x, h0, c0, the scale and each weight: those that are ``wanted``, None for the others.

    Without ``saved`` (a forward pass that was not told of a backward pass) forward is run again.
    """
    gradients: list[Tensor | None] = [
        (x.new_empty(tensor.shape) if want and tensor is not None else None)
        for tensor, want in zip((x, h0, c0, modifiers.scale, *weights), wanted, strict=True)
    ]
    dx, dh0, dc0, dscale, *dweights = gradients
    if y.numel() == 0:
        _pass_on(((dhn, dh0), (dcn, dc0), *((None, dw) for dw in dweights)))
        return gradients
    x, y = _readable(x), _readable(y)
    arrays = _Arrays(
        x, h0, c0, weights, lengths, offsets, resets, cell, directions, batch_first, modifiers
    )
    kept = _valid_steps(x, lengths) * saved_per_row(cell, x.dtype, arrays.sizes)
    if saved is None or saved.numel() < kept:
        y, _, _, saved = forward(
            x,
            h0,
            c0,
            weights,
            lengths,
            offsets,
            resets,
            cell,
            directions,
            batch_first,
            modifiers,
            True,
        )
        assert saved is not None
    D, B, _, _, H, P = arrays.sizes
    if y.shape != (*x.shape[:-1], D * (P or H)) or y.dtype is not x.dtype or not y.is_cpu:
        raise ValueError(f"y is not of this forward pass; got {tuple(y.shape)} {y.dtype}")
    dy = x.new_zeros(y.shape) if dy is None else _readable(dy)
    if dy.shape != y.shape or dy.dtype is not x.dtype or not dy.is_cpu:
        raise ValueError(f"dy must be as y, {tuple(y.shape)}; got {tuple(dy.shape)} {dy.dtype}")
    C = len(BY_CODE[cell].states) - 1
    dhn, dcn = _state(dhn, x, (D, B, P or H)), _state(dcn, x, (D, B, C * H))
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
        arrays.modifiers,
        modifiers.decay,
        _rows(dy, batch_first),
        (_pointer(dhn), _pointer(dcn), _pointer(dh0), _pointer(dc0)),
        _NOWHERE if dx is None else _rows(dx, batch_first),
        by_direction([_pointer(dw) for dw in dweights], cell, D),
        _NOWHERE if dscale is None else _rows(dscale, batch_first),
    )
    return gradients


class _Arrays:
    """What forward and backward read, checked and as the engine takes it; keeps the arrays alive."""

    __slots__ = ("_kept", "f64", "modifiers", "sequences", "sizes", "states", "weights")

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
        modifiers: Modifiers,
    ) -> None:
        self.sizes = sizes_of(x, weights, lengths, offsets, cell, directions, batch_first)
        D, B, _, _, H, P = self.sizes
        self.f64 = x.dtype is torch.float64
        self._kept: list[Tensor | None] = []
        self.weights = self._checked_weights(weights, x, cell)
        self.states = (0, 0)
        if h0 is not None:
            C = len(BY_CODE[cell].states) - 1
            h0, c0 = _state(h0, x, (D, B, P or H)), _state(c0, x, (D, B, C * H))
            self._kept += (h0, c0)
            self.states = (_pointer(h0), _pointer(c0))
        self.sequences = (0, 0, 0)
        if lengths is not None or resets is not None:
            lengths = _checked_lengths(lengths, offsets, x, self.sizes)
            resets = _checked_resets(resets, self.sizes)
            offsets = offsets if offsets is None else offsets.contiguous()
            self._kept += (lengths, offsets, resets)
            self.sequences = (_pointer(lengths), _pointer(offsets), _pointer(resets))
        self.modifiers = (_NOWHERE, _NOWHERE, _NOWHERE)
        if modifiers is not NOTHING:
            widths = (D * (P or H), D * H, D * H)
            found = [_modifier(m, x, w) for m, w in zip(modifiers[:3], widths, strict=True)]
            self._kept += found
            first, second, third = (
                _NOWHERE if m is None else _rows(m, batch_first or x.dim() == 2) for m in found
            )
            self.modifiers = (first, second, third)

    def _checked_weights(
        self, weights: Sequence[Tensor], x: Tensor, cell: int
    ) -> list[tuple[int, ...]]:
        """Pointers of weights whose shapes, dtypes and device fit."""
        D, _, _, I, H, P = self.sizes  # noqa: E741
        dtype, each = x.dtype, len(weights) // D
        slots = SLOTS.get((cell, each), ())
        if dtype not in DTYPES or not x.is_cpu or each * D != len(weights) or not slots:
            raise ValueError(
                f"the engine takes float32 and float64 on the CPU; got {dtype}, {x.device}"
            )
        wanted = shapes_of(cell, I, H, P)
        shapes = [wanted[slot] for slot in slots]
        pointers = []
        for w, shape in zip(weights, shapes * D, strict=True):
            if w.shape != shape or w.dtype is not dtype or not w.is_cpu:
                raise ValueError(
                    f"a weight must be {shape} {dtype} on the CPU; "
                    f"got {tuple(w.shape)} {w.dtype} {w.device}"
                )
            # An alias: another thread may set w.data while the engine reads.
            w = w.detach().resolve_neg().contiguous()
            self._kept.append(w)
            pointers.append(w.data_ptr())
        return by_direction(pointers, cell, D)


def draw_mask(shape: Sequence[int], share: float, like: Tensor) -> Tensor:
    """Ones with probability ``share``, else zeros, as ``like``; the seed comes from torch's generator."""
    mask = like.new_empty(shape)
    if not like.is_cpu or like.dtype not in DTYPES or torch.compiler.is_compiling():
        return mask.bernoulli_(share)
    seed = int(torch.randint(1 << 62, (), dtype=torch.int64))
    compiled.draw(mask.data_ptr(), mask.numel(), like.dtype is torch.float64, share, seed)
    return mask


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


def six_pointers(pointers: Sequence[int], cell: int) -> tuple[int, ...]:
    """(w_ih, w_hh, b_ih, b_hh, w_hr, params) of one direction, 0 for what is not there."""
    six = [0] * 6
    for slot, pointer in zip(SLOTS[cell, len(pointers)], pointers, strict=True):
        six[slot] = pointer
    return tuple(six)


def by_direction(pointers: Sequence[int], cell: int, directions: int) -> list[tuple[int, ...]]:
    """The six addresses of each direction."""
    if directions == 1:
        return [six_pointers(pointers, cell)]
    half = len(pointers) // 2
    return [six_pointers(pointers[:half], cell), six_pointers(pointers[half:], cell)]


def _modifier(m: Tensor | None, x: Tensor, width: int) -> Tensor | None:
    """A modifier whose rows lie where those of x do, or, beside packed data, are constant in time."""
    if m is None:
        return None
    constant = x.dim() == 2 and m.dim() == 3 and m.stride(1) == 0 and m.shape[2] == width
    fits = constant or m.shape == (*x.shape[:-1], width)
    if not fits or m.dtype is not x.dtype or not m.is_cpu:
        raise ValueError(
            f"a modifier must be {(*x.shape[:-1], width)} {x.dtype} on the CPU; "
            f"got {tuple(m.shape)} {m.dtype} {m.device}"
        )
    return _readable(m.detach())


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
