"""Calibration by kinds: weights that count each kind the same, offsets that help those left out."""

from __future__ import annotations

import numpy as np
import pytest

from gatework.train.kinds import fit_offsets, kind_weights


def test_each_class_and_each_kind_within_it_counts_the_same() -> None:
    target = np.array([0] * 90 + [1] * 10)
    groups = ["n"] * 80 + ["m"] * 10 + ["a"] * 9 + ["b"]
    weights = kind_weights(target, groups)
    assert weights is not None
    sums = {g: weights[np.array(groups) == g].sum() for g in set(groups)}
    assert sums == pytest.approx(dict.fromkeys("nmab", 25.0))


@pytest.mark.parametrize(
    ("target", "groups"),
    [
        ([0, 1, 0], None),
        ([0, 1, 0, 1], ["ann", "ann", "bob", "bob"]),  # speakers: no kinds of a class
        ([0, 0, 1], ["n", "n", "a"]),  # one kind each: nothing to weigh
        ([], []),
    ],
)
def test_groups_that_are_no_kinds_get_no_weights(target: list[int], groups: list[str]) -> None:
    assert kind_weights(np.array(target, int), groups) is None


def test_offsets_find_what_a_rare_kind_needs() -> None:
    rng = np.random.default_rng(0)
    # Normal records score -3; a frequent attack 3, a rare one -1: for 0 as threshold it is normal.
    score = np.concatenate(
        [rng.normal(-3, 0.5, 900), rng.normal(3, 0.5, 95), rng.normal(-1, 0.5, 20)]
    )
    target = np.array([0] * 900 + [1] * 115)
    groups = [f"n{k % 2}" for k in range(900)] + ["often"] * 95 + ["rare"] * 20
    logits = np.stack([-score / 2, score / 2], axis=1)
    weights = kind_weights(target, groups)
    assert weights is not None
    T, b = fit_offsets(logits, target, weights)
    chosen = (logits / T + b).argmax(1)
    rare = np.array(groups) == "rare"
    assert logits.argmax(1)[rare].mean() < 0.2
    assert chosen[rare].mean() > 0.8
    assert (chosen[:900] == 0).mean() > 0.95


def test_offsets_of_well_calibrated_logits_are_about_zero() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (6000, 3))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    target = (p.cumsum(1) < rng.random((6000, 1))).sum(1)
    T, b = fit_offsets(logits, target, np.ones(6000))
    assert 0.9 < T < 1.1
    assert np.abs(b).max() < 0.15


def test_a_perfect_split_gives_finite_numbers() -> None:
    T, b = fit_offsets(np.array([[5.0, -5.0], [-5.0, 5.0]]), np.array([0, 1]), np.ones(2))
    assert 0 < T <= 20
    assert np.isfinite(b).all()
