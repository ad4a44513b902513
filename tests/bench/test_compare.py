"""The comparison that stands before every time: it lets the right pass, and sees each kind of wrong."""

from __future__ import annotations

import re

import pytest
import torch

from gatework.bench.compare import ResultsDifferError, compare, tolerance
from gatework.bench.work import Work

WORK = Work("training", B=4, T=6, I=3, H=5)
NAMES = ("torch", "other")
RIGHT = {"y": torch.tensor([1.0, -2.0]), "grad x": torch.tensor([0.5])}


def found(y: list[float]) -> dict[str, torch.Tensor]:
    return RIGHT | {"y": torch.tensor(y)}


def test_equal_results_pass() -> None:
    assert compare(WORK, RIGHT, RIGHT, NAMES) == 0.0
    assert compare(WORK, {"y": torch.zeros(2)}, {"y": torch.zeros(2)}, NAMES) == 0.0


def test_rounding_passes_and_is_reported() -> None:
    share = compare(WORK, RIGHT, found([1.0 + 2**-22, -2.0]), NAMES)
    assert 0.0 < share < 0.1


@pytest.mark.parametrize(
    "y",
    [
        [1.001, -2.0],
        [1.0, 2.0],
        [-1.0, -2.0],
        [float("nan"), -2.0],
        [float("inf"), -2.0],
        [0.0, 0.0],
    ],
)
def test_wrong_values_are_seen(y: list[float]) -> None:
    with pytest.raises(
        ResultsDifferError, match=re.escape(f"{WORK.name}: `y` of other is not that of torch")
    ):
        compare(WORK, RIGHT, found(y), NAMES)


def test_two_that_are_not_finite_are_not_equal() -> None:
    broken = {"y": torch.tensor([float("nan")])}
    with pytest.raises(ResultsDifferError, match="differ by nan"):
        compare(WORK, broken, broken, NAMES)


def test_only_shared_results_are_compared_and_there_must_be_one() -> None:
    assert compare(WORK, RIGHT, {"grad x": RIGHT["grad x"]}, NAMES) == 0.0
    with pytest.raises(ResultsDifferError, match="torch and other share no result"):
        compare(WORK, RIGHT, {"z": torch.zeros(1)}, NAMES)
    with pytest.raises(ResultsDifferError, match=r"shape \(3,\), not \(2,\)"):
        compare(WORK, RIGHT, found([1.0, -2.0, 0.0]), NAMES)


def test_the_tolerance_follows_sizes_and_dtype() -> None:
    y, weight = tolerance(WORK, "y"), tolerance(WORK, "grad weight_hh_l0")
    assert y == 8 * 2**-23 * 8**0.5
    assert weight > y
    assert tolerance(WORK, "grad x") == y
    assert tolerance(WORK, "y", 2.0**-52) < 1e-14
    with pytest.raises(ResultsDifferError):
        compare(WORK, RIGHT, found([1.0, -2.001]), NAMES)
    assert compare(WORK, RIGHT, found([1.0, -2.001]), NAMES, rounding=2**-11) < 1
