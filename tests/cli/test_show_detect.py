"""The table of a detector's scores in a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from gatework.cli.show_detect import print_detect

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
from detect_metrics import metrics


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "dumb")


def shown(capsys: pytest.CaptureFixture[str], content: dict[str, Any]) -> str:
    print_detect(content["evaluation"])
    return capsys.readouterr().out


def test_the_detector_stands_beside_the_baselines_with_the_main_score_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(capsys, metrics())
    assert "5,760 rows (test)" in text
    assert "…" not in text  # nothing is cut off at 80 columns
    rows = [line.split() for line in text.splitlines()]
    assert ["scores", "of", "VUS-PR", "AP"] in [row[:4] for row in rows]
    own = next(row for row in rows if row[:2] == ["this", "model"])
    assert own[2:] == ["0.512", "0.472", "66.2", "%", "71.2", "%", "39.2", "0.52", "12/15"]
    for name in ("moving z-score", "differences", "seasonal residual", "isolation forest"):
        assert name in text
    assert "The detector beats every baseline" in text
    assert "adjusted" not in text
    assert "90.2" not in text  # the point-adjusted F1


def test_sessions_have_no_stretches(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, metrics("events"))
    assert "5,760 sessions (test)" in text
    head = next(line.split() for line in text.splitlines() if "scores of" in line)
    assert head[2:] == ["AP", "AUC", "F1", "best", "F1"]


def test_without_labels_alarms_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, metrics(labelled=False))
    head = next(line.split() for line in text.splitlines() if "scores of" in line)
    assert head[2:] == ["in", "alarm", "share", "alarms", "a", "day"]
    assert "Without labels nothing tells" in text


def test_a_score_that_one_lacks_is_a_dash_and_none_is_no_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = metrics()
    evaluation = content["evaluation"]
    evaluation["baselines"]["[bold]odd[/bold]"] = {"overall": {"vus_pr": -0.0}}
    text = shown(capsys, content)
    odd = next(line for line in text.splitlines() if "odd" in line)
    assert "[bold]odd[/bold]" in odd
    assert odd.count("–") == 6
    evaluation["model"]["overall"] = {}
    assert shown(capsys, content).startswith("The detector beats")
