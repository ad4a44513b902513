"""The tables of benchmarks/engine: every goal has rows, and the verdict follows the numbers."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gatework.bench.work import Work

FOLDER = Path(__file__).parents[2] / "benchmarks" / "engine"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType]]:
    """``rows`` and ``render``, imported as the scripts do and forgotten afterwards."""
    monkeypatch.syspath_prepend(FOLDER)
    yield importlib.import_module("rows"), importlib.import_module("render")
    for name in ("rows", "render"):
        del sys.modules[name]


def row(work: Work, group: str, theirs: float, ours: float, share: float = 0.5) -> dict[str, Any]:
    """What `measure` returns, with one torch contestant and made-up times in milliseconds."""
    facts = {"ms_q25": 1.0, "ms_q75": 2.0, "ms_p99": 3.0, "gflops": 10.0, "steps_per_s": 1e3}
    facts |= {"share_of_peak": share}
    return {
        "group": group,
        "threads": 1,
        "work": work.name,
        "sizes": asdict(work),
        "contestants": {
            "torch": {**facts, "ms": theirs, "kept_bytes": 3_000_000},
            "gatework.nn": {**facts, "ms": ours, "kept_bytes": 2_000_000},
        },
        "ratios": {"torch / gatework.nn": {"ratio": theirs / ours, "q25": 1.0, "q75": 2.0}},
    }


def results(rows: list[dict[str, Any]]) -> dict[str, Any]:
    facts: dict[str, Any] = {"machine": {"engine": "avx2: x"}, "versions": {}, "settings": {}}
    return facts | {"peak": {"gflops": 270.0, "how": "so"}, "rows": rows}


def line(text: str, *words: str) -> str:
    found = [x for x in text.splitlines() if all(w in x for w in words)]
    assert len(found) == 1, (words, found)
    return found[0]


def test_every_goal_is_about_some_rows_and_rows_have_names_of_their_own(scripts: Any) -> None:
    rows, _ = scripts
    works = [work for group in rows.GROUPS.values() for work in group]
    for goal in rows.GOALS:
        assert any(goal.about(work) for work in rows.GROUPS[goal.group]), goal
    for group in rows.GROUPS.values():
        assert len({work.name for work in group}) == len(group)
    odd = [work for work in rows.GROUPS["odd"] if work.cell == "lstm"]
    wanted = {"H": (1, 7, 20, 100, 200, 650, 1000), "I": (1, 7, 39, 80), "B": (1, 3, 33)}
    for letter, sizes in (wanted | {"T": (1, 2, 1000)}).items():
        assert set(sizes) <= {getattr(work, letter) for work in odd}
    assert all(work.steps > 0 for work in works)


@pytest.mark.parametrize(
    ("times", "verdict"),
    [
        ([(12.0, 10.0), (40.0, 10.0)], "1.20, mean 2.19 | met |"),
        ([(12.0, 10.0), (13.0, 10.0)], "1.20, mean 1.25 | **not met** |"),
        ([(10.0, 10.0), (90.0, 10.0)], "1.00, mean 3.00 | **not met** |"),
    ],
)
def test_a_goal_is_met_by_every_row_and_by_the_mean(
    scripts: Any, times: list[tuple[float, float]], verdict: str
) -> None:
    _, render = scripts
    made = [
        row(Work("training", B=16, T=50, I=H, H=H), "training", *pair)
        for H, pair in zip((64, 128), times, strict=True)
    ]
    text = render.render(results(made))
    assert line(text, "| LSTM training |", "≥ 1.1, mean ≥ 1.6").endswith(verdict)
    assert "H ≥ 256" not in text  # no such row was measured
    assert "1.50, mean 1.50 | met" in line(text, "training: kept for backward")
    assert "GRU" not in text
    assert "H=64 | torch | " in text


def test_a_goal_that_no_layer_could_reach_here_says_so(scripts: Any) -> None:
    _, render = scripts
    gru = Work("training", cell="gru", B=32, T=50, I=256, H=256)
    text = render.render(results([row(gru, "gru-training", 12.0, 10.0, share=0.8)]))
    verdict = line(text, "| GRU training |")
    assert verdict.endswith("| **not met**; above the peak in 1 of 1 rows |")


def test_a_row_without_times_fails_its_goal(scripts: Any) -> None:
    _, render = scripts
    good, bad = (Work("training", B=B, T=50, I=256, H=256) for B in (32, 64))
    broken = row(bad, "training", 1.0, 1.0)
    for name in ("contestants", "ratios"):
        del broken[name]
    made = [row(good, "training", 20.0, 10.0, 0.8), broken | {"failed": "they differ"}]
    text = render.render(results(made))
    assert line(text, "| LSTM training |").endswith("2.00, mean 2.00 | 1 failed |")
    assert line(text, "LSTM training, H ≥ 256").endswith("0.80, mean 0.80 | 1 failed |")
    assert "they differ" in line(text, bad.name)


def test_the_table_goes_between_the_markers(scripts: Any) -> None:
    _, render = scripts
    page = f"above\n{render.OPEN}\nold\n{render.CLOSE}\nbelow\n"
    assert (
        render.replace_between(page, "new\n")
        == f"above\n{render.OPEN}\n\nnew\n\n{render.CLOSE}\nbelow\n"
    )
    with pytest.raises(SystemExit, match="once each"):
        render.replace_between("no markers", "new")
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert render.replace_between(readme, "new")
