"""What a model attended to while it computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def attention_maps(model: nn.Module, call: Callable[[], Any]) -> dict[str, list[Tensor]]:
    """Weights of every attention in ``model`` while ``call()`` ran, by the module's name, a tensor a call.

    An attention is known by what it returns: ``(something, weights)`` with weights of at least 0 whose last
    axis sums to 1, or to 0 where there was nothing to attend to.  So are ``torch.nn.MultiheadAttention``'s.

    >>> attention = nn.MultiheadAttention(4, 1, batch_first=True)
    >>> x = torch.randn(2, 5, 4)
    >>> maps = attention_maps(nn.ModuleDict({"look": attention}), lambda: attention(x, x, x))
    >>> maps["look"][0].shape
    torch.Size([2, 5, 5])
    """
    found: dict[str, list[Tensor]] = {}
    handles = []
    for name, module in model.named_modules():

        def note(_: Any, __: Any, output: Any, name: str = name) -> None:
            if isinstance(output, tuple) and len(output) == 2 and is_attention(output[1]):
                found.setdefault(name, []).append(output[1].detach())

        handles.append(module.register_forward_hook(note))
    try:
        with torch.no_grad():
            call()
    finally:
        for handle in handles:
            handle.remove()
    return found


def is_attention(weights: Any) -> bool:
    """Whether a value can be weights of attention.

    >>> is_attention(torch.tensor([[0.25, 0.75], [0.0, 0.0]])), is_attention(torch.tensor([[0.5, 0.6]]))
    (True, False)
    """
    if not isinstance(weights, Tensor) or weights.dim() < 2 or not weights.is_floating_point():
        return False
    if not weights.numel() or not bool((weights >= 0).all()):
        return False
    sums = weights.sum(dim=-1)
    slack = 4 * weights.shape[-1] * torch.finfo(weights.dtype).eps
    near = ((sums - 1).abs() <= slack) | (sums == 0)
    return bool(near.all()) and bool((sums > 0).any())
