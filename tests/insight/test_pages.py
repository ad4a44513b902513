"""The page of every cell that a forecaster can have: it is written, and says what that cell has."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pytest

from gatework import Forecaster
from gatework.cells import CELLS
from gatework.insight.forecast import inspect_forecaster
from gatework.report.inspect import render
from gatework.report.inspect_figures import flow_name, reach

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


def words(cell: str, layers: int = 1) -> str:
    """The page's text, without what only scripts read."""
    return re.sub(r"<(script|style)\b.*?</\1>", "", render(found(cell, layers)), flags=re.DOTALL)


@pytest.mark.parametrize(
    ("cell", "there", "not_there"),
    [
        ("lstm", ["as far as the input gate lets it", "is kept, written and said"], ["this cell has none"]),
        ("cifg", ["as far as the forget gate is shut", "is kept, written and said"], ["input gate lets"]),
        ("no_input_gate", ["what is written, all of it", "is kept and said"], ["input gate lets"]),
        ("gru", ["is kept and written"], ["written and said", "says a little", "what is said"]),
        ("mingru", ["1 - z", "which replaces, lower right"], ["gate that keeps, upper", "says a little"]),
        ("minlstm", ["f / (i + f)"], ["The forget gate f multiplies", "says a little"]),
        ("lstm1997", ["No unit ever forgets", "no gate that forgets"], ["within no number", "dashed line"]),
        ("rnn", ["This cell has no gates", "this cell has none"], ["Gates are valves"]),
    ],
)  # fmt: skip
def test_the_words_are_of_the_gates_that_there_are(
    cell: str, there: list[str], not_there: list[str]
) -> None:
    text = words(cell)
    assert [w for w in there if w not in text] == []
    assert [w for w in not_there if w in text] == []


def test_two_layers_are_both_described() -> None:
    text = words("lstm", 2).partition('id="gates"')[0]
    assert "In layer 1: Half of the units" in text
    assert "In layer 2: Half of the units" in text
    assert "all layers together" in text
    assert "In layer 1" not in words("lstm")


def test_one_window_is_named() -> None:
    facts = found("lstm")
    shown = facts["shown"][0]["times"]
    assert f"Drawn: {shown[0][:16]} to {shown[-1][:16]}." in words("lstm")


def test_half_lives_have_an_axis_that_can_be_read() -> None:
    facts = {"steps": 24, "segment": 1, "frequency": "1 step", "layers": [{}]}
    near = reach(facts, {"number": 1, "half_life": [2.0, 9.0, None]})
    axis = near.spec["layout"]["yaxis"]
    assert "type" not in axis
    assert near.spec["data"][0]["y"] == [9.0, 2.0]
    assert "1 unit that never forgets" in near.caption
    far = reach(facts, {"number": 1, "half_life": [0.5, 9.0, 200.0]}).spec["layout"]["yaxis"]
    assert far["type"] == "log"
    assert far["title"]["text"].endswith("(log)")
    assert set(far["ticktext"]) >= {"0.5", "1", "2", "5", "10", "20", "50", "100", "200"}


def test_the_empty_start_of_an_slstm_is_nothing_forgotten() -> None:
    lives = found("slstm")["layers"][0]["half_life"]
    assert all(v is None or v > 0 for v in lives)
