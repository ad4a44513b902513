"""One suite for every cell of the table and every option: engine beside loop, gradients, ragged batches, time.

The cases come from ``every_cell.py``; nothing here names a cell.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

sys.path.insert(0, str(Path(__file__).parent))
from every_cell import CASES, ENGINE, PLAIN, RANDOM, ROWS, Case, compare, given, natural
from layers import additions, close, states

from gatework.nn import by_loop

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_engine_case = pytest.mark.parametrize("case", ENGINE, ids=str)
ONE_WAY = [c for c in CASES if not c.options.get("bidirectional")]
one_way = pytest.mark.parametrize("case", ONE_WAY, ids=str)
every_cell = pytest.mark.parametrize("case", PLAIN, ids=str)
every_engine_cell = pytest.mark.parametrize(
    "case", [c for c in ENGINE if c.name in ("plain", "all")], ids=str
)
both_dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
LENGTHS = [4, 0, 2, 4, 1]
I, H = 3, 8  # noqa: E741


def rand(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 2) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def some_resets(B: int, T: int) -> Tensor:
    return torch.rand(B, T, generator=torch.Generator().manual_seed(3)) > 0.6


def same(found: Any, wanted: Any, terms: int) -> None:
    """Outputs and states of two calls."""
    close(found[0], wanted[0], terms)
    for a, b in zip(states(found[1]), states(wanted[1]), strict=True):
        close(a, b, terms)


# ------------------------------------------------------------------ engine and loop


@every_engine_case
@both_dtypes
def test_the_engine_is_the_loop(case: Case, dtype: torch.dtype) -> None:
    """Outputs, states, all gradients, with the same draws: full, from a state, ragged with resets."""
    layer = case.make(I, H, dtype)
    x = rand(5, 4, I, dtype=dtype)
    compare(layer, x, natural(layer, 5), LENGTHS, some_resets(5, 4))
    if dtype is torch.float64:
        compare(layer, x)
    else:
        compare(layer.eval(), x, natural(layer, 5), LENGTHS)


@every_engine_cell
@pytest.mark.parametrize("H", [1, 2, 3, 7, 8, 9, 15, 17, 33, 65])
def test_every_width(case: Case, H: int) -> None:
    """Around the widths of vectors and tiles; with all options at once H is even, for the heads."""
    H += H % 2 if case.name == "all" else 0
    for dtype in (torch.float32, torch.float64):
        layer = case.make(2, H, dtype)
        compare(layer, rand(3, 2, 2, dtype=dtype), natural(layer, 3))


@every_case
def test_finite_differences(case: Case) -> None:
    """Of inputs, states and parameters, what is drawn held fixed by its seed."""
    layer = case.make(2, 4)
    x = rand(3, 3, 2).requires_grad_()
    first = [s.requires_grad_() for s in natural(layer, 3)]
    names = [n for n, _ in layer.named_parameters() if "initial" not in n]
    lengths, resets = torch.tensor([3, 0, 2]), some_resets(3, 3)

    def run(x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        hx = given(case.row, rest[: len(first)])
        weights = dict(zip(names, rest[len(first) :], strict=True))
        torch.manual_seed(11)
        options = {"lengths": lengths, "resets": resets}
        y, last = torch.func.functional_call(layer, weights, (x, hx), options)
        # mLSTM holds its stabiliser fixed: it cancels out of y, not out of the states that it scales
        return (y, *states(last)) if case.row.code is not None else (y,)

    parameters = [layer.get_parameter(n) for n in names]
    fast = case.name != "plain"
    assert torch.autograd.gradcheck(run, (x, *first, *parameters), fast_mode=fast)


@pytest.mark.parametrize("case", [c for c in CASES if "learned_state" in c.options], ids=str)
def test_a_learned_state_has_its_gradient(case: Case) -> None:
    layer = case.make(2, 4).eval()
    x = rand(2, 3, 2)
    initial = [p for n, p in layer.named_parameters() if n.startswith("initial_")]
    assert len(initial) == len(case.row.states)

    def run(*initial: Tensor) -> Tensor:
        names = (f"initial_{part}" for part in case.row.states)
        weights = dict(zip(names, initial, strict=True))
        y: Tensor = torch.func.functional_call(layer, weights, (x,))[0]
        return y

    assert torch.autograd.gradcheck(run, tuple(initial), fast_mode=True)
    hx = tuple(p.expand(-1, 2, -1) for p in initial)
    same(layer(x), layer(x, given(case.row, hx)), additions(layer, 3))


# ------------------------------------------------------------------ ragged batches


@every_case
def test_lengths_equal_each_sequence_alone(case: Case) -> None:
    """NaN beyond an end is never read, neither forward nor backward; a length of 0 passes the state."""
    layer = case.make(I, H).eval()
    x, hx = rand(5, 4, I), natural(layer, 5)
    for b, n in enumerate(LENGTHS):
        x[b, n:] = torch.nan
    x.requires_grad_()
    y, last = layer(x, given(case.row, hx), lengths=LENGTHS)
    terms = additions(layer, 4)
    for b, n in enumerate(LENGTHS):
        own = given(case.row, [s[:, b : b + 1] for s in hx])
        assert not y[b, n:].any()
        if n == 0:
            for s, first in zip(states(last), hx, strict=True):
                assert torch.equal(s[:, b], first[:, b])
            continue
        alone, end = layer(x[b : b + 1, :n], own)
        close(y[b, :n], alone[0], terms)
        for s, wanted in zip(states(last), states(end), strict=True):
            close(s[:, b], wanted[:, 0], terms)
    y.square().sum().backward()
    assert x.grad is not None
    for b, n in enumerate(LENGTHS):
        assert not x.grad[b, n:].any()
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters() if p.grad is not None)


@every_case
def test_a_packed_sequence_is_the_padded_batch(case: Case) -> None:
    layer = case.make(I, H).eval()
    x, hx, lengths = rand(4, 5, I), natural(layer, 4), [3, 1, 5, 3]
    first = given(case.row, hx)
    packed = pack_padded_sequence(x, lengths, True, enforce_sorted=False)
    if case.row.code is None:
        try:
            layer(packed, first)
        except ValueError as error:  # allowed where it says what to do
            if "PackedSequence" in str(error) and "`lengths`" in str(error):
                return
            raise
    y, last = layer(packed, first)
    assert isinstance(y, PackedSequence)
    padded = pad_packed_sequence(y, True)[0]
    same((padded, last), layer(x, first, lengths=lengths), additions(layer, 5))


@pytest.mark.parametrize("case", [c for c in ENGINE if RANDOM & set(c.options)], ids=str)
def test_a_packed_sequence_trains_with_its_draws(case: Case) -> None:
    """The loop pads what was drawn for packed rows nowhere: gradients by finite differences."""
    layer = case.make(2, 4)
    x = rand(3, 3, 2).requires_grad_()
    parameters = [p for n, p in layer.named_parameters()]

    def run(x: Tensor, *_: Tensor) -> Tensor:
        torch.manual_seed(5)
        y: PackedSequence = layer(pack_padded_sequence(x, [2, 3, 1], True, enforce_sorted=False))[0]
        return y.data

    assert torch.autograd.gradcheck(run, (x, *parameters), fast_mode=True)


@one_way
def test_a_reset_begins_anew(case: Case) -> None:
    layer = case.make(I, H).eval()
    x, hx = rand(2, 6, I), natural(layer, 2)
    resets = torch.zeros(2, 6, dtype=torch.bool)
    resets[:, 4] = True
    y, last = layer(x, given(case.row, hx), resets=resets)
    zeros = [torch.zeros_like(s) for s in hx]
    terms = additions(layer, 6)
    same((y[:, 4:], last), layer(x[:, 4:], given(case.row, zeros)), terms)
    close(y[:, :4], layer(x[:, :4], given(case.row, hx))[0], terms)


# ------------------------------------------------------------------ the same in another order


@every_case
def test_a_permuted_batch_gives_permuted_results(case: Case) -> None:
    layer = case.make(I, H).eval()
    x, hx = rand(5, 4, I), natural(layer, 5)
    order = torch.tensor([3, 0, 4, 1, 2])
    y, last = layer(x, given(case.row, hx), lengths=LENGTHS)
    moved = given(case.row, [s[:, order] for s in hx])
    again, end = layer(x[order], moved, lengths=[LENGTHS[b] for b in order.tolist()])
    wanted = given(case.row, [s[:, order] for s in states(last)])
    same((again, end), (y[order], wanted), additions(layer, 4))


@every_case
def test_time_first(case: Case) -> None:
    """With the batch axis second, and with what is drawn."""
    layer = case.make(I, H)
    x, hx = rand(4, 5, I), given(case.row, natural(layer, 4))
    modes = (False,) if set(case.options) & {"dropout", "zoneout"} else (False, True)
    for training in modes:  # what is drawn for each step is drawn in the order of memory
        layer.train(training)
        layer.batch_first = True
        torch.manual_seed(4)
        y, last = layer(x, hx, lengths=[5, 0, 3, 4])
        layer.batch_first = False
        torch.manual_seed(4)
        again, end = layer(x.transpose(0, 1), hx, lengths=[5, 0, 3, 4])
        same((again.transpose(0, 1), end), (y, last), additions(layer, 5))


@pytest.mark.parametrize("case", [c for c in CASES if "num_layers" not in c.options], ids=str)
def test_both_directions(case: Case) -> None:
    """Backwards is forwards over each sequence's own steps in reverse, with its own weights."""
    both, way = case.make(I, H, bidirectional=True).eval(), case.make(I, H).eval()
    x, lengths = rand(3, 5, I), [5, 2, 4]
    y, last = both(x, lengths=lengths)
    own = dict(both.named_parameters())
    with torch.no_grad():
        for name, p in way.named_parameters():
            p.copy_(own[f"{name}_reverse"] if f"{name}_reverse" in own else own[name][1:])
    for b, n in enumerate(lengths):
        back, end = way(x[b : b + 1, :n].flip(1))
        close(y[b, :n].chunk(2, -1)[1], back[0].flip(0), additions(way, 5))
        for s, wanted in zip(states(last), states(end), strict=True):
            close(s[1, b], wanted[0, 0], additions(way, 5))


@pytest.mark.parametrize("case", [c for c in ONE_WAY if "num_layers" in c.options], ids=str)
def test_a_stack_is_its_layers_one_after_another(case: Case) -> None:
    """With ``residual`` each but the first adds its input."""
    Z = case.options["num_layers"]
    layer = case.make(I, H).eval()
    options = {k: v for k, v in case.options.items() if k not in ("num_layers", "residual")}
    x = rand(2, 4, I)
    wanted: Tensor = x
    for z in range(Z):
        one = Case(case.row, "one", options).make(wanted.shape[-1], H).eval()
        own = dict(layer.named_parameters())
        with torch.no_grad():
            for name, p in one.named_parameters():
                p.copy_(
                    own[name][z : z + 1] if "initial" in name else own[name.replace("l0", f"l{z}")]
                )
        y = one(wanted)[0]
        wanted = y + wanted if case.options.get("residual") and z else y
    close(layer(x)[0], wanted, additions(layer, 4))


@pytest.mark.parametrize("case", [c for c in ENGINE if c.name == "all"], ids=str)
@pytest.mark.parametrize("way", ["shards", "teams"])
def test_two_threads(case: Case, way: str) -> None:
    """Sequences dealt out, or units: the same as one thread, with work enough for two (engine.cc)."""
    row, B, H, I = case.row, 40 if way == "shards" else 10, 64, 64  # noqa: E741
    modified = {k: v for k, v in case.options.items() if k in ("zoneout", "recurrent_dropout")}
    layer = Case(row, way, modified).make(I, H, torch.float32)
    width = H * (len(row.x_gates) * I + len(row.h_gates) * H)
    x = rand(B, 1 + int(7e7 / (2 * B * width)), I, dtype=torch.float32).requires_grad_()
    threads, found = torch.get_num_threads(), []
    try:
        for n in (1, 2):
            torch.manual_seed(0)
            torch.set_num_threads(n)
            y, last = layer(x)
            g = torch.autograd.grad(y.square().mean(), [x, *layer.parameters()])
            found.append((y, *states(last), *g))
    finally:
        torch.set_num_threads(threads)
    for one, two in zip(*found, strict=True):
        close(two, one, (I + 2 * H) * 10 * B)


# ------------------------------------------------------------------ time


@every_case
@pytest.mark.parametrize("grad", [True, False], ids=["grad", "no-grad"])
def test_a_state_carried_across_chunks_and_steps(case: Case, grad: bool) -> None:
    """Chunks, and steps one by one, are the whole sequence."""
    layer = case.make(I, H).eval()
    x = rand(3, 7, I)
    with torch.set_grad_enabled(grad):
        if case.options.get("bidirectional"):
            with pytest.raises(ValueError, match="bidirectional"):
                layer.step(x[:, 0])
            return
        y, last = layer(x)
        terms = additions(layer, 7)
        state: Any = None
        parts = []
        for part in x.split([3, 1, 3], 1):
            out, state = layer(part, state)
            parts.append(out)
        same((torch.cat(parts, 1), state), (y, last), terms)
        state, parts = None, []
        for t in range(7):
            out, state = layer.step(x[:, t], state)
            parts.append(out)
        same((torch.stack(parts, 1), state), (y, last), terms)


@every_case
def test_fan_out_is_a_step_for_each_input(case: Case) -> None:
    layer = case.make(I, H).eval()
    x, hx = rand(2, 5, I), given(case.row, natural(layer, 2))
    if case.options.get("bidirectional"):
        with pytest.raises(ValueError, match="bidirectional"):
            layer.fan_out(x, hx)
        return
    before = [s.clone() for s in states(hx)]
    found = layer.fan_out(x, hx)
    for m in range(5):
        close(found[:, m], layer.step(x[:, m], hx)[0], additions(layer, 1))
    assert all(torch.equal(a, b) for a, b in zip(before, states(hx), strict=True))


@every_cell
def test_nothing_of_something(case: Case) -> None:
    """No steps: the state passes; no sequences: nothing, and gradients of 0."""
    layer = case.make(I, H)
    hx = natural(layer, 2)
    y, last = layer(rand(2, 0, I), given(case.row, hx))
    assert y.shape == (2, 0, H)
    assert all(torch.equal(a, b) for a, b in zip(states(last), hx, strict=True))
    y, _ = layer(rand(0, 3, I))
    assert y.shape == (0, 3, H)
    y.sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in layer.parameters())


# ------------------------------------------------------------------ the checkers are checked


def test_every_row_has_its_cases() -> None:
    assert {case.row.name for case in CASES} == {row.name for row in ROWS}
    for row in ROWS:
        assert {"plain", "all"} <= {c.name for c in CASES if c.row is row}


@every_engine_cell
def test_a_wrong_answer_is_seen(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that is off by a little in one number, or a NaN, is not what the engine computes."""
    layer = case.make(I, H, torch.float32)
    x = rand(3, 4, I, dtype=torch.float32)
    compare(layer, x)
    right = by_loop.forward_by_loop
    for wrong in (1e-3, float("nan")):

        def spoilt(*args: Any, wrong: float = wrong) -> Any:
            y, last = right(*args)
            bump = torch.zeros_like(y)
            bump.view(-1)[5] = wrong
            return y + bump, last

        with monkeypatch.context() as patch:
            patch.setattr(by_loop, "forward_by_loop", spoilt)
            with pytest.raises(AssertionError):
                compare(layer, x)
