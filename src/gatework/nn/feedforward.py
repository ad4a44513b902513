"""A feedforward network in the place of a recurrent one: to compare with."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FeedForward(nn.Module):
    """All steps of a sequence at once through a stack of fully connected layers.

    .. code-block:: text

        h_1 = relu(W_1 [x_1; x_2; …; x_T] + b_1)        h_l = relu(W_l h_(l-1) + b_l)

    It has a weight for each step, so T is fixed and nothing is carried from step to step: quick to train,
    without a stream of its own, and blind to order beyond what the weights tell.  ``forward`` and
    ``fan_out`` have the shapes of :class:`~gatework.nn.GRU`, whose place it takes.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: Z.
        steps: T.
        dropout: between the layers.

    >>> output, state = FeedForward(3, 8, 1, steps=5)(torch.zeros(2, 5, 3))
    >>> output.shape, state.shape
    (torch.Size([2, 1, 8]), torch.Size([1, 2, 8]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        steps: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.steps = input_size, hidden_size, steps
        self.dropout = dropout
        sizes = [steps * input_size, *[hidden_size] * num_layers]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.query = nn.Linear(input_size, hidden_size, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, T, I)`` to the output ``(B, 1, H)`` and the same as a state ``(1, B, H)``.

        Raises:
            ValueError: another T or I than the layer was built with.
        """
        if x.shape[1:] != (self.steps, self.input_size):
            raise ValueError(
                f"FeedForward.forward: `x` must be (B, T={self.steps}, I={self.input_size}); got "
                f"{tuple(x.shape)}. A feedforward network has a weight for each step: T cannot change."
            )
        h = x.flatten(1)
        for i, layer in enumerate(self.layers):
            h = torch.relu(layer(h if i == 0 else F.dropout(h, self.dropout, self.training)))
        return h.unsqueeze(1), h.unsqueeze(0)

    def fan_out(self, x: Tensor, state: Tensor) -> Tensor:
        """``(*lead, m, H)``: ``relu(W x + h)`` for many inputs x ``(*lead, m, I)`` and one state."""
        return torch.relu(self.query(x) + state[-1].unsqueeze(-2))
