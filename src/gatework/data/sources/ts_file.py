"""Series of a ``.ts`` file, as sktime and aeon write them: channels between colons, the class last."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from gatework.data.sequences import SequenceSet
from gatework.data.sources.roles import Roles
from gatework.data.sources.slices import Lazy, SeriesItems, Values, laid_out
from gatework.data.sources.text import read_text_file, split_lines
from gatework.errors import DataError

_PAIR = re.compile(r"\(([^,()]+),([^,()]+)\)")


def read_ts(path: Path, roles: Roles) -> SequenceSet:
    """Sequences of a ``.ts`` file; ``?`` is a missing value, ``(time,value)`` pairs give times.

    Raises:
        DataError: no ``@data``, no label where one is needed, a word that is no number, channels of
            different length or number: each with its line.
    """
    roles.refuse_group(str(path), "a .ts file has none")
    lines = split_lines(read_text_file(path))
    header, begin = _header(path, lines)
    numbers = [i for i in range(begin, len(lines)) if lines[i].strip() and lines[i][0] not in "#%"]
    if not numbers:
        raise DataError(f"{path}: there is nothing after @data.")
    labelled = _labelled(path, header, lines[numbers[0]], roles)
    values: list[Values] = []
    times: list[Values | None] = []
    labels: list[Any] = []
    for i in numbers:
        parts = lines[i].strip().split(":")
        label = parts.pop().strip() if labelled else None
        where = f"{path}, line {i + 1}"
        item, stamps = _item(parts, where)
        if values and item.shape[1] != values[0].shape[1]:
            raise DataError(
                f"{where}: has {item.shape[1]} channels, the first sequence has {values[0].shape[1]}. "
                "Every sequence needs the same channels."
            )
        values.append(item)
        times.append(stamps)
        labels.append(_label(label, roles, where))
    flat, offsets = laid_out(values)
    timed = [t for t in times if t is not None]
    if timed and len(timed) < len(times):
        raise DataError(f"{path}: some sequences have times and some have none.")
    items = SeriesItems(flat, None, np.concatenate(timed) if timed else None, offsets)
    F = flat.shape[1]
    B = len(values)
    return SequenceSet(
        kind="series",
        items=items,
        names=Lazy(B, lambda i: f"{path}, line {numbers[i] + 1}"),
        source=str(path),
        labels=labels if labelled else None,
        features=("value",) if F == 1 else tuple(f"value_{k}" for k in range(F)),
        layout={"kind": "series", "form": "ts", "features": F, "per_step": False},
        notes=(f"kind: series of a .ts file, {B:,} of them",),
    )


def _header(path: Path, lines: list[str]) -> tuple[dict[str, str], int]:
    header: dict[str, str] = {}
    for i, line in enumerate(lines):
        word, _, rest = line.strip().partition(" ")
        if word.lower() == "@data":
            return header, i + 1
        if word.startswith("@"):
            header[word[1:].lower()] = rest.strip()
        elif line.strip() and not line.startswith(("#", "%")):
            break
    raise DataError(
        f"{path}: has no line @data, so it is no .ts file of sequences. Check that it is whole."
    )


def _labelled(path: Path, header: dict[str, str], first: str, roles: Roles) -> bool:
    """Whether a label stands at the end of each line."""
    said = header.get("targetlabel" if roles.task == "regress" else "classlabel", "")
    said = said or header.get("classlabel", header.get("targetlabel", ""))
    if said.lower().startswith("true"):
        return True
    if said.lower().startswith("false"):
        return False
    return roles.need_labels and ":" in first


def _item(parts: list[str], where: str) -> tuple[Values, Values | None]:
    """``(T, F)`` values of one line, and times where it has some."""
    channels, times = [], None
    for part in parts:
        if part.lstrip().startswith("("):
            pairs = _PAIR.findall(part)
            own = _numbers([t for t, _ in pairs], where)
            if times is not None and not np.array_equal(times, own):
                raise DataError(
                    f"{where}: its channels have different times. Put them on one grid first."
                )
            times, part = own, ",".join(v for _, v in pairs)
        channels.append(_numbers(part.split(",") if part.strip() else [], where))
    lengths = sorted({len(c) for c in channels})
    if len(lengths) != 1:
        came = f"channels of {lengths[0]} and {lengths[-1]} steps" if lengths else "no values"
        raise DataError(f"{where}: has {came}. Every channel of a sequence needs the same steps.")
    return np.stack(channels, axis=1), times


def _numbers(words: list[str], where: str) -> Values:
    try:
        values = np.array([float(w) for w in words])
    except ValueError:
        values = np.array([_number(w, where) for w in words])
    if np.isinf(values).any():
        raise DataError(f"{where}: a value is infinite. Correct it, or write ? for a missing one.")
    return values


def _number(word: str, where: str) -> float:
    if word.strip() == "?":
        return float("nan")
    try:
        return float(word)
    except ValueError:
        raise DataError(f"{where}: {word.strip()[:40]!r} is not a number.") from None


def _label(label: str | None, roles: Roles, where: str) -> Any:
    if roles.task == "regress":
        return float("nan") if label in (None, "", "?") else float(_numbers([str(label)], where)[0])
    return None if label in (None, "", "?") else label
