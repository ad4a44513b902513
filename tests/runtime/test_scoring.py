"""From residuals to scores: against plain loops, in blocks of any size, with missing numbers and constants."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gatework.runtime.scoring import (
    CHUNK,
    FARTHEST,
    MOST,
    Joining,
    ScoreState,
    Scoring,
    Surprise,
    distances,
)
from gatework.runtime.tails import RowTail, Tails

Array = npt.NDArray[Any]
N, C, X, FIXED = 540, 4, 5, 2  # more rows than a chunk
PLAIN = Joining(top=1, span=1.0, adapt=0.0, constant=7.0)
FULL = Joining(top=3, span=4.0, adapt=20.0, constant=7.0, level=30.0)


def data(n: int = N, seed: int = 0) -> tuple[Array, Array, Array]:
    """Residuals (one of a category), constants that moved, standardised numbers; with holes and outliers."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, C)).astype(np.float32)
    z[200:, 1] += 2.0  # drifted
    z[rng.random(z.shape) < 0.02] *= 100
    z[rng.random(z.shape) < 0.1] = np.nan
    z[: n // 3, 3] = np.nan  # begins late
    residuals = np.concatenate([z * rng.uniform(0.5, 2, C), rng.exponential(size=(n, 1))], 1)
    return residuals, rng.random((n, FIXED)) < 0.05, z


def scoring(joining: Joining) -> Scoring:
    residuals, _, z = data(5000, seed=9)
    levels = Tails.fit(z.astype(float) / 2, C) if joining.level else None
    return Scoring(Tails.fit(residuals, C), joining, RowTail.fit(np.arange(100.0)), levels)


def surprised(
    own: Scoring, state: ScoreState, rows: tuple[Array, Array, Array], a: int = 0, b: int = N
) -> Surprise:
    """Of some rows."""
    residuals, changed, z = rows
    return own.surprise(residuals[a:b], changed[a:b], state, z[a:b])


def by_loop(own: Scoring, residuals: Array, changed: Array, z: Array) -> tuple[Array, Array]:
    """Adapted and joined surprise, written out."""
    j = own.joining
    a, b = 1 - 0.5 ** (1 / (j.adapt or 1)), 1 - 0.5 ** (1 / (j.level or 1))
    usual, slow, level = [1.0] * (X + FIXED), [np.nan] * C, 1.0
    adapted, joined = np.empty((len(z), X + FIXED)), np.empty(len(z))
    plain = own.tails(residuals).tolist()
    for t in range(len(z)):
        s, off = plain[t], np.full(C, np.nan)
        for c in range(C if j.level else 0):
            x = min(max(float(z[t, c]), -FARTHEST), FARTHEST)
            if not np.isnan(x):
                off[c] = x - slow[c]
                slow[c] = x if np.isnan(slow[c]) else (1 - b) * slow[c] + b * x
        if own.level_tails is not None:
            s[:C] = map(max, s[:C], own.level_tails(off).tolist())
        s += [j.constant * float(changed[t, k]) for k in range(FIXED)]
        for x in range(X + FIXED):
            adapted[t, x] = s[x] / (max(1.0, usual[x]) if j.adapt else 1.0)
            usual[x] = (1 - a) * usual[x] + a * min(s[x], MOST)
        largest = sorted(adapted[t])[-min(j.top, X + FIXED) :]
        level += (sum(largest) / len(largest) - level) * 2 / (j.span + 1)
        joined[t] = level
    return adapted, joined


JOININGS = {
    "plain": PLAIN,
    "adapted": replace(PLAIN, adapt=20.0),
    "quickly": replace(PLAIN, adapt=0.5),
    "level": replace(PLAIN, level=30.0),
    "top 3": replace(PLAIN, top=3),
    "all": replace(PLAIN, top=99),
    "smoothed": replace(PLAIN, span=4.0),
    "full": FULL,
}


@pytest.mark.parametrize("name", JOININGS)
def test_surprise_is_that_of_a_loop(name: str) -> None:
    own, rows = scoring(JOININGS[name]), data()
    found = surprised(own, own.state(X + FIXED), rows)
    adapted, joined = by_loop(own, *rows)
    np.testing.assert_allclose(found.adapted, adapted, rtol=1e-9)
    np.testing.assert_allclose(found.joined, joined, rtol=1e-9)


@pytest.mark.parametrize("change", [{"adapt": 22.0}, {"level": 33.0}, {"top": 2}, {"span": 4.4},
                                    {"constant": 6.5}])  # fmt: skip
def test_other_settings_are_told_apart(change: dict[str, float]) -> None:
    own, rows = scoring(FULL), data()
    other = scoring(replace(FULL, **change))  # type: ignore[arg-type]
    found = surprised(other, other.state(X + FIXED), rows)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(found.joined, by_loop(own, *rows)[1], rtol=1e-9)


@pytest.mark.parametrize("name", JOININGS)
def test_blocks_are_rows(name: str) -> None:
    own, rows = scoring(JOININGS[name]), data()
    wanted = surprised(own, own.state(X + FIXED), rows)
    rng = np.random.default_rng(1)
    for cuts in (range(1, N), [CHUNK - 1], [CHUNK, 2 * CHUNK + 1], rng.integers(0, N, 60)):
        state, parts = own.state(X + FIXED), []
        for a, b in itertools.pairwise([0, *sorted({*map(int, cuts)} - {0}), N]):
            parts.append(surprised(own, state, rows, a, b))
        assert state.rows == N
        for k in range(2):
            joined = np.concatenate([part[k] for part in parts])
            np.testing.assert_allclose(joined, wanted[k], rtol=1e-9)


def test_a_restored_state_goes_on() -> None:
    own, rows = scoring(FULL), data()
    state, again = own.state(X + FIXED), own.state(X + FIXED)
    surprised(own, state, rows, 0, 100)
    kept = state.snapshot()
    assert np.isnan(kept["slow"]).tolist() == [False, False, False, True]
    wanted = surprised(own, state, rows, 100)
    again.restore(kept)
    found = surprised(own, again, rows, 100)
    assert np.array_equal(found.joined, wanted.joined)
    assert kept["rows"] == 100  # a snapshot does not move on
    for name in ("usual", "slow"):
        with pytest.raises(ValueError, match=f"{name} has shape"):
            again.restore(kept | {name: np.zeros(3)})


# ---- slow means ---------------------------------------------------------------------------------------


def test_a_slow_mean_follows_what_lasts_and_no_glitch() -> None:
    z = np.zeros((2000, 1), np.float32)
    z[1000:] = 3.0
    z[500] = 1e9
    slow = np.full(1, np.nan)
    out = distances(z, slow, 1 - 0.5 ** (1 / 100))[:, 0]
    assert np.isnan(out[0])  # nothing before it
    assert out[500] == FARTHEST
    assert out[1000] == pytest.approx(3.0, abs=0.02)
    assert out[1100] == pytest.approx(1.5, abs=0.02)  # half forgotten
    assert out[1999] < 0.01
    assert slow[0] == pytest.approx(3.0, abs=0.01)


def test_missing_values_move_no_slow_mean() -> None:
    z = data()[2]
    slow = np.full(C, np.nan)
    out = distances(z, slow, 0.1)
    for c in range(C):
        seen = ~np.isnan(z[:, c])
        alone = np.full(1, np.nan)
        np.testing.assert_allclose(out[seen, c], distances(z[seen, c : c + 1], alone, 0.1)[:, 0])
        assert np.isnan(out[~seen, c]).all()
        assert slow[c] == pytest.approx(alone[0])


# ---- what adapting does -------------------------------------------------------------------------------


def test_a_channel_that_drifted_away_is_silenced_and_another_heard() -> None:
    rising = np.tile(np.linspace(0, 30, 193, dtype=np.float32), (2, 1))
    own = Scoring(Tails(rising), replace(PLAIN, adapt=50.0))
    residuals = np.full((2000, 2), -5e5)  # hardly surprising
    residuals[:, 0] = 5e5  # always surprising
    residuals[1990, 1] = 5e5
    none = np.zeros((2000, 0), bool)
    found = own.surprise(residuals, none, own.state(2), residuals.astype(np.float32)).adapted
    assert found[0, 0] > 25
    assert found[1989:, 0].max() < 1.01
    assert found[1990, 1] > 20
    assert found[1999, 1] < found[1990, 1] / 20


def test_one_huge_surprise_deafens_no_channel() -> None:
    own = scoring(replace(PLAIN, adapt=20.0))
    rows = data(3)
    residuals = rows[0].copy()
    residuals[0] = 1e9
    state = own.state(X + FIXED)
    surprised(own, state, (residuals, rows[1], rows[2]), 0, 1)
    assert state.usual.max() <= 1 + (MOST - 1) * (1 - 0.5 ** (1 / 20)) + 1e-9


# ---- rows on their own --------------------------------------------------------------------------------


def test_rows_on_their_own_are_neither_adapted_nor_smoothed() -> None:
    own, rows = scoring(FULL), data()
    plain = Scoring(own.tails, replace(FULL, adapt=0.0, span=1.0, level=0.0))
    wanted = surprised(plain, plain.state(X + FIXED), rows).joined
    assert np.array_equal(own.joined(rows[0], rows[1]), wanted)
    order = np.random.default_rng(0).permutation(N)
    assert np.array_equal(own.joined(rows[0][order], rows[1][order]), wanted[order])


def test_a_constant_that_moved_counts_as_it_is_told() -> None:
    own = scoring(replace(PLAIN, constant=50.0))
    residuals = np.zeros((2, X))
    changed = np.array([[False, False], [False, True]])
    found = own.surprise(residuals, changed, own.state(X + FIXED), np.zeros((2, C), np.float32))
    assert found.adapted[:, X:].tolist() == [[0, 0], [0, 50]]
    assert found.joined[1] == 50
    assert found.joined[0] < 5
    assert own.row_tail is not None
    one_by_one = [own.row_tail.one(float(s)) for s in found.joined]
    np.testing.assert_allclose(own.score(found.joined), one_by_one)
