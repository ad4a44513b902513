"""Comparisons of invented results: what the words are tested on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatework.comparison.plan import Budget, Plan
from gatework.comparison.result import Comparison
from gatework.comparison.runs import Run, Test

W, BLOCKS = 300, 30


def plan(
    cells: Sequence[str],
    seeds: int,
    contexts: tuple[int | None, ...] = (None,),
    budget: str = "epochs",
) -> Plan:
    return Plan("forecast", tuple(cells), tuple(range(seeds)), Budget(budget), contexts, {}, {})


def runs(
    cell: str,
    score: float,
    seeds: int = 3,
    *,
    noise: float = 0.001,
    context: int | None = None,
    epoch_seconds: float = 1.0,
    **more: Any,
) -> list[Run]:
    """Trainings whose items are hard or easy for every cell alike, about ``score`` in the mean."""
    hard = np.sin(np.arange(W)) * 0.2
    out = []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, *cell.encode(), context or 0])
        items = hard - hard.mean() + rng.normal(0, noise, W) + score
        items += noise * (seed - (seeds - 1) / 2)
        facts: dict[str, Any] = {
            "parameters": 1000, "seconds": 10 * epoch_seconds, "epochs": 10, "best_epoch": 7,
            "epoch_seconds": epoch_seconds * (1 + 0.01 * seed), "stopped": "early", "cpu_share": 1.0,
            "push_us": 50.0, "peak_mib": 20.0,
        }  # fmt: skip
        run = Run(cell, seed, context, 16, score=float(items.mean()), items=items)
        for name, value in (facts | more).items():
            setattr(run, name, value)
        out.append(run)
    return out


def failed(cell: str, seed: int, message: str = "its loss is infinite") -> Run:
    return Run(cell, seed, None, 16, failure=message)


def judged_part(naive: float = 2.0, *, lower: bool = True, items: bool = True) -> Test:
    hard = np.sin(np.arange(W)) * 0.2
    return Test(
        "MAE" if lower else "accuracy",
        "mean absolute error",
        lower,
        "forecast",
        {"naive": naive},
        {"naive": hard - hard.mean() + naive} if items else {},
        np.arange(W) * BLOCKS // W if items else None,
    )


def compared(found: list[Run], test: Test | None = None, **more: Any) -> Comparison:
    """The comparison that these trainings make."""
    cells = list(dict.fromkeys(r.cell for r in found))
    seeds = 1 + max(r.seed for r in found)
    contexts = tuple(sorted({r.context for r in found}, key=lambda c: c or 0))
    budget = more.pop("budget", "epochs")
    part = test or judged_part()
    tests = dict.fromkeys(contexts, part)
    return Comparison.of(plan(cells, seeds, contexts, budget), found, tests, **more)
