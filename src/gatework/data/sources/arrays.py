"""Series that were passed as arrays: a list of (T, F), one of (N, T, F) or (N, T), .npy and .npz files."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gatework.data.sequences import SequenceSet, Series
from gatework.data.sources.labels import given_groups, given_labels
from gatework.data.sources.roles import Roles
from gatework.data.sources.slices import Lazy, SeriesItems, Values, cut, laid_out
from gatework.errors import DataError

X_NAMES, Y_NAMES = ("X", "x", "data", "series"), ("y", "Y", "labels", "label")


def read_npz(path: Path, roles: Roles) -> SequenceSet:
    """Sequences of ``X`` (N, T, F), (N, T), or (sum of T, F) with ``lengths``; labels ``y``; ``groups``."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            plain = isinstance(loaded, np.ndarray)
            arrays = {"X": loaded} if plain else {k: loaded[k] for k in loaded.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: cannot be read as NumPy arrays ({str(error).splitlines()[0]:.120}). Save plain arrays of "
            "numbers or texts, not objects."
        ) from None
    return read_mapping(arrays, roles, str(path))


def read_mapping(arrays: Mapping[str, Any], roles: Roles, source: str = "data") -> SequenceSet:
    """Sequences of arrays by name."""
    x = next((arrays[k] for k in X_NAMES if k in arrays), None)
    if x is None and len(arrays) == 1:
        x = next(iter(arrays.values()))
    if x is None:
        raise DataError(
            f"{source}: has no array called X; there are {', '.join(map(repr, sorted(arrays)))}. Save the "
            "sequences as X, the labels as y."
        )
    if roles.labels is None:
        roles = roles.but(labels=next((arrays[k] for k in Y_NAMES if k in arrays), None))
    if roles.group is None or isinstance(roles.group, str):
        roles = roles.but(group=arrays.get(roles.group or "groups"))
    if "lengths" in arrays:
        lengths = np.asarray(arrays["lengths"]).astype(np.int64).ravel()
        if lengths.sum() != len(x):
            raise DataError(
                f"{source}: lengths sum to {lengths.sum():,}, and X has {len(x):,} rows. They must agree."
            )
        y = roles.labels
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        if y is not None and len(y) == len(x) != len(lengths):
            roles = roles.but(labels=cut(np.asarray(y), offsets))
        return arrays_list(cut(np.asarray(x), offsets), roles, source)
    return arrays_list(x, roles, source)


def arrays_list(items: Any, roles: Roles, source: str = "data") -> SequenceSet:
    """Sequences of a list of arrays ``(T, F)`` or ``(T,)``, or of one array of them.

    Raises:
        DataError: one that holds no numbers, has another number of channels, an infinite value or length 0,
            by its place in the list.
    """
    if isinstance(items, np.ndarray) and items.ndim not in (2, 3):
        raise DataError(
            f"{source}: an array of shape {items.shape} holds no sequences. Pass (N, T, F) or (N, T): "
            "sequences, steps, channels."
        )

    def name(i: int) -> str:
        return f"{source}: sequence {i} (counting from 0)"

    series = [_series(item, name(i)) for i, item in enumerate(items)]
    if not series:
        raise DataError(f"{source}: there are no sequences in it.")
    F = max((s.values.shape[1] for s in series if len(s.values)), default=0)
    F0 = next((s.values.shape[1] for s in series if len(s.values)), 0)
    for i, s in enumerate(series):
        if len(s.values) and s.values.shape[1] != F0:
            raise DataError(
                f"{name(i)}: has {s.values.shape[1]} channels, those before have {F0}. Every sequence needs "
                "the same channels."
            )
    flat, offsets = laid_out([s.values if len(s.values) else np.empty((0, F)) for s in series])
    _refuse_infinite(flat, offsets, name)
    categories = [s.categories for s in series if s.categories is not None]
    times = [s.times for s in series if s.times is not None]
    for what, own in (("categories", categories), ("times", times)):
        if own and len(own) != len(series):
            raise DataError(f"{source}: some sequences have {what} and some have none.")
    found_items = SeriesItems(
        flat,
        np.concatenate(categories) if categories else None,
        np.concatenate(times) if times else None,
        offsets,
    )
    lengths = found_items.lengths.tolist()
    labels = None if roles.labels is None else given_labels(roles.labels, lengths, roles, source)
    C = categories[0].shape[1] if categories else 0
    layout = roles.layout or {}
    features = tuple(layout.get("features") or ())
    if not features and hasattr(items, "__getitem__") and hasattr(items[0], "columns"):
        features = tuple(str(c) for c in items[0].columns)  # frames
    if len(features) != F:
        features = ("value",) if F == 1 else tuple(f"value_{k}" for k in range(F))
    names = tuple(layout.get("categorical") or ())
    return SequenceSet(
        kind="series",
        items=found_items,
        names=Lazy(len(series), name),
        source=source,
        labels=labels,
        groups=given_groups(roles.group, len(series), source),
        features=features,
        categorical=names if len(names) == C else tuple(f"category_{k}" for k in range(C)),
        layout={"kind": "series", "form": "arrays",
                "per_step": labels is not None and isinstance(labels[0], np.ndarray)},
        notes=(f"kind: series, a list of {len(series):,} arrays",),
    )  # fmt: skip


def _series(item: Any, where: str) -> Series:
    if isinstance(item, Series):
        return item
    try:
        values = np.asarray(item)
        if values.dtype.kind == "c":
            raise TypeError
        if values.dtype.kind not in "biuf":
            values = np.asarray(item, float)  # None among numbers is missing
    except (TypeError, ValueError):
        raise DataError(
            f"{where}: is {type(item).__name__} that holds no plain numbers. Pass an array (T, F) of numbers, "
            "or a frame with a series column."
        ) from None
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise DataError(
            f"{where}: has shape {values.shape}. Pass (T, F): steps, channels; or (T,)."
        )
    if len(values) and not values.shape[1]:
        raise DataError(f"{where}: has no channels, shape {values.shape}.")
    return Series(values.astype(np.float64, copy=False))


def _refuse_infinite(flat: Values, offsets: Any, name: Any) -> None:
    bad = np.isinf(flat)
    if bad.any():
        row, channel = (int(k) for k in np.argwhere(bad)[0])
        i = int(np.searchsorted(offsets, row, side="right")) - 1
        raise DataError(
            f"{name(i)}: step {row - int(offsets[i])}, channel {channel} is infinite. Correct it, or write NaN "
            "for a missing value."
        )


def is_arrays_by_name(data: Mapping[Any, Any]) -> bool:
    """Whether a mapping is of arrays by name, X and y, and not of a table's columns.

    >>> is_arrays_by_name({"X": [[1.0, 2.0], [3.0]]}), is_arrays_by_name({"x": [1.0, 2.0]})
    (True, False)
    """
    x = next((data[k] for k in X_NAMES if k in data), None)
    if isinstance(x, np.ndarray):
        return x.ndim > 1
    return (
        isinstance(x, list) and bool(x) and not isinstance(x[0], str) and hasattr(x[0], "__len__")
    )
