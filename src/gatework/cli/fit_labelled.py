"""``gatework fit classify | regress | tag``: sequences of any kind with labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gatework.cli.common import Debug, Quiet, data_option, parse_split

Source = Annotated[
    Path,
    typer.Argument(
        help="A folder with a folder per class, manifest.csv (path,label), a table, or a file of sequences.",
        metavar="DATA",
    ),
]
Tagged = Annotated[
    Path, typer.Argument(help="A CoNLL or CoNLL-U file, or a long table.", metavar="DATA")
]
Output = Annotated[
    Path, typer.Option("-o", "--output", help="Folder for the model.", metavar="MODEL")
]
Label = Annotated[str | None, data_option("Column of the labels (default: found).")]
Target = Annotated[str | None, data_option("Column of the numbers (default: found).")]
Text = Annotated[str | None, data_option("Column of the texts (default: found).")]
SeriesColumn = Annotated[
    str | None, data_option("Column that tells sequences apart in a long table (default: found).")
]
Time = Annotated[str | None, data_option("Time column of a long table (default: found).")]
Features = Annotated[
    list[str] | None, data_option("Column to read as numbers; repeat it (default: all others).")
]
Categorical = Annotated[
    list[str] | None, data_option("Column to read as categories; repeat it (default: texts).")
]
Group = Annotated[
    str | None,
    data_option("Column of what must not be in two parts, such as the speaker."),
]
Kind = Annotated[
    str | None,
    data_option(
        "How to read the data where that is ambiguous: series, wide, rows, text, words, events, audio, "
        "strokes, images or video.",
        "KIND",
    ),
]
TimeFormat = Annotated[
    str | None, data_option("Of ambiguous timestamps, such as %d/%m/%Y.", "FORMAT")
]
Split = Annotated[
    str | None,
    data_option(
        "Training, validation and test, as shares or counts of sequences (default: 0.8,0.1,0.1; of few "
        "data cross-validation in place of the second).",
        "A,B,C",
    ),
]
Validation = Annotated[
    Path | None, data_option("The validation part, in place of a share of DATA.", "DATA")
]
Test = Annotated[Path | None, data_option("The test part, in place of a share of DATA.", "DATA")]
SkipBad = Annotated[
    bool,
    typer.Option(
        "--skip-bad",
        help="Pass over items that cannot be read, and say how many.",
        show_default=False,
        rich_help_panel="Data",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Continue an interrupted training of the same data and settings.",
        show_default=False,
    ),
]
Threads = Annotated[str | None, typer.Option(help="Threads to compute with.", metavar="INTEGER")]
Json = Annotated[bool, typer.Option("--json", help="Print the scores as JSON.", show_default=False)]


def classify(
    data: Source,
    output: Output,
    settings: dict[str, Any],
    label: Label = None,
    text: Text = None,
    series: SeriesColumn = None,
    time: Time = None,
    features: Features = None,
    categorical: Categorical = None,
    group: Group = None,
    kind: Kind = None,
    time_format: TimeFormat = None,
    split: Split = None,
    validation: Validation = None,
    test: Test = None,
    skip_bad: SkipBad = False,
    resume: Resume = False,
    threads: Threads = None,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a classifier."""
    found = roles(
        label=label,
        text=text,
        series=series,
        time=time,
        features=features,
        categorical=categorical,
        group=group,
        kind=kind,
        time_format=time_format,
        split=split,
        validation=validation,
        test=test,
        skip_bad=skip_bad,
    )
    _train("classify", data, found, output, settings, resume, threads, quiet, json)


def regress(
    data: Source,
    output: Output,
    settings: dict[str, Any],
    target: Target = None,
    text: Text = None,
    series: SeriesColumn = None,
    time: Time = None,
    features: Features = None,
    categorical: Categorical = None,
    group: Group = None,
    kind: Kind = None,
    time_format: TimeFormat = None,
    split: Split = None,
    validation: Validation = None,
    test: Test = None,
    skip_bad: SkipBad = False,
    resume: Resume = False,
    threads: Threads = None,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a regressor."""
    found = roles(
        target=target,
        text=text,
        series=series,
        time=time,
        features=features,
        categorical=categorical,
        group=group,
        kind=kind,
        time_format=time_format,
        split=split,
        validation=validation,
        test=test,
        skip_bad=skip_bad,
    )
    _train("regress", data, found, output, settings, resume, threads, quiet, json)


def tag(
    data: Tagged,
    output: Output,
    settings: dict[str, Any],
    label: Label = None,
    series: SeriesColumn = None,
    time: Time = None,
    features: Features = None,
    categorical: Categorical = None,
    group: Group = None,
    kind: Kind = None,
    time_format: TimeFormat = None,
    split: Split = None,
    validation: Validation = None,
    test: Test = None,
    skip_bad: SkipBad = False,
    resume: Resume = False,
    threads: Threads = None,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a tagger."""
    found = roles(
        label=label,
        series=series,
        time=time,
        features=features,
        categorical=categorical,
        group=group,
        kind=kind,
        time_format=time_format,
        split=split,
        validation=validation,
        test=test,
        skip_bad=skip_bad,
    )
    _train("tag", data, found, output, settings, resume, threads, quiet, json)


def roles(split: str | None, **names: Any) -> dict[str, Any]:
    """The options of the panel "Data" as keywords of ``fit``."""
    lists = ("features", "categorical")
    return {
        "split": parse_split(split),
        **{name: (value or []) if name in lists else value for name, value in names.items()},
    }


def _train(
    task: str,
    data: Path,
    found: dict[str, Any],
    output: Path,
    settings: dict[str, Any],
    resume: bool,
    threads: str | None,
    quiet: bool,
    json: bool,
) -> None:
    from gatework.cli.show_labelled import print_labelled
    from gatework.cli.training import train_and_save
    from gatework.tasks.registry import task_class

    train_and_save(
        lambda: task_class(task)(**settings),
        data,
        found,
        output,
        print_labelled,
        resume=resume,
        threads=threads,
        quiet=quiet,
        json=json,
    )
