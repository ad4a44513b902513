"""Sentences follow from numbers: ties, winners, losers, one seed, failures, times, contexts."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from invented import compared, failed, judged_part, runs


def said(found: list, *more: object, **options: object) -> str:
    return " ".join(compared(found, *more, **options).verdict)


def told(found: list, part: str, **options: object) -> dict[str, str]:
    return next(c for c in compared(found, **options).told if part in c["told"])


# ---- verdict ------------------------------------------------------------------------------------------


def test_one_winner_by_more_than_chance() -> None:
    words = said(runs("lstm", 1.0) + runs("gru", 1.1) + runs("rnn", 1.2))
    assert (
        "lstm is best on these data: its MAE of 1.000 is 9.1 % lower than that of gru"
        in words.replace("\xa0", " ")
    )
    assert "cannot be told apart" not in words


def test_equal_cells_cannot_be_told_apart() -> None:
    words = said(runs("lstm", 1.0, noise=0.05) + runs("gru", 1.001, noise=0.05))
    assert words.startswith("The two cells cannot be told apart on these data: MAE from")
    assert "best on" not in words
    three = said([r for cell in ("lstm", "gru", "rnn") for r in runs(cell, 1.0, noise=0.05)])
    assert three.startswith("The 3 cells cannot be told apart")


def test_identical_results_are_a_tie() -> None:
    same = runs("lstm", 1.0) + runs("gru", 1.0)
    for a, b in zip(same[:3], same[3:], strict=True):
        b.items, b.score = a.items, a.score
    assert "The two cells cannot be told apart" in said(same)


def test_a_loser_is_named_beside_a_tie() -> None:
    words = said(runs("lstm", 1.0, noise=0.02) + runs("gru", 1.0, noise=0.02) + runs("rnn", 1.3))
    assert "cannot be told apart on these data (MAE" in words
    assert ", by more than chance: rnn by 23" in words
    assert "gru by" not in words


def test_a_higher_score_can_be_the_better_one() -> None:
    words = said(runs("lstm", 0.9) + runs("rnn", 0.7), judged_part(0.5, lower=False))
    assert words.startswith("lstm is best on these data: its accuracy of 0.8999 is 29")
    assert "higher than that of rnn" in words
    assert "Every cell beats the best naive answer (naive, accuracy 0.5), by 40" in words


def test_one_seed_is_said() -> None:
    comparison = compared(runs("lstm", 1.0, 1) + runs("rnn", 1.2, 1))
    words = " ".join(comparison.verdict)
    assert "lstm is best on these data" in words  # over the test items
    assert "One training of each cell only: another seed may turn the order" in words
    assert "the seeds" not in comparison.facts["method"]


def test_one_seed_and_no_items_tell_nothing() -> None:
    comparison = compared(
        runs("lstm", 1.0, 1, items=None) + runs("rnn", 1.2, 1, items=None), judged_part(items=False)
    )
    assert "nothing tells whether that is more than chance" in comparison.verdict[0]
    assert comparison.facts["method"].startswith("No difference was tested")


def test_seeds_alone_are_tested_where_a_task_has_no_items() -> None:
    found = [r for c, s in (("lstm", 1.0), ("rnn", 1.2)) for r in runs(c, s, items=None)]
    comparison = compared(found, judged_part(items=False))
    assert comparison.verdict[0].startswith("lstm is best")
    assert "over the seeds (t test" in comparison.facts["method"]


def test_failures_leave_the_others_their_place() -> None:
    words = said([*runs("lstm", 1.0), *runs("gru", 1.1, 2), failed("gru", 2, "it exploded.")])
    assert "lstm is best" in words
    assert "gru failed in 1 of 3 trainings: it exploded." in words
    alone = said([*runs("lstm", 1.0), *(failed("gru", s) for s in range(3))])
    assert alone.startswith("Only lstm was trained to the end (MAE 0.9999): there is nothing")
    assert "gru failed in 3 of 3 trainings: its loss is infinite." in alone


def test_scores_that_are_no_numbers_win_nothing() -> None:
    found = runs("lstm", 1.0) + runs("gru", 1.1)
    found[3].score, found[3].items = math.nan, found[3].items * math.nan
    words = said(found)
    assert "lstm is best" in words
    assert "gru failed in 1 of 3 trainings: its MAE on the test part is nan." in words


def test_naive_answers_that_are_better_are_said() -> None:
    found = runs("lstm", 1.0) + runs("rnn", 1.2)
    assert "No cell beats the best naive answer (naive, MAE 0.5)" in said(found, judged_part(0.5))
    mixed = said(found, judged_part(1.1))
    assert "better: lstm; worse: rnn." in mixed
    near = said(runs("lstm", 1.0, noise=0.1), judged_part(1.0))
    assert "No cell can be told apart from the best naive answer" in near


def test_trainings_cut_short_are_said() -> None:
    found = runs("lstm", 1.0, stopped="finished", best_epoch=10) + runs("rnn", 1.2)
    assert "3 of 6 trainings (lstm) were still getting better when their epochs ended" in said(
        found
    )


def test_sizes_that_miss_and_interruption_are_said() -> None:
    found = runs("lstm", 1.0) + runs("rnn", 1.2, parameters=1300)
    words = said(found, budget="parameters", interrupted=True)
    assert "could not be reached for rnn (1,300)" in words
    assert "Interrupted: 6 of 6 trainings are done" in words


def test_a_busy_machine_is_said() -> None:
    words = said(runs("lstm", 1.0, cpu_share=0.4) + runs("rnn", 1.2))
    assert "The machine was busy with other work" in words


def test_correction_makes_many_comparisons_stricter() -> None:
    pairs = compared(runs("lstm", 1.0) + runs("gru", 1.0) + runs("rnn", 1.0)).facts["pairs"]
    assert len(pairs) == 6  # three cells with each other and with the naive answer
    assert all(p["p_corrected"] >= p["p"] for p in pairs)
    assert any(p["p_corrected"] > p["p"] for p in pairs)


# ---- what people are told -----------------------------------------------------------------------------


def test_quick_feedforward_networks() -> None:
    quick = runs("feedforward", 1.2, epoch_seconds=0.5) + runs("lstm", 1.0)
    claim = told(quick, "quick to train")
    assert claim["holds"] == "yes"
    assert "0.5 times as long as one of lstm" in claim["here"]
    assert (
        told(runs("feedforward", 1, epoch_seconds=2.0) + runs("lstm", 1), "quick")["holds"] == "no"
    )
    assert told(runs("feedforward", 1) + runs("lstm", 1), "quick")["holds"] == "open"


def test_times_that_overlap_or_were_disturbed_settle_nothing() -> None:
    found = runs("feedforward", 1.2, epoch_seconds=0.5) + runs("lstm", 1.0)
    found[0].epoch_seconds = 3.0
    claim = told(found, "quick to train")
    assert claim["holds"] == "open"
    assert "the times overlap" in claim["here"]
    busy = runs("feedforward", 1.2, epoch_seconds=0.5, cpu_share=0.3) + runs("lstm", 1.0)
    assert told(busy, "quick to train")["holds"] == "open"


@pytest.mark.parametrize(
    ("fed", "recurrent", "holds"), [(1.2, 1.0, "yes"), (1.0, 1.2, "no"), (1.0, 1.0, "open")]
)
def test_order(fed: float, recurrent: float, holds: str) -> None:
    found = runs("feedforward", fed, noise=0.01) + runs("lstm", recurrent, noise=0.01)
    assert told(found, "do not see the order")["holds"] == holds


def test_memory_is_not_judged_on_one_context() -> None:
    claim = told(runs("rnn", 1.2) + runs("lstm", 1.0), "lose long sequences")
    assert claim["holds"] == "open"
    assert "--contexts" in claim["here"]


def test_memory_over_contexts() -> None:
    found = [
        *runs("rnn", 1.0, context=24), *runs("rnn", 1.3, context=96),
        *runs("lstm", 1.0, context=24), *runs("lstm", 0.9, context=96),
    ]  # fmt: skip
    lost, kept = told(found, "lose long"), told(found, "LSTMs keep")
    assert (lost["holds"], kept["holds"]) == ("yes", "yes")
    assert "1 from 24 steps and 1.3 from 96 steps; the longest is worse" in lost["here"]
    for run in found:
        if run.cell == "rnn" and run.context == 96:
            run.items, run.score = run.items - 0.5, run.score - 0.5
    assert told(found, "lose long")["holds"] == "no"
    assert told(found, "LSTMs keep")["holds"] == "no"  # the plain one is better here


def test_lstm_takes_longer() -> None:
    assert told(runs("rnn", 1) + runs("lstm", 1, epoch_seconds=2.0), "longer")["holds"] == "yes"
    assert told(runs("rnn", 1, epoch_seconds=2.0) + runs("lstm", 1), "longer")["holds"] == "no"


def test_claims_need_their_cells() -> None:
    assert compared(runs("lstm", 1.0) + runs("gru", 1.1)).told == []
