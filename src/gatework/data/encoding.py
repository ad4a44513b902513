"""A table as tensors: scaling, categories and calendar, fitted on the training part only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gatework.data.calendar import calendar_features
from gatework.data.frequency import Frequency
from gatework.data.schema import Schema
from gatework.data.series import SeriesTable
from gatework.data.split import IntArray
from gatework.data.vocabulary import Vocabulary, as_text
from gatework.data.windows import Sequences
from gatework.errors import DataError

Array = npt.NDArray[np.float64]


@dataclass
class TableEncoder:
    """What was learned from the training part about a table, and how to apply it to any other.

    Targets are standardised per series and column; numeric covariates per column over all series;
    static numbers per column.  A series that the training part did not hold is scaled by its own first
    ``context`` rows, which every forecast, backtest and stream has seen before its first answer.
    """

    schema: Schema
    frequency: Frequency
    context: int
    use_calendar: bool
    series: list[str]  # identifiers of the training series, as text
    target_mean: Array  # (S, K)
    target_std: Array  # (S, K)
    past_scale: Array  # (2, P) mean and standard deviation
    known_scale: Array  # (2, F)
    static_scale: Array  # (2, Sn)
    vocabularies: dict[str, Vocabulary] = field(default_factory=dict)
    missing: dict[str, bool] = field(default_factory=dict)  # whether y, past, known had holes

    @classmethod
    def fit(
        cls, table: SeriesTable, train_end: IntArray, *, context: int, use_calendar: bool
    ) -> TableEncoder:
        """Encoder fitted on rows ``offsets[s]:train_end[s]`` of each series and on nothing else."""
        schema = table.schema
        parts = list(zip(table.offsets[:-1], train_end, strict=True))
        rows = np.concatenate([np.arange(a, b) for a, b in parts])
        moments = [_moments(table.targets[a:b]) for a, b in parts]
        # A series of which training saw less than a context is not known well enough to be scaled by it.
        observed = [int((~np.isnan(table.targets[a:b])).sum(axis=0).min()) for a, b in parts]
        least = min(context, max(observed))
        trained = np.array([n >= least and n > 0 for n in observed], dtype=bool)
        if not trained.any():  # every series lacks one of the targets
            trained = np.array([b > a for a, b in parts], dtype=bool)
        kept = np.stack([m for m, keep in zip(moments, trained, strict=True) if keep])
        vocabularies = {
            column: Vocabulary.fit(table_column)
            for column, table_column in (
                *zip(_categorical(schema, schema.past), table.past_categories[rows].T, strict=True),
                *zip(
                    _categorical(schema, schema.known), table.known_categories[rows].T, strict=True
                ),
                *zip(
                    _categorical(schema, schema.static),
                    table.static_categories[trained].T,
                    strict=True,
                ),
            )
        }
        return cls(
            schema=schema,
            frequency=table.frequency,
            context=context,
            use_calendar=use_calendar,
            series=[str(as_text(n)) for n, keep in zip(table.names, trained, strict=True) if keep],
            target_mean=kept[:, 0],
            target_std=kept[:, 1],
            past_scale=_moments(table.past[rows]),
            known_scale=_moments(table.known[rows]),
            static_scale=_moments(table.static[trained]),
            vocabularies=vocabularies,
            missing={
                "y": bool(np.isnan(table.targets[rows]).any()),
                "past": bool(np.isnan(table.past[rows]).any()),
                "known": bool(np.isnan(table.known[rows]).any()),
            },
        )

    def encode(self, table: SeriesTable) -> Sequences:
        """``table`` as tensors; scales are looked up by series, never fitted again."""
        mean, std = self._target_scales(table)
        length = np.diff(table.offsets)
        y = (table.targets - np.repeat(mean, length, axis=0)) / np.repeat(std, length, axis=0)
        known = _standardise(table.known, self.known_scale)
        if self.use_calendar:
            times = table.times(slice(None))
            known = np.concatenate([known, calendar_features(times, self.frequency)[0]], axis=1)
        return Sequences(
            y=_float32(y),
            past=_float32(_standardise(table.past, self.past_scale)),
            known=_float32(known),
            past_categories=self._encode_categories(self.schema.past, table.past_categories),
            known_categories=self._encode_categories(self.schema.known, table.known_categories),
            # A missing static number is told as the mean of its column.
            static=_float32(np.nan_to_num(_standardise(table.static, self.static_scale))),
            static_categories=self._encode_categories(self.schema.static, table.static_categories),
            scale=torch.from_numpy(std),
            location=torch.from_numpy(mean),
            offsets=table.offsets,
        )

    def _target_scales(self, table: SeriesTable) -> tuple[Array, Array]:
        """``(mean, std)``, each ``(S, K)``, for the series of ``table``."""
        index = {name: i for i, name in enumerate(self.series)}
        mean = np.empty((len(table.names), table.targets.shape[1]))
        std = np.empty_like(mean)
        for s, name in enumerate(table.names):
            # A table of one series without a series column is that series, whatever it is called.
            i = 0 if self.schema.series is None else index.get(str(as_text(name)))
            if i is None:
                first = table.offsets[s]
                stop = min(first + self.context, table.offsets[s + 1])
                mean[s], std[s] = self.own_scale(table.targets[first:stop])
            else:
                mean[s], std[s] = self.target_mean[i], self.target_std[i]
        return mean, std

    def own_scale(self, head: Array) -> tuple[Array, Array]:
        """``(mean, std)``, each ``(K,)``, of a series that training did not hold, from its first rows.

        A column that says nothing in them, missing or constant, gets the middle of the known series.
        """
        mean, std = _moments(head)
        seen = ~np.isnan(head)
        nothing = ~seen.any(axis=0)
        varies = np.array([len(np.unique(head[seen[:, k], k])) > 1 for k in range(head.shape[1])])
        mean = np.where(nothing, np.median(self.target_mean, axis=0), mean)
        return mean, np.where(varies, std, np.median(self.target_std, axis=0))

    def _encode_categories(self, columns: Sequence[str], values: npt.NDArray[np.object_]) -> Tensor:
        names = _categorical(self.schema, columns)
        if not names:
            return torch.zeros((len(values), 0), dtype=torch.int64)
        encoded = [self.vocabularies[n].encode(values[:, j]) for j, n in enumerate(names)]
        return torch.from_numpy(np.stack(encoded, axis=1))

    def cardinalities(self, columns: Sequence[str]) -> list[int]:
        """Sizes of the vocabularies of the categorical ones among ``columns``."""
        return [len(self.vocabularies[c]) for c in _categorical(self.schema, columns)]

    @property
    def calendar_size(self) -> int:
        """Number of calendar features."""
        if not self.use_calendar:
            return 0
        times = self.frequency.times(np.arange(2))
        return int(calendar_features(times, self.frequency)[0].shape[1])

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        return {
            "schema": self.schema.to_json(),
            "frequency": self.frequency.to_json(),
            "context": self.context,
            "use_calendar": self.use_calendar,
            "series": self.series,
            **{name: getattr(self, name).tolist() for name in _ARRAYS},
            "vocabularies": {k: list(v.words) for k, v in self.vocabularies.items()},
            "missing": self.missing,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TableEncoder:
        """The encoder that ``to_json`` wrote; KeyError, TypeError or ValueError when it is damaged."""
        schema = Schema.from_json(data["schema"])
        arrays = {name: np.asarray(data[name], dtype=np.float64) for name in _ARRAYS}
        targets = (len(data["series"]), len(schema.targets))
        shapes = {"target_mean": targets, "target_std": targets}
        for role in ("past", "known", "static"):
            columns = getattr(schema, role)
            numeric = len(columns) - len(_categorical(schema, columns))
            shapes[f"{role}_scale"] = (2, numeric)
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise ValueError(f"{name} has shape {arrays[name].shape}, not {shape}")
            if not np.isfinite(arrays[name]).all():
                raise ValueError(f"{name} is not finite")
        if not (arrays["target_std"] > 0).all():
            raise ValueError("target_std is not positive")
        return cls(
            schema=schema,
            frequency=Frequency.from_json(data["frequency"]),
            context=int(data["context"]),
            use_calendar=bool(data["use_calendar"]),
            series=[str(s) for s in data["series"]],
            vocabularies={k: Vocabulary(tuple(v)) for k, v in dict(data["vocabularies"]).items()},
            missing={k: bool(v) for k, v in dict(data["missing"]).items()},
            **cast("dict[str, Any]", arrays),
        )


_ARRAYS = ("target_mean", "target_std", "past_scale", "known_scale", "static_scale")


def _categorical(schema: Schema, columns: Sequence[str]) -> list[str]:
    """The categorical ones among ``columns``, in their order."""
    return [c for c in columns if c in schema.categorical]


def _moments(values: Array) -> Array:
    """``(2, C)``: mean and standard deviation of each column, NaN left out; 0 and 1 where there is none."""
    out = np.zeros((2, values.shape[1]))
    out[1] = 1.0
    for c in range(values.shape[1]):
        column = values[:, c][~np.isnan(values[:, c])]
        if len(column):
            out[0, c] = column.mean()
            std = column.std()
            # A column that never changes but for rounding is shifted, not blown up to noise.
            out[1, c] = std if std > 1e-13 * abs(out[0, c]) else 1.0
    return out


def _standardise(values: Array, scale: Array) -> Array:
    """``(values - mean) / std`` by column."""
    return cast("Array", (values - scale[0]) / scale[1])


def _float32(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def constant_in_training(table: SeriesTable, train_end: IntArray) -> None:
    """Raise a DataError when a target never changes in the training part: there is nothing to learn."""
    for k, name in enumerate(table.schema.targets):
        changes = False
        for a, b in zip(table.offsets[:-1], train_end, strict=True):
            column = table.targets[a:b, k]
            column = column[~np.isnan(column)]
            changes = changes or (len(column) > 1 and bool((column != column[0]).any()))
        if not changes:
            raise DataError(
                f"{table.source}: target {name!r} is constant (or missing) in the training part; "
                "there is nothing to learn. Choose another target or a larger training share (split=)."
            )
