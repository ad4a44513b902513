"""GRU-D step by step, readable against the paper."""

from __future__ import annotations

import torch
from torch import Tensor

from gatework.nn.reference.cells import State
from gatework.nn.reference.loop import Weights, step


def gru_d(
    x: Tensor,
    gaps: Tensor,
    state: State,
    weights: Weights,
    decay: Weights,
    means: Tensor,
    *,
    resets: Tensor | None = None,
) -> tuple[Tensor, State]:
    """Outputs ``(B, T, H)`` and last state of one layer (Che et al. 2018, arXiv 1606.01865, section 2.2).

    Args:
        x: ``(B, T, I)``, NaN is missing.
        gaps: ``(B, T)`` time since the step before.
        state: h ``(B, H)``; last ``(B, I)``, the last value less its mean; since ``(B, I)``, the time since
            then.
        weights: W_ih ``(3*H, 2*I)``, W_hh, b_ih, b_hh.
        decay: W_γ ``(H, I)``, b_γ ``(H,)``, w_x ``(I,)``, b_x ``(I,)``.
        means: ``(I,)``.
        resets: ``(B, T)`` bool; True forgets all just before that step.
    """
    W, b, w_x, b_x = (d if d is not None else x.new_zeros(()) for d in decay)
    h, last, since = state
    outputs = []
    for t in range(x.shape[1]):
        gap = gaps[:, t, None]
        if resets is not None:
            clear = resets[:, t, None]
            h, last, since = (s.masked_fill(clear, 0.0) for s in (h, last, since))
            gap = gap.masked_fill(clear, 0.0)
        delta = since + gap
        observed = ~torch.isnan(x[:, t])
        last = torch.where(observed, x[:, t] - means, last)
        since = torch.where(observed, 0.0, delta)
        fade = torch.exp(-torch.clamp(w_x * delta + b_x, min=0.0))
        filled = torch.where(observed, last, fade * last) + means
        scale = torch.exp(-torch.clamp(delta @ W.T + b, min=0.0))
        entering = torch.cat([filled, observed.to(x.dtype)], dim=-1)
        h = step("gru", entering, (h,), weights, scale=scale, decay=True)[0]
        outputs.append(h)
    return torch.stack(outputs, dim=1), (h, last, since)
