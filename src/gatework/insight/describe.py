"""A model without data: its recurrent layers, their sizes, forget biases and norms of weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gatework.insight.watch import recurrent_layers
from gatework.nn.gates import cell_of


def describe(model: nn.Module) -> dict[str, Any]:
    """Plain values about a model: ``parameters`` and, of each recurrent layer, what it is made of.

    Each of ``layers`` holds ``name``, ``cell``, ``title``, ``input_size``, ``hidden_size``, ``num_layers``,
    ``bidirectional``, ``parameters``, ``norms`` (Frobenius norm of each weight) and, where the weights have
    a forget gate, ``forget_bias``: of each layer and direction ``mean``, ``least`` and ``largest`` of the
    sum of its biases.

    >>> from gatework.nn import LSTM
    >>> found = describe(LSTM(3, 8))
    >>> found["parameters"], found["layers"][0]["cell"], len(found["layers"][0]["norms"])
    (416, 'lstm', 4)
    """
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "layers": [_layer(name, layer) for name, layer in recurrent_layers(model).items()],
    }


def _three(bias: Tensor) -> dict[str, float]:
    return {
        "mean": float(bias.mean()),
        "least": float(bias.min()),
        "largest": float(bias.max()),
    }


def _layer(name: str, layer: Any) -> dict[str, Any]:
    row, H = cell_of(layer), layer.hidden_size
    parameters = dict(layer.named_parameters())
    biases = []
    if "f" in row.x_gates:
        first = row.x_gates.index("f") * H
        for key in parameters:
            if key.startswith("weight_p") and "bias_f" in row.parameters:  # behind a normalisation
                biases.append(_three(parameters[key].detach()[row.parameters.index("bias_f")]))
            if key.startswith("bias_ih"):
                both = [parameters[key], parameters.get(key.replace("_ih", "_hh"))]
                parts = [b.detach()[first : first + H] for b in both if b is not None]
                biases.append(_three(torch.stack(parts).sum(dim=0)))
    return {
        "name": name,
        "cell": row.name,
        "title": row.title,
        "input_size": layer.input_size,
        "hidden_size": H,
        "num_layers": layer.num_layers,
        "bidirectional": bool(getattr(layer, "bidirectional", False)),
        "parameters": sum(p.numel() for p in parameters.values()),
        "norms": {key: float(p.detach().norm()) for key, p in parameters.items()},
        "forget_bias": biases,
    }
