"""A detector's row in one compiled call, instead of the forty that NumPy makes of it.

The same numbers as :mod:`~gatework.runtime.detect` and :mod:`~gatework.runtime.scoring` give, up to rounding,
on the same arrays of a series' states: rows and blocks may take turns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.engine_module import engine
from gatework.runtime.detect import DetectRuntime, RowState, Told
from gatework.runtime.detect_spec import DetectSpec
from gatework.runtime.scoring import ScoreState, Scoring
from gatework.runtime.tails import KNOTS, REACH

Array = npt.NDArray[Any]
NOTHING = np.empty((1, 0))


class RowStep:
    """One series, row after row; made by :meth:`RowModel.step`.

    ``push(numbers, tokens, calendar, changed)`` gives the joined surprise, the most surprising column and the
    sum of all; :attr:`surprise` and :meth:`told` say more of the last row.
    """

    __slots__ = ("_chances", "_expected", "best", "push", "surprise")

    def __init__(
        self, model: engine.RowModel, spec: DetectSpec, row: RowState, score: ScoreState
    ) -> None:
        C, D = spec.channels, len(spec.cardinalities)
        self._expected = np.empty((3, C), np.float32)
        self.best, self._chances = np.empty(D, np.int64), np.empty((2, D), np.float32)
        self.surprise = np.empty(
            len(score.usual)
        )  # (X,) nats, adapted: overwritten by the next row
        assert row.stream is not None
        h, beside = row.stream.arrays
        self.push = model.bind(
            h, beside, row.last, row.missing, row.tokens, score.usual, score.slow,
            score.held, self._expected, self.best, self._chances, self.surprise,
        ).push  # fmt: skip

    def told(self) -> Told:
        """What was expected of the last row, as a block of one; without residuals."""
        low, middle, high = self._expected[:, None].copy()
        best_p, own_p = self._chances[:, None].copy()
        return Told(NOTHING, low, middle, high, self.best[None].copy(), best_p, own_p)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(
            None
        ), ()  # its copy would write into the states of this one: made anew where it is missed


class RowModel:
    """Weights and tails that the steps of all series share; never changes.

    Args:
        runtime: a network that forecasts, in float32: see :meth:`fits`.
        scoring: how its residuals become one number.
        constants: K channels that were constant in training.
        alone: rows are neither adapted nor smoothed nor set against a slow mean, as those of a session.
        scale: ``(C,)`` location and inverse scale, float64: numbers then come raw, float64; else standardised,
            float32.
    """

    def __init__(
        self,
        runtime: DetectRuntime,
        scoring: Scoring,
        constants: int,
        *,
        alone: bool = False,
        scale: tuple[Array, Array] | None = None,
    ) -> None:
        self._made_of = runtime, scoring, constants, alone, scale
        spec = self._spec = runtime.spec
        C = spec.channels
        head: tuple[Array | None, ...] = (None, None, None)
        below = above = 0
        if C:
            assert runtime.keep is not None
            head = _plain(*runtime.head, runtime.keep)
            below, above = runtime.below, runtime.above
        words = [
            (n, width, *_plain(table, *weights))
            for n, width, table, weights in zip(
                spec.cardinalities, spec.embedding_sizes, runtime.tables, runtime.words, strict=True
            )
        ]
        joining = scoring.joining
        levels = None if alone else scoring.level_tails
        self._model = engine.RowModel(
            runtime.recurrent.engine,
            (C, spec.calendar, constants, spec.mask, below, above),
            head,
            words,
            (scoring.tails.table, KNOTS, REACH),
            (None if levels is None else levels.table, scoring.slowness),
            (
                joining.top,
                0.0 if alone else scoring.forget,
                1.0 if alone else scoring.weight,
                joining.constant,
            ),
            scale or (None, None),
        )

    @staticmethod
    def fits(runtime: DetectRuntime, scoring: Scoring) -> bool:
        """Whether there is a compiled step for such a network; for every scoring there is."""
        return runtime.spec.forecasts and runtime.recurrent.dtype == np.float32

    def step(self, row: RowState, score: ScoreState) -> RowStep:
        """A series' own, on the arrays of its states."""
        return RowStep(self._model, self._spec, row, score)

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, self._made_of


def _made(
    runtime: DetectRuntime,
    scoring: Scoring,
    constants: int,
    alone: bool,
    scale: tuple[Array, Array] | None,
) -> RowModel:
    return RowModel(runtime, scoring, constants, alone=alone, scale=scale)


def _plain(*arrays: Array) -> tuple[Array, ...]:
    return tuple(np.ascontiguousarray(a, np.float32) for a in arrays)
