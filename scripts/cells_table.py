"""Print what docs/cells.md says of each cell, made from gatework.cells, the layers' docstrings and the layers.

python scripts/cells_table.py            prints the three parts
python scripts/cells_table.py --write    puts them into docs/cells.md, each between its two markers
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import gatework.nn
from gatework.cells import CELLS, Cell
from gatework.nn import make

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "cells.md"
# What benchmarks/engine/family.py measured; without this file no such column
COSTS = ROOT / "benchmarks" / "engine" / "results-family.json"
ROWS = [cell for cell in CELLS.values() if cell.name != "feedforward"]
# What a user may ask of a layer: the keywords that ask for it.
OPTIONS: dict[str, dict[str, Any]] = {
    "`bidirectional`": {"bidirectional": True},
    "`recurrent_dropout`": {"recurrent_dropout": 0.1},
    "`zoneout` of h": {"zoneout": (0.1, 0.0)},
    "`zoneout` of c": {"zoneout": (0.0, 0.1)},
    "`weight_drop`": {"weight_drop": 0.1},
    "`residual`": {"residual": True},
    "`learned_state`": {"learned_state": True},
    "`forget_bias`": {"forget_bias": 1.0},
    "`proj_size`": {"proj_size": 2},
    "`peepholes`": {"peepholes": True},
    "`num_heads`": {"num_heads": 2},
}


def takes(cell: str, option: str) -> bool:
    """Whether a cell's layer can be made with an option, and then runs."""
    try:
        layer = make(cell, 3, 4, **OPTIONS[option])
    except (TypeError, ValueError):
        return False
    layer(torch.zeros(1, 2, 3))
    return True


def resets(cell: str) -> bool:
    """Whether ``resets`` cut a sequence in two: the second half is as alone."""
    layer, x = make(cell, 3, 4).double(), torch.randn(1, 4, 3, dtype=torch.float64)
    cut = torch.tensor([[False, False, True, False]])
    return torch.allclose(layer(x, resets=cut)[0][:, 2:], layer(x[:, 2:])[0])


def streams(cell: str) -> bool:
    """Whether ``step`` after ``step`` is the sequence."""
    layer, x, state = make(cell, 3, 4).double(), torch.randn(1, 3, 3, dtype=torch.float64), None
    for t in range(3):
        y, state = layer.step(x[:, t], state)
    return torch.allclose(y, layer(x)[0][:, -1])


def measured() -> dict[str, float]:
    """Time of a training step relative to the plain LSTM's, of cells without options: B = 32, H = 128."""
    if not COSTS.is_file():
        return {}
    rows = json.loads(COSTS.read_text(encoding="utf-8"))["rows"]
    return {
        row["cell"]: row["ratios"]["gatework.nn / gatework.nn LSTM"]["ratio"]
        for row in rows
        if not row["options"] and (row["B"], row["H"], row["threads"]) == (32, 128, 1)
    }


def family() -> str:
    """Markdown table with a row per cell."""
    costs = measured()
    head = ["cell", "class", "what sets it apart", "source", *["time to the LSTM's"][: bool(costs)]]
    rows = [_line(head), _line(["---"] * len(head))]
    for cell in CELLS.values():
        told = [f"`{cell.name}`", f"`{cell.layer}`", cell.summary, cell.source]
        if costs:
            told.append(f"{costs[cell.name]:.2f}" if cell.name in costs else "")
        rows.append(_line(told))
    return "\n".join(rows)


def equations() -> str:
    """The equations of each layer's docstring, under its cells' names."""
    parts = []
    for layer in dict.fromkeys(cell.layer for cell in ROWS):
        own = [cell for cell in ROWS if cell.layer == layer]
        names = ", ".join(f"`{cell.name}`" for cell in own)
        state = f"State: `({', '.join(own[0].states)})`." if own[0].has_c else "State: `h`."
        title = own[0].title
        parts.append(f"**{names}**: {title}. {state}\n\n```text\n{equation(layer)}\n```")
    return "\n\n".join(parts)


def equation(layer: str) -> str:
    """The first block of a class's docstring, or its first formula."""
    told = inspect.getdoc(getattr(gatework.nn, layer)) or ""
    block = re.search(r"\.\. code-block:: text\n\n((?:(?:[ \t]+.*)?\n)+)", told + "\n")
    if block:
        return textwrap.dedent(block[1]).strip("\n")
    formula = re.search(r"``(\w'? = [^`]+)``", told)
    if formula is None:
        raise ValueError(f"{layer}: its docstring has no equation: give it one in ``…``.")
    return formula[1]


def options() -> str:
    """Markdown table: which option goes with which cell, found by asking for it."""
    columns: dict[str, Callable[[Cell], bool]] = {
        name: (lambda cell, name=name: takes(cell.name, name)) for name in OPTIONS
    }
    columns |= {
        "`resets`": lambda cell: resets(cell.name),
        "`step`": lambda cell: streams(cell.name),
    }
    rows = [_line(["cell", *columns]), _line(["---", *[":-:"] * len(columns)])]
    for cell in ROWS:
        rows.append(
            _line([f"`{cell.name}`", *("yes" if c(cell) else "" for c in columns.values())])
        )
    return "\n".join(rows)


PARTS: dict[str, Callable[[], str]] = {
    "family": family,
    "equations": equations,
    "options": options,
}


def with_tables(page: str) -> str:
    """``page`` with what lies between each two markers brought up to date."""
    for name, part in PARTS.items():
        begin, end = f"<!-- {name}: made by scripts/cells_table.py -->", f"<!-- end of {name} -->"
        before, rest = page.split(begin, 1)
        _, after = rest.split(end, 1)
        page = f"{before}{begin}\n{part()}\n{end}{after}"
    return page


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(text.replace('|', chr(92) + '|') for text in cells)} |"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print("\n\n".join(part() for part in PARTS.values()))
