"""Settings of a forecaster, and how those that are left open are found from the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from gatework.errors import nearest
from gatework.levels import check_levels
from gatework.runtime.horizon_spec import HORIZON_CELLS, check_rates
from gatework.train.config import TrainConfig


class ForecastConfig(TrainConfig):
    """Settings of a forecaster; the defaults work, and what is ``None`` is found from the data."""

    horizon: int = Field(24, ge=1, le=100_000, description="Steps to forecast.")
    context: int | None = Field(
        None, ge=1, le=1_000_000, description="Steps looked back; found from season and horizon."
    )
    cell: str = Field(
        "lstm",
        description="Recurrent cell, or a feedforward network to compare with; "
        "`gatework cells` says what they are.",
        json_schema_extra={"enum": list(HORIZON_CELLS)},
    )
    hidden_size: int = Field(128, ge=2, le=8192, description="Units of a recurrent layer.")
    num_layers: int = Field(1, ge=1, le=16, description="Recurrent layers on top of each other.")
    segment: int | None = Field(
        None, ge=1, description="Steps read at once; 1 reads step by step. Found from the season."
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="Dropout before the output layer.")
    recurrent_dropout: float = Field(
        0.0, ge=0, lt=1, description="Dropout of the output on its way to the next step."
    )
    zoneout: float = Field(
        0.0, ge=0, lt=1, description="Share of units that keep their old value in a step."
    )
    weight_drop: float = Field(
        0.0, ge=0, lt=1, description="Share of the recurrent weights left out of each batch."
    )
    normalize: Literal["last", "standard", "none"] = Field(
        "last",
        description="What each window is rid of: its last value, its mean and deviation, or nothing.",
    )
    levels: tuple[float, ...] = Field(
        (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95), description="Quantiles to forecast, with 0.5."
    )
    calendar: bool = Field(
        False, description="Hour, weekday, time of year as inputs that are known over the horizon."
    )
    calibrate: bool | None = Field(
        None,
        description="Conformal calibration on the validation part; on where it has enough windows.",
    )
    batch_size: int | None = Field(  # type: ignore[assignment]
        None, ge=1, description="Windows in a batch; found from their number."
    )

    @field_validator("levels")
    @classmethod
    def _levels(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        return check_levels(levels)

    @field_validator("cell")
    @classmethod
    def _cell(cls, cell: str) -> str:
        if cell not in HORIZON_CELLS:
            raise ValueError(
                f"must be a cell that a forecaster can have; got {cell!r}. "
                f"{nearest(cell, HORIZON_CELLS)} `gatework cells` says what they are"
            )
        return cell

    @model_validator(mode="after")
    def _rates(self) -> Self:
        check_rates(
            self.cell,
            recurrent_dropout=self.recurrent_dropout,
            zoneout=self.zoneout,
            weight_drop=self.weight_drop,
        )
        return self


def default_context(longest: int, seasons: Sequence[int], horizon: int) -> int:
    """Two of the longest season that a calendar suggests and the data can hold, or four horizons."""
    usable = [s for s in seasons if 2 * s <= longest // 3]
    wished = max(2 * max(usable, default=0), 4 * horizon)
    # Training must keep windows enough to learn from: a context takes at most a third of the rows.
    limit = max((longest - 3 * horizon) // 3, min(2, longest - 3 * horizon), 1)
    return min(wished, limit)


def default_segment(context: int, season: int) -> int:
    """Steps read at once: a season where four fit into the context, else a sixth of it at most 24."""
    if context < 24:
        return 1
    if 4 <= season <= 48 and context >= 2 * season:
        return season
    return min(24, max(2, context // 6))


def batch_size(config: ForecastConfig, windows: int) -> int:
    """Windows in a batch: a 250th of them, as a power of two from 16 to 256.

    Small batches generalise better here: on ETTh1's validation part 32 windows beat 256 in every setting.
    """
    if config.batch_size is not None:
        return config.batch_size
    return int(np.clip(2 ** int(np.log2(max(windows / 250, 1))), 16, 256))
