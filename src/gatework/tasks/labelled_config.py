"""Settings of what labels sequences, and how those that are left open are found from the data."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from gatework.errors import nearest
from gatework.levels import check_levels
from gatework.runtime.horizon_spec import check_rates
from gatework.runtime.sequence_spec import SEQUENCE_CELLS
from gatework.train.config import TrainConfig

RATES = ("recurrent_dropout", "zoneout", "weight_drop")


class LabelledConfig(TrainConfig):
    """What classifiers, regressors and taggers share; what is ``None`` is found from the data."""

    cell: str = Field(
        "lstm",
        description="Recurrent cell, or a feedforward network to compare with; "
        "`gatework cells` says what they are.",
        json_schema_extra={"enum": list(SEQUENCE_CELLS)},
    )
    hidden_size: int = Field(128, ge=2, le=8192, description="Units of a recurrent layer.")
    num_layers: int = Field(1, ge=1, le=16, description="Recurrent layers on top of each other.")
    causal: bool = Field(
        False,
        description="One direction only: every step's answer depends on nothing later, so that the model "
        "can run on a stream.",
    )
    embedding_size: int = Field(128, ge=1, le=8192, description="Size of a token's vector.")
    convolutions: int | None = Field(
        None,
        ge=0,
        le=8,
        description="Convolutions before the recurrence; found from kind and length.",
    )
    filters: int = Field(64, ge=1, le=4096, description="Channels of a convolution.")
    subsample: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Steps of the data for one of the recurrence, a power of 2; found from the length.",
    )
    dropout: float = Field(
        0.4, ge=0, lt=1, description="Dropout of embeddings and before the head."
    )
    word_dropout: float = Field(
        0.1, ge=0, lt=1, description="Share of words that are unknown while training."
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
    augment: float = Field(
        1.0, ge=0, le=4, description="How far training data are changed at random; 0: not at all."
    )
    members: int = Field(
        1, ge=1, le=64, description="Networks whose mean answers; trained at once."
    )
    folds: int | None = Field(
        None,
        ge=0,
        le=20,
        description="Cross-validation: each of so many networks leaves a fold out, and their mean answers. "
        "0: a validation part; 5 where there are few data.",
    )
    tokens: Literal["words", "characters", "pieces"] = Field(
        "words", description="What a step of a text is; pieces are byte-pair tokens."
    )
    rate: int | None = Field(
        None, ge=1000, le=384_000, description="Samples a second to work at; found from the files."
    )
    bands: int = Field(40, ge=4, le=256, description="Mel bands of a sound's frame.")
    normalize: Literal["item", "set"] | None = Field(
        None,
        description="Scales of sound: `item`, of each recording by itself, or `set`, of the training part; "
        "found: `item` where groups, such as speakers, are kept apart.",
    )
    trim: bool = Field(True, description="Cut silence off at both ends, where normalize is `item`.")
    read_by: Literal["rows", "columns"] = Field("rows", description="What a step of an image is.")
    frame_size: int = Field(32, ge=8, le=256, description="Height and width of a video's frames.")
    max_frames: int = Field(64, ge=1, le=100_000, description="Frames of a video at most.")

    max_epochs: int = Field(60, ge=1, description="Epochs at most, of 20 batches at least.")
    patience: int = Field(
        12, ge=1, description="Stop after this many epochs without a better validation score."
    )
    batch_size: int | None = Field(  # type: ignore[assignment]
        None,
        ge=1,
        description="Sequences of typical length in a batch, of shorter ones more; found from their number.",
    )
    learning_rate: float = Field(2e-3, gt=0, le=1, description="AdamW's step size at its highest.")
    warmup_epochs: int = Field(
        10, ge=0, description="Epochs at the full learning rate before it decays."
    )
    lr_decay: float = Field(
        0.92, gt=0, le=1, description="Learning rate times this after each epoch past the warm-up."
    )
    weight_decay: float = Field(0.01, ge=0, description="AdamW's decoupled weight decay.")
    clip_norm: float = Field(2.0, gt=0, description="Gradients are scaled down to this norm.")
    ema: float = Field(
        0.98,
        ge=0,
        lt=1,
        description="Decay per step of the averaged weights that are judged and kept; 0: no averaging.",
    )

    @field_validator("cell")
    @classmethod
    def _cell(cls, cell: str) -> str:
        if cell not in SEQUENCE_CELLS:
            raise ValueError(
                f"must be a cell that reads sequences step by step; got {cell!r}. "
                f"{nearest(cell, SEQUENCE_CELLS)} `gatework cells` says what they are"
            )
        return cell

    @field_validator("subsample")
    @classmethod
    def _power_of_two(cls, subsample: int | None) -> int | None:
        if subsample is not None and subsample & (subsample - 1):
            raise ValueError(f"must be a power of 2; got {subsample}")
        return subsample

    @model_validator(mode="after")
    def _rates(self) -> Self:
        rates = {name: getattr(self, name) for name in RATES}
        if self.cell != "mlstm":
            check_rates(self.cell, **rates)
        elif any(rates.values()):
            used = " and ".join(name for name, rate in rates.items() if rate)
            raise ValueError(f"cell='mlstm' has no {used}. Use dropout instead, or another cell")
        if self.folds == 1:
            raise ValueError("folds must be 0, or 2 and more; got 1")
        if self.folds and self.members > 1:
            raise ValueError(
                f"each fold is a member, so members={self.members} cannot go with folds={self.folds}; "
                "leave one of them out"
            )
        if self.normalize == "item" and self.causal:
            raise ValueError(
                "normalize='item' needs the whole recording, causal=True must do without; give one of them"
            )
        return self


class ClassifyConfig(LabelledConfig):
    """Settings of a classifier; the defaults work."""

    pooling: Literal["last", "mean", "max", "attention", "mean_max"] = Field(
        "attention", description="How the steps become one vector."
    )
    label_smoothing: float = Field(
        0.05, ge=0, lt=1, description="Share of the truth that is spread over all classes."
    )
    mixup: float = Field(
        0.0,
        ge=0,
        le=10,
        description="Mix sequences in pairs, in shares drawn from Beta(this, this).",
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="`balanced`: errors of rare classes weigh more in training."
    )
    focal: float = Field(
        0.0,
        ge=0,
        le=10,
        description="Focal loss: how much less weigh examples that are right already.",
    )


class TagConfig(LabelledConfig):
    """Settings of a tagger; the defaults work."""

    crf: bool | None = Field(
        None,
        description="Linear-chain random field over the labels; on where they are spans (B-, I-).",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Share of the truth that is spread over all classes."
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="`balanced`: errors of rare labels weigh more in training."
    )
    focal: float = Field(
        0.0,
        ge=0,
        le=10,
        description="Focal loss: how much less weigh steps that are right already.",
    )


class RegressConfig(LabelledConfig):
    """Settings of a regressor; the defaults work."""

    pooling: Literal["last", "mean", "max", "attention", "mean_max"] = Field(
        "attention", description="How the steps become one vector."
    )
    levels: tuple[float, ...] = Field(
        (0.05, 0.25, 0.5, 0.75, 0.95), description="Quantiles to tell, with 0.5."
    )

    @field_validator("levels")
    @classmethod
    def _levels(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        return check_levels(levels)


FEW = 1500  # sequences below which cross-validation costs little and a validation part too much
SHORT = 20  # steps; shorter sequences need no convolution
GOAL = (
    128  # steps that a recurrence should have to go, at most, where the signal allows to shorten it
)


def default_folds(config: LabelledConfig, sequences: int, has_validation: bool) -> int:
    """Folds of the cross-validation, 0 for a validation part."""
    if config.folds is not None:
        return config.folds
    few = sequences < FEW and not has_validation and config.members == 1
    return 5 if few else 0


def default_convolutions(
    config: LabelledConfig, kind: str, typical: float, per_step: bool
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Filters, widths and strides of the convolutions, for sequences of a typical length."""
    signal = kind in ("series", "audio", "strokes", "images")
    count = config.convolutions
    if count is None:
        count = 0 if per_step or not signal or typical < SHORT else 3 if kind == "series" else 2
    subsample = config.subsample
    if subsample is None:
        subsample = 1
        while count and not per_step and typical / subsample > GOAL and subsample < 2**count:
            subsample *= 2
    count = max(count, subsample.bit_length() - 1)
    strides = [2 if 2 ** (k + 1) <= subsample else 1 for k in range(count)]
    widths = [(7, 5, 3, 3, 3, 3, 3, 3)[k] if kind == "series" else 5 for k in range(count)]
    return (config.filters,) * count, tuple(widths), tuple(strides)


def batch_sequences(config: LabelledConfig, sequences: int) -> int:
    """Sequences of typical length in a batch: a 64th of all, as a power of two from 8 to 64."""
    if config.batch_size is not None:
        return config.batch_size
    return int(np.clip(2 ** int(np.log2(max(sequences / 64, 1))), 8, 64))
