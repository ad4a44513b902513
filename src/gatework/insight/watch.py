"""Gates and states of every recurrent layer while a model computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gatework.cells import Cell
from gatework.nn.gates import cell_of


@dataclass(frozen=True)
class Seen:
    """One call of one recurrent layer."""

    name: str  # where the layer is in the model
    layer: Any
    cell: Cell
    x: Tensor  # (B, T, I), what the layer was given
    lengths: Tensor | None  # (B,) valid steps
    gates: list[dict[str, Tensor]]  # of each layer and direction, as layer.gates returns them


def recurrent_layers(model: nn.Module) -> dict[str, Any]:
    """Layers of ``model`` that hand out their gates, by name."""
    return {name: m for name, m in model.named_modules() if callable(getattr(m, "gates", None))}


def watch(model: nn.Module, call: Callable[[], Any]) -> list[Seen]:
    """What the recurrent layers of ``model`` did while ``call()`` ran, in the order of their calls.

    Nothing in the model is changed; a layer is run once more for its gates.  Calls with a
    ``PackedSequence`` or without a batch are passed over.

    >>> from gatework.nn import GRU
    >>> model = nn.Sequential(GRU(3, 8, batch_first=True))
    >>> seen = watch(model, lambda: model(torch.zeros(2, 5, 3)))
    >>> seen[0].name, seen[0].cell.name, seen[0].gates[0]["z"].shape
    ('0', 'gru', torch.Size([2, 5, 8]))
    """
    calls: list[tuple[str, Any, tuple[Any, ...], dict[str, Any]]] = []
    handles = []
    for name, layer in recurrent_layers(model).items():

        def note(layer: Any, given: Any, named: Any, name: str = name) -> None:
            calls.append((name, layer, given, named))

        handles.append(layer.register_forward_pre_hook(note, with_kwargs=True))
    try:
        with torch.no_grad():
            call()
    finally:
        for handle in handles:
            handle.remove()
    return [seen for of_one in calls if (seen := _seen(*of_one)) is not None]


def _seen(name: str, layer: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Seen | None:
    bound = dict(zip(("input", "hx", "lengths", "resets"), given, strict=False)) | named
    x, lengths = bound.pop("input"), bound.get("lengths")
    if not isinstance(x, Tensor) or x.dim() != 3:
        return None
    found = layer.gates(x, **bound)
    x = x if getattr(layer, "batch_first", True) else x.transpose(0, 1)
    counts = None if lengths is None else torch.as_tensor(lengths)
    return Seen(name, layer, cell_of(layer), x.detach(), counts, found)
