"""The contestants, by name: one file each, which imports its library at its top.

A file holds one class `Contestant` in the shape that `contract.py` fixes.
"""

from __future__ import annotations

# name -> (module in this folder, distributions whose versions are printed)
CONTESTANTS = {
    "naive": ("naive", ()),
    "seasonal-naive": ("seasonal_naive", ()),
    "darts": ("darts_block_rnn", ("darts", "torch", "pytorch-lightning")),
    "neuralforecast": ("neuralforecast_lstm", ("neuralforecast", "torch", "pytorch-lightning")),
    "gatework": ("gatework_forecaster", ("gatework", "torch", "polars")),
    "gatework-equal": ("gatework_equal", ("gatework", "torch", "polars")),
}
