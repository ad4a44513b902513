"""``gatework fit TASK DATA -o MODEL``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gatework.cli.options import with_config_options
from gatework.errors import ConfigError
from gatework.tasks.registry import TASKS, task_class

DATA = "Data"


def register(app: typer.Typer, line: str) -> None:
    """Add the verb with a sub-command for each task."""
    group = typer.Typer(help=line, no_args_is_help=True)
    for task, (_, _, text) in TASKS.items():
        command = with_config_options(task_class(task).Config, COMMANDS[task])
        group.command(
            task, help=f"Train a model of {text}, judge it beside naive forecasts, and save it."
        )(command)
    app.add_typer(group, name="fit", help=line)


def forecast(
    data: Annotated[
        Path, typer.Argument(help="Table: .csv, .tsv, .parquet, .json or .jsonl.", metavar="DATA")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for the model.", metavar="MODEL")
    ],
    settings: dict[str, Any],
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="Column to forecast; repeat it, or 'all' (default: the one there is).",
            rich_help_panel=DATA,
            metavar="COLUMN",
        ),
    ] = None,
    time: _column("Time column, or 'none' for the order of the rows (default: found).") = None,
    series: _column("Column that tells the series apart (default: found).") = None,
    past: _columns("Covariate known up to now; repeat it.") = None,
    known: _columns("Covariate known over the horizon too; repeat it.") = None,
    static: _columns("Column that is constant in a series; repeat it.") = None,
    categorical: _columns("Covariate to read as a category; repeat it.") = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Training, validation and test in time order, as shares or row counts. [default: 0.7,0.1,0.2]",
            rich_help_panel=DATA,
        ),
    ] = None,
    resample: Annotated[
        str | None,
        typer.Option(help="Put the rows on this grid first, such as 1h.", rich_help_panel=DATA),
    ] = None,
    mend: Annotated[
        bool,
        typer.Option(
            help="Sort rows and merge duplicates instead of refusing.", rich_help_panel=DATA
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option(help="Continue an interrupted training of the same data and settings.")
    ] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads to compute with.")] = None,
    quiet: Annotated[bool, typer.Option(help="Print results only.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Train a forecaster."""
    import torch

    from gatework.cli.show import print_evaluation, print_json
    from gatework.model_files import check_output_folder
    from gatework.tasks.forecast import Forecaster
    from gatework.train.progress import make_progress

    if threads is not None:
        torch.set_num_threads(threads)
    model = Forecaster(**settings)
    check_output_folder(output)
    progress = make_progress(quiet or json)
    model.fit(
        data,
        target=target or None,
        time=time,
        series=series,
        past=past or [],
        known=known or [],
        static=static or [],
        categorical=categorical or [],
        time_format=time_format,
        split=_parse_split(split),
        resample=resample,
        mend=mend,
        checkpoint=output,
        resume=resume,
        progress=progress,
    )
    interrupted = model.training_.stopped == "interrupted"
    model.save(output, keep_checkpoint=interrupted)
    evaluation = model.metrics_["evaluation"]
    if json:
        print_json({"model": str(output), "stopped": model.training_.stopped, **evaluation})
        return
    print_evaluation(evaluation)
    report = output / "report.html"
    print(f"model saved in {output}" + (f", report: {report}" if report.is_file() else ""))
    if interrupted:
        print("interrupted: run the same command with --resume to train on")


# task -> its command; a task that is in the registry must be here
COMMANDS = {"forecast": forecast}


def _parse_split(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(
            f"--split: {text!r} is not three numbers, such as 0.7,0.1,0.2 or 8640,2880,2880."
        ) from None
    return numbers  # type: ignore[return-value]
