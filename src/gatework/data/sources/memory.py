"""Lists of Python objects: texts, words, arrays, sounds, strokes, pictures, paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import NoneType
from typing import Any

from gatework.data.sequences import Ink, SequenceSet, Sound, Words
from gatework.data.sources.arrays import arrays_list
from gatework.data.sources.events import events_list
from gatework.data.sources.labels import given_groups, given_labels
from gatework.data.sources.roles import Roles
from gatework.data.sources.slices import Lazy
from gatework.data.sources.text import text_list
from gatework.data.sources.words import words_list
from gatework.errors import DataError


def read_list(items: Sequence[Any], roles: Roles) -> SequenceSet:
    """Sequences of a list or an array, by what its items are."""
    if not len(items):
        raise DataError("data: the list is empty: there are no sequences in it.")
    kind = list_kind(items, roles)
    if kind == "paths":
        return _files(items, roles)
    if kind == "series":
        return arrays_list(items, roles)
    count = len(items)
    groups = given_groups(roles.group, count, "data")
    lengths = [_length(item, kind) for item in items]
    labels = None if roles.labels is None else given_labels(roles.labels, lengths, roles, "data")
    if kind == "text":
        return text_list(items, roles, labels, groups)
    if kind == "words":
        return words_list(items, roles, labels, groups)
    if kind == "events":
        return events_list(items, roles, labels, groups)
    return SequenceSet(
        kind=kind,
        items=list(items),
        names=Lazy(count, lambda i: f"data: item {i} (counting from 0)"),
        source="data",
        labels=labels,
        groups=groups,
        layout={"kind": kind, "form": "list", "per_step": False},
        notes=(f"kind: {kind}, a list of {count:,}",),
    )


def _files(items: Sequence[Any], roles: Roles) -> SequenceSet:
    """Sequences of a list of paths, with labels and groups that were passed beside it."""
    from gatework.data.sources.folder import read_files

    paths = [Path(p) for p in items]
    labels = None
    if roles.labels is not None:
        labels = given_labels(roles.labels, [1] * len(paths), roles, "data")
    groups = given_groups(roles.group, len(paths), "data")
    found: SequenceSet = read_files(paths, **roles.keywords())
    if len(found) < len(paths):  # what could not be read was passed over
        place = {str(p): i for i, p in enumerate(paths)}
        kept = [place[k] for k in found.keys or ()]
        labels = None if labels is None else [labels[i] for i in kept]
        groups = None if groups is None else [groups[i] for i in kept]
    return replace(found, labels=labels, groups=groups)


def list_kind(items: Sequence[Any], roles: Roles) -> str:
    """Kind of a list's items, or "paths" or "events"; DataError when they are of several.

    >>> list_kind(["a fine day"], Roles("classify")), list_kind([["a", "day"]], Roles("tag"))
    ('text', 'words')
    """
    layout = roles.layout or {}
    first = items[0]
    classes = {type(x) for x in items}
    if len({_sort(c) for c in classes}) > 1:
        a, b = sorted({_sort(c) for c in classes})[:2]
        odd = next(i for i, x in enumerate(items) if _sort(type(x)) != _sort(type(first)))
        raise DataError(
            f"data: items are of several kinds, {a} and {b} (item {odd}, counting from 0). Pass one kind."
        )
    if isinstance(first, Path):
        return "paths"
    if isinstance(first, Sound):
        return "audio"
    if isinstance(first, Ink):
        return "strokes"
    kind = roles.kind or layout.get("kind")
    if layout.get("form") == "events" or roles.kind == "events":
        return "events"
    if kind in ("images", "video"):
        return str(kind)
    if isinstance(first, str):
        if kind in ("audio", "images", "video", "strokes"):
            return "paths"
        return "words" if kind == "words" or roles.task == "tag" else "text"
    if isinstance(first, Words):
        return "words"
    if isinstance(first, list | tuple) and len(first) and isinstance(first[0], str | tuple):
        texts = isinstance(first[0], str) or (len(first[0]) and isinstance(first[0][0], str))
        if texts and roles.task != "tag" and kind != "words":
            return "events"
        if texts:
            return "words"
    return "series"


def _sort(cls: type) -> str:
    """What an item is, for a list of mixed ones."""
    if issubclass(cls, Path):
        return "paths"
    if issubclass(cls, str):
        return "texts"
    if issubclass(cls, Sound | Ink | Words):
        return cls.__name__
    if issubclass(cls, float | NoneType):
        return "missing values"
    return "arrays"


def _length(item: Any, kind: str) -> int:
    """Steps that a label for every step would need."""
    if kind in ("words", "events") and isinstance(item, str):
        return len(item.split())
    return len(item)
