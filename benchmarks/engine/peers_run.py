"""Other libraries' recurrent models before and after `gatework.accelerate(model)`.

    python benchmarks/engine/peers_run.py [--threads N] [--rounds N] [--out FILE] [--into README.md]

Forecasts are compared before anything is timed, and forecasts after an epoch of training from the same weights.
Then `accelerate` and its undoing take turns on the same model.  A library that is not installed is skipped.
"""

from __future__ import annotations

import torch  # isort: skip  # before gatework: torch's threads wait as they do by default
import argparse
import importlib
import json
import os
import sys
import time
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import gatework
from gatework.bench.machine import engine, machine

LIBRARIES = {"darts": "peers_darts", "neuralforecast": "peers_neuralforecast"}
OPEN, CLOSE = "<!-- peers -->", "<!-- end of peers -->"
# Shares of the largest number.  A forecast passes through hundreds of steps, each rounded; an optimiser
# divides gradients by their own size, so that where they are near 0 rounding alone decides about its step.
SAME_FORECAST, SAME_TRAINING = 1e-5, 1e-3
PREDICTIONS = 5


def difference(expected: np.ndarray, found: np.ndarray, allowed: float, what: str) -> float:
    """The largest difference as a share of the largest number; ends the run where it is too large."""
    share = float(np.abs(expected - found).max() / np.abs(expected).max())
    if not (share <= allowed):
        raise SystemExit(
            f"{what}: results differ by {share:.2g} of the largest; allowed {allowed}."
        )
    return share


def check(before: Any, after: Any) -> dict[str, Any]:
    """What was replaced in ``after``, its twin's forecasts beside its own, also after an epoch of each."""
    report = gatework.accelerate(after.module)
    facts: dict[str, Any] = {"report": str(report)}
    fresh = before.predict(), after.predict()
    facts["forecast_difference"] = difference(*fresh, SAME_FORECAST, after.name)
    for peer in (before, after):
        torch.manual_seed(0)
        peer.train()
    trained = before.predict(), after.predict()
    facts["training_difference"] = difference(*trained, SAME_TRAINING, f"{after.name}, trained")
    gatework.accelerate(after.module, undo=True)
    return facts


def measure(peer: Any, rounds: int) -> dict[str, Any]:
    """Seconds of a predict and of an epoch, before and after, in turns."""
    times: dict[str, list[float]] = {
        f"{kind}_{when}": [] for kind in ("predict", "epoch") for when in ("before", "after")
    }
    for _ in range(rounds):
        for when in ("before", "after"):
            if when == "after":
                gatework.accelerate(peer.module)
            times[f"epoch_{when}"].append(peer.train())
            peer.predict()
            for _ in range(PREDICTIONS):
                started = time.perf_counter()
                peer.predict()
                times[f"predict_{when}"].append(time.perf_counter() - started)
        gatework.accelerate(peer.module, undo=True)
    return {
        name: {"median_s": median(found), "least_s": min(found), "most_s": max(found)}
        for name, found in times.items()
    }


def version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "source tree" if name == "gatework" else "not installed"


def render(results: dict[str, Any]) -> str:
    """The README's table."""
    lines = [
        "| model | predict, ms: torch | accelerated | ratio | an epoch, s: torch | accelerated | ratio "
        "| forecasts differ by | after an epoch |",
        "|---|" + "---:|" * 8,
    ]
    for peer in results["peers"]:
        cells = []
        for kind, unit, digits in (("predict", 1e3, 2), ("epoch", 1, 3)):
            before, after = (peer[f"{kind}_{when}"]["median_s"] for when in ("before", "after"))
            cells += [f"{unit * x:.{digits}f}" for x in (before, after)]
            cells.append(f"{before / after:.2f}")
        cells += [f"{peer[f'{kind}_difference']:.1e}" for kind in ("forecast", "training")]
        lines.append(f"| {peer['name']} | {' | '.join(cells)} |")
    where = ", ".join(f"{k} {v}" for k, v in results["facts"].items())
    return "\n".join(lines) + f"\n\nMeasured on: {where}.\n"


def into(path: Path, table: str) -> None:
    """Put the table between the two marker lines of a page."""
    text = path.read_text()
    if text.count(OPEN) != 1 or text.count(CLOSE) != 1:
        raise SystemExit(f"{path} needs the lines {OPEN} and {CLOSE}, once each.")
    head, _, rest = text.partition(OPEN)
    path.write_text(f"{head}{OPEN}\n\n{table}\n{CLOSE}{rest.partition(CLOSE)[2]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--libraries", nargs="+", choices=LIBRARIES, default=list(LIBRARIES))
    parser.add_argument("--out", type=Path, help="write the results to this file")
    parser.add_argument("--into", type=Path, help="page with the two marker lines")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    facts = machine() | engine() | {"threads": args.threads}
    facts |= {name: version(name) for name in ("gatework", "torch", *LIBRARIES)}
    facts["load_at_start"] = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    results: dict[str, Any] = {"facts": facts, "peers": []}
    for library in args.libraries:
        if version(library) == "not installed":
            print(f"skipped: {library} is not installed.")
            continue
        for make in importlib.import_module(LIBRARIES[library]).PEERS:
            twin, peer = make(), make()
            entry = {"name": peer.name, "settings": peer.settings}
            entry |= check(twin, peer) | measure(peer, args.rounds)
            results["peers"].append(entry)
            print(json.dumps(entry, indent=1), flush=True)
    if args.out:
        args.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    if args.into:
        into(args.into, render(results))
    print(render(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
