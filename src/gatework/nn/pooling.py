"""A sequence of any length as one vector, in ways that a stream can follow step by step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gatework.errors import ConfigError, nearest
from gatework.runtime.sequence_spec import POOLINGS


class Pooling(nn.Module):
    """The steps of each sequence as one vector; what lies behind its end does not count.

    .. code-block:: text

        last       y_T, and of a backward direction the output at its own end, y_1
        mean       Σ_t y_t / T
        max        max_t y_t
        attention  Σ_t α_t y_t    α = softmax over t of (w · tanh(V y_t))
        mean_max   mean and max side by side

    Attention as in Yang et al. 2016 (Hierarchical Attention Networks, equations 5 to 7).  All but the backward
    direction's part can be carried along a stream in constant memory.

    Args:
        kind: one of the above.
        size: of a step.

    >>> Pooling("mean_max", 4)(torch.randn(2, 5, 4), torch.tensor([5, 1])).shape
    torch.Size([2, 8])
    """

    def __init__(self, kind: str, size: int) -> None:
        super().__init__()
        if kind not in POOLINGS:
            raise ConfigError(f"Pooling: there is no kind {kind!r}. {nearest(kind, POOLINGS)}")
        self.kind, self.output_size = kind, size * (2 if kind == "mean_max" else 1)
        if kind == "attention":
            hidden = min(size, 128)
            self.project = nn.Linear(size, hidden)
            self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, y: Tensor, lengths: Tensor, backward: int = 0) -> Tensor:
        """``(B, output_size)`` of y ``(B, T, size)``.

        ``backward``: of ``last``, where in a step the outputs of a backward direction begin, as many again.
        """
        valid = torch.arange(y.shape[1]) < lengths[:, None]
        if self.kind == "last":
            index = (lengths - 1).clamp_min(0)[:, None, None].expand(-1, 1, y.shape[-1])
            last = y.gather(1, index).squeeze(1)
            if not backward:
                return last
            both = 2 * backward
            return torch.cat([last[:, :backward], y[:, 0, backward:both], last[:, both:]], dim=-1)
        if self.kind == "attention":
            scores = self.score(torch.tanh(self.project(y))).squeeze(-1)
            weights = scores.masked_fill(~valid, torch.finfo(y.dtype).min).softmax(-1)
            return torch.bmm(weights.unsqueeze(1), y).squeeze(1)
        parts = []
        if self.kind != "max":
            total = (y * valid.unsqueeze(-1)).sum(1)
            parts.append(total / lengths.clamp_min(1).unsqueeze(-1))
        if self.kind != "mean":
            low = torch.finfo(y.dtype).min
            parts.append(y.masked_fill(~valid.unsqueeze(-1), low).amax(1))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
