"""Scores of labelled sequences in a terminal."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "macro_f1": "macro F1",
    "log_loss": "log loss",
    "roc_auc": "ROC AUC",
    "average_precision": "AP",
    "token_accuracy": "accuracy",
    "sequence_accuracy": "whole right",
    "span_f1": "span F1",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "phm_score": "PHM",
    "coverage_90": "in 90 %",
}
SHARES = {
    "accuracy",
    "balanced_accuracy",
    "token_accuracy",
    "sequence_accuracy",
    "coverage_90",
}
MAX_CLASSES = 20


def print_labelled(evaluation: dict[str, Any]) -> None:
    """The model beside the baselines, a row for each class where there are few, and the verdict."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120  # nothing breaks in a file
    rows = {"this model": evaluation["model"], **evaluation["baselines"]}
    shown = [n for n in NAMES if n in evaluation["model"]["overall"]]
    table = Table(
        title=f"{evaluation['sequences']:,} sequences ({evaluation['on']})",
        title_justify="left",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
    )
    table.add_column("answers of", no_wrap=True)
    for name in shown:
        table.add_column(NAMES[name], justify="right", no_wrap=True)
    for who, scores in rows.items():
        cells = (_told(name, scores["overall"].get(name)) for name in shown)
        table.add_row(who, *cells, style="bold" if who == "this model" else None)
    console.print(table)
    classes = evaluation["model"].get("classes") or {}
    if 2 < len(classes) <= MAX_CLASSES:
        console.print(_classes(classes))
    console.print(evaluation["verdict"], style="bold", markup=False)


def _classes(classes: dict[str, dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("class", no_wrap=True, max_width=32)
    for name in ("precision", "recall", "F1", "examples"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in classes.items():
        scores = (_told("", row.get(k)) for k in ("precision", "recall", "f1"))
        table.add_row(escape(name), *scores, f"{row['support']:,}")
    return table


def _told(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.1f} %" if name in SHARES else f"{value:.4g}"
