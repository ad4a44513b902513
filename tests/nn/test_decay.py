"""GRU-D: against the paper's loop, as a stream, by finite differences, and its refusals."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gatework.errors import ConfigError
from gatework.nn import GRUD, make, operators, reference
from gatework.nn.missing_times import Seen, seen_until

B, T, I, H = 4, 7, 3, 5  # noqa: E741
LENGTHS = [7, 0, 1, 4]
EPS = torch.finfo(torch.float64).eps


def layer_of(**options: Any) -> GRUD:
    torch.manual_seed(0)
    layer = GRUD(I, H, **{"batch_first": True, "means": [0.5, -1.0, 2.0], **options}).double()
    with torch.no_grad():  # biases that matter, and some gates of decay that are shut
        for name, p in layer.named_parameters():
            if "decay" in name:
                p.add_(torch.randn_like(p), alpha=0.3)
    return layer


def some(seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Values with holes, gaps, resets."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(B, T, I, generator=g, dtype=torch.float64)
    x[torch.rand(B, T, I, generator=g) < 0.5] = torch.nan
    gaps = torch.rand(B, T, generator=g, dtype=torch.float64) * 3
    resets = torch.rand(B, T, generator=g) < 0.25
    return x, gaps, resets


def close(found: Tensor, wanted: Tensor) -> None:
    assert found.shape == wanted.shape
    tolerance = 200 * EPS * max(1.0, float(wanted.detach().abs().max())) if wanted.numel() else 0.0
    assert bool(((found - wanted).abs() <= tolerance).all()), float((found - wanted).abs().max())


def by_reference(
    layer: GRUD, x: Tensor, gaps: Tensor, state: Any = None, resets: Tensor | None = None
) -> tuple[Tensor, Any]:
    """One layer, one direction, by the loop over steps."""
    if state is None:
        state = (torch.zeros(len(x), H), torch.zeros(len(x), I), torch.zeros(len(x), I))
        state = tuple(s.double() for s in state)
        gaps = torch.cat([torch.zeros_like(gaps[:, :1]), gaps[:, 1:]], dim=1)
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    weights = [getattr(layer, f"{k}_l0", None) for k in kinds]
    kinds = ("weight_decay", "bias_decay", "weight_input_decay", "bias_input_decay")
    decay = [getattr(layer, f"{k}_l0", None) for k in kinds]
    return reference.gru_d(x, gaps, state, weights, decay, layer.means, resets=resets)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("resets", [True, False])
def test_the_papers_loop(bias: bool, resets: bool) -> None:
    layer = layer_of(bias=bias)
    x, gaps, clear = some()
    given = clear if resets else None
    y, state = layer(x, gaps=gaps, resets=given)
    wanted, last = by_reference(layer, x, gaps, resets=given)
    close(y, wanted)
    for found, w in zip(state, last, strict=True):
        close(found[0], w)
    # gradients of all parameters, too
    pull = torch.randn(y.shape, dtype=torch.float64)
    found = torch.autograd.grad((y * pull).sum(), list(layer.parameters()))
    close_to = torch.autograd.grad((wanted * pull).sum(), list(layer.parameters()))
    for a, b in zip(found, close_to, strict=True):
        close(a, b)
        assert bool(a.any())


def test_it_runs_on_the_engine() -> None:
    layer = layer_of(num_layers=2)
    x, gaps, _ = some()
    with mock.patch.object(operators, "recurrent", wraps=operators.recurrent) as call:
        layer(x, gaps=gaps)
    assert call.call_count == 2
    assert all(c.args[-1].decay and c.args[-1].scale is not None for c in call.call_args_list)
    # ... and elsewhere by the loop, with the same result
    y = layer(x, gaps=gaps)[0]
    with mock.patch("gatework.nn.layer.RecurrentLayer._route", return_value="reference"):
        close(layer(x, gaps=gaps)[0], y)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_each_sequence_alone(bidirectional: bool) -> None:
    layer = layer_of(num_layers=2, bidirectional=bidirectional)
    x, gaps, resets = some()
    clean = x.clone(), gaps.clone()
    for b, n in enumerate(LENGTHS):
        x[b, n:], gaps[b, n:] = 1e9, torch.nan
    y, state = layer(x, lengths=LENGTHS, gaps=gaps, resets=resets)
    for b, n in enumerate(LENGTHS):
        assert not y[b, n:].any()
        alone, after = layer(
            clean[0][b : b + 1, :n], gaps=clean[1][b : b + 1, :n], resets=resets[b : b + 1, :n]
        )
        close(y[b : b + 1, :n], alone)
        for found, wanted in zip(state, after, strict=True):
            close(found[:, b : b + 1], wanted)


def test_the_reverse_direction_is_the_sequence_reversed() -> None:
    layer, one = layer_of(bidirectional=True), layer_of()
    own = {n: p for n, p in layer.named_parameters() if n.endswith("_reverse")}
    one.load_state_dict({n.removesuffix("_reverse"): p for n, p in own.items()}, strict=False)
    x, gaps, resets = some()
    y = layer(x, gaps=gaps, resets=resets)[0][..., H:]
    back = torch.cat([gaps[:, :1], gaps[:, 1:].flip(1)], dim=1)
    close(y, one(x.flip(1), gaps=back, resets=resets.flip(1))[0].flip(1))


@pytest.mark.parametrize("cut", [0, 1, 3, T])
def test_pieces_and_steps_are_the_sequence(cut: int) -> None:
    layer = layer_of(num_layers=2)
    x, gaps, resets = some()
    y, last = layer(x, gaps=gaps, resets=resets)
    first, state = layer(x[:, :cut], gaps=gaps[:, :cut], resets=resets[:, :cut])
    if cut == 0:
        state = None  # a state that is given has a time
    second, state = layer(x[:, cut:], state, gaps=gaps[:, cut:], resets=resets[:, cut:])
    close(torch.cat([first, second], dim=1), y)
    for found, wanted in zip(state, last, strict=True):
        close(found, wanted)
    y, last = layer(x, gaps=gaps)
    state = None
    for t in range(T):
        h, state = layer.step(x[:, t], state, gaps[:, t])
        close(h, y[:, t])
    for found, wanted in zip(state, last, strict=True):
        close(found, wanted)
    assert [s.shape for s in state] == [(2, B, H), (1, B, I), (1, B, I)]


def test_fan_out_is_a_step_for_each() -> None:
    layer = layer_of(num_layers=2).eval()
    x, gaps, _ = some()
    _, state = layer(x, gaps=gaps)
    many = some(2)[0]
    y = layer.fan_out(many, state, gap=2.5)
    for m in range(T):
        close(y[:, m], layer.step(many[:, m], state, 2.5)[0])
    shared = layer.fan_out(many[:1], state)
    close(shared[:, 2], layer.step(many[:1, 2].expand(B, I), state)[0])


def test_finite_differences() -> None:
    layer = layer_of(num_layers=2, bidirectional=True)
    x, gaps, resets = some()
    mask = ~torch.isnan(x)
    h = torch.randn(4, B, H, dtype=torch.float64, requires_grad=True)
    last = torch.randn(2, B, I, dtype=torch.float64, requires_grad=True)
    since = torch.rand(2, B, I, dtype=torch.float64, requires_grad=True)
    names = [n for n, _ in layer.named_parameters()]

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        weights = dict(zip(names, rest[3:], strict=True))
        options = {"lengths": LENGTHS, "resets": resets, "gaps": gaps, "mask": mask}
        y, state = torch.func.functional_call(layer, weights, (x, rest[:3]), options)
        return (y, *state)

    x = x.nan_to_num().requires_grad_()
    assert torch.autograd.gradcheck(run, (x, h, last, since, *layer.parameters()), fast_mode=True)


def test_a_mask_is_the_same_as_nan() -> None:
    layer = layer_of()
    x, gaps, _ = some()
    mask = ~torch.isnan(x)
    y = layer(x, gaps=gaps)[0]
    assert torch.equal(layer(x.nan_to_num(7.0), gaps=gaps, mask=mask)[0], y)
    assert torch.equal(layer(x, gaps=gaps, mask=mask.double())[0], y)
    assert bool(torch.isfinite(y).all())


def test_gaps_are_one_unless_given_and_packed_data_is_the_padded_batch() -> None:
    layer = layer_of(bidirectional=True)
    x, gaps, _ = some()
    assert torch.equal(layer(x)[0], layer(x, gaps=torch.ones(B, T))[0])
    lengths = [3, 7, 1, 3]
    packed = pack_padded_sequence(x, lengths, True, enforce_sorted=False)
    y, state = layer(packed, gaps=gaps)
    wanted, last = layer(x, lengths=lengths, gaps=gaps)
    close(pad_packed_sequence(y, True)[0], wanted)
    for found, w in zip(state, last, strict=True):
        close(found, w)


def test_what_was_never_seen_is_its_mean_and_what_is_old_fades_to_it() -> None:
    layer = layer_of()
    x = torch.full((1, 2, I), torch.nan, dtype=torch.float64)
    x[0, 0, 0] = 9.0
    seen: list[Tensor] = []
    real = operators.recurrent

    def spy(x: Tensor, *others: Any) -> Any:
        seen.append(x)
        return real(x, *others)

    with torch.no_grad():
        layer.weight_input_decay_l0.fill_(1.0)
        layer.bias_input_decay_l0.zero_()
    for gap in (0.0, 1.0, 1e9):
        with mock.patch.object(operators, "recurrent", spy):
            layer(x, gaps=torch.tensor([[0.0, gap]]))
    expected = [0.5 + 8.5 * k for k in (1.0, torch.e**-1, 0.0)]
    for x_hat, wanted in zip(seen, expected, strict=True):
        assert x_hat[0, 1].tolist() == pytest.approx([wanted, -1.0, 2.0, 0.0, 0.0, 0.0])


def test_times_keep_their_precision_over_long_sequences() -> None:
    n = 200_000
    x = torch.zeros(1, n, 1)
    observed = torch.ones(1, n, 1, dtype=torch.bool)
    nothing = Seen(torch.zeros(1, 1), torch.zeros(1, 1))
    gaps = torch.full((1, n), 0.1, dtype=torch.float64)
    _, delta = seen_until(x, observed, gaps, None, nothing)
    assert float((delta - 0.1).abs().max()) <= 1e-7


def test_half_precision_time_first_and_no_steps() -> None:
    x, gaps, _ = some()
    layer = layer_of()
    y = layer(x, gaps=gaps)[0]
    other = layer_of(batch_first=False)
    close(other(x.transpose(0, 1), gaps=gaps)[0].transpose(0, 1), y)
    half = layer.to(torch.bfloat16)
    low, state = half(x.bfloat16(), gaps=gaps)
    assert low.dtype == state[1].dtype == torch.bfloat16
    assert float((low - y).detach().abs().max()) < 0.1
    empty, state = layer_of()(x[:, :0], gaps=gaps[:, :0])
    assert empty.shape == (B, 0, H)
    assert not any(s.any() for s in state)


def test_as_a_compiled_graph() -> None:
    layer, (x, gaps, _) = layer_of(), some()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    close(compiled(x, gaps=gaps)[0], layer(x, gaps=gaps)[0])


def test_shapes_alone_and_transformed_functions() -> None:
    layer, (x, gaps, _) = layer_of(num_layers=2), some()
    y, _ = layer.to("meta")(x.to("meta"), gaps=gaps.to("meta"))
    assert y.shape == (B, T, H)
    layer = layer_of(num_layers=2)
    alone = torch.vmap(lambda x, gaps: layer(x[None], gaps=gaps[None])[0][0])(x, gaps)
    close(alone, layer(x, gaps=gaps)[0])


def test_what_is_refused() -> None:
    layer, (x, gaps, _) = layer_of(), some()
    with pytest.raises(ValueError, match=r"`gaps` must have shape \(B=4, T=7\)"):
        layer(x, gaps=gaps[:, 1:])
    bad = gaps.clone()
    bad[2, 3] = -1.0
    with pytest.raises(ValueError, match=r"got -1\.0 at sequence 2, step 3\. Sort the steps"):
        layer(x, gaps=bad)
    bad[:] = gaps
    bad[:, 0] = torch.nan  # not read without a state
    assert bool(torch.isfinite(layer(x, gaps=bad)[0]).all())
    with pytest.raises(ValueError, match="NaN where `mask` says that a value is there"):
        layer(x, mask=torch.ones(B, T, I))
    with pytest.raises(ValueError, match="`mask` must be as `input`"):
        layer(x, mask=torch.ones(B, T))
    with pytest.raises(ValueError, match="`gap` must be a number, or one for each of the 4"):
        layer.step(x[:, 0], None, gaps[:2, 0])
    with pytest.raises(ValueError, match=r"`x` must be a tensor \(B, I=3\)"):
        layer.step(x)
    with pytest.raises(TypeError, match=r"the state must be \(h, last, since\)"):
        layer(x, torch.zeros(1, B, H))
    with pytest.raises(ValueError, match="the state's last must have shape"):
        layer(x, (torch.zeros(1, B, H).double(), x[:1], x[:1]))
    with pytest.raises(ValueError, match="a bidirectional layer needs the whole"):
        layer_of(bidirectional=True).step(x[:, 0])
    with pytest.raises(ConfigError, match="`means` must be 3 finite numbers"):
        make("gru_d", 3, 4, means=[1.0, 2.0])
    with pytest.raises(ConfigError, match="`hidden_size` must be a whole number"):
        make("gru_d", 3, 0)
