"""``gatework evaluate MODEL DATA``."""

from __future__ import annotations

from json import dumps
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
    app.command("evaluate", help=line)(evaluate)


def evaluate(
    model: Model,
    data: Annotated[
        Path,
        typer.Argument(
            help="Data that hold the truth; of a forecaster context rows first.", metavar="DATA"
        ),
    ],
    stride: Annotated[
        str, typer.Option(help="Rows between two forecasts (default: 1).", metavar="INTEGER")
    ] = "",
    label: Annotated[
        str | None,
        typer.Option(
            help="Of a detector: column that says which rows are anomalous (default: as in the fit, or found).",
            metavar="COLUMN",
        ),
    ] = None,
    normal: Annotated[
        str | None,
        typer.Option(help="Of a detector: what a label says of normal rows.", metavar="WORD"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Also write all scores to this .json file.", metavar="FILE"
        ),
    ] = None,
    ignore_extra: IgnoreExtra = False,
    resample: Resample = None,
    mend: Mend = False,
    skip_bad: SkipBad = False,
    quiet: Quiet = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the scores as JSON.", show_default=False)
    ] = False,
    debug: Debug = False,
) -> None:
    """Score a model on data that hold the truth, beside the naive answers."""
    from gatework.cli.options import whole_number
    from gatework.cli.show import print_evaluation, print_json
    from gatework.cli.show_detect import print_detect
    from gatework.cli.show_labelled import print_labelled
    from gatework.errors import ConfigError
    from gatework.files import write_atomically

    step = whole_number("--stride", stride, 1, 10**9) if stride else None
    if output is not None:
        check_result_file(output, data)
        if output.suffix.lower() != ".json" and (output.is_file() or not output.exists()):
            raise ConfigError(
                f"{output}: scores are written as JSON. Name a file that ends in .json."
            )
    loaded = load_model(model, data)
    options = given_options(
        loaded, ignore_extra, resample, mend, skip_bad, stride=step, label=label, normal=normal
    )
    evaluation = loaded.evaluate(data, **options).to_json()
    if output is not None:
        write_atomically(output, (dumps(evaluation, indent=1, ensure_ascii=False) + "\n").encode())
    if json:
        print_json(evaluation)
    else:
        show = {"forecast": print_evaluation, "detect": print_detect}
        show.get(loaded.name, print_labelled)(evaluation)
