"""LSTM, GRU and RNN against the readable loops, torch's own layers, and sequences run one by one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from gatework.nn import reference
from gatework.nn.recurrent import GRU, LSTM, RNN

LAYERS = {LSTM: nn.LSTM, GRU: nn.GRU, RNN: nn.RNN}
I, H = 3, 5  # noqa: E741

every_layer = pytest.mark.parametrize("Layer", list(LAYERS))


def make(Layer: Any, seed: int = 0, **options: Any) -> Any:
    torch.manual_seed(seed)
    return Layer(I, H, dtype=torch.float64, **{"batch_first": True, **options})


def states(state: Any) -> tuple[Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


def close(a: Tensor, b: Tensor, accumulated: int) -> None:
    """Equal up to the rounding of ``accumulated`` sums, in their own dtype."""
    assert a.shape == b.shape
    assert not torch.isnan(a).any()
    tolerance = 8 * accumulated * torch.finfo(a.dtype).eps
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def run_reference(layer: Any, x: Tensor, first: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Output and last states of a one-layer, one-direction network by the readable loop."""
    loops = {LSTM: reference.lstm, GRU: reference.gru, RNN: reference.rnn}
    weights = (layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0)
    return loops[type(layer)](x, *first, *weights)


def initial(Layer: Any, B: int) -> tuple[Tensor, ...]:
    return tuple(torch.randn(B, H, dtype=torch.float64) for _ in range(2 if Layer is LSTM else 1))


# ------------------------------------------------------------------ against the loops


@every_layer
@pytest.mark.parametrize(("B", "T"), [(1, 1), (1, 7), (4, 1), (3, 9)])
def test_layer_is_the_loop_that_defines_it(Layer: Any, B: int, T: int) -> None:
    layer = make(Layer)
    x, first = torch.randn(B, T, I, dtype=torch.float64), initial(Layer, B)
    expected = run_reference(layer, x, first)
    hx = tuple(s.unsqueeze(0) for s in first)
    output, state = layer(x, hx if Layer is LSTM else hx[0])
    close(output, expected[0], T * (I + H))
    for found, wanted in zip(states(state), expected[1:], strict=True):
        close(found[0], wanted, T * (I + H))


@every_layer
def test_gradients_are_those_of_the_loop(Layer: Any) -> None:
    layer = make(Layer)
    x, first = torch.randn(2, 6, I, dtype=torch.float64), initial(Layer, 2)
    hx = tuple(s.unsqueeze(0) for s in first)
    weight = torch.randn(2, 6, H, dtype=torch.float64)
    parameters = list(layer.parameters())
    fast = (layer(x, hx if Layer is LSTM else hx[0])[0] * weight).sum()
    slow = (run_reference(layer, x, first)[0] * weight).sum()
    for a, b in zip(
        torch.autograd.grad(fast, parameters), torch.autograd.grad(slow, parameters), strict=True
    ):
        close(a, b, 6 * 2 * (I + H))


@every_layer
def test_gradients_are_the_finite_differences(Layer: Any) -> None:
    layer = make(Layer)
    x = torch.randn(2, 4, I, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([2, 4])
    assert torch.autograd.gradcheck(lambda x: layer(x, lengths=lengths)[0], (x,))


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_reference_saturates_instead_of_overflowing(cell: str) -> None:
    G = {"lstm": 4, "gru": 3, "rnn": 1}[cell]
    h = torch.zeros(2, H)
    weights = (torch.ones(G * H, I), torch.ones(G * H, H), torch.zeros(G * H), torch.zeros(G * H))
    first = (h, h) if cell == "lstm" else (h,)
    outputs = getattr(reference, cell)(torch.full((2, 3, I), 1e30), *first, *weights)[0]
    assert torch.isfinite(outputs).all()
    assert (outputs.abs() <= 1).all()


# ------------------------------------------------------------------ lengths


@every_layer
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@settings(max_examples=8, deadline=None)
@given(lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5))
def test_lengths_equal_each_sequence_alone(
    Layer: Any, batch_first: bool, bidirectional: bool, lengths: list[int]
) -> None:
    layer = make(Layer, num_layers=2, bidirectional=bidirectional, batch_first=batch_first)
    B, T = len(lengths), 6
    x = torch.randn(B, T, I, dtype=torch.float64)
    for b, n in enumerate(lengths):
        x[b, n:] = torch.nan  # padding must not be read
    ragged = x if batch_first else x.transpose(0, 1)
    output, state = layer(ragged, lengths=torch.tensor(lengths))
    output = output if batch_first else output.transpose(0, 1)
    assert output.shape == (B, T, H * (2 if bidirectional else 1))
    for b, n in enumerate(lengths):
        if n == 0:
            assert not output[b].any()
            assert not any(s[:, b].any() for s in states(state))
            continue
        alone = x[b : b + 1, :n] if batch_first else x[b : b + 1, :n].transpose(0, 1)
        single, last = layer(alone)
        close(
            output[b, :n],
            single[0] if batch_first else single[:, 0],
            2 * T * (I + H) * layer.num_layers,
        )
        assert (output[b, n:] == 0).all()
        for found, wanted in zip(states(state), states(last), strict=True):
            close(found[:, b], wanted[:, 0], 2 * T * (I + H) * layer.num_layers)


@every_layer
def test_lengths_keep_the_initial_state_with_its_sequence(Layer: Any) -> None:
    layer = make(Layer)
    x, first = torch.randn(4, 5, I, dtype=torch.float64), initial(Layer, 4)
    hx = tuple(s.unsqueeze(0) for s in first)
    lengths = [2, 5, 1, 3]  # unsorted: torch sorts inside and must bring the states along
    output, _ = layer(x, hx if Layer is LSTM else hx[0], lengths=lengths)
    for b, n in enumerate(lengths):
        wanted = run_reference(layer, x[b : b + 1, :n], tuple(s[b : b + 1] for s in first))[0]
        close(output[b, :n], wanted[0], n * (I + H))


@every_layer
def test_full_lengths_change_nothing(Layer: Any) -> None:
    layer = make(Layer)
    x = torch.randn(3, 4, I, dtype=torch.float64)
    close(layer(x, lengths=[4, 4, 4])[0], layer(x)[0], 4 * (I + H))


# ------------------------------------------------------------------ streaming


@every_layer
@pytest.mark.parametrize("batch_first", [True, False])
def test_a_chain_of_steps_is_the_sequence(Layer: Any, batch_first: bool) -> None:
    layer = make(Layer, num_layers=2, batch_first=batch_first)
    x = torch.randn(3, 7, I, dtype=torch.float64)
    whole, last = layer(x if batch_first else x.transpose(0, 1))
    whole = whole if batch_first else whole.transpose(0, 1)
    state = None
    for t in range(7):
        h, state = layer.step(x[:, t], state)
        assert h.shape == (3, H)
        close(h, whole[:, t], 7 * (I + H) * 2)
    for found, wanted in zip(states(state), states(last), strict=True):
        close(found, wanted, 7 * (I + H) * 2)


@every_layer
def test_a_step_goes_on_from_forward(Layer: Any) -> None:
    layer = make(Layer)
    x = torch.randn(2, 5, I, dtype=torch.float64)
    _, state = layer(x[:, :4])
    close(layer.step(x[:, 4], state)[0], layer(x)[0][:, 4], 5 * (I + H))


@every_layer
def test_a_step_leaves_the_state_it_was_given(Layer: Any) -> None:
    layer = make(Layer)
    _, state = layer.step(torch.randn(2, I, dtype=torch.float64))
    before = [s.clone() for s in states(state)]
    layer.step(torch.randn(2, I, dtype=torch.float64), state)
    assert all(torch.equal(a, b) for a, b in zip(before, states(state), strict=True))


# ------------------------------------------------------------------ torch's namesakes


@every_layer
@pytest.mark.parametrize(
    "options",
    [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}],
    ids=["plain", "deep-both-ways", "no-bias"],
)
def test_state_dict_goes_to_torch_and_back(Layer: Any, options: dict[str, Any]) -> None:
    ours = make(Layer, 0, **options)
    theirs = make(LAYERS[Layer], 1, **options)
    x = torch.randn(2, 4, I, dtype=torch.float64)
    assert not torch.allclose(ours(x)[0], theirs(x)[0])
    theirs.load_state_dict(ours.state_dict())
    close(ours(x)[0], theirs(x)[0], 2 * 4 * (I + 2 * H))
    again = make(Layer, 2, **options)
    again.load_state_dict(theirs.state_dict())
    assert torch.equal(ours(x)[0], again(x)[0])
    assert isinstance(ours, LAYERS[Layer])


@every_layer
def test_a_packed_sequence_passes_as_in_torch(Layer: Any) -> None:
    ours, theirs = make(Layer), make(LAYERS[Layer])
    packed = pack_padded_sequence(
        torch.randn(3, 4, I, dtype=torch.float64), [1, 4, 2], True, enforce_sorted=False
    )
    close(ours(packed)[0].data, theirs(packed)[0].data, 4 * (I + H))


@every_layer
@pytest.mark.parametrize("batch_first", [True, False])
def test_an_unbatched_sequence_passes_as_in_torch(Layer: Any, batch_first: bool) -> None:
    ours = make(Layer, num_layers=2, batch_first=batch_first)
    theirs = make(LAYERS[Layer], num_layers=2, batch_first=batch_first)
    x = torch.randn(4, I, dtype=torch.float64)
    first = tuple(torch.randn(2, H, dtype=torch.float64) for _ in initial(Layer, 1))
    hx = first if Layer is LSTM else first[0]
    for (y, last), (wanted, wanted_last) in ((ours(x), theirs(x)), (ours(x, hx), theirs(x, hx))):
        close(y, wanted, 2 * 4 * (I + H))
        for a, b in zip(states(last), states(wanted_last), strict=True):
            close(a, b, 2 * 4 * (I + H))


@every_layer
def test_an_unbatched_sequence_takes_resets(Layer: Any) -> None:
    layer = make(Layer)
    x = torch.randn(4, I, dtype=torch.float64)
    y, _ = layer(x, resets=torch.tensor([False, False, True, False]))
    close(y[2:], layer(x[2:])[0], 4 * (I + H))


@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")
def test_the_lstms_projection_passes() -> None:
    ours, theirs = make(LSTM, proj_size=2), make(nn.LSTM, proj_size=2)
    x = torch.randn(2, 4, I, dtype=torch.float64)
    output, state = ours(x, lengths=[4, 4])
    close(output, theirs(x)[0], 4 * (I + H))
    assert [tuple(s.shape) for s in state] == [(1, 2, 2), (1, 2, H)]
    _, state = ours.step(x[:, 0], state)
    fan = ours.fan_out(x[:, 1:], state)
    close(fan[:, 0], ours.step(x[:, 1], state)[0], I + H)


# ------------------------------------------------------------------ subclasses, hooks, unusual tensors


@pytest.mark.parametrize("unbatched", [True, False])
def test_a_subclass_with_its_own_forward_runs_once(unbatched: bool) -> None:
    class Doubled(LSTM):
        def forward(self, x: Tensor, hx: Any = None) -> Any:  # type: ignore[override]
            return super().forward(2 * x, hx)

    layer, plain = make(Doubled), make(LSTM)
    x = torch.randn(4, I, dtype=torch.float64) if unbatched else torch.randn(2, 4, I).double()
    assert torch.equal(layer(x)[0], plain(2 * x)[0])
    one = x if unbatched else x[:, -1]
    assert torch.equal(layer.step(one)[0], plain.step(2 * one)[0])


@every_layer
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_step_runs_the_hooks(Layer: Any) -> None:
    layer = nn.utils.weight_norm(make(Layer), "weight_hh_l0")
    x = torch.randn(2, 4, I, dtype=torch.float64)
    _, state = layer(x[:, :3])
    with torch.no_grad():
        layer.weight_hh_l0_g.mul_(3)
        stepped, _ = layer.step(x[:, 3], state)
        close(stepped, layer(x[:, 3:], state)[0][:, 0], I + H)
    seen: list[int] = []
    layer = make(Layer)
    layer.register_forward_hook(lambda *_: seen.append(1))
    layer.step(x[:, 0])
    assert seen == [1]


def negative(t: Tensor) -> Tensor:
    """``t`` with the sign pending in a bit, as ``conj().imag`` has it."""
    found = torch.complex(torch.zeros_like(t), -t).conj().imag
    assert found.is_neg()
    return found


@every_layer
@pytest.mark.parametrize("grad", [True, False])
def test_a_pending_sign_is_resolved(Layer: Any, grad: bool) -> None:
    layer, twin = make(Layer), make(Layer)
    for name, p in list(twin.named_parameters()):
        delattr(twin, name)
        setattr(twin, name, negative(p.detach()))
    x = torch.randn(2, 4, I, dtype=torch.float64)
    first = tuple(s.unsqueeze(0) for s in initial(Layer, 2))
    with torch.set_grad_enabled(grad):
        for length in (4, 1):
            part = x[:, :length]
            hx, hx_negative = (
                (first, tuple(map(negative, first)))
                if Layer is LSTM
                else (first[0], negative(first[0]))
            )
            wanted, wanted_last = layer(part, hx)
            for y, last in (
                layer(negative(part), hx),
                layer(part, hx_negative),
                twin(part, hx),
                layer(negative(part.mT.contiguous()).mT, hx, lengths=[length, length]),
            ):
                close(y, wanted, 4 * (I + H))
                for a, b in zip(states(last), states(wanted_last), strict=True):
                    close(a, b, 4 * (I + H))
    if grad:
        x.requires_grad_()
        y, last = layer(x)
        pulls = [torch.randn_like(t) for t in (y, *states(last))]
        outputs = (y, *states(last))
        (wanted,) = torch.autograd.grad(outputs, x, pulls, retain_graph=True)
        (found,) = torch.autograd.grad(outputs, x, [negative(p) for p in pulls])
        close(found, wanted, 4 * (I + H))


@every_layer
@pytest.mark.parametrize("grad", [True, False])
def test_the_default_device_does_not_matter(Layer: Any, grad: bool) -> None:
    layer, x = make(Layer), torch.randn(2, 4, I, dtype=torch.float64)
    packed = pack_padded_sequence(x, [4, 2], True)
    resets = [[False, True, False, True]] * 2
    calls = [
        lambda: layer(packed)[0].data,
        lambda: layer(x, lengths=[4, 2])[0],
        lambda: layer(x, lengths=torch.tensor([4, 2], device="cpu"), resets=resets)[0],
        lambda: layer(x[0], resets=resets[0])[0],
        lambda: layer.step(x[:, 0])[0],
    ]
    with torch.set_grad_enabled(grad):
        for call in calls:
            wanted = call()
            with torch.device("meta"):
                found = call()
            assert torch.equal(found, wanted)


def test_weights_live_until_the_engine_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may replace them while the engine runs, which releases the GIL."""
    from gatework.nn import inference

    class Engine:
        @staticmethod
        def forward(*args: Any) -> None:
            for p in layer.parameters():
                p.data = torch.full_like(p, 1e3)
            junk.extend(torch.full_like(p, 1e3) for p in layer.parameters())
            real.forward(*args)

    layer, junk, real = make(LSTM), [], inference.compiled
    x = torch.randn(2, 4, I, dtype=torch.float64)
    with torch.no_grad():
        wanted, _ = layer(x)
        monkeypatch.setattr(inference, "compiled", Engine)
        found, _ = layer(x)
    assert torch.equal(found, wanted)
