"""Regression: a number for each sequence, or one that every step tells, such as a remaining life."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from gatework.data.encoders.base import SequenceBatch
from gatework.data.ragged import Ragged
from gatework.data.sequences import SequenceSet
from gatework.nn.quantiles import expectation_weights
from gatework.nn.sequence import SequenceMember, SequenceNetwork
from gatework.tasks.labelled import Labeller, Names
from gatework.tasks.labelled_answers import Answers, name_column, step_columns
from gatework.tasks.labelled_config import RegressConfig
from gatework.tasks.labelled_data import LabelledData, Part
from gatework.tasks.labelled_objective import LabelledObjective
from gatework.train.losses import pinball, squared
from gatework.train.progress import Progress
from gatework.train.regression import regression_scores
from gatework.train.verdict import judged_beside

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class RegressObjective(LabelledObjective):
    """Squared error of the mean and pinball loss of the quantiles, of standardised targets."""

    config: RegressConfig

    def __init__(self, network: SequenceNetwork, data: LabelledData, config: RegressConfig) -> None:
        super().__init__(network, data, config)
        self._levels = torch.tensor(config.levels)
        self._mean = expectation_weights(config.levels)

    def member_loss(self, member: SequenceMember, batch: SequenceBatch) -> Tensor:
        """Mean over the numbers of a batch."""
        return self._loss(member(batch), batch.targets)

    def _loss(self, q: Tensor, truth: Tensor) -> Tensor:
        return squared(q @ self._mean, truth) + pinball(q, truth, self._levels)

    def score(self, answers: Tensor, part: Part) -> float:
        """The same loss."""
        return float(self._loss(answers, part.targets))


class SequenceRegressor(Labeller[RegressConfig]):
    """A number for each sequence, with quantiles.

    A target that varies within a series is learned at every step by a causal network, and what is foretold is
    the number at a series' last step: a remaining life needs no windows to be cut.

    >>> rng = np.random.default_rng(0)
    >>> levels = [n / 50 for n in range(30, 90)]
    >>> waves = [rng.normal(size=(40, 1)) + level for level in levels]
    >>> model = SequenceRegressor(hidden_size=8, max_epochs=10, folds=0).fit(waves, levels)
    >>> model.predict(waves[:2]).columns
    ['name', 'mean', 'q0.05', 'q0.25', 'q0.5', 'q0.75', 'q0.95']
    """

    name = "regress"
    Config = RegressConfig

    def fit(
        self,
        data: Any,
        labels: Any = None,
        *,
        target: str | None = None,
        text: str | None = None,
        series: str | None = None,
        time: str | None = None,
        features: Names = (),
        categorical: Names = (),
        group: Any = None,
        kind: str | None = None,
        time_format: str | None = None,
        split: Sequence[float] | None = None,
        validation: Any = None,
        test: Any = None,
        skip_bad: bool = False,
        checkpoint: str | Path | None = None,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> Self:
        """Train on sequences with numbers and judge on some that were left out.

        Args:
            data, labels: as :meth:`SequenceClassifier.fit` takes them, with numbers.
            target: column of the numbers; the other arguments as there.

        Raises:
            DataError, ConfigError: what is wrong, where, and what to do.
        """
        return self._fit_labelled(
            data,
            labels,
            checkpoint,
            resume,
            progress,
            label=target,
            text=text,
            series=series,
            time=time,
            features=features,
            categorical=categorical,
            group=group,
            kind=kind,
            time_format=time_format,
            split=split,
            validation=validation,
            test=test,
            skip_bad=skip_bad,
        )

    def _outputs(self, data: LabelledData) -> int:
        return len(self.config.levels)

    def _objective(self, prepared: LabelledData) -> RegressObjective:
        return RegressObjective(self.network_, prepared, self.config)

    def _settle(self, outputs: Tensor, part: Part) -> dict[str, Any] | None:
        return None

    def _answers(self, outputs: Tensor, offsets: IntArray) -> Answers:
        q = outputs.double().numpy() * self.scale_ + self.location_
        mean: Array = q @ expectation_weights(self.network_.spec.levels).double().numpy()
        return Answers(q, mean)

    def _evaluation(
        self, part: Part, answers: Answers, baselines: dict[str, Answers]
    ) -> dict[str, Any]:
        truth = part.targets.double().numpy() * self.scale_ + self.location_
        known = ~np.isnan(truth)
        sequence = np.arange(len(part))
        if part.sequences.per_step:
            sequence = np.repeat(sequence, part.ragged.lengths)

        def scores(found: Answers) -> dict[str, Any]:
            own = found is answers
            outer = found.values[known][:, [0, -1]] if own else None
            level = self.config.levels[-1] - self.config.levels[0]
            return regression_scores(
                found.chosen[known],
                truth[known],
                outer,
                level,
                groups=sequence[known],
                seed=self.config.seed,
            )

        return judged_beside("rmse", scores, answers, baselines, len(set(sequence[known])))

    def _frame(self, sequences: SequenceSet, ragged: Ragged, answers: Answers) -> pl.DataFrame:
        rows = slice(None)
        if self.network_.spec.per_step:
            rows = ragged.offsets[1:] - 1  # type: ignore[assignment]
        columns = [name_column(sequences), pl.Series("mean", answers.chosen[rows])]
        for k, level in enumerate(self.network_.spec.levels):
            columns.append(pl.Series(f"q{level:g}", answers.values[rows, k]))
        return pl.DataFrame(columns)

    def predict_steps(self, data: Any, *, skip_bad: bool = False) -> pl.DataFrame:
        """The number at every step, where the target was one for every step.

        Returns:
            ``name``, ``step`` from 0, ``mean`` and the quantiles.
        """
        self._check_fitted("predict_steps")
        sequences, ragged = self._read(data, need_labels=False, skip_bad=skip_bad)
        answers = self._ragged_answers(sequences, ragged)
        if not self.network_.spec.per_step:
            return self._frame(sequences, ragged, answers)
        columns = [*step_columns(sequences, ragged.offsets), pl.Series("mean", answers.chosen)]
        for k, level in enumerate(self.network_.spec.levels):
            columns.append(pl.Series(f"q{level:g}", answers.values[:, k]))
        return pl.DataFrame(columns)

    @property
    def _error_name(self) -> tuple[str, str]:
        return "MAE", "mean absolute error of the test sequences"

    def _errors(self, part: Part, answers: Answers) -> Array:
        truth = part.targets.double().numpy() * self.scale_ + self.location_
        error = np.abs(answers.chosen - truth)
        if not part.sequences.per_step:
            return error
        return np.array([np.nanmean(e) for e in np.split(error, part.ragged.offsets[1:-1])])
