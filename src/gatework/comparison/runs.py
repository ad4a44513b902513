"""One training of a comparison, and what all trainings on one context share."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.tasks.judged import Judged

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass
class Run:
    """One cell trained with one seed, and what came of it."""

    cell: str
    seed: int
    context: int | None
    hidden_size: int | None
    parameters: int | None = None
    failure: str | None = None  # the message, where it failed
    score: float | None = None
    seconds: float | None = None  # of the training, validation included
    epochs: int | None = None
    best_epoch: int | None = None
    epoch_seconds: float | None = None  # median over its epochs, validation not included
    stopped: str | None = None
    cpu_share: float | None = None  # processor time over wall-clock time of the training
    push_us: float | None = None  # of a step of its stream, on one thread
    peak_mib: float | None = None  # of resident memory while it trained
    items: Array | None = None  # (W,) shares of the score

    @property
    def name(self) -> str:
        """What the run is called, in a folder too."""
        context = "" if self.context is None else f"-context{self.context}"
        return f"{self.cell}-seed{self.seed}{context}"

    def facts(self) -> dict[str, Any]:
        """All but the items, as plain values."""
        return {k: v for k, v in asdict(self).items() if k != "items"}

    def to_json(self) -> dict[str, Any]:
        """All of it; items with seven digits, which is what float32 holds."""
        return self.facts() | {"items": _short(self.items)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Run:
        """What ``to_json`` wrote; TypeError when it is something else."""
        items = data.pop("items")
        return cls(**data, items=None if items is None else np.array(items, float))


@dataclass
class Test:
    """The test part: its score, the naive answers, and which items belong together."""

    __test__ = False  # nothing for pytest

    name: str
    text: str
    lower_is_better: bool
    item: str
    baselines: dict[str, float]
    baseline_items: dict[str, Array] = field(default_factory=dict)
    blocks: IntArray | None = None
    remarks: list[str] = field(default_factory=list)
    data: str = ""  # fingerprint of the prepared data

    @classmethod
    def of(cls, judged: Judged, remarks: list[str], data: str) -> Test:
        """What of a judgement does not depend on the model."""
        return cls(
            judged.name,
            judged.text,
            judged.lower_is_better,
            judged.item,
            dict(judged.baselines),
            {k: np.asarray(v, float) for k, v in judged.baseline_items.items()},
            judged.blocks,
            remarks,
            data,
        )

    @property
    def best_baseline(self) -> str | None:
        """The naive answer that is hardest to beat."""
        if not self.baselines:
            return None
        sign = 1 if self.lower_is_better else -1
        return min(self.baselines, key=lambda n: (sign * self.baselines[n], n))

    @property
    def number_of_items(self) -> int | None:
        """W, where the task tells."""
        return None if self.blocks is None else len(self.blocks)

    @property
    def number_of_blocks(self) -> int | None:
        """G, where the task tells."""
        return None if self.blocks is None else len(np.unique(self.blocks))

    def to_json(self) -> dict[str, Any]:
        """All of it, as plain values."""
        plain = asdict(self)
        plain["baseline_items"] = {k: _short(v) for k, v in self.baseline_items.items()}
        plain["blocks"] = None if self.blocks is None else self.blocks.tolist()
        return plain

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Test:
        """What ``to_json`` wrote; TypeError or KeyError when it is something else."""
        items = {k: np.array(v, float) for k, v in data.pop("baseline_items").items()}
        blocks = data.pop("blocks")
        return cls(
            **data,
            baseline_items=items,
            blocks=None if blocks is None else np.array(blocks, np.int64),
        )


def _short(values: Array | None) -> list[float] | None:
    return None if values is None else [float(f"{v:.7g}") for v in values]
