"""Attention and pooling against plain loops over sequences, queries and vectors."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gatework.errors import ConfigError
from gatework.nn import Attention, SelfAttentionPooling
from gatework.nn.attention import SCORES

every_score = pytest.mark.parametrize("score", SCORES)
LENGTHS = [4, 0, 1, 3]
EPS = torch.finfo(torch.float64).eps


def attention(score: str, seed: int = 0, dtype: torch.dtype = torch.float64) -> Attention:
    torch.manual_seed(seed)
    sizes = (5, 5) if score in ("dot", "scaled") else (3, 5)
    return Attention(*sizes, score, hidden_size=4 if score == "additive" else None).to(dtype)


def inputs(layer: Attention, B: int = 4, Q: int = 2, S: int = 4) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(1)
    dtype = torch.float64
    query = torch.randn(B, Q, layer.query_size, generator=g, dtype=dtype)
    return query, torch.randn(B, S, layer.memory_size, generator=g, dtype=dtype)


def score_of(layer: Attention, q: Tensor, m: Tensor) -> Tensor:
    if layer.score == "additive":
        hidden = torch.tanh(layer.query.weight @ q + layer.key.weight @ m)
        return layer.v.weight[0] @ hidden
    if layer.score == "general":
        return m @ (layer.query.weight @ q)
    return q @ m / (math.sqrt(len(m)) if layer.score == "scaled" else 1.0)


@torch.no_grad()
def by_loops(
    layer: Attention, query: Tensor, memory: Tensor, allowed: list[list[list[int]]]
) -> tuple[Tensor, Tensor]:
    (B, Q, _), (_, S, Dm) = query.shape, memory.shape
    contexts = torch.zeros(B, Q, Dm, dtype=torch.float64)
    weights = torch.zeros(B, Q, S, dtype=torch.float64)
    for b in range(B):
        for i in range(Q):
            places = allowed[b][i]
            if not places:
                continue
            scores = torch.stack([score_of(layer, query[b, i], memory[b, s]) for s in places])
            raised = [math.exp(float(v - scores.max())) for v in scores]
            for s, e in zip(places, raised, strict=True):
                weights[b, i, s] = e / sum(raised)
                contexts[b, i] += weights[b, i, s] * memory[b, s]
    return contexts, weights


def close(found: Tensor, wanted: Tensor) -> None:
    tolerance = 200 * EPS * max(1.0, float(wanted.detach().abs().max()))
    assert found.shape == wanted.shape
    assert bool(((found - wanted).abs() <= tolerance).all()), (found - wanted).abs().max()


@every_score
def test_against_loops(score: str) -> None:
    layer = attention(score)
    query, memory = inputs(layer)
    wanted = by_loops(layer, query, memory, [[list(range(n))] * 2 for n in LENGTHS])
    for found, right in zip(layer(query, memory, lengths=LENGTHS), wanted, strict=True):
        close(found, right)
    full = by_loops(layer, query, memory, [[list(range(4))] * 2] * 4)
    for found, right in zip(layer(query, memory), full, strict=True):
        close(found, right)


@every_score
def test_a_mask_and_lengths_together(score: str) -> None:
    layer = attention(score)
    query, memory = inputs(layer)
    mask = torch.tensor([[1, 0, 1, 0], [0, 1, 1, 1]], dtype=torch.bool)
    places = [[[s for s in range(n) if mask[i, s]] for i in range(2)] for n in LENGTHS]
    for found, right in zip(
        layer(query, memory, lengths=LENGTHS, mask=mask),
        by_loops(layer, query, memory, places),
        strict=True,
    ):
        close(found, right)


@every_score
def test_padding_is_never_read(score: str) -> None:
    """NaN there changes nothing, forward or backward."""
    layer = attention(score)
    query, memory = inputs(layer)
    spoilt = memory.clone()
    for b, n in enumerate(LENGTHS):
        spoilt[b, n:] = math.nan
    gradients = []
    results = []
    for m in (memory, spoilt):
        q, m = query.clone().requires_grad_(), m.clone().requires_grad_()
        context, weights = layer(q, m, lengths=LENGTHS)
        layer.zero_grad()
        (context.square().sum() + (weights * weights).sum()).backward()
        results.append((context, weights))
        gradients.append([q.grad, m.grad, *(p.grad.clone() for p in layer.parameters())])
    for clean, dirty in zip(
        (*results[0], *gradients[0]), (*results[1], *gradients[1]), strict=True
    ):
        assert torch.equal(clean, dirty)
    context, weights = results[1]
    assert not context[1].any()
    assert not weights[1].any()
    close(weights[[0, 2, 3]].sum(-1), torch.ones(3, 2, dtype=torch.float64))


@every_score
def test_gradients_by_finite_differences(score: str) -> None:
    layer = attention(score)
    query, memory = inputs(layer)
    names = [name for name, _ in layer.named_parameters()]

    def run(q: Tensor, m: Tensor, *weights: Tensor) -> Any:
        given = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(layer, given, (q, m, LENGTHS))

    leaves = (query.requires_grad_(), memory.requires_grad_(), *layer.parameters())
    assert torch.autograd.gradcheck(run, leaves)


@every_score
def test_a_permuted_batch_gives_permuted_results(score: str) -> None:
    layer = attention(score)
    query, memory = inputs(layer)
    order = torch.tensor([2, 0, 3, 1])
    straight = layer(query, memory, lengths=LENGTHS)
    permuted = layer(query[order], memory[order], lengths=torch.tensor(LENGTHS)[order])
    for a, b in zip(straight, permuted, strict=True):
        close(a[order], b)


@every_score
def test_a_memory_prepared_once_serves_every_step(score: str) -> None:
    layer = attention(score)
    query, memory = inputs(layer)
    ready = layer.prepare(memory, LENGTHS)
    whole = layer(query, memory, lengths=LENGTHS)
    if score == "additive":  # no product with the memory after prepare
        with torch.no_grad():
            layer.key.weight.fill_(math.nan)
    for i in range(2):
        context, weights = layer(query[:, i : i + 1], ready)
        close(context, whole[0][:, i : i + 1])
        close(weights, whole[1][:, i : i + 1])
    rows = torch.tensor([3, 3, 0])
    context, _ = layer(query[rows], ready.select(rows))
    close(context, whole[0][rows])
    assert layer.prepare(memory).select(rows).valid is None


@every_score
def test_nothing_to_attend_to(score: str) -> None:
    layer = attention(score)
    query, memory = inputs(layer, S=0)
    context, weights = layer(query, memory)
    assert context.shape == (4, 2, layer.memory_size)
    assert weights.shape == (4, 2, 0)
    assert not context.any()
    context, _ = layer(query[:0], memory[:0])
    assert context.shape == (0, 2, layer.memory_size)


def test_float32_and_half() -> None:
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        layer = attention("additive", dtype=dtype)
        query, memory = (t.to(dtype) for t in inputs(layer))
        context, weights = layer(query, memory, lengths=LENGTHS)
        assert context.dtype == weights.dtype == dtype
        assert not context.isnan().any()
        assert not context[1].any()


def refused(error: type[Exception], call: Any, *parts: str) -> None:
    with pytest.raises(error) as e:
        call()
    for part in parts:
        assert part in str(e.value), str(e.value)


def test_what_does_not_fit_is_named() -> None:
    layer = attention("general")
    query, memory = inputs(layer)
    refused(ConfigError, lambda: Attention(3, 3, "aditive"), "'aditive'", "'additive'")
    refused(ConfigError, lambda: Attention(3, 4, "dot"), "query_size=3, memory_size=4", "general")
    refused(ConfigError, lambda: Attention(3, 4, "general", 8), "hidden_size=8", "Omit")
    refused(ConfigError, lambda: Attention(0, 4), "`query_size`", "got 0")
    refused(ConfigError, lambda: Attention(3, 4, hidden_size=0), "`hidden_size`", "got 0")
    refused(ValueError, lambda: layer(query[..., :2], memory), "forward: `query`", "(4, 2, 2)")
    refused(ValueError, lambda: layer(query, memory[0]), "prepare: `memory`", "(4, 5)")
    refused(ValueError, lambda: layer(query, memory.float()), "memory.to(torch.float64)")
    refused(ValueError, lambda: layer(query, memory, [5, 1, 1, 1]), "between 0 and T=4")
    refused(ValueError, lambda: layer(query[:2], memory), "2 sequences", "memory.select(rows)")
    ready = layer.prepare(memory)
    refused(ValueError, lambda: layer(query, ready, [1, 1, 1, 1]), "prepare() alone")
    refused(TypeError, lambda: layer(query, memory, mask=torch.ones(4)), "`mask`", "float32")
    wrong = torch.ones(3, 4, dtype=torch.bool)
    refused(ValueError, lambda: layer(query, memory, mask=wrong), "(4, 2, 4)", "(3, 4)")


# ---- pooling


def pooling(hops: int = 3) -> tuple[SelfAttentionPooling, Tensor]:
    torch.manual_seed(0)
    return SelfAttentionPooling(5, 4, hops).double(), torch.randn(4, 4, 5).double()


def test_pooling_against_loops() -> None:
    pool, x = pooling()
    pooled, weights = pool(x, lengths=LENGTHS)
    for b, n in enumerate(LENGTHS):
        if n == 0:
            assert not pooled[b].any()
            assert not weights[b].any()
            continue
        steps = [pool.second.weight @ torch.tanh(pool.first.weight @ x[b, t]) for t in range(n)]
        a = torch.stack(steps, dim=1).softmax(-1)  # (hops, n)
        close(weights[b, :, :n], a)
        assert not weights[b, :, n:].any()
        close(pooled[b], sum(a[:, t, None] * x[b, t] for t in range(n)))  # type: ignore[arg-type]  # not 0
    close(pool(x[:1])[0], pooled[:1])


def test_the_penalty_is_that_of_the_definition() -> None:
    pool, x = pooling()
    weights = pool(x, lengths=LENGTHS)[1].detach()
    penalty = pool.penalty(weights)
    for b, n in enumerate(LENGTHS):
        a = weights[b]
        wanted = sum(
            (float(a[i] @ a[j]) - (i == j)) ** 2 for i in range(3) for j in range(3) if n > 0
        )
        assert abs(float(penalty[b]) - wanted) <= 100 * EPS
    apart = torch.eye(3, 4).unsqueeze(0)
    assert float(pool.penalty(apart)) == 0.0
    assert float(pool.penalty(apart[:, [0, 0, 0]])) == 6.0


def test_pooling_gradients_padding_and_order() -> None:
    pool, x = pooling()

    def run(x: Tensor) -> tuple[Tensor, Tensor]:
        pooled, weights = pool(x, lengths=LENGTHS)
        return pooled, pool.penalty(weights)

    assert torch.autograd.gradcheck(run, (x.clone().requires_grad_(),))
    spoilt = x.clone()
    for b, n in enumerate(LENGTHS):
        spoilt[b, n:] = math.nan
    assert torch.equal(pool(spoilt, lengths=LENGTHS)[0], pool(x, lengths=LENGTHS)[0])
    order = torch.tensor([3, 1, 0, 2])
    lengths = torch.tensor(LENGTHS)
    close(pool(x[order], lengths=lengths[order])[0], pool(x, lengths=LENGTHS)[0][order])
    refused(ConfigError, lambda: SelfAttentionPooling(3, 4, 0), "`hops`", "got 0")
    refused(ValueError, lambda: pool(x[..., 1:]), "SelfAttentionPooling.forward: `x`", "(4, 4, 4)")
