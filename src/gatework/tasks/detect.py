"""Anomaly detection: from history that is mostly normal to a score, an alarm and the reason for every new row.

A fit in five calls: ``_prepare`` reads tables, events or logs and encodes them; ``_build`` makes the
:class:`~gatework.nn.detect.DetectNetwork`; the loop trains it; ``_calibrate`` turns residuals of held-out rows
into probabilities and sets the threshold; ``_judge`` scores the test part beside simple detectors.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from gatework.data.observations import BoolArray, IntArray, Observations
from gatework.data.row_encoder import RowEncoder
from gatework.errors import ConfigError, DataError
from gatework.nn.detect import DetectNetwork
from gatework.report.detect_card import detect_card
from gatework.runtime.detect import DetectRuntime
from gatework.runtime.detect_spec import DetectSpec, check_detect_spec
from gatework.runtime.scoring import Joining, Scoring
from gatework.runtime.tails import RowTail, Tails
from gatework.runtime.thresholds import Threshold, make_threshold, threshold_from_json
from gatework.tasks import detect_defaults as defaults
from gatework.tasks.base import Task, build_checked, spec_from_json, spec_to_json
from gatework.tasks.detect_answers import Scored, answer_frame, score_all, score_sessions
from gatework.tasks.detect_calibrate import Held, calibrate, reliability
from gatework.tasks.detect_config import DetectConfig
from gatework.tasks.detect_core import Core
from gatework.tasks.detect_data import DetectData, observe, part_facts, prepare
from gatework.tasks.detect_evaluation import DetectEvaluation, cutoffs_of, evaluate_scores
from gatework.tasks.detect_examples import examples
from gatework.tasks.detect_objective import DetectObjective, row_losses
from gatework.tasks.detect_stream import DetectStream
from gatework.tasks.judged import Judged
from gatework.train.detection_baselines import Baselines, fit_detection_baselines
from gatework.train.progress import Progress

Names = str | Sequence[str]
MOST_ROWS = 1_000_000


class AnomalyDetector(Task[DetectConfig, DetectData]):
    """Scores and alarms for rows of measurements, event sequences and logs, learned from history.

    The score of a row is ``-log10 p``: 4 is a row as odd as one in 10,000 of the held-out ones.  History may
    hold anomalies; labels, where there are some, judge the result and are not learned from.

    >>> import numpy as np
    >>> t = np.arange(600)
    >>> load = np.sin(t / 4) + np.random.default_rng(0).normal(0, 0.1, 600)
    >>> detector = AnomalyDetector(hidden_size=8, max_epochs=2).fit({"load": load})
    >>> load[560] = 9.0
    >>> answer = detector.predict({"load": load})
    >>> answer["score"].arg_max(), answer["alarm"][560]
    (560, True)
    """

    name = "detect"
    Config = DetectConfig
    page = "gatework.report.detect"

    network_: DetectNetwork
    encoder_: RowEncoder
    tails_: Tails
    level_tails_: Tails | None
    joining_: Joining
    row_tail_: RowTail
    threshold_: Threshold
    baselines_: Baselines
    cutoffs_: dict[str, float]  # levels above which the simple detectors alarm
    kind_: str
    warmup_: int
    session_layout_: bool
    independent_: bool  # rows stand on their own

    # ---- fitting ------------------------------------------------------------------------------------

    def fit(
        self,
        data: Any,
        *,
        kind: str | None = None,
        time: str | None = None,
        series: str | None = None,
        label: str | None = None,
        labels: Sequence[Any] | None = None,
        normal: str | None = None,
        features: Names = (),
        categorical: Names = (),
        session: str | None = None,
        time_format: str | None = None,
        mend: bool = False,
        train_on: str = "all",
        split: tuple[float, float, float] | None = None,
        rows: int = MOST_ROWS,
        continue_from: str | Path | None = None,
        checkpoint: str | Path | None = None,
        resume: bool = False,
        progress: Progress | None = None,
    ) -> Self:
        """Learn what is normal, set the threshold, judge the result on the last part.

        Args:
            data: a table (path, frame, array, columns by name), a file of event sequences or a list of them, or
                a log.
            kind: ``metrics``, ``events`` or ``log``; a table unless a file ends in .log or a list holds lists.
            time, series, label: columns of a table; the time is found, a label by its name.
            labels: one for each session of a list.
            normal: what labels say of what is normal; 0, false, "normal" and the like when absent.
            features, categorical: columns to read as numbers and as categories; all that are left when empty.
            session: of a log, a regular expression whose first group tells interleaved sessions apart.
            time_format: strptime's, for ambiguous timestamps.
            mend: sort rows that are out of order instead of refusing them.
            train_on: ``"normal"`` leaves rows that are labelled anomalous out of the training.
            split: training, validation and test, as shares or counts of rows or sessions, in their order.
            rows: the first rows, events or lines to read at most.
            continue_from: a saved detector; its weights are trained on, its encoding stays.
            checkpoint, resume, progress: as in every task.

        Raises:
            DataError, ConfigError: data or names that cannot be used; the message says which and why.
        """
        return self._fit(
            data,
            kind=kind,
            time=time,
            series=series,
            label=label,
            labels=labels,
            normal=normal,
            features=features,
            categorical=categorical,
            session=session,
            time_format=time_format,
            mend=mend,
            train_on=train_on,
            split=split,
            rows=rows,
            continue_from=continue_from,
            checkpoint=checkpoint,
            resume=resume,
            progress=progress,
        )

    def _prepare(self, data: Any, progress: Progress, **roles: Any) -> DetectData:
        old = roles.pop("continue_from", None)
        before = None if old is None else type(self).load(old)
        prepared = prepare(
            self.config, data, progress, roles, None if before is None else before.encoder_
        )
        prepared.before = before
        self._check_threshold(prepared)
        return prepared

    def _build(self, prepared: DetectData) -> DetectNetwork:
        data, config = prepared, self.config
        self.encoder_, self.kind_ = data.encoder, data.found.kind
        self.session_layout_, self.independent_ = data.per_session, data.independent
        self.joining_ = defaults.joining(config, data)
        self.warmup_ = defaults.warmup(config, data)
        spec = defaults.network_sizes(config, data)
        network = DetectNetwork(spec)
        if data.before is not None:
            if data.before.network_.spec != spec:
                raise ConfigError(
                    f"{type(self).__name__}: the model to continue has other sizes or settings of its network. "
                    "Give the settings that it was fitted with, or start a new one."
                )
            network.load_state_dict(data.before.network_.state_dict())
        return network

    def _objective(self, prepared: DetectData) -> DetectObjective:
        return DetectObjective(self.network_, prepared, self.config)

    def _data_fingerprint(self, prepared: DetectData) -> str:
        hashed = sha256(repr(prepared.encoder.to_json()).encode())
        for array in (*prepared.rows, prepared.part):
            hashed.update(np.ascontiguousarray(array).tobytes())
        return hashed.hexdigest()

    def _calibrate(self, prepared: DetectData, progress: Progress) -> None:
        progress.stage("calibrating on held-out rows")
        runtime = self._runtime()
        held = calibrate(runtime, prepared, self.joining_, self.warmup_)
        self.tails_, self.level_tails_, self.row_tail_ = held.tails, held.level_tails, held.row_tail
        self._calibration = {"rows": len(held.scores), "reliability": reliability(held.scores)}
        self.threshold_ = self._make_threshold(prepared, held)
        self._core_: Core | None = None

    def _make_threshold(self, prepared: DetectData, held: Held) -> Threshold:
        config, scores, labels = self.config, held.history, held.labels
        risk = defaults.risk(config, prepared)
        adapt = config.adaptive and prepared.in_time
        if config.kind == "labels":
            assert labels is not None  # _check_threshold has seen them
            scores = held.scores
            order = np.sort(np.unique(scores))
            edges = (order[1:] + order[:-1]) / 2 if len(order) > 1 else order
            edges = edges[np.linspace(0, len(edges) - 1, min(len(edges), 2000)).astype(int)]
            f1 = [_f1(scores > e, labels) for e in edges]
            return make_threshold(
                "fixed", scores, risk=risk, value=float(edges[int(np.argmax(f1))])
            )
        return make_threshold(
            config.kind,
            scores,
            risk=risk,
            alarms_per_day=config.alarms_per_day,
            seconds=prepared.found.seconds(),
            adapt=adapt,
        )

    def _check_threshold(self, prepared: DetectData) -> None:
        """Raise before the training what would make its threshold impossible."""
        config, found = self.config, prepared.found
        if config.kind == "rate" and (prepared.per_session or found.seconds() is None):
            raise ConfigError(
                f"{type(self).__name__}: alarms_per_day (--alarms-per-day) needs a time column that tells how "
                "many rows a day has. Name it with time= (--time), or give a risk instead."
            )
        if config.kind == "labels":
            held = prepared.marked(1)
            if prepared.per_session:
                held = held[found.offsets[:-1]]
            labels = None if found.labels is None else found.labels[held]
            if labels is None or not labels.any() or labels.all():
                raise DataError(
                    f"{found.source}: threshold='labels' needs anomalous and normal rows with labels in the "
                    "validation part. Give labels, another split, or another threshold."
                )

    def _judge(self, prepared: DetectData, progress: Progress) -> dict[str, Any]:
        progress.stage("fitting the simple detectors to compare with")
        found, marked = prepared.found, prepared.marked(0)
        self.baselines_ = fit_detection_baselines(
            *self._plain(found, prepared, marked),
            season=self._season(prepared),
            independent=prepared.independent,
            sessions=prepared.per_session,
            seed=self.config.seed,
        )
        tested = prepared.marked(2)
        on = "test" if tested.any() else "validation"
        if on == "validation":
            tested = prepared.marked(1) if prepared.marked(1).any() else prepared.marked(0)
        progress.stage(f"judging on the {on} part")
        started = time.perf_counter()
        scored = self._scored(found)
        seconds = time.perf_counter() - started
        others = self.baselines_.scores(*self._plain(found, prepared, None))
        held = prepared.marked(1)
        base = held if held.any() else ~tested if (~tested).any() else tested
        self.cutoffs_ = cutoffs_of(scored, others, self._judged_rows(found, base))
        evaluation = self._evaluate(found, scored, others, tested, prepared.independent)
        evaluation["on"] = on
        evaluation["main"] = _main(evaluation, self.session_layout_ or prepared.independent)
        return {
            "evaluation": evaluation,
            "kind": self.kind_,
            "method": prepared.method,
            "unit": "session" if self.session_layout_ else "row",
            "channels": list(self.encoder_.live),
            "categories": list(self.encoder_.categories),
            "described": self.encoder_.describe(),
            "notes": [
                n
                for n in (*prepared.notes, *self.baselines_.notes)
                if n not in self.encoder_.describe()
            ],
            "source": Path(found.source).name,
            "split": {"how": prepared.how, **part_facts(prepared)},
            "threshold": {
                "kind": self.config.kind,
                "value": float(self.threshold_.value),
                "risk": self.config.risk,
                "alarms_per_day": self.config.alarms_per_day,
                "text": self.threshold_.text,
            },
            "calibration": self._calibration,
            "examples": examples(self, found, scored, tested),
            "cost": {
                "fit_seconds": self.training_.seconds,
                "judge_seconds": seconds,
                "rows_per_second": len(found) / max(seconds, 1e-9),
                "parameters": self.parameters,
                "push_us": self._push_us(found),
                "threads": torch.get_num_threads(),
            },
        }

    def _season(self, prepared: DetectData) -> int | None:
        """Rows of a season of the channels, None where there is none or no order."""
        from gatework.train.baselines import find_season

        found = prepared.found
        if prepared.independent or prepared.per_session or not len(self.encoder_.live):
            return None
        step = found.seconds()
        lags = [round(s / step) for s in (3600.0, 86400.0, 604800.0)] if step else []
        ends = np.array(
            [
                a + int((prepared.part[a:b] == 0).sum())
                for a, b in zip(found.offsets[:-1], found.offsets[1:], strict=True)
            ]
        )
        season = find_season(
            np.asarray(prepared.rows.values[:, :8], float), found.offsets, ends, lags
        )
        return season if season > 1 else None

    def _plain(
        self, found: Observations, prepared: DetectData, marked: BoolArray | None
    ) -> tuple[Any, IntArray, IntArray]:
        """Values, tokens and offsets as the simple detectors see them, of the marked rows."""
        rows = prepared.rows
        if marked is None:
            return np.asarray(rows.values, float), rows.tokens, found.offsets
        kept = np.flatnonzero(marked)
        offsets = np.searchsorted(kept, found.offsets)
        return np.asarray(rows.values[kept], float), rows.tokens[kept], offsets.astype(np.int64)

    # ---- using --------------------------------------------------------------------------------------

    def score(self, data: Any, **options: Any) -> npt.NDArray[np.float64]:
        """``(N,)`` scores of the rows of ``data`` in their order, or of its sessions: -log10 of a probability.

        Raises:
            NotFittedError: before ``fit``.
            DataError: columns that do not fit.
        """
        self._check_fitted("score")
        found = self._observe(data, **options)
        scored = self._scored(found)
        if self.session_layout_:
            return scored.score
        out = np.empty(len(found))
        out[slice(None) if found.order is None else found.order] = scored.score
        return out

    def predict(self, data: Any, *, mend: bool = False, rows: int | None = None) -> pl.DataFrame:
        """Score, threshold, alarm and the reason for each row of ``data``, or for each session.

        Args:
            data: what ``fit`` takes, of the same kind; a series begins anew in it.
            mend: sort rows that are out of order instead of refusing them.
            rows: the first rows to read at most; all when None.

        Returns:
            A row per row, in the order of ``data``: ``series`` and ``time`` (where there are some), ``score``,
            ``threshold``, ``alarm``, ``warming`` (too early in the series to alarm), ``channel`` (the most
            surprising), ``share`` (its part in the surprise), ``value``, ``expected``, ``low``, ``high`` (the
            outermost quantiles) and ``channels`` (the first three).  Of sessions: ``session``, ``score``,
            ``threshold``, ``alarm``, ``at`` (the most surprising event, from 0), ``event``, ``expected`` and
            ``probability``.

        Raises:
            NotFittedError: before ``fit``.
            DataError: columns that do not fit.
        """
        self._check_fitted("predict")
        found = self._observe(data, mend=mend, rows=rows)
        return answer_frame(self._core(), found, self._scored(found), self.session_layout_)

    def evaluate(
        self,
        data: Any,
        labels: Sequence[Any] | None = None,
        *,
        label: str | None = None,
        normal: str | None = None,
        mend: bool = False,
        rows: int | None = None,
    ) -> DetectEvaluation:
        """Scores on new data beside the simple detectors; with labels how right the alarms are.

        Args:
            data: what ``fit`` takes, of the same kind.
            labels: of a list of sessions, one for each.
            label, normal: as in ``fit``, for a table whose labels have another name than there.
            mend, rows: as in ``predict``.

        Raises:
            NotFittedError: before ``fit``.
            DataError: columns or labels that do not fit.
        """
        self._check_fitted("evaluate")
        found = self._observe(data, labels=labels, mend=mend, rows=rows, label=label, normal=normal)
        rows_ = self.encoder_.encode(found)
        independent = self.independent_
        marked = np.ones(len(found), bool)
        prepared = DetectData(
            found, self.encoder_, rows_, np.full(len(found), 2), self.network_.spec.method,
            independent, self.network_.spec.window, "", [],
        )  # fmt: skip
        others = self.baselines_.scores(*self._plain(found, prepared, None))
        evaluation = self._evaluate(found, self._scored(found), others, marked, independent)
        evaluation["on"] = "data"
        evaluation["main"] = _main(evaluation, self.session_layout_ or independent)
        return DetectEvaluation(evaluation)

    def stream(self) -> DetectStream:
        """For rows that come one by one: push, get score, alarm and reason, in constant memory."""
        self._check_fitted("stream")
        return DetectStream(
            self._core(), type(self).__name__, self._identity(), self.session_layout_
        )

    # ---- compared -----------------------------------------------------------------------------------

    def judged(self, prepared: DetectData, *, baselines: bool = True) -> Judged:
        """How badly the test rows were told, which is what a detector learns; without alarms and labels."""
        losses = row_losses(self.network_, prepared, self.config, 2)
        if not len(losses):
            raise DataError(
                "the split has no test part, so there is nothing to compare on. Give another split."
            )
        return Judged(
            name="loss",
            text="how badly test rows were told: pinball loss of numbers, cross-entropy of categories",
            score=float(losses.mean()),
            item="row",
            items=losses,
            blocks=np.arange(len(losses)) // 50,
        )

    def observations(self, prepared: DetectData, count: int) -> list[tuple[Any, ...]]:
        """The last rows, as a stream takes them."""
        found, encoder = prepared.found, prepared.encoder
        first = max(len(found) - count, 0)
        stream = DetectStream.rows_of(found, encoder, first)
        return [(row,) for row in stream]

    # ---- inside -------------------------------------------------------------------------------------

    def _observe(
        self,
        data: Any,
        *,
        rows: int | None = None,
        mend: bool = False,
        labels: Any = None,
        label: str | None = None,
        normal: str | None = None,
    ) -> Observations:
        layout = self.encoder_.layout
        roles: dict[str, Any] = {}
        if label is not None:
            roles["label"] = label
        if normal is not None:
            roles["normal"] = normal
        if layout["kind"] == "metrics" and mend:
            roles["mend"] = True
        if labels is not None:
            roles["labels"] = labels
        return observe(data, rows=rows or 2**62, layout=layout, **roles)

    def _runtime(self) -> DetectRuntime:
        arrays = {k: v.detach().numpy() for k, v in self.network_.state_dict().items()}
        return DetectRuntime(self.network_.spec, arrays)

    def _core(self) -> Core:
        core: Core | None = getattr(self, "_core_", None)
        if core is None:
            core = self._core_ = Core(
                encoder=self.encoder_,
                runtime=self._runtime(),
                scoring=Scoring(self.tails_, self.joining_, self.row_tail_, self.level_tails_),
                threshold=self.threshold_,
                warmup=self.warmup_,
                hysteresis=1.0 if self.independent_ else self.config.hysteresis,
                gap=0 if self.independent_ else self.config.gap,
            )
        return core

    def _scored(self, found: Observations) -> Scored:
        core = self._core()
        return score_sessions(core, found) if self.session_layout_ else score_all(core, found)

    def _evaluate(
        self,
        found: Observations,
        scored: Scored,
        others: dict[str, npt.NDArray[np.float64]],
        marked: BoolArray,
        independent: bool,
    ) -> dict[str, Any]:
        return evaluate_scores(
            found,
            scored,
            others,
            self._judged_rows(found, marked),
            cutoffs=self.cutoffs_,
            independent=independent,
            seed=self.config.seed,
        )

    @staticmethod
    def _judged_rows(found: Observations, marked: BoolArray) -> BoolArray:
        """Marks of rows as marks of what is judged: rows, or sessions."""
        return marked[found.offsets[:-1]] if found.sessions else marked

    def _push_us(self, found: Observations) -> float | None:
        """Median time of a push, in microseconds."""
        rows = DetectStream.rows_of(found, self.encoder_, max(len(found) - 300, 0))
        if len(rows) < 2:
            return None
        stream, seconds = self.stream(), []
        for row in rows:
            started = time.perf_counter()
            stream.push(row)
            seconds.append(time.perf_counter() - started)
        return 1e6 * float(np.median(seconds))

    def _identity(self) -> str:
        """Text that no other fit has: a stream's state goes with one model alone."""
        hashed = sha256()
        for name, value in sorted(self.network_.state_dict().items()):
            hashed.update(name.encode() + value.detach().numpy().tobytes())
        return hashed.hexdigest()

    def _card(self) -> str:
        return detect_card(self.metrics_)

    # ---- saving -------------------------------------------------------------------------------------

    def _parts(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Tensor]]:
        preprocessing = {
            "encoder": self.encoder_.to_json(),
            "joining": asdict(self.joining_),
            "row_tail": [self.row_tail_.knots.tolist(), self.row_tail_.scores.tolist()],
            "threshold": self.threshold_.to_json(),
            "warmup": self.warmup_,
            "sessions": self.session_layout_,
            "independent": self.independent_,
            "baselines": self.baselines_.to_json(),
            "cutoffs": self.cutoffs_,
        }
        tensors = {
            f"baselines.{k}": torch.from_numpy(np.ascontiguousarray(v, np.float32))
            for k, v in self.baselines_.tensors().items()
        }
        tensors["tails"] = torch.from_numpy(self.tails_.table)
        if self.level_tails_ is not None:
            tensors["level_tails"] = torch.from_numpy(self.level_tails_.table)
        return spec_to_json(self.network_.spec), preprocessing, tensors

    def _from_parts(
        self,
        network: dict[str, Any],
        preprocessing: dict[str, Any],
        tensors: dict[str, Tensor],
        weights: dict[str, Tensor],
    ) -> None:
        spec = spec_from_json(DetectSpec, network)
        check_detect_spec(spec)
        self.encoder_ = encoder = RowEncoder.from_json(preprocessing["encoder"])
        if (len(encoder.live), encoder.cardinalities, encoder.calendar_size) != (
            spec.channels,
            spec.cardinalities,
            spec.calendar,
        ):
            raise ValueError("the encoder and the network differ in what a row is")
        self.network_ = build_checked(lambda: DetectNetwork(spec), weights)
        table = tensors.pop("tails").numpy()
        if table.shape[0] != spec.channels + len(spec.cardinalities):
            raise ValueError("the tails are of other columns")
        self.tails_ = Tails(table)
        self.joining_ = Joining(**preprocessing["joining"])
        self.level_tails_ = None
        if self.joining_.level:
            levels = tensors.pop("level_tails").numpy()
            if levels.shape != (spec.channels, table.shape[1]):
                raise ValueError("the tails of the levels are of other columns")
            self.level_tails_ = Tails(levels)
        knots, scores = preprocessing["row_tail"]
        self.row_tail_ = RowTail(np.array(knots, float), np.array(scores, float))
        self.threshold_ = threshold_from_json(preprocessing["threshold"])
        self.warmup_ = int(preprocessing["warmup"])
        self.session_layout_ = bool(preprocessing["sessions"])
        self.independent_ = bool(preprocessing["independent"])
        self.kind_ = str(encoder.layout["kind"])
        arrays = {
            k.removeprefix("baselines."): v.numpy()
            for k, v in tensors.items()
            if k.startswith("baselines.")
        }
        self.baselines_ = Baselines.from_parts(preprocessing["baselines"], arrays)
        self.cutoffs_ = {str(k): float(v) for k, v in preprocessing["cutoffs"].items()}


def _f1(alarm: BoolArray, labels: BoolArray) -> float:
    hit = float((alarm & labels).sum())
    return 2 * hit / max(float(alarm.sum() + labels.sum()), 1.0)


def _main(evaluation: dict[str, Any], loose: bool) -> str:
    if not evaluation["labelled"]:
        return "alarm_share"
    return "average_precision" if loose else "vus_pr"
