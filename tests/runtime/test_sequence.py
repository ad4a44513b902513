"""The labelling network step by step on NumPy arrays: at every step what torch says of the steps so far."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gatework.data.encoders.base import SequenceBatch
from gatework.errors import InputError
from gatework.nn.sequence import SequenceNetwork
from gatework.runtime.sequence import SequenceRuntime, SequenceStream, _Pool, cannot_stream
from gatework.runtime.sequence_spec import POOLINGS, STREAM_CELLS, SequenceSpec

sys.path.insert(0, str(Path(__file__).parents[1] / "nn"))
from labelled_networks import batch_of, convolved, cut, network_of, spec_of

STEPS = 13


def runtime_of(network: SequenceNetwork) -> SequenceRuntime:
    return SequenceRuntime(network.spec, network.state_dict())


def streamed(stream: SequenceStream, batch: SequenceBatch) -> np.ndarray:
    """Outputs ``(T, K)`` after each step of the first sequence."""
    values, tokens = batch.values[0].numpy(), batch.tokens[0].numpy().astype(np.int32)
    return np.array([stream.push(v, t) for v, t in zip(values, tokens, strict=True)])


def of_beginnings(network: SequenceNetwork, batch: SequenceBatch) -> np.ndarray:
    """What torch says of the first 1, 2, … steps, each time from the beginning."""
    with torch.no_grad():
        found = [network(cut(batch, 0, t + 1))[0] for t in range(batch.values.shape[1])]
    return torch.stack([x[-1] if network.spec.per_step else x for x in found]).numpy()


def assert_streams(spec: SequenceSpec, steps: int = STEPS) -> None:
    network, batch = network_of(spec), batch_of(spec, steps)
    found, wanted = streamed(runtime_of(network).stream(), batch), of_beginnings(network, batch)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=5e-6)
    assert np.ptp(wanted, axis=0).min() > 1e-3  # they are told apart at all


@pytest.mark.parametrize("cell", STREAM_CELLS)
@pytest.mark.parametrize("per_step", [False, True])
def test_every_cell(cell: str, per_step: bool) -> None:
    assert_streams(spec_of(cell=cell, causal=True, per_step=per_step, num_layers=2))


@pytest.mark.parametrize("cell", ["lstm", "gru", "peephole", "slstm", "mingru"])
def test_zoneout_is_the_mean(cell: str) -> None:
    assert_streams(spec_of(cell=cell, causal=True, zoneout=0.3, num_layers=2))


@pytest.mark.parametrize("option", ["recurrent_dropout", "weight_drop", "dropout"])
def test_what_is_dropped_in_training_is_there(option: str) -> None:
    assert_streams(spec_of(causal=True, **{option: 0.3}))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("strides", [(), (1,), (2,), (4,), (2, 2), (1, 2, 1)])
def test_every_pooling_and_stride(pooling: str, strides: tuple[int, ...]) -> None:
    assert_streams(spec_of(causal=True, pooling=pooling, **convolved(*strides)))


CASES: dict[str, dict[str, Any]] = {
    "per-step-convolutions": {"per_step": True, **convolved(1, 1, 1)},
    "ensemble": {"members": 3, "pooling": "attention"},
    "ensemble-strides": {"members": 2, **convolved(2, 2)},
    "ensemble-per-step": {"members": 2, "per_step": True},
    "quantiles": {"outputs": 5, "levels": (0.05, 0.25, 0.5, 0.75, 0.95)},
    "quantiles-per-step": {"outputs": 3, "levels": (0.1, 0.5, 0.9), "per_step": True},
    "quantiles-ensemble": {"outputs": 3, "levels": (0.1, 0.5, 0.9), "members": 2},
    "median": {"outputs": 1, "levels": (0.5,)},
    "frames": {"size": 3 * 5 * 7, "frame": (3, 5, 7), "cardinalities": ()},
    "grey-frames": {"size": 64, "frame": (1, 8, 8), "cardinalities": (3,), "pooling": "max"},
    "numbers-alone": {"cardinalities": ()},
    "tokens-alone": {"size": 0},
    "feedforward-both": {"cell": "feedforward", "causal": False, "pooling": "mean_max"},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_form(case: dict[str, Any]) -> None:
    assert_streams(spec_of(**({"causal": True} | case)))


def test_a_short_and_a_long_stream() -> None:
    spec = spec_of(causal=True, pooling="attention", **convolved(2))
    assert_streams(spec, steps=3)
    network, batch = network_of(spec), batch_of(spec, 700)
    found = streamed(runtime_of(network).stream(), batch)
    with torch.no_grad():
        for t in (256, 511, 699):
            wanted = network(cut(batch, 0, t + 1))[0].numpy()
            np.testing.assert_allclose(found[t], wanted, rtol=2e-4, atol=1e-5)


def test_a_mean_does_not_stand_still_on_an_endless_stream() -> None:
    pool = _Pool("mean", None)
    pool.push(np.array([2.0**25], np.float32))
    for _ in range(99):
        found = pool.push(np.array([1.0], np.float32))  # in float32 these would be lost
    assert found.dtype == np.float32
    assert found[0] == np.float32((2.0**25 + 99) / 100)


def test_an_attention_whose_scores_rise_and_fall_does_not_overflow() -> None:
    one = np.ones((1, 1), np.float32)
    pool = _Pool("attention", (one, one[0] * 0, np.array([1e4], np.float32)))
    with np.errstate(over="raise", invalid="raise"):
        for y in (-3.0, 2.0, -5.0):
            found = pool.push(np.array([y], np.float32))
    assert found.tolist() == [2.0]


def test_streams_share_a_runtime_and_nothing_else() -> None:
    spec = spec_of(causal=True, **convolved(2))
    network = network_of(spec)
    runtime, one, other = runtime_of(network), batch_of(spec, 9, seed=1), batch_of(spec, 9, seed=2)
    alone = [streamed(runtime.stream(), batch) for batch in (one, other)]
    streams = [runtime.stream(), runtime.stream()]
    for t in range(9):
        for stream, batch, wanted in zip(streams, (one, other), alone, strict=True):
            found = stream.push(batch.values[0, t].numpy(), batch.tokens[0, t].numpy())
            assert np.array_equal(found, wanted[t])
            found[:] = np.nan  # the caller's to change
    streams[0].reset()
    assert np.array_equal(streamed(streams[0], one), alone[0])


def test_weights_are_copied() -> None:
    network = network_of(spec_of(causal=True, **convolved(1)))
    batch, runtime = batch_of(network.spec, 4), runtime_of(network)
    before = streamed(runtime.stream(), batch)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.fill_(3)
    assert np.array_equal(streamed(runtime.stream(), batch), before)


def test_memory_is_flat_on_a_long_stream() -> None:
    spec = spec_of(causal=True, pooling="mean_max", members=2, **convolved(2, 1))
    stream, batch = runtime_of(network_of(spec)).stream(), batch_of(spec, 200)
    streamed(stream, batch)
    tracemalloc.start()
    streamed(stream, batch)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(4):
        streamed(stream, batch)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 2000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"causal": False}, "reads backwards too.*causal=True"),
        ({"causal": False, "cell": "feedforward", **convolved(1)}, "look ahead.*causal=True"),
        ({"crf": True, "per_step": True}, "random field decides over whole sequences.*crf=False"),
        ({"cell": "mlstm"}, "cell='mlstm' has no NumPy form.*another cell"),
    ],
)
def test_what_cannot_stream_says_why(change: dict[str, Any], message: str) -> None:
    network = network_of(spec_of(**({"causal": True} | change)))
    assert cannot_stream(network.spec) is not None
    with pytest.raises(InputError, match=f"^SequenceRuntime: .*{message}"):
        runtime_of(network)
    assert cannot_stream(spec_of(causal=True)) is None


def test_a_spec_that_no_fit_makes_is_refused() -> None:
    spec = SequenceSpec(3, (), 2, causal=True, pooling="sum")
    with pytest.raises(InputError, match="SequenceRuntime: unknown pooling 'sum'"):
        SequenceRuntime(spec, {})


def test_every_missing_array_is_named() -> None:
    spec = spec_of(
        causal=True, members=2, size=48, frame=(3, 4, 4), pooling="attention", **convolved(2)
    )
    arrays = network_of(spec).state_dict()
    for name in arrays:
        rest = {k: v for k, v in arrays.items() if k != name}
        told = name.rsplit(".", 1)[-1] if ".recurrent." in name else name
        with pytest.raises(InputError, match=f"SequenceRuntime: .*{told}"):
            SequenceRuntime(spec, rest)
    spec = spec_of(causal=True, outputs=3, levels=(0.1, 0.5, 0.9), cell="feedforward")
    arrays = network_of(spec).state_dict()
    for name in arrays:
        with pytest.raises(InputError, match=f"the array '{name}' is missing"):
            SequenceRuntime(spec, {k: v for k, v in arrays.items() if k != name})


# Whatever is named here cannot be imported.
BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "polars", "narwhals", "pydantic", "typer", "rich", "plotly"}:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocked())
"""


def test_everything_without_torch(tmp_path: Path) -> None:
    spec = spec_of(
        causal=True, members=2, size=48, frame=(3, 4, 4), pooling="attention", **convolved(2)
    )
    network, batch = network_of(spec), batch_of(spec, STEPS)
    arrays = {k: v.numpy() for k, v in network.state_dict().items()}
    (tmp_path / "network").write_bytes(pickle.dumps((vars(spec), arrays)))
    np.savez(tmp_path / "x.npz", values=batch.values[0].numpy(), tokens=batch.tokens[0].numpy())
    code = f"""
import pickle
import numpy as np
from gatework.runtime.sequence import SequenceRuntime
from gatework.runtime.sequence_spec import SequenceSpec
spec, arrays = pickle.loads(open("{tmp_path}/network", "rb").read())
stream = SequenceRuntime(SequenceSpec(**spec), arrays).stream()
x = np.load("{tmp_path}/x.npz")
np.save("{tmp_path}/y.npy", [stream.push(v, t) for v, t in zip(x["values"], x["tokens"])])
assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED + code],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "y.npy")
    np.testing.assert_allclose(found, of_beginnings(network, batch), rtol=2e-4, atol=5e-6)
