"""``gatework predict MODEL DATA [-o OUT]``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gatework.cli.common import (
    Debug,
    IgnoreExtra,
    Mend,
    Model,
    Quiet,
    Resample,
    SkipBad,
    check_result_file,
    given_options,
    load_model,
)


def register(app: typer.Typer, line: str) -> None:
    """Add the verb."""
    app.command("predict", help=line)(predict)


def predict(
    model: Model,
    data: Annotated[
        Path,
        typer.Argument(
            help="Table with the latest rows, or sequences as the model was trained on.",
            metavar="DATA",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="File: .csv, .tsv, .parquet, .json or .jsonl; without it the result is printed.",
            metavar="FILE",
        ),
    ] = None,
    ignore_extra: IgnoreExtra = False,
    resample: Resample = None,
    mend: Mend = False,
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
    json: Annotated[
        bool,
        typer.Option(
            "--json", help="Print the result as an array of JSON records.", show_default=False
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """What a model says of new data: a forecast, a class, a number, labels."""
    from gatework.data.write import check_ending, table_bytes, write_table

    if output is not None:
        check_result_file(output, data)
        check_ending(output)
    loaded = load_model(model, data)
    forecast = loaded.predict(data, **given_options(loaded, ignore_extra, resample, mend, skip_bad))
    if output is not None:
        write_table(forecast, output)
        if not (quiet or json):
            print(f"{forecast.height} rows written to {output}", file=sys.stderr)
    if json:
        print(table_bytes(forecast, ".json").decode().strip())
    elif output is None:
        print(table_bytes(forecast, ".csv").decode(), end="")
