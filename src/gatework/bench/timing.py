"""Times of several contestants, taken in turns so that what disturbs the machine disturbs all."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

BLOCK_S = 0.004  # calls of one contestant that follow one another; a stream is not one call every now and then
# Torch's own threads go on spinning for some milliseconds after their work; nobody is timed meanwhile.
SETTLE_S = 0.015
LEAST_ROUNDS = 5


@dataclass
class Times:
    """Seconds of one contestant's calls; ``rounds`` holds the median of each turn."""

    calls: list[float] = field(default_factory=list)
    rounds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.calls)

    def summary(self) -> dict[str, Any]:
        """Milliseconds: median, quartiles, and the call that 1 % exceed."""
        ordered = sorted(self.calls)
        quantiles = {"ms": 0.5, "ms_q25": 0.25, "ms_q75": 0.75, "ms_p99": 0.99}
        return {k: 1e3 * at(ordered, q) for k, q in quantiles.items()} | {"calls": len(ordered)}


def at(ordered: list[float], share: float) -> float:
    """The value below which ``share`` of a sorted list lies.

    >>> at([1.0, 2.0, 3.0, 4.0, 5.0], 0.25)
    2.0
    """
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def alternate(
    runs: Mapping[str, Callable[[], object]],
    seconds: float,
    threads: int,
    least: int = LEAST_ROUNDS,
) -> dict[str, Times]:
    """Times of every run: about ``seconds`` for all together, at least ``least`` turns each.

    A turn is one call, or for short work as many as fill four milliseconds.  The order of the contestants is
    reversed from one round to the next.  The first call of a turn of short work is not counted.
    """
    calls = {}
    for name, run in runs.items():
        run()
        started = time.perf_counter()
        run()
        calls[name] = int(BLOCK_S / max(time.perf_counter() - started, 1e-7)) + 1
    found = {name: Times() for name in runs}
    order = list(runs)
    collecting = gc.isenabled()
    gc.collect()
    gc.freeze()  # what is here already is not looked through again, so that collecting costs nothing
    gc.disable()
    try:
        end = time.perf_counter() + seconds
        done = 0
        while done < least or time.perf_counter() < end:
            for name in order:
                if threads > 1:
                    time.sleep(SETTLE_S)
                turn = _turn(runs[name], calls[name])
                found[name].calls += turn
                found[name].rounds.append(median(turn))
            order.reverse()
            done += 1
            gc.collect()
    finally:
        gc.unfreeze()
        if collecting:
            gc.enable()
    return found


def _turn(run: Callable[[], object], calls: int) -> list[float]:
    clock = time.perf_counter
    if calls > 1:
        run()
    times = []
    for _ in range(calls):
        started = clock()
        run()
        times.append(clock() - started)
    return times


def ratio(slow: Times, fast: Times) -> dict[str, float]:
    """How many times longer ``slow`` takes: ratio of the medians, and the quartiles of the rounds' ratios."""
    rounds = sorted(a / b for a, b in zip(slow.rounds, fast.rounds, strict=True))
    return {
        "ratio": slow.median / fast.median,
        "q25": at(rounds, 0.25),
        "q75": at(rounds, 0.75),
    }
