"""``fit``, ``predict`` and ``evaluate`` of classifiers, regressors and taggers, and what they refuse."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from gatework import SequenceClassifier
from gatework.cli.main import main
from gatework.tasks import labelled_objective
from gatework.tasks.labelled import Labeller

Run = Callable[..., Any]
SMALL = ["--hidden-size", "8", "--filters", "8", "--max-epochs", "1", "--threads", "1"]
ONE = [*SMALL, "--folds", "0"]


@pytest.fixture(scope="module", autouse=True)
def _short_epochs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labelled_objective, "MIN_EPOCH_STEPS", 2)
        patch.setattr(Labeller, "_report", lambda self: None)  # megabytes that no test reads
        yield


# ---- small data of several kinds ----------------------------------------------------------------------


def motions(units: int = 20, seed: int = 0) -> pl.DataFrame:
    """A long table: series s0, s1, ... of two channels, slow and fast in turn, with a number for each."""
    rng = np.random.default_rng(seed)
    frames = []
    for unit in range(units):
        t = np.arange(int(rng.integers(8, 15)))
        frames.append(
            pl.DataFrame(
                {
                    "id": [f"s{unit}"] * len(t),
                    "x": np.sin(t * (1.0 if unit % 2 else 0.3)).round(4),
                    "y": rng.normal(size=len(t)).round(4),
                    "class": ["fast" if unit % 2 else "slow"] * len(t),
                    "who": [f"p{unit % 5}"] * len(t),
                }
            )
        )
    return pl.concat(frames)


def engines(units: int = 12) -> pl.DataFrame:
    lives = [8 + unit % 5 for unit in range(units)]
    return pl.concat(
        pl.DataFrame(
            {
                "unit": [unit] * life,
                "wear": (np.arange(life) * 1.0 - life).round(1),
                "rul": np.arange(life)[::-1].astype(float),
            }
        )
        for unit, life in enumerate(lives)
    )


CONLLU = "".join(
    f"{k}\t{word}\t_\t{tag}\t_\t_\t_\t_\t_\t_\n"
    for k, (word, tag) in enumerate((("A", "DET"), ("dog", "NOUN"), ("runs", "VERB")), start=1)
)


def write_wav(path: Path, hz: float, rate: int = 8000, seconds: float = 0.25) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(int(rate * seconds)) / rate
    samples = 0.3 * np.sin(2 * np.pi * hz * t) + 0.01 * np.sin(2 * np.pi * 50 * t)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def write_tones(folder: Path, count: int = 10) -> Path:
    """A folder of recordings in a folder for each class."""
    for name, hz in (("low", 300.0), ("high", 1500.0)):
        for k in range(count):
            write_wav(folder / name / f"{k}.wav", hz + 5 * k)
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of the three tasks, and a model of each; not to be written to."""
    folder = tmp_path_factory.mktemp("labelled")
    motions().write_csv(folder / "motions.csv")
    motions(8, seed=1).write_csv(folder / "later.csv")
    engines().write_csv(folder / "engines.csv")
    (folder / "train.conllu").write_text((CONLLU + "\n") * 30)
    for task, data in (
        ("classify", "motions.csv"),
        ("regress", "engines.csv"),
        ("tag", "train.conllu"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["fit", task, str(folder / data), *ONE, "-o", str(folder / task), "--quiet"])
        assert not ended.value.code
    return folder


@pytest.fixture
def refuse(run: Run, tmp_path: Path) -> Callable[..., str]:
    """Run, expect exit code 2, one message and an unchanged folder."""

    def check(*arguments: object, says: Sequence[str]) -> str:
        before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
        outcome = run(*arguments)
        assert outcome.code == 2, outcome
        assert outcome.out == ""
        assert outcome.err.startswith("gatework: ")
        assert outcome.err.count("\n") == 1, outcome.err
        assert "Traceback" not in outcome.err
        for phrase in says:
            assert phrase in outcome.err, outcome.err
        assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before
        return outcome.err

    return check


@pytest.fixture
def refuse_fit(refuse: Callable[..., str], tmp_path: Path) -> Callable[..., str]:
    """The same for a fit."""

    def check(task: str, data: object, *more: object, says: Sequence[str]) -> str:
        options = (*ONE, *more, "-o", tmp_path / "model", "--quiet")
        return refuse("fit", task, data, *options, says=says)

    return check


# ---- what a user does ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "data", "words"),
    [
        ("classify", "motions.csv", ["kind: series", "classes: 2 ('fast' 10, 'slow' 10)"]),
        ("regress", "engines.csv", ["target: 0 to 11", "target column: rul, one for each step"]),
        ("tag", "train.conllu", ["kind: words of CoNLL-U, the label is upos; sentences: 30"]),
    ],
)
def test_fit_tells_what_it_found_and_how_good_it_is(
    run: Run, shop: Path, tmp_path: Path, task: str, data: str, words: list[str]
) -> None:
    outcome = run("fit", task, shop / data, *ONE, "-o", tmp_path / "model")
    assert outcome.code == 0, outcome.err
    for phrase in [*words, "split: train"]:
        assert phrase in outcome.err
    assert "this model" in outcome.out
    assert f"model saved in {tmp_path / 'model'}" in outcome.out
    metrics = json.loads((tmp_path / "model" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["task"] == task
    assert metrics["evaluation"]["verdict"] in " ".join(outcome.out.split())


def test_fit_as_json(run: Run, shop: Path, tmp_path: Path) -> None:
    outcome = run("fit", "classify", shop / "motions.csv", *ONE, "-o", tmp_path / "m", "--json")
    told = json.loads(outcome.out)
    assert outcome.err == ""
    assert told["folder"] == str(tmp_path / "m")
    assert told["main"] == "accuracy"
    assert set(told["baselines"]) == {"majority class", "linear model", "nearest neighbour"}


def test_few_data_are_cross_validated(run: Run, shop: Path, tmp_path: Path) -> None:
    outcome = run("fit", "classify", shop / "motions.csv", *SMALL, "-o", tmp_path / "model")
    assert "5 folds, stratified: each network leaves one out" in outcome.err


@pytest.mark.parametrize(
    ("task", "data", "columns"),
    [
        ("classify", "later.csv", ["name", "label", "confidence", "p_fast", "p_slow"]),
        ("regress", "engines.csv", ["name", "mean", "q0.05", "q0.25", "q0.5", "q0.75", "q0.95"]),
        ("tag", "train.conllu", ["name", "step", "word", "label", "confidence"]),
    ],
)
def test_predict_writes_what_the_ending_says(
    run: Run, shop: Path, tmp_path: Path, task: str, data: str, columns: list[str]
) -> None:
    frames = []
    for ending, read in (
        (".csv", pl.read_csv),
        (".parquet", pl.read_parquet),
        (".json", pl.read_json),
    ):
        out = tmp_path / f"labels{ending}"
        outcome = run("predict", shop / task, shop / data, "-o", out)
        assert outcome.code == 0, outcome.err
        frames.append(read(out))  # type: ignore[operator]
        assert outcome.err == f"{frames[-1].height} rows written to {out}\n"
        assert outcome.out == ""
    assert frames[0].columns[: len(columns)] == columns
    assert frames[0].shape == frames[1].shape == frames[2].shape
    np.testing.assert_allclose(
        frames[0][columns[-1]].to_numpy(), frames[1][columns[-1]].to_numpy(), rtol=1e-12
    )
    printed = run("predict", shop / task, shop / data)
    assert printed.out == (tmp_path / "labels.csv").read_text(encoding="utf-8")
    records = json.loads(run("predict", shop / task, shop / data, "--json").out)
    assert records == json.loads((tmp_path / "labels.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("task", "data", "score"),
    [
        ("classify", "later.csv", "accuracy"),
        ("regress", "engines.csv", "rmse"),
        ("tag", "train.conllu", "token_accuracy"),
    ],
)
def test_evaluate_prints_and_writes_scores(
    run: Run, shop: Path, tmp_path: Path, task: str, data: str, score: str
) -> None:
    shown = run("evaluate", shop / task, shop / data, "-o", tmp_path / "scores.json")
    assert shown.code == 0, shown.err
    assert "this model" in shown.out
    assert "sequences (data)" in shown.out
    written = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    told = json.loads(run("evaluate", shop / task, shop / data, "--json").out)
    assert told == written
    assert told["model"]["overall"][score] >= 0


def test_training_goes_on_where_it_was_interrupted(run: Run, shop: Path, tmp_path: Path) -> None:
    data, out = shop / "motions.csv", tmp_path / "model"
    begun = SequenceClassifier(hidden_size=8, filters=8, folds=0, max_epochs=1)
    begun.fit(data, checkpoint=out)  # as a process does that ends after one epoch
    assert (out / "checkpoint.safetensors").is_file()
    longer = ("fit", "classify", data, *ONE, "--max-epochs", "2", "--quiet")
    assert run(*longer, "--resume", "-o", out).code == 0
    assert not (out / "checkpoint.safetensors").exists()
    assert run(*longer, "-o", tmp_path / "unbroken").code == 0
    histories = [
        [(r["train_loss"], r["validation"]) for r in json.loads(text)["training"]["history"]]
        for text in (
            (folder / "metrics.json").read_text() for folder in (out, tmp_path / "unbroken")
        )
    ]
    assert len(histories[0]) == 2
    assert histories[0] == histories[1]
    fresh = run("fit", "classify", data, *ONE, "-o", tmp_path / "fresh", "--resume")
    assert "holds no checkpoint; training starts from the beginning" in fresh.err


def test_parts_of_their_own(run: Run, shop: Path, tmp_path: Path) -> None:
    given = ("--validation", shop / "later.csv", "--test", shop / "later.csv")
    told = run("fit", "classify", shop / "motions.csv", *SMALL, *given, "-o", tmp_path / "m")
    assert told.code == 0, told.err
    assert "split: train 20, validation 8, test 8 sequences (test part given)" in told.err


def test_options_of_the_data(run: Run, shop: Path, tmp_path: Path) -> None:
    options = ("--label", "class", "--series", "id", "--features", "x", "--group", "who")
    told = run(
        "fit",
        "classify",
        shop / "motions.csv",
        *ONE,
        *options,
        "--split",
        "12,4,4",
        "-o",
        tmp_path / "m",
    )
    assert told.code == 0, told.err
    assert "groups: 5 in column who" in told.err
    assert "by group" in told.err
    kept = json.loads((tmp_path / "m" / "preprocessing.json").read_text(encoding="utf-8"))
    assert kept["encoder"]["features"] == ["x"]


def test_a_folder_of_recordings_from_end_to_end(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    tones, model = write_tones(tmp_path / "tones"), tmp_path / "model"
    assert run("fit", "classify", tones, *ONE, "-o", model).code == 0
    new = write_wav(tmp_path / "new" / "a.wav", 320).parent
    labels = run("predict", model, new).out.splitlines()
    assert labels[0] == "name,label,confidence,p_high,p_low"
    assert labels[1].startswith("a.wav,")
    one = run("predict", model, new / "a.wav", "--json")
    assert json.loads(one.out)[0]["p_low"] == pytest.approx(float(labels[1].split(",")[-1]))
    assert run("evaluate", model, tones).code == 0


def test_an_earlier_model_may_be_replaced_and_other_folders_not(
    run: Run, refuse: Callable[..., str], shop: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    for _ in range(2):
        assert run("fit", "tag", shop / "train.conllu", *ONE, "-o", model, "--quiet").code == 0
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    out = ("-o", tmp_path / "notes", "--quiet")
    refuse(
        "fit",
        "tag",
        shop / "train.conllu",
        *ONE,
        *out,
        says=["notes holds files that are not a model's (mine.txt)"],
    )


# ---- what it refuses: the list of the first page of docs/sequences.md -----------------------------------


def changed(frame: pl.DataFrame, column: str, value: object, series: str = "s3") -> pl.DataFrame:
    there = pl.col("id") == series
    return frame.with_columns(pl.when(there).then(pl.lit(value)).otherwise(column).alias(column))


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"RIFF and no more", "is no sound file that can be read"), (b"", "the file is empty")],
)
def test_a_file_among_many_that_cannot_be_read(
    run: Run, refuse_fit: Callable[..., str], tmp_path: Path, content: bytes, says: str
) -> None:
    pytest.importorskip("soundfile")
    tones = write_tones(tmp_path / "tones", 6)
    (tones / "low" / "3.wav").write_bytes(content)
    refuse_fit("classify", tones, says=[str(tones / "low" / "3.wav"), says, "--skip-bad"])
    model = tmp_path / "m"
    passed = run("fit", "classify", tones, *ONE, "--skip-bad", "-o", model)
    assert passed.code == 0, passed.err
    assert "passed over: 1 that cannot be used" in passed.err
    assert str(tones / "low" / "3.wav") in passed.err
    for verb in ("predict", "evaluate"):
        bare = run(verb, model, tones)
        assert bare.code == 2
        assert "3.wav" in bare.err
        told = run(verb, model, tones, "--skip-bad")
        assert told.code == 0, told.err
        assert "1 items passed over" in told.err
        assert "3.wav" in told.err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda t: changed(t, "class", None),
            ["series 's3'", "the label is missing", "--skip-bad"],
        ),
        (
            lambda t: t.with_columns(pl.lit("slow").alias("class")),
            ["column 'class': every label is 'slow': there is nothing to tell apart"],
        ),
        (
            lambda t: t.drop("class", "who"),
            ["no column is called label, class or target", "--label"],
        ),
        (
            lambda t: t.with_columns(pl.lit(None).alias("class")),
            ["every label is missing"],
        ),
        (lambda t: t.head(0), ["the table has a header", "but no rows"]),
        (
            lambda t: changed(t.drop("who"), "x", None).pipe(changed, "y", None),
            ["series 's3': is a sequence of length 0, or every value of it is missing"],
        ),
        (
            lambda t: changed(t, "x", float("inf")),
            ["row 37 (line 38), column 'x': the value is infinite"],
        ),
        (
            lambda t: t.with_columns(pl.col("x").cast(pl.String)).pipe(changed, "x", "far"),
            ["row 37 (line 38), column 'x': 'far' is not a number"],
        ),
        (
            lambda t: t.with_columns(pl.col("class") + pl.int_range(pl.len()).cast(pl.String)),
            ["row 2 (line 3), column 'class'", "differs from 'slow0' earlier in series 's0'"],
        ),
        (
            lambda t: t.with_columns(pl.col("id").alias("class")),
            ["holds 20 classes for 20 labels", "names of rows or measured values", "--label"],
        ),
    ],
    ids=range(10),
)
def test_a_long_table_that_cannot_be_learned_from(
    refuse_fit: Callable[..., str], tmp_path: Path, change: Any, says: list[str]
) -> None:
    change(motions()).write_csv(tmp_path / "bad.csv")
    refuse_fit("classify", tmp_path / "bad.csv", says=["bad.csv", *says])


def test_a_class_with_one_example_is_learned(run: Run, tmp_path: Path) -> None:
    changed(motions(), "class", "still").write_csv(tmp_path / "rare.csv")
    told = run("fit", "classify", tmp_path / "rare.csv", *ONE, "-o", tmp_path / "model")
    assert told.code == 0, told.err
    assert "'still' 1" in told.err


def test_a_missing_value_is_no_mistake(run: Run, shop: Path, tmp_path: Path) -> None:
    table = motions()
    table = table.with_columns(
        pl.when(pl.int_range(pl.len()) % 9 == 0).then(None).otherwise("x").alias("x")
    )
    table.write_csv(tmp_path / "holes.csv")
    told = run("fit", "classify", tmp_path / "holes.csv", *ONE, "-o", tmp_path / "model")
    assert told.code == 0, told.err
    assert "missing values: x 11." in told.err
    assert "which values are missing" in told.err
    assert run("predict", shop / "classify", tmp_path / "holes.csv").code == 0


def test_a_label_that_training_did_not_hold(
    refuse: Callable[..., str], refuse_fit: Callable[..., str], shop: Path, tmp_path: Path
) -> None:
    changed(motions(8), "class", "slowly").write_csv(tmp_path / "unseen.csv")
    says = ["unseen.csv, series 's3'", "'slowly' did not occur in the training part", "'slow'"]
    refuse_fit("classify", shop / "motions.csv", "--test", tmp_path / "unseen.csv", says=says)
    refuse("evaluate", shop / "classify", tmp_path / "unseen.csv", says=says)


def test_recordings_of_another_rate_or_with_more_channels(
    run: Run, refuse: Callable[..., str], tmp_path: Path
) -> None:
    pytest.importorskip("soundfile")
    model = tmp_path / "model"
    assert (
        run("fit", "classify", write_tones(tmp_path / "t", 6), *ONE, "-o", model, "--quiet").code
        == 0
    )
    low = write_wav(tmp_path / "low" / "a.wav", 300, rate=2000).parent
    says = ["a.wav: has 2,000 Hz, and the model hears 8,000 Hz", "Give recordings of a higher rate"]
    refuse("predict", model, low, says=says)
    higher = write_wav(tmp_path / "higher" / "a.wav", 300, rate=16000).parent
    assert run("predict", model, higher).code == 0  # resampled


def test_other_channels_than_the_model_knows(
    refuse: Callable[..., str], shop: Path, tmp_path: Path
) -> None:
    motions().drop("y").write_csv(tmp_path / "narrow.csv")
    says = ["narrow.csv", "lacks the column 'y'"]
    refuse("predict", shop / "classify", tmp_path / "narrow.csv", says=says)
    np.save(tmp_path / "wide.npy", np.zeros((3, 8, 5)))
    refuse("predict", shop / "classify", tmp_path / "wide.npy", says=["wide.npy", "5"])


def test_items_of_several_widths(refuse_fit: Callable[..., str], tmp_path: Path) -> None:
    items = np.empty(4, object)
    items[:] = [np.zeros((5, 2 + (k == 2))) for k in range(4)]
    folder = tmp_path / "parts"
    for k, item in enumerate(items):
        (folder / "ab"[k % 2]).mkdir(parents=True, exist_ok=True)
        np.save(folder / "ab"[k % 2] / f"{k}.npy", item)
    refuse_fit("classify", folder, says=["2.npy: has also 'value_2'", "compared with 0.npy"])


def test_text_that_is_not_utf_8(refuse_fit: Callable[..., str], tmp_path: Path) -> None:
    table = tmp_path / "latin.csv"
    table.write_bytes(b"review,sentiment\na fine day indeed,pos\na bad f\xfcr day,neg\n")
    refuse_fit("classify", table, says=["latin.csv, line 3: is not UTF-8 text", "0xfc", "iconv"])
    for name, text in (("good", b"a fine day"), ("bad", b"f\xfcr nothing")):
        (tmp_path / "texts" / name).mkdir(parents=True)
        for k in range(3):
            (tmp_path / "texts" / name / f"{k}.txt").write_bytes(text)
    refuse_fit("classify", tmp_path / "texts", says=["bad/0.txt", "is not UTF-8 text"])


def test_a_folder_without_files(refuse_fit: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "none" / "a").mkdir(parents=True)
    refuse_fit("classify", tmp_path / "none", says=["none: holds no files", "manifest.csv"])
    (tmp_path / "none" / "a" / "notes.doc").write_bytes(b"?")
    refuse_fit("classify", tmp_path / "none", says=["only '.doc'", "Endings that are read"])


def test_an_identifier_taken_for_a_label(refuse_fit: Callable[..., str], tmp_path: Path) -> None:
    rows = "".join(f"the day number {k} was fine,r{k}\n" for k in range(300))
    (tmp_path / "ids.csv").write_text("review,sentiment\n" + rows)
    says = [
        "column 'sentiment': holds 300 classes for 300 labels, 300 of them once ('r0', 'r1', 'r2'"
    ]
    refuse_fit("classify", tmp_path / "ids.csv", says=says)


def test_a_broken_file_of_words(refuse_fit: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "broken.conllu").write_text(CONLLU + "4\tfast\tADV\n")
    refuse_fit(
        "tag", tmp_path / "broken.conllu", says=["line 4: has 3 fields where CoNLL-U has 10"]
    )
    (tmp_path / "broken.conll").write_text("A DET\ndog NOUN\nruns\n")
    refuse_fit("tag", tmp_path / "broken.conll", says=["line 3: has 1 columns", "have 2"])


# ---- tasks, settings and places that do not go together -------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("fit", "classify", "motions.csv", "--horizon", "3", "-o", "m"),
            "no such option: --horizon",
        ),
        (("fit", "tag", "train.conllu", "--text", "x", "-o", "m"), "no such option: --text"),
        (("fit", "regress", "engines.csv", "--label", "x", "-o", "m"), "no such option: --label"),
        (("fit", "classify", "motions.csv", "--crf", "-o", "m"), "no such option: --crf"),
        (
            ("predict", "classify", "later.csv", "--resample", "1h"),
            "--resample does not go with a model of the task 'classify'",
        ),
        (("predict", "tag", "train.conllu", "--ignore-extra"), "--ignore-extra does not go with"),
        (("evaluate", "regress", "engines.csv", "--stride", "2"), "--stride does not go with"),
        (("predict", "tag", "motions.csv"), "motions.csv"),
        (("predict", "classify", "train.conllu"), "train.conllu"),
        (("predict", "classify", "later.cvs"), "later.cvs: there is no such file"),
    ],
    ids=range(10),
)
def test_what_belongs_to_another_task(
    refuse: Callable[..., str],
    shop: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(shop)
    refuse(*arguments, says=[says])


def test_skip_bad_does_not_go_with_a_forecaster(
    refuse: Callable[..., str], fitted: Path, tmp_path: Path
) -> None:
    table = fitted.parent / "good.csv"
    refuse(
        "predict", fitted, table, "--skip-bad", says=["--skip-bad does not go with", "'forecast'"]
    )


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--cell", "lstn", "Did you mean 'lstm'"),
        ("--folds", "1", "folds must be 0, or 2 and more"),
        ("--subsample", "3", "must be a power of 2; got 3"),
        ("--pooling", "sum", "pooling: must be 'last'"),
        ("--kind", "smells", "is no kind of sequences"),
        ("--series", "idd", "Did you mean 'id'"),
        ("--features", "z", "'z'"),
        ("--group", "speaker", "'speaker', which is no column"),
        ("--split", "1,2", "three parts are needed"),
        ("--split", "90,5,5", "more than the 20 there are"),
        ("--test", "no.csv", "no.csv: there is no such file"),
        ("--mixup", "-1", "mixup: must be at least 0"),
    ],
)
def test_settings_and_roles_that_cannot_be(
    refuse_fit: Callable[..., str], shop: Path, option: str, value: str, says: str
) -> None:
    refuse_fit("classify", shop / "motions.csv", option, value, says=[says])


def test_a_task_that_the_data_do_not_suit(
    refuse_fit: Callable[..., str], shop: Path, tmp_path: Path
) -> None:
    refuse_fit(
        "regress", shop / "motions.csv", "--target", "class", says=["'slow' is not a number"]
    )
    refuse_fit("classify", shop / "train.conllu", says=["train.conllu", "tag"])
    pytest.importorskip("soundfile")
    tones = write_tones(tmp_path / "tones", 2)
    refuse_fit("regress", tones, says=["regress needs a number for each file", "manifest.csv"])
    refuse_fit("tag", tones, says=["tag needs a label for every step"])


def test_a_result_is_not_lost_to_a_failure(
    refuse: Callable[..., str], shop: Path, tmp_path: Path
) -> None:
    out = tmp_path / "labels.csv"
    out.write_text("mine\n")
    motions().drop("y").write_csv(tmp_path / "narrow.csv")
    refuse("predict", shop / "classify", tmp_path / "narrow.csv", "-o", out, says=["narrow.csv"])
    assert out.read_text() == "mine\n"
    refuse(
        "predict", shop / "classify", shop / "later.csv", "-o", tmp_path / "x.docx", says=[".docx"]
    )
    table = tmp_path / "narrow.csv"
    refuse("predict", shop / "classify", table, "-o", table, says=["is the table itself"])
