"""One row of a stream as numbers: what the encoder does for a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.data.encoding import TableEncoder
from gatework.data.vocabulary import as_text
from gatework.errors import DataError, nearest

Array = npt.NDArray[np.float64]
Arrays = dict[str, npt.NDArray[Any]]


class RowReader:
    """Rows of a stream read by the encoder of a fitted model.

    Raises DataError, from each of its methods, for what a row lacks or what is no number.
    """

    def __init__(self, encoder: TableEncoder) -> None:
        schema = encoder.schema
        self.encoder = encoder
        self._targets, self._used = schema.targets, schema.used
        self._allowed = frozenset((*schema.columns, *schema.used))
        self._bare = not schema.covariates and not schema.series
        self._known = schema.known
        self._scales = {
            "past": encoder.past_scale,
            "known": encoder.known_scale,
            "static": encoder.static_scale,
        }
        categorical = set(schema.categorical)
        self._numeric = {
            r: [c for c in getattr(schema, r) if c not in categorical] for r in self._scales
        }
        self._words = {r: [c for c in getattr(schema, r) if c in categorical] for r in self._scales}
        self._nothing = {role: self.covariates(None, (role,)) for role in ("past", "known")}

    def named(self, row: Any) -> Mapping[str, Any]:
        """The row by column: as it is, or bare target values with their names."""
        if isinstance(row, Mapping):
            for column in row:
                if column not in self._allowed:
                    raise DataError(
                        f"stream: the model knows no column {column!r}. "
                        f"{nearest(str(column), self._used)}"
                    )
            return row
        values = np.atleast_1d(np.asarray(row, dtype=object))
        if len(values) != len(self._targets) or not self._bare:
            raise DataError(
                f"stream: {len(values)} bare values; push a mapping with the columns "
                f"{', '.join(self._used)}."
            )
        return dict(zip(self._targets, values, strict=True))

    def targets(self, row: Mapping[str, Any]) -> Array:
        """``(K,)`` target values, NaN where missing."""
        return np.array([_number(row, c) for c in self._targets])

    def covariates(self, row: Mapping[str, Any] | None, roles: Sequence[str]) -> Arrays:
        """Numbers (standardised) and category numbers of the covariates in ``row``; None is all missing."""
        out: Arrays = {}
        for role in roles:
            columns = self._numeric[role]
            if columns:
                numbers = [math.nan if row is None else _number(row, c) for c in columns]
                mean, std = self._scales[role]
                out[role] = (np.array(numbers) - mean) / std
            columns = self._words[role]
            if columns:
                vocabularies = self.encoder.vocabularies
                texts = [None if row is None else _text(row, c) for c in columns]
                out[f"{role}_categories"] = np.array(
                    [vocabularies[c].number(t) for c, t in zip(columns, texts, strict=True)],
                    np.int64,
                )
        return out

    def nothing(self) -> Arrays:
        """Past and known covariates of a step of which nothing was measured."""
        return self._nothing["past"] | self._nothing["known"]

    def future(self, rows: Sequence[Mapping[str, Any]] | None, horizon: int) -> Arrays:
        """Known-future covariates of the horizon: numbers ``(h, F)`` and categories ``(h, Fc)``."""
        if not self._known:
            return {}
        if rows is None or len(rows) != horizon:
            given = "nothing" if rows is None else f"{len(rows)} rows"
            raise DataError(
                f"stream: give `future`, {horizon} rows with {', '.join(self._known)}, the covariates "
                f"that are known over the horizon; got {given}."
            )
        read = [self.covariates(r, ("known",)) for r in rows]
        out = {key: np.stack([r[key] for r in read]) for key in read[0]}
        if not self.encoder.missing["known"] and "known" in out and np.isnan(out["known"]).any():
            raise DataError(
                "stream: `future` lacks a value, and the model was fitted without holes in the known-future "
                "covariates. Give every value."
            )
        return out


def _number(row: Mapping[str, Any], column: str) -> float:
    if column not in row:
        raise DataError(f"stream: the row has no {column!r}; give None where nothing was measured.")
    value = row[column]
    if value is None:
        return math.nan
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise DataError(f"stream: {column!r} is no number: {value!r}.") from None
    if math.isinf(number):
        raise DataError(f"stream: {column!r} is infinite; give None where nothing was measured.")
    return number


def _text(row: Mapping[str, Any], column: str) -> str | None:
    """A category as the table reader spells it."""
    if column not in row:
        raise DataError(f"stream: the row has no {column!r}; give None where it is missing.")
    return as_text(row[column])
