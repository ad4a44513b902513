"""The arrays of a forecasting network: which there are, of what shape, and whether these are they."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.cells import CELLS
from gatework.runtime.horizon_spec import HorizonSpec, embedding_sizes

Array = npt.NDArray[Any]
# What a cell may have or not, of all layers alike: the weights alone tell.
_OPTIONAL = ("recurrent.bias_", "recurrent.weight_p")


def horizon_shapes(spec: HorizonSpec) -> dict[str, tuple[int, ...]]:
    """Shape of each array that the ``state_dict`` of a ``HorizonNetwork`` of these sizes can have."""
    w, H, K, L, h = spec.segment, spec.hidden_size, spec.targets, spec.context, spec.horizon
    past, known, static = spec.past_size, spec.known_size, spec.static_size
    shapes: dict[str, tuple[int, ...]] = {
        "segment.weight": (H, w * (3 if spec.mask_y else 1)),
        "segment.bias": (H,),
        "highway.weight": (h, L),
        "highway.bias": (h,),
        "position": (spec.out_segments, H // 2),
        "column": (K, H - H // 2),
        "quantiles.linear.weight": (w * len(spec.levels), H),
        "quantiles.linear.bias": (w * len(spec.levels),),
    }
    if past + known:
        shapes["covariates.weight"] = (H, w * (past + known))
    if known:
        shapes |= {"future.weight": (H, w * known), "known_highway.weight": (K, 2 * known)}
    if static:
        shapes["static.weight"] = (H, static)
    for role in ("past", "known", "static"):
        sizes: tuple[int, ...] = getattr(spec, f"{role}_categories")
        for i, pair in enumerate(zip(sizes, embedding_sizes(sizes), strict=True)):
            shapes[f"embed_{role}.tables.{i}.weight"] = pair
    return shapes | _recurrent_shapes(spec)


def _recurrent_shapes(spec: HorizonSpec) -> dict[str, tuple[int, ...]]:
    H, Z = spec.hidden_size, spec.num_layers
    shapes: dict[str, tuple[int, ...]] = {}
    if spec.cell == "feedforward":
        shapes["recurrent.query.weight"] = (H, H)
        for z in range(Z):
            shapes[f"recurrent.layers.{z}.weight"] = (H, H if z else spec.in_segments * H)
            shapes[f"recurrent.layers.{z}.bias"] = (H,)
        return shapes
    cell = CELLS[spec.cell]
    X, G, K = (len(part) for part in (cell.x_gates, cell.h_gates, cell.parameters))
    each = {
        "weight_ih": (X * H, H),
        "weight_hh": (G * H, H),
        "bias_ih": (X * H,),
        "bias_hh": (G * H,),
        "weight_p": (K, H),
    }
    for z in range(Z):
        shapes |= {f"recurrent.{kind}_l{z}": s for kind, s in each.items() if 0 not in s}
    return shapes


def read_horizon(spec: HorizonSpec, arrays: Mapping[str, Any]) -> dict[str, Array]:
    """The arrays copied, of one dtype, float32 or float64.

    Raises:
        ValueError: one is missing, unknown, or of another shape or dtype; the message is the bare fact.
    """
    shapes = horizon_shapes(spec)
    for start in _OPTIONAL:
        if not any(name.startswith(start) for name in arrays):
            shapes = {name: shape for name, shape in shapes.items() if not name.startswith(start)}
    missing = [name for name in shapes if name not in arrays]
    unknown = [name for name in arrays if name not in shapes]
    if missing or unknown:
        fact = f"{missing[0]!r} is missing" if missing else f"{unknown[0]!r} is unknown"
        raise ValueError(
            f"{fact}. Pass the whole state_dict of the HorizonNetwork whose `spec` this is."
        )
    try:
        found = {name: np.array(np.asarray(arrays[name]), order="C") for name in shapes}
    except (TypeError, ValueError, RuntimeError) as error:  # torch: bfloat16, or a gradient
        raise ValueError(f"an array cannot be read by NumPy ({error}).") from None
    for name, array in found.items():
        if array.shape != shapes[name]:
            raise ValueError(f"{name!r} has shape {array.shape}, by `spec` it is {shapes[name]}.")
    dtypes = sorted({array.dtype.name for array in found.values()})
    if dtypes not in (["float32"], ["float64"]):
        raise ValueError(
            f"the arrays have {', '.join(dtypes)}. Convert all to float32, or all to float64."
        )
    return found
