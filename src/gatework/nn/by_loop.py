"""A layer's pass by the readable loop: differentiable as often as wanted, on any device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gatework.nn import reference, regularisers

if TYPE_CHECKING:
    from gatework.nn.layer import RecurrentLayer


def forward_by_loop(
    layer: RecurrentLayer,
    x: Tensor,
    state: tuple[Tensor, ...],
    lengths: Tensor | None,
    resets: Tensor | None,
    weights: list[list[Tensor]],
) -> tuple[Any, Any]:
    """What ``layer.forward`` returns; arguments are checked, ``weights`` are its own, layer by layer."""

    def batch_first(x: Tensor) -> Tensor:
        """``(B, T, ·)`` from the layer's own order, and back."""
        return x if layer.batch_first else x.transpose(0, 1)

    D, B = 2 if layer.bidirectional else 1, x.shape[0 if layer.batch_first else 1]
    H, R = layer.hidden_size, layer.proj_size or layer.hidden_size
    if not state:
        state = tuple(x.new_zeros(shape) for shape in layer._state_shapes(B))
    last: list[tuple[Tensor, ...]] = []
    for number, ws in enumerate(weights):
        if number:
            x = F.dropout(x, layer.dropout, layer.training)
        modifiers = regularisers.modifiers(layer, x, B)
        each, outputs = len(ws) // D, []
        for d in range(D):
            own = (
                None if m is None else batch_first(m[..., d * w : (d + 1) * w])
                for m, w in zip(modifiers[:3], (R, H, H), strict=True)
            )
            scale, zone_h, zone_c = own
            y, after = reference.layer(
                layer._cell.name,
                batch_first(x),
                tuple(s[number * D + d] for s in state),
                layer._six(ws[d * each : (d + 1) * each]),
                lengths=lengths,
                resets=resets,
                reverse=d == 1,
                scale=scale,
                zone_h=zone_h,
                zone_c=zone_c,
            )
            outputs.append(batch_first(y))
            last.append(after)
        y = torch.cat(outputs, dim=-1)
        x = y + x if layer._skips(number, x, y) else y
    states = tuple(torch.stack(parts) for parts in zip(*last, strict=True))
    return x, states if layer._cell.has_c else states[0]
