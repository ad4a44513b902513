"""One run: a task at one lag with one cell and one seed, until it is solved or the time is over."""

from __future__ import annotations

import math
import time
import zlib
from typing import Any

import numpy as np
import torch
from network import Network, detached
from task import Task
from torch import nn

from tasks import TASKS

GOOD = 0.95  # share of the last sequences right from which on it is tested
FADE = 0.9  # of the running share, per batch
LOST = 100  # steps in a row without a finite gradient: nothing is left to train


def run(task: str, lag: int, cell: str, seed: int, budget_s: float) -> dict[str, Any]:
    """Train and test; the row of the results, its seconds those of the processor: others' work does not count.

    The time holds generating, training and testing, but not the measure at the end.  Nothing in it depends on
    the cell: data and order of a seed are the same for all cells.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    of = TASKS[task]
    source = np.random.SeedSequence([seed, lag, zlib.crc32(task.encode())])
    training, testing = (np.random.default_rng(s) for s in source.spawn(2))
    network = Network(cell, of.sizes(lag)[0], of.settings.hidden, of.sizes(lag)[1], of.memory(lag))
    seen, seconds, ended = _train(of, lag, network, budget_s, training, testing)
    finite = all(bool(p.isfinite().all()) for p in network.parameters())
    value = of.measure(network, testing, lag) if finite else math.nan
    return {
        "task": task,
        "lag": lag,
        "cell": cell,
        "seed": seed,
        "solved": ended == "solved",
        "sequences": seen,
        "seconds": round(seconds, 2),
        "budget_s": budget_s,
        "ended": ended,
        "value": value if math.isfinite(value) else None,
        "parameters": sum(p.numel() for p in network.parameters()),
        "biases": network.biases,
    }


def _train(
    of: Task,
    lag: int,
    network: Network,
    budget_s: float,
    training: np.random.Generator,
    testing: np.random.Generator,
) -> tuple[int, float, str]:
    """Sequences seen, seconds, and how it ended: solved, budget, or diverged."""
    settings = of.settings
    adam = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    seen = lost = 0
    check, share, state = settings.check_every, 0.0, None
    start = time.process_time()
    for batch in of.batches(training, settings.batch, lag):
        out, last = network(batch.x, batch.lengths, None if batch.fresh else state, of.at_end)
        loss = of.loss(out, batch)
        adam.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        if norm.isfinite():
            adam.step()
            lost = 0
            state = detached(last) if of.carried else None
        else:
            lost, state = lost + 1, None
        seen += batch.sequences
        right = float(of.right(out.detach(), batch).float().mean())
        share = FADE * share + (1 - FADE) * right
        if share >= GOOD and seen >= check:
            if of.solved(network, testing, lag):
                return seen, time.process_time() - start, "solved"
            check = seen + settings.check_every
        if lost >= LOST:
            return seen, time.process_time() - start, "diverged"
        if time.process_time() - start >= budget_s:
            break
    return seen, time.process_time() - start, "budget"
