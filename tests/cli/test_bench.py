"""`gatework bench` and the engine's part of `gatework info`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

from gatework.bench import contestants, measure, rows
from gatework.bench.work import Inputs, Work
from gatework.cli.bench import _torch_waits_as_it_would

Run = Callable[..., Any]
QUICK = ("bench", "--threads", "1", "--seconds", "1")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows of the smallest sizes in the place of the dozen."""
    few = (Work("step", I=2, H=3), Work("training", B=2, T=3, I=2, H=3))
    monkeypatch.setattr(rows, "ROWS", few)


def test_a_table_and_where_it_was_measured(run: Run) -> None:
    before = torch.get_num_threads()
    outcome = run(*QUICK)
    assert outcome.code == 0
    names = [work.name for work in rows.ROWS]
    assert outcome.err.splitlines() == [f"measuring {name}" for name in names]
    for words in (*names, "ratio", "torch ms", "torch / gatework.nn", "GFLOP/s", "1 thread"):
        assert words in outcome.out
    assert "…" not in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 112
    assert torch.get_num_threads() == before
    assert run(*QUICK, "--quiet").err == ""


def test_json_holds_everything(run: Run) -> None:
    outcome = run(*QUICK, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    found = json.loads(outcome.out)
    assert found["threads"] == 1
    assert found["peak_gflops"] > 0
    assert [row["work"] for row in found["rows"]] == [work.name for work in rows.ROWS]
    step, training = found["rows"]
    assert {"torch", "torch cell", "gatework.nn", "gatework.runtime"} <= set(step["contestants"])
    ratio = training["ratios"]["torch / gatework.nn"]
    assert ratio["q25"] <= ratio["q75"]


def test_different_results_are_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_a_wrong_weight(work: Work, inputs: Inputs) -> list[Any]:
        found = contestants.contestants(work, inputs)
        if work.kind == "training":
            with torch.no_grad():
                next(found[-1]._layer.parameters())[0, 0] += 0.01
        return found

    monkeypatch.setattr(measure, "contestants", with_a_wrong_weight)
    outcome = run(*QUICK, "--quiet")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("gatework: training lstm B=2 T=3 I=2 H=3: `y` of gatework.nn")
    assert "they differ by" in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "value"), [("--threads", "0"), ("--threads", "two"), ("--seconds", "0.5")]
)
def test_bad_numbers(run: Run, option: str, value: str) -> None:
    outcome = run("bench", option, value)
    assert outcome.code == 2
    assert outcome.err.startswith(f"gatework: {option}: must be a whole number from 1 to ")


@pytest.mark.parametrize(("chosen", "kept"), [("passive", False), ("active", True)])
def test_torch_waits_as_it_would(monkeypatch: pytest.MonkeyPatch, chosen: str, kept: bool) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", chosen)
    _torch_waits_as_it_would()
    assert os.environ["OMP_WAIT_POLICY"] == chosen  # torch is here already: nothing it would read
    monkeypatch.delitem(sys.modules, "torch")
    _torch_waits_as_it_would()
    assert ("OMP_WAIT_POLICY" in os.environ) == kept


def test_info_tells_of_the_engine_and_the_machine(run: Run) -> None:
    facts = json.loads(run("info", "--json").out)
    name = facts["engine"].partition(":")[0]
    assert name in facts["paths"].split(", ")
    assert facts["cores"] >= 1
    assert {"compiler", "threads", "processor", "caches", "system"} <= set(facts)


def test_a_forced_path_is_shown_and_an_impossible_one_is_an_error(
    spawn: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = json.loads(spawn("info", "--json").out)["paths"].split(", ")[-1]
    monkeypatch.setenv("GATEWORK_ISA", last)
    assert json.loads(spawn("info", "--json").out)["engine"].startswith(f"{last}: ")
    monkeypatch.setenv("GATEWORK_ISA", "abacus")
    for verb in ("info", "bench"):
        outcome = spawn(verb)
        assert (outcome.code, outcome.out) == (2, "")
        assert "abacus" in outcome.err
        assert outcome.err.count("\n") == 1
