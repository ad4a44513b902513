"""Series changed at random: lengths and padding stay, time only where no step has a label of its own."""

from __future__ import annotations

import pytest
import torch

from gatework.data.augment_series import augment_series
from gatework.data.encoders.base import SequenceBatch

LENGTHS = [30, 1, 17, 2]


def batch(per_step: bool = False, F: int = 4, C: int = 2) -> SequenceBatch:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor(LENGTHS)
    B, T = len(LENGTHS), max(LENGTHS)
    valid = (torch.arange(T) < lengths[:, None]).unsqueeze(-1)
    values = (torch.rand(B, T, F, generator=generator) + 1) * valid
    tokens = torch.randint(1, 9, (B, T, C), generator=generator) * valid
    targets = torch.zeros(B, T) if per_step else torch.zeros(B)
    return SequenceBatch(values, tokens, lengths, targets, torch.arange(B))


def changed(
    before: SequenceBatch, strength: float = 1.0, channels: int = 2, seed: int = 1
) -> SequenceBatch:
    return augment_series(before, torch.Generator().manual_seed(seed), strength, channels=channels)


@pytest.mark.parametrize("channels", [0, 2, 4])
@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("strength", [0.5, 4.0])
def test_padding_stays_0_and_lengths_stay(channels: int, per_step: bool, strength: float) -> None:
    before = batch(per_step)
    after = changed(before, strength, channels)
    assert torch.equal(after.lengths, before.lengths)
    assert (after.values.shape, after.tokens.shape) == (before.values.shape, before.tokens.shape)
    assert (after.values.dtype, after.tokens.dtype) == (torch.float32, torch.int64)
    for row, length in enumerate(LENGTHS):
        assert not after.values[row, length:].any()
        assert not after.tokens[row, length:].any()
        assert (after.tokens[row, :length] > 0).all()
        assert (after.values[row, :length, channels:] >= 1 - 1e-5).all()
    assert torch.equal(before.values, batch(per_step).values)  # left as it was
    assert torch.equal(before.tokens, batch(per_step).tokens)


def test_with_targets_of_every_step_time_stays() -> None:
    before = batch(per_step=True)
    after = changed(before, 2.0)
    assert torch.equal(after.tokens, before.tokens)
    assert torch.equal(after.values[..., 2:], before.values[..., 2:])
    assert not torch.equal(after.values, before.values)
    whole = changed(batch(), 2.0)
    assert not torch.equal(whole.tokens, before.tokens)


def test_strength_0_changes_nothing() -> None:
    before = batch()
    after = changed(before, 0.0)
    assert torch.equal(after.values, before.values)
    assert torch.equal(after.tokens, before.tokens)


def test_a_little_strength_changes_little_and_more_more() -> None:
    before = batch()
    far = [float((changed(before, s).values - before.values).abs().mean()) for s in (0.01, 0.1, 1)]
    assert 0 < far[0] < far[1] < far[2] < 0.5


def test_the_generator_decides_and_nothing_else() -> None:
    first = changed(batch())
    torch.manual_seed(5)
    again, other = changed(batch()), changed(batch(), seed=2)
    assert torch.equal(first.values, again.values)
    assert torch.equal(first.tokens, again.tokens)
    assert not torch.equal(first.values, other.values)


def test_scaling_is_one_factor_a_channel_and_noise_is_small() -> None:
    """On a constant sequence, which no warping changes, what is left is told apart."""
    ones = torch.ones(200, 100, 3)
    none = torch.zeros(200, 100, 0, dtype=torch.int64)
    lengths = torch.full((200,), 100)
    after = changed(SequenceBatch(ones, none, lengths, torch.empty(0), lengths), channels=2)
    assert torch.allclose(after.values[..., 2], ones[..., 2])
    factors = after.values[..., :2].mean(1)
    assert abs(float(factors.std()) - 0.1) < 0.02
    assert abs(float(factors.mean()) - 1) < 0.02
    noise = after.values[..., :2] - factors[:, None]
    assert abs(float(noise.std()) - 0.03) < 0.003


def test_time_runs_forwards_within_a_slice_of_the_sequence() -> None:
    clock = torch.arange(200.0).view(1, -1, 1).repeat(100, 1, 1)
    lengths = torch.full((100,), 200)
    none = torch.zeros(100, 200, 0, dtype=torch.int64)
    after = changed(SequenceBatch(clock, none, lengths, torch.empty(0), lengths), channels=0)
    x = after.values[..., 0]
    assert (x >= 0).all()
    assert (x <= 199).all()
    covered = x.amax(1) - x.amin(1)
    assert (covered > 0.7 * 199).all()
    assert (x.diff(dim=1) >= -1e-3).float().mean() > 0.98
