"""One command for all sets and seeds: detectors with default settings, scored beside simple ones.

    python -m benchmarks.detect.run --data DIR [--sets nab,smd,hdfs,nsl,fraud] [--seeds 0,1,2] [--threads 1]

Each finished run is a line of results.jsonl.  A set whose folder is absent is skipped with a message, one that
fails is told and the next one is run.  `--settings '{"max_epochs": 1}'` makes trial runs, which the tables
leave out.  `python -m benchmarks.detect.render --write` makes the tables of README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.detect.sets import SETS, Set

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.jsonl"


def with_threads(count: int) -> None:
    """Threads of what is imported from here on."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(count)
    import torch

    torch.set_num_threads(count)


def commit() -> dict[str, Any]:
    """What code runs: the commit, and whether something under src differs from it."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(HERE), *words], capture_output=True, text=True)
        return done.stdout.strip()

    return {
        "commit": git("rev-parse", "--short=12", "HEAD") or "unknown",
        "changed": bool(git("status", "--porcelain", "--", ":/src")),
    }


def machine(threads: int) -> dict[str, Any]:
    """Where it runs."""
    from gatework.bench.machine import cores, engine, processor

    return {"processor": processor(), "cores": cores(), "threads": threads, "engine": engine()}


def now() -> str:
    """The date for a result."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def one(chosen: Set, data: Path, seed: int, given: dict[str, Any], threads: int) -> dict[str, Any]:
    """A line of results.jsonl; with ``failed`` in it instead of scores when it failed."""
    from benchmarks.detect.cases import CASES

    from gatework import AnomalyDetector

    settings = {**given, "seed": seed}
    head = {
        "set": chosen.name,
        "seed": seed,
        "trial": bool(given),
        **commit(),
        "settings": AnomalyDetector(**settings).config.model_dump(mode="json"),
        "machine": machine(threads),
        "date": now(),
    }
    started = time.perf_counter()
    try:
        found = CASES[chosen.name](data / chosen.folder, settings)
    except Exception as error:
        traceback.print_exc()
        found = {"failed": f"{type(error).__name__}: {error}"}
    return {**head, "seconds": time.perf_counter() - started, **found}


def told(chosen: Set, line: dict[str, Any]) -> str:
    """One finished run for the terminal."""
    head = f"{chosen.name:6} seed {line['seed']} "
    if "failed" in line:
        return f"{head} failed: {line['failed']}"
    scores = [f"{g.text} {line['overall'].get(g.measure, float('nan')):.4f}" for g in chosen.goals]
    return f"{head} {', '.join(scores)}, {line['epochs']} epochs, {line['seconds']:.0f} s"


def main(words: list[str] | None = None) -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--sets", default=",".join(SETS), help="names with commas between them")
    parser.add_argument("--seeds", default="0,1,2", help="seeds with commas between them")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--settings", type=json.loads, default={}, help="JSON; makes trial runs")
    parser.add_argument("--quiet", action="store_true", help="do not tell scores")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(words)
    names = args.sets.split(",")
    for name in names:
        if name not in SETS:
            parser.error(f"there is no set {name!r}; there are {', '.join(SETS)}")
    with_threads(args.threads)
    for chosen in (SETS[name] for name in names):
        if not (args.data / chosen.folder).is_dir():
            print(f"{chosen.name}: skipped, {args.data / chosen.folder} is not there", flush=True)
            continue
        for seed in (int(s) for s in args.seeds.split(",")):
            line = one(chosen, args.data, seed, args.settings, args.threads)
            with open(args.out, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            done = f"{chosen.name} seed {seed}: done" if args.quiet else told(chosen, line)
            print(done, flush=True)


if __name__ == "__main__":
    main()
