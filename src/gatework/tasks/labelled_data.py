"""Labelled sequences made ready for training: read, dealt into parts, encoded, their targets as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gatework.data.describe import describe
from gatework.data.encoders.base import Encoder
from gatework.data.encoders.find import encoder_class
from gatework.data.folds import folds, parts
from gatework.data.ragged import Ragged, encode_all
from gatework.data.sequences import SequenceSet
from gatework.data.sources.find import read_sequences
from gatework.data.split import check_split
from gatework.errors import ConfigError, DataError, nearest
from gatework.tasks.labelled_config import LabelledConfig, default_folds
from gatework.train.progress import Progress

IntArray = npt.NDArray[np.int64]
Shares = tuple[float, float, float]


@dataclass(frozen=True)
class Part:
    """Encoded sequences and what is to be said of them."""

    sequences: SequenceSet
    ragged: Ragged
    targets: Tensor  # (B,), or of every step (N,): class numbers with -1, or numbers with NaN, where unknown
    unseen: tuple[str, ...] = ()  # labels of steps that training did not hold: numbers from K on

    def __len__(self) -> int:
        return len(self.ragged)


@dataclass(frozen=True)
class LabelledData:
    """What a fit needs of the data."""

    encoder: Encoder
    kind: str
    layout: dict[str, Any]
    train: Part
    validation: Part | None
    test: Part | None
    fold: IntArray | None  # (B,) of the training part: the network that has not seen a sequence
    classes: tuple[str, ...]  # empty in regression
    per_step: bool
    location: float  # of a regression's targets, which are trained on standardised
    scale: float
    how: str  # the split in words
    notes: list[str] = field(default_factory=list)
    described: list[str] = field(default_factory=list)

    @property
    def judged_on(self) -> str:
        """Which part says how good the model is."""
        if self.test is not None and len(self.test):
            return "test"
        return "validation" if self.validation is not None else "cross-validation"


def prepare(
    task: str, config: LabelledConfig, data: Any, progress: Progress, roles: dict[str, Any]
) -> LabelledData:
    """Read ``data`` and what else was given, deal it into parts, fit the encoder on the training part."""
    roles = dict(roles)
    split, validation, test = (roles.pop(name) for name in ("split", "validation", "test"))
    skip_bad = roles["skip_bad"]
    whole = read_sequences(data, task=task, **roles)
    described, notes = describe(whole), [*whole.notes, *whole.skipped]
    for line in [*described, *notes]:
        progress.stage(line)

    def other(source: Any, name: str) -> SequenceSet | None:
        if source is None:
            return None
        labels = None
        if isinstance(source, tuple) and len(source) == 2:
            source, labels = source
        found = read_sequences(
            source, task=task, labels=labels, layout=whole.layout, skip_bad=skip_bad
        )
        progress.stage(f"{name} part: {len(found):,} sequences of {found.source}")
        notes.extend(found.skipped)
        return found

    sets, fold, how = _deal(
        task, config, whole, other(validation, "validation"), other(test, "test"), split
    )
    train_set, validation_set, test_set = sets
    progress.stage(f"split: {how}")
    classes, per_step = _classes(task, train_set), train_set.per_step
    if task != "regress":
        _check_classes(classes, train_set)
    try:
        encoder = encoder_class(whole.kind).fit(train_set, config)
    except ValueError as fact:
        if type(fact) is not ValueError:
            raise
        raise DataError(f"{whole.source}: {fact}") from None
    described.append(encoder.describe())
    progress.stage(encoder.describe())
    location, scale = _scale(train_set) if task == "regress" else (0.0, 1.0)

    def ready(sequences: SequenceSet | None) -> Part | None:
        if sequences is None or not len(sequences):
            return None
        ragged = encode_all(sequences.items, encoder.encode, sequences.refuse)
        part = part_of(sequences, ragged, classes, location, scale)
        if part.unseen:
            notes.append(unseen_note(part))
            progress.stage(notes[-1])
        return part

    train = ready(train_set)
    assert train is not None
    return LabelledData(
        encoder=encoder,
        kind=whole.kind,
        layout=whole.layout,
        train=train,
        validation=ready(validation_set),
        test=ready(test_set),
        fold=fold,
        classes=classes,
        per_step=per_step,
        location=location,
        scale=scale,
        how=how,
        notes=notes,
        described=described,
    )


def unseen_note(part: Part) -> str:
    """What a user should know of labels that cannot be foretold."""
    named = ", ".join(repr(name) for name in part.unseen[:5])
    count = int((part.targets >= int(part.targets.max()) + 1 - len(part.unseen)).sum())
    return (
        f"{part.sequences.source}: {count:,} steps have labels that the training part does not hold ({named}); "
        "they count as wrong"
    )


def part_of(
    sequences: SequenceSet,
    ragged: Ragged,
    classes: Sequence[str],
    location: float = 0.0,
    scale: float = 1.0,
) -> Part:
    """Sequences with their labels as the loss takes them.

    Raises:
        DataError: a class that training did not hold, or a label for every step of another number of steps.
    """
    labels = sequences.labels
    assert labels is not None
    if sequences.per_step:
        for i, label in enumerate(labels):
            if len(label) != ragged.lengths[i]:
                raise sequences.refuse(
                    i,
                    f"has {len(label)} labels for {ragged.lengths[i]} steps. Give one for each step.",
                )
        flat = np.concatenate(labels)
    else:
        flat = np.asarray(labels, object)
    if not classes:
        numbers_ = ((flat.astype(float) - location) / scale).astype(np.float32)
        return Part(sequences, ragged, torch.from_numpy(numbers_))
    numbers = {name: k for k, name in enumerate(classes)} | {None: -1}
    found = np.fromiter((numbers.get(name, -2) for name in flat), np.int64, len(flat))
    unseen = np.flatnonzero(found == -2)
    if len(unseen):
        if sequences.per_step:  # rare labels are natural there: they cannot be right
            new = sorted({str(flat[i]) for i in unseen})
            found[unseen] = [len(classes) + new.index(str(flat[i])) for i in unseen]
            return Part(sequences, ragged, torch.from_numpy(found), tuple(new))
        name = str(flat[unseen[0]])
        others = len({flat[i] for i in unseen}) - 1
        more = f", and {others} more such labels" if others else ""
        raise DataError(
            f"{sequences.names[int(unseen[0])]}: its label {name!r} did not occur in the training part{more}. "
            f"{nearest(name, classes)} Correct it, leave the item out, or train with examples of it."
        )
    return Part(sequences, ragged, torch.from_numpy(found))


def _deal(
    task: str,
    config: LabelledConfig,
    whole: SequenceSet,
    validation: SequenceSet | None,
    test: SequenceSet | None,
    split: Sequence[float] | None,
) -> tuple[tuple[SequenceSet, SequenceSet | None, SequenceSet | None], IntArray | None, str]:
    """Training, validation and test set, the folds, and how it was done in words."""
    shares = _shares(split, len(whole))
    K = (
        0
        if split is not None and config.folds is None
        else default_folds(config, len(whole), validation is not None)
    )
    if K and validation is not None:
        raise ConfigError(
            f"folds={K} need no validation part, and one was given. Leave one of them out."
        )
    want_test = test is None and shares[2] > 0
    want_validation = validation is None and not K
    given = [shares[0], shares[1] if want_validation else 0.0, shares[2] if want_test else 0.0]
    if K:  # what would validate trains too
        given[0] += shares[1]
    total = sum(given)
    groups, strata = whole.groups, _strata(task, whole)
    wanted = 1 + sum(g > 0 for g in given[1:])
    if len(whole) < max(wanted, K + want_test, 2):
        raise DataError(
            f"{whole.source}: {len(whole)} sequence{'s are' if len(whole) != 1 else ' is'} too few to train "
            "and to judge on. Name the column that tells sequences apart, or give more."
        )
    dealt = parts(
        len(whole), [g / total for g in given], strata=strata, groups=groups, seed=config.seed
    )
    train = whole.take(dealt[0])
    if want_validation:
        validation = whole.take(dealt[1])
    if want_test:
        test = whole.take(dealt[2])
    kind = "by group" if groups is not None else "stratified" if strata is not None else "at random"
    words = []
    if want_test or want_validation:
        words.append(f"dealt {kind}, seed {config.seed}")
    if split is None and not want_test and test is not None:
        words.append("test part given")
    fold = None
    if K:
        held = train.groups
        if held is not None and config.folds is None:  # nobody asked for five: a group each will do
            K = max(2, min(K, len(set(held))))
        fold = folds(len(train), K, strata=_strata(task, train), groups=held, seed=config.seed)
        words.append(f"{K} folds, {kind}: each network leaves one out")
    sizes = [("train", train), ("validation", validation), ("test", test)]
    counted = ", ".join(f"{name} {len(s):,}" for name, s in sizes if s is not None and len(s))
    return (
        (train, validation, test),
        fold,
        f"{counted} sequences ({'; '.join(words) or 'as given'})",
    )


def _shares(split: Sequence[float] | None, count: int) -> Shares:
    if split is None:
        return (0.8, 0.1, 0.1)
    a, b, c = check_split(split)
    total = a + b + c
    if total > 1 + 1e-6 and total > count:
        raise ConfigError(
            f"split: {a:g}, {b:g} and {c:g} sequences are more than the {count} there are."
        )
    return (a / total, b / total, c / total)


def _strata(task: str, sequences: SequenceSet) -> list[object] | None:
    """What each part should have its share of: classes, or fifths of a number."""
    labels = sequences.labels
    if labels is None or sequences.per_step:
        return None
    if task == "classify":
        return list(labels)
    values = np.asarray(labels, float)
    edges = np.quantile(values, (0.2, 0.4, 0.6, 0.8))
    return list(np.searchsorted(edges, values))


def _classes(task: str, sequences: SequenceSet) -> tuple[str, ...]:
    if task == "regress":
        return ()
    labels: Any = sequences.labels
    found = set(np.concatenate(labels)) if sequences.per_step else set(labels)
    return tuple(sorted(found - {None}))


def _check_classes(classes: tuple[str, ...], sequences: SequenceSet) -> None:
    if len(classes) < 2:
        only = f"only the class {classes[0]!r}" if classes else "no label at all"
        raise DataError(
            f"{sequences.source}: the training part holds {only}: there is nothing to tell apart. Give "
            "examples of two classes at least."
        )


def _scale(sequences: SequenceSet) -> tuple[float, float]:
    labels: Any = sequences.labels
    values = np.concatenate(labels) if sequences.per_step else np.asarray(labels, float)
    values = values[~np.isnan(values.astype(float))].astype(float)
    deviation = float(values.std()) if len(values) else 0.0
    if not deviation > 0:
        raise DataError(
            f"{sequences.source}: the target is the same everywhere: there is nothing to learn. Name another."
        )
    return float(values.mean()), deviation
