"""Volumes under surfaces against a plain reading of the paper, row by row; by hand; and with bad scores."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pytest

from gatework.train.vus import default_window, vus

FORMS: tuple[Literal["benchmark", "paper"], ...] = ("benchmark", "paper")


def runs(labels: Any, start: int, end: int) -> list[tuple[int, int]]:
    """First and last rows of the labelled ranges in rows ``start`` to ``end``."""
    found, i = [], start
    while i < end:
        if labels[i]:
            j = i
            while j + 1 < end and labels[j + 1]:
                j += 1
            found.append((i, j))
            i = j
        i += 1
    return found


def plain(
    score: Any, labels: Any, offsets: Any, window: int, thresholds: int, form: str
) -> tuple[float, float]:
    """Both volumes, each width, threshold and row on its own."""
    N, ranks = len(score), np.linspace(0, len(score) - 1, thresholds).astype(int)
    levels = np.sort(score)[::-1][ranks]
    parts = [(a, b, runs(labels, a, b)) for a, b in pairwise(offsets)]
    pr, roc = [], []
    for w in range(window + 1):
        h, soft, groups = w // 2, labels.astype(float), []
        for start, end, own in parts:
            joined: list[list[int]] = []
            for s, e in own:
                for i in range(max(s - h, start), s):
                    soft[i] += np.sqrt(1 - (s - i) / w)
                for i in range(e + 1, min(e + h + 1, end)):
                    soft[i] += np.sqrt(1 - (i - e) / w)
                if joined and s - h <= joined[-1][1] + h:
                    joined[-1][1] = e
                else:
                    joined.append([s, e])
            groups += [(max(s - h, start), min(e + h + 1, end)) for s, e in joined]
        soft = np.minimum(soft, 1)
        x, y, precision = [0.0], [0.0], [1.0]
        for level in levels:
            alarm = score >= level
            TP = (soft * alarm).sum()
            buffer = soft * ~labels
            P = labels.sum() + (buffer if form == "paper" else buffer * alarm).sum() / 2
            E = np.mean([alarm[a:b].any() for a, b in groups])
            x.append((alarm.sum() - TP) / (N - P))
            y.append(min(TP / P, 1) * E)
            precision.append(TP / alarm.sum())
        p = np.array(precision)
        pr.append((np.diff(y) * ((p[1:] + p[:-1]) / 2 if form == "paper" else p[1:])).sum())
        roc.append(np.trapezoid([*y, 1], [*x, 1]))
    return float(np.mean(pr)), float(np.mean(roc))


def example(seed: int, *, N: int = 120) -> tuple[Any, Any, Any]:
    """Three series, one of them short; ranges at ends, one beside another, one row wide; equal scores."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(N, bool)
    for first, length in ((0, 4), (20, 7), (30, 1), (33, 2), (N // 2 - 3, 9), (N - 5, 5)):
        labels[first : first + length] = True
    score = (rng.random(N) + 0.5 * labels).round(int(rng.integers(1, 6)))
    return score, labels, np.array([0, N // 2, N // 2 + 10, N])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("window", [0, 1, 2, 3, 8, 31])
def test_against_a_plain_reading(form: Literal["benchmark", "paper"], window: int) -> None:
    for seed in range(3):
        score, labels, offsets = example(seed)
        own = vus(score, labels, offsets, window=window, thresholds=20, form=form)
        assert own == pytest.approx(plain(score, labels, offsets, window, 20, form), rel=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_many_widths_and_thresholds(form: Literal["benchmark", "paper"]) -> None:
    """More widths than are summed at a time, buffers of several ranges at once, more thresholds than rows."""
    score, labels, offsets = example(7, N=160)
    own = vus(score, labels, offsets, window=130, thresholds=40, form=form)
    assert own == pytest.approx(plain(score, labels, offsets, 130, 40, form), rel=1e-12)
    own = vus(score, labels, offsets, window=5, form=form)
    assert own == pytest.approx(plain(score, labels, offsets, 5, 250, form), rel=1e-12)


def test_by_hand() -> None:
    # rows 2 and 3 are labelled; the score falls in the order 3, 4, 2, 1, 0, 5
    score, labels = np.array([2.0, 3, 4, 6, 5, 1]), np.array([0, 0, 1, 1, 0, 0], bool)
    width_0 = vus(score, labels, np.array([0, 6]), window=0, thresholds=6)
    assert width_0.pr == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)  # average precision
    assert width_0.roc == pytest.approx(1 / 2 * 1 / 4 + 3 / 4)
    # width 2 gives rows 1 and 4 the label sqrt(1/2) = r; width 1 is as 0
    r = np.sqrt(0.5)
    TP = np.array([1, 1 + r, 2 + r, 2 + 2 * r, 2 + 2 * r, 2 + 2 * r])
    P = np.array([2, 2 + r / 2, 2 + r / 2, 2 + r, 2 + r, 2 + r])
    recall = np.minimum(TP / P, 1)
    width_2 = (np.diff(recall, prepend=0) * TP / np.arange(1, 7)).sum()
    both = vus(score, labels, np.array([0, 6]), window=2, thresholds=6)
    average = 1 / 2 * 1 + 1 / 2 * 2 / 3
    assert both.pr == pytest.approx((2 * average + width_2) / 3)


def test_good_scores_beat_bad_ones() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros(5000, bool)
    for first in range(300, 5000, 700):
        labels[first : first + 50] = True
    offsets, noise = np.array([0, 5000]), rng.random(5000)
    late = np.roll(labels, 10).astype(float)
    perfect, shifted, random, wrong = (
        vus(s, labels, offsets) for s in (labels.astype(float), late, noise, -labels.astype(float))
    )
    assert perfect == pytest.approx((1, 1))
    pr = [0.0 if v.pr is None else v.pr for v in (perfect, shifted, random, wrong)]
    assert pr[0] > pr[1] > 0.7
    assert pr[3] < pr[2] < 2 * labels.mean()  # near the share of anomalies, whatever is drawn
    assert vus(noise, labels, offsets, window=0).roc == pytest.approx(0.5, abs=0.05)
    assert random.roc == pytest.approx(0.6, abs=0.05)  # a buffer flatters ROC
    late_by_hand = vus(late, labels, offsets, window=0).pr
    assert late_by_hand == pytest.approx(0.8 * 0.8 + 0.2 * labels.mean(), abs=0.01)


def test_ranges_do_not_reach_into_other_series() -> None:
    score, labels = np.zeros(120), np.zeros(120, bool)
    labels[50:60] = True
    score[62] = 1.0  # just behind the range, in another series
    apart, joined = (vus(score, labels, np.array(o), window=20) for o in ([0, 60, 120], [0, 120]))
    assert joined.pr is not None
    assert apart.pr is not None
    assert joined.pr > apart.pr
    empty = vus(score, labels, np.array([0, 60, 60, 120, 120]), window=20)
    assert empty == apart


def test_undefined_without_anomalies_or_normal_rows() -> None:
    score, offsets = np.arange(4.0), np.array([0, 4])
    assert vus(score, np.zeros(4, bool), offsets) == (None, None)
    assert vus(score, np.ones(4, bool), offsets) == (None, None)


def test_default_window_is_the_median_length() -> None:
    assert default_window(np.array([[0, 3], [10, 19], [30, 129]])) == 10
    assert default_window(np.array([[0, 10**6]])) == 1000
