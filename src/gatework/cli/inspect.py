"""``gatework inspect MODEL [DATA] [-o PAGE]``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gatework.cli.common import (
    Debug,
    IgnoreExtra,
    Mend,
    Model,
    Quiet,
    Resample,
    check_result_file,
    load_model,
)
from gatework.errors import ConfigError


def register(app: typer.Typer, line: str) -> None:
    """Add the verb."""
    app.command("inspect", help=line)(inspect)


def inspect(
    model: Model,
    data: Annotated[
        Path | None,
        typer.Argument(
            help="Table to look at it with; without one the model is described.", metavar="[DATA]"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Page to write, an .html file.", metavar="FILE"),
    ] = None,
    series: Annotated[str | None, typer.Option(help="Series to look at.", metavar="NAME")] = None,
    window: Annotated[
        str | None,
        typer.Option(
            help="Window to draw, from 0, or from -1, the last; a few without it.",
            metavar="INTEGER",
        ),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare/--no-compare", help="Train a plain RNN of the same size beside it."
        ),
    ] = True,
    ignore_extra: IgnoreExtra = False,
    resample: Resample = None,
    mend: Mend = False,
    quiet: Quiet = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print what was found as JSON.", show_default=False)
    ] = False,
    debug: Debug = False,
) -> None:
    """Look inside a model: gates, memory, gradients, and which inputs count."""
    from gatework.cli.options import whole_number
    from gatework.files import write_atomically

    if data is None:
        given = [
            n
            for n, v in (("-o", output), ("--series", series), ("--window", window))
            if v is not None
        ]
        if given:
            raise ConfigError(f"{given[0]} needs a table: gatework inspect MODEL DATA {given[0]} …")
        _describe(model, json)
        return
    if output is None and not json:
        raise ConfigError("name the page to write, -o gates.html, or ask for --json.")
    if output is not None:
        check_result_file(output, data)
        if output.suffix.lower() not in (".html", ".htm"):
            raise ConfigError(f"{output}: the page is HTML. Name a file that ends in .html.")
    number = None if window is None else whole_number("--window", window, -(10**9), 10**9)
    found = _look(model, data, series, number, compare, ignore_extra, resample, mend, quiet or json)
    if output is not None:
        from gatework.report.inspect import render

        write_atomically(output, render(found).encode())
    if json:
        from gatework.cli.show import print_json

        print_json(found)
    elif not quiet:
        from gatework.report.inspect_figures import flow_words, reach_words

        for layer in found["layers"]:
            if layer["half_life"] is not None:
                print(reach_words(found, layer))
        print(flow_words(found))
        print(f"page written to {output}")


def _look(
    model: Path,
    data: Path,
    series: str | None,
    window: int | None,
    compare: bool,
    ignore_extra: bool,
    resample: str | None,
    mend: bool,
    quiet: bool,
) -> dict[str, Any]:
    loaded = load_model(model, data)
    if loaded.name != "forecast":
        shown = (
            "what was odd about each alarm, channel by channel"
            if loaded.name == "detect"
            else "which steps spoke for its mistakes"
        )
        raise ConfigError(
            f"a page of gates is made of forecasters so far, and {model} is a model of the task "
            f"{loaded.name!r}. `gatework inspect {model}` tells of its layers; its report.html shows {shown}."
        )
    from gatework.insight.forecast import inspect_forecaster
    from gatework.train.progress import make_progress

    return inspect_forecaster(
        loaded,
        data,
        series=series,
        window=window,
        compare=compare,
        extra="ignore" if ignore_extra else "error",
        resample=resample,
        mend=mend,
        progress=make_progress(quiet),
    )


def _describe(model: Path, json: bool) -> None:
    """The model alone."""
    from gatework.cli.show import print_json, print_model
    from gatework.insight.describe import describe
    from gatework.tasks.registry import load

    found = describe(load(model).network_)
    if json:
        print_json(found)
    else:
        print_model(found)
