"""What the detector's network sees of which row, and when: nothing too early, nothing behind a piece's end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gatework.nn.detect import HARD, SOFT, DetectNetwork, RowBatch, Told, bent, carried
from gatework.runtime.detect_spec import METHODS, DetectSpec

NAN = float("nan")
C, CARDS, F, B, T = 3, (6, 9), 2, 4, 12


def network(method: str, seed: int = 0, **changes: Any) -> DetectNetwork:
    """Random weights everywhere, in float64 and eval mode."""
    sizes: dict[str, Any] = {
        "channels": C, "cardinalities": CARDS, "calendar": F, "mask": True, "hidden_size": 12,
        "latent_size": 3, "window": T, "dropout": 0.0,
    }  # fmt: skip
    torch.manual_seed(seed)
    net = DetectNetwork(DetectSpec(method, **(sizes | changes))).double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return net


def batch(spec: DetectSpec, lengths: tuple[int, ...] = (T, 7, 1, T - 1), seed: int = 1) -> RowBatch:
    """Numbers with holes and outliers."""
    g = torch.Generator().manual_seed(seed)
    size = (len(lengths), T)
    values = torch.randn(*size, spec.channels, generator=g, dtype=torch.float64)
    values = torch.where(torch.rand(values.shape, generator=g) < 0.1, values * 30, values)
    values = torch.where(torch.rand(values.shape, generator=g) < 0.2, NAN, values)
    tokens = [torch.randint(0, n, size, generator=g) for n in spec.cardinalities]
    words = torch.stack(tokens, -1) if tokens else torch.zeros(*size, 0, dtype=torch.int64)
    calendar = torch.randn(*size, spec.calendar, generator=g, dtype=torch.float64)
    return RowBatch(values, words, calendar, torch.tensor(lengths))


def apart(a: Told, b: Told) -> Tensor:
    """``(B, T)``: how far two answers differ in a row."""
    found = (a.quantiles - b.quantiles).abs().flatten(2).amax(-1)
    for x, y in zip(a.logits, b.logits, strict=True):
        found = torch.maximum(found, (x - y).abs().amax(-1))
    return found.detach()


def changed(rows: RowBatch, where: Tensor) -> RowBatch:
    """Other numbers and words where ``(B, T)`` says so."""
    values = torch.where(where[..., None], 1.7 - rows.values.nan_to_num(), rows.values)
    tokens = torch.where(where[..., None], (rows.tokens + 1) % torch.tensor(CARDS), rows.tokens)
    return rows._replace(values=values, tokens=tokens)


# ---- numbers before the network -----------------------------------------------------------------------


def test_far_numbers_are_bent_and_near_ones_left() -> None:
    z = torch.tensor([-1e9, -5, -SOFT, -1, 0, 3.9, SOFT, 5, 1e9, NAN], dtype=torch.float64)
    told = bent(z).tolist()
    five = SOFT + np.log(2.0)
    assert told[:9] == pytest.approx([-HARD, -five, -SOFT, -1, 0, 3.9, SOFT, five, HARD])
    assert np.isnan(told[9])
    line = bent(torch.linspace(-100, 100, 4001, dtype=torch.float64)).diff()
    assert bool((line >= 0).all())
    assert not bool((line <= 0.04).all())  # the 0.05 of a step are kept where it is near


def test_missing_numbers_are_carried_as_a_loop_does() -> None:
    values = batch(network("forecast").spec).values
    values[1, :, 2] = NAN  # never there
    wanted = torch.zeros_like(values)
    for b in range(B):
        for c in range(C):
            last = 0.0
            for t in range(T):
                x = float(values[b, t, c])
                last = last if np.isnan(x) else x
                wanted[b, t, c] = last
    assert torch.equal(carried(values), wanted)
    assert not torch.equal(carried(values), values.nan_to_num())


# ---- shapes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("channels", "cards"), [(C, CARDS), (C, ()), (0, CARDS), (1, (3,))])
def test_shapes_and_quantiles_in_order(method: str, channels: int, cards: Any) -> None:
    net = network(method, channels=channels, cardinalities=cards, mask=channels > 1)
    told = net(batch(net.spec))
    assert told.quantiles.shape == (B, T, channels, 5)
    assert bool((told.quantiles.diff(dim=-1) > 0).all())
    assert [tuple(x.shape) for x in told.logits] == [(B, T, n) for n in cards]
    assert told.divergence.shape == ()
    assert bool(told.divergence > 0) == (method == "variational")
    assert all(bool(torch.isfinite(x).all()) for x in (told.quantiles, *told.logits))


@pytest.mark.parametrize("method", METHODS)
def test_what_is_behind_the_end_of_a_piece_changes_nothing(method: str) -> None:
    net = network(method)
    rows = batch(net.spec)
    inside = torch.arange(T) < rows.lengths[:, None]
    other = changed(rows, ~inside)
    other = other._replace(calendar=torch.where(inside[..., None], rows.calendar, 9.0))
    off = apart(net(rows), net(other))
    assert float(off[inside].max()) < 1e-12
    # and a piece is what it is alone
    values, tokens, calendar = (x[1:2, :7] for x in rows[:3])
    alone = RowBatch(values, tokens, calendar, rows.lengths[1:2])
    whole = net(rows)
    part = Told(whole.quantiles[1:2, :7], tuple(x[1:2, :7] for x in whole.logits), whole.divergence)
    assert float(apart(net(alone), part).max()) < 1e-12


# ---- what a row's answer depends on -------------------------------------------------------------------


@pytest.mark.parametrize("t", [0, 4, T - 1])
def test_a_forecast_knows_neither_its_row_nor_later_ones(t: int) -> None:
    net = network("forecast")
    rows = batch(net.spec, (T,) * B)
    later = (torch.arange(T) >= t).expand(B, T)
    off = apart(net(rows), net(changed(rows, later)))
    assert float(off[:, : t + 1].max()) == 0
    assert t == T - 1 or float(off[:, t + 1].min()) > 1e-6  # the row before is seen
    # its time of day is known before it comes, that of the next is not
    calendar = rows.calendar.clone()
    calendar[:, t:] += 1
    off = apart(net(rows), net(rows._replace(calendar=calendar)))
    assert t == 0 or float(off[:, :t].max()) == 0
    assert float(off[:, t].min()) > 1e-6


@pytest.mark.parametrize("method", METHODS[1:])
def test_a_rebuilt_row_is_told_from_the_whole_piece(method: str) -> None:
    net = network(method)
    rows = batch(net.spec, (T,) * B)
    for t in (0, T - 1):
        one = (torch.arange(T) == t).expand(B, T)
        assert float(apart(net(rows), net(changed(rows, one))).min()) > 0


class Counting(nn.Module):
    """A decoder whose output is the number of its step; keeps what it was given."""

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, None]:
        self.given = x
        return torch.arange(x.shape[1]).view(1, -1, 1).expand(*x.shape[:2], 12).double(), None


def test_the_decoder_goes_backwards_and_rows_are_told_in_their_order() -> None:
    net = network("reconstruct")
    net.decoder = Counting()
    rows = batch(net.spec)
    told = net(rows)
    given: Tensor = net.decoder.given
    heads = Told(*(net._told(torch.arange(T).view(1, -1, 1).expand(1, T, 12).double())))
    for b, n in enumerate(rows.lengths.tolist()):
        for k in range(n):
            row = n - 1 - k
            assert torch.equal(given[b, k, -F:], rows.calendar[b, row])
            assert torch.equal(given[b, k, :-F], given[b, 0, :-F])  # the same latent vector
            assert torch.allclose(told.quantiles[b, row], heads.quantiles[0, k])
    assert not torch.allclose(told.quantiles[0, 0], heads.quantiles[0, 0])  # not forwards


# ---- what is random -----------------------------------------------------------------------------------


def test_the_latent_vector_is_drawn_in_training_alone() -> None:
    for method in METHODS:
        net = network(method)
        rows = batch(net.spec)
        assert float(apart(net(rows), net(rows)).max()) == 0
        net.train()
        drawn = float(apart(net(rows), net(rows)).max()) > 1e-3
        assert drawn == (method == "variational")


def test_the_divergence_is_that_of_two_normal_distributions() -> None:
    net = network("variational")
    h = torch.randn(5, 12, dtype=torch.float64)
    mean, divergence = net.latent(h)
    found = net.squeeze(h)
    ours = torch.distributions.Normal(found[:, :3], (0.5 * found[:, 3:]).exp())
    wanted = torch.distributions.kl_divergence(ours, torch.distributions.Normal(0.0, 1.0))
    assert torch.equal(mean, found[:, :3])
    assert divergence.item() == pytest.approx(wanted.sum(-1).mean().item())


def test_values_are_hidden_in_training_alone() -> None:
    net = network("reconstruct", input_dropout=0.5)
    rows = batch(net.spec)
    plain = net(rows)
    assert float(apart(net(rows), plain).max()) == 0
    kept = rows.values.clone(), rows.tokens.clone()
    hidden = net.train()(rows)
    assert float(apart(hidden, plain).max()) > 1e-3
    assert torch.equal(rows.values.nan_to_num(), kept[0].nan_to_num())  # the targets stay
    assert torch.equal(rows.tokens, kept[1])


def test_every_weight_learns() -> None:
    for method in METHODS:
        net = network(method).train()
        told = net(batch(net.spec))
        loss = told.quantiles.sin().sum() + sum(x.sin().sum() for x in told.logits)
        (loss + told.divergence).backward()
        idle = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum()]
        assert not idle
