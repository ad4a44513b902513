"""NAB's score against sums by hand, against a plain loop over the rules, and with detectors that must fail."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gatework.errors import ConfigError, DataError
from gatework.train.nab import PROFILES, NabFile, nab_score, probation, row_values


def sigma(position: float) -> float:
    return -1.0 if position >= 3 else 2 / (1 + math.exp(5 * position)) - 1


def plain(files: list[NabFile], profile: str, threshold: float) -> float:
    """The raw score of one threshold, row by row as the rules read."""
    found, false, missed = PROFILES[profile]
    raw = 0.0
    for score, windows in files:
        start = min(math.floor(0.15 * len(score)), 0.15 * 5000)
        for first, last in windows:
            alarms = [i for i in range(first, last + 1) if i >= start and score[i] >= threshold]
            if last < start:
                continue
            if alarms:
                y = last - alarms[0] + 1
                raw += found * sigma(-y / (last - first + 1)) / sigma(-1)
            else:
                raw -= missed
        for i in range(len(score)):
            inside = any(first <= i <= last for first, last in windows)
            if i < start or inside or score[i] < threshold:
                continue
            before = [w for w in windows if w[1] < i]
            if before:
                first, last = before[-1]
                raw += false * sigma((i - last) / max(last - first, 1))
            else:
                raw -= false
    return raw


def corpus(seed: int, digits: int = 6) -> list[NabFile]:
    """Four files, one without a window, one with a window of one row, one with a window across the start."""
    rng = np.random.default_rng(seed)
    windows = [[(40, 59), (120, 150)], [], [(90, 90), (100, 130)], [(20, 45), (150, 199)]]
    return [NabFile(rng.random(200).round(digits), w) for w in windows]


def at(rows: int, *alarms: int) -> np.ndarray:
    score = np.zeros(rows)
    score[list(alarms)] = 1.0
    return score


def test_perfect_is_100_and_silence_is_0() -> None:
    windows = [[(50, 59)], [(30, 39), (70, 89)], []]
    perfect = [NabFile(at(100, *(w[0] for w in own)), own) for own in windows]
    for profile in PROFILES:
        assert nab_score(perfect, profile).score == pytest.approx(100)
        assert nab_score(perfect, profile, threshold=2.0).score == 0.0
        assert nab_score(perfect, profile, threshold=math.inf).score == 0.0


def test_by_hand() -> None:
    # the window (50, 59) found in its middle, one alarm before it, one 9 rows behind, one far behind
    middle = (2 / (1 + math.exp(-2.5)) - 1) / (2 / (1 + math.exp(-5)) - 1)  # y = 5 of 10 rows
    behind = 2 / (1 + math.exp(5)) - 1  # 9 rows behind a window 9 rows wide from end to end
    raw = middle - 0.11 + 0.11 * behind - 0.11
    found = nab_score([NabFile(at(100, 30, 55, 68, 95), [(50, 59)])], threshold=1.0)
    assert found.raw == pytest.approx(raw)
    assert (found.null, found.perfect) == (-1, 1)
    assert found.score == pytest.approx(100 * (raw + 1) / 2)


def test_profiles_by_hand() -> None:
    file = NabFile(
        at(200, 30, 50), [(50, 59), (150, 159)]
    )  # one found, one missed, one false alarm
    raws = {p: nab_score([file], p, threshold=1.0) for p in PROFILES}
    assert raws["standard"].raw == pytest.approx(1 - 1 - 0.11)
    assert raws["reward_low_FP"].raw == pytest.approx(1 - 1 - 0.22)
    assert raws["reward_low_FN"].raw == pytest.approx(1 - 2 - 0.11)
    assert raws["reward_low_FN"].null == -4
    assert raws["reward_low_FN"].score == pytest.approx(100 * (-1.11 + 4) / 6)


def test_later_alarms_in_a_window_count_nothing() -> None:
    first = nab_score([NabFile(at(100, 53), [(50, 59)])], threshold=1.0)
    assert nab_score([NabFile(at(100, 53, 54, 59), [(50, 59)])], threshold=1.0) == first


def test_the_first_rows_count_nothing() -> None:
    assert probation(100) == 15
    assert probation(4999) == 749
    assert probation(50_000) == 750
    silent = nab_score([NabFile(at(100, 50), [(50, 59)])], threshold=1.0)
    assert nab_score([NabFile(at(100, 0, 14, 50), [(50, 59)])], threshold=1.0) == silent
    seen = nab_score([NabFile(at(100, 15, 50), [(50, 59)])], threshold=1.0)
    assert seen.raw == pytest.approx(1 - 0.11)
    across = nab_score([NabFile(at(100, 12, 17), [(10, 19)])], threshold=1.0)  # 12 is not seen
    assert across.raw == pytest.approx(sigma(-0.3) / sigma(-1))
    hidden = nab_score([NabFile(at(100, 50), [(0, 14), (50, 59)])], threshold=1.0)
    assert (hidden.null, hidden.raw) == (-1, 1)


@pytest.mark.parametrize("profile", list(PROFILES))
@pytest.mark.parametrize("digits", [6, 1])  # with one digit most scores are equal to others
def test_against_a_plain_loop(profile: str, digits: int) -> None:
    for seed in range(3):
        files = corpus(seed, digits)
        tried = np.unique(np.concatenate([f.score for f in files]))
        tried = np.concatenate([tried[:: 1 if digits == 1 else 17], [0.5, 2.0]])
        raws = [plain(files, profile, t) for t in tried]
        own = [nab_score(files, profile, t).raw for t in tried]
        np.testing.assert_allclose(own, raws, rtol=0, atol=1e-9)


def test_the_best_threshold_of_all_is_taken() -> None:
    for seed in range(2):
        files = corpus(seed, 2)
        best = nab_score(files)
        levels = [*np.unique(np.concatenate([f.score for f in files])), math.inf]
        raws = {t: plain(files, "standard", t) for t in levels}
        assert best.raw == pytest.approx(max(raws.values()))
        assert raws[best.threshold] == pytest.approx(best.raw)
        assert nab_score(files, threshold=best.threshold).raw == pytest.approx(best.raw)


def test_one_threshold_for_all_files() -> None:
    apart = [NabFile(at(100, 50), [(50, 59)]), NabFile(5 + at(100, 50), [(50, 59)])]
    assert [nab_score([f]).score for f in apart] == pytest.approx([100, 100])
    assert nab_score(apart).score < 60  # the level of the second file is no anomaly there


def test_worse_detectors_score_less() -> None:
    windows = [(50, 69)]
    early, late = (nab_score([NabFile(at(100, i), windows)]).score for i in (52, 66))
    assert 100 > early > late > 50
    wrong = nab_score([NabFile(at(100, 30, 31, 32), windows)], threshold=1.0)
    assert wrong.score < 0
    assert nab_score([NabFile(at(100, 30, 31, 32), windows)]).score == 0  # better to say nothing
    always = nab_score([NabFile(np.ones(1000), [(500, 509)])], threshold=1.0)
    assert always.score < -1000


def test_values_of_rows() -> None:
    value, window = row_values(40, [(10, 19)], PROFILES["standard"])
    assert window.tolist() == [-1] * 10 + [0] * 10 + [-1] * 20
    assert value[10] == 1.0
    assert (np.diff(value[10:20]) < 0).all()
    assert (value[:10] == -0.11).all()
    assert value[37] > -0.11  # two rows short of three widths
    assert row_values(60, [(10, 19)], PROFILES["standard"])[0][46] == -0.11


def test_what_cannot_be_scored_is_refused() -> None:
    good = NabFile(np.zeros(100), [(50, 59)])
    with pytest.raises(ConfigError, match=r"`profile` is 'standart'.*Did you mean 'standard'"):
        nab_score([good], "standart")
    with pytest.raises(DataError, match=r"no file has a labelled window"):
        nab_score([NabFile(np.zeros(100), [])])
    with pytest.raises(DataError, match=r"no file has a labelled window"):
        nab_score([NabFile(np.zeros(100), [(0, 14)])])
    with pytest.raises(DataError, match=r"file 1 has a score that is NaN"):
        nab_score([good, NabFile(np.full(100, np.nan), [])])
    for windows in ([(90, 100)], [(5, 4)], [(50, 59), (59, 70)], [(50, 59), (20, 30)]):
        with pytest.raises(DataError, match=r"file 0 is outside its 100 rows, or not behind"):
            nab_score([NabFile(np.zeros(100), windows)])


def test_infinite_scores_are_highest() -> None:
    score = at(100, 50)
    score[50] = np.inf
    assert nab_score([NabFile(score, [(50, 59)])]).score == 100
