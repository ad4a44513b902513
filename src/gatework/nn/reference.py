"""The readable executable specification: every cell as the plain torch loop that defines it.

Slow on purpose.  The engine is tested against these functions, and they serve what it does not: other
devices with ``resets`` or empty sequences, and ``torch.func``'s transforms.

One alphabet: B batch, T time, I input, H hidden, P projection, D directions, Z layers, G gates, and R for
the size of ``h``, which is P with a projection and H without.  Weights have torch's names and order:
``W_ih (G*H, I)``, ``W_hh (G*H, R)``, biases ``(G*H,)`` or None, ``W_hr (P, H)`` or None; gates i f g o for
the LSTM, r z n for the GRU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

State = tuple[Tensor, ...]  # (h,) or (h, c); each (B, R) or (B, H)
Weights = Sequence[Tensor | None]  # W_ih, W_hh, b_ih, b_hh, W_hr


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
    i, f, g, o = (F.linear(x, W_ih, b_ih) + F.linear(h, W_hh, b_hh)).chunk(4, dim=-1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    return (h if W_hr is None else F.linear(h, W_hr)), c


def gru_cell(
    x: Tensor,
    h: Tensor,
    W_ih: Tensor,
    W_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """``h'`` after one step of the GRU, reset gate after the product (as torch and cuDNN have it)."""
    r_x, z_x, n_x = F.linear(x, W_ih, b_ih).chunk(3, dim=-1)
    r_h, z_h, n_h = F.linear(h, W_hh, b_hh).chunk(3, dim=-1)
    r, z = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
    n = (n_x + r * n_h).tanh()
    return (1 - z) * n + z * h


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


def step(mode: str, x: Tensor, state: State, weights: Weights) -> State:
    """State after one step of any cell; ``mode`` as ``torch.nn`` spells it, ``"LSTM"`` to ``"RNN_RELU"``."""
    W_ih, W_hh, b_ih, b_hh, W_hr = weights
    assert W_ih is not None
    assert W_hh is not None
    if mode == "LSTM":
        return lstm_cell(x, state[0], state[1], W_ih, W_hh, b_ih, b_hh, W_hr)
    if mode == "GRU":
        return (gru_cell(x, state[0], W_ih, W_hh, b_ih, b_hh),)
    nonlinearity = {"RNN_TANH": torch.tanh, "RNN_RELU": torch.relu}[mode]
    return (rnn_cell(x, state[0], W_ih, W_hh, b_ih, b_hh, nonlinearity),)


def layer(
    mode: str,
    x: Tensor,
    state: State,
    weights: Weights,
    *,
    lengths: Tensor | None = None,
    resets: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, State]:
    """Outputs ``(B, T, R)`` and last state of one direction of one layer over ``x (B, T, I)``.

    Args:
        mode: ``"LSTM"``, ``"GRU"``, ``"RNN_TANH"`` or ``"RNN_RELU"``.
        x: ``(B, T, I)``; what lies after a sequence's end is not read.
        state: initial ``(h,)`` or ``(h, c)``.
        weights: W_ih, W_hh, b_ih, b_hh, W_hr, the last three or one of them None.
        lengths: ``(B,)`` integers, 0 to T.  Outputs after the end are 0; the state stays as it was there.
        resets: ``(B, T)`` bool; True clears the state just before that step.
        reverse: from each sequence's own last step to its first.
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
        after = step(mode, x[:, t], before, weights)
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
    mode: str,
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
            output, after = layer(mode, x, first, w, lengths=lengths, resets=resets, reverse=d == 1)
            outputs.append(output)
            last.append(after)
        x = torch.cat(outputs, dim=-1)
    return x, tuple(torch.stack(parts) for parts in zip(*last, strict=True))


def lstm(x: Tensor, h: Tensor, c: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs ``(B, T, H)`` and last ``(h, c)`` of one LSTM layer; weights W_ih, W_hh, b_ih, b_hh, W_hr."""
    y, (h, c) = layer("LSTM", x, (h, c), _five(weights))
    return y, h, c


def gru(x: Tensor, h: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs ``(B, T, H)`` and last ``h`` of one GRU layer; weights W_ih, W_hh, b_ih, b_hh."""
    y, (h,) = layer("GRU", x, (h,), _five(weights))
    return y, h


def rnn(x: Tensor, h: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs ``(B, T, H)`` and last ``h`` of one plain layer; weights W_ih, W_hh, b_ih, b_hh."""
    y, (h,) = layer("RNN_TANH", x, (h,), _five(weights))
    return y, h


def _five(weights: Sequence[Tensor]) -> Weights:
    return (*weights, *[None] * (5 - len(weights)))
