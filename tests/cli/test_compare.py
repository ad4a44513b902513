"""``gatework compare``: what it prints, writes and refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gatework.tasks.forecast as forecast_task

Run = Callable[..., Any]
OPTIONS = [
    "--hidden-size", "8", "--max-epochs", "1", "--context", "12", "--horizon", "4", "--threads", "1",
    "--seeds", "2",
]  # fmt: skip


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast_task, "MIN_EPOCH_STEPS", 4)


def test_options_that_a_cell_does_not_take(
    run: Run, refused: Callable[..., str], table: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    more = [*OPTIONS[:-1], "1", "--zoneout", "0.2", "-o", page]
    refused(
        "compare", "forecast", table, *more, "--cells", "feedforward,lstm",
        says=["zoneout acts on what is carried", "'feedforward'", "Leave out the option or the cell"],
    )  # fmt: skip
    done = run("compare", "forecast", table, *more)
    assert done.code == 0, done
    lines = done.err.splitlines()
    assert lines[0].startswith(
        "left out: feedforward, which does not go with these options: zoneout"
    )
    assert lines[1] == "3 trainings: 3 cells, 1 seed; the same parameters for each"
    assert "one seed cannot tell" in done.out


def test_the_page_says_of_which_data(run: Run, table: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = run(
        "compare", "forecast", table, *OPTIONS, "--cells", "rnn", "-o", page, "--json"
    )  # fmt: skip
    assert done.code == 0, done
    data = json.loads(done.out)["data"]
    assert (data["source"], data["targets"]) == (table.name, ["load"])
    assert data["rows"] == len(table.read_text(encoding="utf-8").splitlines()) - 1
    text = page.read_text(encoding="utf-8")
    assert f"Data: {table.name}, target load, {data['rows']:,} rows" in text
    test = data["parts"]["test"]
    assert f"{test['rows']:,} rows, {test['from'][:16].replace('T', ' ')} to" in text
    assert "rnn, compared" not in text


def test_table_page_and_runs(run: Run, table: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    page = tmp_path / "page.html"
    done = run("compare", "forecast", table, *OPTIONS, "--cells", "rnn,lstm", "-o", page)
    assert done.code == 0, done
    lines = done.err.splitlines()
    assert lines[0] == "4 trainings: 2 cells, 2 seeds; the same parameters for each"
    assert len(lines) == 5  # one for each training
    assert "skill" in done.out
    assert "step µs" in done.out
    assert f"page: {page}" in done.out
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert sorted(p.name for p in (tmp_path / "page.runs").iterdir()) == [
        "comparison.json", "lstm-seed0.json", "lstm-seed1.json", "rnn-seed0.json", "rnn-seed1.json",
        "test.json",
    ]  # fmt: skip
    again = run(
        "compare",
        "forecast",
        table,
        *OPTIONS,
        "--cells",
        "rnn,lstm",
        "-o",
        page,
        "--resume",
        "--json",
    )
    assert again.code == 0
    assert again.err == ""
    facts = json.loads(again.out)
    assert [r["cell"] for r in facts["rows"]] == ["rnn", "lstm"]
    assert facts["verdict"]


def test_the_table_fits_into_80_columns(monkeypatch: Any, capsys: Any) -> None:
    from rich.console import Console

    from gatework.cli import show_compare

    row = {
        "cell": "no_output_activation", "score": 1234.5, "spread": 12.34, "skill": -0.123, "seconds": 754.0,
        "epoch_seconds": 75.4, "push_us": 1234.0, "parameters": 1_234_567, "peak_mib": 1234.0, "failed": 0,
    }  # fmt: skip
    facts = {
        "rows": [row], "naive": "seasonal naive", "baselines": {"seasonal naive": 1300.0}, "context": 96,
        "score": {"name": "MAE", "items": 2857, "item": "forecast", "lower_is_better": True},
    }  # fmt: skip
    Console(width=80).print(show_compare._table(facts))
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "…" not in out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--cells", "lsmt"], "there is no cell 'lsmt'. Did you mean 'lstm'"),
        (["--seeds", "0"], "--seeds: must be a whole number from 1 to 1000; got '0'"),
        (["--seeds", "many"], "--seeds: must be a whole number"),
        (["--budget", "money"], "the budget 'money' makes no sense"),
        (["--contexts", "8,x"], "--contexts: must be a whole number from 1 to 1000000; got 'x'"),
        (["--contexts", "8,16"], "give `context` or `contexts`, not both"),
        (["--cell", "gru"], "No such option"),
        (["--target", "lode"], "Did you mean 'load'"),
        (["--horizon", "0"], "horizon: must be at least 1"),
        (["--split", "a,b,c"], "is not three numbers"),
        (["--split", "160,40,0"], "nothing to compare on"),
        (["--horizon", "70"], "are too few"),
    ],
)
def test_refused(options: list[str], says: str, refused: Run, table: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    message = refused("compare", "forecast", table, *OPTIONS, *options, "-o", page, "--quiet")
    assert says.casefold() in message.casefold()


def test_places_that_cannot_be_written(refused: Run, table: Path, tmp_path: Path) -> None:
    def check(page: Path, *more: object, says: str) -> None:
        refused("compare", "forecast", table, *OPTIONS, "-o", page, *more, "--quiet", says=[says])

    there = tmp_path / "there.html"
    there.write_text("mine")
    check(there, says="is there already. Name another page")
    check(tmp_path / "absent" / "page.html", says="does not exist")
    check(tmp_path / "page.csv", says="Name a file that ends in .html")
    check(table, says="is the table itself")
    check(tmp_path / "page.html", "--runs", tmp_path, says="is there already and holds no runs")


def test_help_lists_the_options_of_fit(run: Run) -> None:
    import typer

    from gatework.cli.main import build_app

    def options(verb: str) -> set[str]:
        command: Any = typer.main.get_command(build_app(verb))
        of_task = command.commands[verb].commands["forecast"]
        return {o for p in of_task.params for o in p.opts}

    assert options("fit") - options("compare") == {"--cell"}
    assert options("compare") - options("fit") == {
        "--cells", "--seeds", "--budget", "--contexts", "--runs"
    }  # fmt: skip
