"""A model's scores beside the baselines', and in one plain sentence what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

FEW = 30
LOWER = ("rmse", "mae", "log_loss", "phm_score")
NAMES = {
    "accuracy": "accuracy",
    "token_accuracy": "accuracy",
    "span_f1": "span F1",
    "average_precision": "average precision",
    "rmse": "RMSE",
    "mae": "MAE",
}
SHARES = ("accuracy", "token_accuracy")
Found = TypeVar("Found")


def judged_beside(
    main: str,
    scores: Callable[[Found], dict[str, Any]],
    answers: Found,
    baselines: Mapping[str, Found],
    count: int,
) -> dict[str, Any]:
    """``model``, ``baselines``, ``main`` and ``verdict`` of an evaluation.

    Args:
        main: the score that decides.
        scores: what gives ``overall``, ``intervals`` and the rest of answers.
        count: sequences that were judged.
    """
    model = scores(answers)
    others = {name: scores(own) for name, own in baselines.items()}
    kept = {
        name: {"overall": row["overall"], "intervals": row["intervals"]}
        for name, row in others.items()
    }
    told = {name: row["overall"].get(main) for name, row in kept.items()}
    interval = model["intervals"].get(main)
    return {
        "main": main,
        "model": model,
        "baselines": kept,
        "verdict": verdict(main, model["overall"].get(main), told, interval, count),
    }


def verdict(
    main: str,
    own: float | None,
    baselines: Mapping[str, float | None],
    interval: list[float] | None,
    count: int,
) -> str:
    """Whether the model beats every baseline, in words, with caution where there are few sequences.

    >>> verdict("accuracy", 0.9, {"majority class": 0.5, "linear model": 0.8}, [0.85, 0.94], 200)
    'The model beats every baseline: accuracy 90.0 % against 80.0 % of the best of them (linear model).'
    >>> verdict("rmse", 3.0, {"mean": 2.0}, [2.5, 3.5], 200)
    'The model does NOT beat mean: RMSE 3 against 2.'
    """
    if not count or own is None:
        return "Nothing to judge on: the model was not judged."
    rivals = {name: value for name, value in baselines.items() if value is not None}
    sign = -1.0 if main in LOWER else 1.0
    title = NAMES.get(main, main)
    said = f"The model's {title} is {_told(main, own)}; there is no baseline to compare it with."
    if rivals:
        best = max(rivals, key=lambda name: sign * rivals[name])
        lost = [name for name, value in rivals.items() if not sign * own > sign * value]
        if lost:
            which = ", ".join(lost)
            worst = max(lost, key=lambda name: sign * rivals[name])
            said = (
                f"The model does NOT beat {which}: {title} {_told(main, own)} against "
                f"{_told(main, rivals[worst])}."
            )
        else:
            said = (
                f"The model beats every baseline: {title} {_told(main, own)} against "
                f"{_told(main, rivals[best])} of the best of them ({best})."
            )
            if interval is not None and interval[0] <= rivals[best] <= interval[1]:
                said += " Its 95 % interval holds the baseline's score too: it may be chance."
    if count < FEW:
        sequences = "sequence" if count == 1 else "sequences"
        said = f"On {count} {sequences} only, too few to rely on: {said}"
    return said


def _told(main: str, value: float) -> str:
    return f"{100 * value:.1f} %" if main in SHARES else f"{value:.4g}"
