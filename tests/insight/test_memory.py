"""Half-lives, saturation and orders against what is known beforehand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gatework.cells import CELLS
from gatework.errors import ConfigError
from gatework.insight import half_life, kept_share, orders, saturation, watch
from gatework.nn import make

GATED = [row.name for row in CELLS.values() if row.keeps]


@pytest.mark.parametrize("cell", GATED)
def test_what_the_table_calls_kept_is_what_is_kept(cell: str) -> None:
    """By finite differences: how much the memory before a step changes the memory after it, past all weights.

    Without recurrent weights and peepholes no gate depends on the state: the step is linear in the memory.
    """
    layer = make(cell, 3, 5).double()
    row = CELLS[cell]
    with torch.no_grad():
        for name, p in layer.named_parameters():
            if name.startswith(("weight_hh", "weight_p")):
                p.zero_()
    x = torch.randn(2, 1, 3, dtype=torch.float64)
    first = {s: 0.5 + torch.rand(1, 2, 5, dtype=torch.float64) for s in row.states}
    place = "c" if "c" in row.states else "h"

    def memory(states: dict[str, Tensor]) -> Tensor:
        """What is read: of a cell with a normaliser its mean."""
        return states[place] / states["n"] if "n" in row.states else states[place]

    ends = []
    for change in (0.0, 1e-3):
        moved = {s: v + change * (s == place) for s, v in first.items()}
        given = tuple(moved.values()) if len(moved) > 1 else moved["h"]
        seen = layer.gates(x, given)[0]
        ends.append((memory(moved)[0][:, None], memory(seen)))
    kept = kept_share(row, seen)
    assert kept is not None
    (before, after), (before_moved, after_moved) = ends
    found = (after_moved - after) / (before_moved - before)
    torch.testing.assert_close(found, kept, rtol=1e-9, atol=1e-9)


def test_a_plain_rnn_keeps_nothing_by_a_gate() -> None:
    assert kept_share(CELLS["rnn"], make("rnn", 2, 3).gates(torch.zeros(1, 2, 2))[0]) is None


@pytest.mark.parametrize(("keeps", "wanted"), [("1-i", 0.25), ("1", 1.0), ("i", 0.75)])
def test_every_spelling_of_what_is_kept(keeps: str, wanted: float) -> None:
    row = CELLS["lstm"]._replace(keeps=keeps)
    planes = {"i": torch.full((1, 2, 3), 0.75), "c": torch.zeros(1, 2, 3)}
    kept = kept_share(row, planes)
    assert kept is not None
    assert torch.equal(kept, torch.full((1, 2, 3), wanted))


def test_half_life_is_when_half_is_left() -> None:
    kept = torch.rand(4, 9, 6, dtype=torch.float64)
    life = half_life(kept)
    left = kept.log().mean(dim=(0, 1)).mul(life).exp()
    torch.testing.assert_close(left, torch.full((6,), 0.5, dtype=torch.float64))


def test_the_mean_is_of_logarithms_not_of_gates() -> None:
    kept = torch.tensor([[[0.25], [1.0]]], dtype=torch.float64)
    assert half_life(kept).item() == pytest.approx(1.0)  # of the mean gate it would be 1.47


def test_padding_does_not_count() -> None:
    kept = torch.tensor([[[0.5], [0.0]], [[0.5], [0.5]]])
    assert half_life(kept, torch.tensor([1, 2])).item() == pytest.approx(1.0)
    assert half_life(kept).item() == 0.0
    left, right = saturation(kept, torch.tensor([1, 2]))
    assert (left.item(), right.item()) == (0.0, 0.0)
    assert saturation(kept)[0].item() == 0.25


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan])
def test_what_is_no_gate_is_refused(bad: float) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        half_life(torch.full((1, 2, 3), bad))


def test_nothing_to_look_at_is_refused() -> None:
    with pytest.raises(ConfigError, match="no step"):
        half_life(torch.zeros(2, 3, 4), torch.tensor([0, 0]))
    with pytest.raises(ConfigError, match=r"\(B, T, H\)"):
        saturation(torch.zeros(3, 4))


def test_orders_sort() -> None:
    kept = torch.tensor([0.5, 0.95, 0.05]).expand(2, 4, 3)
    h = torch.randn(2, 4, 3)
    found = orders(kept, h)
    assert found["half-life"] == found["saturation"] == [1, 0, 2]
    assert found["number"] == [0, 1, 2]
    means = h.mean(dim=(0, 1))[found["mean"]]
    assert bool((means[:-1] >= means[1:]).all())


def test_similar_units_lie_beside_each_other() -> None:
    a, b = torch.sin(torch.arange(50.0)), torch.cos(0.3 * torch.arange(50.0))
    h = torch.stack([a, b, 2 * a + 1, 3 * b - 1], dim=-1)[None]
    order = orders(None, h)["similarity"]
    assert abs(order.index(0) - order.index(2)) == 1
    assert abs(order.index(1) - order.index(3)) == 1


def test_watch_sees_every_layer_and_leaves_the_model_alone() -> None:
    model = torch.nn.ModuleDict({"first": make("lstm", 3, 4, 2), "second": make("gru", 4, 5)})
    x = torch.randn(2, 6, 3)

    def call() -> torch.Tensor:
        y, _ = model["first"](x, None, [6, 2])
        return model["second"](y, lengths=torch.tensor([6, 2]))[0]

    before = call()
    seen = watch(model, call)
    assert [(s.name, s.cell.name, len(s.gates)) for s in seen] == [
        ("first", "lstm", 2),
        ("second", "gru", 1),
    ]
    assert torch.equal(seen[1].gates[0]["h"], before)
    assert seen[0].lengths is not None
    assert seen[0].lengths.tolist() == [6, 2]
    assert not any(m._forward_pre_hooks for m in model.modules())
