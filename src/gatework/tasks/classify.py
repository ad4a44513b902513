"""Classification: one class for each sequence, whatever it is made of and however long it is."""

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
from gatework.nn.sequence import Mix, SequenceMember, SequenceNetwork
from gatework.tasks.labelled import Labeller, Names
from gatework.tasks.labelled_answers import Answers, chosen_columns, name_column
from gatework.tasks.labelled_config import ClassifyConfig
from gatework.tasks.labelled_data import LabelledData, Part
from gatework.tasks.labelled_objective import LabelledObjective
from gatework.train.classification import classification_scores, expected_calibration_error
from gatework.train.kinds import fit_offsets, kind_weights
from gatework.train.label_losses import balanced_weights, class_loss
from gatework.train.progress import Progress
from gatework.train.temperature import calibrate
from gatework.train.verdict import judged_beside

Array = npt.NDArray[np.float64]


class ClassObjective(LabelledObjective):
    """Cross-entropy: smoothed, weighted, focal or mixed as the settings say."""

    config: ClassifyConfig

    def __init__(
        self, network: SequenceNetwork, data: LabelledData, config: ClassifyConfig
    ) -> None:
        super().__init__(network, data, config)
        self._weights = None
        if config.class_weights == "balanced":
            self._weights = balanced_weights(data.train.targets, len(data.classes))

    def member_loss(self, member: SequenceMember, batch: SequenceBatch) -> Tensor:
        """Mean over the sequences of a batch."""
        if not (self.config.mixup and member.training):
            return self._loss(member(batch), batch.targets).mean()
        B, alpha = len(batch), self.config.mixup
        share = torch.distributions.Beta(alpha, alpha).sample((B,))
        mix = Mix(torch.randperm(B), torch.maximum(share, 1 - share))
        logits = member(batch, mix)
        own, other = (
            self._loss(logits, batch.targets),
            self._loss(logits, batch.targets[mix.partner]),
        )
        return (mix.share * own + (1 - mix.share) * other).mean()

    def _loss(self, logits: Tensor, target: Tensor) -> Tensor:
        config = self.config
        return class_loss(
            logits,
            target,
            weights=self._weights,
            smoothing=config.label_smoothing,
            focal=config.focal,
        )

    def score(self, answers: Tensor, part: Part) -> float:
        """Log loss at the best temperature: an overconfident network is not a worse one, it is cooled."""
        return calibrate(answers.numpy(), part.targets.numpy()).log_loss


class SequenceClassifier(Labeller[ClassifyConfig]):
    """A class for each sequence: readings, motion, strokes, sound, text, images, video, events.

    >>> rng = np.random.default_rng(0)
    >>> waves = [np.sin(np.arange(n) * (1 + k % 2) / 3)[:, None] for k, n in enumerate(range(30, 90))]
    >>> labels = ["slow", "fast"] * 30
    >>> model = SequenceClassifier(hidden_size=8, max_epochs=10, folds=0).fit(waves, labels)
    >>> model.predict(waves[:2])["label"].to_list()
    ['slow', 'fast']
    """

    name = "classify"
    Config = ClassifyConfig

    def fit(
        self,
        data: Any,
        labels: Any = None,
        *,
        label: str | None = None,
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
        """Train on labelled sequences and judge on some that were left out.

        Args:
            data: a folder with a folder for each class, a manifest, a table, a file of sequences, a frame, or
                a list of arrays ``(T, F)``, texts or paths.
            labels: of a list, a class for each.
            label: column of the classes.  text: column of the texts.
            series, time: columns of a long table; found when unambiguous.
            features, categorical: channels; the other columns when absent.
            group: column (of a list: a list) of what must not be in two parts, such as the speaker.
            kind: how to read it, where that is ambiguous; see :mod:`gatework.data.sources`.
            split: training, validation and test as shares or counts; (0.8, 0.1, 0.1).
            validation, test: these parts as data of their own, or pairs of data and labels.
            skip_bad: pass over items that cannot be read.
            checkpoint, resume, progress: see :meth:`Forecaster.fit`.

        Raises:
            DataError, ConfigError: what is wrong, where, and what to do.
        """
        return self._fit_labelled(
            data,
            labels,
            checkpoint,
            resume,
            progress,
            label=label,
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

    def predict_proba(self, data: Any, *, skip_bad: bool = False) -> Array:
        """``(B, K)`` probabilities of the classes in the order of ``classes_``."""
        self._check_fitted("predict_proba")
        sequences, ragged = self._read(data, need_labels=False, skip_bad=skip_bad)
        return self._ragged_answers(sequences, ragged).values

    def _objective(self, prepared: LabelledData) -> ClassObjective:
        return ClassObjective(self.network_, prepared, self.config)

    def _settle(self, outputs: Tensor, part: Part) -> dict[str, Any] | None:
        targets = part.targets.numpy()
        found = calibrate(outputs.numpy(), targets)
        self.temperature_ = found.temperature
        weights = kind_weights(targets, part.sequences.groups)
        if weights is None:
            return found.to_json()
        logs = outputs.double().log_softmax(-1).numpy()
        self.temperature_, self.offsets_ = fit_offsets(logs, targets, weights)
        p = self._answers(outputs, part.ragged.offsets).values
        return {
            "temperature": self.temperature_,
            "offsets": dict(zip(self.classes_, self.offsets_, strict=True)),
            "ece_before": found.ece_before,
            "ece_after": expected_calibration_error(p, targets),
        }

    def _answers(self, outputs: Tensor, offsets: npt.NDArray[np.int64]) -> Answers:
        logs = outputs.double().log_softmax(-1) / self.temperature_
        if self.offsets_:
            logs = logs + torch.tensor(self.offsets_, dtype=torch.float64)
        p = logs.softmax(-1).numpy()
        return Answers(p, p.argmax(-1))

    def _evaluation(
        self, part: Part, answers: Answers, baselines: dict[str, Answers]
    ) -> dict[str, Any]:
        targets = part.targets.numpy()
        known = targets >= 0

        def scores(found: Answers) -> dict[str, Any]:
            return classification_scores(
                found.values[known],
                targets[known],
                self.classes_,
                groups=_known_groups(part, known),
                seed=self.config.seed,
            )

        return judged_beside("accuracy", scores, answers, baselines, int(known.sum()))

    def _frame(self, sequences: SequenceSet, ragged: Ragged, answers: Answers) -> pl.DataFrame:
        return pl.DataFrame([name_column(sequences), *chosen_columns(answers, self.classes_)])

    @property
    def _error_name(self) -> tuple[str, str]:
        return "error rate", "share of test sequences that get a wrong class"

    def _errors(self, part: Part, answers: Answers) -> Array:
        wrong: Array = (answers.chosen != part.targets.numpy()).astype(float)
        return wrong


def _known_groups(part: Part, known: npt.NDArray[np.bool_]) -> list[str] | None:
    groups = part.sequences.groups
    return None if groups is None else [g for g, k in zip(groups, known, strict=True) if k]
