"""Texts of tables, lines and files."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from gatework.data.sources.find import read_sequences
from gatework.data.sources.text import read_text_file
from gatework.errors import ConfigError, DataError

REVIEWS = {
    "id": [1, 2, 3, 4],
    "review": [
        "a fine film indeed",
        "dull, and far too long",
        "I would see it again",
        "never again, please",
    ],
    "stars": [5, 1, 4, 1],
    "sentiment": ["good", "bad", "good", "bad"],
}


def reviews(**changed: Any) -> dict[str, Any]:
    return {**REVIEWS, **changed}


def test_text_and_label_columns_are_found() -> None:
    found = read_sequences(reviews(), task="classify")
    assert found.kind == "text"
    assert found.items == REVIEWS["review"]
    assert found.labels == REVIEWS["sentiment"]
    assert found.notes[0] == "kind: text in column 'review', 4 rows"
    assert "not used: id, stars" in found.notes


def test_named_columns(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text('who,review,stars\nann,"so, so",3\nbob,"great\nfun",5\n')
    found = read_sequences(path, task="regress", text="review", label="stars", group="who")
    assert found.items == ["so, so", "great\nfun"]
    assert found.labels == [3.0, 5.0]
    assert found.groups == ["ann", "bob"]
    assert found.names[1] == f"{path}, row 2 (line 3)"


def test_text_with_two_columns_leaves_the_other_as_label() -> None:
    found = read_sequences(
        {"words": ["a b", "c d"], "mood": ["up", "down"]}, task="classify", text="words"
    )
    assert found.labels == ["up", "down"]


def test_prediction_needs_the_text_alone() -> None:
    layout = read_sequences(reviews(), task="classify").layout
    later = {"review": ["so so"], "other": [1]}
    found = read_sequences(later, task="classify", layout=layout, need_labels=False)
    assert (found.items, found.labels) == (["so so"], None)
    with pytest.raises(
        DataError, match=r"lacks the column 'review' .*\(text\). Did you mean 'reviews'"
    ):
        read_sequences({"reviews": ["so so"]}, task="classify", layout=layout, need_labels=False)
    listed = read_sequences(["so so"], task="classify", layout=layout, need_labels=False)
    assert listed.items == ["so so"]


def test_lines_of_text(tmp_path: Path) -> None:
    layout = read_sequences(reviews(), task="classify").layout
    path = tmp_path / "new.txt"
    path.write_text("so so\n\nnot bad, is it\n")
    found = read_sequences(path, task="classify", layout=layout, need_labels=False)
    assert found.items == ["so so", "not bad, is it"]
    assert found.names[1] == f"{path}, line 3"


def test_table_in_a_txt_file_stays_one(tmp_path: Path) -> None:
    layout = read_sequences(reviews(), task="classify").layout
    path = tmp_path / "new.txt"
    path.write_text("id\treview\n1\tso so\n2\tnot bad\n")
    found = read_sequences(path, task="classify", layout=layout, need_labels=False)
    assert found.items == ["so so", "not bad"]


def test_lines_that_begin_with_labels(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("__label__up\tgood news, today\n__label__down bad news\n")
    found = read_sequences(path, task="classify")
    assert found.labels == ["up", "down"]
    assert found.items == ["good news, today", "bad news"]


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "день добрый", "label": 1}\n{"text": "bye now", "label": 0}\n')
    found = read_sequences(path, task="classify", kind="text")
    assert found.items[0] == "день добрый"
    assert found.labels == ["1", "0"]


def test_list_of_texts() -> None:
    found = read_sequences(["a b", "c"], labels=["x", "y"], group=["p", "q"], task="classify")
    assert (found.kind, found.items, found.groups) == ("text", ["a b", "c"], ["p", "q"])


def test_columns_of_frames() -> None:
    for frame in (pd.DataFrame(REVIEWS), pl.DataFrame(REVIEWS)):
        found = read_sequences(frame["review"], labels=frame["sentiment"], task="classify")
        assert (found.items, found.labels) == (REVIEWS["review"], REVIEWS["sentiment"])
    with pytest.raises(DataError, match=r"several kinds, missing values and texts \(item 1"):
        read_sequences(pd.Series(["a b", None]), labels=["x", "y"], task="classify")


@pytest.mark.parametrize(
    ("data", "roles", "message"),
    [
        (reviews(review=["a fine film", None, "x y z", " "]), {"text": "review"},
         r"row 1 \(counting from 0\): the text is missing or empty.*2 such items"),
        (reviews(sentiment=["good", None, "bad", "good"]), {}, r"row 1 .*the label is missing"),
        (reviews(sentiment=["good"] * 4), {}, r"column 'sentiment': every label is 'good'"),
        (reviews(sentiment=[None] * 4), {}, "every label is missing"),
        (reviews(), {"label": "review", "text": "review"}, "cannot be both text and label"),
        (reviews(), {"text": "revue"}, r"text= \(--text\) names 'revue'"),
        (reviews(comment=REVIEWS["review"], title=REVIEWS["review"]), {}, "hold texts. Name the one"),
        (["a", " "], {"labels": ["x", "y"]}, r"text 1 \(counting from 0\): the text is empty"),
        (["a", 3], {"labels": ["x", "y"]}, "items are of several kinds"),
    ],
)  # fmt: skip
def test_bad_texts(data: Any, roles: dict[str, Any], message: str) -> None:
    with pytest.raises((DataError, ConfigError), match=message):
        read_sequences(data, task="classify", **roles)


def test_missing_texts_and_labels_are_passed_over() -> None:
    data = reviews(
        review=["a fine film", None, "x y z", "never again"], sentiment=["u", "v", "v", None]
    )
    found = read_sequences(data, task="classify", text="review", skip_bad=True)
    assert list(found.items) == ["a fine film", "x y z"]
    assert len(found.skipped) == 2


def test_no_label_column_is_told_by_the_option_of_the_task() -> None:
    data = {"review": REVIEWS["review"], "a": [1, 2, 3, 4], "b": [1, 2, 3, 4]}
    with pytest.raises(
        DataError, match=r"Name the one that holds the labels with label= \(--label\)"
    ):
        read_sequences(data, task="classify", text="review")
    with pytest.raises(DataError, match=r"with target= \(--target\)"):
        read_sequences(data, task="regress", text="review")
    data = {"review": REVIEWS["review"], "target": [1, 2, 3, 4], "y": [1, 2, 3, 4]}
    with pytest.raises(DataError, match=r"'target' or 'y' could hold the labels"):
        read_sequences(data, task="classify", text="review")


def test_text_that_is_no_number_as_target() -> None:
    with pytest.raises(DataError, match=r"row 0 .*'sentiment': 'good' is not a number"):
        read_sequences(reviews(), task="regress", label="sentiment")


# ---------------------------------------------------------------------------- files


def test_read_text_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfna\xc3\xafve\n")
    assert read_text_file(path) == "naïve\n"
    path.write_bytes("naïve".encode("utf-16"))
    assert read_text_file(path) == "naïve"
    packed = tmp_path / "a.txt.gz"
    packed.write_bytes(gzip.compress("naïve".encode()))
    assert read_text_file(packed) == "naïve"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"fine\nna\xefve", r"a.txt, line 2: is not UTF-8 text: byte 7 is 0xef.*iconv"),
        (b"", r"a.txt: the file is empty"),
        (b" \n ", r"a.txt: the file is empty"),
    ],
)
def test_bad_text_file(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=message):
        read_text_file(path)


def test_unreadable_text_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_text_file(tmp_path)
    packed = tmp_path / "a.txt.gz"
    packed.write_bytes(b"no gzip")
    with pytest.raises(DataError, match="no readable gzip file"):
        read_text_file(packed)


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.tsv", "a.conllu", "a.ts", "a.jsonl"])
def test_every_text_format_refuses_what_is_not_utf8(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"text\tlabel\nna\xefve film\tgood\n")
    with pytest.raises(DataError, match=r"UTF-8"):
        read_sequences(path, task="tag" if name.endswith("conllu") else "classify")
