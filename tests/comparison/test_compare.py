"""Comparisons that are trained: budgets, what is kept, what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import gatework.tasks.forecast as forecast_task
from gatework import Forecaster, compare
from gatework.cells import CELLS
from gatework.comparison.plan import DEFAULT_CELLS, fitting_cells
from gatework.comparison.result import Comparison
from gatework.errors import ConfigError, DataError, GateworkError, OutputError
from gatework.tasks.base import Task
from gatework.tasks.registry import TASKS

SMALL: dict[str, Any] = {
    "horizon": 4, "context": 12, "hidden_size": 8, "max_epochs": 1, "batch_size": 64,
}  # fmt: skip


def table(rows: int = 300, columns: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    t = np.arange(rows)
    made = {
        f"load{k}": 10 + np.sin(t / 4 + k) * 10**k + rng.normal(0, 0.2, rows)
        for k in range(columns)
    }
    start = np.datetime64("2024-01-01T00:00", "us")
    return pl.DataFrame({"time": start + t * np.timedelta64(3600, "s"), **made})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast_task, "MIN_EPOCH_STEPS", 4)


class Counted:
    """Data that count how often they are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times, prepare = 0, Forecaster._prepare

        def counted(model: Forecaster, *args: Any, **roles: Any) -> Any:
            self.times += 1
            return prepare(model, *args, **roles)

        monkeypatch.setattr(Forecaster, "_prepare", counted)


class Told:
    """A teller that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)

    def of_run(self) -> Any:
        from gatework.train.progress import Quiet

        return Quiet()


def small(**changes: Any) -> Comparison:
    keywords = {**SMALL, "cells": "rnn,gru", "seeds": 2, **changes}
    return compare("forecast", keywords.pop("data", table()), **keywords)


# ---- what is found ------------------------------------------------------------------------------------


def test_scores_are_those_of_a_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = Counted(monkeypatch)
    found = small(budget="epochs")
    assert reads.times == 1
    fitted = Forecaster(**SMALL, cell="gru", seed=1, patience=10**9).fit(table())
    own = fitted.metrics_["evaluation"]["model"]["overall"]["MAE"]
    run = found.runs.filter(cell="gru", seed=1).row(0, named=True)
    assert run["score"] == pytest.approx(own, rel=1e-6)
    naive = fitted.metrics_["evaluation"]["baselines"]
    for name, score in found.facts["baselines"].items():
        assert score == pytest.approx(naive[name]["overall"]["MAE"])


def test_several_targets_are_compared_on_standardised_data() -> None:
    data = table(columns=2).with_columns(
        load0=pl.when(pl.int_range(pl.len()) % 7 == 0).then(None).otherwise(pl.col("load0"))
    )
    found = small(data=data, target="all", seeds=1, budget="epochs")
    assert found.facts["score"]["name"] == "scaled MAE"
    fitted = Forecaster(**SMALL, cell="rnn", patience=10**9).fit(data, target="all")
    own = fitted.metrics_["evaluation"]["model"]["overall"]["scaled_MAE"]
    assert found.runs.filter(cell="rnn")["score"][0] == pytest.approx(own, rel=1e-6)


def test_the_same_again_is_the_same() -> None:
    assert small(seeds=1).runs["score"].to_list() == small(seeds=1).runs["score"].to_list()


def test_a_table_and_measurements() -> None:
    found = small()
    row = found.table.row(0, named=True)
    assert row["seeds"] == 2
    assert row["seconds"] > 0
    assert row["push_us"] > 0
    assert row["peak_mib"] is None or row["peak_mib"] >= 0
    assert str(found).count("cell") >= 1
    assert json.loads(json.dumps(found.to_json())) == found.to_json()


def test_equal_parameters() -> None:
    found = small(cells="feedforward,rnn,gru,lstm", seeds=1, hidden_size=32)
    counts = dict(found.table.select("cell", "parameters").iter_rows())
    sizes = dict(found.table.select("cell", "hidden_size").iter_rows())
    assert sizes["lstm"] == 32
    assert sizes["rnn"] > sizes["gru"] > 32
    assert all(abs(n / counts["lstm"] - 1) < 0.05 for n in counts.values())


def test_equal_epochs_and_equal_time() -> None:
    epochs = small(budget="epochs", max_epochs=5, patience=1000, seeds=1)
    assert set(epochs.runs["epochs"]) == {5}
    assert set(epochs.runs["hidden_size"]) == {8}
    timed = small(budget="0.3s", seeds=1, max_epochs=10**6)
    assert set(timed.runs["stopped"]) == {"time"}
    assert all(0.3 <= s < 1.5 for s in timed.runs["seconds"])


def test_contexts() -> None:
    settings = {k: v for k, v in SMALL.items() if k != "context"}
    found = compare("forecast", table(), cells="rnn,lstm", seeds=2, contexts=[24, 8], **settings)
    assert found.facts["context"] == 24
    assert [g["context"] for g in found.facts["by_context"]] == [8, 24]
    assert {p["cell"] for p in found.facts["context_pairs"]} == {"rnn", "lstm"}
    assert all(p["over_items"] for p in found.facts["context_pairs"])


def test_cells_come_from_the_one_table() -> None:
    assert set(DEFAULT_CELLS) <= set(CELLS)
    for task in TASKS:
        assert set(fitting_cells(task, {})) <= set(CELLS)


def test_every_task_says_how_it_is_compared() -> None:
    from gatework.tasks.registry import task_class

    assert TASKS
    for task in TASKS:
        assert task_class(task).judged is not Task.judged, task


def test_covariates_reach_the_stream() -> None:
    data = table().with_columns(
        weekend=pl.col("time").dt.weekday() >= 6,
        kind=pl.Series(["a", "b"] * 150),
        heat=pl.Series(np.cos(np.arange(300) / 4)),
    )
    roles: dict[str, Any] = {"past": ["heat", "kind"], "known": ["weekend"]}
    found = small(data=data, target="load0", seeds=1, cells=["gru"], **roles)
    assert found.runs["push_us"][0] > 0


# ---- what goes wrong ----------------------------------------------------------------------------------


def test_a_cell_that_fails_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    build = Forecaster._build

    def broken(model: Forecaster, prepared: Any) -> Any:
        if model.config.cell == "rnn":
            raise RuntimeError("no such kernel\nfar below")
        return build(model, prepared)

    monkeypatch.setattr(Forecaster, "_build", broken)
    told = Told()
    found = small(teller=told, budget="epochs")
    assert "rnn failed in 2 of 2 trainings: RuntimeError: no such kernel." in found.verdict
    assert found.verdict[0].startswith("Only gru was trained")
    assert any(
        line.endswith("rnn, seed 0: failed: RuntimeError: no such kernel") for line in told.lines
    )
    with pytest.raises(
        GateworkError, match="every training failed; the first, rnn with seed 0: Run"
    ):
        small(cells="rnn", budget="epochs")
    by_parameters = small(budget="parameters", cells="lstm,rnn")
    assert any(s.startswith("rnn failed") for s in by_parameters.verdict)


def interrupted_after(monkeypatch: pytest.MonkeyPatch, fits: int) -> Iterator[int]:
    """Ctrl-C in the training after ``fits`` of them (the warm-up is one)."""
    fit, done = Forecaster.fit_prepared, iter(range(10**6))

    def pressed(model: Forecaster, *args: Any, **more: Any) -> Any:
        if next(done) > fits:
            raise KeyboardInterrupt
        return fit(model, *args, **more)

    monkeypatch.setattr(Forecaster, "fit_prepared", pressed)
    return done


def test_interrupted_and_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, whole = tmp_path / "runs", small()
    with monkeypatch.context() as patched:
        interrupted_after(patched, 3)
        part = small(runs=folder)
    assert part.facts["interrupted"]
    assert part.runs.height == 3
    assert part.verdict[-1].startswith("Interrupted: 3 of 4 trainings are done")
    with pytest.raises(OutputError, match="holds the runs of an earlier comparison"):
        small(runs=folder)
    told = Told()
    again = small(runs=folder, resume=True, teller=told)
    assert sum("kept from before" in line for line in told.lines) == 3
    assert again.runs["score"].to_list() == whole.runs["score"].to_list()
    for own, other in zip(again.facts["pairs"], whole.facts["pairs"], strict=True):
        assert own["p"] == pytest.approx(other["p"], rel=1e-3)
    more = small(runs=folder, resume=True, seeds=3, cells="rnn,gru")
    assert more.runs.height == 6


def test_interrupted_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted_after(monkeypatch, 0)
    with pytest.raises(GateworkError, match="interrupted before the first training was done"):
        small()


def test_other_runs_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    small(runs=folder, seeds=1, cells="gru")
    for changes in ({"horizon": 5}, {"budget": "epochs"}):
        with pytest.raises(OutputError, match="the runs of another comparison"):
            small(runs=folder, resume=True, seeds=1, cells="gru", **changes)
    with pytest.raises(OutputError, match="are of other data"):
        small(runs=folder, resume=True, seeds=1, cells="gru", data=table(310))
    (folder / "gru-seed0.json").write_text("{}")  # damaged: done again
    assert small(runs=folder, resume=True, seeds=1, cells="gru").runs.height == 1
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="is there already and holds no runs"):
        small(runs=other)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"cells": "gru,lsmt"}, "there is no cell 'lsmt'. Did you mean 'lstm'"),
        ({"cells": ","}, "no cells are named"),
        ({"seeds": 0}, "seeds must be a whole number from 1 to 1000; got 0"),
        ({"seeds": 2.5}, "seeds must be a whole number"),
        ({"budget": "money"}, "the budget 'money' makes no sense. It is 'parameters'"),
        ({"budget": "0s"}, "a budget of 0s leaves no time to train"),
        ({"budget": "-5s"}, "the budget '-5s' makes no sense"),
        ({"budget": "9s", "max_seconds": 3}, "leave out max_seconds"),
        ({"contexts": [8]}, "give `context` or `contexts`, not both"),
        ({"cell": "gru"}, "name the cells with `cells`"),
        ({"targte": "load0"}, "no role or setting 'targte'. Did you mean 'target'"),
        ({"horizon": 0}, "horizon: must be at least 1"),
    ],
)
def test_one_message_for_what_makes_no_sense(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        small(**changes)
    assert says in str(raised.value)


def test_data_that_do_not_fit() -> None:
    with pytest.raises(ConfigError, match="there is no task 'forcast'"):
        compare("forcast", table())
    with pytest.raises(DataError, match="20 rows are too few"):
        small(data=table(20))
    with pytest.raises(DataError, match="nothing to compare on"):
        small(split=(270, 30, 0))
    with pytest.raises(ConfigError, match="which is not there"):
        small(target="lode")


def test_saved_where_it_cannot_be(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    found = small(seeds=1)
    with pytest.raises(OutputError, match="does not exist"):
        found.save(tmp_path / "absent" / "page.html")
    page = found.save(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<h1>rnn and gru, compared</h1>" in page
    assert found.verdict[0].split(":")[0] in page
