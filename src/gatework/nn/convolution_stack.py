"""Convolutions over time in front of a recurrence: local patterns found, long signals shortened."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatework.runtime.sequence_spec import SequenceSpec


class ConvolutionStack(nn.Module):
    """Blocks of convolution, normalisation over the batch's valid steps, and rectifier.

    .. code-block:: text

        y_j = relu(norm(Σ_k W_k x_(j s + k - before)))      s: stride

    ``before`` is the half of the kernel, or all of it in a causal network, whose output j depends on no step
    behind j s.  A sequence of T steps becomes one of ceil(T / s).  After Wang et al. 2017 (arXiv 1611.06455),
    section II-B.  What lies behind a sequence's end is 0 to every block, and counts in no statistics.
    """

    def __init__(self, spec: SequenceSpec, input_size: int) -> None:
        super().__init__()
        self.causal, self.strides, self.widths = spec.causal, spec.strides, spec.widths
        sizes = (input_size, *spec.filters)
        self.layers = nn.ModuleList(
            nn.Conv1d(a, b, width, stride=stride, bias=False)
            for a, b, width, stride in zip(
                sizes, sizes[1:], spec.widths, spec.strides, strict=False
            )
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(b) for b in spec.filters)
        for norm in self.norms:
            norm.register_buffer("num_batches_tracked", None)  # what only an endless average needs
        self.output_size = spec.filters[-1]

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, T', C)`` and lengths ``(B,)`` of x ``(B, T, I)``, which is 0 behind each end."""
        x = x.transpose(1, 2)
        for layer, norm, width, stride in zip(
            self.layers, self.norms, self.widths, self.strides, strict=True
        ):
            before = width - 1 if self.causal else (width - 1) // 2
            lengths = (lengths + stride - 1) // stride
            T = (x.shape[2] + stride - 1) // stride
            after = (T - 1) * stride + width - before - x.shape[2]
            y = layer(F.pad(x, (before, max(after, 0))))[..., :T]
            x = _normalised(y, norm, lengths)
        return x.transpose(1, 2), lengths


def _normalised(y: Tensor, norm: nn.Module, lengths: Tensor) -> Tensor:
    """``relu(norm(y))`` of y ``(B, C, T)``, statistics over valid steps, 0 behind them."""
    T = y.shape[2]
    assert isinstance(norm, nn.BatchNorm1d)
    one = norm.training and int(lengths.sum()) == 1  # a single step has no statistics of its own
    if int(lengths.min()) >= T and not one:
        return torch.relu(norm(y))
    valid = torch.arange(T) < lengths[:, None]
    rows = y.transpose(1, 2)[valid]
    if one:
        mean, variance = norm.running_mean, norm.running_var
        rows = F.batch_norm(rows, mean, variance, norm.weight, norm.bias, eps=norm.eps)
    else:
        rows = norm(rows)
    rows = torch.relu(rows)
    out = y.new_zeros(len(y), T, y.shape[1])
    out[valid] = rows
    return out.transpose(1, 2)
