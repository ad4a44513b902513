"""``gatework watch MODEL [FILE]``: rows as they come, alarms as they begin and end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gatework.cli.common import Debug, Model, Quiet
from gatework.errors import ConfigError, DataError, OutputError


def register(app: typer.Typer, line: str) -> None:
    """Add the verb."""
    app.command("watch", help=line)(watch)


def watch(
    model: Model,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="File that grows: a table, event sequences or a log, as the model was trained on. "
            "Without it standard input is read.",
            metavar="[FILE]",
        ),
    ] = None,
    follow: Annotated[
        bool | None,
        typer.Option(
            "--follow/--no-follow",
            help="Wait for more at the end of FILE, through rotations, or end there.",
            show_default="--follow",
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="File that keeps what was learned of the stream and the place in FILE, every few "
            "seconds and at the end; a later run goes on from it.",
            metavar="STATE",
        ),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Print every row: its number, score, threshold, and 1 in an alarm.",
            show_default=False,
        ),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object a line.", show_default=False)
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score rows as they come; alarms are printed as they begin and as they end."""
    if file is not None and str(file) == "-":
        file = None
    if file is None and follow is not None:
        raise ConfigError(
            "--follow and --no-follow go with a FILE: standard input is read until it ends. Leave "
            "them out, or name a file."
        )
    if state is not None:
        _check_state(state, file)
    stream = _stream_of(model, file)

    from gatework.cli.watch_loop import Watch

    Watch(stream, file, state, rows=every, json=json, quiet=quiet).run(follow is not False)


def _check_state(state: Path, file: Path | None) -> None:
    from gatework.files import check_writable

    if file is not None and state.exists() and file.exists() and state.samefile(file):
        raise OutputError(
            f"{state} is the file to be watched, which would be lost. Name another for --state."
        )
    check_writable(state)


def _stream_of(model: Path, file: Path | None) -> Any:
    if file is not None and not file.exists():
        raise DataError(f"{file}: there is no such file. Check the path.")
    if file is not None and file.is_dir():
        raise DataError(f"{file}: is a folder. The model comes first, then a file that grows.")
    from gatework.tasks.registry import load

    loaded = load(model)
    if loaded.name != "detect":
        raise ConfigError(
            f"{model} is a model of the task {loaded.name!r}; only a detector watches. Train one with "
            "gatework fit detect."
        )
    return loaded.stream()
