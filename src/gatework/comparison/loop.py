"""``compare``: every cell, every seed, the same split, the same budget."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gatework.comparison.described import described
from gatework.comparison.measure import PUSHES, push_microseconds
from gatework.comparison.plan import Plan, make_plan, run_settings
from gatework.comparison.result import Comparison
from gatework.comparison.runs import Run, Test
from gatework.comparison.sizes import nearest_size, parameters_of
from gatework.comparison.store import Store
from gatework.comparison.telling import Silent, Teller, Watched
from gatework.errors import DataError, GateworkError, GateworkWarning
from gatework.report.words import count, duration, number
from gatework.tasks.registry import task_class

WARM_UP_SECONDS = 0.2


def compare(
    task: str,
    data: Any,
    *,
    cells: str | Sequence[str] | None = None,
    seeds: int = 3,
    budget: str = "parameters",
    contexts: Sequence[int] = (),
    runs: str | Path | None = None,
    resume: bool = False,
    teller: Teller | None = None,
    **settings: Any,
) -> Comparison:
    """How cells do on these data, and what of their differences is more than chance.

    Each cell is trained with each seed on the same training part and judged on the same test part, which are
    prepared once.  Runs are interleaved, seed by seed, and every seed begins with another cell, so
    that a machine that slows down slows all of them.

    Args:
        task: such as ``"forecast"``.
        data: what the ``fit`` of the task takes.
        cells: names of cells, ``"all"``, or None for feedforward, rnn, gru and lstm.
        seeds: trainings of each cell, with the seeds ``seed``, ``seed + 1`` and so on.
        budget: ``"parameters"``: each gets the hidden size whose number of parameters is nearest to that of
            the lstm (or the first cell) with the hidden size of the settings; ``"epochs"``: the same hidden
            size and number of epochs, no early stopping; ``"60s"`` and the like: the same hidden size and
            time to train.
        contexts: train every cell on each of these contexts too; the last is the one of the table.
        runs: folder that keeps what is done; None keeps nothing.
        resume: go on with what that folder holds.
        teller: told of every run; silent by default.
        settings: settings of the task and roles of the columns, as in its ``fit``.

    Returns:
        A :class:`~gatework.comparison.result.Comparison`; after Ctrl-C, of the runs that are done.

    Raises:
        ConfigError, DataError, OutputError: what is wrong, where, and what to do.
        GateworkError: every training failed, or none was done before Ctrl-C.

    >>> t = np.arange(300)
    >>> y = np.sin(t / 4) + np.random.default_rng(0).normal(0, 0.1, 300)
    >>> result = compare("forecast", y, cells=["rnn", "gru"], seeds=2, horizon=4, context=12,
    ...                  hidden_size=8, max_epochs=1, batch_size=64)
    >>> sorted(result.table["cell"]), result.table["seeds"].to_list()
    (['gru', 'rnn'], [2, 2])
    """
    plan = make_plan(task, cells, seeds, budget, contexts, settings)
    store = Store(runs, plan, resume=resume)
    return _Comparing(plan, store, teller or Silent()).run(data)


class _Comparing:
    """The state of one comparison while it runs."""

    def __init__(self, plan: Plan, store: Store, teller: Teller) -> None:
        self.plan, self.store, self.teller = plan, store, teller
        self.settings = run_settings(plan)
        self.prepared: dict[int | None, Any] = {}
        self.tests: dict[int | None, Test] = {}
        self.fingerprints: dict[int | None, str] = {}

    def run(self, data: Any) -> Comparison:
        plan = self.plan
        for context in plan.contexts:
            model = self._estimator(plan.reference, None, context)
            self.prepared[context] = model.prepare(data, **plan.roles)
            self.fingerprints[context] = model._data_fingerprint(self.prepared[context])
            found = self.store.load_test(context, self.fingerprints[context])
            if found is not None:
                self.tests[context] = found
        for notice in plan.notices:
            self.teller.line(notice)
        todo = list(self._planned())
        self.teller.line(
            f"{count(len(todo), 'training')}: {count(len(plan.cells), 'cell')}, "
            f"{count(len(plan.seeds), 'seed')}"
            + (f", {len(plan.contexts)} contexts" if len(plan.contexts) > 1 else "")
            + f"; the same {plan.budget.kind} for each"
        )
        done, interrupted = self._train_all(todo)
        finished = [run for run in done if run.failure is None]
        if not finished and interrupted:
            raise GateworkError("interrupted before the first training was done; nothing to report")
        if not finished:
            first = done[0]
            raise GateworkError(
                f"every training failed; the first, {first.cell} with seed {first.seed}: {first.failure}"
            )
        data_ = described(self.prepared[plan.contexts[-1]])
        return Comparison.of(plan, done, self.tests, interrupted=interrupted, data=data_)

    def _planned(self) -> Iterator[Run]:
        """Runs in their order: a round of all cells for each seed and context, its start moving on."""
        plan = self.plan
        sizes = {c: self._sizes(c) for c in plan.contexts}
        for i, seed in enumerate(plan.seeds):
            for context in plan.contexts:
                for k in range(len(plan.cells)):
                    cell = plan.cells[(i + k) % len(plan.cells)]
                    size = sizes[context][cell]
                    if isinstance(size, int):
                        yield Run(cell, seed, context, size)
                    else:
                        yield Run(cell, seed, context, None, failure=size)

    def _sizes(self, context: int | None) -> dict[str, int | str]:
        """Hidden size of each cell, or why it has none."""
        plan, default = self.plan, self._estimator(self.plan.reference, None, context).config
        size = int(default.hidden_size)
        if plan.budget.kind != "parameters":
            return dict.fromkeys(plan.cells, size)
        settings = self._run_settings(context)
        parameters = parameters_of(plan.task, settings, self.prepared[context])
        wanted = parameters(plan.reference, size)
        sizes: dict[str, int | str] = {plan.reference: size}
        for cell in plan.cells:
            if cell == plan.reference:
                continue
            try:
                sizes[cell] = nearest_size(partial(parameters, cell), wanted, size)
            except Exception as error:  # of this cell; the others go on
                sizes[cell] = _words_of(error)
        return sizes

    def _train_all(self, todo: list[Run]) -> tuple[list[Run], bool]:
        """The runs that are done or failed, and whether Ctrl-C came."""
        done: list[Run] = []
        warm = False
        for i, planned in enumerate(todo):
            place = f"{i + 1}/{len(todo)} {_spoken(planned)}"
            if planned.failure is not None:
                done.append(planned)
                self.teller.line(f"{place}: failed: {planned.failure}")
                continue
            kept = self.store.load_run(planned) if planned.context in self.tests else None
            if kept is not None:
                done.append(kept)
                self.teller.line(f"{place}: kept from before, {self._words(kept)}")
                continue
            try:
                if not warm:
                    self._warm_up(planned)
                    warm = True
                run = self._train(planned)
            except KeyboardInterrupt:
                self.teller.line(f"interrupted; {len(done)} of {count(len(todo), 'training')} done")
                return done, True
            done.append(run)
            self.store.save_run(run)
            self.teller.line(f"{place}: {self._words(run)}")
        return done, False

    def _warm_up(self, planned: Run) -> None:
        """A moment of training that is thrown away: what is loaded at first use is not timed."""
        settings = self._run_settings(planned.context) | {
            "cell": planned.cell, "hidden_size": planned.hidden_size,
            "max_epochs": 1, "max_seconds": WARM_UP_SECONDS,
        }  # fmt: skip
        try:
            model = task_class(self.plan.task)(**settings)
            model.fit_prepared(self.prepared[planned.context])
        except Exception:
            return  # whatever it is, the run itself will say it

    def _train(self, run: Run) -> Run:
        """The run, filled in; what goes wrong with this cell is its failure, not the comparison's."""
        prepared = self.prepared[run.context]
        watched = Watched(self.teller.of_run())
        try:
            model = self._estimator(run.cell, run.hidden_size, run.context, run.seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", GateworkWarning)
                model.fit_prepared(prepared, progress=watched)
                if model.training_.stopped == "interrupted":
                    raise KeyboardInterrupt
                judged = model.judged(prepared, baselines=run.context not in self.tests)
            if run.context not in self.tests:
                fingerprint = self.fingerprints[run.context]
                test = Test.of(judged, model.remarks(prepared), fingerprint)
                self.tests[run.context] = test
                self.store.save_test(run.context, test)
            if not math.isfinite(judged.score):
                raise GateworkError(f"its {judged.name} on the test part is {judged.score}")
            observations = model.observations(prepared, PUSHES)
            training = model.training_
            run.push_us = push_microseconds(model, observations)
        except DataError:
            raise  # of the data, not of the cell
        except Exception as error:
            run.failure = _words_of(error)
            return run
        run.parameters, run.score, run.items = model.parameters, judged.score, judged.items
        run.seconds, run.epochs = training.seconds, len(training.history)
        run.best_epoch, run.stopped = training.best_epoch, training.stopped
        run.epoch_seconds = _epoch_seconds(training.history)
        run.peak_mib, run.cpu_share = watched.peak_mib, watched.cpu_share
        return run

    def _run_settings(self, context: int | None) -> dict[str, Any]:
        return self.settings if context is None else {**self.settings, "context": context}

    def _estimator(
        self, cell: str, hidden_size: int | None, context: int | None, seed: int | None = None
    ) -> Any:
        settings = {**self._run_settings(context), "cell": cell}
        if hidden_size is not None:
            settings["hidden_size"] = hidden_size
        if seed is not None:
            settings["seed"] = seed
        return task_class(self.plan.task)(**settings)

    def _words(self, run: Run) -> str:
        if run.failure is not None:
            return f"failed: {run.failure}"
        name = self.tests[run.context].name
        epochs = f"{run.epochs} epoch{'s' if run.epochs != 1 else ''}"
        return f"{name} {number(run.score)}, {epochs} in {duration(run.seconds)}"


def _spoken(run: Run) -> str:
    context = "" if run.context is None else f", context {run.context}"
    return f"{run.cell}, seed {run.seed}{context}"


def _epoch_seconds(history: Sequence[Any]) -> float | None:
    """Median time of the whole epochs; a last one that was cut short counts by its share of steps."""
    most = max((r.steps for r in history), default=0)
    seconds = [r.seconds * most / r.steps for r in history if r.steps]
    return float(np.median(seconds)) if seconds else None


def _words_of(error: Exception) -> str:
    """Our own messages are complete; of others the first line, with the kind of error."""
    if isinstance(error, GateworkError):
        return str(error)
    first = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
