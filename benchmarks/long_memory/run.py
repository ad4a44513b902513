"""The classic experiments on long time lags: solved or not, and after how many sequences.

    python benchmarks/long_memory/run.py --out results.jsonl [--tasks ...] [--cells ...] [--lags ...]

Each finished run is appended to the results at once; a second start skips what is there.  A run that was
stopped by a smaller budget than the one given now is made again, and so is one that failed.  One thread a run;
--jobs runs several at a time.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded, here and in every worker

from network import recurrent_cells
from render import render
from store import ResultsError, append, done, read

from gatework import __version__
from gatework.bench.machine import cores, engine, processor
from tasks import TASKS
from train import run as train

# Compared unless others are named: those of them that the table has.
DEFAULT = ["rnn", "gru", "lstm1997", "lstm", "peephole", "cifg", "layernorm", "slstm", "mingru"]


def describe() -> dict[str, Any]:
    """Where and when a run was made: few facts, for they stand in every line of the results."""
    return {
        "processor": processor(),
        "cores": cores(),
        "path": engine()["engine"].partition(":")[0],
        "torch": metadata.version("torch"),
        "gatework": __version__,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def wanted(args: argparse.Namespace) -> Iterator[tuple[str, int, str, int]]:
    """Every run that was asked for; seed after seed, so that the first one soon fills the tables."""
    for seed in range(args.seeds):
        for task in args.tasks:
            lags = [lag for lag in TASKS[task].lags if not args.lags or lag in (0, *args.lags)]
            yield from ((task, lag, cell, seed) for lag in lags for cell in args.cells)


def attempt(what: tuple[str, int, str, int], budget_s: float) -> dict[str, Any]:
    """One run, or what went wrong in it."""
    task, lag, cell, seed = what
    try:
        return train(task, lag, cell, seed, budget_s)
    except Exception as error:  # one cell that fails does not end the others' runs
        facts = {"task": task, "lag": lag, "cell": cell, "seed": seed, "budget_s": budget_s}
        first = str(error).partition("\n")[0]
        return facts | {"failed": f"{type(error).__name__}: {first}"}


def finished(
    whats: list[tuple[str, int, str, int]], args: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """The runs, each as soon as it is over."""
    if args.jobs == 1:
        yield from (attempt(what, args.budget) for what in whats)
        return
    with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(attempt, what, args.budget) for what in whats]
        try:
            yield from (future.result() for future in as_completed(futures))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def line(run: dict[str, Any]) -> str:
    """One finished run for the terminal."""
    head = f"{run['task']:16} lag {run['lag']:<5} {run['cell']:20} seed {run['seed']}  "
    if "failed" in run:
        return head + f"failed: {run['failed']}"
    how = "solved" if run["solved"] else f"not solved ({run['ended']})"
    return head + f"{how}, {run['sequences']:,} sequences, {run['seconds']:.1f} s"


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cells = recurrent_cells()
    default = [name for name in DEFAULT if name in cells]
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS), metavar="TASK")
    parser.add_argument("--cells", nargs="+", choices=cells, default=default, metavar="CELL")
    parser.add_argument("--lags", nargs="+", type=int, help="only these of each task's lags")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0 to N-1 (default 3)")
    parser.add_argument(
        "--budget", type=float, default=300.0, help="processor seconds a run (default 300)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (default 1)")
    parser.add_argument("--out", type=Path, required=True, help="results, as JSON lines")
    parser.add_argument("--list", action="store_true", help="say what is left to run, run nothing")
    args = parser.parse_args(argv)
    for name in ("seeds", "jobs", "budget"):
        if getattr(args, name) <= 0:
            parser.error(f"--{name} must be above 0; got {getattr(args, name)}.")
    known = {lag for task in args.tasks for lag in TASKS[task].lags if lag}
    if unknown := set(args.lags or ()) - known:
        parser.error(
            f"--lags: no chosen task has the lag {min(unknown)}; "
            f"there are {', '.join(map(str, sorted(known)))}."
        )
    if not args.out.resolve().parent.is_dir():
        parser.error(f"--out: there is no folder {args.out.resolve().parent}; make it first.")
    return args


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    try:
        before = read(args.out)
    except ResultsError as error:
        print(error, file=sys.stderr)
        return 2
    every = list(wanted(args))
    left = [what for what in every if not done(before.get(what), args.budget)]
    print(f"{len(every)} runs, {len(every) - len(left)} of them done before", flush=True)
    if args.list:
        for what in left:
            print(*what)
        return 0
    failed, where = 0, describe()
    try:
        for run in finished(left, args):
            append(args.out, run | {"jobs": args.jobs, "machine": where})
            failed += "failed" in run
            print(line(run), flush=True)
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on where {args.out} ends.", file=sys.stderr)
        return 130
    print("\n" + render(list(read(args.out).values())))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
