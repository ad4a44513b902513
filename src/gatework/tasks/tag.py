"""Tagging: a label for every word or step of a sequence."""

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
from gatework.data.encoders.words import TokenEncoder
from gatework.data.ragged import Ragged
from gatework.data.sequences import SequenceSet
from gatework.nn.sequence import SequenceMember, SequenceNetwork
from gatework.tasks.labelled import Labeller, Names
from gatework.tasks.labelled_answers import Answers, chosen_columns, step_columns
from gatework.tasks.labelled_config import TagConfig
from gatework.tasks.labelled_data import LabelledData, Part
from gatework.tasks.labelled_objective import LabelledObjective
from gatework.train.label_losses import balanced_weights, class_loss
from gatework.train.progress import Progress
from gatework.train.tagging import are_spans, tagging_scores
from gatework.train.temperature import calibrate
from gatework.train.verdict import judged_beside

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class TagObjective(LabelledObjective):
    """Cross-entropy of every labelled step, or the likelihood of whole label sequences."""

    config: TagConfig

    def __init__(self, network: SequenceNetwork, data: LabelledData, config: TagConfig) -> None:
        super().__init__(network, data, config)
        self._weights = None
        if config.class_weights == "balanced":
            self._weights = balanced_weights(data.train.targets, len(data.classes))

    def member_loss(self, member: SequenceMember, batch: SequenceBatch) -> Tensor:
        """Mean over the labelled steps of a batch."""
        logits = member(batch)
        count = (batch.targets >= 0).sum().clamp_min(1)
        if self.own.crf is not None:
            return self.own.crf.loss(logits, batch.targets, batch.lengths).sum() / count
        loss = class_loss(
            logits.flatten(0, 1),
            batch.targets.flatten(),
            weights=self._weights,
            smoothing=self.config.label_smoothing,
            focal=self.config.focal,
        )
        return loss.sum() / count

    def score(self, answers: Tensor, part: Part) -> float:
        """Share of wrong steps, plus a hundredth of the log loss to tell equals apart."""
        targets = part.targets.numpy()
        known = (targets >= 0) & (targets < len(self.data.classes))
        if self.own.crf is not None:
            chosen = _decoded(self.own, answers, part.ragged.offsets)
            return float((chosen[known] != targets[known]).mean())
        wrong = (answers.argmax(-1).numpy()[known] != targets[known]).mean()
        found = calibrate(answers.numpy()[known], targets[known])
        rare = len(self.data.classes) == 2 and targets[known].mean() < 0.1
        # Where one label is rare, hardly a step is wrong by its likeliest label, whatever the network knows.
        return found.log_loss if rare else float(wrong) + 0.01 * found.log_loss


class SequenceTagger(Labeller[TagConfig]):
    """A label for every step: parts of speech, chunks, states of a machine, fraudulent transactions.

    >>> words = [["a", "dog", "runs"], ["the", "cat", "sleeps"]] * 20
    >>> model = SequenceTagger(hidden_size=8, max_epochs=20, folds=0).fit(words, [["DET", "NOUN", "VERB"]] * 40)
    >>> model.predict([["the", "dog", "sleeps"]])["label"].to_list()
    ['DET', 'NOUN', 'VERB']
    """

    name = "tag"
    Config = TagConfig

    def fit(
        self,
        data: Any,
        labels: Any = None,
        *,
        label: str | None = None,
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
        """Train on sequences with a label for every step, and judge on some that were left out.

        Args:
            data: a CoNLL or CoNLL-U file, a long table, or a list of word lists or arrays ``(T, F)``.
            labels: of a list, a list of labels for each; None for a step that is context only.
            label: column or field of the labels; the other arguments as :meth:`SequenceClassifier.fit`.

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

    def predict_proba(self, data: Any, *, skip_bad: bool = False) -> list[Array]:
        """Of each sequence ``(T, K)`` probabilities of the labels in the order of ``classes_``."""
        self._check_fitted("predict_proba")
        sequences, ragged = self._read(data, need_labels=False, skip_bad=skip_bad)
        answers = self._ragged_answers(sequences, ragged)
        return np.split(answers.values, ragged.offsets[1:-1])

    def _has_field(self, data: LabelledData) -> bool:
        if self.config.crf is not None:
            return self.config.crf
        return are_spans(data.classes) and not self.config.causal

    def _objective(self, prepared: LabelledData) -> TagObjective:
        return TagObjective(self.network_, prepared, self.config)

    def _settle(self, outputs: Tensor, part: Part) -> dict[str, Any] | None:
        targets = part.targets
        if self.network_.crf is not None:
            return None
        known = (targets >= 0) & (targets < outputs.shape[1])
        found = calibrate(outputs[known].numpy(), targets[known].numpy())
        self.temperature_ = found.temperature
        return found.to_json()

    def _answers(self, outputs: Tensor, offsets: IntArray) -> Answers:
        if self.network_.crf is None:
            p = (outputs.double() / self.temperature_).softmax(-1).numpy()
            return Answers(p, p.argmax(-1))
        p = _marginals(self.network_, outputs, offsets)
        return Answers(p, _decoded(self.network_, outputs, offsets))

    def _evaluation(
        self, part: Part, answers: Answers, baselines: dict[str, Answers]
    ) -> dict[str, Any]:
        targets, offsets = part.targets.numpy(), part.ragged.offsets
        names = (*self.classes_, *part.unseen)

        def scores(found: Answers) -> dict[str, Any]:
            return tagging_scores(
                found.values,
                found.chosen,
                targets,
                offsets,
                names,
                groups=part.sequences.groups,
                seed=self.config.seed,
            )

        main = "token_accuracy"
        if are_spans(self.classes_):
            main = "span_f1"
        elif len(self.classes_) == 2 and (targets[targets >= 0] == 1).mean() < 0.1:
            main = "average_precision"
        return judged_beside(main, scores, answers, baselines, len(part))

    def _frame(self, sequences: SequenceSet, ragged: Ragged, answers: Answers) -> pl.DataFrame:
        columns = step_columns(sequences, ragged.offsets)
        if isinstance(self.encoder_, TokenEncoder):
            words = [w for item in sequences.items for w in self.encoder_.split(item)]
            columns.append(pl.Series("word", words, pl.String))
        return pl.DataFrame([*columns, *chosen_columns(answers, self.classes_)])

    @property
    def _error_name(self) -> tuple[str, str]:
        return "error rate", "share of a test sequence's steps that get a wrong label"

    def _errors(self, part: Part, answers: Answers) -> Array:
        targets = part.targets.numpy()
        wrong = np.where(targets >= 0, (answers.chosen != targets).astype(float), np.nan)
        rows = np.split(wrong, part.ragged.offsets[1:-1])
        return np.array([np.nanmean(r) if not np.isnan(r).all() else 0.0 for r in rows])


CHUNK = 256  # sequences whose paths are found at once


def _padded(outputs: Tensor, offsets: IntArray) -> list[tuple[Tensor, Tensor, IntArray]]:
    """Logits ``(B, T, K)``, lengths and the flat places of their steps, some sequences at a time."""
    lengths = np.diff(offsets)
    order = np.argsort(lengths, kind="stable")
    found = []
    for first in range(0, len(order), CHUNK):
        some = order[first : first + CHUNK]
        steps = np.arange(max(int(lengths[some].max()), 1))
        rows = np.minimum(offsets[some][:, None] + steps, max(len(outputs) - 1, 0))
        found.append((outputs[torch.from_numpy(rows)], torch.from_numpy(lengths[some]), some))
    return found


def _spread(parts: list[tuple[Any, Tensor, IntArray]], offsets: IntArray, out: Any) -> Any:
    """Values ``(B, T, ...)`` of chunks laid end to end again."""
    for values, lengths, some in parts:
        for row, length, i in zip(values, lengths.tolist(), some.tolist(), strict=True):
            out[offsets[i] : offsets[i] + length] = row[:length]
    return out


def _decoded(network: SequenceNetwork, outputs: Tensor, offsets: IntArray) -> IntArray:
    """The likeliest label sequences, end to end."""
    field = network.crf
    assert field is not None
    with torch.no_grad():
        parts = [(field.decode(x, n).numpy(), n, s) for x, n, s in _padded(outputs, offsets)]
    decoded: IntArray = _spread(parts, offsets, np.zeros(len(outputs), np.int64))
    return decoded


def _marginals(network: SequenceNetwork, outputs: Tensor, offsets: IntArray) -> Array:
    """Probabilities of the labels of every step, given the whole sequence."""
    field = network.crf
    assert field is not None
    with torch.no_grad():
        parts = [(field.marginals(x, n).numpy(), n, s) for x, n, s in _padded(outputs, offsets)]
    found: Array = _spread(parts, offsets, np.zeros(tuple(outputs.shape)))
    return found
