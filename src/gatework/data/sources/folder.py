"""Folders of files: a sub-folder for each class, or no classes where none are needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gatework.data.sequences import SequenceSet
from gatework.data.sources.manifest import NAME as MANIFEST
from gatework.data.sources.manifest import read_manifest
from gatework.data.sources.media_files import (
    BY_KIND,
    MEDIA,
    Medium,
    counted,
    medium_of,
    open_files,
    visible_files,
)
from gatework.data.sources.roles import Roles
from gatework.data.sources.series_files import read_series_files
from gatework.errors import ConfigError, DataError

_OF_TABLES = ("time", "features", "categorical", "time_format")
HOW_TO = (
    "Put the files of each class into a sub-folder of its name, or add a manifest.csv (path,label)."
)


def read_folder(
    path: str | Path,
    *,
    task: str,
    need_labels: bool = True,
    kind: str | None = None,
    label: str | None = None,
    group: str | None = None,
    skip_bad: bool = False,
    layout: dict[str, Any] | None = None,
    **other: Any,
) -> SequenceSet:
    """A sequence for each file below a folder; its label is the name of the sub-folder that it lies in.

    A ``manifest.csv`` in the folder is read instead, see :func:`read_manifest`.  What a file holds is told by
    its ending; hidden files and files of other endings are passed over.

    Raises:
        DataError: no files, files of several kinds, files without a label, unreadable ones.
        ConfigError: a label or group column is named and there is no manifest.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise DataError(f"{path}: is no folder.")
    if (folder / MANIFEST).is_file():
        return read_manifest(
            folder / MANIFEST,
            task=task,
            need_labels=need_labels,
            kind=kind,
            label=label,
            group=group,
            skip_bad=skip_bad,
            layout=layout,
            **other,
        )
    roles = Roles(task, need_labels=need_labels, kind=kind, label=label, group=group, layout=layout)
    if other.get("labels") is not None:
        raise ConfigError(
            f"{path}: labels= goes with a list, whose order it has. Pass the list of the files, or add a "
            f"{MANIFEST}."
        )
    medium, paths, notes = _of_one_kind(folder, visible_files(folder), kind or roles.role("kind"))
    relative = [p.relative_to(folder) for p in paths]
    classes = [r.parts[0] if len(r.parts) > 1 else None for r in relative]
    tables = medium.kind == "series"
    # Tables may hold the labels themselves, one for each step or the same in all rows.
    by_folder = not (tables and (label or task != "classify" or None in classes))
    if by_folder:
        _check_by_folder(folder, roles, medium, relative, classes)
    if tables:
        keys = [r.as_posix() for r in relative]
        asked = roles.but(skip_bad=skip_bad, **{k: other[k] for k in _OF_TABLES if k in other})
        found, _ = read_series_files(paths, keys, asked, str(path), classes if by_folder else None)
        return replace(found, notes=(*found.notes, *notes))
    opened = open_files(paths, medium, skip_bad=skip_bad, trained=layout)
    keys = [relative[i].as_posix() for i in opened.kept]
    labels = [classes[i] for i in opened.kept]
    counts = Counter(x for x in labels if x is not None)
    told = f"; labels: the names of {len(counts):,} folders" if counts and not roles.fixed else ""
    kind_line = f"kind: {medium.kind} in {path}: {len(keys):,} files{told}"
    return SequenceSet(
        medium.kind,
        opened.items,
        keys,
        str(path),
        labels=labels if counts and task == "classify" else None,
        keys=keys,
        layout={"kind": medium.kind, "form": "folder", **opened.layout},
        notes=(kind_line, *opened.notes, *notes),
        skipped=opened.skipped,
    )


def _check_by_folder(
    folder: Path,
    roles: Roles,
    medium: Medium,
    relative: Sequence[Path],
    classes: Sequence[str | None],
) -> None:
    """Raise where the names of folders cannot be the labels that are asked for."""
    roles.refuse_group(
        str(folder), f"a folder without {MANIFEST} has no columns. {_manifest_advice('group')}"
    )
    if roles.label is not None:
        raise ConfigError(
            f"{folder}: {roles.option('label')} names a column, and a folder without {MANIFEST} has none. "
            f"{_manifest_advice('label')}."
        )
    if not roles.need_labels:
        return
    if roles.task != "classify":
        what = "a number" if roles.task == "regress" else "a label for every step"
        raise DataError(
            f"{folder}: {roles.task} needs {what} for each file, and the name of a folder gives none. "
            f"{_manifest_advice('label')}."
        )
    if None in classes:
        loose = classes.count(None)
        if loose == len(classes):
            raise DataError(
                f"{folder}: its {loose:,} {medium.noun} lie in no sub-folder, so they have no labels. {HOW_TO}"
            )
        first = relative[classes.index(None)]
        raise DataError(
            f"{folder / first}: lies in no sub-folder of a class, as {loose:,} of {len(classes):,} files do. "
            f"{HOW_TO}"
        )


def read_files(
    paths: Sequence[str | Path],
    *,
    kind: str | None = None,
    skip_bad: bool = False,
    layout: dict[str, Any] | None = None,
    source: str | None = None,
    **other: Any,
) -> SequenceSet:
    """A sequence for each path, without labels: for a list of paths, or one file to predict.

    Raises:
        DataError: no files, files of several kinds, unreadable ones.
    """
    found = [Path(p) for p in paths]
    source = source or (str(found[0]) if len(found) == 1 else f"{len(found):,} files")
    if not found:
        raise DataError("the list of paths is empty: there are no sequences to read.")
    medium, chosen, _ = _of_one_kind(None, found, kind or (layout or {}).get("kind"), source)
    if medium.kind == "series":
        asked = Roles(
            skip_bad=skip_bad,
            layout=layout,
            **{k: other[k] for k in ("task", "need_labels", "label", *_OF_TABLES) if k in other},
        )
        return read_series_files(chosen, [str(p) for p in chosen], asked, source)[0]
    opened = open_files(chosen, medium, skip_bad=skip_bad, trained=layout)
    keys = [str(chosen[i]) for i in opened.kept]
    return SequenceSet(
        medium.kind,
        opened.items,
        keys,
        source,
        keys=keys,
        layout={"kind": medium.kind, "form": "files", **opened.layout},
        notes=(f"kind: {medium.kind} in {source}", *opened.notes),
        skipped=opened.skipped,
    )


def _of_one_kind(
    folder: Path | None, paths: Sequence[Path], kind: str | None, source: str = ""
) -> tuple[Medium, list[Path], list[str]]:
    """The kind of most files, those of that kind, and what was passed over.

    In a folder, texts that lie beside its sub-folders describe the data, and what is rare is passed over; of
    a list of paths each must be of the kind.
    """
    source = source or str(folder)
    if kind is not None and kind not in BY_KIND:
        raise DataError(
            f"{source}: sequences of the kind {kind!r} do not lie in a file each. "
            f"There are: {', '.join(BY_KIND)}."
        )
    media = [medium_of(p) for p in paths]
    if folder is not None:
        nested = any(p.parent != folder for p in paths)
        media = [
            None
            if m is not None and m.kind in ("text", "series") and nested and p.parent == folder
            else m
            for m, p in zip(media, paths, strict=True)
        ]
    counts = Counter(m.kind for m in media if m is not None)
    allowed = ", ".join(e for m in MEDIA for e in m.endings if kind in (None, m.kind))
    if not paths:
        raise DataError(f"{source}: holds no files. {HOW_TO}")
    if not counts or (kind is not None and kind not in counts):
        endings = counted(sorted({p.suffix or p.name for p in paths}))
        of = f" of the kind {kind}" if kind else " that can be read"
        raise DataError(
            f"{source}: holds no files{of}, only {endings}. Endings that are read: {allowed}."
        )
    if kind is None:
        kind, most = counts.most_common(1)[0]
        strict = 1.0 if folder is None else 0.9
        if most < strict * counts.total():
            told = ", ".join(f"{n:,} {BY_KIND[k].noun}" for k, n in counts.most_common())
            raise DataError(
                f"{source}: holds files of several kinds ({told}). Name the one to read with kind= (--kind)."
            )
    chosen = [p for p, m in zip(paths, media, strict=True) if m is not None and m.kind == kind]
    others = [p.name for p, m in zip(paths, media, strict=True) if m is None or m.kind != kind]
    if others and folder is None:
        raise DataError(
            f"{source}: {counted(others)} cannot be read as {kind}. Endings that are read: {allowed}."
        )
    notes = (
        [f"passed over {len(others):,} files of other endings: {counted(others)}"] if others else []
    )
    return BY_KIND[kind], chosen, notes


def _manifest_advice(column: str) -> str:
    return f"Add a {MANIFEST} with the columns path and {column}"
