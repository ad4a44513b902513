"""``gatework predict MODEL DATA [-o OUT]``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer, line: str) -> None:
    """Add the verb."""
    app.command("predict", help=line)(predict)


def predict(
    model: Annotated[Path, typer.Argument(help="Folder of a saved model.")],
    data: Annotated[Path, typer.Argument(help="Table with the latest rows.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="File: .csv, .parquet, .json or .jsonl. [default: print CSV]"
        ),
    ] = None,
    ignore_extra: Annotated[
        bool, typer.Option(help="Pass over columns that the training table did not have.")
    ] = False,
    mend: Annotated[
        bool, typer.Option(help="Sort rows and merge duplicates instead of refusing.")
    ] = False,
    quiet: Annotated[bool, typer.Option(help="Print results only.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the forecast as JSON records.")
    ] = False,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Forecast the steps that follow a table."""
    from gatework.data.write import write_table
    from gatework.files import check_writable
    from gatework.tasks.registry import load

    if output is not None:
        check_writable(output)
    forecast = load(model).predict(data, extra="ignore" if ignore_extra else "error", mend=mend)
    if output is not None:
        write_table(forecast, output)
        if not quiet:
            print(f"{forecast.height} rows written to {output}", file=sys.stderr)
    if json:
        print(forecast.write_json())
    elif output is None:
        sys.stdout.write(forecast.write_csv())
