"""Attention over a sequence's vectors, masked by lengths: for a decoder's queries, and to pool a sequence.

One alphabet: B batch, Q queries, S vectors of the memory, Dq and Dm their sizes, A the size of a score's
hidden layer.  What lies in padding is never read, NaN or not; a sequence without vectors gives weights and
contexts of 0.  :class:`~gatework.nn.AttentionLSTM` is a recurrent layer that attends to its own outputs.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gatework.errors import ConfigError, nearest
from gatework.nn import checks

SCORES = ("additive", "dot", "general", "scaled")


class Memory(NamedTuple):
    """What is attended to, made ready once by :meth:`Attention.prepare`."""

    values: Tensor  # (B, S, Dm), 0 in padding
    keys: Tensor  # (B, S, A) of the additive score, else the values
    valid: Tensor | None  # (B, S) bool, None where nothing is padding

    def select(self, rows: Tensor) -> Memory:
        """The memory of some sequences, in another order or more than once: what a beam search needs."""
        return Memory(*(None if t is None else t.index_select(0, rows) for t in self))  # type: ignore[arg-type]  # only valid may be None, and it is last


class Attention(nn.Module):
    r"""Contexts and weights: of each query, the mean of the memory's vectors, weighted by a score.

    .. code-block:: text

        a_qs = softmax over s of score(q, m_s)        context_q = Σ_s a_qs m_s

        additive   v · tanh(W q + U m)    Bahdanau, Cho & Bengio 2014 (arXiv 1409.0473), equations 5 and 6,
                                          appendix A.1.2; Luong's "concat" is the same with [W U] as one matrix
        dot        q · m                  Luong, Pham & Manning 2015 (arXiv 1508.04025), equations 7 and 8;
        general    q · W m                Dq = Dm is needed for dot and scaled
        scaled     q · m / √Dm            Vaswani et al. 2017 (arXiv 1706.03762), equation 1

    Bahdanau draws W and U with a standard deviation of 0.001 and sets v to 0; here all are drawn as
    ``torch.nn.Linear`` draws them.  The additive score keeps ``(B, Q, S, A)`` numbers for the backward pass,
    the others ``(B, Q, S)``.

    Args:
        query_size: Dq.
        memory_size: Dm.
        score: one of the four.
        hidden_size: A, of the additive score alone; Dq when absent.

    Raises:
        ConfigError: no such score, or sizes that do not go with it.

    >>> attention = Attention(4, 6)
    >>> context, weights = attention(torch.randn(2, 3, 4), torch.randn(2, 5, 6), lengths=[5, 2])
    >>> context.shape, weights.shape, int((weights[1] == 0).sum())
    (torch.Size([2, 3, 6]), torch.Size([2, 3, 5]), 9)
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        score: str = "additive",
        hidden_size: int | None = None,
    ) -> None:
        super().__init__()
        _positive("Attention", query_size=query_size, memory_size=memory_size)
        if score not in SCORES:
            raise ConfigError(
                f"Attention: there is no score {score!r}. {nearest(str(score), SCORES)}"
            )
        if score in ("dot", "scaled") and query_size != memory_size:
            raise ConfigError(
                f"Attention: score={score!r} multiplies query and memory, which must have one size; got "
                f"query_size={query_size}, memory_size={memory_size}. Take score='general' or 'additive'."
            )
        if hidden_size is not None and score != "additive":
            raise ConfigError(
                f"Attention: hidden_size={hidden_size} belongs to score='additive'; score={score!r} has no "
                "hidden layer. Omit it."
            )
        self.query_size, self.memory_size, self.score = query_size, memory_size, score
        self.hidden_size = None
        if score == "additive":
            self.hidden_size = A = query_size if hidden_size is None else hidden_size
            _positive("Attention", hidden_size=A)
            self.query = nn.Linear(query_size, A, bias=False)
            self.key = nn.Linear(memory_size, A, bias=False)
            self.v = nn.Linear(A, 1, bias=False)
        elif score == "general":
            self.query = nn.Linear(query_size, memory_size, bias=False)

    def extra_repr(self) -> str:
        return f"{self.query_size}, {self.memory_size}, score={self.score!r}"

    def prepare(self, memory: Tensor, lengths: Tensor | list[int] | None = None) -> Memory:
        """The memory with what of the score depends on it alone, for any number of calls.

        Args:
            memory: ``(B, S, Dm)``.
            lengths: ``(B,)`` integers, 0 to S: the valid vectors of each sequence; all S when absent.

        Raises:
            ValueError: sizes, dtypes or lengths that do not fit, named.
        """
        self._check("prepare", "memory", memory, self.memory_size)
        valid = None
        if lengths is not None:
            counts = checks.check_lengths("Attention.prepare", lengths, memory, True)
            valid = steps_below(counts, memory.shape[1], memory.device)
            memory = memory.masked_fill(~valid.unsqueeze(-1), 0.0)
        return Memory(memory, self.key(memory) if self.score == "additive" else memory, valid)

    def forward(
        self,
        query: Tensor,
        memory: Tensor | Memory,
        lengths: Tensor | list[int] | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """``(context, weights)`` of every query.

        Args:
            query: ``(B, Q, Dq)``.
            memory: ``(B, S, Dm)``, or what :meth:`prepare` made of it.
            lengths: as :meth:`prepare` takes them; not beside a prepared memory, which has its own.
            mask: bool, broadcast to ``(B, Q, S)``, True where a query may look; everywhere when absent.
                What only a mask hides must be finite.

        Returns:
            ``(context (B, Q, Dm), weights (B, Q, S))``; weights are at least 0 and sum to 1, or are all 0
            where a query may look nowhere.

        Raises:
            ValueError: sizes, dtypes or lengths that do not fit, named.
            TypeError: a mask that is not bool.
        """
        if not isinstance(memory, Memory):
            memory = self.prepare(memory, lengths)
        elif lengths is not None:
            raise ValueError(
                "Attention.forward: a prepared memory has its own lengths; give them to prepare() alone."
            )
        self._check("forward", "query", query, self.query_size)
        B, Q = query.shape[:2]
        if len(memory.values) != B:
            raise ValueError(
                f"Attention.forward: `query` has {B} sequences, `memory` {len(memory.values)}. Of a beam, "
                "repeat the memory with memory.select(rows)."
            )
        allowed = None if memory.valid is None else memory.valid.unsqueeze(1)
        if mask is not None:
            _check_mask(mask, (B, Q, memory.values.shape[1]))
            allowed = mask if allowed is None else mask & allowed
        weights = masked_softmax(self._scores(query, memory), allowed)
        return weights @ memory.values, weights

    def _scores(self, query: Tensor, memory: Memory) -> Tensor:
        """``(B, Q, S)``."""
        if self.score == "additive":
            hidden = self.query(query).unsqueeze(2) + memory.keys.unsqueeze(1)
            scores: Tensor = self.v(hidden.tanh()).squeeze(-1)
            return scores
        if self.score == "general":
            query = self.query(
                query
            )  # q · W m = (Wᵀ q) · m: the memory needs no product of its own
        elif self.score == "scaled":
            query = query / math.sqrt(self.memory_size)
        return query @ memory.keys.transpose(1, 2)

    def _check(self, method: str, argument: str, tensor: Tensor, size: int) -> None:
        weight = next(self.parameters(), None)
        check_sequences(f"Attention.{method}", argument, tensor, size, weight)


class SelfAttentionPooling(nn.Module):
    """A sequence of any length as ``hops`` vectors, each a weighted mean of its steps.

    .. code-block:: text

        A = softmax over t of (W_2 tanh(W_1 Xᵀ))        M = A X        penalty = ‖A Aᵀ - 1‖²

    Lin et al. 2017 (arXiv 1703.03130), equations 5 to 8, for x the outputs of a bidirectional LSTM there.

    Args:
        input_size: I, the size of a step.
        hidden_size: A, rows of W_1.
        hops: weighted means, rows of W_2.

    Raises:
        ConfigError: a size below 1.

    >>> pool = SelfAttentionPooling(6, 8, hops=2)
    >>> pooled, weights = pool(torch.randn(3, 5, 6), lengths=[5, 1, 0])
    >>> pooled.shape, weights.shape, pool.penalty(weights).shape
    (torch.Size([3, 2, 6]), torch.Size([3, 2, 5]), torch.Size([3]))
    """

    def __init__(self, input_size: int, hidden_size: int, hops: int = 1) -> None:
        super().__init__()
        _positive("SelfAttentionPooling", input_size=input_size, hidden_size=hidden_size, hops=hops)
        self.input_size, self.hidden_size, self.hops = input_size, hidden_size, hops
        self.first = nn.Linear(input_size, hidden_size, bias=False)
        self.second = nn.Linear(hidden_size, hops, bias=False)

    def forward(
        self, x: Tensor, lengths: Tensor | list[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """``(pooled (B, hops, I), weights (B, hops, T))`` of x ``(B, T, I)``; 0 of an empty sequence.

        Raises:
            ValueError: sizes, dtypes or lengths that do not fit, named.
        """
        name = "SelfAttentionPooling.forward"
        check_sequences(name, "x", x, self.input_size, self.first.weight)
        valid = None
        if lengths is not None:
            counts = checks.check_lengths(name, lengths, x, True)
            valid = steps_below(counts, x.shape[1], x.device)
            x = x.masked_fill(~valid.unsqueeze(-1), 0.0)
        scores = self.second(self.first(x).tanh()).transpose(1, 2)
        weights = masked_softmax(scores, None if valid is None else valid.unsqueeze(1))
        return weights @ x, weights

    @staticmethod
    def penalty(weights: Tensor) -> Tensor:
        """``(B,)``: how much the hops of each sequence look at the same steps, equation 8; add it to a loss.

        0 of an empty sequence, which has nothing to look at.
        """
        gram = weights @ weights.transpose(1, 2)
        apart = gram - torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
        return apart.square().sum((1, 2)).masked_fill(~weights.any(-1).any(-1), 0.0)


def masked_softmax(scores: Tensor, allowed: Tensor | None) -> Tensor:
    """Softmax over the last axis where ``allowed``, 0 elsewhere, and 0 everywhere where nothing is."""
    if allowed is None:
        return scores.softmax(-1)
    # The lowest number and not -inf: a row of -inf would be NaN, forward and backward.
    low = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
    return low.softmax(-1).masked_fill(~allowed, 0.0)


def steps_below(counts: Tensor, T: int, device: torch.device) -> Tensor:
    """``(B, T)`` bool: which steps are below each sequence's count."""
    return torch.arange(T, device=device) < counts.to(device).unsqueeze(1)


def check_sequences(
    name: str, argument: str, tensor: Tensor, size: int, weight: Tensor | None
) -> None:
    """Raise what is wrong with an argument ``(B, steps, size)``."""
    if not isinstance(tensor, Tensor) or tensor.dim() != 3 or tensor.shape[2] != size:
        came = tuple(tensor.shape) if isinstance(tensor, Tensor) else type(tensor).__name__
        raise ValueError(
            f"{name}: `{argument}` must be a tensor (batch, steps, {size}); got {came}."
        )
    cast = not tensor.is_meta and torch.is_autocast_enabled(tensor.device.type)
    if weight is not None and tensor.dtype != weight.dtype and not cast:
        raise ValueError(
            f"{name}: `{argument}` is {tensor.dtype}, the weights are {weight.dtype}. Convert it: "
            f"{argument}.to({weight.dtype})."
        )


def _check_mask(mask: Tensor, shape: tuple[int, ...]) -> None:
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        came = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(
            f"Attention.forward: `mask` must be a bool tensor, True where to look; got {came}."
        )
    try:
        mask.expand(shape)
    except RuntimeError:
        raise ValueError(
            f"Attention.forward: `mask` must broadcast to (B, Q, S) = {shape}; got {tuple(mask.shape)}."
        ) from None


def _positive(name: str, **sizes: int) -> None:
    for argument, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ConfigError(
                f"{name}: `{argument}` must be a whole number of at least 1; got {size!r}."
            )
