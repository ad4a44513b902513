"""What a model or a baseline says of sequences or steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from gatework.data.sequences import SequenceSet

MAX_COLUMNS = 50  # of a frame: with more classes their probabilities are left out


class Answers(NamedTuple):
    """N answers, one for each sequence or, laid end to end, for each step."""

    values: npt.NDArray[np.float64]  # (N, K) probabilities, or quantiles in the target's units
    chosen: npt.NDArray[Any]  # (N,) class numbers, or the mean


def chosen_columns(answers: Answers, classes: tuple[str, ...]) -> list[pl.Series]:
    """Label, confidence and, of few classes, the probability of each."""
    labels = np.array(classes, object)[answers.chosen]
    confidence = answers.values[np.arange(len(labels)), answers.chosen]
    columns = [pl.Series("label", labels, pl.String), pl.Series("confidence", confidence)]
    if len(classes) <= MAX_COLUMNS:
        columns += [pl.Series(f"p_{name}", answers.values[:, k]) for k, name in enumerate(classes)]
    return columns


def name_column(sequences: SequenceSet) -> pl.Series:
    """How results call each sequence."""
    return pl.Series("name", [str(k) for k in (sequences.keys or sequences.names)], pl.String)


def step_columns(sequences: SequenceSet, offsets: npt.NDArray[np.int64]) -> list[pl.Series]:
    """Name and step, from 0, of every step of every sequence."""
    lengths = np.diff(offsets)
    names = name_column(sequences)[np.repeat(np.arange(len(lengths)), lengths)]
    steps = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    return [names, pl.Series("step", steps)]
