"""``gatework demo forecast``: real measurements, from table to report."""

from __future__ import annotations

import csv
import importlib.util
import io
import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from gatework.cli.common import Debug
from gatework.errors import ConfigError, MissingDependencyError, nearest

# Half a year ahead, from three years of weeks.
COMMAND = ("--target", "co2", "--horizon", "26")


def register(app: typer.Typer, line: str) -> None:
    """Add the verb."""
    app.command("demo", help=line)(demo)


def demo(
    name: Annotated[str, typer.Argument(help="Which: forecast.")] = "forecast",
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for data, model and report.")
    ] = Path("demo"),
    debug: Debug = False,
) -> None:
    """Forecast weekly carbon dioxide at Mauna Loa, 1958 to 2001, beside the naive forecasts."""
    if name != "forecast":
        raise ConfigError(f"there is no demo {name!r}. {nearest(name, ['forecast'])}")
    from gatework.cli.main import main
    from gatework.files import check_can_create, write_atomically

    check_can_create(output)
    output.mkdir(parents=True, exist_ok=True)
    table = output / "co2.csv"
    write_atomically(table, co2_csv())
    print(
        "Atmospheric CO2 at Mauna Loa, weekly (Keeling & Whorf), 59 weeks missing; from statsmodels."
    )
    steps = (
        ["fit", "forecast", str(table), *COMMAND, "-o", str(output / "model")],
        ["predict", str(output / "model"), str(table), "-o", str(output / "forecast.csv")],
    )
    for step in steps:
        print(f"\n$ gatework {' '.join(step)}", flush=True)
        try:
            main(step)
        except SystemExit as ended:
            if ended.code:
                raise
    sys.stdout.flush()
    print(f"\nOpen {output / 'model' / 'report.html'} in a browser.")


def co2_csv() -> bytes:
    """The table as statsmodels ships it, its dates (19580329) spelled 1958-03-29.

    Found without importing statsmodels, which would take longer than the training.
    """
    package = importlib.util.find_spec("statsmodels")
    if package is None or package.submodule_search_locations is None:
        raise MissingDependencyError(
            "the demo's data come with statsmodels, which is not installed: pip install 'gatework[demo]'"
        )
    path = Path(package.submodule_search_locations[0]) / "datasets" / "co2" / "co2.csv"
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["date", "co2"])
    for day, value in rows[1:]:
        writer.writerow([date(int(day[:4]), int(day[4:6]), int(day[6:8])).isoformat(), value])
    return out.getvalue().encode()
