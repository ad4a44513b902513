"""``gatework fit TASK DATA -o MODEL``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from gatework.cli import fit_detect as detecting
from gatework.cli import fit_labelled as labelled
from gatework.cli.common import DATA, Debug, Quiet, data_option, parse_split
from gatework.cli.options import with_config_options
from gatework.tasks.registry import TASKS, config_class


def register(app: typer.Typer, line: str) -> None:
    """Add the verb with a sub-command for each task."""
    group = typer.Typer(help=line)
    for task, entry in TASKS.items():
        command = with_config_options(config_class(task), COMMANDS[task])
        group.command(
            task,
            help=f"Train a model of {entry.text}, judge it beside naive answers, and save it.",
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
        data_option("Column to forecast; repeat it, or 'all' (default: the one there is)."),
    ] = None,
    time: Annotated[
        str | None,
        data_option("Time column, or 'none' to take the rows in their order (default: found)."),
    ] = None,
    series: Annotated[
        str | None, data_option("Column that tells the series apart (default: found).")
    ] = None,
    past: Annotated[list[str] | None, data_option("Covariate known up to now; repeat it.")] = None,
    known: Annotated[
        list[str] | None, data_option("Covariate known over the horizon too; repeat it.")
    ] = None,
    static: Annotated[
        list[str] | None, data_option("Column that is constant in a series; repeat it.")
    ] = None,
    categorical: Annotated[
        list[str] | None, data_option("Covariate to read as a category; repeat it.")
    ] = None,
    time_format: Annotated[
        str | None, data_option("Of ambiguous timestamps, such as %d/%m/%Y.", "FORMAT")
    ] = None,
    split: Annotated[
        str | None,
        data_option(
            "Training, validation and test in time order, as shares or row counts "
            "(default: 0.7,0.1,0.2).",
            "A,B,C",
        ),
    ] = None,
    resample: Annotated[
        str | None, data_option("Put the rows on this grid first, such as 1h.", "STEP")
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
    from gatework.cli.show import print_evaluation
    from gatework.cli.training import train_and_save
    from gatework.tasks.forecast import Forecaster

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
    train_and_save(
        lambda: Forecaster(**settings),
        data,
        roles,
        output,
        print_evaluation,
        resume=resume,
        threads=threads,
        quiet=quiet,
        json=json,
    )


def forecast_roles(
    target: list[str] | None, split: str | None, mend: bool, **names: Any
) -> dict[str, Any]:
    """The options of the panel "Data" as keywords of ``Forecaster.fit``."""
    lists = ("past", "known", "static", "categorical")
    return {
        "target": target[0] if target and len(target) == 1 else target or None,
        "split": parse_split(split),
        "mend": mend,
        **{name: (value or []) if name in lists else value for name, value in names.items()},
    }


# task -> its command; a task that is in the registry must be here
COMMANDS: dict[str, Callable[..., None]] = {
    "forecast": forecast,
    "classify": labelled.classify,
    "regress": labelled.regress,
    "detect": detecting.detect,
    "tag": labelled.tag,
}
# task -> its options of the panel "Data" as keywords of its `fit`; `compare` takes the same options
ROLES: dict[str, Callable[..., dict[str, Any]]] = {
    "forecast": forecast_roles,
    "classify": labelled.roles,
    "regress": labelled.roles,
    "detect": detecting.roles,
    "tag": labelled.roles,
}
