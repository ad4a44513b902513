"""What ``gates`` hands out against the equations, written out step by step."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from gatework.cells import CELLS
from gatework.engine_module import engine as compiled
from gatework.nn import GRU, LSTM, RNN, gates, make

sys.path.insert(0, str(Path(__file__).parent))
from gates_by_hand import every_case, expected

ENGINE = [row.name for row in CELLS.values() if row.code is not None]
WRITTEN = ["lstm", "gru", "rnn", "rnn_relu"]  # whose equations stand in gates_by_hand.py


@pytest.mark.parametrize("cell", WRITTEN)
def test_gates_are_those_of_the_equations(cell: str) -> None:
    for case in every_case(cell):
        case.check()


@pytest.mark.parametrize("path", compiled.info()["paths"])
def test_gates_on_every_path(path: str) -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("gates_by_hand.py"))],
        env={**os.environ, "GATEWORK_ISA": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [path]


@pytest.mark.parametrize("cell", ENGINE)
def test_every_cell_of_the_engine_hands_out_its_planes(cell: str) -> None:
    """Rows that join the table are tested here without a line more."""
    layer = make(cell, 3, 5, num_layers=2)
    x = torch.randn(2, 6, 3)
    y, _ = layer(x, lengths=[6, 4])
    seen = layer.gates(x, lengths=[6, 4])
    row = CELLS[cell]
    assert len(seen) == 2
    for found in seen:
        assert list(found) == [*row.planes, *row.states[1:], "h"]
        assert all(plane.shape == (2, 6, 5) for plane in found.values())
        assert all(not plane[1, 4:].any() for plane in found.values())
    assert torch.equal(seen[1]["h"], y.detach())


def test_the_comparison_sees_a_swapped_gate_and_a_shifted_step() -> None:
    layer = LSTM(3, 5, batch_first=True, dtype=torch.float64)
    x = torch.randn(2, 4, 3, dtype=torch.float64)
    seen, wanted = layer.gates(x)[0], expected(layer, x)[0]
    assert torch.allclose(seen["f"], wanted["f"])
    assert not torch.allclose(seen["i"], wanted["f"])
    assert not torch.allclose(seen["f"].roll(1, 1), wanted["f"])


def test_time_first_layers_hand_out_batch_first() -> None:
    one, other = GRU(3, 4, batch_first=True), GRU(3, 4)
    other.load_state_dict(one.state_dict())
    x = torch.randn(2, 5, 3)
    assert torch.equal(one.gates(x)[0]["z"], other.gates(x.transpose(0, 1))[0]["z"])


def test_half_precision_and_gradients() -> None:
    layer = LSTM(3, 4, batch_first=True).bfloat16()
    seen = layer.gates(torch.randn(2, 5, 3).bfloat16().requires_grad_())[0]
    assert seen["f"].dtype is torch.bfloat16
    assert not seen["f"].requires_grad
    seen["f"].zero_()  # a value of one's own: the layer does not mind
    assert layer(torch.randn(2, 5, 3).bfloat16())[0].isfinite().all()


@pytest.mark.parametrize(("B", "T"), [(0, 4), (2, 0)])
def test_nothing_to_look_at(B: int, T: int) -> None:
    seen = LSTM(3, 4, batch_first=True).gates(torch.zeros(B, T, 3))
    assert seen[0]["f"].shape == seen[0]["h"].shape == (B, T, 4)


def test_wrong_input_is_said_as_forward_says_it() -> None:
    layer = LSTM(3, 4, batch_first=True)
    with pytest.raises(ValueError, match=r"LSTM.gates: `input` has 5 features"):
        layer.gates(torch.zeros(2, 4, 5))
    with pytest.raises(ValueError, match=r"must be \(B, T, I\).*unsqueeze\(0\)"):
        layer.gates(torch.zeros(4, 3))
    with pytest.raises(TypeError, match=r"LSTM.gates: `hx` must be a pair"):
        layer.gates(torch.zeros(2, 4, 3), torch.zeros(1, 2, 4))
    with pytest.raises(ValueError, match=r"LSTM.gates: .*lengths"):
        layer.gates(torch.zeros(2, 4, 3), lengths=[9, 1])


def test_a_table_that_differs_from_the_engine_is_found() -> None:
    wrong = CELLS["lstm"]._replace(planes=("i", "f", "g"))
    with pytest.raises(ValueError, match=r"table of cells and the engine differ"):
        gates.read(torch.zeros(2 * 5 * 16), wrong, (1, 2), 4, 1)


def test_the_cell_of_a_layer() -> None:
    made: dict[str, Any] = {"lstm": LSTM(1, 1), "gru": GRU(1, 1), "rnn": RNN(1, 1)}
    made["rnn_relu"] = RNN(1, 1, nonlinearity="relu")
    assert {name: gates.cell_of(layer).name for name, layer in made.items()} == {n: n for n in made}
