"""The page of every cell that a forecaster can have: it is written, and says what that cell has."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from gatework import Forecaster
from gatework.cells import CELLS
from gatework.insight.forecast import inspect_forecaster
from gatework.report.inspect import render
from gatework.report.inspect_figures import flow_name

pytest.importorskip("plotly")

RECURRENT = [c.name for c in CELLS.values() if c.forecasts and c.layer != "FeedForward"]


@cache
def found(cell: str, layers: int = 1) -> dict[str, Any]:
    """What is found in a tiny model of this cell."""
    t = np.arange(160)
    y = np.sin(t / 4) + np.random.default_rng(0).normal(0, 0.1, len(t))
    model = Forecaster(
        cell=cell, horizon=3, context=8, hidden_size=4, num_layers=layers, max_epochs=1, batch_size=64
    ).fit(y)  # fmt: skip
    return inspect_forecaster(model, y, compare=False, window=0)


@pytest.mark.parametrize("cell", RECURRENT)
def test_the_page_of_every_cell_is_written(cell: str) -> None:
    facts = found(cell)
    text = render(facts)
    assert CELLS[cell].title in text
    own = [x["state"] for x in facts["flow"] if x["name"] == "this model"]
    assert own == list(CELLS[cell].states[:2])


def test_a_state_without_a_name_is_drawn_too() -> None:
    facts = found("slstm")
    line = {"name": "this model", "state": "n", "share": facts["flow"][0]["share"]}
    assert flow_name(line) == "this model, by its state n"
    assert flow_name(line) in render({**facts, "flow": [*facts["flow"], line]})
