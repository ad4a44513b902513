"""The detector's network on NumPy arrays against its torch form: same weights, same numbers."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gatework.errors import InputError
from gatework.nn.detect import DetectNetwork, RowBatch
from gatework.runtime.detect import FLOOR, DetectRuntime, Told
from gatework.runtime.detect_spec import DetectSpec

Array = npt.NDArray[Any]
N = 60
WIDE = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
SPECS: dict[str, DetectSpec] = {
    "forecast": DetectSpec("forecast", 4, (), hidden_size=16),
    "forecast, all": DetectSpec(
        "forecast", 4, (5, 30), calendar=2, mask=True, hidden_size=16, num_layers=2, levels=WIDE
    ),
    "words": DetectSpec("forecast", 0, (7,), calendar=2, hidden_size=16, cell="gru"),
    "reconstruct 1": DetectSpec("reconstruct", 4, (5,), mask=True, hidden_size=16),
    "reconstruct 5": DetectSpec(
        "reconstruct", 4, (5,), calendar=2, mask=True, hidden_size=16, window=5, levels=WIDE
    ),
    "variational": DetectSpec("variational", 4, (5,), hidden_size=16, window=5, latent_size=3),
}


def network(spec: DetectSpec) -> DetectNetwork:
    """Random weights everywhere, also in what starts at zero."""
    torch.manual_seed(0)
    net = DetectNetwork(spec).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return net


def runtime_of(net: DetectNetwork) -> DetectRuntime:
    return DetectRuntime(net.spec, net.state_dict())


def rows_of(spec: DetectSpec, n: int = N, seed: int = 1) -> tuple[Array, Array, Array]:
    """Numbers with holes and outliers, tokens, calendar."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, spec.channels)).astype(np.float32)
    z[rng.random(z.shape) < 0.05] *= 30
    z[rng.random(z.shape) < 0.2] = np.nan
    tokens = [rng.integers(0, k, n) for k in spec.cardinalities]
    words = np.stack(tokens, -1) if tokens else np.zeros((n, 0), np.int64)
    return z, words, rng.standard_normal((n, spec.calendar)).astype(np.float32)


def by_torch(net: DetectNetwork, z: Array, tokens: Array, calendar: Array) -> Told:
    """The same in float64, residuals row by row."""
    spec, n = net.spec, len(z)
    net = copy.deepcopy(net).double()

    # a forecast from one piece, else each row as the last of its own window
    ends = np.array([n]) if spec.forecasts else np.arange(1, n + 1)
    starts = np.array([0]) if spec.forecasts else np.maximum(0, ends - spec.window)
    lengths = ends - starts
    places = np.minimum(starts[:, None] + np.arange(lengths.max()), n - 1)
    rows = RowBatch(
        torch.from_numpy(z[places]).double(), torch.from_numpy(tokens[places]),
        torch.from_numpy(calendar[places]).double(), torch.from_numpy(lengths),
    )  # fmt: skip
    with torch.no_grad():
        out = net(rows)
    own = (0, slice(None)) if spec.forecasts else (np.arange(n), lengths - 1)
    q = out.quantiles.numpy()[own]
    p = [x.softmax(-1).numpy()[own] for x in out.logits]
    C, D, m = spec.channels, len(p), spec.levels.index(0.5)
    low, middle, high = (q[..., k] for k in (0, m, -1))
    residuals = np.empty((n, C + D))
    best = np.empty((n, D), np.int64)
    best_p, own_p = np.empty((n, D)), np.empty((n, D))
    for t in range(n):
        for c in range(C):
            off = float(z[t, c]) - middle[t, c]
            side = high[t, c] - middle[t, c] if off > 0 else middle[t, c] - low[t, c]
            residuals[t, c] = off / (side + FLOOR)
        for d in range(D):
            one = p[d][t, tokens[t, d]]
            residuals[t, C + d] = -np.log(p[d][t][p[d][t] <= one * 1.000001].sum())
            best[t, d], best_p[t, d], own_p[t, d] = p[d][t].argmax(), p[d][t].max(), one
    return Told(residuals, low, middle, high, best, best_p, own_p)


def same(found: Told, wanted: Told, spec: DetectSpec) -> None:
    """Up to the rounding of float32: sums of I + H products, fed back over the rows of a memory."""
    steps = 2 * spec.window + 10 if not spec.forecasts else 20  # what an LSTM remembers
    eps = float(np.finfo(np.float32).eps)
    tolerance = eps * steps * (spec.row_size + spec.hidden_size)
    for name in ("low", "middle", "high", "best_p", "own_p"):
        close(getattr(found, name), getattr(wanted, name), tolerance, name)
    assert (found.best == wanted.best).all()
    C = spec.channels
    width = np.minimum(wanted.high - wanted.middle, wanted.middle - wanted.low) + FLOOR
    close(found.residuals[:, :C] * width, wanted.residuals[:, :C] * width, tolerance, "residuals",
          1 + np.abs(wanted.residuals[:, :C]))  # fmt: skip
    close(found.residuals[:, C:], wanted.residuals[:, C:], tolerance, "surprises",
          1 / np.maximum(wanted.own_p, 1e-3))  # fmt: skip


def close(a: Array, b: Array, tolerance: float, name: str, scale: Any = 1.0) -> None:
    assert a.shape == b.shape, name
    assert (np.isnan(a) == np.isnan(b)).all(), name
    off = np.abs(a - b) / np.maximum(scale, np.abs(np.nan_to_num(b)))
    off = off[~np.isnan(a)]
    assert not off.size or bool((off <= tolerance).all()), f"{name}: {off.max():.2g} > {tolerance}"


# ---- as in torch --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPECS)
def test_rows_are_told_as_by_torch(name: str) -> None:
    spec = SPECS[name]
    net, rows = network(spec), rows_of(spec)
    runtime = runtime_of(net)
    wanted = by_torch(net, *rows)
    same(runtime.advance(runtime.state(), *rows), wanted, spec)


def test_a_wrong_answer_is_seen() -> None:
    spec = SPECS["forecast, all"]
    net, rows = network(spec), rows_of(spec)
    wanted = by_torch(net, *rows)
    for name in net.state_dict():
        wrong = {k: v.clone() for k, v in net.state_dict().items()}
        wrong[name].view(-1)[0] += 0.3 if "tables" not in name else 30.0
        runtime = DetectRuntime(spec, wrong)
        found = runtime.advance(runtime.state(), *rows)
        with pytest.raises(AssertionError):
            same(found, wanted, spec)


# ---- in pieces ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPECS)
def test_blocks_of_any_size_are_one_pass(name: str) -> None:
    spec = SPECS[name]
    runtime, rows = runtime_of(network(spec)), rows_of(spec)
    wanted = runtime.advance(runtime.state(), *rows)
    for sizes in ([1] * N, [N - 1, 1], [2, 3, 5, 7, 11, 13, 19], [4] * 15):
        state, parts, a = runtime.state(), [], 0
        for size in sizes:
            parts.append(runtime.advance(state, *(x[a : a + size] for x in rows)))
            a += size
        assert a == N
        same(Told(*(np.concatenate(p) for p in zip(*parts, strict=True))), wanted, spec)


def test_windows_are_rebuilt_in_more_than_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SPECS["reconstruct 5"]
    runtime, rows = runtime_of(network(spec)), rows_of(spec)
    wanted = runtime.advance(runtime.state(), *rows)
    monkeypatch.setattr("gatework.runtime.detect.WINDOWS", 7)
    same(runtime.advance(runtime.state(), *rows), wanted, spec)


@pytest.mark.parametrize("name", SPECS)
def test_a_restored_state_goes_on(name: str) -> None:
    spec = SPECS[name]
    runtime, rows = runtime_of(network(spec)), rows_of(spec)
    state, again = runtime.state(), runtime.state()
    runtime.advance(state, *(x[:33] for x in rows))
    kept = state.snapshot()
    wanted = runtime.advance(state, *(x[33:] for x in rows))
    again.restore(kept)
    found = runtime.advance(again, *(x[33:] for x in rows))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)
    afresh = runtime.advance(runtime.state(), *(x[33:] for x in rows))
    assert (spec.window == 1 and not spec.forecasts) or not np.array_equal(
        afresh.residuals[0], wanted.residuals[0]
    )


@pytest.mark.parametrize("name", ["last", "missing", "tokens", "window", "state0"])
def test_a_snapshot_of_another_network_is_refused(name: str) -> None:
    runtime = runtime_of(network(SPECS["forecast, all"]))
    state = runtime.state()
    kept = state.snapshot()
    for wrong in (kept | {name: np.zeros((2, 3, 3), np.float32)}, {**kept, name: None}):
        if wrong[name] is None:
            del wrong[name]
        with pytest.raises((ValueError, KeyError, InputError)):
            state.restore(wrong)


@pytest.mark.parametrize("name", ["forecast", "forecast, all", "words"])
@pytest.mark.parametrize("cells", [2**16, 20])
def test_sessions_are_as_one_by_one(name: str, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SPECS[name]
    runtime, rows = runtime_of(network(spec)), rows_of(spec)
    monkeypatch.setattr("gatework.runtime.detect._batches.__defaults__", (cells,))
    offsets = np.array([0, 5, 5, 6, 30, 31, 40, N])  # one of them has no row
    parts = [
        runtime.advance(runtime.state(), *(x[a:b] for x in rows))
        for a, b in itertools.pairwise(offsets)
        if a < b
    ]
    found = runtime.sessions(*rows, offsets)
    same(found, Told(*(np.concatenate(p) for p in zip(*parts, strict=True))), spec)


# ---- refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["forecast, all", "variational"])
def test_arrays_that_are_missing_are_refused(name: str) -> None:
    spec = SPECS[name]
    arrays = network(spec).state_dict()
    for gone in arrays:
        with pytest.raises(InputError):
            DetectRuntime(spec, {k: v for k, v in arrays.items() if k != gone})


@pytest.mark.parametrize("name", ["forecast, all", "variational"])
def test_arrays_that_do_not_fit_are_refused(name: str) -> None:
    spec = SPECS[name]
    arrays = network(spec).state_dict()
    for odd, array in arrays.items():
        wrong = torch.cat([array, array])
        with pytest.raises(InputError):
            DetectRuntime(spec, {**arrays, odd: wrong})
    with pytest.raises(InputError, match="unknown method"):
        DetectRuntime(DetectSpec("guess", 4, ()), arrays)
