"""A comparison of cells in a terminal."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from gatework.report.compare import ranked
from gatework.report.words import NONE, column, duration


def print_comparison(facts: dict[str, Any]) -> None:
    """The table, what people are told, and the verdict; within 80 columns."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 100  # nothing breaks in a file
    console.print(_table(facts))
    for remark in facts["remarks"]:
        console.print(remark, markup=False)
    if facts["told"]:
        console.print()
        for claim in facts["told"]:
            holds = {"yes": "so here", "no": "not here", "open": "not settled here"}[claim["holds"]]
            console.print(f"{claim['told'].rstrip('.')}: {holds}", style="bold", markup=False)
            console.print(f"  {claim['here']}", markup=False)
    console.print()
    for i, sentence in enumerate(facts["verdict"]):
        console.print(sentence, style=None if i else "bold", markup=False)


def _table(facts: dict[str, Any]) -> Table:
    rows, score = ranked(facts), facts["score"]
    context = "" if facts["context"] is None else f", context {facts['context']:,}"
    items = "" if score["items"] is None else f" of {score['items']:,} test {score['item']}s"
    arrow = "lower" if score["lower_is_better"] else "higher"
    table = Table(
        title=f"{score['name']}{items} ({arrow} is better){context}",
        title_justify="left",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
    )
    table.add_column("cell", overflow="fold")
    names = (score["name"], "±", "skill", "train", "epoch", "step µs", "weights", "MiB")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    scores = column([r["score"] for r in rows])
    spreads = column([r["spread"] for r in rows], 2)
    for row, mean, spread in zip(rows, scores, spreads, strict=True):
        if row["score"] is None:
            table.add_row(row["cell"], "failed" if row["failed"] else "not yet")
            continue
        table.add_row(
            row["cell"],
            mean,
            spread,
            NONE if row["skill"] is None else f"{100 * row['skill']:+.1f} %",
            duration(row["seconds"]),
            duration(row["epoch_seconds"]),
            NONE if row["push_us"] is None else f"{row['push_us']:.0f}",
            NONE if row["parameters"] is None else f"{row['parameters']:,}",
            NONE if row["peak_mib"] is None else f"{row['peak_mib']:.0f}",
        )
    naive = facts["naive"]
    if naive is not None:
        table.add_row(naive, column([facts["baselines"][naive], *(r["score"] for r in rows)])[0])
    return table
