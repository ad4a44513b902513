"""Torch and Gatework side by side, row by row: `python benchmarks/engine/run.py [--threads 1 2] [--out FILE]`.

Both run in this process with the same weights, input and threads, in turns.  Results are compared before
anything is timed; a row whose results differ has no times, and the exit code is 1.
"""

from __future__ import annotations

import os

# Torch reads this when it is first imported, and Gatework sets it when it is: torch runs with its own default.
_WAITS = os.environ.get("OMP_WAIT_POLICY")
import torch  # noqa: E402, I001 - before gatework
import argparse  # noqa: E402
import json  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from dataclasses import asdict  # noqa: E402
from datetime import UTC, datetime  # noqa: E402
from importlib import metadata  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from contestants import extra  # noqa: E402
from gatework.bench.compare import ResultsDifferError  # noqa: E402
from gatework.bench.machine import engine, machine  # noqa: E402
from gatework.bench.measure import measure  # noqa: E402
from gatework.bench.peak import Peak, measure_peak  # noqa: E402
from gatework.bench.timing import LEAST_ROUNDS  # noqa: E402
from render import render  # noqa: E402
from rows import GROUPS  # noqa: E402

HERE = Path(__file__).resolve().parent
PACKAGES = ("gatework", "torch", "numpy", "onnxruntime")


def commit() -> str:
    """Commit that is checked out, with a + when files differ from it."""
    try:
        head, changed = (
            subprocess.run(["git", *words], cwd=HERE, capture_output=True, text=True, check=True)
            for words in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "-uno"])
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def versions() -> dict[str, str]:
    """Version of each package, or "not installed"."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def facts(args: argparse.Namespace, peak: Peak) -> dict[str, Any]:
    """Where, when and with what this run is made."""
    return {
        "machine": machine() | engine(),
        "versions": {"python": sys.version.split()[0]} | versions(),
        "settings": {
            "dtype": "float32",
            "seconds_per_row": args.seconds,
            "least_rounds": args.least,
            "OMP_WAIT_POLICY": _WAITS or "not set",
            "load_at_start": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
            "commit": commit(),
            "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        },
        "peak": asdict(peak),
        "rows": [],
    }


def one(group: str, work: Any, args: argparse.Namespace, peak: Peak) -> dict[str, Any]:
    """A measured row, or one that says why there are no times."""
    head = {"group": group, "threads": torch.get_num_threads(), "work": work.name}
    head["sizes"] = asdict(work)
    try:
        found = measure(work, args.seconds, peak, extra, args.least)
    except ResultsDifferError as error:
        return head | {"failed": str(error)}
    return head | found


def line(row: dict[str, Any]) -> str:
    """One row for the terminal: the ratios to torch's layer."""
    if "failed" in row:
        return f"FAILED {row['failed']}"
    ratios = "  ".join(
        f"{pair} {ratio['ratio']:.2f} ({ratio['q25']:.2f}–{ratio['q75']:.2f})"
        for pair, ratio in row["ratios"].items()
        if pair.startswith(("torch / ", "torch packed", "torch padded"))
    )
    return f"{row['threads']}t  {row['work']:48} {ratios}"


def rounded(value: Any) -> Any:
    """The same data with five digits of every number that has more."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def save(results: dict[str, Any], path: Path) -> None:
    """Write the results, whole or not at all."""
    part = path.with_name(path.name + ".part")
    text = json.dumps(rounded(results), indent=1, ensure_ascii=False)
    part.write_text(text + "\n")
    part.replace(path)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rows", nargs="+", choices=GROUPS, default=list(GROUPS), metavar="GROUP")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each row (default 4)")
    parser.add_argument("--quick", action="store_true", help="a look: 3 short turns a contestant")
    parser.add_argument("--out", type=Path, help="write the results to this file")
    args = parser.parse_args()
    args.least = LEAST_ROUNDS
    if args.quick:
        args.seconds, args.least = min(args.seconds, 0.1), 3
    return args


def main() -> int:
    args = arguments()
    torch.set_num_threads(1)
    peak = measure_peak()
    results = facts(args, peak)
    for part in ("machine", "versions", "settings"):
        print(f"{part}: " + ", ".join(f"{k} {v}" for k, v in results[part].items()))
    print(f"peak of one core: {peak.gflops:.1f} GFLOP/s ({peak.how})", flush=True)
    for threads in args.threads:
        torch.set_num_threads(threads)
        started = time.perf_counter()
        for group in args.rows:
            for work in GROUPS[group]:
                row = one(group, work, args, peak)
                results["rows"].append(row)
                print(line(row), flush=True)
                if args.out:
                    save(results, args.out)
        print(f"{threads} threads: {time.perf_counter() - started:.0f} s", flush=True)
    print("\n" + render(results))
    return 1 if any("failed" in row for row in results["rows"]) else 0


if __name__ == "__main__":
    sys.exit(main())
