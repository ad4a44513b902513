"""Forecasting: from a table of measurements to quantiles of what comes next.

A fit in five calls: ``_prepare`` reads the table, cuts it in time order and fits the encoder on the
training part; ``_build`` makes the :class:`~gatework.nn.horizon.HorizonNetwork`; the loop trains it on
windows; ``_calibrate`` widens or narrows the quantiles on the validation part; ``_judge`` backtests the
test part beside the naive forecasts.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor, nn

from gatework.data.encoding import TableEncoder
from gatework.data.future import extend
from gatework.data.schema import check_columns
from gatework.data.series import SeriesTable, arrange
from gatework.data.table import Table, read_table
from gatework.data.windows import WindowBatch, Windows, window_starts, with_any_observed
from gatework.errors import ConfigError, DataError, GateworkWarning
from gatework.nn.horizon import HorizonNetwork
from gatework.report.card import forecast_card
from gatework.runtime.horizon import Horizon
from gatework.runtime.horizon_spec import HorizonSpec, check_spec
from gatework.tasks import forecast_judged as for_comparison
from gatework.tasks.backtest import Backtest, Evaluation, Judge
from gatework.tasks.base import Task, build_checked, spec_from_json, spec_to_json
from gatework.tasks.forecast_config import ForecastConfig, batch_size, default_segment
from gatework.tasks.forecast_data import ForecastData, prepare, split_facts
from gatework.tasks.forecast_embedding import embedding_frame, encoder_states
from gatework.tasks.forecast_examples import examples
from gatework.tasks.forecast_stream import ForecastStream
from gatework.tasks.judged import Judged
from gatework.train.conformal import Calibration, window_spread
from gatework.train.loop import Objective
from gatework.train.losses import pinball
from gatework.train.progress import Progress

Array = npt.NDArray[np.float64]
Names = str | Sequence[str]
# Windows judged after every pass and used for calibration; more would cost time and tell little.
MAX_VALIDATION_WINDOWS = 4096
# Fewer validation windows cannot place a 5 % quantile.
MIN_CALIBRATION_WINDOWS = 100
EVALUATION_BATCH = 512
MIN_EPOCH_STEPS, MAX_EPOCH_STEPS = 100, 2000


class ForecastObjective:
    """Pinball loss of the quantiles, in training and in validation."""

    def __init__(self, network: nn.Module, data: ForecastData, config: ForecastConfig) -> None:
        self.network, self._data = network, data
        self._levels = torch.tensor(config.levels)
        self._batch_size = batch_size(config, len(data.train))
        # An epoch goes over a small table several times, and takes a new sample of a large one: it is
        # the step at which the network is judged and the learning rate moves, so it should be neither
        # too short to tell anything nor so long that one is all there is time for.
        windows = min(len(data.train), MAX_EPOCH_STEPS * self._batch_size)
        self._steps = -(-windows // self._batch_size)
        self._rounds = -(-MIN_EPOCH_STEPS // self._steps)
        self._validation = data.validation.every(MAX_VALIDATION_WINDOWS)

    def steps_per_epoch(self) -> int:
        """Number of batches of one epoch."""
        return self._rounds * self._steps

    def batches(self, generator: torch.Generator) -> Iterator[WindowBatch]:
        """Training windows, shuffled anew in each round."""
        for _ in range(self._rounds):
            yield from islice(self._data.train.batches(self._batch_size, generator), self._steps)

    def loss(self, batch: Any) -> Tensor:
        """Twice the mean pinball loss: at the median that is the absolute error."""
        return 2 * pinball(self.network(batch).quantiles, batch.future, self._levels)

    def validate(self) -> float:
        """The loss over the validation windows, weighted by their number."""
        total, count = 0.0, 0
        for batch in self._validation.batches(EVALUATION_BATCH):
            total += float(self.loss(batch)) * len(batch)
            count += len(batch)
        return total / count


class Forecaster(Task[ForecastConfig, ForecastData]):
    """Forecasts of one or many columns of one or many series, with quantiles.

    >>> import numpy as np
    >>> t = np.arange(400)
    >>> y = np.sin(2 * np.pi * t / 12) + 0.1 * np.random.default_rng(0).normal(size=400)
    >>> model = Forecaster(horizon=12, context=24, max_epochs=5, hidden_size=16).fit(y)
    >>> forecast = model.predict(y)
    >>> forecast.columns[:3], forecast.height
    (['timestamp', 'target', 'mean'], 12)
    """

    name = "forecast"
    Config = ForecastConfig
    page = "gatework.report.forecast"

    network_: HorizonNetwork
    encoder_: TableEncoder
    calibration_: Calibration | None
    judge_: Judge

    # ---- fitting ------------------------------------------------------------------------------------

    def fit(
        self,
        data: Any,
        *,
        target: Names | None = None,
        time: str | None = None,
        series: str | None = None,
        past: Names = (),
        known: Names = (),
        static: Names = (),
        categorical: Names = (),
        time_format: str | None = None,
        split: tuple[float, float, float] | None = None,
        resample: str | None = None,
        mend: bool = False,
        checkpoint: str | Path | None = None,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> Self:
        """Train on a table and judge on its last part.

        Args:
            data: path (.csv, .parquet, .json, .jsonl), polars, pandas or Arrow frame, NumPy array.
            target: column or columns to forecast, or ``"all"``; found when there is one numeric column.
            time, series: columns; found when unambiguous.
            past: covariates known up to now; known: covariates known over the horizon too.
            static: columns that are constant in a series.
            categorical: covariates to be read as categories though they are numbers.
            time_format: of timestamps whose order of day and month is ambiguous.
            split: training, validation and test as shares or row counts; (0.7, 0.1, 0.2).
            resample: put the rows on this grid first, for instance ``"1h"``.
            mend: sort unsorted rows and merge duplicates instead of refusing them.
            checkpoint: folder for a checkpoint after every pass; None writes nothing anywhere.
            resume: continue from that checkpoint, with the result of an unbroken run.
            progress: told what happens; silent by default.

        Raises:
            DataError, ConfigError: what is wrong, where, and what to do.
        """
        roles = {
            "target": target,
            "time": time,
            "series": series,
            "past": past,
            "known": known,
            "static": static,
            "categorical": categorical,
            "time_format": time_format,
            "split": split,
            "resample": resample,
            "mend": mend,
        }
        return self._fit(data, checkpoint=checkpoint, resume=resume, progress=progress, **roles)

    def _prepare(self, data: Any, progress: Progress, **roles: Any) -> ForecastData:
        return prepare(self.config, data, progress, **roles)

    def _build(self, prepared: ForecastData) -> HorizonNetwork:
        encoder, config, schema = prepared.encoder, self.config, prepared.table.schema
        self.encoder_, self.calibration_ = encoder, None
        static = [c for c in schema.static if c not in schema.categorical]
        return HorizonNetwork(
            HorizonSpec(
                context=prepared.context,
                horizon=config.horizon,
                targets=len(schema.targets),
                levels=config.levels,
                cell=config.cell,
                hidden_size=config.hidden_size,
                num_layers=config.num_layers,
                segment=config.segment or default_segment(prepared.context, prepared.season),
                dropout=config.dropout,
                normalize=config.normalize,
                recurrent_dropout=config.recurrent_dropout,
                zoneout=config.zoneout,
                weight_drop=config.weight_drop,
                past=prepared.table.past.shape[1],
                known=prepared.table.known.shape[1] + encoder.calendar_size,
                past_categories=tuple(encoder.cardinalities(schema.past)),
                known_categories=tuple(encoder.cardinalities(schema.known)),
                static=len(static),
                static_categories=tuple(encoder.cardinalities(schema.static)),
                mask_y=encoder.missing["y"],
                mask_past=encoder.missing["past"],
                mask_known=encoder.missing["known"],
            )
        )

    def _objective(self, prepared: ForecastData) -> Objective:
        return ForecastObjective(self.network_, prepared, self.config)

    def _data_fingerprint(self, prepared: ForecastData) -> str:
        sequences = prepared.train.sequences
        hashed = sha256(repr(prepared.encoder.to_json()).encode())
        for name in ("y", "past", "known", "past_categories", "known_categories"):
            hashed.update(getattr(sequences, name).numpy().tobytes())
        for tensor in (sequences.static, sequences.static_categories):
            hashed.update(tensor.numpy().tobytes())
        for windows in (prepared.train, prepared.validation, prepared.test):
            hashed.update(windows.starts.numpy().tobytes())
        return hashed.hexdigest()

    def _calibrate(self, prepared: ForecastData, progress: Progress) -> None:
        windows = prepared.validation.every(MAX_VALIDATION_WINDOWS)
        enough = len(windows) >= MIN_CALIBRATION_WINDOWS
        if self.config.calibrate or (self.config.calibrate is None and enough):
            _, quantiles, spread = self._raw_forecasts(windows)
            truth = np.concatenate(
                [windows.future(part) for part in windows.chunks(EVALUATION_BATCH)]
            )
            self.calibration_ = Calibration.fit(
                quantiles, truth, spread, self.config.levels, in_time=windows.in_time
            )
        elif self.config.calibrate is None:
            progress.stage(
                f"calibration: off, {len(windows)} validation windows are fewer than "
                f"{MIN_CALIBRATION_WINDOWS}"
            )
        self.judge_ = Judge.fit(
            prepared.table,
            windows,
            levels=self.config.levels,
            season=prepared.season,
            naive_error=prepared.naive_error,
            series=prepared.encoder.series,
            targets=prepared.table.schema.targets,
        )
        if prepared.table.schema.time_kind in ("datetime", "date"):
            # Step numbers may start anew in a later table, times do not.
            self.judge_.trained_until = split_facts(prepared)["train"]["to"]

    def _judge(self, prepared: ForecastData, progress: Progress) -> dict[str, Any]:
        progress.stage(
            "judging on the test part" if len(prepared.test) else "no test part to judge on"
        )
        started = time.perf_counter()
        evaluation = self._evaluate(prepared.table, prepared.test)
        seconds = time.perf_counter() - started
        return {
            "evaluation": evaluation.to_json(),
            "profile": prepared.table.profile,
            "notes": prepared.notes,
            "split": split_facts(prepared),
            "source": Path(prepared.table.source).name,
            "context": prepared.context,
            "season": prepared.season,
            "calibration": None if self.calibration_ is None else self.calibration_.kind,
            "targets": list(prepared.table.schema.targets),
            "examples": examples(prepared, self._forecasts, self.config.levels),
            "cost": {
                "fit_seconds": self.training_.seconds,
                "judge_seconds": seconds,
                "steps_per_second": self.training_.steps_per_second,
                "windows_per_second": self.training_.steps_per_second
                * batch_size(self.config, len(prepared.train)),
                "parameters": self.parameters,
                "predict_ms": self._predict_latency_ms(prepared),
                "threads": torch.get_num_threads(),
            },
        }

    # ---- using --------------------------------------------------------------------------------------

    def predict(
        self, data: Any, *, extra: str = "error", resample: str | None = None, mend: bool = False
    ) -> pl.DataFrame:
        """Forecast of the ``horizon`` steps after the end of each series in ``data``.

        Args:
            data: a table with the columns of ``fit``; only its last ``context`` rows matter (of
                a series that training did not hold also the first ones, which give its scale).  Known-future
                covariates must be given for the horizon: rows after the last measured target, with the
                targets empty.
            extra: ``"ignore"`` to pass over columns that ``fit`` did not see.
            resample, mend: as in ``fit``.

        Returns:
            A row per series, step and target: ``series`` (where there are several), ``timestamp``,
            ``target``, ``mean`` and a column ``q0.05`` … for each level.

        Raises:
            NotFittedError: before ``fit``.
            DataError: missing or extra columns, another frequency, too few rows.
        """
        self._check_fitted("predict")
        table = self._read(data, need_targets=True, extra=extra, resample=resample, mend=mend)
        table, origins, short = self._future(table)
        if short:
            warnings.warn(
                f"{table.source}: no forecast for {len(short)} series with fewer rows than the context of "
                f"{self.network_.spec.context}: {', '.join(short[:5])}{' …' if len(short) > 5 else ''}",
                GateworkWarning,
                stacklevel=2,
            )
        windows = self._windows(table, origins - self.network_.spec.context, with_future=False)
        mean, quantiles = self._forecasts(windows)
        return self._frame(table, origins, mean, quantiles)

    def evaluate(
        self,
        data: Any,
        *,
        stride: int = 1,
        extra: str = "error",
        resample: str | None = None,
        mend: bool = False,
    ) -> Evaluation:
        """Scores of a rolling-origin backtest over ``data``, beside the naive forecasts.

        Every window of ``context + horizon`` rows of each series is forecast, its origin moving on by
        ``stride`` rows.

        Raises:
            DataError: fewer rows than ``context + horizon``, or columns that do not fit.
        """
        self._check_fitted("evaluate")
        table = self._read(data, need_targets=True, extra=extra, resample=resample, mend=mend)
        return self._evaluate(table, self._backtest_windows(table, stride))

    def backtest(
        self,
        data: Any,
        *,
        stride: int = 1,
        extra: str = "error",
        resample: str | None = None,
        mend: bool = False,
    ) -> Backtest:
        """The forecasts that ``evaluate`` scores, as arrays in the targets' units."""
        self._check_fitted("backtest")
        table = self._read(data, need_targets=True, extra=extra, resample=resample, mend=mend)
        windows = self._backtest_windows(table, stride)
        mean, quantiles = self._forecasts(windows)
        origins = windows.starts.numpy() + windows.context
        rows = origins[:, None] + np.arange(windows.horizon)
        return Backtest(mean, quantiles, table.targets[rows], table.times(origins), origins)

    def embed(
        self,
        data: Any,
        *,
        stride: int = 1,
        extra: str = "error",
        resample: str | None = None,
        mend: bool = False,
    ) -> pl.DataFrame:
        """The encoder's last state of every window of ``data``: an embedding to cluster or compare.

        Args:
            data: a table as ``evaluate`` takes it; its windows are those that ``evaluate`` scores.
            stride: rows from window to window.
            extra, resample, mend: as in ``predict``.

        Returns:
            A row per window and target: ``series`` (where there are several), ``timestamp`` (the last row
            read), ``target`` and ``embedding``, ``hidden_size`` numbers.

        Raises:
            NotFittedError: before ``fit``.
            DataError: fewer rows than ``context + horizon``, or columns that do not fit.
        """
        self._check_fitted("embed")
        table = self._read(data, need_targets=True, extra=extra, resample=resample, mend=mend)
        windows = self._backtest_windows(table, stride)
        last = windows.starts.numpy() + windows.context - 1
        return embedding_frame(table, windows, last, encoder_states(self.network_, windows))

    def stream(self) -> ForecastStream:
        """An empty stream: push observations one by one, get a forecast after each."""
        self._check_fitted("stream")
        horizon = Horizon(self.network_.spec, self.network_.state_dict())
        return ForecastStream(
            horizon, self.encoder_, self.calibration_, threads=torch.get_num_threads()
        )

    # ---- compared -----------------------------------------------------------------------------------

    def judged(self, prepared: ForecastData, *, baselines: bool = True) -> Judged:
        """Absolute errors of the test windows, beside those of the naive forecasts."""
        return for_comparison.judged(prepared, self.judge_, self._forecasts, baselines=baselines)

    def observations(self, prepared: ForecastData, count: int) -> list[tuple[Any, ...]]:
        """The last rows of the longest series; a stream answers after ``context`` of them."""
        return for_comparison.observations(prepared, prepared.context + count)

    def remarks(self, prepared: ForecastData) -> list[str]:
        """How many steps the recurrence takes."""
        return for_comparison.remarks(prepared, self.network_.spec.segment)

    # ---- inside -------------------------------------------------------------------------------------

    def _read(
        self,
        data: Any,
        *,
        need_targets: bool,
        extra: str,
        resample: str | None = None,
        mend: bool,
    ) -> SeriesTable:
        if extra not in ("error", "ignore"):
            raise ConfigError(f"extra must be 'error' or 'ignore'; got {extra!r}.")
        raw: Table = read_table(data)
        schema = self.encoder_.schema
        check_columns(raw, schema, need_targets=need_targets, extra=cast("Any", extra))
        frequency = self.encoder_.frequency
        return arrange(raw, schema, frequency=frequency, resample=resample, mend=mend)

    def _backtest_windows(self, table: SeriesTable, stride: int) -> Windows:
        if type(stride) is not int or stride < 1:
            raise ConfigError(f"stride must be a whole number of rows, at least 1; got {stride!r}.")
        spec = self.network_.spec
        starts = window_starts(
            table.offsets[:-1],
            table.offsets[1:],
            table.offsets[:-1],
            context=spec.context,
            horizon=spec.horizon,
            stride=stride,
        )
        if not len(starts):
            raise DataError(
                f"{table.source}: {int(np.diff(table.offsets).max())} rows are fewer than context + horizon "
                f"= {spec.context} + {spec.horizon} = {spec.context + spec.horizon}, which a backtest needs. "
                "Give earlier rows too."
            )
        windows = self._windows(table, starts, with_future=True)
        kept = with_any_observed(windows.sequences, starts, spec.context, spec.horizon)
        return Windows(windows.sequences, spec.context, spec.horizon, kept)

    def _windows(
        self, table: SeriesTable, starts: npt.NDArray[np.int64], *, with_future: bool
    ) -> Windows:
        spec = self.network_.spec
        return Windows(
            self.encoder_.encode(table), spec.context, spec.horizon, starts, with_future=with_future
        )

    def _raw_forecasts(self, windows: Windows) -> tuple[Array, Array, Array]:
        """Mean ``(W, h, K)``, quantiles ``(W, h, K, Q)``, not calibrated, and spread ``(W, K)`` of the
        windows; all standardised."""
        if self.network_.training:
            self.network_.eval()
        spec = self.network_.spec
        shape = (0, spec.horizon, spec.targets)
        means: list[npt.NDArray[Any]] = [np.empty(shape, np.float32)]
        quantiles: list[npt.NDArray[Any]] = [np.empty((*shape, len(spec.levels)), np.float32)]
        spreads: list[npt.NDArray[Any]] = [np.empty((0, spec.targets))]
        with torch.inference_mode():
            for batch in windows.batches(EVALUATION_BATCH):
                forecast = self.network_(batch)
                means.append(forecast.mean.numpy())
                quantiles.append(forecast.quantiles.numpy())
                spreads.append(window_spread(batch.y.numpy()))
        return np.concatenate(means), np.concatenate(quantiles), np.concatenate(spreads)

    def _forecasts(self, windows: Windows) -> tuple[Array, Array]:
        """Mean and calibrated quantiles in the targets' units."""
        mean, quantiles, spread = self._raw_forecasts(windows)
        if self.calibration_ is not None:
            quantiles = self.calibration_.apply(quantiles, spread)
        scale = windows.sequences.scale.numpy()[windows.series.numpy()][:, None]
        location = windows.sequences.location.numpy()[windows.series.numpy()][:, None]
        return mean * scale + location, quantiles * scale[..., None] + location[..., None]

    def _evaluate(self, table: SeriesTable, windows: Windows) -> Evaluation:
        return self.judge_.evaluate(table, windows, self._forecasts)

    def _future(self, table: SeriesTable) -> tuple[SeriesTable, npt.NDArray[np.int64], list[str]]:
        """The table with ``horizon`` rows after each series' last observation, and their first rows."""
        spec = self.network_.spec
        return extend(
            table,
            context=spec.context,
            horizon=spec.horizon,
            holes_known=self.encoder_.missing["known"],
        )

    def _frame(
        self, table: SeriesTable, origins: npt.NDArray[np.int64], mean: Array, quantiles: Array
    ) -> pl.DataFrame:
        W, h, K = mean.shape
        rows = (origins[:, None] + np.arange(h)).ravel()
        # Series, not a dictionary: polars takes a tenth of a millisecond to look into one.
        columns: list[pl.Series] = []
        if table.schema.series is not None:
            index = np.searchsorted(table.offsets, origins, side="right") - 1
            names = [table.names[i] for i in index for _ in range(h * K)]
            columns.append(pl.Series("series", names))
        columns.append(table.times(np.repeat(rows, K)).alias("timestamp"))
        columns.append(pl.Series("target", list(table.schema.targets) * (W * h)))
        columns.append(pl.Series("mean", mean.ravel()))
        for q, level in enumerate(self.network_.spec.levels):
            columns.append(pl.Series(f"q{level:g}", quantiles[..., q].ravel()))
        return pl.DataFrame(columns)

    def _predict_latency_ms(self, prepared: ForecastData) -> float:
        """Median time of one forecast of the network, window in, quantiles out."""
        windows = Windows(
            prepared.train.sequences,
            prepared.context,
            self.config.horizon,
            prepared.train.starts.numpy()[:1],
        )
        seconds = []
        for _ in range(20):
            started = time.perf_counter()
            self._forecasts(windows)
            seconds.append(time.perf_counter() - started)
        return 1e3 * float(np.median(seconds))

    def _card(self) -> str:
        return forecast_card(self.metrics_)

    # ---- saving -------------------------------------------------------------------------------------

    def _parts(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Tensor]]:
        preprocessing = {
            "encoder": self.encoder_.to_json(),
            "judge": self.judge_.to_json(),
            "calibration": None if self.calibration_ is None else self.calibration_.kind,
        }
        tensors = dict(self.judge_.tensors())
        if self.calibration_ is not None:
            tensors["calibration"] = torch.from_numpy(self.calibration_.offsets)
        return spec_to_json(self.network_.spec), preprocessing, tensors

    def _from_parts(
        self,
        network: dict[str, Any],
        preprocessing: dict[str, Any],
        tensors: dict[str, Tensor],
        weights: dict[str, Tensor],
    ) -> None:
        spec = spec_from_json(HorizonSpec, network)
        check_spec(spec)
        if (spec.horizon, spec.levels) != (self.config.horizon, self.config.levels):
            raise ValueError("the network has another horizon or levels than the settings")
        self.encoder_ = TableEncoder.from_json(preprocessing["encoder"])
        self.network_ = build_checked(lambda: HorizonNetwork(spec), weights)
        shape = (spec.horizon, spec.targets, len(spec.levels))
        kind = preprocessing["calibration"]
        self.calibration_ = None
        if kind is not None:
            offsets = tensors.pop("calibration").numpy()
            self.calibration_ = Calibration.checked(kind, offsets, shape, self.network_.spec.levels)
        self.judge_ = Judge.from_parts(preprocessing["judge"], tensors, shape)
