"""``gatework bench``: torch and Gatework side by side on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated, Any

import typer

from gatework._version import __version__
from gatework.cli.common import Debug, Quiet
from gatework.errors import MissingDependencyError

MAX_THREADS = 256
MAX_SECONDS = 86_400


def register(app: typer.Typer, line: str) -> None:
    """Add the verb."""
    app.command("bench", help=line)(bench)


def bench(
    threads: Annotated[
        str | None,
        typer.Option(help="Threads of both (default: torch's own number).", metavar="INTEGER"),
    ] = None,
    seconds: Annotated[
        str, typer.Option(help="About how long it takes in all.", metavar="INTEGER")
    ] = "60",
    quiet: Quiet = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print everything measured as JSON.", show_default=False)
    ] = False,
    debug: Debug = False,
) -> None:
    """Time recurrent layers of torch and of Gatework: the same weights, results compared first."""
    from gatework.cli.options import whole_number

    count = None if threads is None else whole_number("--threads", threads, 1, MAX_THREADS)
    budget = whole_number("--seconds", seconds, 1, MAX_SECONDS)
    from gatework.bench.machine import engine, machine

    engine_facts = engine()
    if "paths" not in engine_facts:
        raise MissingDependencyError(engine_facts["engine"])
    _torch_waits_as_it_would()
    import torch

    from gatework.bench.measure import measure
    from gatework.bench.peak import measure_peak
    from gatework.bench.rows import ROWS
    from gatework.cli.show import print_bench, print_json

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        peak = measure_peak()
        facts: dict[str, Any] = {
            **machine(),
            **engine_facts,
            "gatework": __version__,
            "torch": version("torch"),
            "threads": torch.get_num_threads(),
            "dtype": "float32",
            "peak_gflops": peak.gflops,
            "peak": peak.how,
        }
        rows = []
        with _told([work.name for work in ROWS], quiet or json) as tell:
            for work in ROWS:
                tell(work.name)
                rows.append(measure(work, budget / len(ROWS), peak))
    finally:
        torch.set_num_threads(before)
    if json:
        print_json({**facts, "rows": rows})
    else:
        print_bench(facts, rows)


def _torch_waits_as_it_would() -> None:
    """Before torch is first imported: without the way of waiting that `import gatework` chose for it.

    Torch's threads read it once; what is measured here is torch as it comes.
    """
    if "torch" not in sys.modules and os.environ.get("OMP_WAIT_POLICY") == "passive":
        del os.environ["OMP_WAIT_POLICY"]


@contextmanager
def _told(names: list[str], quiet: bool) -> Iterator[Any]:
    """``tell(name)`` on standard error as a row begins: a bar on a terminal, else a line."""
    if quiet:
        yield lambda name: None
    elif not sys.stderr.isatty():
        yield lambda name: print(f"measuring {name}", file=sys.stderr, flush=True)
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (BarColumn(), TextColumn("{task.description}"))
        console = Console(stderr=True)
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task("", total=len(names), completed=-1)
            yield lambda name: progress.update(bar, description=name, advance=1)
