"""Sequences passed as arrays and lists, and NumPy files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gatework.data.sequences import Ink, Series, Sound, Words
from gatework.data.sources.find import read_sequences
from gatework.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
THREE = [RNG.normal(size=(T, 2)) for T in (3, 1, 4)]
LABELS = ["a", "b", "a"]


def read(data: Any, **more: Any) -> Any:
    return read_sequences(data, **{"task": "classify", "labels": LABELS, **more})


def test_list_of_arrays_of_unequal_length() -> None:
    found = read(THREE)
    assert found.features == ("value_0", "value_1")
    for item, array in zip(found.items, THREE, strict=True):
        np.testing.assert_array_equal(item.values, array)
    assert found.labels == LABELS
    assert found.names[2] == "data: sequence 2 (counting from 0)"


def test_input_is_not_changed() -> None:
    array = np.ones((3, 4, 2))
    found = read(array)
    found.items[0].values[:] = 5
    assert (array == 1).all()


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 2)])
def test_one_array(shape: tuple[int, ...]) -> None:
    found = read(RNG.normal(size=shape).astype(np.float32))
    assert [s.values.shape for s in found.items] == [(5, shape[2] if len(shape) == 3 else 1)] * 3


def test_lists_of_numbers_and_missing_ones() -> None:
    found = read([[1, 2], [3], [None, 4.5]])
    np.testing.assert_array_equal(found.items[2].values[:, 0], [np.nan, 4.5])


def test_labels_of_any_container_and_spelling() -> None:
    assert read(THREE, labels=np.array([0, 1, 0])).labels == ["0", "1", "0"]
    assert read(THREE, labels=pd.Series([True, False, True])).labels == ["true", "false", "true"]
    assert read(THREE, labels=[1, 2.5, np.float32(3)], task="regress").labels == [1.0, 2.5, 3.0]


def test_labels_of_steps() -> None:
    steps = [["x", "y", None], ["x"], [1, 2, 3, 4]]
    found = read(THREE, labels=steps, task="tag")
    assert found.labels[0].tolist() == ["x", "y", None]
    assert found.labels[2].tolist() == ["1", "2", "3", "4"]
    found = read(THREE, labels=[np.arange(len(x)) for x in THREE], task="regress")
    assert found.per_step
    assert found.labels[0].dtype == float


def test_groups_are_a_list() -> None:
    assert read(THREE, group=[1, 2, "x"]).groups == ["1", "2", "x"]
    with pytest.raises(DataError, match="group='who' names a column"):
        read(THREE, group="who")
    with pytest.raises(DataError, match="2 groups for 3 sequences"):
        read(THREE, group=["a", "b"])


def test_series_with_times_and_categories() -> None:
    one = Series(np.ones((2, 1)), np.array([["x"], [None]], object), np.array([0.0, 3.0]))
    found = read([one, one, one])
    assert found.items[1].times.tolist() == [0, 3]
    assert found.categorical == ("category_0",)
    with pytest.raises(DataError, match="some sequences have categories and some have none"):
        read([one, Series(np.ones((2, 1))), one])


def test_layout_of_a_table_names_the_channels() -> None:
    layout = {"kind": "series", "form": "long", "features": ["load", "heat"], "categorical": []}
    assert read(THREE, layout=layout).features == ("load", "heat")


def test_sounds_strokes_and_pictures() -> None:
    sounds = [Sound(np.zeros(5, np.float32), 8000)] * 3
    assert read(sounds).kind == "audio"
    assert read([Ink((np.zeros((3, 2)),))] * 3).kind == "strokes"
    pictures = np.zeros((3, 4, 5), np.uint8)
    found = read(pictures, kind="images")
    assert found.kind == "images"
    assert found.items[0].shape == (4, 5)
    assert read(pictures[:2], labels=None, need_labels=False, layout=found.layout).kind == "images"
    assert read(pictures).kind == "series"


@pytest.mark.parametrize(
    ("data", "more", "message"),
    [
        ([], {}, "the list is empty"),
        ([THREE[0], np.ones((2, 3)), THREE[2]], {}, r"sequence 1 \(.*\): has 3 channels, those before have 2"),
        ([THREE[0], np.empty((0, 2)), THREE[2]], {}, r"sequence 1 .*is a sequence of length 0"),
        ([THREE[0], np.full((2, 2), np.nan), THREE[2]], {}, r"sequence 1 .*every value of it is missing"),
        ([THREE[0], [[1, 2], [3, np.inf]], THREE[2]], {}, r"sequence 1 .*step 1, channel 1 is infinite"),
        ([THREE[0], np.ones((2, 2, 2)), THREE[2]], {}, r"sequence 1 .*has shape \(2, 2, 2\)"),
        ([THREE[0], np.array([["a", "b"]]), THREE[2]], {}, "sequence 1 .*holds no plain numbers"),
        ([THREE[0], "text", THREE[2]], {}, r"several kinds, arrays and texts \(item 1"),
        (np.ones(5), {}, r"shape \(5,\) holds no sequences"),
        (THREE, {"labels": ["a", "b"]}, "2 labels for 3 sequences"),
        (THREE, {"labels": 3}, "labels is int"),
        (THREE, {"labels": None}, "has no labels"),
        (THREE, {"labels": ["a", None, "b"]}, "sequence 1 .*the label is missing"),
        (THREE, {"labels": [None] * 3}, "every label is missing"),
        (THREE, {"labels": ["a", "a", "a"]}, "every label is 'a'"),
        (THREE, {"labels": ["a", ["b"], "a"]}, r"label 1 \(counting from 0\) is a list, and a classifier"),
        (THREE, {"labels": ["a", "b", "a"], "task": "regress"}, r"label 0 .*is 'a', not a number"),
        (THREE, {"labels": [1, 2, np.inf], "task": "regress"}, "label 2 .*is infinite"),
        (THREE, {"task": "tag"}, "label 0 .*is no list: pass a list of labels"),
        (THREE, {"labels": [["a"], ["b"], ["a"]], "task": "tag"}, "sequence 0 .*has 3 steps and 1 labels"),
    ],
)  # fmt: skip
def test_bad_lists(data: Any, more: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(data, **more)


def test_bad_items_are_passed_over() -> None:
    bad = [THREE[0], np.empty((0, 2)), THREE[2], np.full((1, 2), np.nan)]
    found = read(bad, labels=["a", "b", "c", "d"], skip_bad=True)
    assert found.labels == ["a", "c"]
    assert len(found.skipped) == 2
    assert "sequence 1" in found.skipped[0]


def test_unknown_task() -> None:
    with pytest.raises(ConfigError, match=r"task: 'clasify' is unknown. Did you mean 'classify'"):
        read(THREE, task="clasify")


# ---------------------------------------------------------------------------- files


def test_npz(tmp_path: Path) -> None:
    X = RNG.normal(size=(4, 5, 2))
    np.savez(tmp_path / "a.npz", X=X, y=np.array(list("uvuv")), groups=np.array([1, 1, 2, 2]))
    found = read_sequences(tmp_path / "a.npz", task="classify")
    assert found.labels == list("uvuv")
    assert found.groups == ["1", "1", "2", "2"]
    np.testing.assert_array_equal(found.items[3].values, X[3])
    assert "a.npz: sequence 1" in found.names[1]


def test_npz_of_unequal_lengths(tmp_path: Path) -> None:
    X, lengths = RNG.normal(size=(6, 2)), [1, 3, 2]
    np.savez(tmp_path / "a.npz", X=X, lengths=lengths, y=np.arange(6.0))
    found = read_sequences(tmp_path / "a.npz", task="regress")
    assert [len(s.values) for s in found.items] == lengths
    assert (found.labels or [])[1].tolist() == [1.0, 2.0, 3.0]
    np.savez(tmp_path / "b.npz", X=X, lengths=[1, 2], y=[1.0, 2.0])
    with pytest.raises(DataError, match="lengths sum to 3, and X has 6 rows"):
        read_sequences(tmp_path / "b.npz", task="regress")


def test_npy_and_mapping(tmp_path: Path) -> None:
    X = RNG.normal(size=(3, 4))
    np.save(tmp_path / "a.npy", X)
    assert len(read(tmp_path / "a.npy")) == 3
    assert len(read_sequences({"X": X, "y": LABELS}, task="classify")) == 3


def test_bad_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.ones(3), b=np.ones(3))
    with pytest.raises(DataError, match="has no array called X; there are 'a', 'b'"):
        read_sequences(tmp_path / "a.npz", task="classify")
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(DataError, match=r"b.npz: cannot be read as NumPy arrays"):
        read_sequences(tmp_path / "b.npz", task="classify")
    np.savez(tmp_path / "c.npz", X=np.array([[1], [1, 2]], dtype=object))
    with pytest.raises(DataError, match=r"c.npz: cannot be read as NumPy arrays .*not objects"):
        read_sequences(tmp_path / "c.npz", task="classify")


def test_words_are_no_series() -> None:
    layout = read(THREE).layout
    with pytest.raises(DataError, match="holds words, and the model was trained with series"):
        read([Words((("a", "day"),))], labels=None, need_labels=False, layout=layout)
