"""Lines that say what was found in the data: how many sequences, how long, which classes, what is missing."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import polars as pl

from gatework.data.sequences import SequenceSet

SHOWN = 8  # classes and columns that a line names

_ITEMS = {"series": "series", "text": "texts", "words": "sentences", "audio": "recordings",
          "strokes": "drawings", "images": "images", "video": "clips"}  # fmt: skip
_STEPS = {"series": "steps", "text": "words", "words": "words", "strokes": "points"}


def describe(found: SequenceSet) -> list[str]:
    """Lines for a person; nothing is read from disk for them.

    >>> from gatework.data.sources.find import read_sequences
    >>> two = read_sequences([[0.5, 1.0, 2.0], [0.5]], labels=["up", "flat"], task="classify")
    >>> describe(two)
    ['2 series of 1 number', 'lengths: 1 to 3 steps, median 2, 4 in all', "classes: 2 ('flat' 1, 'up' 1)"]
    """
    lines = [_count(found)]
    lengths = lengths_of(found)
    if lengths is not None and len(lengths):
        low, high, total = int(lengths.min()), int(lengths.max()), int(lengths.sum())
        span = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        middle = "" if low == high else f", median {float(np.median(lengths)):,.0f}"
        lines.append(f"lengths: {span} {_STEPS[found.kind]}{middle}, {total:,} in all")
    lines += _labels(found)
    if found.groups is not None:
        column = found.layout.get("group")
        of = f" in column {column}" if column else ""
        lines.append(f"groups: {len(set(found.groups)):,}{of}")
    lines += _missing(found)
    if found.skipped:
        lines.append(f"passed over: {len(found.skipped):,} that cannot be used")
    return lines


def lengths_of(found: SequenceSet) -> np.ndarray | None:
    """``(B,)`` steps of each item, words of a text; None where files would have to be read."""
    known = getattr(found.items, "lengths", None)
    if known is not None:
        return np.asarray(known)
    if found.kind not in _STEPS or not isinstance(found.items, list):
        return None
    if found.kind == "text":
        return pl.Series(found.items, dtype=pl.String).str.count_matches(r"\S+").to_numpy()
    return np.fromiter((len(item) for item in found.items), np.int64, len(found.items))


def _count(found: SequenceSet) -> str:
    parts = []
    F, C = len(found.features), len(found.categorical)
    if found.kind == "series":
        parts += [_plural(F, "number")] if F else []
        parts += [_plural(C, "category", "categories")] if C else []
    elif found.kind == "words" and C > 1:
        parts.append(f"words with {_plural(C - 1, 'column')} beside")
    of = f" of {' and '.join(parts)}" if parts else ""
    return f"{len(found):,} {_ITEMS.get(found.kind, found.kind)}{of}"


def _labels(found: SequenceSet) -> list[str]:
    labels: Any = found.labels
    if labels is None or not len(labels):
        return ["labels: none"]
    flat = np.concatenate(labels) if found.per_step else np.asarray(labels)
    if flat.dtype.kind == "f":
        seen = flat[~np.isnan(flat)]
        if not len(seen):
            return ["target: missing everywhere"]
        missing = len(flat) - len(seen)
        more = f", missing in {missing:,} of {len(flat):,}" if missing else ""
        return [f"target: {seen.min():g} to {seen.max():g}, mean {seen.mean():.4g}{more}"]
    counts = Counter(flat.tolist())
    missing = counts.pop(None, 0)
    shown = sorted(counts.items(), key=lambda x: (-x[1], x[0]))
    words = ", ".join(f"{name!r} {n:,}" for name, n in shown[:SHOWN])
    words += f", and {len(shown) - SHOWN:,} more" if len(shown) > SHOWN else ""
    lines = [f"classes: {len(shown):,} ({words})"]
    if missing:
        unit = "steps" if found.per_step else "sequences"
        lines.append(f"without a label: {missing:,} of {len(flat):,} {unit}")
    return lines


def _missing(found: SequenceSet) -> list[str]:
    """Shares of missing values of each channel, the largest first."""
    values = getattr(found.items, "values", None)
    if found.kind != "series" or values is None or not len(values):
        return []
    lengths = getattr(found.items, "lengths", None)
    if lengths is not None and int(np.sum(lengths)) != len(values):  # a grid: its ends are no holes
        return []
    shares = dict(zip(found.features, np.isnan(values).mean(axis=0), strict=False))
    texts = getattr(found.items, "categories", None)
    if texts is not None:
        shares |= dict(zip(found.categorical, (texts == None).mean(axis=0), strict=False))  # noqa: E711
    some = sorted(((s, name) for name, s in shares.items() if s > 0), reverse=True)
    if not some:
        return []
    words = ", ".join(f"{name} {100 * s:.3g} %" for s, name in some[:SHOWN])
    more = f", and {len(some) - SHOWN} more columns" if len(some) > SHOWN else ""
    return [f"missing values: {words}{more}"]


def _plural(n: int, word: str, words: str | None = None) -> str:
    return f"{n:,} {word if n == 1 else words or word + 's'}"
