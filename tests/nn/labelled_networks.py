"""Small labelling networks with random weights, and batches for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from gatework.data.encoders.base import SequenceBatch
from gatework.nn.sequence import SequenceNetwork
from gatework.runtime.sequence_spec import SequenceSpec, check_sequence_spec


def spec_of(**changes: Any) -> SequenceSpec:
    sizes: dict[str, Any] = {
        "size": 3,
        "cardinalities": (7, 5),
        "outputs": 4,
        "hidden_size": 8,
        "embedding_size": 5,
        "dropout": 0.0,
        "pooling": "mean",
    }
    spec = SequenceSpec(**(sizes | changes))
    check_sequence_spec(spec)
    return spec


def convolved(*strides: int) -> dict[str, Any]:
    """Convolutions of these strides, for ``spec_of``."""
    count = len(strides)
    return {"filters": (5, 6, 4)[:count], "widths": (5, 4, 3)[:count], "strides": strides}


def network_of(spec: SequenceSpec, seed: int = 0) -> SequenceNetwork:
    """In eval mode; no parameter or statistic is what it begins with."""
    torch.manual_seed(seed)
    network = SequenceNetwork(spec)
    with torch.no_grad():
        for name, p in network.named_parameters():
            if "initial_n" in name:
                continue
            p.add_(torch.randn_like(p), alpha=0.2)
            if "tables" in name:
                p[0] = 0
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.running_mean.normal_(0, 0.3)  # type: ignore[union-attr]
                module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    return network.eval()


def batch_of(spec: SequenceSpec, *lengths: int, seed: int = 0) -> SequenceBatch:
    generator = torch.Generator().manual_seed(seed)
    B, T = len(lengths), max(lengths)
    counts = torch.tensor(lengths)
    valid = (torch.arange(T) < counts[:, None]).unsqueeze(-1)
    values = torch.randn(B, T, spec.size, generator=generator) * valid
    columns = [torch.randint(0, n, (B, T), generator=generator) for n in spec.cardinalities]
    tokens = torch.stack(columns, -1) if columns else torch.zeros(B, T, 0, dtype=torch.int64)
    return SequenceBatch(values, tokens * valid, counts, torch.empty(0), torch.arange(B))


def cut(batch: SequenceBatch, row: int, steps: int) -> SequenceBatch:
    """The first steps of one sequence, alone."""
    one = slice(row, row + 1)
    return SequenceBatch(
        batch.values[one, :steps],
        batch.tokens[one, :steps],
        torch.tensor([steps]),
        torch.empty(0),
        batch.numbers[one],
    )
