"""How long units remember, how often their gates are wide open or shut, and orders to sort them by."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gatework.cells import Cell
from gatework.errors import ConfigError

LEFT, RIGHT = 0.1, 0.9  # Karpathy et al. 2015, section 4.2


def kept_share(cell: Cell, planes: dict[str, Tensor]) -> Tensor | None:
    """Share ``(B, T, H)`` of its memory that each unit keeps over each step; None where no gate tells.

    .. code-block:: text

        LSTM   c_t = f * c_(t-1) + i * g            f
        GRU    h_t = z * h_(t-1) + (1 - z) * n      z
        sLSTM  c_t / n_t, n_t = f * n_(t-1) + i     f n_(t-1) / n_t = 1 - i / n_t
        RNN    h_t = tanh(W x + U h_(t-1))          none: all of the memory is written anew at every step

    A GRU's z keeps in torch, here, and in Cho et al. 2014 (arXiv 1406.1078), equation 7; in Chung et al. 2014
    (arXiv 1412.3555), equation 5, it is the other way round, and 1 - z keeps.

    Args:
        cell: its row in the table, whose ``keeps`` says which planes it is made of.
        planes: of one layer and direction, as ``layer.gates`` returns them.

    >>> from gatework.cells import CELLS
    >>> from gatework.nn import LSTM
    >>> seen = LSTM(2, 3, batch_first=True).gates(torch.zeros(1, 4, 2))[0]
    >>> kept_share(CELLS["lstm"], seen) is seen["f"]
    True
    """
    if not cell.keeps:
        return None
    if cell.keeps == "1":
        return torch.ones_like(planes["c"])
    if cell.keeps == "f/(i+f)":
        return planes["f"] / (planes["i"] + planes["f"]).clamp_min(
            torch.finfo(planes["f"].dtype).tiny
        )
    if cell.keeps == "1-i/n":
        return (1 - planes["i"] / planes["n"]).clamp(0, 1)
    if cell.keeps.startswith("1-"):
        return 1 - planes[cell.keeps.removeprefix("1-")]
    return planes[cell.keeps]


def half_life(kept: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Steps ``(H,)`` after which half of what each unit holds is gone, float64; infinite where none is lost.

    .. code-block:: text

        half-life = ln 0.5 / mean over sequences and steps of ln kept

    A memory that is multiplied by ``kept`` at every step is after n of them ``exp(n mean ln kept)`` of itself.

    Args:
        kept: ``(B, T, H)`` in 0 to 1, see :func:`kept_share`; 0 gives a half-life of 0.
        lengths: ``(B,)`` valid steps.

    Raises:
        ConfigError: a share outside 0 to 1, not a number, or no step at all.

    >>> half_life(torch.tensor([0.5, 0.5**0.1, 1.0]).expand(2, 7, 3))
    tensor([ 1.0000, 10.0000,     inf], dtype=torch.float64)
    """
    rows = valid_rows(kept, lengths)
    if not bool(((rows >= 0) & (rows <= 1)).all()):
        raise ConfigError("half_life: `kept` must lie between 0 and 1: give a gate, not a state.")
    mean = rows.log().mean(dim=0)
    return torch.where(mean == 0, math.inf, -math.log(2) / mean)


def saturation(gate: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Shares ``(H,)`` of the steps at which each unit's gate is below 0.1, and above 0.9, float64.

    Karpathy, Johnson & Fei-Fei 2015 (arXiv 1506.02078), section 4.2 and figure 2: left- and
    right-saturated gates.

    Args:
        gate: ``(B, T, H)`` in 0 to 1.
        lengths: ``(B,)`` valid steps.

    >>> left, right = saturation(torch.tensor([[[0.05, 0.95], [0.5, 0.95]]]))
    >>> left.tolist(), right.tolist()
    ([0.5, 0.0], [0.0, 1.0])
    """
    rows = valid_rows(gate, lengths)
    return (rows < LEFT).double().mean(dim=0), (rows > RIGHT).double().mean(dim=0)


def valid_rows(plane: Tensor, lengths: Tensor | None = None) -> Tensor:
    """``(N, H)`` float64: a plane ``(B, T, H)`` without its padding.

    Raises:
        ConfigError: nothing is left, or the plane has other axes.
    """
    if plane.dim() != 3:
        raise ConfigError(f"a plane must be (B, T, H); got {tuple(plane.shape)}.")
    counts = torch.full((len(plane),), plane.shape[1]) if lengths is None else lengths
    rows = plane[torch.arange(plane.shape[1]) < counts[:, None]].double()
    if not len(rows):
        raise ConfigError("there is no step to look at: every sequence is empty.")
    return rows


def orders(kept: Tensor | None, shown: Tensor) -> dict[str, list[int]]:
    """Units in the orders that a reader may choose, each a permutation of 0 to H-1.

    Args:
        kept: see :func:`kept_share`; None leaves out what needs it.
        shown: ``(B, T, H)``, the plane that mean and similarity are taken of.

    Returns:
        ``half-life`` (longest first), ``saturation`` (of the kept share: most often open first), ``mean``
        (largest first), ``similarity`` (units that move alike beside each other), ``number``.

    >>> sorted(orders(None, torch.rand(2, 5, 3)))
    ['mean', 'number', 'similarity']
    """
    rows = valid_rows(shown)
    found = {}
    if kept is not None:
        found["half-life"] = _falling(half_life(kept))
        found["saturation"] = _falling(saturation(kept)[1] - saturation(kept)[0])
    found["mean"] = _falling(rows.mean(dim=0))
    found["similarity"] = _chain(rows)
    found["number"] = list(range(rows.shape[1]))
    return found


def _falling(values: Tensor) -> list[int]:
    return [int(i) for i in torch.argsort(values, descending=True, stable=True)]


def _chain(rows: Tensor) -> list[int]:
    """From the unit of the largest mean on, always the nearest by correlation that is left."""
    centred = rows - rows.mean(dim=0)
    norm = centred.norm(dim=0).clamp_min(1e-12)
    alike = (centred.T @ centred) / norm / norm[:, None]
    order = [int(rows.mean(dim=0).argmax())]
    left = torch.ones(len(alike), dtype=torch.bool)
    left[order[0]] = False
    while bool(left.any()):
        order.append(int(alike[order[-1]].masked_fill(~left, -math.inf).argmax()))
        left[order[-1]] = False
    return order
