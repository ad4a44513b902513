"""Schema: which column of a table plays which part, found where it is plain and said aloud."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import polars as pl

from gatework.data.frequency import Frequency
from gatework.data.table import Table, to_numbers
from gatework.data.timestamps import (
    TimeKind,
    Times,
    looks_like_steps,
    looks_like_time,
    read_times,
)
from gatework.errors import ConfigError, DataError, nearest

Names = str | Sequence[str] | None
MOSTLY = 0.5  # a text column with more numbers than this was meant to be numeric


_LISTS = {"targets", "past", "known", "static", "categorical", "ignored", "columns"}


@dataclass
class Schema:
    """Parts that the columns of a table play; what a later table must have."""

    time: str | None
    time_kind: TimeKind
    targets: list[str]
    time_format: str | None = None
    time_zone: str | None = None
    series: str | None = None
    past: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    static: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)

    @property
    def covariates(self) -> list[str]:
        """Past, known and static columns, in this order."""
        return [*self.past, *self.known, *self.static]

    @property
    def used(self) -> list[str]:
        """Every column that a table must have."""
        first = [c for c in (self.time, self.series) if c is not None]
        return [*first, *self.targets, *self.covariates]

    def to_json(self) -> dict[str, Any]:
        """Plain dict that `from_json` turns back into the same schema."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Schema:
        """Schema of a dict made by `to_json`; ConfigError when it holds something else."""
        unknown = set(data) - {f.name for f in fields(cls)}
        try:
            schema = cls(**data)
            for f in fields(cls):
                value = getattr(schema, f.name)
                listed = f.name in _LISTS
                texts = value if listed else [value]
                if isinstance(value, list) != listed or not all(
                    isinstance(v, str) or (v is None and not listed) for v in texts
                ):
                    raise TypeError(f.name)
            return schema
        except TypeError:
            raise ConfigError(
                f"Schema: cannot be read; unknown or missing entries: {sorted(unknown) or data!r}."
            ) from None


def resolve_schema(
    table: Table,
    *,
    target: Names = None,
    time: str | None = None,
    series: str | None = None,
    past: Names = (),
    known: Names = (),
    static: Names = (),
    categorical: Names = (),
    time_format: str | None = None,
) -> tuple[Schema, list[str]]:
    """Schema of a table, and one note for every choice that was made for the user.

    target: column(s) to forecast; "all" or "*" for every numeric column left; the only one when
        None.  Here and for the covariates a string with commas that is no column is split.
    time: time column, or "none" for the order of the rows; found when only one column qualifies.
    series: column that tells several series apart; found when only one can.
    past, known: covariates known up to now, and known in the future.
    static: columns that are constant in a series.
    categorical: covariates to take as categories; texts always are.
    time_format: strptime's, for timestamps in text.

    Raises ConfigError for unknown or contradicting names, DataError for columns that cannot be
    used: each names the column, the first such row and its value.
    """
    frame, notes = table.frame, []
    roles = {
        "past": _names(table, "past", past),
        "known": _names(table, "known", known),
        "static": _names(table, "static", static),
    }
    wanted = _names(table, "target", None if target in ("all", "*") else target)
    _check_roles(table, wanted, time, series, roles)
    taken = {*wanted, *(c for role in roles.values() for c in role)}

    time, times = _find_time(table, time, time_format, taken | {series or ""})
    series_was_given = series is not None
    series = find_series(table, series, time, times, taken)
    if times is None:
        notes.append("no time column: the rows are taken as equally spaced, in their order")
    else:
        notes.append(f"time column: {time}{_span(frame, times, series)}")
        if times.note:
            notes.append(times.note)
    if series is not None and not series_was_given:
        notes.append(f"series column: {series} ({frame[series].n_unique()} series)")

    left = [c for c in frame.columns if c not in taken | {time, series}]
    targets, target_note = _find_targets(table, wanted, target, left)
    notes += target_note
    categories = _categories(table, _names(table, "categorical", categorical), roles, targets)
    notes += [f"taken as categories: {', '.join(c)}" for c in (categories[1],) if c]
    schema = Schema(
        time=time,
        time_kind="none" if times is None else times.kind,
        time_format=None if times is None else times.format,
        time_zone=None if times is None else getattr(times.values.dtype, "time_zone", None),
        series=series,
        targets=targets,
        **roles,
        categorical=categories[0],
        ignored=[c for c in left if c not in targets],
        columns=list(frame.columns),
    )
    _check_values(table, schema)
    for column in targets:
        _check_varies(table, column)
    if schema.ignored:
        notes.append(
            f"not used: {', '.join(schema.ignored)} (name them with past= or known= to use them)"
        )
    return schema, notes


def check_columns(
    table: Table, schema: Schema, *, need_targets: bool = True, extra: str = "error"
) -> None:
    """Return when a later table has what the schema needs, each column of its kind.

    need_targets: whether target columns must be there (not for a table of the future).
    extra: "error" refuses columns that the first table did not have, "ignore" passes over them.
    """
    names = table.frame.columns
    needed = [c for c in schema.used if need_targets or c not in schema.targets]
    missing = [c for c in needed if c not in names]
    unknown = [c for c in names if c not in schema.columns]
    if missing:
        hint = nearest(missing[0], unknown or names)
        parts = ", ".join(f"{c!r} ({_part(schema, c)})" for c in missing)
        raise DataError(
            f"{table.name}: lacks {_plural(missing, 'column')} {parts} that the model was fitted "
            f"with. {hint}"
        )
    if unknown and extra == "error":
        raise DataError(
            f"{table.name}: has {_plural(unknown, 'column')} "
            f"{', '.join(map(repr, unknown))} that the table of the fit did not have. "
            f"{nearest(unknown[0], schema.columns)} Remove or rename, or pass over extra "
            "columns with extra='ignore' (--ignore-extra)."
        )
    present = [c for c in schema.targets if c in names]
    _check_values(table, schema, targets=present, all_missing=False)
    read_schema_times(table, schema)


def read_schema_times(table: Table, schema: Schema) -> pl.Series | None:
    """Times of a table's rows as the schema says, or None without a time column.

    Raises DataError when they are of another kind or zone than at the fit.
    """
    if schema.time is None:
        return None
    values = table.frame[schema.time]
    epoch = (schema.time_format or "").startswith("epoch") and values.dtype.is_numeric()
    fixed = schema.time_format if epoch else None
    times = read_times(table, schema.time, fixed, expected=schema.time_format)
    names = {"datetime": "times of day", "date": "dates", "integer": "whole numbers"}
    if (times.kind == "integer") != (schema.time_kind == "integer"):
        raise DataError(
            f"{table.name}, column {schema.time!r}: holds {names[times.kind]}, the table of the "
            f"fit had {names[schema.time_kind]}. Write the times as they were then."
        )
    found = times.values
    zone = getattr(found.dtype, "time_zone", None)
    if (zone is None) != (schema.time_zone is None):
        raise DataError(
            f"{table.name}, column {schema.time!r}: the timestamps have "
            f"{'no time zone' if zone is None else f'time zone {zone}'}, at the fit they had "
            f"{schema.time_zone or 'none'}. Write them as they were then."
        )
    return found.dt.convert_time_zone(schema.time_zone) if schema.time_zone else found


# ---------------------------------------------------------------------------------- choices


def _names(table: Table, role: str, given: Names) -> list[str]:
    """Columns that an argument names, without repeats; ConfigError for one that does not exist."""
    columns = table.frame.columns
    names = [given] if isinstance(given, str) else [str(n) for n in given or ()]
    names = [
        part.strip()
        for name in names
        for part in ([name] if name in columns or "," not in name else name.split(","))
        if part.strip()
    ]
    for name in names:
        if name not in columns:
            raise ConfigError(
                f"{table.name}: {role} names column {name!r}, which is not there. "
                f"{nearest(name, columns)}"
            )
    return list(dict.fromkeys(names))


def _check_roles(
    table: Table, targets: list[str], time: str | None, series: str | None, roles: dict[str, Any]
) -> None:
    columns = table.frame.columns
    for role, name in (("time", time), ("series", series)):
        if name is not None and name not in columns and not (role == "time" and name == "none"):
            advice = " Use time='none' to take the rows in their order." if role == "time" else ""
            raise ConfigError(
                f"{table.name}: {role} names column {name!r}, which is not there. "
                f"{nearest(name, columns)}{advice}"
            )
    parts: dict[str, str] = {}
    everything: list[tuple[str, Iterable[str]]] = [
        ("target", targets),
        *roles.items(),
        ("time", [time] if time in columns else []),
        ("series", [series] if series else []),
    ]
    for role, names in everything:
        for name in names:
            if name in parts:
                advice = "Keep one of the two."
                if parts[name] == "target" and role == "past":
                    advice = "A target already sees its own past; leave it out of past."
                raise ConfigError(
                    f"{table.name}: column {name!r} is named both as {parts[name]} and as {role}. "
                    f"{advice}"
                )
            parts[name] = role


def _find_time(
    table: Table, time: str | None, time_format: str | None, taken: set[str]
) -> tuple[str | None, Times | None]:
    if time == "none" and time not in table.frame.columns:
        return None, None
    if time is not None:
        return time, read_times(table, time, time_format)
    if table.is_array:
        return None, None
    free = [c for c in table.frame.columns if c not in taken]
    found = [c for c in free if looks_like_time(table, c, time_format)]
    found = found or [c for c in free if looks_like_steps(table, c)]
    if len(found) == 1:
        return found[0], read_times(table, found[0], time_format)
    if found:
        raise DataError(
            f"{table.name}: {len(found)} columns could be the time: "
            f"{', '.join(map(repr, found))}. Name one with time= (--time)."
        )
    stamps = [c for c in taken & set(table.frame.columns) if looks_like_time(table, c)]
    if stamps:
        raise ConfigError(
            f"{table.name}: {stamps[0]!r}, which holds the timestamps, is named as something else. "
            "Leave it to the time, or use time='none' to take the rows in their order."
        )
    if time_format is not None and any(looks_like_time(table, c) for c in free):
        raise ConfigError(
            f"{table.name}: no column reads as time_format {time_format!r}. Correct it, or leave it "
            "out to have it found."
        )
    raise DataError(
        f"{table.name}: no column holds timestamps. Name the time column with time= (--time), "
        f"or use time='none' to take the rows in their order. "
        f"{nearest('', table.frame.columns)}"
    )


def find_series(
    table: Table, series: str | None, time: str | None, times: Times | None, taken: set[str]
) -> str | None:
    """The given series column, or the only text column in whose series the times ascend."""
    frame = table.frame
    if series is not None:
        _refuse_missing(table, series)
        return series
    if table.is_array and "series" in frame.columns:
        return "series"
    if times is None:
        return None
    distinct = times.values.n_unique() == len(times.values)
    if distinct and (times.values.is_sorted() or times.values.is_sorted(descending=True)):
        return None
    free = [c for c in frame.columns if c not in taken | {time}]
    stamps = frame.select(times.values.alias("__time"), *free)

    def separates(column: str) -> bool:
        values = stamps[column]
        if values.null_count() or not (values.dtype == pl.String or values.dtype.is_integer()):
            return False
        if values.n_unique() > 0.5 * len(values):  # names repeat, measurements hardly do
            return False
        if distinct:  # series whose times never coincide follow one another, each ascending
            least = stamps.group_by(column).agg(pl.col("__time").to_physical().diff().min())
            return values.dtype == pl.String and bool((least["__time"] > 0).fill_null(True).all())
        pairs = stamps.select(pl.struct("__time", column).n_unique()).item()
        # Some repeated rows are a fault to report later, not a reason to miss the column.
        return bool(pairs >= 0.95 * len(stamps) and times.values.n_unique() < 0.9 * pairs)

    able = [c for c in free if separates(c)]
    texts = [c for c in able if frame.schema[c] == pl.String]
    if len(texts) == 1:
        return texts[0]
    if able and times.values.n_unique() < 0.9 * len(stamps):
        raise DataError(
            f"{table.name}: timestamps repeat, so the table holds several series. Name the column "
            f"that tells them apart with series= (--series); it could be "
            f"{' or '.join(map(repr, (texts or able)[:6]))}."
        )
    return None


def _refuse_missing(table: Table, series: str) -> None:
    missing = table.frame[series].is_null().arg_true()
    if len(missing):
        raise DataError(
            f"{table.where(missing[0], series)}: the name of the series is missing "
            f"({len(missing)} such rows). Fill it in or remove the row."
        )


def _find_targets(
    table: Table, wanted: list[str], target: Names, left: list[str]
) -> tuple[list[str], list[str]]:
    if wanted:
        return wanted, []
    numeric = [c for c in left if _is_numeric(table, c)]
    if target in ("all", "*") and numeric:
        vary = [c for c in numeric if to_numbers(table.frame[c]).n_unique() > 1]  # type: ignore[union-attr]
        constant = [c for c in numeric if c not in vary]
        notes = [f"targets: {', '.join(vary)}"] if vary else []
        if constant and vary:
            notes.append(f"constant, so no targets: {', '.join(constant)}")
        return vary or numeric, notes
    if len(numeric) == 1:
        return numeric, [f"target column: {numeric[0]}"]
    if numeric:
        shown = ", ".join(map(repr, numeric[:12])) + (", ..." if len(numeric) > 12 else "")
        raise DataError(
            f"{table.name}: {len(numeric)} columns could be the target: {shown}. Name it with "
            "target= (--target), several with commas, all with 'all'."
        )
    texts = [c for c in left if table.frame.schema[c] == pl.String]
    example = ""
    for column in texts[:1]:
        value = table.frame[column].drop_nulls().first()
        example = f" Column {column!r} holds text such as {value!r}."
    empty = [c for c in left if table.frame[c].null_count() == table.frame.height]
    if empty and not example:
        example = f" Of column {empty[0]!r} every value is missing."
    raise DataError(f"{table.name}: no numeric column is left to forecast.{example}")


def _is_numeric(table: Table, column: str) -> bool:
    """Whether a column holds measurements: numbers, perhaps with stray texts; no row numbers."""
    values = table.frame[column]
    numbers = to_numbers(values)
    if numbers is None or values.dtype == pl.Boolean or numbers.null_count() == len(numbers):
        return False
    if column.lower() in ("unnamed", "unnamed: 0", "index") and values.dtype.is_integer():
        return False
    return values.dtype != pl.String or (numbers.is_not_null().sum()) > MOSTLY * len(
        values.drop_nulls()
    )


def _categories(
    table: Table, given: list[str], roles: dict[str, list[str]], targets: list[str]
) -> tuple[list[str], list[str]]:
    """Categorical covariates in the order of the roles, and those of them nobody named."""
    covariates = [c for role in roles.values() for c in role]
    for name in given:
        if name not in covariates:
            what = "the target" if name in targets else "no covariate"
            raise ConfigError(
                f"{table.name}: categorical names {name!r}, which is {what}. Name it in past=, "
                "known= or static= too."
            )
    texts = [
        c
        for c in covariates
        if c not in given and table.frame.schema[c] == pl.String and not _is_numeric(table, c)
        and table.frame[c].null_count() < table.frame.height
    ]  # fmt: skip
    return [c for c in covariates if c in given or c in texts], texts


def _check_values(
    table: Table,
    schema: Schema,
    targets: list[str] | None = None,
    *,
    all_missing: bool = True,
) -> None:
    """Raise for text where numbers are needed, for infinite values and for empty columns."""
    targets = schema.targets if targets is None else targets
    for column in [*targets, *schema.covariates]:
        if column in schema.categorical:
            table.texts(column)
        else:
            table.numbers(column)
        if all_missing and table.frame[column].null_count() == table.frame.height:
            raise DataError(
                f"{table.name}, column {column!r}: every value is missing. Leave the column out, "
                "or check that it was exported with its values."
            )
    if schema.series is not None:
        _refuse_missing(table, schema.series)


def _check_varies(table: Table, column: str) -> None:
    numbers = table.numbers(column).drop_nulls()
    if len(numbers) > 1 and numbers.min() == numbers.max():
        raise DataError(
            f"{table.name}, column {column!r}: the target is {numbers[0]:g} in every row; there "
            "is nothing to learn. Name another target."
        )


def _span(frame: pl.DataFrame, times: Times, series: str | None) -> str:
    """Words such as " (hourly, 2016-07-01 00:00 to 2018-06-26 19:00)"."""
    values = times.values
    rhythm = ""
    one = values
    if series is not None:
        most = frame[series].value_counts(sort=True)[series][0]
        one = values.filter(frame[series] == most)
    one = one.unique().sort()
    if len(one) > 1:
        frequency = Frequency.infer(one)
        rhythm = f"{frequency.adverb}, " if frequency.regular else "irregular, "
    return f" ({rhythm}{time_text(values.min())} to {time_text(values.max())})"


def time_text(value: Any) -> str:
    """A timestamp without the parts that are zero: "2016-07-01 00:00", "2016-07-01"."""
    if not hasattr(value, "hour"):
        return str(value)
    detail = "minutes" if value.second == value.microsecond == 0 else "auto"
    return str(value.isoformat(sep=" ", timespec=detail))


def _part(schema: Schema, column: str) -> str:
    for part in ("targets", "past", "known", "static"):
        if column in getattr(schema, part):
            return part.removesuffix("s") if part == "targets" else part
    return "time" if column == schema.time else "series"


def _plural(names: Sequence[str] | np.ndarray, word: str) -> str:
    return word if len(names) == 1 else word + "s"
