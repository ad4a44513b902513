"""What several verbs offer: the options that mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gatework.errors import DataError, ModelFileError, OutputError

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
