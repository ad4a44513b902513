"""Files that hold one sequence each: which kind by their ending, looked at early, read when asked for."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gatework.data.sources.slices import Lazy
from gatework.errors import DataError

IntArray = npt.NDArray[np.int64]
Facts = dict[str, float]


@dataclass(frozen=True)
class Medium:
    """One kind of files: its endings, and in ``module`` the functions that look at one, read it, tell of many.

    ``check(path) -> facts`` reads a header, ``read(path) -> item`` all of it; both raise ValueError with the
    bare fact.  ``tell(facts, trained) -> (notes, kept)`` may be missing.
    """

    kind: str
    noun: str
    endings: tuple[str, ...]
    module: str
    check: str
    read: str
    tell: str = ""
    prove: str = ""  # decodes all of it, where ``read`` does not

    def function(self, name: str) -> Callable[..., Any]:
        """One of these, imported now."""
        found: Callable[..., Any] = getattr(
            importlib.import_module(f"gatework.data.sources.{self.module}"), getattr(self, name)
        )
        return found


MEDIA = (
    Medium(
        "audio",
        "recordings",
        (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".w64", ".caf"),
        "audio",
        "check_sound",
        "read_sound",
        "tell_sounds",
    ),
    Medium(
        "images",
        "pictures",
        (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm"),
        "images",
        "check_image",
        "read_image",
        "tell_images",
    ),
    Medium(
        "video",
        "videos",
        (".mp4", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v", ".gif"),
        "video",
        "check_video",
        "read_video",
        "tell_videos",
        "decode_video",
    ),
    Medium(
        "strokes",
        "files of pen strokes",
        (".inkml", ".unipen", ".unp", ".upen", ".up"),
        "strokes",
        "check_ink",
        "read_ink",
    ),
    Medium("series", "tables", (".csv", ".tsv", ".parquet", ".npy"), "series_files", "", ""),
    Medium("text", "texts", (".txt",), "plain", "check_text", "read_text"),
)
_BY_ENDING = {ending: m for m in MEDIA for ending in m.endings}
BY_KIND = {m.kind: m for m in MEDIA}
ADVICE = "Repair or remove it, or pass over such files with skip_bad=True (--skip-bad)."


def medium_of(path: str | os.PathLike[str]) -> Medium | None:
    """The medium that a file's ending tells, None where it tells none.

    >>> medium_of("left/3.WAV").kind, medium_of("notes.doc")
    ('audio', None)
    """
    return _BY_ENDING.get(os.path.splitext(path)[1].lower())


class Opened(NamedTuple):
    """Files that can be read."""

    items: Sequence[Any]  # each read when it is asked for
    kept: IntArray  # numbers of the files that are among them
    skipped: tuple[str, ...]  # messages of the others
    notes: list[str]
    layout: dict[str, Any]  # of the medium, for the next reading


def open_files(
    paths: Sequence[Path],
    medium: Medium,
    *,
    where: Sequence[str] | None = None,
    skip_bad: bool = False,
    trained: dict[str, Any] | None = None,
) -> Opened:
    """Look at the head of every file; with ``skip_bad`` at all of it, and pass over what cannot be read.

    where: what messages call each file; its path where nothing is given.

    Raises:
        DataError: a file is missing, empty or unreadable (without ``skip_bad``), or none is left.
    """
    check, read = medium.function("check"), medium.function("read")
    prove = medium.function("prove") if medium.prove else read
    told = [str(p) for p in paths] if where is None else where
    kept, bad, facts = [], {}, []
    for i, path in enumerate(paths):
        try:
            facts.append(_looked_at(path, check, prove if skip_bad else None))
            kept.append(i)
        except ValueError as fact:
            # A reader that names the file itself raises a DataError, and its message is whole.
            bad[i] = str(fact) if isinstance(fact, DataError) else f"{told[i]}: {fact}."
    if bad and (not skip_bad or not kept):
        message = next(iter(bad.values()))
        more = len(bad) - 1
        others = (
            f" So {'is' if more == 1 else 'are'} {more:,} more of {len(paths):,} files."
            if more
            else ""
        )
        if not kept and len(bad) > 1:
            others = f" None of the {len(paths):,} files can be read."
        raise DataError(f"{message}{others} {ADVICE if kept else 'Give other files.'}")
    notes, layout = [], {}
    if medium.tell:
        notes, layout = medium.function("tell")(facts, trained)
    chosen = [paths[i] for i in kept]
    return Opened(
        Lazy(len(chosen), lambda i: _read_named(chosen[i], read)),
        np.array(kept, np.int64),
        tuple(bad.values()),
        notes,
        layout,
    )


def _looked_at(path: Path, check: Callable[..., Any], prove: Callable[..., Any] | None) -> Facts:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise ValueError("is not there") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from None
    if not path.is_file():
        raise ValueError("is no file")
    if not size:
        raise ValueError("the file is empty")
    found: Facts = check(path)
    if prove is not None:
        prove(path)
    return found


def _read_named(path: Path, read: Callable[..., Any]) -> Any:
    try:
        return read(path)
    except DataError:
        raise
    except ValueError as fact:
        raise DataError(f"{path}: {fact}. {ADVICE}") from None


def visible_files(folder: Path) -> list[Path]:
    """Files of a folder and of the folders in it, sorted; hidden ones are left out, links followed once.

    Raises DataError when it cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror or error}.")

    found, seen = [], set()
    for here, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(d for d in folders if not d.startswith((".", "__MACOSX")))
        found += [Path(here, n) for n in names if not n.startswith(".") and n not in _CLUTTER]
    return sorted(found)


_CLUTTER = {"Thumbs.db", "desktop.ini"}


def counted(names: Iterable[str]) -> str:
    """A few names in words.

    >>> counted(["a", "b", "c", "d", "e"])
    "'a', 'b', 'c' and 2 more"
    """
    names = list(names)
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(map(repr, names[:3])) + more
