"""A forecaster as a stream: one observation in, one forecast out, constant memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from gatework.data.calendar import calendar_features
from gatework.data.encoding import TableEncoder
from gatework.data.stamp import Stamp, grid_position, read_stamp
from gatework.data.vocabulary import as_text
from gatework.errors import DataError
from gatework.runtime.horizon import Horizon, WindowArrays
from gatework.tasks.forecast_ring import Ring
from gatework.tasks.forecast_row import Arrays, RowReader
from gatework.train.conformal import Calibration, calibrated

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
    _stamp: Stamp | None  # time of the observation where times are irregular

    @property
    def timestamps(self) -> pl.Series:
        """``(h,)`` times of the steps."""
        frequency = self._encoder.frequency
        times = frequency.times(self._position + np.arange(len(self.mean) + 1))
        if self._stamp is not None:
            times = (self._stamp.value + (times - times[0])).cast(self._stamp.dtype)
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


class ForecastStream:
    """Push observations, get forecasts; made by :meth:`Forecaster.stream`.

    Memory is the context of each series seen and does not grow with the observations.  The forecast after
    a push is the one that ``predict`` makes of the same rows.

    Args:
        horizon: the network, on NumPy arrays.
        encoder, calibration: of the fitted model.
        threads: how many may work on a forecast of very many targets.
    """

    def __init__(
        self,
        horizon: Horizon,
        encoder: TableEncoder,
        calibration: Calibration | None,
        threads: int = 1,
    ) -> None:
        self.horizon, self.encoder = horizon, encoder
        self._calibration, self._threads = calibration, threads
        self._reader = RowReader(encoder)
        self._rings: dict[str, Ring] = {}
        self._known_series = {name: i for i, name in enumerate(encoder.series)}
        self._calendar: tuple[int, npt.NDArray[np.float32]] | None = None

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
        schema, spec, reader = self.encoder.schema, self.horizon.spec, self._reader
        # Everything is checked before anything is kept: a refused row leaves the stream as it was.
        named = reader.named(row)
        name = named.get(schema.series) if schema.series is not None else None
        if schema.series is not None and name is None:
            raise DataError(f"stream: the row has no series; give {schema.series!r}.")
        key = str(as_text(name))
        ring = self._rings.get(key) or self._new_ring(key)
        stamp = self._stamp(named, ring)
        position = self._position(stamp, ring)
        values = reader.targets(named)
        covariates = reader.covariates(named, ("past", "known", "static"))
        # Skipped steps are rows of missing values; more than a context of them is all the same.
        skipped = 0 if ring.position is None else min(position - ring.position - 1, spec.context)
        answers = ring.filled + skipped + 1 >= spec.context
        ahead = reader.future(future, spec.horizon) if answers else None
        self._rings[key] = ring
        for step in range(position - skipped, position):
            self._append(ring, np.full(len(values), np.nan), reader.nothing(), step)
        self._append(ring, values, covariates, position)
        ring.position = position
        ring.stamp = ring.stamp if stamp is None else stamp
        return None if ahead is None else self._forecast(ring, name, covariates, ahead)

    def _stamp(self, row: Mapping[str, Any], ring: Ring) -> Stamp | None:
        """The row's time, or None where the row tells none."""
        schema = self.encoder.schema
        value = None if schema.time is None else row.get(schema.time)
        if value is None:
            if schema.time is not None and ring.position is None:
                raise DataError(
                    f"stream: the first row of a series needs its time, {schema.time!r}."
                )
            return None
        return read_stamp(value, schema)

    def _position(self, stamp: Stamp | None, ring: Ring) -> int:
        """Grid position of the row: by its time, or the next one where it tells none."""
        frequency = self.encoder.frequency
        if stamp is None:
            return 0 if ring.position is None else ring.position + 1
        if ring.stamp is not None and not stamp.key > ring.stamp.key:
            raise DataError(
                f"stream: time does not go forward: {stamp.value} came after {ring.stamp.value}."
            )
        if not frequency.regular and ring.position is not None:
            return (
                ring.position + 1
            )  # irregular times: a row is a step, as in the table that was fitted
        exact = grid_position(stamp, frequency)
        position = round(exact)
        if frequency.regular and abs(exact - position) > MAX_OFF_GRID:
            raise DataError(
                f"stream: the time {stamp.value} is not on the model's grid of {frequency.text}."
            )
        if ring.position is not None and position <= ring.position:
            last = frequency.times(np.array([ring.position]))[0]
            raise DataError(f"stream: time does not go forward: {stamp.value} came after {last}.")
        return position

    def _append(self, ring: Ring, values: Array, covariates: Arrays, position: int) -> None:
        rows = dict(covariates)
        if self.encoder.use_calendar:
            rows["known"] = self._with_calendar(covariates.get("known"), position, position + 1)
        if ring.location is None or ring.scale is None:
            # A series that training did not hold: its own first `context` rows give its scale.
            ring.head.append(values)
            rows["y"] = np.full(len(values), np.nan)
            ring.append(rows)
            if len(ring.head) == self.horizon.spec.context:
                head = np.stack(ring.head)
                ring.rescale(head, *self.encoder.own_scale(head))
            return
        rows["y"] = (values - ring.location) / ring.scale
        ring.append(rows)

    def _forecast(
        self, ring: Ring, name: Any, covariates: Arrays, future: Arrays
    ) -> StreamForecast:
        spec, encoder = self.horizon.spec, self.encoder
        assert ring.position is not None
        assert ring.location is not None
        assert ring.scale is not None
        if encoder.use_calendar:
            first = ring.position + 1
            known = self._with_calendar(future.get("known"), first, first + spec.horizon)
            future = future | {"known": known}
        y, static = ring.window("y"), covariates.get("static")
        assert y is not None
        words = covariates.get("static_categories")
        windows = WindowArrays(
            y=y,
            past=ring.window("past"),
            known=_followed(ring.window("known"), future.get("known")),
            past_categories=ring.window("past_categories"),
            known_categories=_followed(
                ring.window("known_categories"), future.get("known_categories")
            ),
            # A missing static number is told as the mean of its column.
            static=None if static is None else np.nan_to_num(static)[None],
            static_categories=None if words is None else words[None],
        )
        mean, quantiles = self.horizon.forward(windows, self._threads)
        quantiles = calibrated(self._calibration, quantiles, y)
        return StreamForecast(
            name,
            mean[0] * ring.scale + ring.location,
            quantiles[0] * ring.scale[:, None] + ring.location[:, None],
            tuple(encoder.schema.targets),
            spec.levels,
            encoder,
            ring.position,
            None if encoder.frequency.regular else ring.stamp,
        )

    def _new_ring(self, name: str) -> Ring:
        ring = Ring(self.horizon.spec)
        index = 0 if self.encoder.schema.series is None else self._known_series.get(name)
        if index is not None:
            ring.location = self.encoder.target_mean[index]
            ring.scale = self.encoder.target_std[index]
        return ring

    def _with_calendar(
        self, known: npt.NDArray[Any] | None, first: int, end: int
    ) -> npt.NDArray[Any]:
        """Known covariates of the grid positions ``first:end`` and, beside them, calendar features."""
        if (
            self._calendar is None
            or first < self._calendar[0]
            or end > self._calendar[0] + len(self._calendar[1])
        ):
            positions = np.arange(first, end + CALENDAR_BLOCK)
            times = self.encoder.frequency.times(positions)
            self._calendar = (first, calendar_features(times, self.encoder.frequency)[0])
        start, features = self._calendar
        calendar = features[first - start : end - start]
        if known is None:
            return calendar
        return np.concatenate([np.atleast_2d(known), calendar], axis=1)


def _followed(
    past: npt.NDArray[Any] | None, future: npt.NDArray[Any] | None
) -> npt.NDArray[Any] | None:
    """``(1, L+h, C)`` of the window ``(1, L, C)`` and the horizon ``(h, C)``."""
    if past is None or future is None:
        return None
    return np.concatenate([past[0], future], dtype=past.dtype)[None]
