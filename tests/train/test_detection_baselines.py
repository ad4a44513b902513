"""Simple detectors against scikit-learn and plain loops, causal, kept and read back; and on bad values."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from gatework.train import moving_baselines, ngram
from gatework.train.detection_baselines import Baselines, fit_detection_baselines, largest
from gatework.train.forest import Forest
from gatework.train.isolation import Isolation
from gatework.train.moving_baselines import FLOOR, Distance, Lagged, MovingZ
from gatework.train.ngram import NGram

ORDERED = ["moving z-score", "differences", "seasonal residual", "n-gram", "isolation forest"]


def series(N: int = 600, C: int = 3, seed: int = 0) -> tuple[Any, Any, Any]:
    """Two series with a season of 24 rows, gaps, and two columns of categories."""
    rng = np.random.default_rng(seed)
    values = np.sin(np.arange(N)[:, None] * math.pi / 12) + 0.1 * rng.normal(size=(N, C))
    values[rng.random((N, C)) < 0.05] = np.nan
    tokens = np.stack([np.arange(N) % 3, rng.integers(0, 5, N)], axis=1)
    return values, tokens, np.array([0, N // 3, N])


def sessions(S: int = 200, seed: int = 0) -> tuple[Any, Any, Any]:
    """Sessions that read 0 1 2 2 ... 3."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 6, S)
    tokens = np.concatenate([[0, 1, *[2] * n, 3] for n in lengths])[:, None]
    return np.zeros((len(tokens), 0)), tokens, np.append(0, np.cumsum(lengths + 3))


# ---- each of them ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [3, 24])
def test_moving_z_score_against_a_plain_loop(window: int) -> None:
    values, tokens, offsets = series(90)
    found = MovingZ.fit(values, offsets, None)
    found.lag = window
    expected = np.zeros(90)
    for first, end in ((0, 30), (30, 90)):
        for t in range(first, end):
            for c in range(3):
                scaled = (values[:, c] - found.centre[c]) / found.scale[c]
                before = scaled[max(first, t - window) : t]
                before = before[~np.isnan(before)]
                rest = window - len(before)  # as in training: mean 0, square 1
                mean = before.sum() / window
                square = ((before**2).sum() + rest) / window
                z = abs(scaled[t] - mean) / max(math.sqrt(square - mean**2), FLOOR)
                expected[t] = max(expected[t], 0 if math.isnan(z) else z)
    np.testing.assert_allclose(found.scores(values, tokens, offsets), expected, rtol=1e-9)


def test_moving_z_score_takes_a_season_as_its_window() -> None:
    values, _, offsets = series()
    seasons = [None, 24, 5, 10**5]
    assert [MovingZ.fit(values, offsets, s).lag for s in seasons] == [100, 24, 100, 100]


@pytest.mark.parametrize("lag", [1, 24])
def test_lagged_against_a_plain_loop(lag: int) -> None:
    values, tokens, offsets = series(90)
    found = Lagged.fit(values, offsets, lag)
    steps = np.full((90, 3), np.nan)
    for first, end in ((0, 30), (30, 90)):
        for t in range(first, end):
            for c in range(3):
                known = [values[s, c] for s in range(first, t - lag + 1)]
                known = [v for v in known if not math.isnan(v)]
                stand_in = values[t, c] if lag == 1 else found.centre[c]
                steps[t, c] = abs(values[t, c] - (known[-1] if known else stand_in))
    usual = np.nanmean(steps, axis=0)
    np.testing.assert_allclose(found.scale, usual)
    expected = np.nan_to_num(steps / usual).max(1)
    np.testing.assert_allclose(found.scores(values, tokens, offsets), expected, atol=1e-12)


def test_distance_by_hand() -> None:
    values = np.array([[1.0, 5], [2, 5], [3, 5], [4, 5], [100, 5]])
    found = Distance.fit(values)
    assert found.centre == [3, 5]
    assert found.scale[0] == pytest.approx(1.4826)
    own = found.scores(np.array([[5.0, 5], [3, np.nan], [3, 6]]), values, values)
    assert own[:2] == pytest.approx([2 / 1.4826, 0])
    assert own[2] > 1e4  # what never moved has


def test_forest_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    for N, F in ((2, 1), (40, 2), (3000, 5)):
        rows = rng.normal(size=(N, F)).astype(np.float32)
        rows[:, 0] = rows[:, 0].round()  # many equal ones
        new = np.concatenate([rows, 3 * rng.normal(size=(100, F)).astype(np.float32)])
        judge = IsolationForest(random_state=5).fit(rows)
        own = Forest.fit(rows, seed=5).scores(new)
        np.testing.assert_allclose(own, -judge.score_samples(new), atol=1e-6)


def test_forest_decides_at_a_threshold_as_scikit_learn() -> None:
    rows = np.linspace(0, 1, 500, dtype=np.float32)[:, None]
    forest, judge = Forest.fit(rows, seed=0), IsolationForest(random_state=0).fit(rows)
    at = np.unique(forest.threshold)[:, None]
    at = np.concatenate([at, np.nextafter(at, np.float32(9)), np.nextafter(at, np.float32(-9))])
    np.testing.assert_allclose(forest.scores(at), -judge.score_samples(at), atol=1e-6)


def plain_surprise(
    train: list[list[int]], events: int, session: list[int], end: bool
) -> list[float]:
    """Surprises by counting tuples."""
    seen: Counter[tuple[Any, ...]] = Counter()
    contexts: Counter[tuple[int, tuple[Any, ...]]] = Counter()

    def runs(of: list[int]) -> list[tuple[Any, ...]]:
        of = [e if 0 <= e < events else events for e in of]
        whole = ["begin", "begin", *of, *(["end"] if end else [])]
        return [tuple(whole[i - k : i + 1]) for i in range(2, len(whole)) for k in range(3)]

    for own in train:
        for run in runs(own):
            seen[run] += 1
            contexts[len(run), run[:-1]] += 1
    out, p = [], 0.0
    for run in runs(session):
        p = 1 / (events + 2) if len(run) == 1 else p
        p = (seen[run] + p) / (contexts[len(run), run[:-1]] + 1)
        if len(run) == 3:
            out.append(-math.log(p))
    return out


@pytest.mark.parametrize("end", [False, True])
def test_n_gram_against_counted_tuples(end: bool) -> None:
    rng = np.random.default_rng(0)
    train = [rng.integers(0, 4, rng.integers(0, 6)).tolist() for _ in range(30)]
    new = [[0, 1, 2], [], [3], [9, -1, 0], [2, 2, 2, 2]]

    def packed(of: list[list[int]]) -> tuple[Any, Any]:
        return np.concatenate([np.array(s, int) for s in of]), np.append(
            0, np.cumsum([*map(len, of)])
        )

    tokens, offsets = packed(train)
    found = NGram.fit(tokens, offsets, sessions=end)
    tokens, offsets = packed(new)
    own = found.scores(np.zeros((0, 0)), tokens[:, None], offsets)
    each = [plain_surprise(train, found.events, s, end) for s in new]
    expected = [max(s) for s in each] if end else [p for s in each for p in s]
    np.testing.assert_allclose(own, expected, rtol=1e-12)


def test_n_gram_is_a_distribution() -> None:
    _, tokens, offsets = sessions(20)
    found = NGram.fit(tokens[:, 0], offsets, sessions=False)
    for context in ([], [0], [0, 1], [2, 2], [7, 0]):
        rows = np.array([[*context, e] for e in (0, 1, 2, 3, 99)])
        T = rows.shape[1]
        p = np.exp(-found.scores(rows, rows.reshape(-1, 1), np.arange(6) * T))[T - 1 :: T]
        assert p.sum() < 1  # the end mark has the rest
        assert p.sum() > 0.75


def test_n_gram_keeps_a_bounded_number_of_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngram, "MOST_COUNTS", 5)
    _, tokens, offsets = sessions()
    found = NGram.fit(tokens[:, 0], offsets, sessions=True)
    assert max(len(k) for k in found.keys) == 5
    assert np.isfinite(found.scores(tokens, tokens, offsets)).all()


def test_what_is_odd_is_found() -> None:
    _, tokens, offsets = sessions()
    fitted = fit_detection_baselines(np.zeros((len(tokens), 0)), tokens, offsets, sessions=True)
    odd = [
        [0, 1, 2, 2, 2, 3],
        [0, 1, 2],
        [1, 0, 2, 3],
        [0, 1, 2, 77, 3],
        [3],
        [0, 1] + 40 * [2] + [3],
    ]
    new = np.concatenate(odd)[:, None]
    scores = fitted.scores(np.zeros((len(new), 0)), new, np.append(0, np.cumsum([*map(len, odd)])))
    assert scores["n-gram"][1:5].min() > scores["n-gram"][0]
    bags = scores["isolation forest"]
    assert bags[[4, 5]].min() > bags[0]  # nothing but an end; far too long
    values, tokens, offsets = series()
    fitted = fit_detection_baselines(values, tokens, offsets, season=24)
    values[500, 1] = 8.0
    for name, score in fitted.scores(values, tokens, offsets).items():
        assert name == "n-gram" or score[500] >= np.quantile(score, 0.98)


# ---- together ----------------------------------------------------------------------------------------------


def test_which_suit() -> None:
    values, tokens, offsets = series()
    none = np.zeros((len(values), 0), int)

    def names(*given: Any, **more: Any) -> list[str]:
        return list(fit_detection_baselines(*given, **more).scores(*given))

    assert names(values, tokens, offsets, season=24) == ORDERED
    assert names(values, none, offsets) == ["moving z-score", "differences", "isolation forest"]
    alone = names(values, tokens, offsets, independent=True, season=24)
    assert alone == ["distance", "isolation forest"]
    assert names(*sessions(), sessions=True) == ["n-gram", "isolation forest"]
    assert names(values[:1], none[:1], np.array([0, 1])) == ["moving z-score", "differences"]


@pytest.mark.parametrize("kind", ["ordered", "independent", "sessions", "sessions with values"])
def test_kept_and_read_back(kind: str) -> None:
    values, tokens, offsets = sessions() if kind == "sessions" else series()
    more: dict[str, Any] = {"season": 24, "independent": kind == "independent"}
    more["sessions"] = kind.startswith("sessions")
    fitted = fit_detection_baselines(values, tokens, offsets, **more)
    before = fitted.scores(values, tokens, offsets)
    rows = len(offsets) - 1 if more["sessions"] else len(values)
    assert all(s.shape == (rows,) and np.isfinite(s).all() for s in before.values())
    tensors = fitted.tensors()
    assert all(a.dtype.kind == "i" or a.dtype == np.float32 for a in tensors.values())
    again = Baselines.from_parts(json.loads(json.dumps(fitted.to_json())), tensors)
    after = again.scores(values, tokens, offsets)
    assert list(after) == list(before)
    assert all((after[name] == before[name]).all() for name in before)
    same = fit_detection_baselines(values, tokens, offsets, **more).scores(values, tokens, offsets)
    assert all((same[name] == before[name]).all() for name in before)


def test_no_row_sees_a_later_one() -> None:
    values, tokens, offsets = series()
    fitted = fit_detection_baselines(values, tokens, offsets, season=24)
    whole = fitted.scores(values, tokens, offsets)
    changed = values.copy()
    changed[400:], tokens[400:] = 99, 4
    after = fitted.scores(changed, tokens, offsets)
    part = fitted.scores(values[:400], tokens[:400], np.array([0, 200, 400]))
    for name in ORDERED:
        np.testing.assert_allclose(after[name][:400], whole[name][:400], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(part[name], whole[name][:400], rtol=1e-12, atol=1e-12)
        assert not np.allclose(after[name][400:], whole[name][400:])


def test_series_do_not_reach_into_others() -> None:
    values, tokens, offsets = series()
    fitted = fit_detection_baselines(values, tokens, offsets, season=24)
    whole = fitted.scores(values, tokens, offsets)
    alone = fitted.scores(values[200:], tokens[200:], np.array([0, 400]))
    for name in ORDERED:
        np.testing.assert_allclose(alone[name], whole[name][200:], rtol=1e-9, atol=1e-9)


def test_missing_constant_and_absurd_values() -> None:
    values, tokens, offsets = series()
    values[:, 0], values[:, 1] = 7.0, np.nan
    fitted = fit_detection_baselines(values, tokens, offsets, season=24)
    usual = fitted.scores(values, tokens, offsets)
    bad = values.copy()
    bad[300] = [1e9, np.inf, -1e308]
    bad[301:310] = np.nan
    scores = fitted.scores(bad, tokens, offsets)
    for name in ORDERED:
        assert np.isfinite(scores[name]).all()
        assert scores[name].dtype == np.float64
    for name in ("moving z-score", "differences"):
        assert scores[name].argmax() == 300
        np.testing.assert_allclose(scores[name][420:], usual[name][420:], atol=1e-3)
    fit_detection_baselines(bad, tokens, offsets, season=24)
    fit_detection_baselines(bad, tokens, offsets, independent=True)


def test_unseen_categories_and_empty_sessions() -> None:
    values, tokens, offsets = series()
    fitted = fit_detection_baselines(values, tokens, offsets)
    tokens[5] = [99, -1]
    for score in fitted.scores(values, tokens, offsets).values():
        assert np.isfinite(score).all()
    none, tokens, offsets = sessions()
    fitted = fit_detection_baselines(none, tokens, offsets, sessions=True)
    offsets = np.insert(offsets, 3, offsets[3])
    scores = fitted.scores(none, tokens, offsets)
    assert all(s.shape == (201,) and np.isfinite(s).all() for s in scores.values())
    assert scores["n-gram"][3] > np.median(scores["n-gram"])
    assert largest(np.zeros(0), np.array([0, 0])).tolist() == [0]


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    values, tokens, offsets = series()
    fitted = fit_detection_baselines(values, tokens, offsets)
    assert "isolation forest" not in fitted.scores(values, tokens, offsets)
    assert fitted.notes == [
        "no isolation forest: it needs scikit-learn, pip install 'gatework[baselines]'"
    ]
    assert Baselines.from_parts(fitted.to_json(), fitted.tensors()).notes == fitted.notes


def test_damaged_ones_are_refused() -> None:
    values, tokens, offsets = series()
    fitted = fit_detection_baselines(values, tokens, offsets)
    facts, arrays = fitted.to_json(), fitted.tensors()

    def broken(name: str, array: Any) -> None:
        with pytest.raises(ValueError, match=r"of|not|other|below"):
            Baselines.from_parts(facts, {**arrays, name: array})

    broken("isolation forest/feature", arrays["isolation forest/feature"] + 99)
    broken("isolation forest/path", arrays["isolation forest/path"][:, :-1])
    broken("isolation forest/threshold", arrays["isolation forest/threshold"][:-1])
    broken("n-gram/keys2", arrays["n-gram/keys2"][::-1])
    broken("n-gram/counts3", -arrays["n-gram/counts3"])
    broken("n-gram/counts3", arrays["n-gram/counts3"][:-1])
    with pytest.raises(KeyError):
        Baselines.from_parts(facts, {})
    facts["fitted"]["differences"]["scale"][0] = 0.0
    with pytest.raises(ValueError, match=r"each above 0"):
        Baselines.from_parts(facts, arrays)


def test_the_forest_is_fitted_on_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatework.train.forest.MOST_ROWS", 100)
    values, tokens, offsets = series()
    found = Isolation.fit(values, tokens, offsets, ordered=True, bags=False, seed=0)
    assert found.forest.path.shape == (100, 2**7)  # of 100 rows
    assert moving_baselines.WINDOW == 100
