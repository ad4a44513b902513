"""The README's tables from results: `python render.py results.jsonl [--into README.md]`.

`--into` replaces what stands between the lines `<!-- long memory benchmark -->` and
`<!-- end of long memory benchmark -->`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from typing import Any

from store import read
from task import Task

from gatework.cells import CELLS
from tasks import TASKS

OPEN, CLOSE = "<!-- long memory benchmark -->", "<!-- end of long memory benchmark -->"
Runs = list[dict[str, Any]]


def thousands(count: float) -> str:
    """A number of sequences in two or three digits: 41k, 1.2M."""
    if count < 995:
        return f"{count:.3g}"
    if count < 9_950:
        return f"{count / 1e3:.1f}k"
    return f"{count / 1e3:.0f}k" if count < 999_500 else f"{count / 1e6:.1f}M"


def entry(runs: Runs, task: Task) -> str:
    """Seeds that solved it, and after how many sequences and seconds; or what was reached."""
    good = [run for run in runs if "failed" not in run]
    failed = len(runs) - len(good)
    if not good:
        return f"failed: {runs[0]['failed']}" if runs else "–"
    solved = [run for run in good if run["solved"]]
    text = f"{len(solved)}/{len(good)}"
    if solved:
        sequences, seconds = (median(run[k] for run in solved) for k in ("sequences", "seconds"))
        text += f" after {thousands(sequences)} ({seconds:.0f} s)"
    else:
        values = [run["value"] for run in good if run["value"] is not None]
        text += f", {shown(median(values))}" if values else ""
    lost = sum(run["ended"] == "diverged" for run in good)
    return text + (f", {lost} diverged" if lost else "") + (f", {failed} failed" if failed else "")


def shown(value: float) -> str:
    """A share as it is, a count with its thousands apart."""
    return f"{value:.3f}" if value <= 1 else f"{value:,.0f}"


def table(task: Task, runs: Runs) -> str:
    """Rows are cells, columns lags; the papers' numbers above them."""
    lags = sorted({run["lag"] for run in runs})
    heads = [f"lag {lag}" if lag else "result" for lag in lags]
    lines = [f"| cell | {' | '.join(heads)} |", "|---|" + "---:|" * len(lags)]
    if task.papers:
        said = {p.lag: f"{p.text} ({p.where})" for p in task.papers}
        lines.append(f"| *the paper* | {' | '.join(said.get(lag, '') for lag in lags)} |")
    order = {name: n for n, name in enumerate(CELLS)}
    for cell in sorted({run["cell"] for run in runs}, key=lambda c: order.get(c, len(order))):
        mine = [[r for r in runs if (r["cell"], r["lag"]) == (cell, lag)] for lag in lags]
        lines.append(f"| {cell} | {' | '.join(entry(each, task) for each in mine)} |")
    return "\n".join(lines)


def said(task: Task, runs: Runs) -> str:
    """What the table shows, from its numbers: which cells solved the most, and where each one ended."""
    good = [run for run in runs if "failed" not in run]
    lags = sorted({run["lag"] for run in good})
    cells = sorted({run["cell"] for run in good}, key=lambda c: list(CELLS).index(c))

    def share(cell: str, lag: int) -> tuple[int, int]:
        mine = [r["solved"] for r in good if (r["cell"], r["lag"]) == (cell, lag)]
        return sum(mine), len(mine)

    def every(cell: str, lag: int) -> bool:
        solved, of = share(cell, lag)
        return bool(of) and solved == of

    sentences = []
    for lag in reversed(lags):
        all_of, none_of = (
            [c for c in cells if every(c, lag)],
            [c for c in cells if share(c, lag)[1] and not share(c, lag)[0]],
        )
        at = f"At lag {lag}" if lag else "Here"
        parts = [f"{listed(all_of)} solved it with every seed"] if all_of else []
        parts += [f"{listed(none_of)} with none within the budget"] if none_of else []
        if not all_of and none_of:
            parts = [
                "no cell solved it within the budget"
                if len(none_of) == len(cells)
                else f"{listed(none_of)} did not solve it with any seed within the budget"
            ]
        if parts:
            sentences.append(f"{at} {', '.join(parts)}.")
        if all_of:
            fast = min(all_of, key=lambda c: middle(good, c, lag))
            if len(all_of) > 1:
                sequences = thousands(middle(good, fast, lag))
                sentences.append(f"The fewest sequences took {fast}: {sequences}.")
            break  # shorter lags say less
    return " ".join(sentences[-3:]) if sentences else ""


def middle(runs: Runs, cell: str, lag: int) -> float:
    """Median of the sequences of a cell's solved runs."""
    return median(
        r["sequences"] for r in runs if (r["cell"], r["lag"]) == (cell, lag) and r["solved"]
    )


def listed(names: list[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def section(task: Task, runs: Runs) -> str:
    """One task: source, criterion, settings, table, what it shows."""
    s = task.settings
    lag = f" Lag: {task.lag_is}." if task.lag_is else ""
    facts = (
        f"{task.source}. Solved: {task.criterion}.{lag} Where no seed solved it: the median of the "
        f"{task.value_is}. H = {s.hidden}, B = {s.batch}, learning rate {s.learning_rate:g}."
    )
    parts = [f"### {task.title} (`{task.name}`)", facts, table(task, runs), said(task, runs)]
    return "\n\n".join(part for part in parts if part)


def render(runs: Runs) -> str:
    """Markdown: a section for every task that was run, and where."""
    if not runs:
        return "No runs yet.\n"
    parts = []
    for name, task in TASKS.items():
        mine = [run for run in runs if run["task"] == name]
        if mine:
            parts.append(section(task, mine))
    budgets = sorted({run["budget_s"] for run in runs})
    machines = {tuple(sorted(run["machine"].items())) for run in runs if "machine" in run}
    jobs = sorted({run.get("jobs", 1) for run in runs})
    drawn = sorted({r["cell"] for r in runs if r.get("biases") == "chrono"})
    parts.append(
        f"Runs: {len(runs)}. Budget of a run: {listed([f'{b:g} s' for b in budgets])} of the processor, "
        f"one thread, {listed([str(j) for j in jobs])} at a time. Biases of the gates drawn for the lag: "
        f"{listed(drawn) if drawn else 'none'}."
    )
    parts += ["Measured on: " + ", ".join(f"{k} {v}" for k, v in m) + "." for m in sorted(machines)]
    return "\n\n".join(parts) + "\n"


def replace_between(text: str, new: str) -> str:
    """`text` with `new` between the two marker lines, which it must hold once each."""
    if text.count(OPEN) != 1 or text.count(CLOSE) != 1:
        raise SystemExit(f"the file needs the lines {OPEN} and {CLOSE}, once each.")
    head, _, rest = text.partition(OPEN)
    return f"{head}{OPEN}\n\n{new}\n{CLOSE}{rest.partition(CLOSE)[2]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--into", type=Path, help="file with the two marker lines")
    args = parser.parse_args()
    text = render(list(read(args.results).values()))
    if args.into:
        page = args.into.read_text(encoding="utf-8")
        args.into.write_text(replace_between(page, text), encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
