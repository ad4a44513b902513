"""What the tests of the layers share: every kind of layer, its reference in float64, computed tolerances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gatework.nn import GRU, LSTM, RNN, reference


@dataclass(frozen=True)
class Kind:
    """A layer of ours, its namesake in torch, and the options that make it another cell."""

    name: str
    ours: Any
    theirs: Any
    options: dict[str, Any] = field(default_factory=dict)

    def make(self, I: int, H: int, seed: int = 0, **options: Any) -> Any:  # noqa: E741
        torch.manual_seed(seed)
        projection = {"proj_size": max(1, H // 2)} if self.name == "projected" else {}
        return self.ours(I, H, **{**self.options, **projection, "batch_first": True, **options})

    def torch_twin(self, layer: Any) -> Any:
        """torch's layer with the same weights."""
        names = ["num_layers", "bias", "batch_first", "dropout", "bidirectional", "proj_size"]
        options = {n: getattr(layer, n) for n in names if n != "proj_size" or layer.proj_size}
        twin = self.theirs(layer.input_size, layer.hidden_size, **self.options, **options)
        twin.to(layer.weight_ih_l0.dtype).load_state_dict(layer.state_dict())
        return twin.train(layer.training)


KINDS = [
    Kind("lstm", LSTM, nn.LSTM),
    Kind("projected", LSTM, nn.LSTM),  # H must be 2 or more
    Kind("gru", GRU, nn.GRU),
    Kind("rnn-tanh", RNN, nn.RNN),
    Kind("rnn-relu", RNN, nn.RNN, {"nonlinearity": "relu"}),
]


def states(state: Any) -> tuple[Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


def initial(layer: Any, B: int, seed: int = 1) -> Any:
    """A random initial state as the layer takes it."""
    g = torch.Generator().manual_seed(seed)
    dtype = layer.weight_ih_l0.dtype
    found = tuple(torch.randn(s, generator=g).to(dtype) for s in layer._state_shapes(B))
    return found if layer.mode == "LSTM" else found[0]


def by_reference(
    layer: Any,
    x: Tensor,
    hx: Any = None,
    lengths: Sequence[int] | Tensor | None = None,
    resets: Tensor | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Output and states of a batch-first layer by the readable loop, in float64."""
    D = 2 if layer.bidirectional else 1
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    weights = []
    for z in range(layer.num_layers):
        directions = []
        for suffix in ("", "_reverse")[:D]:
            found = [getattr(layer, f"{kind}_l{z}{suffix}", None) for kind in kinds]
            directions.append([w if w is None else w.double() for w in found])
        weights.append(directions)
    if hx is None:
        state = tuple(x.new_zeros(s, dtype=torch.float64) for s in layer._state_shapes(len(x)))
    else:
        state = tuple(s.double() for s in states(hx))
    counts = None if lengths is None else torch.as_tensor(lengths)
    return reference.network(layer.mode, x.double(), state, weights, lengths=counts, resets=resets)


def close(found: Tensor, wanted: Tensor, accumulated: int) -> None:
    """Equal up to the rounding of ``accumulated`` additions in the dtype found.

    Each rounds by eps/2 of the largest partial sum; 8 covers activations and their chain.
    """
    found, wanted = found.detach(), wanted.detach()
    assert found.shape == wanted.shape
    assert not torch.isnan(found).any()
    size = max(1.0, float(wanted.abs().max())) if wanted.numel() else 1.0
    tolerance = 8 * max(4, accumulated) * torch.finfo(found.dtype).eps
    torch.testing.assert_close(
        found.double(), wanted.double(), rtol=tolerance, atol=tolerance * size
    )


def additions(layer: Any, T: int) -> int:
    """Additions that one output may have gone through."""
    return layer.num_layers * T * (layer.input_size + 2 * layer.hidden_size)


def compare(
    layer: Any,
    x: Tensor,
    hx: Any = None,
    lengths: Sequence[int] | None = None,
    resets: Tensor | None = None,
) -> None:
    """Outputs, states and every gradient of the layer against the reference in float64."""
    x = x.clone().requires_grad_()
    hx = None if hx is None else tuple(s.clone().requires_grad_() for s in states(hx))
    leaves = [x, *(hx or ()), *layer.parameters()]
    given = hx if hx is None or layer.mode == "LSTM" else hx[0]
    y, last = layer(x, given, lengths=lengths, resets=resets)
    wanted_y, wanted_last = by_reference(layer, x, hx, lengths, resets)
    g = torch.Generator().manual_seed(7)
    pulls = [torch.randn(t.shape, generator=g) for t in (wanted_y, *wanted_last)]

    def gradients(outputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        loss = sum((o * p.to(o.dtype)).sum() for o, p in zip(outputs, pulls, strict=True))
        return torch.autograd.grad(loss, leaves)  # type: ignore[arg-type]

    terms = additions(layer, max(1, x.shape[1]))
    for found, wanted in zip((y, *states(last)), (wanted_y, *wanted_last), strict=True):
        close(found, wanted, terms)
    for found, wanted in zip(
        gradients((y, *states(last))), gradients((wanted_y, *wanted_last)), strict=True
    ):
        close(found, wanted, terms * max(1, x.shape[0]))
