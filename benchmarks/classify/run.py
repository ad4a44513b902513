"""One command for each data set, three seeds, scores of the official test part beside the goals.

    python benchmarks/classify/run.py --data DIR [--sets trec,sst2] [--seeds 3] [--threads 1]

Each training is `gatework fit ... --json` in a process of its own, as a user would run it; what was run is
printed and kept with the result in results.jsonl.  A set whose folder is absent is skipped with a message.
`render.py` makes the tables of README.md from results.jsonl.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sets import SETS, Case, Set

from gatework.bench.machine import cores, engine, processor

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.jsonl"


def train(case: Case, seed: int, threads: int, work: Path) -> dict[str, Any]:
    """What `gatework fit` printed as JSON, with the seconds it took, or {"failed": its last words}."""
    model = work / f"model-{seed}{case.part}"
    command = [sys.executable, "-m", "gatework.cli.main", "fit", *case.command, "-o", str(model)]
    command += ["--seed", str(seed), "--threads", str(threads), "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        return {
            "failed": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no words"
        }
    found = json.loads(done.stdout)
    metrics = json.loads((model / "metrics.json").read_text(encoding="utf-8"))
    training, cost = metrics["training"], metrics["cost"]
    return {
        "overall": found["model"]["overall"],
        "intervals": found["model"]["intervals"],
        "baselines": {name: row["overall"] for name, row in found["baselines"].items()},
        "on": found["on"],
        "sequences": found["sequences"],
        "validation": training["best_score"],
        "epochs": len(training["history"]),
        "seconds": seconds,
        "parameters": cost["parameters"],
        "predict_ms": cost["predict_ms"],
        "stream_us": cost["stream_us"],
        "split": metrics["split"]["how"],
    }


def row(
    chosen: Set, case: Case, seed: int, threads: int, found: dict[str, Any], places: dict[str, str]
) -> dict[str, Any]:
    """A line of results.jsonl."""
    command = " ".join(case.command)
    for place, name in places.items():
        command = command.replace(place, name)
    return {
        "set": chosen.name,
        "part": case.part,
        "seed": seed,
        "threads": threads,
        "command": f"gatework fit {command}",
        **found,
        "machine": {"processor": processor(), "cores": cores(), "engine": engine()},
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--sets", default=",".join(SETS), help="names with commas between them")
    parser.add_argument("--seeds", default="0,1,2", help="seeds with commas between them")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    for name in args.sets.split(","):
        if name not in SETS:
            parser.error(f"there is no set {name!r}; there are {', '.join(SETS)}")
        chosen = SETS[name]
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            try:
                cases = chosen.prepare(args.data, work)
            except FileNotFoundError as error:
                print(f"{name}: skipped, {error.filename} is not there", flush=True)
                continue
            for seed in (int(s) for s in args.seeds.split(",")):
                for case in cases:
                    found = train(case, seed, args.threads, work)
                    places = {folder: "WORK", str(args.data): "DATA"}
                    line = row(chosen, case, seed, args.threads, found, places)
                    with open(args.out, "a", encoding="utf-8") as file:
                        file.write(json.dumps(line) + "\n")
                    print(told(chosen, case, seed, found), flush=True)


def told(chosen: Set, case: Case, seed: int, found: dict[str, Any]) -> str:
    """One finished run for the terminal."""
    head = f"{chosen.name:26} {case.part:9} seed {seed} "
    if "failed" in found:
        return f"{head} failed: {found['failed']}"
    value = found["overall"][chosen.measure]
    return (
        f"{head} {chosen.measure} {value:.4f} (goal {chosen.goal}), {found['epochs']} epochs, "
        f"{found['seconds']:.0f} s"
    )


if __name__ == "__main__":
    main()
