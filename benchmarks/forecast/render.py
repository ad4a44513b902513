"""The README's table from results.json: `python render.py results.json [--into README.md]`.

`--into` replaces what stands between the lines `<!-- forecast benchmark -->` and
`<!-- end of forecast benchmark -->`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import median
from typing import Any

OPEN, CLOSE = "<!-- forecast benchmark -->", "<!-- end of forecast benchmark -->"
HEADER = (
    "| contestant | MSE | MAE | s a pass | passes | fit, s | one forecast, ms (p99) "
    "| peak memory, MB (import) | parameters |"
)
Runs = list[dict[str, Any]]


def cell(runs: Runs, key: str, digits: int) -> str:
    """Median of the repeats, with their range where there are several; a dash where none."""
    values = [run[key] for run in runs if run[key] is not None]
    if not values:
        return "–"
    text = f"{median(values):.{digits}f}"
    if len(values) > 1:
        text += f" ({min(values):.{digits}f}–{max(values):.{digits}f})"
    return text


def row(contestant: str, runs: Runs) -> str:
    """One contestant's line of a task's table."""
    good = [run for run in runs if "mse" in run]
    if not good:
        why = runs[0].get("skipped") or "failed: " + str(runs[0].get("failed"))
        return f"| {contestant} | {why} |" + " |" * 7
    p99 = median(run["predict_p99_ms"] for run in good)
    imported = median(run["import_mb"] for run in good)
    cells = [
        contestant,
        cell(good, "mse", 4),
        cell(good, "mae", 4),
        cell(good, "pass_s", 2),
        cell(good, "passes", 1) if good[0]["passes"] else "–",
        cell(good, "fit_s", 1) if good[0]["passes"] else "–",
        f"{cell(good, 'predict_p50_ms', 3)} ({p99:.3f})",
        f"{cell(good, 'peak_mb', 0)} ({imported:.0f})",
        f"{good[0]['parameters']:,}" if good[0]["passes"] else "–",
    ]
    return "| " + " | ".join(cells) + " |"


def ratios(by_name: dict[str, Runs]) -> str:
    """How the equal-sized Gatework compares with the faster of the two libraries; "" if absent."""
    ours = [run for run in by_name.get("gatework-equal", []) if "mse" in run]
    peers = [
        [run for run in by_name.get(name, []) if "mse" in run]
        for name in ("darts", "neuralforecast")
    ]
    peers = [runs for runs in peers if runs]
    if not ours or not peers:
        return ""
    training, latency = (
        min(median(run[key] for run in runs) for runs in peers) / median(run[key] for run in ours)
        for key in ("pass_s", "predict_p50_ms")
    )
    return (
        f"\nAt equal hidden size, layers and batch: training speed {training:.2f}× and one-forecast"
        f" speed {latency:.2f}× the faster library's.\n"
    )


def render(results: dict[str, Any]) -> str:
    """Markdown: one table a task, and the line that says where the numbers were made."""
    parts = []
    for task in dict.fromkeys(run["task"] for run in results["runs"]):
        runs = [run for run in results["runs"] if run["task"] == task]
        names = dict.fromkeys(run["contestant"] for run in runs)
        by_name = {name: [run for run in runs if run["contestant"] == name] for name in names}
        lines = [f"**{task}**\n", HEADER, "|---" + "|---:" * 8 + "|"]
        lines += [row(name, by_name[name]) for name in names]
        parts.append("\n".join(lines) + "\n" + ratios(by_name))
    where = results["machine"] | results["versions"]
    parts.append("Measured on: " + ", ".join(f"{k} {v}" for k, v in where.items()) + ".\n")
    return "\n".join(parts)


def summary(results: dict[str, Any], coverage: dict[str, Any] | None = None) -> str:
    """Markdown: one row a task, errors of all contestants side by side, for the front page.

    ``coverage``: results of another run whose intervals are shown, where calibration changed since.
    """
    names = list(dict.fromkeys(r["contestant"] for r in results["runs"]))
    shown = [n for n in names if n != "gatework-equal"]
    lines = [
        f"| task | {' | '.join(shown)} | gatework's 90 % interval holds |",
        "|---" + "|---:" * (len(shown) + 1) + "|",
    ]
    for task in dict.fromkeys(run["task"] for run in results["runs"]):
        runs = {
            n: [r for r in results["runs"] if (r["task"], r["contestant"]) == (task, n)]
            for n in shown
        }
        good = {n: [r for r in found if "mse" in r] for n, found in runs.items()}
        cells = [f"{cell(g, 'mse', 4)} / {cell(g, 'mae', 4)}" if g else "–" for g in good.values()]
        covered = [
            r["coverage_90"]
            for r in (coverage or results)["runs"]
            if (r["task"], r["contestant"]) == (task, "gatework") and r.get("coverage_90")
        ]
        cells.append(f"{100 * median(covered):.1f} %" if covered else "–")
        lines.append(f"| {task} | {' | '.join(cells)} |")
    machine = results["machine"]
    passes = results["equal"]["passes"]
    lines.append(
        f"\nMSE / MAE of the point forecast; darts and NeuralForecast with {passes} passes over the data, "
        "their LSTM of the same size; Gatework with its defaults (segments of 48 for the context of 720), "
        f"at most 12 epochs, the best by validation. {machine['processor']}, {machine['threads']} "
        f"thread{'s' if machine['threads'] != 1 else ''}, {machine['date']}.\n"
    )
    return "\n".join(lines)


def replace_between(text: str, new: str) -> str:
    """`text` with `new` between the two marker lines, which it must hold once each."""
    if text.count(OPEN) != 1 or text.count(CLOSE) != 1:
        raise SystemExit(f"the file needs the lines {OPEN} and {CLOSE}, once each.")
    head, _, rest = text.partition(OPEN)
    return f"{head}{OPEN}\n{new}{CLOSE}{rest.partition(CLOSE)[2]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--into", type=Path, help="file with the two marker lines")
    parser.add_argument("--summary", action="store_true", help="one row a task")
    parser.add_argument("--coverage", type=Path, help="results whose intervals the summary shows")
    args = parser.parse_args()
    results = json.loads(args.results.read_text())
    coverage = json.loads(args.coverage.read_text()) if args.coverage else None
    table = summary(results, coverage) if args.summary else render(results)
    if args.into:
        args.into.write_text(replace_between(args.into.read_text(), table))
    else:
        print(table)


if __name__ == "__main__":
    main()
