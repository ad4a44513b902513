"""Sentences follow from numbers: ties, winners, losers, one seed, failures, times, contexts."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
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
    assert words.startswith("lstm has the lowest MAE, 1.000, but one seed cannot tell")
    assert "One training of each cell only: another seed may turn the order" in words
    assert "best on these data" not in words
    assert "Every cell beats" not in words
    assert comparison.facts["method"].startswith("No difference was tested: that takes two")


def test_one_seed_settles_no_claim() -> None:
    found = [
        r for c, s in (("feedforward", 1.3), ("rnn", 1.2), ("lstm", 1.0)) for r in runs(c, s, 1)
    ]
    for run, seconds in zip(found, (0.5, 1.0, 2.0), strict=True):
        run.epoch_seconds = seconds
    claims = compared(found).told
    assert len(claims) == 5
    assert {c["holds"] for c in claims} == {"open"}
    assert "not tested: rnn (1.2) and lstm (1), one seed cannot tell" in claims[1]["here"]


def test_a_short_test_part_tells_nothing() -> None:
    part = judged_part()
    assert part.blocks is not None
    found = runs("feedforward", 1.3) + runs("lstm", 1.0) + runs("rnn", 1.2)
    for blocks, short in ((1, True), (4, True), (5, False)):
        part.blocks = np.arange(len(part.blocks)) * blocks // len(part.blocks)
        comparison = compared(found, part)
        words = " ".join(comparison.verdict)
        assert ("the test part is too short to tell" in words) == short
        assert ("lstm is best" in words) != short
        assert ("the test part has 300 forecasts in" in comparison.facts["method"]) == short
        assert all((p["p"] is None) == short for p in comparison.facts["pairs"])
        order = next(c for c in comparison.told if "see the order" in c["told"])
        assert order["holds"] == ("open" if short else "yes")
    assert "single test items" not in words


def test_doubt_is_told_of_the_cells_and_not_of_the_naive_answer() -> None:
    words = compared(runs("lstm", 1.0, noise=0.05) + runs("gru", 1.0, noise=0.05)).verdict
    doubt = next(
        i for i, w in enumerate(words) if w.startswith("Most of the doubt between the cells")
    )
    naive = next(i for i, w in enumerate(words) if "naive answer" in w)
    assert doubt < naive


def test_one_seed_and_no_items_tell_nothing() -> None:
    comparison = compared(
        runs("lstm", 1.0, 1, items=None) + runs("rnn", 1.2, 1, items=None), judged_part(items=False)
    )
    assert "one seed cannot tell whether that is more than chance" in comparison.verdict[0]
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
    assert "lstm cannot be told apart from the best naive answer" in near
    alike = said([r for c in ("lstm", "gru") for r in runs(c, 1.0, noise=0.1)], judged_part(1.0))
    assert "No cell can be told apart from the best naive answer" in alike


def test_trainings_cut_short_are_said() -> None:
    found = runs("lstm", 1.0, stopped="finished", best_epoch=10) + runs("rnn", 1.2)
    for budget in ("epochs", "time"):  # what stopped them counts, not what they could have had
        words = said(found, budget=budget)
        assert "3 of 6 trainings (lstm) were still getting better when their epochs ended" in words
    timed = runs("lstm", 1.0, stopped="time", best_epoch=10) + runs("rnn", 1.2)
    assert "(lstm) were still getting better when their time ended: a longer" in said(timed)


def test_one_cell_alone_is_worded() -> None:
    words = said(runs("lstm", 1.0, 1, stopped="finished", best_epoch=10))
    assert words.startswith("lstm was trained alone (MAE 1.0000): there is no other cell")
    assert "1 of 1 training (lstm) was still getting better when its epochs ended" in words
    assert "may do better" in words
    assert "order" not in words


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


def test_the_table_of_scores_shows_every_row() -> None:
    pytest.importorskip("plotly")
    text = compared([r for c in ("lstm", "gru", "rnn") for r in runs(c, 1.0)]).html()
    scores = text.partition('id="scores"')[2].partition("</section>")[0]
    assert 'class="scroll whole"' in scores
    assert ".scroll.whole { max-height: none; }" in text
