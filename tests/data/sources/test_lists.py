"""Tables with a list of numbers in each cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from gatework.data.sources.find import read_sequences
from gatework.errors import DataError


def test_json_lines_with_lists(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"load": [1, null, 3], "label": "a", "who": "p"}\n{"load": [4.5], "label": "b", "who": "q"}\n'
    )
    found = read_sequences(path, task="classify", group="who")
    assert found.features == ("load",)
    np.testing.assert_array_equal(found.items[0].values[:, 0], [1, np.nan, 3])
    assert (found.labels, found.groups) == (["a", "b"], ["p", "q"])
    assert found.names[1] == f"{path}, row 2"


def test_channels_in_columns_and_in_steps(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [[1.0, 2], [3.0]], "y": [[5, 6], [7]], "label": ["a", "b"]})
    frame.write_parquet(tmp_path / "a.parquet")
    found = read_sequences(tmp_path / "a.parquet", task="classify")
    assert found.features == ("x", "y")
    assert found.items[0].values.tolist() == [[1, 5], [2, 6]]
    nested = pl.DataFrame({"xy": [[[1, 5], [2, 6]], [[3, 7]]], "label": ["a", "b"]})
    again = read_sequences(nested, task="classify")
    assert again.features == ("xy_0", "xy_1")
    assert again.items[0].values.tolist() == [[1, 5], [2, 6]]
    later = read_sequences(nested[["xy"]], task="classify", layout=again.layout, need_labels=False)
    assert later.features == again.features


def test_labels_of_steps() -> None:
    frame = pl.DataFrame({"x": [[1.0, 2], [3.0]], "label": [["a", None], ["b"]]})
    labels = read_sequences(frame, task="tag").labels or ()
    assert [x.tolist() for x in labels] == [["a", None], ["b"]]
    frame = pl.DataFrame({"x": [[1.0, 2], [3.0]], "target": [[1, 2], [3]]})
    labels = read_sequences(frame, task="regress").labels or ()
    assert [x.tolist() for x in labels] == [[1, 2], [3]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [[1.0], []]}, r"row 1 .*is a sequence of length 0"),
        ({"x": [[1.0], None]}, r"row 1 .*is a sequence of length 0"),
        ({"x": [[1.0], [float("inf")]]}, r"row 1 \(counting from 0\): a value of 'x' is infinite"),
        (
            {"x": [[1.0], [2.0]], "y": [[1.0], [2.0, 3.0]]},
            "row 1 .*column 'y': has 2 steps, and the first .* 1",
        ),
        ({"x": [[[1, 2]], [[3, 4], [5]]]}, "row 1 .*step 2 has 1 channels, those before have 2"),
        (
            {"x": [[1.0], [2.0]], "label": [["a"], ["b", "c"]]},
            "row 1 .*'label': has 2 labels for 1 steps",
        ),
    ],
)
def test_bad_lists(columns: dict[str, Any], message: str) -> None:
    task = "tag" if "label" in columns else "classify"
    with pytest.raises(DataError, match=message):
        read_sequences(pl.DataFrame({"label": ["a", "b"], **columns}, strict=False), task=task)
