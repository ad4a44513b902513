"""What a comparison found: a table, sentences, a page."""

from __future__ import annotations

import itertools
import math
import statistics as middle
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from gatework._version import __version__
from gatework.cells import CELLS
from gatework.comparison.plan import Plan
from gatework.comparison.runs import Run, Test
from gatework.comparison.statistics import LEVEL, MIN_BLOCKS, Difference, Sample, difference, holm
from gatework.comparison.told import claims
from gatework.comparison.verdict import method, sentences
from gatework.files import check_writable, json_numbers, write_atomically
from gatework.report.compare import ranked, render

MEDIANS = ("seconds", "epochs", "epoch_seconds", "push_us", "peak_mib", "cpu_share")
NAIVE = "naive answer"


class Comparison:
    """Cells side by side; ``str`` prints table and verdict.

    Attributes:
        facts: everything, as plain values; what ``--json`` prints and the page is made of.
    """

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts

    @classmethod
    def of(
        cls,
        plan: Plan,
        runs: list[Run],
        tests: dict[int | None, Test],
        *,
        interrupted: bool = False,
        data: dict[str, Any] | None = None,
    ) -> Comparison:
        """The comparison that these runs make."""
        main = plan.contexts[-1]
        if main not in tests:  # Ctrl-C came before it
            main = next(c for c in reversed(plan.contexts) if c in tests)
        test = tests[main]
        for run in runs:
            if run.failure is None and (run.score is None or not math.isfinite(run.score)):
                run.failure = f"its {test.name} on the test part is {run.score}"
        of_main = [r for r in runs if r.context == main]
        facts: dict[str, Any] = {
            "task": plan.task,
            "data": data,
            "gatework_version": __version__,
            "budget": str(plan.budget),
            "budget_kind": plan.budget.kind,
            "reference": plan.reference,
            "seeds": list(plan.seeds),
            "settings": plan.settings,
            "threads": torch.get_num_threads(),
            "context": main,
            "level": LEVEL,
            "score": {
                "name": test.name,
                "text": test.text,
                "lower_is_better": test.lower_is_better,
                "item": test.item,
                "items": test.number_of_items,
                "blocks": test.number_of_blocks,
            },
            "baselines": test.baselines,
            "naive": test.best_baseline,
            "remarks": test.remarks,
            "rows": [_row(c, of_main, test) for c in plan.cells],
            "pairs": _pairs(plan.cells, of_main, test),
            "by_context": [
                {
                    "context": c,
                    "rows": [_row(x, [r for r in runs if r.context == c], t) for x in plan.cells],
                }
                for c in plan.contexts
                if len(plan.contexts) > 1 and (t := tests.get(c)) is not None
            ],
            "context_pairs": _context_pairs(plan, runs, tests),
            "runs": [r.facts() for r in runs],
            "planned": len(plan.cells) * len(plan.seeds) * len(plan.contexts),
            "interrupted": interrupted,
        }
        facts = json_numbers(facts)
        facts["verdict"] = sentences(facts)
        facts["method"] = method(facts)
        facts["told"] = claims(facts)
        return cls(facts)

    @property
    def table(self) -> pl.DataFrame:
        """A row per cell, best first: score and its spread over seeds, skill, times, sizes, memory."""
        rows = [
            {
                k: v
                for k, v in row.items()
                if k not in ("scores", "title", "failures", "epoch_range")
            }
            for row in ranked(self.facts)
        ]
        return pl.DataFrame(rows, infer_schema_length=None)

    @property
    def runs(self) -> pl.DataFrame:
        """A row per training."""
        return pl.DataFrame(self.facts["runs"], infer_schema_length=None)

    @property
    def pairs(self) -> pl.DataFrame:
        """A row per comparison of two: difference, standard error, p before and after correction."""
        return pl.DataFrame(self.facts["pairs"], infer_schema_length=None)

    @property
    def verdict(self) -> list[str]:
        """What the numbers support, in sentences."""
        return list(self.facts["verdict"])

    @property
    def told(self) -> list[dict[str, str]]:
        """What people are told of these networks, and how it is on these data."""
        return list(self.facts["told"])

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return self.facts

    def html(self) -> str:
        """The page: one text that works offline.

        Raises:
            MissingDependencyError: plotly is not installed.
        """
        return render(self.facts)

    def save(self, path: str | Path) -> Path:
        """Write the page; returns its path.

        Raises:
            OutputError: it cannot be written.
            MissingDependencyError: plotly is not installed.
        """
        check_writable(path)
        write_atomically(path, self.html().encode())
        return Path(path)

    def __str__(self) -> str:
        shown = self.table.select(
            "cell", "score", "spread", "skill", "seconds", "push_us", "parameters", "seeds"
        )
        with pl.Config(
            tbl_rows=-1,
            tbl_cols=-1,
            tbl_hide_dataframe_shape=True,
            tbl_hide_column_data_types=True,
            tbl_width_chars=100,
            float_precision=4,
        ):
            return "\n".join([str(shown), *self.verdict])


def _row(cell: str, runs: list[Run], test: Test) -> dict[str, Any]:
    mine = [r for r in runs if r.cell == cell]
    done = [r for r in mine if r.failure is None and r.score is not None]
    scores = [r.score for r in done if r.score is not None]
    score = sum(scores) / len(scores) if scores else None
    row: dict[str, Any] = {
        "cell": cell,
        "title": CELLS[cell].title if cell in CELLS else cell,
        "score": score,
        "spread": middle.stdev(scores) if len(scores) > 1 else None,
        "skill": _skill(score, test),
        "seeds": len(scores),
        "failed": len(mine) - len(done),
        "hidden_size": next((r.hidden_size for r in mine), None),
        "parameters": next((r.parameters for r in done), None),
    }
    for name in MEDIANS:
        values = [v for r in done if (v := getattr(r, name)) is not None]
        row[name] = middle.median(values) if values else None
    epochs = [r.epoch_seconds for r in done if r.epoch_seconds is not None]
    row["epoch_range"] = [min(epochs), max(epochs)] if epochs else None
    row["scores"] = [[r.seed, r.score] for r in done]
    row["failures"] = list(dict.fromkeys(r.failure for r in mine if r.failure is not None))
    return row


def _skill(score: float | None, test: Test) -> float | None:
    """Share by which the score is better than that of the best naive answer."""
    best = test.best_baseline
    base = None if best is None else test.baselines[best]
    if score is None or not base:
        return None
    return (1 - score / base) if test.lower_is_better else (score / base - 1)


def _sample(runs: list[Run]) -> Sample | None:
    done = [r for r in runs if r.failure is None and r.score is not None]
    if not done:
        return None
    items = [r.items for r in done if r.items is not None]
    whole = len(items) == len(done) and len({len(i) for i in items}) == 1
    return Sample([float(r.score or 0.0) for r in done], np.array(items) if whole else None)


def _pairs(cells: tuple[str, ...], runs: list[Run], test: Test) -> list[dict[str, Any]]:
    """Every two cells, and every cell and the best naive answer, p values corrected together."""
    samples = {c: s for c in cells if (s := _sample([r for r in runs if r.cell == c])) is not None}
    named = [(a, b, samples[a], samples[b]) for a, b in itertools.combinations(samples, 2)]
    best = test.best_baseline
    if best is not None:
        items = test.baseline_items.get(best)
        naive = Sample([test.baselines[best]], None if items is None else items[None], fixed=True)
        named += [(c, NAIVE, s, naive) for c, s in samples.items()]
    return _tested(named, test)


def _tested(named: list[tuple[Any, ...]], test: Test) -> list[dict[str, Any]]:
    found = [_claimable(difference(x, y, test.blocks), test) for _, _, x, y in named]
    corrected = holm([d.p for d in found])
    pairs = []
    for (a, b, _, _), d, p in zip(named, found, corrected, strict=True):
        distinct = p is not None and p < LEVEL
        first = (d.mean < 0) == test.lower_is_better
        pairs.append(
            {
                "a": a,
                "b": b,
                "difference": d.mean,
                "error": d.error,
                "p": d.p,
                "p_corrected": p,
                "better": (a if first else b) if distinct else None,
                "over_seeds": d.seeds,
                "over_items": d.items,
                "share_of_seeds": d.share_of_seeds,
            }
        )
    return pairs


def _claimable(d: Difference, test: Test) -> Difference:
    """The difference, untested where no cell can be judged by it.

    One training of a cell does not tell the cell from its seed, whatever the test items say; and too
    few blocks of a test part do not tell it from other parts, whatever the seeds say.
    """
    short = test.number_of_blocks is not None and test.number_of_blocks < MIN_BLOCKS
    return d if d.seeds and not short else Difference(d.mean)


def _context_pairs(
    plan: Plan, runs: list[Run], tests: dict[int | None, Test]
) -> list[dict[str, Any]]:
    """Each cell on the longest context (a) and on the shortest (b)."""
    if len(plan.contexts) < 2 or any(c not in tests for c in plan.contexts):
        return []
    short, long = plan.contexts[0], plan.contexts[-1]
    test = tests[long]
    named = []
    for cell in plan.cells:
        mine = [r for r in runs if r.cell == cell]
        a = _sample([r for r in mine if r.context == long])
        b = _sample([r for r in mine if r.context == short])
        if a is None or b is None:
            continue
        same = a.items is not None and b.items is not None and a.items.shape[1] == b.items.shape[1]
        if not same:  # a longer context may leave fewer test items
            a, b = Sample(a.scores), Sample(b.scores)
        named.append((str(long), str(short), a, b, cell))
    tested = _tested([n[:4] for n in named], test)
    return [{"cell": n[4], **pair} for n, pair in zip(named, tested, strict=True)]
