"""``gatework cells``."""

from __future__ import annotations

from typing import Annotated

import typer

from gatework.cells import CELLS
from gatework.cli.common import Debug


def register(app: typer.Typer, line: str) -> None:
    """Add the verb."""
    app.command("cells", help=line)(cells)


def cells(
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    debug: Debug = False,
) -> None:
    """Print every cell: its name, what sets it apart, where it comes from."""
    if json:
        from gatework.cli.show import print_json

        rows = [
            {
                "name": cell.name,
                "title": cell.title,
                "summary": cell.summary,
                "source": cell.source,
                "layer": f"gatework.nn.{cell.layer}",
                "states": list(cell.states),
                "forecaster": cell.forecasts,
            }
            for cell in CELLS.values()
        ]
        print_json(rows)
        return
    for cell in CELLS.values():
        only = "" if cell.forecasts else " (a layer; not of a forecaster)"
        print(f"{cell.name}{only}: {cell.title}")
        print(f"    {cell.summary}")
        print(f"    {cell.source}; gatework.nn.{cell.layer}")
