"""The README's tables from results: `python render.py results.json ... [--into README.md]`.

With several files each has its own heading.  `--into` replaces what stands between the lines
`<!-- engine benchmark -->` and `<!-- end of engine benchmark -->`.
"""

from __future__ import annotations

import argparse
import json
from math import exp, inf, log
from pathlib import Path
from typing import Any

from rows import GOALS, MEMORY, NN, SHARE, Goal

from gatework.bench.work import Work

OPEN, CLOSE = "<!-- engine benchmark -->", "<!-- end of engine benchmark -->"
Row = dict[str, Any]


def value(goal: Goal, row: Row) -> float | None:
    """What a goal is about in one row; None where the row was not measured."""
    if "failed" in row:
        return None
    if goal.value == SHARE:
        return float(row["contestants"][NN]["share_of_peak"])
    if goal.value == MEMORY:
        kept = [c["kept_bytes"] for c in row["contestants"].values() if "kept_bytes" in c]
        return kept[0] / max(kept[-1], 1) if kept else None
    found = row["ratios"].get(goal.value)
    return None if found is None else float(found["ratio"])


def limit(goal: Goal, row: Row) -> float:
    """The most that a ratio could be: that of layers that run at the measured peak."""
    other = goal.value.partition(" / ")[0]
    if "failed" in row or other not in row["contestants"]:
        return inf
    return 1 / float(row["contestants"][other]["share_of_peak"])


def reached(goal: Goal, rows: list[Row]) -> str:
    """Least value and geometric mean of the goal's rows, and whether they are enough."""
    mine = [r for r in rows if r["group"] == goal.group and goal.about(Work(**r["sizes"]))]
    values = [v for r in mine if (v := value(goal, r)) is not None]
    if not values:
        return "– | –"
    mean = exp(sum(log(v) for v in values) / len(values))
    # What is printed is what is judged, to the digits that a clock on a shared machine has.
    met = round(min(values), 2) >= goal.least and (goal.mean is None or round(mean, 2) >= goal.mean)
    failed = sum("failed" in r for r in mine)
    verdict = f"{failed} failed" if failed else "met" if met else "**not met**"
    beyond = sum(limit(goal, r) < goal.least for r in mine)
    if beyond and not met:
        verdict += f"; above the peak in {beyond} of {len(mine)} rows"
    return f"{min(values):.2f}, mean {mean:.2f} | {verdict}"


def goals(rows: list[Row]) -> str:
    """Every goal beside what was reached, for each number of threads."""
    threads = sorted({row["threads"] for row in rows})
    counts = "".join(f" {t} thread{'s' if t > 1 else ''}: least, mean | |" for t in threads)
    lines = [f"| work | value | to reach |{counts}", "|---|---|---:|" + "---:|---|" * len(threads)]
    for goal in GOALS:
        cells = [reached(goal, [r for r in rows if r["threads"] == t]) for t in threads]
        if all(cell == "– | –" for cell in cells):
            continue
        wanted = f"≥ {goal.least:g}" + (f", mean ≥ {goal.mean:g}" if goal.mean else "")
        lines.append(f"| {goal.text} | {goal.value} | {wanted} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def steps(rows: list[Row]) -> str:
    """Streams: a line for each contestant."""
    lines = [
        "| work | contestant | µs a step, p50 | quartiles | p99 | steps/s | GFLOP/s | torch's time over it |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        if "failed" in row:
            lines.append(f"| {row['work']} | {row['failed']} |" + " |" * 6)
            continue
        torch_ms = row["contestants"]["torch"]["ms"]
        for name, c in row["contestants"].items():
            us, low, high, p99 = (1e3 * c[k] for k in ("ms", "ms_q25", "ms_q75", "ms_p99"))
            lines.append(
                f"| {row['work']} | {name} | {us:.2f} | {low:.2f}–{high:.2f} | {p99:.2f} "
                f"| {c['steps_per_s']:,.0f} | {c['gflops']:.1f} | {torch_ms / c['ms']:.2f} |"
            )
    return "\n".join(lines) + "\n"


def sequences(rows: list[Row]) -> str:
    """Whole sequences: a line for each pair of contestants."""
    lines = [
        "| work | torch's | ms | ours, ms | ratio (quartiles) | GFLOP/s: torch | ours | of peak: torch | ours "
        "| ours, steps/s | kept MB: torch | ours |",
        "|---|---|" + "---:|" * 10,
    ]
    for row in rows:
        if "failed" in row:
            lines.append(f"| {row['work']} | {row['failed']} |" + " |" * 10)
            continue
        for pair, r in row["ratios"].items():
            name, own = pair.split(" / ")
            theirs, ours = row["contestants"][name], row["contestants"][own]
            kept = [
                f"{c['kept_bytes'] / 1e6:.2f}" if "kept_bytes" in c else "–" for c in (theirs, ours)
            ]
            lines.append(
                f"| {row['work']} | {name} | {theirs['ms']:.4g} | {ours['ms']:.4g} "
                f"| {r['ratio']:.2f} ({r['q25']:.2f}–{r['q75']:.2f}) "
                f"| {theirs['gflops']:.0f} | {ours['gflops']:.0f} "
                f"| {100 * theirs['share_of_peak']:.0f} % | {100 * ours['share_of_peak']:.0f} % "
                f"| {ours['steps_per_s']:,.0f} | {kept[0]} | {kept[1]} |"
            )
    return "\n".join(lines) + "\n"


def render(results: dict[str, Any]) -> str:
    """Markdown: the goals, a table for each group and number of threads, and where it was measured."""
    rows = results["rows"]
    parts = [goals(rows)]
    for threads in sorted({row["threads"] for row in rows}):
        for group in dict.fromkeys(row["group"] for row in rows):
            mine = [r for r in rows if (r["group"], r["threads"]) == (group, threads)]
            table = steps(mine) if group == "step" else sequences(mine)
            parts.append(f"**{group}, {threads} thread{'s' if threads > 1 else ''}**\n\n{table}")
    peak = f"peak of one core {results['peak']['gflops']:.0f} GFLOP/s ({results['peak']['how']})"
    where = results["machine"] | results["versions"] | results["settings"]
    facts = ", ".join(f"{key} {fact}" for key, fact in where.items())
    parts.append(f"Measured on: {facts}, {peak}.\n")
    return "\n".join(parts)


def replace_between(text: str, new: str) -> str:
    """`text` with `new` between the two marker lines, which it must hold once each."""
    if text.count(OPEN) != 1 or text.count(CLOSE) != 1:
        raise SystemExit(f"the file needs the lines {OPEN} and {CLOSE}, once each.")
    head, _, rest = text.partition(OPEN)
    return f"{head}{OPEN}\n\n{new}\n{CLOSE}{rest.partition(CLOSE)[2]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--into", type=Path, help="file with the two marker lines")
    args = parser.parse_args()
    parts = []
    for path in args.results:
        results = json.loads(path.read_text())
        path_name = results["machine"]["engine"].partition(":")[0]
        heading = f"### Path {path_name} (`{path.name}`)\n\n"
        parts.append((heading if len(args.results) > 1 else "") + render(results))
    text = "\n".join(parts)
    if args.into:
        args.into.write_text(replace_between(args.into.read_text(), text))
    else:
        print(text)


if __name__ == "__main__":
    main()
