"""A fitted model's main score, item by item: what a comparison of cells asks of every task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Judged:
    """The main score of one fit on the test part, beside the field's naive answers.

    ``items`` are shares of the score whose mean is the score, one for each of W test items, in an order that
    depends on the data alone.  A task whose score is no mean leaves them out, and cells are then compared
    over seeds alone.  Items of the same block may depend on each other, those of different blocks should
    not.
    """

    name: str  # such as MAE
    text: str  # what it is, in words
    score: float
    lower_is_better: bool = True
    baselines: Mapping[str, float] = field(default_factory=dict)
    item: str = "test item"  # what one is called
    items: Array | None = None  # (W,)
    baseline_items: Mapping[str, Array] = field(default_factory=dict)
    blocks: IntArray | None = None  # (W,)
