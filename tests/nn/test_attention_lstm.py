"""A recurrent layer that attends to its own outputs: against loops, and as a stream."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gatework.cells import CELLS
from gatework.errors import ConfigError
from gatework.nn import AttentionLSTM
from gatework.nn.attention import SCORES

RECURRENT = [name for name in CELLS if name not in ("feedforward",)]
every_cell = pytest.mark.parametrize("cell", RECURRENT)
every_window = pytest.mark.parametrize("window", [None, 1, 2, 3, 9])
LENGTHS = [6, 0, 1, 4]
B, T, I, H = 4, 6, 3, 4  # noqa: E741
EPS = torch.finfo(torch.float64).eps


def layer_of(cell: str = "lstm", seed: int = 0, **options: Any) -> AttentionLSTM:
    torch.manual_seed(seed)
    return AttentionLSTM(I, H, cell=cell, **{"batch_first": True, **options}).double()


def some_input(B: int = B, T: int = T) -> Tensor:
    return torch.randn(B, T, I, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def some_resets() -> Tensor:
    resets = torch.zeros(B, T, dtype=torch.bool)
    resets[0, 3] = resets[2, 0] = resets[3, 1] = resets[3, 3] = resets[1, 2] = True
    return resets


def close(found: Tensor, wanted: Tensor) -> None:
    assert found.shape == wanted.shape
    found, wanted = found.detach(), wanted.detach()
    tolerance = 1000 * EPS * max(1.0, float(wanted.abs().max()) if wanted.numel() else 1.0)
    assert bool(((found - wanted).abs() <= tolerance).all()), (found - wanted).abs().max()


def attended(layer: AttentionLSTM, h: Tensor, places: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Outputs and weights of one sequence h ``(T, R)``, each step looking at its ``places``."""
    ys, rows = [], []
    for t, seen in enumerate(places):
        row = torch.zeros(len(h), dtype=h.dtype)
        memory = h[seen].unsqueeze(0)
        context, weights = layer.attention(h[None, t : t + 1], memory)
        row[seen] = weights[0, 0]
        rows.append(row)
        ys.append(torch.tanh(layer.combine.weight @ torch.cat([context[0, 0], h[t]])))
    return torch.stack(ys), torch.stack(rows)


@every_window
@pytest.mark.parametrize("score", SCORES)
def test_against_a_loop_over_steps(score: str, window: int | None) -> None:
    layer = layer_of(score=score, window=window)
    x, resets = some_input(), some_resets()
    y, _, weights = layer(x, lengths=LENGTHS, resets=resets, need_weights=True)
    h, _ = layer.layer(x, lengths=LENGTHS, resets=resets)
    assert weights.shape == (B, T, T)
    for b, n in enumerate(LENGTHS):
        assert not y[b, n:].any()
        assert not weights[b, n:].any()
        if n == 0:
            continue
        starts = [0] + [t for t in range(n) if resets[b, t]]
        places = []
        for t in range(n):
            first = max(s for s in starts if s <= t)
            places.append(list(range(max(first, t + 1 - (window or T)), t + 1)))
        wanted, rows = attended(layer, h[b, :n], places)
        close(y[b, :n], wanted)
        close(weights[b, :n, :n], rows)


@pytest.mark.parametrize("score", SCORES)
def test_both_ways_attends_to_the_whole_sequence(score: str) -> None:
    layer = layer_of(score=score, bidirectional=True, num_layers=2)
    x = some_input()
    y, state, weights = layer(x, lengths=LENGTHS, need_weights=True)
    h, inner = layer.layer(x, lengths=LENGTHS)
    assert y.shape == (B, T, 2 * H)
    assert all(torch.equal(a, b) for a, b in zip(state, inner, strict=True))
    for b, n in enumerate(LENGTHS):
        assert not y[b, n:].any()
        if n:
            wanted, rows = attended(layer, h[b, :n], [list(range(n))] * n)
            close(y[b, :n], wanted)
            close(weights[b, :n, :n], rows)
    with pytest.raises(ValueError, match=r"AttentionLSTM\.step: a bidirectional layer needs"):
        layer.step(x[:, 0])
    with pytest.raises(ValueError, match="`resets` do not go with bidirectional=True"):
        layer(x, resets=some_resets())


@every_cell
@every_window
def test_steps_are_the_sequence(cell: str, window: int | None) -> None:
    layer = layer_of(cell, window=window, num_layers=2)
    x = some_input()
    y, last, weights = layer(x, need_weights=True)
    state = None
    for t in range(T):
        output, state, row = layer.step(x[:, t], state, need_weights=True)
        close(output, y[:, t])
        kept = row.shape[1]
        close(row, weights[:, t, t + 1 - kept : t + 1])
        assert state[-2].shape[2] == min(t + 1, T if window is None else window - 1)
    for a, b in zip(state, last, strict=True):
        close(a.double(), b.double())


@every_window
@pytest.mark.parametrize("with_resets", [False, True], ids=["", "resets"])
@pytest.mark.parametrize("cuts", [[2], [1, 2, 5], [0, 6]], ids=str)
def test_ragged_pieces_are_the_sequence(
    window: int | None, with_resets: bool, cuts: list[int]
) -> None:
    """A batch whose sequences end in different pieces, the state carried from piece to piece."""
    layer = layer_of(window=window)
    x, lengths = some_input(), torch.tensor(LENGTHS)
    resets = some_resets() if with_resets else None
    y, last = layer(x, lengths=lengths, resets=resets)
    found, state = [], None
    for a, b in zip([0, *cuts], [*cuts, T], strict=True):
        here = None if resets is None else resets[:, a:b]
        piece, state = layer(x[:, a:b], state, (lengths - a).clamp(0, b - a), here)
        found.append(piece)
    close(torch.cat(found, dim=1), y)
    one_more, two_more = layer.step(x[:, 0], state)[0], layer.step(x[:, 0], last)[0]
    close(one_more, two_more)


def test_padding_is_never_read() -> None:
    for both in (False, True):
        layer = layer_of(bidirectional=both)
        clean, spoilt = some_input(), some_input()
        for b, n in enumerate(LENGTHS):
            spoilt[b, n:] = math.nan
        runs = []
        for x in (clean, spoilt):
            layer.zero_grad()
            x.requires_grad_()
            y, state = layer(x, lengths=LENGTHS)
            (y.square().sum() + state[0].sum()).backward()
            runs.append([y, x.grad, *state, *(p.grad.clone() for p in layer.parameters())])
        assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


def test_a_permuted_batch_gives_permuted_results() -> None:
    layer, x, resets = layer_of(window=3), some_input(), some_resets()
    order, lengths = torch.tensor([2, 0, 3, 1]), torch.tensor(LENGTHS)
    y, state = layer(x, lengths=lengths, resets=resets)
    other, moved = layer(x[order], lengths=lengths[order], resets=resets[order])
    close(other, y[order])
    for a, b in zip(moved, state, strict=True):
        close(a.double(), b[:, order].double())


@every_cell
def test_gradients_by_finite_differences(cell: str) -> None:
    layer = layer_of(cell, window=3)
    x = some_input(2, 3).requires_grad_()
    start = layer(some_input(2, 2))[1]
    inner = [s.detach().requires_grad_() for s in start[:-1]]
    names = [name for name, _ in layer.named_parameters()]

    def run(x: Tensor, *rest: Tensor) -> Tensor:
        state = (*rest[: len(inner)], start[-1])
        weights = dict(zip(names, rest[len(inner) :], strict=True))
        given = (x, state, [3, 2])
        y: Tensor = torch.func.functional_call(layer, weights, given)[0]
        return y

    assert torch.autograd.gradcheck(run, (x, *inner, *layer.parameters()), fast_mode=True)


@every_cell
def test_fan_out_is_a_step_for_each_input(cell: str) -> None:
    layer = layer_of(cell, window=4, num_layers=2)
    layer.eval()
    _, state = layer(some_input(), lengths=[6, 0, 1, 4])
    x = torch.randn(B, 5, I, dtype=torch.float64)
    y = layer.fan_out(x, state)
    shared = layer.fan_out(x[:1], state)
    for j in range(5):
        close(y[:, j], layer.step(x[:, j], state)[0])
        close(shared[:, j], layer.step(x[:1, j].expand(B, I), state)[0])


def test_time_first_and_projection() -> None:
    layer, other = layer_of(proj_size=2), layer_of(proj_size=2, batch_first=False)
    x, resets = some_input(), some_resets()
    y, state = layer(x, lengths=LENGTHS, resets=resets)
    turned, same = other(x.transpose(0, 1), lengths=LENGTHS, resets=resets)
    assert y.shape == (B, T, 2)
    assert torch.equal(turned.transpose(0, 1), y)
    assert all(torch.equal(a, b) for a, b in zip(state, same, strict=True))


def test_save_and_load() -> None:
    layer, other = layer_of(score="additive"), layer_of(score="additive", seed=1)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(layer(some_input())[0], other(some_input())[0])


def test_no_steps_and_no_sequences() -> None:
    layer = layer_of(window=3)
    _, state = layer(some_input())
    y, after = layer(some_input()[:, :0], state)
    assert y.shape == (B, 0, H)
    assert all(torch.equal(a, b) for a, b in zip(state, after, strict=True))
    assert layer(some_input()[:0])[0].shape == (0, T, H)


def refused(error: type[Exception], call: Any, *parts: str) -> None:
    with pytest.raises(error) as e:
        call()
    for part in parts:
        assert part in str(e.value), str(e.value)


def test_what_does_not_fit_is_named() -> None:
    layer, x = layer_of(window=3), some_input()
    refused(ConfigError, lambda: AttentionLSTM(3, 4, cell="lsmt"), "'lsmt'", "'lstm'")
    refused(ConfigError, lambda: AttentionLSTM(3, 4, score="dto"), "'dto'", "'dot'")
    refused(ConfigError, lambda: AttentionLSTM(3, 4, window=0), "`window`", "got 0")
    refused(
        ConfigError,
        lambda: AttentionLSTM(3, 4, window=2, bidirectional=True),
        "window=2",
        "bidirectional=False",
    )
    refused(ValueError, lambda: layer(x[0]), "AttentionLSTM.forward", "3 axes", "(6, 3)")
    refused(ValueError, lambda: layer(x[..., :2]), "2 features", "input_size=3")
    refused(ValueError, lambda: layer(x, lengths=[1]), "AttentionLSTM.forward: `lengths`")
    refused(TypeError, lambda: layer(x, resets=torch.ones(B, T)), "AttentionLSTM.forward: `resets`")
    _, state = layer(x)
    refused(TypeError, lambda: layer(x, state[:2]), "the 4 tensors", "got 2 values")
    refused(TypeError, lambda: layer.step(x[:, 0], state[0]), "AttentionLSTM.step", "got Tensor")
    refused(ValueError, lambda: layer(x[:2], state), "for 2 sequences", "(1, 4, 2, 4)")
    refused(ValueError, lambda: layer.step(x), "`x` must be a tensor (B, I=3)")
