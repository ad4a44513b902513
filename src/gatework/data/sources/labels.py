"""Labels: of a column or a list in the spelling of the task, and what cannot be learned from refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gatework.data.sequences import SequenceSet
from gatework.data.sources.roles import Roles
from gatework.data.sources.slices import SeriesItems
from gatework.data.table import Table
from gatework.data.vocabulary import as_text
from gatework.errors import DataError

MISSING_WORDS = "an empty cell, NA, nan, null, None or -"
MANY = 50  # classes up to here are never taken for an identifier, unless each row has its own


def column_labels(table: Table, column: str, task: str) -> np.ndarray:
    """``(N,)`` labels of the rows: numbers with NaN to regress, else str or None.

    >>> from gatework.data.table import read_table
    >>> column_labels(read_table({"y": [1.0, None]}), "y", "classify").tolist()
    ['1', None]
    """
    if task == "regress":
        return np.array(table.numbers(column).to_numpy(), float)
    texts = table.texts(column)
    words, numbers = np.unique(
        texts.fill_null("").to_numpy().astype(object).astype(str), return_inverse=True
    )
    found: np.ndarray = words.astype(object)[numbers.ravel()]
    found[texts.is_null().to_numpy()] = None
    return found


def given_labels(labels: Any, lengths: Sequence[int], roles: Roles, source: str) -> list[Any]:
    """Labels that were passed as a list or an array, one for each sequence, or for each of its steps."""
    try:
        found = list(labels.tolist() if hasattr(labels, "tolist") else labels)
    except TypeError:
        raise DataError(
            f"{source}: labels is {type(labels).__name__}. Pass a list with one for each sequence."
        ) from None
    if len(found) != len(lengths):
        raise DataError(
            f"{source}: {len(found):,} labels for {len(lengths):,} sequences. Pass one for each."
        )
    stepwise = [_is_list(x) for x in found]
    if roles.task == "tag" or any(stepwise):
        if roles.task == "classify":
            raise DataError(
                f"{source}: label {stepwise.index(True)} (counting from 0) is a list, and a classifier "
                "has one label for each sequence. Use the tagger for a label for each step."
            )
        if not all(stepwise):
            raise DataError(
                f"{source}: label {stepwise.index(False)} (counting from 0) is no list: pass a list of "
                "labels for each sequence, one for each of its steps."
            )
        return [
            _steps(x, n, i, roles, source)
            for i, (x, n) in enumerate(zip(found, lengths, strict=True))
        ]
    if roles.task == "classify":
        return [as_text(x) for x in found]
    return [_number(x, f"{source}: label {i} (counting from 0)") for i, x in enumerate(found)]


def checked(found: SequenceSet, roles: Roles) -> SequenceSet:
    """The set with what has no label refused, or with skip_bad passed over; classes are looked at.

    Raises:
        DataError: no label at all where they are needed, a missing one, one class alone, or classes that
            are names of the rows.
    """
    if found.labels is None or not len(found):
        if roles.need_labels and not len(found):
            raise DataError(f"{found.source}: there are no sequences to read.")
        if roles.need_labels:
            raise DataError(
                f"{found.source}: has no labels. Name their column with {roles.option('label')}, or pass "
                "labels=."
            )
        return found
    if roles.task == "tag" and not found.per_step:
        raise DataError(
            f"{found.source}: has one label for a sequence, and the tagger needs one for each of its steps. "
            "Use classify, or name the column that tells sequences apart with series= (--series)."
        )
    if not roles.need_labels:
        return found
    if found.per_step:
        if not any(_known(x) for x in found.labels):
            raise DataError(f"{found.source}: no step has a label. Fill in the label column.")
    else:
        found = _without_unlabelled(found, roles)
    if roles.task != "regress" and not roles.fixed:
        _check_classes(found, roles)
    return found


def given_groups(groups: Any, count: int, source: str) -> list[str] | None:
    """Groups that were passed as a list, one for each sequence."""
    if groups is None:
        return None
    if isinstance(groups, str):
        raise DataError(
            f"{source}: group={groups!r} names a column; of a list, pass a list of groups."
        )
    found = [as_text(g) for g in groups]
    if len(found) != count:
        raise DataError(
            f"{source}: {len(found):,} groups for {count:,} sequences. Pass one for each."
        )
    if None in found:
        raise DataError(f"{source}: group {found.index(None)} (counting from 0) is missing.")
    return found  # type: ignore[return-value]


def _known(label: np.ndarray) -> bool:
    return bool((label != None).any() if label.dtype == object else (~np.isnan(label)).any())  # noqa: E711


def _without_unlabelled(found: SequenceSet, roles: Roles) -> SequenceSet:
    labels: Any = found.labels
    bad = [i for i, x in enumerate(labels) if x is None or x != x]
    if not bad:
        return found
    if len(bad) == len(labels):
        raise DataError(f"{found.source}: every label is missing. Name the column that holds them.")
    if not roles.skip_bad:
        more = f" ({len(bad):,} such items)" if len(bad) > 1 else ""
        raise DataError(
            f"{found.names[bad[0]]}: the label is missing{more}: {MISSING_WORDS}. Fill it in, remove the "
            "item, or pass over such items with skip_bad=True (--skip-bad)."
        )
    return without(found, dict.fromkeys(bad, "the label is missing"))


def without(found: SequenceSet, bad: dict[int, str]) -> SequenceSet:
    """The set without some of its items, each with the fact why."""
    keep = np.setdiff1d(np.arange(len(found)), list(bad))
    skipped = tuple(f"{found.names[i]}: {fact}" for i, fact in bad.items())
    taken = replace(found.take(keep), skipped=found.skipped + skipped)
    if isinstance(found.items, SeriesItems):  # the lengths and values stay known
        return replace(taken, items=found.items.gathered(keep))
    if isinstance(found.items, list):
        return replace(taken, items=[found.items[i] for i in keep])
    return taken


def missing_items(found: SequenceSet, bad: Sequence[int], fact: str, roles: Roles) -> SequenceSet:
    """The set without what cannot be used, or the DataError that names the first of it."""
    if not len(bad):
        return found
    if roles.skip_bad and len(bad) < len(found):
        return without(found, dict.fromkeys((int(i) for i in bad), fact))
    more = f" ({len(bad):,} such items; skip_bad=True, --skip-bad, passes over them)"
    raise DataError(f"{found.names[int(bad[0])]}: {fact}{more if len(bad) > 1 else ''}")


def _check_classes(found: SequenceSet, roles: Roles) -> None:
    labels: Any = found.labels
    if found.per_step:
        counts = Counter(np.concatenate(labels).tolist())
        counts.pop(None, None)
    else:
        counts = Counter(labels)
    column = found.layout.get("label")
    of = f", column {column!r}" if column else ""
    if len(counts) == 1:
        raise DataError(
            f"{found.source}{of}: every label is {next(iter(counts))!r}: there is nothing to tell apart. "
            "Give examples of two classes at least, or name another label column."
        )
    n, K = sum(counts.values()), len(counts)
    single = sum(c == 1 for c in counts.values())
    many = K > 10_000 or (K > MANY and K / n > 0.5)
    if (many and 2 * single > K) or K == n > 10:
        examples = ", ".join(repr(c) for c in list(counts)[:3])
        numeric = roles.task == "classify" and all(_is_number(c) for c in list(counts)[:100])
        advice = "; to predict a number, use the task regress" if numeric else ""
        raise DataError(
            f"{found.source}{of}: holds {K:,} classes for {n:,} labels, {single:,} of them once ({examples}, "
            f"...). Those are names of rows or measured values, not classes. Name another column with "
            f"{roles.option('label')}{advice}."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_list(x: Any) -> bool:
    return not isinstance(x, str | bytes) and hasattr(x, "__len__") and np.ndim(x) > 0


def _number(x: Any, where: str) -> float:
    try:
        number = float("nan") if x is None else float(x)
    except (TypeError, ValueError):
        raise DataError(f"{where} is {x!r}, not a number.") from None
    if np.isinf(number):
        raise DataError(f"{where} is infinite.")
    return number


def _steps(x: Any, length: int, i: int, roles: Roles, source: str) -> np.ndarray:
    if len(x) != length:
        raise DataError(
            f"{source}: sequence {i} (counting from 0) has {length} steps and {len(x)} labels. Pass one "
            "for each step, None where there is none."
        )
    if roles.task == "regress":
        where = f"{source}: a label of sequence {i} (counting from 0)"
        return np.array([_number(v, where) for v in x], float)
    steps = np.empty(length, object)
    steps[:] = [as_text(v) for v in x]
    return steps
