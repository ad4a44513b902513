"""docs/cells.md says of each cell what the table, the docstrings and the layers say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from gatework.cells import CELLS, Cell

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cells.md"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "cells_table", ROOT / "scripts" / "cells_table.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current(script: ModuleType) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert script.with_tables(page) == page, "run: python scripts/cells_table.py --write"
    stale = page.replace("a cell state that an input gate writes", "a cell state")
    assert stale != page
    assert script.with_tables(stale) == page


def test_every_cell_has_its_row_everywhere() -> None:
    page = PAGE.read_text(encoding="utf-8")
    advice = page.split("## Which to take", 1)[1].split("\n## ", 1)[0]
    advised = re.findall(r"`(\w+)`", "".join(re.findall(r"^\|(.+?)\|", advice, re.MULTILINE)))
    assert sorted(advised) == sorted(CELLS), "docs/cells.md, Which to take: a line for each cell"
    for name in set(CELLS) - {"feedforward"}:
        assert re.search(rf"^\*\*.*`{name}`.*\*\*: ", page, re.MULTILINE), name


# What must follow from a row of the engine's cells; the script asks the layers themselves.
RULES = {
    "`bidirectional`": lambda row: True,
    "`recurrent_dropout`": lambda row: bool(row.h_gates),
    "`zoneout` of h": lambda row: True,
    "`zoneout` of c": lambda row: row.zones,
    "`weight_drop`": lambda row: bool(row.h_gates),
    "`residual`": lambda row: True,
    "`learned_state`": lambda row: len(row.states) <= 2,
    "`forget_bias`": lambda row: "f" in row.x_gates,
    "`proj_size`": lambda row: row.projects,
}


@pytest.mark.parametrize(
    "row", [r for r in CELLS.values() if r.code is not None], ids=lambda r: r.name
)
def test_options_follow_from_the_table(script: ModuleType, row: Cell) -> None:
    for option, rule in RULES.items():
        assert script.takes(row.name, option) == rule(row), option


def test_every_cell_streams_and_can_be_reset(script: ModuleType) -> None:
    for row in script.ROWS:
        assert script.resets(row.name), row.name
        assert script.streams(row.name), row.name


def test_an_equation_is_found_or_asked_for(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert script.equation("LSTMWithoutInputGate") == "c' = f * c + g"
    assert script.equation("LSTM").startswith("i = σ(W_ii x")
    monkeypatch.setattr(script.gatework.nn, "GRU", type("GRU", (), {"__doc__": "A ``GRU``."}))
    with pytest.raises(ValueError, match="GRU: its docstring has no equation"):
        script.equation("GRU")
