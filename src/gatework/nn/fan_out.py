"""Outputs of one step from the same state for many inputs: what a parallel decoder needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from torch import Tensor

from gatework.nn.reference import POINTWISE

if TYPE_CHECKING:
    from gatework.nn.layer import RecurrentLayer


def fan_out(layer: RecurrentLayer, x: Tensor, state: Any) -> Tensor:
    """See :meth:`gatework.nn.layer.RecurrentLayer.fan_out`."""
    name = f"{type(layer).__name__}.fan_out"
    if layer.bidirectional:
        raise ValueError(
            f"{name}: a bidirectional layer needs the whole sequence; "
            "build it with bidirectional=False."
        )
    cell = layer._cell
    parts = tuple(state) if isinstance(state, tuple | list) else (state,)
    if len(parts) != len(cell.states):
        wanted = f"({', '.join(cell.states)})" if cell.has_c else "one tensor h"
        wanted = f"a pair {wanted}" if len(cell.states) == 2 else wanted
        came = "a tensor" if isinstance(state, Tensor) else f"{len(parts)} values"
        raise TypeError(f"{name}: `state` must be {wanted}, as forward returned it; got {came}.")
    if x.shape[-1] != layer.input_size:
        raise ValueError(
            f"{name}: `x` has {x.shape[-1]} features in its last axis, this layer was built with "
            f"input_size={layer.input_size}. Got shape {tuple(x.shape)}."
        )
    share = layer.zoneout[0]
    for number, weights in enumerate(layer._weights(name)):
        W_ih, W_hh, b_ih, b_hh, W_hr, p = layer._six(weights)
        h, *others = (s[number].unsqueeze(-2) for s in parts)
        assert W_ih is not None
        from_x = F.linear(x, W_ih, b_ih)
        from_h = x.new_zeros(())
        if W_hh is not None:
            from_h = F.linear(F.dropout(h, layer.recurrent_dropout, layer.training), W_hh, b_hh)
        new = POINTWISE[cell.name](from_x, from_h, (h, *others), p)[0]
        if W_hr is not None:
            new = F.linear(new, W_hr)
        if share:
            stays = new.new_full(new.shape, share)
            stays = stays.bernoulli() if layer.training else stays
            new = stays * h + (1 - stays) * new
        if layer._skips(number, x, new):
            new = new + x
        x = F.dropout(new, layer.dropout, layer.training and number < layer.num_layers - 1)
    return x
