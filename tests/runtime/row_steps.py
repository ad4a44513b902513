"""A row in one compiled call beside the same row in NumPy, for every option.

As a program: all cases on the path that GATEWORK_ISA names, which is printed; run by
test_row_step.py in a process for each path.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gatework.cells import CELLS
from gatework.runtime.detect import DetectRuntime, Told
from gatework.runtime.detect_spec import DETECT_CELLS, DetectSpec
from gatework.runtime.row_step import RowModel
from gatework.runtime.scoring import Joining, Scoring, distances
from gatework.runtime.tails import Tails

Array = npt.NDArray[Any]
# Recurrent steps and heads add up to 100 products in another order, 2^-24 each, and a quotient by a narrow side
# follows; between two knots of a tail a line may rise by 20 nats a knot.
TOLERANCE = 2e-3


def random_runtime(spec: DetectSpec, seed: int = 0) -> DetectRuntime:
    """A network with random weights, larger than those of a beginning so that residuals spread."""
    rng = np.random.default_rng(seed)
    H, cell = spec.hidden_size, CELLS[spec.cell]
    arrays: dict[str, Array] = {}

    def uniform(name: str, *shape: int, scale: float = 1.0) -> None:
        edge = scale * H**-0.5
        arrays[name] = rng.uniform(-edge, edge, shape).astype(np.float32)

    for layer in range(spec.num_layers):
        rows_x, rows_h = len(cell.x_gates) * H, len(cell.h_gates) * H
        uniform(f"recurrent.weight_ih_l{layer}", rows_x, H if layer else spec.row_size)
        uniform(f"recurrent.bias_ih_l{layer}", rows_x)
        if rows_h:
            uniform(f"recurrent.weight_hh_l{layer}", rows_h, H)
            uniform(f"recurrent.bias_hh_l{layer}", rows_h)
        if cell.parameters:
            uniform(f"recurrent.weight_p_l{layer}", len(cell.parameters), H)
    C, Q = spec.channels, len(spec.levels)
    if C:
        uniform("numbers.linear.weight", C * Q, H, scale=2.0)
        uniform("numbers.linear.bias", C * Q, scale=2.0)
    for d, (n, width) in enumerate(zip(spec.cardinalities, spec.embedding_sizes, strict=True)):
        uniform(f"tables.{d}.weight", n, width, scale=3.0)
        uniform(f"words.{d}.weight", n, H, scale=4.0)
        uniform(f"words.{d}.bias", n)
    arrays["keep"] = rng.uniform(0, 1, C).astype(np.float32)
    return DetectRuntime(spec, arrays)


def random_rows(spec: DetectSpec, n: int, seed: int = 1) -> tuple[Array, Array, Array]:
    """Numbers with holes and outliers, tokens, calendar."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, spec.channels)).astype(np.float32)
    if spec.mask:
        z[rng.random(z.shape) < 0.2] = np.nan
    z[rng.random(z.shape) < 0.02] *= 20
    tokens = np.empty((n, len(spec.cardinalities)), np.int64)
    for d, size in enumerate(spec.cardinalities):
        tokens[:, d] = rng.integers(0, size, n)
    return z, tokens, rng.standard_normal((n, spec.calendar)).astype(np.float32)


def scoring_of(spec: DetectSpec, runtime: DetectRuntime, joining: Joining) -> Scoring:
    """Tails of what the network does on other rows."""
    rows = random_rows(spec, 400, seed=2)
    told = runtime.advance(runtime.state(), *rows)
    level_tails = None
    if joining.level and spec.channels:  # half as far, so that now one and now the other is odder
        apart = distances(rows[0], np.full(spec.channels, np.nan), 0.1)
        level_tails = Tails.fit(apart / 2, spec.channels)
    return Scoring(Tails.fit(told.residuals, spec.channels), joining, level_tails=level_tails)


def check(spec: DetectSpec, joining: Joining, constants: int, n: int = 60) -> None:
    """Rows and blocks in turn against blocks alone, from one state to the other and back."""
    runtime = random_runtime(spec)
    scoring = scoring_of(spec, runtime, joining)
    z, tokens, calendar = random_rows(spec, n)
    changed = np.random.default_rng(3).random((n, constants)) < 0.1
    X = spec.channels + len(spec.cardinalities) + constants
    row, score = runtime.state(), scoring.state(X)
    told = runtime.advance(row, z, tokens, calendar)
    wanted = scoring.surprise(told.residuals, changed, score, z)

    rng = np.random.default_rng(4)
    location, inverse = rng.standard_normal(spec.channels), rng.uniform(0.1, 9, spec.channels)
    scaled = RowModel(runtime, scoring, constants, scale=(location, inverse))
    raw_step = scaled.step(runtime.state(), scoring.state(X))
    raw = z / inverse + location
    model = RowModel(runtime, scoring, constants)
    row2, score2 = runtime.state(), scoring.state(X)
    step = model.step(row2, score2)
    for i in range(n):
        if i % 20 in (7, 8):  # in a block of one, as NumPy makes it; the step goes on from there
            one = slice(i, i + 1)
            part = runtime.advance(row2, z[one], tokens[one], calendar[one])
            found = scoring.surprise(part.residuals, changed[one], score2, z[one])
            joined, surprise = float(found.joined[0]), found.adapted[0]
        else:
            joined, first, total = step.push(z[i], tokens[i], calendar[i], changed[i])
            part, surprise = step.told(), step.surprise
            assert first == surprise.argmax()
            if i < 7:
                given = raw_step.push(raw[i], tokens[i], calendar[i], changed[i])[0]
                close(given, wanted.joined[i], "joined, of raw numbers")
            close(total, surprise.sum(), "total")
        same(part, told, i)
        close(surprise, wanted.adapted[i], "surprise")
        close(joined, wanted.joined[i], "joined")
    for name, kept in row.snapshot().items():
        close(row2.snapshot()[name], kept, name)
    for name, kept in score.snapshot().items():
        close(score2.snapshot()[name], kept, name)


def same(part: Told, told: Told, i: int) -> None:
    """Row i of a block against a block of one."""
    for name in ("low", "middle", "high", "best_p", "own_p"):
        close(getattr(part, name)[0], getattr(told, name)[i], name)
    sure = told.best_p[i] > told.own_p[i] * 1.001
    assert (part.best[0] == told.best[i])[sure].all()


def close(got: Any, wanted: Any, name: str) -> None:
    """To within TOLERANCE of the number, or of 1."""
    got, wanted = np.asarray(got, float), np.asarray(wanted, float)
    assert got.shape == wanted.shape, (name, got.shape, wanted.shape)
    off = np.abs(got - wanted) / np.maximum(1, np.abs(wanted))
    assert not off.size or bool((off <= TOLERANCE).all()), f"{name} is off by {off.max():.2g}"


PLAIN = Joining(top=1, span=1.0, adapt=0.0, constant=5.0)
LEVEL = Joining(top=3, span=3.0, adapt=20.0, constant=5.0, level=9.0)
FULL = Joining(top=3, span=3.0, adapt=20.0, constant=5.0)


def cases() -> dict[str, tuple[DetectSpec, Joining, int]]:
    """Each option by itself and with others."""
    found = {}
    for C, cards in itertools.product((0, 1, 5, 38), ((), (7,), (3, 40))):
        if C or cards:
            found[f"C={C}, words={cards}"] = DetectSpec("forecast", C, cards), FULL, 0
    for cell in DETECT_CELLS:
        found[cell] = DetectSpec("forecast", 4, (6,), cell=cell, hidden_size=19), FULL, 0
    levels = (0.01, 0.1, 0.5, 0.9, 0.99)
    more = {
        "mask": DetectSpec("forecast", 6, (), mask=True),
        "calendar": DetectSpec("forecast", 6, (), calendar=4),
        "layers": DetectSpec("forecast", 6, (), num_layers=3, hidden_size=64),
        "levels": DetectSpec("forecast", 6, (), levels=levels),
        "zoneout": DetectSpec("forecast", 6, (), zoneout=0.1),
        "all": DetectSpec(
            "forecast", 6, (5, 9), calendar=2, mask=True, num_layers=2, levels=levels
        ),
    }
    for name, spec in more.items():
        found[name] = spec, FULL, 2
        found[f"{name}, plainly"] = spec, PLAIN, 0
        found[f"{name}, level"] = spec, LEVEL, 2
    for level, C in itertools.product((0.5, 3.0, 200.0), (1, 38)):
        joining = replace(PLAIN, level=level)
        found[f"level={level}, C={C}"] = DetectSpec("forecast", C, (5,), mask=True), joining, 1
    for top, span, adapt in itertools.product((1, 4, 100), (1.0, 5.0), (0.0, 7.0)):
        joining = Joining(top=top, span=span, adapt=adapt, constant=9.0)
        found[f"top={top}, span={span}, adapt={adapt}"] = more["all"], joining, 3
    return found


if __name__ == "__main__":
    from gatework.engine_module import engine

    for name, case in cases().items():
        try:
            check(*case)
        except AssertionError as error:
            raise SystemExit(f"{name}: {error}") from None
    print(engine.info()["path"])
