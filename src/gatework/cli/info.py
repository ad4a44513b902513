"""``gatework info``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from gatework._version import __version__
from gatework.cli.common import Debug

PACKAGES = ("torch", "numpy", "polars", "safetensors", "pydantic", "plotly", "statsmodels")


def register(app: typer.Typer, line: str) -> None:
    """Add the verb."""
    app.command("info", help=line)(info)


def info(
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    debug: Debug = False,
) -> None:
    """Print the engine's path, threads, versions and the machine."""
    from gatework.bench.machine import engine, machine

    engine_facts = engine()
    import torch

    facts: dict[str, Any] = {
        "gatework": __version__,
        **engine_facts,
        "threads": torch.get_num_threads(),
        **machine(),
        "python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    if json:
        from gatework.cli.show import print_json

        print_json(facts)
        return
    width = max(len(k) for k in facts)
    for key, value in facts.items():
        print(f"{key:<{width}}  {value}")
