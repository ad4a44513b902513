"""``gatework fit TASK DATA -o MODEL``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gatework.cli.common import Debug, Quiet
from gatework.cli.options import whole_number, with_config_options
from gatework.data.split import check_split
from gatework.errors import ConfigError, GateworkError, OutputError
from gatework.tasks.registry import TASKS, config_class

DATA = "Data"
MAX_THREADS = 256  # torch itself crashes when asked for tens of thousands


def register(app: typer.Typer, line: str) -> None:
    """Add the verb with a sub-command for each task."""
    group = typer.Typer(help=line)
    for task, entry in TASKS.items():
        command = with_config_options(config_class(task), COMMANDS[task])
        group.command(
            task,
            help=f"Train a model of {entry.text}, judge it beside naive forecasts, and save it.",
        )(command)
    app.add_typer(group, name="fit", help=line)


def _data(text: str, metavar: str = "COLUMN") -> Any:
    return typer.Option(help=text, rich_help_panel=DATA, metavar=metavar)


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
        _data("Column to forecast; repeat it, or 'all' (default: the one there is)."),
    ] = None,
    time: Annotated[
        str | None,
        _data("Time column, or 'none' to take the rows in their order (default: found)."),
    ] = None,
    series: Annotated[
        str | None, _data("Column that tells the series apart (default: found).")
    ] = None,
    past: Annotated[list[str] | None, _data("Covariate known up to now; repeat it.")] = None,
    known: Annotated[
        list[str] | None, _data("Covariate known over the horizon too; repeat it.")
    ] = None,
    static: Annotated[
        list[str] | None, _data("Column that is constant in a series; repeat it.")
    ] = None,
    categorical: Annotated[
        list[str] | None, _data("Covariate to read as a category; repeat it.")
    ] = None,
    time_format: Annotated[
        str | None, _data("Of ambiguous timestamps, such as %d/%m/%Y.", "FORMAT")
    ] = None,
    split: Annotated[
        str | None,
        _data(
            "Training, validation and test in time order, as shares or row counts "
            "(default: 0.7,0.1,0.2).",
            "A,B,C",
        ),
    ] = None,
    resample: Annotated[
        str | None, _data("Put the rows on this grid first, such as 1h.", "STEP")
    ] = None,
    mend: Annotated[
        bool,
        typer.Option(
            "--mend",
            help="Sort rows and merge duplicates instead of refusing.",
            show_default=False,
            rich_help_panel=DATA,
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue an interrupted training of the same data and settings.",
            show_default=False,
        ),
    ] = False,
    threads: Annotated[
        str | None, typer.Option(help="Threads to compute with.", metavar="INTEGER")
    ] = None,
    quiet: Quiet = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the scores as JSON.", show_default=False)
    ] = False,
    debug: Debug = False,
) -> None:
    """Train a forecaster."""
    import torch

    from gatework.cli.show import print_evaluation, print_json
    from gatework.model_files import CHECKPOINT, check_output_folder
    from gatework.tasks.forecast import Forecaster
    from gatework.train.progress import make_progress

    if threads is not None:
        torch.set_num_threads(whole_number("--threads", threads, 1, MAX_THREADS))
    model = Forecaster(**settings)
    roles = forecast_roles(
        target=target,
        time=time,
        series=series,
        past=past,
        known=known,
        static=static,
        categorical=categorical,
        time_format=time_format,
        split=split,
        resample=resample,
        mend=mend,
    )
    check_output_folder(output)
    progress = make_progress(quiet or json)
    checkpoint = output / CHECKPOINT
    if resume and not checkpoint.is_file():
        progress.message(
            f"--resume: {output} holds no checkpoint; training starts from the beginning"
        )
    try:
        model.fit(data, **roles, checkpoint=output, resume=resume, progress=progress)
        interrupted = model.training_.stopped == "interrupted"
        model.save(output, keep_checkpoint=interrupted)
    except OutputError as error:
        if not checkpoint.is_file():
            raise
        raise OutputError(
            f"{error} {checkpoint} is kept: the same command with --resume goes on from it."
        ) from None
    except KeyboardInterrupt:
        if not checkpoint.is_file():
            raise
        raise GateworkError(
            f"interrupted; {checkpoint} is kept: run the same command with --resume to go on from it"
        ) from None
    evaluation = model.metrics_["evaluation"]
    if json:
        # "model" in the evaluation is the model's scores, so its place has another name
        print_json({"folder": str(output), "stopped": model.training_.stopped, **evaluation})
        return
    print_evaluation(evaluation)
    report = output / "report.html"
    print(f"model saved in {output}" + (f", report: {report}" if report.is_file() else ""))
    if interrupted:
        print("interrupted: run the same command with --resume to train on")


def forecast_roles(
    target: list[str] | None, split: str | None, mend: bool, **names: Any
) -> dict[str, Any]:
    """The options of the panel "Data" as keywords of ``Forecaster.fit``."""
    lists = ("past", "known", "static", "categorical")
    return {
        "target": target[0] if target and len(target) == 1 else target or None,
        "split": _parse_split(split),
        "mend": mend,
        **{name: (value or []) if name in lists else value for name, value in names.items()},
    }


# task -> its command; a task that is in the registry must be here
COMMANDS = {"forecast": forecast}
# task -> its options of the panel "Data" as keywords of its `fit`; `compare` takes the same options
ROLES = {"forecast": forecast_roles}


def _parse_split(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(
            f"--split: {text!r} is not three numbers, such as 0.7,0.1,0.2 or 8640,2880,2880."
        ) from None
    return check_split(numbers)
