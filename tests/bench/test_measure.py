"""A row from end to end, on tiny sizes; a contestant that computes something else is never timed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from gatework.bench import measure as module
from gatework.bench.compare import ResultsDifferError
from gatework.bench.contestants import Layer, contestants, plain
from gatework.bench.measure import measure
from gatework.bench.peak import Peak, measure_peak
from gatework.bench.work import Inputs, Work, make_inputs

PEAK = Peak(100.0, "given")
TINY = {"B": 3, "T": 4, "I": 2, "H": 5}
ROWS = [
    Work("step", I=2, H=5),
    Work("step", cell="gru", I=2, H=5),
    Work("inference", **TINY),
    Work("training", **TINY, Z=2, batch_first=True),
    Work("training", cell="gru", **TINY, D=2),
    Work("training", cell="rnn", **TINY),
    Work("training", **TINY, P=2),
    Work("training", **TINY, lengths="ragged"),
    Work("training", **TINY, D=2, lengths="ragged"),
    Work("training", **TINY, D=2, lengths="packed"),
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("work", ROWS, ids=lambda w: w.name)
def test_a_row_of_each_kind(work: Work) -> None:
    row = measure(work, 0.0, PEAK, least=1)
    assert (row["work"], row["threads"], row["steps"]) == (work.name, 1, work.steps)
    assert row["ratios"]
    for pair, ratio in row["ratios"].items():
        theirs, ours = (row["contestants"][name] for name in pair.split(" / "))
        assert ratio["ratio"] == pytest.approx(theirs["ms"] / ours["ms"])
        assert ours["gflops"] == pytest.approx(work.flop / ours["ms"] / 1e6)
        assert ours["share_of_peak"] == pytest.approx(ours["gflops"] / 100)
        assert ("kept_bytes" in ours) == (work.kind == "training")
    assert all(0 <= c["error"] < 1 for c in row["contestants"].values())


def test_what_is_compared() -> None:
    def names(work: Work) -> list[set[str]]:
        return [set(c.results()) for c in contestants(work, make_inputs(work))]

    torch_lstm, ours = names(Work("training", **TINY))
    weights = {f"grad {n}_l0" for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    assert torch_lstm == ours == {"y", "h_n", "c_n", "grad x"} | weights
    packed, padded, ours = names(Work("training", **TINY, D=2, lengths="ragged"))
    assert packed == ours
    assert padded == {"y"} | weights  # what does not depend on reading the padding first


class Wrong:
    """A contestant that is a little off."""

    name, ours, rounding = "wrong", True, 0.0

    def __init__(self, right: Layer, name: str, off: float) -> None:
        self._right, self._name, self._off = right, name, off

    def run(self) -> object:
        raise AssertionError("a wrong contestant must not be timed")

    def results(self) -> dict[str, Tensor]:
        found = self._right.results()
        return found | {self._name: found[self._name] + self._off}


@pytest.mark.parametrize("name", ["y", "c_n", "grad x", "grad bias_hh_l0"])
@pytest.mark.parametrize("off", [1e-3, float("nan")])
def test_a_wrong_contestant_is_caught(name: str, off: float) -> None:
    work = Work("training", **TINY)

    def extra(work: Work, inputs: Inputs) -> list[Wrong]:
        right = Layer("right", True, nn.LSTM(work.I, work.H), plain, work, inputs)
        right._layer.load_state_dict(module.contestants(work, inputs)[0]._layer.state_dict())  # type: ignore[attr-defined]
        return [Wrong(right, name, off)]

    with pytest.raises(ResultsDifferError, match=f"`{name}` of wrong is not that of torch"):
        measure(work, 0.0, PEAK, extra, least=1)


class Keeps(nn.Module):
    """Saves its input and weight, and for ``exp`` one result of the input's size."""

    def __init__(self, exp: bool) -> None:
        super().__init__()
        self.weight, self.exp = nn.Parameter(torch.ones(1)), exp

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = x * self.weight
        return (y.exp() if self.exp else y), x


@pytest.mark.parametrize("exp", [False, True])
def test_kept_memory_is_what_autograd_saves_beside_input_and_weights(exp: bool) -> None:
    work = Work("training", B=3, T=4, I=5, H=5)
    layer = Layer("keeps", True, Keeps(exp), plain, work, make_inputs(work))
    assert layer.kept_bytes() == (4 * 3 * 4 * 5 if exp else 0)


def test_the_peak_is_one_cores() -> None:
    peak = measure_peak(0.05)
    assert peak.gflops > 0.1
    assert peak.how
    assert torch.get_num_threads() == 1
