"""Words with labels: CoNLL-U files, files of columns with a blank line between sentences, and tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from gatework.data.sequences import SequenceSet, Words
from gatework.data.sources.labels import given_labels
from gatework.data.sources.roles import Roles
from gatework.data.sources.slices import Lazy
from gatework.data.sources.text import read_text_file, split_lines
from gatework.errors import ConfigError, DataError, nearest

CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
ENDINGS = (".conllu", ".conll", ".iob", ".iob2", ".bio", ".bioes", ".conll2003")


def looks_like_columns(text: str) -> bool:
    """Whether a text has sentences of words with columns: as many in each line, blank lines between.

    >>> looks_like_columns("a DT O\\ncat NN B\\n\\nit PRP B\\n"), looks_like_columns("a fine day\\nrain\\n")
    (True, False)
    """
    lines = split_lines(text)
    widths = {len(_fields(x)) for x in lines if x.strip() and not x.startswith(("#", "-DOCSTART-"))}
    return len(widths) == 1 and 2 <= widths.pop() <= 20 and any(not x.strip() for x in lines)


def read_words(path: Path, roles: Roles) -> SequenceSet:
    """Sentences of a file of columns; the first is the word.

    Of CoNLL-U the label is ``upos`` (or another field, by ``label``), and further columns only those that
    ``features`` names; of other files the label is the last column, and all between stand beside the word.

    Raises:
        DataError: a line with more or fewer columns than the others, by its number.
    """
    if roles.task != "tag":
        raise ConfigError(
            f"{path}: holds words with a label each, which is for the task tag, not {roles.task}."
        )
    roles.refuse_group(str(path), "a file of words has none")
    text = read_text_file(path)
    layout = roles.layout or {}
    if path.name.lower().removesuffix(".gz").endswith(".conllu") or layout.get("form") == "conllu":
        return _conllu(path, text, roles)
    rows, edges, starts = _rows(path, text)
    C = len(rows[0])
    kept = int(layout.get("columns", 0))  # of the word and what stands beside it
    labelled = roles.labels is None and C > 1
    if kept:
        if C not in (kept, kept + 1):
            raise DataError(
                f"{path}: has {C} columns; the model was trained with {kept} and a label. Give as many."
            )
        labelled = kept < C
    columns = list(zip(*rows, strict=True))
    labels = columns.pop() if labelled else None
    names = ("word", *(f"column {k + 2}" for k in range(len(columns) - 1)))
    note = f"kind: words in {C} columns" + (", the last is the label" if labelled else "")
    layout = {"kind": "words", "form": "conll", "columns": len(columns), "per_step": True}
    return _set(str(path), columns, labels, edges, names, layout, starts, note, roles)


def _rows(path: Path, text: str) -> tuple[list[list[str]], list[int], list[int]]:
    """Fields of each word, edges of the sentences, and the line on which each begins."""
    rows: list[list[str]] = []
    edges, starts = [0], []
    width = 0
    for number, line in enumerate(split_lines(text), start=1):
        if not line.strip():
            if len(rows) > edges[-1]:
                edges.append(len(rows))
            continue
        fields = _fields(line)
        if len(fields) != width:
            if line.startswith(("#", "-DOCSTART-")):
                continue
            if width:
                raise DataError(
                    f"{path}, line {number}: has {len(fields)} columns, the lines before have {width}. Each "
                    "word needs the same columns, and a blank line stands between sentences."
                )
            width = len(fields)
        elif line.startswith("-DOCSTART-"):
            continue
        if len(rows) == edges[-1]:
            starts.append(number)
        rows.append(fields)
    if len(rows) > edges[-1]:
        edges.append(len(rows))
    if not rows:
        raise DataError(f"{path}: there is no word in it.")
    return rows, edges, starts


def _fields(line: str) -> list[str]:
    if "\t" in line:
        return line.split("\t")
    return [x for x in line.split(" ") if x]  # not at every blank of Unicode: a word may hold some


def _conllu(path: Path, text: str, roles: Roles) -> SequenceSet:
    label = roles.role("label") or "upos"
    beside = tuple(roles.role("features") or ())
    for option, name in [("label", label), *(("features", f) for f in beside)]:
        if name not in CONLLU[2:]:
            raise ConfigError(
                f"{path}: {option}={name!r} is no field of CoNLL-U. {nearest(name, CONLLU[2:])}"
            )
    picked = [CONLLU.index(n) for n in ("form", *beside, label)]
    columns: list[list[str]] = [[] for _ in picked]
    words = columns[0]
    edges, starts = [0], []
    for number, line in enumerate(split_lines(text), start=1):
        if not line or line[0] == "#" or not line.strip():
            if (not line or line[0] != "#") and len(words) > edges[-1]:
                edges.append(len(words))
            continue
        fields = line.split("\t")
        if len(fields) != 10:
            raise DataError(
                f"{path}, line {number}: has {len(fields)} fields where CoNLL-U has 10, separated by tabs."
            )
        if not fields[0].isdigit():  # 3-4 spans several words, 5.1 was not said
            continue
        if len(words) == edges[-1]:
            starts.append(number)
        for column, k in zip(columns, picked, strict=True):
            column.append(fields[k])
    if len(words) > edges[-1]:
        edges.append(len(words))
    if not words:
        raise DataError(f"{path}: there is no word in it.")
    labels: Sequence[Any] | None = [None if x == "_" else x for x in columns.pop()]
    if roles.labels is not None or (not roles.need_labels and not any(labels or ())):
        labels = None
    layout = {"kind": "words", "form": "conllu", "label": label, "features": list(beside),
              "columns": len(columns), "per_step": True}  # fmt: skip
    note = f"kind: words of CoNLL-U, the label is {label}"
    return _set(str(path), columns, labels, edges, ("form", *beside), layout, starts, note, roles)


def _set(
    source: str,
    columns: Sequence[Sequence[str]],
    labels: Sequence[Any] | None,
    edges: list[int],
    names: tuple[str, ...],
    layout: dict[str, Any],
    starts: list[int],
    note: str,
    roles: Roles,
) -> SequenceSet:
    items = [Words(tuple(tuple(c[a:b]) for c in columns)) for a, b in pairwise(edges)]
    found: list[Any] | None = None
    if labels is not None:
        flat = np.empty(len(labels), object)
        flat[:] = labels
        found = [flat[a:b] for a, b in pairwise(edges)]
    if roles.labels is not None:
        found = given_labels(roles.labels, [len(x) for x in items], roles, source)
    return SequenceSet(
        kind="words",
        items=items,
        names=Lazy(len(items), lambda i: f"{source}, line {starts[i]}"),
        source=source,
        labels=found,
        categorical=names,
        layout=layout,
        notes=(f"{note}; sentences: {len(items):,}",),
    )


def words_list(
    items: Sequence[Any], roles: Roles, labels: list[Any] | None, groups: list[str] | None
) -> SequenceSet:
    """Sentences that were passed as a list: texts, lists of words, lists of tuples, or Words."""
    found = [_words(item, i) for i, item in enumerate(items)]
    C = len(found[0].columns)
    for i, item in enumerate(found):
        if len(item.columns) != C:
            raise DataError(
                f"data: sentence {i} (counting from 0) has {len(item.columns)} columns, the first has {C}."
            )
    return SequenceSet(
        kind="words",
        items=found,
        names=Lazy(len(found), lambda i: f"data: sentence {i} (counting from 0)"),
        source="data",
        labels=labels,
        groups=groups,
        categorical=("word", *(f"column {k + 2}" for k in range(C - 1))),
        layout={"kind": "words", "form": "list", "columns": C, "per_step": True},
        notes=(f"kind: words, a list of {len(found):,} sentences",),
    )


def _words(item: Any, i: int) -> Words:
    where = f"data: sentence {i} (counting from 0)"
    if isinstance(item, Words):
        return item
    words = item.split() if isinstance(item, str) else list(item)
    if not words:
        raise DataError(f"{where}: is a sequence of length 0. Leave it out.")
    if isinstance(words[0], tuple | list):
        if len({len(w) for w in words}) != 1:
            raise DataError(f"{where}: its words have columns of different number.")
        return Words(tuple(tuple(map(str, column)) for column in zip(*words, strict=True)))
    return Words((tuple(map(str, words)),))
