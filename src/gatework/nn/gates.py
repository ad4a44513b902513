"""What a recurrent layer's gates and states were at each step: for looking inside.

The engine's training pass keeps the planes of a cell (``Cell.planes`` in ``gatework.cells``) for the backward
pass; here they are read instead of thrown away.  Nothing is computed or kept for it otherwise.

Letters: B batch, T time, I input, H hidden, R the size of ``h`` (P with a projection, else H), Z layers,
D directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gatework.cells import CELLS, Cell
from gatework.nn import checks, engine, regularisers

if TYPE_CHECKING:
    from gatework.nn.layer import RecurrentLayer

_LINE = 64  # bytes; the engine pads H to whole cache lines on every path


def cell_of(layer: Any) -> Cell:
    """The row of the table of cells that a layer computes.

    >>> from gatework.nn import GRU
    >>> cell_of(GRU(2, 3)).planes
    ('n', 'r', 'z', 'h_n')
    """
    row = getattr(layer, "_cell", None)
    if isinstance(row, Cell):
        return row
    return next(c for c in CELLS.values() if c.layer == type(layer).__name__)


def gates(
    layer: RecurrentLayer,
    x: Tensor,
    hx: Any = None,
    lengths: Tensor | Sequence[int] | None = None,
    resets: Tensor | None = None,
) -> list[dict[str, Tensor]]:
    """Gates and states of every step; see :meth:`gatework.nn.layer.RecurrentLayer.gates`."""
    name = f"{type(layer).__name__}.gates"
    weights = layer._weights(name)
    checks.check_input(name, x, layer.input_size, weights[0][0], False)
    if x.dim() != 3:
        raise ValueError(
            f"{name}: `input` must be {'(B, T, I)' if layer.batch_first else '(T, B, I)'}; got "
            f"{tuple(x.shape)}. Add an axis for the batch: x.unsqueeze({0 if layer.batch_first else 1})."
        )
    B = x.shape[0 if layer.batch_first else 1]
    state: tuple[Tensor, ...] = ()
    if hx is not None:
        state = checks.check_state(name, hx, layer._state_shapes(B), x, False)
    if lengths is not None:
        lengths = checks.check_lengths(name, lengths, x, layer.batch_first)
    if resets is not None:
        resets = checks.check_resets(name, resets, x, layer.batch_first)
    with torch.no_grad():
        return _stack(layer, x, state, weights, lengths, resets)


def _stack(
    layer: RecurrentLayer,
    x: Tensor,
    state: tuple[Tensor, ...],
    weights: list[list[Tensor]],
    lengths: Any,
    resets: Tensor | None,
) -> list[dict[str, Tensor]]:
    """The stack layer by layer on the engine, which is on the CPU."""
    row, D = cell_of(layer), 2 if layer.bidirectional else 1
    device, dtype = x.device, x.dtype
    exact = torch.float64 if x.dtype is torch.float64 else torch.float32

    def to_engine(tensor: Any) -> Any:
        return None if tensor is None else tensor.detach().to("cpu", exact)

    x = to_engine(x)
    lengths = None if lengths is None else lengths.cpu()
    resets = None if resets is None else resets.cpu()
    assert row.code is not None
    found = []
    for number, tensors in enumerate(weights):
        if number and layer.dropout and layer.training:
            x = F.dropout(x, layer.dropout, True)
        h0, *others = [to_engine(s[number * D : (number + 1) * D]) for s in state] or [None]
        c0 = torch.cat(others, -1) if others else None
        ws = [to_engine(w) for w in tensors]
        modifiers = engine.NOTHING
        if layer._has_options:
            modifiers = regularisers.modifiers(layer, x, x.shape[0 if layer.batch_first else 1])
        y, _, _, saved = engine.forward(
            x, h0, c0, ws, lengths, None, resets, row.code, D, layer.batch_first, modifiers, True
        )
        assert saved is not None
        R = layer.proj_size or layer.hidden_size
        h = y if layer.batch_first else y.transpose(0, 1)
        for d, planes in enumerate(read(saved, row, h.shape[:2], layer.hidden_size, D, lengths)):
            planes["h"] = h[..., d * R : (d + 1) * R]
            found.append({name: plane.to(device, dtype) for name, plane in planes.items()})
        x = y + x if layer._skips(number, x, y) else y
    return found


def read(
    saved: Tensor,
    row: Cell,
    shape: Sequence[int],
    H: int,
    directions: int,
    lengths: Tensor | None = None,
) -> list[dict[str, Tensor]]:
    """Planes and states ``(B, T, H)`` but ``h`` of each direction, from what a pass kept; 0 after the ends.

    Args:
        saved: flat, as ``engine.forward`` returns it: for each direction the planes ``(N, planes, Hp)`` of
            its N valid steps, then its states beside h ``(N, states, Hp)``.  Hp is H padded to 64 bytes.
        row: the cell's row of the table.
        shape: ``(B, T)``.
        H: hidden size.
        directions: D.
        lengths: ``(B,)`` valid steps; None: all T.

    Raises:
        ValueError: ``saved`` has not the size that follows from the others.
    """
    B, T = shape
    where, valid = _rows(B, T, lengths)
    N, Hp, beside = int(valid.sum()), _padded(H, saved.dtype), row.states[1:]
    each = len(row.planes) + row.unseen
    columns = (each + len(beside)) * Hp
    if saved.numel() != directions * N * columns:
        raise ValueError(
            f"{row.name}: {saved.numel()} values were kept, and {directions} x {N} steps of {columns} are "
            "wanted. The table of cells and the engine differ in what a step keeps."
        )
    found = []
    for d, part in enumerate(saved.view(directions, N * columns)):
        places = where if d == 0 else _reversed(where, lengths)
        planes = part[: N * each * Hp].view(N, each, Hp)
        named = {name: planes[:, i] for i, name in enumerate(row.planes)}
        states = part[N * each * Hp :].view(N, len(beside), Hp)
        named |= {name: states[:, i] for i, name in enumerate(beside)}
        found.append({name: _placed(p[:, :H], places, valid) for name, p in named.items()})
    return found


def _rows(B: int, T: int, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
    """Row ``(B, T)`` of step t of sequence b, and whether there is one; ``engine/src/layout.cc`` says why.

    Sequences by length, longest first, equal ones in their order; a row is the count of all rows of
    earlier steps and its sequence's place.

    >>> _rows(2, 3, torch.tensor([1, 3]))[0].tolist()
    [[1, 0, 0], [0, 2, 3]]
    """
    counts = torch.full((B,), T) if lengths is None else lengths
    place = torch.empty(B, dtype=torch.int64)
    place[torch.argsort(counts, descending=True, stable=True)] = torch.arange(B)
    valid = torch.arange(T) < counts[:, None]
    active = valid.sum(dim=0)
    where = (active.cumsum(0) - active) + place[:, None]
    return where.masked_fill(~valid, 0), valid


def _reversed(where: Tensor, lengths: Tensor | None) -> Tensor:
    """The same for the reverse direction, whose first step is each sequence's last."""
    T = where.shape[1]
    if lengths is None:
        return where.flip(1)
    return where.gather(1, (lengths[:, None] - 1 - torch.arange(T)).clamp(min=0))


def _placed(rows: Tensor, where: Tensor, valid: Tensor) -> Tensor:
    """``(B, T, H)`` of rows ``(N, H)``, 0 where there is none."""
    if not len(rows):
        return rows.new_zeros((*where.shape, rows.shape[1]))
    return rows[where.clamp(max=len(rows) - 1)].masked_fill(~valid.unsqueeze(-1), 0.0)


def _padded(H: int, dtype: torch.dtype) -> int:
    per_line = _LINE // dtype.itemsize
    return -(-H // per_line) * per_line
