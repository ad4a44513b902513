"""Blocks: the rows of a long table by the sequence they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from gatework.data.schema import time_text
from gatework.data.sources.columns import TIME_ROWS
from gatework.data.sources.slices import IntArray, Texts, Values
from gatework.data.table import Table
from gatework.errors import DataError


@dataclass(frozen=True)
class Blocks:
    """Where each sequence's rows are, in the order in which the sequences begin.

    >>> from gatework.data.table import read_table
    >>> blocks = Blocks.of(read_table({"unit": ["a", "b", "a"], "x": [1, 2, 3]}), "unit")
    >>> blocks.numbers(["x"]).tolist(), blocks.offsets.tolist(), blocks.keys
    ([[1.0], [3.0], [2.0]], [0, 2, 3], ['a', 'b'])
    """

    table: Table
    series: str | None
    order: IntArray | None  # (N,) rows of the table, sequence by sequence; None: as they are
    offsets: IntArray  # (B + 1,)

    @classmethod
    def of(cls, table: Table, series: str | None) -> Self:
        """Blocks of equal names in a column; without one, the table is one sequence."""
        N = table.frame.height
        if series is None:
            return cls(table, None, None, np.array([0, N]))
        values = table.frame[series]
        missing = values.is_null().arg_true()
        if len(missing):
            raise DataError(
                f"{table.where(missing[0], series)}: the name of the series is missing "
                f"({len(missing)} such rows). Fill it in or remove the row."
            )
        rows = pl.DataFrame({"key": values, "row": np.arange(N)})
        rows = rows.group_by("key", maintain_order=True).agg(pl.col("row"))
        lengths = rows["row"].list.len().to_numpy().astype(np.int64)
        order = rows["row"].explode(empty_as_null=False).to_numpy()
        in_place = bool((np.diff(order) == 1).all())
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return cls(table, series, None if in_place else order, offsets)

    @property
    def keys(self) -> list[str]:
        """``(B,)`` names as text."""
        if self.series is None:
            return [self.table.name]
        texts = self.table.texts(self.series)
        return texts.gather([self.row(int(k)) for k in self.offsets[:-1]]).to_list()

    def row(self, k: int) -> int:
        """Row of the table that is k-th in the order of the sequences."""
        return k if self.order is None else int(self.order[k])

    def arranged(self, values: Any) -> Any:
        """An array of the rows, sequence by sequence."""
        return values if self.order is None else values[self.order]

    def texts(self, column: str) -> pl.Series:
        """``(N,)`` texts of a column, sequence by sequence."""
        texts = self.table.texts(column)
        return texts if self.order is None else texts.gather(self.order)

    def numbers(self, columns: list[str]) -> Values:
        """``(N, F)``, NaN where missing."""
        values = np.empty((self.table.frame.height, len(columns)))
        for k, column in enumerate(columns):
            values[:, k] = self.arranged(self.table.numbers(column).to_numpy())
        return values

    def categories(self, columns: list[str]) -> Texts | None:
        """``(N, C)`` of str or None; equal ones are one object, as a million copies would take much."""
        if not columns:
            return None
        found = np.empty((self.table.frame.height, len(columns)), object)
        for k, column in enumerate(columns):
            found[:, k] = shared_texts(self.texts(column))
        return found

    def first(self, values: pl.Series) -> pl.Series:
        """``(B,)`` first value of each sequence that is there; null where none is."""
        frame = pl.DataFrame({"code": self._code(), "value": values})
        found = frame.group_by("code", maintain_order=True).agg(
            pl.col("value").drop_nulls().first()
        )
        return found["value"]

    def varying(self, values: pl.Series) -> IntArray:
        """Places, in this order, whose value is another than the first of their sequence."""
        firsts = self.first(values).gather(self._code())
        found: IntArray = (values != firsts).fill_null(False).arg_true().to_numpy().astype(np.int64)
        return found

    def one_each(self, column: str, what: str, values: pl.Series, advice: str) -> pl.Series:
        """``(B,)`` the one value of each sequence; DataError naming the first row that differs."""
        odd = self.varying(values)
        if not len(odd):
            return self.first(values)
        k = int(odd[0])
        row = self.row(k)
        first = self.first(values)[self._sequence(k)]
        raise DataError(
            f"{self.table.where(row, column)}: the {what} {values[k]!r} differs from {first!r} earlier in "
            f"{self._named(row)}; here a sequence has one {what}. {advice}"
        )

    def check_order(self, column: str, stamps: pl.Series, seconds: Values) -> None:
        """Raise for the first row whose time is before that of the row before it."""
        back = np.diff(seconds) < 0
        back[self.offsets[1:-1] - 1] = False
        wrong = np.flatnonzero(back)
        if not len(wrong):
            return
        at, before = self.row(int(wrong[0]) + 1), self.row(int(wrong[0]))
        more = f"{len(wrong):,} rows are" if len(wrong) > 1 else "the row is"
        raise DataError(
            f"{self.table.where(at, column)}: {time_text(stamps[at])} comes after "
            f"{time_text(stamps[before])} in {self._named(at)}; {more} out of order. Sort the table by time, "
            f"or take the rows in their order with time={TIME_ROWS!r} (--time {TIME_ROWS})."
        )

    def _named(self, row: int) -> str:
        if self.series is None:
            return "the table"
        return f"series {str(self.table.frame[self.series][row])!r}"

    def _sequence(self, k: int) -> int:
        return int(np.searchsorted(self.offsets, k, side="right")) - 1

    def _code(self) -> IntArray:
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


def shared_texts(texts: pl.Series) -> Texts:
    """``(N,)`` of str or None in which equal texts are one object."""
    words = texts.unique()
    numbered = pl.DataFrame({"word": words, "number": np.arange(len(words))})
    numbers = texts.to_frame("word").join(
        numbered, on="word", how="left", maintain_order="left", nulls_equal=True
    )["number"]
    found: Texts = np.array([*words.to_list(), None], object)[numbers.to_numpy()]
    return found
