"""Augmentation: decided by the generator, nothing behind lengths, consistent, near what it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from gatework.data.augment import (
    augment_frames,
    augment_ink,
    augment_pictures,
    augment_sound,
)
from gatework.data.encoders.base import SequenceBatch

Augment = Callable[[SequenceBatch, torch.Generator, float], SequenceBatch]


def batch(lengths: list[int], size: int, seed: int = 0) -> SequenceBatch:
    g = torch.Generator().manual_seed(seed)
    T = max(lengths)
    values = torch.randn(len(lengths), T, size, generator=g)
    values *= (torch.arange(T) < torch.tensor(lengths)[:, None]).unsqueeze(-1)
    return SequenceBatch(
        values,
        torch.zeros(len(lengths), T, 0, dtype=torch.long),
        torch.tensor(lengths),
        torch.zeros(len(lengths), dtype=torch.long),
        torch.arange(len(lengths)),
    )


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


CASES = {
    "sound": (augment_sound, [40, 7, 1], 20),
    "loud": (partial(augment_sound, gain=True), [40, 7, 1], 20),
    "ink": (partial(augment_ink, spacing=0.1), [40, 7, 1], 5),
    "rows": (partial(augment_pictures, shape=(1, 12, 9)), [12, 12], 9),
    "columns": (partial(augment_pictures, shape=(3, 9, 12), by_columns=True), [12, 12], 27),
    "frames": (partial(augment_frames, shape=(1, 8, 8)), [10, 3, 1], 64),
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> tuple[Augment, SequenceBatch]:
    augment, lengths, size = CASES[request.param]
    return augment, batch(lengths, size)


def test_the_generator_decides(case: tuple[Augment, SequenceBatch]) -> None:
    augment, given = case
    before = given.values.clone()
    a, b = augment(given, generator(), 1.0), augment(given, generator(), 1.0)
    other = augment(given, generator(2), 1.0)
    assert torch.equal(a.values, b.values)
    assert torch.equal(a.lengths, b.lengths)
    assert a.values.shape != other.values.shape or not torch.equal(a.values, other.values)
    assert torch.equal(given.values, before)


@pytest.mark.parametrize("strength", [0.3, 1.0, 4.0])
def test_shapes_and_what_lies_behind(case: tuple[Augment, SequenceBatch], strength: float) -> None:
    augment, given = case
    found = augment(given, generator(), strength)
    assert found.values.shape[:2] == found.tokens.shape[:2]
    assert found.values.shape[-1] == given.values.shape[-1]
    assert found.values.shape[1] == int(found.lengths.max())
    assert int(found.lengths.min()) >= 1
    assert bool(torch.isfinite(found.values).all())
    behind = torch.arange(found.values.shape[1]) >= found.lengths[:, None]
    assert not found.values[behind].any()


def test_nothing_at_strength_0(case: tuple[Augment, SequenceBatch]) -> None:
    augment, given = case
    assert torch.equal(augment(given, generator(), 0.0).values, given.values)


def test_what_pads_a_sequence_does_not_reach_it(case: tuple[Augment, SequenceBatch]) -> None:
    augment, given = case
    if len({*given.lengths.tolist()}) == 1:
        pytest.skip("pictures are all of one length")
    dirty = given.values.clone()
    behind = torch.arange(dirty.shape[1]) >= given.lengths[:, None]
    dirty[behind] = 1e6
    found = augment(replace(given, values=dirty), generator(), 1.0)
    # What stood behind a sequence may not come into it: into ink it could, through its neighbour.
    assert float(found.values.abs().max()) < 1e3


def test_targets_of_steps_keep_their_times() -> None:
    for augment, size in ((augment_sound, 20), (partial(augment_frames, shape=(1, 8, 8)), 64)):
        given = batch([40, 7, 1], size)
        given = replace(given, targets=torch.zeros(3, 40))
        assert torch.equal(augment(given, generator(), 1.0).lengths, given.lengths)


def test_speed_changes_lengths_a_little() -> None:
    found = augment_sound(batch([100] * 50, 20), generator(), 1.0)
    assert found.lengths.min() >= 86
    assert found.lengths.max() <= 118
    assert found.lengths.float().std() > 3


def test_masks_hide_a_part() -> None:
    found = augment_sound(batch([100] * 50, 20), generator(), 1.0)
    hidden = [
        (v[:n] == 0).float().mean().item() for v, n in zip(found.values, found.lengths, strict=True)
    ]
    assert 0.1 < np.mean(hidden) < 0.4


def test_moves_are_the_ways_between_points() -> None:
    spacing = 0.1
    given = batch([30, 12], 5)
    points = given.values[..., 3:5].cumsum(1) * spacing
    moves = torch.diff(points, dim=1, prepend=points[:, :1]) / spacing
    values = torch.cat([moves, (torch.rand(2, 30, 1) > 0.8).float(), points], dim=-1)
    values *= (torch.arange(30) < given.lengths[:, None]).unsqueeze(-1)
    given = replace(given, values=values)
    found = augment_ink(given, generator(), 1.0, spacing=spacing).values
    assert torch.equal(found[..., 2], values[..., 2])
    for i, n in enumerate((30, 12)):
        ways = torch.diff(found[i, :n, 3:5], dim=0) / spacing
        assert torch.allclose(found[i, 1:n, :2], ways, atol=1e-4)
        assert not found[i, 0, :2].any()


def test_a_picture_moves_by_pixels() -> None:
    x = torch.zeros(200, 28, 28)
    x[:, 12:16, 12:16] = 1
    given = replace(batch([28] * 200, 28), values=x)
    found = augment_pictures(given, generator(), 1.0, shape=(1, 28, 28)).values
    rows = (found.sum(2) * torch.arange(28)).sum(1) / found.sum((1, 2))
    columns = (found.sum(1) * torch.arange(28)).sum(1) / found.sum((1, 2))
    for middle in (rows, columns):
        assert abs(float(middle.mean()) - 13.5) < 0.5
        assert 0.5 < float(middle.std()) < 3
    assert float((found.sum((1, 2)) / 16).mean()) == pytest.approx(1, abs=0.1)


def test_rows_and_columns_are_changed_alike() -> None:
    picture = torch.rand(4, 6, 8, generator=generator(5))
    by_rows = replace(batch([6] * 4, 8), values=picture)
    by_columns = replace(batch([8] * 4, 6), values=picture.mT.contiguous())
    a = augment_pictures(by_rows, generator(), 1.0, shape=(1, 6, 8)).values
    b = augment_pictures(by_columns, generator(), 1.0, shape=(1, 6, 8), by_columns=True).values
    assert torch.allclose(a, b.mT, atol=1e-6)
