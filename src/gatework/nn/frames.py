"""The frames of a video as vectors, by a small convolutional network that every frame goes through."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

CHANNELS = (16, 32, 32)
OUTPUT = 64


class FrameEncoder(nn.Module):
    """``(B, T, c*h*w)`` to ``(B, T, 64)``: three convolutions of stride 2, then one layer over all places.

    Args:
        frame: channels, height and width.
    """

    def __init__(self, frame: Sequence[int]) -> None:
        super().__init__()
        self.frame, self.output_size = tuple(frame), OUTPUT
        channels, height, width = self.frame
        sizes = (channels, *CHANNELS)
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in itertools.pairwise(sizes)
        )
        for _ in CHANNELS:
            height, width = (height + 1) // 2, (width + 1) // 2
        self.linear = nn.Linear(CHANNELS[-1] * height * width, OUTPUT)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Vectors of the frames; 0 behind a sequence's end, where nothing is computed."""
        B, T = values.shape[:2]
        valid = torch.arange(T) < lengths[:, None]
        x = values[valid].view(-1, *self.frame)
        for layer in self.layers:
            x = torch.relu(layer(x))
        rows = torch.relu(self.linear(x.flatten(1)))
        out = rows.new_zeros(B, T, self.output_size)
        out[valid] = rows
        return out
