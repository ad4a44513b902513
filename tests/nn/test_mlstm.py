"""mLSTM in chunks against a plain loop over the paper's equations, and as a stream."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gatework.errors import ConfigError
from gatework.nn import MLSTM, make
from gatework.nn import mlstm as module

I, H, N, d = 3, 8, 2, 4  # noqa: E741
EPS = torch.finfo(torch.float64).eps
CHUNKS = (1, 3, 32)
every_chunk = pytest.mark.parametrize("L", CHUNKS)


@pytest.fixture(params=CHUNKS)
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Steps of a chunk: one, some with a rest, and more than there are."""
    monkeypatch.setattr(module, "CHUNK", request.param)
    return int(request.param)


def layer_of(seed: int = 0, loud: float = 1.0, **options: Any) -> MLSTM:
    """Weights drawn anew, the gates' too, so that nothing is at its start of zero."""
    torch.manual_seed(seed)
    layer = MLSTM(I, H, **{"num_heads": N, "batch_first": True, **options}).double()
    with torch.no_grad():
        for name, p in layer.named_parameters():
            p.normal_(0.0, loud if "gates" in name else 0.7)
    return layer


def some_input(B: int = 4, T: int = 8, seed: int = 1) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(B, T, I, generator=g, dtype=torch.float64)


def true_state(state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """h, C and n themselves, not divided by exp(m)."""
    h, C, n, m = state
    return h, C * m.exp()[..., None, None], n * m.exp()[..., None]


def loop(
    layer: MLSTM,
    x: Tensor,
    state: tuple[Tensor, ...] | None = None,
    resets: Tensor | None = None,
    suffix: str = "_l0",
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Outputs ``(T, H)`` and the true h, C and n of one sequence: equations 19 to 27, nothing stabilised."""
    w = {name.removesuffix(suffix): p for name, p in layer.named_parameters()}
    h, C, n = torch.zeros(H).double(), torch.zeros(N, d, d).double(), torch.zeros(N, d).double()
    if state is not None:
        h, C, n = state
    outputs = []
    for t in range(len(x)):
        if resets is not None and resets[t]:
            C, n = torch.zeros_like(C), torch.zeros_like(n)
        q, k, v, o = (w["weight_ih"] @ x[t] + w["bias_ih"]).chunk(4)
        i, f = (w["weight_gates"] @ x[t] + w["bias_gates"]).chunk(2)
        heads = []
        Cs, ns = [], []
        for head in range(N):
            part = slice(head * d, (head + 1) * d)
            qh, kh, vh = q[part], k[part] / math.sqrt(d), v[part]
            Ch = f[head].sigmoid() * C[head] + i[head].exp() * torch.outer(vh, kh)
            nh = f[head].sigmoid() * n[head] + i[head].exp() * kh
            heads.append(Ch @ qh / torch.clamp((nh @ qh).abs(), min=1.0))
            Cs.append(Ch)
            ns.append(nh)
        C, n = torch.stack(Cs), torch.stack(ns)
        h = o.sigmoid() * torch.cat(heads)
        outputs.append(h)
    return torch.stack(outputs) if outputs else torch.zeros(0, H).double(), (h, C, n)


def close(found: Tensor, wanted: Tensor, factor: float = 2000) -> None:
    found, wanted = found.detach(), wanted.detach()
    assert found.shape == wanted.shape
    scale = max(1.0, float(wanted.abs().max()) if wanted.numel() else 1.0)
    assert bool(((found - wanted).abs() <= factor * EPS * scale).all()), (
        (found - wanted).abs().max()
    )


LENGTHS = [8, 0, 1, 5]


def some_resets() -> Tensor:
    resets = torch.zeros(4, 8, dtype=torch.bool)
    resets[0, [3, 4]] = resets[1, 2] = resets[2, 0] = resets[3, [1, 6]] = True
    return resets


@pytest.mark.parametrize("case", ["full", "lengths", "resets", "both"])
def test_against_the_equations(chunk: int, case: str) -> None:
    layer, x = layer_of(), some_input()
    lengths = LENGTHS if case in ("lengths", "both") else [8] * 4
    resets = some_resets() if case in ("resets", "both") else None
    given = None if case in ("full", "resets") else lengths
    y, state = layer(x, lengths=given, resets=resets)
    for b, length in enumerate(lengths):
        here = None if resets is None else resets[b]
        wanted, last = loop(layer, x[b, :length], None, here)
        close(y[b, :length], wanted)
        assert not y[b, length:].any()
        for found, right in zip(true_state(state), last, strict=True):
            close(found[0, b], right)


def test_against_the_equations_from_a_state(chunk: int) -> None:
    layer, x = layer_of(), some_input()
    _, state = layer(some_input(T=3, seed=5))
    y, last = layer(x, state, lengths=LENGTHS)
    for b, length in enumerate(LENGTHS):
        before = tuple(s[0, b] for s in true_state(state))
        wanted, after = loop(layer, x[b, :length], before)
        close(y[b, :length], wanted)
        for found, right in zip(true_state(last), after, strict=True):
            close(found[0, b], right)


def test_steps_are_the_sequence(chunk: int) -> None:
    layer, x = layer_of(num_layers=2), some_input()
    y, last = layer(x)
    state = None
    for t in range(8):
        h, state = layer.step(x[:, t], state)
        close(h, y[:, t])
    for found, wanted in zip(true_state(state), true_state(last), strict=True):  # type: ignore[arg-type]  # 8 steps were made
        close(found, wanted)


def test_pieces_are_the_sequence(chunk: int) -> None:
    layer, x, resets = layer_of(num_layers=2), some_input(), some_resets()
    lengths = torch.tensor(LENGTHS)
    y, last = layer(x, lengths=lengths, resets=resets)
    pieces, state = [], None
    for a, b in ((0, 1), (1, 5), (5, 5), (5, 8)):
        piece, state = layer(x[:, a:b], state, (lengths - a).clamp(0, b - a), resets[:, a:b])
        pieces.append(piece)
    close(torch.cat(pieces, dim=1), y)
    for found, wanted in zip(true_state(state), true_state(last), strict=True):  # type: ignore[arg-type]  # pieces were made
        close(found, wanted)


def test_both_directions(chunk: int) -> None:
    layer, x, resets = layer_of(bidirectional=True), some_input(), some_resets()
    y, state = layer(x, lengths=LENGTHS, resets=resets)
    for b, length in enumerate(LENGTHS):
        forwards, _ = loop(layer, x[b, :length], None, resets[b])
        turned, after = loop(
            layer, x[b, :length].flip(0), None, resets[b, :length].flip(0), "_l0_reverse"
        )
        close(y[b, :length, :H], forwards)
        close(y[b, :length, H:], turned.flip(0))
        for found, right in zip(true_state(state), after, strict=True):
            close(found[1, b], right)
    assert layer_of(bidirectional=True, num_layers=2)(x)[0].shape == (4, 8, 2 * H)
    with pytest.raises(ValueError, match=r"MLSTM\.step: a bidirectional layer needs"):
        layer.step(x[:, 0])


@pytest.mark.parametrize("case", ["full", "lengths and resets"])
def test_gradients_by_finite_differences(chunk: int, case: str) -> None:
    """Of every parameter, the input and the initial state, through the outputs and the true state.

    Gates near zero keep |n · q| away from the corner at 1, where differences are no gradients.
    """
    layer = layer_of(loud=0.3)
    x = some_input(3, 4).requires_grad_()
    state = [s.detach().requires_grad_() for s in layer(some_input(3, 2, seed=5))[1]]
    names = [name for name, _ in layer.named_parameters()]
    options: dict[str, Any] = {}
    if case != "full":
        resets = torch.zeros(3, 4, dtype=torch.bool)
        resets[0, 2] = resets[2, 0] = True
        options = {"lengths": [4, 0, 2], "resets": resets}

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        weights = dict(zip(names, rest[4:], strict=True))
        y, last = torch.func.functional_call(layer, weights, (x, rest[:4]), options)
        return (y, *true_state(last))

    assert torch.autograd.gradcheck(run, (x, *state, *layer.parameters()))


def test_step_and_sequence_have_one_gradient(chunk: int) -> None:
    layer, x = layer_of(num_layers=2), some_input().requires_grad_()
    layer(x)[0].square().sum().backward()
    whole = [x.grad, *(p.grad for p in layer.parameters())]
    x.grad = None
    layer.zero_grad()
    total, state = torch.zeros(()).double(), None
    for t in range(8):
        h, state = layer.step(x[:, t], state)
        total = total + h.square().sum()
    total.backward()
    for a, b in zip(whole, [x.grad, *(p.grad for p in layer.parameters())], strict=True):
        assert a is not None
        assert b is not None
        close(a, b, 1e4)


def test_padding_is_never_read(chunk: int) -> None:
    layer, resets = layer_of(num_layers=2, bidirectional=True), some_resets()
    clean, spoilt = some_input(), some_input()
    for b, n in enumerate(LENGTHS):
        spoilt[b, n:] = math.nan
    runs = []
    for x in (clean, spoilt):
        layer.zero_grad()
        y, state = layer(x.requires_grad_(), lengths=LENGTHS, resets=resets)
        (y.square().sum() + sum(s.sum() for s in state)).backward()
        runs.append([y, x.grad, *state, *(p.grad.clone() for p in layer.parameters())])
    for a, b in zip(*runs, strict=True):
        assert torch.equal(a, b)
        assert not a.isnan().any()


def test_gates_of_any_size_compute(chunk: int) -> None:
    """Input gates of exp(±300) and forget gates near 0 and 1: finite, forward and backward, in float32."""
    for size in (-300.0, -60.0, 60.0, 300.0):
        for forget in (-200.0, 200.0):
            layer = layer_of().float()
            with torch.no_grad():
                layer.bias_gates_l0[:N] = size
                layer.bias_gates_l0[N:] = forget
            x = some_input().float().requires_grad_()
            y, state = layer(x, lengths=LENGTHS, resets=some_resets())
            y.square().sum().backward()
            for t in (y, x.grad, *state, *(p.grad for p in layer.parameters())):
                assert bool(t.isfinite().all()), (size, forget)
            steps = [y[:, 0] * 0.0]
            now = None
            for t in range(3):
                h, now = layer.step(x[:, t], now)
                steps.append(h)
            assert bool(torch.stack(steps).isfinite().all())


def test_zero_inputs_give_zeros() -> None:
    layer = MLSTM(I, H, num_heads=N)
    y, _ = layer(torch.zeros(5, 2, I))
    assert torch.equal(y, torch.zeros(5, 2, H) + 0 * y)


def test_a_permuted_batch_gives_permuted_results(chunk: int) -> None:
    layer, x, resets = layer_of(), some_input(), some_resets()
    order, lengths = torch.tensor([2, 0, 3, 1]), torch.tensor(LENGTHS)
    y, state = layer(x, lengths=lengths, resets=resets)
    other, moved = layer(x[order], lengths=lengths[order], resets=resets[order])
    close(other, y[order])
    for a, b in zip(moved, state, strict=True):
        close(a, b[:, order])


def test_fan_out_is_a_step_for_each_input() -> None:
    layer = layer_of(num_layers=2).eval()
    _, state = layer(some_input(), lengths=LENGTHS)
    x = some_input(4, 5, seed=8)
    y, shared = layer.fan_out(x, state), layer.fan_out(x[:1], state)
    for j in range(5):
        close(y[:, j], layer.step(x[:, j], state)[0])
        close(shared[:, j], layer.step(x[:1, j].expand(4, I), state)[0])
    folded = tuple(s.unflatten(1, (2, 2)) for s in state)
    close(layer.fan_out(x.unflatten(0, (2, 2)), folded), y.unflatten(0, (2, 2)))  # type: ignore[arg-type]  # four parts


def test_time_first_no_bias_no_steps_no_sequences() -> None:
    x = some_input()
    layer, turned = layer_of(), layer_of(batch_first=False)
    assert torch.equal(turned(x.transpose(0, 1))[0].transpose(0, 1), layer(x)[0])
    plain = layer_of(bias=False)
    assert [n for n, _ in plain.named_parameters()] == ["weight_ih_l0", "weight_gates_l0"]
    assert plain(x)[0].shape == (4, 8, H)
    _, state = layer(x)
    y, after = layer(x[:, :0], state)
    assert y.shape == (4, 0, H)
    assert all(torch.equal(a, b) for a, b in zip(state, after, strict=True))
    assert layer(x[:0])[0].shape == (0, 8, H)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_computes_in_float32(dtype: torch.dtype) -> None:
    layer, x = layer_of().to(dtype), some_input().to(dtype)
    with torch.no_grad():
        y, state = layer(x)
        wanted, last = layer.float()(x.float())
    assert y.dtype == state[1].dtype == dtype
    assert torch.equal(y, wanted.to(dtype))
    assert torch.equal(state[1], last[1].to(dtype))


def test_memory_grows_with_steps_and_not_with_their_square() -> None:
    layer = MLSTM(4, 16, num_heads=2, batch_first=True)

    def kept(T: int) -> int:
        total = 0

        def pack(t: Tensor) -> Tensor:
            nonlocal total
            total += t.numel()
            return t

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            layer(torch.randn(1, T, 4))
        return total

    assert kept(1024) <= 2.2 * kept(512)


def test_made_by_its_name_compiled_and_saved() -> None:
    torch.manual_seed(0)
    layer = make("mlstm", I, H, 2, num_heads=N)
    assert repr(layer) == "MLSTM(3, 8, num_heads=2, num_layers=2, batch_first=True)"
    assert torch.equal(layer.bias_gates_l0[N:], torch.tensor([3.0, 6.0]))
    x = some_input().float()
    other = make("mlstm", I, H, 2, num_heads=N)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(x)[0], layer(x)[0])
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    lengths = torch.tensor(LENGTHS)
    y, wanted = compiled(x, lengths=lengths)[0], layer(x, lengths=lengths)[0]
    assert torch.allclose(y, wanted, atol=1e-6)


def refused(error: type[Exception], call: Any, *parts: str) -> None:
    with pytest.raises(error) as e:
        call()
    for part in parts:
        assert part in str(e.value), str(e.value)


def test_what_does_not_fit_is_named() -> None:
    layer, x = layer_of(), some_input()
    _, state = layer(x)
    refused(ConfigError, lambda: MLSTM(3, 10), "hidden_size=10", "num_heads=4", "num_heads=5")
    refused(ConfigError, lambda: MLSTM(3, 0), "`hidden_size`", "got 0")
    refused(ConfigError, lambda: MLSTM(3, 8, dropout=1.0), "`dropout`", "1.0")
    refused(ValueError, lambda: layer(x[0]), "MLSTM.forward", "3 axes", "(8, 3)")
    refused(ValueError, lambda: layer(x[..., :2]), "2 features", "input_size=3")
    refused(ValueError, lambda: layer(x, lengths=[9, 1, 1, 1]), "between 0 and T=8")
    refused(ValueError, lambda: layer(x, resets=torch.ones(2, 2) > 0), "`resets`", "(2, 2)")
    refused(TypeError, lambda: layer(x, state[0]), "(h, C, n, m)", "got Tensor")
    refused(ValueError, lambda: layer(x[:2], state), "state's h", "(1, 2, 8)", "(1, 4, 8)")
    wrong = (*state[:3], state[3].float())
    refused(ValueError, lambda: layer(x, wrong), "state's m", "float32", "m.to(input)")
    refused(ValueError, lambda: layer.step(x), "MLSTM.step", "(B, I=3)")
    refused(TypeError, lambda: layer.fan_out(x, state[0]), "MLSTM.fan_out", "a tensor")
    refused(ValueError, lambda: layer.fan_out(x[..., :2], state), "2 features")
