"""The convolutional LSTM as the plain torch loop that defines it.

Slow on purpose.  The engine is tested against it, and it serves what the engine does not: other devices,
``torch.compile``, ``torch.func``'s transforms, second derivatives.

Gates i f g o; B batch, T time, C input channels, H hidden channels, S the axes of space (one to three).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gatework.nn.composed import without_steps

CONVOLUTION = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def cell(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    W_ih: Tensor,
    W_hh: Tensor,
    bias: Tensor | None = None,
    W_p: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """``(h', c')`` after one step; x ``(B, C, *S)``, h and c ``(B, H, *S)``.

    Shi et al. 2015 (arXiv 1506.04214), equation 3; without ``W_p (3, H, *S)`` the terms in c are left out.
    """
    convolve = CONVOLUTION[x.dim() - 2]
    sums = convolve(x, W_ih, bias, padding="same") + convolve(h, W_hh, padding="same")
    i, f, g, o = sums.chunk(4, dim=1)
    if W_p is not None:
        i, f = i + W_p[0] * c, f + W_p[1] * c
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    if W_p is not None:
        o = o + W_p[2] * c
    return o.sigmoid() * c.tanh(), c


def layer(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    W_ih: Tensor,
    W_hh: Tensor,
    bias: Tensor | None = None,
    W_p: Tensor | None = None,
    *,
    lengths: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs ``(B, T, H, *S)`` and last ``(h, c)`` of one direction over ``x (B, T, C, *S)``.

    Args:
        x: what lies after a sequence's end is not read.
        h: initial state ``(B, H, *S)``.
        c: the same.
        W_ih: ``(4*H, C, *kernel)``.
        W_hh: ``(4*H, H, *kernel)``.
        bias: ``(4*H,)``.
        W_p: peepholes ``(3, H, *S)`` of i, f and o.
        lengths: ``(B,)`` integers, 0 to T.  Outputs after the end are 0; the state stays as it was there.
        reverse: from each sequence's own last step to its first.
    """
    T, outputs = x.shape[1], []
    for t in reversed(range(T)) if reverse else range(T):
        if lengths is None:
            h, c = cell(x[:, t], h, c, W_ih, W_hh, bias, W_p)
            outputs.append(h)
            continue
        here = (lengths.to(x.device) > t).view(-1, *[1] * (x.dim() - 2))
        after = cell(x[:, t].masked_fill(~here, 0.0), h, c, W_ih, W_hh, bias, W_p)
        h, c = torch.where(here, after[0], h), torch.where(here, after[1], c)
        outputs.append(h.masked_fill(~here, 0.0))
    if not outputs:
        y = without_steps(x, (x.shape[0], 0, *h.shape[1:]), (W_ih, W_hh, bias, W_p))
        return y, h + y.sum(), c + y.sum()
    return torch.stack(outputs[::-1] if reverse else outputs, dim=1), h, c
