"""Precision and recall of ranges against sums by hand and a plain reading of the equations."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from gatework.train.range_metrics import range_scores, ranges


def flags(text: str) -> Any:
    return np.array([c == "#" for c in text.replace(" ", "")])


def spans(text: str, offsets: list[int] | None = None) -> list[list[int]]:
    own = flags(text)
    found: list[list[int]] = ranges(own, np.array(offsets or [0, len(own)])).tolist()
    return found


def test_ranges() -> None:
    assert spans("##.#..##") == [[0, 1], [3, 3], [6, 7]]
    assert spans("####", [0, 2, 2, 4]) == [[0, 1], [2, 3]]
    assert spans("....") == spans("") == []
    assert spans("#.#.", [0, 1, 2, 3, 4]) == [[0, 0], [2, 2]]


def plain(labels: Any, alarm: Any, offsets: Any, alpha: float, gamma: str) -> list[float]:
    """Recall and precision of ranges as sets of rows."""
    real = [set(range(a, b + 1)) for a, b in ranges(labels, offsets)]
    told = [set(range(a, b + 1)) for a, b in ranges(alarm, offsets)]
    means = []
    for own, others, a in ((real, told, alpha), (told, real, 0.0)):
        each = []
        for R in own:
            overlaps = [len(R & P) for P in others if R & P]
            factor = 1 / len(overlaps) if gamma == "reciprocal" and len(overlaps) > 1 else 1.0
            each.append(a * bool(overlaps) + (1 - a) * factor * sum(overlaps) / len(R))
        means.append(float(np.mean(each)))
    return means


@pytest.mark.parametrize("gamma", ["one", "reciprocal"])
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_against_sets(alpha: float, gamma: Literal["one", "reciprocal"]) -> None:
    offsets = np.array([0, 80, 81, 200])
    for seed in range(10):
        rng = np.random.default_rng(seed)
        labels, alarm = rng.random((2, 200)).repeat(3, axis=1)[:, 100:300] > 0.6
        own = range_scores(labels, alarm, offsets, alpha=alpha, gamma=gamma)
        recall, precision = plain(labels, alarm, offsets, alpha, gamma)
        assert own.recall == pytest.approx(recall)
        assert own.precision == pytest.approx(precision)
        assert own.f1 == pytest.approx(2 * precision * recall / (precision + recall))


def test_by_hand() -> None:
    labels = flags(".####....####")
    alarm = flags("..#.#.##.....")
    offsets = np.array([0, 13])
    one = range_scores(labels, alarm, offsets, gamma="one")
    assert one.recall == pytest.approx((2 / 4 + 0) / 2)
    assert one.precision == pytest.approx((1 + 1 + 0) / 3)
    pieces = range_scores(labels, alarm, offsets)
    assert pieces.recall == pytest.approx((2 / 4 / 2 + 0) / 2)  # found in two pieces
    met = range_scores(labels, alarm, offsets, alpha=1.0)
    assert met.recall == pytest.approx(1 / 2)


def test_a_range_weighs_the_same_long_or_short() -> None:
    labels = flags("." * 10 + "#" * 90 + "." * 9 + "#")
    offsets = np.array([0, 110])
    long, short = labels.copy(), labels.copy()
    long[109], short[:100] = False, False
    assert range_scores(labels, long, offsets).recall == range_scores(labels, short, offsets).recall


def test_one_row_ranges_give_the_scores_of_points() -> None:
    labels, alarm = flags("#.#.#.#.#"), flags("#.#.....#")
    found = range_scores(labels, alarm, np.array([0, 9]))
    assert found == pytest.approx((1.0, 3 / 5, 0.75))


def test_missing_sides() -> None:
    offsets = np.array([0, 4])
    none, some = flags("...."), flags(".##.")
    assert range_scores(none, none, offsets) == (None, None, None)
    assert range_scores(some, none, offsets) == (None, 0.0, 0.0)
    assert range_scores(none, some, offsets) == (0.0, None, 0.0)
    assert range_scores(some, some, offsets) == (1.0, 1.0, 1.0)
