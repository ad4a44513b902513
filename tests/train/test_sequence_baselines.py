"""Baselines against scikit-learn and plain loops, kept and read back; and on data where they must fail."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from gatework.train import statistics as statistics_module
from gatework.train.bags import Bag
from gatework.train.neighbour import standardised, stretched
from gatework.train.sampling import sample
from gatework.train.sequence_baselines import Baselines, fit_baselines
from gatework.train.statistics import blocks, statistics, taken


def series(B: int = 120, F: int = 2, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Values, tokens, offsets and classes: the second of two classes is higher and falls."""
    rng = np.random.default_rng(seed)
    lengths, y = rng.integers(2, 90, B), rng.integers(0, 2, B)
    items = [
        rng.normal(size=(n, F)) + k * np.linspace(3, 0, n)[:, None]
        for n, k in zip(lengths, y, strict=True)
    ]
    values = np.concatenate(items).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return values, np.zeros((len(values), 0), np.int32), offsets, y


def texts(B: int = 200, V: int = 50, K: int = 3, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Words of which each class prefers some."""
    rng = np.random.default_rng(seed)
    lengths, y = rng.integers(1, 30, B), rng.integers(0, K, B)
    likes = np.random.default_rng(7).dirichlet(np.full(V, 0.3), K)
    words = [rng.choice(V, n, p=likes[k]) + 1 for n, k in zip(lengths, y, strict=True)]
    tokens = np.concatenate(words)[:, None].astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return np.zeros((len(tokens), 0), np.float32), tokens, offsets, y


def counts(tokens: np.ndarray, offsets: np.ndarray, V: int) -> np.ndarray:
    rows = np.split(tokens[:, 0], offsets[1:-1])
    return np.stack([np.bincount(row, minlength=V) for row in rows])


def accuracy(p: np.ndarray, y: np.ndarray) -> float:
    return float((p.argmax(1) == y).mean())


# ---- what the models see -----------------------------------------------------------------------------------


def test_statistics_by_hand() -> None:
    values, _, offsets, _ = series(30, 3)
    found = statistics(values, offsets)
    for i, rows in enumerate(np.split(values.astype(float), offsets[1:-1])):
        T = len(rows)
        slope = np.polyfit(np.arange(T), rows, 1)[0]
        picked = rows if T <= 64 else rows[np.rint(np.arange(64) * (T - 1) / 63).astype(int)]
        wanted = [
            rows.mean(0),
            rows.std(0),
            rows.min(0),
            rows.max(0),
            rows[0],
            rows[-1],
            slope * T,
            np.median(picked, axis=0),
            [np.log(T)],
        ]
        assert np.allclose(found[i], np.concatenate(wanted), rtol=1e-9, atol=1e-9)


def test_statistics_of_single_steps_and_level_series() -> None:
    found = statistics(np.full((3, 1), 1e6, np.float32), np.array([0, 1, 3]))
    assert np.isfinite(found).all()
    assert found[0].tolist() == [1e6, 0, 1e6, 1e6, 1e6, 1e6, 0, 1e6, 0]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values, tokens, offsets, _ = series(50)
    wanted = statistics(values, offsets)
    monkeypatch.setattr(statistics_module, "_BLOCK_NUMBERS", 100)
    assert len(list(blocks(values, tokens, offsets))) > 20
    assert np.array_equal(statistics(values, offsets), wanted)
    monkeypatch.setattr(statistics_module, "_BLOCK_NUMBERS", 1)  # less than one sequence
    assert [b[0] for b in blocks(values, tokens, offsets)] == list(range(50))


def test_some_sequences() -> None:
    values, tokens, offsets, _ = series(20)
    v, t, o = taken(values, tokens, offsets, np.array([3, 7, 19]))
    rows = np.split(values, offsets[1:-1])
    assert np.array_equal(v, np.concatenate([rows[3], rows[7], rows[19]]))
    assert t.shape == (len(v), 0)
    assert np.diff(o).tolist() == [len(rows[i]) for i in (3, 7, 19)]


def test_samples_keep_the_shares_of_classes() -> None:
    rng = np.random.default_rng(0)
    y = rng.choice(3, 10_000, p=[0.7, 0.25, 0.05])
    known = np.flatnonzero(rng.random(10_000) < 0.9)
    found = sample(known, y, 1000, rng)
    assert len(np.unique(found)) == 1000
    assert np.isin(found, known).all()
    share = np.bincount(y[known]) / len(known)
    assert np.allclose(np.bincount(y[found]) / 1000, share, atol=0.002)
    assert sample(known, None, 10**6, rng) is known


# ---- each of them ------------------------------------------------------------------------------------------


def test_majority_and_mean() -> None:
    values, tokens, offsets, y = series()
    p = fit_baselines("classify", "series", values, tokens, offsets, y, ["a", "b"]).answers(
        values, tokens, offsets
    )["majority class"]
    assert np.allclose(p, np.bincount(y) / len(y))
    assert p.shape == (120, 2)
    x = np.where(y > 0, 4.0, np.nan)
    x[:2] = 1.0
    said = fit_baselines("regress", "series", values, tokens, offsets, x, []).answers(
        values, tokens, offsets
    )["mean"]
    assert said.shape == (120, 1)
    assert np.allclose(said, np.nanmean(x))


def test_linear_model_of_series_is_scikit_learns() -> None:
    values, tokens, offsets, y = series()
    new = series(60, seed=1)
    found = fit_baselines("classify", "series", values, tokens, offsets, y, ["a", "b"])
    p = found.answers(*new[:3])["linear model"]
    scaler = StandardScaler()
    model = LogisticRegression(max_iter=200).fit(
        scaler.fit_transform(statistics(values, offsets)), y
    )
    assert np.allclose(
        p, model.predict_proba(scaler.transform(statistics(*new[::2][:2]))), atol=1e-4
    )
    assert accuracy(p, new[3]) > 0.9


def test_linear_model_of_numbers_is_ridge() -> None:
    values, tokens, offsets, y = series()
    x = y * 3.0 + np.random.default_rng(0).normal(size=len(y))
    x[5] = np.nan
    found = fit_baselines("regress", "series", values, tokens, offsets, x, [])
    said = found.answers(values, tokens, offsets)["linear model"]
    rows, known = StandardScaler().fit_transform(statistics(values, offsets)), ~np.isnan(x)
    model = Ridge().fit(rows[known], x[known])
    assert np.abs(said[:, 0] - model.predict(rows)).max() < 0.2  # scaled by the known rows alone
    assert np.corrcoef(said[known, 0], x[known])[0, 1] > 0.8


def test_linear_model_of_texts_is_tf_idf() -> None:
    values, tokens, offsets, y = texts()
    new = texts(100, seed=1)
    kept = fit_baselines("classify", "text", values, tokens, offsets, y, ["a", "b", "c"])
    p = kept.answers(*new[:3])["linear model"]
    tf_idf = TfidfTransformer()
    model = LogisticRegression(C=10, max_iter=200).fit(
        tf_idf.fit_transform(counts(tokens, offsets, 51)), y
    )
    own = counts(new[1], new[2], 51)
    wanted = model.predict_proba(tf_idf.transform(own))
    # There a word that training did not hold takes part in a text's length.
    new_words = own[:, counts(tokens, offsets, 51).sum(0) == 0].any(1)
    assert new_words.mean() < 0.5
    assert np.allclose(p[~new_words], wanted[~new_words], atol=1e-4)
    assert "nearest neighbour" not in kept.answers(*new[:3])


def test_words_that_training_did_not_hold_count_for_nothing() -> None:
    values, tokens, offsets, y = texts()
    found = fit_baselines("classify", "text", values, tokens, offsets, y, ["a", "b", "c"])
    strange = np.full((3, 1), 10**6, np.int32)
    p = found.answers(np.zeros((3, 0), np.float32), strange, np.array([0, 1, 3]))["linear model"]
    assert np.allclose(p[0], p[1])
    assert np.isfinite(p).all()


def test_rare_words_are_left_out_beyond_the_bound() -> None:
    values, tokens, offsets, _ = texts()
    bag = Bag.fit("text", values, tokens, offsets, False, most=10)
    seen = (counts(tokens, offsets, 51) > 0).sum(0)
    assert bag.size == 10
    assert set(seen[bag.kept[0]]) == set(np.sort(seen)[-10:])


@pytest.mark.parametrize("per_step", [False, True])
def test_bags_without_their_matrix(per_step: bool) -> None:
    """Numbers and two token columns: the product is that with the matrix written out."""
    rng = np.random.default_rng(0)
    values, _, offsets, _ = series(40)
    tokens = rng.integers(0, 7, (len(values), 2)).astype(np.int32)
    bag = Bag.fit("series", values, tokens, offsets, per_step)
    weight = rng.normal(size=(bag.size, 3))
    matrix = bag.matrix(values, tokens, offsets)
    assert np.allclose(bag.times(weight, values, tokens, offsets), matrix @ weight)
    shares = matrix.toarray()[:, -14:]
    assert np.allclose(shares.sum(1), 2)  # each of both columns is shared out
    kept = Bag.from_parts(bag.to_json(), bag.tensors())
    assert np.array_equal(kept.matrix(values, tokens, offsets).toarray(), matrix.toarray())


def test_events_are_told_by_how_often_they_occur() -> None:
    values, tokens, offsets, y = texts(300)
    found = fit_baselines("classify", "events", values, tokens, offsets, y, ["a", "b", "c"])
    new = texts(200, seed=2)
    answers = found.answers(*new[:3])
    assert set(answers) == {"majority class", "linear model"}
    assert (
        accuracy(answers["linear model"], new[3])
        > 0.7
        > accuracy(answers["majority class"], new[3])
    )


def test_nearest_neighbour_is_scikit_learns() -> None:
    values, tokens, offsets, y = series()
    new = series(50, seed=1)
    found = fit_baselines("classify", "series", values, tokens, offsets, y, ["a", "b"])
    steps, scaled = (found.to_json()["nearest neighbour"][k] for k in ("steps", "scaled"))
    assert steps == int(np.median(np.diff(offsets)))
    train, test = (
        stretched(v, o, np.arange(len(o) - 1), steps) for v, o in ((values, offsets), new[::2][:2])
    )
    if scaled:
        train, test = standardised(train), standardised(test)
    model = KNeighborsClassifier(1).fit(train.reshape(len(train), -1), y)
    p = found.answers(*new[:3])["nearest neighbour"]
    assert (p.argmax(1) == model.predict(test.reshape(len(test), -1))).all()
    own = found.answers(values, tokens, offsets)["nearest neighbour"]
    assert accuracy(own, y) == 1


@pytest.mark.parametrize("level_tells", [False, True])
def test_neighbours_are_scaled_where_levels_are_in_the_way(level_tells: bool) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(100) % 2
    t = np.arange(40)
    level = 3.0 * y if level_tells else rng.normal(0, 20, 100)
    speed = np.ones(100) if level_tells else 1 + y
    waves = np.sin(speed[:, None] * t / 3) + level[:, None] + rng.normal(0, 0.3, (100, 40))
    values = waves.reshape(-1, 1).astype(np.float32)
    tokens, offsets = np.zeros((4000, 0), np.int32), np.arange(0, 4001, 40)
    train = (values[:2400], tokens[:2400], offsets[:61])
    found = fit_baselines("classify", "series", *train, y[:60], ["a", "b"])
    assert found.to_json()["nearest neighbour"]["scaled"] is not level_tells
    p = found.answers(values[2400:], tokens[2400:], offsets[60:] - 2400)["nearest neighbour"]
    assert accuracy(p, y[60:]) == 1


def test_numbers_of_the_nearest() -> None:
    values, tokens, offsets, _ = series(30)
    x = np.arange(30.0)
    found = fit_baselines("regress", "series", values, tokens, offsets, x, [])
    assert found.answers(values, tokens, offsets)["nearest neighbour"][:, 0].tolist() == x.tolist()


def test_labels_of_words() -> None:
    tokens = np.array([2, 2, 2, 3, 3, 1, 4, 4])[:, None].astype(np.int32)
    y = np.array([0, 0, 1, 1, 1, 2, -1, -1])
    none = np.zeros((8, 0), np.float32)
    found = fit_baselines("tag", "words", none, tokens, np.array([0, 5, 8]), y, ["a", "b", "c"])
    p = found.answers(none, tokens, np.array([0, 8]))["per word"]
    assert np.allclose(p.sum(1), 1)
    assert p.argmax(1).tolist() == [0, 0, 0, 1, 1, 2, 2, 2]  # 4 has no label: as the unknown word 1
    assert p[0] == pytest.approx((np.array([2, 1, 0]) + 0.1 * np.array([2, 3, 1]) / 6) / 3.1)
    new = np.array([[99], [2]], np.int32)
    again = found.answers(none[:2], new, np.array([0, 2]))["per word"]
    assert again.argmax(1).tolist() == [2, 0]
    majority = found.answers(none[:2], new, np.array([0, 2]))["majority class"]
    assert majority.argmax(1).tolist() == [1, 1]


def test_steps_of_series() -> None:
    rng = np.random.default_rng(0)
    values, tokens, offsets, _ = series(20)
    y = (values[:, 0] + 0.1 * rng.normal(size=len(values)) > 1).astype(int)
    y[::9] = -1
    found = fit_baselines("tag", "series", values, tokens, offsets, y, ["a", "b"])
    answers = found.answers(values, tokens, offsets)
    assert {n: p.shape for n, p in answers.items()} == dict.fromkeys(
        ("majority class", "linear model"), (len(values), 2)
    )
    assert accuracy(answers["linear model"][y >= 0], y[y >= 0]) > 0.9
    x = values[:, 1] * 2.0 + 1
    said = fit_baselines("regress", "series", values, tokens, offsets, x, []).answers(
        values, tokens, offsets
    )
    assert np.abs(said["linear model"][:, 0] - x).max() < 0.1
    assert said["mean"].shape == (len(values), 1)


# ---- all together ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["classify", "regress", "text", "tag", "words"])
def test_kept_and_read_back_they_answer_the_same(task: str) -> None:
    """Through JSON and float32 arrays, as a saved model has them."""
    data = texts() if task in ("text", "words") else series()
    values, tokens, offsets, y = data
    classes = [str(k) for k in range(int(y.max()) + 1)]
    kind = {"text": "text", "words": "words"}.get(task, "series")
    target: Any = y
    if task == "regress":
        target, classes = y * 1.1 + 1e4, []
    elif task in ("tag", "words"):
        target = np.random.default_rng(0).integers(-1, len(classes), int(offsets[-1]))
    name = {"text": "classify", "words": "tag"}.get(task, task)
    found = fit_baselines(name, kind, values, tokens, offsets, target, classes)
    kept = json.loads(json.dumps(found.to_json()))
    arrays = {k: np.array(a, np.float32) for k, a in found.tensors().items()}
    again = Baselines.from_parts(kept, arrays)
    wanted = found.answers(values, tokens, offsets)
    own = again.answers(values, tokens, offsets)
    assert set(own) == set(wanted) >= {"mean" if task == "regress" else "majority class"}
    for key, p in wanted.items():
        assert np.array_equal(own[key], p), key
        assert np.isfinite(p).all()


def test_damaged_parts_are_refused() -> None:
    values, tokens, offsets, y = series(30)
    found = fit_baselines("classify", "series", values, tokens, offsets, y, ["a", "b"])
    kept, arrays = found.to_json(), found.tensors()
    for name in arrays:
        if name.endswith("answer"):
            continue
        with pytest.raises((KeyError, ValueError)):
            Baselines.from_parts(kept, {k: a for k, a in arrays.items() if k != name})
        with pytest.raises((KeyError, ValueError)):
            Baselines.from_parts(kept, arrays | {name: arrays[name][:-1]})
    key = "nearest neighbour/targets"
    with pytest.raises(ValueError, match="other classes than 2"):
        Baselines.from_parts(kept, arrays | {key: arrays[key] + 1})
    with pytest.raises(KeyError):
        Baselines.from_parts({"x": {"class": "os.system"}}, {})


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    values, tokens, offsets, y = series(30)
    for name in [n for n in sys.modules if n.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    found = fit_baselines("classify", "series", values, tokens, offsets, y, ["a", "b"])
    assert set(found.answers(values, tokens, offsets)) == {"majority class", "nearest neighbour"}
    assert found.notes == [
        "no linear baseline: it needs scikit-learn, pip install 'gatework[baselines]'"
    ]


def test_examples_that_are_all_alike() -> None:
    values, tokens, offsets, y = series(30)
    found = fit_baselines("classify", "series", values, tokens, offsets, y * 0, ["a", "b"])
    assert set(found.answers(values, tokens, offsets)) == {"majority class"}
    assert "alike" in found.notes[0]


def test_where_there_is_nothing_to_learn_none_is_good() -> None:
    values, tokens, offsets, _ = series(400)
    y = np.random.default_rng(5).integers(0, 2, 400)
    train = fit_baselines(
        "classify", "series", *taken(values, tokens, offsets, np.arange(300)), y[:300], ["a", "b"]
    )
    answers = train.answers(*taken(values, tokens, offsets, np.arange(300, 400)))
    for name, p in answers.items():
        assert accuracy(p, y[300:]) < 0.65, name


def test_classes_without_an_example_in_the_sample() -> None:
    values, tokens, offsets, _ = series()
    for present in ([0, 2], [0, 2, 4]):
        target = np.array(present)[np.arange(120) % len(present)]
        found = fit_baselines("classify", "series", values, tokens, offsets, target, list("abcde"))
        p = found.answers(values, tokens, offsets)["linear model"]
        assert p.shape == (120, 5)
        assert np.allclose(p.sum(1), 1)
        assert p[:, [k for k in range(5) if k not in present]].max() < 1e-6


def test_the_same_seed_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatework.train.sequence_baselines.MOST_SERIES", 40)
    values, tokens, offsets, y = series()
    a, b, c = (
        fit_baselines(
            "classify", "series", values, tokens, offsets, y, ["a", "b"], seed=s
        ).tensors()
        for s in (1, 1, 2)
    )
    assert all(np.array_equal(a[k], b[k]) for k in a)
    assert a["nearest neighbour/series"].shape[0] == 40
    assert not np.array_equal(a["nearest neighbour/series"], c["nearest neighbour/series"])


def test_very_many_rows_are_fitted_on_some(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WORK", 5000), ("FEWEST_ROWS", 50)):
        monkeypatch.setattr(f"gatework.train.linear_baseline.{name}", value)
    values, tokens, offsets, y = series(2000)
    new = series(200, seed=1)
    found = fit_baselines("classify", "series", values, tokens, offsets, y, ["a", "b"])
    assert accuracy(found.answers(*new[:3])["linear model"], new[3]) > 0.85
    said = fit_baselines("regress", "series", values, tokens, offsets, y * 2.0, [])
    assert np.corrcoef(said.answers(*new[:3])["linear model"][:, 0], new[3])[0, 1] > 0.7
