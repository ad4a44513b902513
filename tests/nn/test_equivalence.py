"""Layers against the readable reference in float64 and against torch: outputs, states, every gradient."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

sys.path.insert(0, str(Path(__file__).parent))
from layers import KINDS, Kind, additions, by_reference, close, compare, initial, states

# torch says so once of its own layer, the first time one with a projection runs
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
both_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
# around the widths of vectors (4, 8, 16) and tiles, and the sizes people take
WIDTHS = [1, 2, 7, 8, 9, 15, 16, 17, 20, 33]


@every_kind
@both_dtypes
@pytest.mark.parametrize("H", WIDTHS)
def test_every_width(kind: Kind, dtype: torch.dtype, H: int) -> None:
    H = max(H, 2) if kind.name == "projected" else H
    layer = kind.make(7, H, dtype=dtype)
    compare(layer, torch.randn(3, 4, 7, dtype=dtype), initial(layer, 3))


@every_kind
@both_dtypes
@pytest.mark.parametrize(
    ("B", "T", "I"), [(1, 1, 1), (33, 2, 1), (1, 40, 39), (7, 3, 80), (2, 5, 16)]
)
def test_every_shape(kind: Kind, dtype: torch.dtype, B: int, T: int, I: int) -> None:  # noqa: E741
    layer = kind.make(I, 6, dtype=dtype)
    compare(layer, torch.randn(B, T, I, dtype=dtype))


@every_kind
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_layer_is_the_reference(kind: Kind, data: Any) -> None:
    """Sizes, options, lengths, resets and states at will."""
    draw = data.draw
    B, T = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    I, H = draw(st.integers(1, 6)), draw(st.integers(2, 6))  # noqa: E741
    layer = kind.make(
        I,
        H,
        num_layers=draw(st.integers(1, 3)),
        bias=draw(st.booleans()),
        bidirectional=draw(st.booleans()),
        dtype=draw(st.sampled_from([torch.float32, torch.float64])),
    )
    x = torch.randn(B, T, I, dtype=layer.weight_ih_l0.dtype)
    hx = initial(layer, B) if draw(st.booleans()) else None
    each_length = st.lists(st.integers(0, T), min_size=B, max_size=B)
    lengths = draw(st.none() | each_length)
    marks = st.lists(st.booleans(), min_size=B * T, max_size=B * T)
    resets = torch.tensor(draw(marks)).view(B, T) if draw(st.booleans()) else None
    compare(layer, x, hx, lengths, resets)


@every_kind
@pytest.mark.parametrize("bidirectional", [False, True])
def test_results_are_torchs(kind: Kind, bidirectional: bool) -> None:
    layer = kind.make(5, 8, num_layers=2, bidirectional=bidirectional, dtype=torch.float64)
    twin = kind.torch_twin(layer)
    x, hx = torch.randn(4, 6, 5, dtype=torch.float64), initial(layer, 4)
    for ours, theirs in ((layer(x), twin(x)), (layer(x, hx), twin(x, hx))):
        close(ours[0], theirs[0], additions(layer, 6))
        for a, b in zip(states(ours[1]), states(theirs[1]), strict=True):
            close(a, b, additions(layer, 6))


@every_kind
@pytest.mark.parametrize("enforce_sorted", [False, True])
def test_a_packed_sequence_is_torchs(kind: Kind, enforce_sorted: bool) -> None:
    layer = kind.make(3, 4, num_layers=2, bidirectional=True, dtype=torch.float64)
    twin = kind.torch_twin(layer)
    lengths = [5, 3, 3, 1] if enforce_sorted else [3, 1, 5, 3]
    x = torch.randn(4, 5, 3, dtype=torch.float64)
    packed = pack_padded_sequence(x, lengths, True, enforce_sorted=enforce_sorted)
    for hx in (None, initial(layer, 4)):
        ours, ours_last = layer(packed, hx)
        theirs, theirs_last = twin(packed, hx)
        close(ours.data, theirs.data, additions(layer, 5))
        assert torch.equal(ours.batch_sizes, theirs.batch_sizes)
        a, b = pad_packed_sequence(ours, True)[0], pad_packed_sequence(theirs, True)[0]
        close(a, b, additions(layer, 5))
        for a, b in zip(states(ours_last), states(theirs_last), strict=True):
            close(a, b, additions(layer, 5))


@every_kind
def test_gradients_through_a_packed_sequence_are_torchs(kind: Kind) -> None:
    layer = kind.make(3, 4, bidirectional=True, dtype=torch.float64)
    twin = kind.torch_twin(layer)
    x = torch.randn(4, 5, 3, dtype=torch.float64, requires_grad=True)
    hx = tuple(s.requires_grad_() for s in states(initial(layer, 4)))
    found = []
    for each in (layer, twin):
        packed = pack_padded_sequence(x, [3, 1, 5, 3], True, enforce_sorted=False)
        y, last = each(packed, hx if layer.mode == "LSTM" else hx[0])
        loss = y.data.square().sum() + sum(s.sum() for s in states(last))
        found.append(torch.autograd.grad(loss, [x, *hx, *each.parameters()]))
    for a, b in zip(*found, strict=True):
        close(a, b, additions(layer, 5) * 4)


@every_kind
@pytest.mark.parametrize("packed", [False, True])
def test_dropout_between_layers(kind: Kind, packed: bool) -> None:
    """dropout=1 leaves the biases of the layer above as its only input."""
    layer = kind.make(3, 4, num_layers=2, dropout=1.0, dtype=torch.float64)
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    given: Any = pack_padded_sequence(x, [5, 4], True) if packed else x

    def output() -> torch.Tensor:
        y = layer(given)[0]
        return y.data if packed else y

    below = layer.weight_ih_l0.detach().clone()
    before = output()
    with torch.no_grad():
        layer.weight_ih_l0.mul_(3.0)
    assert torch.equal(output(), before)
    layer.eval()
    changed = output()
    with torch.no_grad():
        layer.weight_ih_l0.copy_(below)
    assert not torch.equal(output(), changed)


@every_kind
def test_half_dropout_trains(kind: Kind) -> None:
    layer = kind.make(3, 4, num_layers=3, dropout=0.5)
    x = torch.randn(2, 5, 3)
    assert not torch.equal(layer(x)[0], layer(x)[0])
    with torch.no_grad():
        assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])


@every_kind
def test_time_first_and_strided_memory(kind: Kind) -> None:
    """Time first, expanded, sliced, transposed, unaligned: the same numbers."""
    layer = kind.make(3, 5, bidirectional=True, dtype=torch.float64)
    x = torch.randn(4, 6, 3, dtype=torch.float64)
    wanted, wanted_last = by_reference(layer, x)
    inputs = {
        "features apart": x.transpose(1, 2).contiguous().transpose(1, 2),
        "rows apart": torch.randn(4, 12, 3, dtype=torch.float64),
        "time first below": x.transpose(0, 1).contiguous().transpose(0, 1),
        "unaligned": torch.empty(4 * 6 * 3 + 1, dtype=torch.float64)[1:].view(4, 6, 3),
    }
    inputs["rows apart"][:, ::2] = x
    inputs["rows apart"] = inputs["rows apart"][:, ::2]
    inputs["unaligned"].copy_(x)
    for strided in inputs.values():
        with torch.no_grad():
            close(layer(strided)[0], wanted, additions(layer, 6))
        compare(layer, strided)
    expanded = x[:1].expand(4, 6, 3)
    close(layer(expanded)[0], by_reference(layer, expanded)[0], additions(layer, 6))
    layer.batch_first = False
    with torch.no_grad():
        y, last = layer(x.transpose(0, 1))
    close(y.transpose(0, 1), wanted, additions(layer, 6))
    close(states(last)[0], wanted_last[0], additions(layer, 6))
    y, _ = layer(x.transpose(0, 1), lengths=[6, 2, 0, 5])
    close(y.transpose(0, 1), by_reference(layer, x, None, [6, 2, 0, 5])[0], additions(layer, 6))


@every_kind
def test_bad_numbers_stay_in_their_own_sequence(kind: Kind) -> None:
    layer = kind.make(3, 17)
    clean = torch.randn(5, 6, 3)
    x = clean.clone()
    x[1, 2, 0], x[3, 4, 1] = torch.nan, torch.inf
    with torch.no_grad():
        (y, last), (wanted, wanted_last) = layer(x), layer(clean)
    for b in (0, 2, 4):
        close(y[b], wanted[b], additions(layer, 6))
        for a, w in zip(states(last), states(wanted_last), strict=True):
            close(a[:, b], w[:, b], additions(layer, 6))
    assert torch.isnan(y[1, 2:]).all()
    assert torch.equal(y[1, :2], wanted[1, :2])
    twin = kind.torch_twin(layer)(x)[0]
    assert torch.equal(torch.isnan(twin), torch.isnan(y))


@every_kind
@pytest.mark.parametrize("case", ["full", "state", "lengths", "empty", "resets"])
def test_every_way_through_the_layer_agrees(
    kind: Kind, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ways of other devices, taken here: torch's own kernels and the loop."""
    layer = kind.make(3, 5, num_layers=2, bidirectional=True, dtype=torch.float64)
    for batch_first in (True, False):
        layer.batch_first = batch_first
        x = torch.randn((4, 6, 3) if batch_first else (6, 4, 3), dtype=torch.float64)
        options: dict[str, Any] = {
            "full": {},
            "state": {"hx": initial(layer, 4)},
            "lengths": {"lengths": [3, 6, 1, 6], "hx": initial(layer, 4)},
            "empty": {"lengths": [3, 0, 6, 1]},
            "resets": {"lengths": [3, 0, 6, 1], "resets": torch.rand(4, 6) > 0.5},
        }[case]
        y, last = layer(x, **options)
        for way in ("operator", "torch", "reference"):
            monkeypatch.setattr(layer, "_route", lambda *_, way=way: way)
            found, found_last = layer(x, **options)
            close(found, y, additions(layer, 6))
            for a, b in zip(states(found_last), states(last), strict=True):
                close(a, b, additions(layer, 6))
            if case in ("full", "lengths"):
                counts = options.get("lengths", [6] * 4)
                packed = pack_padded_sequence(x, counts, batch_first, enforce_sorted=False)
                found = layer(packed, options.get("hx"))[0]
                close(pad_packed_sequence(found, batch_first)[0], y, additions(layer, 6))
        monkeypatch.undo()


@every_kind
def test_properties_permuted_batch_and_carried_state(kind: Kind) -> None:
    layer = kind.make(3, 9, dtype=torch.float64)
    x = torch.randn(6, 10, 3, dtype=torch.float64)
    whole, last = layer(x)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    close(layer(x[order])[0], whole[order], additions(layer, 10))
    first, state = layer(x[:, :4])
    second, state = layer(x[:, 4:], state)
    close(torch.cat([first, second], dim=1), whole, additions(layer, 10))
    for a, b in zip(states(state), states(last), strict=True):
        close(a, b, additions(layer, 10))


@every_kind
def test_the_reverse_direction_is_the_reversed_sequence(kind: Kind) -> None:
    both = kind.make(3, 5, bidirectional=True, dtype=torch.float64)
    single = kind.make(3, 5, seed=1, dtype=torch.float64)
    names = [n for n, _ in single.named_parameters()]
    single.load_state_dict({n: both.state_dict()[f"{n}_reverse"] for n in names})
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    R = both.proj_size or both.hidden_size
    close(both(x)[0][..., R:].flip(1), single(x.flip(1))[0], additions(both, 7))


@every_kind
def test_a_reset_is_a_new_sequence(kind: Kind) -> None:
    layer = kind.make(3, 5, dtype=torch.float64)
    x = torch.randn(2, 8, 3, dtype=torch.float64)
    resets = torch.zeros(2, 8, dtype=torch.bool)
    resets[0, 3] = resets[1, 5] = True
    y, last = layer(x, initial(layer, 2), resets=resets)
    close(y[0, 3:], layer(x[:1, 3:])[0][0], additions(layer, 8))
    close(y[1, 5:], layer(x[1:, 5:])[0][0], additions(layer, 8))
    close(states(last)[0][:, 1], states(layer(x[1:, 5:])[1])[0][:, 0], additions(layer, 8))


@every_kind
@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize(("B", "T"), [(0, 4), (3, 0), (0, 0)])
def test_nothing_in_nothing_out(kind: Kind, grad: bool, B: int, T: int) -> None:
    layer = kind.make(3, 5, num_layers=2, bidirectional=True).requires_grad_(grad)
    hx = initial(layer, B)
    y, last = layer(torch.zeros(B, T, 3, requires_grad=grad), hx)
    assert y.shape == (B, T, 2 * (layer.proj_size or 5))
    for a, b in zip(states(last), states(hx), strict=True):
        assert torch.equal(a, b)
    y, last = layer(torch.zeros(B, T, 3))
    assert not any(s.any() for s in states(last))
    if grad:
        (y.sum() + sum(s.sum() for s in states(last))).backward()
        assert not layer.weight_hh_l0.grad.any()


@every_kind
@pytest.mark.parametrize("grad", [False, True])
def test_empty_sequences_pass_their_state(kind: Kind, grad: bool) -> None:
    layer = kind.make(3, 5, bidirectional=True).requires_grad_(grad)
    hx = initial(layer, 3)
    y, last = layer(torch.full((3, 4, 3), torch.nan), hx, lengths=[0, 0, 0])
    assert not y.any()
    for a, b in zip(states(last), states(hx), strict=True):
        assert torch.equal(a, b)


@every_kind
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "f16"])
def test_half_precision_is_computed_in_float32(kind: Kind, dtype: torch.dtype) -> None:
    layer = kind.make(3, 8, num_layers=2, dtype=dtype)
    exact = kind.make(3, 8, num_layers=2)
    exact.load_state_dict(layer.state_dict())
    x, hx = torch.randn(2, 5, 3, dtype=dtype), initial(layer, 2)
    y, last = layer(x, hx)
    full = tuple(s.float() for s in states(hx))
    wanted, _ = exact(x.float(), full if layer.mode == "LSTM" else full[0])
    assert y.dtype == dtype
    assert all(s.dtype == dtype for s in states(last))
    assert torch.equal(y, wanted.to(dtype))
    y.sum().backward()
    assert layer.weight_ih_l0.grad.dtype == dtype


@every_kind
def test_autocast(kind: Kind) -> None:
    layer = kind.make(3, 8)
    x = torch.randn(2, 5, 3)
    wanted = layer(x)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, last = layer(x)
        again, _ = layer(x.bfloat16(), last)
        with torch.no_grad():
            assert torch.equal(layer(x)[0], y)
    assert y.dtype == again.dtype == states(last)[0].dtype == torch.bfloat16
    assert torch.equal(y, wanted.bfloat16())
    y.sum().backward()
    assert layer.weight_ih_l0.grad.dtype == torch.float32


def test_the_tolerance_sees_a_wrong_value() -> None:
    layer = KINDS[0].make(3, 5)
    y = layer(torch.randn(2, 4, 3))[0].detach()
    for wrong in (y + 1e-3, torch.where(y == y[0, 0, 0], torch.nan, y), -y):
        with pytest.raises(AssertionError):
            close(wrong, y, additions(layer, 4))
