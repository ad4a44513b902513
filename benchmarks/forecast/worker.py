"""One contestant on one task in a process of its own; `run.py` starts it and reads its JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from contestants import CONTESTANTS
from contract import Contest, Equal, Forecasts
from etth1 import TASKS, Problem, load, score

WARM_UP_CALLS = 10
TIMED_CALLS = 100


def peak_mb() -> float:
    """Largest resident memory of this process so far, MB (10^6 bytes).

    Linux hands a child its parent's `ru_maxrss` when it is started by vfork, so there the
    process's own high-water mark is read, which starts anew with the program.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for row in status.read_text().splitlines():
            if row.startswith("VmHWM:"):
                return int(row.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def compare(problem: Problem, forecasts: Forecasts, one: np.ndarray) -> dict[str, float]:
    """The score, once the forecast is proved to be of the windows that we judge.

    Raises where the library pairs its forecasts with other hours than ours, or where the
    single forecast whose latency is measured is not the first of them.
    """
    truth = problem.truth()
    result = score(forecasts.mean, truth)
    off = float(np.abs(score_shape(forecasts.truth, truth) - truth).max())
    if not off <= 1e-4:  # float32 of values up to about 10
        raise ValueError(f"the library's truth differs from ours by {off:.3g}: other windows.")
    off = float(np.abs(score_shape(one, truth[0]) - forecasts.mean[0]).max())
    if not off <= 1e-3:  # another batch size, another order of sums
        raise ValueError(f"one forecast differs by {off:.3g} from the same one among all.")
    return result


def score_shape(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """`values`, once it is certain that nothing would be broadcast."""
    if values.shape != like.shape:
        raise ValueError(f"shape {values.shape} where {like.shape} is needed.")
    return values


def latency(contest: Contest) -> dict[str, float]:
    """Milliseconds of one forecast: median and 99th percentile after the warm-up."""
    for _ in range(WARM_UP_CALLS):
        contest.predict_once()
    spent = []
    for _ in range(TIMED_CALLS):
        started = time.perf_counter()
        contest.predict_once()
        spent.append((time.perf_counter() - started) * 1e3)
    p50, p99 = np.percentile(spent, [50, 99])
    return {"predict_p50_ms": float(p50), "predict_p99_ms": float(p99), "calls": TIMED_CALLS}


def measure(problem: Problem, module: str, equal: Equal) -> dict[str, Any]:
    """Everything that is reported of one contestant on one task."""
    facts: dict[str, Any] = {"bare_mb": peak_mb()}
    started = time.perf_counter()
    contestant = importlib.import_module(f"contestants.{module}").Contestant
    facts |= {"import_s": time.perf_counter() - started, "import_mb": peak_mb()}
    started = time.perf_counter()
    contest: Contest = contestant(problem, equal)
    training = contest.fit()
    facts |= {"fit_s": time.perf_counter() - started, "fit_peak_mb": peak_mb()}
    started = time.perf_counter()
    forecasts = contest.forecasts()
    facts |= {"all_windows_s": time.perf_counter() - started, "peak_mb": peak_mb()}
    one = contest.as_array(contest.predict_once())
    facts |= compare(problem, forecasts, one)
    facts["coverage_90"] = forecasts.coverage_90
    return facts | training.as_dict() | latency(contest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--task", choices=TASKS, required=True)
    parser.add_argument("--contestant", choices=CONTESTANTS, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--result", type=Path, required=True)
    args = parser.parse_args()
    result = args.result.resolve()
    problem = load(args.csv.resolve(), TASKS[args.task])
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # whatever a library writes beside itself goes with the folder
        module, _ = CONTESTANTS[args.contestant]
        facts = measure(problem, module, Equal(seed=args.seed))
        if (torch := sys.modules.get("torch")) is not None:
            facts["threads"] = torch.get_num_threads()
        os.chdir(result.parent)
    result.write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
