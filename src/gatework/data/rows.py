"""Rows: the rows of a table as arrays, by series and time, with faults refused or mended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from gatework.data.frequency import Frequency
from gatework.data.schema import Schema, read_schema_times, time_text
from gatework.data.table import Table
from gatework.errors import DataError


@dataclass
class Rows:
    """The rows of a table as arrays, in one order: by series, then by time."""

    names: list[Any]
    code: np.ndarray  # (N,) which series
    key: np.ndarray  # (N,) int64 that sorts like the time
    stamps: pl.Series  # (N,) times; row numbers without a time column
    index: np.ndarray  # (N,) row of the table
    numbers: np.ndarray  # (N, K + P + F)
    texts: np.ndarray  # (N, Pc + Fc) object
    numeric: tuple[list[str], list[str]] = ([], [])
    categorical: tuple[list[str], list[str]] = ([], [])

    @classmethod
    def read(cls, table: Table, schema: Schema) -> Rows:
        count = table.frame.height
        names: list[Any] = [None]
        code = np.zeros(count, dtype=np.int64)
        if schema.series is not None:
            ids = table.frame[schema.series]
            unique = ids.unique(maintain_order=True)
            names = unique.to_list()
            numbered = pl.DataFrame({"id": unique, "code": np.arange(len(unique))})
            code = (
                ids.to_frame("id").join(numbered, on="id", how="left", maintain_order="left",
                                        nulls_equal=True)["code"].to_numpy()
            )  # fmt: skip
        index = np.arange(count)
        times = read_schema_times(table, schema)
        stamps = times if times is not None else pl.Series(row_numbers(code))
        whole = stamps.dtype.is_integer()
        key = stamps.to_numpy().astype(np.int64) if whole else Frequency.instant_us(stamps)
        empty = np.empty((count, 0))
        return cls(names, code, key, stamps, index, empty, empty.astype(object))

    def columns(self, table: Table, schema: Schema) -> None:
        """Read the values of targets and covariates; a target that is not there is missing."""
        is_category = set(schema.categorical)
        roles = (schema.past, schema.known)
        self.numeric = tuple([c for c in r if c not in is_category] for r in roles)  # type: ignore[assignment]
        self.categorical = tuple([c for c in r if c in is_category] for r in roles)  # type: ignore[assignment]
        count = table.frame.height
        wanted = [*schema.targets, *self.numeric[0], *self.numeric[1]]
        self.numbers = np.full((count, len(wanted)), np.nan)
        for k, column in enumerate(wanted):
            if column in table.frame.columns or column not in schema.targets:
                self.numbers[:, k] = table.numbers(column).to_numpy()
        wanted = [*self.categorical[0], *self.categorical[1]]
        self.texts = np.full((count, len(wanted)), None, dtype=object)
        for k, column in enumerate(wanted):
            self.texts[:, k] = table.texts(column).to_numpy()

    def take(self, chosen: np.ndarray) -> None:
        self.code, self.key, self.index = self.code[chosen], self.key[chosen], self.index[chosen]
        self.stamps = self.stamps.gather(chosen)
        self.numbers, self.texts = self.numbers[chosen], self.texts[chosen]

    def sort(
        self, table: Table, schema: Schema, mend: bool, profile: dict[str, Any], notes: list[str]
    ) -> None:
        """Order the rows by series and time; refuse or mend rows that are out of order or twice."""
        if (np.diff(self.code) < 0).any():
            self.take(np.argsort(self.code, kind="stable"))
        backwards = np.flatnonzero((np.diff(self.key) < 0) & (np.diff(self.code) == 0))
        order = np.lexsort((self.index, self.key, self.code))
        same = (np.diff(self.key[order]) == 0) & (np.diff(self.code[order]) == 0)
        twice = np.flatnonzero(same)
        if not mend and len(twice):
            at, again = self.index[order[twice[0]]], self.index[order[twice[0] + 1]]
            raise DataError(self._duplicate_message(table, schema, int(at), int(again), len(twice)))
        if not mend and len(backwards):
            first = int(backwards[0])
            count = len(backwards)
            falling = count > 1 and count >= 0.9 * (len(self.key) - len(self.names))
            what = "the rows run from new to old" if falling else f"{count} rows are out of order"
            raise DataError(
                f"{table.where(int(self.index[first + 1]), str(schema.time))}: "
                f"{time_text(self.stamps[first + 1])} comes after {time_text(self.stamps[first])}"
                f"{self._in_series(first)}; {what if count > 1 else 'the row is out of order'}. "
                "Sort the table by time, or let mend=True (--mend) do it."
            )
        if len(backwards):
            self.take(order)
            profile["unsorted_mended"] = len(backwards)
            count = len(backwards)
            were = (
                "rows were out of order and have" if count > 1 else "row was out of order and has"
            )
            notes.append(f"mended: {count} {were} been sorted")
        if len(twice):
            keep = np.concatenate([[True], ~same])
            group = np.cumsum(keep) - 1
            numbers = pool_numbers(self.numbers, group, int(group[-1]) + 1)
            texts = pool_texts(self.texts, group, int(group[-1]) + 1)
            self.take(np.flatnonzero(keep))
            self.numbers, self.texts = numbers, texts
            profile["duplicates_mended"] = len(twice)
            rows = "rows" if len(twice) > 1 else "row"
            notes.append(
                f"mended: {len(twice)} {rows} repeated a time; numbers are the mean, categories "
                "the last"
            )

    def _in_series(self, at: int) -> str:
        return "" if self.names == [None] else f" in series {self.names[self.code[at]]!r}"

    def _duplicate_message(
        self, table: Table, schema: Schema, at: int, again: int, count: int
    ) -> str:
        back = np.argsort(self.index)
        stamp = self.stamps[int(back[again])]
        which = self._in_series(int(back[again]))
        more = f"; {count} rows repeat a time" if count > 1 else ""
        advice = "Remove one, or let mend=True (--mend) take their mean."
        if schema.series is None and count > 0.05 * len(self.key):
            advice = (
                "If the table holds several series, name the column that tells them apart with "
                "series= (--series); else remove the repeats, or let mend=True (--mend) take means."
            )
        elif _at_clock_change(stamp):
            advice += (
                " An hour that occurs twice in autumn is a clock change: write the times with their"
                " offset from UTC."
            )
        return (
            f"{table.where(again, str(schema.time))}: {time_text(stamp)} is there already in "
            f"{table.row_label(at)}{which}{more}. {advice}"
        )


def row_numbers(code: np.ndarray) -> np.ndarray:
    """How many rows of the same series came before each row."""
    order = np.argsort(code, kind="stable")
    counts = np.bincount(code)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    numbers = np.empty(len(code), dtype=np.int64)
    numbers[order] = np.arange(len(code)) - starts
    return numbers


def _at_clock_change(stamp: Any) -> bool:
    naive = getattr(stamp, "hour", None) is not None and stamp.tzinfo is None
    return bool(naive and stamp.hour <= 3 and stamp.weekday() == 6 and stamp.month in (4, 10, 11))


def static_values(table: Table, schema: Schema, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """One value of each static column a series; DataError for one that varies."""
    count = len(rows.names)
    numeric = [c for c in schema.static if c not in schema.categorical]
    texts = [c for c in schema.static if c in schema.categorical]
    numbers = np.full((count, len(numeric)), np.nan)
    categories = np.full((count, len(texts)), None, dtype=object)
    for column in schema.static:
        values = table.texts(column) if column in texts else table.numbers(column)
        frame = pl.DataFrame({"code": rows.code, "value": values})
        first = frame["value"].drop_nulls().is_empty()
        kept = frame.with_columns(first=pl.col("value").drop_nulls().first().over("code"))
        odd = (kept["value"] != kept["first"]).fill_null(False).arg_true()
        if len(odd):
            row = int(odd[0])
            name = rows.names[rows.code[row]]
            of = "the table" if name is None else f"series {name!r}"
            raise DataError(
                f"{table.where(row, column)}: {kept['value'][row]!r} differs from "
                f"{kept['first'][row]!r} earlier in {of}; a static column has one value a series. "
                "Correct it, or name the column with past= or known=."
            )
        if not first:
            one = kept.unique("code", keep="first").sort("code")["first"].to_numpy()
            if column in texts:
                categories[:, texts.index(column)] = one
            else:
                numbers[:, numeric.index(column)] = one
    return numbers, categories


def column_facts(table: Table, schema: Schema) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for role in ("targets", "past", "known", "static"):
        for column in getattr(schema, role):
            if column not in table.frame.columns:
                continue
            fact: dict[str, Any] = {"role": role.removesuffix("s") if role == "targets" else role}
            if column in schema.categorical:
                values = table.texts(column)
                fact |= {
                    "missing": values.null_count(),
                    "categories": values.drop_nulls().n_unique(),
                }
            else:
                values = table.numbers(column)
                fact |= {"missing": values.null_count(), "min": values.min(), "max": values.max(),
                         "mean": values.mean()}  # fmt: skip
            facts[column] = fact
    return facts


def pool_numbers(values: np.ndarray, cell: np.ndarray, count: int) -> np.ndarray:
    """(count, columns): mean of the rows that fall into each cell; NaN where there are none."""
    out = np.full((count, values.shape[1]), np.nan)
    if len(cell) < 2 or (np.diff(cell) > 0).all():
        out[cell] = values
        return out
    for k in range(values.shape[1]):
        there = ~np.isnan(values[:, k])
        sums = np.bincount(cell[there], values[there, k], minlength=count)
        counts = np.bincount(cell[there], minlength=count)
        np.divide(sums, counts, out=out[:, k], where=counts > 0)
    return out


def pool_texts(values: np.ndarray, cell: np.ndarray, count: int) -> np.ndarray:
    """(count, columns): last text of the rows that fall into each cell, None without any."""
    out = np.full((count, values.shape[1]), None, dtype=object)
    for k in range(values.shape[1]):
        there = np.array([v is not None for v in values[:, k]], dtype=bool)
        out[cell[there], k] = values[there, k]  # of a repeated cell, NumPy keeps the last
    return out
