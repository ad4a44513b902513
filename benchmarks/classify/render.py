"""The tables of README.md, and the one in the project's README, made from results.jsonl and speed.json.

python benchmarks/classify/render.py            prints them
python benchmarks/classify/render.py --write    puts them between their markers
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from sets import SETS, Set

HERE = Path(__file__).resolve().parent
PAGES = (HERE / "README.md", HERE.parents[1] / "README.md")


def runs() -> list[dict[str, Any]]:
    """The last run of each set, part and seed."""
    found: dict[tuple[str, str, int], dict[str, Any]] = {}
    path = HERE / "results.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        run = json.loads(line)
        if "overall" in run:
            found[run["set"], run["part"], run["seed"]] = run
    return list(found.values())


def by_seed(own: list[dict[str, Any]], measure: str) -> list[float]:
    """A score for each seed whose parts are all there; the mean of its parts."""
    parts = {r["part"] for r in own}
    scores = []
    for seed in sorted({r["seed"] for r in own}):
        mine = [r for r in own if r["seed"] == seed]
        if {r["part"] for r in mine} == parts:
            scores.append(statistics.mean(r["overall"][measure] for r in mine))
    return scores


def best_baseline(own: list[dict[str, Any]], chosen: Set) -> str:
    """The best of the naive answers over the parts of the first seed, with its name."""
    first = [r for r in own if r["seed"] == own[0]["seed"]]
    told: dict[str, list[float]] = {}
    for run in first:
        for name, scores in run["baselines"].items():
            if scores.get(chosen.measure) is not None:
                told.setdefault(name, []).append(scores[chosen.measure])
    if not told:
        return "–"
    means = {name: statistics.mean(values) for name, values in told.items()}
    name = (min if chosen.lower else max)(means, key=lambda n: means[n])
    return f"{shown(means[name], chosen)} ({name})"


def shown(value: float, chosen: Set) -> str:
    """A share as percent, other scores as they are."""
    if "accuracy" in chosen.measure or chosen.measure == "span_f1":
        return f"{100 * value:.2f} %"
    return f"{value:.3f}" if value < 1 else f"{value:.2f}"


def scores_table() -> str:
    """A row for each set that was run."""
    rows = [
        "| data | measure | goal | reached, mean of the seeds | each seed | best baseline | reached? |",
        "|---|---|---:|---:|---|---|---|",
    ]
    everything = runs()
    for name, chosen in SETS.items():
        own = [r for r in everything if r["set"] == name]
        scores = by_seed(own, chosen.measure) if own else []
        if not scores:
            rows.append(
                f"| {chosen.text} | {chosen.measure} | {shown(chosen.goal, chosen)} | not run | | | |"
            )
            continue
        mean = statistics.mean(scores)
        met = mean <= chosen.goal if chosen.lower else mean >= chosen.goal
        cells = [
            chosen.text,
            chosen.measure.replace("_", " "),
            shown(chosen.goal, chosen),
            f"**{shown(mean, chosen)}**",
            ", ".join(shown(s, chosen) for s in scores),
            best_baseline(own, chosen),
            "yes" if met else "**no**",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def costs_table() -> str:
    """What a training took, and what an answer takes."""
    rows = [
        "| data | training, median s | epochs | weights | one answer, ms | command |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name in SETS:
        own = [r for r in runs() if r["set"] == name]
        if own:
            seconds = statistics.median(r["seconds"] for r in own)
            epochs = statistics.median(r["epochs"] for r in own)
            ms = statistics.median(r["predict_ms"] for r in own)
            rows.append(
                f"| {name} | {seconds:.0f} | {epochs:.0f} | {own[0]['parameters']:,} | {ms:.1f} | "
                f"`{own[0]['command']}` |"
            )
    return "\n".join(rows)


def speed_table() -> str:
    """Epochs a minute beside torch's packed sequences."""
    path = HERE / "speed.json"
    if not path.exists():
        return "Not measured."
    content = json.loads(path.read_text(encoding="utf-8"))
    rows = ["| data | Gatework | torch, packed | ratio |", "|---|---:|---:|---:|"]
    rows += [
        f"| {r['set']} | {r['ours_epochs_per_minute']:.2f} | {r['torch_epochs_per_minute']:.2f} | "
        f"**{r['ratio']:.2f}** |"
        for r in content["rows"]
    ]
    where = content["machine"]
    rows += [
        "",
        f"{where['processor']}, {where['threads']} thread(s), torch {content['torch']}, {content['date']}.",
    ]
    return "\n".join(rows)


PARTS = {
    "classify benchmark": scores_table,
    "classify costs": costs_table,
    "classify speed": speed_table,
}


def with_tables(page: str) -> str:
    """A page with what lies between each two markers brought up to date."""
    for name, part in PARTS.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if begin in page and end in page:
            before, rest = page.split(begin, 1)
            _, after = rest.split(end, 1)
            page = f"{before}{begin}\n{part()}\n{end}{after}"
    return page


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        for path in PAGES:
            path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print("\n\n".join(part() for part in PARTS.values()))
