"""``read_sequences``: what kind of sequences there are is recognised, and the reader for them called."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gatework.data.sequences import SequenceSet
from gatework.data.sources.arrays import arrays_list, is_arrays_by_name, read_mapping, read_npz
from gatework.data.sources.events import read_event_lines
from gatework.data.sources.labels import checked, missing_items
from gatework.data.sources.memory import read_list
from gatework.data.sources.recognise import MEDIA, first_lines, has_strokes, is_idx
from gatework.data.sources.roles import Roles
from gatework.data.sources.slices import SeriesItems
from gatework.data.sources.tables import read_sequence_table
from gatework.data.sources.text import read_text_lines
from gatework.data.sources.ts_file import read_ts
from gatework.data.sources.ucr import is_ucr, read_ucr
from gatework.data.sources.words import ENDINGS as WORD_ENDINGS
from gatework.data.sources.words import looks_like_columns, read_words
from gatework.data.table import READ_ENDINGS, Table, read_table
from gatework.errors import DataError, nearest

_INK_ENDINGS = (".inkml", ".unp", ".unipen", ".upen", ".up")
_TEXT_TABLES = (".csv", ".tsv", ".txt")


def read_sequences(
    data: Any,
    *,
    task: str,
    labels: Any = None,
    need_labels: bool = True,
    kind: str | None = None,
    label: str | None = None,
    text: str | None = None,
    series: str | None = None,
    time: str | None = None,
    features: Sequence[str] = (),
    categorical: Sequence[str] = (),
    group: Any = None,
    time_format: str | None = None,
    skip_bad: bool = False,
    layout: dict[str, Any] | None = None,
) -> SequenceSet:
    """Sequences of whatever holds them, with their labels, as they are: nothing is preprocessed.

    data: path of a file or a folder; a frame, or columns by name; a list of arrays ``(T, F)``, texts, lists
        of words, paths, Series, Ink or Sound; an array ``(N, T, F)`` or ``(N, T)``.
    task: "classify", "regress" or "tag": what a label is.
    labels: of what has no column for them, one for each sequence (or, for each, one for each of its steps).
    need_labels: whether each sequence must have one; for a prediction those that are there are given back.
    kind: how to read what is ambiguous: "series", "wide" (a row is a sequence), "rows" (a record),
        "text", "words", "events", "audio", "strokes", "images", "video".
    label, text, series, time, group: names of columns; found where that is plain.  ``time="none"`` takes
        the rows in their order.  Of a list, ``group`` is a list.
    features, categorical: columns to read as numbers and as categories; all that are left when empty.
    skip_bad: pass over items that cannot be read, or have no label; ``skipped`` tells them.
    layout: ``SequenceSet.layout`` of the training part: columns play the parts that they had there.

    Raises:
        DataError: with file, row or item, and what to do; for whatever cannot be learned from.
        ConfigError: a name that is no column, or settings that contradict one another.

    >>> found = read_sequences([[0.5, 1.0, 2.0], [0.5]], labels=["up", "flat"], task="classify")
    >>> found.kind, [len(s.values) for s in found.items], found.labels
    ('series', [3, 1], ['up', 'flat'])
    """
    roles = Roles(
        task=task,
        labels=labels,
        need_labels=need_labels,
        kind=kind,
        label=label,
        text=text,
        series=series,
        time=time,
        features=features,
        categorical=categorical,
        group=group,
        time_format=time_format,
        skip_bad=skip_bad,
        layout=layout,
    )
    found = _read(data, roles)
    trained = (layout or {}).get("kind", found.kind)
    if trained != found.kind:
        raise DataError(
            f"{found.source}: holds {found.kind}, and the model was trained with {trained}. Give data of "
            "that kind, or train another model."
        )
    if isinstance(found.items, SeriesItems):
        fact = "is a sequence of length 0, or every value of it is missing. Leave it out."
        found = missing_items(found, found.items.hollow().tolist(), fact, roles)
    return checked(found, roles)


def _read(data: Any, roles: Roles) -> SequenceSet:
    if isinstance(data, SequenceSet):
        return data
    if isinstance(data, str | os.PathLike):
        return _read_path(Path(data), roles)
    if isinstance(data, Table):
        return read_sequence_table(data, roles)
    if isinstance(data, Mapping):
        if is_arrays_by_name(data):
            return read_mapping(data, roles)
        return read_sequence_table(read_table(data), roles)
    if isinstance(data, np.ndarray):
        medium = (roles.kind or (roles.layout or {}).get("kind")) in MEDIA
        if data.dtype.kind in "biuf" and not medium:
            return arrays_list(data, roles)
        return read_list(list(data), roles)
    if isinstance(data, Sequence) or (hasattr(data, "__len__") and not hasattr(data, "columns")):
        return read_list(list(data), roles)  # of pandas and polars a column, of torch a tensor
    return read_sequence_table(read_table(data), roles)


def _read_path(path: Path, roles: Roles) -> SequenceSet:
    if not path.exists():
        beside = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        hint = nearest(path.name, beside) if beside else "Its folder does not exist either."
        raise DataError(f"{path}: there is no such file or folder. {hint}")
    if path.is_dir():
        if (path / "manifest.csv").is_file():
            return _other("manifest", "read_manifest", path / "manifest.csv", roles)
        return _other("folder", "read_folder", path, roles)
    name = path.name.lower().removesuffix(".gz")
    ending = Path(name).suffix
    if is_idx(name):
        return _other("idx", "read_idx", path, roles)
    if ending == ".ts":
        return read_ts(path, roles)
    if ending in (".npz", ".npy"):
        return read_npz(path, roles)
    if ending in WORD_ENDINGS:
        return read_words(path, roles)
    if ending in _INK_ENDINGS or (ending in (".jsonl", ".ndjson") and has_strokes(path, roles)):
        return _other("strokes", "read_strokes", path, roles)
    if ending in _TEXT_TABLES:
        found = _read_text_table(path, ending, roles)
        if found is not None:
            return found
    elif ending not in READ_ENDINGS and roles.kind == "events":
        return read_event_lines(path, roles)
    elif ending not in READ_ENDINGS and roles.kind == "text":
        return read_text_lines(path, roles)
    elif ending not in READ_ENDINGS:
        return _other("folder", "read_files", [path], roles)
    return read_sequence_table(read_table(path), roles)


def _read_text_table(path: Path, ending: str, roles: Roles) -> SequenceSet | None:
    """Sequences of a text file that is no table with a header; None where it is one."""
    form, kind, task = roles.form, roles.kind, roles.task
    kept = (roles.layout or {}).get("kind")
    named = roles.text or roles.series or roles.label
    if form == "ucr":
        return read_ucr(path, roles)
    if form in ("conll", "conllu"):
        return read_words(path, roles)
    start = first_lines(path)
    plain_series = form in (None, "ts", "arrays") and kind in (None, "series", "wide")
    if not named and plain_series and is_ucr(start):
        return read_ucr(path, roles)
    if task == "tag" and not named and kind in (None, "words"):
        plain = kind == "words" and ending == ".txt"
        if plain or looks_like_columns(start):
            return read_words(path, roles)
    spaced = "\t" not in start and looks_like_columns(start)
    if ending == ".txt" and kind is None and not roles.fixed and not named and spaced:
        return read_words(path, roles)  # it says that words are for the tagger
    if ending == ".txt" and not named:
        if kind == "events" or (form == "events" and not (roles.layout or {}).get("text")):
            return read_event_lines(path, roles)
        column = (roles.layout or {}).get("text")  # that a table of the training had
        if column is not None and column in start.split("\n", 1)[0]:
            return None
        if "text" in (kind, kept) or form == "lines" or start.startswith("__label__"):
            return read_text_lines(path, roles)
    return None


def _other(module: str, name: str, data: Any, roles: Roles) -> SequenceSet:
    """A reader of files, imported when it is needed."""
    reader = getattr(importlib.import_module(f"gatework.data.sources.{module}"), name)
    found: SequenceSet = reader(data, **roles.keywords())
    return found
