"""Gatework beside darts and NeuralForecast on ETTh1: error, speed, latency and memory in one run.

    python benchmarks/forecast/run.py --data DIR [--tasks ...] [--contestants ...] [--out FILE]

Each contestant runs alone in a process of its own, one after the other.  The scorer is checked
against known values before anything is computed, and a contestant is timed only if what it gives
is a forecast of the same windows.  A contestant whose library is not installed is left out, and
so is everything where the data are absent.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path
from typing import Any

from contestants import CONTESTANTS
from contract import Equal
from etth1 import TASKS, check_scorer, find, load
from machine import describe
from render import render

HERE = Path(__file__).resolve().parent


def versions(names: tuple[str, ...]) -> dict[str, str]:
    """Version of each distribution; one run from its source tree has none."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "source tree" if util.find_spec(name) else ""
    return found


def run_one(csv: Path, task: str, contestant: str, seed: int, threads: int) -> dict[str, Any]:
    """What the worker measured, or {"skipped": ...}, or {"failed": last line of its error}."""
    _, names = CONTESTANTS[contestant]
    if missing := [name for name, version in versions(names).items() if not version]:
        return {"skipped": f"not installed: {', '.join(missing)}"}
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
    }
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, str(HERE / "worker.py"), "--csv", str(csv), "--task", task]
        command += ["--contestant", contestant, "--seed", str(seed), "--result", str(result)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0 or not result.exists():
            lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            print("\n".join(lines[-20:]), file=sys.stderr)
            return {"failed": lines[-1]}
        return json.loads(result.read_text())


def line(entry: dict[str, Any]) -> str:
    """One finished run for the terminal."""
    head = f"{entry['task']:9} {entry['contestant']:15} seed {entry['seed']} "
    for word in ("skipped", "failed"):
        if word in entry:
            return f"{head} {word}: {entry[word]}"
    speed = "" if entry["pass_s"] is None else f"  {entry['pass_s']:.2f} s a pass"
    return (
        f"{head} MSE {entry['mse']:.4f}  MAE {entry['mae']:.4f}{speed}  fit {entry['fit_s']:.1f} s"
        f"  predict {entry['predict_p50_ms']:.2f} ms (p99 {entry['predict_p99_ms']:.2f})"
        f"  memory {entry['peak_mb']:.0f} MB (import {entry['import_mb']:.0f})"
    )


def runs(args: argparse.Namespace, csv: Path) -> Iterator[dict[str, Any]]:
    """Every contestant on every task; the contestants of a task follow one another."""
    for task in args.tasks:
        for seed in range(args.repeats):
            for contestant in args.contestants:
                if f"{contestant}:{task}" in args.without:
                    continue
                facts = run_one(csv, task, contestant, seed, args.threads)
                yield {"task": task, "contestant": contestant, "seed": seed} | facts


def save(results: dict[str, Any], path: Path) -> None:
    """Write the results, whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(results, indent=1) + "\n")
    part.replace(path)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds ETTh1.csv")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument(
        "--without", nargs="+", default=[], metavar="CONTESTANT:TASK", help="pairs to leave out"
    )
    parser.add_argument("--repeats", type=int, default=1, help="seeds 0 to N-1 (default 1)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, help="write results.json here")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    if (csv := find(args.data)) is None:
        print(f"skipped: no ETTh1.csv in {args.data} or {args.data / 'forecast_etth1'}.")
        return 0
    for task in args.tasks:
        check_scorer(load(csv, TASKS[task]))
    every = tuple(dict.fromkeys(n for c in args.contestants for n in CONTESTANTS[c][1]))
    results: dict[str, Any] = {
        "machine": describe(args.threads),
        "versions": {k: v or "not installed" for k, v in versions(every).items()},
        "equal": vars(Equal()),
        "runs": [],
    }
    for name, value in (results["machine"] | results["versions"]).items():
        print(f"{name}: {value}")
    for entry in runs(args, csv):
        results["runs"].append(entry)
        print(line(entry), flush=True)
        if args.out:
            save(results, args.out)
    print("\n" + render(results))
    return 1 if any("failed" in entry for entry in results["runs"]) else 0


if __name__ == "__main__":
    sys.exit(main())
