"""Invented histories that the tests of detectors share, small enough to be learned in a second."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

SMALL: dict[str, Any] = {"hidden_size": 8, "max_epochs": 2}
ROWS = 400


def readings(rows: int = ROWS, seed: int = 0, odd: Any = (), minutes: int = 1) -> pl.DataFrame:
    """A wave and noise about 20 with a time and a label; odd rows are far out in both."""
    rng = np.random.default_rng(seed)
    label = np.isin(np.arange(rows), odd)
    wave = np.sin(np.arange(rows) / 8) + rng.normal(0, 0.1, rows)
    start = datetime(2024, 1, 1)
    return pl.DataFrame(
        {
            "time": [start + timedelta(minutes=minutes * k) for k in range(rows)],
            "load": np.where(label, 6.0, wave),
            "heat": np.where(label, 30.0, 20 + rng.normal(0, 1, rows)),
            "label": label.astype(int),
        }
    )


def rows_alone(rows: int = 600, odd: Any = ()) -> pl.DataFrame:
    """Rows that have nothing to do with one another: b follows a, but for odd rows."""
    rng = np.random.default_rng(1)
    a = rng.normal(0, 1, rows)
    b = 2 * a + rng.normal(0, 0.1, rows)
    b[list(odd)] = 9 * np.sign(-a[list(odd)])
    return pl.DataFrame({"a": a, "b": b, "c": rng.choice(["x", "y"], rows)})


def session(k: int, odd: bool = False) -> list[str]:
    middle = ["read", "write", "seek"][: 1 + k % 3]
    return ["close", "crash", "open"] if odd else ["open", *middle, "close"]
