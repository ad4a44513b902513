"""Classifiers, regressors and taggers as a user meets them in Python: any sequences in, honest scores out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import gatework
from gatework import SequenceClassifier, SequenceRegressor, SequenceTagger
from gatework.errors import ConfigError, DataError, GateworkWarning, ModelFileError
from gatework.tasks import labelled_objective

SMALL: dict[str, Any] = {"hidden_size": 8, "filters": 8, "max_epochs": 2}
WHOLE = SMALL | {"folds": 0}


@pytest.fixture(scope="module", autouse=True)
def _short_epochs() -> Iterator[None]:
    """An epoch goes over these few sequences once or twice, not twenty times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labelled_objective, "MIN_EPOCH_STEPS", 2)
        yield


def waves(n: int = 60, seed: int = 0) -> tuple[list[np.ndarray], list[str]]:
    """Waves of one channel and 15 to 40 steps, fast or slow."""
    rng = np.random.default_rng(seed)
    items = []
    for k in range(n):
        t = np.arange(int(rng.integers(15, 41)))
        wave = np.sin(t * (1.0 if k % 2 else 0.3) + rng.uniform(0, 6))
        items.append((wave + rng.normal(0, 0.1, len(t)))[:, None])
    return items, ["fast" if k % 2 else "slow" for k in range(n)]


def sentences(n: int = 40) -> tuple[list[list[str]], list[list[str]]]:
    """Sentences of 2 to 4 words with a span in each."""
    known = [
        (["Ada", "Byron", "writes"], ["B-PER", "I-PER", "O"]),
        (["in", "Paris", "it", "rains"], ["O", "B-LOC", "O", "O"]),
        (["Ada", "sleeps"], ["B-PER", "O"]),
        (["rain", "in", "London"], ["O", "O", "B-LOC"]),
    ]
    picked = [known[k % 4] for k in range(n)]
    return [words for words, _ in picked], [labels for _, labels in picked]


def engines(units: int = 16, seed: int = 0) -> pl.DataFrame:
    """Runs to failure: a noisy wear, and what is left to live at every step."""
    rng = np.random.default_rng(seed)
    frames = []
    for unit in range(units):
        life = int(rng.integers(15, 30))
        left = np.arange(life)[::-1].astype(float)
        wear = rng.normal(0, 0.05, life) - left / 30
        frames.append(pl.DataFrame({"unit": [unit] * life, "wear": wear, "rul": left}))
    return pl.concat(frames)


@pytest.fixture(scope="module")
def classifier(_short_epochs: None) -> SequenceClassifier:
    return SequenceClassifier(**WHOLE | {"max_epochs": 15}).fit(*waves())


@pytest.fixture(scope="module")
def regressor(_short_epochs: None) -> SequenceRegressor:
    return SequenceRegressor(**WHOLE | {"max_epochs": 4}).fit(engines(), target="rul")


@pytest.fixture(scope="module")
def tagger(_short_epochs: None) -> SequenceTagger:
    return SequenceTagger(**WHOLE | {"max_epochs": 15, "learning_rate": 0.02}).fit(*sentences())


# ---- answers ------------------------------------------------------------------------------------------


def test_probabilities_sum_to_one_and_the_likeliest_is_the_answer(
    classifier: SequenceClassifier,
) -> None:
    items, _ = waves(10, seed=1)
    p, frame = classifier.predict_proba(items), classifier.predict(items)
    assert p.shape == (10, 2)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-12)
    assert frame.columns == ["name", "label", "confidence", "p_fast", "p_slow"]
    assert frame["label"].to_list() == [classifier.classes_[k] for k in p.argmax(1)]
    np.testing.assert_array_equal(frame["confidence"].to_numpy(), p.max(1))
    np.testing.assert_array_equal(frame["p_slow"].to_numpy(), p[:, 1])


def test_an_answer_does_not_depend_on_what_it_is_asked_with(classifier: SequenceClassifier) -> None:
    items, _ = waves(12, seed=2)
    together = classifier.predict_proba(items)
    alone = np.concatenate([classifier.predict_proba([item]) for item in items])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(classifier.predict_proba(items[::-1]), together[::-1], rtol=1e-5)


def test_a_tagger_answers_every_word(tagger: SequenceTagger) -> None:
    words, _ = sentences(4)
    frame, p = tagger.predict(words), tagger.predict_proba(words)
    assert frame["word"].to_list() == [w for s in words for w in s]
    assert frame["step"].to_list() == [k for s in words for k in range(len(s))]
    assert [len(rows) for rows in p] == [3, 4, 2, 3]
    np.testing.assert_allclose(np.concatenate(p).sum(1), 1, rtol=1e-5)


def test_spans_are_decoded_by_a_random_field_as_a_whole(tagger: SequenceTagger) -> None:
    assert tagger.network_.crf is not None
    words, labels = sentences(4)
    assert tagger.predict(words)["label"].to_list() == [x for row in labels for x in row]
    assert tagger.evaluate(words, labels)["span_f1"] == 1.0
    assert tagger.metrics_["evaluation"]["main"] == "span_f1"
    plain = SequenceTagger(crf=False, **WHOLE).fit(*sentences())
    assert plain.network_.crf is None
    states = SequenceTagger(**WHOLE).fit(
        words * 10, [["N"] * len(w[:-1]) + ["V"] for w in words] * 10
    )
    assert states.network_.crf is None  # no spans


def test_a_number_has_quantiles_in_order(regressor: SequenceRegressor) -> None:
    frame = regressor.predict(engines(3, seed=1))
    assert frame.columns == ["name", "mean", "q0.05", "q0.25", "q0.5", "q0.75", "q0.95"]
    assert frame["name"].to_list() == ["0", "1", "2"]
    quantiles = frame.select(pl.col("^q.*$")).to_numpy()
    assert (np.diff(quantiles, axis=1) >= 0).all()


def test_a_number_at_every_step_is_that_of_what_came_before(regressor: SequenceRegressor) -> None:
    table = engines(2, seed=1)
    steps = regressor.predict_steps(table)
    assert steps.columns[:3] == ["name", "step", "mean"]
    assert steps.height == table.height
    last = steps.group_by("name", maintain_order=True).last()["mean"]
    np.testing.assert_allclose(last, regressor.predict(table)["mean"], rtol=1e-6)
    early = regressor.predict(table.filter(pl.int_range(pl.len()).over("unit") < 7))["mean"]
    at_seven = steps.filter(pl.col("step") == 6)["mean"]
    np.testing.assert_allclose(early, at_seven, rtol=1e-4, atol=1e-4)


def test_a_number_of_the_whole_has_no_steps() -> None:
    items, _ = waves(30)
    model = SequenceRegressor(**WHOLE).fit(items, [float(len(x)) for x in items])
    assert_frame_equal(model.predict_steps(items), model.predict(items))
    assert model.evaluate(items, [float(len(x)) for x in items])["rmse"] > 0


def test_embeddings_are_a_vector_each(
    classifier: SequenceClassifier, tagger: SequenceTagger
) -> None:
    items, _ = waves(5)
    frame = classifier.embed(items)
    assert frame.columns == ["name", "embedding"]
    vectors = frame["embedding"].to_numpy()
    assert vectors.shape[0] == 5
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(
        classifier.embed(items[2:3])["embedding"].to_numpy()[0], vectors[2], rtol=1e-5
    )
    assert tagger.embed(sentences(4)[0])["embedding"].to_numpy().shape == (4, 16)


# ---- scores -------------------------------------------------------------------------------------------


def test_evaluate_gives_what_the_fit_judged(classifier: SequenceClassifier) -> None:
    items, labels = waves()
    test = (items[:20], labels[:20])
    model = SequenceClassifier(**WHOLE).fit(items[20:], labels[20:], test=test)
    judged, again = model.metrics_["evaluation"], model.evaluate(*test)
    assert judged["on"] == "test"
    assert again["accuracy"] == judged["model"]["overall"]["accuracy"]
    assert again["log_loss"] == pytest.approx(judged["model"]["overall"]["log_loss"], rel=1e-9)
    assert again.baselines == judged["baselines"]
    assert again.verdict == judged["verdict"]


def test_evaluation_as_a_frame_and_as_text(classifier: SequenceClassifier) -> None:
    found = classifier.evaluate(*waves(20, seed=3))
    frame = found.frame()
    assert frame["answers"].to_list() == [
        "model",
        "majority class",
        "linear model",
        "nearest neighbour",
    ]
    assert frame["accuracy"][0] == found["accuracy"]
    assert found.verdict in str(found)
    assert json.loads(json.dumps(found.to_json())) == found.to_json()


def test_the_temperature_makes_the_held_out_probabilities_no_worse(
    classifier: SequenceClassifier,
) -> None:
    told = classifier.metrics_["calibration"]
    assert told["temperature"] == classifier.temperature_ > 0
    items, _ = waves(8)
    cooled = classifier.predict_proba(items)
    kept, classifier.temperature_ = classifier.temperature_, 1e3
    try:
        even = classifier.predict_proba(items)
    finally:
        classifier.temperature_ = kept
    np.testing.assert_allclose(even, 0.5, atol=0.02)
    assert not np.allclose(cooled, even)


def test_mistakes_are_shown_as_what_they_are() -> None:
    rng = np.random.default_rng(0)
    items, _ = waves()
    noise = [str(label) for label in rng.integers(0, 2, len(items))]
    model = SequenceClassifier(**WHOLE).fit(items, noise)
    examples = model.metrics_["examples"]
    assert examples
    assert [e["confidence"] for e in examples] == sorted(
        (e["confidence"] for e in examples), reverse=True
    )
    first = examples[0]
    assert first["truth"] != first["predicted"]
    assert len(first["attribution"]) == len(first["values"][0])
    assert json.dumps(model.metrics_)


def test_the_steps_of_a_wrong_sentence_are_shown() -> None:
    words, _ = sentences(40)
    rng = np.random.default_rng(0)
    labels = [[str(v) for v in rng.integers(0, 2, len(s))] for s in words]
    model = SequenceTagger(**WHOLE).fit(words, labels)
    first = model.metrics_["examples"][0]
    assert len(first["words"]) == len(first["truths"]) == len(first["predictions"])


# ---- parts --------------------------------------------------------------------------------------------


def test_a_mistake_late_in_a_long_sequence_is_shown() -> None:
    rng = np.random.default_rng(0)
    series = [rng.normal(size=(300, 1)) for _ in range(12)]
    # What cannot be known comes late: before step 250 all is alike.
    labels = [["a"] * 250 + ["ab"[int(v)] for v in rng.integers(0, 2, 50)] for _ in range(12)]
    words = [[f"w{int(v * 3)}" for v in s[:, 0]] for s in series]
    for data in (series, words):
        model = SequenceTagger(hidden_size=4, max_epochs=1, folds=0).fit(data, labels)
        found = model.metrics_["examples"]
        assert found
        for example in found:
            said, truth = example["predictions"], example["truths"]
            shown = example["words"] if "words" in example else example["values"][0]
            assert len(shown) == len(said) == len(truth) == 120
            assert said != truth


def test_few_sequences_are_cross_validated() -> None:
    model = SequenceClassifier(**SMALL).fit(*waves(40))
    assert len(model.network_.members) == 5
    assert "5 folds, stratified: each network leaves one out" in model.metrics_["split"]["how"]
    assert "validation" not in model.metrics_["split"]
    alone = SequenceClassifier(folds=3, **SMALL).fit(*waves(40), split=(0.9, 0.1, 0))
    assert alone.metrics_["evaluation"]["on"] == "cross-validation"
    assert alone.metrics_["evaluation"]["sequences"] == 40


def test_an_ensemble_is_more_than_its_member() -> None:
    items, labels = waves(30)
    model = SequenceClassifier(members=2, **SMALL).fit(items, labels)
    first, second = (m.state_dict()["head.weight"] for m in model.network_.members)
    assert not np.allclose(first, second)
    np.testing.assert_allclose(model.predict_proba(items).sum(1), 1, rtol=1e-9)


@pytest.mark.parametrize("folds", [0, 3])
def test_nobody_is_in_two_parts(folds: int) -> None:
    items, labels = waves(60)
    who = [f"speaker {k // 6}" for k in range(60)]
    prepared = SequenceClassifier(**SMALL, folds=folds).prepare(items, labels=labels, group=who)
    parts = [p for p in (prepared.train, prepared.validation, prepared.test) if p is not None]
    speakers = [set(p.sequences.groups or ()) for p in parts]
    assert sum(len(s) for s in speakers) == len(set().union(*speakers)) == 10
    assert "by group" in prepared.how
    if prepared.fold is not None:
        for name in speakers[0]:
            mine = [g == name for g in prepared.train.sequences.groups or ()]
            assert len(set(prepared.fold[mine])) == 1


def test_few_groups_get_a_fold_each_unless_folds_are_asked_for() -> None:
    sequences, labels = waves(40)
    groups = [f"p{k // 2 % 4}" for k in range(40)]  # of four a test part takes one
    settings: dict[str, Any] = {"hidden_size": 4, "max_epochs": 1}
    model = SequenceClassifier(**settings).fit(sequences, labels, group=groups)
    assert len(model.network_.members) == 3
    assert "3 folds, by group" in model.metrics_["split"]["how"]
    with pytest.raises(DataError, match="3 groups, and 5 parts need one each"):
        SequenceClassifier(**settings, folds=5).fit(sequences, labels, group=groups)


def test_parts_keep_the_share_of_every_class() -> None:
    items, _ = waves(100)
    labels = ["rare" if k % 10 == 0 else "common" for k in range(100)]
    prepared = SequenceClassifier(folds=0, **SMALL).prepare(items, labels=labels)
    for part in (prepared.train, prepared.validation, prepared.test):
        assert part is not None
        assert (part.targets == 1).float().mean() == pytest.approx(0.1, abs=0.02)


def test_validation_and_test_may_be_given_as_pairs_or_as_tables(tmp_path: Path) -> None:
    items, labels = waves(60)
    model = SequenceClassifier(**SMALL).fit(
        items[:40],
        labels[:40],
        validation=(items[40:50], labels[40:50]),
        test=(items[50:], labels[50:]),
    )
    sizes = {k: v["sequences"] for k, v in model.metrics_["split"].items() if k != "how"}
    assert sizes == {"train": 40, "validation": 10, "test": 10}
    later = engines(4, seed=5)
    later.write_csv(tmp_path / "later.csv")
    numbers = SequenceRegressor(**WHOLE).fit(engines(), target="rul", test=tmp_path / "later.csv")
    assert numbers.metrics_["split"]["test"] == {"sequences": 4, "steps": later.height}


def test_folds_leave_no_room_for_a_validation_part() -> None:
    items, labels = waves(40)
    with pytest.raises(ConfigError, match="folds=3 need no validation part, and one was given"):
        SequenceClassifier(folds=3, **SMALL).fit(items, labels, validation=(items, labels))
    with pytest.raises(ConfigError, match=r"members=2 cannot go with folds=3"):
        SequenceClassifier(folds=3, members=2)


# ---- data as they are ---------------------------------------------------------------------------------


def test_missing_values_are_told_to_the_network() -> None:
    items, labels = waves(40)
    rng = np.random.default_rng(0)
    holed = [np.where(rng.random(x.shape) < 0.2, np.nan, x) for x in items]
    model = SequenceClassifier(**WHOLE).fit(holed, labels)
    assert model.encoder_.size == 2
    assert np.isfinite(model.predict_proba(holed)).all()
    assert any("missing values" in line for line in model.metrics_["described"])
    assert SequenceClassifier(**WHOLE).fit(items, labels).encoder_.size == 1


def test_steps_without_a_label_are_context_only() -> None:
    words, labels = sentences()
    some: list[list[str | None]] = [[None, *row[1:]] for row in labels]
    model = SequenceTagger(**WHOLE).fit(words, some)
    assert model.metrics_["evaluation"]["steps"] > 0
    assert model.predict(words[:1])["label"].null_count() == 0


def test_sentences_of_one_word_are_tagged() -> None:
    words = [["yes"], ["no"]] * 20
    model = SequenceTagger(**WHOLE | {"max_epochs": 8, "learning_rate": 0.05}).fit(words, words)
    assert model.predict([["no"], ["yes"]])["label"].to_list() == ["no", "yes"]


def test_numbers_that_are_missing_at_some_steps_do_not_count() -> None:
    table = engines().with_columns(
        rul=pl.when(pl.int_range(pl.len()) % 3 == 0).then(None).otherwise("rul")
    )
    model = SequenceRegressor(**WHOLE).fit(table, target="rul")
    assert np.isfinite(model.metrics_["evaluation"]["model"]["overall"]["rmse"])


def test_a_table_is_read_as_at_the_fit(classifier: SequenceClassifier) -> None:
    table = engines().with_columns(
        half=pl.when(pl.col("unit") < 8).then(pl.lit("a")).otherwise(pl.lit("b"))
    )
    model = SequenceClassifier(**WHOLE).fit(table.drop("rul"), label="half")
    shuffled = table.drop("half").select("rul", "wear", "unit")
    assert model.predict(shuffled)["name"].to_list() == [str(k) for k in range(16)]
    with pytest.raises(DataError, match=r"lacks the column 'unit' that the model was trained with"):
        model.predict(table.drop("unit"))


def test_an_unseen_class_is_refused_and_an_unseen_tag_counts_as_wrong(
    classifier: SequenceClassifier, tagger: SequenceTagger
) -> None:
    items, labels = waves(6)
    with pytest.raises(DataError, match=r"label 'slov' did not occur in the training part.*'slow'"):
        classifier.evaluate(items, ["slov", *labels[1:]])
    words, tags = sentences(4)
    tags[0] = ["B-GPE", *tags[0][1:]]
    with pytest.warns(GateworkWarning, match=r"1 steps have labels .*'B-GPE'.*count as wrong"):
        found = tagger.evaluate(words, tags)
    assert found["token_accuracy"] == pytest.approx(11 / 12)


def test_an_ill_fitting_item_is_named(classifier: SequenceClassifier) -> None:
    items, _ = waves(3)
    with pytest.raises(DataError, match=r"series 1.*2 numeric channels|2 .*channels"):
        classifier.predict([items[0], np.hstack([items[1], items[1]])])
    with pytest.raises(DataError, match="length 0"):
        classifier.predict([items[0], items[1][:0]])
    with pytest.raises(DataError, match="infinite"):
        classifier.predict([np.where(items[0] > 0.5, np.inf, items[0])])
    with pytest.raises(DataError, match=r"holds text, and the model was trained with series"):
        classifier.predict(["a text"])


def test_inputs_stay_as_they_were(classifier: SequenceClassifier) -> None:
    items, labels = waves(20)
    copies, kept = [x.copy() for x in items], list(labels)
    SequenceClassifier(**WHOLE).fit(items, labels)
    classifier.evaluate(items, labels)
    assert all(np.array_equal(a, b) for a, b in zip(items, copies, strict=True))
    assert labels == kept


# ---- settings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"class_weights": "balanced"},
        {"focal": 2.0},
        {"mixup": 0.2},
        {"label_smoothing": 0.3},
        {"class_weights": "balanced", "focal": 1.0, "mixup": 0.4, "label_smoothing": 0.1},
        {"pooling": "last"},
        {"pooling": "mean_max", "num_layers": 2, "convolutions": 0},
        {"cell": "gru", "recurrent_dropout": 0.2, "zoneout": 0.1},
        {"cell": "feedforward", "augment": 0.0, "subsample": 4},
        {"weight_drop": 0.2, "causal": True, "pooling": "max"},
    ],
    ids=str,
)
def test_settings_are_accepted_and_stay_finite(settings: dict[str, Any]) -> None:
    model = SequenceClassifier(**WHOLE, **settings).fit(*waves(30))
    assert all(np.isfinite(r.train_loss) for r in model.training_.history)
    assert np.isfinite(model.predict_proba(waves(3)[0])).all()


@pytest.mark.parametrize(
    "settings", [{"class_weights": "balanced"}, {"focal": 2.0}, {"label_smoothing": 0.2}], ids=str
)
def test_settings_of_a_tagger_are_accepted(settings: dict[str, Any]) -> None:
    model = SequenceTagger(**WHOLE, crf=False, **settings).fit(*sentences())
    assert all(np.isfinite(r.train_loss) for r in model.training_.history)


@pytest.mark.parametrize("tokens", ["words", "characters", "pieces"])
def test_texts_are_read_by_words_characters_and_pieces(tokens: str, tmp_path: Path) -> None:
    if tokens == "pieces":
        pytest.importorskip("tokenizers")
    texts = ["a fine day", "what a bad day", "fine, really fine", "bad and worse"] * 10
    labels = ["good", "bad", "good", "bad"] * 10
    model = SequenceClassifier(tokens=tokens, embedding_size=8, **WHOLE).fit(texts, labels)
    p = model.predict_proba(["ein schöner Tag", "東京", "fine"])
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-9)
    again = SequenceClassifier.load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(
        again.predict_proba(["fine", "bad day"]), model.predict_proba(["fine", "bad day"])
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 1}, "folds must be 0, or 2 and more; got 1"),
        ({"subsample": 3}, "subsample: must be a power of 2; got 3"),
        ({"cell": "lstn"}, r"cell: must be a cell that reads sequences.*'lstm'"),
        ({"pooling": "sum"}, "pooling: must be 'last', 'mean'"),
        ({"normalize": "item", "causal": True}, "normalize='item' needs the whole recording"),
        ({"horizon": 3}, "there is no setting 'horizon'"),
    ],
    ids=str,
)
def test_wrong_settings_are_refused_in_a_sentence(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SequenceClassifier(**settings)


# ---- streams and folders ------------------------------------------------------------------------------


def test_a_network_that_reads_backwards_has_no_stream(classifier: SequenceClassifier) -> None:
    with pytest.raises(ConfigError, match=r"SequenceClassifier\.stream: .*causal"):
        classifier.stream()


def test_a_causal_tagger_answers_word_by_word() -> None:
    words, labels = sentences()
    model = SequenceTagger(causal=True, **WHOLE).fit(words, labels)
    stream = model.stream()
    for sentence in words[:4]:
        stream.reset()
        answers = [stream.push(word) for word in sentence]
        ours = np.array([list(a.probabilities.values()) for a in answers])
        np.testing.assert_allclose(ours, model.predict_proba([sentence])[0], rtol=1e-4, atol=1e-5)
        assert [a.step for a in answers] == list(range(len(sentence)))


@pytest.mark.parametrize("which", ["classifier", "regressor", "tagger"])
def test_a_saved_model_gives_the_same(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model = request.getfixturevalue(which)
    data = {"classifier": waves(6)[0], "regressor": engines(3), "tagger": sentences(4)[0]}[which]
    again = gatework.load(model.save(tmp_path / "model"))
    assert type(again) is type(model)
    assert_frame_equal(again.predict(data), model.predict(data))
    assert again.classes_ == model.classes_
    assert again.config == model.config
    assert again.metrics_ == json.loads(json.dumps(model.metrics_))
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    baseline = next(iter(model.metrics_["evaluation"]["baselines"]))
    assert baseline in card


@pytest.fixture(scope="module")
def saved(classifier: SequenceClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return classifier.save(tmp_path_factory.mktemp("saved") / "model")


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("preprocessing.json", lambda kept: kept.update(classes=["fast"])),
        ("preprocessing.json", lambda kept: kept.update(temperature=0.0)),
        ("preprocessing.json", lambda kept: kept.update(temperature="hot")),
        ("preprocessing.json", lambda kept: kept.update(kind="smell")),
        ("preprocessing.json", lambda kept: kept["encoder"].update(deviation=[0.0])),
        ("preprocessing.json", lambda kept: kept["encoder"].update(features=["a", "b"])),
        (
            "preprocessing.json",
            lambda kept: kept["baselines"]["linear model"].update({"class": "Exec"}),
        ),
        ("preprocessing.json", lambda kept: kept.pop("encoder")),
        ("config.json", lambda kept: kept["network"].update(hidden_size=9)),
        ("config.json", lambda kept: kept["network"].update(hidden_size=10**9)),
        ("config.json", lambda kept: kept["network"].update(cell="magic")),
        ("config.json", lambda kept: kept["network"].update(outputs=3)),
        ("config.json", lambda kept: kept["network"].update(members=-1)),
    ],
    ids=range(13),
)
def test_a_damaged_folder_is_refused_in_a_sentence(
    saved: Path, tmp_path: Path, file: str, change: Any
) -> None:
    folder = Path(shutil.copytree(saved, tmp_path / "model"))
    kept = json.loads((folder / file).read_text(encoding="utf-8"))
    change(kept)
    (folder / file).write_text(json.dumps(kept), encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"model: damaged, .*Fit the model again") as raised:
        gatework.load(folder)
    assert "\n" not in str(raised.value)
