"""What is said of a model beside its baselines, above all where it is no better."""

from __future__ import annotations

from typing import Any

import pytest

from gatework.train.verdict import judged_beside, verdict


def test_better_than_all() -> None:
    said = verdict("accuracy", 0.9, {"majority class": 0.5, "linear model": 0.8}, [0.85, 0.95], 100)
    assert said.startswith("The model beats every baseline")
    assert "90.0 % against 80.0 %" in said
    assert "chance" not in said


def test_better_by_what_may_be_chance() -> None:
    said = verdict("accuracy", 0.9, {"linear model": 0.87}, [0.85, 0.95], 100)
    assert said.startswith("The model beats every baseline")
    assert "may be chance" in said


@pytest.mark.parametrize(
    ("main", "own", "rivals"),
    [
        ("accuracy", 0.7, {"majority class": 0.5, "linear model": 0.8}),
        ("accuracy", 0.8, {"linear model": 0.8}),  # as good is not better
        ("accuracy", float("nan"), {"linear model": 0.1}),
        ("rmse", 3.0, {"linear model": 2.0, "mean": 4.0}),
        ("mae", 3.0, {"linear model": 3.0}),
        ("span_f1", 0.3, {"linear model": 0.4}),
    ],
)
def test_not_better(main: str, own: float, rivals: dict[str, float | None]) -> None:
    said = verdict(main, own, rivals, None, 100)
    assert said.startswith("The model does NOT beat linear model:")


def test_every_baseline_that_is_not_beaten_is_named() -> None:
    said = verdict("accuracy", 0.4, {"majority class": 0.5, "per word": 0.6, "x": 0.1}, None, 100)
    assert said.startswith("The model does NOT beat majority class, per word: ")
    assert said.endswith("accuracy 40.0 % against 60.0 %.")


@pytest.mark.parametrize(("count", "words"), [(29, "29 sequences"), (1, "1 sequence only")])
def test_few_sequences(count: int, words: str) -> None:
    said = verdict("accuracy", 0.9, {"majority class": 0.5}, None, count)
    assert words in said
    assert "too few to rely on" in said
    assert "too few" not in verdict("accuracy", 0.9, {"majority class": 0.5}, None, 30)


def test_nothing_to_judge_or_to_compare_with() -> None:
    assert verdict("accuracy", None, {}, None, 50).startswith("Nothing to judge on")
    assert verdict("accuracy", 0.9, {}, None, 0).startswith("Nothing to judge on")
    assert "no baseline" in verdict("accuracy", 0.9, {"linear model": None}, None, 50)


def test_scores_beside_baselines() -> None:
    def scores(right: float) -> dict[str, Any]:
        return {
            "overall": {"accuracy": right},
            "intervals": {"accuracy": [0.6, 0.8]},
            "classes": {},
        }

    found = judged_beside("accuracy", scores, 0.7, {"majority class": 0.5}, 40)
    assert found["model"]["classes"] == {}
    assert found["baselines"]["majority class"] == {
        "overall": {"accuracy": 0.5},
        "intervals": {"accuracy": [0.6, 0.8]},
    }
    assert found["verdict"].startswith("The model beats every baseline")
