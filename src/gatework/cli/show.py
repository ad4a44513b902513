"""Results in a terminal, or as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

# column -> (key of the scores, digits)
_COLUMNS = ("MAE", "RMSE", "MASE", "sMAPE", "WQL")


def print_json(content: Any) -> None:
    """One JSON value on standard output."""
    json.dump(content, sys.stdout, ensure_ascii=False, allow_nan=False)
    print()


def print_evaluation(evaluation: dict[str, Any]) -> None:
    """Scores of the model beside the naive forecasts, a table for each target, and the verdict."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120  # nothing breaks in a file
    if not evaluation["windows"]:
        console.print(evaluation["verdict"])
        return
    targets = list(evaluation["model"]["targets"])
    shown = targets if len(targets) <= 8 else []
    if len(targets) > 1:
        shown = [*shown, "all targets"]
    for target in shown:
        console.print(_score_table(evaluation, target))
    console.print(evaluation["verdict"], style="bold", markup=False)


def _score_table(evaluation: dict[str, Any], target: str) -> Table:
    def pick(scores: dict[str, Any]) -> dict[str, Any]:
        picked: dict[str, Any] = (
            scores["overall"] if target == "all targets" else scores["targets"][target]
        )
        return picked

    own = pick(evaluation["model"])
    coverage = [k for k in own if k.startswith("coverage_")][:1]
    from rich.markup import escape

    table = Table(
        title=f"{escape(target)}: {evaluation['windows']:,} test forecasts",
        title_justify="left",
        box=box.SIMPLE,  # with this and one blank between columns it fits into a terminal of 80
        padding=(0, 1, 0, 0),
    )
    table.add_column("forecast", no_wrap=True)
    # Short names: in a terminal of 80 columns nothing may break.
    for name in (*_COLUMNS, *(f"in {c.removeprefix('coverage_')} %" for c in coverage), "skill"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, scores in {"this model": evaluation["model"], **evaluation["baselines"]}.items():
        values = pick(scores)
        base = values.get("MAE")
        skill = (
            "" if name == "this model" or not base else f"{100 * (1 - own['MAE'] / base):+.1f} %"
        )
        table.add_row(
            name,
            *(_number(values.get(c)) for c in _COLUMNS),
            *(f"{100 * values[c]:.1f} %" if values.get(c) is not None else "–" for c in coverage),
            skill,
            style="bold" if name == "this model" else None,
        )
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def print_bench(facts: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Torch and Gatework side by side, a line for each pair of contestants, and where it was measured."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), show_edge=False)  # fits into 80 columns
    table.add_column("work", no_wrap=True)
    for name in ("torch ms", "ours ms", "ratio", "peak"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        several = len(row["ratios"]) > 1
        if several:
            table.add_row(row["work"])
        for pair, ratio in row["ratios"].items():
            theirs, ours = (row["contestants"][name] for name in pair.split(" / "))
            table.add_row(
                f"  {pair}" if several else row["work"],
                f"{theirs['ms']:.3g}",
                f"{ours['ms']:.3g}",
                f"{ratio['ratio']:.2f}",
                f"{100 * ours['share_of_peak']:.0f} %",
            )
    console.print(table)
    threads = f"{facts['threads']} thread{'s' if facts['threads'] != 1 else ''}"
    lines = (
        f"ratio: torch's time over ours, medians, {facts['dtype']}, {threads}; results were compared first",
        f"peak: share of what {threads} can do, {facts['peak_gflops']:.0f} GFLOP/s each ({facts['peak']})",
        f"engine: {facts['engine']}",
        f"gatework {facts['gatework']}, torch {facts['torch']}; {facts['processor']}, {facts['cores']} cores, "
        f"{facts['caches']}",
    )
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def print_model(model: dict[str, Any]) -> None:
    """The recurrent layers of a model: sizes, forget biases, norms of weights."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120
    if not model["layers"]:
        words = f"{model['parameters']:,} weights, no recurrent layer: nothing is carried from step to step"
        console.print(words, markup=False)
    for layer in model["layers"]:
        both = ", both directions" if layer["bidirectional"] else ""
        console.print(
            f"{layer['name'] or 'model'}: {layer['title']} ({layer['cell']})",
            style="bold",
            markup=False,
        )
        console.print(
            f"  {layer['input_size']:,} inputs, {layer['hidden_size']:,} units, {layer['num_layers']} "
            f"layer{'' if layer['num_layers'] == 1 else 's'}{both}; {layer['parameters']:,} of "
            f"{model['parameters']:,} weights",
            markup=False,
        )
        for bias in layer["forget_bias"]:
            console.print(
                f"  bias of the forget gate: mean {_number(bias['mean'])}, {_number(bias['least'])} to "
                f"{_number(bias['largest'])}",
                markup=False,
            )
        for name, norm in layer["norms"].items():
            console.print(f"  norm of {name}: {_number(norm)}", markup=False)
