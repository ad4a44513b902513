"""What classifiers, regressors and taggers do alike: sequences of any kind in, an answer for each out.

A fit in five calls, as ``tasks/base.py`` has them: ``_prepare`` reads, deals and encodes; ``_build`` makes the
:class:`~gatework.nn.sequence.SequenceNetwork`; the loop trains it; ``_calibrate`` fits a temperature and the
baselines; ``_judge`` scores the test part beside them.  A task adds its loss, its scores and its frame.
"""

from __future__ import annotations

import time
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from gatework.data.encoders.base import Encoder
from gatework.data.encoders.find import encoder_class
from gatework.data.ragged import Ragged, encode_all
from gatework.data.sequences import SequenceSet
from gatework.data.sources.find import read_sequences
from gatework.errors import ConfigError, DataError, GateworkWarning
from gatework.nn.sequence import SequenceNetwork
from gatework.report.labelled_card import labelled_card
from gatework.runtime.sequence_spec import SequenceSpec, check_sequence_spec
from gatework.tasks.base import Task, build_checked, spec_from_json, spec_to_json
from gatework.tasks.judged import Judged
from gatework.tasks.labelled_answers import Answers
from gatework.tasks.labelled_config import (
    LabelledConfig,
    batch_sequences,
    default_convolutions,
)
from gatework.tasks.labelled_data import LabelledData, Part, part_of, prepare, unseen_note
from gatework.tasks.labelled_evaluation import LabelledEvaluation
from gatework.tasks.labelled_examples import examples
from gatework.tasks.labelled_objective import answer, held_out
from gatework.tasks.labelled_stream import LabelledStream
from gatework.train.config import TrainConfig
from gatework.train.progress import Progress
from gatework.train.sequence_baselines import Baselines, fit_baselines

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Names = str | Sequence[str]
Settings = TypeVar("Settings", bound=LabelledConfig)


class Labeller(Task[Settings, LabelledData]):
    """A network for labelled sequences with all that belongs to it; abstract."""

    page = "gatework.report.labelled"

    network_: SequenceNetwork
    encoder_: Encoder
    classes_: tuple[str, ...]
    layout_: dict[str, Any]
    baselines_: Baselines
    location_: float
    scale_: float
    temperature_: float
    offsets_: list[float]  # of the classes, added to logits / temperature

    # ---- what a task adds -----------------------------------------------------------------------------

    @abstractmethod
    def _evaluation(
        self, part: Part, answers: Answers, baselines: dict[str, Answers]
    ) -> dict[str, Any]:
        """Scores of the model and the baselines, as ``metrics.json`` holds them."""

    @abstractmethod
    def _frame(self, sequences: SequenceSet, ragged: Ragged, answers: Answers) -> pl.DataFrame:
        """What ``predict`` returns."""

    @abstractmethod
    def _settle(self, outputs: Tensor, part: Part) -> dict[str, Any] | None:
        """Fit what turns outputs into probabilities, on sequences that the network has not seen."""

    @abstractmethod
    def _answers(self, outputs: Tensor, offsets: IntArray) -> Answers:
        """Probabilities, or quantiles in the target's units, of the network's outputs."""

    def _outputs(self, data: LabelledData) -> int:
        """K."""
        return len(data.classes)

    def _has_field(self, data: LabelledData) -> bool:
        """Whether labels get a random field."""
        return False

    # ---- fitting --------------------------------------------------------------------------------------

    def _fit_labelled(
        self,
        data: Any,
        labels: Any,
        checkpoint: str | Path | None,
        resume: bool,
        progress: Progress | None,
        **roles: Any,
    ) -> Self:
        return self._fit(
            data, checkpoint=checkpoint, resume=resume, progress=progress, labels=labels, **roles
        )

    def _prepare(self, data: Any, progress: Progress, **roles: Any) -> LabelledData:
        if "target" in roles:  # a regressor's word for the label
            roles["label"] = roles.pop("target")
        return prepare(self.name, self.config, data, progress, roles)

    def _build(self, prepared: LabelledData) -> SequenceNetwork:
        data, config = prepared, self.config
        self.encoder_, self.classes_, self.layout_ = data.encoder, data.classes, data.layout
        self.location_, self.scale_, self.temperature_ = data.location, data.scale, 1.0
        self.offsets_ = []
        typical = float(np.median(data.train.ragged.lengths))
        filters, widths, strides = default_convolutions(config, data.kind, typical, data.per_step)
        return SequenceNetwork(
            SequenceSpec(
                size=data.encoder.size,
                cardinalities=data.encoder.cardinalities,
                outputs=self._outputs(data),
                per_step=data.per_step,
                cell=config.cell,
                hidden_size=config.hidden_size,
                num_layers=config.num_layers,
                causal=config.causal or (data.per_step and self.name == "regress"),
                pooling=getattr(config, "pooling", "last"),
                embedding_size=config.embedding_size if data.encoder.cardinalities else 0,
                filters=filters,
                widths=widths,
                strides=strides,
                frame=tuple(getattr(data.encoder, "frame", None) or ()),
                dropout=config.dropout,
                word_dropout=config.word_dropout if data.encoder.cardinalities else 0.0,
                recurrent_dropout=config.recurrent_dropout,
                zoneout=config.zoneout,
                weight_drop=config.weight_drop,
                members=config.members if data.fold is None else int(data.fold.max()) + 1,
                crf=self._has_field(data),
                levels=getattr(config, "levels", ()),
            )
        )

    def _train_config(self, prepared: LabelledData) -> TrainConfig:
        members = len(self.network_.members)
        # The members' gradients are clipped together: their norm grows with the root of their number.
        return self.config.model_copy(update={"clip_norm": self.config.clip_norm * members**0.5})

    def _data_fingerprint(self, prepared: LabelledData) -> str:
        hashed = sha256(repr(prepared.encoder.to_json()).encode())
        for part in (prepared.train, prepared.validation):
            if part is not None:
                hashed.update(part.ragged.offsets.tobytes())
                hashed.update(np.ascontiguousarray(part.ragged.values).tobytes())
                hashed.update(np.ascontiguousarray(part.ragged.tokens).tobytes())
                hashed.update(part.targets.numpy().tobytes())
        return hashed.hexdigest()

    def _calibrate(self, prepared: LabelledData, progress: Progress) -> None:
        part, outputs = held_out(self.network_, prepared)
        self._held_out = (part, outputs)
        self._calibration = self._settle(outputs, part)
        progress.stage("fitting the baselines")
        train = prepared.train
        targets = train.targets.numpy()
        self.baselines_ = fit_baselines(
            self.name,
            prepared.kind,
            train.ragged.values,
            train.ragged.tokens,
            train.ragged.offsets,
            targets if self.classes_ else targets * self.scale_ + self.location_,
            self.classes_,
            seed=self.config.seed,
        )

    def _judge(self, prepared: LabelledData, progress: Progress) -> dict[str, Any]:
        on = prepared.judged_on
        progress.stage(f"judging on {'the ' + on + ' part' if on != 'cross-validation' else on}")
        started = time.perf_counter()
        part, answers = self._judged_part(prepared)
        evaluation = self._evaluate(part, answers)
        evaluation["on"] = on
        seconds = time.perf_counter() - started
        lengths = prepared.train.ragged.lengths
        training = self.training_
        steps = sum(r.steps for r in training.history)
        spent = sum(r.seconds for r in training.history)
        per_batch = batch_sequences(self.config, len(prepared.train))
        return {
            "evaluation": evaluation,
            "kind": prepared.kind,
            "classes": list(self.classes_) or None,
            "described": prepared.described,
            "notes": [*prepared.notes, *self.baselines_.notes],
            "source": Path(prepared.train.sequences.source).name,
            "split": {"how": prepared.how}
            | {
                name: {"sequences": len(p), "steps": int(p.ragged.offsets[-1])}
                for name, p in _named_parts(prepared)
            },
            "lengths": {
                "min": int(lengths.min()),
                "median": float(np.median(lengths)),
                "max": int(lengths.max()),
            },
            "calibration": self._calibration,
            "examples": examples(self, prepared, part, answers),
            "cost": {
                "fit_seconds": training.seconds,
                "judge_seconds": seconds,
                "sequences_per_second": steps * per_batch / spent if spent else 0.0,
                "steps_per_second": training.steps_per_second,
                "parameters": self.parameters,
                "predict_ms": self._predict_ms(part),
                "stream_us": self._stream_us(part),
                "threads": torch.get_num_threads(),
            },
        }

    def _judged_part(self, prepared: LabelledData) -> tuple[Part, Answers]:
        """The part that says how good the model is, and answers of networks that have not seen it."""
        if prepared.judged_on == "test":
            assert prepared.test is not None
            test = prepared.test
            return test, self._answers(answer(self.network_, test), test.ragged.offsets)
        part, outputs = self._held_out
        return part, self._answers(outputs, part.ragged.offsets)

    def _evaluate(self, part: Part, answers: Answers) -> dict[str, Any]:
        found = self._evaluation(part, answers, self._baseline_answers(part))
        return {"sequences": len(part), "steps": int(part.ragged.offsets[-1]), **found}

    def _baseline_answers(self, part: Part) -> dict[str, Answers]:
        ragged = part.ragged
        found = self.baselines_.answers(ragged.values, ragged.tokens, ragged.offsets)
        return {
            name: Answers(values, values.argmax(-1) if self.classes_ else values.reshape(-1))
            for name, values in found.items()
        }

    # ---- using ----------------------------------------------------------------------------------------

    def predict(self, data: Any, *, skip_bad: bool = False) -> pl.DataFrame:
        """An answer for each sequence of ``data``, which is read as the training data were.

        Args:
            data: a path, a frame, or a list of sequences.
            skip_bad: pass over items that cannot be read, with a warning, instead of stopping at them.

        Raises:
            NotFittedError: before ``fit``.
            DataError: nothing there, or items that do not fit what the model was trained on.
        """
        self._check_fitted("predict")
        sequences, ragged = self._read(data, need_labels=False, skip_bad=skip_bad)
        return self._frame(sequences, ragged, self._ragged_answers(sequences, ragged))

    def evaluate(
        self, data: Any, labels: Any = None, *, skip_bad: bool = False
    ) -> LabelledEvaluation:
        """Scores on data that hold the truth, beside the baselines.

        Raises:
            NotFittedError: before ``fit``.
            DataError: no labels, or labels that training did not hold.
        """
        self._check_fitted("evaluate")
        sequences, ragged = self._read(data, labels=labels, need_labels=True, skip_bad=skip_bad)
        part = part_of(sequences, ragged, self.classes_, self.location_, self.scale_)
        if part.unseen:
            warnings.warn(unseen_note(part), GateworkWarning, stacklevel=2)
        found = self._evaluate(part, self._ragged_answers(sequences, ragged))
        return LabelledEvaluation({"on": "data", **found})

    def embed(self, data: Any, *, skip_bad: bool = False) -> pl.DataFrame:
        """A vector for each sequence, what its head sees: to cluster, to compare, to search.

        Returns:
            A row per sequence: ``name`` and ``embedding``; of a tagger the mean over the steps.
        """
        self._check_fitted("embed")
        sequences, ragged = self._read(data, need_labels=False, skip_bad=skip_bad)
        rows = []
        with torch.inference_mode():
            for i in range(len(ragged)):
                batch = ragged.batch(np.array([i]))
                member: Any = self.network_.members[0]
                found = member.outputs(member.embed(batch), batch.lengths)
                rows.append((found.mean(1) if self.network_.spec.per_step else found)[0].numpy())
        vectors = np.stack(rows)
        return pl.DataFrame(
            {
                "name": list(sequences.keys or sequences.names),
                "embedding": pl.Series(vectors, dtype=pl.Array(pl.Float32, vectors.shape[1])),
            }
        )

    def stream(self) -> LabelledStream:
        """For one sequence that comes piece by piece: push, get the answer so far, in constant memory.

        Raises:
            ConfigError: the network reads backwards too, or the kind can only be read whole.
        """
        self._check_fitted("stream")
        return LabelledStream(self)

    # ---- compared -------------------------------------------------------------------------------------

    def judged(self, prepared: LabelledData, *, baselines: bool = True) -> Judged:
        """Errors of the test sequences, beside those of the baselines."""
        if prepared.judged_on != "test":
            raise DataError(
                "the split has no test part, so there is nothing to compare on. Give another split."
            )
        part, answers = self._judged_part(prepared)
        items = self._errors(part, answers)
        found: dict[str, Array] = {}
        if baselines:
            for name, own in self._baseline_answers(part).items():
                found[name] = self._errors(part, own)
        name, text = self._error_name
        return Judged(
            name=name,
            text=text,
            score=float(items.mean()),
            baselines={n: float(e.mean()) for n, e in found.items()},
            item="sequence",
            items=items,
            baseline_items=found,
            blocks=np.arange(len(items)),
        )

    @property
    @abstractmethod
    def _error_name(self) -> tuple[str, str]:
        """The error by which cells compare: its name, and what it is in words."""

    @abstractmethod
    def _errors(self, part: Part, answers: Answers) -> Array:
        """``(B,)`` that error of each sequence."""

    def observations(self, prepared: LabelledData, count: int) -> list[tuple[Any, ...]]:
        """Rows of training series; other kinds are not timed."""
        if not self.config.causal or prepared.kind != "series":
            return []
        sequences = prepared.train.sequences
        rows: list[tuple[Any, ...]] = []
        for item in sequences.items:
            for t in range(len(item.values)):
                row = dict(zip(sequences.features, item.values[t], strict=True))
                if item.categories is not None:
                    row |= dict(zip(sequences.categorical, item.categories[t], strict=True))
                if item.times is not None:
                    row["time"] = item.times[t]
                rows.append((row,))
                if len(rows) >= count:
                    return rows
        return rows

    # ---- inside ---------------------------------------------------------------------------------------

    def _read(
        self, data: Any, *, need_labels: bool, skip_bad: bool, labels: Any = None
    ) -> tuple[SequenceSet, Ragged]:
        sequences = read_sequences(
            data,
            task=self.name,
            labels=labels,
            need_labels=need_labels,
            layout=self.layout_,
            skip_bad=skip_bad,
        )
        if sequences.skipped:
            warnings.warn(
                f"{len(sequences.skipped)} items passed over, such as: {sequences.skipped[0]}",
                GateworkWarning,
                stacklevel=3,
            )
        return sequences, encode_all(sequences.items, self.encoder_.encode, sequences.refuse)

    def _ragged_answers(self, sequences: SequenceSet, ragged: Ragged) -> Answers:
        self.network_.eval()
        with torch.inference_mode():
            outputs = answer(self.network_, Part(sequences, ragged, torch.empty(0)))
            return self._answers(outputs, ragged.offsets)

    def _predict_ms(self, part: Part) -> float:
        """Median time of one sequence of typical length, encoded, to its answer."""
        lengths = part.ragged.lengths
        typical = np.argsort(lengths)[len(lengths) // 2]
        batch = part.ragged.batch(np.array([typical]))
        seconds = []
        with torch.inference_mode():
            for _ in range(20):
                started = time.perf_counter()
                outputs = self.network_(batch).flatten(0, -2)
                self._answers(outputs, np.array([0, len(outputs)]))
                seconds.append(time.perf_counter() - started)
        return 1e3 * float(np.median(seconds))

    def _stream_us(self, part: Part) -> float | None:
        """Median time of one encoded step of a stream; None where there is no stream."""
        try:
            stream = self.stream()
        except ConfigError:
            return None
        seconds: list[float] = []
        for i in range(min(len(part), 20)):
            stream.reset()
            for step in range(min(int(part.ragged.lengths[i]), 50)):
                values, tokens = part.ragged[i]
                started = time.perf_counter()
                stream.advance(values[step], tokens[step])
                seconds.append(time.perf_counter() - started)
        return 1e6 * float(np.median(seconds)) if seconds else None

    def _card(self) -> str:
        return labelled_card(self.metrics_)

    # ---- saving ---------------------------------------------------------------------------------------

    def _parts(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Tensor]]:
        kept = {
            "kind": self.encoder_.kind
            if self.layout_.get("kind") is None
            else self.layout_["kind"],
            "layout": self.layout_,
            "encoder": self.encoder_.to_json(),
            "classes": list(self.classes_),
            "location": self.location_,
            "scale": self.scale_,
            "temperature": self.temperature_,
            "offsets": self.offsets_,
            "baselines": self.baselines_.to_json(),
        }
        tensors = {
            f"baselines.{name}": torch.from_numpy(np.ascontiguousarray(array, np.float32))
            for name, array in self.baselines_.tensors().items()
        }
        return spec_to_json(self.network_.spec), kept, tensors

    def _from_parts(
        self,
        network: dict[str, Any],
        preprocessing: dict[str, Any],
        tensors: dict[str, Tensor],
        weights: dict[str, Tensor],
    ) -> None:
        spec = spec_from_json(SequenceSpec, network)
        check_sequence_spec(spec)
        kept = preprocessing
        self.layout_ = dict(kept["layout"])
        self.encoder_ = encoder_class(str(kept["kind"])).from_json(kept["encoder"])
        if (self.encoder_.size, self.encoder_.cardinalities) != (spec.size, spec.cardinalities):
            raise ValueError("the encoder and the network differ in what a step is")
        self.classes_ = tuple(str(name) for name in kept["classes"])
        if self.classes_ and len(self.classes_) != spec.outputs:
            raise ValueError("classes and outputs differ in number")
        for name in ("location", "scale", "temperature"):
            value = float(kept[name])
            if not np.isfinite(value) or (name != "location" and value <= 0):
                raise ValueError(f"{name} is {value}")
            setattr(self, f"{name}_", value)
        self.offsets_ = [float(b) for b in kept["offsets"]]
        if self.offsets_ and (
            len(self.offsets_) != len(self.classes_) or not np.isfinite(self.offsets_).all()
        ):
            raise ValueError("offsets and classes differ in number")
        self.network_ = cast(
            "SequenceNetwork", build_checked(lambda: SequenceNetwork(spec), weights)
        )
        arrays = {
            k.removeprefix("baselines."): v.numpy()
            for k, v in tensors.items()
            if k.startswith("baselines.")
        }
        self.baselines_ = Baselines.from_parts(kept["baselines"], arrays)


def _named_parts(data: LabelledData) -> list[tuple[str, Part]]:
    found = [("train", data.train), ("validation", data.validation), ("test", data.test)]
    return [(name, part) for name, part in found if part is not None]
