"""The rows of the benchmark by group, and what each group is to reach.

A goal is about one value of a row: a ratio, "torch's contestant / ours"; our share of the peak; or torch's
kept memory over ours.  It states the least value of every row, and of their geometric mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gatework.bench.work import Kind, Work

BATCHES, UNITS = (16, 32, 64, 128), (64, 128, 256, 512, 1024)


def _grid(kind: Kind) -> tuple[Work, ...]:
    return tuple(Work(kind, B=B, T=50, I=H, H=H) for H in UNITS for B in BATCHES)


# (I, H, B, T): every odd size at least once, in sizes that occur together
_ODD = (
    (1, 1, 1, 1),
    (1, 1, 33, 1000),
    (7, 7, 3, 1000),
    (39, 20, 33, 2),
    (1, 20, 1, 1000),
    (80, 100, 33, 50),
    (7, 200, 3, 1000),
    (200, 200, 20, 20),
    (80, 650, 33, 2),
    (650, 650, 20, 35),
    (39, 1000, 3, 1),
    (80, 1000, 1, 1000),
    (80, 1000, 33, 20),
)


def _odd() -> tuple[Work, ...]:
    rows = [
        Work(kind, I=width, H=H, B=B, T=T)
        for width, H, B, T in _ODD
        for kind in ("inference", "training")
    ]
    rows += [
        Work("training", cell="gru", I=7, H=100, B=33, T=50),
        Work("training", cell="rnn", I=39, H=20, B=33, T=50),
        Work("training", I=39, H=100, B=33, T=50, P=20),
        Work("training", I=128, H=128, B=32, T=50, batch_first=True),
    ]
    return tuple(rows)


def _ragged() -> tuple[Work, ...]:
    same = [
        Work("training", B=32, T=50, I=H, H=H, D=D, lengths="ragged")
        for D in (1, 2)
        for H in (64, 128, 256, 512)
    ]
    return (*same, Work("training", B=64, T=200, I=39, H=128, D=2, lengths="ragged"))


_GRU = Work("training", cell="gru", B=32, T=50, I=256, H=256)
_SIZES = ((32, 128), (32, 256), (64, 512))

GROUPS: dict[str, tuple[Work, ...]] = {
    "step": (
        Work("step", I=64, H=128),
        Work("step", I=128, H=256),
        Work("step", I=128, H=512),
    ),
    "one-sequence": (Work("inference", B=1, T=100, I=64, H=128),),
    "inference": _grid("inference"),
    "training": _grid("training"),
    "ragged": _ragged(),
    "packed": tuple(
        Work("training", B=32, T=50, I=128, H=128, D=D, lengths="packed") for D in (1, 2)
    ),
    "gru-training": tuple(replace(_GRU, B=B, I=H, H=H) for B, H in _SIZES),
    "gru-inference": tuple(replace(_GRU, kind="inference", B=B, I=H, H=H) for B, H in _SIZES),
    "rnn-training": tuple(replace(_GRU, cell="rnn", B=B, I=H, H=H) for B, H in _SIZES),
    "projection": tuple(
        Work("training", B=B, T=50, I=H, H=H, P=P)
        for B, H, P in ((32, 256, 64), (32, 256, 128), (64, 512, 128))
    ),
    "two-layers": tuple(Work("training", B=B, T=50, I=128, H=128, Z=2) for B in (16, 32, 128)),
    "odd": _odd(),
}


@dataclass(frozen=True)
class Goal:
    """What the rows of a group are to reach."""

    group: str
    text: str
    value: str  # SHARE, MEMORY, or the name of a ratio
    least: float
    mean: float | None = None  # least geometric mean
    about: Callable[[Work], bool] = lambda work: True


def _large(work: Work) -> bool:
    return work.H >= 256 and work.B >= 32


def _units(H: int) -> Callable[[Work], bool]:
    return lambda work: work.H == H


SHARE, MEMORY = "share of peak", "memory kept, torch / ours"
NN = "gatework.nn"
STREAM = "gatework.runtime"
GOALS = (
    *(
        goal
        for H, runtime in ((128, 20), (256, 12), (512, 8))
        for goal in (
            Goal("step", f"step, H={H}", f"torch / {STREAM}", runtime, about=_units(H)),
            Goal("step", f"step, H={H}", f"torch / {NN}", 4, about=_units(H)),
        )
    ),
    Goal("step", "step, H=128", f"onnxruntime / {STREAM}", 3, about=_units(128)),
    Goal("one-sequence", "inference of one sequence", f"torch / {NN}", 2),
    Goal("inference", "LSTM inference", f"torch / {NN}", 1.0, 1.05),
    Goal("inference", "LSTM inference, H ≥ 256, B ≥ 32", SHARE, 0.85, about=_large),
    Goal("training", "LSTM training", f"torch / {NN}", 1.1, 1.6),
    Goal("training", "LSTM training, H ≥ 256, B ≥ 32", SHARE, 0.75, about=_large),
    Goal("ragged", "LSTM and BiLSTM training, ragged", f"torch packed / {NN}", 7),
    Goal("ragged", "LSTM and BiLSTM training, ragged", f"torch padded / {NN}", 2),
    Goal("packed", "the same, PackedSequence in and out", f"torch / {NN}", 7),
    Goal("gru-training", "GRU training", f"torch / {NN}", 4),
    Goal("gru-inference", "GRU inference", f"torch / {NN}", 3),
    Goal("rnn-training", "RNN training", f"torch / {NN}", 2.5),
    Goal("projection", "LSTM with projection, training", f"torch / {NN}", 3.5),
    Goal("two-layers", "2-layer LSTM training, H=128", f"torch / {NN}", 2),
    *(
        Goal(group, f"{group}: kept for backward", MEMORY, 1.0)
        for group in ("training", "ragged", "gru-training", "rnn-training", "projection", "odd")
    ),
    Goal("odd", "odd sizes: never slower", f"torch / {NN}", 1.0),
)
