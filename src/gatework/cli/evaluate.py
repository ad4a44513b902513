"""``gatework evaluate MODEL DATA``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer, line: str) -> None:
    """Add the verb."""
    app.command("evaluate", help=line)(evaluate)


def evaluate(
    model: Annotated[Path, typer.Argument(help="Folder of a saved model.")],
    data: Annotated[Path, typer.Argument(help="Table that holds the truth, context rows first.")],
    stride: Annotated[int, typer.Option(min=1, help="Rows between two forecasts.")] = 1,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Also write all scores to this .json file."),
    ] = None,
    ignore_extra: Annotated[
        bool, typer.Option(help="Pass over columns that the training table did not have.")
    ] = False,
    mend: Annotated[
        bool, typer.Option(help="Sort rows and merge duplicates instead of refusing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Backtest a model over a table, beside the naive forecasts."""
    from gatework.cli.show import print_evaluation, print_json
    from gatework.files import check_writable, write_atomically
    from gatework.tasks.registry import load

    if output is not None:
        check_writable(output)
    loaded = load(model)
    evaluation = loaded.evaluate(
        data, stride=stride, extra="ignore" if ignore_extra else "error", mend=mend
    ).to_json()
    if output is not None:
        from json import dumps

        write_atomically(output, (dumps(evaluation, indent=1, ensure_ascii=False) + "\n").encode())
    if json:
        print_json(evaluation)
    else:
        print_evaluation(evaluation)
