"""Regularisers of a recurrent layer: what is drawn for a pass, so that the engine only applies it.

    recurrent_dropout   h(t-1) is multiplied, before its products, by a mask that stays the same through a
                        sequence: variational dropout (Gal & Ghahramani 2016, arXiv 1512.05287, section 4), one
                        mask for all gates
    zoneout             units of h and of c keep their old value in a step (Krueger et al. 2016, arXiv
                        1606.01305, section 3.3); in evaluation the mean: new and old mixed in that share
    weight_drop         entries of W_hh are 0 for a pass (Merity et al. 2017, arXiv 1708.02182, section 2)

All are drawn with torch's generator: ``torch.manual_seed`` repeats them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from gatework.nn.engine import NOTHING, Modifiers, draw_mask

if TYPE_CHECKING:
    from gatework.nn.layer import RecurrentLayer


def drop_weights(layer: RecurrentLayer, weights: list[Tensor]) -> list[Tensor]:
    """One direction's weights, W_hh with entries dropped while the layer trains."""
    if not (layer.weight_drop and layer.training) or len(weights) < 2:
        return weights
    dropped = F.dropout(weights[1], layer.weight_drop, True)
    return [weights[0], dropped, *weights[2:]]


def modifiers(layer: RecurrentLayer, x: Tensor, B: int) -> Modifiers:
    """What is drawn for one layer's pass over x: ``(B, T, ·)``, ``(T, B, ·)`` or packed ``(N, ·)``."""
    rate = layer.recurrent_dropout if layer.training else 0.0
    zone_h, zone_c = layer.zoneout
    if not (rate or zone_h or zone_c):
        return NOTHING
    D, H = 2 if layer.bidirectional else 1, layer.hidden_size
    R = layer.proj_size or H
    lead = x.shape[:-1]
    scale = None
    if rate:
        mask = F.dropout(x.new_ones(B, D * R), rate, True)
        axis = 1 if x.dim() == 2 or layer.batch_first else 0
        shape = [B, D * R]
        shape.insert(axis, 2 if x.dim() == 2 else lead[axis])
        scale = mask.unsqueeze(axis).expand(shape)

    def zone(share: float) -> Tensor | None:
        if not share:
            return None
        if layer.training:
            return draw_mask((*lead, D * H), share, x)
        return x.new_full((D * H,), share).expand(*lead, D * H)

    with torch.no_grad():
        return Modifiers(scale, zone(zone_h), zone(zone_c))


def check(
    name: str, recurrent_dropout: float, zoneout: float | tuple[float, float], weight_drop: float
) -> tuple[float, float]:
    """Zoneout of h and c, after a look at all rates.

    Raises:
        ValueError: a rate outside 0 to 1.
    """
    pair = tuple(zoneout) if isinstance(zoneout, tuple | list) else (zoneout, zoneout)
    if len(pair) != 2:
        raise ValueError(
            f"{name}: `zoneout` must be one rate, or a pair for h and c; got {zoneout}."
        )
    rates = {"recurrent_dropout": recurrent_dropout, "weight_drop": weight_drop}
    rates |= {"zoneout of h": pair[0], "zoneout of c": pair[1]}
    for what, rate in rates.items():
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < 1:
            raise ValueError(
                f"{name}: `{what}` must be a rate from 0 to below 1 (0: off); got {rate!r}."
            )
    return float(pair[0]), float(pair[1])
