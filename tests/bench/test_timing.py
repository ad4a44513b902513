"""The clock, with a clock of our own: turns, order, medians, ratios."""

from __future__ import annotations

import gc

import pytest

from gatework.bench import timing
from gatework.bench.timing import Times, alternate, ratio


class Machine:
    """Time that passes only while a contestant runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.ran, self.slept = 0.0, "", 0
        monkeypatch.setattr(timing.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(timing.time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept += 1

    def work(self, name: str, seconds: float) -> object:
        def run() -> None:
            self.now += seconds
            self.ran += name

        return run


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_contestants_take_turns_in_alternating_order(machine: Machine) -> None:
    runs = {"a": machine.work("a", 1.0), "b": machine.work("b", 2.0)}
    found = alternate(runs, seconds=1.0, threads=1, least=4)
    assert machine.ran == "aabb" + "abba" * 2
    assert found["a"].calls == [1.0] * 4
    assert ratio(found["b"], found["a"]) == {"ratio": 2.0, "q25": 2.0, "q75": 2.0}
    assert machine.slept == 0


def test_the_time_asked_for_is_used(machine: Machine) -> None:
    found = alternate({"a": machine.work("a", 1.0)}, seconds=9.5, threads=1, least=2)
    assert len(found["a"].calls) == 10


def test_short_work_fills_a_turn_whose_first_call_does_not_count(machine: Machine) -> None:
    found = alternate({"a": machine.work("a", 0.001)}, seconds=0.0, threads=2, least=3)
    times = found["a"]
    assert len(times.rounds) == 3
    assert len(times.calls) == 3 * 5
    assert len(machine.ran) == 2 + 3 * 6
    assert machine.slept == 3


def test_collecting_garbage_is_as_it_was_also_after_an_error(machine: Machine) -> None:
    def broken() -> None:
        if machine.ran:
            raise RuntimeError("broken")
        machine.work("a", 1.0)()  # type: ignore[operator]

    with pytest.raises(RuntimeError, match="broken"):
        alternate({"a": broken}, 0.0, 1)
    alternate({"a": machine.work("a", 1.0)}, 0.0, 1, least=1)
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_summary_and_spread() -> None:
    times = Times([0.003, 0.001, 0.002, 0.004, 0.005], [0.001, 0.002])
    summary = times.summary()
    assert summary["ms"] == pytest.approx(3.0)
    assert summary["ms_q25"] == pytest.approx(2.0)
    assert summary["ms_q75"] == pytest.approx(4.0)
    assert summary["ms_p99"] == pytest.approx(4.96)
    assert summary["calls"] == 5
    spread = ratio(Times([4.0], [2.0, 6.0]), Times([2.0], [1.0, 1.0]))
    assert (spread["ratio"], spread["q25"], spread["q75"]) == (2.0, 3.0, 5.0)
