"""The mLSTM's memory: one step of it, many steps by matrix products, and one step for many inputs.

Beck et al. 2024 (arXiv 2405.04517), equations 19 to 27, stabilised as in appendix A.3.  One alphabet: N heads
of d units; q, k, v ``(..., N, d)``, k already divided by √d; i and f ``(..., N)`` the *logarithms* of the
gates; C ``(..., N, d, d)`` with rows of v and columns of k, n ``(..., N, d)``, m ``(..., N)``.

C and n are kept divided by exp(m).  No output depends on m: it only keeps numbers in range, and is therefore
a constant to the gradient.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_LARGEST = 80.0  # exp of it and of its negative are ordinary float32 numbers


def recurrent_step(
    q: Tensor, k: Tensor, v: Tensor, i: Tensor, f: Tensor, C: Tensor, n: Tensor, m: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``(h, C', n', m')`` after one step; h ``(..., N, d)`` before the output gate."""
    after = torch.maximum(f + m, i).detach()
    keep, write = (f + m - after).exp().unsqueeze(-1), (i - after).exp().unsqueeze(-1)
    n = keep * n + write * k
    C = keep.unsqueeze(-1) * C + (write * v).unsqueeze(-1) * k.unsqueeze(-2)
    h = (C @ q.unsqueeze(-1)).squeeze(-1) / _floor((n * q).sum(-1), after).unsqueeze(-1)
    return h, C, n, after


def fan(
    q: Tensor, k: Tensor, v: Tensor, i: Tensor, f: Tensor, C: Tensor, n: Tensor, m: Tensor
) -> Tensor:
    """h ``(*lead, m, N, d)`` of many inputs and one state: q to f have one axis, m, more than C, n and m."""
    m = m.unsqueeze(-2)
    after = torch.maximum(f + m, i)
    keep, write = (f + m - after).exp(), (i - after).exp()
    met = write * (k * q).sum(-1)
    of_memory = (C @ q.movedim(-3, -1)).movedim(-1, -3)
    total = keep * (n.unsqueeze(-3) * q).sum(-1) + met
    above = keep.unsqueeze(-1) * of_memory + met.unsqueeze(-1) * v
    return above / _floor(total, after).unsqueeze(-1)


def chunkwise(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    i: Tensor,
    f: Tensor,
    C: Tensor,
    n: Tensor,
    m: Tensor,
    valid: Tensor | None,
    resets: Tensor | None,
    L: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``(h (B, T, N, d), C', n', m')`` of T steps, L at a time.

    Within a chunk step t reads step s with the weight (q_t · k_s) exp(F_t - F_s + i_s), F the sum of log f from
    the chunk's start on, and what came before the chunk with exp(F_t + m): products of matrices, as attention
    has them.  From chunk to chunk goes (C, n, m).

    Args:
        q: ``(B, T, N, d)``, and so k and v; i and f ``(B, T, N)``; T at least 1.
        valid: ``(B, T)`` bool, or None; steps that are not leave the state as it is.
        resets: ``(B, T)`` bool, or None; the state is cleared before a step where it is true.
    """
    B, T = q.shape[:2]
    L = min(L, T)
    if resets is not None and valid is not None:
        resets = resets & valid
    if valid is not None:
        i = i.masked_fill(~valid.unsqueeze(-1), -torch.inf)
        f = f.masked_fill(~valid.unsqueeze(-1), 0.0)
    more = -T % L
    if more:
        q, k, v = (F.pad(t, (0, 0, 0, 0, 0, more)) for t in (q, k, v))
        i, f = F.pad(i, (0, 0, 0, more), value=-torch.inf), F.pad(f, (0, 0, 0, more))
        resets = None if resets is None else F.pad(resets, (0, more))
    chunks = (T + more) // L  # (chunks, B, N, L, ·)
    q, k, v = (t.reshape(B, chunks, L, *t.shape[2:]).permute(1, 0, 3, 2, 4) for t in (q, k, v))
    i, f = (t.reshape(B, chunks, L, t.shape[2]).permute(1, 0, 3, 2) for t in (i, f))
    total = f.cumsum(-1)
    lower = torch.ones(L, L, dtype=torch.bool, device=q.device).tril()
    part = clear = None
    if (
        resets is not None
    ):  # how many resets the chunk had until each step: equal where nothing parts two
        part = resets.reshape(B, chunks, L).transpose(0, 1).unsqueeze(2).cumsum(-1)
        lower = lower & (part.unsqueeze(-1) == part.unsqueeze(-2))
        clear = part > 0
    # the weight of step s for step t, and for the state after the chunk, as logarithms
    for_step = (total.unsqueeze(-1) - total.unsqueeze(-2) + i.unsqueeze(-2)).masked_fill(
        ~lower, -torch.inf
    )
    for_state = total[..., -1:] - total + i
    if part is not None:
        for_state = for_state.masked_fill(part != part[..., -1:], -torch.inf)
    highest, highest_state = for_step.detach().amax(-1), for_state.detach().amax(-1)
    met = q @ k.transpose(-1, -2)
    # parted once: the gradient of a slice q[c] would be a tensor as large as q, in each chunk
    sums, tops, tops_state = total.unbind(), highest.unbind(), highest_state.unbind()
    parts = zip(
        q.unbind(),
        k.unbind(),
        v.unbind(),
        met.unbind(),
        for_step.unbind(),
        for_state.unbind(),
        strict=True,
    )
    hs = []
    for c, (q_c, k_c, v_c, met_c, for_step_c, for_state_c) in enumerate(parts):
        before = sums[c] + m.unsqueeze(-1)  # of what came before the chunk, for each step
        if clear is not None:
            before = before.masked_fill(clear[c], -torch.inf)
        top = torch.maximum(before.detach(), tops[c])
        near = met_c * (for_step_c - top.unsqueeze(-1)).exp()
        far = (before - top).exp().unsqueeze(-1) * q_c
        summed = near.sum(-1) + (far @ n.unsqueeze(-1)).squeeze(-1)
        above = near @ v_c + far @ C.transpose(-1, -2)
        hs.append(above / _floor(summed, top).unsqueeze(-1))
        kept = sums[c][..., -1] + m
        if clear is not None:
            kept = kept.masked_fill(clear[c, ..., -1], -torch.inf)
        m = torch.maximum(kept.detach(), tops_state[c])
        keep = (kept - m).exp().unsqueeze(-1)
        k_now = (for_state_c - m.unsqueeze(-1)).exp().unsqueeze(-1) * k_c
        n = keep * n + k_now.sum(-2)
        C = keep.unsqueeze(-1) * C + v_c.transpose(-1, -2) @ k_now
    h = torch.stack(hs).permute(1, 0, 3, 2, 4).flatten(1, 2)
    return h[:, :T], C, n, m


def _floor(summed: Tensor, m: Tensor) -> Tensor:
    """``max(|n · q|, 1)``, divided by exp(m) as all the state is."""
    one = (-m.detach()).clamp(-_LARGEST, _LARGEST).exp()
    return torch.maximum(summed.abs(), one)
