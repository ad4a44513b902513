"""ConvLSTM beside its plain loop: results, gradients, lengths, steps, and what it says of mistakes."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gatework.nn import ConvLSTM1d, ConvLSTM2d, ConvLSTM3d, planes
from gatework.nn import convolutional_reference as reference

SPACES = {1: (7,), 2: (5, 6), 3: (3, 4, 2)}
CLASSES: dict[int, Any] = {1: ConvLSTM1d, 2: ConvLSTM2d, 3: ConvLSTM3d}
every_space = pytest.mark.parametrize("axes", [1, 2, 3])
either_peepholes = pytest.mark.parametrize("peepholes", [False, True], ids=["plain", "peepholes"])


def make(axes: int, C: int = 2, H: int = 3, peepholes: bool = False, **options: Any) -> Any:
    """A layer with weights of every sign, peepholes and biases among them."""
    if peepholes:
        options["size"] = SPACES[axes]
    layer = CLASSES[axes](C, H, options.pop("kernel_size", 3), peepholes=peepholes, **options)
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn(p.shape) * 0.4)
    return layer


def by_loop(layer: Any, x: Tensor, hx: Any = None, lengths: Any = None) -> Any:
    """What the layer should give, by the readable loop."""
    D, H, space = 1 + layer.bidirectional, layer.hidden_channels, x.shape[3:]
    if hx is None:
        hx = (x.new_zeros((layer.num_layers * D, x.shape[0], H, *space)),) * 2
    lengths = None if lengths is None else torch.as_tensor(lengths)
    hs, cs = [], []
    for number in range(layer.num_layers):
        outputs = []
        for d in range(D):
            suffix = f"_l{number}" + "_reverse" * d
            weights: list[Any] = [
                getattr(layer, kind + suffix, None)
                for kind in ("weight_ih", "weight_hh", "bias", "weight_p")
            ]
            row = number * D + d
            y, h, c = reference.layer(
                x, hx[0][row], hx[1][row], *weights, lengths=lengths, reverse=d == 1
            )
            outputs.append(y)
            hs.append(h)
            cs.append(c)
        x = torch.cat(outputs, dim=2)
    return x, (torch.stack(hs), torch.stack(cs))


def tolerance(layer: Any, steps: int) -> float:
    """Twice epsilon for every addition of a gate, of all steps, times the largest weight's order."""
    additions = (layer.in_channels + layer.hidden_channels) * math.prod(layer.kernel_size)
    return float(2 * torch.finfo(layer.weight_ih_l0.dtype).eps * additions * steps)


def compare(layer: Any, x: Tensor, hx: Any = None, lengths: Any = None) -> None:
    """Outputs, states and every gradient against the loop."""
    found = []
    for run in (layer, lambda *given: by_loop(layer, *given)):
        inputs = [x.detach().clone().requires_grad_()]
        if hx is not None:
            inputs += [s.detach().clone().requires_grad_() for s in hx]
        state = tuple(inputs[1:]) if hx is not None else None
        y, (h, c) = run(inputs[0], state, lengths)
        torch.manual_seed(5)
        loss = sum((part * torch.randn(part.shape, dtype=x.dtype)).sum() for part in (y, h, c))
        assert isinstance(loss, Tensor)
        grads = torch.autograd.grad(loss, [*inputs, *layer.parameters()])
        found.append([y, h, c, *grads])
    tol = tolerance(layer, x.shape[1])
    for ours, wanted in zip(*found, strict=True):
        assert ours.shape == wanted.shape
        torch.testing.assert_close(ours, wanted, rtol=0, atol=tol * (1 + wanted.abs().max().item()))
    with torch.no_grad():  # nothing kept: another way
        y, (h, c) = layer(x, hx, lengths)
    for ours, wanted in zip((y, h, c), found[1], strict=False):
        torch.testing.assert_close(ours, wanted, rtol=0, atol=tol)


def states(layer: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    shape = (layer.num_layers * (1 + layer.bidirectional), x.shape[0], layer.hidden_channels)
    h, c = (torch.randn(*shape, *x.shape[3:], dtype=x.dtype) for _ in "hc")
    return h, c


@every_space
@either_peepholes
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_to_the_loop(axes: int, peepholes: bool, dtype: torch.dtype) -> None:
    layer = make(axes, peepholes=peepholes, dtype=dtype)
    x = torch.randn(3, 4, 2, *SPACES[axes], dtype=dtype)
    compare(layer, x)
    compare(layer, x, states(layer, x))
    compare(layer, x, states(layer, x), [2, 0, 4])


@pytest.mark.parametrize("H", [1, 7, 8, 9, 15, 16, 17, 33])
def test_sizes_around_a_vector(H: int) -> None:
    compare(make(2, H=H, peepholes=True), torch.randn(2, 2, 2, *SPACES[2]))


@every_space
def test_a_stack_in_both_directions(axes: int) -> None:
    layer = make(axes, num_layers=2, bidirectional=True, peepholes=True)
    x = torch.randn(4, 3, 2, *SPACES[axes])
    compare(layer, x, states(layer, x))
    compare(layer, x, states(layer, x), [1, 3, 0, 2])


def test_chunks_of_every_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are convolved together in chunks: 1, 2 or 3 of 5 at a time, and all."""
    layer = make(2)
    x = torch.randn(2, 5, 2, *SPACES[2])
    step = 2 * 30 * 4 * 3 * 4
    for steps in (1, 2, 3, 5):
        monkeypatch.setattr(planes, "_CHUNK", steps * step)
        compare(layer, x, states(layer, x))


@pytest.mark.parametrize("kernel_size", [1, (1, 5), (5, 3)])
def test_kernels_without_bias(kernel_size: Any) -> None:
    compare(make(2, kernel_size=kernel_size, bias=False), torch.randn(2, 3, 2, *SPACES[2]))


@every_space
@either_peepholes
def test_finite_differences(axes: int, peepholes: bool) -> None:
    """Of the input, the states and every parameter, with lengths."""
    layer = make(axes, 1, 2, peepholes, dtype=torch.float64)
    x = torch.randn(2, 3, 1, *SPACES[axes], dtype=torch.float64, requires_grad=True)
    first = [s.requires_grad_() for s in states(layer, x)]
    names = [n for n, _ in layer.named_parameters()]

    def run(x: Tensor, h: Tensor, c: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        named = dict(zip(names, weights, strict=True))
        y, last = torch.func.functional_call(layer, named, (x, (h, c)), {"lengths": [3, 2]})
        return y, *last

    assert torch.autograd.gradcheck(run, (x, *first, *layer.parameters()), fast_mode=True)


@either_peepholes
def test_steps_are_the_sequence(peepholes: bool) -> None:
    layer = make(2, num_layers=2, peepholes=peepholes)
    x = torch.randn(2, 4, 2, *SPACES[2])
    whole, last = layer(x)
    state = None
    for t in range(4):
        y, state = layer.step(x[:, t], state)
        torch.testing.assert_close(y, whole[:, t], rtol=0, atol=tolerance(layer, 4))
    torch.testing.assert_close(state, last, rtol=0, atol=tolerance(layer, 4))


def test_a_carried_state_is_the_whole_sequence() -> None:
    layer = make(1)
    x = torch.randn(2, 6, 2, 7)
    first, state = layer(x[:, :2])
    second, last = layer(x[:, 2:], state)
    whole, wanted = layer(x)
    torch.testing.assert_close(
        torch.cat([first, second], 1), whole, rtol=0, atol=tolerance(layer, 6)
    )
    torch.testing.assert_close(last, wanted, rtol=0, atol=tolerance(layer, 6))


def test_padding_is_not_read() -> None:
    layer = make(2, bidirectional=True)
    x = torch.randn(3, 4, 2, *SPACES[2])
    y, _ = layer(x, lengths=[1, 4, 0])
    x[0, 1:], x[2] = math.nan, math.nan
    x.requires_grad_()
    again, _ = layer(x, lengths=[1, 4, 0])
    assert torch.equal(y, again)
    again.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert not x.grad[0, 1:].any()
    assert all(p.grad.isfinite().all() for p in layer.parameters())


def test_no_steps_and_no_sequences() -> None:
    layer = make(2)
    x = torch.randn(2, 0, 2, *SPACES[2])
    h, c = states(layer, x)
    y, last = layer(x, (h, c))
    assert y.shape == (2, 0, 3, *SPACES[2])
    assert torch.equal(last[0], h)
    assert torch.equal(last[1], c)
    assert layer(torch.randn(0, 3, 2, *SPACES[2]))[0].shape == (0, 3, 3, *SPACES[2])
    y, _ = layer(torch.randn(2, 3, 2, *SPACES[2]), lengths=[0, 0])
    assert not y.any()


def test_time_first() -> None:
    layer = make(2, batch_first=False)
    x = torch.randn(4, 2, 2, *SPACES[2])
    y, _ = layer(x, lengths=[4, 2])
    wanted, _ = by_loop(layer, x.transpose(0, 1), None, [4, 2])
    torch.testing.assert_close(y, wanted.transpose(0, 1), rtol=0, atol=tolerance(layer, 4))


def test_save_and_load() -> None:
    layer = make(2, num_layers=2, peepholes=True, bidirectional=True)
    assert layer.weight_ih_l0.shape == (12, 2, 3, 3)
    assert layer.weight_ih_l1.shape == (12, 6, 3, 3)
    assert layer.weight_hh_l0_reverse.shape == (12, 3, 3, 3)
    assert layer.bias_l1.shape == (12,)
    assert layer.weight_p_l0.shape == (3, 3, *SPACES[2])
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other = make(2, num_layers=2, peepholes=True, bidirectional=True)
    other.load_state_dict(torch.load(file, weights_only=True))
    x = torch.randn(2, 3, 2, *SPACES[2])
    assert torch.equal(other(x)[0], layer(x)[0])
    assert "num_layers=2" in repr(layer)
    assert "peepholes=True, size=(5, 6)" in repr(layer)


def test_the_forget_gate_starts_open() -> None:
    layer: Any = ConvLSTM2d(2, 3, 3, forget_bias=1.5)
    assert layer.bias_l0.tolist() == [0.0] * 3 + [1.5] * 3 + [0.0] * 6
    assert layer.weight_hh_l0.abs().max() <= 1 / math.sqrt(5 * 9)


def test_backward_may_run_twice_and_outputs_may_change() -> None:
    layer = make(2)
    x = torch.randn(2, 3, 2, *SPACES[2])
    y = layer(x)[0].sum()
    y.backward(retain_graph=True)
    first = layer.weight_hh_l0.grad.clone()
    y.backward()
    torch.testing.assert_close(layer.weight_hh_l0.grad, 2 * first)
    layer(x)[0].mul_(2)  # an output is nobody's view


def test_a_second_derivative_is_refused_and_the_loop_gives_it() -> None:
    layer = make(1, 1, 2, dtype=torch.float64)
    x = torch.randn(1, 2, 1, 7, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(layer(x)[0].sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="cannot be differentiated again"):
        torch.autograd.grad(grad.sum(), x)

    def total(x: Tensor) -> Tensor:
        y: Tensor = layer(x)[0]
        return y.sum()

    gradient = torch.func.grad(total)(x)
    torch.testing.assert_close(gradient, grad.detach())
    torch.func.grad(lambda x: torch.func.grad(total)(x).sum())(x)


def test_half_precision_and_autocast() -> None:
    layer = make(2)
    x = torch.randn(2, 3, 2, *SPACES[2])
    wanted, _ = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        y, _ = layer(x)
    assert y.dtype is torch.float32
    assert torch.equal(y, wanted)
    half, (h, _) = layer.bfloat16()(x.bfloat16())
    assert half.dtype is h.dtype is torch.bfloat16
    torch.testing.assert_close(half.float(), wanted, rtol=0, atol=0.05)


def test_meta_tensors_have_shapes() -> None:
    layer = make(2).to("meta")
    assert layer(torch.empty(2, 3, 2, 5, 6, device="meta"))[0].shape == (2, 3, 3, 5, 6)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"kernel_size": 4}, "`kernel_size` must be odd.*got 4"),
        ({"kernel_size": (3, 3, 3)}, "`kernel_size` must be one number or 2"),
        ({"in_channels": 0}, "`in_channels` must be a whole number from 1; got 0"),
        ({"hidden_channels": 2.5}, "`hidden_channels` must be a whole number"),
        ({"num_layers": True}, "`num_layers` must be a whole number"),
        ({"peepholes": True}, "peepholes=True needs `size`"),
        ({"size": 8}, "`size` is of use with peepholes=True only"),
        ({"dropout": 1.5}, "`dropout` must lie between 0 and 1"),
    ],
)
def test_arguments_are_refused(options: dict[str, Any], text: str) -> None:
    given = {"in_channels": 2, "hidden_channels": 3, "kernel_size": 3} | options
    with pytest.raises(ValueError, match=text):
        ConvLSTM2d(**given)


IMAGES = torch.zeros(2, 3, 2, 5, 6)


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (([1.0],), TypeError, r"ConvLSTM2d.forward: `input` must be a tensor \(B, T, C, H, W\)"),
        (
            (IMAGES[0],),
            ValueError,
            r"5 axes \(B, T, C, H, W\); got shape \(3, 2, 5, 6\).*unsqueeze",
        ),
        ((IMAGES[:, :, :1],), ValueError, "has 1 channels, .*in_channels=2.*rebuild with"),
        ((torch.zeros(2, 3, 2, 6, 6),), ValueError, r"images of \(6, 6\).*size=\(5, 6\)"),
        (
            (IMAGES.double(),),
            ValueError,
            "is torch.float64, this layer's weights are torch.float32",
        ),
        ((IMAGES.to("meta"),), ValueError, "is on meta, this layer's weights are on cpu"),
        ((IMAGES, torch.zeros(1)), TypeError, r"must be a pair \(h, c\).*got Tensor"),
        (
            (IMAGES, (torch.zeros(1), torch.zeros(1))),
            ValueError,
            r"initial h must have shape \(1, 2",
        ),
        ((IMAGES, None, [4, 1]), ValueError, "`lengths` must lie between 0 and T=3; got 1 to 4"),
        ((IMAGES, None, [1]), ValueError, "one number per sequence"),
    ],
)
def test_what_does_not_fit_is_named(given: Any, error: type[Exception], text: str) -> None:
    layer = make(2, peepholes=True)
    with pytest.raises(error, match=text):
        layer(*given)


def test_steps_that_are_refused() -> None:
    with pytest.raises(ValueError, match="needs the whole sequence"):
        make(2, bidirectional=True).step(IMAGES[:, 0])
    with pytest.raises(ValueError, match=r"step: `x` must have 4 axes \(B, C, H, W\)"):
        make(2).step(IMAGES)
