"""Texts: out of a column of a table, lines of a file, or a file each."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatework.data.sequences import SequenceSet
from gatework.data.sources.columns import find_label, find_text, group_column, need_column
from gatework.data.sources.labels import column_labels, given_labels, missing_items
from gatework.data.sources.roles import Roles
from gatework.data.sources.slices import Lazy
from gatework.data.table import Table
from gatework.errors import DataError

_LABELLED = re.compile(r"((?:__label__\S+[ \t]+)+)(.*)")  # as fastText has it


def read_text_file(path: str | os.PathLike[str]) -> str:
    """The whole text of a file, UTF-8, without byte-order mark; ``.gz`` is unpacked.

    Raises DataError when it cannot be read, holds nothing, or is not UTF-8: with the line and the byte.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
        if path.suffix.lower() == ".gz":
            raw = gzip.decompress(raw)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: is no readable gzip file ({error}). Pack it again.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from None
    if not raw.strip():
        raise DataError(f"{path}: the file is empty.")
    try:
        if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return raw.decode("utf-16")
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: is not UTF-8 text: byte {error.start} is 0x{raw[error.start]:02x}. Save "
            "the file as UTF-8, for example with: iconv -f WINDOWS-1252 -t UTF-8"
        ) from None


def split_lines(text: str) -> list[str]:
    """Lines of a text by line feeds alone: a word may hold other signs that end a line in Unicode.

    >>> split_lines("a\\u2028b\\r\\nc\\n")
    ['a\\u2028b', 'c']
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def read_text_table(table: Table, roles: Roles, *, text: str | None = None) -> SequenceSet:
    """A text a row, with the label beside it.

    Raises:
        DataError: a text is missing (with skip_bad such rows are passed over).
    """
    group = group_column(table, roles)
    if roles.text or roles.role("text"):
        text = need_column(table, roles.role("text"), "text= (--text)", fixed=not roles.text)
    text = text or find_text(table, roles, {c for c in (group, roles.role("label")) if c})
    assert text is not None  # find_text raises when it was asked for texts
    label = find_label(table, roles, {c for c in (group, text) if c})
    if label == text:
        raise DataError(f"{table.name}: column {text!r} cannot be both text and label.")
    texts = table.texts(text)
    N = len(texts)
    layout = {"kind": "text", "form": "table", "text": text, "group": group,
              "label": label or (roles.layout or {}).get("label")}  # fmt: skip
    labels: Any = None
    if label is not None:
        labels = column_labels(table, label, roles.task).tolist()
    elif roles.labels is not None:
        labels = given_labels(roles.labels, [1] * N, roles, table.name)
    unused = [c for c in table.frame.columns if c not in (text, label, group)]
    notes = [f"kind: text in column {text!r}, {N:,} rows"]
    if label:
        notes.append(f"{'target' if roles.task == 'regress' else 'label'} column: {label}")
    if unused:
        notes.append(f"not used: {', '.join(unused)}")
    found = SequenceSet(
        kind="text",
        items=texts.fill_null("").to_list(),
        names=Lazy(N, lambda i: f"{table.name}, {table.row_label(i)}"),
        source=table.name,
        labels=labels,
        groups=table.texts(group).fill_null("").to_list() if group else None,
        layout=layout,
        notes=tuple(notes),
    )
    blank = texts.str.strip_chars().fill_null("") == ""
    fact = "the text is missing or empty. Fill it in, or remove the row."
    return missing_items(found, blank.arg_true().to_list(), fact, roles)


def read_text_lines(path: Path, roles: Roles) -> SequenceSet:
    """A text a line; a line may begin with ``__label__NAME``, as fastText has it."""
    roles.refuse_group(str(path), "lines of text have none; write a table with a header")
    lines = split_lines(read_text_file(path))
    numbers = [i for i, line in enumerate(lines, start=1) if line.strip()]
    texts = [lines[i - 1] for i in numbers]
    labels: Any = None
    if any(t.startswith("__label__") for t in texts):
        parts = [_LABELLED.fullmatch(t) for t in texts]
        labels = [None if m is None else m[1].split()[0].removeprefix("__label__") for m in parts]
        texts = [t if m is None else m[2] for t, m in zip(texts, parts, strict=True)]
    if roles.labels is not None:
        labels = given_labels(roles.labels, [1] * len(texts), roles, str(path))
    return SequenceSet(
        kind="text",
        items=texts,
        names=Lazy(len(texts), lambda i: f"{path}, line {numbers[i]}"),
        source=str(path),
        labels=labels,
        layout={"kind": "text", "form": "lines"},
        notes=(f"kind: text, {len(texts):,} lines",),
    )


def text_list(
    texts: Sequence[str], roles: Roles, labels: list[Any] | None, groups: list[str] | None
) -> SequenceSet:
    """Texts that were passed as a list."""
    found = SequenceSet(
        kind="text",
        items=list(texts),
        names=Lazy(len(texts), lambda i: f"data: text {i} (counting from 0)"),
        source="data",
        labels=labels,
        groups=groups,
        layout={"kind": "text", "form": "list"},
        notes=(f"kind: text, a list of {len(texts):,}",),
    )
    blank = [i for i, t in enumerate(texts) if not t.strip()]
    return missing_items(found, blank, "the text is empty. Leave it out.", roles)
