"""``fit detect``, ``predict``, ``evaluate`` and ``watch`` of small made-up data, and what they refuse."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from gatework.cli.main import main
from gatework.tasks import detect_objective
from gatework.tasks.detect import AnomalyDetector

Run = Callable[..., Any]
SMALL = ["--hidden-size", "8", "--max-epochs", "1", "--threads", "1"]


@pytest.fixture(scope="module", autouse=True)
def _short_epochs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detect_objective, "MIN_EPOCH_STEPS", 10)
        patch.setattr(AnomalyDetector, "_report", lambda self: None)  # megabytes that no test reads
        yield


# ---- small data of three kinds ------------------------------------------------------------------------


def readings(rows: int = 400, first: int = 0, odd: Sequence[int] = ()) -> pl.DataFrame:
    """Load and heat a minute apart, with a label; the odd rows are far out in both."""
    t = np.arange(first, first + rows)
    rng = np.random.default_rng(first)
    load, heat = np.sin(t / 8) + rng.normal(0, 0.1, rows), 20 + rng.normal(0, 1, rows)
    label = np.isin(t - first, odd)
    start = datetime(2024, 1, 1)
    return pl.DataFrame(
        {
            "time": [start + timedelta(minutes=int(k)) for k in t],
            "load": np.where(label, 30.0, load).round(4),
            "heat": np.where(label, 500.0, heat).round(4),
            "label": label.astype(int),
        }
    )


def session(k: int) -> str:
    return " ".join(["open", *["read", "write", "seek"][: 1 + k % 3], "close"])


def log_line(k: int, text: str | None = None) -> str:
    stamp = datetime(2024, 1, 1) + timedelta(seconds=k)
    told = [f"job {k} started", f"job {k} took {20 + k * 7 % 15} ms", f"job {k} done"][k % 3]
    return f"{stamp} INFO {text or told}"


def fitted(folder: Path, data: Path, *more: str) -> Path:
    with pytest.raises(SystemExit) as ended:
        main(["fit", "detect", str(data), *SMALL, *more, "-o", str(folder), "--quiet"])
    assert not ended.value.code
    return folder


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of a table with labels; not to be written to."""
    folder = tmp_path_factory.mktemp("metrics")
    readings(odd=[370, 371, 372]).write_csv(folder / "data.csv")
    return fitted(folder / "model", folder / "data.csv")


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of labelled sessions, one in twenty of them odd."""
    folder = tmp_path_factory.mktemp("events")
    lines = [
        "bad\topen write open" if k % 20 == 19 else f"normal\t{session(k)}" for k in range(120)
    ]
    (folder / "data.txt").write_text("\n".join(lines) + "\n")
    return fitted(folder / "model", folder / "data.txt", "--kind", "events")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of a log, trained until an unseen line is less likely than others."""
    folder = tmp_path_factory.mktemp("log")
    (folder / "data.log").write_text("\n".join(map(log_line, range(400))) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detect_objective, "MIN_EPOCH_STEPS", 60)
        return fitted(folder / "model", folder / "data.log", "--max-epochs", "4")


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """Readings after those of the fit, rows 50 to 54 of them odd."""
    path = tmp_path / "later.csv"
    readings(120, first=400, odd=range(50, 55)).write_csv(path)
    return path


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch, run: Run) -> Run:
    """``piped(model, given, ...)``: ``given`` into ``gatework watch``, through a real pipe."""

    def invoke(model: Path, given: bytes, *options: object) -> Any:
        out, into = os.pipe()

        def write() -> None:
            with os.fdopen(into, "wb") as file:
                file.write(given)

        writer = threading.Thread(target=write)
        writer.start()
        with open(out, encoding="utf-8") as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            found = run("watch", model, *options)
        writer.join(10)
        return found

    return invoke


# ---- tables -------------------------------------------------------------------------------------------


def test_a_fit_tells_what_it_found_and_ends_with_a_verdict(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    readings(200, odd=[180, 181]).write_csv(data)
    done = run("fit", "detect", data, *SMALL, "-o", tmp_path / "model", "--train-on", "normal")
    assert done.code == 0, done.err
    for phrase in ("time column: time", "label column: label", "train 140 rows", "left out"):
        assert phrase in done.err
    assert "this model" in done.out
    assert "moving z-score" in done.out
    assert "too few to rely on" in done.out


def test_predict_writes_a_row_for_each_and_names_the_odd_ones(
    run: Run, metrics: Path, later: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scores.csv"
    done = run("predict", metrics, later, "-o", out)
    assert (done.code, done.out) == (0, "")
    assert "120 rows written" in done.err
    scores = pl.read_csv(out)
    assert scores.height == 120
    assert 50 <= int(scores["score"].arg_max() or 0) <= 56
    assert scores["alarm"][50:57].any()
    assert scores["warming"].sum() == 20
    assert not scores["alarm"][:20].any()
    odd = scores.row(52, named=True)
    assert odd["value"] == {"load": 30, "heat": 500}[odd["channel"]]
    assert odd["low"] < odd["expected"] < odd["high"] < odd["value"]


def test_evaluate_prints_scores_and_gives_all_of_them_as_json(
    run: Run, metrics: Path, later: Path, tmp_path: Path
) -> None:
    done = run("evaluate", metrics, later, "-o", tmp_path / "scores.json")
    assert done.code == 0, done.err
    assert "VUS-PR" in done.out
    assert "120 rows (data)" in done.out
    found = json.loads(run("evaluate", metrics, later, "--json").out)
    assert found == json.loads((tmp_path / "scores.json").read_text())
    own = found["model"]["overall"]
    assert own["events"] == own["events_found"] == 1
    assert own["vus_pr"] > 0.3
    assert {"moving z-score", "differences", "isolation forest"} <= set(found["baselines"])
    bare = later.with_name("bare.csv")
    pl.read_csv(later).drop("label").write_csv(bare)
    assert json.loads(run("evaluate", metrics, bare, "--json").out)["main"] == "alarm_share"


def test_rows_out_of_order_are_refused_by_row_or_mended(
    run: Run, metrics: Path, later: Path, tmp_path: Path
) -> None:
    table = pl.read_csv(later)
    mixed = tmp_path / "mixed.csv"
    pl.concat([table[:5], table[6:7], table[5:6], table[7:]]).write_csv(mixed)
    done = run("predict", metrics, mixed)
    assert done.code == 2
    assert "line 8" in done.err
    assert "--mend" in done.err
    scores = pl.read_csv(run("predict", metrics, mixed, "--mend").out.encode())
    plain = pl.read_csv(run("predict", metrics, later).out.encode())
    order = [0, 1, 2, 3, 4, 6, 5, *range(7, 120)]
    assert scores["score"].to_list() == plain["score"][order].to_list()


@pytest.mark.parametrize("option", [["--resample", "1h"], ["--ignore-extra"], ["--skip-bad"]])
@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_options_of_other_tasks_are_refused(
    run: Run, metrics: Path, later: Path, verb: str, option: list[str]
) -> None:
    done = run(verb, metrics, later, *option)
    assert done.code == 2
    assert done.err == (
        f"gatework: {option[0]} does not go with a model of the task 'detect'. Leave it out.\n"
    )


# ---- watched ------------------------------------------------------------------------------------------


def rows_of(text: str) -> list[dict[str, Any]]:
    return [row for row in map(json.loads, text.splitlines()) if "event" not in row]


BAD = {  # {} is the time of the line before, which no series refuses
    "columns": ["{},1.0", "{},1,2,3,4"],
    "number": ["{},warm,20.0,0"],
    "time": ["soon,1.0,20.0,0", ",1.0,20.0,0"],
    "order": ["2023-01-01 00:00:00,1.0,20.0,0"],
    "missing": ["{},NaN,NaN,0", "{},,,0"],
    "range": ["{},1e9,20.0,0", "{},1.0,-inf,0"],
    "length": ["x" * 10_000_000],
    "encoding": ["{},1.0,20.0\udcff\udcfe,0"],
}


def with_bad_lines(lines: list[bytes]) -> tuple[list[bytes], dict[str, list[int]]]:
    """A bad line after every third, of each kind in turn, and the numbers of those of a kind."""
    bad = [(kind, text) for kind, texts in BAD.items() for text in texts]
    mixed = lines[:1]
    numbers: dict[str, list[int]] = {kind: [] for kind in BAD}
    for k, line in enumerate(lines[1:]):
        mixed.append(line)
        if k % 3 == 2 and (kind := bad[k // 3 % len(bad)])[0] and k < 90:
            text = kind[1].format(line.partition(b",")[0].decode())
            mixed.append(text.encode("utf-8", "surrogateescape"))
            numbers[kind[0]].append(len(mixed))
    return mixed, numbers


def test_bad_lines_of_a_pipe_are_counted_and_change_no_score(
    piped: Run, metrics: Path, later: Path
) -> None:
    lines = later.read_bytes().splitlines()
    mixed, numbers = with_bad_lines(lines)
    clean = piped(metrics, b"\n".join(lines) + b"\n", "--all", "--json")
    dirty = piped(metrics, b"\n".join(mixed) + b"\n", "--all", "--json")
    assert (clean.code, dirty.code) == (0, 0), dirty.err
    assert "passed over" not in clean.err
    wanted, found = rows_of(clean.out), rows_of(dirty.out)
    assert len(found) == len(wanted) == 120
    for name in ("score", "threshold", "alarm", "warming"):
        a, b = ([row[name] for row in rows] for rows in (wanted, found))
        assert np.allclose(a, b, atol=1e-6), name
    told = dirty.err.splitlines()[-1]
    assert told.startswith("gatework: 120 rows, ")
    assert f"{len(mixed) - len(lines)} lines passed over" in told
    for kind, own in numbers.items():
        assert f"{kind}: {len(own)}" in told
        for n in own[:3]:
            assert f"standard input, line {n}: " in dirty.err
        assert not any(f"line {n}: " in dirty.err for n in own[3:])
    assert "column 'load': 'warm' is not a number" in dirty.err
    assert "10,000,000 bytes" in dirty.err


def test_a_header_may_put_the_columns_in_another_order(
    piped: Run, metrics: Path, later: Path
) -> None:
    table = pl.read_csv(later)
    turned = table.select("heat", "label", "time", "load").write_csv().encode()
    plain = piped(metrics, table.write_csv().encode(), "--all", "--json", "--quiet")
    bare = piped(metrics, table.write_csv(include_header=False).encode(), "--all", "--json")
    other = piped(metrics, turned, "--all", "--json")
    scores = [[row["score"] for row in rows_of(done.out)] for done in (plain, bare, other)]
    assert scores[0] == scores[1] == scores[2]
    assert plain.err == ""


def test_watch_gives_the_scores_of_predict_and_tells_the_alarm(
    run: Run, metrics: Path, later: Path
) -> None:
    done = run("watch", metrics, later, "--no-follow", "--all", "--json")
    scores = [row["score"] for row in rows_of(done.out)]
    table = pl.read_csv(run("predict", metrics, later).out.encode())
    assert np.allclose(scores, table["score"].to_numpy(), atol=1e-4)
    alarms = [a for a in map(json.loads, done.out.splitlines()) if "event" in a]
    (own,) = [a for a in alarms if a["start_row"] <= 54 <= (a["end_row"] or 119)]
    assert own["line"] == own["start_row"] + 2  # the header is line 1
    assert own["start_time"].startswith("2024-01-01 07:")
    assert {c["name"] for c in own["channels"]} == {"load", "heat"}
    assert own["peak_score"] == pytest.approx(max(scores))


def test_a_state_goes_on_where_it_was_and_with_one_model_alone(
    run: Run, metrics: Path, events: Path, later: Path, tmp_path: Path
) -> None:
    lines = later.read_text().splitlines(keepends=True)
    growing, state = tmp_path / "growing.csv", tmp_path / "watch.state"
    scores = []
    for end in (41, len(lines)):
        growing.write_text("".join(lines[:end]))
        done = run("watch", metrics, growing, "--no-follow", "--all", "--json", "--state", state)
        assert done.code == 0, done.err
        scores += [row["score"] for row in rows_of(done.out)]
    whole = rows_of(run("watch", metrics, later, "--no-follow", "--all", "--json").out)
    assert np.allclose(scores, [row["score"] for row in whole], atol=1e-9)
    done = run("watch", events, growing, "--no-follow", "--state", state)
    assert done.code == 2
    assert "of another model" in done.err


# ---- events and logs ----------------------------------------------------------------------------------


def test_sessions_are_judged_as_a_whole(run: Run, piped: Run, events: Path, tmp_path: Path) -> None:
    later = tmp_path / "later.txt"
    given = [session(0), "close close crash open", session(1)]
    later.write_text("\n".join(given) + "\n")
    scores = pl.read_csv(run("predict", events, later).out.encode())
    assert scores.height == 3
    assert scores["score"].arg_max() == 1
    labelled = tmp_path / "labelled.txt"
    labelled.write_text("\n".join(f"{w}\t{s}" for w, s in zip("010", given, strict=True)) + "\n")
    found = json.loads(run("evaluate", events, labelled, "--json").out)
    assert (found["unit"], found["main"], found["rows"]) == ("session", "average_precision", 3)
    assert found["model"]["overall"]["average_precision"] == 1
    done = piped(events, later.read_bytes() + b"\t \n\xff\n", "--all", "--json")
    watched = [row["score"] for row in rows_of(done.out)]
    assert np.allclose(watched, scores["score"].to_numpy(), atol=1e-4)
    assert "2 lines passed over (missing: 1, encoding: 1)" in done.err
    refused = run("predict", events, later, "--mend")
    assert refused.code == 2
    assert "--mend sorts the rows of a table" in refused.err


def test_a_line_that_no_template_fits_stands_out(
    run: Run, piped: Run, log: Path, tmp_path: Path
) -> None:
    later = tmp_path / "later.log"
    lines = [log_line(k) for k in range(400, 460)]
    lines[40] = log_line(440, "panic: disk sdb is on fire")
    later.write_text("\n".join(lines) + "\n")
    scores = pl.read_csv(run("predict", log, later).out.encode())
    assert scores["line"].to_list() == list(range(1, 61))
    assert scores["text"][40] == lines[40]
    assert scores["score"][40] > scores["score"].quantile(0.95)
    done = piped(log, later.read_bytes(), "--all", "--json")
    watched = [row["score"] for row in rows_of(done.out)]
    assert np.allclose(watched, scores["score"].to_numpy(), atol=1e-4)
    assert "labelled" in run("evaluate", log, later, "--json").out


# ---- compared, looked at, continued -------------------------------------------------------------------


def test_cells_are_compared(run: Run, tmp_path: Path, later: Path) -> None:
    page = tmp_path / "page.html"
    done = run(
        "compare", "detect", later, "--cells", "gru,lstm", "--seeds", "1", "--hidden-size", "4",
        "--max-epochs", "1", "--label", "label", "--train-on", "normal", "-o", page,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "loss of 18 test rows" in done.out
    assert page.stat().st_size > 10_000


def test_a_page_of_gates_is_refused_in_words_that_are_true(
    run: Run, metrics: Path, later: Path, tmp_path: Path
) -> None:
    assert "recurrent" in run("inspect", metrics).out
    done = run("inspect", metrics, later, "-o", tmp_path / "page.html")
    assert done.code == 2
    assert "channel by channel" in done.err


def test_a_saved_detector_is_trained_on(run: Run, metrics: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer.csv"
    readings(200, first=1000).write_csv(newer)
    model = tmp_path / "model"
    done = run("fit", "detect", newer, *SMALL, "--continue", metrics, "-o", model, "--quiet")
    assert done.code == 0, done.err
    done = run("fit", "detect", newer, "--hidden-size", "9", "--continue", metrics, "-o", model)
    assert done.code == 2
    assert "sizes or settings" in done.err


# ---- refused ------------------------------------------------------------------------------------------


def _table(**changed: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        readings(120).with_columns(**changed).write_csv(folder / "data.csv")
        return folder / "data.csv"

    return write


def _few(folder: Path) -> Path:
    readings(30).write_csv(folder / "data.csv")
    return folder / "data.csv"


def _untimed(folder: Path) -> Path:
    readings(120).drop("time", "label").write_csv(folder / "data.csv")
    return folder / "data.csv"


def _empty(folder: Path) -> Path:
    (folder / "data.csv").write_text("")
    return folder / "data.csv"


REFUSED: dict[str, tuple[Callable[[Path], Path], list[str], str]] = {
    "no such file": (lambda folder: folder / "data.csv", [], "there is no such file"),
    "empty": (_empty, [], "empty"),
    "column": (_table(), ["--features", "loda"], "Did you mean 'load'?"),
    "label column": (_table(), ["--label", "odd"], "label names column 'odd'"),
    "kind": (_table(), ["--kind", "metric"], "Did you mean 'metrics'?"),
    "few": (_few, [], "21 rows to learn from are too few"),
    "text": (_table(load=pl.Series(["1"] * 119 + ["x"])), ["--features", "load"], "line 121"),
    "no normal": (_table(label=pl.lit("fine")), [], "--normal"),
    "missing label": (_table(label=pl.lit(None, pl.Int64)), ["--label", "label"], "label is missing"),
    "threshold": (_table(), ["--threshold", "evtt"], "threshold"),
    "risk": (_table(), ["--risk", "2"], "risk"),
    "rate without a wish": (_table(), ["--threshold", "rate"], "--alarms-per-day"),
    "rate without time": (_untimed, ["--alarms-per-day", "2"], "needs a time column"),
    "labels": (_table(), ["--threshold", "labels"], "threshold='labels' needs"),
    "normal without labels": (_untimed, ["--train-on", "normal"], "--label"),
    "train on": (_table(), ["--train-on", "odd"], "'odd'"),
    "split": (_table(), ["--split", "1000,10,10"], "asks for 1,020 rows"),
    "session of a table": (_table(), ["--session", "x"], "session"),
    "rows": (_table(), ["--rows", "many"], "--rows"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_gets_one_message(run: Run, tmp_path: Path, name: str) -> None:
    make, options, phrase = REFUSED[name]
    data = make(tmp_path)
    done = run("fit", "detect", data, *SMALL, *options, "-o", tmp_path / "model", "--quiet")
    assert done.code == 2, done
    assert done.out == ""
    assert done.err.startswith("gatework: ")
    assert done.err.count("\n") == 1, done.err
    assert phrase in done.err
    assert not (tmp_path / "model" / "config.json").exists()


def test_a_table_that_never_moved_tells_when_it_does(run: Run, tmp_path: Path) -> None:
    table = readings(120).with_columns(load=pl.lit(1.0), heat=pl.lit(20.0))
    table.write_csv(tmp_path / "data.csv")
    fitted(tmp_path / "model", tmp_path / "data.csv")
    table.with_columns(load=pl.when(pl.int_range(120) == 90).then(5.0).otherwise("load")).write_csv(
        tmp_path / "moved.csv"
    )
    scores = pl.read_csv(run("predict", tmp_path / "model", tmp_path / "moved.csv").out.encode())
    assert scores["score"].arg_max() in range(90, 95)


def test_other_data_than_those_of_the_fit_are_refused(
    run: Run, metrics: Path, later: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    pl.read_csv(later).drop("heat").write_csv(other)
    for verb in ("predict", "evaluate"):
        done = run(verb, metrics, other)
        assert done.code == 2
        assert "lacks the column 'heat'" in done.err
    done = run("watch", metrics, other, "--no-follow")
    assert done.code == 2
    assert "line 1: the header lacks 'heat'" in done.err
