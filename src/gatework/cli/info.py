"""``gatework info``."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from gatework._version import __version__


def register(app: typer.Typer, line: str) -> None:
    """Add the verb."""
    app.command("info", help=line)(info)


def info(json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Print versions, threads and the machine."""
    import torch

    facts: dict[str, Any] = {
        "gatework": __version__,
        "layers": "torch.nn (LSTM, GRU, RNN)",
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    for package in ("torch", "numpy", "polars", "safetensors", "pydantic", "plotly", "statsmodels"):
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
