"""A linear-chain random field over labels: which label follows which, decided over the whole sequence.

.. code-block:: text

    score(y) = s[y_1] + Σ_t x[t, y_t] + Σ_t A[y_(t-1), y_t] + e[y_T]        p(y) = exp score(y) / Z

Lafferty, McCallum & Pereira 2001; on top of an LSTM Huang, Xu & Yu 2015 (arXiv 1508.01991), equations 12 to 14.
One alphabet: B sequences of up to T steps, K labels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LinearChainCRF(nn.Module):
    """Transitions ``A (K, K)``, first labels ``s (K)`` and last labels ``e (K)``, all 0 to begin with.

    Args:
        labels: K.

    >>> field = LinearChainCRF(3)
    >>> logits, lengths = torch.zeros(1, 2, 3), torch.tensor([2])
    >>> field.loss(logits, torch.tensor([[0, 1]]), lengths).detach()  # log 9: all paths alike
    tensor([2.1972])
    """

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.transitions = nn.Parameter(torch.zeros(labels, labels))
        self.first = nn.Parameter(torch.zeros(labels))
        self.last = nn.Parameter(torch.zeros(labels))

    def loss(self, logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
        """``(B,)`` negative log-likelihood of label sequences.

        Args:
            logits: x ``(B, T, K)``.
            targets: ``(B, T)`` labels; a step with -1 may have any: the sum over all is what is likely.
            lengths: ``(B,)`` steps of each, at least 1.
        """
        within = torch.arange(targets.shape[1], device=targets.device) < lengths.unsqueeze(1)
        if not ((targets < 0) & within).any():
            own = self._score(logits.double(), targets, within)
            return (self._log_sum(logits, lengths) - own).to(logits.dtype)
        given = targets.unsqueeze(-1)
        other = (given >= 0) & (given != torch.arange(logits.shape[-1], device=given.device))
        # A number that no sum of scores comes near, and whose gradient is 0, not NaN.
        held = logits.masked_fill(other, -1e4)
        whole, own = self._log_sum(torch.cat([logits, held]), torch.cat([lengths] * 2)).chunk(2)
        return (whole - own).to(logits.dtype)

    def _score(self, logits: Tensor, targets: Tensor, within: Tensor) -> Tensor:
        """``(B,)`` score of one path each."""
        y = targets.clamp_min(0)
        steps = logits.gather(2, y.unsqueeze(2)).squeeze(2)
        follows = self.transitions[y[:, :-1], y[:, 1:]]
        final = y.gather(1, within.sum(1, keepdim=True) - 1).squeeze(1)
        total = torch.where(within, steps, 0.0).sum(1)
        total = total + torch.where(within[:, 1:], follows, 0.0).sum(1)
        return total + self.first[y[:, 0]] + self.last[final]

    def _log_sum(self, logits: Tensor, lengths: Tensor) -> Tensor:
        """``(B,)`` log of the sum of exp score over all paths, in double precision.

        A step is one product with exp A, scaled by the largest, in place of K² exponentials a sequence: 0 is
        what a label is only when e^690 times less likely than another.
        """
        x, A = logits.double(), self.transitions.double()
        alpha, most = self.first + x[:, 0], A.max().detach()
        follows = (A - most).exp()
        for t in range(1, logits.shape[1]):
            top = alpha.amax(1, keepdim=True).detach()
            step = (alpha - top).exp() @ follows
            step = step.clamp_min(1e-300).log() + (top + most) + x[:, t]
            alpha = torch.where((t < lengths).unsqueeze(1), step, alpha)
        return torch.logsumexp(alpha + self.last, dim=1)

    def decode(self, logits: Tensor, lengths: Tensor) -> Tensor:
        """``(B, T)`` the likeliest label sequences (Viterbi 1967); 0 behind a sequence's end."""
        T = logits.shape[1]
        score = self.first + logits[:, 0]
        came: list[Tensor] = []
        itself = torch.arange(logits.shape[2], device=logits.device)
        for t in range(1, T):
            best, origin = (score.unsqueeze(2) + self.transitions).max(dim=1)
            going = (t < lengths).unsqueeze(1)
            score = torch.where(going, best + logits[:, t], score)
            # Behind an end every label comes from itself, so that the way back passes through.
            came.append(torch.where(going, origin, itself))
        label = (score + self.last).argmax(dim=1)
        path = [label]
        for origin in reversed(came):
            label = origin.gather(1, label.unsqueeze(1)).squeeze(1)
            path.append(label)
        found = torch.stack(path[::-1], dim=1)
        behind = torch.arange(T, device=lengths.device) >= lengths.unsqueeze(1)
        return found.masked_fill(behind, 0)

    def marginals(self, logits: Tensor, lengths: Tensor) -> Tensor:
        """``(B, T, K)`` probabilities of the labels of each step given the whole; 0 behind an end.

        They are the gradient of log Z by the logits.
        """
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
        ):  # whatever the caller has switched off
            x = logits.detach().clone().requires_grad_(True)
            (gradient,) = torch.autograd.grad(self._log_sum(x, lengths).sum(), x)
        return gradient.detach()
