"""Lines that say what was found."""

from __future__ import annotations

import numpy as np

from gatework.data.describe import describe
from gatework.data.sequences import SequenceSet
from gatework.data.sources.find import read_sequences


def test_series_with_missing_values_and_groups() -> None:
    table = {"unit": list("aabbb"), "x": [1.0, None, 3, 4, 5], "s": [None, "p", "q", "p", "q"],
             "label": list("uuvvv"), "who": list("kkmmm")}  # fmt: skip
    found = read_sequences(table, task="classify", series="unit", group="who")
    assert describe(found) == [
        "2 series of 1 number and 1 category",
        "lengths: 2 to 3 steps, median 2, 5 in all",
        "classes: 2 ('u' 1, 'v' 1)",
        "groups: 2 in column who",
        "missing values: x 20 %, s 20 %",
    ]


def test_labels_of_steps_and_targets() -> None:
    table = {"unit": list("aabb"), "x": [1.0, 2, 3, 4], "label": ["u", None, "v", "u"]}
    lines = describe(read_sequences(table, task="tag", series="unit"))
    assert "classes: 2 ('u' 2, 'v' 1)" in lines
    assert "without a label: 1 of 4 steps" in lines
    table["label"] = [1.0, None, 3.0, 2.0]
    lines = describe(read_sequences(table, task="regress", series="unit"))
    assert "target: 1 to 3, mean 2, missing in 1 of 4" in lines


def test_many_classes_are_cut() -> None:
    rng = np.random.default_rng(0)
    labels = [f"c{k:02d}" for k in rng.integers(0, 20, 500)]
    found = read_sequences(["a b"] * 500, labels=labels, task="classify")
    assert describe(found)[1] == "lengths: 2 words, 1,000 in all"
    assert describe(found)[2].startswith("classes: 20 (")
    assert describe(found)[2].endswith("and 12 more)")


def test_files_are_not_read() -> None:
    class Untouched(list):  # type: ignore[type-arg]
        def __getitem__(self, i: object) -> object:
            raise AssertionError

    found = SequenceSet(
        "audio", Untouched([1, 2]), ["a", "b"], "x", labels=["u", "v"], skipped=("c: bad",)
    )
    assert describe(found) == [
        "2 recordings",
        "classes: 2 ('u' 1, 'v' 1)",
        "passed over: 1 that cannot be used",
    ]
