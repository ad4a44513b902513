"""NAB's score: early alarms inside a labelled window earn, false ones cost, of all files with one threshold.

    y = i_last - i + 1                                    row i inside a window of w rows
    position = -y / w                  inside a window
    position = (i - i_last) / (w - 1)  behind the window that ended last;  3 before the first one
    sigma(position) = 2 / (1 + e^(5 position)) - 1,  and -1 from position 3 on

    window found:   A_TP sigma(position of its first alarm) / sigma(-1)
    window missed:  -A_FN
    alarm outside:  A_FP sigma(position)

    raw = sum over windows and alarms outside;  score = 100 (raw - null) / (perfect - null)

``null`` is a detector without an alarm, ``perfect`` one that finds each window at its first row and says
nothing else.  An alarm is a score at or above the threshold; without a threshold all are tried, on all files
at once, as the benchmark's optimiser does, so that the score is the best that this ranking can reach.

Source: Lavin and Ahmad 2015, "Evaluating real-time anomaly detection algorithms", section II (arXiv
1510.03336), and the rules of the published benchmark where these say more: the first 15 % of a file, of at
most 5,000 rows, count nothing.  Differences: behind a window of one row, where the position has no value, it
is the distance in rows; a window that lies wholly in the part that does not count is no window at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gatework.errors import ConfigError, DataError, nearest

Array = npt.NDArray[Any]
PROBATION, PROBATION_ROWS = 0.15, 5000
FAR = 3.0


class Profile(NamedTuple):
    """What one window found, one false alarm and one window missed weigh."""

    found: float
    false: float
    missed: float


PROFILES = {
    "standard": Profile(1.0, 0.11, 1.0),
    "reward_low_FP": Profile(1.0, 0.22, 1.0),
    "reward_low_FN": Profile(1.0, 0.11, 2.0),
}


class NabFile(NamedTuple):
    """A series as it was scored, and its labelled windows as first and last row, both inside."""

    score: Array
    windows: Sequence[tuple[int, int]]


class NabScore(NamedTuple):
    """100 is perfect, 0 no alarm at all, below 0 worse than that; ``threshold`` inf is no alarm."""

    score: float
    threshold: float
    raw: float
    null: float
    perfect: float


def nab_score(
    files: Sequence[NabFile], profile: str = "standard", threshold: float | None = None
) -> NabScore:
    """Score of all files together at one threshold; the best one where none is given.

    Args:
        files: scores are not NaN, the more the odder; windows are in order and apart.
        profile: ``standard``, ``reward_low_FP`` or ``reward_low_FN``.
        threshold: an alarm is a score at or above it.

    Raises:
        ConfigError: there is no such profile.
        DataError: a score is not a number, a window lies outside its file or in another, or there is none.

    >>> score = np.zeros(100)
    >>> score[50] = 1  # the first row of the window
    >>> nab_score([NabFile(score, [(50, 59)])])
    NabScore(score=100.0, threshold=1.0, raw=1.0, null=-1.0, perfect=1.0)
    """
    if profile not in PROFILES:
        hint = nearest(profile, PROFILES)
        raise ConfigError(f"nab_score: `profile` is {profile!r}, which is not known. {hint}")
    weights = PROFILES[profile]
    scores, worth, windows, W = [], [], [], 0
    for number, file in enumerate(files):
        score = _checked(file, number)
        own, window = row_values(len(score), file.windows, weights)
        counts = slice(probation(len(score)), None)
        _, compact = np.unique(window[counts], return_inverse=True)
        outside = window[counts] < 0
        compact = np.where(outside, -1, compact + W - int(outside.any()))
        W = max(W, int(compact.max(initial=-1)) + 1)
        scores.append(score[counts])
        worth.append(own[counts])
        windows.append(compact)
    if not W:
        raise DataError(
            "nab_score: no file has a labelled window behind the first "
            f"{PROBATION:.0%} of its rows, so there is nothing to find. Label one, or take another score."
        )
    null, perfect = -weights.missed * W, weights.found * W
    levels, raws = _raws(
        np.concatenate(scores), np.concatenate(worth), np.concatenate(windows), W, weights
    )
    if threshold is None:
        k = int(np.argmax(raws))  # the first, so the highest of equal ones
        threshold, raw = float(levels[k]), float(raws[k])
    else:
        raw = float(raws[np.searchsorted(-levels, -threshold, side="right") - 1])
    return NabScore(100 * (raw - null) / (perfect - null), float(threshold), raw, null, perfect)


def probation(rows: int) -> int:
    """Rows at a file's beginning that count nothing.

    >>> probation(1000), probation(20000)
    (150, 750)
    """
    return int(min(np.floor(PROBATION * rows), PROBATION * PROBATION_ROWS))


def row_values(
    rows: int, windows: Sequence[tuple[int, int]], weights: Profile
) -> tuple[Array, Array]:
    """What an alarm at each row would be worth ``(N,)``, and the window it lies in or -1 ``(N,)``.

    >>> np.round(row_values(6, [(1, 2)], PROFILES["standard"])[0], 3)
    array([-0.11 ,  1.   ,  0.86 , -0.109, -0.11 , -0.11 ])
    """
    row, (first, last) = np.arange(rows), np.array([*windows], np.int64).reshape(-1, 2).T
    width = last - first + 1
    inside = np.searchsorted(first, row, side="right") - 1
    inside[row > np.append(last, -1)[inside]] = -1  # of -1 itself the last one is read
    before = np.searchsorted(last, row) - 1
    distance = row - np.append(last, 0)[before]
    behind = distance / np.append(np.maximum(width - 1, 1), 1)[before]
    position = np.where(before < 0, FAR, behind)
    own = inside >= 0
    position[own] = (row[own] - last[inside[own]] - 1) / width[inside[own]]
    value = sigma(position)
    weighted = np.where(
        inside >= 0, value * weights.found / sigma(np.array([-1.0])), value * weights.false
    )
    return weighted, inside


def sigma(position: Array) -> Array:
    """The sigmoid of a relative position: 0.987 at a window's first row, 0 just behind it, -1 far behind."""
    near = np.minimum(position, FAR)
    value: Array = np.where(position >= FAR, -1.0, 2 / (1 + np.exp(5 * near)) - 1)
    return value


def _raws(
    score: Array, worth: Array, window: Array, W: int, weights: Profile
) -> tuple[Array, Array]:
    """All thresholds, falling from inf, and the raw score at each."""
    order = np.argsort(-score, kind="stable")
    score, worth, window = score[order], worth[order], window[order]
    change = np.where(window < 0, worth, 0.0)
    grouped = np.argsort(window, kind="stable")
    edges = np.searchsorted(window[grouped], np.arange(W + 1))
    for k in range(W):  # what a lower threshold adds to a window is how much earlier it is found
        rows = grouped[edges[k] : edges[k + 1]]
        best = np.maximum.accumulate(np.maximum(worth[rows], -weights.missed))
        change[rows] = np.diff(best, prepend=-weights.missed)
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    raws = np.append(0.0, np.cumsum(change)[last]) - weights.missed * W
    return np.append(np.inf, score[last]), raws


def _checked(file: NabFile, number: int) -> Array:
    """The file's score as float64, its windows looked at."""
    score = np.asarray(file.score, np.float64)
    if score.ndim != 1 or np.isnan(score).any():
        what = f"shape {score.shape}" if score.ndim != 1 else "a score that is NaN"
        raise DataError(
            f"nab_score: file {number} has {what}. Give one number a row; 0 where nothing is known."
        )
    before = -1
    for first, last in file.windows:
        if not before < first <= last < len(score):
            raise DataError(
                f"nab_score: window ({first}, {last}) of file {number} is outside its {len(score)} rows, "
                "or not behind the window before it. Give windows as first and last row, in order."
            )
        before = last
    return np.clip(score, -1e300, 1e300)
