"""Epochs a minute of the same network with Gatework's LSTM and with torch.nn.LSTM over packed sequences.

    python benchmarks/classify/speed.py --data DIR [--sets trec,sst2] [--threads 1] [--seconds 20]

Both train on the same batches in turns: the data are read and encoded by the task, the network is the task's,
and in the second one `torch.nn.LSTM` with `pack_padded_sequence` stands in the place of the recurrent layers,
with the same weights.  Their losses are compared first.  Timed are forward, backward and AdamW; batching and
augmentation, which are the same, are not.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from sets import SETS
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gatework.bench.machine import cores, engine, processor
from gatework.cli.fit_labelled import roles as data_roles
from gatework.tasks.registry import task_class

HERE = Path(__file__).resolve().parent
VARIABLE = (
    "trec",
    "sst2",
    "ud_english_ewt",
    "conll2000",
    "speech_digits",
    "unipen_digits",
    "cmapss_fd001",
)
FLAGS = {
    "--text",
    "--label",
    "--target",
    "--series",
    "--time",
    "--group",
    "--kind",
    "--test",
    "--validation",
}


class Packed(nn.Module):
    """torch's layers over packed sequences, called as Gatework's are."""

    def __init__(self, ours: nn.Module) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            ours.input_size,
            ours.hidden_size,
            ours.num_layers,
            batch_first=True,
            bidirectional=ours.bidirectional,
            dropout=ours.dropout,
        )
        self.lstm.load_state_dict(ours.state_dict())

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Any]:
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, state = self.lstm(packed)
        return pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])[0], state


def prepared(command: list[str]) -> tuple[Any, Any]:
    """The estimator and its data, as `gatework fit` would have them."""
    task, data, *rest = command
    given, settings = {}, {}
    for flag, value in zip(rest[::2], rest[1::2], strict=True):
        name = flag.removeprefix("--").replace("-", "_")
        (given if flag in FLAGS else settings)[name] = value
    model = task_class(task)(**{**settings, "folds": 0, "members": 1})
    found = data_roles(split=None, **given)
    return model, model.prepare(data, **{k: v for k, v in found.items() if v is not None})


def measure(model: Any, data: Any, seconds: float) -> dict[str, Any]:
    """Median time of an epoch of each, and their ratio, over the same batches in turns."""
    torch.manual_seed(0)
    network = model._build(data)
    other = copy.deepcopy(network)
    for member in other.members:
        member.recurrent = Packed(member.recurrent)
    objectives = []
    for own in (network, other):
        model.network_ = own
        objectives.append(model._objective(data))
    steps, generator = objectives[0]._steps, torch.Generator().manual_seed(0)
    batches = [
        b for b, _ in zip(objectives[0].batches(generator), range(min(steps, 60)), strict=False)
    ]
    check(objectives, batches[0])
    optimisers = [
        torch.optim.AdamW(o.network.parameters(), lr=1e-4, fused=True) for o in objectives
    ]
    for objective in objectives:
        objective.network.train()
    times: list[list[float]] = [[], []]
    started = time.perf_counter()
    while len(times[0]) < 3 or time.perf_counter() - started < seconds:
        for k, (objective, optimiser) in enumerate(zip(objectives, optimisers, strict=True)):
            begun = time.perf_counter()
            for batch in batches:
                optimiser.zero_grad(set_to_none=True)
                objective.loss(batch).backward()
                optimiser.step()
            times[k].append((time.perf_counter() - begun) / len(batches) * steps)
    ours, theirs = (statistics.median(t) for t in times)
    return {
        "ours_epochs_per_minute": 60 / ours,
        "torch_epochs_per_minute": 60 / theirs,
        "ratio": theirs / ours,
        "turns": len(times[0]),
        "steps_an_epoch": steps,
    }


def check(objectives: list[Any], batch: Any) -> None:
    """Both must compute the same loss before either is timed."""
    losses = []
    for objective in objectives:
        objective.network.eval()
        with torch.no_grad():
            losses.append(float(objective.loss(batch)))
    if not abs(losses[0] - losses[1]) <= 1e-4 * max(1.0, abs(losses[0])):
        raise SystemExit(f"the two networks differ: losses {losses[0]} and {losses[1]}")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", default=",".join(VARIABLE))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--out", type=Path, default=HERE / "speed.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = []
    for name in args.sets.split(","):
        with tempfile.TemporaryDirectory() as folder:
            try:
                case = SETS[name].prepare(args.data, Path(folder))[0]
            except FileNotFoundError as error:
                print(f"{name}: skipped, {error.filename} is not there", flush=True)
                continue
            found = measure(*prepared(case.command), args.seconds)
        rows.append({"set": name, **found})
        print(
            f"{name:16} {found['ours_epochs_per_minute']:.2f} epochs a minute, torch "
            f"{found['torch_epochs_per_minute']:.2f}: {found['ratio']:.2f} times as fast",
            flush=True,
        )
    where = {
        "processor": processor(),
        "cores": cores(),
        "engine": engine(),
        "threads": args.threads,
    }
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    content = {"machine": where, "torch": torch.__version__, "date": when, "rows": rows}
    args.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
