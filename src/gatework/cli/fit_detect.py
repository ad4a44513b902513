"""``gatework fit detect``: what is normal in tables, event sequences and logs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gatework.cli.common import Debug, Quiet, data_option, parse_split
from gatework.cli.fit_labelled import Json, Output, Resume, Threads, TimeFormat


def detect(
    data: Annotated[
        Path,
        typer.Argument(
            help="A table (.csv, .tsv, .parquet, .jsonl …), a file of event sequences, or a log.",
            metavar="DATA",
        ),
    ],
    output: Output,
    settings: dict[str, Any],
    kind: Annotated[
        str | None,
        data_option(
            "metrics, events or log (default: a log where the name ends in .log, else a table).",
            "KIND",
        ),
    ] = None,
    time: Annotated[
        str | None,
        data_option("Time column, or 'none' to take the rows in their order (default: found)."),
    ] = None,
    series: Annotated[
        str | None, data_option("Column that tells several series apart, such as the host.")
    ] = None,
    label: Annotated[
        str | None,
        data_option(
            "Column that says which rows are anomalous; it judges and is not learned from."
        ),
    ] = None,
    normal: Annotated[
        str | None,
        data_option(
            "What a label says of normal rows (default: 0, false, normal and the like).", "WORD"
        ),
    ] = None,
    features: Annotated[
        list[str] | None, data_option("Column to read as numbers; repeat it (default: all others).")
    ] = None,
    categorical: Annotated[
        list[str] | None, data_option("Column to read as categories; repeat it (default: texts).")
    ] = None,
    session: Annotated[
        str | None,
        data_option(
            "Of a log: regular expression whose first group tells sessions apart.", "REGEX"
        ),
    ] = None,
    time_format: TimeFormat = None,
    mend: Annotated[
        bool,
        typer.Option(
            "--mend",
            help="Sort rows that are out of order instead of refusing them.",
            show_default=False,
            rich_help_panel="Data",
        ),
    ] = False,
    train_on: Annotated[
        str,
        data_option("all, or normal: leave rows labelled anomalous out of the training.", "WHICH"),
    ] = "all",
    split: Annotated[
        str | None,
        data_option(
            "Training, validation and test in time order, as shares or counts of rows or sessions "
            "(default: 0.7,0.15,0.15).",
            "A,B,C",
        ),
    ] = None,
    rows: Annotated[
        str | None,
        data_option(
            "Read at most the first so many rows, events or lines (default: 1,000,000).", "INTEGER"
        ),
    ] = None,
    continue_: Annotated[
        Path | None,
        typer.Option(
            "--continue",
            help="Train this saved detector on, its encoding kept.",
            metavar="MODEL",  # of the panel "Data" it is not: nothing to compare cells with
        ),
    ] = None,
    resume: Resume = False,
    threads: Threads = None,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Learn what is normal."""
    from gatework.cli.show_detect import print_detect
    from gatework.cli.training import train_and_save
    from gatework.tasks.detect import AnomalyDetector

    found = roles(
        kind=kind,
        time=time,
        series=series,
        label=label,
        normal=normal,
        features=features,
        categorical=categorical,
        session=session,
        time_format=time_format,
        mend=mend,
        train_on=train_on,
        split=split,
        rows=rows,
    )
    train_and_save(
        lambda: AnomalyDetector(**settings),
        data,
        found | {"continue_from": continue_},
        output,
        print_detect,
        resume=resume,
        threads=threads,
        quiet=quiet,
        json=json,
    )


def roles(split: str | None, rows: str | None, **names: Any) -> dict[str, Any]:
    """The options of the panel "Data" as keywords of ``AnomalyDetector.fit``."""
    from gatework.cli.options import whole_number

    lists = ("features", "categorical")
    found = {name: (value or []) if name in lists else value for name, value in names.items()}
    if rows is not None:
        found["rows"] = whole_number("--rows", rows, 1, 2**62)
    return {"split": parse_split(split), **found}
