"""Sizes, arithmetic counted by hand, and inputs."""

from __future__ import annotations

import torch

from gatework.bench.rows import ROWS
from gatework.bench.work import Work, make_inputs


def test_arithmetic_by_hand() -> None:
    assert Work("step", I=2, H=3).flop == 2 * 4 * 3 * (2 + 3)
    assert Work("inference", cell="gru", B=5, T=7, I=2, H=3).flop == 35 * 2 * 3 * 3 * 5
    assert Work("training", cell="rnn", T=7, I=2, H=3).flop == 3 * 7 * 2 * 3 * 5
    projected = Work("inference", I=2, H=3, P=1)
    assert projected.flop == 2 * 4 * 3 * (2 + 1) + 2 * 3 * 1
    deep = Work("inference", I=2, H=3, Z=2, D=2)
    assert deep.flop == 2 * (2 * 12 * (2 + 3) + 2 * 12 * (6 + 3))
    assert deep.summed == 9


def test_ragged_lengths_go_from_a_quarter_to_all_and_only_they_count() -> None:
    work = Work("training", B=16, T=40, I=2, H=3, lengths="ragged")
    lengths = work.all_lengths
    assert (int(lengths.min()), int(lengths.max())) == (10, 40)
    assert not torch.equal(lengths, lengths.sort().values)
    assert work.steps == int(lengths.sum())
    full = Work("training", B=16, T=40, I=2, H=3)
    assert work.flop * full.steps == full.flop * work.steps


def test_inputs_are_the_same_every_time_and_zero_at_padding() -> None:
    work = Work("training", B=8, T=12, I=2, H=3, D=2, lengths="ragged")
    a, b = make_inputs(work), make_inputs(work)
    assert torch.equal(a.x, b.x)
    assert torch.equal(a.w, b.w)
    assert (a.x.shape, a.w.shape) == ((12, 8, 2), (12, 8, 6))
    for k, length in enumerate(a.lengths.tolist()):
        assert (a.x[length:, k] == 0).all()
        assert (a.w[length:, k] == 0).all()
        assert (a.w[:length, k] != 0).all()


def test_rows_have_names_of_their_own() -> None:
    assert len({work.name for work in ROWS}) == len(ROWS)
    assert Work("step", I=64, H=128).name == "step lstm I=64 H=128"
    ragged = Work("training", B=2, T=3, I=4, H=5, P=6, Z=2, D=2, lengths="ragged")
    assert ragged.name == "training bilstm ragged B=2 T=3 I=4 H=5 P=6 layers=2"
