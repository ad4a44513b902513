"""What ``evaluate`` found, as a value: printed, compared, turned into a frame or JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl


@dataclass(frozen=True)
class ScoredEvaluation:
    """Scores beside those of simple answers; ``content`` is what ``metrics.json`` has under ``evaluation``."""

    content: dict[str, Any]

    column: ClassVar[str] = "answers"  # of the frame, what a row's scores are of
    own: ClassVar[str] = "model"  # what the model is called there

    @property
    def model(self) -> dict[str, Any]:
        """Scores of the model, under ``overall``, and what else there is of it."""
        found: dict[str, Any] = self.content["model"]
        return found

    @property
    def baselines(self) -> dict[str, dict[str, Any]]:
        """Scores of the simple answers."""
        found: dict[str, dict[str, Any]] = self.content["baselines"]
        return found

    @property
    def verdict(self) -> str:
        """Whether the model beats every simple answer, in one plain sentence."""
        return str(self.content["verdict"])

    def __getitem__(self, score: str) -> float:
        """One of the model's overall scores, such as ``accuracy`` or ``vus_pr``."""
        return float(self.model["overall"][score])

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return self.content

    def frame(self) -> pl.DataFrame:
        """One row for the model and each simple answer, one column per score."""
        rows = {self.own: self.model, **self.baselines}
        return pl.DataFrame([{self.column: name, **row["overall"]} for name, row in rows.items()])

    def __str__(self) -> str:
        with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True, float_precision=4):
            return f"{self.frame()}\n{self.verdict}"
