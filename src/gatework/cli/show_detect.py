"""Scores of a detector in a terminal."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

# score -> heading; short, so that a terminal of 80 columns holds those of one row
LABELLED = {
    "vus_pr": "VUS-PR",
    "average_precision": "AP",
    "auc": "AUC",
    "f1": "F1",
    "best_f1": "best F1",
    "nab": "NAB",
    "alarms_per_day": "a day",
}
UNLABELLED = {
    "alarms": "in alarm",
    "alarm_share": "share",
    "alarm_ranges": "alarms",
    "alarms_per_day": "a day",
}
FOUND = "found"
SHARES = {"f1", "best_f1", "alarm_share"}
AREAS = {"vus_pr", "average_precision", "auc"}


def print_detect(evaluation: dict[str, Any]) -> None:
    """The detector beside the baselines, the main scores alone, and the verdict.

    Point-adjusted scores are left out: they mean nothing without their warning, which the report gives.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120  # nothing breaks in a file
    own = evaluation["model"]["overall"]
    headings = LABELLED if evaluation["labelled"] else UNLABELLED
    main = evaluation["main"]
    shown = [n for n in headings if own.get(n) is not None]
    if evaluation["labelled"]:
        shown.sort(key=lambda n: n != main)
    # Series are judged by the volume, which takes neighbours into account: AUC would say it again.
    if "vus_pr" in shown:
        shown = [n for n in shown if n != "auc"]
    found = evaluation["labelled"] and own.get("events") is not None
    if evaluation["rows"] and shown:
        console.print(_table(evaluation, [(n, headings[n]) for n in shown], found))
    console.print(evaluation["verdict"], style="bold", markup=False)


def _table(evaluation: dict[str, Any], columns: list[tuple[str, str]], found: bool) -> Table:
    noun = "sessions" if evaluation.get("unit") == "session" else "rows"
    table = Table(
        title=escape(f"{evaluation['rows']:,} {noun} ({evaluation['on']})"),
        title_justify="left",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
    )
    table.add_column("scores of", no_wrap=True)
    for heading in [h for _, h in columns] + ([FOUND] if found else []):
        table.add_column(heading, justify="right", no_wrap=True)
    for who, scores in {"this model": evaluation["model"], **evaluation["baselines"]}.items():
        overall = scores["overall"]
        cells = [_told(name, overall.get(name)) for name, _ in columns]
        cells += [_found(overall)] if found else []
        table.add_row(escape(who), *cells, style="bold" if who == "this model" else None)
    return table


def _found(overall: dict[str, Any]) -> str:
    hits, there = overall.get("events_found"), overall.get("events")
    return "–" if hits is None or there is None else f"{hits:,.0f}/{there:,.0f}"


def _told(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if name in SHARES:
        return f"{100 * value:.2f} %" if value < 0.01 else f"{100 * value:.1f} %"
    if name in AREAS:
        return f"{value:.3f}"
    if name == "nab":
        return f"{value:.1f}"
    return f"{value:,.0f}" if name != "alarms_per_day" or value >= 100 else f"{value:.3g}"
