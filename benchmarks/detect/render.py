"""The tables of README.md made from results.jsonl and speed.json.

python -m benchmarks.detect.render            prints them
python -m benchmarks.detect.render --write    puts them between their markers
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.detect.sets import EVERYTHING, SETS, Goal, Set

HERE = Path(__file__).resolve().parent
PAGES = (HERE / "README.md", HERE.parents[1] / "README.md")
Run = dict[str, Any]


def runs(path: Path) -> list[Run]:
    """The last run of each set and seed with default settings, seeds in order."""
    found: dict[tuple[str, int], Run] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        run = json.loads(line)
        if "overall" in run and not run["trial"]:
            found[run["set"], run["seed"]] = run
    return [found[key] for key in sorted(found)]


def median(values: list[float | None]) -> float | None:
    """Of those that are there."""
    known = [v for v in values if v is not None]
    return statistics.median(known) if known else None


def simple(own: list[Run], measure: str) -> dict[str, float]:
    """The baselines' median over the seeds, by name."""
    names = {name for run in own for name in run["baselines"]}
    told = {n: median([r["baselines"].get(n, {}).get(measure) for r in own]) for n in sorted(names)}
    return {n: v for n, v in told.items() if v is not None}


def shown(value: float | None, measure: str) -> str:
    """A score as it is written in a table."""
    if value is None:
        return "–"
    if measure in ("events", "events_found", "alarms"):
        return f"{value:g}"
    return f"{value:.2f}" if measure.startswith("nab") or value >= 10 else f"{value:.3f}"


def goal_row(chosen: Set, goal: Goal, own: list[Run]) -> str:
    """One line of the first table."""
    wanted = [] if goal.value is None else [f"≥ {goal.value:g}"]
    if goal.beats is not None:
        wanted.append(f"above {goal.beats or 'every baseline'}")
    head = f"| {chosen.text} | {goal.text} | {', '.join(wanted)} |"
    scores = [run["overall"].get(goal.measure) for run in own]
    middle = median(scores)
    if middle is None:
        return f"{head} not run | | | |"
    others = simple(own, goal.measure)
    floor = others.pop(EVERYTHING, None)
    rivals = {n: v for n, v in others.items() if n.startswith(goal.beats or "")}
    best = max(rivals, key=lambda n: rivals[n]) if rivals else None
    verdict = "yes" if goal.value is None or middle >= goal.value else "**no**"
    if goal.beats is not None and best is not None and not middle > rivals[best]:
        verdict = "**no**"
    if floor is not None and not middle > floor:
        verdict += f", and {EVERYTHING} has {shown(floor, goal.measure)}"
    cells = [
        f"**{shown(middle, goal.measure)}**",
        ", ".join(
            f"{run['seed']}: {shown(s, goal.measure)}" for run, s in zip(own, scores, strict=True)
        ),
        "–" if best is None else f"{shown(rivals[best], goal.measure)} ({best})",
        verdict,
    ]
    return f"{head} {' | '.join(cells)} |"


def scores_table(found: list[Run]) -> str:
    """What was to be reached, and what was."""
    rows = [
        "| data | measure | to reach | median of the seeds | each seed | best baseline | reached? |",
        "|---|---|---|---:|---|---|---|",
    ]
    for name, chosen in SETS.items():
        own = [run for run in found if run["set"] == name]
        rows += [goal_row(chosen, goal, own) for goal in chosen.goals]
    return "\n".join(rows)


def beside_table(found: list[Run]) -> str:
    """Every score of the detector and of the simple ones, medians over the seeds, a table for each set."""
    tables = []
    for name, chosen in SETS.items():
        own = [run for run in found if run["set"] == name]
        if not own:
            continue
        shares: dict[str, dict[str, float]] = {m: simple(own, m) for m in chosen.beside}
        rows = [
            f"| {chosen.text} | {' | '.join(m.replace('_', ' ') for m in chosen.beside)} |",
            "|---|" + "---:|" * len(chosen.beside),
        ]
        mine = [shown(median([r["overall"].get(m) for r in own]), m) for m in chosen.beside]
        rows.append(f"| **detector** | {' | '.join(f'**{cell}**' for cell in mine)} |")
        for other in sorted({n for share in shares.values() for n in share}):
            cells = [shown(shares[m].get(other), m) for m in chosen.beside]
            rows.append(f"| {other} | {' | '.join(cells)} |")
        tables.append("\n".join(rows))
    return "\n\n".join(tables) or "Not run."


def costs_table(found: list[Run]) -> str:
    """What a fit took, and of which code the results are."""
    rows = [
        "| data | fit, median s | with scores, s | epochs | weights | method | code |",
        "|---|---:|---:|---:|---:|---|---|",
    ]
    for name in SETS:
        own = [run for run in found if run["set"] == name]
        if own:
            fit, whole, epochs = (
                statistics.median(run[key] for run in own)
                for key in ("fit_seconds", "seconds", "epochs")
            )
            code = sorted({run["commit"] + " and changes" * run["changed"] for run in own})
            rows.append(
                f"| {name} | {fit:.0f} | {whole:.0f} | {epochs:.0f} | {own[0]['parameters']:,} | "
                f"{own[0]['method']} | {', '.join(code)} |"
            )
    if found:
        where = found[-1]["machine"]
        rows += ["", f"{where['processor']}, {where['cores']} cores, {where['threads']} thread(s)."]
    return "\n".join(rows)


def speed_table(content: dict[str, Any]) -> str:
    """Times of a push and of ``gatework watch``, and how memory went."""
    if not content:
        return "Not measured."
    rows = ["| what | goal | measured |", "|---|---:|---:|"]
    if push := content.get("push"):
        rows.append(
            f"| push of a row, 38 channels, two layers of 64: median | ≤ 30 µs | "
            f"**{push['median_us']:.1f} µs** |"
        )
        rows.append(f"| the same: 99th percentile | | {push['p99_us']:.1f} µs |")
        rows.append(f"| the same: mean of processor time | | {push['processor_us']:.1f} µs |")
        rows.append(
            f"| largest difference of a score from the batch's | | {push['difference']:.1e} |"
        )
    if memory := content.get("memory"):
        rows.append(
            f"| memory after {memory['pushes']:,} pushes | flat | "
            f"{memory['growth_mib']:+.2f} MiB since the first tenth |"
        )
    names = {
        "events": ("event ids, a session a line: events", 50_000),
        "metrics": ("8 channels: rows", 10_000),
    }
    for key, (text, goal) in names.items():
        found = content.get("watch", {}).get(key)
        if found:
            told = found.get("failed") or (
                f"**{found['per_second']:,.0f}**; {found['per_processor_second']:,.0f} of processor time"
            )
            rows.append(f"| `gatework watch`, {text} a second | ≥ {goal:,} | {told} |")
    for part in ("push", "memory", "watch"):
        if where := content.get(part, {}).get("machine"):
            code = content[part]["commit"] + " and changes" * content[part]["changed"]
            rows += [
                "",
                f"{part}: {where['processor']}, {where['threads']} thread(s), {code}, {content[part]['date']}.",
            ]
    return "\n".join(rows)


def parts(folder: Path = HERE) -> dict[str, str]:
    """Each table by the name of its markers."""
    found, speed = runs(folder / "results.jsonl"), folder / "speed.json"
    content = json.loads(speed.read_text(encoding="utf-8")) if speed.exists() else {}
    return {
        "detect benchmark": scores_table(found),
        "detect beside": beside_table(found),
        "detect costs": costs_table(found),
        "detect speed": speed_table(content),
    }


def with_tables(page: str, tables: dict[str, str]) -> str:
    """A page with what lies between each two markers brought up to date."""
    for name, text in tables.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if begin in page and end in page:
            before, rest = page.split(begin, 1)
            _, after = rest.split(end, 1)
            page = f"{before}{begin}\n{text}\n{end}{after}"
    return page


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        for path in PAGES:
            text = path.read_text(encoding="utf-8")
            path.write_text(with_tables(text, parts()), encoding="utf-8")
    else:
        print("\n\n".join(parts().values()))
