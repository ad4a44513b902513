"""Scores of labelled sequences as a value: printed, compared, turned into a frame or JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl


@dataclass(frozen=True)
class LabelledEvaluation:
    """What ``evaluate`` found; ``content`` is what ``metrics.json`` has under ``evaluation``."""

    content: dict[str, Any]

    @property
    def model(self) -> dict[str, Any]:
        """Scores of the model: ``overall``, ``intervals`` and, of classes, a row for each."""
        found: dict[str, Any] = self.content["model"]
        return found

    @property
    def baselines(self) -> dict[str, dict[str, Any]]:
        """Scores of the naive answers."""
        found: dict[str, dict[str, Any]] = self.content["baselines"]
        return found

    @property
    def verdict(self) -> str:
        """Whether the model beats every baseline, in one plain sentence."""
        return str(self.content["verdict"])

    def __getitem__(self, score: str) -> float:
        """One of the model's overall scores, such as ``accuracy``."""
        return float(self.model["overall"][score])

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return self.content

    def frame(self) -> pl.DataFrame:
        """One row for the model and each baseline, one column per score."""
        rows = {"model": self.model, **self.baselines}
        return pl.DataFrame([{"answers": name, **row["overall"]} for name, row in rows.items()])

    def __str__(self) -> str:
        with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True, float_precision=4):
            return f"{self.frame()}\n{self.verdict}"
