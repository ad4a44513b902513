"""Words with labels: CoNLL-U, columns, tables and lists."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gatework.data.describe import describe
from gatework.data.sequences import Words
from gatework.data.sources.find import read_sequences
from gatework.data.sources.words import looks_like_columns
from gatework.errors import ConfigError, DataError

COLUMNS = """the DT B-NP
cat NN I-NP
sat VB O

# # B-NP
dogs NN I-NP

"""
CONLLU = """# sent_id = 1
1-2\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tdo\tdo\tAUX\tVB\t_\t0\troot\t_\t_
2\tn't\tnot\tPART\tRB\t_\t1\tadv\t_\t_
2.1\tgo\tgo\tVERB\tVB\t_\t_\t_\t_\t_

# sent_id = 2
1\tYes\tyes\tINTJ\tUH\tx=y\t0\t_\t_\t_
"""


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["a.txt", "a.conll", "a.iob"])
@pytest.mark.parametrize("separator", [" ", "\t", "  "])
def test_columns(tmp_path: Path, name: str, separator: str) -> None:
    path = put(tmp_path, name, COLUMNS.replace(" ", separator))
    found = read_sequences(path, task="tag")
    assert found.kind == "words"
    assert found.items[0] == Words((("the", "cat", "sat"), ("DT", "NN", "VB")))
    assert found.items[1].columns[0] == ("#", "dogs")  # a word, not a comment
    assert [x.tolist() for x in found.labels or ()] == [["B-NP", "I-NP", "O"], ["B-NP", "I-NP"]]
    assert found.names[1] == f"{path}, line 5"
    assert found.categorical == ("word", "column 2")


def test_gzip_comments_and_documents(tmp_path: Path) -> None:
    text = "-DOCSTART- -X- O\n\n# a comment of many words\n" + COLUMNS
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(text.encode()))
    assert len(read_sequences(path, task="tag")) == 2


def test_prediction_with_and_without_labels(tmp_path: Path) -> None:
    layout = read_sequences(put(tmp_path, "a.txt", COLUMNS), task="tag").layout
    bare = put(tmp_path, "b.txt", "a DT\ndog NN\n\nran VB\n")
    found = read_sequences(bare, task="tag", layout=layout, need_labels=False)
    assert found.labels is None
    assert found.items[0].columns == (("a", "dog"), ("DT", "NN"))
    again = read_sequences(
        put(tmp_path, "c.txt", COLUMNS), task="tag", layout=layout, need_labels=False
    )
    assert again.labels is not None
    with pytest.raises(DataError, match=r"has 5 columns; the model was trained with 2 and a label"):
        read_sequences(put(tmp_path, "d.txt", "a b c d e\n\n"), task="tag", layout=layout)
    with pytest.raises(DataError, match="has no labels"):
        read_sequences(bare, task="tag", layout=layout)


def test_conllu(tmp_path: Path) -> None:
    path = put(tmp_path, "a.conllu", CONLLU)
    found = read_sequences(path, task="tag")
    assert [x.columns for x in found.items] == [(("do", "n't"),), (("Yes",),)]
    assert [x.tolist() for x in found.labels or ()] == [["AUX", "PART"], ["INTJ"]]
    assert found.names[0].endswith("line 3")
    other = read_sequences(path, task="tag", label="deprel", features=["xpos"])
    assert other.items[0].columns[1] == ("VB", "RB")
    assert [x.tolist() for x in other.labels or ()] == [["root", "adv"], [None]]
    assert describe(found)[0] == "2 sentences"


def test_conllu_layout_keeps_the_field(tmp_path: Path) -> None:
    path = put(tmp_path, "a.conllu", CONLLU)
    layout = read_sequences(path, task="tag", label="xpos", features=["lemma"]).layout
    again = read_sequences(path, task="tag", layout=layout, need_labels=False)
    assert again.items[0].columns[1] == ("do", "not")
    assert (again.labels or [])[0].tolist() == ["VB", "RB"]
    bare = put(tmp_path, "b.conllu", "1\tYes\t_\t_\t_\t_\t_\t_\t_\t_\n")
    assert read_sequences(bare, task="tag", layout=layout, need_labels=False).labels is None


@pytest.mark.parametrize(
    ("name", "text", "roles", "message"),
    [
        ("a.txt", COLUMNS + "odd line of five words\n", {"kind": "words"}, r"line 8: has 5 columns, .* have 3"),
        ("a.conllu", CONLLU + "2\tno\n", {}, r"line 9: has 2 fields where CoNLL-U has 10"),
        ("a.conllu", "# nothing\n", {}, "there is no word in it"),
        ("a.conll", "\n \n# nothing\n", {}, "there is no word in it"),
        ("a.conllu", CONLLU, {"label": "pos"}, "label='pos' is no field of CoNLL-U. Did you mean .*'upos'"),
        ("a.conllu", CONLLU, {"task": "classify"}, "for the task tag, not classify"),
        ("a.conllu", CONLLU, {"group": "document"}, r"group= \(--group\) names a column, and a file of words"),
        ("a.conll", "a O\nb O\n\n", {}, "every label is 'O'"),
    ],
)  # fmt: skip
def test_bad_words(
    tmp_path: Path, name: str, text: str, roles: dict[str, Any], message: str
) -> None:
    with pytest.raises((DataError, ConfigError), match=message):
        read_sequences(put(tmp_path, name, text), **{"task": "tag", **roles})


def test_what_looks_like_columns() -> None:
    assert looks_like_columns(COLUMNS)
    assert not looks_like_columns("unit time x\n1 2 3\n1 3 4\n")  # no blank line
    assert not looks_like_columns("some words\n\nand a few more of them\n")


# ---------------------------------------------------------------------------- tables and lists


def test_table_of_words() -> None:
    table = {
        "sentence": [1, 1, 2],
        "word": ["a", "dog", "ran"],
        "pos": ["DT", None, "VB"],
        "tag": ["B", "I", "O"],
    }
    found = read_sequences(table, task="tag", features=["pos"])
    assert found.items[0].columns == (("a", "dog"), ("DT", ""))
    assert [x.tolist() for x in found.labels or ()] == [["B", "I"], ["O"]]
    later = {"sentence": [9], "word": ["a"], "pos": ["DT"]}
    again = read_sequences(later, task="tag", layout=found.layout, need_labels=False)
    assert again.items[0].columns == (("a",), ("DT",))


def test_table_of_lists_of_words(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"tokens": ["a", "dog"], "tags": ["B", "I"]}\n{"tokens": ["ran"], "tags": ["O"]}\n'
    )
    found = read_sequences(path, task="tag")
    assert [x.columns for x in found.items] == [(("a", "dog"),), (("ran",),)]
    assert [x.tolist() for x in found.labels or ()] == [["B", "I"], ["O"]]
    frame = pl.DataFrame({"tokens": [["a", "dog"], ["ran"]], "tags": [["B"], ["O"]]})
    with pytest.raises(DataError, match=r"row 0 .*'tags': has 1 entries for 2 words"):
        read_sequences(frame, task="tag")
    frame = pl.DataFrame({"tokens": [["a", "dog"], []], "tags": [["B", "I"], []]})
    with pytest.raises(DataError, match=r"row 1 .*is a sequence of length 0"):
        read_sequences(frame, task="tag")


def test_lists_of_words() -> None:
    labels = [["B", "I"], ["O"]]
    for data in (
        [["a", "dog"], ["ran"]],
        ["a dog", "ran"],
        [Words((("a", "dog"),)), Words((("ran",),))],
    ):
        found = read_sequences(data, task="tag", labels=labels)
        assert [x.columns for x in found.items] == [(("a", "dog"),), (("ran",),)]
    pairs = read_sequences(
        [[("a", "DT"), ("dog", "NN")], [("ran", "VB")]], task="tag", labels=labels
    )
    assert pairs.items[0].columns == (("a", "dog"), ("DT", "NN"))
    later = read_sequences(["a cat"], task="tag", layout=pairs.layout, need_labels=False)
    assert later.items[0].columns == (("a", "cat"),)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([["a", "dog"], []], r"sentence 1 \(counting from 0\): is a sequence of length 0"),
        (
            [["a", "dog"], ["ran", "off"]],
            r"sequence 1 \(counting from 0\) has 2 steps and 0 labels",
        ),
        (
            [[("a", "DT"), ("dog",)], [("ran", "VB")]],
            "sentence 0 .*its words have columns of different number",
        ),
        ([[("a", "DT"), ("dog", "NN")], ["ran"]], "sentence 1 .*has 1 columns, the first has 2"),
    ],
)
def test_bad_lists_of_words(data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_sequences(data, task="tag", labels=[["B", "I"], ["O"] * (len(data[1]) == 1)])
