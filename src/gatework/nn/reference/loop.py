"""The sums and the time: one step, one direction of one layer, a stack of layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gatework.nn.reference.cells import POINTWISE, State

Weights = Sequence[Tensor | None]  # W_ih, W_hh, b_ih, b_hh, W_hr, p; the last ones may be left out
# torch's names of the cells
_OTHER_NAMES = {"LSTM": "lstm", "GRU": "gru", "RNN_TANH": "rnn", "RNN_RELU": "rnn_relu"}


def lstm_cell(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    W_ih: Tensor,
    W_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
    W_hr: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """``(h', c')`` after one step of the LSTM; x ``(B, I)``, h ``(B, R)``, c ``(B, H)``.

    Gers et al. 2000; with W_hr the projected LSTM of Sak et al. 2014 (arXiv 1402.1128), equation 7 with
    P = 0 there.
    """
    after = step("lstm", x, (h, c), (W_ih, W_hh, b_ih, b_hh, W_hr))
    return after[0], after[1]


def gru_cell(
    x: Tensor,
    h: Tensor,
    W_ih: Tensor,
    W_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """``h'`` after one step of the GRU, reset gate after the product (as torch and cuDNN have it)."""
    return step("gru", x, (h,), (W_ih, W_hh, b_ih, b_hh))[0]


def rnn_cell(
    x: Tensor,
    h: Tensor,
    W_ih: Tensor,
    W_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
    nonlinearity: Callable[[Tensor], Tensor] = torch.tanh,
) -> Tensor:
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`` (Elman 1990)."""
    return nonlinearity(F.linear(x, W_ih, b_ih) + F.linear(h, W_hh, b_hh))


def step(
    cell: str,
    x: Tensor,
    state: State,
    weights: Weights,
    *,
    scale: Tensor | None = None,
    zone_h: Tensor | None = None,
    zone_c: Tensor | None = None,
    decay: bool = False,
) -> State:
    """State after one step of any cell of the table, or by torch's name, ``"LSTM"`` to ``"RNN_RELU"``.

    Args:
        x: ``(B, I)``.
        state: ``(h, …)``; h ``(B, R)``, the others ``(B, H)``.
        scale: ``(B, R)``: h is multiplied by it before its product (recurrent dropout: Gal & Ghahramani 2016,
            arXiv 1512.05287, section 4); with ``decay`` also where the cell reads h (Che et al. 2018,
            arXiv 1606.01865, equation 4).
        zone_h, zone_c: ``(B, H)``: the share of h and of c that stays as it was (Krueger et al. 2016,
            arXiv 1606.01305, section 3.3); h is computed from the new c, whatever stays.
    """
    cell = _OTHER_NAMES.get(cell, cell)
    six: list[Tensor | None] = [*weights, *[None] * (6 - len(weights))]
    W_ih, W_hh, b_ih, b_hh, W_hr, p = six
    assert W_ih is not None
    h, *others = state
    multiplied = h if scale is None else h * scale
    beside = multiplied if decay else h
    from_x = F.linear(x, W_ih, b_ih)
    from_h = x.new_zeros(()) if W_hh is None else F.linear(multiplied, W_hh, b_hh)
    found = POINTWISE[cell](from_x, from_h, (beside, *others), p)
    new, after = found[0], list(found[1:])
    if zone_c is not None:
        after[0] = zone_c * others[0] + (1 - zone_c) * after[0]
    if W_hr is not None:
        new = F.linear(new, W_hr)
    if zone_h is not None:
        new = zone_h * beside + (1 - zone_h) * new
    return new, *after


def layer(
    cell: str,
    x: Tensor,
    state: State,
    weights: Weights,
    *,
    lengths: Tensor | None = None,
    resets: Tensor | None = None,
    reverse: bool = False,
    scale: Tensor | None = None,
    zone_h: Tensor | None = None,
    zone_c: Tensor | None = None,
    decay: bool = False,
) -> tuple[Tensor, State]:
    """Outputs ``(B, T, R)`` and last state of one direction of one layer over ``x (B, T, I)``.

    Args:
        cell: a name of the table, or torch's.
        x: ``(B, T, I)``; what lies after a sequence's end is not read.
        state: initial ``(h,)`` or ``(h, c)``, ….
        weights: W_ih, W_hh, b_ih, b_hh, W_hr, p; some of them None.
        lengths: ``(B,)`` integers, 0 to T.  Outputs after the end are 0; the state stays as it was there.
        resets: ``(B, T)`` bool; True clears the state just before that step.
        reverse: from each sequence's own last step to its first.
        scale, zone_h, zone_c: ``(B, T, R)``, ``(B, T, H)``; see :func:`step`.
    """
    T = x.shape[1]
    valid = None
    if lengths is not None:
        valid = torch.arange(T, device=x.device) < lengths.to(x.device).unsqueeze(1)
        x = x.masked_fill(~valid.unsqueeze(-1), 0.0)
    outputs: list[Tensor] = []
    for t in reversed(range(T)) if reverse else range(T):
        before = state
        if resets is not None:
            before = tuple(s.masked_fill(resets[:, t, None], 0.0) for s in state)
        at = (None if m is None else m[:, t] for m in (scale, zone_h, zone_c))
        scale_t, zone_h_t, zone_c_t = at
        after = step(
            cell,
            x[:, t],
            before,
            weights,
            scale=scale_t,
            zone_h=zone_h_t,
            zone_c=zone_c_t,
            decay=decay,
        )
        output = after[0]
        if valid is not None:
            here = valid[:, t, None]
            after = tuple(torch.where(here, a, s) for a, s in zip(after, state, strict=True))
            output = output.masked_fill(~here, 0.0)
        outputs.append(output)
        state = after
    if not outputs:
        return x.new_zeros((x.shape[0], 0, state[0].shape[-1])), state
    return torch.stack(outputs[::-1] if reverse else outputs, dim=1), state


def network(
    cell: str,
    x: Tensor,
    state: State,
    weights: Sequence[Sequence[Weights]],
    *,
    lengths: Tensor | None = None,
    resets: Tensor | None = None,
    dropout: float = 0.0,
    training: bool = False,
) -> tuple[Tensor, State]:
    """Outputs ``(B, T, D*R)`` and last states ``(Z*D, B, ·)`` of a stack of layers.

    Args:
        state: initial states, each ``(Z*D, B, R)`` or ``(Z*D, B, H)``; layer by layer, direction by direction.
        weights: of each layer, of each direction.
        dropout: between the layers, while ``training``.
    """
    last: list[State] = []
    for number, directions in enumerate(weights):
        if number:
            x = F.dropout(x, dropout, training)
        outputs = []
        for d, w in enumerate(directions):
            first = tuple(s[number * len(directions) + d] for s in state)
            output, after = layer(cell, x, first, w, lengths=lengths, resets=resets, reverse=d == 1)
            outputs.append(output)
            last.append(after)
        x = torch.cat(outputs, dim=-1)
    return x, tuple(torch.stack(parts) for parts in zip(*last, strict=True))


def lstm(x: Tensor, h: Tensor, c: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs ``(B, T, H)`` and last ``(h, c)`` of one LSTM layer; weights W_ih, W_hh, b_ih, b_hh, W_hr."""
    y, (h, c) = layer("lstm", x, (h, c), weights)
    return y, h, c


def gru(x: Tensor, h: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs ``(B, T, H)`` and last ``h`` of one GRU layer; weights W_ih, W_hh, b_ih, b_hh."""
    y, (h,) = layer("gru", x, (h,), weights)
    return y, h


def rnn(x: Tensor, h: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs ``(B, T, H)`` and last ``h`` of one plain layer; weights W_ih, W_hh, b_ih, b_hh."""
    y, (h,) = layer("rnn", x, (h,), weights)
    return y, h
