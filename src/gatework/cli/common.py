"""What several verbs offer: the options that mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gatework.errors import ConfigError, DataError, ModelFileError, OutputError

DATA = "Data"  # the panel of options that say how to read the data
MAX_THREADS = 256  # torch itself crashes when asked for tens of thousands
# task -> what `predict` and `evaluate` of its models take beside the data; of the others, `_LABELLED`
_OPTIONS = {
    "forecast": {"extra", "resample", "mend", "stride"},
    "detect": {"mend", "label", "normal"},
}
_LABELLED = {"skip_bad"}

Model = Annotated[Path, typer.Argument(help="Folder of a saved model.", metavar="MODEL")]
IgnoreExtra = Annotated[
    bool,
    typer.Option(
        "--ignore-extra",
        help="Pass over columns that the training table did not have.",
        show_default=False,
    ),
]
Mend = Annotated[
    bool,
    typer.Option(
        "--mend",
        help="Sort rows and merge duplicates instead of refusing.",
        show_default=False,
    ),
]
Resample = Annotated[
    str | None,
    typer.Option(help="Put the rows on the model's grid first, such as 1h.", metavar="STEP"),
]
SkipBad = Annotated[
    bool,
    typer.Option(
        "--skip-bad",
        help="Pass over sequences that cannot be read, and say how many.",
        show_default=False,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", help="Print results only, nothing on standard error.", show_default=False
    ),
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error.", show_default=False)
]


def load_model(model: Path, data: Path) -> Any:
    """The saved model; messages of their own where the two arguments were mixed up."""
    if (data / "config.json").is_file():
        if model.is_file():
            raise ModelFileError(
                f"{model} is a file and {data} is a model's folder: the model comes first, then the table."
            )
        raise DataError(f"{data} is a model's folder, not a table. Name a table after the model.")
    from gatework.tasks.registry import load

    return load(model)


def check_result_file(output: Path, data: Path) -> None:
    """Raise early when ``output`` cannot be written, or is the table that is to be read."""
    from gatework.files import check_writable

    if output.exists() and data.exists() and output.samefile(data):
        raise OutputError(f"{output} is the table itself, which would be lost. Name another file.")
    check_writable(output)


def data_option(text: str, metavar: str = "COLUMN") -> Any:
    """An option of the panel "Data"."""
    return typer.Option(help=text, rich_help_panel=DATA, metavar=metavar)


def parse_split(text: str | None) -> tuple[float, float, float] | None:
    """Three shares or counts with commas between them."""
    if text is None:
        return None
    from gatework.data.split import check_split  # numpy: not for --help

    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(
            f"--split: {text!r} is not three numbers, such as 0.7,0.1,0.2 or 8640,2880,2880."
        ) from None
    return check_split(numbers)


def given_options(
    model: Any,
    ignore_extra: bool,
    resample: str | None,
    mend: bool,
    skip_bad: bool,
    **others: Any,
) -> dict[str, Any]:
    """The options that the user gave as keywords of the model's ``predict`` or ``evaluate``.

    Raises:
        ConfigError: one that goes with another task.
    """
    given = {
        "extra": "ignore" if ignore_extra else None,
        "resample": resample,
        "mend": mend or None,
        "skip_bad": skip_bad or None,
        **others,
    }
    found = {name: value for name, value in given.items() if value is not None}
    for name in found:
        if name not in _OPTIONS.get(model.name, _LABELLED):
            flag = "--ignore-extra" if name == "extra" else f"--{name.replace('_', '-')}"
            raise ConfigError(
                f"{flag} does not go with a model of the task {model.name!r}. Leave it out."
            )
    if "mend" in found and model.name == "detect" and model.kind_ != "metrics":
        raise ConfigError(
            f"--mend sorts the rows of a table, and this detector was fitted with data of the kind "
            f"{model.kind_!r}. Leave it out."
        )
    return found
