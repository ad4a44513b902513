"""Convolutional LSTM: torch's operations and Gatework side by side.

    python benchmarks/engine/convolution.py --threads 1 2 --out benchmarks/engine/convolution.json
    python benchmarks/engine/convolution.py --render benchmarks/engine/convolution.json

Contestants: a loop of torch's operations as one writes it, one convolution over ``[x, h]`` a step and eager
gates; the same with weights and input channels-last; ours.  Same weights and input; outputs and gradients are
compared first, then timed in turns.  Gradients come from a fixed gradient of the output.  The second command
prints the table.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from run import commit, versions  # torch before gatework: it decides how torch's threads wait
from torch import Tensor, nn

from gatework import nn as ours
from gatework.bench.machine import engine, machine
from gatework.bench.peak import measure_peak
from gatework.bench.timing import alternate, ratio

TO_REACH = 1.5  # of the first row


@dataclass(frozen=True)
class Work:
    """``kind``: inference; training with the gradient of the input; weights: training without it."""

    kind: str
    B: int
    T: int
    C: int
    H: int
    space: tuple[int, ...]
    kernel: int = 3
    peepholes: bool = False

    @property
    def name(self) -> str:
        size = "x".join(map(str, self.space))
        more = ", peepholes" if self.peepholes else ""
        return (
            f"{self.kind}, B={self.B} T={self.T} C={self.C} H={self.H} {size}, "
            f"kernel {self.kernel}{more}"
        )

    @property
    def flop(self) -> float:
        """Of the convolutions as the definition has them; without the input's gradient that is left out."""
        positions = torch.Size(self.space).numel() * self.B * self.T
        one = 2.0 * positions * 4 * self.H * self.kernel ** len(self.space)
        passes = {"inference": 1, "weights": 2, "training": 3}[self.kind]
        return one * (passes * self.C + (1 if self.kind == "inference" else 3) * self.H)


ROWS = (
    Work("training", 8, 10, 16, 16, (64, 64)),
    Work("weights", 8, 10, 16, 16, (64, 64)),
    Work("inference", 8, 10, 16, 16, (64, 64)),
    Work("training", 8, 10, 16, 16, (64, 64), peepholes=True),
    Work("training", 8, 10, 1, 8, (64, 64)),
    Work("training", 4, 10, 32, 32, (32, 32)),
    Work("training", 16, 20, 8, 16, (256,), kernel=5),
    Work("inference", 1, 20, 4, 8, (128,), kernel=5),
    Work("training", 2, 5, 4, 8, (12, 16, 16)),
)


class Eager(nn.Module):
    """The loop as one writes it; weights from ours."""

    def __init__(self, layer: Any, axes: int) -> None:
        super().__init__()
        C, H, k = layer.in_channels, layer.hidden_channels, layer.kernel_size[0]
        kind: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[axes]
        self.H, self.conv = H, kind(C + H, 4 * H, k, padding=k // 2)
        with torch.no_grad():
            self.conv.weight.copy_(torch.cat([layer.weight_ih_l0, layer.weight_hh_l0], 1))
            self.conv.bias.copy_(layer.bias_l0)
        peepholes = getattr(layer, "weight_p_l0", None)
        self.peepholes = None if peepholes is None else nn.Parameter(peepholes.detach().clone())

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h = c = x.new_zeros((x.shape[0], self.H, *x.shape[3:]))
        outputs = []
        for t in range(x.shape[1]):
            i, f, g, o = self.conv(torch.cat([x[:, t], h], 1)).chunk(4, 1)
            p = self.peepholes
            if p is not None:
                i, f = i + p[0] * c, f + p[1] * c
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            if p is not None:
                o = o + p[2] * c
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs, 1), (h, c)


class Contestant:
    """One layer, its input, and a call of the work."""

    def __init__(self, work: Work, layer: nn.Module, x: Tensor, dy: Tensor) -> None:
        self.work, self.layer, self.dy = work, layer, dy
        self.x = x.detach().clone().requires_grad_(work.kind == "training")

    def run(self) -> Tensor:
        if self.work.kind == "inference":
            with torch.inference_mode():
                y: Tensor = self.layer(self.x)[0]
            return y
        self.x.grad = None
        self.layer.zero_grad(set_to_none=True)
        y = self.layer(self.x)[0]
        y.backward(self.dy)
        return y

    def results(self) -> list[Tensor]:
        """Output, gradient of the input, of the weights of h."""
        found = [self.run().detach().clone()]
        if self.x.grad is not None:
            found.append(self.x.grad)
        if self.work.kind != "inference":
            conv = getattr(self.layer, "conv", None)
            grad = self.layer.weight_hh_l0.grad if conv is None else conv.weight.grad
            assert isinstance(grad, Tensor)
            found.append(grad[:, -self.work.H :])
        return found


def contestants(work: Work) -> dict[str, Contestant]:
    """Name to contestant, all with the same numbers."""
    torch.manual_seed(0)
    axes = len(work.space)
    kind: Any = {1: ours.ConvLSTM1d, 2: ours.ConvLSTM2d, 3: ours.ConvLSTM3d}[axes]
    options = {"peepholes": True, "size": work.space} if work.peepholes else {}
    layer = kind(work.C, work.H, work.kernel, **options)
    if work.peepholes:
        nn.init.normal_(layer.weight_p_l0, std=0.1)
    x = torch.randn(work.B, work.T, work.C, *work.space)
    dy = torch.randn(work.B, work.T, work.H, *work.space)
    eager = Eager(layer, axes)
    found = {"torch": Contestant(work, eager, x, dy)}
    if axes == 2:
        last = Eager(layer, axes).to(memory_format=torch.channels_last)
        by_row = x.transpose(0, 1).movedim(2, -1).contiguous().movedim(-1, 2).transpose(0, 1)
        found["torch, channels last"] = Contestant(work, last, by_row, dy)
    return found | {"gatework.nn": Contestant(work, layer, x, dy)}


def measure(work: Work, seconds: float, peak: float, threads: int) -> dict[str, Any]:
    """Compared, then timed; raises where results differ by more than the rounding of their sums."""
    everyone = contestants(work)
    wanted, *others = (c.results() for c in everyone.values())
    terms = (work.C + work.H) * work.kernel ** len(work.space) * work.T
    for found in others:
        for a, b in zip(wanted, found, strict=True):
            error, size = (a - b).abs().max().item(), 1 + a.abs().max().item()
            if not error <= torch.finfo(torch.float32).eps * terms * size:
                raise SystemExit(f"{work.name}: results differ by {error}")
    times = alternate({name: c.run for name, c in everyone.items()}, seconds, threads)
    rows = {
        name: times[name].summary()
        | {"share_of_peak": work.flop / times[name].median / 1e9 / (peak * threads)}
        for name in everyone
    }
    ratios = {n: ratio(times[n], times["gatework.nn"]) for n in everyone if n != "gatework.nn"}
    return {
        "work": work.name,
        "sizes": asdict(work),
        "threads": threads,
        "contestants": rows,
        "ratios": ratios,
    }


def render(found: dict[str, Any]) -> str:
    """The results as a table."""
    lines = [
        f"Peak {found['peak_gflops']:.0f} GFLOP/s a core. "
        f"{found['machine']['processor']}, {found['engine']['engine']}; torch "
        f"{found['versions']['torch']}, commit {found['commit']}, load before the run {found['load']:.1f}.",
        "",
        "| work | threads | contestant | ms | quartiles | share of peak | its time over ours |",
        "|---|---:|---|---:|---|---:|---:|",
    ]
    for row in found["rows"]:
        for name, one in row["contestants"].items():
            times = row["ratios"].get(name)
            over = "" if times is None else f"{times['ratio']:.2f}"
            lines.append(
                f"| {row['work']} | {row['threads']} | {name} | {one['ms']:.1f} | "
                f"{one['ms_q25']:.1f}-{one['ms_q75']:.1f} | {one['share_of_peak']:.0%} | {over} |"
            )
    first = [r for r in found["rows"] if r["work"] == ROWS[0].name]
    for row in first:
        reached = row["ratios"]["torch"]["ratio"]
        verdict = "met" if reached >= TO_REACH else "**not met**"
        lines += [
            "",
            f"First row, {row['threads']} threads: {reached:.2f}, to reach {TO_REACH}: {verdict}.",
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=4.0, help="for each row")
    parser.add_argument("--out", type=Path)
    parser.add_argument(
        "--render", type=Path, help="print the table of these results, measure nothing"
    )
    given = parser.parse_args()
    if given.render:
        print(render(json.loads(given.render.read_text(encoding="utf-8"))))
        return
    load = os.getloadavg()[0]
    peak = measure_peak()
    rows = []
    for threads in given.threads:
        torch.set_num_threads(threads)
        rows += [measure(work, given.seconds, peak.gflops, threads) for work in ROWS]
    found = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "load": load,
        "machine": machine(),
        "engine": engine(),
        "versions": versions(),
        "peak_gflops": peak.gflops,
        "rows": rows,
    }
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(render(found))


if __name__ == "__main__":
    main()
