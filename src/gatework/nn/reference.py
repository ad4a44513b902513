"""The readable executable specification: every cell as the plain torch loop that defines it.

Slow on purpose.  Fast layers are tested against these functions.  Weights have torch's names and order:
``W_ih (G*H, I)``, ``W_hh (G*H, H)``, biases ``(G*H,)``; gates i f g o for the LSTM, r z n for the GRU.
"""

from __future__ import annotations

from torch import Tensor, stack


def lstm_cell(
    x: Tensor, h: Tensor, c: Tensor, W_ih: Tensor, W_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    """``(h', c')`` after one step of the LSTM; x ``(B, I)``, h and c ``(B, H)`` (Gers et al. 2000)."""
    i, f, g, o = (x @ W_ih.T + b_ih + h @ W_hh.T + b_hh).chunk(4, dim=-1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_cell(
    x: Tensor, h: Tensor, W_ih: Tensor, W_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> Tensor:
    """``h'`` after one step of the GRU, reset gate after the product (as torch and cuDNN have it)."""
    r_x, z_x, n_x = (x @ W_ih.T + b_ih).chunk(3, dim=-1)
    r_h, z_h, n_h = (h @ W_hh.T + b_hh).chunk(3, dim=-1)
    r, z = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
    n = (n_x + r * n_h).tanh()
    return (1 - z) * n + z * h


def rnn_cell(
    x: Tensor, h: Tensor, W_ih: Tensor, W_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> Tensor:
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`` (Elman 1990)."""
    return (x @ W_ih.T + b_ih + h @ W_hh.T + b_hh).tanh()


def lstm(
    x: Tensor, h: Tensor, c: Tensor, W_ih: Tensor, W_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs ``(B, T, H)`` and last ``(h, c)`` of one LSTM layer over ``x (B, T, I)``."""
    outputs = []
    for t in range(x.shape[1]):
        h, c = lstm_cell(x[:, t], h, c, W_ih, W_hh, b_ih, b_hh)
        outputs.append(h)
    return stack(outputs, dim=1), h, c


def gru(
    x: Tensor, h: Tensor, W_ih: Tensor, W_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    """Outputs ``(B, T, H)`` and last ``h`` of one GRU layer over ``x (B, T, I)``."""
    outputs = []
    for t in range(x.shape[1]):
        h = gru_cell(x[:, t], h, W_ih, W_hh, b_ih, b_hh)
        outputs.append(h)
    return stack(outputs, dim=1), h


def rnn(
    x: Tensor, h: Tensor, W_ih: Tensor, W_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    """Outputs ``(B, T, H)`` and last ``h`` of one plain recurrent layer over ``x (B, T, I)``."""
    outputs = []
    for t in range(x.shape[1]):
        h = rnn_cell(x[:, t], h, W_ih, W_hh, b_ih, b_hh)
        outputs.append(h)
    return stack(outputs, dim=1), h
