"""Options, verbs and places that cannot be right."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Refuse = Callable[..., str]


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--horizon", "0", "horizon: must be at least 1; got '0'"),
        ("--horizon", "-3", "horizon: must be at least 1; got '-3'"),
        ("--horizon", "4.5", "horizon: must be a whole number; got '4.5'"),
        ("--horizon", "a day", "horizon: must be a whole number; got 'a day'"),
        ("--horizon", "9" * 5000, "horizon: "),
        ("--context", "0", "context: must be at least 1"),
        ("--context", "99999999999", "context: must be at most"),
        ("--hidden-size", "1", "hidden_size: must be at least 2"),
        (
            "--cell",
            "gur",
            "cell: must be a cell that a forecaster can have; got 'gur'. Did you mean",
        ),
        ("--zoneout", "1", "zoneout: must be less than 1"),
        ("--learning-rate", "5", "learning_rate: must be at most 1"),
        ("--learning-rate", "nan", "learning_rate: must be a finite number"),
        ("--dropout", "1", "dropout: must be less than 1"),
        ("--batch-size", "0", "batch_size: must be at least 1"),
        ("--max-epochs", "0", "max_epochs: must be at least 1"),
        ("--seed", "-1", "seed: must be at least 0"),
        ("--levels", "", "levels: must be a number"),
        ("--levels", "0.1;0.5", "levels: must be a number; got '0.1;0.5'"),
        ("--levels", "0.1,0.9", "must contain 0.5, the median; got (0.1, 0.9)."),
        ("--levels", "0.9,0.5,0.1", "must increase"),
        ("--levels", "0,0.5,1", "must lie between 0 and 1"),
        ("--split", "1,2", "three parts are needed"),
        ("--split", "a,b,c", "'a,b,c' is not three numbers, such as 0.7,0.1,0.2"),
        ("--split", "0.5,0.5,0.5", "shares must sum to 1; 0.5, 0.5, 0.5 sum to 1.5"),
        ("--split", "inf,0.5,0.5", "must be finite"),
        ("--split", "nan,nan,nan", "must be finite"),
        ("--split", "1,0,0", "the validation part must not be empty"),
        ("--split", "100,50,900", "split asks for 1050 rows, the table has 200"),
        ("--split", "5,5,5", "training needs at least context + horizon = 16"),
        ("--threads", "0", "--threads: must be a whole number from 1 to 256; got '0'"),
        ("--threads", "100000", "--threads: must be a whole number from 1 to 256"),
        ("--resample", "often", "'often' is no frequency"),
        ("--time-format", "%Q", "no column reads as time_format '%Q'"),
        ("--target", "lode", "target names column 'lode', which is not there. Did you mean 'load'"),
        ("--target", "time", "'time', which holds the timestamps, is named as something else"),
        ("--time", "tiem", "Did you mean 'time'"),
        ("--series", "meter", "series names column 'meter'"),
        ("--past", "temp", "past names column 'temp', which is not there"),
        ("--known", "temp", "known names column 'temp', which is not there"),
        ("--static", "temp", "static names column 'temp', which is not there"),
        ("--categorical", "load", "categorical names 'load', which is the target"),
    ],
)
def test_option_values(
    refused_fit: Refuse, table: Path, option: str, value: str, says: str
) -> None:
    refused_fit(table, option, value, says=[says])


def test_one_column_in_two_roles(refused_fit: Refuse, table: Path) -> None:
    refused_fit(table, "--target", "load", "--past", "load", says=["both as target and as past"])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("forcast", "no such command 'forcast'. `gatework --help` says what there is."),
        ("predcit m d", "Did you mean 'predict'?"),
        ("--bogus", "no such option: --bogus"),
        ("fit forcast d -o m", "Did you mean 'forecast'?"),
        ("fit forecast -o m", "missing argument 'DATA'"),
        ("fit forecast d", "missing option '-o'"),
        ("fit forecast d -o", "-o"),
        ("fit forecast d -o m --horizn 3", "--horizon"),
        ("fit forecast d e -o m", "unexpected extra argument"),
        ("predict", "missing argument 'MODEL'. `gatework predict --help`"),
        ("predict m", "missing argument 'DATA'"),
        ("predict m d --yes", "no such option: --yes"),
        ("evaluate m d --stride often", "--stride: must be a whole number"),
        ("evaluate m d --stride 0", "--stride: must be a whole number from 1"),
        ("demo forcast", "there is no demo 'forcast'. Did you mean 'forecast'?"),
    ],
)
def test_wrong_usage_is_one_sentence_too(refused: Refuse, line: str, says: str) -> None:
    refused(*line.split(), says=[says])


@pytest.mark.parametrize("arguments", [(), ("fit",)])
def test_nothing_to_do_shows_the_help_as_an_error(
    run: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    outcome = run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("Usage: gatework") == 1
    assert "forecast" in outcome.err or "evaluate" in outcome.err


# ---- where the model goes -----------------------------------------------------------------------------


def fit_to(table: Path, place: object) -> list[object]:
    return ["fit", "forecast", table, "-o", place, "--quiet"]


def test_model_over_a_file(refused: Refuse, table: Path) -> None:
    refused(*fit_to(table, table), says=["good.csv is a file; a model is a folder"])


def test_model_below_a_file(refused: Refuse, table: Path) -> None:
    refused(*fit_to(table, table / "model"), says=["a part of its path is a file"])


@pytest.mark.parametrize("name", ["thesis.tex", "README.md", "config.json"])
def test_model_over_the_files_of_somebody(
    refused: Refuse, table: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / name).write_text("{}")
    refused(*fit_to(table, tmp_path / "work"), says=["not a model's", name, "new or empty"])


def test_model_over_the_model_of_another_program(
    refused: Refuse, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "bert").mkdir()
    for name in ("config.json", "model.safetensors", "README.md"):
        (tmp_path / "bert" / name).write_text('{"architectures": ["Bert"]}')
    refused(*fit_to(table, tmp_path / "bert"), says=["not a model's"])


def test_model_over_the_current_folder(
    refused: Refuse, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for place in (".", "", "../here", tmp_path / "here"):
        refused(*fit_to(table, place), says=["the folder you are in", "model"])


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux's /proc")
@pytest.mark.parametrize("place", ["/proc/model", "/proc/no/model"])
def test_place_that_cannot_be_written(
    refused: Refuse, table: Path, model: Path, place: str
) -> None:
    refused(*fit_to(table, place), says=[f"cannot write {place}", "Choose another place"])
    refused("predict", model, table, "-o", f"{place}.csv", says=[place, "cannot be written"])


def test_place_without_permission(
    refused: Refuse, table: Path, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests may run as root, whom no permission stops: the refusal is played."""

    def no(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", "x")

    monkeypatch.setattr("gatework.files.tempfile.mkdtemp", no)
    monkeypatch.setattr("gatework.files.tempfile.mkstemp", no)
    refused(*fit_to(table, tmp_path / "new"), says=["no permission to write there"])
    refused(
        "predict", model, table, "-o", tmp_path / "f.csv",
        says=["f.csv: cannot be written: permission denied", "where you may write"],
    )  # fmt: skip


def test_name_that_is_too_long(refused: Refuse, table: Path, tmp_path: Path) -> None:
    refused(*fit_to(table, tmp_path / ("m" * 300)), says=["name too long"])


# ---- the other files ----------------------------------------------------------------------------------


def test_table_and_model_exchanged(refused: Refuse, model: Path, table: Path) -> None:
    refused("predict", table, model, says=["is a model's folder: the model comes first"])
    refused("predict", table, table, says=["good.csv is a file; a model is the folder"])
    refused("predict", model, model, says=["model is a model's folder, not a table"])


def test_result_that_cannot_be_written(
    refused: Refuse, model: Path, table: Path, tmp_path: Path
) -> None:
    def to(place: object, *says: str) -> None:
        refused("predict", model, table, "-o", place, says=says)

    to(tmp_path / "no" / "f.csv", "f.csv: cannot be written: the folder", "does not exist")
    to(tmp_path / "f.xls", "cannot write a table of kind '.xls'", ".parquet")
    to(model, "is a folder", "Name a file in it")
    to(table, "is the table itself, which would be lost")
    refused("evaluate", model, table, "-o", tmp_path / "s.csv", says=["ends in .json"])
    refused("evaluate", model, table, "-o", tmp_path / "no" / "s.json", says=["does not exist"])


# ---- models that are none -----------------------------------------------------------------------------


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_model_that_is_none(refused: Refuse, table: Path, tmp_path: Path, verb: str) -> None:
    refused(verb, tmp_path / "none", table, says=["none: there is no such folder", "makes a model"])
    (tmp_path / "some").mkdir()
    refused(verb, tmp_path / "some", table, says=["some is no Gatework model", "no config.json"])
    (tmp_path / "some" / "config.json").write_text('{"architectures": ["Bert"]}')
    refused(verb, tmp_path / "some", table, says=["another program's"])


@pytest.mark.parametrize("name", ["config.json", "preprocessing.json", "model.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_truncated_model(
    refused: Refuse, model: Path, table: Path, name: str, share: float
) -> None:
    content = (model / name).read_bytes()
    (model / name).write_bytes(content[: int(share * len(content))])
    refused("predict", model, table, says=[name, "damaged", "Fit the model again"])


@pytest.mark.parametrize("name", ["preprocessing.json", "model.safetensors"])
def test_model_with_a_file_missing(refused: Refuse, model: Path, table: Path, name: str) -> None:
    (model / name).unlink()
    refused("predict", model, table, says=["damaged", f"{name} is missing"])


def test_weights_of_other_shapes(refused: Refuse, model: Path, table: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    name, shape = next((k, s) for k, s in config["tensors"].items() if len(s) == 2)
    edit_json(model / "config.json", tensors={**config["tensors"], name: [shape[0] + 1, shape[1]]})
    refused("predict", model, table, says=["damaged", name, str(shape)])


def test_newer_format_version(refused: Refuse, model: Path, table: Path) -> None:
    edit_json(model / "config.json", format_version=99, gatework_version="7.0")
    refused(
        "predict", model, table,
        says=["has model format 99, written by Gatework 7.0", "reads up to format 1", "Upgrade"],
    )  # fmt: skip


def test_unknown_task(refused: Refuse, model: Path, table: Path) -> None:
    edit_json(model / "config.json", task="divine")
    refused("predict", model, table, says=["its task 'divine' is unknown", "'forecast'"])


def test_training_that_has_not_ended(refused: Refuse, model: Path, table: Path) -> None:
    half = model.with_name("half")
    half.mkdir()
    shutil.copy(model / "model.safetensors", half / "checkpoint.safetensors")
    refused("predict", half, table, says=["has not ended", "--resume"])


def test_checkpoint_of_another_run(refused_fit: Refuse, model: Path, table: Path) -> None:
    shutil.copy(model / "model.safetensors", model / "checkpoint.safetensors")
    refused_fit(table, "--resume", says=["checkpoint", "Start again without --resume"])
    (model / "checkpoint.safetensors").write_bytes(b"\0" * 40)
    refused_fit(table, "--resume", says=["the checkpoint cannot be read", "without --resume"])
