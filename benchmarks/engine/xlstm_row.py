"""sLSTM beside the `xlstm` package's vanilla backend: `python benchmarks/engine/xlstm_row.py [--seconds 20]`.

A training step each, with the same weights and input, in float32 on one thread: x (B, T, I) through the
products of inputs and input weights, T recurrent steps with a block of recurrent weights for each head, and
the gradients of all weights and of x.  Results and gradients are compared before anything is timed.  Needs
`pip install xlstm`; without it nothing is timed, and a line says so.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gatework.bench.machine import machine
from gatework.bench.timing import alternate, ratio
from gatework.nn import make


class Vanilla(nn.Module):
    """The package's loop over time with its plain pointwise cell; gates i f z o."""

    def __init__(self, I: int, H: int, heads: int) -> None:  # noqa: E741
        super().__init__()
        from xlstm.blocks.slstm.src.vanilla import (
            slstm_forward,
            slstm_pointwise_function_registry,
        )

        self._forward, self._cell = slstm_forward, slstm_pointwise_function_registry["slstm"]
        d, self.H = H // heads, H
        self.W = nn.Parameter(torch.randn(4 * H, I) / I**0.5)
        self.R = nn.Parameter(torch.randn(heads, 4 * d, d) / d**0.5)
        self.b = nn.Parameter(torch.randn(4 * H))

    def forward(self, x: Tensor) -> Tensor:
        wx = F.linear(x, self.W).transpose(0, 1)
        start = x.new_zeros(4, x.shape[0], self.H)
        states, _, _ = self._forward(wx, start, self.R, self.b, self._cell)
        y: Tensor = states[0, 1:].transpose(0, 1)
        return y


def ours(theirs: Vanilla, I: int, H: int, heads: int) -> nn.Module:  # noqa: E741
    """Our layer with the same weights; gates have one order, i f z o there is i f g o here."""
    layer: nn.Module = make("slstm", I, H, num_heads=heads)
    by_gate = theirs.R.view(heads, 4, H // heads, H // heads).transpose(0, 1)
    given = {
        "weight_ih_l0": theirs.W,
        "weight_hh_l0": by_gate.reshape(4 * H, H // heads),
        "bias_ih_l0": theirs.b,
    }
    zeros = {n: torch.zeros_like(v) for n, v in layer.state_dict().items() if n not in given}
    layer.load_state_dict({k: v.detach() for k, v in (given | zeros).items()})
    return layer


def training_step(layer: nn.Module, x: Tensor, pull: Tensor) -> tuple[Tensor, Tensor]:
    layer.zero_grad()
    x.grad = None
    y = layer(x)
    y = y[0] if isinstance(y, tuple) else y
    (y * pull).sum().backward()
    assert x.grad is not None
    return y.detach(), x.grad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, value in (("B", 16), ("T", 100), ("H", 128), ("heads", 4), ("seconds", 20)):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    if find_spec("xlstm") is None:
        print("skipped: the xlstm package is not installed. Install it: pip install xlstm")
        return 0
    torch.set_num_threads(1)
    torch.manual_seed(0)
    B, T, H = args.B, args.T, args.H
    theirs = Vanilla(H, H, args.heads)
    x, pull = torch.randn(B, T, H, requires_grad=True), torch.randn(B, T, H)
    layers: dict[str, nn.Module] = {
        "xlstm vanilla": theirs,
        "gatework": ours(theirs, H, H, args.heads),
    }
    results = {name: training_step(layer, x, pull) for name, layer in layers.items()}
    for name, found in results.items():
        for what, a, b in zip(
            ("outputs", "gradients"), found, results["xlstm vanilla"], strict=True
        ):
            size = float(b.abs().max())
            apart = float((a - b).abs().max())
            allowed = 1e-4 * size  # T steps of float32, each with a product of d and a division
            if not apart <= allowed:
                print(f"{name}: {what} differ by {apart:.3g} (allowed {allowed:.3g}); not timed")
                return 1
    runs = {n: (lambda layer=layer: training_step(layer, x, pull)) for n, layer in layers.items()}
    times = alternate(runs, args.seconds, 1)
    told: dict[str, Any] = {
        "machine": machine(),
        "versions": {n: metadata.version(n) for n in ("gatework", "torch", "xlstm")},
        "sizes": {"B": B, "T": T, "I": H, "H": H, "heads": args.heads, "threads": 1},
        "training_step": {name: t.summary() for name, t in times.items()},
        "ratio": ratio(times["xlstm vanilla"], times["gatework"]),
    }
    print(json.dumps(told, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
