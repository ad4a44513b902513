"""benchmarks/detect: readers keep the parts apart, a run is a line, tables follow the numbers."""

from __future__ import annotations

import gzip
import importlib
import json
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("sets", "readers", "cases", "run", "render", "speed")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The benchmark's modules, imported as its commands do and forgotten afterwards."""
    monkeypatch.syspath_prepend(ROOT)
    yield SimpleNamespace(**{n: importlib.import_module(f"benchmarks.detect.{n}") for n in NAMES})
    for name in [n for n in sys.modules if n.partition(".")[0] == "benchmarks"]:
        del sys.modules[name]


def nab_folder(folder: Path) -> Path:
    """Two files, 400 rows of a quarter of an hour; the first has a window of rows 300 to 319."""
    start = datetime(2020, 1, 1)
    times = [start + timedelta(minutes=15 * k) for k in range(400)]
    window = [f"{times[k]:%Y-%m-%d %H:%M:%S}.000000" for k in (300, 319)]
    (folder / "a").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("one", "flat"):
        values = rng.normal(size=400) if name == "one" else np.full(400, 5.0)
        rows = [f"{t:%Y-%m-%d %H:%M:%S},{v}" for t, v in zip(times, values, strict=True)]
        (folder / "a" / f"{name}.csv").write_text("\n".join(["timestamp,value", *rows]) + "\n")
    named = {"a/one.csv": [window], "a/flat.csv": []}
    (folder / "combined_windows.json").write_text(json.dumps(named))
    return folder


def test_windows_of_nab_are_rows(bench: Any, tmp_path: Path) -> None:
    one, flat = bench.readers.nab(nab_folder(tmp_path))
    assert (one.name, one.windows) == ("a/one.csv", [(300, 319)])
    assert flat.windows == []
    assert flat.frame["value"].to_list() == [5.0] * 400


def test_nothing_of_the_test_part_is_learned_from(bench: Any, tmp_path: Path) -> None:
    record = ["1", "tcp", *["2"] * 39]
    for name, kinds in (
        ("KDDTrain+_20Percent.txt", ["normal", "neptune", "normal"]),
        ("KDDTest+.txt", ["saint", "normal"]),
    ):
        lines = [",".join([*record, kind, "20"]) for kind in kinds]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    found = bench.readers.nsl(tmp_path)
    assert found.train["label"].to_list() == ["normal", "normal"]
    assert found.test["label"].to_list() == ["attack", "normal"]
    assert found.test.schema["f0"].is_float()
    assert not found.test.schema["f1"].is_float()

    labels = np.array([0, 1])
    path = tmp_path / "machine-1-4.npz"
    np.savez(path, train=np.zeros((3, 2)), test=np.ones((2, 2)), test_label=labels)
    server = bench.readers.smd(tmp_path)
    assert server.train["label"].to_list() == [0, 0, 0]
    assert server.test["label"].to_list() == [0, 1]

    (tmp_path / "hdfs_train").write_text("5 5\n1 2 \n3\n")
    (tmp_path / "hdfs_test_abnormal").write_text("9 9\n")
    logs = bench.readers.hdfs(tmp_path, train=2)
    assert (logs.train, logs.test) == ([["5", "5"], ["1", "2"]], [["3"], ["9", "9"]])
    assert logs.abnormal.tolist() == [False, True]


def test_payments_are_dealt_by_day_and_know_no_fraud(bench: Any, tmp_path: Path) -> None:
    header = "TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_TIME_DAYS,TX_FRAUD"
    rows = [
        f"2018-04-01T00:00:{k:02},{k % 2},{k // 4},1.5,{day},{k % 3 // 2}"
        for k, day in enumerate([0, 119, 120, 149, 150, 182])
    ]
    text = "\n".join([header, *rows]) + "\n"
    (tmp_path / "transactions.csv.gz").write_bytes(gzip.compress(text.encode()))
    found = bench.readers.fraud(tmp_path)
    assert (found.train, found.validation, found.fraud.sum()) == (2, 2, 2)
    assert found.frame["terminal"].to_list() == ["new", "new", "known", "known", "new", "new"]
    assert not [name for name in found.frame.columns if "fraud" in name.lower()]


def test_a_run_is_a_line_and_an_absent_set_is_skipped(
    bench: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench.run, "with_threads", lambda count: None)
    nab_folder(tmp_path / "anomaly_nab")
    # of the 400 rows 60 do not count: too few for a detector, so that it never alarms
    words = ["--data", str(tmp_path), "--sets", "nab,smd", "--seeds", "3"]
    bench.run.main([*words, "--settings", '{"max_epochs": 1}', "--out", str(tmp_path / "r.jsonl")])
    said = capsys.readouterr().out
    assert "smd: skipped" in said
    assert "nab    seed 3  NAB score, standard profile 0.0000" in said
    (line,) = [json.loads(x) for x in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert (line["trial"], line["settings"]["seed"], line["settings"]["max_epochs"]) == (True, 3, 1)
    assert [text.partition(":")[0] for text in line["refused"]] == ["a/one.csv", "a/flat.csv"]
    assert {"moving z-score", "differences", "seasonal residual"} < set(line["baselines"])
    assert not bench.render.runs(tmp_path / "r.jsonl"), "a trial is in no table"


def line(seed: int, f1: float, rival: float, **more: Any) -> dict[str, Any]:
    """What `run` writes of HDFS and NAB, with made-up scores."""
    scores = {"f1": f1, "nab_standard": 100 * f1}
    facts = {"set": "hdfs", "seed": seed, "trial": False, "commit": "abc", "changed": False}
    costs = {"fit_seconds": 9.0, "seconds": 10.0, "epochs": 2, "parameters": 1234}
    where = {"method": "forecast", "machine": {"processor": "P", "cores": 2, "threads": 1}}
    return {
        **facts,
        **costs,
        **where,
        "overall": scores,
        "baselines": {
            "n-gram": {"f1": rival, "nab_standard": 100 * rival},
            "alarm at everything": {"f1": 0.971},
        },
        **more,
    }


def test_tables_follow_the_numbers(bench: Any, tmp_path: Path) -> None:
    lines = [line(0, 0.1, 0.5), line(0, 0.98, 0.5), line(1, 0.97, 0.5), line(2, 0.99, 0.5)]
    lines += [line(0, 0.7, 0.8, set="nab"), {**line(5, 0.1, 0.5), "trial": True}]
    (tmp_path / "results.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    tables = bench.render.parts(tmp_path)
    assert (
        "≥ 0.96 | **0.980** | 0: 0.980, 1: 0.970, 2: 0.990 | 0.500 (n-gram) | yes |"
        in tables["detect benchmark"]
    )
    assert (  # above 60, and below a simple detector
        "≥ 60, above every baseline | **70.00** | 0: 70.00 | 80.00 (n-gram) | **no** |"
        in tables["detect benchmark"]
    )
    assert "not run" in tables["detect benchmark"]
    assert "| n-gram | 0.500 |" in tables["detect beside"]
    page = bench.render.with_tables(
        "a <!-- detect speed -->old<!-- end of detect speed --> b", tables
    )
    assert page == "a <!-- detect speed -->\nNot measured.\n<!-- end of detect speed --> b"

    (tmp_path / "results.jsonl").write_text(json.dumps(line(0, 0.965, 0.5)) + "\n")
    told = bench.render.parts(tmp_path)["detect benchmark"]
    assert "yes, and alarm at everything has 0.971" in told


def test_floor_and_shares_of_false_alarms(bench: Any) -> None:
    abnormal = np.arange(100) >= 50
    floor = bench.cases.everything(abnormal)
    assert floor["f1"] == pytest.approx(2 / 3)
    found = bench.cases._at_shares({"recall": 1.0, "alarms": 60.0}, abnormal)
    assert found["false_alarm_share"] == pytest.approx(0.2)
    false = 0.2 * bench.cases.DEEPLOG
    assert found["f1_deeplog_shares"] == pytest.approx(100 / (100 + false))


def test_speed_is_told_as_it_was_measured(bench: Any) -> None:
    where = {"machine": {"processor": "P", "threads": 1}, "commit": "abc", "changed": True}
    where |= {"date": "today"}
    push = {"median_us": 12.34, "p99_us": 20.0, "processor_us": 13.0, "difference": 1e-6}
    content = {
        "push": {**push, **where},
        "memory": {"pushes": 10**7, "growth_mib": 0.25, **where},
        "watch": {
            "events": {"failed": "failed: no model"},
            "metrics": {"per_second": 12345.6, "per_processor_second": 20000.0},
            **where,
        },
    }
    told = bench.render.speed_table(content)
    assert "≤ 30 µs | **12.3 µs** |" in told
    assert "| memory after 10,000,000 pushes | flat | +0.25 MiB" in told
    assert "≥ 50,000 | failed: no model |" in told
    assert "≥ 10,000 | **12,346**; 20,000 of processor time |" in told
    assert "abc and changes" in told
    assert {len(s) for s in bench.speed.sessions(300)} == set(range(5, 26))
    assert bench.speed.channels(3, 50).shape == (50, 3)


def test_watch_that_fails_has_no_time(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: Any) -> tuple[float, float]:
        raise RuntimeError("there is no model")

    with pytest.raises(SystemExit, match="too few lines"):
        bench.speed.throughput(tmp_path, ["5"], [], 1, 1)
    monkeypatch.setattr(bench.speed, "watched", fails)
    found = bench.speed.throughput(tmp_path, ["5 5 5"] * 50_000, [], 50_000, 1)
    assert found == {"failed": "failed: there is no model", "rows": 50_000}
    turns = iter([(2.0, 1.0), (9.0, 4.0), (4.0, 2.0)])
    monkeypatch.setattr(bench.speed, "watched", lambda *given: next(turns))
    found = bench.speed.throughput(tmp_path, ["5 5 5"] * 50_000, [], 50_000, 1)
    assert (found["per_second"], found["per_processor_second"]) == (12_500, 25_000)
