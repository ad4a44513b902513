"""What goes where: standard output, standard error, exit codes, pipes, terminals."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gatework.cells import CELLS
from gatework.cli.main import main
from gatework.errors import DataError

pty = pytest.importorskip("pty", reason="needs a system with terminals")
import resource  # noqa: E402 - of the same systems

Run = Callable[..., Any]
COMMAND = [sys.executable, "-m", "gatework.cli.main"]
SMALL = [
    "--hidden-size",
    "8",
    "--max-epochs",
    "1",
    "--context",
    "12",
    "--horizon",
    "4",
    "--threads",
    "1",
    "--seed",
    "3",
]
HEAVY = ("torch", "numpy", "polars", "gatework.tasks.forecast")


# ---- help ---------------------------------------------------------------------------------------------


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom gatework.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as ended:\n    assert not ended.code\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    for arguments in (
        ["--help"],
        ["--version"],
        ["predict", "--help"],
        ["evaluate", "--help"],
        ["cells", "--help"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60
        )
        assert done.stderr == ""
        assert done.stdout.splitlines()[-1] == "[]", arguments


def test_help_comes_at_once() -> None:
    """By the processor's clock, so that other programs on the machine do not count."""

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*COMMAND, "--help"], stdout=subprocess.DEVNULL, check=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(4)) < 0.6


def test_help_lists_verbs_and_settings_with_their_defaults(run: Run) -> None:
    outcome = run("--help")
    assert (outcome.code, outcome.err) == (0, "")
    for verb in ("fit", "predict", "evaluate", "demo", "cells", "info"):
        assert verb in outcome.out
    text = " ".join(run("fit", "forecast", "--help").out.replace("│", " ").split())
    for phrase in ("--horizon", "(default: 24)", "NAME"):
        assert phrase in text
    listed = text.split("One of ")[1].split(". (default: lstm)")[0]
    assert listed.replace(" ", "") == ",".join(n for n, c in CELLS.items() if c.forecasts)
    assert "(default: None)" not in text


def test_cells_are_those_of_the_table(run: Run) -> None:
    rows = json.loads(run("cells", "--json").out)
    assert [row["name"] for row in rows] == list(CELLS)
    for row in rows:
        cell = CELLS[row["name"]]
        told = (row["title"], row["summary"], row["source"])
        assert told == (cell.title, cell.summary, cell.source)
        assert row["forecaster"] == cell.forecasts
        assert row["layer"] == f"gatework.nn.{cell.layer}"
    text = run("cells").out
    assert [line.split(":")[0].split(" ")[0] for line in text.splitlines()[::3]] == list(CELLS)
    assert all(cell.summary in text and cell.source in text for cell in CELLS.values())
    assert all(len(line) <= 112 for line in text.splitlines())


def test_version_and_info(run: Run) -> None:
    import gatework

    assert run("--version").out == f"gatework {gatework.__version__}\n"
    facts = json.loads(run("info", "--json").out)
    assert facts["gatework"] == gatework.__version__
    assert "torch" in run("info").out


# ---- results ------------------------------------------------------------------------------------------


def test_fit_says_a_line_a_stage_and_prints_the_scores(run: Run, table: Path) -> None:
    place = table.parent / "new" / "model"
    outcome = run("fit", "forecast", table, *SMALL, "-o", place)
    assert outcome.code == 0
    lines = outcome.err.splitlines()
    assert lines[0].startswith("time column: time (hourly, 2024-01-01")
    assert lines[1] == "target column: load"
    assert [s for s in lines if s.startswith("trained 1 ")]
    assert len(lines) <= 8
    assert "\x1b" not in outcome.err + outcome.out
    assert "this model" in outcome.out
    assert "seasonal naive" in outcome.out
    assert "…" not in outcome.out
    assert f"model saved in {place}" in outcome.out
    assert (place / "model.safetensors").is_file()
    assert not (place / "checkpoint.safetensors").exists()
    assert [p.name for p in place.parent.iterdir()] == ["model"]


def test_fit_replaces_an_earlier_model_and_keeps_a_link(run: Run, table: Path, model: Path) -> None:
    (model / "metrics.json").write_text("old")
    link = model.with_name("latest")
    link.symlink_to(model.name)
    options = [*SMALL, "--target", "load", "--target", "load", "--quiet"]
    assert run("fit", "forecast", table, *options, "-o", link).code == 0
    assert link.is_symlink()
    assert json.loads((model / "metrics.json").read_text())["targets"] == ["load"]
    assert sorted(p.name for p in model.parent.iterdir()) == ["good.csv", "latest", "model"]


def test_all_targets(run: Run, table: Path, write: Callable[..., Path]) -> None:
    lines = [line.split(",") for line in table.read_text().splitlines()[1:]]
    data = write("two.csv", [[t, v, str(float(v) ** 2)] for t, v in lines], "time,load,square")
    place = table.parent / "all"
    outcome = run("fit", "forecast", data, *SMALL, "--target", "all", "-o", place, "--json")
    assert list(json.loads(outcome.out)["model"]["targets"]) == ["load", "square"]
    outcome = run("predict", place, data, "--json")
    assert {r["target"] for r in json.loads(outcome.out)} == {"load", "square"}


def test_json_is_one_value_on_standard_output(run: Run, table: Path, model: Path) -> None:
    place = table.parent / "other"
    fit = run("fit", "forecast", table, *SMALL, "-o", place, "--json")
    assert fit.err == ""
    scores = json.loads(fit.out)
    assert scores["folder"] == str(place)
    assert scores["stopped"] == "finished"
    assert scores["model"]["overall"]["MAE"] > 0
    assert "naive" in scores["baselines"]
    predict = run("predict", model, table, "--json")
    assert predict.err == ""
    records = json.loads(predict.out)
    assert len(records) == 4
    assert records[0]["timestamp"] == "2024-01-09 08:00:00"
    evaluate = run("evaluate", model, table, "--json", "--stride", "7")
    assert evaluate.err == ""
    assert json.loads(evaluate.out)["windows"] == (200 - 16) // 7 + 1


def test_json_of_a_refusal_is_empty(run: Run, model: Path, tmp_path: Path) -> None:
    outcome = run("predict", model, tmp_path / "no.csv", "--json")
    assert (outcome.code, outcome.out) == (2, "")


def test_quiet_says_nothing_on_standard_error(
    run: Run, table: Path, model: Path, write: Callable[..., Path]
) -> None:
    fit = run("fit", "forecast", table, *SMALL, "-o", model, "--quiet")
    assert fit.err == ""
    assert "model saved in" in fit.out
    assert run("predict", model, table, "--quiet").err == ""
    result = table.parent / "f.csv"
    assert run("predict", model, table, "--quiet", "-o", result).err == ""
    assert run("evaluate", model, table, "--quiet").err == ""


def test_short_series_are_a_note_that_quiet_leaves_out(
    run: Run, table: Path, write: Callable[..., Path]
) -> None:
    lines = [line.split(",") for line in table.read_text().splitlines()[1:]]
    rows = [[t, v, "a"] for t, v in lines] + [[t, v, "b"] for t, v in lines]
    data = write("two.csv", rows, "time,load,meter")
    place = table.parent / "two"
    assert run("fit", "forecast", data, *SMALL, "-o", place, "--quiet").code == 0
    short = write("short.csv", rows[:205], "time,load,meter")
    outcome = run("predict", place, short)
    assert outcome.code == 0
    assert outcome.err.startswith("gatework: note: ")
    assert "no forecast for 1 series" in outcome.err
    assert run("predict", place, short, "--quiet").err == ""


def test_predict_prints_what_it_writes(run: Run, table: Path, model: Path) -> None:
    printed = run("predict", model, table)
    assert (printed.code, printed.err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(printed.out)))
    assert [r["timestamp"] for r in rows][:2] == ["2024-01-09 08:00:00", "2024-01-09 09:00:00"]
    for ending in ("csv", "tsv", "parquet", "json", "jsonl"):
        place = table.parent / f"forecast.{ending}"
        outcome = run("predict", model, table, "-o", place)
        assert (outcome.out, outcome.err) == ("", f"4 rows written to {place}\n")
    assert (table.parent / "forecast.csv").read_text() == printed.out
    means = pl.read_parquet(table.parent / "forecast.parquet")["mean"].to_list()
    assert [float(r["mean"]) for r in rows] == means
    assert json.loads((table.parent / "forecast.json").read_text())[3]["mean"] == means[3]


def test_evaluate_writes_the_scores_too(run: Run, table: Path, model: Path) -> None:
    place = table.parent / "scores.json"
    outcome = run("evaluate", model, table, "-o", place)
    assert outcome.code == 0
    assert "test forecasts" in outcome.out
    assert json.loads(place.read_text())["windows"] == 200 - 16 + 1


def test_mend(run: Run, table: Path, model: Path) -> None:
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], *reversed(lines[1:]), lines[-1]]) + "\n")
    assert run("predict", model, table).code == 2
    assert run("predict", model, table, "--mend").code == 0


def test_debug_lets_the_error_through_with_its_traceback(model: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        main(["predict", str(model), str(tmp_path / "no.csv"), "--debug"])


def test_a_fault_of_ours_is_named_as_one(
    run: Run, table: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("gatework.tasks.registry.load", broken)
    outcome = run("predict", model, table)
    assert (outcome.code, outcome.out) == (1, "")
    assert "unexpected ZeroDivisionError: by zero" in outcome.err
    assert "--debug" in outcome.err


# ---- processes, pipes, terminals ----------------------------------------------------------------------


def test_exit_code_of_a_process(spawn: Run, model: Path, table: Path) -> None:
    done = spawn("predict", model, table.with_name("no.csv"))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("gatework: ")
    assert done.err.count("\n") == 1


def test_a_reader_that_goes_away_is_no_error(model: Path, table: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "predict", str(model), str(table)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()  # as `| head -0` does
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_on_a_full_disk(model: Path, table: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, "predict", str(model), str(table)],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "gatework: the output cannot be written: no space left on device.\n"


def test_a_terminal_without_unicode(model: Path, table: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "evaluate", str(model), str(table)],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == b""
    assert b"this model" in done.stdout


def test_a_terminal_shows_a_bar(table: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "fit", "forecast", str(table), *SMALL, "--max-epochs", "2", "-o",
         str(table.parent / "model")],
        stdin=theirs, stdout=theirs, stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            shown += (piece := os.read(ours, 65536))
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
    os.close(ours)
    assert process.wait(60) == 0
    text = shown.decode("utf-8", "replace")
    assert "\x1b[" in text
    assert "━" in text
    assert "steps/s" in text
    assert "1/2" in text
    assert "best so far" in text
    assert "Traceback" not in text
