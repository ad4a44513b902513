"""Settings of a detector, and how those that are left open are found from the data."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from gatework.errors import nearest
from gatework.levels import check_levels
from gatework.runtime.detect_spec import DETECT_CELLS
from gatework.train.config import TrainConfig

ThresholdKind = Literal["evt", "dspot", "conformal", "rate", "dynamic", "labels"]


class DetectConfig(TrainConfig):
    """Settings of a detector; the defaults work, and what is ``None`` is found from the data."""

    method: Literal["forecast", "reconstruct", "variational"] | None = Field(
        None,
        description="What a row is compared with: a forecast from the rows before it, or itself rebuilt from a "
        "few numbers. Forecast where the order of the rows tells something, else reconstruct.",
    )
    cell: str = Field(
        "lstm",
        description="Recurrent cell; `gatework cells` says what they are.",
        json_schema_extra={"enum": list(DETECT_CELLS)},
    )
    hidden_size: int = Field(64, ge=1, le=8192, description="Units of a recurrent layer.")
    num_layers: int = Field(1, ge=1, le=16, description="Recurrent layers on top of each other.")
    window: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="Rows of a piece in training; of a rebuilding network those that it rebuilds together.",
    )
    latent_size: int | None = Field(
        None, ge=1, le=8192, description="Numbers that a rebuilt window is squeezed through."
    )
    levels: tuple[float, ...] = Field(
        (0.05, 0.25, 0.5, 0.75, 0.95), description="Quantiles to expect, with 0.5."
    )
    calendar: bool | None = Field(
        None,
        description="Time of day and of week as inputs; on where the history spans two of them.",
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout before the output layer.")
    input_dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Share of the values hidden from a network that rebuilds them, 0.1 when absent.",
    )
    recurrent_dropout: float = Field(
        0.0, ge=0, lt=1, description="Dropout of the output on its way to the next step."
    )
    zoneout: float = Field(
        0.0, ge=0, lt=1, description="Share of units that keep their old value in a step."
    )
    weight_drop: float = Field(
        0.0, ge=0, lt=1, description="Share of the recurrent weights left out of each batch."
    )
    trim: float = Field(
        0.01,
        ge=0,
        le=0.5,
        description="Share of the rows of a batch, those with the largest loss, that is not learned from: "
        "history is seldom free of anomalies.",
    )
    threshold: ThresholdKind = Field(
        "evt",
        description="How the threshold is set: extreme values (evt; dspot where scores drift), conformal "
        "p-values, a wished rate of alarms, the dynamic rule of Hundman et al., or by labels.",
    )
    risk: float | None = Field(
        None,
        gt=0,
        le=0.25,
        description="Share of normal rows, or sessions, that may be alarmed. One in 1,000 in time; of rows on "
        "their own five in 100, of sessions one.",
    )
    alarms_per_day: float | None = Field(
        None, gt=0, description="Alarms a day that are wished for; sets the threshold to `rate`."
    )
    adaptive: bool = Field(True, description="The threshold goes on learning in the stream.")
    smoothing: float | None = Field(
        None,
        ge=1,
        le=10_000,
        description="Rows over which surprise is averaged; at even times 3 of several channels and 5 of one, "
        "else 1.",
    )
    adapt: float | None = Field(
        None,
        ge=0,
        description="Rows after which a channel's usual surprise is half forgotten: one that drifted away is "
        "silenced. 300 of rows at even times (1000 with a slow mean) and 1000 of log lines; 0 switches it off.",
    )
    level: float | None = Field(
        None,
        ge=0,
        description="Rows after which a slow mean has half forgotten, against which channels are set too, so "
        "that what lasts stays odd. 100 of four and more channels at even times; 0 switches it off.",
    )
    top: int | None = Field(
        None,
        ge=1,
        description="Most surprising channels of a row that count; 0.7 times the root of their number, "
        "of a log one.",
    )
    warmup: int | None = Field(
        None,
        ge=0,
        description="First rows of a series that are scored and not alarmed; 20 at even times and of a log "
        "without sessions.",
    )
    hysteresis: float = Field(
        0.7, gt=0, le=1, description="An alarm goes on down to this share of its threshold."
    )
    gap: int = Field(5, ge=0, description="Rows without alarm that still join two alarms into one.")
    batch_size: int | None = Field(  # type: ignore[assignment]
        None, ge=1, description="Pieces in a batch; found from their kind."
    )
    learning_rate: float = Field(2e-3, gt=0, le=1, description="AdamW's step size at its highest.")

    @field_validator("levels")
    @classmethod
    def _levels(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if len(check_levels(levels)) < 3:
            raise ValueError(f"a detector needs levels on both sides of 0.5; got {levels}")
        return tuple(levels)

    @field_validator("cell")
    @classmethod
    def _cell(cls, cell: str) -> str:
        if cell not in DETECT_CELLS:
            raise ValueError(
                f"must be a cell that a detector can have; got {cell!r}. "
                f"{nearest(cell, DETECT_CELLS)} `gatework cells` says what they are"
            )
        return cell

    @field_validator("adapt", "level")
    @classmethod
    def _rows(cls, rows: float | None) -> float | None:
        if rows is not None and 0 < rows < 1:
            raise ValueError(f"must be 0 or at least 1 row; got {rows}")
        return rows

    @model_validator(mode="after")
    def _rate(self) -> Self:
        if self.threshold == "rate" and self.alarms_per_day is None:
            raise ValueError("threshold 'rate' needs alarms_per_day (--alarms-per-day)")
        return self

    @property
    def kind(self) -> str:
        """Of the threshold."""
        return "rate" if self.alarms_per_day is not None else self.threshold
