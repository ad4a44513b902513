"""What kind of data there is, labels that cannot be learned, and what is no data at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gatework.data.sources.find import read_sequences
from gatework.errors import ConfigError, DataError


def test_path_that_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a\n1\n")
    with pytest.raises(
        DataError, match=r"trian.csv: there is no such file or folder. Did you mean 'train.csv'"
    ):
        read_sequences(tmp_path / "trian.csv", task="classify")
    with pytest.raises(DataError, match="Its folder does not exist either"):
        read_sequences(tmp_path / "none" / "a.csv", task="classify")


def test_folder_without_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no files"):
        read_sequences(tmp_path, task="classify")


def test_folder_of_texts(tmp_path: Path) -> None:
    for name in ("up/1.txt", "up/2.txt", "down/1.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"text of {name}")
    found = read_sequences(tmp_path, task="classify")
    assert found.kind == "text"
    assert sorted(zip(found.items, found.labels or (), strict=True))[0] == (
        "text of down/1.txt",
        "down",
    )


def test_manifest_is_recognised_by_its_paths(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(f"text {name}")
    (tmp_path / "list.csv").write_text("path,label\na.txt,u\nb.txt,v\nc.txt,u\n")
    found = read_sequences(tmp_path / "list.csv", task="classify")
    assert (found.kind, found.labels) == ("text", ["u", "v", "u"])


def test_list_of_paths(tmp_path: Path) -> None:
    paths = []
    for name in "abc":
        paths.append(tmp_path / f"{name}.txt")
        paths[-1].write_text(f"text {name}" if name != "b" else "")
    with pytest.raises(DataError, match=r"b.txt: the file is empty"):
        read_sequences(paths, labels=["u", "v", "w"], task="classify")
    found = read_sequences(paths, labels=["u", "v", "w"], task="classify", skip_bad=True)
    assert found.labels == ["u", "w"]
    assert len(found.skipped) == 1


def test_kind_that_a_table_cannot_be() -> None:
    with pytest.raises(ConfigError, match="is a table, and kind='audio' is read from files"):
        read_sequences({"a": [1, 2], "label": ["u", "v"]}, task="classify", kind="audio")


def test_kind_of_the_training() -> None:
    layout = read_sequences(["a b", "c"], labels=["u", "v"], task="classify").layout
    with pytest.raises(DataError, match="holds series, and the model was trained with text"):
        read_sequences([[1.0, 2.0]], task="classify", layout=layout, need_labels=False)


# ---------------------------------------------------------------------------- labels


def test_an_identifier_is_no_label() -> None:
    n = 5000
    table = {"text": ["some words here"] * n, "label": [f"customer {i}" for i in range(n)]}
    message = (
        r"column 'label': holds 5,000 classes for 5,000 labels, 5,000 of them once \('customer 0', "
    )
    with pytest.raises(DataError, match=message):
        read_sequences(table, task="classify", text="text")


def test_a_million_classes_by_mistake() -> None:
    n = 1_000_000
    frame = pl.DataFrame({"x": np.zeros(n), "label": np.arange(n)})
    with pytest.raises(
        DataError, match=r"holds 1,000,000 classes .*to predict a number, use the task regress"
    ):
        read_sequences(frame, task="classify", kind="rows")


def test_measured_values_are_no_classes() -> None:
    rng = np.random.default_rng(0)
    table = {"x": rng.normal(size=200), "label": rng.normal(size=200)}
    with pytest.raises(DataError, match="measured values, not classes"):
        read_sequences(table, task="classify", kind="rows")
    assert len(read_sequences(table, task="regress", kind="rows")) == 200


def test_many_true_classes_are_learned() -> None:
    rng = np.random.default_rng(0)
    labels = [f"sign {k}" for k in rng.integers(0, 400, 2000)]
    table = {"x": rng.normal(size=2000), "label": labels}
    assert len(set(read_sequences(table, task="classify", kind="rows").labels or ())) > 350
    few = {"x": [1.0, 2.0, 3.0], "label": ["a", "b", "c"]}
    assert read_sequences(few, task="classify", kind="rows").labels == ["a", "b", "c"]


def test_a_test_part_of_one_class_is_read() -> None:
    table = {"x": [1.0, 2.0, 3.0], "label": ["a", "b", "a"]}
    layout = read_sequences(table, task="classify", kind="rows").layout
    again = read_sequences({"x": [1.0], "label": ["a"]}, task="classify", layout=layout)
    assert again.labels == ["a"]
