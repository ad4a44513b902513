"""A video's frame as a vector, without torch: ``gatework.nn.frames``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
LAYERS = 3


class FrameEncoder:
    """``(c*h*w,)`` to ``(64,)``: three convolutions of stride 2, then one layer over all places."""

    def __init__(self, frame: Sequence[int], get: Callable[[str], Array]) -> None:
        self.frame = tuple(frame)
        self.layers = [(get(f"layers.{k}.weight"), get(f"layers.{k}.bias")) for k in range(LAYERS)]
        self.linear = (get("linear.weight"), get("linear.bias"))

    def __call__(self, values: Array) -> Array:
        x = values.reshape(self.frame)
        for weight, bias in self.layers:
            padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
            windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
            places = windows[:, ::2, ::2].transpose(1, 2, 0, 3, 4)  # (h, w, c, 3, 3)
            rows = places.reshape(places.shape[0] * places.shape[1], -1)
            y = rows @ weight.reshape(len(weight), -1).T + bias
            x = np.maximum(y, 0).reshape(*places.shape[:2], -1).transpose(2, 0, 1)
        weight, bias = self.linear
        out: Array = np.maximum(weight @ x.reshape(-1) + bias, 0)
        return out
