"""What several verbs offer: the options that mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gatework.errors import ModelFileError

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
    """The saved model; a message of its own where the two arguments were exchanged."""
    if model.is_file() and (data / "config.json").is_file():
        raise ModelFileError(
            f"{model} is a file and {data} is a model's folder: the model comes first, then the table."
        )
    from gatework.tasks.registry import load

    return load(model)
