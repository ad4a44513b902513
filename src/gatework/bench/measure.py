"""One row of a table: results compared, then times taken in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch

from gatework.bench.compare import compare
from gatework.bench.contestants import (
    CHECKED_STEPS,
    Contestant,
    Layer,
    contestants,
    torch_mode,
)
from gatework.bench.peak import Peak
from gatework.bench.timing import LEAST_ROUNDS, alternate, ratio
from gatework.bench.work import Inputs, Work, make_inputs

Extra = Callable[[Work, Inputs], Iterable[Contestant]]


def measure(
    work: Work, seconds: float, peak: Peak, extra: Extra | None = None, least: int = LEAST_ROUNDS
) -> dict[str, Any]:
    """Times, ratios, GFLOP/s and kept memory of every contestant of ``work``, as plain data.

    Args:
        work: what is computed.
        seconds: about how long the clock runs, all contestants together.
        peak: what the GFLOP/s are a share of, times torch's number of threads.
        extra: more contestants for this work.
        least: turns that each contestant gets even if ``seconds`` are over.

    Returns:
        ``{"work", "threads", "steps", "gflop", "contestants": {name: {...}}, "ratios": {name: {...}}}``; a
        ratio's name is "torch / gatework.nn": how many times longer torch takes.

    Raises:
        ResultsDifferError: a contestant computes something else.
    """
    inputs = make_inputs(replace(work, T=CHECKED_STEPS) if work.kind == "step" else work)
    threads = torch.get_num_threads()
    everyone = contestants(work, inputs)
    if extra is not None:
        everyone += extra(work, inputs)
    with torch_mode(work):
        errors = _compare(work, everyone)
        times = alternate({c.name: c.run for c in everyone}, seconds, threads, least)
    rows = {}
    for contestant in everyone:
        found = times[contestant.name]
        gflops = work.flop / found.median / 1e9
        rows[contestant.name] = found.summary() | {
            "gflops": gflops,
            "share_of_peak": gflops / (peak.gflops * threads),
            "steps_per_s": work.steps / found.median,
            "error": errors[contestant.name],
        }
        if work.kind == "training" and isinstance(contestant, Layer):
            rows[contestant.name]["kept_bytes"] = contestant.kept_bytes()
    ratios = {
        f"{other.name} / {own.name}": ratio(times[other.name], times[own.name])
        for own in everyone
        if own.ours
        for other in everyone
        if not other.ours
    }
    return {
        "work": work.name,
        "threads": threads,
        "steps": work.steps,
        "gflop": work.flop / 1e9,
        "contestants": rows,
        "ratios": ratios,
    }


def _compare(work: Work, everyone: list[Contestant]) -> dict[str, float]:
    """Differences from the first contestant, as shares of what is allowed."""
    expected = {name: value.clone() for name, value in everyone[0].results().items()}
    first = everyone[0].name
    return {first: 0.0} | {
        c.name: compare(work, expected, c.results(), (first, c.name), c.rounding)
        for c in everyone[1:]
    }
