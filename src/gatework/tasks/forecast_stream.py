"""A forecaster as a stream: one observation in, one forecast out, constant memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from gatework.data.windows import WindowBatch
from gatework.errors import DataError, nearest
from gatework.nn.horizon import HorizonNetwork
from gatework.train.conformal import Calibration, window_spread

Array = npt.NDArray[np.float64]
# Calendar features are made for this many steps at once: a call for one step costs as much.
CALENDAR_BLOCK = 512


@dataclass(frozen=True)
class StreamForecast:
    """The forecast after one observation, in the targets' units."""

    series: Any
    mean: Array  # (h, K)
    quantiles: Array  # (h, K, Q)
    targets: tuple[str, ...]
    levels: tuple[float, ...]
    _stream: ForecastStream
    _position: int

    @property
    def timestamps(self) -> pl.Series:
        """``(h,)`` times of the steps."""
        steps = self._position + 1 + np.arange(len(self.mean))
        return self._stream.encoder.frequency.times(steps)

    def to_frame(self) -> pl.DataFrame:
        """The same columns as ``Forecaster.predict``."""
        h, K = self.mean.shape
        columns: dict[str, Any] = {}
        if self._stream.encoder.schema.series is not None:
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
        named = self._named(row)
        name = named.get(schema.series) if schema.series is not None else None
        if schema.series is not None and name is None:
            raise DataError(f"stream: the row has no series; give {schema.series!r}.")
        ring = self._rings.get(str(name)) or self._new_ring(str(name))
        position = self._position(named, ring)
        values = np.array([self._number(named, t) for t in schema.targets])
        covariates = self._encode(named, ("past", "known"))
        if ring.position is not None:
            # Skipped steps are rows of missing values; more than a context of them is all the same.
            skipped = min(position - ring.position - 1, spec.context)
            for step in range(position - skipped, position):
                self._append(
                    ring, np.full(len(values), np.nan), self._encode({}, ("past", "known")), step
                )
        self._append(ring, values, covariates, position)
        ring.position = position
        if ring.filled < spec.context:
            return None
        return self._forecast(ring, name, named, future)

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

    def _position(self, row: Mapping[str, Any], ring: _Ring) -> int:
        """Grid position of the row: by its time, or the next one where the row tells none."""
        schema = self.encoder.schema
        if schema.time is None or row.get(schema.time) is None:
            if schema.time is not None and ring.position is None:
                raise DataError(
                    f"stream: the first row of a series needs its time, {schema.time!r}."
                )
            return 0 if ring.position is None else ring.position + 1
        stamp = row[schema.time]
        table = read_table({schema.time: [stamp]}, name="stream")
        times = read_schema_times(table, schema)
        assert times is not None
        exact = float(self.encoder.frequency.positions(times)[0])
        position = round(exact)
        if abs(exact - position) > 0.25:
            raise DataError(
                f"stream: the time {stamp} is not on the model's grid of {self.encoder.frequency.text}."
            )
        if ring.position is not None and position <= ring.position:
            last = self.encoder.frequency.times(np.array([ring.position]))[0]
            raise DataError(f"stream: time does not go forward: {stamp} came after {last}.")
        return position

    def _encode(
        self, row: Mapping[str, Any], roles: Sequence[str]
    ) -> dict[str, npt.NDArray[np.generic]]:
        """Numbers (standardised) and category numbers of the covariates in ``row``; {} is all missing."""
        out: dict[str, npt.NDArray[np.generic]] = {}
        scales = {
            "past": self.encoder.past_scale,
            "known": self.encoder.known_scale,
            "static": self.encoder.static_scale,
        }
        for role in roles:
            numbers = np.array(
                [self._number(row, c) if row else np.nan for c in self._numeric[role]]
            )
            out[role] = (numbers - scales[role][0]) / scales[role][1]
            out[f"{role}_categories"] = np.array(
                [
                    self.encoder.vocabularies[c].encode([_text(row.get(c))])[0]
                    for c in self._categories[role]
                ],
                dtype=np.int64,
            )
        return out

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
        ring.append(y=scaled, **{**covariates, "known": known})

    def _scale_by_head(self, ring: _Ring) -> None:
        from gatework.data.encoding import _moments

        head = np.stack(ring.head)
        ring.location, ring.scale = _moments(head)
        scaled = (head - ring.location) / ring.scale
        # The rows before this one were stored without a scale.
        ring.y[ring.end - len(head) + 1 : ring.end] = scaled[:-1]
        ring.head.clear()

    def _forecast(
        self,
        ring: _Ring,
        name: Any,
        row: Mapping[str, Any],
        future: Sequence[Mapping[str, Any]] | None,
    ) -> StreamForecast:
        spec, schema = self.network.spec, self.encoder.schema
        assert ring.position is not None
        assert ring.location is not None
        assert ring.scale is not None
        first = ring.position + 1
        ahead = self._calendar_of(first, first + spec.horizon)
        ahead_categories = np.zeros((spec.horizon, 0), dtype=np.int64)
        if schema.known:
            if future is None or len(future) != spec.horizon:
                raise DataError(
                    f"stream: give `future`, {spec.horizon} rows with {', '.join(schema.known)}, the "
                    "covariates that are known over the horizon."
                )
            rows = [self._encode(r, ("known",)) for r in future]
            ahead = np.concatenate([np.stack([r["known"] for r in rows]), ahead], axis=1)
            ahead_categories = np.stack([r["known_categories"] for r in rows])
        static = self._encode(row, ("static",))
        batch = WindowBatch(
            y=ring.window("y"),
            past=ring.window("past"),
            known=torch.cat(
                [ring.window("known"), torch.from_numpy(ahead.astype(np.float32))[None]], dim=1
            ),
            past_categories=ring.window("past_categories"),
            known_categories=torch.cat(
                [ring.window("known_categories"), torch.from_numpy(ahead_categories)[None]], dim=1
            ),
            static=torch.from_numpy(np.nan_to_num(static["static"]).astype(np.float32))[None],
            static_categories=torch.from_numpy(static["static_categories"])[None],
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
            self,
            ring.position,
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
        self._rings[name] = ring
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


def _text(value: Any) -> str | None:
    """A category's value as the table reader spells it."""
    return None if value is None else str(value)
