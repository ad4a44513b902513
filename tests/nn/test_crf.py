"""The linear-chain random field against all paths written out, finite differences, and wrong answers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from gatework.nn.crf import LinearChainCRF
from gatework.runtime.viterbi import viterbi

LENGTHS = torch.tensor([4, 1, 3, 2])


def field(
    K: int, scale: float = 1.0, seed: int = 0, dtype: torch.dtype = torch.float64
) -> LinearChainCRF:
    torch.manual_seed(seed)
    made = LinearChainCRF(K).to(dtype)
    with torch.no_grad():
        for p in made.parameters():
            p.copy_(scale * torch.randn_like(p))
    return made


def problem(K: int, scale: float = 1.0, seed: int = 0) -> tuple[LinearChainCRF, Tensor, Tensor]:
    """A field, logits of four sequences of 1 to 4 steps, and labels for each."""
    made = field(K, scale, seed)
    return made, scale * torch.randn(4, 4, K, dtype=torch.float64), torch.randint(0, K, (4, 4))


def score(made: LinearChainCRF, x: Tensor, path: tuple[int, ...]) -> float:
    """Of one path, from the definition."""
    A, first, last = (p.tolist() for p in (made.transitions, made.first, made.last))
    total = first[path[0]] + last[path[-1]] + sum(x[t].tolist()[y] for t, y in enumerate(path))
    return float(total + sum(A[a][b] for a, b in itertools.pairwise(path)))


def paths(K: int, length: int) -> list[tuple[int, ...]]:
    return list(itertools.product(range(K), repeat=length))


@pytest.mark.parametrize("K", [1, 2, 3])
@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_loss_is_that_of_all_paths(K: int, scale: float) -> None:
    made, x, y = problem(K, scale)
    loss = made.loss(x, y, LENGTHS)
    for i, n in enumerate(LENGTHS.tolist()):
        every = torch.tensor([score(made, x[i], p) for p in paths(K, n)], dtype=torch.float64)
        wanted = torch.logsumexp(every, 0) - score(made, x[i], tuple(y[i, :n].tolist()))
        assert float(loss[i].detach()) == pytest.approx(float(wanted), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_steps_without_a_label_may_have_any(scale: float) -> None:
    made, x, y = problem(3, scale)
    y[0, 1], y[0, 2], y[1, 0], y[2, 0] = -1, -1, -1, -1
    loss = made.loss(x, y, LENGTHS)
    for i, n in enumerate(LENGTHS.tolist()):
        given = y[i, :n].tolist()
        every = paths(3, n)
        fits = [p for p in every if all(g in (-1, q) for g, q in zip(given, p, strict=True))]
        whole, own = (
            torch.logsumexp(
                torch.tensor([score(made, x[i], p) for p in ps], dtype=torch.float64), 0
            )
            for ps in (every, fits)
        )
        assert float(loss[i].detach()) == pytest.approx(float(whole - own), rel=1e-12, abs=1e-12)
    assert float(loss[1].detach()) == pytest.approx(
        0, abs=1e-12
    )  # no label at all: nothing to learn


def test_both_ways_to_the_loss_agree() -> None:
    """A label missing in one sequence changes nothing of the others, nor do their gradients."""
    made, x, y = problem(3)
    x.requires_grad_()
    other = y.clone()
    other[0, 0] = -1
    (a,) = torch.autograd.grad(made.loss(x, y, LENGTHS)[1:].sum(), x)
    (b,) = torch.autograd.grad(made.loss(x, other, LENGTHS)[1:].sum(), x)
    assert torch.allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("missing", [False, True])
def test_finite_differences(missing: bool) -> None:
    made, x, y = problem(3)
    if missing:
        y[0, 1] = y[2, 2] = y[3, 0] = -1
    weights = tuple(p.detach().clone().requires_grad_() for p in made.parameters())
    names = [n for n, _ in made.named_parameters()]

    def run(x: Tensor, *values: Tensor) -> Tensor:
        tensors = dict(zip(names, values, strict=True))
        return torch.func.functional_call(
            _Loss(made), {f"own.{n}": v for n, v in tensors.items()}, (x, y)
        )

    assert torch.autograd.gradcheck(run, (x.requires_grad_(), *weights))


class _Loss(torch.nn.Module):
    def __init__(self, own: LinearChainCRF) -> None:
        super().__init__()
        self.own = own

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.own.loss(x, y, LENGTHS)


@pytest.mark.parametrize("K", [1, 2, 4])
@pytest.mark.parametrize("seed", range(5))
def test_decode_finds_the_best_of_all_paths(K: int, seed: int) -> None:
    made, x, _ = problem(K, seed=seed)
    found = made.decode(x, LENGTHS)
    plain = viterbi(
        x.numpy(),
        LENGTHS.numpy(),
        *(p.detach().numpy() for p in (made.transitions, made.first, made.last)),
    )
    assert found.tolist() == plain.tolist()
    for i, n in enumerate(LENGTHS.tolist()):
        best = max(paths(K, n), key=lambda p: score(made, x[i], p))
        assert found[i].tolist() == [*best, *[0] * (4 - n)]


def test_marginals_are_shares_of_all_paths() -> None:
    made, x, _ = problem(3, 2.0)
    found = made.marginals(x, LENGTHS)
    for i, n in enumerate(LENGTHS.tolist()):
        every = paths(3, n)
        p = torch.softmax(torch.tensor([score(made, x[i], q) for q in every]).double(), 0)
        wanted = torch.zeros(4, 3, dtype=torch.float64)
        for share, path in zip(p, every, strict=True):
            for t, label in enumerate(path):
                wanted[t, label] += share
        assert torch.allclose(found[i], wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_marginals_whatever_is_switched_off(mode: type) -> None:
    made, x, _ = problem(3)
    wanted = made.marginals(x, LENGTHS)
    with mode():
        assert torch.equal(made.marginals(x.clone(), LENGTHS), wanted)
    assert all(p.grad is None for p in made.parameters())


def test_what_lies_behind_an_end_does_not_count() -> None:
    made, x, y = problem(3)
    behind = torch.arange(4) >= LENGTHS.unsqueeze(1)
    for value in (1e6, -1e6):
        other = x.masked_fill(behind.unsqueeze(2), value)
        assert torch.equal(made.loss(other, y, LENGTHS), made.loss(x, y, LENGTHS))
        assert torch.equal(made.decode(other, LENGTHS), made.decode(x, LENGTHS))
        assert torch.equal(made.marginals(other, LENGTHS), made.marginals(x, LENGTHS))
    labels = y.masked_fill(behind, -1)
    assert torch.equal(made.loss(x, labels, LENGTHS), made.loss(x, y, LENGTHS))
    x.requires_grad_()
    made.loss(x, y, LENGTHS).sum().backward()
    assert (x.grad[behind] == 0).all()


def test_long_and_sure_sequences_stay_exact_in_single_precision() -> None:
    made = field(5, 3.0, dtype=torch.float32)
    x, y = 30 * torch.randn(2, 400, 5), torch.randint(0, 5, (2, 400))
    lengths = torch.tensor([400, 300])
    y[1, ::7] = -1
    x.requires_grad_()
    loss = made.loss(x, y, lengths)
    wanted = made.double().loss(x.double(), y, lengths)
    assert torch.allclose(loss.double(), wanted, rtol=1e-6)
    loss.sum().backward()
    assert torch.isfinite(x.grad).all()
    best = made.decode(x.detach(), lengths)
    assert (made.loss(x, best, lengths) <= wanted).all()


def test_a_label_hundreds_of_times_unlikelier_still_counts() -> None:
    """A step that all but excludes a label is made good by the next: e^-500 is no 0 here."""
    made = field(2, 0.0)
    with torch.no_grad():
        made.transitions.copy_(torch.tensor([[0.0, -1000.0], [-1000.0, 0.0]]))  # labels stay
    x = torch.tensor([[[500.0, 0.0], [0.0, 500.0]]], dtype=torch.float64, requires_grad=True)
    loss = made.loss(x, torch.tensor([[1, 1]]), torch.tensor([2]))
    assert float(loss.detach()) == pytest.approx(np.log(2))
    (gradient,) = torch.autograd.grad(loss.sum(), x)
    assert torch.allclose(gradient[0, 1], torch.tensor([0.5, -0.5]).double())


def test_it_learns_which_label_follows_which() -> None:
    """Steps tell nothing, their order all: labels go round 0 1 2."""
    made = LinearChainCRF(3)
    y = (torch.arange(12) % 3).repeat(4, 1)
    x, lengths = torch.zeros(4, 12, 3), torch.full((4,), 12)
    for _ in range(40):
        slopes = torch.autograd.grad(made.loss(x, y, lengths).mean(), list(made.parameters()))
        with torch.no_grad():
            for p, slope in zip(made.parameters(), slopes, strict=True):
                p -= slope
    assert torch.equal(made.decode(x, lengths), y)
    assert float(made.loss(x, y, lengths).mean().detach()) < 1
    assert (
        float(made.loss(x, (y + torch.arange(12) // 6) % 3, lengths).mean().detach()) > 3
    )  # one wrong turn


def test_numpy_refuses_sizes_that_do_not_fit() -> None:
    x, n, A, e = np.zeros((2, 3, 4)), np.array([3, 1]), np.zeros((4, 4)), np.zeros(4)
    assert viterbi(x, n, A, e, e).shape == (2, 3)
    with pytest.raises(
        ValueError, match=r"transitions \(3, 3\), first \(4,\), last \(4,\) of 4 labels"
    ):
        viterbi(x, n, A[:3, :3], e, e)
    for lengths in ([3], [4, 1], [0, 1]):
        with pytest.raises(ValueError, match="2 numbers from 1 to 3"):
            viterbi(x, np.array(lengths), A, e, e)


def test_numpy_decodes_longer_sequences_as_torch_does() -> None:
    made = field(9, dtype=torch.float32)
    x, lengths = torch.randn(40, 60, 9), torch.randint(1, 61, (40,))
    plain = viterbi(
        x.numpy(),
        lengths.numpy(),
        *(p.detach().numpy() for p in (made.transitions, made.first, made.last)),
    )
    assert np.array_equal(made.decode(x, lengths).numpy(), plain)
