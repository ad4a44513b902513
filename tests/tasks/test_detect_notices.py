"""What a stream says of its channels does not depend on how its rows are cut into blocks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gatework.runtime.scoring import ScoreState
from gatework.tasks.detect_notices import DRIFTED, LEAST, Notices

Array = npt.NDArray[np.float64]


def notices(kind: str = "metrics", adapt: float = 10.0) -> Notices:
    """Four channels: two that moved always, one that stood still for 30 rows, a constant."""
    channels = [
        SimpleNamespace(name=name, kind=of, rows=100, longest=longest)
        for name, of, longest in (
            ("a", "plain", 1),
            ("b", "plain", 1),
            ("slow", "plain", 30),
            ("fixed", "constant", 100),
        )
    ]
    layout = {"kind": kind, "channels": [c.name for c in channels]}
    encoder: Any = SimpleNamespace(channels=channels, live=["a", "b", "slow"], layout=layout)
    return Notices(encoder, adapt)


def series_state(rows: int = 0) -> Any:
    """A series as far as notices look at it."""
    return SimpleNamespace(rows=rows, score=ScoreState(4))


def table() -> Array:
    """Four hundred rows: standstills longer and shorter than usual, missing stretches, a row apart."""
    values = np.cumsum(np.ones((400, 4)), 0)
    values[40 : 40 + LEAST, 0] = 7  # moves again just in time
    values[200:260, 0] = np.nan  # dies and comes back
    values[100:190, 1] = 3
    values[140:148, 1] = np.nan  # missing and back: it has moved
    values[100:300, 2] = 5  # stood still for 30 in training, 90 are nothing
    values[:, 3] = 1
    return values


def told(sizes: list[int], values: Array, **kind: Any) -> tuple[dict[str, Any], list[str]]:
    """State at the end, and what was said."""
    found, state, said, first = notices(**kind), series_state(), [], 0
    for size in sizes:
        if not len(part := values[first : first + size]):
            break
        found.rows("", part, state)
        state.rows += len(part)
        said += found.take()
        first += size
    return found.to_json(), said


def test_row_after_row_tells_of_dead_channels() -> None:
    state, said = told([1] * 400, table())
    assert [s.split(" rows")[0] for s in said] == [
        "slow has stood still for 91",
        f"a has stood still for {LEAST + 1}",
        "a moves again",
        "slow moves again",
    ]
    assert state[""]["still"] == [0, 0, 0, 399]
    assert state[""]["dead"] == []


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_rows_and_blocks_say_the_same(size: int) -> None:
    rng = np.random.default_rng(size)
    values = np.where(rng.random((400, 4)) < 0.3, np.nan, rng.integers(0, 2, (400, 4)))
    for data in (table(), values):
        wanted, said = told([1] * 400, data)
        one_by_one = [s.split(" for ")[0] for s in said]
        for sizes in ([size] * (400 // size + 1), rng.integers(1, size + 2, 400).tolist()):
            state, said = told(sizes, data)
            assert state == wanted
            # a channel that dies and comes back inside a block is not told
            assert size > 7 or [s.split(" for ")[0] for s in said] == one_by_one


def test_a_state_goes_on_between_rows() -> None:
    data, first, state = table(), notices(), series_state()
    for row in data[:240]:
        first.rows("", row[None], state)
    again = notices()
    again.restore(first.to_json())
    for row in data[240:]:
        for some in (first, again):
            some.rows("", row[None], state)
    assert first.to_json() == again.to_json()
    assert again.take() == first.take()[-3:]


def test_numbers_of_log_lines_may_stand_still() -> None:
    assert not told([1] * 400, table(), kind="log")[1]


def test_a_channel_that_drifted_is_told_once() -> None:
    found, state, row = notices(), series_state(20), np.arange(4.0)[None]
    for usual, wanted in (
        (DRIFTED, 0),
        (DRIFTED + 1, 1),
        (DRIFTED + 2, 0),
        (DRIFTED / 2 - 1, 0),
        (9.0, 1),
    ):
        state.score.usual[1] = usual
        found.rows("", row, state)
        said = found.take()
        assert len(said) == wanted
        assert all(s.startswith("b has drifted") for s in said)
