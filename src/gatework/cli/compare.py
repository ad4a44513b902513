"""``gatework compare TASK DATA -o PAGE``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from gatework.cli.common import DATA, MAX_THREADS, Debug, Quiet, check_result_file
from gatework.cli.fit import COMMANDS, ROLES
from gatework.cli.options import whole_number, with_config_options
from gatework.errors import ConfigError, OutputError
from gatework.tasks.registry import TASKS, config_class

COMPARED = "Comparison"
MAX_SEEDS, MAX_CONTEXT = 1000, 1_000_000


def register(app: typer.Typer, line: str) -> None:
    """Add the verb with a sub-command for each task."""
    group = typer.Typer(help=line)
    for task, entry in TASKS.items():
        # What `fit` varies by cell is not an option here, the cell itself least of all.
        command = with_config_options(config_class(task), _command(task), without=("cell",))
        group.command(
            task,
            help=f"Train models of {entry.text} with several cells, and say what their difference is.",
        )(command)
    app.add_typer(group, name="compare", help=line)


def _option(flag: str, text: str, metavar: str) -> Any:
    return typer.Option(flag, help=text, rich_help_panel=COMPARED, metavar=metavar)


def _compare(
    task: str,
    roles: dict[str, Any],
    data: Annotated[
        Path, typer.Argument(help="Table: .csv, .tsv, .parquet, .json or .jsonl.", metavar="DATA")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The page to write.", metavar="PAGE.html")
    ],
    settings: dict[str, Any],
    cells: Annotated[
        str | None,
        _option(
            "--cells",
            "Cells with commas between them, or 'all' (default: feedforward,rnn,gru,lstm).",
            "A,B,…",
        ),
    ] = None,
    seeds: Annotated[
        str, _option("--seeds", "Trainings of each cell (default: 3).", "INTEGER")
    ] = "3",
    budget: Annotated[
        str,
        _option(
            "--budget",
            "What each gets the same of: parameters, epochs, or time such as 60s (default: parameters).",
            "WHAT",
        ),
    ] = "parameters",
    contexts: Annotated[
        str | None,
        _option("--contexts", "Also how far back a cell looks: steps with commas.", "A,B,…"),
    ] = None,
    runs: Annotated[
        Path | None,
        _option("--runs", "Folder that keeps the trainings (default: beside the page).", "DIR"),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the trainings in that folder; cells and seeds may be more.",
            show_default=False,
            rich_help_panel=COMPARED,
        ),
    ] = False,
    threads: Annotated[
        str | None, typer.Option(help="Threads to compute with.", metavar="INTEGER")
    ] = None,
    quiet: Quiet = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print everything as JSON.", show_default=False)
    ] = False,
    debug: Debug = False,
) -> None:
    """Compare cells."""
    count = whole_number("--seeds", seeds, 1, MAX_SEEDS)
    lengths = _lengths(contexts)
    check_result_file(output, data)
    if output.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"{output}: the page is HTML. Name a file that ends in .html.")
    if output.exists() and not resume:
        raise OutputError(
            f"{output}: is there already. Name another page, or go on with its comparison (--resume)."
        )
    import torch

    from gatework.cli.show import print_json
    from gatework.cli.show_compare import print_comparison
    from gatework.comparison.loop import compare
    from gatework.comparison.telling import make_teller
    from gatework.report.page import plotly_source

    plotly_source()  # without it there is no page: said now, not after the trainings
    if threads is not None:
        torch.set_num_threads(whole_number("--threads", threads, 1, MAX_THREADS))
    folder = runs if runs is not None else output.with_suffix(".runs")
    found = compare(
        task,
        data,
        cells=cells,
        seeds=count,
        budget=budget,
        contexts=lengths,
        runs=folder,
        resume=resume,
        teller=make_teller(quiet or json),
        **settings,
        **ROLES[task](**roles),
    )
    found.save(output)
    if json:
        print_json(found.to_json())
        return
    print_comparison(found.facts)
    print(f"page: {output}, trainings: {folder}")
    if found.facts["interrupted"]:
        print("interrupted: run the same command with --resume to go on")


def _lengths(text: str | None) -> list[int]:
    parts = [] if text is None else text.split(",")
    return [whole_number("--contexts", part.strip(), 1, MAX_CONTEXT) for part in parts]


def _command(task: str) -> Callable[..., None]:
    """``_compare`` for a task, with the options of its ``fit`` that say how to read the data."""
    fit, hints = COMMANDS[task], get_type_hints(COMMANDS[task], include_extras=True)
    of_data = [
        p.replace(annotation=hints[p.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for p in inspect.signature(fit).parameters.values()
        if any(
            getattr(extra, "rich_help_panel", None) == DATA
            for extra in getattr(hints[p.name], "__metadata__", ())
        )
    ]
    own_hints = get_type_hints(_compare, include_extras=True)
    own = [
        p.replace(annotation=own_hints[p.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for p in inspect.signature(_compare).parameters.values()
        if p.name not in ("task", "roles")
    ]
    names = [p.name for p in of_data]

    def run(**arguments: Any) -> None:
        roles = {name: arguments.pop(name) for name in names}
        _compare(task, roles, **arguments)

    run.__signature__ = inspect.Signature([*own, *of_data])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in (*own, *of_data)}
    run.__doc__ = _compare.__doc__
    return run
