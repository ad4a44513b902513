"""The forecasting network on NumPy arrays against its torch form: same weights, same numbers."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gatework.cells import CELLS
from gatework.data.windows import WindowBatch
from gatework.errors import InputError
from gatework.nn.horizon import HorizonNetwork
from gatework.runtime import Horizon, HorizonArrays, HorizonSpec, WindowArrays
from gatework.runtime.horizon_spec import HORIZON_CELLS
from gatework.tasks.forecast_config import ForecastConfig

LEVELS = (0.1, 0.5, 0.9)


def spec_of(**changes: Any) -> HorizonSpec:
    sizes: dict[str, Any] = {
        "context": 12,
        "horizon": 6,
        "targets": 2,
        "levels": LEVELS,
        "hidden_size": 16,
        "segment": 3,
    }
    return HorizonSpec(**(sizes | changes))


def network(spec: HorizonSpec, dtype: torch.dtype = torch.float64) -> HorizonNetwork:
    """Random weights everywhere, also in what starts at zero."""
    torch.manual_seed(0)
    net = HorizonNetwork(spec)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net.to(dtype).eval()


def windows(spec: HorizonSpec, B: int = 2, holes: float = 0.0, seed: int = 0) -> WindowArrays:
    rng = np.random.default_rng(seed)
    L, both = spec.context, spec.context + spec.horizon

    def numbers(*shape: int) -> np.ndarray:
        x = rng.standard_normal(shape)
        x[rng.random(shape) < holes] = np.nan
        return x

    def words(sizes: tuple[int, ...], *shape: int) -> np.ndarray:
        columns = [rng.integers(0, v, shape) for v in sizes]
        return np.stack(columns, -1) if columns else np.zeros((*shape, 0), np.int64)

    return WindowArrays(
        y=numbers(B, L, spec.targets),
        past=numbers(B, L, spec.past),
        known=numbers(B, both, spec.known),
        past_categories=words(spec.past_categories, B, L),
        known_categories=words(spec.known_categories, B, both),
        static=np.nan_to_num(numbers(B, spec.static)),
        static_categories=words(spec.static_categories, B),
    )


def by_torch(net: HorizonNetwork, arrays: WindowArrays) -> HorizonArrays:
    dtype = net.position.dtype
    tensors = {
        name: torch.from_numpy(a) if a.dtype == np.int64 else torch.from_numpy(a).to(dtype)
        for name, a in arrays._asdict().items()
    }
    with torch.no_grad():
        out = net(WindowBatch(**tensors, series=torch.zeros(len(arrays.y), dtype=torch.long)))
    return HorizonArrays(out.mean.numpy(), out.quantiles.numpy())


def tolerance(spec: HorizonSpec, dtype: type) -> float:
    """Rounding of sums as long as the network's: each step of a layer sums 2H products, each linear layer
    its inputs, each level the ones below it; errors of steps and layers add up."""
    w, H = spec.segment, spec.hidden_size
    steps = spec.num_layers * (spec.in_segments + 1)
    inputs = 3 * w + w * (spec.past_size + spec.known_size) + spec.static_size
    terms = steps * 2 * H + 2 * inputs + spec.context + len(spec.levels)
    return 8 * terms * float(np.finfo(dtype).eps)


def assert_same(
    found: HorizonArrays, wanted: HorizonArrays, spec: HorizonSpec, dtype: type
) -> None:
    limit = tolerance(spec, dtype)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == dtype
        size = max(1.0, float(np.abs(theirs).max(initial=0)))
        error = float(np.abs(ours - theirs).max(initial=0))
        assert error <= limit * size, f"{error} > {limit} * {size}"


def check(spec: HorizonSpec, B: int = 2, holes: float = 0.0, threads: int = 1) -> None:
    arrays = windows(spec, B, holes)
    exact = by_torch(net := network(spec), arrays)
    numpy = Horizon(spec, net.state_dict())
    assert_same(numpy.forward(arrays, threads), exact, spec, np.float64)
    single = Horizon(spec, net.float().state_dict()).forward(arrays, threads)
    assert_same(single, exact, spec, np.float32)
    assert (np.diff(single.quantiles, axis=-1) >= 0).all()


EVERYTHING: dict[str, Any] = {
    "past": 2,
    "known": 3,
    "static": 1,
    "past_categories": (5, 3),
    "known_categories": (40,),
    "static_categories": (6, 2),
}
MASKED = {"mask_y": True, "mask_past": True, "mask_known": True}


@pytest.mark.parametrize("holes", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("normalize", ["last", "standard", "none"])
@pytest.mark.parametrize("cell", HORIZON_CELLS)
def test_every_cell_and_normaliser(cell: str, normalize: str, holes: float) -> None:
    for mask in (False, True):
        spec = spec_of(cell=cell, normalize=normalize, mask_y=mask)
        check(spec, holes=holes)


def test_the_cells_are_those_that_a_forecaster_offers() -> None:
    schema = ForecastConfig.model_json_schema()["properties"]["cell"]
    assert schema["enum"] == list(HORIZON_CELLS)
    for cell in HORIZON_CELLS:
        assert ForecastConfig(cell=cell).cell == cell


RATES = {"recurrent_dropout": 0.2, "zoneout": 0.3, "weight_drop": 0.1}


def rates_of(cell: str) -> dict[str, float]:
    """Those that the cell has a use for."""
    if cell == "feedforward":
        return {}
    return RATES if CELLS[cell].h_gates else {"zoneout": RATES["zoneout"]}


@pytest.mark.parametrize("cell", HORIZON_CELLS)
def test_regularisers_of_every_cell(cell: str) -> None:
    spec = spec_of(cell=cell, num_layers=2, **rates_of(cell))
    check(spec, holes=0.1)
    if cell != "feedforward":  # zoneout acts in evaluation too
        net, plain = network(spec), network(spec_of(cell=cell, num_layers=2))
        plain.load_state_dict(net.state_dict())
        means = [by_torch(n, windows(spec)).mean for n in (net, plain)]
        assert np.abs(means[0] - means[1]).max() > 1e-4


@pytest.mark.parametrize(
    ("cell", "rates", "message"),
    [
        ("feedforward", {"zoneout": 0.1}, "zoneout acts on what is carried"),
        ("mingru", {"weight_drop": 0.1}, "weight_drop acts on the products with h"),
        ("lstm", {"zoneout": 1.0}, "zoneout is 1.0"),
        ("transformer", {}, "cell 'transformer'"),
    ],
)
def test_rates_that_no_fit_makes(cell: str, rates: dict[str, float], message: str) -> None:
    arrays = network(spec_of()).state_dict()
    with pytest.raises(InputError, match=f"^Horizon: {message}"):
        Horizon(spec_of(cell=cell, **rates), arrays)


@pytest.mark.parametrize(
    ("context", "horizon", "segment"),
    [(12, 6, 3), (10, 7, 4), (7, 5, 1), (5, 3, 8), (1, 1, 1), (90, 2, 2)],
)
@pytest.mark.parametrize("cell", ["lstm", "feedforward"])
def test_every_shape(cell: str, context: int, horizon: int, segment: int) -> None:
    spec = spec_of(cell=cell, context=context, horizon=horizon, segment=segment)
    check(spec, B=1)
    check(spec, B=3, holes=0.2)


@pytest.mark.parametrize("holes", [0.0, 0.2])
@pytest.mark.parametrize("masks", [{}, MASKED])
@pytest.mark.parametrize("columns", [{k: v} for k, v in EVERYTHING.items()] + [EVERYTHING])
def test_every_covariate(columns: dict[str, Any], masks: dict[str, Any], holes: float) -> None:
    check(spec_of(**columns, **masks, context=10, horizon=7, segment=4), holes=holes)


@pytest.mark.parametrize("levels", [(0.5,), (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)])
def test_every_number_of_levels(levels: tuple[float, ...]) -> None:
    check(spec_of(levels=levels))


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "slstm", "mingru"])
def test_many_targets_deep_stacks_and_threads(cell: str) -> None:
    check(spec_of(cell=cell, targets=50, num_layers=4, hidden_size=33), threads=1)
    check(spec_of(cell=cell, targets=90, hidden_size=130, num_layers=2), threads=2)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_spec(data: st.DataObject) -> None:
    few = st.integers(0, 3)
    sizes = st.lists(st.integers(2, 300), max_size=2).map(tuple)
    spec = spec_of(
        context=data.draw(st.integers(1, 40)),
        horizon=data.draw(st.integers(1, 12)),
        segment=data.draw(st.integers(1, 14)),
        targets=data.draw(st.integers(1, 5)),
        hidden_size=data.draw(st.integers(2, 40)),
        num_layers=data.draw(st.integers(1, 3)),
        cell=data.draw(st.sampled_from(HORIZON_CELLS)),
        normalize=data.draw(st.sampled_from(["last", "standard", "none"])),
        past=data.draw(few),
        known=data.draw(few),
        static=data.draw(few),
        past_categories=data.draw(sizes),
        known_categories=data.draw(sizes),
        static_categories=data.draw(sizes),
        mask_y=data.draw(st.booleans()),
        mask_past=data.draw(st.booleans()),
        mask_known=data.draw(st.booleans()),
    )
    check(spec, B=data.draw(st.integers(1, 4)), holes=data.draw(st.sampled_from([0.0, 0.1, 0.9])))


def test_the_check_sees_a_wrong_number_and_a_nan() -> None:
    spec = spec_of()
    right = by_torch(network(spec), windows(spec))
    for wrong in (float("nan"), 1.0):
        quantiles = right.quantiles.copy()
        quantiles[0, 0, 0, 0] += wrong
        with pytest.raises(AssertionError):
            assert_same(HorizonArrays(right.mean, quantiles), right, spec, np.float64)


def test_inputs_and_weights_are_left_alone() -> None:
    spec = spec_of(**EVERYTHING, **MASKED)
    net, arrays = network(spec), windows(spec, holes=0.2)
    horizon = Horizon(spec, net.state_dict())
    before = [a.copy() for a in arrays]
    first = horizon.forward(arrays)
    for kept, now in zip(before, arrays, strict=True):
        np.testing.assert_array_equal(kept, now)
    with torch.no_grad():
        net.position.zero_()  # the arrays were copied
    again = horizon.forward(arrays)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_no_windows_have_no_forecasts() -> None:
    spec = spec_of(**EVERYTHING, **MASKED)
    found = Horizon(spec, network(spec).state_dict()).forward(windows(spec, B=0))
    assert found.mean.shape == (0, 6, 2)
    assert found.quantiles.shape == (0, 6, 2, 3)


def test_a_copy_and_a_pickle_give_the_same() -> None:
    spec = spec_of()
    horizon, arrays = Horizon(spec, network(spec).state_dict()), windows(spec)
    for again in (copy.deepcopy(horizon), pickle.loads(pickle.dumps(horizon))):
        assert np.array_equal(again.forward(arrays).mean, horizon.forward(arrays).mean)


def test_columns_that_a_model_lacks_may_be_left_out() -> None:
    spec = spec_of()
    horizon, arrays = Horizon(spec, network(spec).state_dict()), windows(spec)
    whole, short = horizon.forward(arrays), horizon.forward(WindowArrays(arrays.y))
    assert np.array_equal(whole.quantiles, short.quantiles)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": np.zeros((2, 11, 2))}, r"`y` must have shape \(2, 12, 2\); got shape \(2, 11, 2\)"),
        ({"past": None}, r"`past` must have shape \(2, 12, 2\); got nothing"),
        ({"known": np.zeros((2, 12, 3))}, r"`known` must have shape \(2, 18, 3\); got shape"),
        ({"static": np.zeros((1, 1))}, r"`static` must have shape \(2, 1\); got shape \(1, 1\)"),
    ],
)
def test_windows_that_do_not_fit_are_named(changes: dict[str, Any], message: str) -> None:
    spec = spec_of(**EVERYTHING)
    horizon = Horizon(spec, network(spec).state_dict())
    with pytest.raises(InputError, match=message):
        horizon.forward(windows(spec)._replace(**changes))


def test_arrays_that_do_not_fit_are_named() -> None:
    spec = spec_of()
    arrays = {k: v.numpy() for k, v in network(spec).state_dict().items()}

    def refused(message: str, **changes: Any) -> None:
        given = {k: v for k, v in (arrays | changes).items() if v is not None}
        with pytest.raises(InputError, match=message):
            Horizon(spec, given)

    refused("'position' is missing", position=None)
    refused("'positron' is unknown", positron=np.zeros(3))
    refused(r"'column' has shape \(3,\), by `spec` it is \(2, 8\)", column=np.zeros(3))
    refused("float32, float64", column=arrays["column"].astype(np.float32))
    with pytest.raises(InputError, match="normalize 'median'"):
        Horizon(spec_of(normalize="median"), arrays)
