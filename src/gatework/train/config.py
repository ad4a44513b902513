"""Settings of the training loop, shared by every task."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TrainConfig(BaseModel):
    """How a network is trained; every field is a keyword of the estimators and an option of `fit`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    max_epochs: int = Field(20, ge=1, description="Epochs at most; of 100 to 2000 batches each.")
    patience: int = Field(
        3, ge=1, description="Stop after this many epochs without a better validation score."
    )
    max_seconds: float | None = Field(
        None, gt=0, description="Stop training after this many seconds, within an epoch too."
    )
    batch_size: int = Field(64, ge=1, description="Windows in a batch.")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="AdamW's step size at its highest.")
    warmup_epochs: int = Field(
        3, ge=0, description="Epochs at the full learning rate before it decays."
    )
    lr_decay: float = Field(
        0.8, gt=0, le=1, description="Learning rate times this after each epoch past the warm-up."
    )
    weight_decay: float = Field(0.0, ge=0, description="AdamW's decoupled weight decay.")
    clip_norm: float = Field(1.0, gt=0, description="Gradients are scaled down to this norm.")
    ema: float = Field(
        0.995,
        ge=0,
        lt=1,
        description="Decay per step of the averaged weights that are judged and kept; 0: no averaging.",
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, description="Same seed, same data, same bits.")
