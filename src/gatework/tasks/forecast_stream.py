"""A forecaster as a stream: one observation in, one forecast out, constant memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from gatework.data.calendar import calendar_features
from gatework.data.encoding import TableEncoder
from gatework.data.schema import read_schema_times
from gatework.data.table import read_table
from gatework.data.vocabulary import as_text
from gatework.data.windows import WindowBatch
from gatework.errors import DataError, nearest
from gatework.nn.horizon import HorizonNetwork
from gatework.train.conformal import Calibration, window_spread

Array = npt.NDArray[np.float64]
# Calendar features are made for this many steps at once: a call for one step costs as much.
CALENDAR_BLOCK = 512
# Share of a step by which a time may miss its grid position.
MAX_OFF_GRID = 0.25


@dataclass(frozen=True)
class StreamForecast:
    """The forecast after one observation, in the targets' units."""

    series: Any
    mean: Array  # (h, K)
    quantiles: Array  # (h, K, Q)
    targets: tuple[str, ...]
    levels: tuple[float, ...]
    _encoder: TableEncoder
    _position: int
    _stamp: pl.Series | None  # time of the observation where times are irregular

    @property
    def timestamps(self) -> pl.Series:
        """``(h,)`` times of the steps."""
        frequency = self._encoder.frequency
        times = frequency.times(self._position + np.arange(len(self.mean) + 1))
        if self._stamp is not None:
            times = (self._stamp[0] + (times - times[0])).cast(self._stamp.dtype)
        return times[1:]

    def to_frame(self) -> pl.DataFrame:
        """The same columns as ``Forecaster.predict``."""
        h, K = self.mean.shape
        columns: dict[str, Any] = {}
        if self._encoder.schema.series is not None:
            columns["series"] = [self.series] * (h * K)
        times = self.timestamps
        columns["timestamp"] = times.gather(np.repeat(np.arange(h), K))
        columns["target"] = list(self.targets) * h
        columns["mean"] = self.mean.ravel()
        for q, level in enumerate(self.levels):
            columns[f"q{level:g}"] = self.quantiles[..., q].ravel()
        return pl.DataFrame(columns)


class _Ring:
    """The last ``context`` rows of one series, oldest first, moved on in place."""

    def __init__(self, context: int, sizes: Sequence[int]) -> None:
        # Twice the context: a row is written once and the rows move only when the end is reached.
        self.context, self.end, self.filled = context, context, 0
        self.y, self.past, self.known = (
            np.full((2 * context, n), np.nan, dtype=np.float32) for n in sizes[:3]
        )
        self.past_categories, self.known_categories = (
            np.zeros((2 * context, n), dtype=np.int64) for n in sizes[3:]
        )
        self.position: int | None = None
        self.stamp: pl.Series | None = None
        self.location: Array | None = None
        self.scale: Array | None = None
        self.head: list[Array] = []  # first raw targets of a series that training did not hold

    def append(self, **rows: npt.NDArray[np.generic]) -> None:
        if self.end == 2 * self.context:
            for name in ("y", "past", "known", "past_categories", "known_categories"):
                values = getattr(self, name)
                values[: self.context] = values[self.context :]
            self.end = self.context
        for name, row in rows.items():
            getattr(self, name)[self.end] = row
        self.end += 1
        self.filled = min(self.filled + 1, self.context)

    def window(self, name: str) -> Tensor:
        values = getattr(self, name)[self.end - self.context : self.end]
        return torch.from_numpy(values).unsqueeze(0)


class ForecastStream:
    """Push observations, get forecasts; made by :meth:`Forecaster.stream`.

    Memory is the context of each series seen and does not grow with the observations.  The forecast after
    a push is the one that ``predict`` makes of the same rows.
    """

    def __init__(
        self, network: HorizonNetwork, encoder: TableEncoder, calibration: Calibration | None
    ) -> None:
        self.network, self.encoder = network.eval(), encoder
        self._calibration = calibration
        self._rings: dict[str, _Ring] = {}
        self._known_series = {name: i for i, name in enumerate(encoder.series)}
        self._calendar: tuple[int, npt.NDArray[np.float32]] | None = None
        schema = encoder.schema
        self._numeric = {
            role: [c for c in getattr(schema, role) if c not in schema.categorical]
            for role in ("past", "known", "static")
        }
        self._categories = {
            role: [c for c in getattr(schema, role) if c in schema.categorical]
            for role in ("past", "known", "static")
        }

    def push(
        self,
        row: Mapping[str, Any] | Sequence[float] | float,
        future: Sequence[Mapping[str, Any]] | None = None,
    ) -> StreamForecast | None:
        """Take one observation; the forecast of what follows it.

        Args:
            row: the columns of ``fit`` by name (timestamp and series included), or the target values alone
                where the model has no other columns.  None and NaN are missing values.
            future: the known-future covariates of the next ``horizon`` steps, where the model has any.

        Returns:
            The forecast, or None until ``context`` rows of the series have come.  Steps that were skipped
            count as rows of missing values.

        Raises:
            DataError: a column is missing, a value is no number, or time goes back or stands still.
        """
        schema, spec = self.encoder.schema, self.network.spec
        # Everything is checked before anything is kept: a refused row leaves the stream as it was.
        named = self._named(row)
        name = named.get(schema.series) if schema.series is not None else None
        if schema.series is not None and name is None:
            raise DataError(f"stream: the row has no series; give {schema.series!r}.")
        key = str(as_text(name))
        ring = self._rings.get(key) or self._new_ring(key)
        stamp = self._stamp(named, ring)
        position = self._position(stamp, ring)
        values = np.array([self._number(named, t) for t in schema.targets])
        covariates = self._encode(named, ("past", "known", "static"))
        # Skipped steps are rows of missing values; more than a context of them is all the same.
        skipped = 0 if ring.position is None else min(position - ring.position - 1, spec.context)
        answers = ring.filled + skipped + 1 >= spec.context
        ahead = self._encode_future(future) if answers else None
        self._rings[key] = ring
        for step in range(position - skipped, position):
            nothing = self._encode(None, ("past", "known"))
            self._append(ring, np.full(len(values), np.nan), nothing, step)
        self._append(ring, values, covariates, position)
        ring.position = position
        ring.stamp = ring.stamp if stamp is None else stamp
        return None if ahead is None else self._forecast(ring, name, covariates, ahead)

    def _named(self, row: Any) -> dict[str, Any]:
        schema = self.encoder.schema
        if isinstance(row, Mapping):
            allowed = set(schema.columns) | set(schema.used)
            unknown = [c for c in row if c not in allowed]
            if unknown:
                raise DataError(
                    f"stream: the model knows no column {unknown[0]!r}. {nearest(str(unknown[0]), schema.used)}"
                )
            return dict(row)
        values = np.atleast_1d(np.asarray(row, dtype=object))
        if len(values) != len(schema.targets) or schema.covariates or schema.series:
            raise DataError(
                f"stream: {len(values)} bare values; push a mapping with the columns "
                f"{', '.join(schema.used)}."
            )
        return dict(zip(schema.targets, values, strict=True))

    def _number(self, row: Mapping[str, Any], column: str) -> float:
        if column not in row:
            raise DataError(
                f"stream: the row has no {column!r}; give None where nothing was measured."
            )
        value = row[column]
        if value is None:
            return float("nan")
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise DataError(f"stream: {column!r} is no number: {value!r}.") from None
        if np.isinf(number):
            raise DataError(
                f"stream: {column!r} is infinite; give None where nothing was measured."
            )
        return number

    def _stamp(self, row: Mapping[str, Any], ring: _Ring) -> pl.Series | None:
        """The row's time as a series of one, or None where the row tells none."""
        schema = self.encoder.schema
        value = None if schema.time is None else row.get(schema.time)
        if value is None:
            if schema.time is not None and ring.position is None:
                raise DataError(
                    f"stream: the first row of a series needs its time, {schema.time!r}."
                )
            return None
        naive = type(value) is datetime and value.tzinfo is None and schema.time_zone is None
        if naive and schema.time_kind == "datetime":
            return pl.Series([value], dtype=pl.Datetime("us"))  # what most streams bring, at once
        times = read_schema_times(read_table({schema.time: [value]}, name="stream"), schema)
        assert times is not None
        return times

    def _position(self, stamp: pl.Series | None, ring: _Ring) -> int:
        """Grid position of the row: by its time, or the next one where it tells none."""
        frequency = self.encoder.frequency
        if stamp is None:
            return 0 if ring.position is None else ring.position + 1
        if ring.stamp is not None and not stamp[0] > ring.stamp[0]:
            raise DataError(
                f"stream: time does not go forward: {stamp[0]} came after {ring.stamp[0]}."
            )
        if not frequency.regular and ring.position is not None:
            return (
                ring.position + 1
            )  # irregular times: a row is a step, as in the table that was fitted
        exact = float(frequency.positions(stamp)[0])
        position = round(exact)
        if frequency.regular and abs(exact - position) > MAX_OFF_GRID:
            raise DataError(
                f"stream: the time {stamp[0]} is not on the model's grid of {frequency.text}."
            )
        if ring.position is not None and position <= ring.position:
            last = frequency.times(np.array([ring.position]))[0]
            raise DataError(f"stream: time does not go forward: {stamp[0]} came after {last}.")
        return position

    def _encode(
        self, row: Mapping[str, Any] | None, roles: Sequence[str]
    ) -> dict[str, npt.NDArray[np.generic]]:
        """Numbers (standardised) and category numbers of the covariates in ``row``; None is all missing."""
        out: dict[str, npt.NDArray[np.generic]] = {}
        scales = {
            "past": self.encoder.past_scale,
            "known": self.encoder.known_scale,
            "static": self.encoder.static_scale,
        }
        for role in roles:
            numbers = np.array(
                [np.nan if row is None else self._number(row, c) for c in self._numeric[role]]
            )
            out[role] = (numbers - scales[role][0]) / scales[role][1]
            out[f"{role}_categories"] = np.array(
                [
                    self.encoder.vocabularies[c].encode(
                        [None if row is None else self._text(row, c)]
                    )[0]
                    for c in self._categories[role]
                ],
                dtype=np.int64,
            )
        return out

    def _text(self, row: Mapping[str, Any], column: str) -> str | None:
        """A category as the table reader spells it."""
        if column not in row:
            raise DataError(f"stream: the row has no {column!r}; give None where it is missing.")
        return as_text(row[column])

    def _encode_future(
        self, future: Sequence[Mapping[str, Any]] | None
    ) -> dict[str, npt.NDArray[np.generic]]:
        """Known-future covariates of the horizon: numbers ``(h, F)`` and categories ``(h, Fc)``."""
        spec, schema = self.network.spec, self.encoder.schema
        if not schema.known:
            h = spec.horizon
            return {"known": np.empty((h, 0)), "known_categories": np.empty((h, 0), np.int64)}
        if future is None or len(future) != spec.horizon:
            given = "nothing" if future is None else f"{len(future)} rows"
            raise DataError(
                f"stream: give `future`, {spec.horizon} rows with {', '.join(schema.known)}, the covariates "
                f"that are known over the horizon; got {given}."
            )
        rows = [self._encode(r, ("known",)) for r in future]
        if not self.encoder.missing["known"] and any(np.isnan(r["known"]).any() for r in rows):
            raise DataError(
                "stream: `future` lacks a value, and the model was fitted without holes in the known-future "
                "covariates. Give every value."
            )
        return {key: np.stack([r[key] for r in rows]) for key in rows[0]}

    def _append(
        self,
        ring: _Ring,
        values: Array,
        covariates: dict[str, npt.NDArray[np.generic]],
        position: int,
    ) -> None:
        if ring.location is None or ring.scale is None:
            # A series that training did not hold: its own first `context` rows give its scale.
            ring.head.append(values)
            scaled = np.full(len(values), np.nan)
            if len(ring.head) == self.network.spec.context:
                self._scale_by_head(ring)
                assert ring.location is not None
                assert ring.scale is not None
                scaled = (values - ring.location) / ring.scale
        else:
            scaled = (values - ring.location) / ring.scale
        known = np.concatenate([covariates["known"], self._calendar_of(position, position + 1)[0]])
        ring.append(
            y=scaled,
            past=covariates["past"],
            known=known,
            past_categories=covariates["past_categories"],
            known_categories=covariates["known_categories"],
        )

    def _scale_by_head(self, ring: _Ring) -> None:
        head = np.stack(ring.head)
        ring.location, ring.scale = self.encoder.own_scale(head)
        scaled = (head - ring.location) / ring.scale
        # The rows before this one were stored without a scale.
        ring.y[ring.end - len(head) + 1 : ring.end] = scaled[:-1]
        ring.head.clear()

    def _forecast(
        self,
        ring: _Ring,
        name: Any,
        covariates: dict[str, npt.NDArray[np.generic]],
        future: dict[str, npt.NDArray[np.generic]],
    ) -> StreamForecast:
        spec, schema = self.network.spec, self.encoder.schema
        assert ring.position is not None
        assert ring.location is not None
        assert ring.scale is not None
        first = ring.position + 1
        calendar = self._calendar_of(first, first + spec.horizon)
        ahead = np.concatenate([future["known"], calendar], axis=1).astype(np.float32)
        batch = WindowBatch(
            y=ring.window("y"),
            past=ring.window("past"),
            known=torch.cat([ring.window("known"), torch.from_numpy(ahead)[None]], dim=1),
            past_categories=ring.window("past_categories"),
            known_categories=torch.cat(
                [
                    ring.window("known_categories"),
                    torch.from_numpy(future["known_categories"])[None],
                ],
                dim=1,
            ),
            static=torch.from_numpy(np.nan_to_num(covariates["static"]).astype(np.float32))[None],
            static_categories=torch.from_numpy(covariates["static_categories"])[None],
            series=torch.zeros(1, dtype=torch.int64),
        )
        with torch.inference_mode():
            forecast = self.network(batch)
        mean, quantiles = forecast.mean[0].numpy(), forecast.quantiles.numpy()
        if self._calibration is not None:
            quantiles = self._calibration.apply(quantiles, window_spread(batch.y.numpy()))
        return StreamForecast(
            name,
            mean * ring.scale + ring.location,
            quantiles[0] * ring.scale[:, None] + ring.location[:, None],
            tuple(schema.targets),
            spec.levels,
            self.encoder,
            ring.position,
            None if self.encoder.frequency.regular else ring.stamp,
        )

    def _new_ring(self, name: str) -> _Ring:
        spec = self.network.spec
        ring = _Ring(
            spec.context,
            (
                spec.targets,
                spec.past,
                spec.known,
                len(spec.past_categories),
                len(spec.known_categories),
            ),
        )
        index = 0 if self.encoder.schema.series is None else self._known_series.get(name)
        if index is not None:
            ring.location = self.encoder.target_mean[index]
            ring.scale = self.encoder.target_std[index]
        return ring

    def _calendar_of(self, first: int, end: int) -> npt.NDArray[np.float32]:
        """Calendar features of the grid positions ``first:end``."""
        if not self.encoder.use_calendar:
            return np.empty((end - first, 0), dtype=np.float32)
        if (
            self._calendar is None
            or first < self._calendar[0]
            or end > self._calendar[0] + len(self._calendar[1])
        ):
            positions = np.arange(first, end + CALENDAR_BLOCK)
            times = self.encoder.frequency.times(positions)
            self._calendar = (first, calendar_features(times, self.encoder.frequency)[0])
        start, features = self._calendar
        return features[first - start : end - start]
