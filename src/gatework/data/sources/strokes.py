"""Pen strokes: JSON lines, InkML and UNIPEN; many inks of one file, or the one ink of a file."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gatework.data.sequences import Ink, SequenceSet
from gatework.data.sources.columns import LABEL_NAMES
from gatework.data.sources.labels import given_labels
from gatework.data.sources.roles import Roles
from gatework.data.vocabulary import as_text
from gatework.errors import ConfigError, DataError, nearest

FIELDS = ("strokes", "ink", "drawing")
ENDINGS = (".jsonl", ".ndjson", ".inkml", ".unipen", ".unp", ".upen", ".up")


class Found(NamedTuple):
    """An ink in a file, with what is written beside it."""

    where: str
    ink: Ink
    fields: dict[str, Any]


Read = Callable[[dict[str, Any]], Any]


def read_strokes(
    path: str | Path,
    *,
    task: str,
    need_labels: bool = True,
    label: str | None = None,
    group: str | None = None,
    skip_bad: bool = False,
    layout: dict[str, Any] | None = None,
    **other: Any,
) -> SequenceSet:
    """The inks of a file: ``.jsonl`` with a field ``strokes``, ``.inkml`` or ``.unipen``, each also ``.gz``.

    JSON: a stroke is a list of points ``[x, y, ...]``, or ``{"x": [...], "y": [...]}``; in a field
    ``drawing`` it is two lists.  InkML: a trace group with an annotation is an ink, or the file is.
    UNIPEN: a labelled segment is an ink; ``label`` names the level, such as ``WORD``.

    Args:
        label, group: fields of JSON; annotations of InkML.

    Raises:
        DataError: the file or a line of it cannot be read, an ink has no points (unless ``skip_bad``).
        ConfigError: a field is named that is not there.
    """
    path = Path(path)
    roles = Roles(
        task, need_labels=need_labels, label=label, group=group, skip_bad=skip_bad, layout=layout
    )
    if task == "tag":
        raise DataError(f"{path}: an ink has one label; use classify or regress.")
    if other.get("labels") is not None:
        roles = roles.but(need_labels=False)
    text = read_text(path)
    form = _form(path)
    skipped: list[str] = []
    inks = list(_checked(_inks(path, text, form, roles), skip_bad, skipped))
    if not inks:
        raise DataError(skipped[0] if skipped else f"{path}: holds no pen strokes.")
    target, groups = _fields(inks, form, roles, str(path))
    labels: list[Any] | None = None
    if other.get("labels") is not None:
        labels = given_labels(other["labels"], [1] * len(inks), roles, str(path))
    elif target is not None and any(f.fields.get(target) is not None for f in inks):
        labels = [_label(f, target, task) for f in inks]
    told = f"; labels: {target!r}" if labels is not None else ""
    told += f"; groups: {groups!r}" if groups else ""
    points = np.array([len(f.ink) for f in inks])
    return SequenceSet(
        "strokes",
        [f.ink for f in inks],
        [f.where for f in inks],
        str(path),
        labels=labels,
        groups=[_group(f, groups) for f in inks] if groups else None,
        layout={
            "kind": "strokes",
            "form": form,
            "label": target or (layout or {}).get("label"),
            "group": groups,
        },
        notes=(
            f"kind: strokes in {path}: {len(inks):,} inks of {points.min():,} to {points.max():,} points{told}",
        ),
        skipped=tuple(skipped),
    )


def is_strokes(path: str | Path) -> bool:
    """Whether a file holds pen strokes, by its ending; JSON lines by the fields of the first line."""
    path = Path(path)
    form = _form(path)
    if form != "json":
        return form in ("inkml", "unipen")
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            first = file.readline(2**24)
        row = json.loads(first)
    except (OSError, EOFError, zlib.error, ValueError):
        return False
    return isinstance(row, dict) and any(isinstance(row.get(f), list) for f in FIELDS)


def read_ink(path: Path) -> Ink:
    """All strokes of a file as one ink.

    Raises:
        ValueError: it cannot be read or holds none; the bare fact, or a DataError with the place.
    """
    text, form = read_text(path), _form(path)
    roles = Roles("classify", need_labels=False)
    found = _checked(_inks(path, text, form, roles, whole=True), False, [])
    strokes = [s for f in found for s in f.ink.strokes]
    if not strokes:
        raise ValueError("holds no pen strokes")
    return Ink(tuple(strokes))


def check_ink(path: Path) -> dict[str, float]:
    """Points of the one ink of a file, which is read for it: such files are small."""
    return {"points": len(read_ink(path))}


def read_text(path: Path) -> str:
    """Text of a file; sources older than UTF-8 are read too, as what matters in them is ASCII.

    Raises DataError when it cannot be read or is empty.
    """
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
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if _form(path) == "unipen":
            return raw.decode("latin-1")
        raise DataError(
            f"{path}: is not UTF-8 text: byte {error.start} is 0x{raw[error.start]:02x}. Save it as UTF-8."
        ) from None


def stroke_of(points: Any, *, across: bool = False) -> npt.NDArray[np.float64]:
    """``(n, 2)`` of a stroke as JSON has it.

    across: two lists, of x and of y, in place of points.

    Raises ValueError, the bare fact, when it is none.
    """
    if isinstance(points, dict):
        missing = [c for c in "xy" if c not in points]
        if missing:
            raise ValueError(f"a stroke lacks {missing[0]!r}")
        points, across = [points["x"], points["y"]], True
    try:
        if across:
            if len(points) < 2 or len(points[0]) != len(points[1]):
                raise ValueError("x and y of a stroke differ in number")
            array = np.array(points[:2], float).T
        else:
            if not len(points):
                return np.empty((0, 2))
            array = np.array(points, float)
    except (TypeError, ValueError) as error:
        if str(error).startswith("x and y"):
            raise
        raise ValueError("a stroke is no list of points [x, y]") from None
    if array.ndim != 2 or array.shape[1] < 2:
        raise ValueError("a stroke is no list of points [x, y]")
    array = array[:, :2]
    if not np.isfinite(array).all():
        raise ValueError("a point is not finite")
    return array


def _form(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".inkml"):
        return "inkml"
    return "unipen" if name.endswith(ENDINGS[3:]) else "json"


def _inks(
    path: Path, text: str, form: str, roles: Roles, *, whole: bool = False
) -> Iterable[Found | DataError]:
    """Every ink of a file, or the error in its place."""
    if form == "inkml":
        from gatework.data.sources.inkml import read_inkml

        return read_inkml(path, text, whole=whole)
    if form == "unipen":
        from gatework.data.sources.unipen import read_unipen

        return read_unipen(path, text, whole=whole, level=roles.role("label"))
    return _json_lines(path, text)


def _json_lines(path: Path, text: str) -> Iterable[Found | DataError]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            yield DataError(f"{where}: is no JSON ({error}).")
            continue
        field = next((f for f in FIELDS if isinstance(row, dict) and f in row), None)
        if field is None:
            yield DataError(f"{where}: has no field 'strokes' with a list of strokes.")
            continue
        try:
            if not isinstance(row[field], list):
                raise ValueError(f"{field!r} is no list of strokes")
            strokes = [stroke_of(s, across=field == "drawing") for s in row[field]]
        except ValueError as fact:
            yield DataError(f"{where}: {fact}.")
            continue
        rest = {k: v for k, v in row.items() if k != field and not isinstance(v, list | dict)}
        yield Found(where, Ink(tuple(strokes)), rest)


def _checked(
    inks: Iterable[Found | DataError], skip_bad: bool, skipped: list[str]
) -> Iterable[Found]:
    for found in inks:
        if isinstance(found, DataError):
            error = found
        else:
            strokes = tuple(s for s in found.ink.strokes if len(s))
            if strokes:
                yield found._replace(ink=Ink(strokes))
                continue
            error = DataError(f"{found.where}: holds no points.")
        if not skip_bad:
            raise DataError(
                f"{error} Correct it, or pass over such inks with skip_bad=True (--skip-bad)."
            )
        skipped.append(str(error))


def _fields(
    inks: list[Found], form: str, roles: Roles, source: str
) -> tuple[str | None, str | None]:
    """Names of the fields of labels and groups."""
    there: dict[str, None] = {}
    for found in inks:
        there |= dict.fromkeys(found.fields)
    label = roles.role("label")
    if form == "unipen":
        label = "label"
    elif label is None:
        label = next((n for n in ("label", "truth", "word", *LABEL_NAMES) if n in there), None)
    elif label not in there and (roles.need_labels or roles.label):
        raise ConfigError(
            f"{source}: {roles.option('label')} names {label!r}, which is no field. {nearest(label, there)}"
        )
    if label is None and roles.need_labels:
        raise DataError(
            f"{source}: no field is called label. Name the one that holds the labels with "
            f"{roles.option('label')}. {nearest('', there)}"
        )
    group = roles.group or (roles.layout or {}).get("group")
    if group is not None and group not in there:
        if roles.group is None:
            return label, None
        raise ConfigError(
            f"{source}: {roles.option('group')} names {group!r}, which is no field. {nearest(group, there)}"
        )
    return label, group


def _label(found: Found, field: str, task: str) -> Any:
    value = found.fields.get(field)
    if task == "classify":
        return as_text(value)
    try:
        return float("nan") if value is None else float(value)
    except (TypeError, ValueError):
        raise DataError(f"{found.where}: the label {value!r} is not a number.") from None


def _group(found: Found, field: str) -> str:
    value = as_text(found.fields.get(field))
    if value is None:
        raise DataError(f"{found.where}: the group {field!r} is missing. Fill it in.")
    return value
