"""What the forecasting network sees: every input, for every output, and nothing it should not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from gatework.data.windows import WindowBatch
from gatework.nn.horizon import CategoryEmbedding, HorizonForecast, HorizonNetwork
from gatework.runtime.horizon_spec import HorizonSpec

LEVELS = (0.1, 0.5, 0.9)
NAN = float("nan")


def network(seed: int = 0, **changes: Any) -> tuple[HorizonNetwork, HorizonSpec]:
    """A small network in float64 and eval mode."""
    sizes: dict[str, Any] = {
        "context": 12,
        "horizon": 6,
        "targets": 2,
        "levels": LEVELS,
        "hidden_size": 16,
        "segment": 3,
        "dropout": 0.0,
    }
    spec = HorizonSpec(**(sizes | changes))
    torch.manual_seed(seed)
    return HorizonNetwork(spec).double().eval(), spec


def batch(spec: HorizonSpec, B: int = 2, seed: int = 1) -> WindowBatch:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    def words(sizes: tuple[int, ...], *shape: int) -> Tensor:
        columns = [torch.randint(2, v, shape, generator=generator) for v in sizes]
        return torch.stack(columns, -1) if columns else torch.zeros((*shape, 0), dtype=torch.long)

    L, h = spec.context, spec.horizon
    return WindowBatch(
        y=normal(B, L, spec.targets),
        past=normal(B, L, spec.past),
        known=normal(B, L + h, spec.known),
        past_categories=words(spec.past_categories, B, L),
        known_categories=words(spec.known_categories, B, L + h),
        static=normal(B, spec.static),
        static_categories=words(spec.static_categories, B),
        series=torch.zeros(B, dtype=torch.long),
    )


def everything(forecast: HorizonForecast) -> Tensor:
    """``(B, h, K, 1 + Q)``: the mean beside the quantiles."""
    return torch.cat([forecast.mean.unsqueeze(-1), forecast.quantiles], dim=-1)


def rounding(*sizes: int) -> float:
    """Tolerance of float64 sums over this many terms."""
    terms = 1
    for size in sizes:
        terms *= size
    return 16 * terms * torch.finfo(torch.float64).eps


def same(a: Tensor, b: Tensor, spec: HorizonSpec) -> None:
    tolerance = rounding(spec.hidden_size, spec.context + spec.horizon)
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def jacobian(net: HorizonNetwork, one: WindowBatch) -> Tensor:
    """``(h, 1 + Q, L)`` of a single window with a single target."""
    y = one.y.clone().requires_grad_()
    out = everything(net(replace(one, y=y)))[0, :, 0]
    rows = [
        torch.autograd.grad(out[j, q], y, retain_graph=True)[0][0, :, 0]
        for j in range(out.shape[0])
        for q in range(out.shape[1])
    ]
    return torch.stack(rows).unflatten(0, out.shape)


SHAPES = [(12, 6, 3), (10, 7, 4), (7, 5, 1), (5, 3, 8), (1, 1, 1)]


@pytest.mark.parametrize("normalize", ["last", "standard", "none"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "feedforward", "slstm", "mingru"])
@pytest.mark.parametrize(("context", "horizon", "segment"), SHAPES)
def test_every_output_step_depends_on_every_input_step(
    context: int, horizon: int, segment: int, cell: str, normalize: str
) -> None:
    net, spec = network(
        context=context, horizon=horizon, segment=segment, cell=cell, normalize=normalize, targets=1
    )
    J = jacobian(net, batch(spec, B=1))
    assert J.shape == (horizon, 1 + len(LEVELS), context)
    assert torch.isfinite(J).all()
    if context == 1 and normalize == "last":
        # All there is of the window is its last value, and that is added back.
        torch.testing.assert_close(J, torch.ones_like(J))
        return
    floor = rounding(spec.hidden_size) * J.abs().max()
    assert (J.abs() > floor).all(), f"unseen: {torch.nonzero(J.abs() <= floor).tolist()[:5]}"


@pytest.mark.parametrize("normalize", ["last", "standard", "none"])
@pytest.mark.parametrize("segment", [1, 4])
def test_the_first_step_depends_on_the_last_input_plainly(segment: int, normalize: str) -> None:
    """Not by a hair: networks exist whose first step sees the first input and hardly the last."""
    net, spec = network(context=24, horizon=8, segment=segment, normalize=normalize, targets=1)
    mean = jacobian(net, batch(spec, B=1))[0, 0].abs()
    assert mean[-1] > mean[:4].max() / 10
    assert mean[-1] > mean.max() / 100


def test_the_test_above_sees_a_network_that_does_not_look() -> None:
    net, spec = network(targets=1, normalize="none")
    with torch.no_grad():
        net.segment.weight[:, -1] = 0  # the last step of each segment
    J = jacobian(net, batch(spec, B=1))
    assert (J[..., [2, 5, 8, 11]] == 0).all()


@pytest.mark.parametrize("changes", [{"num_layers": 2}, {"mask_y": True}, {"past": 1, "known": 2}])
def test_larger_networks_see_everything_too(changes: dict[str, Any]) -> None:
    net, spec = network(targets=1, context=10, segment=4, **changes)
    J = jacobian(net, batch(spec, B=1))
    assert (J.abs() > 1e-9).all()


# ------------------------------------------------------------------ what must not matter


def test_shapes_order_and_finiteness() -> None:
    net, spec = network(context=10, horizon=7, segment=4, targets=3)
    forecast = net(batch(spec, B=5))
    assert forecast.mean.shape == (5, 7, 3)
    assert forecast.quantiles.shape == (5, 7, 3, 3)
    assert torch.isfinite(everything(forecast)).all()
    assert (forecast.quantiles.diff(dim=-1) > 0).all()


def test_columns_do_not_see_each_other() -> None:
    net, spec = network(targets=3)
    first = batch(spec)
    y = first.y.clone()
    y[:, :, 1] += torch.randn(2, 12, dtype=torch.float64)
    a, b = everything(net(first)), everything(net(replace(first, y=y)))
    same(a[:, :, [0, 2]], b[:, :, [0, 2]], spec)
    assert not torch.allclose(a[:, :, 1], b[:, :, 1])


def test_columns_with_equal_values_get_forecasts_of_their_own() -> None:
    net, spec = network(targets=2)
    one = batch(spec)
    mean = net(replace(one, y=one.y[:, :, :1].expand(-1, -1, 2))).mean
    assert not torch.allclose(mean[:, :, 0], mean[:, :, 1])


def test_windows_do_not_see_each_other() -> None:
    net, spec = network(past=1, known=1, static=1)
    whole = batch(spec, B=4)
    order = torch.tensor([2, 0, 3, 1])
    permuted = WindowBatch(
        **{
            name: getattr(whole, name)[order]
            for name in WindowBatch.__dataclass_fields__
            if name != "future"
        }
    )
    same(everything(net(permuted)), everything(net(whole))[order], spec)


@pytest.mark.parametrize("normalize", ["last", "standard"])
@pytest.mark.parametrize("shift", [3.0, -1000.0])
def test_a_constant_added_to_the_window_is_added_to_the_forecast(
    normalize: str, shift: float
) -> None:
    net, spec = network(normalize=normalize, mask_y=True)
    one = batch(spec)
    one.y[0, 3:5, 0] = NAN
    moved = everything(net(replace(one, y=one.y + shift)))
    tolerance = rounding(spec.hidden_size, spec.context) * abs(shift)
    torch.testing.assert_close(moved, everything(net(one)) + shift, rtol=tolerance, atol=tolerance)


def test_without_normalisation_a_shift_is_no_shift() -> None:
    net, spec = network(normalize="none")
    one = batch(spec)
    moved = everything(net(replace(one, y=one.y + 3)))
    assert not torch.allclose(moved, everything(net(one)) + 3, atol=0.1)


def test_a_flat_window_stays_finite() -> None:
    for normalize in ("last", "standard", "none"):
        net, spec = network(normalize=normalize)
        one = batch(spec)
        y = torch.full_like(one.y, 5.0).requires_grad_()
        out = everything(net(replace(one, y=y)))
        assert torch.isfinite(out).all()
        out.sum().backward()
        assert y.grad is not None
        assert torch.isfinite(y.grad).all()


def test_dropout_works_in_training_alone() -> None:
    net, spec = network(dropout=0.5)
    one = batch(spec)
    assert torch.equal(net(one).mean, net(one).mean)
    net.train()
    assert not torch.equal(net(one).mean, net(one).mean)


# ------------------------------------------------------------------ missing values


@pytest.mark.parametrize("mask_y", [True, False])
@pytest.mark.parametrize("normalize", ["last", "standard", "none"])
def test_missing_targets_give_no_nan(normalize: str, mask_y: bool) -> None:
    net, spec = network(normalize=normalize, mask_y=mask_y)
    one = batch(spec, B=4)
    one.y[0, -3:, 0] = NAN  # the last values
    one.y[1, :5] = NAN  # the first values
    one.y[2, :, 1] = NAN  # a whole column
    one.y[3] = NAN  # everything
    forecast = net(one)
    assert torch.isfinite(everything(forecast)).all()
    net.train()
    loss = everything(net(one)).square().sum()
    loss.backward()
    for name, p in net.named_parameters():
        assert p.grad is not None, name
        assert torch.isfinite(p.grad).all(), name


def test_different_masks_give_different_forecasts() -> None:
    """A value that was measured again and one that was carried forward are not the same."""
    net, spec = network(mask_y=True)
    seen = batch(spec)
    seen.y[:, 5] = seen.y[:, 4]
    carried = replace(seen, y=seen.y.clone())
    carried.y[:, 5] = NAN
    assert not torch.allclose(net(seen).mean, net(carried).mean)
    elsewhere = replace(seen, y=seen.y.clone())
    elsewhere.y[:, 8] = NAN
    assert not torch.allclose(net(carried).mean, net(elsewhere).mean)


def test_a_network_trained_without_holes_carries_forward() -> None:
    net, spec = network(mask_y=False)
    seen = batch(spec)
    seen.y[:, 5] = seen.y[:, 4]
    carried = replace(seen, y=seen.y.clone())
    carried.y[:, 5] = NAN
    same(everything(net(seen)), everything(net(carried)), spec)


def test_missing_covariates_give_no_nan_and_are_told() -> None:
    net, spec = network(past=2, known=1, mask_past=True, mask_known=True)
    one = batch(spec)
    full = net(one).mean
    for name, where in (("past", (0, 4, 1)), ("known", (0, 4, 0)), ("known", (0, -1, 0))):
        table = getattr(one, name).clone()
        table[where] = NAN
        holed = net(replace(one, **{name: table}))
        assert torch.isfinite(everything(holed)).all()
        assert not torch.allclose(holed.mean[0], full[0])
        same(holed.mean[1], full[1], spec)


def test_missing_covariates_without_a_mask_give_no_nan() -> None:
    net, spec = network(past=2, known=1)
    one = batch(spec)
    one.past[:, 3:], one.known[:, 3:] = NAN, NAN
    assert torch.isfinite(everything(net(one))).all()


# ------------------------------------------------------------------ covariates


FULL = {
    "past": 1,
    "known": 1,
    "static": 1,
    "past_categories": (5,),
    "known_categories": (4,),
    "static_categories": (6,),
}


@pytest.mark.parametrize(("context", "horizon", "segment"), [(12, 6, 3), (10, 7, 4), (6, 4, 1)])
def test_every_covariate_changes_the_output(context: int, horizon: int, segment: int) -> None:
    net, spec = network(context=context, horizon=horizon, segment=segment, **FULL)
    one = batch(spec, B=1)
    before = net(one).mean

    def changed(name: str, where: Any) -> Tensor:
        table = getattr(one, name).clone()
        if table.is_floating_point():
            table[where] += 1.0
        else:
            table[where] = torch.where(table[where] == 2, 3, 2)
        return (net(replace(one, **{name: table})).mean - before).abs()[0]

    for name in ("past", "past_categories"):
        for t in range(context):
            assert (changed(name, (0, t)) > 0).all(), (name, t)
    for name in ("known", "known_categories"):
        for t in range(context):
            assert (changed(name, (0, t)) > 0).all(), (name, t)
        for j in range(horizon):
            # At the least to the output segment in which the value lies.
            inside = torch.arange(horizon) // segment == j // segment
            assert (changed(name, (0, context + j))[inside] > 0).all(), (name, j)
    for name in ("static", "static_categories"):
        assert (changed(name, 0) > 0).all(), name


def test_missing_and_unknown_categories_say_nothing_at_the_start() -> None:
    torch.manual_seed(0)
    embedding = CategoryEmbedding([4, 100])
    assert embedding.size == 2 + 10
    out = embedding(torch.tensor([[0, 1], [1, 0], [2, 50]]))
    assert out.shape == (3, 12)
    assert (out[:2] == 0).all()
    assert (out[2] != 0).all()


def test_embeddings_are_at_most_sixteen_wide_and_may_be_none() -> None:
    assert CategoryEmbedding([10_000]).size == 16
    assert CategoryEmbedding([2]).size == 2
    empty = CategoryEmbedding([])
    assert empty(torch.zeros((3, 5, 0), dtype=torch.long)).shape == (3, 5, 0)


def test_an_unknown_category_starts_as_a_missing_one() -> None:
    net, spec = network(**FULL)
    one = batch(spec)
    means = []
    for number in (0, 1):
        table = torch.full_like(one.static_categories, number)
        means.append(net(replace(one, static_categories=table)).mean)
    assert torch.equal(means[0], means[1])


def test_state_dict_keeps_the_forecast_and_the_seed_makes_it() -> None:
    net, spec = network(0, **FULL)
    other, _ = network(1, **FULL)
    again, _ = network(0, **FULL)
    one = batch(spec)
    assert torch.equal(net(one).mean, again(one).mean)
    assert not torch.equal(net(one).mean, other(one).mean)
    other.load_state_dict(net.state_dict())
    assert torch.equal(net(one).mean, other(one).mean)


def test_no_parameter_is_dead() -> None:
    net, spec = network(**FULL, mask_y=True, mask_past=True, mask_known=True, num_layers=2)
    one = batch(spec, B=8)
    one.y[0, 3, 0] = NAN
    everything(net(one)).square().sum().backward()
    for name, p in net.named_parameters():
        assert p.grad is not None, name
        assert (p.grad != 0).any(), name
